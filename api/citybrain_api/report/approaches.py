"""Ways to stop lines, who drove along them, and the corridors that most follow."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.links import find_links, free_roads
from citybrain.network import Turn
from citybrain_api.report.schema import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from citybrain.network import Network
    from citybrain_sim.passages import Passages

CORRIDORS = 6
LEAST_SHARE = 0.2
"""A corridor goes on while so many of its heaviest part do [share]."""


@dataclass(frozen=True)
class Approach:
    """A way to a stop line.

    Attributes
    ----------
    origin : intersection that it comes from, -1 for the edge of the network. target : that it leads to.
    roads : in driving order; the last has the stop line.
    length : of all [m]. seconds : over them at the speed limit [s].
    """

    origin: int
    target: int
    roads: tuple[int, ...]
    length: float
    seconds: float


def find_approaches(network: Network) -> list[Approach]:
    """Every link, and for stop-line roads that no link leads to, the roads that can only lead there."""
    links = find_links(network)
    length, seconds = free_roads(network)
    found = [
        Approach(
            int(links.origin[k]),
            int(links.target[k]),
            tuple(links.road[links.road_ptr[k] : links.road_ptr[k + 1]].tolist()),
            float(links.length[k]),
            float(links.seconds[k]),
        )
        for k in range(len(links.origin))
    ]
    linked = {approach.roads[-1] for approach in found}
    signalised = np.flatnonzero(network.move_intersection >= 0)
    owner = dict(
        zip(
            network.lane_edge[network.move_from[signalised]].tolist(),
            network.move_intersection[signalised].tolist(),
            strict=True,
        )
    )
    before = _feeders(network, owner)
    for road in sorted(owner.keys() - linked):
        way = _upstream(road, before)
        found.append(Approach(-1, owner[road], tuple(way), float(length[way].sum()), float(seconds[way].sum())))
    return found


def _feeders(network: Network, owner: dict[int, int]) -> dict[int, set[int]]:
    """Roads that lead onto each road; those with a stop line as -1."""
    before: dict[int, set[int]] = {}
    for a, b in zip(network.lane_edge[network.move_from], network.lane_edge[network.move_to], strict=True):
        before.setdefault(int(b), set()).add(-1 if int(a) in owner else int(a))
    return before


def _upstream(road: int, before: dict[int, set[int]]) -> list[int]:
    way = [road]
    while len(feeders := before.get(way[0], set())) == 1:
        (feeder,) = feeders
        if feeder < 0 or feeder in way:
            break
        way.insert(0, feeder)
    return way


def approaches_table(network: Network, approaches: Sequence[Approach]) -> pa.Table:
    """One row per approach."""
    names = network.intersection_id
    rows = [
        {
            "approach": k,
            "origin": "" if approach.origin < 0 else names[approach.origin],
            "intersection": names[approach.target],
            "road": network.edge_id[approach.roads[-1]],
            "length": approach.length,
            "seconds": approach.seconds,
        }
        for k, approach in enumerate(approaches)
    ]
    return table("approaches", rows)


def trips_on_approaches(
    label: str, passages: Passages, network: Network, approaches: Sequence[Approach]
) -> list[dict[str, Any]]:
    """Rows of ``trips_on_approaches`` of one run, by approach and time of entry."""
    ending: dict[int, list[int]] = {}
    for k, approach in enumerate(approaches):
        ending.setdefault(approach.roads[-1], []).append(k)
    length, _ = free_roads(network)
    rows = []
    for first, place in _ends(passages, ending):
        matches = [(_matched(passages, first, place, approaches[k].roads), -k) for k in ending[passages.road[place]]]
        many, k = max(matches)
        approach = approaches[-k]
        begun = place - many + 1
        skipped = approach.roads[: len(approach.roads) - many]
        following = int(passages.following[place])
        rows.append(
            {
                "controller": label,
                "approach": -k,
                "vehicle": int(passages.vehicle[place]),
                "start": float(length[list(skipped)].sum() + passages.start[begun]),
                "entry": float(passages.entry[begun]),
                "leave": float(passages.leave[place]),
                "to_road": network.edge_id[following] if following >= 0 else "",
            }
        )
    rows.sort(key=lambda row: (row["approach"], row["entry"], row["vehicle"]))
    return rows


def _ends(passages: Passages, ending: dict[int, list[int]]) -> Iterator[tuple[int, int]]:
    """(first passage of the vehicle, passage of a stop-line road) of every such passage that was gone through with."""
    first = np.zeros(len(passages.road), dtype=np.int64)
    news = np.flatnonzero(np.diff(passages.vehicle, prepend=-1))
    first[news] = news
    first = np.maximum.accumulate(first)
    stops = np.flatnonzero(np.isin(passages.road, list(ending)) & (passages.following >= 0))
    yield from zip(first[stops].tolist(), stops.tolist(), strict=True)


def _matched(passages: Passages, first: int, place: int, roads: tuple[int, ...]) -> int:
    """How many of the last roads of an approach a vehicle drove along, up to its passage ``place``."""
    many = 0
    while many < len(roads) and place - many >= first and passages.road[place - many] == roads[-1 - many]:
        many += 1
    return many


def corridors(passages: Passages, approaches: Sequence[Approach], network: Network) -> list[list[int]]:
    """Chains of intersections that most vehicles follow straight on, the longest first.

    Each pair of neighbours is in one of them. A chain turns corners only where none of three signals goes straight on:
    a main street can be coordinated, a way around corners hardly.
    """
    visits = _visits(passages, approaches, network)
    linked = {(approach.origin, approach.target) for approach in approaches}
    flow = Counter((a, b) for way in visits for (a, _), (b, _) in pairwise(way) if (a, b) in linked)
    through: Counter[tuple[int, int, int]] = Counter()
    straight: Counter[tuple[int, int, int]] = Counter()
    for way in visits:
        for (a, _), (b, on), (c, _) in zip(way, way[1:], way[2:], strict=False):
            through[a, b, c] += 1
            straight[a, b, c] += on
    found = _chains(flow, +straight, linked)
    return found if found and len(found[0]) > 2 else _chains(flow, through, linked)


def _visits(passages: Passages, approaches: Sequence[Approach], network: Network) -> list[list[tuple[int, bool]]]:
    """Intersections that each vehicle passed, one after the other, and whether it went straight on there."""
    ending: dict[int, list[int]] = {}
    for k, approach in enumerate(approaches):
        ending.setdefault(approach.roads[-1], []).append(k)
    owner = {approach.roads[-1]: approach.target for approach in approaches}
    ahead = network.move_turn == Turn.STRAIGHT
    roads = network.lane_edge[network.move_from[ahead]], network.lane_edge[network.move_to[ahead]]
    on = set(zip(*(road.tolist() for road in roads), strict=True))
    visits: dict[int, list[tuple[int, bool]]] = {}
    for _, place in _ends(passages, ending):
        road, following = int(passages.road[place]), int(passages.following[place])
        visits.setdefault(int(passages.vehicle[place]), []).append((owner[road], (road, following) in on))
    return list(visits.values())


def _chains(
    flow: Counter[tuple[int, int]], through: Counter[tuple[int, int, int]], linked: set[tuple[int, int]]
) -> list[list[int]]:
    """Begin with the busiest pairs of neighbours that are in no chain yet; the longest chains first."""
    found: list[list[int]] = []
    used: set[tuple[int, int]] = set()
    for pair, _ in sorted(flow.items(), key=lambda item: (-item[1], item[0])):
        if len(found) < CORRIDORS and pair not in used:
            chain = _extend(list(pair), flow, through, linked)
            used.update(pairwise(chain))
            found.append(chain)
    return sorted(found, key=lambda chain: -len(chain))


def _extend(
    chain: list[int],
    flow: Counter[tuple[int, int]],
    through: Counter[tuple[int, int, int]],
    linked: set[tuple[int, int]],
) -> list[int]:
    least = LEAST_SHARE * flow[chain[0], chain[1]]
    for end in (1, -1):
        while True:
            a, b = (chain[-2], chain[-1]) if end == 1 else (chain[0], chain[1])
            options = [
                (count, -triple[2 if end == 1 else 0])
                for triple, count in through.items()
                if (triple[:2] if end == 1 else triple[1:]) == (a, b)
                and (triple[1:] if end == 1 else triple[:2]) in linked
            ]
            count, following = max(options, default=(0, 0))
            if count <= least or -following in chain:
                break
            chain = [*chain, -following] if end == 1 else [-following, *chain]
    return chain
