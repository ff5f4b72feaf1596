"""The plant ``sumo`` on a small street of its own; every simulation runs in a fresh process."""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from citybrain.decisions import Command, LampState
from citybrain.errors import CityBrainError, ContractError, PlantError, ScenarioError
from citybrain.observations import ObservationBatch, SensorKind
from citybrain.randomness import generator
from citybrain_sim.sensors import load_sensor_profile
from citybrain_sim.sumo_config import read_config
from citybrain_sim.sumo_files import output_options, silenced
from citybrain_sim.sumo_net import read_network
from citybrain_sim.sumo_plant import SumoOptions, SumoPlant
from tests.sumo_nets import sumo_binary

pytestmark = pytest.mark.sumo

Result = TypeVar("Result")

NODES = """<nodes>
<node id="W" x="-300" y="0"/> <node id="J" x="-30" y="0" type="priority"/>
<node id="C" x="0" y="0" type="traffic_light"/>
<node id="E" x="200" y="0"/> <node id="N" x="0" y="200"/> <node id="S" x="0" y="-200"/>
</nodes>"""
EDGES = """<edges>
<edge id="WJ" from="W" to="J" numLanes="2" speed="14"/> <edge id="JC" from="J" to="C" numLanes="2" speed="14"/>
<edge id="CE" from="C" to="E" numLanes="2" speed="14"/> <edge id="NC" from="N" to="C" numLanes="1" speed="14"/>
<edge id="CS" from="C" to="S" numLanes="1" speed="14"/>
</edges>"""
ROUTES = """<routes>
<vType id="car" sigma="0.5"/> <vType id="bus" length="12" vClass="bus"/>
<flow id="we" type="car" from="WJ" to="CE" begin="0" end="200" vehsPerHour="900"/>
<flow id="ws" type="car" from="WJ" to="CS" begin="0" end="200" vehsPerHour="300"/>
<flow id="b" type="bus" from="WJ" to="CE" begin="0" end="200" vehsPerHour="60"/>
<flow id="ns" type="car" from="NC" to="CS" begin="0" end="200" vehsPerHour="500"/>
</routes>"""
WITHOUT_ERRORS = "ideal"


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration of a signal behind a 25 m short stop-line road that an unsignalised junction feeds."""
    folder = tmp_path_factory.mktemp("street")
    (folder / "x.nod.xml").write_text(NODES)
    (folder / "x.edg.xml").write_text(EDGES)
    (folder / "x.rou.xml").write_text(ROUTES)
    command = [sumo_binary("netconvert"), "-n", "x.nod.xml", "-e", "x.edg.xml", "-o", "x.net.xml", "--no-turnarounds"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return write_config(folder, "<input>{}</input>")


def write_config(folder: Path, text: str, name: str = "x.sumocfg") -> Path:
    """Write a configuration; ``{}`` stands for network and routes."""
    files = '<net-file value="x.net.xml"/><route-files value="x.rou.xml"/>'
    (folder / name).write_text(f"<configuration>{text.replace('{}', files)}</configuration>")
    return folder / name


@pytest.fixture
def own(street: Path, tmp_path: Path) -> Path:
    """A folder with the street's files, to be changed."""
    folder = tmp_path / "scenario"
    shutil.copytree(street.parent, folder)
    return folder


def apart(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def open_plant(config: Path, folder: Path, sensors: str = WITHOUT_ERRORS, **options: Any) -> SumoPlant:
    scenario = read_config(config)
    network, signals = read_network(scenario.net_file, scenario.additional_files)
    asked = SumoOptions(scenario, folder, begin_s=scenario.begin_s, end_s=scenario.end_s, seed=7)
    return SumoPlant(replace(asked, **options), network, signals, load_sensor_profile(sensors), generator(7, "sensors"))


def batches(plant: SumoPlant) -> list[ObservationBatch]:
    seen = []
    while (batch := plant.observe()) is not None:
        seen.append(batch)
    return seen


def digest(seen: list[ObservationBatch]) -> str:
    """Hash of everything that a run observed."""
    said = hashlib.sha256()
    for batch in seen:
        for column in vars(batch).values():
            said.update(np.asarray(column).tobytes())
    return said.hexdigest()


# what a whole run must show


def whole_run(config: Path, folder: Path) -> dict[str, Any]:
    with open_plant(config, folder) as plant:
        seen = batches(plant)
        sensors = plant.sensors
        lanes = plant._network.lane_id
        progress = plant.progress()
        last = plant.observe()
    edges: dict[int, list[tuple[float, bool]]] = {}
    for batch in seen:
        for x, time, on in zip(batch.loop_sensor, batch.loop_time, batch.loop_on, strict=True):
            edges.setdefault(int(x), []).append((float(time), bool(on)))
    return {
        "times": [batch.time for batch in seen],
        "first": [len(column) for column in vars(seen[0]).values() if isinstance(column, np.ndarray)],
        "frames": [batch.frame_sensor.tolist() for batch in seen],
        "late": [float(batch.loop_time.max(initial=0)) - batch.time / 10 for batch in seen],
        "cameras": np.flatnonzero(sensors.kind == SensorKind.CAMERA).tolist(),
        "lanes_seen": {lanes[l] for batch in seen for l in batch.object_lane.tolist()},
        "edges": edges,
        "turns": [
            (lanes[l], plant._network.edge_id[to], begin, end, n)
            for b in seen
            for l, to, begin, end, n in zip(
                *(getattr(b, f"turn_{name}").tolist() for name in ("lane", "to", "begin", "end", "vehicles")),
                strict=True,
            )
        ],
        "progress": progress,
        "last": last,
        "seconds": (plant.seconds_in_sumo, plant.seconds_in_sensors),
        "version": plant.sumo_version,
    }


@pytest.fixture(scope="session")
def run(street: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("run")
    return apart(whole_run, street, folder), folder


def test_ticks_are_seconds_from_begin_to_the_last_vehicle(run: tuple[dict[str, Any], Path]) -> None:
    seen, folder = run
    assert seen["times"] == list(range(0, 10 * len(seen["times"]), 10))
    assert seen["first"] == [0] * len(seen["first"])
    assert seen["last"] is None
    assert 200 < len(seen["times"]) < 400
    assert seen["progress"].running == seen["progress"].waiting == 0
    assert seen["version"].startswith("SUMO ")
    assert min(seen["seconds"]) > 0
    assert (folder / "sumo.log").exists()


def test_every_camera_sends_a_frame_per_tick_and_sees_upstream_of_the_short_road(
    run: tuple[dict[str, Any], Path],
) -> None:
    seen, _folder = run
    assert all(frames == seen["cameras"] for frames in seen["frames"][1:])
    assert seen["lanes_seen"] == {"WJ_0", "WJ_1", "JC_0", "JC_1", "NC_0"}


def seen_inside(config: Path, folder: Path) -> tuple[list[list[tuple[str, float]]], list[list[tuple[str, float]]]]:
    """Per tick, road and metres beyond the stop line of all who are in the intersection: as reported, as they are."""
    told, true = [], []
    with open_plant(config, folder) as plant:
        api, lanes = plant._session.api, plant._network.lane_id
        while (batch := plant.observe()) is not None:
            rows = zip(batch.object_lane.tolist(), batch.object_distance.tolist(), strict=True)
            told.append(sorted((lanes[l].rpartition("_")[0], round(-d, 2)) for l, d in rows if d < 0))
            there = []
            for vehicle in api.vehicle.getIDList() if batch.time else ():
                if api.vehicle.getRoadID(vehicle).startswith(":C"):
                    road = api.vehicle.getRoute(vehicle)[api.vehicle.getRouteIndex(vehicle)]
                    there.append((road, round(max(0.1, api.vehicle.getLanePosition(vehicle)), 2)))
            true.append(sorted(there))
    return told, true


def test_cameras_see_who_is_in_the_intersection_and_where_he_came_from(street: Path, tmp_path: Path) -> None:
    told, true = apart(seen_inside, street, tmp_path)
    assert told == true
    assert {road for rows in true for road, _ in rows} == {"JC", "NC"}


def test_loops_count_what_sumo_counts(run: tuple[dict[str, Any], Path], street: Path, tmp_path: Path) -> None:
    seen, folder = run
    loops = (folder / "loops.add.xml").read_text().replace('file="NUL"', f'file="{tmp_path / "counts.xml"}"')
    (tmp_path / "loops.add.xml").write_text(loops)
    command = [sumo_binary("sumo"), "-c", str(street), "-a", str(tmp_path / "loops.add.xml"), "--seed", "7"]
    subprocess.run([*command, "--time-to-teleport", "-1", "--no-step-log"], check=True, capture_output=True)
    counted = {
        int(interval.get("id", "").removeprefix("citybrain_")): int(interval.get("nVehEntered", ""))
        for interval in ET.parse(tmp_path / "counts.xml").getroot()
    }
    ours = {x: sum(on for _, on in seen["edges"].get(x, [])) for x in counted}
    assert ours == counted
    assert sum(counted.values()) > 150


def test_a_vehicle_is_one_pulse_however_long_it_stands(run: tuple[dict[str, Any], Path]) -> None:
    seen, _folder = run
    longest = 0.0
    for edges in seen["edges"].values():
        assert [on for _, on in edges] == [k % 2 == 0 for k in range(len(edges))]
        times = [time for time, _ in edges]
        assert times == sorted(times)
        assert len(edges) % 2 == 0
        longest = max(longest, *(off - on for on, off in zip(times[::2], times[1::2], strict=True)))
    assert longest > 20
    assert max(seen["late"]) <= 0
    assert any(time % 1 > 0 for time, _ in next(iter(seen["edges"].values())))


def test_cameras_count_where_everybody_turned_to(run: tuple[dict[str, Any], Path]) -> None:
    seen, folder = run
    crossed: list[tuple[str, str, float]] = []
    for route in ET.parse(folder / "vehroutes.xml").getroot().iter("route"):
        edges, exits = route.get("edges", "").split(), [float(x) for x in route.get("exitTimes", "").split()]
        crossed += [
            (edge, next(road for road in edges[k + 1 :] if not road.startswith(":")), exits[k])
            for k, edge in enumerate(edges[:-1])
            if edge in {"JC", "NC"}
        ]
    roads = {(lane.rpartition("_")[0], to) for lane, to, *_ in seen["turns"]}
    assert roads == {(edge, to) for edge, to, _ in crossed} == {("JC", "CE"), ("JC", "CS"), ("NC", "CS")}
    for edge, to in roads:
        told = [row for row in seen["turns"] if (row[0].rpartition("_")[0], row[1]) == (edge, to)]
        first = min(begin for _, _, begin, _, _ in told)
        true = sum(1 for one, road, time in crossed if (one, road) == (edge, to) and time > first)
        assert sum(n for *_, n in told) == pytest.approx(true, abs=1)
        for begin, end in {(begin, end) for _, _, begin, end, _ in told}:
            inside = [time for one, road, time in crossed if (one, road) == (edge, to) and begin - 1 < time <= end + 1]
            assert sum(n for *_, b, _, n in told if b == begin) <= len(inside)


def test_no_vehicle_is_lost(run: tuple[dict[str, Any], Path]) -> None:
    seen, folder = run
    trips = list(ET.parse(folder / "tripinfo.xml").getroot().iter("tripinfo"))
    assert len(trips) == seen["progress"].arrived
    lost = [float(trip.get("timeLoss", "nan")) + float(trip.get("departDelay", "nan")) for trip in trips]
    assert seen["progress"].delay_s == pytest.approx(np.mean(lost), abs=0.02)
    routes = list(ET.parse(folder / "vehroutes.xml").getroot().iter("vehicle"))
    assert len(routes) == len(trips)
    assert all(route.find("route").get("exitTimes") for route in routes)  # type: ignore[union-attr]


# the same again


def observed(config: Path, folder: Path, sensors: str, options: dict[str, Any]) -> str:
    with open_plant(config, folder, sensors, end_s=100.0, **options) as plant:
        return digest(batches(plant))


def test_same_seed_same_observations_by_libsumo_and_traci(
    street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    first = apart(observed, street, tmp_path / "a", "default", {})
    monkeypatch.setenv("PYTHONHASHSEED", "2")
    monkeypatch.setenv("LIBSUMO_AS_TRACI", "1")
    by_traci = {"sumo_binary": Path(sumo_binary("sumo"))}
    assert apart(observed, street, tmp_path / "b", "default", by_traci) == first


# windows, step lengths, commands


def windows(config: Path, folder: Path, options: dict[str, Any]) -> tuple[list[int], list[int], tuple[int, int, int]]:
    with open_plant(config, folder, **options) as plant:
        seen = batches(plant)
        progress = plant.progress()
    counts = (progress.arrived, progress.running, progress.waiting)
    return [batch.time for batch in seen], [len(batch.frame_sensor) for batch in seen], counts


def test_short_steps_and_a_begin_between_seconds(own: Path, tmp_path: Path) -> None:
    config = write_config(own, '<input>{}</input><time><begin value="10.5"/><step-length value="0.25"/></time>')
    times, frames, counts = apart(windows, config, tmp_path / "run", {"end_s": 90.5})
    assert times == list(range(105, 906, 10))
    assert set(frames[1:]) == {2}
    trips = ET.parse(tmp_path / "run" / "tripinfo.xml").getroot()
    assert len(list(trips.iter("tripinfo"))) == sum(counts)
    assert min(counts[:2]) > 0


def under_red(config: Path, folder: Path) -> tuple[str, int, int, str]:
    with open_plant(config, folder, end_s=120.0) as plant:
        network, signals = plant._network, plant._signals
        lamps = int(signals.lamp_ptr[-1])
        none = np.zeros(0, np.int32)
        never = np.zeros(0, np.int64)
        quiet = LampState(0, none, np.zeros(1, np.bool_), never, np.zeros(signals.n_groups, np.uint8), never)

        def command(letter: str, changed: bool) -> Command:
            letters = np.full(lamps, ord(letter), np.uint8)
            return Command(0, quiet, letters, np.array([changed]), none, none, np.zeros(0, np.uint8))

        left = [0, 0]
        stop_loops = np.flatnonzero(plant.sensors.kind == SensorKind.STOP_LOOP)
        while (batch := plant.observe()) is not None:
            green = batch.time >= 600
            off = np.isin(batch.loop_sensor, stop_loops) & ~batch.loop_on
            left[green and batch.time > 600] += int(off.sum())
            # a command that is not marked as changed must not reach the lamps, except the very first
            plant.apply(command("g" if green else "r", changed=batch.time == 600))
            if batch.time == 300:
                plant.apply(command("g", changed=False))
        with plant._session.talking():
            shown = plant._session.api.trafficlight.getRedYellowGreenState(network.intersection_id[0])
        return network.intersection_id[0], left[0], left[1], str(shown)


def test_lamps_show_what_was_commanded_from_the_first_tick(street: Path, tmp_path: Path) -> None:
    name, under_red_left, under_green_left, shown = apart(under_red, street, tmp_path)
    assert name == "C"
    assert under_red_left == 0
    assert under_green_left > 10
    assert set(shown) == {"g"}


# nothing outside the run folder


def test_nothing_is_written_outside_the_run_folder(own: Path, tmp_path: Path) -> None:
    (own / "part.add.xml").write_text('<additional><edgeData id="e" file="edges.xml" freq="10"/></additional>')
    (own / "a.add.xml").write_text(
        '<additional><e1Detector id="d&amp;1" lane="NC_0" pos="5" freq="10" file="e1.xml"/>'
        '<timedEvent type="SaveTLSStates" source="C" dest="states.xml"/><include href="part.add.xml"/></additional>'
    )
    with gzip.open(own / "b.add.xml.gz", "wb") as file:
        file.write(b'<additional><laneData id="l" file="lanes.xml" freq="10"/></additional>')
    config = write_config(
        own,
        '<input>{}<additional-files value="a.add.xml,b.add.xml.gz"/></input><output><tripinfo value="t.xml"/>'
        '<summary-output value="s.xml"/><fcd-output value="f.xml"/><output-prefix value="p_"/></output>'
        '<report><log value="l.txt"/><verbose value="true"/></report><gui_only><gui-settings-file value="no.xml"/>'
        "</gui_only><processing><human-readable-time value='true'/></processing>",
    )
    before = {file: file.read_bytes() for file in own.iterdir()}
    own.chmod(stat.S_IRUSR | stat.S_IXUSR)
    folder, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.mkdir()
    here = Path.cwd()
    os.chdir(elsewhere)
    try:
        apart(windows, config, folder, {"end_s": 30.0})
    finally:
        os.chdir(here)
        own.chmod(stat.S_IRWXU)
    assert {file: file.read_bytes() for file in own.iterdir()} == before
    assert list(elsewhere.iterdir()) == []
    assert {file.name for file in folder.iterdir()} == {
        *("loops.add.xml", "sumo.log", "tripinfo.xml", "vehroutes.xml"),
        *("additional_0.xml", "additional_0_1.xml", "additional_1.xml"),
    }


def test_files_that_write_nothing_are_used_as_they_are(own: Path, tmp_path: Path) -> None:
    stops = own / "stops.add.xml"
    stops.write_text('<additional><busStop id="b" lane="NC_0" startPos="5" endPos="20"/></additional>')
    assert silenced(stops, tmp_path, "copy") == stops
    assert silenced(own / "x.net.xml", tmp_path, "net") == own / "x.net.xml"
    reads = own / "reads.add.xml"
    reads.write_text(
        '<additional><variableSpeedSign id="v" lanes="NC_0" file="speeds.xml"/>'
        '<tlLogic id="C" programID="p" type="actuated"><param key="file" value="tl.xml"/></tlLogic></additional>'
    )
    copy = ET.parse(silenced(reads, tmp_path, "copy")).getroot()
    assert [sign.get("file") for sign in copy.iter("variableSpeedSign")] == [str(own / "speeds.xml")]
    assert [param.get("value") for param in copy.iter("param")] == ["NUL"]


def test_options_that_write_are_found_by_every_name(own: Path) -> None:
    config = write_config(
        own, '<output><netstate v="n.xml"/><queue-output value="q.xml"/><tripinfo value="t"/></output>'
    )
    assert output_options(config) == ("netstate", "queue-output")


# bad input and bad luck


def complaint(config: Path, folder: Path, options: dict[str, Any]) -> tuple[str, str, int]:
    """Class and words of the error that a run ends with, and how many ticks it had."""
    ticks = 0
    try:
        with open_plant(config, folder, end_s=400.0, **options) as plant:
            while plant.observe() is not None:
                ticks += 1
    except CityBrainError as error:
        return type(error).__name__, str(error), ticks
    return "", "", ticks


# SUMO reads demand about 200 s ahead, so that a flaw far down comes to light in mid-run
LATE_FLAW = f"""<routes>{"".join(f'<trip id="t{t}" depart="{t}" from="WJ" to="CE"/>' for t in (0, 250, 300))}
<vehicle id="v1" depart="350"><route edges="WJ nix"/></vehicle></routes>"""


@pytest.mark.parametrize(
    ("routes", "error", "words"),
    [
        (LATE_FLAW, "PlantError", "nix.*v1"),
        ("<routes><vehicle id=", "ScenarioError", r"b\.rou\.xml"),
    ],
)
def test_bad_demand_is_told_in_sumos_own_words(
    street: Path, tmp_path: Path, routes: str, error: str, words: str
) -> None:
    (tmp_path / "b.rou.xml").write_text(routes)
    kind, said, _ticks = apart(complaint, street, tmp_path / "run", {"route_files": (tmp_path / "b.rou.xml",)})
    assert kind == error
    assert re.search(words, said, re.DOTALL)
    assert "sumo.log" in said
    assert "Traceback" not in said


def killed(config: Path, folder: Path) -> tuple[str, int]:
    with open_plant(config, folder, sumo_binary=Path(sumo_binary("sumo"))) as plant:
        for _ in range(20):
            plant.observe()
        process = plant._session._process
        assert process is not None
        process.kill()
        process.wait()
        with pytest.raises(PlantError) as caught:
            plant.observe()
        plant.close()
        return str(caught.value), process.poll() or 0


def test_a_sumo_that_dies_is_a_plant_error(street: Path, tmp_path: Path) -> None:
    said, status = apart(killed, street, tmp_path)
    assert "SUMO failed in mid-run" in said
    assert "sumo.log" in said
    assert status != 0


def second(config: Path, folder: Path) -> bool:
    with open_plant(config, folder / "a", cap_s=30.0) as plant:
        assert batches(plant)[-1].time == 300
    with pytest.raises(ContractError, match="one simulation per process"):
        open_plant(config, folder / "b")
    with pytest.raises(ContractError, match="closed"):
        plant.observe()
    return True


def test_a_run_without_end_stops_at_its_cap_and_no_second_one_may_follow(street: Path, tmp_path: Path) -> None:
    assert apart(second, street, tmp_path)


def test_options_out_of_range_are_refused(street: Path, tmp_path: Path) -> None:
    config = read_config(street)
    fine = SumoOptions(config, tmp_path, 0.0, 10.0, 1)
    for changes, words in (
        ({"protocol": "ancient"}, r"'ancient'.*modern, classic"),
        ({"end_s": 0.0}, r"window from 0\.0 to 0\.0 s"),
        ({"seed": -1}, r"seed -1"),
        ({"config": replace(config, step_length_s=2.0)}, r"step length is 2 s"),
    ):
        with pytest.raises(ScenarioError, match=words):
            replace(fine, **changes)


@pytest.mark.parametrize("program", ["missing", "/bin/echo"])
def test_a_program_that_is_no_sumo_is_refused(street: Path, tmp_path: Path, program: str) -> None:
    with pytest.raises(ScenarioError, match="give the path of a sumo program"):
        open_plant(street, tmp_path, sumo_binary=Path(program))


def test_lists_that_sumo_would_cut_are_refused(street: Path, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="commas"):
        open_plant(street, tmp_path / "a,b")
