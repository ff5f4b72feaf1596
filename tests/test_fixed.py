"""Fixed time against the program on paper, the guard, and SUMO itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray

from citybrain.control.fixed import Fixed, Timetable
from citybrain.control.interface import Site
from citybrain.errors import ContractError
from citybrain.guard import LampGuard
from citybrain.profiles import make_timings
from tests.sites import empty_state, lamps_showing, row_text, small_site
from tests.sumo_nets import public_net, sumo_binary

SHOW = """
import json, sys
import libsumo
net, additional, begin, seconds = sys.argv[1:]
more = ["-a", additional] if additional else []
libsumo.start(["sumo", "-n", net, "-b", begin, "--no-warnings", "--no-step-log", *more])
shown = {signal: [] for signal in libsumo.trafficlight.getIDList()}
for _ in range(int(seconds)):
    libsumo.simulationStep()
    for signal, states in shown.items():
        states.append(libsumo.trafficlight.getRedYellowGreenState(signal))
libsumo.close()
print(json.dumps(shown))
"""


def wished_rows(site: Site, begin: int, ticks: int) -> list[NDArray[np.int32]]:
    controller = Fixed(site)
    lamps = lamps_showing(site, begin, site.signals.row_ptr[:-1].tolist(), begin)
    return [controller.decide(empty_state(site, begin + 10 * k), lamps).plan_row[:, 0] for k in range(ticks)]


def test_the_program_by_the_clock() -> None:
    site = small_site()
    signals = site.signals
    east = slice(int(signals.step_ptr[1]), int(signals.step_ptr[2]))
    seconds = np.repeat(signals.step_row[east], signals.step_duration[east] // 10)
    shown = np.array(wished_rows(site, 170, 2 * len(seconds)))[:, 1]  # its offset is 17 s
    assert np.array_equal(shown, np.tile(seconds, 2))


def test_a_plan_tells_what_comes_next() -> None:
    signals = small_site().signals
    wish = Fixed(small_site()).decide(empty_state(small_site(), 50), lamps_showing(small_site(), 50, [0, 8], 0))
    assert wish.plan_row[0].tolist() == signals.step_row[:6].tolist()
    assert wish.plan_start[0].tolist() == [0, 300, 330, 340, 420, 450]
    assert wish.plan_start[1, 0] <= 50


def test_a_cycle_of_one_row_has_nothing_to_follow() -> None:
    one = np.array([1], dtype=np.int32)
    wish = Timetable(np.array([0, 1], dtype=np.int32), one, one * 600, np.zeros(1, np.int64)).wish(700)
    assert wish.plan_row.tolist() == [[1, -1, -1, -1, -1, -1]]
    assert wish.plan_start.tolist() == [[600, -1, -1, -1, -1, -1]]


def test_a_step_of_no_duration_is_never_shown() -> None:
    row, duration = np.array([0, 1, 2], dtype=np.int32), np.array([100, 0, 50], dtype=np.int32)
    table = Timetable(np.array([0, 3], dtype=np.int32), row, duration, np.zeros(1, np.int64))
    assert {int(table.wish(t).plan_row[0, 0]) for t in range(0, 300, 10)} == {0, 2}


@pytest.mark.parametrize("duration", [[0, 0], [100, -10]])
def test_an_impossible_cycle_is_refused(duration: list[int]) -> None:
    with pytest.raises(ContractError, match="cycle of rows"):
        Timetable(
            np.array([0, 2], dtype=np.int32),
            np.array([0, 1], dtype=np.int32),
            np.array(duration, dtype=np.int32),
            np.zeros(1, np.int64),
        )


def test_the_guard_has_nothing_to_object_to() -> None:
    site = small_site()
    controller, guard = Fixed(site), LampGuard(site.signals, site.timings, 0)
    for tick in range(300):
        command = guard.enforce(controller.decide(empty_state(site, 10 * tick), guard.lamps))
        text = command.lamp_char.tobytes().decode()
        split = int(site.signals.lamp_ptr[1])
        rows = [int(row) for row in wished_rows(site, 10 * tick, 1)[0]]
        assert [text[:split], text[split:]] == [row_text(site.signals, row) for row in rows]
        assert len(command.bent_rule) == 0


def shifted_programs(net: Path, path: Path) -> Path:
    """Own programs with offsets before and after zero."""
    root = ET.Element("additional")
    for k, logic in enumerate(ET.parse(net).getroot().iter("tlLogic")):
        logic.set("programID", "shifted")
        logic.set("offset", str((-20, 13, 47)[k % 3]))
        root.append(logic)
    ET.ElementTree(root).write(path)
    return path


@pytest.mark.sumo
@pytest.mark.parametrize(
    "name",
    [
        "cologne3",
        pytest.param("bologna_acosta", marks=pytest.mark.data),
        pytest.param("bologna_pasubio", marks=pytest.mark.data),
        pytest.param("hangzhou1", marks=pytest.mark.data),
    ],
)
def test_as_sumo_shows_it(name: str, tmp_path: Path) -> None:
    sumo_binary("sumo")
    from citybrain_sim.sumo_net import read_network

    net = public_net(name)
    programs = [path for path in net.additional_files if "<tlLogic" in path.read_text()]
    if name == "cologne3":
        programs = [shifted_programs(net.net_file, tmp_path / "shifted.add.xml")]
    network, signals = read_network(net.net_file, programs)
    site = Site(network, signals, make_timings("own", network, signals))
    cycles = np.add.reduceat(signals.step_duration, signals.step_ptr[:-1])
    begin, seconds = 12_345, 2 * int(cycles.max()) // 10
    done = subprocess.run(
        [sys.executable, "-c", SHOW, str(net.net_file), ",".join(map(str, programs)), str(begin), str(seconds)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LIBSUMO_AS_TRACI": "quiet"},
    )
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    rows = wished_rows(site, 10 * begin, seconds)
    plain = str.maketrans("suoO", "rrgG")
    for i, signal in enumerate(network.intersection_id):
        used = [k for k, g in enumerate(signals.lamp_group[signals.lamp_ptr[i] : signals.lamp_ptr[i + 1]]) if g >= 0]
        for second in range(seconds):
            ours = row_text(signals, int(rows[second][i])).translate(plain)
            theirs = shown[signal][second].translate(plain)
            assert [ours[k] for k in used] == [theirs[k] for k in used], (signal, begin + second)
