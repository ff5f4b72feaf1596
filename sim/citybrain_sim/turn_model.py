"""Turning movement counts: which road the vehicles of a lane went to, as cameras count them, late and with errors.

Index letters: b cameras, k counts (a stop-line lane of a camera and a road that it leads to).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain.observations import CAMERAS
from citybrain_sim.mailbox import EPSILON, Mailbox

if TYPE_CHECKING:
    from collections.abc import Iterable

    from citybrain.network import Network
    from citybrain.observations import SensorTable
    from citybrain_sim.sensor_profiles import TurnCameraNoise

FloatArray = NDArray[np.float64]


class TurnModel:
    """Counts who crossed, interval by interval; every camera's intervals begin at a time of its own.

    What a camera does not count it does not send: rows of nobody are left out.
    """

    def __init__(
        self, network: Network, sensors: SensorTable, noise: TurnCameraNoise, rng: np.random.Generator
    ) -> None:
        self._noise, self._rng = noise, rng
        self._sensor = np.flatnonzero(np.isin(sensors.kind, CAMERAS))
        self._first: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        """(Lane, road) -> per camera that counts it its k, and the range of the lane's k."""
        camera: list[int] = []
        lane: list[int] = []
        road: list[int] = []
        for b, x in enumerate(self._sensor.tolist()):
            cover = sensors.cover_lane[sensors.cover_ptr[x] : sensors.cover_ptr[x + 1]]
            for l in cover[network.lane_approach[cover] >= 0].tolist():
                moves = slice(*network.lane_move_ptr[l : l + 2].tolist())
                roads = np.unique(network.lane_edge[network.move_to[network.lane_move[moves]]]).tolist()
                first = len(road)
                for k, e in enumerate(roads, first):
                    self._first.setdefault((l, e), []).append((k, first, first + len(roads)))
                camera += [b] * len(roads)
                lane += [l] * len(roads)
                road += roads
        self._camera, self._lane, self._road = (np.array(column, dtype=np.int64) for column in (camera, lane, road))
        self._count = np.zeros(len(road))
        self._phase = np.ceil(rng.random(len(self._sensor)) * noise.interval_s)
        self._end: FloatArray | None = None
        self._begun = np.zeros(len(self._sensor), dtype=np.bool_)
        self._mail = Mailbox(np.int32, np.int32, np.int32, np.float64, np.float64, np.float32)

    def cross(self, crossed: Iterable[tuple[int, int]]) -> None:
        """Take in vehicles that crossed a stop line: lane, and road that they went to."""
        noise, rng = self._noise, self._rng
        for pair in crossed:
            for k, first, end in self._first.get(pair, ()):
                missed, doubled, confused = rng.random(3)
                if missed < noise.missed:
                    continue
                seen = k
                if confused < noise.confused and end - first > 1:
                    seen = first + (k - first + int(rng.integers(1, end - first))) % (end - first)
                self._count[seen] += 2.0 if doubled < noise.doubled else 1.0

    def close(self, time: float) -> None:
        """End all intervals that end by ``time`` [s]."""
        if self._end is None:
            self._end = time + self._phase
            return
        due = self._end <= time + EPSILON
        if not due.any():
            return
        sent = due & self._begun
        sent &= self._rng.random(len(due)) >= self._noise.lost
        low, high = self._noise.latency_min_s, self._noise.latency_max_s
        arrival = self._end + low + (high - low) * self._rng.random(len(due))
        k = np.flatnonzero(sent[self._camera] & (self._count > 0))
        b = self._camera[k]
        end = self._end[b]
        begin = end - self._noise.interval_s
        self._mail.post(arrival[b], self._sensor[b], self._lane[k], self._road[k], begin, end, self._count[k])
        self._count[due[self._camera]] = 0.0
        self._begun |= due
        self._end[due] += self._noise.interval_s

    def collect(self, time: float) -> tuple[NDArray[Any], ...]:
        """Columns of the turning counts, in the order of ``ObservationBatch``, that have arrived by ``time`` [s]."""
        return self._mail.collect(time)
