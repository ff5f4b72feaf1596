"""Vehicles that no sensor reports, and what sensors leave open, on a street that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.city_floor import Unseen, least_error
from citybrain.observations import SensorKind
from tests.small_world import small_network
from tests.test_city import chain, loops


def test_a_vehicle_is_unseen_before_the_first_loop_and_behind_the_last() -> None:
    network = small_network()
    length = float(network.lane_length[0])
    unseen = Unseen(network, loops((SensorKind.ADVANCE_LOOP, 0, 60.0), (SensorKind.STOP_LOOP, 0, 2.0)))
    places = [(0, length), (0, 70.0), (0, 58.0), (0, 30.0), (0, 1.0), (0, 1.0), (-1, 0.0), (1, 90.0), (1, 80.0)]
    for lane, left in places:
        unseen.move("a", lane, left, 5.0)
        unseen.tick()
    for _ in range(60 - len(places)):
        unseen.tick()
    # Two seconds on the way to the first loop; the last one lets go when it drives on.
    (told,) = unseen.minutes([59])
    assert told["unseen"] == pytest.approx((2 + 3) / 60)
    assert told["unknown"] == pytest.approx(3 / 60)
    assert told["counts"] == [[0, 0, 0, 1, 0, 0]] * 2


def test_who_changes_lanes_has_not_passed_the_loops_before_him() -> None:
    network = chain()
    network = replace(network, lane_edge=np.array([0, 0, 1], np.int32))
    unseen = Unseen(network, loops((SensorKind.ADVANCE_LOOP, 0, 60.0), (SensorKind.ADVANCE_LOOP, 1, 60.0)))
    for second in range(60):
        unseen.move("a", second % 2, 150.0 - second, 5.0)
        unseen.tick()
    (told,) = unseen.minutes([59])
    assert told["unknown"] == 1.0


def test_a_vehicle_that_no_sensor_reports_is_unknown_for_all_its_way() -> None:
    unseen = Unseen(small_network(), loops())
    for _ in range(30):
        unseen.move("a", 0, 100.0, 5.0)
        unseen.tick()
    for _ in range(30):
        unseen.tick()
    (told,) = unseen.minutes([59])
    assert told["unseen"] == told["unknown"] == 0.5


def test_what_follows_from_the_counts_is_no_error() -> None:
    counts = np.random.default_rng(1).poisson(9.0, (40, 2, 3)).astype(np.float64)
    unknown = 2.0 + counts @ np.array([0.5, 0.2, 0.1]) @ np.array([1.0, -1.0])
    assert least_error(unknown, counts) < 1e-9
    assert least_error(unknown + np.tile([1.0, -1.0], 20), counts) > 0.5
