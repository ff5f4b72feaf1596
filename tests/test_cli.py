"""The command as a person meets it: options, output, and one clear message for whatever is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from citybrain.errors import InputError
from citybrain_api.libraries import program
from citybrain_api.options import read_names, read_seeds

NODES = """<nodes>
  <node id="centre" x="0" y="0" type="traffic_light"/>
  <node id="n" x="0" y="150"/> <node id="s" x="0" y="-150"/> <node id="e" x="150" y="0"/> <node id="w" x="-150" y="0"/>
</nodes>"""
ARMS = "nsew"
EDGES = "<edges>{}</edges>".format(
    "".join(
        f'<edge id="{a}_in" from="{a}" to="centre" numLanes="1" speed="13.9"/>'
        f'<edge id="{a}_out" from="centre" to="{a}" numLanes="1" speed="13.9"/>'
        for a in ARMS
    )
)
TRIPS = """<routes>
  <flow id="ns" begin="0" end="60" number="6" from="n_in" to="s_out"/>
  <flow id="ew" begin="0" end="60" number="6" from="e_in" to="w_out"/>
</routes>"""
CONFIG = """<configuration>
  <input><net-file value="tiny.net.xml"/><route-files value="tiny.rou.xml"/>{extra}</input>
  <time><begin value="0"/><end value="60"/></time>
</configuration>"""
PROGRAM = re.compile(r"(<tlLogic.*?>).*?(</tlLogic>)", re.DOTALL)


@dataclass(frozen=True)
class Outcome:
    """What the command left."""

    code: int
    out: str
    err: str


def citybrain(*arguments: object, cwd: Path) -> Outcome:
    """Run the real command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "citybrain_api.cli", *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "COLUMNS": "160", "NO_COLOR": "1"},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def refused(outcome: Outcome, *names: str) -> None:
    """Assert one message on stderr that names what is wrong, exit code 2, and nothing else."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.count("error:") + outcome.err.count("─ Error ") == 1, outcome.err
    for name in names:
        assert name in outcome.err


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Text of a network with one signal, four arms, made by SUMO's own netconvert."""
    folder = tmp_path_factory.mktemp("net")
    (folder / "a.nod.xml").write_text(NODES)
    (folder / "a.edg.xml").write_text(EDGES)
    netconvert = program("netconvert")
    assert netconvert is not None
    options = ["-n", "a.nod.xml", "-e", "a.edg.xml", "-o", "a.net.xml", "--no-turnarounds", "--no-warnings"]
    subprocess.run([netconvert, *options], cwd=folder, check=True, capture_output=True)
    return (folder / "a.net.xml").read_text()


@dataclass(frozen=True)
class Scenario:
    """A folder with a small scenario whose files a test may spoil."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "tiny.sumocfg"

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)


@pytest.fixture
def tiny(net: str, tmp_path: Path) -> Scenario:
    scenario = Scenario(tmp_path)
    scenario.write("tiny.net.xml", net)
    scenario.write("tiny.rou.xml", TRIPS)
    scenario.write("tiny.sumocfg", CONFIG.format(extra=""))
    return scenario


def with_program(net: str, *states: str) -> str:
    """Return the network with other steps in its signal program, 20 s each."""
    steps = "".join(f'<phase duration="20" state="{state}"/>' for state in states)
    changed, count = PROGRAM.subn(rf"\g<1>{steps}\g<2>", net)
    assert count == 1
    return changed


def run(tiny: Scenario, *options: object, scenario: object = None) -> Outcome:
    """Run the fixed plan on the small scenario."""
    where = tiny.config if scenario is None else scenario
    return citybrain("run", where, "--controller", "fixed", *options, cwd=tiny.folder)


class TestReadingOptions:
    def test_a_number_means_one_to_it(self) -> None:
        assert read_seeds("3") == [1, 2, 3]

    def test_a_list_is_itself_in_order_without_doubles(self) -> None:
        assert read_seeds("9, 1,5,1") == [9, 1, 5]
        assert read_seeds("7,") == [7]

    @pytest.mark.parametrize("text", ["", "0", "-1", "many", "1;2", "1,-2", "1.5", "1,2147483648", "1000000"])
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(InputError, match="--seeds"):
            read_seeds(text)

    def test_names_without_blanks_and_doubles(self) -> None:
        assert read_names("fixed, planner,fixed", "--controllers") == ["fixed", "planner"]

    def test_no_name_is_refused(self) -> None:
        with pytest.raises(InputError, match="--controllers"):
            read_names(" , ", "--controllers")


class TestBadFiles:
    def test_missing_configuration(self, tiny: Scenario) -> None:
        refused(run(tiny, scenario="absent.sumocfg"), "absent.sumocfg")

    def test_missing_network(self, tiny: Scenario) -> None:
        (tiny.folder / "tiny.net.xml").unlink()
        refused(run(tiny), "tiny.net.xml")

    def test_malformed_network(self, tiny: Scenario, net: str) -> None:
        tiny.write("tiny.net.xml", net[: len(net) // 2])
        refused(run(tiny), "tiny.net.xml")

    def test_a_file_that_is_no_network(self, tiny: Scenario) -> None:
        tiny.write("tiny.net.xml", TRIPS)
        refused(run(tiny), "tiny.net.xml", "<net>")

    def test_missing_demand(self, tiny: Scenario) -> None:
        (tiny.folder / "tiny.rou.xml").unlink()
        refused(run(tiny), "tiny.rou.xml")

    def test_malformed_demand(self, tiny: Scenario) -> None:
        tiny.write("tiny.rou.xml", "<routes><flow id=")
        refused(run(tiny), "tiny.rou.xml")

    def test_demand_on_a_road_that_does_not_exist(self, tiny: Scenario) -> None:
        tiny.write("tiny.rou.xml", TRIPS.replace("n_in", "nowhere_in"))
        refused(run(tiny), "nowhere_in")

    def test_missing_additional_file(self, tiny: Scenario) -> None:
        tiny.write("tiny.sumocfg", CONFIG.format(extra='<additional-files value="extra.add.xml"/>'))
        refused(run(tiny), "extra.add.xml")

    def test_detector_on_a_lane_that_does_not_exist(self, tiny: Scenario) -> None:
        tiny.write("tiny.sumocfg", CONFIG.format(extra='<additional-files value="loops.add.xml"/>'))
        loop = '<inductionLoop id="loop" lane="nowhere_0" pos="-5" period="60" file="loops.xml"/>'
        tiny.write("loops.add.xml", f"<additional>{loop}</additional>")
        refused(run(tiny), "nowhere_0")

    def test_network_without_signals(self, tiny: Scenario, net: str) -> None:
        bare = PROGRAM.sub("", net).replace('type="traffic_light"', 'type="priority"')
        tiny.write("tiny.net.xml", re.sub(r' tl="centre" linkIndex="\d+"', "", bare))
        refused(run(tiny), "tiny.net.xml", "signal")

    def test_program_with_one_stage(self, tiny: Scenario, net: str) -> None:
        tiny.write("tiny.net.xml", with_program(net, "GGgrrrGGgrrr"))
        refused(run(tiny), "centre", "stage")

    def test_program_with_conflicting_greens(self, tiny: Scenario, net: str) -> None:
        tiny.write("tiny.net.xml", with_program(net, "GGGGGGrrrrrr", "yyyyyyrrrrrr", "rrrrrrGGgGGg", "rrrrrryyyyyy"))
        refused(run(tiny), "centre", "green")

    def test_window_that_ends_before_it_begins(self, tiny: Scenario) -> None:
        tiny.write("tiny.sumocfg", CONFIG.format(extra="").replace('<begin value="0"/>', '<begin value="90"/>'))
        refused(run(tiny), "90", "60")


class TestBadOptions:
    @pytest.mark.parametrize(
        ("options", "names"),
        [
            (("run", "nowhere"), ("nowhere", "citybrain scenarios")),
            (("run", "district", "--controller", "clever"), ("clever", "planner")),
            (("compare", "district", "--controllers", "fixed,clever"), ("clever", "planner")),
            (("compare", "district", "--seeds", "0"), ("--seeds",)),
            (("run", "district", "--seed", "-1"), ("--seed",)),
            (("run", "district", "--profile", "martian"), ("martian", "us-mutcd")),
            (("run", "district", "--sensors", "eyes"), ("eyes", "default")),
            (("run", "district", "--protocol", "ancient"), ("ancient", "classic")),
            (("run", "district", "--demand", "-1"), ("--demand",)),
            (("compare", "district", "--instances", "0"), ("--instances",)),
            (("compare", "district", "--jobs", "0"), ("--jobs",)),
            (("run", "district", "--sumo", "no/such/sumo"), ("no/such/sumo",)),
            (("replay", "no/such/folder"), ("no/such/folder",)),
            (("run",), ("SCENARIO",)),
            (("fly",), ("fly",)),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
    )
    def test_is_refused(self, options: tuple[str, ...], names: tuple[str, ...], tmp_path: Path) -> None:
        refused(citybrain(*options, cwd=tmp_path), *names)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written(self, tiny: Scenario) -> None:
        tiny.write("taken", "a file, not a folder")
        refused(run(tiny, "--out", "taken"), "taken", "--out")
