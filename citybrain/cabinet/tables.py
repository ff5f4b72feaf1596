"""Controller data as the cabinet reads them: plain tuples, checked once.

All times in tenths of a second. Index letters: g, e groups of the intersection, k stages, j entries of a pattern.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from citybrain.clock import tenths_of_day
from citybrain.errors import InputError
from citybrain.plans.checker import Checker

NEVER = 2**62
NO_STAGE = -1
"""In place of a stage while lamps flash."""
_MINUTE = 600
RED, YELLOW, PERMISSIVE, PROTECTED = range(4)
LETTERS = "rygG"
_LEAST_GROWTH = 20
"""A transition may always lengthen a cycle by one part in so many, whatever reds the pattern itself has."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """Cycle, offset and splits, ready to be run.

    Attributes
    ----------
    number : as in the controller data; 0 where a plan brought the pattern.
    cycle, offset : the first entry begins at times t with (t - offset) mod cycle = 0.
    stages, spans : per entry j; a span lasts from the begin of its entry, when the stage before is left, to the begin
        of the next.
    begins : when entry j begins within the cycle.
    least : shortest span under which every timing of the groups that end with it is kept.
    growth : by how much a transition may lengthen one cycle without making a red longer than its maximum.
    """

    number: int
    cycle: int
    offset: int
    stages: tuple[int, ...]
    spans: tuple[int, ...]
    begins: tuple[int, ...]
    least: tuple[int, ...]
    growth: int

    def place(self, time: int) -> tuple[int, int]:
        """Entry that the clock says is on at a time, and for how long it has been on."""
        position = (time - self.offset) % self.cycle
        j = max(j for j, begin in enumerate(self.begins) if begin <= position)
        return j, position - self.begins[j]

    def late(self, j: int, time: int) -> int:
        """By how much a begin of entry j at a time is late; 0 to cycle - 1."""
        return (time - self.offset - self.begins[j]) % self.cycle


@dataclass(frozen=True, slots=True)
class Tables:
    """One intersection's controller data.

    Attributes
    ----------
    pedestrian, min_green, yellow : per group.
    red_bound : per group its longest red, None where there is no limit.
    intergreen : [g][e] from the end of green of g to the begin of green of e.
    clearance : per group, from its end of green until everything that conflicts with it may begin.
    stages : [k][g] aspects; ``lawful``: no two conflicting groups are green in it.
    lamp_group : per lamp its group, -1 where the position is not used; ``lamp_red``: its letter for red.
    patterns : by number.
    time_of_day : (begin within the local day, pattern number), ascending.
    """

    intersection: str
    time_zone: str
    pedestrian: tuple[bool, ...]
    min_green: tuple[int, ...]
    yellow: tuple[int, ...]
    red_bound: tuple[int | None, ...]
    intergreen: tuple[tuple[int, ...], ...]
    clearance: tuple[int, ...]
    stages: tuple[tuple[int, ...], ...]
    lawful: tuple[bool, ...]
    lamp_group: tuple[int, ...]
    lamp_red: str
    patterns: Mapping[int, Pattern]
    time_of_day: tuple[tuple[int, int], ...]

    def pattern_at(self, time: int) -> int:
        """Return the number of the pattern that the local time of day asks for."""
        if len(self.time_of_day) == 1:
            return self.time_of_day[0][1]
        today = tenths_of_day(time, self.time_zone)
        return next(number for begin, number in reversed(self.time_of_day) if begin <= today)

    def next_look(self, time: int) -> int:
        """When the time-of-day table is to be looked up again: every minute, since local time may jump."""
        return NEVER if len(self.time_of_day) == 1 else time - time % _MINUTE + _MINUTE


def read_tables(data: Mapping[str, Any], checker: Checker) -> Tables:
    """Read a controller data document, with the checker that was made of it.

    Raises
    ------
    InputError
        If the checker finds fault with the data or with a pattern in them.
    """
    faults = checker.check_patterns()
    if faults:
        raise InputError(
            f"the controller data are refused: {faults[0].where}: {faults[0].sentence} "
            f"({len(faults)} faults in all); fetch them again or correct them at the centre"
        )
    groups = data["groups"]
    yellow = tuple(group["yellow"] for group in groups)
    intergreen = tuple(map(tuple, data["intergreen"]))
    lamp_group = [-1] * len(data["lamp_red"])
    for g, group in enumerate(groups):
        for lamp in group["lamps"]:
            lamp_group[lamp] = g
    tables = Tables(
        intersection=data["intersection"],
        time_zone=data["time_zone"],
        pedestrian=tuple(group["kind"] == "pedestrian" for group in groups),
        min_green=tuple(group["min_green"] for group in groups),
        yellow=yellow,
        red_bound=tuple(group["red_bound"] for group in groups),
        intergreen=intergreen,
        clearance=tuple(max(y, *line) for y, line in zip(yellow, intergreen, strict=True)),
        stages=tuple(tuple(map(LETTERS.index, stage["aspects"])) for stage in data["stages"]),
        lawful=tuple(_lawful(stage["aspects"], data["conflict"]) for stage in data["stages"]),
        lamp_group=tuple(lamp_group),
        lamp_red=data["lamp_red"],
        patterns={},
        time_of_day=tuple((_tenths(entry["from"]), entry["pattern"]) for entry in data["time_of_day"]),
    )
    return replace(tables, patterns={p["pattern"]: read_pattern(tables, p, checker) for p in data["patterns"]})


def _tenths(text: str) -> int:
    """HH:MM as tenths since midnight."""
    return (int(text[:2]) * 60 + int(text[3:])) * 600


def _lawful(aspects: str, conflict: Sequence[Sequence[int]]) -> bool:
    green = [g for g, letter in enumerate(aspects) if letter in "gG"]
    return not any(conflict[g][e] == 1 for g in green for e in green)


def read_pattern(tables: Tables, document: Mapping[str, Any], checker: Checker) -> Pattern:
    """Lay out a lawful pattern in stage form."""
    stages = tuple(entry["stage"] for entry in document["stages"])
    cycle = document["cycle"]
    begins = checker.begins(dict(document))
    spans = tuple(end - begin for begin, end in zip(begins, [*begins[1:], cycle], strict=True))
    least = []
    for j, stage in enumerate(stages):
        shown, following = tables.stages[stage], tables.stages[stages[(j + 1) % len(stages)]]
        ending = [t for t, old, new in zip(tables.min_green, shown, following, strict=True) if old >= PERMISSIVE > new]
        least.append(min(spans[j], checker.interstage(stages[j - 1], stage) + max([1, *ending])))
    return Pattern(
        number=document["pattern"],
        cycle=cycle,
        offset=document["offset"],
        stages=stages,
        spans=spans,
        begins=tuple(begins),
        least=tuple(least),
        growth=_growth(tables, stages, spans, cycle),
    )


def _growth(tables: Tables, stages: Sequence[int], spans: Sequence[int], cycle: int) -> int:
    """By how much one cycle may grow before a red that the pattern makes is longer than its bound."""
    room, slowest = cycle, max(tables.clearance)
    for g, bound in enumerate(tables.red_bound):
        green = [tables.stages[k][g] >= PERMISSIVE for k in stages]
        if bound is not None and any(green) and not all(green):
            first = green.index(True)
            longest = red = 0
            for j in [*range(first, len(stages)), *range(first)]:
                red = 0 if green[j] else red + spans[j]
                longest = max(longest, red)
            room = min(room, bound - longest - slowest)
    return max(room, cycle // _LEAST_GROWTH, 1)
