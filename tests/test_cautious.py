"""The planner hands an intersection to its own program while it cannot see one of its approaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from citybrain.control.cautious import SILENT, Cautious
from citybrain.control.fixed import Fixed
from citybrain.control.planner import Planner
from citybrain.control.registry import make_controller
from citybrain.decisions import LampState, Wish
from citybrain.guard import LampGuard
from citybrain.randomness import generator
from citybrain.signals import Aspect
from citybrain.state import TrafficState
from tests.sites import empty_state, random_state, small_site

SITE = small_site()
NETWORK = SITE.network
BEGIN = 252_000
WEST, EAST = 0, 1


class Stubborn:
    """Wishes the first row of every intersection for ever, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        self.asked += 1
        rows = np.full((2, 6), -1, np.int32)
        rows[:, 0] = SITE.signals.row_ptr[:-1]
        starts = np.where(rows >= 0, np.int64(state.time), np.int64(-1))
        return Wish(state.time, rows, starts, np.zeros(2, np.float32))


def blinded(state: TrafficState, roads: set[str], confidence: float = 0.1) -> TrafficState:
    """The state with all lanes of these roads unseen."""
    sure = state.confidence.copy()
    for l, edge in enumerate(NETWORK.lane_edge.tolist()):
        if NETWORK.edge_id[edge] in roads:
            sure[l] = confidence
    return replace(state, confidence=sure)


def approach_roads(i: int) -> list[str]:
    lanes = NETWORK.approach_lane[NETWORK.approach_ptr[i] : NETWORK.approach_ptr[i + 1]]
    return sorted({NETWORK.edge_id[NETWORK.lane_edge[lane]] for lane in lanes})


def lamps() -> LampState:
    return LampGuard(SITE.signals, SITE.timings, BEGIN).lamps


def test_what_is_seen_is_left_to_the_seeing_controller() -> None:
    seeing = Stubborn()
    state = empty_state(SITE, BEGIN)
    wish = Cautious(SITE, seeing).decide(state, lamps())
    assert wish.plan_row[:, 0].tolist() == SITE.signals.row_ptr[:-1].tolist()
    assert seeing.asked == 1


@pytest.mark.parametrize("road", approach_roads(WEST))
def test_an_unseen_approach_hands_its_intersection_and_no_other_to_the_program(road: str) -> None:
    cautious, fixed = Cautious(SITE, Stubborn()), Fixed(SITE)
    stages = {WEST: 0, EAST: 0}
    for tick in range(120):
        state = blinded(empty_state(SITE, BEGIN + 10 * tick), {road})
        wish = cautious.decide(state, lamps())
        assert wish.plan_row[EAST, 0] == SITE.signals.row_ptr[EAST]
        assert SITE.signals.row_is_stage[wish.plan_row[WEST][wish.plan_row[WEST] >= 0]].all()
        assert np.isnan(wish.cost[WEST])
        row = int(fixed.decide(state, lamps()).plan_row[WEST, 0])
        if SITE.signals.row_is_stage[row]:
            assert wish.plan_row[WEST, 0] == row
            stages[WEST] += 1
    assert stages[WEST] > 60


def test_a_single_lane_that_is_seen_is_enough_for_its_approach() -> None:
    road = next(r for r in approach_roads(WEST) if NETWORK.lane_edge.tolist().count(NETWORK.edge_id.index(r)) == 2)
    state = blinded(empty_state(SITE, BEGIN), {road})
    lane = NETWORK.lane_edge.tolist().index(NETWORK.edge_id.index(road))
    sure = state.confidence.copy()
    sure[lane] = 0.2
    wish = Cautious(SITE, Stubborn()).decide(replace(state, confidence=sure), lamps())
    assert not np.isnan(wish.cost[WEST])


def test_sight_that_comes_back_is_used_at_once() -> None:
    cautious = Cautious(SITE, Stubborn())
    road = approach_roads(WEST)[0]
    gone = cautious.decide(blinded(empty_state(SITE, BEGIN), {road}), lamps())
    back = cautious.decide(empty_state(SITE, BEGIN + 10), lamps())
    assert np.isnan(gone.cost[WEST])
    assert not np.isnan(back.cost[WEST])


def test_changing_hands_again_and_again_starves_nobody_behind_the_guard() -> None:
    cautious, guard = Cautious(SITE, Planner(SITE)), LampGuard(SITE.signals, SITE.timings, BEGIN)
    rng = generator(5, "traffic")
    roads = {*approach_roads(WEST), *approach_roads(EAST)}
    red = np.zeros(SITE.signals.n_groups)
    longest = red.copy()
    for tick in range(1800):
        state = random_state(SITE, rng, BEGIN + 10 * tick)
        state = replace(state, confidence=np.ones_like(state.confidence))
        if tick // 17 % 2:
            state = blinded(state, {str(road) for road in rng.choice(sorted(roads), 2)})
        aspect = guard.enforce(cautious.decide(state, guard.lamps)).lamps.aspect
        red = np.where(aspect >= Aspect.PERMISSIVE, 0.0, red + 1.0)
        longest = np.maximum(longest, red)
    assert longest.max() <= SITE.timings.max_red.max() / 10 + 60


class Listening(Stubborn):
    """Keeps the states that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[TrafficState] = []

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        self.shown.append(state)
        return super().decide(state, lamps)


def test_at_a_silent_approach_more_vehicles_are_believed_to_wait_the_longer_it_is_red() -> None:
    seeing = Listening()
    cautious = Cautious(SITE, seeing)
    road = approach_roads(WEST)[0]
    here = np.array([NETWORK.edge_id[NETWORK.lane_edge[lane]] == road for lane in NETWORK.approach_lane])
    red = replace(lamps(), aspect=np.full(SITE.signals.n_groups, Aspect.RED, np.uint8))
    state = empty_state(SITE, BEGIN)
    for seconds in (0, 50, 200):
        silent = blinded(empty_state(SITE, BEGIN + 10 * seconds), {road}, SILENT)
        wish = cautious.decide(silent, red)
        assert not np.isnan(wish.cost[WEST])  # nobody takes it for blind
    first, early, late = (shown.queue[NETWORK.approach_lane] for shown in seeing.shown)
    assert not first.any()
    assert (early[here] > 0.0).all()
    assert (late[here] >= 1.0).all()
    assert (seeing.shown[-1].head_wait[here] >= 200.0).all()
    assert not late[~here].any()
    assert not state.queue.any()


def test_green_ends_what_is_believed_of_a_silent_approach() -> None:
    seeing = Listening()
    cautious = Cautious(SITE, seeing)
    road = approach_roads(WEST)[0]
    for tick, aspect in enumerate((Aspect.RED, Aspect.RED, Aspect.PROTECTED)):
        shown = replace(lamps(), aspect=np.full(SITE.signals.n_groups, aspect, np.uint8))
        cautious.decide(blinded(empty_state(SITE, BEGIN + 1000 * tick), {road}, SILENT), shown)
    assert seeing.shown[1].queue.any()
    assert not seeing.shown[2].queue.any()


def test_planner_and_oracle_are_cautious() -> None:
    for name in ("planner", "oracle"):
        state = blinded(empty_state(SITE, BEGIN), {approach_roads(WEST)[0]})
        assert np.isnan(make_controller(name, SITE).decide(state, lamps()).cost[WEST])


def test_where_every_approach_is_silent_the_program_runs() -> None:
    silent = blinded(empty_state(SITE, BEGIN), set(approach_roads(WEST)), SILENT)
    wish = Cautious(SITE, Stubborn()).decide(silent, lamps())
    assert np.isnan(wish.cost[WEST])
    assert not np.isnan(wish.cost[EAST])
