"""How far the sum over the lanes may be from the street: what is not seen, and queues longer than sensors see.

May import network, observations and state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain.observations import SensorKind
from citybrain.units import JAM_SPACING

if TYPE_CHECKING:
    from citybrain.city.boundary import Boundary
    from citybrain.network import FloatArray, Network
    from citybrain.observations import SensorTable
    from citybrain.state import TrafficState

MOST_GROWTH = 1.0
"""A queue beyond sight grows at most so many times as quickly as it discharges."""
FORGETTING = 1.0
"""A queue that has come into sight again is known so many times faster than its doubt grew."""
LIKELY, SCATTER = 1.0 / 4.0, 3.0 / 80.0
"""Mean and variance of something between 0 and 1 that grows less likely with the square of what is left to 1."""


class Hidden(NamedTuple):
    """Who stands in queues beyond sight and is not believed yet: mean [veh] and variance [veh2]."""

    mean: float
    variance: float


class Doubt:
    """Keeps for how long queues at the network's edge have reached beyond what sensors see.

    Parameters
    ----------
    network, sensors : the street. boundary : where loops count at the network's edge.
    """

    def __init__(self, network: Network, sensors: SensorTable, boundary: Boundary) -> None:
        sight = _sight(network, sensors)
        ptr, lane = boundary.before_ptr, boundary.before_lane
        # A queue inside the network is made of vehicles that were counted upstream.
        edge = (np.diff(network.lane_feed_ptr) == 0) & (sight < network.lane_length) | (np.diff(ptr) > 0)
        self._sight = np.where(edge & (sight > 0.0), sight - JAM_SPACING, np.inf)
        self._begins = np.repeat(np.arange(network.n_lanes), np.diff(ptr))
        self._before = lane
        # Lanes side by side share the lane that leads to them.
        self._part = 1.0 / np.bincount(lane, minlength=network.n_lanes)[lane]
        self._storage = self._with_before(network.lane_length / JAM_SPACING)
        for fixed in (self._sight, self._begins, self._part, self._storage):
            fixed.flags.writeable = False
        self._hidden_s = np.zeros(network.n_lanes)

    def watch(self, seconds: float, state: TrafficState) -> None:
        """See one tick."""
        beyond = state.back_of_queue >= self._sight
        self._hidden_s += np.where(beyond, seconds, -FORGETTING * seconds)
        np.maximum(self._hidden_s, 0.0, out=self._hidden_s)

    def unseen(self, state: TrafficState) -> float:
        """Vehicles that are believed and that no sensor vouches for [veh]."""
        doubted: NDArray[np.float32] = (1.0 - state.confidence) * state.vehicles
        return float(doubted.sum(dtype=np.float64))

    def hidden(self, state: TrafficState) -> Hidden:
        """Guess who stands in queues beyond sight and is not believed yet.

        Anything between nobody and as many as the lane can hold, as far as time has let them come; many are less likely
        than few.
        """
        room = np.maximum(self._storage - self._with_before(state.vehicles), 0.0)
        most = np.minimum(MOST_GROWTH * state.flow * self._hidden_s, room)
        return Hidden(LIKELY * float(most.sum()), SCATTER * float(np.square(most).sum()))

    def _with_before(self, values: NDArray[np.float32] | FloatArray) -> FloatArray:
        """Add to values [L] of lanes those of the lanes that lead to them from the network's edge."""
        before = np.bincount(self._begins, weights=self._part * values[self._before], minlength=len(values))
        return values.astype(np.float64) + before


def _sight(network: Network, sensors: SensorTable) -> FloatArray:
    """[L] how far from its end sensors see each lane [m]; 0 where none does."""
    sight = np.zeros(network.n_lanes)
    loops = np.flatnonzero((sensors.kind == SensorKind.ADVANCE_LOOP) & (sensors.lane >= 0))
    np.maximum.at(sight, sensors.lane[loops], sensors.distance[loops])
    rows = np.repeat(np.arange(len(sensors.sensor_id)), np.diff(sensors.cover_ptr))
    np.maximum.at(sight, sensors.cover_lane, np.maximum(sensors.distance[rows] - sensors.cover_offset, 0.0))
    return sight
