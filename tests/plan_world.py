"""Controller data and plans by hand, for tests of documents."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from citybrain.plans import checker
from citybrain.plans.controller_data import intersection_rules
from citybrain.plans.plan import make_plan, schedule_body, with_seq
from citybrain.signals import Conflict
from citybrain.timings import Timings
from tests.random_signals import from_states

HARD, YIELDS = Conflict.HARD, Conflict.YIELDS
NOW = 100_000
Document = dict[str, Any]

PROGRAM = [
    ("GrrrG", 200),
    ("yrrrG", 30),
    ("rrrrr", 20),
    ("rGrrr", 200),
    ("ryrrr", 30),
    ("rrrrr", 20),
    ("rrGgr", 100),
    ("rryyr", 30),
    ("GGrrr", 0),
]
"""Groups 0 and 1 cross, 2 and 3 come from a third arm, 4 walks beside 0. Stages: 0 GrrrG, 1 rGrrr, 2 rrGgr."""
CONFLICTS = [
    [0, HARD, HARD, HARD, 0],
    [HARD, 0, HARD, HARD, HARD],
    [HARD, HARD, 0, YIELDS, HARD],
    [HARD, HARD, YIELDS, 0, HARD],
    [0, HARD, HARD, HARD, 0],
]


def controller(**changes: Any) -> Document:
    """Minimum green 5 s, yellow 3 s, intergreen 5 s (after the walk 9 s), walk 7 s, red at most 90 s.

    Stage 3 shows green to groups that conflict.
    """
    signals = from_states(PROGRAM, CONFLICTS, pedestrians=(4,))
    conflict = signals.conflict.reshape(5, 5)
    intergreen = np.where(conflict == Conflict.NONE, 0, 50)
    intergreen[4] = np.where(conflict[4] == Conflict.NONE, 0, 90)
    timings = Timings(
        profile="test",
        min_green=np.array([50, 50, 50, 50, 70], np.int32),
        yellow=np.array([30, 30, 30, 30, 0], np.int32),
        max_yellow=np.array([30, 30, 30, 30, 0], np.int32),
        max_red=np.full(5, 900, np.int32),
        intergreen=intergreen.ravel().astype(np.int32),
        as_programmed=False,
    )
    data = intersection_rules("crossing", signals, timings, 0)
    for group in data["groups"]:
        group["red_bound"] = 900
    data["stages"].append({"stage": 3, "aspects": "GGrrr"})
    data["patterns"] = [pattern()]
    data["limits"] = {"cycle_min": 300, "cycle_max": 1200, "change_cap": 100}
    data["rings"] = {
        "phases": [
            {"phase": 1, "groups": [0, 4]},
            {"phase": 2, "groups": [1]},
            {"phase": 3, "groups": [2, 3]},
        ],
        "rings": [[1, 2, 3]],
        "barriers": [[1, 2], [3]],
    }
    return {**data, **changes}


def pattern(splits: tuple[int, ...] = (300, 250, 150), stages: tuple[int, ...] = (0, 1, 2), **changes: Any) -> Document:
    """Three stages in 70 s."""
    return {
        "pattern": 1,
        "cycle": sum(splits),
        "offset": 120,
        "offset_reference": checker.OFFSET_REFERENCE,
        "stages": [{"stage": stage, "split": split} for stage, split in zip(stages, splits, strict=True)],
        **changes,
    }


def schedule_plan(*entries: tuple[int, int], data: Document | None = None, **changes: Any) -> Document:
    """Plan of (stage, begin after NOW), lawful but for its entries."""
    body = schedule_body((stage, NOW + begin) for stage, begin in entries)
    return body_plan(body, data=data, **changes)


def body_plan(body: Document, data: Document | None = None, **changes: Any) -> Document:
    times = {"made_at": NOW - 20, "valid_from": NOW, "lease_until": NOW + 300}
    return make_plan(data or controller(), body, **{**times, **changes})


def edited(plan: Document, path: str, value: Any) -> Document:
    """Copy with another value at a path such as ``body.schedule.stages.0.begin``, its identity made anew."""
    changed = copy.deepcopy(plan)
    place: Any = changed
    *outer, last = [int(word) if word.isdigit() else word for word in path.split(".")]
    for word in outer:
        place = place[word]
    place[last] = value
    try:
        return with_seq(changed, changed["seq"])
    except (ValueError, TypeError, RecursionError, KeyError):
        return changed


def shown(stage: int | None, aspects: str, *, changing: bool = False, since: int = -200, **changes: Any) -> Document:
    """Report of a cabinet; times after NOW."""
    n = len(aspects)
    report = {
        "stage": stage,
        "changing": changing,
        "since": NOW + since,
        "aspects": aspects,
        "aspect_since": [NOW + since] * n,
        "green_end": [None] * n,
    }
    return {**report, **changes}
