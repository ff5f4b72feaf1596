"""How one cabinet gets from what it shows to what it is to show: forward in time, with every timing kept.

Asks the cabinet's own lamps, so that what is foreseen here is what the cabinet does. All times in tenths of a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from citybrain.cabinet.courses import Coordinated, Schedule
from citybrain.cabinet.lamps import Lamps
from citybrain.cabinet.tables import NEVER, PERMISSIVE
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from citybrain.cabinet.courses import Course
    from citybrain.cabinet.tables import Pattern, Tables

Entry = tuple[int, int]
"""Local number of a stage, and when the cabinet begins to leave the stage before."""


class Laid(NamedTuple):
    """Entries to come, and the latest time to which the last of them may be held."""

    entries: list[Entry]
    latest: int


class OwnPattern(NamedTuple):
    """Pattern that a cabinet runs by itself, and the error of its offset [tenths] as it tells of it."""

    pattern: Pattern
    error: int | None


def carry_on(
    tables: Tables, shown: dict[str, Any], at: int, follows: Sequence[Entry] | OwnPattern, to: int
) -> dict[str, Any]:
    """Foresee what a cabinet that reports ``shown`` at a time shows at a later one.

    Parameters
    ----------
    follows : entries of a schedule, none for what is shown; or its own pattern.

    Raises
    ------
    InputError
        If it cannot show that.
    """
    lamps = Lamps.adopt(tables, shown, at)
    course: Course | None = None
    if isinstance(follows, OwnPattern):
        course = Coordinated.going_on(follows.pattern, lamps, at, follows.error)
    elif follows:
        course = Schedule(follows, at)
    while True:
        while course is not None and not lamps.changing and course.stage == lamps.stage and course.due <= to:
            course.begun(course.due)
        following = NEVER
        if course is not None and not lamps.changing and course.due < NEVER:
            following = max(at, course.due, lamps.may_leave(course.stage))
        if min(lamps.due, following) > to:
            return lamps.document()
        if lamps.due <= following:
            lamps.run()
        elif course is not None:
            lamps.begin(course.stage, following)
            course.begun(following)


def lay_out(tables: Tables, shown: dict[str, Any], time: int, wanted: Iterable[Entry]) -> Laid:
    """Begin the wanted stages one after the other, each when it is wanted or as soon after as it is lawful.

    Ends before the first stage that is not shown whole before some group has been red for as long as it may.

    Parameters
    ----------
    shown : at ``time``.
    wanted : stages and starts in order; begins are put on whole seconds after ``time``.
    """
    lamps = Lamps.adopt(tables, shown, time)
    entries: list[Entry] = []
    for stage, start in wanted:
        if stage == lamps.stage:
            continue
        twin = lamps.copy()
        while twin.changing or twin.due <= start:
            twin.run()
        earliest = max(start, twin.may_leave(stage), time + 1)
        begin = earliest + (time - earliest) % TENTHS_PER_SECOND
        while twin.due <= begin:
            twin.run()
        old = list(zip(twin.aspect, twin.aspect_since, strict=True))
        twin.begin(stage, begin)
        while twin.changing:
            twin.run()
        if any(
            was < PERMISSIVE and bound is not None and twin.since - since > bound
            for (was, since), bound in zip(old, tables.red_bound, strict=True)
        ):
            break
        entries.append((stage, begin))
        lamps = twin
    while lamps.changing or lamps.due < NEVER:
        lamps.run()
    reds = zip(lamps.aspect, lamps.aspect_since, tables.red_bound, strict=True)
    latest = min((since + bound for now, since, bound in reds if now < PERMISSIVE and bound is not None), default=NEVER)
    return Laid(entries, latest)
