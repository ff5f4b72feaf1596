"""Interval counts: what detectors and cameras report that send no events, late and with errors.

Index letters: k counters (a detector, or one lane of a camera), e edges, c rows of the cameras' cover table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain.observations import SensorKind
from citybrain_sim.mailbox import EPSILON, Mailbox
from citybrain_sim.sensors import feelers

if TYPE_CHECKING:
    from citybrain.observations import SensorTable
    from citybrain_sim.sensor_profiles import CountCameraNoise, CountLoopNoise

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class CountModel:
    """Counts what is felt, interval by interval; every sensor's intervals begin at a time of its own.

    A detector counts a vehicle when it comes, a camera when it has left the stop line.
    """

    def __init__(
        self, sensors: SensorTable, loop: CountLoopNoise, camera: CountCameraNoise, rng: np.random.Generator
    ) -> None:
        self._loop, self._camera, self._rng = loop, camera, rng
        n = len(sensors.sensor_id)
        felt = feelers(sensors)
        row = felt.number - n
        owner = np.repeat(np.arange(n), np.diff(sensors.cover_ptr))
        sensor = np.where(row < 0, felt.number, owner[np.maximum(row, 0)] if len(owner) else 0)
        chosen = (row >= 0) | (sensors.kind[sensor] == SensorKind.COUNT_LOOP)
        self._sensor, self._row = sensor[chosen], row[chosen]
        self._by_camera = self._row >= 0
        self._lane = np.where(self._by_camera, felt.lane[chosen], -1)
        self._counter = np.full(n + len(owner), -1, dtype=np.int64)
        self._counter[felt.number[chosen]] = np.arange(len(self._sensor))
        self._length = np.where(self._by_camera, camera.interval_s, loop.interval_s)
        phase = rng.random(n)[self._sensor]
        self._phase = np.ceil(phase * self._length)
        self._end: FloatArray | None = None
        self._begun = np.zeros(len(self._sensor), dtype=np.bool_)
        self._count = np.zeros(len(self._sensor))
        self._covered = np.zeros(len(self._sensor))
        """Seconds covered in this interval; while a counter is covered, less the time since when."""
        self._is_on = np.zeros(len(self._sensor), dtype=np.bool_)
        self._mail = Mailbox(np.int32, np.int32, np.float64, np.float64, np.float32, np.float32, np.float32)

    def is_counter(self, feeler: IntArray) -> NDArray[np.bool_]:
        """Tell which feelers belong to sensors that count."""
        return self._counter[feeler] >= 0

    def feel(self, feeler: IntArray, time: FloatArray, on: NDArray[np.bool_]) -> None:
        """Take in true edges [E] of counters: per counter in order of time, covered and left in turn."""
        k = self._counter[feeler]
        np.add.at(self._covered, k, np.where(on, -time, time))
        self._is_on[k] = on
        passed = k[on != self._by_camera[k]]
        draw = self._rng.random((2, len(passed)))
        missed, doubled = (self._share(name)[passed] for name in ("missed", "doubled"))
        np.add.at(self._count, passed, (draw[0] >= missed) * (1.0 + (draw[1] < doubled)))

    def due(self, time: float) -> bool:
        """Tell whether a camera's interval ends by ``time`` [s], so that its queues must be looked at."""
        return self._end is not None and bool((self._by_camera & (self._end <= time + EPSILON)).any())

    def close(self, time: float, queue: FloatArray) -> None:
        """End all intervals that end by ``time`` [s].

        Parameters
        ----------
        queue : [C] vehicles queued now, as they are, by row of the cover table; looked at only where it is ``due``.
        """
        if self._end is None:
            self._end = time + self._phase
            return
        due = np.flatnonzero(self._end <= time + EPSILON)
        covered = self._covered[due] + np.where(self._is_on[due], self._end[due], 0.0)
        self._report(due[self._begun[due]], covered[self._begun[due]], queue)
        self._begun[due] = True
        self._count[due] = 0.0
        self._covered[due] = np.where(self._is_on[due], -self._end[due], 0.0)
        self._end[due] += self._length[due]

    def _report(self, k: IntArray, covered: FloatArray, queue: FloatArray) -> None:
        if self._end is None or not len(k):
            return
        rng, camera = self._rng, self._by_camera[k]
        sent = rng.random(len(k)) >= self._share("lost")[k]
        low, high = self._share("latency_min_s")[k], self._share("latency_max_s")[k]
        arrival = self._end[k] + low + (high - low) * rng.random(len(k))
        blur = rng.standard_normal(len(k))
        occupancy = np.clip(covered / self._length[k] + self._loop.occupancy_sd * blur, 0.0, 1.0)
        there = np.zeros(len(k))
        there[camera] = queue[self._row[k[camera]]]
        seen = np.maximum(np.rint(there + (self._camera.queue_sd + self._camera.queue_sd_share * there) * blur), 0.0)
        columns = (
            self._sensor[k],
            self._lane[k],
            self._end[k] - self._length[k],
            self._end[k],
            self._count[k],
            np.where(camera, np.nan, occupancy),
            np.where(camera, seen, np.nan),
        )
        self._mail.post(arrival[sent], *(column[sent] for column in columns))

    def _share(self, name: str) -> FloatArray:
        """Look up a number of the noise for every counter."""
        values: FloatArray = np.where(self._by_camera, getattr(self._camera, name), getattr(self._loop, name))
        return values

    def collect(self, time: float) -> tuple[NDArray[Any], ...]:
        """Columns of the counts, in the order of ``ObservationBatch``, that have arrived by ``time`` [s]."""
        return self._mail.collect(time)
