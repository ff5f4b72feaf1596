"""A recording played back to a new engine gives the same states and wishes, bit for bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from citybrain.documents import sensors_document, write_json
from citybrain.errors import InputError
from citybrain.randomness import generator
from citybrain.records import Recorder
from citybrain_sim.comparison import compare, plan_runs
from citybrain_sim.replay import ReplayPlant, replay
from tests.small_street import write_street
from tests.small_world import random_batch, small_network, small_sensors, small_signals
from tests.test_records import random_state, some_command, some_wish

LANES, ROADS = small_network().lane_id, small_network().edge_id


def record(folder: Path, ticks: int) -> None:
    rng = generator(5, "replay")
    recorder = Recorder(folder, small_network(), small_signals(), small_sensors())
    for time in range(1000, 1000 + 10 * ticks, 10):
        batch = random_batch(time, rng)
        recorder.tick(batch, random_state(time, rng), some_wish(time), some_command(time, 0, "Gr", changed=False))
        recorder.drain()
    recorder.close()
    write_json(folder / "sensors.json", sensors_document(small_sensors()))


def test_batches_come_back_exactly(tmp_path: Path) -> None:
    record(tmp_path, 700)
    plant = ReplayPlant(tmp_path, LANES, ROADS)
    rng = generator(5, "replay")
    for time in range(1000, 8000, 10):
        expected = random_batch(time, rng)
        random_state(time, rng)
        batch = plant.observe()
        assert batch is not None
        for name, column in vars(expected).items():
            found = getattr(batch, name)
            assert np.array_equal(found, column), (time, name)
            assert np.asarray(found).dtype == np.asarray(column).dtype, name
    assert plant.observe() is None
    assert plant.sensors.sensor_id == small_sensors().sensor_id


def test_a_recording_of_another_network_is_refused(tmp_path: Path) -> None:
    record(tmp_path, 50)
    with pytest.raises(InputError, match="'w_0' is not in this network"):
        ReplayPlant(tmp_path, ("other",), ROADS)


@pytest.mark.parametrize("file", ["sensors.json", "measures.parquet", "observations_loops.parquet"])
def test_a_folder_without_a_recording_is_named(tmp_path: Path, file: str) -> None:
    record(tmp_path, 2)
    (tmp_path / file).unlink()
    with pytest.raises(InputError, match=file):
        ReplayPlant(tmp_path, LANES, ROADS)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("replay")
    config = str(write_street(place / "cross"))
    comparison = compare(plan_runs([config], ["planner"], [1], out=place / "out"))
    assert comparison.failures == ()
    return Path(comparison.runs[0].folder)


@pytest.mark.sumo
def test_replay_repeats_the_run(run: Path) -> None:
    report = replay(run)
    assert report.difference is None
    assert report.ticks == 241


@pytest.mark.sumo
def test_replay_finds_the_first_difference(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tampered"
    shutil.copytree(run, folder)
    table = pq.read_table(folder / "states.parquet")
    column = table.column_names.index("queue")
    changed = pc.if_else(pc.equal(table["time"], 200.0), pa.scalar(99.0, pa.float32()), table["queue"])
    pq.write_table(table.set_column(column, "queue", changed), folder / "states.parquet")
    report = replay(folder)
    assert report.difference is not None
    assert "states" in report.difference
    assert "time 200.0" in report.difference
    assert "queue was 99.0" in report.difference


@pytest.mark.sumo
def test_replay_refuses_what_it_cannot_repeat(run: Path, tmp_path: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    write_json(tmp_path / "manifest.json", {**manifest, "tables": "others"})
    with pytest.raises(InputError, match="network has changed"):
        replay(tmp_path)
    write_json(tmp_path / "manifest.json", {**manifest, "spec": {**manifest["spec"], "controller": "sumo-actuated"}})
    with pytest.raises(InputError, match="without our engine"):
        replay(tmp_path)
