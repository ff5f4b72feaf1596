"""Incidents on the street: a lane that is blocked for a while, by a vehicle that breaks down there.

What is asked for, which lane it befalls, and how both are written. Knows no simulator; :mod:`sumo_incident` makes it
happen.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.errors import ScenarioError
from citybrain_sim.sumo_xml import stream

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from citybrain.network import Network

DRAWN = "auto"
"""Instead of a lane: one is drawn by the run's seed."""
FROM_S, TO_S = 900.0, 1500.0
"""An incident lasts ten minutes from a quarter of an hour after the beginning, unless told otherwise [s]."""
LEAST_LENGTH_M = 60.0
"""Shorter lanes are not drawn: a vehicle that stands there stands in the junction behind."""
BEFORE_END_M = 50.0
"""A vehicle breaks down so far before the end of the lane [m]."""
FORM = f"write {DRAWN} or the name of a lane, and if wanted @FROM-TO in seconds, such as {DRAWN}@900-1500"


@dataclass(frozen=True)
class RoadBlock:
    """Where and when a vehicle is to break down.

    Attributes
    ----------
    lane, road, index : the lane, its road, and its number there from the kerb.
    position_m : from the beginning of the lane [m].
    from_s, to_s : by the simulation's clock [s].
    """

    lane: str
    road: str
    index: int
    position_m: float
    from_s: float
    to_s: float


@dataclass(frozen=True)
class Incident:
    """A lane is blocked.

    Attributes
    ----------
    lane : its name, or ``auto`` for one that is drawn by the run's seed.
    from_s, to_s : since the beginning of the run [s]. It begins with the first vehicle that comes by then.
    """

    lane: str
    from_s: float = FROM_S
    to_s: float = TO_S

    def __str__(self) -> str:
        """Write it as the command line takes it."""
        return f"{self.lane}@{self.from_s:g}-{self.to_s:g}"

    def document(self) -> dict[str, Any]:
        """All of it as plain types."""
        return asdict(self)


def read_incident(text: str) -> Incident:
    """Read ``LANE``, ``auto``, either with ``@FROM-TO``.

    Raises
    ------
    ScenarioError
        If the text is neither, or its times are none.
    """
    lane, at, times = text.strip().rpartition("@") if "@" in text else (text.strip(), "", "")
    if not lane:
        raise ScenarioError(f"incident {text!r} names no lane; {FORM}")
    if not at:
        return Incident(lane)
    found = re.fullmatch(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)", times)
    if found is None or not float(found[1]) < float(found[2]):
        raise ScenarioError(f"incident {text!r}: {times!r} is no time from and to; {FORM}")
    return Incident(lane, float(found[1]), float(found[2]))


def place_block(
    incident: Incident, network: Network, route_files: Iterable[Path], rng: np.random.Generator, begin_s: float
) -> RoadBlock:
    """Say where and when the street is blocked: 50 m before the end of the lane, or in the middle of a short one.

    Parameters
    ----------
    rng : made from the run's seed alone, so that all controllers meet the same incident.
    begin_s : when the run begins [s].

    Raises
    ------
    ScenarioError
        See :func:`find_lane`.
    """
    lane = find_lane(incident, network, route_files, rng)
    road, length = int(network.lane_edge[lane]), float(network.lane_length[lane])
    return RoadBlock(
        lane=network.lane_id[lane],
        road=network.edge_id[road],
        index=int(network.lane_id[lane].rpartition("_")[2]),
        position_m=length - min(BEFORE_END_M, length / 2),
        from_s=begin_s + incident.from_s,
        to_s=begin_s + incident.to_s,
    )


def find_lane(incident: Incident, network: Network, route_files: Iterable[Path], rng: np.random.Generator) -> int:
    """Find the lane that is blocked.

    A drawn one leads to a signal, is at least 60 m long and has another lane for cars beside it, so that traffic can
    pass. Where the demand names routes, busy lanes are drawn more often, by the vehicles that are to take the road.

    Returns
    -------
    Number of the lane in the network.

    Raises
    ------
    ScenarioError
        If the network has no such lane, or none that could be drawn.
    """
    if incident.lane != DRAWN:
        if incident.lane not in network.lane_id:
            raise ScenarioError(f"incident: no lane is called {incident.lane!r}; {FORM}")
        return network.lane_id.index(incident.lane)
    beside = np.bincount(network.lane_edge[network.lane_general], minlength=len(network.edge_id))
    approach = network.approach_lane[network.lane_general[network.approach_lane]]
    wide = beside[network.lane_edge[approach]] > 1
    lanes = approach[wide & (network.lane_length[approach] >= LEAST_LENGTH_M)]
    if not len(lanes):
        raise ScenarioError(
            f"incident: no approach of this network has two lanes of {LEAST_LENGTH_M:g} m beside each other, so none "
            "can be drawn; name a lane to block a whole road"
        )
    busy = _traffic(route_files)
    weight = np.array([busy[network.edge_id[road]] for road in network.lane_edge[lanes]], dtype=np.float64)
    chance = weight / weight.sum() if weight.sum() > 0 else None
    return int(rng.choice(lanes, p=chance))


def _traffic(route_files: Iterable[Path]) -> Counter[str]:
    """How many routes in the files name each road; trips, and how often a route is shared, are not followed."""
    busy: Counter[str] = Counter()

    def element(name: str, attributes: dict[str, str], _where: str) -> None:
        if name == "route":
            busy.update(attributes.get("edges", "").split())

    for file in route_files:
        stream(file, element, ScenarioError)
    return busy
