"""Posted observations: whatever the form, every row is judged for itself, and nothing good is lost."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.errors import ContractError, InputError
from citybrain.intake.arrow_body import _plain
from citybrain.intake.doubles import first_of_equals
from citybrain.intake.judge import Judged, Limits, merge, read_arrow, read_json
from citybrain.intake.names import NameTable, names_array
from citybrain.intake.posted import FIELDS, Header, Posted
from citybrain.intake.write import post_of, write_arrow, write_json
from citybrain.observations import ObservationBatch
from citybrain.randomness import generator
from citybrain_kernels import names as name_kernel
from tests.intake_posts import (
    COUNT,
    FRAME,
    LANE_COUNT,
    LOOP,
    NOW,
    NOW_MS,
    OBJECT,
    TURN,
    as_arrow,
    as_json,
    as_table,
    counting_sensors,
    small_judge,
    stream,
)
from tests.reference import names as slow_names
from tests.small_world import small_network, small_sensors

LIMITS = Limits()
COUNT_COLUMNS = [f"count_{name}" for name in ("sensor", "lane", "begin", "end", "vehicles", "occupancy", "queue")]
TURN_COLUMNS = [f"turn_{name}" for name in ("sensor", "lane", "to", "begin", "end", "vehicles")]
assert name_kernel  # marks this module as one that runs kernels

ids = st.sampled_from(["loop_w", "camera_n", "count_s", "camera_count_n", "nobody", ""])
times = st.sampled_from([NOW_MS, NOW_MS - 1500, NOW_MS + 900, NOW_MS + 1001, NOW_MS - 600_001, -(2**63), 2**63 - 1])
numbers = st.sampled_from([0.0, -0.0, 0.5, 1.0, 50.0, 1e9, -1.0, 1e300])
rows_of_any_worth = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(["loop", "frame", "object", "count", "turn", "pulse"]),
        "sensor": ids,
        "time_ms": times,
        "on": st.booleans(),
        "lane": st.sampled_from(["n_0", "w_0", "x_9"]),
        "to": st.sampled_from(["s", "e", "x"]),
        "distance": numbers,
        "speed": numbers,
        "confidence": numbers,
        "begin_ms": times,
        "vehicles": numbers,
        "occupancy": numbers,
        "queue": numbers,
    },
)
good_rows = st.one_of(
    st.builds(lambda t, on: LOOP | {"time_ms": NOW_MS - t, "on": on}, st.integers(0, 3), st.booleans()),
    st.builds(lambda t: FRAME | {"time_ms": NOW_MS - t}, st.integers(0, 3)),
    st.builds(lambda t, d: OBJECT | {"time_ms": NOW_MS - t, "distance": d}, st.integers(0, 3), st.integers(0, 3)),
    st.builds(lambda row, t: row | _interval(t), st.sampled_from([COUNT, LANE_COUNT, TURN]), st.integers(0, 3)),
)
any_rows = st.lists(st.one_of(good_rows, rows_of_any_worth), max_size=30)


def _interval(back: int) -> dict[str, int]:
    """Times of the interval that ended so many minutes ago."""
    return {"time_ms": NOW_MS - 60_000 * back, "begin_ms": NOW_MS - 60_000 * (back + 1)}


def judge_json(rows: list[Any], now: int = NOW) -> Judged:
    return small_judge()(read_json(as_json(rows), LIMITS), now)


def columns(batch: ObservationBatch) -> dict[str, Any]:
    told_as = {name: np.nan_to_num(value, nan=-9.0) for name, value in vars(batch).items()}
    return {name: np.asarray(value).tolist() for name, value in told_as.items()}


def told(judged: Judged) -> list[str]:
    """Code of every row, read from the answer to the sender."""
    answer = json.loads(judged.verdicts)
    codes = ["accepted"] * answer["rows"]
    for refused in answer["refused"]:
        for row in refused["rows"]:
            codes[row] = refused["code"]
    assert answer["accepted"] == codes.count("accepted")
    return codes


def test_good_rows_become_observations() -> None:
    judged = small_judge()(read_json(as_json([OBJECT, LOOP, FRAME], complete_until=NOW), LIMITS), NOW)
    assert told(judged) == ["accepted"] * 3
    assert (judged.batch_id, judged.sender, judged.complete_until) == ("b1", "test", NOW)
    assert columns(judged.rows) == {
        "time": NOW,
        "loop_sensor": [0],
        "loop_time": [NOW / 10],
        "loop_on": [True],
        "frame_sensor": [1],
        "frame_time": [NOW / 10],
        "object_sensor": [1],
        "object_time": [NOW / 10],
        "object_lane": [2],
        "object_distance": [12.5],
        "object_speed": [3.25],
        "object_confidence": [0.75],
        **{name: [] for name in (*COUNT_COLUMNS, *TURN_COLUMNS)},
    }


@pytest.mark.parametrize(
    ("row", "code", "says"),
    [
        (LOOP | {"on": None}, "missing_value", "on is missing"),
        ({"kind": "frame", "sensor": "camera_n"}, "missing_value", "time_ms is missing"),
        (LOOP | {"on": 1}, "wrong_type", "on must be true"),
        (LOOP | {"time_ms": 1.5}, "wrong_type", "time_ms must be a whole number"),
        (LOOP | {"time_ms": 2**63}, "wrong_type", "time_ms must be a whole number"),
        (LOOP | {"sensor": ["loop_w"]}, "wrong_type", "sensor must be text"),
        (OBJECT | {"speed": "fast"}, "wrong_type", "speed must be a number"),
        (OBJECT | {"speed": True}, "wrong_type", "speed must be a number"),
        (3, "wrong_type", "kind must be text"),
        (LOOP | {"On": True}, "unknown_field", "the fields are kind, sensor"),
        (LOOP | {"kind": "pulse"}, "unknown_kind", '"loop", "frame", "object", "count" or "turn"'),
        (LOOP | {"sensor": "loop_x"}, "unknown_sensor", "'loop_x'"),
        (LOOP | {"sensor": "\ud800"}, "unknown_sensor", "no sensor"),
        (LOOP | {"sensor": "camera_n"}, "wrong_sensor_kind", "cameras frame and object"),
        (FRAME | {"sensor": "loop_w"}, "wrong_sensor_kind", "loops send loop"),
        (LOOP | {"time_ms": NOW_MS + 1001}, "time_in_future", "set the sensor's clock"),
        (LOOP | {"time_ms": NOW_MS - 600_001}, "time_too_old", "600 s are taken in at most"),
        (OBJECT | {"lane": "x_9"}, "unknown_lane", "'x_9'"),
        (OBJECT | {"lane": "w_0"}, "lane_out_of_sight", "does not see lane 'w_0'"),
        (OBJECT | {"distance": 200}, "impossible_value", "distance 200 m"),
        (OBJECT | {"distance": -101}, "impossible_value", "distance -101 m"),
        (OBJECT | {"speed": 10**400}, "impossible_value", "speed inf"),
        (OBJECT | {"confidence": 1.1}, "impossible_value", "confidence 1.1"),
        (COUNT | {"begin_ms": None}, "missing_value", "begin_ms is missing"),
        (COUNT | {"vehicles": None}, "missing_value", "vehicles is missing"),
        (COUNT | {"begin_ms": 0.5}, "wrong_type", "begin_ms must be a whole number"),
        (COUNT | {"queue": "long"}, "wrong_type", "queue must be a number"),
        (COUNT | {"sensor": "loop_w"}, "wrong_sensor_kind", "counters count"),
        (LOOP | {"sensor": "count_s"}, "wrong_sensor_kind", "loops send loop"),
        (FRAME | {"sensor": "camera_count_n"}, "wrong_sensor_kind", "cameras frame and object"),
        (COUNT | {"begin_ms": NOW_MS - 19_999}, "wrong_interval", "lasts 19.999 s; 20 to 300 s"),
        (COUNT | {"begin_ms": NOW_MS - 300_001}, "wrong_interval", "lasts 300.001 s"),
        (COUNT | {"begin_ms": NOW_MS + 60_000}, "wrong_interval", "lasts -60 s"),
        (COUNT | {"begin_ms": -(2**63)}, "wrong_interval", "20 to 300 s"),
        (COUNT | {"time_ms": NOW_MS + 1001}, "time_in_future", "set the sensor's clock"),
        (COUNT | {"time_ms": NOW_MS - 600_001}, "time_too_old", "600 s are taken in at most"),
        (LANE_COUNT | {"lane": None}, "unknown_lane", "no lane (none) here"),
        (LANE_COUNT | {"lane": "s_0"}, "lane_out_of_sight", "does not see lane 's_0'"),
        (COUNT | {"vehicles": 61}, "impossible_value", "vehicles 61"),
        (COUNT | {"vehicles": -1}, "impossible_value", "vehicles -1"),
        (COUNT | {"occupancy": 1.5}, "impossible_value", "occupancy 1.5"),
        (LANE_COUNT | {"queue": -2}, "impossible_value", "queue -2"),
        (TURN | {"to": None}, "missing_value", "to is missing"),
        (TURN | {"lane": None}, "missing_value", "lane is missing"),
        (TURN | {"to": 7}, "wrong_type", "to must be text: the road's id"),
        (TURN | {"sensor": "loop_w"}, "wrong_sensor_kind", "cameras of both kinds turn"),
        (TURN | {"sensor": "count_s"}, "wrong_sensor_kind", "cameras of both kinds turn"),
        (TURN | {"lane": "w_0"}, "lane_out_of_sight", "does not see lane 'w_0'"),
        (TURN | {"to": "north_pole"}, "unknown_road", "no road 'north_pole' here; there are 4"),
        (TURN | {"to": "e"}, "no_movement", "no movement leads from lane 'n_0' to road 'e'"),
        (TURN | {"begin_ms": NOW_MS - 19_999}, "wrong_interval", "lasts 19.999 s; 20 to 300 s"),
        (TURN | {"vehicles": 61}, "impossible_value", "vehicles 61: vehicles must lie within 0 and 1"),
        (TURN | {"vehicles": -1}, "impossible_value", "vehicles -1"),
    ],
)
def test_a_bad_row_gets_its_code_and_sentence_and_disturbs_nobody(row: Any, code: str, says: str) -> None:
    judged = judge_json([LOOP, row, OBJECT, FRAME])
    assert told(judged) == ["accepted", code, "accepted", "accepted"]
    (refused,) = json.loads(judged.verdicts)["refused"]
    assert refused["sentence"].startswith("row 1: ")
    assert says in refused["sentence"]
    assert columns(judged.rows) == columns(judge_json([LOOP, OBJECT, FRAME]).rows)


def test_counts_become_observations_of_their_intervals() -> None:
    judged = judge_json([COUNT | {"lane": "nowhere"}, LANE_COUNT])
    assert told(judged) == ["accepted"] * 2
    rows = columns(judged.rows)
    assert [rows[name] for name in COUNT_COLUMNS[:5]] == [
        [2, 3],
        [-1, 2],
        [NOW / 10 - 60] * 2,
        [NOW / 10] * 2,
        [9, 7],
    ]
    np.testing.assert_array_equal(judged.rows.count_occupancy, np.array([0.25, np.nan], np.float32))
    np.testing.assert_array_equal(judged.rows.count_queue, np.array([np.nan, 3], np.float32))


def test_turning_counts_of_both_kinds_of_cameras_become_observations() -> None:
    judged = judge_json([TURN, TURN | {"sensor": "camera_count_n", "vehicles": 2, "queue": -9}])
    assert told(judged) == ["accepted"] * 2
    rows = columns(judged.rows)
    assert [rows[name] for name in TURN_COLUMNS] == [
        [1, 3],
        [2, 2],
        [3, 3],
        [NOW / 10 - 60] * 2,
        [NOW / 10] * 2,
        [6, 2],
    ]
    assert judged.rows.turn_to.dtype == np.int32
    later = TURN | {"begin_ms": NOW_MS - 30_000, "vehicles": 1}
    assert told(judge_json([TURN, TURN, later, TURN | {"vehicles": 5}])) == [
        *("accepted", "duplicate", "overlapping_interval", "overlapping_interval")
    ]


def test_of_overlapping_intervals_the_one_that_begins_first_stays() -> None:
    def interval(begin: int, end: int, row: dict[str, Any] = COUNT) -> dict[str, Any]:
        return row | {"begin_ms": NOW_MS - 1000 * begin, "time_ms": NOW_MS - 1000 * end}

    rows = [interval(60, 0), interval(100, 30), interval(30, 0), interval(60, 0, LANE_COUNT), interval(160, 100)]
    assert told(judge_json(rows)) == ["overlapping_interval", "accepted", "accepted", "accepted", "accepted"]
    (refused,) = json.loads(judge_json(rows).verdicts)["refused"]
    assert "overlaps another one of sensor 'count_s'" in refused["sentence"]
    doubled = [COUNT, COUNT, COUNT | {"vehicles": 8}]
    assert told(judge_json(doubled)) == ["accepted", "duplicate", "overlapping_interval"]


def test_batches_stored_before_there_were_counts_are_read() -> None:
    judged = judge_json([LOOP, FRAME, OBJECT])
    about, rest = _taken_apart(judged.to_bytes())
    about["rows"] = {name: n for name, n in about["rows"].items() if not name.startswith(("count_", "turn_"))}
    again = Judged.from_bytes(_put_together(about, rest), judged.fingerprint)
    assert columns(again.rows) == columns(judged.rows)
    about["rows"].pop("loop_on")
    with pytest.raises(InputError, match="cannot be read"):
        Judged.from_bytes(_put_together(about, rest), judged.fingerprint)


def _taken_apart(packed: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and columns of a stored batch."""
    plain = pa.Codec("zstd").decompress(packed[4:], int.from_bytes(packed[:4], "little"), asbytes=True)
    head = 4 + int.from_bytes(plain[:4], "little")
    return json.loads(plain[4:head]), plain[head:]


def _put_together(about: dict[str, Any], rest: bytes) -> bytes:
    head = json.dumps(about).encode()
    plain = len(head).to_bytes(4, "little") + head + rest
    packed: bytes = len(plain).to_bytes(4, "little") + pa.Codec("zstd").compress(plain, asbytes=True)
    return packed


def test_limits_of_time_are_inclusive() -> None:
    edges = [LOOP | {"time_ms": NOW_MS + 1000}, LOOP | {"time_ms": NOW_MS - 600_000}]
    assert told(judge_json(edges)) == ["accepted", "accepted"]


def test_doubles_are_accepted_once() -> None:
    rows = [LOOP, OBJECT, LOOP, OBJECT | {"speed": 3.5}, OBJECT, FRAME, FRAME, LOOP | {"on": False}]
    assert told(judge_json(rows)) == [
        *("accepted", "accepted", "duplicate", "accepted", "duplicate", "accepted", "duplicate", "accepted")
    ]


@given(any_rows)
@settings(max_examples=80, deadline=None)
def test_json_and_arrow_say_the_same(rows: list[dict[str, Any]]) -> None:
    from_json = judge_json(rows)
    from_arrow = small_judge()(read_arrow(as_arrow(rows), LIMITS), NOW)
    assert told(from_arrow) == told(from_json)
    assert columns(from_arrow.rows) == columns(from_json.rows)


@given(any_rows, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_verdicts_do_not_depend_on_order_but_for_doubles(rows: list[dict[str, Any]], random: Any) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    before, after = told(judge_json(rows)), told(judge_json([rows[k] for k in order]))
    same = dict.fromkeys(("accepted", "duplicate", "overlapping_interval"), "fine")
    assert [same.get(before[k], before[k]) for k in order] == [same.get(code, code) for code in after]
    assert sorted(before) == sorted(after)


@given(any_rows)
@settings(max_examples=60, deadline=None)
def test_bad_rows_do_not_disturb_good_ones(rows: list[dict[str, Any]]) -> None:
    judged = judge_json(rows)
    good = [row for row, code in zip(rows, told(judged), strict=True) if code == "accepted"]
    assert columns(judge_json(good).rows) == columns(judged.rows)
    assert told(judge_json(good)) == ["accepted"] * len(good)


@given(any_rows, st.lists(st.integers(0, 30), max_size=3))
@settings(max_examples=60, deadline=None)
def test_merged_batches_are_one_batch(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(rows)]
    parts = [judge_json(rows[a:b]) for a, b in itertools.pairwise(edges)]
    assert columns(merge(parts, NOW)) == columns(merge([judge_json(rows)], NOW)) == columns(judge_json(rows).rows)


def test_merging_nothing_gives_an_empty_batch_of_the_right_types() -> None:
    empty, some = merge([], NOW), merge([judge_json([LOOP, FRAME, OBJECT])], NOW)
    types = {name: value.dtype for name, value in vars(some).items() if name != "time"}
    assert {name: value.dtype for name, value in vars(empty).items() if name != "time"} == types
    assert not any(len(value) for name, value in vars(empty).items() if name != "time")


@given(any_rows)
@settings(max_examples=50, deadline=None)
def test_what_is_stored_comes_back(rows: list[dict[str, Any]]) -> None:
    judged = judge_json(rows)
    again = Judged.from_bytes(judged.to_bytes(), judged.fingerprint)
    assert columns(again.rows) == columns(judged.rows)
    assert {n: v.dtype for n, v in vars(again.rows).items() if n != "time"} == {
        n: v.dtype for n, v in vars(judged.rows).items() if n != "time"
    }
    assert again.verdict.tolist() == judged.verdict.tolist()
    assert (again.header, again.verdicts) == (judged.header, judged.verdicts)


def test_a_damaged_store_is_told_from_a_foreign_one() -> None:
    judged = judge_json([LOOP, FRAME])
    packed = judged.to_bytes()
    for damaged in (b"", packed[:20], packed[:-1], b"\0" * 50, packed[:4] + b"\xff" * 20 + packed[24:]):
        with pytest.raises(InputError, match="cannot be read"):
            Judged.from_bytes(damaged, judged.fingerprint)
    with pytest.raises(InputError, match="other sensors or lanes"):
        Judged.from_bytes(packed, "sha256:another")
    foreign = Judged(judged.header, "sha256:another", judged.rows, judged.verdict, judged.verdicts)
    with pytest.raises(ContractError, match="different streets"):
        merge([judged, foreign], NOW)


@pytest.mark.parametrize("write", [write_json, write_arrow, lambda p: write_arrow(p, "zstd", plain_text=True)])
@pytest.mark.parametrize("kinds", ["lfo", "lo", "fo", "f", "", "cn", "lfocn", "oc", "n", "t", "lfocnt", "ct"])
def test_what_is_written_is_read(write: Any, kinds: str) -> None:
    rows = [{"l": LOOP, "f": FRAME, "o": OBJECT, "c": COUNT, "n": LANE_COUNT, "t": TURN}[kind] for kind in kinds]
    observed = judge_json(rows).rows
    post = post_of(Header("b1", "test", NOW), observed, counting_sensors(), small_network())
    body = write(post)
    read: Posted = (read_json if body.startswith(b"{") else read_arrow)(body, LIMITS)
    assert read.header == post.header
    assert columns(small_judge()(read, NOW).rows) == columns(observed)


def test_a_camera_may_see_a_lane_that_another_one_sees_too() -> None:
    sensors = small_sensors()
    both = type(sensors)(
        sensor_id=(*sensors.sensor_id, "camera_2"),
        kind=np.append(sensors.kind, sensors.kind[1]),
        lane=np.append(sensors.lane, np.int32(-1)),
        distance=np.append(sensors.distance, 80.0),
        cover_ptr=np.array([0, 0, 1, 3], dtype=np.int32),
        cover_lane=np.array([2, 2, 0], dtype=np.int32),
        cover_offset=np.zeros(3),
    )
    judge = type(small_judge())(both, small_network())
    rows = [OBJECT | {"sensor": s, "lane": l} for s in ("camera_n", "camera_2") for l in ("n_0", "w_0", "e_0")]
    codes = told(judge(read_json(as_json(rows), LIMITS), NOW))
    assert codes == ["accepted", *["lane_out_of_sight"] * 2, "accepted", "accepted", "lane_out_of_sight"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no JSON"),
        (b"[1]", "must be an object"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"rows":' * 50_000, "nested too deeply"),
        (as_json([LOOP]).replace(b"true", b"NaN"), "NaN is no number"),
        (as_json([LOOP]).replace(b"true", b"9" * 5000), "no JSON"),
        (as_json([LOOP])[:-5], "no JSON"),
        (as_json([LOOP], format="citybrain/plan/1"), '"format"'),
        (as_json([LOOP], batch_id=""), '"batch_id" must be'),
        (as_json([LOOP], batch_id="a b"), '"batch_id" must be'),
        (as_json([LOOP], sender="x" * 129), '"sender" must be'),
        (as_json([LOOP], complete_until=1.5), '"complete_until" must be'),
        (as_json([LOOP], complete_until=-1), '"complete_until" must be'),
        (as_json([LOOP], complete_until=True), '"complete_until" must be'),
        (as_json([LOOP], row=[]), "no field 'row'"),
        (b'{"format":"citybrain/observations/1","batch_id":"a","sender":"s","rows":{}}', '"rows" must be a list'),
    ],
)
def test_a_wrong_json_body_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(InputError, match="^(?s:.)*" + says.replace("(", r"\(")):
        read_json(body, LIMITS)


def test_bodies_beyond_the_limits_are_refused() -> None:
    small = Limits(json_bytes=300, arrow_bytes=3000, decoded_bytes=100, messages=2, rows=1)
    with pytest.raises(InputError, match="may have 300 bytes"):
        read_json(as_json([LOOP] * 10), small)
    with pytest.raises(InputError, match="may have 1 rows"):
        read_json(as_json([LOOP] * 2), small)
    with pytest.raises(InputError, match="may have 3000 bytes"):
        read_arrow(as_arrow([LOOP] * 100), small)
    with pytest.raises(InputError, match="100 bytes allowed"):
        read_arrow(as_arrow([LOOP] * 2), small)
    with pytest.raises(InputError, match="record batches"):
        read_arrow(stream(as_table([LOOP] * 3), chunk=1), Limits(messages=2))
    with pytest.raises(InputError, match="may have 1 rows"):
        read_arrow(as_arrow([LOOP] * 2), Limits(rows=1))


def test_arrow_comes_in_many_shapes() -> None:
    rows = [LOOP, OBJECT, FRAME, LOOP | {"sensor": "nobody"}, LOOP | {"sensor": None}]
    table = as_table(rows, complete_until=str(NOW))
    expected = small_judge()(read_arrow(stream(table), LIMITS), NOW)
    assert expected.complete_until == NOW
    text = {"kind", "sensor", "lane", "to"}

    def recast(kind: pa.DataType) -> pa.Table:
        fields = [field.with_type(kind) if field.name in text else field for field in table.schema]
        return table.cast(pa.schema(fields, table.schema.metadata))

    nothing = pa.BufferOutputStream()
    pa.ipc.new_stream(nothing, table.schema).close()
    assert told(small_judge()(read_arrow(nothing.getvalue().to_pybytes(), LIMITS), NOW)) == []
    shapes = [
        stream(table, "zstd"),
        stream(table, "lz4", chunk=2),
        stream(recast(pa.large_string()), chunk=1),
        stream(recast(pa.dictionary(pa.int8(), pa.string()))),
        stream(recast(pa.dictionary(pa.uint16(), pa.large_string())).slice(0), chunk=2),
        stream(table.select(["time_ms", "sensor", "confidence", "speed", "distance", "lane", "on", "kind"])),
    ]
    for body in shapes:
        judged = small_judge()(read_arrow(body, LIMITS), NOW)
        assert told(judged) == told(expected)
        assert columns(judged.rows) == columns(expected.rows)


def test_a_dictionary_may_change_between_record_batches() -> None:
    tables = [as_table([LOOP, row]) for row in (LOOP | {"sensor": "nobody"}, LOOP | {"on": False})]
    coded = [
        pa.record_batch(
            {
                name: table[name].combine_chunks().dictionary_encode()
                if name == "sensor"
                else table[name].combine_chunks()
                for name in FIELDS
            }
        ).replace_schema_metadata(table.schema.metadata)
        for table in tables
    ]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, coded[0].schema) as writer:
        for batch in coded:
            writer.write_batch(batch)
    judged = small_judge()(read_arrow(sink.getvalue().to_pybytes(), LIMITS), NOW)
    assert told(judged) == ["accepted", "unknown_sensor", "duplicate", "accepted"]


def test_a_dictionary_may_hold_nothing() -> None:
    table = as_table([LOOP, LOOP, LOOP])
    nameless = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array(["loop_w", None]))
    table = table.set_column(table.column_names.index("sensor"), "sensor", nameless)
    assert told(small_judge()(read_arrow(stream(table), LIMITS), NOW)) == [
        *("accepted", "missing_value", "missing_value")
    ]


def with_column(name: str, values: pa.Array) -> bytes:
    table = as_table([LOOP])
    if name not in table.column_names:
        return stream(table.append_column(name, values))
    return stream(table.set_column(table.column_names.index(name), name, values))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "no complete Arrow IPC stream"),
        (as_arrow([LOOP])[:-8], "no complete Arrow IPC stream"),
        (b"ARROW1\0\0" + as_arrow([LOOP]), "no sound Arrow IPC stream"),
        (with_column("plate", pa.array(["B-XY 1"])), "a column 'plate'"),
        (with_column("time_ms", pa.array([1.5])), "'time_ms' must be int64, found double"),
        (with_column("on", pa.array([1])), "'on' must be bool, found int64"),
        (with_column("speed", pa.array([1])), "'speed' must be float or double, found int64"),
        (with_column("sensor", pa.array([b"loop_w"])), "'sensor' must be text"),
        (with_column("sensor", pa.array([["loop_w"]])), "'sensor' must be text"),
        (with_column("speed", pa.array([{"mps": 1.0}])), "'speed' must be float"),
        (with_column("sensor", pa.array([None], pa.null())), "'sensor' must be text"),
        (stream(as_table([LOOP]).drop_columns(["sensor"])), "no column 'sensor'"),
        (stream(as_table([LOOP]).rename_columns(["on", *list(FIELDS)[1:]])), "each of these columns once"),
        (stream(as_table([LOOP]).replace_schema_metadata({})), '"format"'),
        (as_arrow([LOOP], complete_until="soon"), '"complete_until" must be'),
        (as_arrow([LOOP], batch_id="a b"), '"batch_id" must be'),
    ],
)
def test_a_wrong_arrow_body_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(InputError) as refused:
        read_arrow(body, LIMITS)
    assert says in str(refused.value)


def test_dictionary_numbers_beyond_the_dictionary_are_refused() -> None:
    lying = pa.DictionaryArray.from_arrays(pa.array([7], pa.int32()), pa.array(["loop_w"]), safe=False)
    with pytest.raises(InputError, match="no sound Arrow IPC stream"):
        read_arrow(with_column("sensor", lying), LIMITS)


def test_text_that_is_no_utf8_is_refused() -> None:
    body = as_arrow([LOOP]).replace(b"loop_w", b"loop\xff\xfe")
    with pytest.raises(InputError, match="no sound Arrow IPC stream"):
        read_arrow(body, LIMITS)


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.sampled_from([0.0, -0.0, 1.5])), max_size=40))
@settings(deadline=None)
def test_doubles_are_found_exactly(rows: list[tuple[int, bool, float]]) -> None:
    table: list[Any] = [
        np.array([row[k] for row in rows], dtype=kind) for k, kind in enumerate((np.int64, np.bool_, np.float32))
    ]
    first = first_of_equals(table)
    expected = [row not in rows[:n] for n, row in enumerate(rows)]
    assert (expected if first is None else first.tolist()) == expected


def test_names_may_lie_in_a_buffer_of_any_length() -> None:
    names = names_array(["loop_w", "x"])
    _, offsets, data = names.buffers()
    odd = pa.py_buffer(offsets.to_pybytes()[:12] + b"!")
    assert NameTable(["x", "loop_w"]).find(pa.StringArray.from_buffers(2, odd, data)).tolist() == [1, 0, -1]


def test_names_whose_hashes_meet_are_told_apart() -> None:
    offset = np.array([0, 5, 10, 15], dtype=np.int32)
    words = np.zeros(5, dtype=np.uint32)
    words.view(np.uint8)[:15] = np.frombuffer(b"road1road2road1", dtype=np.uint8)
    entry = (7 << 32) | 0
    assert name_kernel.is_name(entry, 7, words, 10, 15, offset, words)
    assert not name_kernel.is_name(entry, 7, words, 5, 10, offset, words)
    assert not name_kernel.is_name(entry, 8, words, 10, 15, offset, words)


def test_rows_whose_hashes_meet_are_no_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citybrain.intake.doubles._hash", lambda columns: np.zeros(len(columns[0]), dtype=np.uint64))
    assert first_of_equals([np.array([3, 1, 2])]) is None
    first = first_of_equals([np.array([3, 1, 3, 1, 1])])
    assert first is not None
    assert first.tolist() == [True, True, False, False, False]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float32(), pa.float64(), pa.bool_()], ids=str)
@given(cut=st.integers(0, 20), rng_number=st.integers(0, 5))
@settings(deadline=None, max_examples=20)
def test_values_that_are_missing_are_zero_wherever_a_column_begins(
    kind: pa.DataType, cut: int, rng_number: int
) -> None:
    rng = generator(rng_number, "missing")
    values = pa.array(rng.integers(-1, 2, 40)).cast(kind)
    column = pa.array(values.to_numpy(zero_copy_only=False), kind, mask=rng.random(40) < 0.4).slice(cut)
    name = {pa.int64(): "time_ms", pa.bool_(): "on"}.get(kind, "speed")
    for chunks in ([column], [column, column.slice(3)], [column.slice(0, 0)], [pa.nulls(9, kind)]):
        read = _plain(name, pa.chunked_array(chunks, kind))
        told = pa.chunked_array(chunks, kind).to_pylist()
        absent = np.zeros(len(told), np.bool_) if read.absent is None else read.absent
        assert absent.tolist() == [value is None for value in told]
        assert read.values.tolist() == [value or 0 for value in told]


texts = st.lists(st.text(max_size=4) | st.text("ab", min_size=3, max_size=13), max_size=20)


@given(texts, texts)
@settings(deadline=None)
def test_names_are_found_as_a_dictionary_finds_them(table: list[str], others: list[str]) -> None:
    names = others + table[::2]
    found = NameTable(table).find(names_array(names))
    assert found.tolist() == [*slow_names.look_up(names, table), -1]
    middle = names_array(["x", *names, "y"]).slice(1, len(names))
    assert NameTable(table).find(middle).tolist() == found.tolist()
