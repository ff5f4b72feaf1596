"""The record is complete, readable, the same every time, and its page is current."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from citybrain.decisions import PLAN_LENGTH, Command, LampState, Rule, Wish
from citybrain.documents import network_document, read_sensors, sensors_document, write_json
from citybrain.randomness import generator
from citybrain.record_tables import ENGINE_TABLES, TABLES, page
from citybrain.records import TICKS_PER_ROW_GROUP, Recorder
from citybrain.state import HORIZON, TrafficState
from tests.conftest import ROOT
from tests.small_world import random_batch, small_network, small_sensors, small_signals


def random_state(time: int, rng: np.random.Generator) -> TrafficState:
    def some(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return rng.random(shape).astype(np.float32)

    return TrafficState(
        time,
        vehicles=some(4),
        queue=some(4),
        back_of_queue=some(4),
        room=some(4),
        flow=some(4),
        occupancy=some(4),
        arrivals=some(2, HORIZON),
        spill=some(2),
        head_wait=some(2),
        blocked=rng.random(2) < 0.5,
        discharge=some(2),
        turn_share=some(2),
        counted_share=some(2),
        confidence=some(4),
        age=some(4),
    )


def some_command(time: int, row: int, char: str, *, changed: bool, rules: int = 0) -> Command:
    lamps = LampState(
        time,
        np.array([row], np.int32),
        np.array([False]),
        np.zeros(1, np.int64),
        np.zeros(2, np.uint8),
        np.zeros(2, np.int64),
    )
    return Command(
        time,
        lamps,
        np.frombuffer(char.encode(), np.uint8),
        np.array([changed]),
        np.zeros(rules, np.int32),
        np.full(rules, -1, np.int32),
        np.full(rules, Rule.COMMITTED, np.uint8),
    )


def some_wish(time: int) -> Wish:
    wish = Wish.now(time, np.array([2], np.int32))
    wish.plan_row[0, 1:3] = (0, 2)
    wish.plan_start[0, 1:3] = (time + 55, time + 300)
    return wish


def record(folder: Path, ticks: int = TICKS_PER_ROW_GROUP + 20) -> None:
    rng = generator(3, "records")
    recorder = Recorder(folder, small_network(), small_signals(), small_sensors())
    for k in range(ticks):
        time = 10 * k
        shown = "Gr" if k < 200 else "rG"
        command = some_command(time, 0 if k < 200 else 2, shown, changed=k in (0, 200), rules=k % 2)
        recorder.tick(random_batch(time, rng), random_state(time, rng), some_wish(time), command)
        recorder.drain()
    recorder.truth(60.0, 3, 2, 1, float("nan"))
    recorder.close()
    recorder.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run")
    record(path)
    return path


def test_every_table_has_its_documented_columns(folder: Path) -> None:
    for name in ENGINE_TABLES:
        assert pq.read_schema(folder / f"{name}.parquet").names == TABLES[name].schema.names


def test_equal_runs_write_equal_bytes(folder: Path, tmp_path: Path) -> None:
    record(tmp_path)
    for name in ENGINE_TABLES:
        assert (folder / f"{name}.parquet").read_bytes() == (tmp_path / f"{name}.parquet").read_bytes(), name


def test_states_cover_every_tick_and_stop_line_lane(folder: Path) -> None:
    states = pq.read_table(folder / "states.parquet")
    assert states.num_rows == 2 * (TICKS_PER_ROW_GROUP + 20)
    assert states["lane"].to_pylist()[:4] == ["w_0", "n_0", "w_0", "n_0"]
    assert states["time"].to_pylist()[-1] == float(TICKS_PER_ROW_GROUP + 19)


def test_observations_keep_every_row_exactly(folder: Path) -> None:
    rng = generator(3, "records")
    recorded = pq.read_table(folder / "observations_objects.parquet").to_pydict()
    seen: list[tuple[float, str | None, float]] = []
    for k in range(TICKS_PER_ROW_GROUP + 20):
        batch = random_batch(10 * k, rng)
        random_state(10 * k, rng)
        lanes = ["n_0" if lane == 2 else None for lane in batch.object_lane]
        seen.extend(zip([float(k)] * len(lanes), lanes, batch.object_distance.tolist(), strict=True))
    assert seen == list(zip(recorded["arrived"], recorded["lane"], recorded["distance"], strict=True))


def test_wishes_keep_what_they_foretell(folder: Path) -> None:
    first = pq.read_table(folder / "wishes.parquet").slice(1, 1).to_pylist()[0]
    assert first["intersection"] == "c"
    assert (first["row"], first["start"]) == (2, 1.0)
    assert (first["next_rows"], first["next_starts"]) == ([0, 2], [6.5, 31.0])
    assert len(first["next_rows"]) < PLAN_LENGTH


def test_commands_are_the_first_and_the_changes(folder: Path) -> None:
    commands = pq.read_table(folder / "commands.parquet").to_pydict()
    assert commands["time"] == [0.0, 200.0]
    assert commands["lamps"] == ["Gr", "rG"]
    assert commands["intersection"] == ["c", "c"]


def test_bent_wishes_are_named(folder: Path) -> None:
    bent = pq.read_table(folder / "bent.parquet").to_pydict()
    assert len(bent["rule"]) == (TICKS_PER_ROW_GROUP + 20) // 2
    assert set(bent["rule"]) == {"committed"}
    assert set(bent["group"]) == {-1}


def test_turn_shares_every_minute(folder: Path) -> None:
    times = pq.read_table(folder / "turn_shares.parquet")["time"].to_pylist()
    assert times == [t for minute in (0.0, 60.0, 120.0, 180.0, 240.0, 300.0) for t in (minute, minute)]


def test_a_run_without_ticks_leaves_readable_tables(tmp_path: Path) -> None:
    Recorder(tmp_path, small_network(), small_signals(), small_sensors()).close()
    assert all(pq.read_table(tmp_path / f"{name}.parquet").num_rows == 0 for name in ENGINE_TABLES)


def test_sensors_survive_their_document() -> None:
    sensors = small_sensors()
    back = read_sensors(json.loads(json.dumps(sensors_document(sensors))))
    for name in vars(sensors):
        assert np.array_equal(getattr(back, name), getattr(sensors, name))
        assert getattr(getattr(back, name), "dtype", None) == getattr(getattr(sensors, name), "dtype", None)


def test_network_document_says_what_rows_show() -> None:
    crossing = network_document(small_network(), small_signals())["intersections"][0]
    assert [row["aspects"] for row in crossing["rows"]] == ["Gr", "yr", "rG", "ry"]
    assert crossing["groups"][1]["movements"] == [["n_0", "s_0"]]
    assert crossing["stop_line_lanes"] == ["w_0", "n_0"]


def test_json_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}


def test_the_page_of_the_records_is_current() -> None:
    written = (ROOT / "docs" / "records.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m citybrain.record_tables docs/records.md"
