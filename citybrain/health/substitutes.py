"""What stands in for a sick sensor: its neighbours, the model's flow from upstream, or the history of the hour.

A sensor that is not believed counts as absent: the estimator then goes by the other sensors of the lane, or by what
it sends down from upstream. Where nothing comes from upstream, at the network's edge, arrivals of the usual flow are
put in the place of the advance loop's. A steadily wrong clock is set right. May import network and observations.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.observations import ObservationBatch, SensorKind
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from citybrain.health.examination import SensorHealth
    from citybrain.network import Network
    from citybrain.observations import SensorTable

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

HISTORY_TRUST, CORRECTED_TRUST = 0.2, 0.5
"""How far what stands in is believed: the usual flow, and a sensor whose clock was set right."""
USUAL_LAG = 1.0
"""Time from an event to the tick that hears of it, on average [s]."""
PULSE = (0.9, 0.5)
"""A made-up pulse begins and ends so long before the tick [s]."""
NOTHING, CAMERA, LOOPS, UPSTREAM, HISTORY, CORRECTED = range(6)
NAMES = (
    None,
    "the camera of the lane",
    "other loops of the lane",
    "the model's flow from upstream",
    "the usual flow of the hour",
    "its own rows, their times set right",
)


class Substitutes:
    """Finds stand-ins for sick sensors, and counts them.

    Parameters
    ----------
    network, sensors : the street.
    """

    def __init__(self, network: Network, sensors: SensorTable) -> None:
        self._sensors, self._n_lanes = sensors, network.n_lanes
        self._fed = np.diff(network.lane_feed_ptr) > 0
        n_x = len(sensors.sensor_id)
        self._row_sensor = np.repeat(np.arange(n_x), np.diff(sensors.cover_ptr))
        self._mode = np.zeros(n_x, dtype=np.uint8)
        self._owed = np.zeros(n_x)
        self._pulses = np.zeros(n_x, dtype=np.int64)
        self._time = -1

    def told(self) -> tuple[tuple[str | None, int], ...]:
        """Tell of each sensor what stands in for it, None for nothing, and how many vehicles were made up so far.

        Empty if nothing stands in for anybody, and never did.
        """
        if not self._mode.any() and not self._pulses.any():
            return ()
        return tuple((NAMES[mode], made) for mode, made in zip(self._mode.tolist(), self._pulses.tolist(), strict=True))

    def stand_in(self, batch: ObservationBatch, health: SensorHealth) -> tuple[ObservationBatch, FloatArray]:
        """Replace what sick sensors say.

        Returns
        -------
        The batch that the estimator shall see, and how far it shall believe each sensor [X].
        """
        trust = health.trust
        passed = (batch.time - self._time) / TENTHS_PER_SECOND if self._time >= 0 else 0.0
        self._time = batch.time
        sick = trust <= 0.0
        self._mode[:] = NOTHING
        if not sick.any():
            return batch, trust
        wrong = sick & health.has("wrong clock")
        self._choose(sick, trust, health.sight, health.usual_flow)
        self._mode[wrong] = CORRECTED
        if wrong.any():
            batch = _set_right(batch, np.where(wrong, health.lag - USUAL_LAG, 0.0))
            trust[wrong] = CORRECTED_TRUST
        made_up = np.flatnonzero(self._mode == HISTORY)
        if len(made_up):
            batch = self._pulse(batch, made_up, health.usual_flow * min(passed, 60.0))
            trust[made_up] = HISTORY_TRUST
        return batch, trust

    def _choose(self, sick: BoolArray, trust: FloatArray, sight: FloatArray, usual: FloatArray) -> None:
        """Say what stands in for each sick sensor."""
        sensors = self._sensors
        loop = sensors.lane >= 0
        with_loop, with_camera = (np.zeros(self._n_lanes, dtype=np.bool_) for _ in range(2))
        with_loop[sensors.lane[loop & (trust > 0)]] = True
        with_camera[sensors.cover_lane[trust[self._row_sensor] * sight > 0]] = True
        ill = np.flatnonzero(sick & loop)
        lane = sensors.lane[ill]
        at_edge = (sensors.kind[ill] == SensorKind.ADVANCE_LOOP) & (usual[ill] > 0)
        mode = np.where(self._fed[lane], UPSTREAM, np.where(at_edge, HISTORY, NOTHING))
        self._mode[ill] = np.where(with_camera[lane], CAMERA, np.where(with_loop[lane], LOOPS, mode))
        rows = sick[self._row_sensor]
        helped = np.where(with_loop[sensors.cover_lane[rows]], LOOPS, UPSTREAM)
        self._mode[sick & ~loop] = UPSTREAM
        np.minimum.at(self._mode, self._row_sensor[rows], helped.astype(np.uint8))

    def _pulse(self, batch: ObservationBatch, loops: NDArray[np.int64], flow: FloatArray) -> ObservationBatch:
        """Take out the rows of these loops, and put in a pulse for every whole vehicle that is due."""
        self._owed[loops] = np.minimum(self._owed[loops] + flow[loops], 2.0)
        due = loops[self._owed[loops] >= 1.0]
        self._owed[due] -= 1.0
        self._pulses[due] += 1
        kept = ~np.isin(batch.loop_sensor, loops)
        now = batch.time / TENTHS_PER_SECOND
        times = np.repeat([now - PULSE[0], now - PULSE[1]], len(due))
        return replace(
            batch,
            loop_sensor=np.concatenate((batch.loop_sensor[kept], due, due)).astype(np.int32),
            loop_time=np.concatenate((batch.loop_time[kept], times)),
            loop_on=np.concatenate((batch.loop_on[kept], np.repeat([True, False], len(due)))),
        )


def _set_right(batch: ObservationBatch, behind: FloatArray) -> ObservationBatch:
    """Move the times of sensors whose clocks are ``behind`` [X] s, to the millisecond."""
    moved = {}
    for field in fields(batch):
        table, _, column = field.name.partition("_")
        if column in {"time", "begin", "end"}:
            sensor = getattr(batch, f"{table}_sensor")
            times = getattr(batch, field.name)
            shifted = np.round((times + behind[sensor]) * 1000.0) / 1000.0
            moved[field.name] = np.where(behind[sensor] != 0.0, shifted, times)
    return replace(batch, **moved)
