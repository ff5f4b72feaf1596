"""The list of sensors, over HTTP and on the command line; and the estimator behind the examination."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from citybrain.health.estimator import WatchfulEstimator
from citybrain.live.memory import recall, remember
from citybrain.observations import ObservationBatch, SensorKind
from citybrain.state import TrafficState
from citybrain_api.cli import app
from tests.http_world import serving
from tests.sensor_street import ADVANCE, ALL, STOP, Traffic, street_lamps, street_sensors, with_loops, without_loops
from tests.small_world import small_network, small_signals

START = 1200


def estimator(kinds: tuple[SensorKind, ...]) -> WatchfulEstimator:
    return WatchfulEstimator(small_network(), small_signals(), street_sensors(kinds))


def traffic(kinds: tuple[SensorKind, ...], end: int) -> list[ObservationBatch]:
    return list(Traffic(lambda _lane, _time: 0.12, end, kinds).batches())


def stuck_on(batch: ObservationBatch, x: int) -> ObservationBatch:
    left = without_loops(batch, batch.loop_sensor == x)
    return with_loops(left, [(x, START - 0.5, True)]) if batch.time == 10 * START else left


def test_sick_loop_lowers_confidence_and_the_estimate_goes_on() -> None:
    watchful = estimator(ALL)
    before: TrafficState | None = None
    for batch in traffic(ALL, 2400):
        time = batch.time // 10
        state = watchful.update(stuck_on(batch, 1) if time >= START else batch, street_lamps(time))
        before = state if time == START - 1 else before
    assert before is not None
    told = watchful.opinion().documents(origin_s=100.0)
    assert (told[1]["status"], told[1]["fault"], told[1]["lanes"]) == ("sick", "stuck on", ["w_0"])
    assert told[1]["since_s"] > START + 100
    assert told[1]["substitute"] == "the camera of the lane"
    assert state.confidence[0] < before.confidence[0] - 0.01
    assert state.confidence[2] == pytest.approx(float(before.confidence[2]), abs=0.05)
    assert state.queue[0] < 12, "no queue is built of a loop that is stuck"
    assert all(np.isfinite(value).all() for name, value in vars(state).items() if name != "time")
    assert [change["status"] for change in watchful.changes()] == ["suspect", "sick"]
    json.dumps(told, allow_nan=False)


def test_usual_flow_stands_in_for_the_only_loop_at_the_edge() -> None:
    watchful = estimator((ADVANCE,))
    vehicles = []
    for batch in traffic((ADVANCE,), 4800):
        time = batch.time // 10
        seen = batch if time < START else without_loops(batch, batch.loop_on & (batch.loop_sensor == 0))
        vehicles.append(float(watchful.update(seen, street_lamps(time)).flow[0]))
    told = watchful.opinion().documents()[0]
    assert (told["fault"], told["substitute"]) == ("stuck off", "the usual flow of the hour")
    assert told["made_up"] > 30
    assert np.mean(vehicles[-600:]) == pytest.approx(0.12, rel=0.35)


def test_wrong_clock_is_set_right() -> None:
    watchful, well = estimator((STOP, ADVANCE)), estimator((STOP, ADVANCE))
    for batch in traffic((STOP, ADVANCE), 2700):
        time = batch.time // 10
        shift = np.where((batch.loop_sensor == 1) & (time >= START), -8.0, 0.0)
        state = watchful.update(replace(batch, loop_time=batch.loop_time + shift), street_lamps(time))
        expected = well.update(batch, street_lamps(time))
    told = watchful.opinion().documents()[1]
    assert (told["fault"], told["substitute"]) == ("wrong clock", "its own rows, their times set right")
    assert state.vehicles[0] == pytest.approx(float(expected.vehicles[0]), abs=2.0)


def test_goes_on_from_a_checkpoint_as_if_nothing_had_been() -> None:
    one, other = estimator((ADVANCE,)), estimator((ADVANCE,))
    for batch in traffic((ADVANCE,), 2600):
        time = batch.time // 10
        seen = batch if time < START else without_loops(batch, batch.loop_on & (batch.loop_sensor == 0))
        state = one.update(seen, street_lamps(time))
        if time == 2300:
            recall(other, remember(one))
        if time > 2300:
            again = other.update(seen, street_lamps(time))
            assert all(np.array_equal(value, vars(again)[name]) for name, value in vars(state).items())
    assert one.opinion().documents() == other.opinion().documents()


def test_sensors_over_http(tmp_path: Path) -> None:
    with serving(tmp_path) as world:
        world.tick(3)
        answer = world.get("reader", "/v1/sensors")
        assert answer.status_code == 200
        told = answer.json()
        assert [sensor["sensor"] for sensor in told["sensors"]] == ["loop_w", "camera_n"]
        assert {sensor["status"] for sensor in told["sensors"]} == {"well"}
        assert told["sensors"][1]["lanes"] == ["n_0"]
        assert world.get("controller", "/v1/sensors").status_code == 403


def sensor(status: str, fault: str | None) -> dict[str, object]:
    return {
        "sensor": f"loop {status}",
        "kind": "stop_loop",
        "lanes": ["w_0"],
        "distance_m": 2.0,
        "status": status,
        "fault": fault,
        "since_s": 12.0,
        "reason": "Because.",
        "substitute": None,
    }


@pytest.mark.parametrize(("statuses", "code"), [(["well", "suspect"], 0), (["well", "sick"], 1)])
def test_list_of_a_run(tmp_path: Path, statuses: list[str], code: int) -> None:
    found = [sensor(status, None if status == "well" else "chatter") for status in statuses]
    (tmp_path / "sensor_health.json").write_text(json.dumps({"sensors": found, "changes": []}), encoding="utf-8")
    answer = CliRunner().invoke(app, ["sensors", str(tmp_path)])
    assert answer.exit_code == code
    assert answer.output.index(f"loop {statuses[1]}") < answer.output.index("loop well"), "the sick come first"
    answer = CliRunner().invoke(app, ["sensors", str(tmp_path), "--json"])
    assert answer.exit_code == code
    assert json.loads(answer.stdout) == {"sensors": found}


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["sensors", str(tmp_path)])
    assert answer.exit_code == 2
    assert "name the folder of a finished run" in answer.output
