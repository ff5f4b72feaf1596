"""A run is measured whole, recorded the same every time, and fails with one clear message."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from citybrain.errors import InputError, ProfileError, ScenarioError
from citybrain.record_tables import ENGINE_TABLES, TABLES
from citybrain_api.cli import app
from citybrain_sim.comparison import Comparison, compare, plan_runs
from citybrain_sim.runs import ORACLE_NOTE, RunSpec
from citybrain_sim.site import check_specs
from tests.conftest import ROOT
from tests.small_street import BEGIN_S, END_S, write_street

pytestmark = pytest.mark.sumo


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("street")


@pytest.fixture(scope="module")
def runs(place: Path) -> Comparison:
    """Run the planner twice, and a controller of SUMO's own."""
    config = str(write_street(place / "cross"))
    specs = [
        RunSpec(config, "planner", seed=1, out=place / "a"),
        RunSpec(config, "planner", seed=1, out=place / "b"),
        RunSpec(config, "sumo-actuated", seed=1, out=place / "a"),
    ]
    return compare(specs, jobs=2)


def test_all_runs_finish(runs: Comparison) -> None:
    assert runs.failures == ()
    assert [run.controller for run in runs.runs] == ["planner", "planner", "sumo-actuated"]


def test_everyone_due_is_counted(runs: Comparison) -> None:
    for run in runs.runs:
        assert run.loaded == run.arrived + run.running + run.not_inserted
        assert run.loaded >= 80
        assert 0.0 < run.delay_s < 200.0
        assert run.pedestrian_delay_s >= 0.0


def test_same_seed_same_bytes(runs: Comparison) -> None:
    first, second = (Path(run.folder) for run in runs.runs[:2])
    for name in TABLES:
        assert (first / f"{name}.parquet").read_bytes() == (second / f"{name}.parquet").read_bytes(), name


def test_the_folder_tells_the_whole_run(runs: Comparison) -> None:
    folder = Path(runs.runs[0].folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["spec"]["controller"] == "planner"
    assert manifest["sumo"].startswith("SUMO 1.")
    assert set(manifest["files"]) == {"x.net.xml", "x.rou.xml", "x.sumocfg"}
    assert (manifest["begin_s"], manifest["end_s"]) == (BEGIN_S, END_S)
    assert json.loads((folder / "timings.json").read_text()).keys() == {"C"}
    ticks = pq.read_table(folder / "measures.parquet")["time"].to_pylist()
    assert ticks == [float(t) for t in range(BEGIN_S, END_S + 1)]
    movements = pq.read_table(folder / "movements.parquet").to_pydict()
    served = dict(
        zip(zip(movements["from_road"], movements["to_road"], strict=True), movements["vehicles"], strict=True)
    )
    assert served["NC", "CS"] > 10
    assert not (folder / "failed.json").exists()


def test_sumo_controllers_run_without_our_engine(runs: Comparison) -> None:
    run = runs.runs[2]
    assert run.engine_time_s == 0.0
    assert run.sensors == "none"
    assert not (Path(run.folder) / "states.parquet").exists()
    assert (Path(run.folder) / "tripinfo.xml").exists()


def test_every_run_has_its_events_measured(runs: Comparison) -> None:
    for run in runs.runs:
        folder = Path(run.folder)
        phases = pq.read_table(folder / "phases.parquet").to_pylist()
        assert sum(row["cycles"] for row in phases) > 8
        assert all(0.0 < row["green_ratio"] < 1.0 for row in phases)
        assert all(row["roads"] for row in phases)
        ends = sum(row["force_offs"] + row["max_outs"] for row in phases)
        seen = [row["arrivals"] for row in phases]
        if run.controller == "planner":
            reds = [row["longest_red"] for row in phases]
            reds += pq.read_table(folder / "crossings.parquet")["longest_red"].to_pylist()
            assert max(reds) == pytest.approx(run.longest_red_s, abs=1.0), "the same to a tick"
            assert (
                ends
                == sum(row["cycles"] for row in phases) - pq.read_table(folder / "cycles.parquet")["yellow"].null_count
            )
            assert sum(seen) >= run.loaded - run.not_inserted - 20
        else:
            assert ends == 0, "a controller of SUMO's own does not tell why"
            assert seen == [None] * len(phases)


def test_no_second_of_delay_is_lost_between_the_tables(runs: Comparison) -> None:
    for run in runs.runs:
        folder = Path(run.folder)
        trips = pq.read_table(folder / "trips.parquet")
        assert trips.num_rows == run.loaded
        everything = pc.sum(trips["delay"]).as_py()
        for name in ("movements", "approaches", "intersections"):
            table = pq.read_table(folder / f"{name}.parquet").to_pylist()
            lost = sum(row["vehicles"] * row["mean_delay"] for row in table if row["vehicles"])
            assert lost == pytest.approx(everything, rel=1e-3), "every vehicle passes the signal"
        assert pc.sum(trips["co2"]).as_py() / 1000.0 == pytest.approx(run.co2_kg)
        assert 100.0 < 1000.0 * run.co2_kg / run.distance_km < 1000.0, "grams per kilometre"
        assert 1.0 < run.travel_time_index < 10.0
        assert run.delay_s <= run.p85_delay_s <= run.longest_delay_s


def test_who_never_came_in_counts_for_the_signal_before_them(place: Path) -> None:
    config = str(write_street(place / "full"))
    done = compare([RunSpec(config, "sumo-actuated", seed=1, demand=5.0, out=place / "d")])
    assert done.failures == ()
    (run,) = done.runs
    assert run.not_inserted > 50
    movements = pq.read_table(Path(run.folder) / "movements.parquet").to_pylist()
    lost = sum(row["vehicles"] * row["mean_delay"] for row in movements if row["vehicles"])
    trips = pq.read_table(Path(run.folder) / "trips.parquet")
    # SUMO does not yet count those as waiting who became due in the last step
    assert lost == pytest.approx(pc.sum(trips["delay"]).as_py(), rel=1e-3)


def test_the_command_tells_of_a_run_as_of_a_log(runs: Comparison) -> None:
    for run in runs.runs:
        done = CliRunner().invoke(app, ["events", run.folder, "--json"])
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert told["phases"] == pq.read_table(Path(run.folder) / "phases.parquet").to_pylist()
        assert [row["level"] in set("ABCDEF") for row in told["intersections"]] == [True]
        assert "Intersections" in CliRunner().invoke(app, ["events", run.folder]).stdout
    refused = CliRunner().invoke(app, ["events", runs.runs[0].folder, "--detectors", "d.parquet"])
    assert refused.exit_code == 2
    assert "has its own detectors" in refused.stderr


def recompute(folder: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "benchmarks" / "recompute_delay.py"
    return subprocess.run([sys.executable, script, folder], capture_output=True, text=True, check=False)


def test_delay_is_what_tripinfo_says(runs: Comparison, place: Path) -> None:
    assert runs.runs
    answer = recompute(place / "a")
    assert answer.returncode == 0, answer.stdout
    assert "2 of 2 runs agree" in answer.stdout


def test_a_wrong_figure_is_found(runs: Comparison, place: Path) -> None:
    path = Path(runs.runs[1].folder) / "result.json"
    text = path.read_text()
    document = json.loads(text)
    document["run"]["delay_s"] += 0.02
    path.write_text(json.dumps(document))
    answer = recompute(place / "b")
    path.write_text(text)
    assert answer.returncode == 1
    assert "DIFFERS" in answer.stdout


def test_sumo_dying_in_mid_run_leaves_one_message_and_readable_tables(place: Path) -> None:
    config = str(write_street(place / "broken", broken=True))
    comparison = compare(plan_runs([config], ["fixed"], [1], out=place / "c"))
    assert comparison.runs == ()
    ((spec, message),) = comparison.failures
    assert "nowhere" in message
    assert "Traceback" not in message
    assert json.loads((spec.folder / "failed.json").read_text())["message"] == message
    assert not (spec.folder / "result.json").exists()
    assert pq.read_table(spec.folder / "states.parquet").num_rows > 0
    assert all(pq.read_table(spec.folder / f"{name}.parquet") is not None for name in ENGINE_TABLES)


def test_all_faults_of_a_request_come_at_once() -> None:
    spec = RunSpec(
        "district", "brain", seed=-1, instance=-2, sensors="eyes", profile="fast", demand=0.0, protocol="new"
    )
    with pytest.raises(InputError) as caught:
        check_specs([spec])
    for word in ("brain", "-1", "-2", "eyes", "fast", "demand factor 0", "new"):
        assert word in str(caught.value)


def test_the_kind_of_error_says_what_is_wrong() -> None:
    with pytest.raises(ProfileError, match="eyes"):
        check_specs([RunSpec("district", "fixed", sensors="eyes")])
    with pytest.raises(ScenarioError, match="distrct"):
        check_specs([RunSpec("distrct", "fixed")])


def test_the_oracle_always_sees_perfectly_and_says_so() -> None:
    spec = RunSpec("district", "oracle", sensors="loops")
    assert spec.sight == "ideal"
    assert "ideal" in spec.folder.name
    assert "yardstick" in ORACLE_NOTE


def test_folders_tell_runs_apart() -> None:
    specs = [
        RunSpec("district", "fixed"),
        RunSpec("district", "fixed", seed=1),
        RunSpec("district", "fixed", instance=1),
        RunSpec("district", "fixed", demand=1.2),
        RunSpec("district", "fixed", protocol="classic"),
        RunSpec("district", "fixed", sensors="loops"),
        RunSpec("district", "fixed", profile="own"),
        RunSpec("district", "fixed", sumo_binary=Path("sumo")),
        RunSpec("a/x.sumocfg", "fixed"),
        RunSpec("b/x.sumocfg", "fixed"),
    ]
    assert len({spec.folder for spec in specs}) == len(specs)


def test_a_request_survives_its_document() -> None:
    spec = RunSpec("district", "planner", 3, 2, "loops", "own", 1.5, "classic", Path("o"), Path("/bin/sumo"))
    assert RunSpec.from_document(json.loads(json.dumps(spec.document())), Path("o")) == spec
