"""Turning movement counts teach the shares of their lane alone, for about 15 minutes, and only from who is heeded."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain import cells
from citybrain.counters import heed_turns, make_turns
from citybrain.decisions import LampState
from citybrain.errors import ContractError
from citybrain.estimation import LaneEstimator
from citybrain.network import Network, derived_tables
from citybrain.observations import ObservationBatch
from citybrain.signals import Aspect
from citybrain_kernels import turns as kernel
from citybrain_kernels.lanes import Belief, Layout
from tests.intake_posts import counting_sensors
from tests.reference.turns import Lane
from tests.small_world import nothing_at, small_network, small_sensors, small_signals

EAST, SOUTH, NOWHERE = 1, 3, 0
"""Roads; the lane of these tests has two movements to the first and one to the second."""
NORTH_LANE, CAMERA = 2, 1
ROWS = st.lists(
    st.tuples(
        st.sampled_from((EAST, SOUTH, NOWHERE)),
        st.sampled_from((0.0, 3.0, 100.0, -30.0)),
        st.sampled_from((60.0, 19.5, 19.0, 300.0, 301.0, -60.0)),
        st.sampled_from((0.0, 1.0, 7.0, 61.0, -1.0, math.nan, math.inf)),
    ),
    max_size=4,
)


def fork() -> tuple[Layout, Belief, kernel.Turns]:
    """Lane 2, which camera 1 watches, leads twice to the east and once to the south; no other lane leads on."""
    network, sensors = small_network(), small_sensors()
    layout = cells.make_layout(network, small_signals())._replace(move_ptr=np.array([0, 0, 0, 3, 3], np.int32))
    belief = cells.make_belief(network, cells.make_layout(network, small_signals()))
    belief = belief._replace(share=np.array([0.5, 0.25, 0.25]), turn_seen=np.zeros(3))
    turns = make_turns(network, sensors)._replace(
        road=np.array([EAST, EAST, SOUTH], np.int32),
        told=np.zeros(3),
        before=np.zeros(3),
        until=np.full(3, -1e9),
        share=np.zeros(3),
    )
    return layout, belief, turns


def take(
    now: float, steps: int, world: tuple[Layout, Belief, kernel.Turns], rows: list[tuple[int, float, float, float]]
) -> None:
    layout, belief, turns = world
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 4).T
    kernel.take_turns(
        now,
        steps,
        layout,
        np.full(len(rows), CAMERA, np.int32),
        np.full(len(rows), NORTH_LANE, np.int32),
        columns[0].astype(np.int32),
        columns[1].copy(),
        columns[2].copy(),
        columns[3].astype(np.float32),
        turns,
        belief,
    )


@settings(max_examples=60, deadline=None)
@given(ticks=st.lists(st.tuples(st.integers(1, 120), ROWS), min_size=1, max_size=6))
def test_kernel_does_what_its_twin_does(ticks: list[tuple[int, Any]]) -> None:
    world, lane, now = fork(), Lane([EAST, EAST, SOUTH], [0.5, 0.25, 0.25]), 1000
    _, belief, turns = world
    for steps, drawn in ticks:
        now += steps
        rows = [(road, now - back - span, now - back, vehicles) for road, back, span, vehicles in drawn]
        take(now, steps, world, rows)
        lane.tick(now, steps, rows)
        np.testing.assert_allclose(turns.share, lane.counted, rtol=1e-12)
        assert belief.share.tolist() == lane.share
        assert belief.turn_time[NORTH_LANE] == lane.time
        assert belief.turn_seen.tolist() == pytest.approx([0.0 if lane.seen is None else lane.seen] * 3)
        assert turns.share.sum() == pytest.approx(1.0)


def test_shares_become_those_counted_and_follow_a_change_in_a_quarter_of_an_hour() -> None:
    world = fork()
    _, _, turns = world
    for now in range(60, 960, 60):
        take(now, 60, world, [(EAST, now - 60, now, 2.0), (SOUTH, now - 60, now, 6.0)])
    assert turns.share[2] == pytest.approx(0.75, abs=0.02)
    assert turns.share[0] == pytest.approx(2 * turns.share[1]), "lanes of a road share as they did"
    for now in range(960, 1860, 60):
        take(now, 60, world, [(EAST, now - 60, now, 8.0)])
    assert turns.share[2] == pytest.approx(0.75 / (1.0 + math.e), abs=0.01)


def test_an_interval_counts_once() -> None:
    world = fork()
    _, _, turns = world
    row = (SOUTH, 0.0, 60.0, 6.0)
    take(61, 1, world, [row])
    shares = turns.share.tolist()
    take(61, 0, world, [row, (SOUTH, 30.0, 90.0, 9.0)])
    assert turns.share.tolist() == shares
    take(121, 0, world, [(SOUTH, 60.0, 120.0, 6.0)])
    assert turns.told[2] == pytest.approx(12.0)


def lamps(time: int) -> LampState:
    aspect, since = np.array([Aspect.PROTECTED, Aspect.RED], np.uint8), np.full(2, -100, np.int64)
    one = np.zeros(1, np.int32)
    return LampState(time, one, np.zeros(1, np.bool_), np.zeros(1, np.int64), aspect, since)


def crossing() -> Network:
    """The small street whose southern stop-line lane also leads to the east: movements 0, 1, 2."""
    small = small_network()
    move_from, move_to = np.array([0, 2, 2], np.int32), np.array([1, 1, 3], np.int32)
    owner, ptr, none = np.zeros(3, np.int32), np.zeros(4, np.int32), np.zeros(0, np.int32)
    tables: dict[str, Any] = derived_tables(4, move_from, move_to, owner, 1)
    return replace(
        small,
        move_from=move_from,
        move_to=move_to,
        move_intersection=owner,
        move_lamp=np.arange(3, dtype=np.int32),
        move_turn=np.zeros(3, np.int32),
        move_length=np.full(3, 10.0),
        move_foe_ptr=ptr,
        move_foe=none,
        move_yield_ptr=ptr,
        move_yield=none,
        **tables,
    )


def told(time: int, sensor: int, to: int, vehicles: float, lane: int = NORTH_LANE) -> ObservationBatch:
    one = {"sensor": [sensor], "lane": [lane], "to": [to], "begin": [time / 10 - 60], "end": [time / 10]}
    columns: dict[str, Any] = {
        f"turn_{name}": np.array(values, getattr(nothing_at(0), f"turn_{name}").dtype)
        for name, values in {**one, "vehicles": [vehicles]}.items()
    }
    return replace(nothing_at(time), **columns)


def estimator() -> LaneEstimator:
    signals = replace(
        small_signals(), group_move_ptr=np.array([0, 1, 3], np.int32), group_move=np.array([0, 1, 2], np.int32)
    )
    return LaneEstimator(crossing(), signals, counting_sensors())


@pytest.mark.parametrize("sensor", [1, 3])
def test_cameras_of_both_kinds_teach_shares_and_how_well_they_are_known(sensor: int) -> None:
    one, other = estimator(), estimator()
    for time in range(0, 6000, 10):
        state = one.update(told(time, sensor, EAST, 9.0) if time % 600 == 0 else nothing_at(time), lamps(time))
        plain = other.update(nothing_at(time), lamps(time))
    assert plain.counted_share[1] < 0.6
    assert plain.turn_confidence[1] < 0.2
    assert state.counted_share[1] > 0.95
    assert state.turn_confidence[1] > 0.7
    assert state.turn_age[1] == pytest.approx(59)
    assert state.turn_share.tolist() == plain.turn_share.tolist(), "the flow model goes by what it inferred"
    for name in ("vehicles", "queue", "confidence", "flow", "counted_share"):
        lane_of_others = slice(0, 1)
        np.testing.assert_array_equal(getattr(state, name)[lane_of_others], getattr(plain, name)[lane_of_others])


def test_loops_are_no_cameras_and_cameras_that_are_not_trusted_teach_nothing() -> None:
    believed, sick, plain = estimator(), estimator(), estimator()
    trust = np.array([1.0, 0.0, 1.0, 1.0])
    for time in range(0, 3000, 10):
        rows = told(time, 0, EAST, 9.0) if time % 600 == 0 else nothing_at(time)
        state = believed.update(rows, lamps(time))
        rows = told(time, 1, EAST, 9.0) if time % 600 == 0 else nothing_at(time)
        doubted = sick.update(rows, lamps(time), trust=trust)
        without = plain.update(nothing_at(time), lamps(time), trust=trust)
        assert doubted.counted_share.tolist() == without.counted_share.tolist()
    assert state.counted_share[1] < 0.6


def test_a_lane_lost_from_sight_is_not_heeded() -> None:
    sensors = counting_sensors()
    turns = make_turns(crossing(), sensors)
    heed_turns(sensors, np.array([1.0, 1.0, 1.0, 0.0]), np.array([0.0, 1.0]), turns)
    assert turns.heeded.tolist() == [False, False]
    heed_turns(sensors, np.array([1.0, 0.5, 1.0, 1.0]), np.array([1.0, 1.0]), turns)
    assert turns.heeded.tolist() == [True, True]


@pytest.mark.parametrize(("sensor", "lane"), [(9, NORTH_LANE), (-1, NORTH_LANE), (1, -1), (1, 4)])
def test_numbers_beyond_the_tables_are_refused(sensor: int, lane: int) -> None:
    with pytest.raises(ContractError, match="sensors beyond"):
        estimator().update(told(0, sensor, EAST, 9.0, lane), lamps(0))


def test_roads_that_the_lane_does_not_lead_to_teach_nothing() -> None:
    one, plain = estimator(), estimator()
    for time in range(0, 1300, 10):
        state = one.update(told(time, 1, 99, 9.0) if time % 600 == 0 else nothing_at(time), lamps(time))
        assert state.counted_share.tolist() == plain.update(nothing_at(time), lamps(time)).counted_share.tolist()
