"""SUMO's trips as arrays: the worst off are in, those who were not due are out."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pytest

from citybrain.errors import PlantError
from citybrain.measures import TripEnd, measure_trips
from citybrain_sim.trips import read_approach_delays, read_trips
from tests.small_world import small_network

BEGIN, END = 100.0, 200.0

TRIPINFO = """<tripinfos>
<tripinfo id="arrived" depart="101.00" departPos="5.10" departDelay="1.00" arrival="151.00" duration="50.00"
 waitingTime="16.00" waitingCount="2" timeLoss="25.00"/>
<tripinfo id="running" depart="190.00" departPos="5.10" departDelay="74.00" arrival="-1.00" duration="10.00"
 waitingTime="4.00" waitingCount="1" timeLoss="6.00" vaporized="end"/>
<tripinfo id="never" depart="-1" departPos="-1.00" departDelay="79.00" arrival="-1.00" duration="0.00"
 waitingTime="0.00" waitingCount="0" timeLoss="0.00" vaporized="end"/>
<tripinfo id="due-at-end" depart="-1" departPos="-1.00" departDelay="0.00" arrival="-1.00" duration="0.00"
 waitingTime="0.00" waitingCount="0" timeLoss="0.00" vaporized="end"/>
<tripinfo id="due-later" depart="-1" departPos="-1.00" departDelay="-50.00" arrival="-1.00" duration="0.00"
 waitingTime="0.00" waitingCount="0" timeLoss="0.00" vaporized="end"/>
<tripinfo id="triggered" depart="-1" departPos="-1.00" departDelay="200.00" arrival="-1.00" duration="0.00"
 waitingTime="0.00" waitingCount="0" timeLoss="0.00" vaporized="end"/>
<personinfo id="walked" depart="110.00"><walk depart="110.00" arrival="150.00" timeLoss="7.00"/>
 <walk depart="150.00" arrival="160.00" timeLoss="2.00"/></personinfo>
<personinfo id="walking" depart="190.00"><walk depart="190.00" arrival="-1" timeLoss="0.00"/></personinfo>
<personinfo id="rode" depart="110.00"><ride depart="110.00" arrival="150.00" timeLoss="70.00"/></personinfo>
</tripinfos>"""

VEHROUTES = """<routes>
<vehicle id="arrived" depart="101.00" arrival="151.00">
 <route edges="w :c_0 e" exitTimes="121.00 122.00 151.00"/></vehicle>
<vehicle id="running" depart="190.00"><route edges="n :c_1 s" exitTimes="-1 -1 -1"/></vehicle>
<vehicle id="never" depart="121.00"><route edges="w :c_0 e" exitTimes="-1 -1 -1"/></vehicle>
</routes>"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tripinfo.xml").write_text(TRIPINFO)
    (tmp_path / "vehroutes.xml").write_text(VEHROUTES)
    return tmp_path


def test_everyone_due_in_the_window_counts_and_nobody_else(folder: Path) -> None:
    trips = read_trips(folder / "tripinfo.xml", BEGIN, END)
    assert trips.vehicle == ("arrived", "running", "never")
    assert trips.end.tolist() == [TripEnd.ARRIVED, TripEnd.RUNNING, TripEnd.NOT_INSERTED]
    assert trips.delay.tolist() == [26.0, 80.0, 79.0]
    assert trips.travel_time[:2].tolist() == [50.0, 10.0]
    assert math.isnan(trips.travel_time[2])
    assert trips.stops.tolist() == [2, 1, 0]
    assert trips.standing.tolist() == [16.0, 4.0, 0.0]


def test_only_finished_walks_are_measured(folder: Path) -> None:
    assert read_trips(folder / "tripinfo.xml", BEGIN, END).walk_delay.tolist() == [9.0]


def test_delay_on_the_approach_before_each_movement(folder: Path) -> None:
    trips = read_trips(folder / "tripinfo.xml", BEGIN, END)
    delays = read_approach_delays(folder / "vehroutes.xml", small_network(), trips, END)
    free = (100.0 - 5.1) / 10.0
    assert list(delays) == [(0, 1), (2, 3)]
    assert delays[0, 1] == pytest.approx([20.0 - free])
    assert delays[2, 3] == pytest.approx([10.0 - free])


@pytest.mark.parametrize("text", ["", "<tripinfos><tripinfo id='a' depart='1'", None])
def test_a_missing_or_broken_file_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "tripinfo.xml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PlantError, match=r"tripinfo\.xml"):
        read_trips(path, BEGIN, END)


NODES = """<nodes><node id="a" x="0" y="0"/><node id="b" x="200" y="0" type="traffic_light"/>
<node id="c" x="400" y="0"/><node id="d" x="200" y="200"/></nodes>"""
EDGES = (
    """<edges><edge id="ab" from="a" to="b"/><edge id="bc" from="b" to="c"/><edge id="db" from="d" to="b"/></edges>"""
)


@pytest.mark.sumo
def test_sumo_still_writes_what_is_read_here(tmp_path: Path) -> None:
    """One lane takes a vehicle every two seconds; two per second are due, and a few are due late or never."""
    (tmp_path / "x.nod.xml").write_text(NODES)
    (tmp_path / "x.edg.xml").write_text(EDGES)
    due = "".join(f'<vehicle id="v{k}" route="r" depart="{BEGIN + k / 2}"/>' for k in range(100))
    edge_cases = f'<vehicle id="late" route="r" depart="{END - 0.5}"/><vehicle id="end" route="r" depart="{END}"/>'
    (tmp_path / "x.rou.xml").write_text(
        f'<routes><route id="r" edges="ab bc"/><vehicle id="early" route="r" depart="50"/>{due}{edge_cases}'
        f'<vehicle id="beyond" route="r" depart="{END + 50}"/></routes>'
    )
    binary = Path(pytest.importorskip("sumo").SUMO_HOME) / "bin"
    subprocess.run(
        [binary / "netconvert", "-n", "x.nod.xml", "-e", "x.edg.xml", "-o", "x.net.xml"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    outputs = "--tripinfo-output t.xml --tripinfo-output.write-unfinished --tripinfo-output.write-undeparted"
    window = f"-b {BEGIN} -e {END} --time-to-teleport -1 --no-step-log --statistic-output s.xml"
    subprocess.run(
        [binary / "sumo", "-n", "x.net.xml", "-r", "x.rou.xml", *outputs.split(), *window.split()],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    measures = measure_trips(read_trips(tmp_path / "t.xml", BEGIN, END), END - BEGIN)
    statistics = (tmp_path / "s.xml").read_text()
    assert measures.loaded == 101
    assert measures.not_inserted > 20
    assert f'inserted="{measures.arrived + measures.running}"' in statistics
    # SUMO does not yet count the last half second's vehicle as waiting, though it was due.
    assert f'running="{measures.running}" waiting="{measures.not_inserted - 1}"' in statistics
