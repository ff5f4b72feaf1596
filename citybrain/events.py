"""High-resolution controller events: the one language in which cabinets, simulated runs and real logs speak of signals.

Codes: J. Sturdevant and others, Indiana Traffic Signal Hi Resolution Data Logger Enumerations, Purdue University 2012
(https://docs.lib.purdue.edu/jtrpdata/3/), as replaced by the enumerations of the pooled fund study TPF-5(377) in 2019
(https://docs.lib.purdue.edu/jtrpdata/4/). The phase number of a group is its local number plus one. What a change of a
lamp is called is said here once, for cabinets and for runs. Imports nothing of the project.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Code(IntEnum):
    """Event codes that are written or read; the parameter in brackets."""

    GREEN_BEGIN = 1
    """[phase]"""
    GAP_OUT = 4
    """[phase]; green ended because nobody came any more."""
    MAX_OUT = 5
    """[phase]; green ended because it had lasted for as long as it may while others wait."""
    FORCE_OFF = 6
    """[phase]; green ended because a coordinator, or an engine in its place, ended it."""
    GREEN_END = 7
    """[phase]"""
    YELLOW_BEGIN = 8
    """[phase]"""
    YELLOW_END = 9
    """[phase]"""
    RED_CLEARANCE_BEGIN = 10
    """[phase]"""
    RED_CLEARANCE_END = 11
    """[phase]"""
    WALK_BEGIN = 21
    """[phase]"""
    PEDESTRIAN_CLEARANCE_BEGIN = 22
    """[phase]"""
    DONT_WALK_BEGIN = 23
    """[phase]"""
    PEDESTRIAN_CALL = 45
    """[phase]"""
    DETECTOR_OFF = 81
    """[channel]"""
    DETECTOR_ON = 82
    """[channel]"""
    PEDESTRIAN_BUTTON = 90
    """[channel; of most controllers the phase]"""
    PREEMPT_ENTRY = 105
    """[1]"""
    PREEMPT_EXIT = 111
    """[1]"""
    PATTERN = 131
    """[pattern number; 0 where a plan brought it, 254 while stages are set one by one]"""
    CYCLE = 132
    """[s, rounded down]"""
    OFFSET = 133
    """[s, rounded down]"""
    FIRST_SPLIT = 134
    """[s, rounded down]; 134 to 149 are the splits of the pattern's entries 1 to 16."""
    COORDINATION = 150
    """[``Coordination``]"""
    UNIT_CONTROL = 155
    """[``UnitControl``]; tells contact with the centre and its loss."""
    FLASH = 173
    """[``Flash``]"""
    MANUAL = 178
    """[1 on, 0 off]"""
    CLOCK = 181
    """[s by which the clock was set, at most 255]"""


class Coordination(IntEnum):
    """Parameter of ``Code.COORDINATION``."""

    FREE = 0
    IN_STEP = 1
    ADD = 2
    SUBTRACT = 3
    DWELL = 4
    LOCAL_ZERO = 5


class UnitControl(IntEnum):
    """Parameter of ``Code.UNIT_CONTROL``: ``unitControlStatus`` of NTCIP 1202."""

    SYSTEM = 2
    """Runs what the centre sends."""
    BACKUP = 4
    """Contact with the centre was lost."""
    MANUAL = 5
    TIME_BASE = 6
    """Runs its own time-of-day patterns."""


class Flash(IntEnum):
    """Parameter of ``Code.FLASH``: ``unitFlashStatus`` of NTCIP 1202."""

    NONE = 2
    FAULT_MONITOR = 5


class Event(NamedTuple):
    """One row: time [ms since 1970-01-01T00:00:00Z], code, parameter."""

    time_ms: int
    code: int
    parameter: int


def begins(*, pedestrian: bool) -> tuple[Code, ...]:
    """Codes of a group that turns green."""
    return (Code.WALK_BEGIN if pedestrian else Code.GREEN_BEGIN,)


def ends(*, pedestrian: bool, yellow: bool) -> tuple[Code, ...]:
    """Codes of a green that ends, with or without a yellow after it."""
    if pedestrian:
        return (Code.PEDESTRIAN_CLEARANCE_BEGIN,)
    return (Code.GREEN_END, Code.YELLOW_BEGIN if yellow else Code.RED_CLEARANCE_BEGIN)


def turns_red() -> tuple[Code, ...]:
    """Codes of a yellow that ends. Red clearance begins even where it lasts for no time: logs are read by it."""
    return (Code.YELLOW_END, Code.RED_CLEARANCE_BEGIN)


def cleared(*, pedestrian: bool) -> tuple[Code, ...]:
    """Codes of a group that nothing has to wait for any more."""
    return (Code.DONT_WALK_BEGIN if pedestrian else Code.RED_CLEARANCE_END,)
