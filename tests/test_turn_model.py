"""Turning counts of the sensor model: who crossed is counted once, to the right road but for the confusion stated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from citybrain.network import derived_tables
from citybrain.observations import SensorKind, SensorTable
from citybrain.randomness import generator
from citybrain_sim.sensor_model import SensorModel
from citybrain_sim.sensor_profiles import TurnCameraNoise, load_sensor_profile
from citybrain_sim.turn_model import TurnModel
from tests.small_world import small_network

QUIET = load_sensor_profile("ideal").turn_camera
ORDINARY = load_sensor_profile("default").turn_camera
NORTH, EAST, SOUTH = 2, 1, 3
"""A lane that two cameras watch, and the roads that it leads to."""


def network() -> Any:
    """The small street, where the northern lane also leads to the east."""
    move_from, move_to = np.array([0, 2, 2], np.int32), np.array([1, 1, 3], np.int32)
    owner = np.zeros(3, np.int32)
    tables: dict[str, Any] = derived_tables(4, move_from, move_to, owner, 1)
    return replace(small_network(), move_from=move_from, move_to=move_to, move_intersection=owner, **tables)


def table() -> SensorTable:
    return SensorTable(
        sensor_id=("loop", "camera", "counter"),
        kind=np.array([SensorKind.STOP_LOOP, SensorKind.CAMERA, SensorKind.CAMERA_COUNT], np.uint8),
        lane=np.array([2, -1, -1], np.int32),
        distance=np.array([2.0, 80.0, 80.0]),
        cover_ptr=np.array([0, 0, 2, 3], np.int32),
        cover_lane=np.array([3, 2, 2], np.int32),
        cover_offset=np.zeros(3),
    )


def rows(noise: TurnCameraNoise, seconds: int, each: list[tuple[int, int]], seed: int = 1) -> list[tuple[Any, ...]]:
    """Arrival and columns of all that is sent while the same vehicles cross every second."""
    model = TurnModel(network(), table(), noise, generator(seed, "turns"))
    model.close(0.0)
    sent = []
    for second in range(1, seconds + 1):
        model.cross(each)
        model.close(float(second))
        sent += [(second, *row) for row in zip(*(column.tolist() for column in model.collect(second)), strict=True)]
    return sent


def test_every_crossing_is_counted_in_its_interval_by_every_camera_that_watches() -> None:
    sent = rows(QUIET, 120, [(NORTH, EAST), (NORTH, SOUTH), (NORTH, SOUTH)])
    for x in (1, 2):
        mine = [row for row in sent if row[1] == x]
        ends = sorted({row[5] for row in mine})
        assert 0 < ends[0] - 20 <= 20, "every camera has a beginning of its own; what began before it is not sent"
        assert np.diff(ends).tolist() == [20.0] * (len(ends) - 1)
        for arrived, _, lane, road, begin, end, vehicles in mine:
            assert (lane, end - begin, arrived) == (NORTH, 20, end)
            assert vehicles == {EAST: 20, SOUTH: 40}[road]
        assert len(mine) == 2 * len(ends)


def test_who_is_not_watched_or_leads_nowhere_is_not_counted_and_nobody_is_no_row() -> None:
    assert rows(QUIET, 100, [(0, EAST), (3, SOUTH), (NORTH, 0), (NORTH, 99)]) == []
    assert rows(QUIET, 100, []) == []


def test_errors_are_as_frequent_as_the_profile_says() -> None:
    sent = [row for row in rows(ORDINARY, 60_000, [(NORTH, EAST)]) if row[1] == 1]
    counted = {road: sum(row[6] for row in sent if row[3] == road) for road in (EAST, SOUTH)}
    intervals = len({row[5] for row in sent})
    assert intervals == pytest.approx(999 * (1 - ORDINARY.lost), abs=18)
    shown = sum(counted.values()) / (60 * intervals)
    assert shown == pytest.approx((1 - ORDINARY.missed) * (1 + ORDINARY.doubled), abs=0.005)
    assert counted[SOUTH] / sum(counted.values()) == pytest.approx(ORDINARY.confused, abs=0.004)
    late = [row[0] - row[5] for row in sent]
    assert ORDINARY.latency_min_s <= min(late)
    assert max(late) <= ORDINARY.latency_max_s + 1
    assert rows(ORDINARY, 500, [(NORTH, EAST)]) == rows(ORDINARY, 500, [(NORTH, EAST)])
    assert rows(ORDINARY, 500, [(NORTH, EAST)]) != rows(ORDINARY, 500, [(NORTH, EAST)], seed=2)


def test_turning_counts_move_no_other_draw() -> None:
    spec = load_sensor_profile("default")

    def others(each: list[tuple[int, int]]) -> tuple[list[float], int]:
        model = SensorModel(network(), table(), spec, generator(1, "sensors"))
        times, turns = [], 0
        for second in range(200):
            model.loops.feel(np.zeros(2, np.int64), np.array([second - 0.8, second - 0.3]), np.array([True, False]))
            model.turns.cross(each)
            model.turns.close(float(second))
            batch = model.deliver(10 * second)
            times += batch.loop_time.tolist()
            turns += len(batch.turn_sensor)
        return times, turns

    some, none = others([(NORTH, EAST)] * 3), others([])
    assert some[0] == none[0]
    assert some[1] > 0 == none[1]
