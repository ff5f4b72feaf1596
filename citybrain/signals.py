"""Signal groups, stages, programs and conflicts of all intersections as a struct of arrays.

A *lamp* is one position of an intersection's state string. Lamps that show the same in every state of the program
form a *signal group*, the unit of conflict. Every distinct state of the program is a *row*; rows with green and
without yellow that last long enough are *stages*, the others belong to interstages. Rows are numbered over all
intersections (``row_ptr``), and that number is what wishes and commands speak of.

Index letters: i intersections, k lamps, g groups, r rows, s steps of the program.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int32]
ByteArray = NDArray[np.uint8]


class Aspect(IntEnum):
    """What a signal group shows."""

    RED = 0
    YELLOW = 1
    PERMISSIVE = 2
    """Green, giving way to foes (``g``)."""
    PROTECTED = 3
    """Green with right of way (``G``)."""


class GroupKind(IntEnum):
    """Who obeys a signal group."""

    VEHICLE = 0
    PEDESTRIAN = 1


class Conflict(IntEnum):
    """Relation of two signal groups of one intersection."""

    NONE = 0
    """Their paths neither cross nor merge."""
    HARD = 1
    """Never green together."""
    YIELDS = 2
    """Green together only as a row of the program shows it, at least one of them giving way."""


@dataclass(frozen=True)
class Signals:
    """Signals of all intersections; immutable.

    Attributes
    ----------
    lamp_ptr : [I + 1] lamps of each intersection.
    lamp_group : [K] signal group of a lamp, -1 where the network leaves the position unused.
    lamp_red : [K] ASCII character shown for red: ``r``, or ``s`` (right turn after a stop).
    group_ptr : [I + 1] groups of each intersection.
    group_kind : [G] ``GroupKind``.
    group_move_ptr, group_move : CSR over groups: movements of the network (empty for pedestrians).
    group_crossing : [G] crossing length [m], 0 for vehicles.
    conflict_ptr : [I + 1] start of the intersection's matrix in ``conflict``.
    conflict : flat row-major [n_g, n_g] matrices of ``Conflict``, symmetric, diagonal 0; local group numbers.
    row_ptr : [I + 1] rows of each intersection.
    row_aspect_ptr : [R + 1] start of the row's aspects.
    row_aspect : flat, per row one ``Aspect`` per group of the intersection, in group order.
    row_is_stage : [R].
    step_ptr : [I + 1] steps of each intersection's own program.
    step_row : [S] row shown.
    step_duration : [S] tenths.
    step_min, step_max : [S] shortest and longest duration that the program declares, tenths (both equal
        ``step_duration`` where it declares none).
    program_id : name of the program read, per intersection.
    program_offset : [I] tenths; the program is at step 0 at times t with (t - offset) mod cycle = 0.
    """

    lamp_ptr: IntArray
    lamp_group: IntArray
    lamp_red: ByteArray
    group_ptr: IntArray
    group_kind: ByteArray
    group_move_ptr: IntArray
    group_move: IntArray
    group_crossing: NDArray[np.float64]
    conflict_ptr: IntArray
    conflict: ByteArray
    row_ptr: IntArray
    row_aspect_ptr: IntArray
    row_aspect: ByteArray
    row_is_stage: NDArray[np.bool_]
    step_ptr: IntArray
    step_row: IntArray
    step_duration: IntArray
    step_min: IntArray
    step_max: IntArray
    program_id: tuple[str, ...]
    program_offset: IntArray

    @property
    def n_intersections(self) -> int:
        """Number of intersections I."""
        return len(self.lamp_ptr) - 1

    @property
    def n_groups(self) -> int:
        """Number of signal groups G."""
        return len(self.group_kind)

    @property
    def n_rows(self) -> int:
        """Number of rows R."""
        return len(self.row_is_stage)

    def conflicts(self, intersection: int) -> ByteArray:
        """Conflict matrix [n_g, n_g] of one intersection, a view."""
        a, b = self.conflict_ptr[intersection], self.conflict_ptr[intersection + 1]
        n = int(self.group_ptr[intersection + 1] - self.group_ptr[intersection])
        return self.conflict[a:b].reshape(n, n)

    def aspects(self, row: int) -> ByteArray:
        """Aspects of one row, per group of its intersection, a view."""
        return self.row_aspect[self.row_aspect_ptr[row] : self.row_aspect_ptr[row + 1]]

    def stages(self, intersection: int) -> IntArray:
        """Rows of an intersection that are stages, ascending."""
        rows = np.arange(self.row_ptr[intersection], self.row_ptr[intersection + 1], dtype=np.int32)
        return rows[self.row_is_stage[rows]]
