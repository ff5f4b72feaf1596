"""The registry of scenarios, scenarios by path, and the district that ships with the project."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from citybrain.errors import NetworkError, ScenarioError
from citybrain_scenarios.district import plan, streets, traffic
from citybrain_scenarios.district.generate import read_lamps
from citybrain_sim.scenario_counts import count_signals, count_vehicles
from citybrain_sim.scenarios import Listing, find_scenario, list_scenarios
from citybrain_sim.sumo_config import SumoConfig, read_config

DISTRICT = find_scenario("district").config.parent
RESCO = {
    "cologne1": (1, 2015),
    "cologne3": (3, 2856),
    "cologne8": (8, 2046),
    "ingolstadt1": (1, 1716),
    "ingolstadt7": (7, 3031),
    "ingolstadt21": (21, 4281),
    "grid4x4": (16, 1473),
    "arterial4x4": (16, 2484),
}
needs_sumo = pytest.mark.skipif(importlib.util.find_spec("sumo") is None, reason="eclipse-sumo is not installed")


def listings() -> dict[str, Listing]:
    return {listing.name: listing for listing in list_scenarios()}


def small(folder: Path, routes: str = "", net: str = "", additional: str = "") -> SumoConfig:
    for name, root, body in (("net", "net", net), ("rou", "routes", routes), ("add", "additional", additional)):
        (folder / f"small.{name}.xml").write_text(f"<{root}>{body}</{root}>", encoding="utf-8")
    return SumoConfig(
        path=folder / "small.sumocfg",
        net_file=folder / "small.net.xml",
        route_files=(folder / "small.rou.xml",),
        additional_files=(folder / "small.add.xml",),
        begin_s=0.0,
        end_s=3600.0,
        step_length_s=1.0,
    )


def test_registry_names_everything_promised() -> None:
    data = {"hangzhou1", "jinan1", "bologna_acosta", "bologna_pasubio"}
    rows = listings()
    assert set(rows) == {"district", *RESCO, *data}
    assert all(row.licence and row.origin and row.end_s is not None for row in rows.values())
    assert rows["district"].licence == "Apache-2.0"


def test_resco_maps_are_read_where_sumo_rl_is_installed() -> None:
    if importlib.util.find_spec("sumo_rl") is None:
        pytest.skip("sumo-rl is not installed")
    rows = listings()
    assert {name: (rows[name].signals, rows[name].vehicles) for name in RESCO} == RESCO
    assert "sumo_rl" not in sys.modules
    assert find_scenario("arterial4x4").yellow_s == 2.0
    assert find_scenario("cologne8").yellow_s is None
    assert (find_scenario("ingolstadt7").begin_s, find_scenario("ingolstadt7").end_s) == (57600.0, 61200.0)


def test_data_sets_are_found_in_the_folder_that_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hangzhou1").mkdir()
    (tmp_path / "hangzhou1" / "hangzhou1.sumocfg").write_text("<configuration/>", encoding="utf-8")
    monkeypatch.setenv("CITYBRAIN_DATA", str(tmp_path))
    scenario = find_scenario("hangzhou1")
    assert scenario.config == tmp_path / "hangzhou1" / "hangzhou1.sumocfg"
    assert (scenario.timings, scenario.yellow_s, scenario.end_s) == ("resco", 5.0, 3600.0)


def test_what_is_not_here_is_listed_with_reason_and_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYBRAIN_DATA", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    rows = listings()
    assert not rows["jinan1"].available
    assert rows["jinan1"].signals is None
    assert "CITYBRAIN_DATA" in rows["jinan1"].reason
    assert "pip install" in rows["cologne1"].reason
    assert rows["district"].available
    assert rows["jinan1"].document()["available"] is False
    with pytest.raises(ScenarioError, match="CITYBRAIN_DATA"):
        find_scenario("jinan1")


@pytest.mark.data
@pytest.mark.parametrize(("name", "signals", "vehicles"), [("bologna_acosta", 7, 8772), ("hangzhou1", 16, 2983)])
def test_data_sets_are_counted(name: str, signals: int, vehicles: int) -> None:
    row = listings()[name]
    if not row.available:
        pytest.skip(row.reason)
    assert (row.signals, row.vehicles) == (signals, vehicles)


def test_scenario_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small(tmp_path)
    text = (
        '<configuration><net-file value="small.net.xml"/><route-files value="small.rou.xml"/>'
        '<begin value="600"/></configuration>'
    )
    (tmp_path / "small.sumocfg").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for given in ("small.sumocfg", str(tmp_path / "small.sumocfg")):
        scenario = find_scenario(given)
        assert scenario.name == given
        assert scenario.config == tmp_path / "small.sumocfg"
        assert (scenario.begin_s, scenario.end_s, scenario.timings) == (600.0, None, "own")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("colonge8", "did you mean cologne8"),
        ("Grid4x4", "did you mean grid4x4"),
        ("qqqq", "known are district"),
        ("nowhere/none.sumocfg", "does not exist"),
        ("none.sumocfg", "does not exist"),
        ("folder", "is a folder; it holds a.sumocfg"),
        ("other.xml", "is no .sumocfg file"),
    ],
)
def test_what_cannot_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, says: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.sumocfg").touch()
    (tmp_path / "other.xml").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError, match=says):
        find_scenario(given)


def test_vehicles_are_those_due_in_the_window(tmp_path: Path) -> None:
    config = small(
        tmp_path,
        '<vehicle id="early" depart="-1"/><vehicle id="first" depart="0"/><trip id="clock" depart="0:30:00"/>'
        '<trip id="late" depart="3600"/><vehicle id="called" depart="triggered"/>'
        '<flow id="a" begin="0" end="7200" vehsPerHour="100"/><flow id="b" begin="0" end="1000" probability="0.01"/>'
        '<flow id="c" begin="3000" end="4200" number="12"/><flow id="d" begin="0" period="exp(0.01)" number="5"/>'
        '<flow id="e" begin="3500" end="3600" period="10"/>',
        additional='<vehicle id="bus" depart="5"/>',
    )
    assert count_vehicles(config, 0.0, 3600.0) == 3 + 100 + 10 + 6 + 5 + 10 + 1


@pytest.mark.parametrize("flow", ['period="0"', 'number="many"', 'vehsPerHour="nan"', ""])
def test_malformed_flows_are_named_with_their_line(tmp_path: Path, flow: str) -> None:
    with pytest.raises(ScenarioError, match="line 1"):
        count_vehicles(small(tmp_path, f'<flow id="f" begin="0" end="10" {flow}/>'), 0.0, 3600.0)


def test_signals_that_are_off_do_not_count(tmp_path: Path) -> None:
    config = small(
        tmp_path,
        net='<tlLogic id="a"/><tlLogic id="b" type="actuated"/><tlLogic id="r" type="rail_signal"/><tlLogic id="c"/>',
        additional='<tlLogic id="b" programID="off"/><tlLogic id="c" programID="night"/>',
    )
    assert count_signals(config) == 2
    config.net_file.write_text("<net>", encoding="utf-8")
    with pytest.raises(NetworkError, match=r"small\.net\.xml"):
        count_signals(config)


def test_district_is_what_it_says() -> None:
    row = listings()["district"]
    assert row.signals == 8
    assert row.vehicles is not None
    assert 3000 <= row.vehicles <= 4500
    assert sum(file.stat().st_size for file in DISTRICT.glob("district.*")) < 1_500_000
    config = read_config(DISTRICT / "district.sumocfg")
    assert (config.begin_s, config.end_s) == (traffic.BEGIN_S, traffic.END_S)


def test_district_programs_have_stages_with_yellow_between_and_one_cycle() -> None:
    root = ET.parse(DISTRICT / "district.net.xml").getroot()
    cycles = set()
    for program in root.iter("tlLogic"):
        phases = [(int(p.attrib["duration"]), p.attrib["state"]) for p in program.iter("phase")]
        cycles.add(sum(duration for duration, _ in phases))
        assert sum("y" in state for _, state in phases) == len(plan.PLANS[program.attrib["id"]].stages) >= 2
        states = [state for _, state in phases]
        for before, after in zip(states, [*states[1:], states[0]], strict=True):
            lamps = read_lamps(DISTRICT / "district.net.xml")[program.attrib["id"]]
            for lamp, now, then in zip(lamps, before, after, strict=True):
                assert (now, then) not in {("r", "y"), ("y", "G"), ("y", "g")}
                assert lamp.direction == "w" or not (now in "Gg" and then == "r")
    assert cycles == {75}


def test_district_pedestrians_meet_only_vehicles_that_give_way() -> None:
    net = DISTRICT / "district.net.xml"
    lamps_of = read_lamps(net)
    for program in ET.parse(net).getroot().iter("tlLogic"):
        lamps = lamps_of[program.attrib["id"]]
        for phase in program.iter("phase"):
            shown = list(zip(lamps, phase.attrib["state"], strict=True))
            walking = {lamp.arm for lamp, letter in shown if lamp.direction == "w" and letter == "G"}
            for lamp, letter in shown:
                if lamp.direction == "w":
                    continue
                assert lamp.arm not in walking or letter == "r"
                assert not walking.intersection(lamp.crosses) or letter != "G" or lamp.direction == "s"
                assert not walking.intersection(lamp.crosses) or letter == "r" or lamp.direction != "s"


def test_district_plan_refuses_a_stage_too_short_for_its_pedestrians() -> None:
    lamps = [plan.Lamp("S", "s"), plan.Lamp("E", "w", (), 20.0)]
    stages = (plan.Stage(10, {"S": "s"}, ("E",)), plan.Stage(20, {"S": "s"}))
    with pytest.raises(ValueError, match="walk"):
        plan.program(plan.Plan(0, stages), lamps)


def test_district_roads_lead_everywhere() -> None:
    roads = {road.name: road for road in streets.street_roads()}
    ahead: dict[str, set[str]] = {}
    for a, i, b, j in streets.turns(list(roads.values())):
        assert 1 <= i <= roads[a].lanes
        assert 1 <= j <= roads[b].lanes
        ahead.setdefault(a, set()).add(b)
    for gate in streets.GATES:
        reached = {road.name for road in roads.values() if road.start == gate}
        while grown := {b for a in reached for b in ahead.get(a, ())} - reached:
            reached |= grown
        assert set(streets.GATES) <= {roads[name].end for name in reached} | {gate}


@needs_sumo
@pytest.mark.sumo
def test_generator_gives_the_bytes_that_ship(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "citybrain_scenarios.district.generate", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    shipped = sorted(file.name for file in DISTRICT.glob("district.*"))
    assert sorted(file.name for file in tmp_path.iterdir()) == shipped
    for name in shipped:
        assert (tmp_path / name).read_bytes() == (DISTRICT / name).read_bytes(), name
