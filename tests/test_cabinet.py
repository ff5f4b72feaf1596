"""The cabinet: carries out stages as the guard does, and shows nothing unlawful whatever it is told."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.cabinet import Cabinet, Mode
from citybrain.decisions import Wish
from citybrain.errors import InputError, NetworkError
from citybrain.guard import LampGuard
from citybrain.signals import Signals
from citybrain.timings import Timings
from tests.cabinets import (
    Monitor,
    controller_data,
    is_usable,
    lawful_stages,
    make_plan,
    pattern_through,
    schedule,
    with_identity,
)
from tests.random_signals import assemble, random_plan, random_timings

SEEDS = st.integers(0, 2**32 - 1)
TICK = 10


def some_intersection(
    rng: np.random.Generator, max_red: tuple[int, int] = (600, 3000)
) -> tuple[Signals, Timings, dict[str, Any]]:
    """One random intersection whose data a cabinet takes."""
    while True:
        signals = assemble([random_plan(rng)])
        timings = random_timings(rng, signals, max_red=max_red)
        if len(lawful_stages(signals)) < 2:
            continue
        try:
            LampGuard(signals, timings, 0)
        except NetworkError:
            continue
        data = controller_data(signals, timings)
        if is_usable(data):
            return signals, timings, data


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_same_lamps_as_the_guard_at_every_tick(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signals, timings, data = some_intersection(rng, (2000, 3000))
    rows = [int(row) for row in signals.stages(0)]
    lawful = lawful_stages(signals)
    guard = LampGuard(signals, timings, -500)
    for time in range(-490, 1, TICK):
        guard.enforce(Wish.now(time, np.array([lawful[0]], dtype=np.int32)))
    cabinet = Cabinet(data, -500)
    cabinet.seize(Mode.MANUAL, rows.index(lawful[0]), -500)
    wish, row, entries, expected = lawful[0], lawful[0], [(rows.index(lawful[0]), 0)], []
    for time in range(TICK, 1500, TICK):
        if rng.random() < 0.1:
            wish = int(rng.choice(lawful))
        command = guard.enforce(Wish.now(time, np.array([wish], dtype=np.int32)))
        expected.append((time, bytes(command.lamp_char).decode()))
        if command.lamps.row[0] != row:
            row = int(command.lamps.row[0])
            entries.append((rows.index(row), time))
    ack = cabinet.offer(make_plan(data, 1, schedule(*entries), 0, 1500), 0)
    assert (ack["verdict"], ack["sentence"]) == ("accepted", None)
    cabinet.release(0)
    found = []
    for time, _ in expected:
        cabinet.advance(time)
        found.append((time, cabinet.lamps))
    assert found == expected
    assert cabinet.ack(1490)["code"] is None


def some_body(rng: np.random.Generator, data: dict[str, Any], now: int) -> dict[str, Any]:
    """Schedule or pattern, often unlawful."""
    n = len(data["stages"])
    if rng.random() < 0.2:
        stages = [int(k) for k in rng.permutation(n)]
        pattern = pattern_through(data, stages, int(rng.integers(0, 5000)), extra=int(rng.integers(-20, 300)))
        return {"pattern": {**pattern, "pattern": 7}}
    begins = now + np.cumsum([-int(rng.integers(0, 400)), *rng.integers(20, 400, size=int(rng.integers(0, 6)))])
    return schedule(*((int(rng.integers(0, n)), int(begin)) for begin in begins))


def disturb(rng: np.random.Generator, cabinet: Cabinet, seq: int) -> None:
    """Do one thing to a cabinet that a centre, a street or a broken clock might do."""
    data, now = cabinet.data, cabinet.time
    what = rng.random()
    if what < 0.6:
        begin = now + int(rng.integers(-30, 100))
        plan = make_plan(data, seq, some_body(rng, data, begin), begin, begin + int(rng.integers(1, 600)))
        plan["transition"]["mode"] = str(rng.choice(["add_only", "dwell", "short_way", "at_once"]))
        ack = cabinet.offer(with_identity(plan), now)
        if cabinet.plan_id == ack["plan_id"]:
            again = cabinet.offer(with_identity(plan), now)
            assert again["verdict"] == "accepted"
    elif what < 0.65:
        cabinet.offer(rng.choice(np.array([None, 3, "plan", {}, {"format": "citybrain/plan/1"}], dtype=object)), now)
    elif what < 0.75 and cabinet.plan_id is not None:
        cabinet.renew(cabinet.plan_id, now + int(rng.integers(-100, 900)), now)
    elif what < 0.85:
        stage = int(rng.integers(0, len(data["stages"])))
        try:
            cabinet.seize(Mode.MANUAL if rng.random() < 0.5 else Mode.PRE_EMPTED, stage, now)
        except InputError:
            cabinet.release(now)
    elif what < 0.95:
        cabinet.release(now)
    else:
        cabinet.set_clock(now + int(rng.choice([-36_000, -500, -3, 4, 700, 10**7])))


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_no_unlawful_lamps_whatever_happens(seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, _, data = some_intersection(rng)
    cabinet = Cabinet(data, int(rng.integers(-5000, 5000)))
    monitor = Monitor(data, cabinet.aspects, 0)
    for watch in range(1, 2000):
        if rng.random() < 0.02:
            disturb(rng, cabinet, watch)
            monitor.see(cabinet.aspects, watch - 1)
        cabinet.advance(cabinet.time + 1)
        monitor.see(cabinet.aspects, watch)
    assert monitor.faults == []


@given(SEEDS)
@settings(max_examples=40, deadline=None)
def test_time_in_one_step_or_in_many_gives_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, _, data = some_intersection(rng)
    often, seldom = Cabinet(data, 0), Cabinet(data, 0)
    now = 0
    for seq in range(1, 8):
        plan = make_plan(data, seq, some_body(rng, data, now + 20), now + 20, now + int(rng.integers(30, 900)))
        assert often.offer(plan, now) == seldom.offer(plan, now)
        now += int(rng.integers(1, 700))
        for time in range(often.time, now + 1):
            often.advance(time)
        seldom.advance(now)
        assert often.ack(now) == seldom.ack(now)
        assert often.events() == seldom.events()
        assert often.lamps == seldom.lamps
