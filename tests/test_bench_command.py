"""``citybrain bench`` as a person meets it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from citybrain_api.cli import app
from tests.conftest import ROOT

STORED = ROOT / "benchmarks" / "results" / "headline"
PAGE = "x\n<!-- bench headline runs -->\n<!-- bench end -->\n"


def citybrain(*arguments: object) -> tuple[int, str]:
    """Run the command in this process; exit code and all that it says."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return done.exit_code, done.output


def test_suites_are_listed() -> None:
    code, said = citybrain("bench", "list")
    assert code == 0
    assert "headline " in said
    assert "\nown " not in said


def test_a_dry_run_says_how_much_work_it_is_and_runs_nothing(tmp_path: Path) -> None:
    asked = ("--scenarios", "district", "--controllers", "fixed,planner", "--seeds", "2", "--out", tmp_path / "out")
    code, said = citybrain("bench", "headline", *asked, "--dry-run")
    assert code == 0
    assert "headline: 4 runs, 0 finished, 4 to do" in said
    assert "not known how long: district (4)" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("headlin",), "did you mean headline?"),
        (("headline", "--scenarios", "x"), "not in suite headline"),
        (("headline", "--instances", "0"), "--instances"),
        (("headline", "--jobs", "0"), "--jobs"),
        (("headline", "--seeds", "x"), "--seeds"),
        (("report", "nowhere"), "cannot be read as a table of results"),
        (("report", STORED, "--check"), "--check needs pages"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_run(arguments: tuple[object, ...], words: str, tmp_path: Path) -> None:
    more = ("--out", tmp_path / "out") if arguments[0] != "report" else ()
    code, said = citybrain("bench", *arguments, *more)
    assert code == 2
    assert words in said
    assert not (tmp_path / "out").exists()


def test_a_report_is_printed_or_written_into_pages(tmp_path: Path) -> None:
    stored = tmp_path / "stored"
    shutil.copytree(STORED, stored)
    manifest = json.loads((stored / "manifest.json").read_text())
    manifest["suite"]["tables"] = ["runs", "delay modern"]
    (stored / "manifest.json").write_text(json.dumps(manifest))
    code, said = citybrain("bench", "report", stored)
    assert code == 0
    assert said.startswith("## runs\n\nSuite `headline`: ")
    assert "\n## delay modern\n" in said

    page = tmp_path / "page.md"
    page.write_text(PAGE)
    code, said = citybrain("bench", "report", stored, "--write", page, "--check")
    assert (code, page.read_text()) == (1, PAGE)
    assert "not what the results say" in said
    assert citybrain("bench", "report", stored, "--write", page) == (0, "1 page, 1 written anew\n")
    assert "Suite `headline`: " in page.read_text()
    assert citybrain("bench", "report", stored, "--write", page, "--check")[0] == 0

    code, said = citybrain("bench", "report", stored, "--json")
    (document,) = json.loads(said)
    assert (code, document["suite"]) == (0, "headline")
    assert {row["controller"] for row in document["summary"]} > {"fixed", "planner"}
