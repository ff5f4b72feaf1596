"""A run's events are those that a controller would have logged, and its detectors are in the list."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.cabinet import Cabinet
from citybrain.decisions import Command, Ending, LampState, Rule, Wish
from citybrain.eventlog.log import Function, read_detectors, read_log
from citybrain.eventlog.measures import cycles_of, shown_at
from citybrain.events import Code
from citybrain.measure_tables import EVENT_TABLES
from citybrain.observations import SensorKind, SensorTable
from citybrain.randomness import generator
from citybrain.run_events import EXTEND_S, RunEvents
from citybrain.signals import Aspect
from citybrain.timings import Timings
from tests.small_world import random_batch, small_network, small_sensors, small_signals
from tests.test_cabinet_courses import CYCLE, SIGNALS, plain
from tests.test_guard import limits
from tests.test_records import random_state

LAMP_CODES = (*(Code(c) for c in (1, 7, 8, 9, 10, 11)), *(Code(c) for c in (21, 22, 23)))
NO_SENSORS = replace(
    small_sensors(),
    sensor_id=(),
    kind=np.zeros(0, np.uint8),
    lane=np.zeros(0, np.int32),
    distance=np.zeros(0),
    cover_ptr=np.zeros(1, np.int32),
    cover_lane=np.zeros(0, np.int32),
)


def recorder(folder: Path, sensors: SensorTable | None = None) -> RunEvents:
    signals = small_signals()
    return RunEvents(folder, small_network(), signals, small_timings(), sensors or small_sensors())


def small_timings() -> Timings:
    return limits(small_signals(), yellow=np.array([30, 30]), max_red=900)


def rows_of(folder: Path) -> list[tuple[int, int, int]]:
    """Events of a run as (tenths, code, parameter)."""
    log = read_log(folder / "events.parquet")
    return list(zip((log.time_ms // 100).tolist(), log.code.tolist(), log.parameter.tolist(), strict=True))


def command(time: int, aspect: tuple[Aspect, ...], *rules: Rule) -> Command:
    n = len(rules)
    lamps = LampState(
        time,
        np.zeros(1, np.int32),
        np.zeros(1, np.bool_),
        np.zeros(1, np.int64),
        np.array(aspect, np.uint8),
        np.zeros(len(aspect), np.int64),
    )
    bent = (np.zeros(n, np.int32), np.full(n, -1, np.int32), np.array(rules, np.uint8))
    return Command(time, lamps, np.zeros(2, np.uint8), np.ones(1, np.bool_), *bent)


def test_a_run_logs_what_a_cabinet_logs_that_shows_the_same(tmp_path: Path) -> None:
    timings = limits(SIGNALS, yellow=np.array([30, 30, 0]), max_red=2000)
    events = RunEvents(tmp_path, small_network(), SIGNALS, timings, NO_SENSORS)
    cabinet = Cabinet(plain(), 10_000)
    logged = []
    for time in range(10_000, 10_000 + 5 * CYCLE, 10):
        cabinet.advance(time)
        logged += [(row.time_ms // 100, row.code, row.parameter) for row in cabinet.events() if time > 10_000]
        events.shown(time, np.array(["rygG".index(letter) for letter in cabinet.aspects], np.uint8))
    events.close()
    assert len(logged) > 60
    assert sorted(row for row in logged if row[1] in LAMP_CODES) == sorted(rows_of(tmp_path))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0, 1, 3]), st.sampled_from([0, 1, 3])), min_size=3, max_size=60))
def test_what_is_shown_can_be_read_from_the_events(
    tmp_path_factory: pytest.TempPathFactory, shown: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    events = recorder(folder)
    for tick, aspect in enumerate([(0, 0), *shown, (3, 3)]):
        events.shown(10 * tick, np.array(aspect, np.uint8))
    events.close()
    log = read_log(folder / "events.parquet")
    for g in range(2):
        at = np.arange(len(shown) + 2) * 1000
        found = shown_at(log, cycles_of(log, "c", g + 1), at) == Code.GREEN_BEGIN
        assert found.tolist() == [aspect[g] == Aspect.PROTECTED for aspect in [(0, 0), *shown, (3, 3)]]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (None, Code.FORCE_OFF),
        (Ending.FORCED, Code.FORCE_OFF),
        (Ending.GAP, Code.GAP_OUT),
        (Ending.MAXIMUM, Code.MAX_OUT),
    ],
)
def test_greens_end_as_the_controller_says_or_by_the_longest_red(
    tmp_path: Path, told: Ending | None, expected: Code
) -> None:
    events = recorder(tmp_path)
    rng = generator(1, "events")
    shown = [
        command(0, (Aspect.PROTECTED, Aspect.RED)),
        command(300, (Aspect.YELLOW, Aspect.RED)),
        command(330, (Aspect.RED, Aspect.PROTECTED)),
        command(400, (Aspect.RED, Aspect.YELLOW), Rule.MAXIMUM_RED),
    ]
    ending = None if told is None else np.array([told], np.uint8)
    wish = replace(Wish.now(0, np.zeros(1, np.int32)), ending=ending)
    for one in shown:
        events.tick(random_batch(one.time, rng), random_state(one.time, rng), wish, one)
        events.drain()
    events.close()
    ends = [(time, code, phase) for time, code, phase in rows_of(tmp_path) if code in {4, 5, 6}]
    assert ends == [(300, expected, 1), (400, Code.MAX_OUT, 2)]


def test_loops_are_channels_of_their_intersection(tmp_path: Path) -> None:
    kinds = [SensorKind.EXIT_LOOP, SensorKind.STOP_LOOP, SensorKind.ADVANCE_LOOP, SensorKind.CAMERA]
    sensors = SensorTable(
        sensor_id=("out", "stop", "far", "eye"),
        kind=np.array(kinds, np.uint8),
        lane=np.array([1, 0, 0, -1], np.int32),
        distance=np.array([95.0, 2.0, 60.0, 80.0]),
        cover_ptr=np.array([0, 0, 0, 0, 1], np.int32),
        cover_lane=np.array([2], np.int32),
        cover_offset=np.zeros(1),
    )
    events = recorder(tmp_path, sensors=sensors)
    batch = replace(
        random_batch(10, generator(2, "events")),
        loop_sensor=np.array([0, 2, 1, 2], np.int32),
        loop_time=np.array([0.2, 0.25, 0.5, 0.75]),
        loop_on=np.array([True, True, True, False]),
    )
    wish = Wish.now(10, np.zeros(1, np.int32))
    events.tick(batch, random_state(10, generator(2, "state")), wish, command(10, (Aspect.PROTECTED, Aspect.RED)))
    events.close()
    log = read_log(tmp_path / "events.parquet")
    assert log.devices == ("c",)
    rows = zip(log.time_ms.tolist(), log.code.tolist(), log.parameter.tolist(), strict=True)
    assert list(rows) == [(250, 82, 2), (500, 82, 1), (750, 81, 2)]
    stop, far = sorted(read_detectors(tmp_path / "detectors.parquet"), key=lambda d: d.channel)
    assert (stop.phase, stop.function, stop.extend_s) == (1, Function.PRESENCE, EXTEND_S)
    assert (far.phase, far.function, far.offset_s) == (1, Function.ADVANCE, 6.0)
    assert pq.read_table(tmp_path / "detectors.parquet")["Sensor"].to_pylist() == ["stop", "far"]


def test_tables_are_as_documented_also_without_an_event(tmp_path: Path) -> None:
    recorder(tmp_path).close()
    for name in ("events", "detectors"):
        assert pq.read_schema(tmp_path / f"{name}.parquet").equals(EVENT_TABLES[name].schema)
    assert pq.read_metadata(tmp_path / "events.parquet").num_rows == 0
