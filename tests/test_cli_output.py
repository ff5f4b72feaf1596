"""Tables, progress and error messages, without any simulation."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from rich.console import Console

from citybrain.errors import ContractError, NetworkError, PlantError
from citybrain_api import tables
from citybrain_api.failures import clear_errors
from citybrain_api.progress import ProgressLines, news
from citybrain_sim.comparison import SummaryRow
from citybrain_sim.plant import PlantProgress
from citybrain_sim.runs import RunSpec
from citybrain_sim.workers import RunEvent

FIXED = SummaryRow(
    scenario="town",
    protocol="classic",
    sensors="default",
    profile="own",
    demand=1.0,
    controller="fixed",
    note="",
    n=3,
    delay_s=50.04,
    delay_low_s=48.0,
    delay_high_s=52.0,
    paired_on="",
    pairs=0,
    difference_s=math.nan,
    difference_low_s=math.nan,
    difference_high_s=math.nan,
    relative_difference=math.nan,
    gridlocked=1,
    travel_time_s=120.0,
    stops=1.25,
    arrived=900.0,
    not_inserted=2.0,
    engine_time_s=1.5,
    sumo_time_s=3.0,
)
PLANNER = replace(
    FIXED,
    controller="planner",
    delay_s=30.0,
    paired_on="seeds",
    pairs=3,
    difference_s=-20.0,
    difference_low_s=-22.0,
    difference_high_s=-18.0,
    relative_difference=-0.4,
    gridlocked=0,
)


def shown(*rows: SummaryRow, seeds: int = 3, instances: int = 1, width: int = 160) -> str:
    """Return what the tables of these rows look like."""
    screen = Console(file=io.StringIO(), width=width)
    for table in tables.results(rows, seeds, instances, width):
        screen.print(table)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


class TestResults:
    def test_the_title_says_what_all_rows_share(self) -> None:
        title = shown(FIXED, PLANNER, instances=5).splitlines()[0]
        assert title.strip() == "town: protocol classic, timings own, 3 seeds on 5 demand instances"

    def test_a_row_has_median_paired_difference_with_interval_and_gridlocked_runs(self) -> None:
        text = shown(FIXED, PLANNER)
        fixed = next(line for line in text.splitlines() if line.startswith("fixed "))
        planner = next(line for line in text.splitlines() if line.startswith("planner "))
        assert "50.0" in fixed
        assert "1 of 3" in fixed
        assert "-20.0 (-22.0 to -18.0)" in planner
        assert "-40" in planner
        assert "0 of 3" in planner
        assert "paired on seeds" in text

    def test_a_single_pair_has_no_interval(self) -> None:
        text = shown(FIXED, replace(PLANNER, difference_low_s=math.nan, difference_high_s=math.nan))
        assert "-20.0  " in text
        assert "nan" not in text

    def test_the_oracle_is_labelled_a_yardstick(self) -> None:
        assert "yardstick (perfect sight)" in shown(FIXED, replace(PLANNER, controller="oracle"))

    def test_a_narrow_window_keeps_the_comparison_whole(self) -> None:
        text = shown(FIXED, PLANNER, width=80)
        assert "-20.0 (-22.0 to -18.0)" in text
        assert "0 of 3" in text
        assert "…" not in text
        assert "stops" not in text.split("Medians")[0]

    def test_protocols_never_share_a_table(self) -> None:
        text = shown(FIXED, replace(PLANNER, protocol="modern"))
        assert text.count("protocol classic") == text.count("protocol modern") == 1

    def test_a_name_with_brackets_is_a_name(self) -> None:
        assert "[red]town" in shown(replace(FIXED, scenario="[red]town"))


def progress_at(time_s: float, delay_s: float) -> PlantProgress:
    return PlantProgress(time_s=time_s, running=1, waiting=0, arrived=0, delay_s=delay_s)


class TestProgress:
    def test_news_say_time_speed_and_delay(self) -> None:
        assert news(3725.0, 80.4, 12.34) == "1:02:05  80 x real time  delay 12.3 s"

    def test_what_is_not_known_is_left_out(self) -> None:
        assert news(5.0, math.nan, math.nan) == "0:00:05"

    @pytest.mark.parametrize("end", [3600.0, None])
    def test_lines_follow_the_runs(self, end: float | None) -> None:
        times = iter([0.0, 0.0, 2.0, 3.0])
        screen = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
        spec = RunSpec("town", "planner", seed=7)
        with ProgressLines(2, lambda _: (0.0, end), screen, lambda: next(times)) as lines:
            lines(RunEvent(spec, progress=progress_at(10.0, math.nan)))
            lines(RunEvent(spec, progress=progress_at(110.0, 8.0)))
            lines(RunEvent(spec, failure="it broke"))
        assert isinstance(screen.file, io.StringIO)
        drawn = screen.file.getvalue()
        assert "town planner seed 7" in drawn
        assert "1 of 2 finished" in drawn

    def test_nothing_is_drawn_where_nobody_looks(self) -> None:
        screen = Console(file=io.StringIO())
        with ProgressLines(1, lambda _: (0.0, None), screen) as lines:
            lines(RunEvent(RunSpec("town", "planner"), progress=progress_at(10.0, 1.0)))
        assert isinstance(screen.file, io.StringIO)
        assert screen.file.getvalue() == ""


def exit_code(error: BaseException, folder: Path) -> int:
    with pytest.raises(typer.Exit) as left, clear_errors(folder, goes_on=True):
        raise error
    return left.value.exit_code


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "code", "word"),
        [
            (NetworkError("net.xml:7: no"), 2, "error: net.xml:7: no"),
            (PlantError("SUMO died"), 1, "failed: SUMO died"),
            (KeyboardInterrupt(), 130, "goes on from there"),
        ],
    )
    def test_one_message_and_a_code(
        self, error: BaseException, code: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert exit_code(error, tmp_path) == code
        out, err = capsys.readouterr()
        assert out == ""
        assert word in err
        assert list(tmp_path.iterdir()) == []

    def test_what_cannot_go_on_does_not_say_so(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(typer.Exit), clear_errors(tmp_path):
            raise KeyboardInterrupt
        assert capsys.readouterr().err == "citybrain: stopped\n"

    @pytest.mark.parametrize("error", [ZeroDivisionError("by zero"), ContractError("3 lanes, 4 queues")])
    def test_a_bug_leaves_a_file_to_report(
        self, error: Exception, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "runs"
        assert exit_code(error, folder) == 1
        assert str(error) in capsys.readouterr().err
        assert "Traceback" in (folder / "citybrain-error.txt").read_text()

    def test_a_bug_without_a_writable_folder_is_still_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blocker = tmp_path / "file"
        blocker.touch()
        monkeypatch.setattr("tempfile.gettempdir", lambda: str(blocker / "temp"))
        assert exit_code(ZeroDivisionError("by zero"), blocker / "runs") == 1
        assert "by zero" in capsys.readouterr().err
