"""The report: a real comparison of a few minutes of the district, read back as a page, as JSON and as Parquet."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it brings no types
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import citybrain_scenarios
from citybrain.delays import level_of_service
from citybrain.errors import InputError
from citybrain.network import Turn
from citybrain_api.cli import app
from citybrain_api.report import documents, pack
from citybrain_api.report.approaches import corridors
from citybrain_api.report.charts import Axis, nice_step
from citybrain_api.report.evidence import collect
from citybrain_api.report.maps import Drawing, coloured
from citybrain_api.report.markup import Markup, clock_time, join, number, signed, tag, together
from citybrain_api.report.study import gather
from citybrain_api.report.write import write_report
from citybrain_sim.comparison import compare, plan_runs
from citybrain_sim.passages import read_passages
from citybrain_sim.trips import read_trips
from tests.conftest import ROOT

BEGIN_S, END_S = 27_000, 27_300
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "link", "br", "hr", "img", "input"}
FIGURES = ("corridor", "signals", "choices", "purdue")


class Page(HTMLParser):
    """Collects what a page would load, its ids and texts, and complains of tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.scripts: dict[str, str] = {}
        self._script = ""
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, name: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.loads += [f"{name} {key}={found[key]}" for key in ("src", "href", "data", "action", "poster")
                       if key in found and not str(found[key]).startswith("#")]  # fmt: skip
        if name not in VOID:
            self.open.append(name)
        self._script = (found.get("id") or "script") if name == "script" else ""

    def handle_endtag(self, name: str) -> None:
        assert self.open.pop() == name
        self._script = ""

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[self._script] = data
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes of the district under three controllers; one of them is SUMO's own."""
    folder = tmp_path_factory.mktemp("report")
    street = folder / "street"
    shutil.copytree(Path(citybrain_scenarios.__file__).parent / "district", street)
    config = street / "district.sumocfg"
    config.write_text(re.sub(r'<end value="\d+"/>', f'<end value="{END_S}"/>', config.read_text()), encoding="utf-8")
    out = folder / "runs"
    specs = [
        *plan_runs([str(config)], ["fixed", "planner"], [1, 2], out=out),
        *plan_runs([str(config)], ["sumo-actuated"], [1], out=out),
    ]
    assert not compare(specs, 2).failures
    return out


@pytest.fixture(scope="session")
def report(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of all of them, with its data."""
    out = tmp_path_factory.mktemp("page") / "report.html"
    write_report([runs], out, data=True)
    return out


@pytest.fixture
def copied(runs: Path, tmp_path: Path) -> Path:
    """Copy the runs, for tests that spoil some."""
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs"


def result_of(runs: Path, controller: str, seed: int) -> Path:
    return next(runs.glob(f"*/{controller}/*-s{seed}")) / "result.json"


def edit(path: Path, change: Any) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")


def table(report: Path, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(report.with_name(f"{report.stem}-data") / f"{name}.parquet").to_pylist()
    return found


def test_the_page_loads_nothing_and_is_well_formed(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    page = Page(text)
    assert page.loads == []
    assert len(page.ids) == len(set(page.ids))
    assert "@import" not in text
    assert "url(" not in text.replace("url(#window)", "")
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert len(text) < 5_000_000


def test_every_section_is_there(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    sections = ("measures", "where", "movements", "time", "spread", "phases", "explorer", "sensors", "making")
    assert set(sections) <= set(page.ids)
    for heading in ("What changed", "How sure we are", "Who lost"):
        assert heading in page.text


def test_the_first_screen_says_what_the_parquet_says(report: Path) -> None:
    text = Page(report.read_text(encoding="utf-8")).text
    rows = {(row["measure"], row["controller"]): row for row in table(report, "comparison")}
    planner = rows["delay", "planner"]
    assert f"{abs(planner['relative']) * 100:.0f} %" in text
    assert f"a vehicle loses {number(planner['median'])} s" in text
    assert f"{signed(planner['difference_low'])} to {signed(planner['difference_high'])}" in text
    results = [json.loads(result_of(Path(row["folder"]).parents[2], "planner", row["seed"]).read_text())["run"]
               for row in table(report, "runs") if row["controller"] == "planner"]  # fmt: skip
    assert planner["median"] == pytest.approx(sum(run["delay_s"] for run in results) / 2)


def test_two_pairs_of_runs_make_no_claim(report: Path) -> None:
    text = Page(report.read_text(encoding="utf-8")).text
    assert "but only 2 pairs of runs" in text
    assert "Not sure: delay was lower in" in text
    assert "Too few runs to name losers" in text
    assert {row["verdict"] for row in table(report, "movements")} <= {"", "unclear"}


def test_five_pairs_do(copied: Path, tmp_path: Path) -> None:
    for controller, seed in itertools.product(("fixed", "planner"), (3, 4, 5)):
        origin = result_of(copied, controller, 1 + seed % 2).parent
        twin = origin.with_name(f"{origin.name[:-1]}{seed}")
        shutil.copytree(origin, twin)
        edit(twin / "result.json", lambda document, seed=seed: document["spec"].update(seed=seed))
    out = tmp_path / "five.html"
    write_report([copied], out, data=True)
    text = Page(out.read_text(encoding="utf-8")).text
    found = [row["verdict"] for row in table(out, "movements") if row["controller"] == "planner"]
    told = f"{found.count('better')} became better, {found.count('worse')} worse and {found.count('unclear')} cannot"
    assert found.count("better") + found.count("worse") > 0
    assert told in text
    rows = [row for row in table(out, "comparison") if row["measure"] == "delay" and row["controller"] == "planner"]
    assert rows[0]["pairs"] == 5
    assert f"{signed(rows[0]['difference_low'])} to {signed(rows[0]['difference_high'])} s; it" in text


def test_json_holds_the_same_as_parquet_and_obeys_its_schema(report: Path) -> None:
    document = json.loads(report.with_suffix(".json").read_text(encoding="utf-8"))
    jsonschema.validate(document, documents.json_schema())
    for name, columns in document["tables"].items():
        found = pq.read_table(report.with_name(f"{report.stem}-data") / f"{name}.parquet")
        for column, values in columns.items():
            there = [None if isinstance(v, float) and not math.isfinite(v) else v for v in found[column].to_pylist()]
            assert values == there, (name, column)
    assert document["baseline"] == "fixed"
    assert document["subject"] == "planner"


def test_roads_and_movements_add_up_to_what_sumo_counted(report: Path, runs: Path) -> None:
    trips = table(report, "trips_on_approaches")
    assert {row["controller"] for row in trips} == {"fixed", "planner", "sumo-actuated"}
    assert all(row["leave"] >= row["entry"] for row in trips if not math.isnan(row["leave"]))
    delay = {row["controller"]: row["delay"] for row in table(report, "runs") if row["seed"] == 1}
    loaded = json.loads(result_of(runs, "fixed", 1).read_text())["run"]["loaded"]
    for controller in ("fixed", "planner"):
        lost = sum(row["lost"] for row in table(report, "roads") if row["controller"] == controller)
        assert lost * 3600 / loaded == pytest.approx(delay[controller], rel=0.35)  # junctions and backlog are not roads


def test_levels_follow_from_delays(report: Path) -> None:
    rows = table(report, "intersections")
    assert {row["controller"] for row in rows} == {"fixed", "planner", "sumo-actuated"}
    movements = [row for row in table(report, "movements") if row["vehicles"] > 0]
    for row in rows:
        own = [m for m in movements if (m["controller"], m["intersection"]) == (row["controller"], row["intersection"])]
        vehicles = sum(m["vehicles"] for m in own)
        assert row["vehicles"] == pytest.approx(vehicles)
        assert row["mean_delay"] == pytest.approx(sum(m["vehicles"] * m["mean_delay"] for m in own) / vehicles)
        assert row["level"] == level_of_service(row["mean_delay"])


def test_signals_are_what_the_commands_were(report: Path, runs: Path) -> None:
    commands = pq.read_table(result_of(runs, "fixed", 1).parent / "commands.parquet").to_pylist()
    signals = [row for row in table(report, "signals") if row["controller"] == "fixed"]
    assert all(BEGIN_S <= row["begin"] < row["end"] <= END_S for row in signals)
    network = json.loads((result_of(runs, "fixed", 1).parent / "network.json").read_text())
    lamp = {(i["id"], g["group"]): g["lamps"][0] for i in network["intersections"] for g in i["groups"]}
    for row in signals[::17]:
        at = [c for c in commands if c["intersection"] == row["intersection"] and c["time"] <= row["begin"]][-1]
        assert at["lamps"][lamp[row["intersection"], row["group"]]] == row["aspect"]


def test_choices_tell_the_stage_before_and_what_was_believed(report: Path) -> None:
    choices = [row for row in table(report, "choices") if row["controller"] == "planner"]
    assert choices
    assert all(row["from_row"] != row["to_row"] for row in choices)
    assert any(row["queue_to"] > row["queue_from"] for row in choices)
    assert not [row for row in table(report, "choices") if row["controller"] == "fixed"]


def test_the_data_of_the_script_are_the_tables(report: Path) -> None:
    page = Page(report.read_text(encoding="utf-8"))
    data = json.loads(gzip.decompress(base64.b64decode(page.scripts["data"])))
    assert data["controllers"] == ["fixed", "sumo-actuated", "planner"]
    assert data["controllers"][data["subject"]] == "planner"
    trips = sum(len(flat) // 5 for variant in data["trips"] for flat in variant)
    assert trips == len(table(report, "trips_on_approaches"))
    assert data["corridors"]
    assert all(len(chain) >= 2 for chain in data["corridors"])


def test_the_first_corridor_is_the_main_street_and_turns_no_corner(runs: Path) -> None:
    evidence = collect(gather([runs]))
    assert evidence.site is not None
    network, subject = evidence.site.network, evidence.study.subject.typical
    first, *_ = [[network.intersection_id[i] for i in chain] for chain in evidence.corridors]
    assert sorted(first) == ["A1", "A2", "A3", "A4", "A5"], "five signals in a row; ways of seven turn off"
    assert [int(name[1]) for name in first] in ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
    crooked = replace(network, move_turn=np.full_like(network.move_turn, Turn.LEFT))
    trips = read_trips(subject.path / "tripinfo.xml", subject.begin_s, subject.end_s)
    passages = read_passages(subject.path / "vehroutes.xml", network, trips)
    assert len(corridors(passages, evidence.approaches, crooked)[0]) > 2, "where no way is straight, corners are turned"


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open the page in")
def test_a_browser_draws_every_figure(report: Path, tmp_path: Path) -> None:
    dom = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
         "--virtual-time-budget=8000", "--dump-dom", report.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    drawn = {name: dom.split(f'id="{name}"', 1)[1].split("</figure>", 1)[0] for name in FIGURES}
    assert drawn["corridor"].count("<polyline") > 10
    assert drawn["signals"].count("<rect") > 10
    assert drawn["choices"].count("<tr") > 1
    assert drawn["purdue"].count("<circle") > 10
    controls = dom.split('id="controls"', 1)[1].split("</div>", 1)[0]
    assert "planner" in controls
    assert "newer" not in controls


def test_controllers_of_sumo_are_shown_without_what_they_do_not_record(report: Path) -> None:
    text = Page(report.read_text(encoding="utf-8")).text
    assert "sumo-actuated: SUMO's own controllers leave no record" in text
    signals = [row for row in table(report, "signals") if row["controller"] == "sumo-actuated"]
    assert {row["aspect"] for row in signals} == {"G", "y"}
    assert all(BEGIN_S <= row["begin"] < row["end"] <= END_S for row in signals)
    assert not [row for row in table(report, "choices") if row["controller"] == "sumo-actuated"]


def test_the_command_says_where_it_wrote(runs: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["report", str(runs), "--out", str(tmp_path / "a.html"), "--data"])
    assert told.exit_code == 0, told.output
    assert told.stdout.split() == [str(tmp_path / name) for name in ("a.html", "a.json", "a-data")]
    again = CliRunner().invoke(app, ["report", str(tmp_path), "--out", str(tmp_path / "b.html")])
    assert again.exit_code == 2
    assert "holds no run" in again.output
    assert not (tmp_path / "b.html").exists()


def test_a_place_that_cannot_be_written_is_told_and_left_alone(runs: Path, tmp_path: Path) -> None:
    for out, words in ((tmp_path, "name a file"), (tmp_path / "no" / "r.html", "name a file"),
                       (tmp_path / "r.json", "name the page .html")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            write_report([runs], out, data=True)
    (tmp_path / "r-data").write_text("in the way", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        write_report([runs], tmp_path / "r.html", data=True)
    assert not (tmp_path / "r.html").exists()
    assert not list(tmp_path.glob("*.part"))


def test_no_baseline_means_no_comparison(copied: Path, tmp_path: Path) -> None:
    shutil.rmtree(next(copied.glob("*/fixed")))
    write_report([copied], tmp_path / "r.html")
    text = Page((tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "No run of the fixed plan (fixed) is among these" in text
    assert "cannot say what changed" in text


def test_the_fixed_plan_alone_is_a_report_too(copied: Path, tmp_path: Path) -> None:
    write_report([next(copied.glob("*/fixed"))], tmp_path / "r.html")
    text = Page((tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "There is no run of another controller to compare with" in text


def test_failed_stopped_and_older_runs_are_left_out_and_named(copied: Path, tmp_path: Path) -> None:
    failed = result_of(copied, "planner", 1)
    failed.with_name("failed.json").write_text('{"message": "SUMO fell over"}', encoding="utf-8")
    failed.unlink()
    result_of(copied, "sumo-actuated", 1).unlink()
    edit(result_of(copied, "fixed", 2), lambda document: document["run"].pop("stops"))
    write_report([copied], tmp_path / "r.html")
    text = Page((tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "failed: SUMO fell over" in text
    assert "not finished: it was stopped, or is still under way" in text
    assert "written by another version of citybrain, or damaged" in text
    assert "a single run of a controller" in text


def test_gridlocked_runs_are_told_first(copied: Path, tmp_path: Path) -> None:
    edit(result_of(copied, "planner", 2), lambda document: document["run"].update(gridlocked=True))
    write_report([copied], tmp_path / "r.html")
    text = Page((tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "planner: 1 of 2 runs gridlocked" in text
    assert "1 of 2" in text.split("All measures")[0]


def test_runs_that_cannot_be_compared_are_refused(copied: Path) -> None:
    other = result_of(copied, "planner", 1)
    for key, value, words in (
        ("protocol", "classic", "2 protocols"),
        ("demand", 1.2, "2 demand factors"),
        ("scenario", "elsewhere", "2 scenarios"),
        ("profile", "resco", "2 timing profiles"),
    ):
        text = other.read_text(encoding="utf-8")
        edit(other, lambda document, key=key, value=value: document["run"].update({key: value}))
        with pytest.raises(InputError, match=words):
            gather([copied])
        other.write_text(text, encoding="utf-8")
    edit(other, lambda document: document["inputs"].update({"district.net.xml": "0"}))
    with pytest.raises(InputError, match=r"different files \(district\.net\.xml\)"):
        gather([copied])


def test_nothing_finished_is_an_error_that_says_why(copied: Path) -> None:
    for path in copied.rglob("result.json"):
        path.unlink()
    with pytest.raises(InputError, match="no finished run to report on"):
        gather([copied])


def test_a_street_that_moved_away_leaves_a_report_without_maps(copied: Path, tmp_path: Path) -> None:
    for path in copied.rglob("manifest.json"):
        edit(path, lambda document: document["scenario"].update(config=str(tmp_path / "gone.sumocfg")))
    write_report([copied], tmp_path / "r.html")
    page = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "the street cannot be read again" in page.text
    assert "where" not in page.ids
    assert "measures" in page.ids


def test_missing_tables_are_told_and_missing_trips_are_an_error(copied: Path, tmp_path: Path) -> None:
    for path in copied.glob("*/planner/*/movements.parquet"):
        path.unlink()
    for path in copied.glob("*/planner/*/commands.parquet"):
        path.write_bytes(b"cut off")
        path.with_name("events.parquet").unlink()
    write_report([copied], tmp_path / "r.html")
    text = Page((tmp_path / "r.html").read_text(encoding="utf-8")).text
    assert "planner: no table of signals in the run's folder" in text
    assert "planner: no table of movements in the run's folder" in text
    result_of(copied, "fixed", 1).with_name("tripinfo.xml").unlink()
    with pytest.raises(InputError, match=r"tripinfo\.xml is missing"):
        write_report([copied], tmp_path / "s.html")
    assert not (tmp_path / "s.html").exists()


def test_what_is_too_large_for_a_page_is_left_out_and_told(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evidence = collect(gather([runs]))
    assert evidence.site is not None
    whole, labels = pack.pack(evidence, evidence.site)
    assert labels == ["fixed", "sumo-actuated", "planner"]
    monkeypatch.setattr(pack, "LARGEST", len(whole) - 1)
    assert pack.pack(evidence, evidence.site)[1] == ["fixed", "planner"]
    monkeypatch.setattr(pack, "LARGEST", len(whole) // 2)
    assert pack.pack(evidence, evidence.site)[1] == ["planner"]
    monkeypatch.setattr(pack, "LARGEST", 10)
    write_report([runs], tmp_path / "r.html")
    assert "too large to travel within a page" in Page((tmp_path / "r.html").read_text(encoding="utf-8")).text


def test_the_same_runs_give_the_same_bytes(runs: Path, report: Path, tmp_path: Path) -> None:
    write_report([runs, runs], tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == report.read_bytes()


def test_markup_escapes_what_is_not_markup() -> None:
    assert tag("p", "a < b & c", title='say "no"') == '<p title="say &quot;no&quot;">a &lt; b &amp; c</p>'
    assert join((Markup("<b>"), "<b>")) == "<b>&lt;b&gt;"
    assert number(-1234.56) == "\N{MINUS SIGN}1\N{NARROW NO-BREAK SPACE}234.6"
    assert (signed(2.0), number(math.nan), clock_time(27_000.0)) == ("+2.0", "\N{EN DASH}", "7:30")


def test_figures_keep_their_units() -> None:
    assert together("27 %, 18 to 41 s per vehicle (100 vehicles), 5 of 5") == (
        "27\xa0%, 18 to 41\xa0s per vehicle (100\xa0vehicles), 5 of 5"
    )


@pytest.mark.parametrize(
    ("marks", "x", "y", "anchor"),
    [
        ([(30, 30)], 109.0, 92.0, "start"),
        ([(112, 95)], 91.0, 92.0, "end"),
        ([(112, 95), (88, 95)], 109.0, 118.0, "start"),
    ],
)
def test_marks_of_a_map_leave_names_alone(marks: list[tuple[int, int]], x: float, y: float, anchor: str) -> None:
    drawing = Drawing(200.0, ("",) * len(marks), np.array(marks, dtype=np.float64), "", (("A1", 100.0, 100.0),))
    drawn = coloured(drawing, {}, [(road, str(road)) for road in range(len(marks))], "map")
    assert f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="name">A1</text>' in drawn


@pytest.mark.parametrize(("about", "step"), [(0.9, 1.0), (1.1, 2.0), (23.0, 50.0), (0.0, 1.0), (math.nan, 1.0)])
def test_steps_are_round(about: float, step: float) -> None:
    assert nice_step(about) == step


def test_ticks_of_a_clock_are_whole_minutes() -> None:
    assert Axis(27_030.0, 28_800.0, 0.0, 1.0, clock=True).ticks == [27_300.0 + 300.0 * k for k in range(6)]


def test_page_and_schema_are_made_from_the_tables() -> None:
    manual = (ROOT / "docs" / "report.md").read_text(encoding="utf-8")
    assert documents.page(manual) == manual
    assert json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8")) == documents.json_schema()
