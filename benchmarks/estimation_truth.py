"""What really happens at stop lines, second by second, read from a running SUMO: the truth that estimates face.

Index letters: t ticks (seconds), a stop-line lanes, g signal groups.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.units import QUEUE_SPEED

if TYPE_CHECKING:
    from citybrain.network import Network

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
HEAD_REACH = 10.0
"""A vehicle that stands within this distance of the stop line is the head of a queue [m]."""


@dataclass(frozen=True)
class Truth:
    """A run as it was.

    Attributes
    ----------
    vehicles, queue, back : [T, A] vehicles on the lane; those slower than 1.4 m/s; those up to the last of these, from
        the stop line on, whether they stand or move.
    head : [T, A] a vehicle stands within 10 m of the stop line.
    network : [T] vehicles on lanes that the network has.
    leave_time, leave_lane, leave_road, leave_queued : events: a vehicle crosses a stop line [s], of lane a, towards a
        road, and had been queued there.
    join_time, join_lane, join_due : events: a vehicle is slow for the first time on lane a, or leaves it without having
        been so [s]; when it would have reached the stop line unhindered [s].
    """

    vehicles: Ints
    queue: Ints
    back: Ints
    head: NDArray[np.bool_]
    network: Ints
    leave_time: Floats
    leave_lane: Ints
    leave_road: Ints
    leave_queued: NDArray[np.bool_]
    join_time: Floats
    join_lane: Ints
    join_due: Floats


@dataclass
class _Seen:
    lane: int
    """Last lane of the network."""
    left: float
    """Distance to its end [m]."""
    slow: bool
    """It has been slower than 1.4 m/s on this road."""
    time: float
    """Last time on the lane [s]."""
    gone: float = math.inf
    """When it crossed the lane's end, between two looks [s]."""


@dataclass
class Witness:
    """Looks at every vehicle after every second; in the process that runs the simulation."""

    network: Network
    _rows: list[tuple[Ints, ...]] = field(default_factory=list)
    _known: dict[str, _Seen] = field(default_factory=dict)
    _leaves: list[tuple[float, int, int, bool]] = field(default_factory=list)
    _joins: list[tuple[float, int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Give every lane its number."""
        self._lane = {name: l for l, name in enumerate(self.network.lane_id)}
        self._stop = self.network.lane_approach.tolist()
        self._length = self.network.lane_length.tolist()
        self._speed = self.network.lane_speed.tolist()
        self._road = self.network.lane_edge.tolist()
        self._number = {name: e for e, name in enumerate(self.network.edge_id)}

    def look(self, now: float) -> None:
        """Take down what SUMO shows at ``now`` [s]."""
        import libsumo  # noqa: PLC0415 - only in the process that runs the simulation

        vehicle = libsumo.vehicle
        n = self.network.n_approach_lanes
        standing: list[list[tuple[float, bool]]] = [[] for _ in range(n)]
        inside = 0
        present = set()
        for name in vehicle.getIDList():
            present.add(name)
            lane = self._lane.get(vehicle.getLaneID(name), -1)
            speed = vehicle.getSpeed(name)
            was = self._known.get(name)
            if was is not None and was.lane != lane and was.gone == math.inf:
                was.gone = was.time + min(1.0, was.left / max(speed, 0.1))
            if lane < 0:
                continue
            inside += 1
            left = self._length[lane] - vehicle.getLanePosition(name)
            a = self._stop[lane]
            if a >= 0:
                standing[a].append((left, speed < QUEUE_SPEED))
            self._follow(name, lane, left, speed, now)
        for name in self._known.keys() - present:
            del self._known[name]
        vehicles, queue, back, head = np.zeros((4, n), dtype=np.int32)
        for a, row in enumerate(standing):
            row.sort()
            slow = [k for k, (_, queued) in enumerate(row) if queued]
            vehicles[a], queue[a] = len(row), len(slow)
            if slow:
                back[a] = slow[-1] + 1
                head[a] = row[slow[0]][0] < HEAD_REACH
        self._rows.append((vehicles, queue, back, head, np.array(inside, dtype=np.int32)))

    def _follow(self, name: str, lane: int, left: float, speed: float, now: float) -> None:
        """Note when a vehicle joins a queue and when it crosses a stop line."""
        was = self._known.get(name)
        stop = self._stop[lane]
        if was is None or was.lane != lane:
            same_road = was is not None and self._road[was.lane] == self._road[lane]
            if was is not None and not same_road and self._stop[was.lane] >= 0:
                self._leaves.append((was.gone, self._stop[was.lane], self._taken(name, was.lane, lane), was.slow))
                if not was.slow:
                    self._joins.append((was.gone, self._stop[was.lane], was.gone))
            slow = was is not None and same_road and was.slow
            was = self._known[name] = _Seen(lane, left, slow, now)
        was.left, was.time = left, now
        if speed < QUEUE_SPEED and not was.slow:
            was.slow = True
            if stop >= 0:
                self._joins.append((now, stop, now + left / self._speed[lane]))

    def _taken(self, name: str, before: int, now: int) -> int:
        """Road that a vehicle took after a lane; it may have passed a short one between two looks."""
        import libsumo  # noqa: PLC0415 - only in the process that runs the simulation

        route, at = libsumo.vehicle.getRoute(name), libsumo.vehicle.getRouteIndex(name)
        left = self.network.edge_id[self._road[before]]
        while at >= 0 and route[at] != left:
            at -= 1
        return self._number.get(route[at + 1], int(self._road[now])) if at >= 0 else int(self._road[now])

    def testify(self) -> Truth:
        """Give everything seen so far."""
        vehicles, queue, back, head, inside = (np.array(column) for column in zip(*self._rows, strict=True))
        leaves = list(zip(*sorted(self._leaves), strict=True)) or [(), (), (), ()]
        joins = list(zip(*sorted(self._joins), strict=True)) or [(), (), ()]
        return Truth(
            vehicles,
            queue,
            back,
            head.astype(np.bool_),
            inside,
            np.array(leaves[0], np.float64),
            np.array(leaves[1], np.int32),
            np.array(leaves[2], np.int32),
            np.array(leaves[3], np.bool_),
            np.array(joins[0], np.float64),
            np.array(joins[1], np.int32),
            np.array(joins[2], np.float64),
        )
