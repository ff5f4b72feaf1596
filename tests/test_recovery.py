"""A blocked lane between two junctions: queues stand behind it, nothing locks, and afterwards all is as before."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from citybrain_sim.comparison import compare, plan_runs
from citybrain_sim.incidents import read_incident
from tests.sumo_nets import sumo_binary

pytestmark = pytest.mark.sumo

BLOCKED = (300, 600)
END = 1500
BUSY = 900
"""Vehicles an hour along the road with the blocked lane; what is left of it there lets about 700 an hour go."""


def write_arterial(folder: Path) -> str:
    """Write three signals in a row, 200 m apart, with a busy road through all and one across each; departures end."""
    folder.mkdir()
    size = ["--grid.x-number", "3", "--grid.y-number", "1", "--grid.length", "200", "--grid.attach-length", "200"]
    lanes = ["-L", "2", "--default-junction-type", "traffic_light", "--no-turnarounds"]
    command = [sumo_binary("netgenerate"), "--grid", *size, *lanes, "-o", "x.net.xml"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    edges = {(e.get("from"), e.get("to")): e.get("id") for e in ET.parse(folder / "x.net.xml").getroot().iter("edge")}
    flows = [(edges["left0", "A0"], edges["C0", "right0"], BUSY), (edges["right0", "C0"], edges["A0", "left0"], BUSY)]
    for column in "ABC":
        ends = [name for a, name in edges if a == f"{column}0" and name and str(name).startswith(("top", "bottom"))]
        north, south = sorted(ends)
        flows.append((edges[north, f"{column}0"], edges[f"{column}0", south], 300))
    rows = "".join(
        f'<flow id="{n}" from="{a}" to="{b}" begin="0" end="1200" vehsPerHour="{rate}" departLane="best"/>'
        for n, (a, b, rate) in enumerate(flows)
    )
    (folder / "x.rou.xml").write_text(f"<routes>{rows}</routes>")
    files = '<net-file value="x.net.xml"/><route-files value="x.rou.xml"/>'
    config = folder / "x.sumocfg"
    config.write_text(f'<configuration><input>{files}</input><time><end value="{END}"/></time></configuration>')
    return str(config)


def test_after_a_blocked_lane_nothing_is_locked_and_everybody_arrives(tmp_path: Path) -> None:
    config = write_arterial(tmp_path / "arterial")
    incident = read_incident(f"A0B0_0@{BLOCKED[0]}-{BLOCKED[1]}")
    specs = [
        *plan_runs([config], ["fixed", "planner"], [1], out=tmp_path / "free"),
        *plan_runs([config], ["fixed", "planner"], [1], out=tmp_path / "blocked", incident=incident),
    ]
    found = compare(specs, 2)
    assert not found.failures
    fixed_free, free, fixed, planner = found.runs
    assert not planner.gridlocked
    assert (planner.arrived, planner.running, planner.not_inserted) == (planner.loaded, 0, 0)
    assert fixed_free.delay_s < fixed.delay_s, "the blocked lane is felt"
    assert planner.delay_s < 1.2 * free.delay_s, "but what it costs is made good"
    assert planner.delay_s < fixed.delay_s
