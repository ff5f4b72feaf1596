"""A vehicle breaks down and blocks its lane: the same for every controller, and over when it is said to be."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from citybrain.errors import ScenarioError
from citybrain.network import Network
from citybrain.randomness import generator
from citybrain_sim.comparison import compare, plan_runs
from citybrain_sim.incidents import DRAWN, Incident, place_block, read_incident
from citybrain_sim.runs import RunSpec
from citybrain_sim.sumo_net import read_network
from tests.small_street import BEGIN_S, write_street
from tests.sumo_nets import build_cross


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    return read_network(build_cross(tmp_path_factory.mktemp("cross")), ())[0]


def write_routes(folder: Path, road: str) -> Path:
    file = folder / "x.rou.xml"
    file.write_text(f'<routes><vehicle id="a" depart="0"><route edges="{road} CS"/></vehicle></routes>')
    return file


@pytest.mark.parametrize(
    ("text", "incident"),
    [
        ("auto", Incident(DRAWN)),
        ("NC_1", Incident("NC_1")),
        ("-7#3_0@60-90.5", Incident("-7#3_0", 60.0, 90.5)),
        (" auto@0-600", Incident(DRAWN, 0.0, 600.0)),
    ],
)
def test_an_incident_is_read_and_written(text: str, incident: Incident) -> None:
    assert read_incident(text) == incident
    assert read_incident(str(incident)) == incident


@pytest.mark.parametrize("text", ["", "@1-2", "a@", "a@2-1", "a@now", "a@-1-2"])
def test_a_text_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ScenarioError, match="write auto or the name of a lane"):
        read_incident(text)


def test_a_drawn_lane_has_another_beside_it_and_is_the_same_for_the_same_seed(network: Network, tmp_path: Path) -> None:
    blocks = [place_block(Incident(DRAWN), network, (), generator(seed, "x"), 100.0) for seed in range(20)]
    assert blocks[:5] == [place_block(Incident(DRAWN), network, (), generator(seed, "x"), 100.0) for seed in range(5)]
    assert len({block.lane for block in blocks}) > 1
    assert {block.road for block in blocks} <= {"NC", "EC", "SC"}  # WC has a lane for buses
    assert {(block.from_s, block.to_s) for block in blocks} == {(1000.0, 1600.0)}
    busy = write_routes(tmp_path, "NC")
    assert {place_block(Incident(DRAWN), network, (busy,), generator(s, "x"), 0.0).road for s in range(9)} == {"NC"}


def test_a_named_lane_is_taken_and_an_unknown_one_refused(network: Network) -> None:
    block = place_block(Incident("WC_2", 10.0, 20.0), network, (), generator(0, "x"), 5.0)
    length = float(network.lane_length[network.lane_id.index("WC_2")])
    assert (block.road, block.index, block.position_m) == ("WC", 2, length - 50.0)
    with pytest.raises(ScenarioError, match="no lane is called 'WC_9'"):
        place_block(Incident("WC_9"), network, (), generator(0, "x"), 5.0)


def test_a_run_with_an_incident_is_another_run() -> None:
    spec = RunSpec("s", "fixed", incident=read_incident("auto"))
    assert RunSpec.from_document(spec.document(), spec.out) == spec
    folders = {RunSpec("s", "fixed", incident=i).folder for i in (None, Incident(DRAWN), Incident(DRAWN, 1.0, 2.0))}
    assert len(folders) == 3


@pytest.mark.sumo
def test_a_lane_is_blocked_for_all_controllers_and_free_again(tmp_path: Path) -> None:
    config = str(write_street(tmp_path / "cross"))
    incident = read_incident(f"{DRAWN}@30-130")
    specs = plan_runs([config], ["fixed", "sumo-actuated"], [3], out=tmp_path / "out", incident=incident)
    comparison = compare(specs, 1)
    assert not comparison.failures
    assert {run.incident for run in comparison.runs} == {str(incident)}
    happened = [json.loads((spec.folder / "incident.json").read_text()) for spec in specs]
    assert happened[0]["lane"] == happened[1]["lane"]
    for spec, event in zip(specs, happened, strict=True):
        assert BEGIN_S + 30 <= event["from_s"] < event["to_s"] == BEGIN_S + 130
        trips = ET.parse(spec.folder / "tripinfo.xml").getroot().iter("tripinfo")
        stood = {trip.get("id"): float(trip.get("stopTime", "nan")) for trip in trips}
        broken = stood.pop(event["vehicle"])
        assert 0.0 < broken <= event["to_s"] - event["from_s"] + 1.0
        assert set(stood.values()) == {0.0}
