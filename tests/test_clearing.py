"""The planner's greens wait for vehicles that stand in the intersection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from citybrain.control.clearing import Clearing
from citybrain.control.planner import Planner
from citybrain.control.registry import make_controller
from citybrain.decisions import LampState, Wish
from citybrain.guard import LampGuard
from citybrain.randomness import generator
from citybrain.signals import Aspect
from citybrain.state import TrafficState
from tests.sites import empty_state, random_state, small_site

SITE = small_site()
BEGIN = 252_000


class Patient:
    """Wishes what is shown."""

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        return Wish.now(state.time, lamps.row)


def groups_of(lane: int) -> list[int]:
    """Groups that let somebody of a stop-line lane go."""
    signals, network = SITE.signals, SITE.network
    moves = set(range(int(network.lane_move_ptr[lane]), int(network.lane_move_ptr[lane + 1])))
    ptr = signals.group_move_ptr
    return [g for g in range(signals.n_groups) if moves & set(signals.group_move[ptr[g] : ptr[g + 1]].tolist())]


@pytest.mark.parametrize("stop", range(SITE.network.n_approach_lanes))
def test_the_groups_of_a_lane_whose_vehicles_stand_inside_are_told_to_the_guard(stop: int) -> None:
    inside = np.zeros(SITE.network.n_approach_lanes, np.float32)
    inside[stop] = 1.0
    state = replace(empty_state(SITE, BEGIN), inside=inside)
    lamps = LampGuard(SITE.signals, SITE.timings, BEGIN).lamps
    occupied = Clearing(SITE, Patient()).decide(state, lamps).occupied
    assert occupied is not None
    assert np.flatnonzero(occupied).tolist() == groups_of(int(SITE.network.approach_lane[stop]))


def test_where_another_intersection_is_close_nobody_is_waited_for() -> None:
    network = SITE.network
    short = np.where(np.char.startswith(np.array(network.lane_id), "link"), 50.0, network.lane_length)
    near = replace(SITE, network=replace(network, lane_length=short))
    state = replace(empty_state(SITE, BEGIN), inside=np.ones(network.n_approach_lanes, np.float32))
    lamps = LampGuard(SITE.signals, SITE.timings, BEGIN).lamps
    occupied = [Clearing(site, Patient()).decide(state, lamps).occupied for site in (SITE, near)]
    assert [None if said is None else bool(said.any()) for said in occupied] == [True, False]


@pytest.mark.parametrize("stop", range(SITE.network.n_approach_lanes))
def test_nobody_waits_for_those_who_have_no_room_ahead(stop: int) -> None:
    network = SITE.network
    inside, room = np.zeros(network.n_approach_lanes, np.float32), np.full(network.n_lanes, 10.0, np.float32)
    inside[stop] = 2.0
    beyond = network.move_to[network.move_from == network.approach_lane[stop]]
    lamps = LampGuard(SITE.signals, SITE.timings, BEGIN).lamps
    for lane in beyond.tolist():
        full = room.copy()
        full[lane] = 0.9
        wish = Clearing(SITE, Patient()).decide(replace(empty_state(SITE, BEGIN), inside=inside, room=full), lamps)
        assert wish.occupied is not None
        assert not wish.occupied.any()


def test_where_nobody_looks_nothing_is_said_and_all_else_is_the_deciding_controllers() -> None:
    rng = generator(1, "states")
    lamps = LampGuard(SITE.signals, SITE.timings, BEGIN).lamps
    alone, within, unseeing = Planner(SITE), Clearing(SITE, Planner(SITE)), Clearing(SITE, Planner(SITE))
    for tick in range(20):
        state = random_state(SITE, rng, BEGIN + 10 * tick)
        seen = replace(state, inside=np.ones(SITE.network.n_approach_lanes, np.float32))
        expected, wish = alone.decide(state, lamps), within.decide(seen, lamps)
        assert unseeing.decide(state, lamps).occupied is None
        assert wish.occupied is not None
        assert wish.occupied.any()
        assert np.array_equal(wish.plan_row, expected.plan_row)
        assert np.array_equal(wish.plan_start, expected.plan_start)


def test_the_planner_waits_at_a_change_for_who_stands_inside() -> None:
    def seconds_of_change(inside: bool) -> int:
        controller, guard = make_controller("planner", SITE), LampGuard(SITE.signals, SITE.timings, BEGIN)
        changing = 0
        for tick in range(1, 200):
            state = empty_state(SITE, BEGIN + 10 * tick)
            stands = np.full(SITE.network.n_approach_lanes, float(inside), np.float32)
            red = guard.lamps.aspect == Aspect.RED
            waits = np.array([any(red[g] for g in groups_of(int(l))) for l in SITE.network.approach_lane])
            state = replace(
                state,
                inside=stands,
                head_wait=np.where(waits, 40.0, 0.0).astype(np.float32),
                queue=queues(state, waits),
            )
            changing += int(guard.enforce(controller.decide(state, guard.lamps)).lamps.changing.sum())
        return changing

    assert seconds_of_change(inside=True) > seconds_of_change(inside=False) > 0


def queues(state: TrafficState, waits: np.ndarray) -> np.ndarray:
    """Five vehicles at the stop lines where somebody waits."""
    queue = state.queue.copy()
    queue[SITE.network.approach_lane[waits]] = 5.0
    return queue
