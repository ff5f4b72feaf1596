"""From what a controller, a person or a pattern wants to wishes for stages alone, since cabinets time interstages.

May import the controllers' timetable and the words of the brain.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain.cabinet.tables import Pattern, read_pattern
from citybrain.control.fixed import Timetable
from citybrain.decisions import PLAN_LENGTH, Wish
from citybrain.errors import InputError
from citybrain.plans.checker import Checker

if TYPE_CHECKING:
    from citybrain.live.book import Book
    from citybrain.live.inputs import ActiveOverride

KINDS = ("stage", "pattern", "freeze", "fallback")


class Course(NamedTuple):
    """Stages that one intersection is to show: rows and starts [tenths], as a row of ``Wish`` has them."""

    row: NDArray[np.int32]
    start: NDArray[np.int64]


def stages_alone(wish: Wish, row_stage: NDArray[np.int32]) -> Wish:
    """Leave out the rows that are no stages; the stage after them is wanted from their start on.

    Where nothing is left, column 0 is -1: the stage shown is kept. A cabinet times its own red clearance, and cannot be
    told of who stands inside.
    """
    row, start = np.full_like(wish.plan_row, -1), np.full_like(wish.plan_start, -1)
    n_i, length = row.shape
    each = np.arange(n_i)
    place = np.zeros(n_i, dtype=np.int64)
    since = np.full(n_i, -1, dtype=np.int64)
    for column in range(length):
        wanted = wish.plan_row[:, column]
        given = wanted >= 0
        is_stage = given & (row_stage[np.maximum(wanted, 0)] >= 0)
        begin = np.where(since >= 0, since, wish.plan_start[:, column])
        row[each[is_stage], place[is_stage]] = wanted[is_stage]
        start[each[is_stage], place[is_stage]] = begin[is_stage]
        place += is_stage
        since = np.where(given & ~is_stage, begin, -1)
    return replace(wish, plan_row=row, plan_start=start, occupied=None)


def fallback_timetable(book: Book) -> Timetable:
    """Timetable of the patterns that cabinets run without a plan, as they run them by the clock."""
    rows: list[int] = []
    spans: list[int] = []
    ptr, origin = [0], []
    for tables, stage_row in zip(book.tables, book.stage_row, strict=True):
        pattern = tables.patterns[tables.time_of_day[0][1]]
        rows += stage_row[list(pattern.stages)].tolist()
        spans += pattern.spans
        ptr.append(len(rows))
        origin.append(pattern.offset)
    return Timetable(
        np.array(ptr, dtype=np.int32),
        np.array(rows, dtype=np.int32),
        np.array(spans, dtype=np.int32),
        np.array(origin, dtype=np.int64),
    )


def pattern_course(pattern: Pattern, stage_row: NDArray[np.int32], time: int) -> Course:
    """Stages that a pattern shows by the clock from a time [tenths] on."""
    place, age = pattern.place(time)
    row, start = np.full(PLAN_LENGTH, -1, dtype=np.int32), np.full(PLAN_LENGTH, -1, dtype=np.int64)
    begin = time - age
    for column in range(PLAN_LENGTH if len(pattern.stages) > 1 else 1):
        row[column], start[column] = stage_row[pattern.stages[place]], begin
        begin += pattern.spans[place]
        place = (place + 1) % len(pattern.stages)
    return Course(row, start)


def override_course(book: Book, override: ActiveOverride, time: int) -> Course | None:
    """Stages that a person wants from a time [tenths] on; None where the cabinet is to run its own pattern."""
    i = book.index[override.intersection]
    if override.kind == "fallback":
        return None
    if override.kind == "pattern":
        return pattern_course(find_pattern(book, i, override.value), book.stage_row[i], time)
    row, start = np.full(PLAN_LENGTH, -1, dtype=np.int32), np.full(PLAN_LENGTH, -1, dtype=np.int64)
    row[0], start[0] = book.stage_row[i][override.value], min(override.begin, time)
    return Course(row, start)


def check_override(book: Book, intersection: str, kind: str, value: object) -> None:
    """Refuse overrides that cannot be carried out.

    Raises
    ------
    InputError
        If kind or value are wrong.
    """
    i = book.find(intersection)
    if kind not in KINDS:
        raise InputError(f"the kind of an override is one of {', '.join(KINDS)}, found {kind!r:.60}")
    if kind == "pattern":
        find_pattern(book, i, value)
    elif kind in {"stage", "freeze"}:
        stages = len(book.stage_row[i])
        if type(value) is not int or not 0 <= value < stages:
            raise InputError(f"an override of kind {kind!r} needs the number of a stage, 0 to {stages - 1}")
    elif value is not None:
        raise InputError(f"an override of kind {kind!r} takes no value, found {value!r:.60}")


def find_pattern(book: Book, i: int, value: Any) -> Pattern:
    """Pattern of an intersection: one of its own by number, or one that is given whole.

    Raises
    ------
    InputError
        If there is no such pattern, or the one that is given is unlawful.
    """
    tables, checker = book.tables[i], book.checker[i]
    if type(value) is int:
        if value not in tables.patterns:
            raise InputError(f"intersection {book.ids[i]!r} has the patterns {sorted(tables.patterns)}, not {value}")
        return tables.patterns[value]
    faults = Checker({**book.data[i], "patterns": [*book.data[i]["patterns"], value]}).check_patterns()
    if faults:
        raise InputError(f"the pattern is refused: {faults[0].sentence}")
    return read_pattern(tables, value, checker)
