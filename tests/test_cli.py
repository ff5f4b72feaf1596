"""The command as a person meets it: options, output, and one clear message for whatever is wrong."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from citybrain import __version__
from citybrain.control.registry import CONTROLLERS
from citybrain.errors import InputError
from citybrain.profiles import TIMING_PROFILES
from citybrain_api.cli import app
from citybrain_api.libraries import program
from citybrain_api.options import read_names, read_seeds
from citybrain_sim.runs import PROTOCOLS, SUMO_CONTROLLERS
from citybrain_sim.sensor_profiles import sensor_profile_names
from citybrain_sim.warm_up import COMPILING

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
LOOP = '<additional><inductionLoop id="loop" lane="nowhere_0" pos="-5" period="60" file="loops.xml"/></additional>'
PROGRAM = re.compile(r"(<tlLogic.*?>).*?(</tlLogic>)", re.DOTALL)


@dataclass(frozen=True)
class Outcome:
    """What the command left."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


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


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Return the command inside this process, quicker: for what is refused before any simulation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")

    def call(*arguments: object) -> Outcome:
        with pytest.raises(SystemExit) as left:
            app([*map(str, arguments)], prog_name="citybrain")
        out, err = capfd.readouterr()
        return Outcome(int(left.value.code or 0), out, err)

    return call


def refused(outcome: Outcome, *names: str) -> None:
    """Assert one message on stderr that names what is wrong, exit code 2, and nothing else."""
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.count("citybrain: error:") + outcome.err.count("─ Error ─") == 1, outcome.err
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


def fixed(scenario: object, *options: object) -> tuple[object, ...]:
    """Return the arguments that run a scenario under its own plan."""
    return ("run", scenario, "--controller", "fixed", *options)


def wait_for(folder: Path, pattern: str, process: subprocess.Popen[str]) -> Path:
    """Wait until a file appears below a folder while the process lives."""
    for _ in range(600):
        found = next(folder.glob(pattern), None)
        if found is not None:
            return found
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
            break
    raise AssertionError(f"no {pattern} below {folder}")


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
    def test_missing_configuration(self, here: Command) -> None:
        refused(here(*fixed("absent.sumocfg")), "absent.sumocfg")

    def test_missing_network(self, tiny: Scenario, here: Command) -> None:
        (tiny.folder / "tiny.net.xml").unlink()
        refused(here(*fixed(tiny.config)), "tiny.net.xml")

    def test_malformed_network(self, tiny: Scenario, net: str, here: Command) -> None:
        tiny.write("tiny.net.xml", net[: len(net) // 2])
        refused(here(*fixed(tiny.config)), "tiny.net.xml")

    def test_a_file_that_is_no_network(self, tiny: Scenario, here: Command) -> None:
        tiny.write("tiny.net.xml", TRIPS)
        refused(here(*fixed(tiny.config)), "tiny.net.xml", "<net>")

    def test_missing_demand(self, tiny: Scenario, here: Command) -> None:
        (tiny.folder / "tiny.rou.xml").unlink()
        refused(here(*fixed(tiny.config)), "tiny.rou.xml")

    def test_missing_additional_file(self, tiny: Scenario, here: Command) -> None:
        tiny.write("tiny.sumocfg", CONFIG.format(extra='<additional-files value="extra.add.xml"/>'))
        refused(here(*fixed(tiny.config)), "extra.add.xml")

    def test_network_without_signals(self, tiny: Scenario, net: str, here: Command) -> None:
        bare = PROGRAM.sub("", net).replace('type="traffic_light"', 'type="priority"')
        tiny.write("tiny.net.xml", re.sub(r' tl="centre" linkIndex="\d+"', "", bare))
        refused(here(*fixed(tiny.config)), "tiny.net.xml", "signal")

    def test_program_with_one_stage(self, tiny: Scenario, net: str, here: Command) -> None:
        tiny.write("tiny.net.xml", with_program(net, "GGgrrrGGgrrr"))
        refused(here(*fixed(tiny.config)), "centre", "stage")

    def test_program_with_conflicting_greens(self, tiny: Scenario, net: str, here: Command) -> None:
        tiny.write("tiny.net.xml", with_program(net, "GGGGGGrrrrrr", "yyyyyyrrrrrr", "rrrrrrGGgGGg", "rrrrrryyyyyy"))
        refused(here(*fixed(tiny.config)), "centre", "lamp 10 (w_in_0 to e_out_0)", "give way")

    def test_window_that_ends_before_it_begins(self, tiny: Scenario, here: Command) -> None:
        tiny.write("tiny.sumocfg", CONFIG.format(extra="").replace('<begin value="0"/>', '<begin value="90"/>'))
        refused(here(*fixed(tiny.config)), "90", "60")

    def test_several_bad_scenarios_are_named_at_once(self, tiny: Scenario, net: str, here: Command) -> None:
        tiny.write("tiny.net.xml", with_program(net, "GGgrrrGGgrrr"))
        tiny.write("other.sumocfg", CONFIG.format(extra=""))
        outcome = here("compare", tiny.config, tiny.folder / "other.sumocfg", "--controllers", "fixed,planner")
        assert outcome.code == 2
        assert len([line for line in outcome.err.splitlines() if "stage" in line]) == 2
        assert not (tiny.folder / "runs").exists()


@pytest.mark.sumo
def test_what_only_sumo_sees_is_told_once_per_scenario(tiny: Scenario) -> None:
    spoilt = {
        "malformed.rou.xml": ("<routes><flow id=", "malformed.rou.xml"),
        "astray.rou.xml": (TRIPS.replace("n_in", "nowhere_in"), "nowhere_in"),
        "loops.add.xml": (LOOP, "nowhere_0"),
    }
    for file, (text, _) in spoilt.items():
        tiny.write(file, text)
    config = CONFIG.format(extra="")
    tiny.write("malformed.sumocfg", config.replace("tiny.rou.xml", "malformed.rou.xml"))
    tiny.write("astray.sumocfg", config.replace("tiny.rou.xml", "astray.rou.xml"))
    tiny.write("loops.sumocfg", CONFIG.format(extra='<additional-files value="loops.add.xml"/>'))
    names = ("malformed.sumocfg", "astray.sumocfg", "loops.sumocfg")
    outcome = citybrain("compare", *names, "--controllers", "fixed,planner", "--seeds", "1", cwd=tiny.folder)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.count("citybrain: error:") == len(names)
    assert "Traceback" not in outcome.err
    for word in (*names, *(name for _, name in spoilt.values())):
        assert word in outcome.err


class TestBadOptions:
    @pytest.mark.parametrize(
        ("options", "names"),
        [
            ("run nowhere", ("nowhere", "citybrain scenarios")),
            ("run district --controller clever", ("clever", "planner")),
            ("compare district --controllers fixed,clever", ("clever", "planner")),
            ("compare district --controllers ,", ("--controllers",)),
            ("compare district --seeds 0", ("--seeds",)),
            ("run district --seed -1", ("--seed",)),
            ("run district --profile martian", ("martian", "us-mutcd")),
            ("run district --sensors eyes", ("eyes", "default")),
            ("run district --faults stuck:2,late:7", ("'stuck'", "stuck-on", "'late' has no level 7")),
            ("run district --faults nowhere.toml", ("nowhere.toml", "cannot be read")),
            ("run district --protocol ancient", ("ancient", "classic")),
            ("run district --demand -1", ("--demand",)),
            ("run district --demand nan", ("--demand",)),
            ("run district --demand 0", ("demand",)),
            ("run district --instance -1", ("--instance",)),
            ("compare district --instances 0", ("--instances",)),
            ("compare district --jobs 0", ("--jobs",)),
            ("run district --sumo no/such/sumo", ("no/such/sumo",)),
            ("replay no/such/folder", ("no/such/folder", "No such file", "name the folder of a run")),
            ("look no/such/folder", ("no/such/folder", "No such file", "name the folder of a run")),
            ("events no/such/folder", ("no/such/folder does not exist",)),
            ("serve nowhere", ("nowhere", "citybrain scenarios")),
            ("bench my/maps", ("my/maps is neither a folder nor a .sumocfg",)),
            ("run", ("SCENARIO",)),
            ("fly", ("fly",)),
        ],
    )
    def test_is_refused(self, options: str, names: tuple[str, ...], here: Command, tmp_path: Path) -> None:
        refused(here(*options.split(" ")), *names)
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_cannot_be_written(self, tmp_path: Path, here: Command) -> None:
        (tmp_path / "taken").write_text("a file, not a folder")
        refused(here(*fixed("district", "--out", "taken")), "taken", "--out")
        refused(here(*fixed("district", "--out", "taken/below")), "taken", "--out")


@pytest.mark.sumo
class TestRuns:
    def test_a_comparison_as_json_then_as_a_table_from_finished_runs(self, tiny: Scenario) -> None:
        options = ("compare", tiny.config, "--controllers", "fixed,planner", "--seeds", "1")
        first = citybrain(*options, "--json", cwd=tiny.folder)
        assert first.code == 0
        assert re.fullmatch(rf"({COMPILING}\n)?1 of 2: .*: delay \d+\.\d s\n2 of 2: .*: delay \d+\.\d s\n", first.err)
        document = json.loads(first.out)
        assert [run["controller"] for run in document["runs"]] == ["fixed", "planner"]
        assert all(run["loaded"] == 12 for run in document["runs"])
        assert {"delay_s", "travel_time_s", "stops", "engine_time_s", "sumo_time_s"} <= document["runs"][0].keys()
        assert [row["controller"] for row in document["summary"]] == ["fixed", "planner"]
        second = citybrain(*options, cwd=tiny.folder)
        assert second.code == 0
        assert "protocol modern" in second.out
        again = citybrain("replay", document["runs"][1]["folder"], "--json", cwd=tiny.folder)
        assert (again.code, again.err) == (0, "")
        assert json.loads(again.out)["same"] is True

    @pytest.mark.parametrize(
        ("controller", "number", "code"), [("fixed", signal.SIGINT, 130), ("planner", signal.SIGTERM, 143)]
    )
    def test_who_stops_a_run_is_told_how_to_go_on(
        self, controller: str, number: signal.Signals, code: int, tiny: Scenario
    ) -> None:
        long = CONFIG.format(extra="").replace('<end value="60"/>', '<end value="360000"/>')
        tiny.write("tiny.sumocfg", long)
        tiny.write("tiny.rou.xml", TRIPS.replace('end="60" number="6"', 'end="360000" period="30"'))
        # A shell may have told us to ignore Ctrl-C; the command under test must not inherit that.
        start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        command = [sys.executable, "-c", f"{start}; from citybrain_api.cli import main; main()"]
        command += ["run", str(tiny.config), "--controller", controller]
        with subprocess.Popen(
            command,
            cwd=tiny.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            log = wait_for(tiny.folder / "runs", "*/*/*/sumo.log", process)
            # A terminal tells the whole group, `kill` only the command.
            (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
            out, err = process.communicate(timeout=60)  # ends when all processes that write here have ended
        assert process.returncode == code
        assert out == ""
        assert re.fullmatch(r"citybrain: stopped; .* goes on from there\n", err)
        assert not log.with_name("result.json").exists()
        for table in log.parent.glob("*.parquet"):
            pq.read_schema(table)

    def test_who_stops_the_compiler_is_told_the_same(self, tiny: Scenario) -> None:
        start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        command = [sys.executable, "-c", f"{start}; from citybrain_api.cli import main; main()"]
        with subprocess.Popen(
            [*command, *map(str, fixed(tiny.config))],
            cwd=tiny.folder,
            env=os.environ | {"NUMBA_CACHE_DIR": str(tiny.folder / "cache")},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            assert process.stderr is not None
            first = process.stderr.readline()
            os.killpg(process.pid, signal.SIGINT)
            _, rest = process.communicate(timeout=60)
        assert first == COMPILING + "\n"
        assert re.fullmatch(r"citybrain: stopped; .* goes on from there\n", rest)
        assert process.returncode == 130

    def test_a_run_ends_with_the_command_that_asked_for_it(self, tiny: Scenario) -> None:
        tiny.write("tiny.sumocfg", CONFIG.format(extra="").replace('<end value="60"/>', '<end value="360000"/>'))
        tiny.write("tiny.rou.xml", TRIPS.replace('end="60" number="6"', 'end="360000" period="30"'))
        command = [sys.executable, "-m", "citybrain_api.cli", *map(str, fixed(tiny.config))]
        with subprocess.Popen(command, cwd=tiny.folder, stderr=subprocess.PIPE, text=True) as process:
            wait_for(tiny.folder / "runs", "*/*/*/sumo.log", process)
            process.kill()
            _, err = process.communicate(timeout=60)  # ends when all processes that write here have ended
        assert err == ""


class TestHelp:
    def test_it_names_every_controller(self, here: Command) -> None:
        text = " ".join(here("compare", "--help").out.split())
        for name in (*(entry.name for entry in CONTROLLERS), *SUMO_CONTROLLERS):
            assert name in text

    def test_it_names_every_profile(self, here: Command) -> None:
        text = here("run", "--help").out
        for name in (*sensor_profile_names(), *TIMING_PROFILES, *PROTOCOLS):
            assert name in text

    def test_it_does_not_load_the_engine(self) -> None:
        loaded = "import sys, citybrain_api.cli; print({'numpy', 'numba', 'pyarrow'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "set()"


class TestLists:
    def test_scenarios(self, here: Command) -> None:
        assert "district" in here("scenarios").out
        listed = json.loads(here("scenarios", "--json").out)["scenarios"]
        district = next(row for row in listed if row["name"] == "district")
        assert district["available"]
        assert district["licence"] == "Apache-2.0"

    def test_doctor(self, here: Command) -> None:
        outcome = here("doctor", "--json")
        assert outcome.code == 0
        assert json.loads(outcome.out)["ok"] is True
        assert "SUMO starts" in here("doctor").out

    def test_version(self, here: Command) -> None:
        assert here("version").out.strip() == __version__
