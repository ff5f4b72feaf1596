"""The cabinet: carries out stages as the guard does, and shows nothing unlawful whatever it is told."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.cabinet import Cabinet
from citybrain.decisions import Wish
from citybrain.errors import NetworkError
from citybrain.guard import LampGuard
from citybrain.signals import Signals
from citybrain.timings import Timings
from tests.cabinets import controller_data, is_usable, lawful_stages, make_plan, schedule
from tests.random_signals import assemble, random_plan, random_timings

SEEDS = st.integers(0, 2**32 - 1)
TICK = 10


def some_intersection(rng: np.random.Generator) -> tuple[Signals, Timings, dict[str, Any]]:
    """One random intersection whose data a cabinet takes."""
    while True:
        signals = assemble([random_plan(rng)])
        timings = random_timings(rng, signals, max_red=(600, 3000))
        if len(lawful_stages(signals)) < 2:
            continue
        try:
            LampGuard(signals, timings, 0)
        except NetworkError:
            continue
        data = controller_data(signals, timings)
        if is_usable(data):
            return signals, timings, data


def settled_guard(signals: Signals, timings: Timings, row: int) -> LampGuard:
    """A guard that has shown a stage for a while at time 0."""
    guard = LampGuard(signals, timings, -2000)
    for time in range(-2000 + TICK, TICK, TICK):
        guard.enforce(Wish.now(time, np.array([row], dtype=np.int32)))
    return guard


def shown_by(guard: LampGuard, rows: list[int], data: dict[str, Any]) -> dict[str, Any]:
    lamps = guard.lamps
    return {
        "stage": rows.index(int(lamps.row[0])),
        "changing": bool(lamps.changing[0]),
        "since": int(lamps.since[0]),
        "aspects": "".join("rygG"[a] for a in lamps.aspect),
        "aspect_since": lamps.aspect_since.tolist(),
        "green_end": [None] * len(data["groups"]),
    }


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_same_lamps_as_the_guard_at_every_tick(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signals, timings, data = some_intersection(rng)
    rows = [int(row) for row in signals.stages(0)]
    lawful = lawful_stages(signals)
    guard = settled_guard(signals, timings, lawful[0])
    shown = shown_by(guard, rows, data)
    if shown["changing"] or guard.lamps.row[0] != lawful[0]:
        return  # the guard serves a group that would else be red for too long
    cabinet = Cabinet(data, 0, shown)
    entries, letters = [(rows.index(lawful[0]), shown["since"])], []
    wish, row = lawful[0], lawful[0]
    for time in range(TICK, 1500, TICK):
        if rng.random() < 0.1:
            wish = int(rng.choice(lawful))
        command = guard.enforce(Wish.now(time, np.array([wish], dtype=np.int32)))
        letters.append(bytes(command.lamp_char).decode())
        if command.lamps.row[0] != row:
            row = int(command.lamps.row[0])
            entries.append((rows.index(row), time))
    ack = cabinet.offer(make_plan(data, 1, schedule(*entries), 0, 1500), 0)
    assert ack["verdict"] == "accepted", ack
    for n, expected in enumerate(letters):
        cabinet.advance((n + 1) * TICK)
        assert cabinet.lamps == expected
    assert "late" not in (cabinet.ack(1490)["code"] or "")
