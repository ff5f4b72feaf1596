"""Where loops count the vehicles that enter and leave the network. May import network and observations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain.network import Turn, csr
from citybrain.observations import EVENT_LOOPS
from citybrain.units import JAM_SPACING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from citybrain.network import FloatArray, IntArray, Network
    from citybrain.observations import SensorTable


CROSSING_SPEED = 7.0
"""Mean speed inside a signalised junction, of vehicles that start or turn [m/s]."""


@dataclass(frozen=True)
class Boundary:
    """Loops that count at the network's edge. Index letters: x sensors, m movements.

    Attributes
    ----------
    enters : [X] every vehicle over this loop has come from outside the network; it is the last one of its lane.
    arrives : [X] the first loop of such a lane.
    leave_ptr, leave_move : CSR over sensors: movements of the loop's lane after which no loop comes any more; the
        share of its vehicles that takes them leaves the network.
    leaves : [X] every vehicle over this loop leaves the network, since its lane ends there.
    counts : [X] the loop counts at all.
    blind : share of the lanes at the edge that no loop counts, 0 to 1.
    enter_s, leave_s : [X] time from the network's edge to the loop, and from the loop to the edge [s], unhindered.
    before_ptr, before_lane : CSR over lanes with loops that count in: lanes from the network's edge to them.
    inner : [L] how much of the lane's end lies beyond a loop that counts in [m]; infinite on lanes inside the network.
    """

    enters: NDArray[np.bool_]
    arrives: NDArray[np.bool_]
    leave_ptr: IntArray
    leave_move: IntArray
    leaves: NDArray[np.bool_]
    counts: NDArray[np.bool_]
    blind: float
    enter_s: FloatArray
    leave_s: FloatArray
    before_ptr: IntArray
    before_lane: IntArray
    inner: FloatArray


class _Ways(NamedTuple):
    """Lanes upstream and downstream of every lane; turning back at a dead end without a signal is no way."""

    upstream: list[list[int]]
    downstream: list[list[int]]
    by_signal: list[bool]
    """The lane is reached from an intersection."""


def find_boundary(network: Network, sensors: SensorTable) -> Boundary:
    """Find the loops between which vehicles are conserved.

    The loop nearest to the end of its lane counts vehicles in if every way to the lane begins at the network's edge
    without another loop or signal between, and out by those movements from whose target no lane with a loop can be
    reached. Who begins his way on such a lane, beyond its first loop, is thus counted too.
    """
    ways = _ways(network)
    first, last = _counter(network, sensors, nearest=False), _counter(network, sensors, nearest=True)
    entries, exits = (np.array([not near for near in side], dtype=np.bool_) for side in ways[:2])
    inner = np.flatnonzero(last >= 0).tolist()
    towards = _reach(inner, ways.upstream)
    pure = [lane for lane in inner if _from_outside(lane, ways, first)]
    enters, arrives, leaves = np.zeros((3, len(sensors.sensor_id)), dtype=np.bool_)
    enters[last[pure]] = True
    arrives[first[pure]] = True
    leaves[last[exits & (last >= 0)]] = True
    leaving: list[list[int]] = [[] for _ in sensors.sensor_id]
    for lane in inner:
        moves = range(*network.lane_move_ptr[lane : lane + 2].tolist())
        leaving[last[lane]] = [m for m in moves if int(network.move_to[m]) not in towards]
    ptr, move = csr(leaving)
    begins = _reach(pure, ways.upstream)
    past = _unfelt(ways, first)
    seen_in = sum(not ways.upstream[lane] for lane in begins - past)
    gone = _reach(network.move_to[move].tolist(), ways.downstream) | set(sensors.lane[leaves].tolist())
    seen_out = sum(not ways.downstream[lane] for lane in gone - past)
    kept = set(pure)
    before = csr([sorted(_reach([x], ways.upstream) - {x}) if x in kept else [] for x in range(network.n_lanes)])
    edge = int(entries.sum() + exits.sum())
    enter_s, leave_s = _times(network, sensors, ways, arrives, (ptr, move))
    inside = np.full(network.n_lanes, np.inf)
    # The head of a queue stands on the loop that it has not crossed.
    inside[pure] = np.maximum(sensors.distance[last[pure]] - JAM_SPACING, 0.0)
    inside[before[1]] = 0.0
    return Boundary(
        enters=enters,
        arrives=arrives,
        leave_ptr=ptr,
        leave_move=move,
        leaves=leaves,
        counts=enters | arrives | leaves | (np.diff(ptr) > 0),
        blind=1.0 - (seen_in + seen_out) / edge if edge else 0.0,
        enter_s=enter_s,
        leave_s=leave_s,
        before_ptr=before[0],
        before_lane=before[1],
        inner=inside,
    )


def leaving_share(boundary: Boundary, turn_share: NDArray[np.float32]) -> FloatArray:
    """[X] share of the vehicles over each loop that leave the network, from turning shares [M]."""
    rows = np.repeat(np.arange(len(boundary.leave_ptr) - 1), np.diff(boundary.leave_ptr))
    share = np.bincount(rows, weights=turn_share[boundary.leave_move], minlength=len(boundary.leave_ptr) - 1)
    return np.where(boundary.leaves, 1.0, np.minimum(share, 1.0))


def _ways(network: Network) -> _Ways:
    ways = _Ways([[] for _ in network.lane_id], [[] for _ in network.lane_id], [False] * network.n_lanes)
    for m in range(network.n_movements):
        signal = bool(network.move_intersection[m] >= 0)
        if signal or network.move_turn[m] != Turn.UTURN:
            a, b = int(network.move_from[m]), int(network.move_to[m])
            ways.upstream[b].append(a)
            ways.downstream[a].append(b)
            ways.by_signal[b] = ways.by_signal[b] or signal
    return ways


def _times(
    network: Network, sensors: SensorTable, ways: _Ways, arrives: NDArray[np.bool_], leave: tuple[IntArray, IntArray]
) -> tuple[FloatArray, FloatArray]:
    """[X] free time from the network's edge to the first loops, and from those that count out to the edge [s]."""
    seconds = network.lane_length / network.lane_speed
    enter_s, leave_s = np.zeros((2, len(sensors.sensor_id)))
    for x in np.flatnonzero(arrives).tolist():
        lane = int(sensors.lane[x])
        rest = sensors.distance[x] / network.lane_speed[lane]
        enter_s[x] = max(0.0, _way_s([lane], ways.upstream, seconds) - rest)
    for x in np.flatnonzero(np.diff(leave[0])).tolist():
        moves = leave[1][leave[0][x] : leave[0][x + 1]]
        rest = sensors.distance[x] / network.lane_speed[sensors.lane[x]]
        beyond = [_way_s([lane], ways.downstream, seconds) for lane in network.move_to[moves].tolist()]
        leave_s[x] = rest + float(np.mean(beyond + network.move_length[moves] / CROSSING_SPEED))
    at_end = [x for x in range(len(arrives)) if sensors.lane[x] >= 0 and not ways.downstream[sensors.lane[x]]]
    leave_s[at_end] = sensors.distance[at_end] / network.lane_speed[sensors.lane[at_end]]
    return enter_s, leave_s


def _way_s(lanes: list[int], near: Sequence[list[int]], seconds: FloatArray) -> float:
    """Mean time from some lanes to the network's edge [s]; lanes beside each other are ways of their own."""
    reached = sorted(_reach(lanes, near))
    ends = sum(not near[lane] for lane in reached)
    return float(seconds[reached].sum()) / max(ends, 1)


def _counter(network: Network, sensors: SensorTable, *, nearest: bool) -> IntArray:
    """[L] loop that counts on a lane: the nearest to its end or the furthest from it; -1 without."""
    found = np.full(network.n_lanes, -1, dtype=np.int32)
    order = np.argsort(sensors.distance if nearest else -sensors.distance, kind="stable")
    for x in order.tolist():
        lane = int(sensors.lane[x])
        if sensors.kind[x] in EVENT_LOOPS and lane >= 0 and found[lane] < 0:
            found[lane] = x
    return found


def _reach(lanes: Iterable[int], near: Sequence[list[int]]) -> set[int]:
    """Find all that is reached from some lanes, themselves included."""
    todo = list(lanes)
    reached = set(todo)
    while todo:
        new = [other for other in near[todo.pop()] if other not in reached]
        reached.update(new)
        todo += new
    return reached


def _unfelt(ways: _Ways, counter: IntArray) -> set[int]:
    """Lanes on ways through the network that pass no counting lane."""
    bare = {lane for lane in range(len(counter)) if counter[lane] < 0}
    near = [[[other for other in row if other in bare] for row in side] for side in (ways.upstream, ways.downstream)]
    sources, sinks = ([lane for lane in bare if not side[lane]] for side in (ways.upstream, ways.downstream))
    return _reach(sources, near[1]) & _reach(sinks, near[0])


def _from_outside(lane: int, ways: _Ways, counter: IntArray) -> bool:
    """Whether every way to a lane begins at the network's edge, without a signal or another counting lane on it."""
    todo, known = [lane], {lane}
    while todo:
        at = todo.pop()
        if ways.by_signal[at] or any(counter[origin] >= 0 for origin in ways.upstream[at]):
            return False
        new = [origin for origin in ways.upstream[at] if origin not in known]
        known.update(new)
        todo += new
    return True
