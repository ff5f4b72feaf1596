"""How far the sum over the lanes may be from the street: what is not seen, and queues longer than sensors see.

May import network, observations and state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain.observations import EVENT_LOOPS, SensorKind
from citybrain.units import JAM_SPACING

if TYPE_CHECKING:
    from citybrain.city.boundary import Boundary
    from citybrain.network import FloatArray, IntArray, Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.state import TrafficState

SLOWER = 0.1
"""Who is on his way to a sensor takes so much longer than at the speed limit: a share of that time."""
MOST_GROWTH = 0.75
"""A queue beyond sight grows at most so many times as quickly as it discharges."""
CLEAR_S = 10.0
"""When nobody has been over the furthest loop for so long and no queue stands there, the queue has come to its end [s]:
a queue that discharges has no such gaps."""


class Hidden(NamedTuple):
    """There may be up to so many in queues beyond sight who are not believed: at the network's edge, inside [veh]."""

    edge: float
    inside: float


class Unseen(NamedTuple):
    """Vehicles out of sight: on lanes at the network's edge, and inside.

    Attributes
    ----------
    edge, inside : those who are believed and whom no sensor vouches for [veh].
    slow_edge, slow_inside : those who are not believed: drivers take longer to sensors than the speed limit asks [veh].
    """

    edge: float
    inside: float
    slow_edge: float
    slow_inside: float


class Doubt:
    """Keeps for how long queues have reached beyond what sensors see.

    Parameters
    ----------
    network, sensors : the street. boundary : where loops count at the network's edge.
    """

    def __init__(self, network: Network, sensors: SensorTable, boundary: Boundary) -> None:
        sight = _sight(network, sensors)
        ptr, lane = boundary.before_ptr, boundary.before_lane
        self._begins = np.repeat(np.arange(network.n_lanes), np.diff(ptr))
        self._before = lane
        # Lanes side by side share the lane that leads to them.
        self._part = 1.0 / np.bincount(lane, minlength=network.n_lanes)[lane]
        self._storage = self._with_before(network.lane_length / JAM_SPACING)
        self._loop = _furthest(network, sensors)
        longer = (sight > 0.0) & ((sight < network.lane_length) | (np.diff(ptr) > 0))
        self._end = np.where(longer, np.maximum(sight - JAM_SPACING, 0.5 * sight), np.inf)
        self._seen = np.minimum(sight / network.lane_length, 1.0)
        self._edge = np.isfinite(boundary.inner)
        for fixed in (self._begins, self._part, self._storage, self._loop, self._end, self._seen, self._edge):
            fixed.flags.writeable = False
        # The last one stands for lanes without a loop.
        self._covered = np.zeros(len(sensors.sensor_id) + 1, dtype=np.bool_)
        self._free_s = np.full(network.n_lanes, np.inf)
        self._hidden_s = np.zeros(network.n_lanes)

    def watch(self, seconds: float, batch: ObservationBatch, state: TrafficState) -> None:
        """See one tick."""
        order = np.lexsort((batch.loop_on, batch.loop_time))
        felt = self._covered.copy()
        felt[batch.loop_sensor] = True
        self._covered[batch.loop_sensor[order]] = batch.loop_on[order]
        felt |= self._covered
        back = state.back_of_queue
        self._free_s = np.where(felt[self._loop] | (back >= 0.5 * self._end), 0.0, self._free_s + seconds)
        hidden = (back >= self._end) | (self._hidden_s > 0.0) & (self._free_s < CLEAR_S)
        self._hidden_s = np.where(hidden, self._hidden_s + seconds, 0.0)

    def unseen(self, state: TrafficState) -> Unseen:
        """Count those who are out of sight of all sensors, and those whom sensors do not show one by one."""
        beyond = np.maximum(state.vehicles - state.queue, 0.0) * (1.0 - self._seen)
        doubted = state.vehicles - state.confidence * (state.vehicles - beyond)
        slow = SLOWER * np.where(self._seen > 0.0, beyond, 0.0)
        return Unseen(*(float(x[part].sum()) for x in (doubted, slow) for part in (self._edge, ~self._edge)))

    def hidden(self, state: TrafficState) -> Hidden:
        """Tell how many may stand in queues beyond sight: what the lanes can hold, as far as time has let them come."""
        room = np.maximum(self._storage - self._with_before(state.vehicles), 0.0)
        most = np.minimum(MOST_GROWTH * state.flow * self._hidden_s, room)
        return Hidden(float(most[self._edge].sum()), float(most[~self._edge].sum()))

    def _with_before(self, values: NDArray[np.float32] | FloatArray) -> FloatArray:
        """Add to values [L] of lanes those of the lanes that lead to them from the network's edge."""
        before = np.bincount(self._begins, weights=self._part * values[self._before], minlength=len(values))
        return values.astype(np.float64) + before


def _furthest(network: Network, sensors: SensorTable) -> IntArray:
    """[L] loop that is furthest from the end of each lane; -1 without."""
    found = np.full(network.n_lanes, -1, dtype=np.int32)
    loops = np.flatnonzero(np.isin(sensors.kind, EVENT_LOOPS) & (sensors.lane >= 0))
    order = loops[np.argsort(sensors.distance[loops], kind="stable")]
    found[sensors.lane[order]] = order
    return found


def _sight(network: Network, sensors: SensorTable) -> FloatArray:
    """[L] how far from its end sensors see each lane [m]; 0 where none does."""
    sight = np.zeros(network.n_lanes)
    loops = np.flatnonzero((sensors.kind == SensorKind.ADVANCE_LOOP) & (sensors.lane >= 0))
    np.maximum.at(sight, sensors.lane[loops], sensors.distance[loops])
    rows = np.repeat(np.arange(len(sensors.sensor_id)), np.diff(sensors.cover_ptr))
    np.maximum.at(sight, sensors.cover_lane, np.maximum(sensors.distance[rows] - sensors.cover_offset, 0.0))
    return sight
