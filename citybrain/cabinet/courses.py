"""Courses: which stage comes next, and when: from a stage schedule, from a pattern in coordination, or from a hand.

A course never touches a lamp. It says ``stage`` and ``due``, and is told by :meth:`begun` when that stage was begun,
at ``due`` or as soon after as the lamps' own timings allowed. All times in tenths of a second.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Protocol, Self

from citybrain.cabinet.lamps import Lamps
from citybrain.cabinet.tables import NEVER, NO_STAGE, Pattern
from citybrain.events import Coordination

WAY_BACK = "short_way"
"""Transition to a cabinet's own patterns."""
_CHANGE_PER_CYCLE = 5
"""A transition lengthens or shortens a cycle by at most one part in so many, unless it may take too few cycles."""


class Course(Protocol):
    """What the cabinet follows."""

    stage: int
    """Stage that comes next."""
    due: int
    """When the cabinet should begin to leave the stage before."""

    def begun(self, time: int) -> None:
        """Note that the stage was begun, or is shown already."""
        ...

    def copy(self) -> Self:
        """Make a course that goes the same way."""
        ...


class Hold:
    """One stage until further notice."""

    def __init__(self, stage: int, time: int) -> None:
        self.stage, self.due = stage, time

    def begun(self, time: int) -> None:
        """Stay."""
        del time
        self.due = NEVER

    def copy(self) -> Self:
        """Make a course that goes the same way."""
        return copy.copy(self)


class Free:
    """The stages of a pattern one after the other, each for its span, whatever the clock says."""

    def __init__(self, pattern: Pattern, lamps: Lamps, time: int) -> None:
        self._pattern = pattern
        shown = [j for j, stage in enumerate(pattern.stages) if stage == lamps.stage]
        self._ahead = (shown[0] + 1) % len(pattern.stages) if shown else 0
        self.stage = pattern.stages[self._ahead]
        self.due = max(time, lamps.begun + pattern.spans[shown[0]]) if shown else time

    def begun(self, time: int) -> None:
        """Time the next stage from this one's begin."""
        self.due = time + self._pattern.spans[self._ahead]
        self._ahead = (self._ahead + 1) % len(self._pattern.stages)
        self.stage = self._pattern.stages[self._ahead]

    def copy(self) -> Self:
        """Make a course that goes the same way."""
        return copy.copy(self)


class Nothing:
    """No stage is due: the lamps flash."""

    stage, due = NO_STAGE, NEVER

    def begun(self, time: int) -> None:
        """Do nothing; it is never due."""

    def copy(self) -> Self:
        """Make a course that goes the same way."""
        return self


class Schedule:
    """Stages with absolute begins, one after the other; the last is held.

    Taken up at a time between two begins, the entry that should be on is due at once; those before it are past.
    """

    def __init__(self, entries: Sequence[tuple[int, int]], time: int) -> None:
        self._entries = entries
        self._ahead = max((n for n, (_, begin) in enumerate(entries) if begin <= time), default=0)
        self.stage, self.due = entries[self._ahead]

    def begun(self, time: int) -> None:
        """Look at the next entry."""
        del time
        self._ahead += 1
        ends = self._ahead >= len(self._entries)
        self.stage, self.due = (self.stage, NEVER) if ends else self._entries[self._ahead]

    def copy(self) -> Self:
        """Make a course that goes the same way."""
        return copy.copy(self)


class Coordinated:
    """A pattern, brought into step with the clock by a transition and kept there.

    It is taken up with the stage that is shown: where the pattern can leave that stage in step within one of its
    spans, it waits for that; otherwise it runs out of step, and every cycle is lengthened or shortened until each
    stage begins when the clock says.

    Parameters
    ----------
    pattern : to be run.
    lamps : as they are now.
    time : now.
    way : ``add_only`` lengthens every span alike; ``dwell`` lengthens the first entry; ``short_way`` lengthens or
        shortens, whichever takes fewer cycles; ``at_once`` goes to the stage that the clock says and shortens.
    max_cycles : the transition may take so many cycles; 0 for any number.
    """

    def __init__(self, pattern: Pattern, lamps: Lamps, time: int, way: str, max_cycles: int = 0) -> None:
        self.pattern = pattern
        self.state = Coordination.IN_STEP
        self.started = False
        self._way = way
        self._max_cycles = max_cycles
        self._ahead, self.due = self._take_up(lamps, time)
        self.stage = pattern.stages[self._ahead]
        late = pattern.late(self._ahead, self.due)
        self.error = late if late <= pattern.cycle // 2 else late - pattern.cycle
        if late:
            self.state = self._choose(late)

    @classmethod
    def going_on(cls, pattern: Pattern, lamps: Lamps, time: int, error: int | None) -> Self:
        """Course back into step of a cabinet that shows these lamps and tells of this error of its offset."""
        anew = cls(pattern, lamps, time, WAY_BACK)
        for j, stage in enumerate(pattern.stages):
            if error is not None and stage == lamps.stage and pattern.late(j, lamps.begun) == error % pattern.cycle:
                course = anew.copy()
                course._ahead, course.state = j, Coordination.IN_STEP  # noqa: SLF001 - of its own kind
                course.begun(lamps.begun)
                if course.due > time:  # else the cabinet would have gone on, so it has just taken up the pattern
                    return course
        return anew

    def begun(self, time: int) -> None:
        """Measure how late the stage began, and time the next one."""
        pattern, j = self.pattern, self._ahead
        late = pattern.late(j, time)
        self.error = late if late <= pattern.cycle // 2 else late - pattern.cycle
        if late == 0:
            self.state = Coordination.IN_STEP
        elif self.state == Coordination.IN_STEP:
            self.state = self._choose(late)
        self.started = True
        self._ahead = (j + 1) % len(pattern.stages)
        self.stage = pattern.stages[self._ahead]
        self.due = time + pattern.spans[j] + self._change(j, late)

    def copy(self) -> Self:
        """Make a course that goes the same way."""
        return copy.copy(self)

    @property
    def told_error(self) -> int | None:
        """Error of the offset; None until a stage has begun out of step under this course."""
        return self.error if self.started or self.state == Coordination.IN_STEP else None

    @property
    def at_zero(self) -> bool:
        """The entry that was begun last is the pattern's first."""
        return self._ahead == 1 % len(self.pattern.stages)

    def _take_up(self, lamps: Lamps, time: int) -> tuple[int, int]:
        """Entry that comes next, and when."""
        pattern = self.pattern
        on, _ = pattern.place(time)
        found = []
        for j, stage in enumerate(pattern.stages):
            if stage == lamps.stage and (self._way != "at_once" or j == on):
                following = (j + 1) % len(pattern.stages)
                earliest = max(time, lamps.begun + pattern.least[j])
                wait = -pattern.late(following, earliest) % pattern.cycle
                in_step = wait <= pattern.spans[j]
                due = earliest + wait if in_step else max(earliest, lamps.begun + pattern.spans[j])
                found.append((wait, following, due))
        if not found:
            return on, time
        _, following, due = min(found)
        return following, due

    def _choose(self, late: int) -> Coordination:
        """Whether to lengthen or to shorten."""
        if self._way == "dwell":
            return Coordination.DWELL
        slack = sum(self._slack(j, late) for j in range(len(self.pattern.stages)))
        if self._way == "add_only" or slack == 0:
            return Coordination.ADD
        growth = self._growth(self.pattern.cycle - late)
        shorter = -(-late // slack) <= -(-(self.pattern.cycle - late) // growth)
        return Coordination.SUBTRACT if shorter or self._way == "at_once" else Coordination.ADD

    def _change(self, j: int, late: int) -> int:
        """By how much entry j lasts longer than its span, when it began so late."""
        pattern = self.pattern
        if late == 0:
            return 0
        if self.state == Coordination.SUBTRACT:
            return -min(late, self._slack(j, late))
        missing = pattern.cycle - late
        if self.state == Coordination.DWELL:
            return min(missing, pattern.growth) if j == 0 else 0
        return min(missing, -(-self._growth(missing) * pattern.spans[j] // pattern.cycle))

    def _growth(self, missing: int) -> int:
        """By how much a cycle is lengthened."""
        wanted = self.pattern.cycle // _CHANGE_PER_CYCLE
        if self._max_cycles:
            wanted = max(wanted, -(-missing // self._max_cycles))
        return max(1, min(wanted, self.pattern.growth))

    def _slack(self, j: int, late: int) -> int:
        """By how much entry j may be shortened in a transition."""
        span, least = self.pattern.spans[j], self.pattern.least[j]
        if self._way == "at_once":
            return span - least
        share = span // _CHANGE_PER_CYCLE
        if self._max_cycles:
            share = max(share, -(-late * span // (self._max_cycles * self.pattern.cycle)))
        return min(span - least, share)
