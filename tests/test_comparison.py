"""Comparisons resume, survive failures and interrupts, and say how sure they are."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from citybrain.errors import InputError
from citybrain_sim.comparison import compare, plan_runs, summarise, to_document
from citybrain_sim.runs import RunResult, RunSpec, finished
from citybrain_sim.site import input_hashes
from citybrain_sim.workers import RunEvent
from tests.small_street import write_street

RUN = RunResult(
    scenario="s",
    controller="fixed",
    seed=0,
    instance=0,
    protocol="modern",
    sensors="default",
    profile="own",
    demand=1.0,
    note="",
    delay_s=40.0,
    median_delay_s=30.0,
    p95_delay_s=90.0,
    travel_time_s=100.0,
    stops=1.0,
    queue=5.0,
    arrived=90,
    running=8,
    not_inserted=2,
    loaded=100,
    pedestrian_delay_s=math.nan,
    gridlocked=False,
    bent={},
    longest_red_s=60.0,
    engine_time_s=1.0,
    sumo_time_s=2.0,
    sensor_time_s=1.0,
    wall_time_s=5.0,
    folder="x",
)


def test_every_combination_is_planned_once() -> None:
    specs = plan_runs(["s", "t"], ["fixed", "oracle", "oracle"], [1, 2], [0, 1], sensors="loops", out=Path("o"))
    assert len(specs) == 16
    assert [spec.controller for spec in specs[:5]] == ["fixed"] * 4 + ["oracle"]
    assert {spec.sensors for spec in specs} == {"loops"}


def test_summary_pairs_on_seeds_and_knows_how_sure_it_is() -> None:
    fixed = [replace(RUN, seed=s, delay_s=40.0 + s) for s in range(5)]
    ours = [replace(RUN, controller="planner", seed=s, delay_s=20.0 + 1.5 * s) for s in range(5)]
    base, row = summarise([*fixed, *ours])
    assert (base.n, base.paired_on, base.pairs) == (5, "", 0)
    assert math.isnan(base.difference_s)
    assert row.delay_s == 23.0
    assert row.delay_low_s <= 23.0 <= row.delay_high_s
    assert (row.paired_on, row.pairs) == ("seeds", 5)
    assert row.difference_s == -19.0
    assert -20.0 <= row.difference_low_s <= -19.0 <= row.difference_high_s <= -18.0
    assert row.relative_difference == pytest.approx(-19.0 / 42.0)


def test_summary_pairs_on_demand_instances_where_there_are_several() -> None:
    fixed = [replace(RUN, seed=s, instance=i, delay_s=40.0 * (i + 1) + s) for i in (0, 1) for s in (0, 2)]
    ours = [replace(run, controller="planner", sensors="loops", delay_s=run.delay_s - 10.0) for run in fixed]
    row = summarise([*fixed, *ours])[1]
    assert (row.paired_on, row.pairs, row.difference_s) == ("instances", 2, -10.0)


def test_protocols_never_share_a_row_or_a_baseline() -> None:
    ours = replace(RUN, controller="planner", protocol="classic")
    rows = summarise([RUN, ours])
    assert len(rows) == 2
    assert rows[1].paired_on == ""


def test_summary_counts_gridlocks_of_both_kinds() -> None:
    runs = [replace(RUN, seed=s, delay_s=10.0) for s in range(4)]
    runs += [replace(RUN, seed=4, delay_s=31.0), replace(RUN, seed=5, gridlocked=True)]
    assert summarise(runs)[0].gridlocked == 2


def test_the_document_is_plain_json() -> None:
    document = to_document([RUN], summarise([RUN]))
    text = json.dumps(document, allow_nan=False)
    assert json.loads(text)["runs"][0]["pedestrian_delay_s"] is None
    assert json.loads(text)["summary"][0]["n"] == 1


def test_a_result_survives_its_document() -> None:
    back = RunResult.from_document(json.loads(json.dumps(RUN.document())))
    assert math.isnan(back.pedestrian_delay_s)
    assert replace(back, pedestrian_delay_s=1.0) == replace(RUN, pedestrian_delay_s=1.0)


@pytest.mark.parametrize(("specs", "jobs"), [([], 1), ([RunSpec("district", "fixed")], 0)])
def test_nothing_to_do_is_an_error(specs: list[RunSpec], jobs: int) -> None:
    with pytest.raises(InputError):
        compare(specs, jobs)


@pytest.mark.sumo
def test_an_interrupt_leaves_what_is_finished_and_the_rest_resumes(tmp_path: Path) -> None:
    config = str(write_street(tmp_path / "cross"))
    specs = plan_runs([config], ["sumo-actuated"], [1, 2, 3], out=tmp_path / "out")

    def interrupt(event: RunEvent) -> None:
        if event.result is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(specs, 1, interrupt)
    done = [spec for spec in specs if (spec.folder / "result.json").exists()]
    assert done == specs[:1]
    stamp = (done[0].folder / "result.json").stat().st_mtime_ns

    events: list[RunEvent] = []
    comparison = compare(specs, 2, events.append)
    assert [run.seed for run in comparison.runs] == [1, 2, 3]
    assert (done[0].folder / "result.json").stat().st_mtime_ns == stamp
    assert {event.spec.seed for event in events if event.progress is not None} == {2, 3}
    assert pq.read_table(tmp_path / "out" / "results.parquet")["seed"].to_pylist() == [1, 2, 3]

    inputs = input_hashes(config)
    assert finished(specs[0], inputs) == comparison.runs[0]
    assert finished(specs[0], {**inputs, "x.rou.xml": "changed"}) is None
    assert finished(replace(specs[0], demand=1.1), inputs) is None
    (specs[1].folder / "result.json").write_text('{"version": "0.0.1"}')
    assert finished(specs[1], inputs) is None


@pytest.mark.sumo
def test_a_run_that_fails_does_not_stop_the_others(tmp_path: Path) -> None:
    good, bad = (str(write_street(tmp_path / name, broken=name == "bad")) for name in ("good", "bad"))
    comparison = compare(plan_runs([bad, good], ["sumo-actuated"], [1], out=tmp_path / "out"), 2)
    assert [run.scenario for run in comparison.runs] == [RunSpec(good, "fixed").scenario_label]
    assert [spec.scenario for spec, _ in comparison.failures] == [bad]
