"""Every passage of a vehicle over a road, from SUMO's routes with exit times (vehroutes.xml). Ground truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from citybrain.errors import PlantError
from citybrain.links import free_roads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from citybrain.measures import Trips
    from citybrain.network import FloatArray, IntArray, Network


@dataclass(frozen=True)
class Passages:
    """Roads that vehicles entered, vehicle by vehicle in driving order. Index p.

    Attributes
    ----------
    vehicle : [P] position of the vehicle in ``Trips.vehicle``.
    road : [P] road of the network.
    following : [P] next road; -1 where the trip ends on this one.
    entry, leave : [P] when it came onto the road and when it left it at its end [s]; ``leave`` is NaN while it had not.
    start : [P] where on the road it came in [m]: 0, or where it was inserted.
    """

    vehicle: IntArray
    road: IntArray
    following: IntArray
    entry: FloatArray
    leave: FloatArray
    start: FloatArray


def read_passages(vehroutes: Path, network: Network, trips: Trips) -> Passages:
    """Read the passages of every vehicle that was inserted.

    Parameters
    ----------
    vehroutes : written with ``--vehroute-output.exit-times``, ``.internal`` and ``.write-unfinished``.
    network : the network that was simulated; roads that are not in it are left out.
    trips : of the same run; say when and where a vehicle was inserted.

    Raises
    ------
    PlantError
        If the file is missing or cut off.
    """
    road = {name: e for e, name in enumerate(network.edge_id)}
    number = {name: v for v, name in enumerate(trips.vehicle)}
    rows: list[tuple[int, int, int, float, float, float]] = []
    for name, edges, exits in _routes(vehroutes):
        v = number.get(name, -1)
        if v < 0 or math.isnan(trips.depart[v]):
            continue
        places = [k for k, edge in enumerate(edges) if edge in road]
        for at, k in enumerate(places):
            entry = exits[k - 1] if k else float(trips.depart[v])
            if entry < 0:
                break
            following = road[edges[places[at + 1]]] if at + 1 < len(places) else -1
            start = 0.0 if k else float(trips.depart_pos[v])
            rows.append((v, road[edges[k]], following, entry, exits[k] if exits[k] >= 0 else math.nan, start))
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 6)
    return Passages(
        vehicle=table[:, 0].astype(np.int32),
        road=table[:, 1].astype(np.int32),
        following=table[:, 2].astype(np.int32),
        entry=table[:, 3],
        leave=table[:, 4],
        start=table[:, 5],
    )


def road_delays(passages: Passages, network: Network, end_s: float) -> tuple[IntArray, FloatArray]:
    """Vehicles on every road, and what they lost there together.

    Time on the road less what the speed limit needs. Who is still there at the end counts with the time until then;
    the last road of a trip does not count, because nobody says how far along it the trip ended.

    Returns
    -------
    vehicles : [E]. lost : [E] [veh s].
    """
    length, seconds = free_roads(network)
    going = passages.following >= 0
    road = passages.road[going]
    until = np.where(np.isnan(passages.leave), end_s, passages.leave)[going]
    share = np.clip(1.0 - passages.start[going] / np.maximum(length[road], 1e-9), 0.0, 1.0)
    lost = np.maximum(until - passages.entry[going] - seconds[road] * share, 0.0)
    n = len(network.edge_id)
    return np.bincount(road, minlength=n).astype(np.int32), np.bincount(road, lost, n).astype(np.float64)


def _routes(path: Path) -> Iterator[tuple[str, list[str], list[float]]]:
    """(vehicle, roads and parts of junctions, times of leaving them [s], -1 for not yet) of every last route."""
    try:
        events = ET.iterparse(path, events=("start", "end"))
        _, root = next(events)
        for event, element in events:
            if event == "end" and element.tag == "vehicle":
                routes = [route for route in element.iter("route") if route.get("exitTimes")]
                if routes:
                    exits = [float(x) for x in routes[-1].get("exitTimes", "").split()]
                    yield element.get("id", ""), routes[-1].get("edges", "").split(), exits
                root.clear()
    except FileNotFoundError as error:
        raise PlantError(f"{path} is missing: SUMO did not write its routes; run the simulation again") from error
    except (ET.ParseError, StopIteration) as error:
        raise PlantError(f"{path} is cut off ({error}): SUMO did not finish; run the simulation again") from error
