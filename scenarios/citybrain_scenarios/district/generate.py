"""Generator of the district: ``python -m citybrain_scenarios.district.generate --out FOLDER``.

Plain tables (``streets``, ``plan``, ``traffic``) -> netconvert -> network with programs; origin-destination table
-> seeded departures -> duarouter -> routes. The same seed gives the same bytes on every machine with the same SUMO.
Needs the ``sumo`` package (eclipse-sumo) and the standard library.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from citybrain_scenarios.district import plan, streets, traffic

SEED = 20240911
CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<configuration>
    <input>
        <net-file value="district.net.xml"/>
        <route-files value="district.rou.xml"/>
        <additional-files value="district.add.xml"/>
    </input>
    <time>
        <begin value="{begin}"/>
        <end value="{end}"/>
        <step-length value="1"/>
    </time>
</configuration>
"""


def main(arguments: list[str] | None = None) -> None:
    """Write all files of the scenario into the folder given."""
    parser = argparse.ArgumentParser(description="Generate the district scenario.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write into")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the demand")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    generate(options.out, options.seed)


def generate(out: Path, seed: int = SEED) -> None:
    """Write network, demand, stops and configuration into ``out``."""
    net = out / "district.net.xml"
    with tempfile.TemporaryDirectory() as scratch:
        build_network(net, Path(scratch))
        route_of = route(net, traffic.trips(seed), Path(scratch), seed)
    (out / "district.add.xml").write_text(traffic.stops_xml(), encoding="utf-8")
    (out / "district.rou.xml").write_text(traffic.demand_xml(route_of, seed), encoding="utf-8")
    (out / "district.sumocfg").write_text(CONFIG.format(begin=traffic.BEGIN_S, end=traffic.END_S), encoding="utf-8")


def build_network(net: Path, scratch: Path) -> None:
    """Build the network twice: once to learn how netconvert numbers the lamps, once with the programs."""
    inputs = []
    for suffix, text in (("nod", _nodes_xml()), ("edg", _edges_xml()), ("con", _connections_xml())):
        inputs.append(scratch / f"district.{suffix}.xml")
        inputs[-1].write_text(text, encoding="utf-8")
    command = [
        *(f"--{kind}-files={path}" for kind, path in zip(("node", "edge", "connection"), inputs, strict=True)),
        "--no-turnarounds=true",
        "--walkingareas=true",
        "--junctions.corner-detail=5",
        "--default.junctions.radius=6",
        "--default.crossing-width=3",
        "--precision=2",
    ]
    draft = scratch / "draft.net.xml"
    run_tool("netconvert", [*command, f"--output-file={draft}"])
    programs = scratch / "district.tll.xml"
    programs.write_text(_programs_xml(draft), encoding="utf-8")
    run_tool("netconvert", [*command, f"--tllogic-files={programs}", f"--output-file={net}"])
    net.write_text(strip_header(net.read_text(encoding="utf-8")), encoding="utf-8")


def route(net: Path, trips: list[traffic.Trip], scratch: Path, seed: int) -> dict[str, str]:
    """Route every trip by duarouter; drivers perceive travel times up to 30 % off. Returns trip -> edges."""
    asked, found = scratch / "trips.xml", scratch / "routes.xml"
    asked.write_text(traffic.trips_xml(trips), encoding="utf-8")
    run_tool(
        "duarouter",
        [
            f"--net-file={net}",
            f"--route-files={asked}",
            f"--output-file={found}",
            f"--alternatives-output={os.devnull}",
            "--weights.random-factor=1.3",
            f"--seed={seed}",
        ],
    )
    vehicles = ET.parse(found).getroot().iter("vehicle")
    return {vehicle.attrib["id"]: vehicle[0].attrib["edges"] for vehicle in vehicles}


def run_tool(name: str, options: list[str]) -> None:
    """Run a tool of the installed SUMO; leave with its own words if it fails."""
    found = importlib.util.find_spec("sumo")
    if found is None or found.origin is None:
        sys.exit("the package eclipse-sumo is not installed: pip install 'citybrain-engine[sim]'")
    home = Path(found.origin).parent
    done = subprocess.run(
        [str(home / "bin" / name), *options],
        env={**os.environ, "SUMO_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"{name} failed:\n{done.stderr.strip()}")
    sys.stderr.write(done.stderr)


def strip_header(text: str) -> str:
    """Drop SUMO's header comment, which holds the date and the paths of the machine."""
    return re.sub(r"<!--.*?-->\n*", "", text, count=1, flags=re.DOTALL)


def _nodes_xml() -> str:
    rows = []
    for name, (x, y) in streets.positions().items():
        kind = "traffic_light" if name in streets.SIGNALS else "priority"
        rows.append(f'    <node id="{name}" x="{x}" y="{y}" type="{kind}"/>')
    return "\n".join(("<nodes>", *rows, "</nodes>", ""))


def _edges_xml() -> str:
    where = streets.positions()
    rows = []
    for road in streets.street_roads():
        (x0, y0), (x1, y1) = where[road.start], where[road.end]
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        dx, dy = (y1 - y0) / length * road.left_offset, -(x1 - x0) / length * road.left_offset
        rows.append(
            f'    <edge id="{road.name}" from="{road.start}" to="{road.end}" numLanes="{road.lanes + 1}"'
            f' speed="{road.speed}" priority="{road.priority}" spreadType="right"'
            f' shape="{x0 + dx:.2f},{y0 + dy:.2f} {x1 + dx:.2f},{y1 + dy:.2f}">'
        )
        rows.append(f'        <lane index="0" width="{streets.SIDEWALK_M}" allow="pedestrian"/>')
        rows += [
            f'        <lane index="{lane}" width="{streets.LANE_M}" disallow="pedestrian"/>'
            for lane in range(1, road.lanes + 1)
        ]
        rows.append("    </edge>")
    return "\n".join(("<edges>", *rows, "</edges>", ""))


def _connections_xml() -> str:
    roads = streets.street_roads()
    rows = [f'    <connection from="{a}" fromLane="{i}" to="{b}" toLane="{j}"/>' for a, i, b, j in streets.turns(roads)]
    for signal, arms in streets.CROSSED_ARMS.items():
        for arm in arms:
            edges = [
                road.name
                for road in roads
                if (road.end == signal and streets.entry_road(road) == arm)
                or (road.start == signal and road.name.split(".")[0] == f"{signal}-{arm}")
            ]
            rows.append(f'    <crossing node="{signal}" edges="{" ".join(edges)}" priority="1" width="3"/>')
    return "\n".join(("<connections>", *rows, "</connections>", ""))


def _programs_xml(draft: Path) -> str:
    rows = []
    for signal, lamps in read_lamps(draft).items():
        chosen = plan.PLANS[signal]
        rows.append(f'    <tlLogic id="{signal}" type="static" programID="0" offset="{chosen.offset_s}">')
        rows += [f'        <phase duration="{s}" state="{state}"/>' for s, state in plan.program(chosen, lamps)]
        rows.append("    </tlLogic>")
    return "\n".join(("<tlLogics>", *rows, "</tlLogics>", ""))


def read_lamps(net: Path) -> dict[str, list[plan.Lamp]]:
    """Lamps of every signal in the order of its state string, read from a built network."""
    root = ET.parse(net).getroot()
    crossed = {e.attrib["id"]: e for e in root.iter("edge") if e.get("function") == "crossing"}
    table: dict[str, dict[int, plan.Lamp]] = {signal: {} for signal in streets.SIGNALS}
    for link in root.iter("connection"):
        signal = link.get("tl")
        if signal is None:
            continue
        index = int(link.attrib["linkIndex"])
        if link.attrib["to"] in crossed:
            edge = crossed[link.attrib["to"]]
            table[signal][index] = plan.Lamp(_arm(signal, edge), "w", (), float(edge[0].attrib["length"]))
        else:
            leaves = link.attrib["to"].split(".")[0].split("-")[1]
            meets = (leaves,) if leaves in streets.CROSSED_ARMS[signal] else ()
            arm = link.attrib["from"].split(".")[0].split("-")[0]
            table[signal][index] = plan.Lamp(arm, link.attrib["dir"].lower(), meets)
    return {signal: [lamps[k] for k in range(len(lamps))] for signal, lamps in table.items()}


def _arm(signal: str, crossing: ET.Element) -> str:
    ends = set(crossing.attrib["crossingEdges"].split()[0].split(".")[0].split("-"))
    return (ends - {signal}).pop()


if __name__ == "__main__":
    main()
