"""SUMO's trips as arrays: the worst off are in, those who were not due are out."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pytest

from citybrain.errors import PlantError
from citybrain.measures import TripEnd, measure_trips
from citybrain_sim.trips import Ways, read_movement_delays, read_trips

BEGIN, END = 100.0, 200.0

TRIPINFO = """<tripinfos>
<tripinfo id="arrived" depart="101.00" departPos="5.10" departDelay="1.00" arrival="151.00" arrivalPos="50.00"
 duration="50.00" waitingTime="16.00" waitingCount="2" stopTime="4.00" timeLoss="25.00" routeLength="160" vType="bus">
 <emissions CO_abs="1" CO2_abs="2000" HC_abs="3" PMx_abs="4" NOx_abs="5" fuel_abs="6000"/></tripinfo>
<tripinfo id="running" depart="190.00" departPos="5.10" departDelay="74.00" arrival="-1.00" duration="10.00"
 waitingTime="4.00" waitingCount="1" timeLoss="6.00" vaporized="end" vType="car"/>
<tripinfo id="never" depart="-1" departPos="-1.00" departDelay="79.00" arrival="-1.00" duration="0.00"
 waitingTime="0.00" waitingCount="0" timeLoss="0.00" vaporized="end"/>
<tripinfo id="due-at-end" depart="-1" departPos="-1.00" departDelay="0.00" arrival="-1.00" duration="0.00"
 waitingTime="0.00" waitingCount="0" timeLoss="0.00" vaporized="end"/>
<tripinfo id="due-later" depart="-1" departPos="-1.00" departDelay="-50.00" arrival="-1.00" duration="0.00"
 waitingTime="0.00" waitingCount="0" timeLoss="0.00" vaporized="end"/>
<tripinfo id="triggered" depart="-1" departPos="-1.00" departDelay="200.00" arrival="-1.00" duration="0.00"
 waitingTime="0.00" waitingCount="0" timeLoss="0.00" vaporized="end"/>
<personinfo id="walked" depart="110.00"><walk depart="110.00" arrival="150.00" duration="40.00" timeLoss="7.00"/>
 <walk depart="150.00" arrival="160.00" duration="10.00" timeLoss="2.00"/></personinfo>
<personinfo id="walking" depart="190.00"><walk depart="190.00" arrival="-1" timeLoss="0.00"/></personinfo>
<personinfo id="rode" depart="110.00"><ride depart="110.00" arrival="150.00" timeLoss="70.00"/></personinfo>
</tripinfos>"""

VEHROUTES = """<routes>
<vehicle id="arrived" depart="101.00" arrival="151.00">
 <route edges="w :c_0 e" exitTimes="126.00 128.00 151.00"/><stop busStop="b" started="110.00" ended="114.00"/></vehicle>
<vehicle id="running" depart="190.00"><route edges="n :c_1 s" exitTimes="-1 -1 -1"/></vehicle>
</routes>"""
LENGTHS = {"w": 100.0, "e": 100.0, "n": 100.0, "s": 100.0, ":c_0": 10.0, ":c_1": 10.0}
WAYS = Ways({name: m / 10.0 for name, m in LENGTHS.items()}, LENGTHS, frozenset({("w", "e"), ("n", "s")}))


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
    assert trips.kind == ("bus", "car", "")
    assert trips.free_time[:2].tolist() == [50.0 - 25.0 - 4.0, 4.0], "scheduled stops are no delay"


def test_emissions_are_in_grams_and_unknown_where_sumo_did_not_write_them(folder: Path) -> None:
    emissions = read_trips(folder / "tripinfo.xml", BEGIN, END).emissions
    assert emissions[0].tolist() == [2.0, 0.001, 0.003, 0.005, 0.004, 6.0]
    assert all(math.isnan(value) for value in emissions[1])
    assert emissions[2].tolist() == [0.0] * 6, "who never came in burnt nothing on the street"


def test_only_finished_walks_are_measured(folder: Path) -> None:
    trips = read_trips(folder / "tripinfo.xml", BEGIN, END)
    assert (trips.walker, trips.walk_delay.tolist(), trips.walk_time.tolist()) == (("walked",), [9.0], [50.0])


WAITING = {"never": ("w", "e"), "due-later": ("w", "e")}


def delays_of(folder: Path) -> dict[tuple[str, str], list[float]]:
    return read_movement_delays(
        folder / "vehroutes.xml", WAYS, read_trips(folder / "tripinfo.xml", BEGIN, END), END, WAITING
    )


def test_every_second_of_delay_belongs_to_the_signal_ahead(folder: Path) -> None:
    delays = delays_of(folder)
    assert list(delays) == [("n", "s"), ("w", "e")]
    assert delays["w", "e"] == pytest.approx([26.0, 79.0]), "all that the one lost, before and behind it, and outside"
    assert delays["n", "s"] == pytest.approx([80.0]), "on the way to it at the end"


def test_behind_a_signal_only_the_next_road_counts_for_it(folder: Path) -> None:
    path = folder / "vehroutes.xml"
    path.write_text(VEHROUTES.replace("w :c_0 e", "w :c_0 e x").replace("128.00 151.00", "128.00 140.00 151.00"))
    took = {"w": 25.0 - 4.0, ":c_0": 2.0, "e": 12.0, "x": 11.0}
    free = {"w": 9.49, ":c_0": 1.0, "e": 10.0, "x": 0.0}
    scale = 21.0 / sum(free.values())
    expected = 1.0 + sum(took[name] - scale * free[name] for name in ("w", ":c_0", "e"))
    assert delays_of(folder)["w", "e"][0] == pytest.approx(expected)


def test_delay_between_two_signals_belongs_to_the_second(folder: Path) -> None:
    (folder / "vehroutes.xml").write_text(
        """<routes><vehicle id="arrived" depart="101.00" arrival="151.00">
        <route edges="w :c_0 n :c_1 s" exitTimes="121.00 122.00 145.00 146.00 151.00"/></vehicle></routes>"""
    )
    ways = Ways(WAYS.seconds, WAYS.metres, frozenset({("w", "n"), ("n", "s")}))
    trips = read_trips(folder / "tripinfo.xml", BEGIN, END)
    delays = read_movement_delays(folder / "vehroutes.xml", ways, trips, END, {})
    scale = 21.0 / (9.49 + 1.0 + 10.0 + 1.0 + 5.0)
    assert delays["w", "n"] == pytest.approx([1.0 + 21.0 - scale * 10.49])
    assert delays["n", "s"] == pytest.approx([29.0 - scale * 16.0])


def test_a_vehicle_inside_the_junction_counts_for_its_signal_alone(folder: Path) -> None:
    (folder / "vehroutes.xml").write_text(
        """<routes><vehicle id="running" depart="190.00">
        <route edges="w :c_0 n :c_1 s" exitTimes="198.00 -1 -1 -1 -1"/></vehicle></routes>"""
    )
    ways = Ways(WAYS.seconds, WAYS.metres, frozenset({("w", "n"), ("n", "s")}))
    trips = read_trips(folder / "tripinfo.xml", BEGIN, END)
    delays = read_movement_delays(folder / "vehroutes.xml", ways, trips, END, {})
    assert delays == {("w", "n"): pytest.approx([80.0]), ("n", "s"): []}


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
