"""How far the sum over the lanes may be from the street: what is not seen, and queues longer than sensors see.

May import network, observations and state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.observations import SensorKind
from citybrain.units import JAM_SPACING

if TYPE_CHECKING:
    from citybrain.network import FloatArray, Network
    from citybrain.observations import SensorTable
    from citybrain.state import TrafficState

COMMON_SHARE = 0.5
"""Standard deviation of the error that all lanes share, per doubted vehicle."""
MOST_GROWTH = 1.0
"""A queue beyond sight grows at most so many times as quickly as it discharges."""
FORGETTING = 1.0
"""A queue that has come into sight again is known so many times faster than its doubt grew."""
ONE_SIDED = 1.0 / 3.0
"""Mean square of something between 0 and 1 of which nothing else is known."""


class Doubt:
    """Keeps for how long queues at the network's edge have reached beyond what sensors see.

    Parameters
    ----------
    network, sensors : the street.
    """

    def __init__(self, network: Network, sensors: SensorTable) -> None:
        sight = _sight(network, sensors)
        # A queue inside the network is made of vehicles that were counted upstream.
        edge = (np.diff(network.lane_feed_ptr) == 0) & (sight > 0.0) & (sight < network.lane_length)
        self._sight = np.where(edge, sight - JAM_SPACING, np.inf)
        self._sight.flags.writeable = False
        self._storage = network.lane_length / JAM_SPACING
        self._storage.flags.writeable = False
        self._hidden_s = np.zeros(network.n_lanes)

    def watch(self, seconds: float, state: TrafficState) -> None:
        """See one tick."""
        beyond = state.back_of_queue >= self._sight
        self._hidden_s += np.where(beyond, seconds, -FORGETTING * seconds)
        np.maximum(self._hidden_s, 0.0, out=self._hidden_s)

    def variance(self, state: TrafficState) -> float:
        """Variance of the sum over what is seen or follows from what is seen [veh2]."""
        doubted: NDArray[np.float32] = (1.0 - state.confidence) * state.vehicles
        unseen = float(doubted.sum(dtype=np.float64))
        return unseen + (COMMON_SHARE * unseen) ** 2

    def hidden_variance(self, state: TrafficState) -> float:
        """Variance of what stands in queues beyond sight and is not believed yet [veh2].

        Anything between nobody and as many as the lane can hold is as likely, as far as time has let them come.
        """
        room = np.maximum(self._storage - state.vehicles, 0.0)
        most = np.minimum(MOST_GROWTH * state.flow * self._hidden_s, room)
        return ONE_SIDED * float(np.square(most).sum())


def _sight(network: Network, sensors: SensorTable) -> FloatArray:
    """[L] how far from its end sensors see each lane [m]; 0 where none does."""
    sight = np.zeros(network.n_lanes)
    loops = np.flatnonzero((sensors.kind == SensorKind.ADVANCE_LOOP) & (sensors.lane >= 0))
    np.maximum.at(sight, sensors.lane[loops], sensors.distance[loops])
    rows = np.repeat(np.arange(len(sensors.sensor_id)), np.diff(sensors.cover_ptr))
    np.maximum.at(sight, sensors.cover_lane, np.maximum(sensors.distance[rows] - sensors.cover_offset, 0.0))
    return sight
