"""``citybrain plan``: what a person sees, and what a script gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from citybrain.plans.checker import Checker
from citybrain_api.plan_commands import plan_app
from tests.plan_world import controller, edited, pattern, schedule_plan
from tests.sumo_nets import public_net


def run(*arguments: object) -> Result:
    return CliRunner().invoke(plan_app, [str(argument) for argument in arguments])


def written(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return written(tmp_path / "data.json", controller())


def test_a_lawful_plan(tmp_path: Path, data: Path) -> None:
    plan = written(tmp_path / "plan.json", schedule_plan((0, 0), (1, 100)))
    said = run("check", plan, "--data", data)
    assert (said.exit_code, said.stdout) == (0, f"{plan}: lawful\n")
    as_json = run("check", plan, "--data", data, "--json")
    assert json.loads(as_json.stdout) == {"file": str(plan), "lawful": True, "refusals": []}


def test_an_unlawful_plan_says_why_and_where(tmp_path: Path, data: Path) -> None:
    plan = written(tmp_path / "plan.json", schedule_plan((0, 0), (1, 100), (2, 239)))
    said = run("check", plan, "--data", data)
    assert said.exit_code == 1
    assert "minimum_green at body.schedule.stages[2]: ends the green of group 1 after 49 tenths" in said.stdout
    as_json = json.loads(run("check", plan, "--data", data, "--json").stdout)
    assert as_json["lawful"] is False
    assert [refusal["code"] for refusal in as_json["refusals"]] == ["minimum_green"]


def test_controller_data_alone(tmp_path: Path, data: Path) -> None:
    assert run("check", data).exit_code == 0
    bad = written(tmp_path / "bad.json", controller(patterns=[pattern((300, 99, 150))]))
    said = run("check", bad)
    assert said.exit_code == 1
    assert "split at patterns[0].stages[1].split" in said.stdout


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\ufeff{}", "null", '{"format": NaN}'])
def test_whatever_the_file_holds_there_is_a_clear_answer(tmp_path: Path, data: Path, text: str) -> None:
    file = tmp_path / "odd.json"
    file.write_text(text, encoding="utf-8")
    for arguments in (("check", file, "--data", data), ("check", file), ("check", data, "--data", file)):
        said = run(*arguments)
        assert said.exit_code in {1, 2}
        assert "Traceback" not in said.output
        assert "should not happen" not in said.output


def test_files_that_are_not_there_or_not_text(tmp_path: Path, data: Path) -> None:
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00")
    for file in (tmp_path / "missing.json", tmp_path, binary):
        said = run("check", file, "--data", data)
        assert said.exit_code == 2
        assert f"{file} cannot be read" in said.stderr
        assert "Errno" not in said.stderr


def test_plan_and_data_the_wrong_way_round_are_told_apart(tmp_path: Path, data: Path) -> None:
    file = written(tmp_path / "plan.json", schedule_plan((0, 0), (1, 100)))
    said = run("check", data, "--data", file)
    assert said.exit_code == 2
    assert "'citybrain/plan/1', not 'citybrain/controller-data/1'" in said.stderr


def test_the_data_of_a_scenario_are_lawful_and_printed_as_json() -> None:
    public_net("cologne1")
    said = run("data", "cologne1", "GS_cluster_357187_359543", "--profile", "us-mutcd", "--time-zone", "Europe/Berlin")
    assert said.exit_code == 0
    document = json.loads(said.stdout)
    assert (document["profile"], document["time_zone"]) == ("us-mutcd", "Europe/Berlin")
    assert Checker(document).check_patterns() == []
    unknown = run("data", "cologne1", "nowhere")
    assert unknown.exit_code == 2
    assert "no intersection 'nowhere'; some of its ids: GS_cluster_357187_359543" in unknown.stderr


def test_another_plan_than_the_one_that_was_hashed(tmp_path: Path, data: Path) -> None:
    plan = edited(schedule_plan((0, 0)), "author.name", "somebody")
    plan["author"]["name"] = "somebody else"
    assert "hash at plan_id" in run("check", written(tmp_path / "plan.json", plan), "--data", data).stdout
