"""Demand factor and demand instances."""

from __future__ import annotations

import importlib.util
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.errors import ScenarioError
from citybrain_sim.demand import demand_files
from citybrain_sim.scenarios import find_scenario
from citybrain_sim.sumo_config import SumoConfig, read_config

BEGIN, END = 100.0, 1900.0


def config_of(folder: Path, *bodies: str) -> SumoConfig:
    files = []
    for number, body in enumerate(bodies):
        files.append(folder / f"{number}.rou.xml")
        files[-1].write_text(f"<routes>\n{body}\n</routes>\n", encoding="utf-8")
    return SumoConfig(
        path=folder / "small.sumocfg",
        net_file=folder / "small.net.xml",
        route_files=tuple(files),
        additional_files=(),
        begin_s=BEGIN,
        end_s=END,
        step_length_s=1.0,
    )


def vehicles(count: int) -> str:
    step = (END - BEGIN) / count
    rows = [
        f'<vehicle id="v{n}" type="car" depart="{BEGIN + n * step:.2f}"><route edges="e{n % 7} f"/></vehicle>'
        for n in range(count)
    ]
    return '<vType id="car"/>\n' + "\n".join(rows)


def varied(config: SumoConfig, factor: float, instance: int, folder: Path) -> ET.Element:
    (file,) = demand_files(config, factor, instance, folder / f"out-{factor}-{instance}")
    return ET.parse(file).getroot()


def departs(root: ET.Element, tag: str = "vehicle") -> list[float]:
    return [float(e.attrib["depart"]) for e in root.iter(tag)]


def test_demand_as_it_stands_is_left_alone(tmp_path: Path) -> None:
    config = config_of(tmp_path, vehicles(10))
    assert demand_files(config, 1.0, 0, tmp_path / "out") == config.route_files
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("factor", "expected"), [(0.6, 60), (1.4, 140), (2.0, 200), (0.05, 5)])
def test_factor_conserves_the_count(tmp_path: Path, factor: float, expected: int) -> None:
    root = varied(config_of(tmp_path, vehicles(100)), factor, 0, tmp_path)
    names = [e.attrib["id"] for e in root.iter("vehicle")]
    assert len(names) == len(set(names)) == expected
    originals = Counter(name.split(".copy")[0] for name in names)
    assert max(originals.values()) - (min(originals.values()) if factor >= 1 else 0) <= 1


def test_factor_alone_moves_no_original(tmp_path: Path) -> None:
    config = config_of(tmp_path, vehicles(50))
    before = {e.attrib["id"]: e.attrib["depart"] for e in ET.parse(config.route_files[0]).getroot().iter("vehicle")}
    after = {e.attrib["id"]: e.attrib["depart"] for e in varied(config, 1.4, 0, tmp_path).iter("vehicle")}
    assert before.items() <= after.items()


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 80), instance=st.integers(1, 10_000), factor=st.sampled_from([0.3, 1.0, 1.7]))
def test_instances_keep_the_window_the_order_and_the_volume(
    tmp_path_factory: pytest.TempPathFactory, count: int, instance: int, factor: float
) -> None:
    folder = tmp_path_factory.mktemp("demand")
    root = varied(config_of(folder, vehicles(count)), factor, instance, folder)
    times = departs(root)
    assert times == sorted(times)
    assert all(BEGIN <= time < END for time in times)
    assert 0.925 * factor * count - 1 <= len(times) <= 1.075 * factor * count + 1
    assert len({e.attrib["id"] for e in root.iter("vehicle")}) == len(times)


def test_same_instance_same_bytes_and_other_instances_differ(tmp_path: Path) -> None:
    config = config_of(tmp_path, vehicles(60))
    written = [
        demand_files(config, 1.0, instance, tmp_path / str(number))[0].read_bytes()
        for number, instance in enumerate((3, 3, 4))
    ]
    assert written[0] == written[1] != written[2]


def test_bootstrap_leaves_out_some_and_repeats_others_with_their_route(tmp_path: Path) -> None:
    config = config_of(tmp_path, vehicles(300))
    root = varied(config, 1.0, 1, tmp_path)
    names = [e.attrib["id"] for e in root.iter("vehicle")]
    kept = {name.split(".copy")[0] for name in names}
    assert 0.6 * 300 < len(kept) < 0.95 * 300
    for vehicle in root.iter("vehicle"):
        number = int(vehicle.attrib["id"].split(".copy")[0][1:])
        assert vehicle[0].attrib["edges"] == f"e{number % 7} f"
        original = BEGIN + number * (END - BEGIN) / 300
        assert abs(float(vehicle.attrib["depart"]) - original) <= 60.01


def test_volume_per_ten_minutes_stays_near(tmp_path: Path) -> None:
    root = varied(config_of(tmp_path, vehicles(300)), 1.0, 5, tmp_path)
    bins = Counter(int((time - BEGIN) // 600) for time in departs(root))
    assert all(abs(bins[number] - 100) < 25 for number in range(3))


def test_vehicles_due_before_the_window_are_left_out(tmp_path: Path) -> None:
    early = '<trip id="early" depart="99.99" from="a" to="b"/>\n<trip id="due" depart="0:1:40" from="a" to="b"/>'
    root = varied(config_of(tmp_path, early), 2.0, 0, tmp_path)
    assert {e.attrib["id"] for e in root.iter("trip")} == {"due", "due.copy1"}


BUSES = """
<route id="line" edges="a b"><stop busStop="s" duration="20"/></route>
<vehicle id="stops" depart="150" route="plain"><stop busStop="s" duration="20"/></vehicle>
<vehicle id="by_route" depart="160" route="line"/>
<trip id="by_line" depart="170" from="a" to="b" line="10"/>
<vehicle id="taxi" depart="triggered" route="plain"/>
<vehicle id="lift" depart="200" route="plain"/>
<person id="rider" depart="190"><ride from="a" to="b" lines="lift"/></person>
<person id="passenger" depart="500"><walk edges="a"/><ride to="b" lines="10"/></person>
<flow id="buses" begin="300" end="900" period="300" route="plain"><stop busStop="s" duration="20"/></flow>
<personFlow id="crowd" begin="310" end="900" number="5"><walk edges="a b"/></personFlow>
"""


def test_buses_and_who_depends_on_them_stay(tmp_path: Path) -> None:
    config = config_of(tmp_path, vehicles(40), BUSES)
    before = {e.attrib["id"]: ET.tostring(e).strip() for e in ET.parse(config.route_files[1]).getroot()}
    for factor, instance in ((0.05, 1), (3.0, 2)):
        root = varied(config, factor, instance, tmp_path)
        after = {e.attrib["id"]: ET.tostring(e).strip() for e in root}
        assert {name: after[name] for name in before if name != "passenger"} == {
            name: text for name, text in before.items() if name != "passenger"
        }
        assert not [name for name in after if name.startswith("passenger.")]
        person = next(e for e in root.iter("person") if e.attrib["id"] == "passenger")
        assert 440 <= float(person.attrib["depart"]) <= 560
        assert [step.tag for step in person] == ["walk", "ride"]


def test_what_additional_files_hold_counts_too(tmp_path: Path) -> None:
    beside = tmp_path / "stops.add.xml"
    beside.write_text(
        '<additional><busStop id="s" lane="a_0"/><route id="far" edges="a b"><stop busStop="s" duration="9"/></route>'
        '<person id="rider" depart="190"><ride from="a" to="b" lines="lift"/></person></additional>',
        encoding="utf-8",
    )
    body = '<vehicle id="bus" depart="150" route="far"/>\n<vehicle id="lift" depart="160" route="plain"/>'
    config = replace(config_of(tmp_path, body, vehicles(20)), additional_files=(beside,))
    root = varied(config, 0.05, 4, tmp_path)
    assert {e.attrib["id"]: e.attrib["depart"] for e in root.iter("vehicle") if e.attrib["id"][0] != "v"} == {
        "bus": "150",
        "lift": "160",
    }
    assert not [e for e in root if e.tag in {"busStop", "person"}]


def test_definitions_stand_before_their_use(tmp_path: Path) -> None:
    late = '<vehicle id="a" depart="1500" route="r"/>'
    definitions = '<route id="r" edges="x"/>\n<vTypeDistribution id="mix"><vType id="k"/></vTypeDistribution>'
    root = varied(config_of(tmp_path, f"{definitions}\n{late}", vehicles(10)), 1.0, 1, tmp_path)
    tags = [e.tag for e in root]
    first = tags.index("vehicle")
    assert {"route", "vTypeDistribution", "vType"} <= set(tags[:first])
    assert set(tags[first:]) == {"vehicle"}


@pytest.mark.parametrize(
    ("given", "doubled"),
    [
        ('vehsPerHour="600"', {"vehsPerHour": "1200"}),
        ('period="4"', {"period": "2"}),
        ('period="exp(0.25)"', {"period": "exp(0.5)"}),
        ('probability="0.2"', {"probability": "0.4"}),
        ('probability="0.8"', {"period": "exp(1.6)"}),
        ('number="7"', {"number": "14"}),
    ],
)
def test_flows_are_scaled(tmp_path: Path, given: str, doubled: dict[str, str]) -> None:
    config = config_of(tmp_path, f'<flow id="f" begin="200" end="800" from="a" to="b" {given}/>')
    flow = varied(config, 2.0, 0, tmp_path)[0]
    assert flow.attrib == {"id": "f", "begin": "200", "end": "800", "from": "a", "to": "b", **doubled}


def test_a_flow_scaled_to_nothing_is_left_out(tmp_path: Path) -> None:
    body = '<flow id="f" begin="200" end="800" from="a" to="b" number="1"/>'
    assert list(varied(config_of(tmp_path, body), 0.1, 0, tmp_path)) == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('<vehicle id="a" depart="soon" route="r"/>', r"0\.rou\.xml, line 2: .*'soon'"),
        ('<vehicle id="a" route="r"/>', r"line 2: .* has no depart"),
        ('<trip depart="5" from="a" to="b"/>', r"line 2: <trip> has no id"),
        ('<vehicle id="a" depart="1">', r"0\.rou\.xml, line 3.*malformed XML"),
        ('<flow id="f" begin="200" end="800" from="a" to="b" number="many"/>', "flow 'f'"),
        ('<flow id="f" begin="200" end="800" from="a" to="b" period="0"/>', "flow 'f'"),
        ('<person id="p" depart="1"><walk edges="a"/></person>', "no vehicle or flow"),
    ],
)
def test_bad_demand_is_named_with_its_place(tmp_path: Path, body: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        demand_files(config_of(tmp_path, body), 1.3, 1, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("factor", [0.0, 0.04, 5.1, -1.0, float("nan"), float("inf")])
def test_factor_out_of_range(tmp_path: Path, factor: float) -> None:
    with pytest.raises(ScenarioError, match="demand factor"):
        demand_files(config_of(tmp_path, vehicles(2)), factor, 0, tmp_path)


def test_negative_instance(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="demand instance -1"):
        demand_files(config_of(tmp_path, vehicles(2)), 1.0, -1, tmp_path)


@pytest.mark.sumo
def test_sumo_takes_an_instance_of_the_district(tmp_path: Path) -> None:
    found = importlib.util.find_spec("sumo")
    if found is None or found.origin is None:
        pytest.skip("eclipse-sumo is not installed")
    scenario = find_scenario("district")
    config = replace(read_config(scenario.config), begin_s=scenario.begin_s, end_s=scenario.end_s)
    (route_file,) = demand_files(config, 0.5, 7, tmp_path)
    done = subprocess.run(
        [
            str(Path(found.origin).parent / "bin" / "sumo"),
            f"--net-file={config.net_file}",
            f"--route-files={route_file}",
            f"--additional-files={','.join(map(str, config.additional_files))}",
            f"--begin={config.begin_s}",
            f"--end={config.end_s}",
            "--no-step-log",
            "--xml-validation=never",
            f"--tripinfo-output={tmp_path / 'trips.xml'}",
            "--tripinfo-output.write-unfinished",
            "--tripinfo-output.write-undeparted",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr.replace("Warning: Environment variable SUMO_HOME", "")
    asked = ET.parse(route_file).getroot()
    trips = ET.parse(tmp_path / "trips.xml").getroot()
    assert {e.attrib["id"] for e in trips.iter("tripinfo")} == {e.attrib["id"] for e in asked.iter("vehicle")}
    assert len(list(trips.iter("personinfo"))) == len(list(asked.iter("person"))) == 420
    assert sum(e.attrib["type"] == "bus" for e in asked.iter("vehicle")) == 24
