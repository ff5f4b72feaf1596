"""Minimum timings that an intersection's own program shows. May import signals, timings and units.

What the program shows is taken as lawful; what it never shows is derived from what it shows elsewhere at the same
intersection. Index letters: s steps, k, a, b, c groups of one intersection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.signals import Aspect, Conflict, GroupKind
from citybrain.timings import Timings
from citybrain.units import ceil_tenths

if TYPE_CHECKING:
    from citybrain.signals import Signals


@dataclass(frozen=True)
class Run:
    """Consecutive steps, around the end of the cycle too, over which a group shows the same; times in tenths.

    ``shortest`` is its length with every step as short as the program allows; ``before`` what the group showed
    before it.
    """

    begin: int
    length: int
    shortest: int
    before: int


@dataclass(frozen=True)
class Cycle:
    """One intersection's program: ``aspect`` [s, k], ``stage`` [s], and per step its durations [tenths]."""

    aspect: NDArray[np.uint8]
    stage: NDArray[np.bool_]
    duration: NDArray[np.int64]
    shortest: NDArray[np.int64]

    @property
    def length(self) -> int:
        """Duration of the cycle [tenths]."""
        return int(self.duration.sum())

    def green(self, k: int) -> NDArray[np.bool_]:
        """Mark the steps in which a group is green."""
        return self.aspect[:, k] >= Aspect.PERMISSIVE

    def runs(self, shown: NDArray[np.bool_], k: int) -> list[Run]:
        """Join the steps marked in ``shown``, something that group k shows, to runs."""
        n = len(shown)
        if shown.all():
            return [Run(0, self.length, int(self.shortest.sum()), int(self.aspect[-1, k]))]
        found = []
        for first in np.flatnonzero(shown & ~np.roll(shown, 1)):
            steps = [int(first)]
            while shown[(steps[-1] + 1) % n]:
                steps.append((steps[-1] + 1) % n)
            begin, length = int(self.duration[:first].sum()), int(self.duration[steps].sum())
            found.append(Run(begin, length, int(self.shortest[steps].sum()), int(self.aspect[first - 1, k])))
        return found

    def stage_between(self, begin: int, length: int) -> bool:
        """Whether a stage is shown at some moment of the ``length`` tenths from ``begin`` on."""
        starts = np.cumsum(self.duration) - self.duration
        ahead = (starts - begin) % self.length
        overlaps = (ahead < length) | (ahead + self.duration > self.length)
        return length > 0 and bool(np.any(self.stage & overlaps & (self.duration > 0)))


def own_timings(profile: str, constants: Mapping[str, float], signals: Signals) -> Timings:
    """Derive timings under which every intersection's own program is carried out exactly as it is.

    - Yellow: the group's shortest after a green; ``yellow_s`` where the program shows none. Longest yellow: as shown.
    - Minimum green: the shortest green with every step as short as the program allows, at most
      ``min_green_longest_s``.
    - Maximum red: ``max_red_s``, or ``max_red_share`` times the longest red that the program shows.
    - Intergreen of two groups: see :func:`intergreens`.
    """
    n_g = signals.n_groups
    limits = np.zeros((4, n_g), dtype=np.int32)
    blocks = [np.zeros(0, dtype=np.int32)]
    for i in range(signals.n_intersections):
        groups = slice(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
        pedestrian = signals.group_kind[groups] == GroupKind.PEDESTRIAN
        cycle = _cycle(signals, i)
        for k in range(len(pedestrian)):
            limits[:, groups.start + k] = _group_limits(cycle, k, bool(pedestrian[k]), constants)
        clearance = signals.group_crossing[groups] / constants["walking_speed_mps"]
        blocks.append(
            intergreens(
                cycle,
                signals.conflicts(i),
                limits[1, groups],
                [ceil_tenths(s) if p else -1 for s, p in zip(clearance, pedestrian, strict=True)],
                ceil_tenths(constants["gap_longest_s"]),
                ceil_tenths(constants["red_clearance_longest_s"]),
            ).ravel()
        )
    min_green, yellow, max_yellow, max_red = limits
    intergreen = np.concatenate(blocks)
    return Timings(profile, min_green, yellow, max_yellow, max_red, intergreen, bool(constants["as_programmed"]))


def _cycle(signals: Signals, intersection: int) -> Cycle:
    steps = slice(int(signals.step_ptr[intersection]), int(signals.step_ptr[intersection + 1]))
    keep = signals.step_duration[steps] > 0
    rows = signals.step_row[steps][keep]
    duration = signals.step_duration[steps][keep].astype(np.int64)
    return Cycle(
        aspect=np.array([signals.aspects(int(r)) for r in rows]),
        stage=signals.row_is_stage[rows],
        duration=duration,
        shortest=np.minimum(signals.step_min[steps][keep].astype(np.int64), duration),
    )


def _group_limits(cycle: Cycle, k: int, pedestrian: bool, constants: Mapping[str, float]) -> tuple[int, int, int, int]:
    """Minimum green, yellow, longest yellow and maximum red of one group [tenths]."""
    greens = [run.shortest for run in cycle.runs(cycle.green(k), k)]
    yellow_runs = cycle.runs(cycle.aspect[:, k] == Aspect.YELLOW, k)
    yellows = [run.length for run in yellow_runs if run.before >= Aspect.PERMISSIVE]
    reds = [run.length for run in cycle.runs(cycle.aspect[:, k] == Aspect.RED, k)]
    habit = min(greens, default=ceil_tenths(constants["min_green_s"]))
    min_green = min(max(habit, 0), ceil_tenths(constants["min_green_longest_s"]))
    yellow = 0 if pedestrian else min(yellows, default=ceil_tenths(constants["yellow_s"]))
    longest_red = round(constants["max_red_share"] * max(reds, default=0))
    return min_green, yellow, max([yellow, *yellows]), max(ceil_tenths(constants["max_red_s"]), longest_red)


def intergreens(
    cycle: Cycle,
    conflict: NDArray[np.uint8],
    yellow: NDArray[np.int32],
    crossing: Sequence[int],
    longest_gap: int,
    longest_red: int,
) -> NDArray[np.int32]:
    """Intergreen [k, k] of every conflicting pair: what the program shows where b follows a directly.

    A gap lasts from an end of a's green to the next begin of b's; there is none where b is green at its begin or a
    becomes green again before its end. It is *direct* if no stage is shown in it, no third group ends its green in it
    that conflicts with b, or that conflicts with a and also began in it, and, after vehicles, it is not longer than
    ``longest_gap``: otherwise b waited for more than a.
    The intergreen is the shortest direct gap. A pair without direct gaps has a's yellow and the largest red clearance
    of the intersection's direct gaps, at most ``longest_red`` (pedestrians: the largest direct gap after pedestrians,
    or else the clearance of their crossing); and never more than its shortest gap, direct or not.

    Parameters
    ----------
    yellow : [k] tenths.
    crossing : [k] clearance of the crossing at walking speed [tenths], -1 for vehicles.
    longest_gap, longest_red : [tenths].
    """
    n = len(conflict)
    greens = [cycle.runs(cycle.green(k), k) for k in range(n)]
    gaps: dict[tuple[int, int], list[int]] = {}
    direct: dict[tuple[int, int], list[int]] = {}
    for a, b in product(range(n), repeat=2):
        if conflict[a, b] == Conflict.NONE:
            continue
        gaps[a, b], direct[a, b] = [], []
        for run in (run for run in greens[a] if run.length < cycle.length):
            end = (run.begin + run.length) % cycle.length
            gap = _gap(cycle, greens, end, a, b)
            if gap is not None:
                gaps[a, b].append(gap)
                too_long = crossing[a] < 0 and gap > longest_gap
                waited = cycle.stage_between(end, gap) or _held_up(cycle, greens, conflict, end, gap, a, b)
                if not too_long and not waited:
                    direct[a, b].append(gap)
    red = max((gap - int(yellow[a]) for (a, _), found in direct.items() if crossing[a] < 0 for gap in found), default=0)
    walk = max((gap for (a, _), found in direct.items() if crossing[a] >= 0 for gap in found), default=-1)
    result = np.zeros((n, n), dtype=np.int32)
    for (a, b), found in gaps.items():
        derived = int(yellow[a]) + min(max(red, 0), longest_red)
        if crossing[a] >= 0:
            derived = walk if walk >= 0 else crossing[a]
        result[a, b] = min([*(direct[a, b] or [derived]), *found])
    return result


def _gap(cycle: Cycle, greens: Sequence[Sequence[Run]], end: int, a: int, b: int) -> int | None:
    """Time from an end of a's green to the begin of b's, None where b does not follow a."""
    if any(0 < (end - run.begin) % cycle.length < run.length or run.length == cycle.length for run in greens[b]):
        return None
    gap = min(((run.begin - end) % cycle.length for run in greens[b]), default=None)
    again = min((run.begin - end) % cycle.length for run in greens[a])
    return None if gap is None or again < gap else gap


def _held_up(
    cycle: Cycle,
    greens: Sequence[Sequence[Run]],
    conflict: NDArray[np.uint8],
    end: int,
    gap: int,
    a: int,
    b: int,
) -> bool:
    """Whether b waited, during the gap, for a third group."""
    for c, of_c in enumerate(greens):
        if c in (a, b):
            continue
        for run in of_c:
            until_end = (run.begin + run.length - end) % cycle.length
            if not 0 < until_end <= gap:
                continue
            if conflict[c, b] != Conflict.NONE or (conflict[c, a] != Conflict.NONE and run.length <= until_end):
                return True
    return False
