"""Demand of the district's morning peak: who goes where and when, as tables and seeded draws.

Vehicles enter and leave at the gates; the centre lies to the east (gates ``E`` and ``N4``), so the way into town
is the heavy one. Departures build up from 07:30, peak around 08:05 and ebb until 08:30; the last vehicles have until
08:40 to arrive. Two bus lines run every ten minutes; pedestrians walk between roads a few hundred metres apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from citybrain_scenarios.district import streets
from citybrain_scenarios.district.draws import Draws

BEGIN_S = 27000
END_S = 31200
SHARE_PER_10_MIN = (0.135, 0.160, 0.178, 0.187, 0.178, 0.162)
"""Share of the hour's departures in each ten minutes from 07:30."""

PRODUCTION = {
    "W": 860,
    "E": 540,
    "N1": 210,
    "N3": 180,
    "N4": 90,
    "N5": 200,
    "S1": 190,
    "S3": 280,
    "S5": 160,
    "BW": 230,
    "BE": 210,
}
"""Vehicles that enter at a gate between 07:30 and 08:30."""
ATTRACTION = {
    "W": 22,
    "E": 30,
    "N1": 8,
    "N3": 6,
    "N4": 13,
    "N5": 7,
    "S1": 8,
    "S3": 11,
    "S5": 8,
    "BW": 7,
    "BE": 14,
}
"""Weight of a gate as a destination."""
TRIP_LENGTH_M = 1200.0
"""Distance over which the wish to drive somewhere falls to 1/e."""
NOBODY_DRIVES = frozenset({("N4", "N3"), ("N3", "N4"), ("W", "BW"), ("BW", "W"), ("E", "BE"), ("BE", "E")})
"""Pairs of neighbouring gates: people walk, or stay on the road outside."""
VEHICLE_TYPES = {"car": 0.92, "van": 0.05, "truck": 0.03}
PEDESTRIANS = 420
WALK_AT_MOST_M = 700.0

TYPES_XML = """    <vType id="car" vClass="passenger"/>
    <vType id="van" vClass="delivery"/>
    <vType id="truck" vClass="truck" length="9.5"/>
    <vType id="bus" vClass="bus"/>
    <vType id="walker" vClass="pedestrian"/>
"""

BUS_LINES = {
    "line10_east": ("W", "E", 27060, (("A1-A2", 40.0), ("A4-A5", 60.0))),
    "line10_west": ("E", "W", 27300, (("A5-A4", 60.0), ("A2-A1", 60.0))),
    "line20_north": ("S3", "N3", 27180, (("B3-A3", 60.0),)),
    "line20_south": ("N3", "S3", 27420, (("A3-B3", 60.0),)),
}
"""Line and direction -> (from gate, to gate, first departure [s], stops as (road, end position [m]))."""
BUS_HEADWAY_S = 600
BUS_STOP_S = 20
BUS_STOP_M = 25.0


@dataclass(frozen=True)
class Trip:
    """One vehicle's wish."""

    name: str
    kind: str
    depart_s: float
    origin: str
    destination: str


def od_table() -> dict[tuple[str, str], float]:
    """Vehicles per hour from gate to gate: production shared out by attraction, falling with distance (gravity)."""
    table = {}
    for origin, vehicles in PRODUCTION.items():
        weights = {
            gate: weight * math.exp(-math.dist(streets.NODES[origin], streets.NODES[gate]) / TRIP_LENGTH_M)
            for gate, weight in ATTRACTION.items()
            if gate != origin and (origin, gate) not in NOBODY_DRIVES
        }
        total = sum(weights.values())
        table.update({(origin, gate): vehicles * weight / total for gate, weight in weights.items()})
    return table


def trips(seed: int) -> list[Trip]:
    """All trips by departure, buses included."""
    source = Draws(seed, "vehicles")
    drawn = []
    for (origin, destination), vehicles in od_table().items():
        for number in range(int(vehicles + source.uniform())):
            kind = source.choice(list(VEHICLE_TYPES), list(VEHICLE_TYPES.values()))
            drawn.append(Trip(f"{origin}.{destination}.{number}", kind, _departure(source), origin, destination))
    for line, (origin, destination, first, _) in BUS_LINES.items():
        departures = range(first, BEGIN_S + 3600, BUS_HEADWAY_S)
        drawn += [Trip(f"{line}.{n}", "bus", float(s), origin, destination) for n, s in enumerate(departures)]
    return sorted(drawn, key=lambda trip: (trip.depart_s, trip.name))


def _departure(source: Draws) -> float:
    slot = source.choice(range(len(SHARE_PER_10_MIN)), SHARE_PER_10_MIN)
    return BEGIN_S + 600 * slot + int(source.uniform() * 6000) / 10


def trips_xml(wanted: list[Trip]) -> str:
    """Input of duarouter."""
    roads = streets.street_roads()
    first = {road.start: road.name for road in roads if road.start in streets.GATES}
    last = {road.end: road.name for road in roads if road.end in streets.GATES}
    rows = [
        f'    <trip id="{t.name}" type="{t.kind}" depart="{t.depart_s:.1f}"'
        f' from="{first[t.origin]}" to="{last[t.destination]}"/>'
        for t in wanted
    ]
    return "\n".join(("<routes>", TYPES_XML + "\n".join(rows), "</routes>", ""))


def demand_xml(route_of: dict[str, str], seed: int) -> str:
    """Route file: types, distinct routes, then vehicles and pedestrians by departure."""
    wanted = trips(seed)
    named: dict[str, str] = {}
    for trip in wanted:
        base = f"{trip.origin}.{trip.destination}"
        alike = sum(name.rpartition(".")[0] == base for name in named.values())
        named.setdefault(route_of[trip.name], f"{base}.{alike}")
    rows = [f'    <route id="{name}" edges="{edges}"/>' for edges, name in sorted(named.items(), key=lambda r: r[1])]
    timed = [(trip.depart_s, _vehicle_xml(trip, named[route_of[trip.name]])) for trip in wanted]
    timed += pedestrians(seed)
    rows += [text for _, text in sorted(timed)]
    return "\n".join(
        ('<?xml version="1.0" encoding="UTF-8"?>', "<routes>", TYPES_XML + "\n".join(rows), "</routes>", "")
    )


def _vehicle_xml(trip: Trip, route: str) -> str:
    head = f'    <vehicle id="{trip.name}" type="{trip.kind}" depart="{trip.depart_s:.1f}" route="{route}"'
    if trip.kind != "bus":
        return f"{head}/>"
    line = trip.name.rpartition(".")[0]
    stops = [f'        <stop busStop="{line}.{k}" duration="{BUS_STOP_S}"/>' for k in range(len(BUS_LINES[line][3]))]
    return "\n".join((f"{head}>", *stops, "    </vehicle>"))


def stops_xml() -> str:
    """Additional file with the bus stops, on the rightmost lane beside the sidewalk."""
    rows = [
        f'    <busStop id="{line}.{k}" lane="{road}_1" startPos="{end - BUS_STOP_M}" endPos="{end}"/>'
        for line, (_, _, _, stops) in BUS_LINES.items()
        for k, (road, end) in enumerate(stops)
    ]
    return "\n".join(('<?xml version="1.0" encoding="UTF-8"?>', "<additional>", *rows, "</additional>", ""))


def pedestrians(seed: int) -> list[tuple[float, str]]:
    """Departure and XML of every pedestrian."""
    source = Draws(seed, "pedestrians")
    where = streets.positions()
    middle = {
        road.name: ((where[road.start][0] + where[road.end][0]) / 2, (where[road.start][1] + where[road.end][1]) / 2)
        for road in streets.street_roads()
    }
    names = sorted(middle)
    people = []
    for number in range(PEDESTRIANS):
        start = source.choice(names)
        near = [name for name in names if name != start and _distance(middle[name], middle[start]) < WALK_AT_MOST_M]
        depart = _departure(source)
        text = (
            f'    <person id="walker.{number}" type="walker" depart="{depart:.1f}">\n'
            f'        <walk from="{start}" to="{source.choice(near)}"/>\n    </person>'
        )
        people.append((depart, text))
    return people


def _distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)
