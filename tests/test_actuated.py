"""Detector-actuated control: calls, gap-out, maximum green, rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from citybrain.control.actuated import MAXIMUM_GREEN, Actuated
from citybrain.decisions import Ending
from citybrain.state import TrafficState
from tests.sites import empty_state, lamps_showing, small_site

SITE = small_site()
MAIN, LEFT, SIDE = SITE.signals.stages(0).tolist()
EAST = SITE.signals.stages(1).tolist()
AT = {SITE.network.lane_id[lane]: a for a, lane in enumerate(SITE.network.approach_lane.tolist())}
BEGIN = 1000


def traffic(*, queue: str = "", coming: str = "", seconds: int = 0, blocked: str = "") -> TrafficState:
    """Queues of 5 on lanes, and one vehicle on each of others that reaches its stop line in some seconds."""
    state = empty_state(SITE, 0)
    queues, arrivals = state.queue.copy(), state.arrivals.copy()
    queues[[SITE.network.approach_lane[AT[name]] for name in queue.split()]] = 5
    arrivals[[AT[name] for name in coming.split()], seconds] = 1
    stuck = state.blocked.copy()
    stuck[[AT[name] for name in blocked.split()]] = True
    return replace(state, queue=queues, arrivals=arrivals, blocked=stuck)


def wished(state: TrafficState, shown: int, age: int, controller: Actuated | None = None) -> int:
    """Stage wished at "west" while a stage has been shown for some tenths."""
    lamps = lamps_showing(SITE, BEGIN + age, [shown, EAST[0]], BEGIN)
    wish = (controller or Actuated(SITE)).decide(replace(state, time=BEGIN + age), lamps)
    return int(wish.plan_row[0, 0])


def test_rests_without_calls() -> None:
    assert wished(traffic(), MAIN, 6000) == MAIN
    assert wished(traffic(), SIDE, 6000) == SIDE


def test_goes_to_the_next_stage_that_is_called() -> None:
    assert wished(traffic(queue="w-n>_0"), MAIN, 100) == SIDE
    assert wished(traffic(queue="w-w>_1 w-n>_0"), MAIN, 100) == LEFT
    assert wished(traffic(queue="w-w>_0"), SIDE, 100) == MAIN


def test_an_arrival_within_three_seconds_calls() -> None:
    assert wished(traffic(coming="w-n>_0", seconds=2), MAIN, 100) == SIDE
    assert wished(traffic(coming="w-n>_0", seconds=3), MAIN, 100) == MAIN


def test_a_standing_vehicle_calls_and_so_does_a_lane_about_which_nothing_is_known() -> None:
    waiting = np.zeros(len(AT), dtype=np.float32)
    waiting[AT["w-s>_0"]] = 1
    assert wished(replace(traffic(), head_wait=waiting), MAIN, 100) == SIDE
    confidence = np.ones(SITE.network.n_lanes, dtype=np.float32)
    confidence[SITE.network.approach_lane[AT["w-s>_0"]]] = 0
    assert wished(replace(traffic(), confidence=confidence), MAIN, 100) == SIDE


def test_minimum_green_comes_before_calls() -> None:
    assert wished(traffic(queue="w-n>_0"), MAIN, 40) == MAIN
    assert wished(traffic(queue="w-n>_0"), MAIN, 50) == SIDE


def test_extended_until_the_first_gap() -> None:
    assert wished(traffic(queue="w-n>_0 w-w>_0"), MAIN, 100) == MAIN
    assert wished(traffic(queue="w-n>_0", coming="w-w>_0", seconds=2), MAIN, 100) == MAIN
    assert wished(traffic(queue="w-n>_0", coming="w-w>_0", seconds=3), MAIN, 100) == SIDE


def test_a_blocked_lane_does_not_extend() -> None:
    assert wished(traffic(queue="w-n>_0 w-w>_0", blocked="w-w>_0"), MAIN, 100) == SIDE


def test_a_left_turn_with_a_stage_of_its_own_does_not_extend_the_stage_that_permits_it() -> None:
    assert wished(traffic(queue="w-w>_1"), MAIN, 100) == LEFT


def test_green_ends_some_time_after_another_stage_was_called() -> None:
    controller = Actuated(SITE)
    alone, rival = traffic(queue="w-w>_0"), traffic(queue="w-w>_0 w-n>_0")
    assert wished(alone, MAIN, 100, controller) == MAIN
    assert wished(alone, MAIN, 2000, controller) == MAIN
    assert wished(rival, MAIN, 2010, controller) == MAIN
    assert wished(rival, MAIN, 2000 + MAXIMUM_GREEN - 10, controller) == MAIN
    assert wished(rival, MAIN, 2000 + MAXIMUM_GREEN, controller) == SIDE


def test_a_stage_that_the_guard_brought_is_taken_from_there() -> None:
    controller = Actuated(SITE)
    wished(traffic(queue="w-n>_0"), MAIN, 100, controller)
    assert wished(traffic(queue="w-n>_0 w-w>_0"), LEFT, 100, controller) == SIDE


def test_nothing_new_is_wished_during_a_change() -> None:
    lamps = lamps_showing(SITE, BEGIN, [LEFT, EAST[0]], BEGIN - 500)
    lamps = replace(lamps, changing=np.array([True, False]))
    wish = Actuated(SITE).decide(replace(traffic(queue="w-n>_0"), time=BEGIN), lamps)
    assert wish.plan_row[0, 0] == LEFT


def ending(state: TrafficState, shown: int, age: int, controller: Actuated) -> Ending:
    lamps = lamps_showing(SITE, BEGIN + age, [shown, EAST[0]], BEGIN)
    told = controller.decide(replace(state, time=BEGIN + age), lamps).ending
    assert told is not None
    return Ending(int(told[0]))


def test_it_tells_gaps_from_maxima() -> None:
    controller = Actuated(SITE)
    rival = traffic(queue="w-w>_0 w-n>_0")
    assert ending(rival, MAIN, 100, controller) == Ending.FORCED, "no green has ended yet"
    assert ending(rival, MAIN, 100 + MAXIMUM_GREEN, controller) == Ending.MAXIMUM
    controller = Actuated(SITE)
    assert ending(traffic(queue="w-n>_0"), MAIN, 100, controller) == Ending.GAP
