"""Where queues stand: between intersections, where they take room that others need, or at the edge of the network.

A queue on a road that leads in from the edge keeps nobody back but itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citybrain.units import JAM_SPACING

if TYPE_CHECKING:
    from citybrain.network import FloatArray, Network


def inside_storage(network: Network) -> FloatArray:
    """Find out how many vehicles stand on every stop-line lane [A] when it is full; 0 where its queue is at the edge.

    From the stop line, roads are followed back as long as only one leads in and no signal stands between: as far as a
    queue gets without standing in a junction where others want to pass. It is at the edge where nothing leads into the
    last of them.
    """
    feeders, signalled = _feeders(network)
    roads = network.lane_edge[network.approach_lane].tolist()
    inside = np.array([bool(feeders.get(_last_back(road, feeders, signalled))) for road in roads], dtype=np.bool_)
    return np.where(inside, np.maximum(1.0, network.lane_length[network.approach_lane] / JAM_SPACING), 0.0)


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


def _last_back(road: int, feeders: dict[int, set[int]], signalled: set[int]) -> int:
    """Last road upstream of ``road`` before roads come together or a signal stands."""
    way = [road]
    while len(before := feeders.get(way[-1], set())) == 1:
        (last,) = before
        if last in signalled or last in way:
            break
        way.append(last)
    return way[-1]
