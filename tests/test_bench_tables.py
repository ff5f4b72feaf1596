"""Tables say what the results say, and pages show nothing else."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from citybrain.errors import InputError
from citybrain_sim.bench.cells import make_cells
from citybrain_sim.bench.doubts import Loss, _by_approach, _by_movement, find_losers
from citybrain_sim.bench.pages import fill_pages
from citybrain_sim.bench.results import BenchRun, Movements
from citybrain_sim.bench.run import read_results
from citybrain_sim.bench.table_names import TABLE_NAMES, parse_table
from citybrain_sim.bench.tables import Results, make_table
from citybrain_sim.runs import RunResult
from tests.conftest import ROOT
from tests.test_comparison import RUN

FIXED = {"town": 40.0, "cologne1": 60.0}
PLANNER = {"town": 30.0, "cologne1": 20.0}


def movements(slow_s: float = 10.0) -> Movements:
    """Make three movements from two roads; the last one is hardly used."""
    return Movements(
        ("a", "a", "b"),
        ("x", "y", "x"),
        np.array([100, 100, 5], np.int32),
        np.array([slow_s, 5.0, 900.0]),
        np.array([20.0, 10.0, math.nan]),
        np.array([25.0, 12.0, math.nan]),
    )


def bench_run(result: RunResult, slow_s: float = 10.0) -> BenchRun:
    return BenchRun(result, "0.1.0", "abc", movements(slow_s))


def runs(
    controller: str, delays: dict[str, float], slow_s: float = 10.0, n: int = 11, **changes: object
) -> list[BenchRun]:
    return [
        bench_run(
            replace(RUN, scenario=s, controller=controller, seed=k, delay_s=d + 0.1 * k, p95_delay_s=2 * d, **changes),  # type: ignore[arg-type]  # fields of RunResult
            slow_s + 0.01 * k,
        )
        for s, d in delays.items()
        for k in range(n)
    ]


def results(*groups: list[BenchRun]) -> Results:
    return Results("mine", tuple(run for group in groups for run in group), {"far": "it is not here"})


def line(text: str, *starts: str) -> list[str]:
    """Cells of the first table row that begins with these."""
    rows = [[cell.strip() for cell in row.strip("| ").split("|")] for row in text.splitlines() if row.startswith("|")]
    return next(row for row in rows if row[: len(starts)] == list(starts))


def test_delay_has_medians_gridlocks_and_the_best_in_bold_but_never_a_yardstick() -> None:
    stuck = runs("max-wave", {"town": 50.0}, gridlocked=True)
    text = make_table(
        "delay", results(runs("fixed", FIXED), runs("planner", PLANNER), stuck, runs("oracle", {"town": 1.0}))
    )
    assert line(text, "controller") == ["controller", "town", "cologne1"]
    assert line(text, "`fixed`")[1].startswith("40.5 [40.")
    assert line(text, "`planner`")[1].startswith("**30.5** [")
    assert line(text, "`max-wave`")[1].endswith("] x 11")
    assert line(text, "`max-wave`")[2] == "-"
    assert line(text, "`oracle` (yardstick)")[1].startswith("1.5 [")
    assert "11 seeds" in text
    assert "Protocol `modern`" in text


def test_what_parts_runs_of_one_controller_is_named_and_protocols_never_share_a_table() -> None:
    loops = runs("planner", PLANNER, sensors="loops")
    old = runs("fixed", {"town": 99.0}, protocol="classic")
    both = results(runs("fixed", FIXED), runs("planner", PLANNER), loops, old)
    text = make_table("delay modern", both)
    assert line(text, "`planner`, loops")[1].startswith("**30.5**") or line(text, "`planner`, default")[1].startswith(
        "**"
    )
    assert "99" not in text
    assert "99.5" in make_table("delay classic", both)
    assert make_table("delay", both).count("| controller |") == 2


def test_differences_are_paired_and_leave_out_the_baseline() -> None:
    text = make_table("difference", results(runs("fixed", FIXED), runs("planner", PLANNER)))
    assert line(text, "`planner`") == ["`planner`", "-10.0 [-10.0, -10.0]", "-40.0 [-40.0, -40.0]"]
    assert "`fixed` |" not in text


def test_measures_are_bold_where_they_hold_for_all_that_were_looked_at() -> None:
    many = make_table("measures", results(runs("fixed", {"town": 40.0}), runs("planner", {"town": 30.0})))
    assert line(many, "town", "`planner`")[2:5] == ["11", "**-10.0**", "**-20.0**"]
    assert line(many, "town", "`planner`")[-1] == "-"  # nobody walks there
    few = make_table("measures", results(runs("fixed", {"town": 40.0}, n=5), runs("planner", {"town": 30.0}, n=5)))
    assert line(few, "town", "`planner`")[3] == "-10.0"


def test_the_tail_shows_who_pays() -> None:
    text = make_table("tail", results(runs("fixed", {"town": 40.0})))
    assert line(text, "town", "`fixed`") == ["town", "`fixed`", "40.5", "80.0", "811.0", "25.0", "60.0", "0"]


def test_losers_are_those_who_surely_lost_where_enough_came() -> None:
    cells = make_cells([*runs("fixed", {"town": 40.0}), *runs("planner", {"town": 30.0}, slow_s=13.0)])
    judged, lost = find_losers(cells[1], _by_movement)
    assert judged == 2
    assert [(loss.name, loss.vehicles) for loss in lost] == [("a > x", 100.0)]
    assert lost[0].loss_s == pytest.approx(3.0)
    assert find_losers(cells[1], _by_approach) == (1, [])  # 1.5 s over both movements: nobody would notice
    text = make_table("losers", results(runs("fixed", {"town": 40.0}), runs("planner", {"town": 30.0}, slow_s=13.0)))
    assert line(text, "town", "`planner`")[2:] == ["1 of 2", "a > x: 10 to 13 s", "0 of 1", "-"]
    assert Loss("x", 3.0, 1.0, 1.0).loss_s == 2.0


def test_published_figures_stand_beside_ours_of_their_protocol_alone() -> None:
    ours = results(
        *(
            runs(name, {"cologne1": 30.0}, protocol="classic")
            for name in ("fixed", "max-pressure", "planner", "oracle")
        ),
        runs("planner", {"cologne1": 10.0}),
    )
    text = make_table("published", ours)
    assert line(text, "cologne1", "`fixed`")[4:] == ["fixed", "56.6", "0.54"]
    assert line(text, "cologne1", "`max-pressure`")[4:] == ["max-pressure", "65.9 (31.1)", "0.98"]
    assert line(text, "cologne1", "`planner`")[4:6] == ["best of all", "27.1"]
    assert "`oracle`" not in text
    assert "Ault and Sharon 2021" in text
    assert "every 10 s" in text
    assert make_table("published", results(runs("planner", {"cologne1": 10.0}))) == ""


@pytest.mark.parametrize(
    ("name", "changes", "head", "cell"),
    [
        ("by demand", {"demand": 1.4}, "demand x 1.4", "61.5 [60.7, 62.3]"),
        ("by incident", {"incident": "auto@900-1500"}, "incident auto@900-1500", "61.5 [60.7, 62.3] (1.50)"),
        ("by profile", {"profile": "us-mutcd"}, "us-mutcd", "61.5 [60.7, 62.3] (1.50)"),
        ("by faults", {"faults": "late-2"}, "late-2", "61.5 [60.7, 62.3] (1.50)"),
    ],
)
def test_conditions_stand_side_by_side(name: str, changes: dict[str, Any], head: str, cell: str) -> None:
    delays = {"town": 61.05}
    text = make_table(name, results(runs("max-wave", {"town": 40.55}), runs("max-wave", delays, **changes)))
    assert line(text, "map")[3] == head
    found = line(text, "town", "`max-wave`")[3].replace("**", "")
    assert found.startswith("61.5 [")
    assert found.endswith(")") == cell.endswith(")")


def test_what_else_differs_keeps_its_own_line_beside_a_condition() -> None:
    groups = [
        runs("planner", {"town": 10.0 * demand}, demand=demand, sensors=sensors)
        for demand in (1.4, 0.6)
        for sensors in ("default", "loops")
    ]
    text = make_table("by demand", results(*groups))
    assert line(text, "map")[2:] == ["demand x 0.6", "demand x 1.4"]
    assert line(text, "town", "`planner`, default")[3].replace("**", "").startswith("14.5")
    assert line(text, "town", "`planner`, loops")[2].replace("**", "").startswith("6.5")


def test_sensing_is_told_as_a_ratio_to_perfect_sight() -> None:
    text = make_table(
        "sensing",
        results(
            runs("oracle", {"town": 9.5}, sensors="ideal"),
            runs("fixed", {"town": 40.0}),
            runs("planner", {"town": 10.5}),
            runs("planner", {"town": 19.5}, sensors="loops"),
        ),
    )
    assert line(text, "town") == ["town", "40.5", "10.0", "11.0 (1.10)", "20.0 (2.00)"]
    assert line(text, "median ratio")[3:] == ["1.10", "2.00"]


def test_precision_says_how_many_pairs_would_do() -> None:
    noisy = [bench_run(replace(RUN, controller="planner", seed=k, delay_s=30.0 + 5 * (k % 2))) for k in range(10)]
    text = make_table("precision", results(runs("fixed", {"s": 40.0}), noisy))
    wanted = line(text, "s", "`planner`")
    assert wanted[2:4] == ["seeds", "10"]
    assert int(wanted[5]) > 10


def test_runs_tells_code_simulator_and_what_was_left_out() -> None:
    text = make_table("runs", results(runs("fixed", FIXED, sumo="SUMO 1.28.0")))
    assert text == (
        "Suite `mine`: 22 runs, 0 of them gridlocked; version 0.1.0, code abc; SUMO 1.28.0.\n"
        "far is left out: it is not here."
    )


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_every_table_can_be_asked_for_of_any_results(name: str) -> None:
    assert isinstance(make_table(name, results(runs("fixed", FIXED), runs("planner", PLANNER, n=1))), str)
    with pytest.raises(InputError, match="have no run for it"):
        make_table(f"{name} classic", results(runs("fixed", FIXED)))


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(InputError, match="choose one of delay"):
        parse_table("delays")
    assert parse_table("by demand classic") == ("by", "demand", "classic")


def test_pages_are_filled_between_their_marks_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "before\n<!-- bench mine runs -->\nold\n<!-- bench end -->\nbetween\n"
        "<!-- bench other delay -->\nstays\n<!-- bench end -->\nafter\n"
    )
    found = results(runs("fixed", FIXED))
    (text,) = fill_pages([page], {"mine": found}).values()
    assert text == (
        f"before\n<!-- bench mine runs -->\n{make_table('runs', found)}\n<!-- bench end -->\nbetween\n"
        "<!-- bench other delay -->\nstays\n<!-- bench end -->\nafter\n"
    )
    page.write_text(text)
    assert fill_pages([page], {"mine": found}) == {page: text}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("none", "no page has a place for mine; write <!-- bench mine delay -->"),
        ("\n<!-- bench mine runs -->\nx", "line 2: <!-- bench mine runs --> has no end"),
        ("<!-- bench mine runs -->\n<!-- bench mine delay -->\n<!-- bench end -->", "line 1"),
        ("<!-- bench mine nonsense -->\n<!-- bench end -->", "no table is called 'nonsense'"),
    ],
)
def test_a_page_that_cannot_be_filled_is_refused(tmp_path: Path, text: str, words: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(InputError) as error:
        fill_pages([page], {"mine": results(runs("fixed", FIXED))})
    assert words in str(error.value)


def test_our_own_pages_show_what_the_stored_results_say() -> None:
    places = sorted((ROOT / "benchmarks" / "results").iterdir())
    assert places
    stored = {found.name: found for found, _ in map(read_results, places)}
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page, text in fill_pages(pages, stored).items():
        assert page.read_text(encoding="utf-8") == text, f"{page} is not what the results say: citybrain bench report"
