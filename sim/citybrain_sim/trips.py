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
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from citybrain.errors import PlantError
from citybrain.measures import POLLUTANTS, TripEnd, Trips

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

SUMO_POLLUTANTS = ("CO2_abs", "CO_abs", "HC_abs", "NOx_abs", "PMx_abs", "fuel_abs")
"""``POLLUTANTS`` as SUMO names them [mg]."""
NUMBERS = (
    "end",
    "depart",
    "depart_pos",
    "arrival_pos",
    "delay",
    "outside",
    "travel_time",
    "free_time",
    "distance",
    "stops",
    "standing",
)


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
    names: list[tuple[str, str]] = []
    rows: list[tuple[float, ...]] = []
    walks: list[tuple[str, float, float]] = []
    for element in _elements(tripinfo, ("tripinfo", "personinfo")):
        if element.tag == "personinfo":
            done = [walk for walk in element.iter("walk") if float(walk.get("arrival", "-1")) >= 0]
            lost, took = (sum(float(walk.get(what, "0")) for walk in done) for what in ("timeLoss", "duration"))
            walks.extend([(element.get("id", ""), lost, took)] if done else [])
            continue
        row = _trip(element, begin_s, end_s)
        if row is not None:
            names.append((element.get("id", ""), element.get("vType", "")))
            rows.append((*row, *_emissions(element, driven=row[0] != TripEnd.NOT_INSERTED)))
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(NUMBERS) + len(POLLUTANTS))
    column = {name: table[:, k] for k, name in enumerate(NUMBERS)}
    end, stops = column.pop("end").astype(np.uint8), column.pop("stops").astype(np.int32)
    return Trips(
        vehicle=tuple(name for name, _ in names),
        kind=tuple(kind for _, kind in names),
        end=end,
        stops=stops,
        emissions=table[:, len(NUMBERS) :],
        walker=tuple(name for name, *_ in walks),
        walk_delay=np.array([lost for _, lost, _ in walks], dtype=np.float64),
        walk_time=np.array([took for *_, took in walks], dtype=np.float64),
        **column,
    )


def _trip(element: ET.Element, begin_s: float, end_s: float) -> tuple[float, ...] | None:
    """Values of ``NUMBERS``; None if the vehicle was not due in the window."""
    depart = float(element.get("depart", "-1"))
    backlog = float(element.get("departDelay", "0"))
    if depart < 0:
        if backlog <= 0 or end_s - backlog < begin_s:
            return None
        return (TripEnd.NOT_INSERTED, *(math.nan,) * 3, backlog, backlog, *(math.nan,) * 2, 0.0, 0, 0.0)
    arrived = float(element.get("arrival", "-1")) >= 0
    lost, duration = float(element.get("timeLoss", "0")), float(element.get("duration", "0"))
    return (
        TripEnd.ARRIVED if arrived else TripEnd.RUNNING,
        depart,
        float(element.get("departPos", "0")),
        float(element.get("arrivalPos", "0")) if arrived else math.nan,
        lost + backlog,
        backlog,
        duration,
        max(duration - lost - float(element.get("stopTime", "0")), 0.0),
        float(element.get("routeLength", "0")),
        int(element.get("waitingCount", "0")),
        float(element.get("waitingTime", "0")),
    )


def _emissions(element: ET.Element, *, driven: bool) -> tuple[float, ...]:
    """Values of ``POLLUTANTS`` [g]."""
    found = element.find("emissions")
    if found is None:
        return (math.nan if driven else 0.0,) * len(POLLUTANTS)
    return tuple(float(found.get(name, "nan")) / 1000.0 for name in SUMO_POLLUTANTS)


Pair = tuple[str, str]
"""Road that a signalised movement leaves, and road that it enters."""


@dataclass(frozen=True)
class Ways:
    """What delays of movements are reckoned with.

    Attributes
    ----------
    seconds : road or part of a junction -> time over it at the speed limit [s].
    metres : its length [m].
    signalised : the pairs of roads between which a signal stands.
    """

    seconds: Mapping[str, float]
    metres: Mapping[str, float]
    signalised: frozenset[Pair]


def read_movement_delays(
    vehroutes: Path, ways: Ways, trips: Trips, end_s: float, waiting: Mapping[str, Sequence[str]]
) -> dict[Pair, list[float]]:
    """Share out every vehicle's control delay over the signals on its way.

    To a signal belongs what a vehicle loses from where it left the signal before, or from where it was due to be
    inserted, until it has crossed the junction; behind its last signal also what it loses on the next road. What is
    lost elsewhere, by vehicles that meet no signal any more, belongs to none. The time that SUMO says a vehicle lost is
    shared out by the time that it took for every road against the road's speed limit, so that the shares add up to it.
    Vehicles that are on the way at the end, or that never came in, count for the signal that they have before them.

    Parameters
    ----------
    vehroutes : written with ``--vehroute-output.exit-times``, ``.internal`` and ``.write-unfinished``.
    trips : of the same run.
    end_s : end of the window [s].
    waiting : vehicles that never came in, and the roads that they meant to take: SUMO does not write those.

    Returns
    -------
    dict
        Pair of roads -> control delays [s], one per vehicle and passage; every signalised pair is there.

    Raises
    ------
    PlantError
        If the file is missing or cut off.
    """
    delays: dict[Pair, list[float]] = {pair: [] for pair in sorted(ways.signalised)}
    row = {name: v for v, name in enumerate(trips.vehicle)}
    for element in _elements(vehroutes, ("vehicle",)):
        routes = [route for route in element.iter("route") if route.get("exitTimes")]
        v = row.get(element.get("id", ""), -1)
        if routes and v >= 0:
            edges = routes[-1].get("edges", "").split()
            losses = _losses(element, routes[-1], edges, ways, trips, v, end_s)
            _share_out(edges, losses, float(trips.outside[v]), ways.signalised, delays)
    for name, roads in waiting.items():
        if (v := row.get(name, -1)) >= 0:
            _share_out(list(roads), [], float(trips.outside[v]), ways.signalised, delays)
    return delays


def _losses(
    vehicle: ET.Element, route: ET.Element, edges: list[str], ways: Ways, trips: Trips, v: int, end_s: float
) -> list[float]:
    """Time lost on every road and part of a junction that a vehicle came to, in order [s]."""
    exits = [float(x) for x in route.get("exitTimes", "").split()]
    passed = next((k for k, leave in enumerate(exits) if leave < 0), len(exits))
    took = np.diff([trips.depart[v], *exits[:passed]])
    free = np.array([ways.seconds.get(name, 0.0) for name in edges[:passed]])
    for k, cut in ((0, trips.depart_pos[v]), (passed - 1, _left_out(edges[passed - 1], ways, trips.arrival_pos[v]))):
        if passed and ways.metres.get(edges[k], 0.0) > 0.0:
            free[k] = max(free[k] - ways.seconds[edges[k]] * cut / ways.metres[edges[k]], 0.0)
    for started, stood in _stops(vehicle, end_s):
        k = int(np.searchsorted(exits[:passed], started, side="right"))
        if k < passed:
            took[k] -= stood
    lost = float(trips.delay[v] - trips.outside[v])
    if passed == len(edges):
        scale = float(trips.free_time[v] / free.sum()) if free.sum() > 0.0 else 0.0
        return [*(took - scale * free).tolist()]
    before = (took - free).tolist()
    return [*before, lost - sum(before)]


def _left_out(edge: str, ways: Ways, arrival_pos: float) -> float:
    """How much of its last road a vehicle that arrived did not drive [m]; 0 for those still on the way."""
    return 0.0 if math.isnan(arrival_pos) else max(ways.metres.get(edge, 0.0) - arrival_pos, 0.0)


def _stops(vehicle: ET.Element, end_s: float) -> Iterator[tuple[float, float]]:
    """Begin and length [s] of every scheduled stop that was begun; it may name a lane or a bus stop."""
    for stop in vehicle.iter("stop"):
        started, ended = (float(stop.get(name, "-1")) for name in ("started", "ended"))
        if started >= 0.0:
            yield started, (ended if ended >= 0.0 else end_s) - started


def _share_out(
    edges: list[str],
    losses: list[float],
    outside: float,
    signalised: frozenset[Pair],
    delays: dict[Pair, list[float]],
) -> None:
    """Add one vehicle's losses to the movements that they belong to."""
    roads = [k for k, name in enumerate(edges) if not name.startswith(":")]
    lost, done = outside, 0
    latest: Pair | None = None
    for here, following in pairwise(roads):
        pair = (edges[here], edges[following])
        if pair not in signalised:
            continue
        lost += sum(losses[done:following])
        delays[pair].append(lost)
        if following >= len(losses):
            return
        lost, done, latest = 0.0, following, pair
    if latest is not None and done < len(losses):
        delays[latest][-1] += losses[done]


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
