"""What SUMO says of every trip (tripinfo.xml, vehroutes.xml) as arrays. Ground truth: for measures only.

How SUMO 1.28 writes the worst off, which is easy to lose (checked against its own counts):

- still driving at the end: ``arrival="-1.00"``, ``duration`` and ``timeLoss`` up to the end;
- never inserted: ``depart="-1"``, ``timeLoss="0.00"``, ``departDelay`` = end - intended departure. Vehicles that are
  due at or after the end appear with ``departDelay <= 0`` or not at all: they are not ours;
- vehicles that wait for a passenger or a container (``depart="triggered"``) look never inserted since time 0;
- persons who are still walking have ``timeLoss="0.00"``, whatever they lost: only finished walks can be counted.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from citybrain.errors import PlantError
from citybrain.measures import TripEnd, Trips

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from citybrain.network import Network


def read_trips(tripinfo: Path, begin_s: float, end_s: float) -> Trips:
    """Read every vehicle that was due to depart in the window.

    Parameters
    ----------
    tripinfo : written with ``--tripinfo-output.write-unfinished`` and ``.write-undeparted``.
    begin_s, end_s : the window that was simulated [s].

    Raises
    ------
    PlantError
        If the file is missing or cut off.
    """
    names: list[str] = []
    rows: list[tuple[float, ...]] = []
    walks: list[float] = []
    for element in _elements(tripinfo, ("tripinfo", "personinfo")):
        if element.tag == "personinfo":
            lost = [float(w.get("timeLoss", "0")) for w in element.iter("walk") if float(w.get("arrival", "-1")) >= 0]
            walks.extend([sum(lost)] if lost else [])
            continue
        row = _trip(element, begin_s, end_s)
        if row is not None:
            names.append(element.get("id", ""))
            rows.append(row)
    table = np.array(rows, dtype=np.float64).reshape(len(rows), 7)
    return Trips(
        vehicle=tuple(names),
        end=table[:, 0].astype(np.uint8),
        depart=table[:, 1],
        depart_pos=table[:, 2],
        delay=table[:, 3],
        travel_time=table[:, 4],
        stops=table[:, 5].astype(np.int32),
        standing=table[:, 6],
        walk_delay=np.array(walks, dtype=np.float64),
    )


def _trip(element: ET.Element, begin_s: float, end_s: float) -> tuple[float, ...] | None:
    """(end, depart, depart position, delay, travel time, stops, standing); None if it was not due in the window."""
    depart = float(element.get("depart", "-1"))
    backlog = float(element.get("departDelay", "0"))
    if depart < 0:
        if backlog <= 0 or end_s - backlog < begin_s:
            return None
        return (TripEnd.NOT_INSERTED, math.nan, math.nan, backlog, math.nan, 0, 0.0)
    return (
        TripEnd.ARRIVED if float(element.get("arrival", "-1")) >= 0 else TripEnd.RUNNING,
        depart,
        float(element.get("departPos", "0")),
        float(element.get("timeLoss", "0")) + backlog,
        float(element.get("duration", "0")),
        int(element.get("waitingCount", "0")),
        float(element.get("waitingTime", "0")),
    )


def read_approach_delays(
    vehroutes: Path, network: Network, trips: Trips, end_s: float
) -> dict[tuple[int, int], list[float]]:
    """Time lost on the approach road before each signalised movement.

    Time on the road less what the speed limit needs for its length. A vehicle that is still on the approach at the end
    counts with what it has lost so far; one that has not reached it does not count.

    Parameters
    ----------
    vehroutes : written with ``--vehroute-output.exit-times``, ``.internal`` and ``.write-unfinished``.
    network : the network that was simulated.
    trips : of the same run; say when and where a vehicle was inserted.
    end_s : end of the window [s].

    Returns
    -------
    dict
        (from road, to road) -> delays [s]; every signalised pair of roads is there, in the network's order.

    Raises
    ------
    PlantError
        If the file is missing or cut off.
    """
    edge = {name: e for e, name in enumerate(network.edge_id)}
    length = np.zeros(len(edge))
    speed = np.zeros(len(edge))
    np.maximum.at(length, network.lane_edge, network.lane_length)
    np.maximum.at(speed, network.lane_edge, network.lane_speed)
    signalised = np.flatnonzero(network.move_intersection >= 0)
    roads = zip(
        network.lane_edge[network.move_from[signalised]].tolist(),
        network.lane_edge[network.move_to[signalised]].tolist(),
        strict=True,
    )
    delays: dict[tuple[int, int], list[float]] = {pair: [] for pair in roads}
    inserted = {
        name: (depart, pos) for name, depart, pos in zip(trips.vehicle, trips.depart, trips.depart_pos, strict=True)
    }
    for element in _elements(vehroutes, ("vehicle",)):
        routes = [route for route in element.iter("route") if route.get("exitTimes")]
        depart, position = inserted.get(element.get("id", ""), (math.nan, math.nan))
        if not routes or math.isnan(depart):
            continue
        for origin, target, entry, leave, start in _legs(routes[-1], depart, position):
            pair = (edge.get(origin, -1), edge.get(target, -1))
            if pair in delays:
                until = leave if leave >= 0 else end_s
                free = max(length[pair[0]] - start, 0.0) / speed[pair[0]]
                delays[pair].append(max(until - entry - free, 0.0))
    return delays


def _legs(route: ET.Element, depart: float, position: float) -> Iterator[tuple[str, str, float, float, float]]:
    """(road, next road, entry [s], exit [s] or -1, start on the road [m]) of every road entered, the last left out."""
    edges = route.get("edges", "").split()
    exits = [float(x) for x in route.get("exitTimes", "").split()]
    places = [k for k, name in enumerate(edges) if not name.startswith(":")]
    for k, following in pairwise(places):
        entry = exits[k - 1] if k else depart
        if entry < 0:
            return
        yield edges[k], edges[following], entry, exits[k], 0.0 if k else position


def _elements(path: Path, tags: tuple[str, ...]) -> Iterator[ET.Element]:
    """Finished elements directly below the root, forgotten once they were seen: files may be large."""
    try:
        events = ET.iterparse(path, events=("start", "end"))
        _, root = next(events)
        for event, element in events:
            if event == "end" and element.tag in tags:
                yield element
                root.clear()
    except FileNotFoundError as error:
        raise PlantError(f"{path} is missing: SUMO did not write its trips; run the simulation again") from error
    except (ET.ParseError, StopIteration) as error:
        raise PlantError(f"{path} is cut off ({error}): SUMO did not finish; run the simulation again") from error
