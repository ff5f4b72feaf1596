"""Where queues stand: the roads that a stop line's queue fills before it stands in the way of others.

A queue between intersections takes room that other traffic needs. A queue on a road that leads in from the edge of the
network keeps nobody back but itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from citybrain.network import csr
from citybrain.units import JAM_SPACING

if TYPE_CHECKING:
    from citybrain.network import FloatArray, IntArray, Network


class Storage(NamedTuple):
    """Storage behind the stop-line lanes.

    Attributes
    ----------
    ptr, lane : CSR over stop-line lanes: general lanes of the roads that its queue fills. Empty where these roads
        lead in from the edge.
    vehicles : [A] that stand on them when they are full; 0 where they lead in from the edge.
    at_line : [A] that stand on the stop-line lane itself when it is full; 0 likewise.
    """

    ptr: IntArray
    lane: IntArray
    vehicles: FloatArray
    at_line: FloatArray


def find_storage(network: Network) -> Storage:
    """Find the storage behind every stop-line lane.

    It begins at the stop line and goes back road by road as long as only one road leads in and no signal stands
    between: as far as a queue gets without standing in a junction where others want to pass.
    """
    feeders, signalled = _feeders(network)
    lanes_of: dict[int, list[int]] = {}
    for x in np.flatnonzero(network.lane_general).tolist():
        lanes_of.setdefault(int(network.lane_edge[x]), []).append(x)
    rows: list[list[int]] = []
    for stop in network.approach_lane.tolist():
        roads = _way_back(int(network.lane_edge[stop]), feeders, signalled)
        from_edge = not feeders.get(roads[-1])
        rows.append([] if from_edge else [x for road in roads for x in lanes_of.get(road, [])])
    ptr, lane = csr(rows)
    space = np.maximum(1.0, network.lane_length / JAM_SPACING)
    vehicles = np.array([space[row].sum() for row in rows])
    return Storage(ptr, lane, vehicles, np.where(vehicles > 0.0, space[network.approach_lane], 0.0))


def _feeders(network: Network) -> tuple[dict[int, set[int]], set[int]]:
    """Roads that lead into each road, and roads that end at a signal."""
    feeders: dict[int, set[int]] = {}
    signalled: set[int] = set()
    for m in range(network.n_movements):
        a, b = (int(network.lane_edge[lane]) for lane in (network.move_from[m], network.move_to[m]))
        feeders.setdefault(b, set()).add(a)
        if network.move_intersection[m] >= 0:
            signalled.add(a)
    return feeders, signalled


def _way_back(road: int, feeders: dict[int, set[int]], signalled: set[int]) -> list[int]:
    """Roads from ``road`` upstream, to where roads come together or a signal stands."""
    way = [road]
    while len(before := feeders.get(way[-1], set())) == 1:
        (last,) = before
        if last in signalled or last in way:
            break
        way.append(last)
    return way
