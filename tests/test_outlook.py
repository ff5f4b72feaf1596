"""The planner's outlook against its readable twin, and how it keeps plans."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from citybrain.control.planner import SIGHT, Planner, belief_of
from citybrain.control.planner_tables import GUARD_SPARE, lay_out
from citybrain.decisions import LampState
from citybrain.state import HORIZON, TrafficState
from citybrain_kernels import outlook as kernel
from citybrain_kernels.planner_tables import NOT_RED, Belief, Outlook, Shown, make_outlook
from tests.reference import outlook as twin
from tests.sites import lamps_showing, random_state, small_site

TIME = 36_000
SITE = small_site()


def filling_before(seed: int) -> NDArray[np.float32]:
    """How full the room behind every stop line was until now."""
    return np.random.default_rng(seed + 1).random(SITE.network.n_approach_lanes).astype(np.float32)


def seen(seed: int) -> tuple[Outlook, NDArray[np.int32], NDArray[np.bool_], LampState, TrafficState]:
    """Outlook, hold, due, lamps and state for random traffic and random stages."""
    rng = np.random.default_rng(seed)
    state = random_state(SITE, rng, TIME)
    rows = [int(rng.choice(SITE.signals.stages(i))) for i in range(SITE.signals.n_intersections)]
    lamps = lamps_showing(SITE, TIME, rows, TIME - 10 * int(rng.integers(0, 12)))
    layout, wiring = lay_out(SITE)
    outlook = make_outlook(int(layout.queue_ptr[-1]), HORIZON, int(layout.serve_ptr[-1]), len(layout.red_group))
    belief = Belief(*(getattr(state, name) for name in Belief._fields))
    shown = Shown(lamps.row, lamps.changing, lamps.aspect, lamps.aspect_since)
    hold, due = np.zeros(len(layout.stage_row), np.int32), np.zeros(len(rows), np.bool_)
    usual = np.zeros(len(wiring.lane_queue), np.float32)
    filling, pressed = filling_before(seed), np.zeros(len(rows), np.float32)
    kernel.look(TIME, 0.0, layout, wiring, belief, shown, SIGHT, usual, filling, pressed, outlook, hold, due)
    return outlook, hold, due, lamps, state


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_outlook_equals_its_twin(seed: int) -> None:
    outlook, hold, _, lamps, state = seen(seed)
    layout, wiring = lay_out(SITE)
    for a, k in enumerate(wiring.lane_queue):
        expected = twin.lane_queue(SITE, state, lamps, SIGHT, filling_before(seed), a)
        assert outlook.queue[k] == pytest.approx(np.array(expected, np.float32), rel=1e-5)
        np.testing.assert_array_equal(outlook.arrivals[k], state.arrivals[a])
    for i in range(SITE.signals.n_intersections):
        n = int(layout.queue_ptr[i + 1] - layout.queue_ptr[i])
        for p, s in enumerate(range(int(layout.stage_ptr[i]), int(layout.stage_ptr[i + 1]))):
            row = int(layout.stage_row[s])
            assert hold[s] == twin.held_for(SITE, TIME, lamps, i, row)
            for a in range(int(SITE.network.approach_ptr[i]), int(SITE.network.approach_ptr[i + 1])):
                pair = int(layout.serve_ptr[i]) + p * n + int(wiring.lane_queue[a] - layout.queue_ptr[i])
                share = twin.served(SITE, state, row, a)
                assert outlook.serve[pair] == pytest.approx(np.array(share), abs=1e-5)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_who_may_plan_and_until_when_reds_may_last_equal_their_twins(seed: int) -> None:
    outlook, hold, due, lamps, _ = seen(seed)
    layout, wiring = lay_out(SITE)
    for d, g in enumerate(layout.red_group.tolist()):
        last = twin.last_second(SITE, TIME, lamps, g, GUARD_SPARE)
        assert outlook.red_last[d] == (NOT_RED if last is None else last)
    for x, g in enumerate(wiring.walk_group.tolist()):
        k = wiring.walk_queue[x]
        assert outlook.queue[k, :2] == pytest.approx(np.array(twin.walk_queue(TIME, lamps, SIGHT, g), np.float32))
        assert (outlook.arrivals[k] == np.float32(SIGHT.walk_arrivals)).all()
    for i in range(SITE.signals.n_intersections):
        stages = slice(int(layout.stage_ptr[i]), int(layout.stage_ptr[i + 1]))
        queues = slice(int(layout.queue_ptr[i]), int(layout.queue_ptr[i + 1]))
        assert due[i] == twin.may_plan(
            bool(SITE.signals.row_is_stage[lamps.row[i]]),
            bool(lamps.changing[i]),
            dict(zip(layout.stage_row[stages].tolist(), hold[stages].tolist(), strict=True)),
            int(lamps.row[i]),
            outlook.queue[queues, 0].tolist(),
            outlook.arrivals[queues].ravel().tolist(),
            outlook.red_last[layout.red_ptr[i] : layout.red_ptr[i + 1]].tolist(),
            HORIZON,
        )


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_usual_arrivals_equal_their_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    state = random_state(SITE, rng, TIME)
    layout, wiring = lay_out(SITE)
    belief = belief_of(state)
    usual = rng.uniform(0, 0.3, len(wiring.lane_queue)).astype(np.float32)
    before = usual.copy()
    kernel.learn_usual(0.25, wiring, belief, usual)
    outlook = make_outlook(int(layout.queue_ptr[-1]), HORIZON, int(layout.serve_ptr[-1]), len(layout.red_group))
    kernel.fill_arrivals(wiring, belief, usual, SIGHT, outlook)
    for a, k in enumerate(wiring.lane_queue):
        flow = float(state.flow[wiring.approach_lane[a]])
        assert usual[a] == pytest.approx(twin.usual_flow(float(before[a]), flow, 0.25), rel=1e-5)
        expected = twin.arrivals_of(state.arrivals[a].tolist(), float(usual[a]), SIGHT.known)
        assert outlook.arrivals[k] == pytest.approx(np.array(expected, np.float32), rel=1e-4, abs=1e-5)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_kept_plans_equal_their_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    length, entries = 5, int(rng.integers(1, 6))
    rows = rng.integers(0, 4, entries).tolist()
    starts = np.sort(rng.integers(0, 400, entries)).tolist()
    plan_row, plan_start = np.full((1, length), -1, np.int32), np.full((1, length), -1, np.int64)
    plan_row[0, :entries], plan_start[0, :entries] = rows, starts
    time, row, since = int(rng.integers(0, 500)), int(rng.integers(0, 4)), int(rng.integers(0, 500))
    nothing = np.full((1, length), -1, np.int32)
    shown = np.array([row], np.int32), np.array([since], np.int64)
    kernel.keep_plans(time, np.zeros(1, np.bool_), *shown, nothing, nothing, plan_row, plan_start)
    left = twin.kept(list(zip(rows, starts, strict=True)), time, row, since)
    assert [(r, s) for r, s in zip(plan_row[0].tolist(), plan_start[0].tolist(), strict=True) if r >= 0] == left


def test_pedestrians_wait_at_red_and_go_at_green() -> None:
    layout, wiring = lay_out(SITE)
    assert len(wiring.walk_queue) == 1
    outlook, _, _, lamps, _ = seen(3)
    k, g = int(wiring.walk_queue[0]), int(wiring.walk_group[0])
    red = lamps.aspect[g] < 2
    assert (outlook.queue[k, 0] > 0) == (red and lamps.aspect_since[g] < TIME)
    assert layout.queue_ptr[-1] == len(wiring.lane_queue) + 1


def test_nobody_decides_in_an_interstage() -> None:
    state = random_state(SITE, np.random.default_rng(1), TIME)
    rows = [int(SITE.signals.stages(i)[0]) for i in range(SITE.signals.n_intersections)]
    still = lamps_showing(SITE, TIME, rows, TIME - 600)
    changing = LampState(
        still.time, still.row, np.ones(len(rows), np.bool_), still.since, still.aspect, still.aspect_since
    )
    wish = Planner(SITE).decide(state, changing)
    np.testing.assert_array_equal(wish.plan_row[:, 0], rows)
    assert (wish.plan_row[:, 1:] == -1).all()


def test_plans_are_kept_until_the_next_and_lose_what_is_over() -> None:
    plan_row = np.array([[4, 5, 6, -1], [7, 8, -1, -1]], np.int32)
    plan_start = np.array([[0, 100, 300, -1], [0, 400, -1, -1]], np.int64)
    nothing = np.full((2, 4), -1, np.int32)
    row, since = np.array([5, 9], np.int32), np.array([110, 150], np.int64)
    kernel.keep_plans(200, np.zeros(2, np.bool_), row, since, nothing, nothing, plan_row, plan_start)
    assert plan_row.tolist() == [[5, 6, -1, -1], [9, -1, -1, -1]]
    assert plan_start.tolist() == [[100, 300, -1, -1], [150, -1, -1, -1]]
