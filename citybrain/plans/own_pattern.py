"""The scenario's own program, said as a pattern of stages. May import signals, errors and the checker.

Index letters: k entries of the pattern.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citybrain.errors import NetworkError
from citybrain.plans import checker
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain.signals import Signals

Document = dict[str, Any]
_SHARES = (100, 75, 50, 25, 0)
"""Of the time that stages have beyond their least [%]: less where the program's own cycle makes reds too long."""


def own_pattern(signals: Signals, i: int, data: Document) -> Document:
    """Pattern 1: stages, cycle and offset of the intersection's own program.

    A stage is left when the program ends it, and its greens begin when the interstage of the timings is over. Where
    that is not lawful, stages get their least splits from those that have time to spare; if the cycle is too short
    for all of them it grows, and if it makes reds too long it shrinks.

    Parameters
    ----------
    signals : of the network.
    i : intersection.
    data : its controller data without patterns.

    Raises
    ------
    NetworkError
        If the program has no lawful stage, or none of these patterns is lawful.
    """
    program = [entry for entry in _sequence(signals, i) if _lawful_stage(data, entry[0])]
    if not program:
        raise NetworkError(
            f"program {signals.program_id[i]!r} of intersection {data['intersection']!r} has no stage without "
            "conflicting greens; correct the program"
        )
    steps = slice(int(signals.step_ptr[i]), int(signals.step_ptr[i + 1]))
    cycle = int(signals.step_duration[steps].sum())
    stages, ends = [stage for stage, _ in program], [end for _, end in program]
    begins = [ends[-1] - cycle, *ends[:-1]]
    judge = checker.Checker({**data, "patterns": [_pattern(stages, [1] * len(stages), 0)]})
    changes = [judge.interstage(a, b) for a, b in zip(stages, [*stages[1:], stages[0]], strict=True)]
    wanted = [ends[k] - begins[k] + changes[k] - changes[k - 1] for k in range(len(stages))]
    origin = int(signals.program_offset[i]) + begins[0]
    for share in _SHARES:
        for least in _least_splits(data, stages, changes):
            pattern = _pattern(stages, _fit(wanted, least, share), origin)
            if not checker.Checker({**data, "patterns": [pattern]}).check_patterns():
                return pattern
    raise NetworkError(
        f"program {signals.program_id[i]!r} of intersection {data['intersection']!r} cannot be said in stages under "
        f"the timings {data['profile']!r}: some red is always too long; choose other timings or correct the program"
    )


def _pattern(stages: Sequence[int], splits: Sequence[int], origin: int) -> Document:
    cycle = sum(splits)
    return {
        "pattern": 1,
        "cycle": cycle,
        "offset": origin % cycle,
        "offset_reference": checker.OFFSET_REFERENCE,
        "stages": [{"stage": stage, "split": split} for stage, split in zip(stages, splits, strict=True)],
    }


def _sequence(signals: Signals, i: int) -> list[tuple[int, int]]:
    """Stages in the order of the program, each with its end within the cycle [tenths]; repeated ones joined."""
    numbers = {int(row): k for k, row in enumerate(signals.stages(i))}
    found: list[tuple[int, int]] = []
    end = 0
    for step in range(int(signals.step_ptr[i]), int(signals.step_ptr[i + 1])):
        row, duration = int(signals.step_row[step]), int(signals.step_duration[step])
        end += duration
        if row in numbers and duration > 0:
            if found and found[-1][0] == numbers[row]:
                found.pop()
            found.append((numbers[row], end))
    if len(found) > 1 and found[0][0] == found[-1][0]:
        found.pop()
    return found


def _lawful_stage(data: Document, stage: int) -> bool:
    green = [g for g, aspect in enumerate(data["stages"][stage]["aspects"]) if aspect in "gG"]
    return not any(data["conflict"][a][b] == 1 for a in green for b in green)


def _least_splits(data: Document, stages: Sequence[int], changes: Sequence[int]) -> list[list[int]]:
    """Three sets of least splits, each on a safer side than the one before.

    A second of green; the longest minimum green of the stage; and that beyond the longest intergreen, so that nothing
    reaches from one stage over the next.
    """
    slowest = max(max(line) for line in data["intergreen"])
    second, whole, apart = [], [], []
    for k, stage in enumerate(stages):
        aspects = data["stages"][stage]["aspects"]
        green = max(data["groups"][g]["min_green"] for g, aspect in enumerate(aspects) if aspect in "gG")
        second.append(changes[k] + TENTHS_PER_SECOND)
        whole.append(changes[k] + max(green, TENTHS_PER_SECOND))
        apart.append(whole[k] + max(0, slowest - changes[k - 1]))
    return [second, whole, apart]


def _fit(wanted: Sequence[int], least: Sequence[int], share: int) -> list[int]:
    """Find splits of at least ``least``, as near to the wanted ones and to their sum as they can be."""
    spare = [max(0, a - b) for a, b in zip(wanted, least, strict=True)]
    room = max(0, min(sum(spare), sum(wanted) - sum(least))) * share // 100
    total = max(sum(spare), 1)
    given = [s * room // total for s in spare]
    given[spare.index(max(spare))] += room - sum(given)
    return [a + b for a, b in zip(least, given, strict=True)]
