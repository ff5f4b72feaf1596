"""A signalised cross with a few minutes of traffic as a scenario on disk, for tests that run SUMO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sumo_nets import build_cross

if TYPE_CHECKING:
    from pathlib import Path

BEGIN_S, END_S = 100, 340
FLOWS = (("NC CS", 300), ("NC CE", 120), ("EC CW", 400), ("SC CN", 300), ("SC CW", 120), ("EC CS", 100))
BROKEN = '<trip id="far" depart="310" from="NC" to="CS"/><vehicle id="lost" depart="330" route="nowhere"/>'
"""A vehicle that SUMO chokes on, but only when it gets there: it reads demand 200 s ahead, and one vehicle more."""


def write_street(folder: Path, *, broken: bool = False) -> Path:
    """Write network, demand and configuration; return the configuration's path."""
    folder.mkdir(parents=True, exist_ok=True)
    network = build_cross(folder)
    flows = "".join(
        f'<flow id="f{k}" begin="{BEGIN_S}" end="{END_S}" vehsPerHour="{rate}"><route edges="{edges}"/></flow>'
        for k, (edges, rate) in enumerate(FLOWS)
    )
    walker = f'<person id="p" depart="{BEGIN_S}" departPos="180"><walk edges="NC CE" arrivalPos="20"/></person>'
    demand = f"<routes>{flows}{walker}{BROKEN if broken else ''}</routes>"
    (folder / "x.rou.xml").write_text(demand, encoding="utf-8")
    config = folder / "x.sumocfg"
    config.write_text(
        f'<configuration><input><net-file value="{network.name}"/><route-files value="x.rou.xml"/></input>'
        f'<time><begin value="{BEGIN_S}"/><end value="{END_S}"/></time></configuration>',
        encoding="utf-8",
    )
    return config
