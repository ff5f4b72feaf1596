"""Tracking on the road: positions, speeds and lanes of vehicles whose drive is known."""

from __future__ import annotations

import numpy as np
import pytest

from citybrain.randomness import generator
from citybrain_camera.sightings import NOTHING, Image, Sightings
from citybrain_camera.tracking import SURE, Tracker
from citybrain_camera.watch import Report, Watch
from tests.camera_world import CALIBRATION, SIZE

STEP = 0.1


def seen(places: list[tuple[int, float]], score: float = 0.9) -> Sightings:
    """Sightings of cars at (lane, distance)."""
    lane = np.array([lane for lane, _ in places], dtype=np.int64)
    distance = np.array([distance for _, distance in places])
    return Sightings(lane, distance, np.full(len(places), 4.5), np.full(len(places), score))


def test_position_and_speed_of_a_vehicle_that_drives_by() -> None:
    tracker, rng = Tracker(CALIBRATION), generator(1, "tracks")
    for n in range(40):
        (track,) = tracker.update(seen([(0, 45.0 - 10.0 * n * STEP + rng.normal(0.0, 0.3))]), n * STEP)
    assert track.distance == pytest.approx(45.0 - 39.0, abs=0.5)
    assert track.speed == pytest.approx(10.0, abs=0.8)
    assert track.number == 1


def test_two_queues_side_by_side_stay_two_queues() -> None:
    tracker, rng = Tracker(CALIBRATION), generator(2, "tracks")
    places = [(lane, 2.0 + 7.5 * row) for lane in (0, 1) for row in range(5)]
    for n in range(50):
        found = seen([(lane, distance + rng.normal(0.0, 0.4)) for lane, distance in places])
        tracks = tracker.update(found, n * STEP)
    assert len(tracks) == 10
    assert {track.number for track in tracks} == set(range(1, 11))
    assert sorted((track.lane, round((track.distance - 2.0) / 7.5)) for track in tracks) == [
        (lane, row) for lane in (0, 1) for row in range(5)
    ]
    assert max(track.speed for track in tracks) < 0.8


def test_unsure_sightings_keep_a_track_but_begin_none() -> None:
    tracker = Tracker(CALIBRATION)
    for n in range(10):
        tracker.update(seen([(0, 30.0 - n)]), n * STEP)
    for n in range(10, 20):
        tracks = tracker.update(seen([(0, 30.0 - n), (1, 20.0)], score=SURE - 0.1), n * STEP)
    assert [(track.number, track.lane) for track in tracks] == [(1, 0)]


def test_a_gap_in_the_sightings_is_bridged() -> None:
    tracker = Tracker(CALIBRATION)
    for n in range(15):
        tracker.update(seen([(1, 50.0 - n)]), n * STEP)
    for n in range(15, 20):
        tracker.update(NOTHING, n * STEP)
    (track,) = tracker.update(seen([(1, 30.0)]), 2.0)
    assert track.number == 1
    assert track.distance == pytest.approx(30.0, abs=0.5)


def test_a_single_flash_is_no_vehicle() -> None:
    watch = Watch(CALIBRATION, Script([[(0, 20.0)]] + [[]] * 20))
    assert all(not report.vehicles for report in watched(watch, 21))


def test_a_change_of_lane_is_followed_but_a_slip_is_not() -> None:
    tracker = Tracker(CALIBRATION)
    for n in range(30):
        tracks = tracker.update(seen([(1 if n == 10 or n >= 20 else 0, 40.0 - n)]), n * STEP)
        assert [(track.number, track.lane) for track in tracks] == [(1, 1 if n >= 23 else 0)]


def test_who_has_left_is_forgotten() -> None:
    tracker = Tracker(CALIBRATION)
    for n in range(20):
        tracker.update(seen([(0, 10.0 - n)] if 10 - n > -8 else []), n * STEP)
    assert tracker.update(NOTHING, 4.0) == []


class Script:
    """A detector that sees what it was told to; a ``Detector``."""

    def __init__(self, scenes: list[list[tuple[int, float]]]) -> None:
        self._scenes = iter(scenes)

    def look(self, image: Image, time: float) -> Sightings | None:
        return seen(next(self._scenes))


def watched(watch: Watch, count: int) -> list[Report]:
    """Reports of so many black pictures."""
    picture = np.zeros((SIZE[1], SIZE[0], 3), dtype=np.uint8)
    reports = [watch.see(picture, 1000.0 + n * STEP) for n in range(count)]
    return [report for report in reports if report is not None]


def test_a_virtual_loop_counts_two_vehicles_nose_to_tail() -> None:
    scenes = [
        [(0, place) for place in (25.0 - 0.8 * n, 32.4 - 0.8 * n) if place > -7.5] for n in range(50)
    ]  # fmt: skip
    reports = watched(Watch(CALIBRATION, Script(scenes)), 50)
    events = [event for report in reports for event in report.loops]
    assert [(event.sensor, event.on) for event in events] == [
        ("stop:n_0", True), ("stop:n_0", False), ("stop:n_0", True), ("stop:n_0", False),
    ]  # fmt: skip
    covered = events[0].time
    assert covered == pytest.approx(1000.0 + (25.0 - 4.0) / 8.0, abs=0.2)


def test_a_report_names_lane_and_distance() -> None:
    scenes = [[(1, 30.0 - n)] for n in range(20)]
    (vehicle,) = watched(Watch(CALIBRATION, Script(scenes)), 20)[-1].vehicles
    assert vehicle.lane == "n_1"
    assert vehicle.distance == pytest.approx(11.0, abs=0.3)
    assert vehicle.speed == pytest.approx(10.0, abs=0.6)
    assert 0.5 < vehicle.confidence <= 1.0
