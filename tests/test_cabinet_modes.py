"""The cabinet on its own: free of the clock, and flashing after a fault; the engine leaves it alone meanwhile."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.cabinet import Cabinet, Mode
from citybrain.cabinet.journal import Mode as JournalMode
from citybrain.events import Code, Coordination, Flash
from tests.cabinets import Monitor, make_plan, schedule
from tests.live_street import Loop
from tests.test_cabinet import some_intersection

SEEDS = st.integers(0, 2**32 - 1)
START_RED = 60


def begins(cabinet: Cabinet, until: int) -> list[tuple[int, int]]:
    """Stages with the times at which the change to them began, as acknowledgements tell."""
    found: list[tuple[int, int]] = []
    before = cabinet.ack(cabinet.time)["shown"]["stage"]
    for time in range(cabinet.time + 1, until):
        stage = cabinet.ack(time)["shown"]["stage"]
        if stage != before:
            found.append((stage, time))
            before = stage
    return found


def two_stages() -> dict[str, Any]:
    """Data of an intersection whose pattern has two stages of unequal length."""
    rng = np.random.default_rng(7)
    while True:
        _, _, data = some_intersection(rng, (2000, 3000))
        if len(data["patterns"][0]["stages"]) == 2:
            return data


def test_free_of_the_clock_the_stages_keep_their_spans() -> None:
    data = two_stages()
    cabinet = Cabinet(data, 1000)
    in_step = begins(cabinet, 1000 + 3 * data["patterns"][0]["cycle"])
    cabinet.seize(Mode.MANUAL, in_step[-1][0], cabinet.time)  # out of step by some seconds
    cabinet.advance(cabinet.time + data["patterns"][0]["cycle"] // 2 + 13)
    cabinet.run_free(cabinet.time)
    assert cabinet.mode == JournalMode.FREE
    free = begins(cabinet, cabinet.time + 4 * data["patterns"][0]["cycle"])
    spans = {stage: later - begin for (stage, begin), (_, later) in pairwise(in_step)}
    assert all(later - begin == spans[stage] for (stage, begin), (_, later) in pairwise(free))
    assert (free[-1][1] - in_step[-1][1]) % data["patterns"][0]["cycle"] != 0
    before = cabinet.ack(cabinet.time)
    assert (before["mode"], before["verdict"], before["offset_error"]) == ("free", "running", None)
    cabinet.set_clock(cabinet.time + 777)
    assert cabinet.mode == JournalMode.FREE
    shifted = begins(cabinet, cabinet.time + 2 * data["patterns"][0]["cycle"])
    assert shifted[0][1] - 777 - free[-1][1] == spans[free[-1][0]]
    cabinet.release(cabinet.time)
    cabinet.advance(cabinet.time + 20 * data["patterns"][0]["cycle"])
    assert (cabinet.ack(cabinet.time)["mode"], cabinet.ack(cabinet.time)["offset_error"]) == ("time_of_day", 0)


def test_flash_is_at_once_and_ends_by_a_red_of_all() -> None:
    data = two_stages()
    cabinet = Cabinet(data, 1000)
    cabinet.advance(1500)
    cabinet.events()
    cabinet.flash(1500)
    told = cabinet.ack(1500)
    assert (told["mode"], told["shown"]["stage"], told["shown"]["changing"]) == ("flash", None, False)
    assert set(told["shown"]["aspects"]) == {"r"}
    assert "o" in cabinet.lamps
    cabinet.set_clock(1700)
    cabinet.flash(1800)
    cabinet.advance(5000)
    assert cabinet.ack(5000)["mode"] == "flash"
    cabinet.release(5000)
    assert "o" not in cabinet.lamps
    for time in range(5000, 5000 + START_RED):
        cabinet.advance(time)
        assert set(cabinet.aspects) == {"r"}
    cabinet.advance(5000 + 5 * START_RED)
    assert not set("gG").isdisjoint(cabinet.aspects)
    assert cabinet.mode == Mode.TIME_OF_DAY
    codes = [(event.code, event.parameter) for event in cabinet.events()]
    assert codes.index((Code.FLASH, Flash.FAULT_MONITOR)) < codes.index((Code.FLASH, Flash.NONE))


def test_a_plan_that_came_meanwhile_is_followed_after_the_release() -> None:
    data = two_stages()
    stages = [entry["stage"] for entry in data["patterns"][0]["stages"]]
    cabinet = Cabinet(data, 1000)
    cabinet.run_free(1000)
    events = [(event.code, event.parameter) for event in cabinet.events()]
    assert (Code.COORDINATION, Coordination.FREE) in events
    shown = cabinet.ack(1000)["shown"]["stage"]
    other = next(stage for stage in stages if stage != shown)
    plan = make_plan(data, 1, schedule((shown, 900), (other, 1900)), 1000, 2500)
    assert cabinet.offer(plan, 1000)["verdict"] == "accepted"
    assert cabinet.ack(1100)["mode"] == "free"
    cabinet.release(1100)
    assert cabinet.mode == Mode.ADAPTIVE


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_whatever_is_asked_for_the_lamps_stay_lawful(seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, _, data = some_intersection(rng, (2000, 3000))
    lawful = [entry["stage"] for entry in data["patterns"][0]["stages"]]
    cabinet = Cabinet(data, 0)
    monitor: Monitor | None = Monitor(data, cabinet.aspects, 0)
    for time in range(1, 3000):
        if rng.random() < 0.01:
            what = rng.integers(0, 4)
            if what == 0:
                cabinet.run_free(time)
            elif what == 1:
                cabinet.flash(time)
            elif what == 2:
                cabinet.seize(Mode.MANUAL, int(rng.choice(lawful)), time)
            else:
                cabinet.release(time)
        cabinet.advance(time)
        if cabinet.mode == JournalMode.FLASH:
            assert set(cabinet.aspects) == {"r"}
            monitor = None  # a flash comes without yellow
        elif monitor is None:
            assert set(cabinet.aspects) == {"r"}
            monitor = Monitor(data, cabinet.aspects, time)
        else:
            monitor.see(cabinet.aspects, time)
            assert monitor.faults == []


def test_the_engine_leaves_a_flashing_and_a_free_cabinet_alone_and_takes_it_back() -> None:
    loop = Loop()
    loop.run(60)
    for begin in (loop.cabinet.flash, loop.cabinet.run_free):
        begin(loop.time)
        loop.run(40)
        assert loop.outcomes[-1].snapshot.mode == (loop.mode(),)
        assert not any(outcome.plans for outcome in loop.outcomes[-38:])
        loop.cabinet.release(loop.time)
        loop.run(60)
        assert loop.mode() == "adaptive"
        assert loop.believed() == loop.lamps[-2]
