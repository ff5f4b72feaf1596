"""The cabinet's journal: high-resolution events of modes, patterns and coordination, kept until somebody reads them."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from citybrain.cabinet.courses import Coordinated, Course
from citybrain.cabinet.tables import Pattern
from citybrain.events import Code, Coordination, Event, Flash, UnitControl
from citybrain.units import TENTHS_PER_SECOND

_KEPT = 20_000
_SPLITS_LOGGED = 16
_NO_PATTERN = 254
"""Pattern number that controllers log while no pattern is in force."""


class Mode(StrEnum):
    """Who directs the stages."""

    ADAPTIVE = "adaptive"
    TIME_OF_DAY = "time_of_day"
    FREE = "free"
    PRE_EMPTED = "pre_empted"
    MANUAL = "manual"
    FLASH = "flash"


_BEGIN = {
    Mode.ADAPTIVE: ((Code.UNIT_CONTROL, UnitControl.SYSTEM),),
    Mode.TIME_OF_DAY: ((Code.UNIT_CONTROL, UnitControl.BACKUP),),
    Mode.FREE: ((Code.UNIT_CONTROL, UnitControl.TIME_BASE),),
    Mode.FLASH: ((Code.FLASH, Flash.FAULT_MONITOR),),
    Mode.PRE_EMPTED: ((Code.PREEMPT_ENTRY, 1),),
    Mode.MANUAL: ((Code.MANUAL, 1), (Code.UNIT_CONTROL, UnitControl.MANUAL)),
}
_END = {
    Mode.PRE_EMPTED: ((Code.PREEMPT_EXIT, 1),),
    Mode.MANUAL: ((Code.MANUAL, 0),),
    Mode.FLASH: ((Code.FLASH, Flash.NONE),),
}


class Journal:
    """Events since they were read last; of more than 20,000 the latest. All times in tenths of a second."""

    def __init__(self) -> None:
        self._rows: deque[Event] = deque(maxlen=_KEPT)
        self._coordination: Coordination | None = None

    def log(self, time: int, code: int, parameter: int) -> None:
        """Write one event."""
        self._rows.append(Event(time * 100, code, parameter))

    def read(self) -> list[Event]:
        """Return the events, and forget them."""
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def mode(self, before: Mode, after: Mode, time: int) -> None:
        """Write that the mode changed."""
        for code, parameter in (*_END.get(before, ()), *_BEGIN[after]):
            self.log(time, code, parameter)

    def pattern(self, pattern: Pattern | None, time: int) -> None:
        """Write what pattern is in force from now on; None: stages are set one by one, or run free of the clock."""
        self._coordination = None
        if pattern is None:
            self.log(time, Code.PATTERN, _NO_PATTERN)
            self.log(time, Code.COORDINATION, Coordination.FREE)
            return
        self.log(time, Code.PATTERN, pattern.number)
        self.log(time, Code.CYCLE, pattern.cycle // TENTHS_PER_SECOND)
        self.log(time, Code.OFFSET, pattern.offset // TENTHS_PER_SECOND)
        for j, span in enumerate(pattern.spans[:_SPLITS_LOGGED]):
            self.log(time, Code.FIRST_SPLIT + j, span // TENTHS_PER_SECOND)

    def coordination(self, course: Course, time: int) -> None:
        """Write how a pattern stands to the clock, when that changes, and the begin of every cycle."""
        if isinstance(course, Coordinated):
            if course.state != self._coordination:
                self._coordination = course.state
                self.log(time, Code.COORDINATION, course.state)
            if course.at_zero and course.started:
                self.log(time, Code.COORDINATION, Coordination.LOCAL_ZERO)
