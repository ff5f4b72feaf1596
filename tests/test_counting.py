"""Interval counts of the sensor model: what was felt is counted, once, in the interval in which it happened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from citybrain.observations import SensorKind, SensorTable
from citybrain.randomness import generator
from citybrain_sim.count_model import CountModel
from citybrain_sim.sensor_profiles import CountCameraNoise, CountLoopNoise, load_sensor_profile
from citybrain_sim.sensors import feelers

QUIET = load_sensor_profile("ideal")
ORDINARY = load_sensor_profile("counts")
LOOP, FIRST_LANE, SECOND_LANE = 0, 2, 3
"""Feelers: the detector, and the two lanes that the camera counts (two sensors, then rows of the cover table)."""
NO_QUEUE = np.zeros(2)


def table() -> SensorTable:
    return SensorTable(
        sensor_id=("count", "camera"),
        kind=np.array([SensorKind.COUNT_LOOP, SensorKind.CAMERA_COUNT], np.uint8),
        lane=np.array([7, -1], np.int32),
        distance=np.array([60.0, 80.0]),
        cover_ptr=np.array([0, 0, 2], np.int32),
        cover_lane=np.array([7, 8], np.int32),
        cover_offset=np.zeros(2),
    )


def model(loop: CountLoopNoise = QUIET.count_loop, camera: CountCameraNoise = QUIET.count_camera) -> CountModel:
    return CountModel(table(), loop, camera, generator(1, "counts"))


def pulse(counter: CountModel, feeler: int, on: float, off: float) -> None:
    counter.feel(np.full(2, feeler), np.array([on, off]), np.array([True, False]))


def run(counter: CountModel, until: int, **pulses: Any) -> list[tuple[Any, ...]]:
    """Rows of all seconds; ``queue``: vehicles queued on the camera's lanes, ``each``: what happens every second."""
    rows = []
    for second in range(until + 1):
        if "each" in pulses and second:
            pulses["each"](counter, second)
        counter.close(second, np.asarray(pulses.get("queue", NO_QUEUE), dtype=float))
        columns = counter.collect(second)
        rows += [(second, *row) for row in zip(*(column.tolist() for column in columns), strict=True)]
    return rows


def test_feelers_are_loops_and_the_stop_lines_that_cameras_count_at() -> None:
    felt = feelers(table())
    assert (felt.number.tolist(), felt.lane.tolist()) == ([LOOP, FIRST_LANE, SECOND_LANE], [7, 7, 8])
    assert model().is_counter(felt.number).all()


def test_intervals_follow_each_other_without_gap_and_hold_every_vehicle() -> None:
    rows = run(model(), 200, each=lambda counter, second: pulse(counter, LOOP, second - 0.75, second - 0.25))
    loop = [row for row in rows if row[1] == LOOP]
    assert len(loop) == 9
    for arrived, _sensor, lane, begin, end, vehicles, occupancy, queue in loop:
        assert arrived == end
        assert (end - begin, vehicles, lane) == (20, 20, -1)
        assert occupancy == pytest.approx(0.5)
        assert np.isnan(queue)
    assert [row[3] for row in loop[1:]] == [row[4] for row in loop[:-1]]
    assert 0 < loop[0][3] <= 20, "every sensor has a beginning of its own"


def test_camera_counts_who_has_left_lane_by_lane_and_tells_the_queue() -> None:
    def each(counter: CountModel, second: int) -> None:
        if second % 2:
            pulse(counter, SECOND_LANE, second - 0.9, second - 0.1)
        if second == 5:
            counter.feel(np.array([FIRST_LANE]), np.array([4.5]), np.array([True]))

    rows = [row for row in run(model(), 60, each=each, queue=[4.0, 1.0]) if row[1] == 1]
    first, second = ([row for row in rows if row[2] == lane] for lane in (7, 8))
    assert [row[5] for row in first] == [0] * len(first), "it stands on the line and has not crossed it"
    assert [row[5] for row in second] == [10] * len(second)
    assert {row[7] for row in first} == {4}
    assert {row[7] for row in second} == {1}
    assert all(np.isnan(row[6]) for row in rows)


def test_a_vehicle_that_stands_over_the_detector_covers_it_across_intervals() -> None:
    def each(counter: CountModel, second: int) -> None:
        if second == 1:
            counter.feel(np.array([LOOP]), np.array([0.5]), np.array([True]))

    rows = [row for row in run(model(), 100, each=each) if row[1] == LOOP]
    assert [row[6] for row in rows] == [1.0] * len(rows)
    assert [row[5] for row in rows] == [0] * len(rows)


def test_miscounts_losses_and_lateness_are_those_of_the_profile() -> None:
    noise = replace(ORDINARY.count_loop, interval_s=20.0, missed=0.1, doubled=0.05, lost=0.2)
    rows = run(model(noise), 20_000, each=lambda counter, second: pulse(counter, LOOP, second - 0.75, second - 0.25))
    loop = [row for row in rows if row[1] == LOOP]
    assert len(loop) == pytest.approx(0.8 * 1000, rel=0.05)
    assert np.mean([row[5] for row in loop]) == pytest.approx(20 * 0.9 * 1.05, rel=0.01)
    late = [row[0] - row[4] for row in loop]
    assert min(late) >= 1
    assert max(late) <= 6
    assert np.std([row[6] for row in loop]) == pytest.approx(0.01, rel=0.1)


def test_same_seed_same_counts() -> None:
    def each(counter: CountModel, second: int) -> None:
        pulse(counter, LOOP, second - 0.75, second - 0.25)

    noisy = (ORDINARY.count_loop, ORDINARY.count_camera)
    assert repr(run(model(*noisy), 400, each=each)) == repr(run(model(*noisy), 400, each=each))
