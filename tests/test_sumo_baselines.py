"""Programs of SUMO's own actuated kinds: what is written, and that SUMO runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import pytest

from citybrain.errors import ContractError
from citybrain.profiles import make_timings
from citybrain_sim.sumo_baselines import write_programs
from tests.sites import small_site
from tests.sumo_nets import public_net, sumo_binary

RUN = """
import json, sys
import libsumo
config, additional, seconds = sys.argv[1:]
libsumo.start(["sumo", "-c", config, "-a", additional, "--no-warnings", "--no-step-log", "--time-to-teleport", "-1"])
signals = libsumo.trafficlight.getIDList()
shown = {signal: [] for signal in signals}
for _ in range(int(seconds)):
    libsumo.simulationStep()
    for signal, states in shown.items():
        states.append(libsumo.trafficlight.getRedYellowGreenState(signal))
programs = {signal: libsumo.trafficlight.getProgram(signal) for signal in signals}
libsumo.close()
print(json.dumps({"programs": programs, "shown": shown}))
"""


def simulate(config: Path, additional: Path, seconds: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(config), str(additional), str(seconds)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LIBSUMO_AS_TRACI": "quiet"},
    )
    assert done.returncode == 0, done.stderr
    return cast("dict[str, Any]", json.loads(done.stdout))


def test_states_and_durations_of_the_own_program(tmp_path: Path) -> None:
    site = small_site()
    path = write_programs("actuated", site.signals, site.network, tmp_path / "a.add.xml", site.timings)
    west, east = ET.parse(path).getroot().findall("tlLogic")
    assert (west.get("id"), west.get("type"), west.get("programID")) == ("west", "actuated", "citybrain-actuated")
    assert (east.get("id"), east.get("offset")) == ("east", "17.0")
    phases = [
        tuple(phase.get(key) for key in ("state", "duration", "minDur", "maxDur")) for phase in west.iter("phase")
    ]
    assert phases == [
        ("rrrrrrGGgGGg", "30.0", "5.0", "50.0"),
        ("rrrrrryygyyg", "3.0", None, None),
        ("rrrrrrrrgrrg", "1.0", None, None),
        ("rrrrrrrrGrrG", "8.0", "5.0", "50.0"),
        ("rrrrrrrryrry", "3.0", None, None),
        ("rrrrrrrrrrrr", "1.0", None, None),
        ("GGgGgGrrrrrr", "25.0", "5.0", "50.0"),
        ("yyyyyyrrrrrr", "3.0", None, None),
        ("rrrrrrrrrrrr", "1.0", None, None),
    ]
    walk = next(east.iter("phase"))
    assert walk.get("minDur") == "7.0", "the walk is the longest minimum there"


def test_steps_that_go_on_with_the_same_row_become_one_phase(tmp_path: Path) -> None:
    from citybrain_sim.sumo_net import read_network

    net = public_net("bologna_acosta")
    network, signals = read_network(net.net_file, net.additional_files)
    timings = make_timings("own", network, signals)
    path = write_programs("delay_based", signals, network, tmp_path / "d.add.xml", timings)
    for i, logic in enumerate(ET.parse(path).getroot().iter("tlLogic")):
        states = [phase.get("state") for phase in logic.iter("phase")]
        assert all(a != b for a, b in pairwise(states))
        total = sum(float(phase.get("duration", "nan")) for phase in logic.iter("phase"))
        own = signals.step_duration[signals.step_ptr[i] : signals.step_ptr[i + 1]].sum()
        assert total == pytest.approx(own / 10)


def test_other_kinds_are_refused(tmp_path: Path) -> None:
    site = small_site()
    with pytest.raises(ContractError, match=r"'NEMA'.*actuated"):
        write_programs("NEMA", site.signals, site.network, tmp_path / "n.add.xml", site.timings)  # type: ignore[arg-type] # what is asked here
    assert not list(tmp_path.iterdir())


@pytest.mark.sumo
@pytest.mark.parametrize("kind", ["actuated", "delay_based"])
@pytest.mark.parametrize("name", ["cologne1", "ingolstadt1", pytest.param("hangzhou1", marks=pytest.mark.data)])
def test_sumo_runs_them(kind: Any, name: str, tmp_path: Path) -> None:
    sumo_binary("sumo")
    from citybrain_sim.sumo_net import read_network

    net = public_net(name)
    network, signals = read_network(net.net_file, net.additional_files)
    timings = make_timings("resco", network, signals)
    path = write_programs(kind, signals, network, tmp_path / "p.add.xml", timings)
    result = simulate(net.config, path, 400)
    assert set(network.intersection_id) <= result["programs"].keys()
    assert {result["programs"][signal] for signal in network.intersection_id} == {path_program(path)}
    lengths = set()
    for logic in ET.parse(path).getroot().iter("tlLogic"):
        stages = {phase.get("state") for phase in logic.iter("phase") if phase.get("minDur")}
        shown = result["shown"][logic.get("id")]
        changes = [k for k in range(1, len(shown)) if shown[k] != shown[k - 1]]
        for begin, end in pairwise(changes):
            if shown[begin] in stages:
                lengths.add(end - begin)
    assert min(lengths) >= 5
    assert max(lengths) <= 50
    assert len(lengths) > 3, "greens follow traffic"


def path_program(path: Path) -> str | None:
    return next(ET.parse(path).getroot().iter("tlLogic")).get("programID")
