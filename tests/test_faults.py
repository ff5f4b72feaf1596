"""The fault bench: every fault changes what it should and nothing else, by the same draw every time."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from citybrain.errors import ProfileError
from citybrain.observations import ObservationBatch, SensorKind, SensorTable
from citybrain_sim.comparison import compare, summarise
from citybrain_sim.fault_profiles import LEVELS, Fault, fault_levels, label, make_fault, read_faults
from citybrain_sim.faults import PARTS, FaultBench
from citybrain_sim.runs import RunSpec
from citybrain_sim.sensors import load_sensor_profile, place
from tests.small_street import BEGIN_S, write_street
from tests.test_sensors import street

BEGIN = 1000
"""Beginning of the run [s]."""
SECONDS = 300
NETWORK = street()
PLACED = place(NETWORK, load_sensor_profile("default"))
N = len(PLACED.sensor_id)
COUNT_LOOP, CAMERA_COUNT = N, N + 1
SENSORS = SensorTable(
    sensor_id=(*PLACED.sensor_id, "counter", "counting camera"),
    kind=np.append(PLACED.kind, [SensorKind.COUNT_LOOP, SensorKind.CAMERA_COUNT]).astype(np.uint8),
    lane=np.append(PLACED.lane, [2, -1]).astype(np.int32),
    distance=np.append(PLACED.distance, [2.0, 80.0]),
    cover_ptr=np.append(PLACED.cover_ptr, [PLACED.cover_ptr[-1], PLACED.cover_ptr[-1] + 2]).astype(np.int32),
    cover_lane=np.append(PLACED.cover_lane, [2, 3]).astype(np.int32),
    cover_offset=np.append(PLACED.cover_offset, [0.0, 0.0]),
)
LOOPS = np.flatnonzero(np.isin(SENSORS.kind, (SensorKind.STOP_LOOP, SensorKind.ADVANCE_LOOP)))
CAMERAS = np.flatnonzero(SENSORS.kind == SensorKind.CAMERA)
INTERVAL = 30


def quiet_batch(second: int) -> ObservationBatch:
    """One second of a street: every loop sees a vehicle in every 5 s, every camera two, counters ten per interval.

    In every interval cameras of both kinds tell that four vehicles of each of their lanes went to road 0.
    """
    now = BEGIN + second
    on, off = second % 5 == 1, second % 5 == 2
    loops = LOOPS if on or off else LOOPS[:0]
    cameras = CAMERAS if second else CAMERAS[:0]
    lanes = [(int(x), int(l)) for x in cameras for l in SENSORS.cover_lane[cover_rows(int(x))]]
    counted = [(COUNT_LOOP, -1), (CAMERA_COUNT, 2), (CAMERA_COUNT, 3)] if second and second % INTERVAL == 0 else []
    turned = [*lanes, *counted[1:]] if counted else []
    n, c, k = len(lanes), len(counted), len(turned)
    return ObservationBatch(
        time=now * 10,
        loop_sensor=loops.astype(np.int32),
        loop_time=np.full(len(loops), now - 0.5),
        loop_on=np.full(len(loops), on),
        frame_sensor=cameras.astype(np.int32),
        frame_time=np.full(len(cameras), now - 0.25),
        object_sensor=np.array([x for x, _ in lanes], np.int32),
        object_time=np.full(n, now - 0.25),
        object_lane=np.array([l for _, l in lanes], np.int32),
        object_distance=np.full(n, 10.0, np.float32),
        object_speed=np.full(n, 5.0, np.float32),
        object_confidence=np.full(n, 0.9, np.float32),
        count_sensor=np.array([x for x, _ in counted], np.int32),
        count_lane=np.array([l for _, l in counted], np.int32),
        count_begin=np.full(c, float(now - INTERVAL)),
        count_end=np.full(c, float(now)),
        count_vehicles=np.full(c, 10.0, np.float32),
        count_occupancy=np.array([0.2, np.nan, np.nan][:c], np.float32),
        count_queue=np.array([np.nan, 3.0, 3.0][:c], np.float32),
        turn_sensor=np.array([x for x, _ in turned], np.int32),
        turn_lane=np.array([l for _, l in turned], np.int32),
        turn_to=np.zeros(k, np.int32),
        turn_begin=np.full(k, float(now - INTERVAL)),
        turn_end=np.full(k, float(now)),
        turn_vehicles=np.full(k, 4.0, np.float32),
    )


def cover_rows(x: int) -> slice:
    return slice(int(SENSORS.cover_ptr[x]), int(SENSORS.cover_ptr[x + 1]))


def bench(*faults: Fault, seed: int = 1) -> FaultBench:
    return FaultBench(faults, NETWORK, SENSORS, BEGIN, seed)


@functools.cache
def batches(seconds: int = SECONDS) -> list[ObservationBatch]:
    """Quiet minutes, the first batch empty as a plant's is."""
    return [quiet_batch(second) for second in range(seconds + 1)]


def played(*faults: Fault, seed: int = 1, seconds: int = SECONDS) -> list[ObservationBatch]:
    """What is left of quiet minutes."""
    sick = bench(*faults, seed=seed)
    return [sick.apply(batch) for batch in batches(seconds)]


def column(many: Iterable[ObservationBatch], name: str) -> np.ndarray:
    return np.concatenate([getattr(batch, name) for batch in many])


def same(first: Sequence[ObservationBatch], second: Sequence[ObservationBatch], names: Iterable[str]) -> bool:
    return all(np.array_equal(column(first, n), column(second, n), equal_nan=n.startswith("count")) for n in names)


NAMES = [field.name for field in fields(ObservationBatch) if field.name != "time"]
WAYS = ("late", "duplicated", "out-of-order")


def sick_of(*faults: Fault, seed: int = 1) -> set[int]:
    return {SENSORS.sensor_id.index(row["sensor"]) for row in bench(*faults, seed=seed).truth()}


# all faults


def test_every_fault_of_the_file_is_at_work_and_has_five_levels() -> None:
    assert list(fault_levels()) == list(PARTS)
    for name, table in fault_levels().items():
        assert all(len(values) == len(LEVELS) for values in table.values() if isinstance(values, list)), name
        for level in LEVELS:
            assert make_fault(name, level).level == level


def test_no_fault_no_change() -> None:
    batch = quiet_batch(1)
    assert bench().apply(batch) is batch


@pytest.mark.parametrize("name", list(PARTS))
def test_before_its_time_nothing_changes_and_what_it_is_given_never_does(name: str) -> None:
    given = batches()
    sick = bench(replace(make_fault(name, 5), from_s=SECONDS + 60.0))
    assert same([sick.apply(batch) for batch in given], batches(), NAMES)
    sick = bench(make_fault(name, 5))
    for batch in given:
        sick.apply(batch)
    assert same(given, batches(), NAMES)


@pytest.mark.parametrize("name", list(PARTS))
def test_same_seed_same_faults_and_only_the_sick_change(name: str) -> None:
    fault = replace(make_fault(name, 4), share=0.4, from_s=60.0)
    one, two = played(fault), played(fault)
    assert same(one, two, NAMES)
    assert not same(one, batches(), NAMES)
    sick = sick_of(fault)
    assert 0 < len(sick) < len(SENSORS.sensor_id)
    for table in ("loop", "frame", "object", "count", "turn"):
        of_table = [n for n in NAMES if n.startswith(table)]
        after, before = ({n: column(many, n) for n in of_table} for many in (one, batches()))
        for x in set(range(len(SENSORS.sensor_id))) - sick:
            for n in of_table:
                ours, theirs = (np.sort(m[n][m[f"{table}_sensor"] == x]) for m in (after, before))
                assert np.array_equal(ours, theirs, equal_nan=table == "count"), (name, n, x)


@pytest.mark.parametrize("name", list(PARTS))
def test_a_higher_level_befalls_the_sensors_of_the_lower_ones(name: str) -> None:
    sick = [sick_of(make_fault(name, level)) for level in LEVELS]
    assert all(low <= high for low, high in pairwise(sick))


@pytest.mark.parametrize("name", list(PARTS))
def test_when_it_is_over_sensors_are_well_again(name: str) -> None:
    after = played(replace(make_fault(name, 3), to_s=120.0))
    late = [n for n in NAMES if not n.startswith("count")]
    settled = 240  # the last of what was late has arrived
    ours, theirs = after[settled:], batches()[settled:]
    assert [len(b.loop_time) for b in ours] == [len(b.loop_time) for b in theirs]
    assert same(ours, theirs, late)


def test_seed_draws_other_sensors() -> None:
    fault = make_fault("dead", 2)
    assert len({frozenset(sick_of(fault, seed=seed)) for seed in range(8)}) > 1


def test_faults_work_in_the_order_of_the_file_whatever_the_order_asked_for() -> None:
    given = read_faults("late:2,stuck-on:3,dead:1,stuck-on:1")
    assert [(fault.name, fault.level) for fault in given] == [
        ("stuck-on", 3),
        ("stuck-on", 1),
        ("dead", 1),
        ("late", 2),
    ]
    assert read_faults("dead:1,late:2,stuck-on:3,stuck-on:1") == given
    assert label(given) == label(read_faults("dead:1,late:2,stuck-on:3,stuck-on:1"))


def test_one_more_fault_changes_nothing_about_the_draws_of_the_others() -> None:
    drift = make_fault("count-drift", 3)
    alone, both = (bench(*faults).truth() for faults in ((drift,), (drift, make_fault("dead", 2))))
    assert [row for row in both if row["fault"] == "count-drift"] == alone


def test_composed_faults_all_work() -> None:
    after = played(*read_faults("stuck-on:5,no-objects:5,clock-skew:3"))
    assert len(column(after, "object_time")) == 0
    assert column(after, "loop_on").all()
    assert len(column(after, "frame_time")) == len(column(batches(), "frame_time"))
    assert not np.array_equal(column(after, "frame_time"), column(batches(), "frame_time"))


# loops


@pytest.mark.parametrize(("name", "on"), [("stuck-on", True), ("stuck-off", False)])
def test_stuck_loops_show_one_state_and_let_go_at_the_end(name: str, on: bool) -> None:
    begin, end = 31.0, 90.0  # in mid-pulse: covered from 30.5 to 31.5 s
    fault = replace(make_fault(name, 5), from_s=begin, to_s=end)
    after = played(fault)
    sensor, time, state = (column(after, f"loop_{name}") for name in ("sensor", "time", "on"))
    inside = (time >= BEGIN + begin) & (time < BEGIN + end)
    assert sorted(sensor[inside]) == ([] if on else sorted(LOOPS))
    assert not state[inside].any()
    released = time == BEGIN + end
    assert sorted(sensor[released]) == (sorted(LOOPS) if on else [])
    counts, occupancy = (
        column(after, f"count_{n}")[column(after, "count_sensor") == COUNT_LOOP] for n in ("vehicles", "occupancy")
    )
    assert counts[:4].tolist() == [10.0, 0.0, 10.0, 10.0]  # intervals that end at 30, 60, 90, 120 s
    assert occupancy[1] == float(on)


def test_a_free_loop_that_gets_stuck_says_covered_once() -> None:
    after = played(replace(make_fault("stuck-on", 5), from_s=34.0))
    sensor, time, state = (column(after, f"loop_{name}") for name in ("sensor", "time", "on"))
    later = time >= BEGIN + 34.0
    assert sorted(sensor[later]) == sorted(LOOPS)
    assert state[later].all()


def test_chatter_adds_as_many_changes_as_its_level_says_and_they_fit() -> None:
    per_minute = 20.0
    after = played(replace(make_fault("chatter", 3), share=1.0))
    added = len(column(after, "loop_time")) - len(column(batches(), "loop_time"))
    expected = 2 * per_minute * SECONDS / 60 * len(LOOPS)
    assert added == pytest.approx(expected, abs=5 * np.sqrt(2 * expected))
    sensor, time, state = (column(after, f"loop_{name}") for name in ("sensor", "time", "on"))
    changes = 0
    for x in LOOPS:
        own = state[sensor == x][np.argsort(time[sensor == x], kind="stable")]
        changes += int((own[1:] != own[:-1]).sum())
    assert changes / len(time) > 0.95  # a flutter inverts what the loop says; few overlap
    counted = column(after, "count_vehicles")[column(after, "count_sensor") == COUNT_LOOP]
    assert counted.mean() == pytest.approx(10 + per_minute * INTERVAL / 60, rel=0.2)


def test_count_drift_grows_with_time_and_takes_or_doubles_whole_pulses() -> None:
    seconds = 3000
    after = played(replace(make_fault("count-drift", 4), share=1.0), seconds=seconds)
    errors = {row["sensor"]: row["detail"]["error"] for row in bench(make_fault("count-drift", 5)).truth()}
    assert set(errors.values()) == {"misses", "doubles"}
    truth = {
        row["sensor"]: row["detail"]["error"] for row in bench(replace(make_fault("count-drift", 4), share=1.0)).truth()
    }
    sensor, time, state = (column(after, f"loop_{name}") for name in ("sensor", "time", "on"))
    half = BEGIN + seconds / 2
    for word, sign in (("misses", -1), ("doubles", 1)):
        own = [SENSORS.sensor_id.index(name) for name, error in truth.items() if error == word]
        ours = np.isin(sensor, [x for x in own if x in LOOPS])
        assert state[ours].sum() == (~state[ours]).sum()
        n = len([x for x in own if x in LOOPS]) * seconds / 2 / 5
        shares = [state[ours & part].sum() / n - 1 for part in (time < half, time >= half)]
        assert shares[0] == pytest.approx(sign * 0.8 * 750 / 3600, abs=0.06)
        assert shares[1] == pytest.approx(sign * 0.8 * 2250 / 3600, abs=0.08)


def test_drifting_counters_miss_or_double_a_share() -> None:
    fault = replace(make_fault("count-drift", 5), share=0.0, sensors=("counter", "counting camera"))
    truth = {row["sensor"]: row["detail"]["error"] for row in bench(fault).truth()}
    after = played(fault, seconds=1800)
    vehicles, sensor = column(after, "count_vehicles"), column(after, "count_sensor")
    for name, error in truth.items():
        share = vehicles[sensor == SENSORS.sensor_id.index(name)].mean() / 10 - 1
        assert share == pytest.approx({"misses": -1, "doubles": 1}[error] * 1.6 * 0.25, abs=0.1)


# cameras


def test_a_lost_lane_is_the_one_that_the_record_says() -> None:
    fault = make_fault("lost-lane", 5)
    lost = {
        SENSORS.sensor_id.index(r["sensor"]): NETWORK.lane_id.index(r["detail"]["lane"]) for r in bench(fault).truth()
    }
    after = played(fault)
    seen = set(zip(column(after, "object_sensor").tolist(), column(after, "object_lane").tolist(), strict=True))
    every = set(
        zip(column(batches(), "object_sensor").tolist(), column(batches(), "object_lane").tolist(), strict=True)
    )
    assert every - seen == {(x, l) for x, l in lost.items() if x != CAMERA_COUNT}
    turned = set(zip(column(after, "turn_sensor").tolist(), column(after, "turn_lane").tolist(), strict=True))
    assert {(x, l) for x, l in turned if l == lost.get(x)} == set()
    assert {x for x, _ in turned} >= {CAMERA_COUNT}
    counted = set(column(after, "count_lane").tolist())
    assert counted == {-1, 2, 3} - {lost[CAMERA_COUNT]}
    assert same(after, batches(), [n for n in NAMES if n.startswith(("loop", "frame"))])


def test_blind_cameras_send_frames_without_objects_or_nothing_at_all() -> None:
    blind, silent = played(make_fault("no-objects", 5)), played(make_fault("no-frames", 5))
    for after in (blind, silent):
        assert len(column(after, "object_time")) == len(column(after, "turn_end")) == 0
        assert same(after, batches(), [n for n in NAMES if n.startswith("loop")])
    assert same(blind, batches(), ["frame_sensor", "frame_time"])
    assert len(column(silent, "frame_time")) == 0
    counts = column(blind, "count_sensor") == CAMERA_COUNT
    assert column(blind, "count_vehicles")[counts].sum() == column(blind, "count_queue")[counts].sum() == 0
    assert CAMERA_COUNT not in column(silent, "count_sensor")
    assert COUNT_LOOP in column(silent, "count_sensor")


def test_a_shifted_camera_moves_objects_and_loses_those_beyond_the_lanes_ends() -> None:
    fault = replace(make_fault("shift", 2), share=1.0)
    moved = {SENSORS.sensor_id.index(r["sensor"]): r["detail"] for r in bench(fault).truth()}
    after = played(fault)
    sensor, lane, distance = (column(after, f"object_{name}") for name in ("sensor", "lane", "distance"))
    for x in CAMERAS.tolist():
        assert np.unique(distance[sensor == x]).tolist() == [10.0 + moved[x]["distance_m"]]
    beside = lane[sensor == CAMERAS[0]]
    share = abs(int((beside == 2).sum()) - int((beside == 3).sum())) / ((beside == 2) | (beside == 3)).sum()
    assert share == pytest.approx(0.1, abs=0.04)
    far = played(replace(make_fault("shift", 5), share=1.0))
    away = {
        SENSORS.sensor_id.index(r["sensor"]): r["detail"]["distance_m"]
        for r in bench(replace(make_fault("shift", 5), share=1.0)).truth()
    }
    for x, metres in away.items():
        kept = {int(l) for l in column(far, "object_lane")[column(far, "object_sensor") == x]}
        lanes = {int(l) for l in SENSORS.cover_lane[cover_rows(x)]}
        assert kept == {l for l in lanes if 0 <= 10 + metres <= NETWORK.lane_length[l]}


def test_a_flickering_camera_is_out_in_the_spells_that_the_record_says() -> None:
    fault = replace(make_fault("flicker", 3), share=1.0, to_s=250.0)
    sick = bench(fault)
    after = [sick.apply(batch) for batch in batches()]
    spells = {row["sensor"]: row["detail"]["spells"] for row in sick.truth()}
    for x in CAMERAS.tolist():
        there = {batch.time / 10 for batch in after if x in batch.frame_sensor}
        out = spells[SENSORS.sensor_id[x]]
        assert out
        for second in range(1, SECONDS + 1):
            now = float(BEGIN + second)
            assert (now in there) != any(begin <= now < end for begin, end in out), now
    total = sum(end - begin for out in spells.values() for begin, end in out)
    assert 0.1 < total / (250 * len(spells)) < 0.6


# any sensor


def test_a_share_of_all_sensors_dies() -> None:
    for level, share in enumerate((0.1, 0.2, 0.4, 0.7, 1.0), start=1):
        fault = make_fault("dead", level)
        sick = sick_of(fault)
        assert len(sick) == max(1, round(share * len(SENSORS.sensor_id)))
        heard = {
            int(x)
            for t in ("loop", "frame", "object", "count", "turn")
            for x in column(played(fault, seconds=60), f"{t}_sensor")
        }
        assert heard == set(range(len(SENSORS.sensor_id))) - sick


def test_a_wrong_clock_is_ahead_or_behind_and_drifts() -> None:
    fault = replace(make_fault("clock-skew", 4), share=1.0)
    offset = {SENSORS.sensor_id.index(r["sensor"]): r["detail"]["offset_s"] for r in bench(fault).truth()}
    after = played(fault)
    assert {abs(value) for value in offset.values()} == {5.0}
    for table, clock in (("loop", "time"), ("frame", "time"), ("object", "time"), ("count", "begin"), ("count", "end")):
        sensor, time = column(after, f"{table}_sensor"), column(after, f"{table}_{clock}")
        own = column(batches(), f"{table}_{clock}")
        sign = np.sign([offset[x] for x in sensor])
        moment = column(batches(), f"{table}_{'end' if table == 'count' else clock}")
        expected = sign * (5.0 + 5.0 * (moment - BEGIN) / 3600)
        inside = moment >= BEGIN
        assert np.allclose((time - own)[inside], expected[inside])


def test_a_share_of_messages_is_lost_whole_frames_at_once() -> None:
    after = played(make_fault("lost", 4))
    for name in ("loop_time", "frame_time"):
        share = len(column(after, name)) / len(column(batches(), name))
        assert share == pytest.approx(0.7, abs=0.06)
    frames = set(zip(column(after, "frame_sensor"), column(after, "frame_time"), strict=True))
    objects = set(zip(column(after, "object_sensor"), column(after, "object_time"), strict=True))
    assert objects == frames


@pytest.mark.parametrize("name", WAYS)
def test_what_is_late_or_doubled_arrives_in_the_end_and_never_too_early(name: str) -> None:
    after = played(replace(make_fault(name, 3), to_s=150.0))
    for table in ("loop", "frame", "object", "count", "turn"):
        for batch in after:
            times = getattr(batch, f"{table}_{'end' if table in ('count', 'turn') else 'time'}")
            assert (times <= batch.time / 10).all()
    for n in ("loop_time", "frame_time", "object_distance"):
        rows, own = len(column(after, n)), len(column(batches(), n))
        if name == "duplicated":
            assert rows / own == pytest.approx(1 + 0.25 * 0.5, abs=0.08)
        else:
            assert rows == own


def test_late_messages_are_as_many_and_as_late_as_the_level_says() -> None:
    after = played(make_fault("late", 2), seconds=1500)
    age = np.concatenate([batch.time / 10 - batch.frame_time for batch in after])
    late = age > 0.25 + 1e-9
    assert late.mean() == pytest.approx(0.1, abs=0.03)
    assert age[late].mean() == pytest.approx(5.0 + 0.5, abs=1.5)  # arrivals are noticed at the next whole second
    for batch in after:  # a frame's objects travel with it
        frames = set(zip(batch.frame_sensor.tolist(), batch.frame_time.tolist(), strict=True))
        assert set(zip(batch.object_sensor.tolist(), batch.object_time.tolist(), strict=True)) == frames


def test_messages_overtake_each_other_within_the_span_of_the_level() -> None:
    after = played(make_fault("out-of-order", 4))
    time, sensor = column(after, "loop_time"), column(after, "loop_sensor")
    inversions = [int((np.diff(time[sensor == x]) < 0).sum()) for x in LOOPS]
    assert min(inversions) > 0
    age = np.concatenate([batch.time / 10 - batch.loop_time for batch in after])
    assert age.max() <= 0.5 + 5.0 + 1.0


# requests


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stuck", ["'stuck'", "stuck-on", "late"]),
        ("stuck-on:6", ["level", "1, 2, 3, 4, 5"]),
        ("stuck-on:", ["level"]),
        ("stuck-on:x,nothing", ["level", "'nothing'"]),
        (" , ", ["no fault"]),
        ("missing.toml", ["missing.toml", "cannot be read"]),
    ],
)
def test_unknown_names_levels_and_files_are_refused_with_the_list(text: str, words: list[str]) -> None:
    with pytest.raises(ProfileError) as refused:
        read_faults(text)
    assert all(word in str(refused.value) for word in words), str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[fault]", ["cannot be read"]),
        ("x = 1", ["[[fault]]"]),
        ("fault = 3", ["[[fault]]"]),
        ('other = 1\n[[fault]]\nname = "dead"', ["other: unknown"]),
        ('[[fault]]\nname = "ded"', ["fault 1", "'ded'", "choose one of"]),
        ("[[fault]]\nlevel = 3", ["fault 1.name"]),
        ('[[fault]]\nname = "dead"\nlevel = 9', ["no level 9"]),
        ('[[fault]]\nname = "dead"\nlevel = "bad"', ["fault 1.level"]),
        ('[[fault]]\nname = "dead"\nshare = 1.5', ["fault 1.share", "0 to 1"]),
        ('[[fault]]\nname = "dead"\nshare = true', ["fault 1.share"]),
        ('[[fault]]\nname = "dead"\nsensors = []', ["fault 1.sensors"]),
        ('[[fault]]\nname = "dead"\nsensors = ["a"]\nshare = 0.5', ["give one of both"]),
        ('[[fault]]\nname = "dead"\nfrom_s = -1', ["fault 1.from_s"]),
        ('[[fault]]\nname = "dead"\nto_s = nan', ["fault 1.to_s"]),
        ('[[fault]]\nname = "dead"\nfrom_s = 9\nto_s = 9', ["later than from_s"]),
        ('[[fault]]\nname = "dead"\nsize = 3', ["size: unknown"]),
        ('[[fault]]\nname = "ded"\n[[fault]]\nname = "dead"\nlevel = 0', ["fault 1", "fault 2"]),
    ],
)
def test_a_bad_file_is_refused_with_place_and_remedy(text: str, words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError) as refused:
        read_faults(str(file))
    assert all(word in str(refused.value) for word in [*words, str(file)]), str(refused.value)


def test_a_file_says_who_and_when(tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    file.write_text(
        '[[fault]]\nname = "late"\n[[fault]]\nname = "dead"\nlevel = 2\n'
        'sensors = ["counter"]\nfrom_s = 60\nto_s = 90.5\n',
        encoding="utf-8",
    )
    dead, late = read_faults(str(file))
    assert (dead.name, dead.level, dead.sensors, dead.from_s, dead.to_s) == ("dead", 2, ("counter",), 60.0, 90.5)
    assert (late.name, late.level, late.share, late.from_s, late.to_s) == ("late", 3, 1.0, 0.0, None)
    assert [(r["sensor"], r["from_s"], r["to_s"]) for r in bench(dead).truth()] == [("counter", 1060.0, 1090.5)]


def test_sensors_that_are_not_there_or_of_another_kind_are_refused() -> None:
    for name in ("nobody", "counter"):
        with pytest.raises(ProfileError, match=rf"'{name}'.*it can befall camera:c:stop"):
            bench(replace(make_fault("shift", 1), sensors=(name,)))
    with pytest.raises(ProfileError, match=r"'shift' befalls .*another sensor profile"):
        FaultBench([make_fault("shift", 1)], NETWORK, place(NETWORK, load_sensor_profile("loops")), 0.0, 1)


def test_a_request_with_faults_has_its_own_folder_and_survives_json() -> None:
    sick = RunSpec("district", "planner", faults=read_faults("dead:2,late:3"))
    assert RunSpec.from_document(json.loads(json.dumps(sick.document())), sick.out) == sick
    others = [replace(sick, faults=faults) for faults in ((), read_faults("dead:2"), read_faults("dead:2,late:4"))]
    assert len({spec.folder for spec in [sick, *others]}) == 4
    assert "faults" not in others[0].document()


# runs


@pytest.mark.sumo
def test_a_run_records_what_was_really_broken_and_what_the_engine_saw_of_it(tmp_path: Path) -> None:
    config = str(write_street(tmp_path / "cross"))
    faults = (replace(make_fault("stuck-on", 5), from_s=60.0, to_s=120.0), make_fault("no-frames", 5))
    comparison = compare([RunSpec(config, "planner", seed=1, out=tmp_path, faults=faults)])
    assert comparison.failures == ()
    (run,) = comparison.runs
    folder = Path(run.folder)
    assert run.faults == label(faults)
    truth = json.loads((folder / "faults.json").read_text())["faults"]
    assert {(r["fault"], r["from_s"], r["to_s"]) for r in truth} == {
        ("stuck-on", BEGIN_S + 60.0, BEGIN_S + 120.0),
        ("no-frames", BEGIN_S, None),
    }
    assert pq.read_table(folder / "observations_frames.parquet").num_rows == 0
    loops = pq.read_table(folder / "observations_loops.parquet").to_pylist()
    during = [row["on"] for row in loops if BEGIN_S + 60 <= row["time"] < BEGIN_S + 120]
    assert during
    assert all(during)
    rows = summarise([run, replace(run, faults="")])
    assert [row.faults for row in rows] == [label(faults), ""]


@pytest.mark.sumo
def test_a_fault_that_befalls_no_sensor_of_the_run_is_refused(tmp_path: Path) -> None:
    config = str(write_street(tmp_path / "cross"))
    ((_, message),) = compare(
        [RunSpec(config, "planner", sensors="loops", out=tmp_path, faults=(make_fault("flicker", 1),))]
    ).failures
    assert "'flicker'" in message
    assert "another sensor profile" in message
