"""The program's own interstages: what its engineer put between two stages, instead of yellow and red for all.

An engineer's change from one stage to the next is more than a clearance. Streams that nothing begins against go on for
longer, streams that nothing is left before begin earlier, and inner roads of a wide intersection are emptied under
protection before the crossing street is let in. Where the program has the change that is wished, it is shown row by
row; the guard beneath checks every one of them as it does any other wish.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from citybrain.network import IntArray
from citybrain.signals import Aspect, Conflict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.decisions import Command, LampState, Wish
    from citybrain.guard import LampGuard
    from citybrain.signals import Signals
    from citybrain.timings import Timings


class Interstage(NamedTuple):
    """What a program shows between two stages.

    Attributes
    ----------
    steps : rows and their durations [tenths], in order.
    ending_group, ending_after : groups whose green ends, and when that is after the begin [tenths].
    cleared_group, cleared_by : groups that may have ended before the change began, and how long before its begin that
        must have been [tenths], for those that begin in it; may be negative.
    """

    steps: list[tuple[int, int]]
    ending_group: IntArray
    ending_after: IntArray
    cleared_group: IntArray
    cleared_by: IntArray


class Change(NamedTuple):
    """An interstage that is being shown: to which stage, since when, which step until when [tenths]."""

    target: int
    since: int
    interstage: Interstage
    step: int
    until: int


class OwnInterstages:
    """Shows the interstages of the intersections' own programs where a stage is wished; implements ``engine.Guard``.

    A wish for a stage that follows the shown one in the program is carried out as the program does it, once minimum
    greens allow it; it is finished before another is heard, unless the guard must serve somebody who has been red for
    too long. All other wishes, and changes that the program does not have or has in a way that breaks the timings,
    go to the guard as they are.

    Red clearance is not extended for who stands inside: the engineer's clearances are taken as they are.

    To the outside an intersection is changing to the stage for as long as its interstage is shown.

    Parameters
    ----------
    guard : which everything that is shown goes through.
    signals, timings : that the guard was made of.
    """

    def __init__(self, guard: LampGuard, signals: Signals, timings: Timings) -> None:
        self._guard = guard
        self._is_stage = signals.row_is_stage
        self._min_green, self._yellow = timings.min_green, timings.yellow
        self._interstages = own_interstages(signals, timings)
        self._under_way: dict[int, Change] = {}
        self._lamps = guard.lamps

    @property
    def lamps(self) -> LampState:
        """What the signals show now."""
        return self._lamps

    def enforce(self, wish: Wish) -> Command:
        """Carry out what is lawful of a wish; see ``LampGuard.enforce``."""
        shown = self._guard.lamps
        row = wish.plan_row.copy()
        for i, change in list(self._under_way.items()):
            row[i, 0] = self._go_on(i, change, wish.time)
        wanted = row[:, 0]
        asks = self._is_stage[shown.row] & ~shown.changing & (wanted >= 0) & (wanted != shown.row)
        for i in np.flatnonzero(asks).tolist():
            interstage = self._interstages.get((int(shown.row[i]), int(wanted[i])))
            if interstage is not None:
                row[i, 0] = self._begin(i, int(wanted[i]), interstage, wish.time)
        command = self._guard.enforce(replace(wish, plan_row=row, occupied=None))
        now = command.lamps.row
        # The guard may have gone elsewhere, to serve somebody who has been red for too long.
        self._under_way = {i: c for i, c in self._under_way.items() if now[i] == c.interstage.steps[c.step][0]}
        self._lamps = self._as_changes(command.lamps)
        return replace(command, lamps=self._lamps)

    def _go_on(self, i: int, change: Change, time: int) -> int:
        """Row that comes next in an interstage; its target once it is over."""
        if time < change.until:
            return change.interstage.steps[change.step][0]
        if change.step + 1 == len(change.interstage.steps):
            del self._under_way[i]
            return change.target
        row, duration = change.interstage.steps[change.step + 1]
        self._under_way[i] = change._replace(step=change.step + 1, until=time + duration)
        return row

    def _begin(self, i: int, target: int, interstage: Interstage, time: int) -> int:
        """First row of an interstage, or what is shown as long as it may not begin."""
        shown = self._guard.lamps
        ends, clears = interstage.ending_group, interstage.cleared_group
        age = time - shown.aspect_since[ends] + interstage.ending_after
        # A red that is shown began when the yellow ended, and the green ended before that.
        gone = time - shown.aspect_since[clears] + np.where(shown.aspect[clears] == Aspect.RED, self._yellow[clears], 0)
        if (age < self._min_green[ends]).any() or (gone < interstage.cleared_by).any():
            return int(shown.row[i])
        row, duration = interstage.steps[0]
        self._under_way[i] = Change(target, time, interstage, 0, time + duration)
        return row

    def _as_changes(self, lamps: LampState) -> LampState:
        """Tell of interstages as of changes to their stage."""
        if not self._under_way:
            return lamps
        row, changing, since = lamps.row.copy(), lamps.changing.copy(), lamps.since.copy()
        for i, change in self._under_way.items():
            row[i], changing[i], since[i] = change.target, True, change.since
        return replace(lamps, row=row, changing=changing, since=since)


def own_interstages(signals: Signals, timings: Timings) -> dict[tuple[int, int], Interstage]:
    """Find what programs show between stages that follow each other: (stage, next stage) to what is between.

    Left out are those that break the timings, such as a yellow that is too short or turns green. Where a program goes
    from one stage to the same other one twice, the first counts.
    """
    found: dict[tuple[int, int], Interstage] = {}
    for i in range(signals.n_intersections):
        steps = _cycle(signals, i)
        stage = [k for k, (row, _) in enumerate(steps) if signals.row_is_stage[row]]
        for a, b in zip(stage, [*stage[1:], *(k + len(steps) for k in stage[:1])], strict=True):
            between = [steps[k % len(steps)] for k in range(a + 1, b)]
            pair = (steps[a][0], steps[b % len(steps)][0])
            if between and pair[0] != pair[1] and pair not in found:
                interstage = _check(signals, timings, i, pair, between)
                if interstage is not None:
                    found[pair] = interstage
    return found


def _cycle(signals: Signals, i: int) -> list[tuple[int, int]]:
    """Rows of a program with their durations [tenths], each row that goes on as one."""
    place = slice(int(signals.step_ptr[i]), int(signals.step_ptr[i + 1]))
    steps: list[tuple[int, int]] = []
    for row, duration in zip(signals.step_row[place].tolist(), signals.step_duration[place].tolist(), strict=True):
        if steps and steps[-1][0] == row:
            steps[-1] = (row, steps[-1][1] + duration)
        elif duration > 0:
            steps.append((row, duration))
    if len(steps) > 1 and steps[0][0] == steps[-1][0]:
        steps[0] = (steps[0][0], steps[0][1] + steps.pop()[1])
    return steps


def _check(
    signals: Signals, timings: Timings, i: int, pair: tuple[int, int], steps: list[tuple[int, int]]
) -> Interstage | None:
    """Go through an interstage as the guard would; None if it would not let it pass."""
    groups = slice(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
    n = groups.stop - groups.start
    cells = slice(int(signals.conflict_ptr[i]), int(signals.conflict_ptr[i + 1]))
    conflict, intergreen = signals.conflicts(i), timings.intergreen[cells].reshape(n, n)
    shown = signals.aspects(pair[0])
    since: list[int | None] = [None] * n
    ended: dict[int, int] = {}
    ending: dict[int, int] = {}
    cleared: dict[int, int] = {}
    red_before = np.flatnonzero(shown < Aspect.PERMISSIVE)
    time = 0
    for row, duration in [*steps, (pair[1], 0)]:
        wanted = signals.aspects(row)
        green = np.flatnonzero(wanted >= Aspect.PERMISSIVE)
        if np.any(conflict[np.ix_(green, green)] == Conflict.HARD):
            return None
        for k in np.flatnonzero((shown != wanted) & (np.minimum(shown, wanted) < Aspect.PERMISSIVE)).tolist():
            began = since[k]
            if not _may_turn(
                timings, groups.start + k, int(shown[k]), int(wanted[k]), None if began is None else time - began
            ):
                return None
            if shown[k] >= Aspect.PERMISSIVE:
                ended[k] = time
                if began is None:
                    ending[k] = time
            since[k] = time
        for k in np.flatnonzero((wanted >= Aspect.PERMISSIVE) & (shown < Aspect.PERMISSIVE)).tolist():
            if any(wanted[e] < Aspect.PERMISSIVE and time - end < intergreen[e, k] for e, end in ended.items()):
                return None
            for e in red_before.tolist():
                if e not in ended and intergreen[e, k] > 0:
                    cleared[e] = max(cleared.get(e, -time), int(intergreen[e, k]) - time)
        shown = wanted
        time += duration

    def columns(table: dict[int, int]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        return np.array([groups.start + k for k in table], np.int32), np.array(list(table.values()), np.int32)

    return Interstage(steps, *columns(ending), *columns(cleared))


def _may_turn(timings: Timings, g: int, was: int, now: int, lasted: int | None) -> bool:
    """Whether what a group showed for so long [tenths], None for long enough, may give way to something else.

    At the end of an interstage a stage is shown, which has no yellow: every yellow is judged.
    """
    if was >= Aspect.PERMISSIVE:
        old_enough = lasted is None or lasted >= timings.min_green[g]
        return bool(old_enough and (now == Aspect.YELLOW or timings.yellow[g] == 0))
    if was == Aspect.YELLOW:
        return bool(now == Aspect.RED and lasted is not None and timings.yellow[g] <= lasted <= timings.max_yellow[g])
    return now != Aspect.YELLOW
