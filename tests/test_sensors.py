"""Sensors: where they stand, what profiles may say, and whether their errors are those that the profile promises."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from citybrain.errors import ProfileError, ScenarioError
from citybrain.network import Network, Turn, csr, derived_tables
from citybrain.observations import ObservationBatch, SensorKind, SensorTable
from citybrain.randomness import generator
from citybrain_sim.sensor_model import SensorModel, Sight
from citybrain_sim.sensor_profiles import (
    PROFILE_FILE,
    SensorProfile,
    load_sensor_profile,
    sensor_profile_names,
)
from citybrain_sim.sensors import EQUIPMENTS, Detector, place
from citybrain_sim.sumo_files import read_detectors
from tests.sumo_nets import public_net

LONG, SHORT = 100.0, 20.0


def street() -> Network:
    """One signal behind a short two-lane road (lanes 2, 3; 20 m), fed without signal by a long one (lanes 0, 1).

    Lane 4 is what vehicles leave on; lane 5 feeds lane 0 through another intersection's signal.
    """
    move_from = np.array([0, 1, 2, 3, 5], np.int32)
    move_to = np.array([2, 3, 4, 4, 0], np.int32)
    owner = np.array([-1, -1, 0, 0, 1], np.int32)
    empty_ptr, empty = csr([[]] * 5)
    return Network(
        lane_id=("up_0", "up_1", "stop_0", "stop_1", "out_0", "far_0"),
        edge_id=("up", "stop", "out", "far"),
        intersection_id=("c", "d"),
        lane_edge=np.array([0, 0, 1, 1, 2, 3], np.int32),
        lane_length=np.array([LONG, LONG, SHORT, SHORT, LONG, LONG]),
        lane_speed=np.full(6, 14.0),
        lane_general=np.array([True, True, True, False, True, True]),
        move_from=move_from,
        move_to=move_to,
        move_intersection=owner,
        move_lamp=np.array([-1, -1, 0, 1, 0], np.int32),
        move_turn=np.full(5, Turn.STRAIGHT, np.int32),
        move_length=np.full(5, 5.0),
        move_foe_ptr=empty_ptr,
        move_foe=empty,
        move_yield_ptr=empty_ptr,
        move_yield=empty,
        lane_shape_ptr=np.zeros(7, np.int32),
        lane_shape=np.zeros((0, 2)),
        **derived_tables(6, move_from, move_to, owner, 2),
    )


def profile(name: str = "ideal", **changes: Any) -> SensorProfile:
    """A profile with some of its numbers changed: those of the whole, of the loops or of the cameras."""
    base = load_sensor_profile(name)
    loop = {key: value for key, value in changes.items() if hasattr(base.loop, key)}
    camera = {key: value for key, value in changes.items() if hasattr(base.camera, key)}
    whole = {key: value for key, value in changes.items() if key not in loop and key not in camera}
    return replace(base, loop=replace(base.loop, **loop), camera=replace(base.camera, **camera), **whole)


def cover(sensors: SensorTable, x: int) -> dict[int, float]:
    """Lane -> offset of one camera."""
    rows = slice(int(sensors.cover_ptr[x]), int(sensors.cover_ptr[x + 1]))
    return dict(zip(sensors.cover_lane[rows].tolist(), sensors.cover_offset[rows].tolist(), strict=True))


# placement


def test_default_layout_has_two_loops_per_stop_line_lane_and_a_camera_per_approach() -> None:
    sensors = place(street(), load_sensor_profile("default"))
    kinds = [SensorKind(kind) for kind in sensors.kind.tolist()]
    assert [(kind, lane) for kind, lane in zip(kinds, sensors.lane.tolist(), strict=True)] == [
        *((SensorKind.STOP_LOOP, lane) for lane in (2, 3, 5)),
        *((SensorKind.ADVANCE_LOOP, lane) for lane in (2, 3, 5)),
        *((SensorKind.CAMERA, -1) for _ in range(2)),
    ]
    assert sensors.distance.tolist() == [2, 2, 2, SHORT - 0.5, SHORT - 0.5, 60, 80, 80]
    assert len(set(sensors.sensor_id)) == len(sensors.sensor_id)


def test_camera_sees_lanes_upstream_of_a_short_stop_line_lane_but_not_through_another_signal() -> None:
    sensors = place(street(), load_sensor_profile("camera"))
    assert cover(sensors, 0) == {2: 0.0, 3: 0.0, 0: SHORT + 5, 1: SHORT + 5}
    assert cover(sensors, 1) == {5: 0.0}
    assert cover(place(street(), profile("camera", sight_m=SHORT + 5)), 0) == {2: 0.0, 3: 0.0}


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("loops", {0, 1}),
        ("camera", {2}),
        ("ideal", {0, 1, 2}),
        ("exits", {0, 3}),
        ("counts", {4}),
        ("camera-counts", {5}),
    ],
)
def test_profile_decides_which_kinds_there_are(name: str, kinds: set[int]) -> None:
    assert set(place(street(), load_sensor_profile(name)).kind.tolist()) == kinds


def test_exit_loops_lie_just_beyond_and_counters_where_they_count() -> None:
    exits = place(street(), load_sensor_profile("exits"))
    assert [name for name in exits.sensor_id if name.startswith("exit:")] == ["exit:up_0", "exit:out_0"]
    assert exits.distance[-1] == 100 - 5
    counts = place(street(), load_sensor_profile("counts"))
    assert (counts.lane.tolist(), counts.distance.tolist()) == ([2, 3, 5], [SHORT - 0.5, SHORT - 0.5, 60])
    cameras = place(street(), load_sensor_profile("camera-counts"))
    assert [cover(cameras, x) for x in range(2)] == [{2: 0.0, 3: 0.0}, {5: 0.0}]


def test_mixed_profile_gives_every_road_one_equipment_the_same_on_every_run() -> None:
    network = street()
    roads = tuple(f"{name}" for name in network.edge_id)
    found = set()
    for variant in range(40):
        renamed = replace(network, edge_id=tuple(f"{road}-{variant}" for road in roads))
        sensors = place(renamed, load_sensor_profile("mixed"))
        assert sensors.sensor_id == place(renamed, load_sensor_profile("mixed")).sensor_id
        on_road = {SensorKind(k) for k, lane in zip(sensors.kind, sensors.lane, strict=True) if lane in (2, 3)}
        cameras = [SensorKind(sensors.kind[x]) for x in range(len(sensors.kind)) if 2 in cover(sensors, x)]
        found.add(frozenset(on_road | set(cameras)))
    assert found == set(EQUIPMENTS)


def test_scenario_profile_takes_the_detectors_that_the_scenario_brings() -> None:
    detectors = [Detector("near", 2, 9.0), Detector("far", 5, 30.0), Detector("no stop line", 4, 2.0)]
    sensors = place(street(), load_sensor_profile("scenario"), detectors)
    assert sensors.sensor_id == ("near", "far", "no stop line")
    assert sensors.kind.tolist() == [SensorKind.STOP_LOOP, SensorKind.ADVANCE_LOOP, SensorKind.ADVANCE_LOOP]
    with pytest.raises(ProfileError, match=r"brings.*none.*another profile"):
        place(street(), load_sensor_profile("scenario"))


def test_detectors_are_read_from_additional_files(tmp_path: Path) -> None:
    file = tmp_path / "d.add.xml"
    file.write_text(
        '<additional><e1Detector id="a" lane="up_0" pos="30" freq="60" file="x.xml"/>'
        '<inductionLoop id="b" lane="up_0" pos="-30" freq="60" file="x.xml"/>'
        '<laneAreaDetector id="c" lane="up_0" pos="10" length="20" file="x.xml"/>'
        '<e2Detector id="d" lanes="up_0 stop_0" pos="10" endPos="-2" file="x.xml"/>'
        '<e2Detector id="e" lane="up_0" pos="-20" length="20" file="x.xml"/>'
        '<e1Detector id="f" lane="stop_0" pos="99" friendlyPos="true" freq="60" file="x.xml"/>'
        '<e1Detector id="g" lane=":c_0_0" pos="1" freq="60" file="x.xml"/></additional>'
    )
    found = {detector.name: (detector.lane, detector.distance) for detector in read_detectors([file], street())}
    assert found.keys() == set("abcdef")
    assert found["a"] == (0, 70)
    assert found["b"] == (0, 30)
    assert found["c"] == (0, 70)
    assert found["d"] == (2, 2)
    assert found["e"][0] == 0
    assert found["e"][1] == pytest.approx(0, abs=0.1)
    assert found["f"] == (2, 0)


@pytest.mark.parametrize(
    ("detector", "words"),
    [
        ('lane="nowhere_0" pos="1"', "nowhere_0.*does not have"),
        ('lane="stop_0" pos="21"', "21 m.*20.00 m long"),
        ('lane="stop_0" pos="-21"', "-21 m.*20.00 m long"),
        ('lane="stop_0" pos="middle"', "malformed"),
        ('lane="stop_0"', "pos"),
    ],
)
def test_detector_out_of_place_is_named_with_file_line_and_id(tmp_path: Path, detector: str, words: str) -> None:
    file = tmp_path / "d.add.xml"
    file.write_text(f'<additional>\n<e1Detector id="loop 7" {detector} freq="60" file="x.xml"/></additional>')
    with pytest.raises(ScenarioError, match=rf"d\.add\.xml, line 2.*{words}"):
        read_detectors([file], street())


@pytest.mark.data
def test_detectors_of_bologna_are_all_found() -> None:
    from citybrain_sim.sumo_net import read_network

    net = public_net("bologna_acosta")
    network, _signals = read_network(net.net_file, net.additional_files)
    detectors = read_detectors(net.additional_files, network)
    assert len(detectors) > 50
    assert place(network, load_sensor_profile("scenario"), detectors).kind.tolist().count(SensorKind.STOP_LOOP) > 0


# profiles


def test_all_profiles_load() -> None:
    names = ("default", "loops", "camera", "ideal", "scenario", "exits", "counts", "camera-counts", "mixed")
    assert sensor_profile_names() == names
    for name in sensor_profile_names():
        assert load_sensor_profile(name).name == name


def test_unknown_profile_names_those_that_exist() -> None:
    with pytest.raises(ProfileError, match=r"'nosuch'.*default, loops, camera"):
        load_sensor_profile("nosuch")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("missed = 0.02", "missed = 1.5", r"ordinary\.loop\.missed: found 1.5; allowed: a number from 0 to 0.9"),
        ("missed = 0.02", 'missed = "often"', r"missed: found 'often'"),
        ("missed = 0.02", "missed = nan", r"missed: found nan"),
        ("missed = 0.02", "mised = 0.02", r"mised: unknown; allowed: missed(.|\n)*missed: missing"),
        ("cameras = true", "cameras = 1", r"default\.cameras: found 1; allowed: true or false"),
        ("sight_m = 80.0 ", "sight_m = -3 ", r"default\.sight_m: found -3"),
        ('noise = "ordinary"', 'noise = "loud"', r"default\.noise: found 'loud'; allowed: ordinary, none"),
        ("latency_min_s = 0.2", "latency_min_s = 2.0", r"latency_min_s: found 2.0; at most latency_max_s"),
        ("[profiles.default]", "[profiles.default", r"cannot be read"),
    ],
)
def test_profile_out_of_range_is_named_with_file_and_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    file = tmp_path / "profiles.toml"
    text = PROFILE_FILE.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ProfileError, match=words) as caught:
        load_sensor_profile("default", file)
    assert str(file) in str(caught.value)


def test_every_number_of_the_profiles_is_explained() -> None:
    text = PROFILE_FILE.read_text()
    section = text[text.index("[noise.ordinary.loop]") : text.index("[noise.none.loop]")]
    numbers = [line for line in section.splitlines() if "=" in line]
    assert all("#" in line for line in numbers)
    assert len(numbers) == sum(len(table) for table in tomllib.loads(section)["noise"]["ordinary"].values())


# loops


def pulses(sensor: int, starts: np.ndarray[Any, Any], length: float) -> tuple[Any, Any, Any]:
    """Edges of pulses of one sensor, in order of time."""
    time = np.column_stack((starts, starts + length)).ravel()
    return np.full(len(time), sensor), time, np.tile([True, False], len(starts))


def felt(model: SensorModel, until: float) -> ObservationBatch:
    return model.deliver(round(until * 10))


def test_ideal_loops_report_every_edge_at_its_own_tick() -> None:
    network = street()
    model = SensorModel(network, place(network, profile()), profile(), generator(1, "sensors"))
    model.loops.feel(np.array([3, 3, 0]), np.array([0.2, 0.9, 0.4]), np.array([True, False, True]))
    model.loops.feel(np.array([0]), np.array([1.1]), np.array([False]))
    batch = felt(model, 1.0)
    assert sorted(zip(batch.loop_sensor.tolist(), batch.loop_time.tolist(), batch.loop_on.tolist(), strict=True)) == [
        (0, 0.4, True),
        (3, 0.2, True),
        (3, 0.9, False),
    ]
    assert felt(model, 2.0).loop_time.tolist() == [1.1]
    assert felt(model, 3.0).loop_time.tolist() == []


def test_loops_miss_double_and_blur_as_often_as_the_profile_says() -> None:
    network, spec = street(), load_sensor_profile("loops")
    model = SensorModel(network, place(network, spec), spec, generator(5, "sensors"))
    n = 20_000
    starts = 10.0 * np.arange(n)
    for part in np.array_split(starts, 400):  # some pulses begin in one call and end in the next
        sensor, time, on = pulses(1, part, 2.0)
        model.loops.feel(sensor[:-1], time[:-1], on[:-1])
        model.loops.feel(sensor[-1:], time[-1:], on[-1:])
    batch = felt(model, 10.0 * n)
    order = np.argsort(batch.loop_time, kind="stable")
    time, on = batch.loop_time[order], batch.loop_on[order]
    assert np.array_equal(on, np.tile([True, False], len(on) // 2))
    length = time[1::2] - time[::2]
    short = length < 1.0
    reported = n - (len(length) - short.sum())
    assert reported / n == pytest.approx(spec.loop.missed, abs=4 * np.sqrt(0.02 * 0.98 / n))
    assert short.sum() / n == pytest.approx(spec.loop.doubled, abs=4 * np.sqrt(0.01 / n))
    error = time[::2][~short] - 10.0 * np.round(time[::2][~short] / 10.0)
    assert error.std() == pytest.approx(spec.loop.edge_sd_s, rel=0.05)
    assert abs(error.mean()) < 0.003


def test_loop_events_arrive_when_their_latency_is_over() -> None:
    network, spec = street(), profile(latency_s=0.3)
    model = SensorModel(network, place(network, spec), spec, generator(1, "sensors"))
    model.loops.feel(np.array([0, 0]), np.array([0.6, 0.8]), np.array([True, False]))
    assert felt(model, 1.0).loop_time.tolist() == [0.6]
    assert felt(model, 2.0).loop_time.tolist() == [0.8]


# cameras


def sight(*rows: tuple[int, int, float, float, float]) -> Sight:
    """Rows of (cover row, vehicle, distance, speed, length)."""
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 5).T
    return Sight(columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2], columns[3], columns[4])


def watch(
    spec: SensorProfile, seen: Sight, frames: int, seed: int = 3, inside: Sight | None = None
) -> list[ObservationBatch]:
    """The same sight, frame after frame."""
    network = street()
    model = SensorModel(network, place(network, spec), spec, generator(seed, "sensors"))
    batches = []
    for k in range(1, frames + 1):
        model.cameras.look(float(k), 1.0, seen, sight() if inside is None else inside)
        batches.append(model.deliver(10 * k))
    return batches


def test_ideal_camera_reports_the_truth_at_once() -> None:
    seen = sight((0, 7, 12.5, 3.0, 5.0), (2, 8, 40.0, 0.0, 5.0), (4, 9, 3.0, 9.0, 12.0))
    batch = watch(profile("ideal"), seen, 1)[0]
    assert batch.frame_sensor.tolist() == [6, 7]
    assert batch.object_sensor.tolist() == [6, 6, 7]
    assert batch.object_lane.tolist() == [2, 0, 5]
    assert batch.object_distance.tolist() == [12.5, 40.0, 3.0]
    assert batch.object_speed.tolist() == [3.0, 0.0, 9.0]
    assert batch.object_confidence.tolist() == [1.0, 1.0, 1.0]
    assert batch.object_time.tolist() == [1.0, 1.0, 1.0]


def test_who_has_crossed_the_stop_line_is_seen_beyond_it_and_disturbs_no_other_row() -> None:
    seen, inside = sight((0, 7, 12.5, 3.0, 5.0)), sight((0, 9, -6.0, 0.0, 5.0), (4, 8, -21.5, 4.0, 5.0))
    batch = watch(profile("ideal"), seen, 1, inside=inside)[0]
    assert batch.object_lane.tolist() == [2, 2, 5]
    assert batch.object_distance.tolist() == [12.5, -6.0, -21.5]
    assert batch.object_speed.tolist() == [3.0, 0.0, 4.0]
    with_errors = watch(load_sensor_profile("default"), seen, 200, inside=inside)
    without = watch(load_sensor_profile("default"), seen, 200)
    upstream = [b.object_distance[b.object_distance >= 0.0].tolist() for b in with_errors]
    assert upstream == [b.object_distance.tolist() for b in without]
    beyond = np.concatenate([b.object_distance[b.object_distance < 0.0] for b in with_errors])
    assert 300 < len(beyond) < 400
    assert np.ptp(beyond[beyond > -14.0]) > 1.0


@pytest.mark.parametrize(("distance", "chance"), [(0.0, 0.02), (20.0, 0.0525)])
def test_camera_misses_more_with_distance_and_for_a_while(distance: float, chance: float) -> None:
    ordinary = load_sensor_profile("camera").camera
    spec = profile("ideal", missed_near=ordinary.missed_near, missed_far=ordinary.missed_far)
    n, frames = 400, 250
    seen = sight(*((0, v, distance, float(v), 4.0) for v in range(n)))  # told apart by their speed
    there = np.array([np.isin(np.arange(n), batch.object_speed) for batch in watch(spec, seen, frames)])
    missed = ~there
    assert missed.mean() == pytest.approx(chance, rel=0.1)
    ends = missed[:-1] & there[1:]
    assert missed[:-1].sum() / ends.sum() == pytest.approx(spec.camera.missed_time_s, rel=0.1)


def test_what_follows_a_standing_or_long_vehicle_is_missed_more_often() -> None:
    spec = profile("ideal", occluded_standing=0.2, occluded_long=0.4)
    seen = sight(
        (0, 1, 2.0, 0.0, 5.0),  # stands, first in line
        (0, 2, 14.0, 5.0, 5.0),  # 7 m behind it
        (1, 3, 2.0, 5.0, 12.0),  # a moving bus
        (1, 4, 18.0, 5.0, 5.0),  # 4 m behind the bus
        (4, 5, 2.0, 0.0, 5.0),  # stands
        (4, 6, 17.5, 5.0, 5.0),  # 10.5 m behind it: too far to be hidden
    )
    frames = 2500
    shown = np.concatenate([_vehicles_by_place(batch, seen) for batch in watch(spec, seen, frames)])
    share = np.bincount(shown, minlength=7)[1:] / frames
    assert share.tolist() == pytest.approx([1.0, 0.8, 1.0, 0.6, 1.0, 1.0], abs=0.05)


def _vehicles_by_place(batch: ObservationBatch, seen: Sight) -> np.ndarray[Any, np.dtype[np.int64]]:
    lane_of_row = np.array([2, 3, 0, 1, 5])
    place_of = {
        (int(lane_of_row[c]), float(np.float32(d))): int(v)
        for c, d, v in zip(seen.cover, seen.distance, seen.vehicle, strict=True)
    }
    found = zip(batch.object_lane.tolist(), batch.object_distance.tolist(), strict=True)
    return np.array([place_of[key] for key in found], dtype=np.int64)


def test_position_and_speed_errors_have_the_size_that_the_profile_says() -> None:
    spec = profile("ideal", position_sd_m=0.5, position_sd_share=0.02, speed_sd=0.5)
    seen = sight((2, 1, 25.0, 10.0, 5.0))  # 25 m up an upstream lane whose end is 25 m from the stop line
    batches = watch(spec, seen, 4000)
    distance = np.concatenate([batch.object_distance for batch in batches]).astype(np.float64)
    speed = np.concatenate([batch.object_speed for batch in batches]).astype(np.float64)
    assert len(distance) == 4000
    assert distance.mean() == pytest.approx(25.0, abs=0.1)
    assert distance.std() == pytest.approx(0.5 + 0.02 * 50.0, rel=0.05)
    assert speed.std() == pytest.approx(0.5, rel=0.05)
    at_line = watch(spec, sight((0, 1, 0.0, 0.0, 5.0)), 200)
    assert min(batch.object_distance.min() for batch in at_line) >= 0
    assert min(batch.object_speed.min() for batch in at_line) >= 0


def test_lane_is_misjudged_only_to_its_neighbour() -> None:
    spec = profile("ideal", wrong_lane=0.1)
    lanes = np.concatenate([batch.object_lane for batch in watch(spec, sight((0, 1, 5.0, 0.0, 5.0)), 2000)])
    assert set(lanes.tolist()) == {2, 3}
    assert (lanes == 3).mean() == pytest.approx(0.1, abs=0.025)
    alone = np.concatenate([batch.object_lane for batch in watch(spec, sight((4, 1, 5.0, 0.0, 5.0)), 300)])
    assert set(alone.tolist()) == {5}


def test_false_objects_appear_as_often_as_the_profile_says_and_with_little_confidence() -> None:
    spec = profile("ideal", false_object=0.05, false_confidence=0.6)
    batches = watch(spec, sight(), 2000)
    n = sum(len(batch.object_sensor) for batch in batches)
    assert n / (2 * 2000) == pytest.approx(0.05, rel=0.25)
    assert max(batch.object_confidence.max(initial=0) for batch in batches) <= 0.6
    network = street()
    for batch in batches:
        assert np.all(batch.object_distance <= network.lane_length[batch.object_lane])


def test_confidence_follows_the_true_chance_of_detection() -> None:
    spec = load_sensor_profile("camera")
    seen = sight((0, 1, 1.0, 10.0, 4.0), (4, 2, 79.0, 10.0, 4.0))
    batches = watch(spec, seen, 3000)
    lane = np.concatenate([batch.object_lane for batch in batches])
    confidence = np.concatenate([batch.object_confidence for batch in batches])
    assert confidence[lane == 2].mean() - confidence[lane == 5].mean() == pytest.approx(0.13, abs=0.03)


def test_frames_arrive_late_and_all_of_a_frame_arrives_together() -> None:
    spec = profile("ideal", latency_min_s=0.2, latency_max_s=1.0)
    batches = watch(spec, sight((0, 1, 5.0, 0.0, 5.0)), 50)
    assert len(batches[0].frame_sensor) == 0
    for k, batch in enumerate(batches[1:], start=1):
        assert batch.frame_time.tolist() == [float(k), float(k)]
        assert batch.object_time.tolist() == [float(k)]


def test_camera_drops_out_as_often_and_as_long_as_the_profile_says() -> None:
    spec = profile("ideal", blind_every_s=100.0, blind_min_s=5.0, blind_max_s=20.0)
    frames = 15_000
    batches = watch(spec, sight(), frames)
    alive = np.zeros((frames, 2), dtype=np.bool_)
    for k, batch in enumerate(batches):
        alive[k, batch.frame_sensor - 6] = True
    falls = (alive[:-1] & ~alive[1:]).sum()
    assert falls / (alive[:-1].sum() / 100.0) == pytest.approx(1.0, abs=0.2)
    assert (~alive).sum() / falls == pytest.approx(12.5, rel=0.1)


# all together


def busy(seed: int) -> bytes:
    """Everything that is delivered in a busy minute, as bytes."""
    network, spec = street(), load_sensor_profile("default")
    model = SensorModel(network, place(network, spec), spec, generator(seed, "sensors"))
    said = b""
    for k in range(1, 61):
        sensor, time, on = pulses(k % 6, np.array([k - 0.8, k - 0.3]), 0.2)
        model.loops.feel(sensor, time, on)
        rows = [(c, 5 * k // 10 + c, float((7 * k + 11 * c) % 20), float(k % 9), 5.0) for c in range(5)]
        model.cameras.look(float(k), 1.0, sight(*rows), sight((1, 99, -float(k % 12), 1.0, 5.0)))
        batch = model.deliver(10 * k)
        said += b"".join(column.tobytes() for column in vars(batch).values() if isinstance(column, np.ndarray))
    return said


def test_same_seed_same_bytes() -> None:
    assert busy(1) == busy(1)
    assert busy(1) != busy(2)


def test_errors_of_loops_do_not_move_with_the_number_of_cameras() -> None:
    def loops_only(cameras: bool) -> list[float]:
        network, spec = street(), profile("default", cameras=cameras)
        model = SensorModel(network, place(network, spec), spec, generator(1, "sensors"))
        times: list[float] = []
        for k in range(1, 40):
            model.loops.feel(*pulses(0, np.array([k - 0.5]), 0.2))
            model.cameras.look(float(k), 1.0, sight(*([(0, 1, 5.0, 1.0, 5.0)] if cameras else [])), sight())
            times += model.deliver(10 * k).loop_time.tolist()
        return times

    assert loops_only(cameras=True) == loops_only(cameras=False)
