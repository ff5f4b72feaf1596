"""A suite runs, resumes, keeps one table, and comes to the same on a cluster of two workers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import LocalCluster

from citybrain.errors import InputError
from citybrain_sim.bench.cluster import run_on_cluster
from citybrain_sim.bench.results import read_table, without_times, write_table
from citybrain_sim.bench.run import foretell, read_results, run_suite
from citybrain_sim.bench.suite_files import find_suite
from citybrain_sim.bench.suites import Plan, Suite, narrow, plan
from citybrain_sim.bench.tables import make_table
from citybrain_sim.workers import RunEvent
from tests.small_street import write_street


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    write_street(folder / "cross")
    return folder


@pytest.fixture(scope="module")
def suite(maps: Path) -> Suite:
    return narrow(find_suite(str(maps)), controllers=["fixed", "sumo-actuated"], seeds=[1, 2], instances=1)


@pytest.fixture(scope="module")
def home(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the suite, run here."""
    out = tmp_path_factory.mktemp("out") / suite.name
    comparison = run_suite(suite, plan(suite, out), out, 1)
    assert not comparison.failures
    return out


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:  # type: ignore[no-untyped-call]  # it is typed in part
        yield cluster


@pytest.mark.sumo
def test_a_folder_of_maps_becomes_one_table_with_a_manifest(home: Path, suite: Suite) -> None:
    runs = read_table(home)
    assert [(run.result.controller, run.result.seed) for run in runs] == [
        ("fixed", 1),
        ("fixed", 2),
        ("sumo-actuated", 1),
        ("sumo-actuated", 2),
    ]
    assert all((home / run.result.folder / "result.json").is_file() for run in runs)
    assert all(run.code and run.result.sumo.startswith("SUMO ") for run in runs)
    assert all(run.movements.vehicles.sum() > 0 for run in runs)
    manifest = json.loads((home / "manifest.json").read_text())
    assert (manifest["runs"], manifest["failed"], manifest["left_out"]) == (4, [], {})
    assert manifest["suite"] == json.loads(json.dumps(suite.document()))
    results, tables = read_results(home)
    assert results.name == suite.name
    for name in tables:
        assert make_table(name, results) or name in {"measures", "losers", "precision"}


@pytest.mark.sumo
def test_what_is_finished_is_not_run_again_and_the_forecast_knows(home: Path, suite: Suite) -> None:
    stamps = {file: file.stat().st_mtime_ns for file in home.rglob("result.json")}
    more = narrow(suite, seeds=[1, 2, 3])
    planned = plan(more, home)
    forecast = foretell(planned)
    assert (forecast.runs, forecast.finished, forecast.known, forecast.unknown) == (6, 4, 2, {})
    assert forecast.seconds > 0
    assert foretell(planned, fresh=True).known == 6
    events: list[RunEvent] = []
    run_suite(suite, plan(suite, home), home, 1, events.append)
    assert {file: file.stat().st_mtime_ns for file in home.rglob("result.json")} == stamps
    assert all(event.result is not None for event in events)


@pytest.mark.sumo
def test_results_of_other_code_are_run_again(home: Path, suite: Suite, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(home, copy)
    for file in copy.rglob("result.json"):
        file.write_text(file.read_text().replace('"code": "', '"code": "0'))
    assert foretell(plan(suite, copy)).finished == 0
    assert foretell(plan(suite, tmp_path / "empty")).unknown == {plan(suite, copy).specs[0].scenario_label: 4}


@pytest.mark.sumo
def test_a_cluster_comes_to_the_same(home: Path, suite: Suite, cluster: LocalCluster, tmp_path: Path) -> None:
    events: list[RunEvent] = []
    planned = plan(suite, tmp_path)
    comparison = run_suite(
        suite,
        planned,
        tmp_path,
        on_event=events.append,
        cluster=lambda specs, note: run_on_cluster(cluster.scheduler_address, specs, note),
    )
    assert not comparison.failures
    assert len(events) == 4
    assert without_times(read_table(tmp_path)) == without_times(read_table(home))
    names = {file.relative_to(home) for file in home.rglob("*") if file.is_file()}
    assert {file.relative_to(tmp_path) for file in tmp_path.rglob("*") if file.is_file()} == names


@pytest.mark.sumo
def test_a_cluster_tells_why_a_run_failed_and_goes_on(cluster: LocalCluster, tmp_path: Path) -> None:
    good, bad = (str(write_street(tmp_path / name, broken=name == "bad")) for name in ("good", "bad"))
    suite = narrow(find_suite(good), controllers=["sumo-actuated"], seeds=[1], instances=1)
    out = tmp_path / "out"
    specs = [
        spec
        for name in (bad, good)
        for spec in plan(narrow(find_suite(name), (), ["sumo-actuated"], [1], 1), out).specs
    ]
    comparison = run_suite(
        suite,
        Plan(tuple(specs), {}),
        out,
        cluster=lambda asked, note: run_on_cluster(cluster.scheduler_address, asked, note),
    )
    ((failed, why),) = comparison.failures
    assert failed.scenario == bad
    assert "SUMO" in why
    assert [run.scenario for run in comparison.runs] == [specs[1].scenario_label]
    assert json.loads((out / "manifest.json").read_text())["failed"][0]["why"] == why


def test_a_cluster_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citybrain_sim.bench.cluster.PATIENCE", "1s")
    with pytest.raises(InputError, match="no scheduler answers there"):
        run_on_cluster("tcp://127.0.0.1:9", [], lambda event: None)
    with pytest.raises(InputError, match="no scheduler answers there"):
        run_on_cluster("nonsense", [], lambda event: None)


def test_a_table_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    write_table([], tmp_path / "results.parquet")
    with pytest.raises(InputError, match="cannot be read as a table of results"):
        read_table(tmp_path)
    (tmp_path / "results.parquet").write_text("nonsense")
    with pytest.raises(InputError, match="cannot be read as a table of results"):
        read_table(tmp_path / "results.parquet")
