"""Max pressure and max wave against their readable twin, and in situations with one right answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.control.pressure import DECISION_INTERVAL
from citybrain.control.registry import make_controller
from citybrain.decisions import LampState
from citybrain.randomness import generator
from citybrain.state import TrafficState
from tests.reference import pressure as twin
from tests.sites import empty_state, lamps_showing, random_state, small_site

SITE = small_site()
WEST, EAST = SITE.signals.stages(0).tolist(), SITE.signals.stages(1).tolist()
MAIN, LEFT, SIDE = WEST
LANE = {name: l for l, name in enumerate(SITE.network.lane_id)}
RULES = ["max-pressure", "max-wave"]


def with_vehicles(time: int, **lanes: float) -> TrafficState:
    """State with queues; names such as ``w_n`` for the kerb lane in from that arm."""
    state = empty_state(SITE, time)
    queue = state.queue.copy()
    for name, vehicles in lanes.items():
        queue[LANE[name.replace("_", "-", 1) + ">_0"]] = vehicles
    return replace(state, queue=queue, vehicles=queue.copy())


def long_shown(time: int, west: int) -> LampState:
    return lamps_showing(SITE, time, [west, EAST[0]], time - 1000)


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.tuples(st.sampled_from(WEST), st.sampled_from(EAST)))
def test_the_stage_of_largest_worth(rule: str, seed: int, rows: tuple[int, int]) -> None:
    state = random_state(SITE, generator(seed, "traffic"), 5000)
    wish = make_controller(rule, SITE).decide(state, lamps_showing(SITE, 5000, list(rows), 4000))
    worth = twin.scores(SITE, state, rule)
    for stages, chosen in zip((WEST, EAST), wish.plan_row[:, 0].tolist(), strict=True):
        assert chosen in stages
        assert worth[chosen] == pytest.approx(max(worth[row] for row in stages), abs=1e-3)


@pytest.mark.parametrize("rule", RULES)
def test_goes_where_the_queue_is(rule: str) -> None:
    state = with_vehicles(5000, w_n=8)
    assert make_controller(rule, SITE).decide(state, long_shown(5000, MAIN)).plan_row[0, 0] == SIDE


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("shown", WEST)
def test_a_tie_stays(rule: str, shown: int) -> None:
    assert make_controller(rule, SITE).decide(empty_state(SITE, 5000), long_shown(5000, shown)).plan_row[0, 0] == shown


@pytest.mark.parametrize("rule", RULES)
def test_a_stage_is_kept_for_the_decision_interval(rule: str) -> None:
    controller = make_controller(rule, SITE)
    controller.decide(with_vehicles(5000, w_w=8), long_shown(5000, MAIN))
    wishes = [
        controller.decide(with_vehicles(time, w_n=8), long_shown(time, MAIN)).plan_row[0, 0]
        for time in range(5010, 5010 + 2 * DECISION_INTERVAL, 10)
    ]
    assert wishes == [MAIN] * (DECISION_INTERVAL // 10 - 1) + [SIDE] * (DECISION_INTERVAL // 10 + 1)


@pytest.mark.parametrize("rule", RULES)
def test_nothing_new_is_wished_during_a_change(rule: str) -> None:
    controller = make_controller(rule, SITE)
    controller.decide(with_vehicles(5000, w_w=8), long_shown(5000, MAIN))
    lamps = replace(long_shown(5100, MAIN), changing=np.array([True, False]))
    assert controller.decide(with_vehicles(5100, w_n=8), lamps).plan_row[0, 0] == MAIN


@pytest.mark.parametrize("rule", RULES)
def test_a_stage_that_the_guard_brought_gets_its_time(rule: str) -> None:
    controller = make_controller(rule, SITE)
    queue = {"w_n": 8}
    controller.decide(with_vehicles(5000, **queue), long_shown(5000, MAIN))
    brought = lamps_showing(SITE, 5200, [LEFT, EAST[0]], 5180)
    assert controller.decide(with_vehicles(5200, **queue), brought).plan_row[0, 0] == LEFT
    assert controller.decide(with_vehicles(5230, **queue), replace(brought, time=5230)).plan_row[0, 0] == SIDE


def test_pressure_heeds_what_stands_downstream() -> None:
    """Westbound traffic of the main road leads into the link; the southern arm's left turns have a lane beside it."""
    main, left, _, south = EAST
    state = with_vehicles(5000, e_e=10, e_s=6)
    standing = state.queue.copy()
    standing[LANE["link<_0"]] = 40
    full = replace(state, queue=standing)
    lamps = lamps_showing(SITE, 5000, [MAIN, left], 4000)
    assert make_controller("max-pressure", SITE).decide(state, lamps).plan_row[1, 0] == main
    assert make_controller("max-pressure", SITE).decide(full, lamps).plan_row[1, 0] == south
    assert make_controller("max-wave", SITE).decide(full, lamps).plan_row[1, 0] == main


def test_pressure_sees_vehicles_that_wait_for_room_on_a_short_lane() -> None:
    spill = np.zeros(SITE.network.n_approach_lanes, dtype=np.float32)
    spill[SITE.network.lane_approach[LANE["w-n>_0"]]] = 9
    state = replace(with_vehicles(5000, w_w=8, w_n=2), spill=spill)
    for rule in RULES:
        assert make_controller(rule, SITE).decide(state, long_shown(5000, MAIN)).plan_row[0, 0] == SIDE


@pytest.mark.parametrize("rule", RULES)
def test_moving_vehicles_count_within_fifty_metres(rule: str) -> None:
    """A stream that flows at a distance must not outweigh who stands."""
    arrivals = np.zeros_like(empty_state(SITE, 0).arrivals)
    north = SITE.network.lane_approach[LANE["w-n>_0"]]
    arrivals[north, 4:] = 1.0  # beyond 50 m at 13.9 m/s
    far = replace(with_vehicles(5000, w_w=1), arrivals=arrivals)
    assert make_controller(rule, SITE).decide(far, long_shown(5000, MAIN)).plan_row[0, 0] == MAIN
    arrivals = arrivals.copy()
    arrivals[north, 0:3] = 1.0
    near = replace(far, arrivals=arrivals)
    assert make_controller(rule, SITE).decide(near, long_shown(5000, MAIN)).plan_row[0, 0] == SIDE
