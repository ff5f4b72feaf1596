"""The guard takes over what a cabinet shows of its own will, and is as lawful from there on as from its own lamps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from citybrain.decisions import Command, Wish
from citybrain.errors import ContractError
from citybrain.guard import LampGuard, Shown
from citybrain.signals import Signals
from tests.random_signals import random_timings, random_wishes
from tests.sites import small_timings
from tests.small_world import small_signals
from tests.test_guard import drive, faults, lawful_start

TICK = 10


def report(signals: Signals, guard: LampGuard, i: int) -> Shown:
    """What a guard shows at one intersection."""
    groups = slice(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
    lamps = guard.lamps
    return Shown(
        row=int(lamps.row[i]),
        changing=bool(lamps.changing[i]),
        since=int(lamps.since[i]),
        aspect=lamps.aspect[groups].tolist(),
        aspect_since=lamps.aspect_since[groups].tolist(),
        green_end=guard.green_end[groups].tolist(),
    )


def stages_wished(rng: np.random.Generator, signals: Signals, ticks: int) -> np.ndarray:
    """Wishes for stages alone, as cabinets carry them out."""
    wishes = random_wishes(rng, signals, ticks)
    for i in range(signals.n_intersections):
        stages = signals.stages(i)
        wishes[:, i] = stages[wishes[:, i] % len(stages)]
    return wishes


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_after_taking_over_another_guards_lamps_both_go_on_alike_and_lawfully(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signals = lawful_start(rng)
    assume(all(len(signals.stages(i)) for i in range(signals.n_intersections)))
    timings = random_timings(rng, signals, max_red=(20_000, 30_000))
    first = stages_wished(rng, signals, 60)
    cabinet, centre = LampGuard(signals, timings, 0), LampGuard(signals, timings, 0)
    times = np.arange(1, 61) * TICK
    before: list[Command] = drive(cabinet, first, times)
    drive(centre, stages_wished(rng, signals, 60), times)
    for i in range(signals.n_intersections):
        centre.adopt(i, report(signals, cabinet, i))
    assert np.array_equal(centre.lamps.aspect, cabinet.lamps.aspect)
    later, then = stages_wished(rng, signals, 60), times + 60 * TICK
    expected, found = drive(cabinet, later, then), drive(centre, later, then)
    assert faults(signals, timings, [*before, *found]) == []
    if not before[-1].lamps.changing.any():
        assert [command.lamp_char.tobytes() for command in found] == [c.lamp_char.tobytes() for c in expected]


def test_a_guard_that_begins_again_does_what_a_new_one_does() -> None:
    rng = np.random.default_rng(3)
    signals = lawful_start(rng)
    timings = random_timings(rng, signals)
    used, new = LampGuard(signals, timings, 0), LampGuard(signals, timings, 4000)
    times = np.arange(1, 61) * TICK
    drive(used, random_wishes(rng, signals, 60), times)
    used.begin_again(4000)
    assert used.lamps.time == 4000
    assert np.array_equal(used.green_end, new.green_end)
    wishes = random_wishes(rng, signals, 60)
    for found, expected in zip(drive(used, wishes, times + 4000), drive(new, wishes, times + 4000), strict=True):
        for name in ("lamp_char", "changed", "bent_intersection", "bent_group", "bent_rule"):
            assert np.array_equal(getattr(found, name), getattr(expected, name))


def test_what_is_taken_over_is_shown_at_once_and_changed_under_its_own_timings() -> None:
    signals = small_signals()
    timings = small_timings(signals)
    guard = LampGuard(signals, timings, 0)
    drive(guard, np.zeros((3, 1), dtype=np.int32), np.array([10, 20, 30]))
    guard.adopt(0, Shown(2, changing=False, since=25, aspect=(0, 3), aspect_since=(20, 25), green_end=(0, -900)))
    assert guard.lamps.aspect.tolist() == [0, 3]
    assert guard.lamps.time == 30
    least = int(timings.min_green[1])
    times = np.arange(40, 40 + least + 20, TICK)
    rows = [guard.enforce(Wish.now(int(t), np.zeros(1, dtype=np.int32))).lamps.aspect[1] for t in times]
    ended = int(times[next(k for k, aspect in enumerate(rows) if aspect < 2)])
    assert 0 <= ended - 25 - least < TICK


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (Shown(9, changing=False, since=0, aspect=(0, 3), aspect_since=(0, 0), green_end=(0, 0)), "not one of"),
        (Shown(2, changing=False, since=0, aspect=(0,), aspect_since=(0, 0), green_end=(0, 0)), "2 groups"),
        (Shown(2, changing=False, since=0, aspect=(3, 3), aspect_since=(0, 0), green_end=(0, 0)), "conflicting"),
    ],
)
def test_lamps_that_cannot_be_are_not_taken_over(shown: Shown, message: str) -> None:
    signals = small_signals()
    guard = LampGuard(signals, small_timings(signals), 0)
    before = guard.lamps
    with pytest.raises(ContractError, match=message):
        guard.adopt(0, shown)
    assert guard.lamps is before
