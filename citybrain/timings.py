"""Minimum timings of every signal group, and interstage durations that follow from them.

Tables only; profiles that fill them are in ``citybrain.profiles``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.signals import Aspect

if TYPE_CHECKING:
    from citybrain.signals import Signals

IntArray = NDArray[np.int32]


@dataclass(frozen=True)
class Timings:
    """Limits that the guard enforces, all in tenths of a second. Index g signal groups.

    Attributes
    ----------
    profile : name of the profile that made them.
    min_green : [G] shortest green (pedestrians: shortest walk).
    yellow : [G] yellow after green; 0 for pedestrians.
    max_yellow : [G] longest yellow.
    max_red : [G] longest red; a group that no stage serves is exempt.
    intergreen : flat like ``Signals.conflict``: from the end of green of the row's group to the beginning of
        green of the column's group (yellow included); 0 where they do not conflict.
    as_programmed : the steps of an intersection's own program, from one row to the next, are lawful as the program
        has them, though a yellow turn green or a green turn red at once; minimum greens, intergreens and the length
        of a yellow hold there too. Steps from stage to stage are changes like any other.
    """

    profile: str
    min_green: IntArray
    yellow: IntArray
    max_yellow: IntArray
    max_red: IntArray
    intergreen: IntArray
    as_programmed: bool


def interstage_tenths(signals: Signals, timings: Timings) -> tuple[IntArray, IntArray]:
    """Duration of every change between rows, as the guard carries it out.

    All greens of the new stage begin together, once every ending group has shown its yellow and every conflicting
    pair has its intergreen.

    Returns
    -------
    ptr : [I + 1] start of each intersection's matrix.
    duration : flat row-major [n_rows, n_rows] per intersection, tenths; 0 on the diagonal and where nothing ends.
    """
    n_i = signals.n_intersections
    ptr = np.zeros(n_i + 1, dtype=np.int32)
    blocks = []
    for i in range(n_i):
        g0, g1 = int(signals.group_ptr[i]), int(signals.group_ptr[i + 1])
        n = g1 - g0
        rows = range(int(signals.row_ptr[i]), int(signals.row_ptr[i + 1]))
        c0 = int(signals.conflict_ptr[i])
        intergreen = timings.intergreen[c0 : c0 + n * n].reshape(n, n)
        green = np.array([signals.aspects(r) >= Aspect.PERMISSIVE for r in rows]).reshape(len(rows), n)
        block = np.zeros((len(rows), len(rows)), dtype=np.int32)
        for a in range(len(rows)):
            for b in range(len(rows)):
                ending = np.flatnonzero(green[a] & ~green[b])
                starting = np.flatnonzero(green[b] & ~green[a])
                if len(ending):
                    block[a, b] = timings.yellow[g0 + ending].max()
                    if len(starting):
                        block[a, b] = max(block[a, b], intergreen[np.ix_(ending, starting)].max())
        ptr[i + 1] = ptr[i] + block.size
        blocks.append(block.ravel())
    return ptr, np.concatenate(blocks) if blocks else np.zeros(0, dtype=np.int32)
