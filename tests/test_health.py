"""Sick sensors are found, named, believed less and taken back; well ones are left alone, at night too."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from citybrain.errors import ContractError
from citybrain.health.examination import FALSE_ALARMS, SensorHealth, limit_for
from citybrain.health.findings import FAULTS, Finding, Status
from citybrain.live.memory import recall, remember
from citybrain.observations import ObservationBatch, SensorKind
from citybrain_kernels import health as kernel
from citybrain_sim.fault_profiles import read_faults
from citybrain_sim.faults import FaultBench
from tests.reference import health as slow
from tests.sensor_street import (
    ADVANCE,
    ALL,
    STOP,
    Fault,
    Traffic,
    batch_of,
    street_lamps,
    street_sensors,
    with_loops,
    with_objects,
    without_frames,
    without_loops,
)
from tests.small_world import small_network, small_signals

START, END = 1200, 3600
STOP_0, ADVANCE_0, CAMERA_0 = 0, 1, 2


def steady(lane: int, time: float) -> float:
    return 0.12


def doctor(kinds: tuple[SensorKind, ...] = ALL) -> SensorHealth:
    return SensorHealth(small_network(), small_signals(), street_sensors(kinds))


@functools.cache
def traffic(kinds: tuple[SensorKind, ...] = ALL, end: int = END) -> tuple[ObservationBatch, ...]:
    return tuple(Traffic(steady, end, kinds).batches())


def watch(health: SensorHealth, batches: tuple[ObservationBatch, ...], fault: Fault | None = None) -> dict[str, int]:
    """Examine; tells when each sensor first became sick [s]."""
    first: dict[str, int] = {}
    names = health._sensors.sensor_id
    for batch in batches:
        time = batch.time // 10
        health.examine(fault(batch) if fault is not None and time >= START else batch, street_lamps(time))
        for x in np.flatnonzero(health._diary.status == Status.SICK).tolist():
            first.setdefault(names[x], time)
    return first


def finding(health: SensorHealth, x: int) -> Finding:
    return health.findings()[x]


def stuck(x: int, on: bool) -> Fault:
    """The loop says one thing, once, and then nothing more."""

    def apply(batch: ObservationBatch) -> ObservationBatch:
        left = without_loops(batch, batch.loop_sensor == x)
        return with_loops(left, [(x, START - 0.5, on)]) if batch.time == 10 * START else left

    return apply


def chatter(batch: ObservationBatch) -> ObservationBatch:
    time = batch.time / 10
    pulse = [(STOP_0, time - 0.9, True), (STOP_0, time - 0.85, False)]
    return with_loops(batch, pulse) if batch.time % 40 == 0 else batch


def blind(batch: ObservationBatch) -> ObservationBatch:
    return with_objects(batch, batch.object_sensor != CAMERA_0)


def silent(batch: ObservationBatch) -> ObservationBatch:
    return without_frames(batch, CAMERA_0)


def flicker(batch: ObservationBatch) -> ObservationBatch:
    return without_frames(batch, CAMERA_0) if batch.time // 10 % 20 < 7 else batch


def shifted(batch: ObservationBatch) -> ObservationBatch:
    mine = batch.object_sensor == CAMERA_0
    moved = (batch.object_distance + np.where(mine, 8.0, 0.0)).astype(np.float32)
    return replace(batch, object_distance=moved)


def behind(batch: ObservationBatch) -> ObservationBatch:
    return replace(batch, loop_time=np.where(batch.loop_sensor == STOP_0, batch.loop_time - 4.0, batch.loop_time))


def ahead(batch: ObservationBatch) -> ObservationBatch:
    return replace(batch, loop_time=np.where(batch.loop_sensor == STOP_0, batch.loop_time + 3.0, batch.loop_time))


def doubled(batch: ObservationBatch) -> ObservationBatch:
    rows = zip(batch.loop_sensor.tolist(), batch.loop_time.tolist(), batch.loop_on.tolist(), strict=True)
    return with_loops(batch, [row for row in rows if row[0] == STOP_0])


CASES: dict[str, tuple[Fault, int, str, int]] = {
    "stuck on, at the line": (stuck(STOP_0, on=True), STOP_0, "stuck on", 600),
    "stuck on, upstream": (stuck(ADVANCE_0, on=True), ADVANCE_0, "stuck on", 900),
    "stuck off, at the line": (stuck(STOP_0, on=False), STOP_0, "stuck off", 1200),
    "stuck off, upstream": (stuck(ADVANCE_0, on=False), ADVANCE_0, "stuck off", 1200),
    "chatter": (chatter, STOP_0, "chatter", 300),
    "blind": (blind, CAMERA_0, "blind", 1200),
    "silent": (silent, CAMERA_0, "silent", 300),
    "flicker": (flicker, CAMERA_0, "flicker", 600),
    "shifted": (shifted, CAMERA_0, "shifted", 900),
    "clock behind": (behind, STOP_0, "wrong clock", 600),
    "clock ahead": (ahead, STOP_0, "wrong clock", 300),
    "rows twice": (doubled, STOP_0, "doubled", 300),
}


@pytest.mark.parametrize("fault", ["out-of-order:4", "out-of-order:5", "late:4", "late:5"])
def test_a_way_that_mixes_rows_up_is_no_wrong_clock(fault: str) -> None:
    """Setting such times right by their mean would make old rows out to be fresh."""
    bench = FaultBench(read_faults(fault), small_network(), street_sensors(), START, 1)
    health = doctor()
    watch(health, traffic()[:2700], bench.apply)
    assert not any(change["fault"] == "wrong clock" and change["status"] == "sick" for change in health.changes())
    assert {f.fault for f in health.findings()} <= {"late", "out of order"}
    assert all(f.trust == 0.5 for f in health.findings())


def test_well_sensors_stay_well() -> None:
    health = doctor()
    assert watch(health, traffic()) == {}
    assert all(f.status is Status.WELL and f.trust == 1.0 and f.fault is None for f in health.findings())


@pytest.mark.parametrize("name", CASES)
def test_fault_is_found_named_and_believed_less(name: str) -> None:
    fault, x, expected, within = CASES[name]
    health = doctor()
    sick = watch(health, traffic(), fault)
    sensor = street_sensors().sensor_id[x]
    assert set(sick) == {sensor}, "and nobody else"
    assert START < sick[sensor] <= START + within
    found = finding(health, x)
    assert (found.status, found.fault) == (Status.SICK, expected)
    assert found.trust < 1
    assert START < found.since <= END
    assert found.reason.endswith(".")
    assert found.score > 0


def test_loop_alone_on_its_lane_is_missed_by_the_history_of_the_hour() -> None:
    """Its neighbours on other lanes say that the street is as busy as ever."""
    health = doctor((STOP,))
    sick = watch(health, traffic((STOP,)), stuck(STOP_0, on=False))
    assert set(sick) == {"stop_loop:0"}
    assert finding(health, STOP_0).fault == "stuck off"


def count_of(x: int, begin: float, end: float) -> dict[str, Any]:
    """Columns of one interval with half a vehicle a second."""
    return {
        "count_sensor": np.array([x], np.int32),
        "count_lane": np.full(1, -1, np.int32),
        "count_begin": np.array([begin]),
        "count_end": np.array([end]),
        "count_vehicles": np.array([0.5 * (end - begin)], np.float32),
        "count_occupancy": np.full(1, np.nan, np.float32),
        "count_queue": np.full(1, np.nan, np.float32),
    }


def mute(x: int) -> Fault:
    """The sensor never says anything; used from the first second on."""
    return lambda batch: without_loops(batch, batch.loop_sensor == x)


def test_loop_that_never_reported_is_named_once_the_others_have_counted_enough() -> None:
    health = doctor((STOP,))
    found = []
    for batch in traffic((STOP,)):
        health.examine(mute(1)(batch), street_lamps(batch.time // 10))
        if batch.time % 6000 == 0:
            found.append(finding(health, 1))
    assert [(f.status, f.fault) for f in found[:2]] == [(Status.WELL, None)] * 2, "an empty lane would look the same"
    assert found[1].reason.startswith("Has reported no vehicle so far")
    assert (found[-1].status, found[-1].fault, found[-1].trust) == (Status.SUSPECT, "never reported", 1.0)
    assert re.search(r"counted \d{3} each", found[-1].reason)
    assert finding(health, 0).status is Status.WELL


def test_street_on_which_nobody_reported_anything_makes_nobody_suspect() -> None:
    health = doctor((STOP,))
    for time in range(END):
        health.examine(batch_of(time, [], [], []), street_lamps(time))
    assert all(f.status is Status.WELL and "no vehicle" in f.reason for f in health.findings())


def test_lane_that_its_camera_sees_empty_makes_no_loop_suspect() -> None:
    health = doctor()
    for batch in Traffic(lambda lane, _time: 0.12 if lane == 0 else 0.0, END).batches():
        health.examine(batch, street_lamps(batch.time // 10))
    assert all(f.status is Status.WELL for f in health.findings())


def test_counter_is_not_silent_before_its_first_interval_is_over() -> None:
    """Intervals last up to five minutes; the first of a counter that reports never is missed after twice as long."""
    table = replace(street_sensors((STOP,)), kind=np.full(2, SensorKind.COUNT_LOOP, np.uint8))
    health = SensorHealth(small_network(), small_signals(), table)
    for time in range(1200):
        batch = batch_of(time, [], [], [])
        if time % 300 == 0 and time > 0:
            batch = replace(batch, **count_of(0, time - 300.0, float(time)))
        health.examine(batch, street_lamps(time))
        assert finding(health, 0).status is Status.WELL, time
    silent = finding(health, 1)
    assert (silent.status, silent.fault) == (Status.SICK, "silent")


@pytest.mark.parametrize(("way_s", "fault"), [((1.0, 5.0), None), ((12.0, 20.0), "late")])
def test_counters_may_take_some_seconds_to_send_an_interval(way_s: tuple[float, float], fault: str | None) -> None:
    table = replace(street_sensors((STOP,)), kind=np.full(2, SensorKind.COUNT_LOOP, np.uint8))
    health = SensorHealth(small_network(), small_signals(), table)
    rng = np.random.default_rng(6)
    ways = {minute: rng.uniform(*way_s) for minute in range(1, END // 60)}
    for time in range(END):
        batch = batch_of(time, [], [], [])
        minute = time // 60
        if minute in ways and time == math.ceil(60 * minute + ways[minute]):
            batch = replace(batch, **count_of(0, 60.0 * (minute - 1), 60.0 * minute))
        health.examine(batch, street_lamps(time))
        assert fault or finding(health, 0).status is Status.WELL, time
    assert finding(health, 0).fault == fault


def test_street_that_falls_silent_as_a_whole_makes_nobody_sick() -> None:
    health = doctor((STOP,))
    sick = watch(health, traffic((STOP,)), lambda batch: without_loops(batch, batch.loop_on))
    assert sick == {}


def test_counts_that_drift_are_noticed_by_the_neighbours() -> None:
    rng = np.random.default_rng(4)
    gone = [False]

    def miss_half(batch: ObservationBatch) -> ObservationBatch:
        out = np.zeros(len(batch.loop_sensor), np.bool_)
        for e in np.argsort(batch.loop_time).tolist():
            if batch.loop_sensor[e] == ADVANCE_0:
                gone[0] = rng.random() < 0.6 if batch.loop_on[e] else gone[0]
                out[e] = gone[0]
        return without_loops(batch, out)

    health = doctor()
    watch(health, traffic(end=9000), miss_half)
    found = finding(health, ADVANCE_0)
    assert found.status is not Status.WELL
    assert found.fault == "drift"
    assert all(f.status is not Status.SICK for f in health.findings() if f.sensor != found.sensor)


def test_lane_that_a_camera_lost_is_named_and_the_camera_believed_on_the_others() -> None:
    table = street_sensors((STOP, ADVANCE))
    both = replace(
        table,
        sensor_id=(*table.sensor_id, "camera"),
        kind=np.append(table.kind, SensorKind.CAMERA).astype(np.uint8),
        lane=np.append(table.lane, -1).astype(np.int32),
        distance=np.append(table.distance, 80.0),
        cover_ptr=np.append(table.cover_ptr, 2).astype(np.int32),
        cover_lane=np.array([0, 2], np.int32),
        cover_offset=np.zeros(2),
    )
    number = {0: 0, 1: 1, 3: 2, 4: 3, 2: 4, 5: 4}
    health = SensorHealth(small_network(), small_signals(), both)
    for batch in traffic():
        time = batch.time // 10
        seen = batch if time < START else with_objects(batch, batch.object_lane != 0)
        loop, objects = ([number[x] for x in column.tolist()] for column in (seen.loop_sensor, seen.object_sensor))
        renamed = replace(
            seen,
            loop_sensor=np.array(loop, np.int32),
            object_sensor=np.array(objects, np.int32),
            frame_sensor=np.array([4], np.int32),
            frame_time=seen.frame_time[:1],
        )
        health.examine(renamed, street_lamps(time))
    found = finding(health, 4)
    assert (found.status, found.fault, found.lost_lanes) == (Status.SICK, "lost lane", ("w_0",))
    assert found.trust == 1.0
    assert health.sight.tolist() == [0.0, 1.0]
    assert "w_0" in found.reason


@pytest.mark.parametrize("name", ["stuck off, at the line", "silent", "chatter", "clock ahead"])
def test_sensor_that_is_well_again_is_taken_back(name: str) -> None:
    fault, x, _, _ = CASES[name]
    health = doctor()
    for batch in traffic():
        time = batch.time // 10
        health.examine(fault(batch) if START <= time < START + 1000 else batch, street_lamps(time))
        if time == START + 999:
            assert finding(health, x).status is Status.SICK
    found = finding(health, x)
    assert (found.status, found.trust) == (Status.WELL, 1.0)
    assert found.since > START + 1000


def test_camera_over_a_queue_that_stands_still_is_not_blind() -> None:
    """Nothing moves, as behind a crash; what is reported stands."""

    def frozen(batch: ObservationBatch) -> ObservationBatch:
        mine = batch.object_sensor == CAMERA_0
        left = with_objects(batch, ~mine)
        seen = batch_of(batch.time // 10, [], [], [(CAMERA_0, 0, 1.0 + 7.5 * n, 0.0) for n in range(5)])
        columns = [name for name in vars(batch) if name.startswith("object_")]
        joined: dict[str, Any] = {name: np.concatenate((getattr(left, name), getattr(seen, name))) for name in columns}
        return without_loops(replace(left, **joined), batch.loop_on & (batch.loop_sensor == STOP_0))

    health = doctor()
    watch(health, traffic(), frozen)
    assert finding(health, CAMERA_0).fault not in {"blind", "lost lane"}


def test_night_makes_nobody_sick() -> None:
    """From a busy evening through an empty night into the morning."""

    def flow(lane: int, time: float) -> float:
        hour = time / 3600 % 24
        return 0.12 if 6 <= hour < 21 else 0.03 if hour >= 21 else 0.002

    health = doctor()
    batches = Traffic(flow, 31 * 3600, seed=3, begin=20 * 3600).batches()
    for batch in batches:
        health.examine(batch, street_lamps(batch.time // 10))
        if batch.time % 6000 == 0:
            assert all(f.status is not Status.SICK for f in health.findings()), batch.time


def test_order_and_memory_do_not_matter() -> None:
    """Rows in any order, and an examination that goes on from a checkpoint, come to the same scores."""
    rng = np.random.default_rng(5)
    one, other = doctor(), doctor()
    for batch in traffic()[:900]:
        mixed = batch
        for prefix in ("loop_", "frame_", "object_"):
            names = [name for name in vars(batch) if name.startswith(prefix)]
            order = rng.permutation(len(getattr(batch, names[0])))
            mixed = replace(mixed, **{name: getattr(mixed, name)[order] for name in names})
        one.examine(batch, street_lamps(batch.time // 10))
        other.examine(mixed, street_lamps(batch.time // 10))
        if batch.time == 4000:
            later = doctor()
            recall(later, remember(other))
            other = later
    for name, value in remember(one).items():
        assert np.array_equal(value, remember(other)[name], equal_nan=True), name


def test_other_peoples_rows_are_refused() -> None:
    health = doctor((STOP, ADVANCE))
    with pytest.raises(ContractError, match="sensors beyond the 4"):
        health.examine(batch_of(1, [(9, 0.5, True)], [], []), street_lamps(1))
    shown = street_lamps(1)
    with pytest.raises(ContractError, match="lamps of 1 groups"):
        health.examine(batch_of(1, [], [], []), replace(shown, aspect=shown.aspect[:1]))


def test_reasons_are_sentences_with_figures() -> None:
    health = doctor()
    watch(health, traffic()[:2400], stuck(STOP_0, on=False))
    document = finding(health, STOP_0).document()
    assert document["reason"] == health.findings()[STOP_0].reason
    assert document["figures"]["expected_flow"] > 300
    assert document["figures"]["flow"] < 20
    assert document["fault"] in FAULTS


@pytest.mark.parametrize("limit", [3.0, 4.0])
def test_false_alarms_are_rarer_than_the_limit_says(limit: float) -> None:
    """Lorden: at most one in exp(limit) observations, on average."""
    rng = np.random.default_rng(1)
    alarms, score, n = 0, 0.0, 200_000
    for hit in (rng.random(n) < 0.08).tolist():
        score = slow.cusum([slow.trial(hit, 0.08, 0.4)], limit, score)
        if score >= limit:
            alarms, score = alarms + 1, 0.0
    assert alarms <= n / math.exp(limit)


def test_limit_follows_from_the_wanted_false_alarms() -> None:
    assert math.exp(limit_for(FALSE_ALARMS)) == pytest.approx(86400 * kernel.N_TESTS / FALSE_ALARMS)


LIMIT = 8.0


@pytest.mark.parametrize("seed", range(12))
def test_pulses_match_their_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.choice([0.03, 0.08, 0.2, 0.6, 2.0, 5.0], 60) * rng.uniform(0.9, 1.1, 60))
    on = np.where(rng.random(60) < 0.9, np.arange(60) % 2 == 0, rng.random(60) < 0.5)
    health = doctor((STOP,))
    kernel.take_events(float(times[-1]), LIMIT, np.zeros(60, np.int32), times, on, health._watch, health._diary)
    vehicles, score = slow.pulses(list(zip(times.tolist(), on.tolist(), strict=True)), LIMIT)
    assert health._diary.tally[0] == vehicles
    assert health._diary.score[0, kernel.CHATTER] == pytest.approx(score)


@pytest.mark.parametrize("seed", range(6))
def test_comparisons_match_their_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(float(rng.poisson(70 * (1 if k < 6 else 0.6))), 70.0) for k in range(14)]
    health = doctor((STOP,))
    for own, peer in pairs:
        kernel._compare_levels(0, own, peer, 1, LIMIT, health._diary)
    low, high = slow.levels(pairs, LIMIT)
    assert health._diary.low[0] == pytest.approx(low)
    assert health._diary.high[0] == pytest.approx(high)


def test_silence_matches_its_twin() -> None:
    rng = np.random.default_rng(2)
    health = doctor()
    health._diary.latest[:] = -100.0
    heard = (rng.random(200) < 0.03).tolist()
    for here in heard:
        health._diary.heard[:] = here
        kernel.watch_silence(0.0, 1.0, LIMIT, health._watch, health._diary)
    assert health._diary.score[CAMERA_0, kernel.SILENT] == pytest.approx(slow.silence(heard, 1.0, LIMIT))


def test_scores_of_too_few_match_their_twin() -> None:
    rng = np.random.default_rng(3)
    health = doctor((STOP, ADVANCE))
    ticks = []
    seen, since = [0.0, 0.0], 0.0
    for _ in range(300):
        crossed, left = float(rng.random() < 0.2), float(rng.random() < 0.05)
        health._diary.tally[:2] = left, crossed
        due = min(1.0, (seen[0] + 20) / (seen[1] + 20)) * crossed
        kernel.compare(0.0, 1.0, LIMIT, health._watch, health._diary)
        since += crossed
        if left:
            seen, since = [seen[0] + left, seen[1] + since], 0.0
        ticks.append((left, due))
    assert health._diary.row_score[0] == pytest.approx(slow.too_few(ticks, LIMIT))
