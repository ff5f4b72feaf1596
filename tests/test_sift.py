"""Bad rows on the way into the loop: those of files are taken out and counted, those of posts never get there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.decisions import LampState
from citybrain.documents import sensors_document, write_json
from citybrain.errors import InputError
from citybrain.estimation import LaneEstimator
from citybrain.intake.judge import Limits, merge, read_json
from citybrain.intake.sift import Sifter
from citybrain.live.epoch import batch_since
from citybrain.observations import ObservationBatch
from citybrain.randomness import generator
from citybrain.records import Recorder
from citybrain.signals import Aspect
from citybrain_sim.replay import ReplayPlant
from tests.intake_posts import NOW, as_json, counting_sensors, small_judge
from tests.small_world import nothing_at, random_batch, small_network, small_signals
from tests.test_intake import any_rows
from tests.test_records import random_state, some_command, some_wish

NAN, INF = float("nan"), float("inf")
GOOD: dict[str, list[Any]] = {
    "loop_sensor": [0, 0],
    "loop_time": [1.0, 1.5],
    "loop_on": [True, False],
    "frame_sensor": [1],
    "frame_time": [1.0],
    "object_sensor": [1],
    "object_time": [1.0],
    "object_lane": [2],
    "object_distance": [5.0],
    "object_speed": [3.0],
    "object_confidence": [0.9],
    "count_sensor": [2, 3],
    "count_lane": [-1, 2],
    "count_begin": [-60.0, -60.0],
    "count_end": [0.0, 0.0],
    "count_vehicles": [4.0, 5.0],
    "count_occupancy": [0.5, NAN],
    "count_queue": [NAN, 2.0],
    "turn_sensor": [1, 3],
    "turn_lane": [2, 2],
    "turn_to": [3, 3],
    "turn_begin": [-60.0, -60.0],
    "turn_end": [0.0, 0.0],
    "turn_vehicles": [4.0, 5.0],
}


def batch(columns: dict[str, list[Any]], time: int = 20) -> ObservationBatch:
    empty = nothing_at(time)
    arrays: dict[str, Any] = {name: np.array(values, getattr(empty, name).dtype) for name, values in columns.items()}
    return replace(empty, **arrays)


def lamps(time: int) -> LampState:
    aspect, since = np.array([Aspect.PROTECTED, Aspect.RED], np.uint8), np.full(2, -100, np.int64)
    one = np.zeros(1, np.int32)
    return LampState(time, one, np.zeros(1, np.bool_), np.zeros(1, np.int64), aspect, since)


def sifter() -> Sifter:
    return Sifter(counting_sensors(), small_network().n_lanes, len(small_network().edge_id))


def test_a_good_batch_is_left_alone() -> None:
    good, sift = batch(GOOD), sifter()
    assert sift(good) is good
    assert not sift.refused


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("loop_sensor", -1, "unknown_sensor"),
        ("loop_sensor", 4, "unknown_sensor"),
        ("frame_sensor", 99, "unknown_sensor"),
        ("loop_sensor", 2, "wrong_sensor_kind"),
        ("object_sensor", 3, "wrong_sensor_kind"),
        ("count_sensor", 0, "wrong_sensor_kind"),
        ("object_lane", 4, "unknown_lane"),
        ("count_lane", -2, "unknown_lane"),
        ("loop_time", NAN, "impossible_value"),
        ("frame_time", INF, "impossible_value"),
        ("object_time", -INF, "impossible_value"),
        ("object_distance", -101.0, "impossible_value"),
        ("object_distance", 1e30, "impossible_value"),
        ("object_distance", NAN, "impossible_value"),
        ("object_speed", INF, "impossible_value"),
        ("object_confidence", 2.0, "impossible_value"),
        ("count_vehicles", NAN, "impossible_value"),
        ("count_vehicles", 61.0, "impossible_value"),
        ("count_occupancy", 1.5, "impossible_value"),
        ("count_queue", -1.0, "impossible_value"),
        ("count_begin", NAN, "wrong_interval"),
        ("count_begin", 1.0, "wrong_interval"),
        ("count_end", INF, "wrong_interval"),
        ("turn_sensor", 0, "wrong_sensor_kind"),
        ("turn_lane", -1, "unknown_lane"),
        ("turn_to", -1, "unknown_road"),
        ("turn_to", 4, "unknown_road"),
        ("turn_vehicles", NAN, "impossible_value"),
        ("turn_vehicles", 61.0, "impossible_value"),
        ("turn_begin", 1.0, "wrong_interval"),
    ],
)
def test_a_bad_row_is_taken_out_and_counted_and_the_others_stay(column: str, value: float, code: str) -> None:
    kind = column.partition("_")[0]
    rows = {name: [*values, values[0]] if name.startswith(kind) else values for name, values in GOOD.items()}
    rows[column][-1] = value
    sift = sifter()
    left = sift(batch(rows))
    assert sift.refused == {code: 1}
    for name, column_left in vars(batch(GOOD)).items():
        np.testing.assert_array_equal(getattr(left, name), column_left)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_whatever_a_file_holds_the_loop_goes_on(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sift, estimator = sifter(), LaneEstimator(small_network(), small_signals(), counting_sensors())
    odd = [NAN, INF, -INF, -1.0, 0.0, 0.5, 3.0, 19.0, 1e9, -1e9, 1e300]
    for time in range(0, 200, 20):
        columns: dict[str, Any] = {}
        for kind in ("loop", "frame", "object", "count", "turn"):
            n = rng.integers(0, 6)
            for name, values in vars(nothing_at(time)).items():
                if name.startswith(kind):
                    drawn = rng.integers(-3, 7, n) if values.dtype.kind in "ib" else rng.choice(odd, n)
                    with np.errstate(over="ignore"):
                        columns[name] = drawn.astype(values.dtype)
        state = estimator.update(sift(replace(nothing_at(time), **columns)), lamps(time))
        assert all(np.isfinite(values).all() for values in vars(state).values())


@given(st.lists(any_rows, max_size=4), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_whatever_is_posted_the_live_loop_goes_on(posts: list[list[dict[str, Any]]], origin: int) -> None:
    estimator = LaneEstimator(small_network(), small_signals(), counting_sensors())
    begin = NOW - 10 * origin
    for tick, rows in enumerate(posts):
        now = NOW + 10 * tick
        judged = small_judge()(read_json(as_json(rows), Limits()), now)
        taken = batch_since(merge([judged, judged], now), begin)
        state = estimator.update(taken, lamps(taken.time))
        assert all(np.isfinite(values).all() for values in vars(state).values())


def test_half_a_frame_disturbs_nobody() -> None:
    def run(*, with_objects: bool) -> np.ndarray[Any, Any]:
        estimator = LaneEstimator(small_network(), small_signals(), counting_sensors())
        rows = {name: values for name, values in GOOD.items() if with_objects and name.startswith("object")}
        estimator.update(nothing_at(10), lamps(10))
        return estimator.update(batch(rows, 20), lamps(20)).vehicles

    np.testing.assert_array_equal(run(with_objects=True), run(with_objects=False))


def record(folder: Path) -> None:
    rng = generator(5, "sift")
    recorder = Recorder(folder, small_network(), small_signals(), counting_sensors())
    for time in range(1000, 1500, 10):
        one = replace(random_batch(time, rng), **{name: getattr(batch(GOOD), name) for name in COUNTS})
        recorder.tick(one, random_state(time, rng), some_wish(time), some_command(time, 0, "Gr", changed=False))
    recorder.close()
    write_json(folder / "sensors.json", sensors_document(counting_sensors()))


COUNTS = [name for name in GOOD if name.startswith(("count", "turn"))]
LANES, ROADS = small_network().lane_id, small_network().edge_id


def played(folder: Path) -> tuple[list[ObservationBatch], dict[str, int]]:
    plant, seen = ReplayPlant(folder, LANES, ROADS), []
    while (one := plant.observe()) is not None:
        seen.append(one)
    return seen, plant.refused


def test_counts_come_back_from_a_recording(tmp_path: Path) -> None:
    record(tmp_path)
    seen, refused = played(tmp_path)
    assert refused == {}
    for one in seen:
        for name in COUNTS:
            np.testing.assert_array_equal(getattr(one, name), getattr(batch(GOOD), name))
    for kind in ("count", "turn"):
        (tmp_path / f"observations_{kind}s.parquet").unlink()
        older = [len(getattr(one, f"{kind}_sensor")) for one in played(tmp_path)[0]]
        assert older == [0] * len(seen), "recorded by an older version"


def test_a_recording_with_strange_rows_is_played_without_them(tmp_path: Path) -> None:
    record(tmp_path)
    file = tmp_path / "observations_loops.parquet"
    table = pq.read_table(file)
    names = table["sensor"].combine_chunks().cast(pa.string()).to_pylist()
    names[3], names[5] = "nobody's", None
    strange = pa.array(names, pa.string()).dictionary_encode()
    pq.write_table(table.set_column(1, "sensor", strange), file)
    seen, refused = played(tmp_path)
    assert refused == {"unknown_sensor": 2}
    assert sum(len(one.loop_sensor) for one in seen) == len(table) - 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop_columns(["time"]), "has no column 'time'"),
        (lambda table: table.set_column(2, "time", table["time"].cast(pa.string())), "'time' is string, not double"),
    ],
)
def test_a_recording_of_another_form_is_refused(tmp_path: Path, change: Any, words: str) -> None:
    record(tmp_path)
    file = tmp_path / "observations_frames.parquet"
    pq.write_table(change(pq.read_table(file)), file)
    with pytest.raises(InputError, match=rf"observations_frames\.parquet.*{words}"):
        ReplayPlant(tmp_path, LANES, ROADS)


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_a_recording_that_was_cut_short_is_refused(tmp_path: Path, part: float) -> None:
    record(tmp_path)
    file = tmp_path / "observations_objects.parquet"
    body = file.read_bytes()
    file.write_bytes(body[: int(part * len(body))])
    with pytest.raises(InputError, match=r"observations_objects\.parquet cannot be read"):
        ReplayPlant(tmp_path, LANES, ROADS)
