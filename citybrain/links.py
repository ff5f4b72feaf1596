"""Links: the roads that lead from one intersection to the next. May import network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

from citybrain.network import csr

if TYPE_CHECKING:
    from citybrain.network import FloatArray, IntArray, Network


@dataclass(frozen=True)
class Links:
    """Links between intersections, sorted by (origin, target, last road). Index k.

    Attributes
    ----------
    origin, target : [K] intersections.
    road_ptr, road : CSR over links: roads in driving order; the last one is the approach to ``target``.
    length : [K] length of the roads [m], without the junctions between them.
    seconds : [K] time over them at the speed limit [s].
    """

    origin: IntArray
    target: IntArray
    road_ptr: IntArray
    road: IntArray
    length: FloatArray
    seconds: FloatArray


def find_links(network: Network) -> Links:
    """Find every link: the quickest way from an intersection to an approach of another without a signal between."""
    length, seconds = free_roads(network)
    approach = _approach_roads(network)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(length)))
    entered: list[set[int]] = [set() for _ in range(network.n_intersections)]
    for m in range(network.n_movements):
        a, b = (int(network.lane_edge[lane]) for lane in (network.move_from[m], network.move_to[m]))
        i = int(network.move_intersection[m])
        if i >= 0:
            entered[i].add(b)
        elif a not in approach:
            graph.add_edge(a, b, seconds=seconds[b])
    found: list[tuple[int, int, list[int]]] = []
    for i, roads in enumerate(entered):
        if roads:
            _, ways = nx.multi_source_dijkstra(graph, sorted(roads), weight="seconds")
            found.extend((i, approach[way[-1]], way) for way in ways.values() if approach.get(way[-1], i) != i)
    found.sort(key=lambda link: (link[0], link[1], link[2][-1]))
    road_ptr, road = csr([way for _, _, way in found])
    return Links(
        origin=np.array([i for i, _, _ in found], dtype=np.int32),
        target=np.array([j for _, j, _ in found], dtype=np.int32),
        road_ptr=road_ptr,
        road=road,
        length=np.array([length[way].sum() for _, _, way in found], dtype=np.float64),
        seconds=np.array([seconds[way].sum() for _, _, way in found], dtype=np.float64),
    )


def free_roads(network: Network) -> tuple[FloatArray, FloatArray]:
    """Find length [E, m] and travel time at the speed limit [E, s] of every road, each of its longest lane."""
    length, seconds = np.zeros((2, len(network.edge_id)))
    np.maximum.at(length, network.lane_edge, network.lane_length)
    np.maximum.at(seconds, network.lane_edge, network.lane_length / network.lane_speed)
    return length, seconds


def _approach_roads(network: Network) -> dict[int, int]:
    """Roads with a stop line, and the intersection that they lead to."""
    return {
        int(network.lane_edge[network.approach_lane[a]]): i
        for i in range(network.n_intersections)
        for a in range(int(network.approach_ptr[i]), int(network.approach_ptr[i + 1]))
    }
