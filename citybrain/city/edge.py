"""Who crosses the network's edge, and who is between the edge and the loops that count there.

May import network, observations, state and the kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from citybrain.city.boundary import leaving_share
from citybrain.units import JAM_SPACING, TENTHS_PER_SECOND
from citybrain_kernels.city import MINUTE_S, Pulses, count_pulses

if TYPE_CHECKING:
    from citybrain.city.boundary import Boundary
    from citybrain.network import FloatArray, Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.state import TrafficState

FLOW_MINUTES = 5
"""Memory of the flows over loops, as the estimator's of its lanes [min]."""
SHARE_DOUBT = 1.0
"""Standard deviation of what all turning shares p err alike, per p (1 - p), where nobody has counted them."""


class Crossings(NamedTuple):
    """A minute at the network's edge, all loops together.

    Attributes
    ----------
    entered, left : vehicles counted [veh].
    soon : what the mean over this minute has of the change between its begin and its end, ``entered`` less ``left``:
        each vehicle counts from when it was counted on [veh].
    unsure : variance of ``left``: who takes which way over lanes that lead out and on [veh2].
    astray : standard deviation of ``left`` that lasts: the turning shares themselves are not known exactly [veh].
    outer : mean of those whom the lanes' sum has between edge and loops [veh].
    beyond : mean of those who are there [veh]; of these
    queued : in queues beyond the first loops, as the lanes' estimates have it, and
    unfelt : variance of those who have come and not reached a loop yet [veh2].
    """

    entered: float
    left: float
    soon: float
    unsure: float
    astray: float
    outer: float
    beyond: float
    queued: float
    unfelt: float


class Edge:
    """Watches the loops at the network's edge. Index letters: x sensors, l lanes.

    Parameters
    ----------
    network, sensors, boundary : the street's.

    Attributes
    ----------
    blind : share of the lanes at the edge that no loop counts.
    """

    def __init__(self, network: Network, sensors: SensorTable, boundary: Boundary) -> None:
        self._boundary = boundary
        self.blind = boundary.blind
        n_x = len(sensors.sensor_id)
        zeros = [np.zeros(n_x) for _ in Pulses._fields[2:]]
        self._pulses = Pulses(np.full(n_x, -np.inf), np.zeros(n_x, dtype=np.bool_), *zeros)
        self._arrives = np.flatnonzero(boundary.arrives)
        self._lane = sensors.lane[self._arrives]
        self._reach = sensors.distance[self._arrives]
        self._outer = np.flatnonzero(np.isfinite(boundary.inner))
        self._inner = boundary.inner[self._outer]
        # Of those who move, some are beyond the last loop, others before the first one.
        length = network.lane_length[self._outer]
        first = np.zeros(network.n_lanes)
        first[self._lane] = self._reach
        self._moving = np.maximum(0.0, 1.0 - self._inner / length)
        self._between = np.maximum(0.0, (first[self._outer] - self._inner) / length)
        for fixed in (self._arrives, self._lane, self._reach, self._outer, self._inner, self._moving, self._between):
            fixed.flags.writeable = False
        self._flow = np.zeros(len(self._arrives))
        self._queued = np.zeros(len(self._arrives))
        self._content = np.zeros(2)
        self._minutes = 0
        self._begin = -1.0

    def watch(self, seconds: float, batch: ObservationBatch, state: TrafficState) -> None:
        """See one tick, ``seconds`` after the one before."""
        if self._begin < 0.0:
            self._begin = batch.time / TENTHS_PER_SECOND
        order = np.lexsort((batch.loop_on, batch.loop_time, batch.loop_sensor))
        edge = self._boundary
        count_pulses(
            self._begin,
            batch.loop_sensor[order],
            batch.loop_time[order],
            batch.loop_on[order],
            edge.counts,
            edge.enter_s,
            edge.leave_s,
            self._pulses,
        )
        tail = state.back_of_queue[self._lane] - self._reach
        self._queued += seconds * np.maximum(tail, 0.0) / JAM_SPACING
        self._content += seconds * self._outside(state)

    def _outside(self, state: TrafficState) -> FloatArray:
        """Vehicles between the network's edge and loops that count in: all, and but for those on the way to a loop."""
        vehicles, queue, back = (x[self._outer] for x in (state.vehicles, state.queue, state.back_of_queue))
        standing = float(queue @ np.maximum(0.0, 1.0 - self._inner / np.maximum(back, JAM_SPACING)))
        moving = vehicles - queue
        return standing + np.array([float(moving @ self._moving), float(moving @ self._between)])

    def minute(self, seconds: float, time: int, state: TrafficState) -> Crossings:
        """Close a minute that had so many seconds and ends at ``time`` [tenths of a second]."""
        edge, felt, x = self._boundary, self._pulses, self._arrives
        share = leaving_share(edge, state.counted_share)
        # Who made a state without an estimator does not say how sure its shares are.
        sure = state.turn_confidence if state.turn_confidence.size else np.zeros_like(state.counted_share)
        inferred = leaving_share(edge, state.counted_share * (1.0 - sure)) * (1.0 - share)
        way = edge.enter_s[x]
        gain = 1.0 / min(FLOW_MINUTES, self._minutes + 1)
        usual = self._flow.copy()
        self._flow += gain * (felt.reached[x] / seconds - self._flow)
        # Whoever came a seconds ago and is still on the way has been there for a seconds of this minute.
        lately = np.minimum(way, MINUTE_S)
        coming = self._flow * (0.5 * lately**2 + (way - lately) * MINUTE_S)
        expected = 0.5 * (usual + self._flow) * way if self._minutes else self._flow * way
        # Who crosses a loop out of a queue has been on the way for longer than that.
        news = np.where(self._queued > 0.0, 0.0, (felt.before[x] + coming) / seconds - expected)
        after = felt.after * share
        per_minute = MINUTE_S / seconds
        found = Crossings(
            entered=per_minute * float(felt.left[edge.enters].sum()),
            left=per_minute * float((felt.left * share).sum()),
            soon=float(felt.since_left[edge.enters].sum() - (felt.since_left * share).sum()) / seconds,
            unsure=per_minute * float((felt.left * share * (1.0 - share)).sum()),
            astray=per_minute * SHARE_DOUBT * float((felt.left * inferred).sum()),
            outer=float(self._content[0] + after.sum()) / seconds,
            beyond=float(self._content[1] + after.sum()) / seconds + float((expected + news).sum()),
            queued=float(self._queued.sum()) / seconds,
            unfelt=float((self._flow * lately**3).sum()) / (3.0 * MINUTE_S**2),
        )
        self._close(time)
        return found

    def _close(self, time: int) -> None:
        felt = self._pulses
        felt.after[:] = felt.later
        for sums in (*felt[2:5], felt.before, felt.later, self._queued):
            sums[:] = 0.0
        self._content[:] = 0.0
        self._begin = time / TENTHS_PER_SECOND
        self._minutes += 1
