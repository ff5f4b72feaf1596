"""The detector without weights on rendered pictures whose truth is known."""

from __future__ import annotations

import copy
import functools

import numpy as np
import pytest

from benchmarks.camera_view import Street
from citybrain.errors import InputError
from citybrain_camera.background import Background
from citybrain_camera.background_detector import BackgroundDetector
from citybrain_camera.calibration import Calibration
from citybrain_camera.lanes import Lane
from citybrain_camera.sightings import Sightings
from citybrain_camera.silhouettes import make_silhouettes
from citybrain_camera.watch import Watch
from tests.camera_world import CALIBRATION, SIZE, VIEW, street, vehicles

WARM_S, PAUSE_S = 12.0, 0.5


def warmed(light: str) -> tuple[BackgroundDetector, Street, float]:
    """A detector that has learnt the empty street."""
    detector, view, time = learnt(light)
    return copy.deepcopy(detector), view, time


@functools.cache
def learnt(light: str) -> tuple[BackgroundDetector, Street, float]:
    """The same, once for all tests: pictures take a while."""
    detector, view, time = BackgroundDetector(CALIBRATION, WARM_S), street(light), 0.0
    while detector.look(view.frame(vehicles([])), time) is None:
        time += PAUSE_S
        assert time < 2 * WARM_S
    return detector, view, time


def places(found: Sightings | None) -> list[tuple[int, float]]:
    assert found is not None
    return sorted(zip(found.lane.tolist(), found.distance.tolist(), strict=True))


@pytest.mark.parametrize("light", ["day", "cloudy", "dusk"])
def test_a_queue_is_told_apart(light: str) -> None:
    detector, view, time = warmed(light)
    true = [(0, 2.0), (0, 9.5), (0, 17.0), (0, 24.5), (1, 12.0)]
    found = places(detector.look(view.frame(vehicles(true)), time + PAUSE_S))
    assert [lane for lane, _ in found] == [lane for lane, _ in true]
    assert [distance for _, distance in found] == pytest.approx([distance for _, distance in true], abs=2.0)


def test_an_empty_street_is_empty_and_a_warm_up_is_blind() -> None:
    detector, view, time = warmed("day")
    assert places(detector.look(view.frame(vehicles([])), time + PAUSE_S)) == []
    assert BackgroundDetector(CALIBRATION).look(view.frame(vehicles([])), 0.0) is None


def test_a_long_vehicle_is_one_vehicle() -> None:
    detector, view, time = warmed("cloudy")
    bus = vehicles([(1, 10.0)], size=(10.5, 2.5, 3.1))
    found = detector.look(view.frame(bus), time + PAUSE_S)
    assert found is not None
    assert found.lane.tolist() == [1]
    assert found.distance == pytest.approx([10.0], abs=2.0)
    assert found.length.tolist() == [10.5]


def test_a_standing_queue_does_not_fade_into_the_street() -> None:
    detector, view, time = warmed("cloudy")
    queue = vehicles([(0, 2.0), (0, 9.5)])
    for _ in range(12):
        time += 8.0
        found = places(detector.look(view.frame(queue), time))
    assert [lane for lane, _ in found] == [0, 0]
    assert places(detector.look(view.frame(vehicles([])), time + 1.0)) == []


def test_the_street_is_learnt_although_a_queue_stands_there_most_of_the_time() -> None:
    background, rng = Background(warm_up_s=240.0), np.random.Generator(np.random.PCG64(1))
    bare = np.full((40, 60, 3), 100, dtype=np.uint8)
    time = 0.0
    for cycle in range(12):
        for step in range(10):  # seven of ten pictures show a vehicle, another one in every cycle
            image = bare.copy()
            if step < 7:
                image[10:30, 20:40] = (20 * cycle + 5) % 256
            noisy = np.clip(image + rng.normal(0.0, 2.0, image.shape), 0, 255).astype(np.uint8)
            weight = background.weigh(noisy, time)
            time += 10.0
            if weight is not None and step >= 7:
                assert weight.max() == 0.0
                return
    pytest.fail("the street was never learnt")


def test_a_vehicle_drives_through_and_is_counted() -> None:
    detector, view, time = warmed("cloudy")
    watch = Watch(CALIBRATION, detector)
    reports = []
    for n in range(34):
        image = view.frame(vehicles([(1, 30.0 - 1.2 * n)]))
        reports.append(watch.see(image, time + 0.1 * (n + 1)))
    tracks = {vehicle.track for report in reports if report for vehicle in report.vehicles}
    assert len(tracks) == 1
    middle = reports[18]
    assert middle is not None
    (vehicle,) = middle.vehicles
    assert vehicle.lane == "n_1"
    assert vehicle.distance == pytest.approx(30.0 - 1.2 * 18, abs=1.5)
    assert vehicle.speed == pytest.approx(12.0, abs=2.0)
    assert [event.on for report in reports if report for event in report.loops] == [True, False]


def test_pictures_of_another_size_are_refused() -> None:
    watch = Watch(CALIBRATION, BackgroundDetector(CALIBRATION))
    with pytest.raises(InputError, match="480 by 270"):
        watch.see(np.zeros((100, 100, 3), dtype=np.uint8), 0.0)


def test_a_camera_that_sees_no_lane_is_refused() -> None:
    away = Lane("away", np.array([[500.0, 560.0], [500.0, 500.0]]), 3.2)
    with pytest.raises(InputError, match="none of its lanes"):
        make_silhouettes(Calibration("c", VIEW, (away,), (), 0.0, 0.0, 0.0), 1.0)


def test_bodies_lie_in_the_picture() -> None:
    bodies = make_silhouettes(CALIBRATION, 0.5)
    assert bodies.sample.min() >= 0
    assert bodies.sample.max() < bodies.size[0] * bodies.size[1]
    left, top, right, bottom = bodies.part
    assert 0 <= left < right <= SIZE[0]
    assert 0 <= top < bottom <= SIZE[1]
    assert (np.diff(bodies.reach) >= 0.0).all()
