"""Streets of the district: nodes, roads, lanes, crossings and turns as plain tables; imports nothing of the project.

An east-west arterial (``A1`` to ``A5``) with two lanes per direction and left-turn pockets, a one-lane collector
south of it (``B1`` to ``B5``), and one-lane side streets between and beyond. ``A2`` and ``A4`` are T-junctions,
``A3`` and ``A4`` stand 62 m apart, ``B2`` has no signal. Lane 0 of every road is its sidewalk.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

LANE_M = 3.2
SIDEWALK_M = 2.5
MEDIAN_M = 3.2
POCKET_M = 75.0

NODES = {
    "A1": (0.0, 0.0),
    "A2": (330.0, 12.0),
    "A3": (610.0, 0.0),
    "A4": (672.0, -4.0),
    "A5": (1080.0, -20.0),
    "B1": (25.0, -240.0),
    "B2": (345.0, -225.0),
    "B3": (600.0, -235.0),
    "B5": (1070.0, -262.0),
    "W": (-380.0, -15.0),
    "E": (1480.0, -60.0),
    "N1": (-30.0, 300.0),
    "N3": (585.0, 290.0),
    "N4": (690.0, 240.0),
    "N5": (1105.0, 320.0),
    "S1": (40.0, -520.0),
    "S3": (585.0, -560.0),
    "S5": (1060.0, -545.0),
    "BW": (-320.0, -265.0),
    "BE": (1400.0, -245.0),
}
"""Name -> position [m]."""

SIGNALS = ("A1", "A2", "A3", "A4", "A5", "B1", "B3", "B5")
GATES = ("W", "E", "N1", "N3", "N4", "N5", "S1", "S3", "S5", "BW", "BE")

ARTERIAL = ("W", "A1", "A2", "A3", "A4", "A5", "E")
ARTERIAL_SPEED = 13.9
LEFT_POCKETS = frozenset({("W", "A1"), ("A2", "A1"), ("A2", "A3"), ("A3", "A2"), ("A4", "A5"), ("E", "A5")})
"""(from, to): arterial roads that widen to a third lane before ``to``."""
WIDE = frozenset({("A3", "A4"), ("A4", "A3")})
"""The short link of the close pair: three lanes over its whole length."""

SIDE_STREETS = {
    ("N1", "A1"): 11.1,
    ("A1", "B1"): 11.1,
    ("B1", "S1"): 11.1,
    ("A2", "B2"): 8.3,
    ("N3", "A3"): 11.1,
    ("A3", "B3"): 11.1,
    ("B3", "S3"): 11.1,
    ("N4", "A4"): 8.3,
    ("N5", "A5"): 11.1,
    ("A5", "B5"): 11.1,
    ("B5", "S5"): 11.1,
    ("BW", "B1"): 11.1,
    ("B1", "B2"): 11.1,
    ("B2", "B3"): 11.1,
    ("B3", "B5"): 11.1,
    ("B5", "BE"): 11.1,
}
"""Two-way streets of one lane per direction -> speed limit [m/s]."""

CROSSED_ARMS = {
    "A1": ("W", "A2", "N1", "B1"),
    "A2": ("A1", "B2"),
    "A3": ("A2", "N3", "B3"),
    "A4": ("A5", "N4"),
    "A5": ("A4", "E", "N5", "B5"),
    "B1": ("A1", "B2", "BW", "S1"),
    "B3": ("A3", "B2", "B5", "S3"),
    "B5": ("A5", "B3", "BE", "S5"),
}
"""Signal -> arms (named by the node at their other end) that have a pedestrian crossing."""


@dataclass(frozen=True)
class Road:
    """One direction of a street between two nodes of the built network."""

    name: str
    start: str
    end: str
    lanes: int
    speed: float
    left_offset: float
    """Distance of the left edge of its lanes to the right of the line between its nodes [m]."""
    priority: int


def street_roads() -> list[Road]:
    """All roads, both directions, pockets as roads of their own."""
    roads: list[Road] = []
    for a, b in itertools.pairwise(ARTERIAL):
        roads += _arterial_roads(a, b) + _arterial_roads(b, a)
    for (a, b), speed in SIDE_STREETS.items():
        collector = a.startswith("B") and b.startswith("B")
        for start, end in ((a, b), (b, a)):
            roads.append(Road(f"{start}-{end}", start, end, 1, speed, 0.0, 5 if collector else 3))
    return roads


def _arterial_roads(a: str, b: str) -> list[Road]:
    two_lanes, three_lanes = MEDIAN_M / 2, MEDIAN_M / 2 - LANE_M
    if (a, b) in WIDE:
        return [Road(f"{a}-{b}", a, b, 3, ARTERIAL_SPEED, 0.0, 9)]
    if (a, b) not in LEFT_POCKETS:
        return [Road(f"{a}-{b}", a, b, 2, ARTERIAL_SPEED, two_lanes, 9)]
    pocket = pocket_node(a, b)
    return [
        Road(f"{a}-{b}", a, pocket, 2, ARTERIAL_SPEED, two_lanes, 9),
        Road(f"{a}-{b}.pocket", pocket, b, 3, ARTERIAL_SPEED, three_lanes, 9),
    ]


def pocket_node(a: str, b: str) -> str:
    """Name of the node where the pocket of road ``a`` to ``b`` begins."""
    return f"{a}-{b}.widening"


def positions() -> dict[str, tuple[float, float]]:
    """Position of every node [m], beginnings of pockets included."""
    table = dict(NODES)
    for a, b in sorted(LEFT_POCKETS):
        (xa, ya), (xb, yb) = NODES[a], NODES[b]
        share = POCKET_M / math.dist(NODES[a], NODES[b])
        table[pocket_node(a, b)] = (round(xb + share * (xa - xb), 2), round(yb + share * (ya - yb), 2))
    return table


def entry_road(road: Road) -> str:
    """Arm that a road belongs to at its end, named by the signal or gate it comes from."""
    return road.name.split(".")[0].split("-")[0]


def turns(roads: list[Road]) -> list[tuple[str, int, str, int]]:
    """Lane-to-lane turns: (from road, lane, to road, lane); lanes count from 1, as 0 is the sidewalk."""
    table: list[tuple[str, int, str, int]] = []
    for road in roads:
        exits = [other for other in roads if other.start == road.end and _is_ahead(road, other)]
        for other in exits:
            table += [(road.name, a, other.name, b) for a, b in _lane_pairs(road, other)]
    return table


def _is_ahead(road: Road, other: Road) -> bool:
    if road.end not in NODES:
        return other.name == f"{road.name}.pocket"
    return other.name.split(".")[0].split("-")[1] != entry_road(road)


def turn_angle(road: Road, other: Road) -> float:
    """Change of heading [degrees], left positive."""
    where = positions()
    (x0, y0), (x1, y1), (x2, y2) = where[road.start], where[road.end], where[other.end]
    change = math.degrees(math.atan2(y2 - y1, x2 - x1) - math.atan2(y1 - y0, x1 - x0))
    return (change + 180.0) % 360.0 - 180.0


def _lane_pairs(road: Road, other: Road) -> list[tuple[int, int]]:
    angle = turn_angle(road, other)
    if road.end not in NODES:
        return [(1, 1), (2, 2), (2, 3)]
    if angle > 45.0:
        return [(road.lanes, lane) for lane in range(max(1, other.lanes - (other.lanes == 3)), other.lanes + 1)]
    if angle < -45.0:
        return [(1, 1)]
    pairs = [(lane, lane) for lane in range(1, min(road.lanes, 2) + 1)]
    return [*pairs, (2, 3)] if other.lanes == 3 and road.lanes > 1 else pairs
