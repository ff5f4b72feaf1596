"""From what sensors report to what the brain believes about every lane: prediction, correction, outlook.

A cell-transmission model of all lanes is moved on every second and corrected by loops and cameras (compare Munoz et
al. 2003, Traffic density estimation with the cell transmission model, American Control Conference). May import
network, signals, observations, decisions, state and the kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain import cells
from citybrain.errors import ContractError
from citybrain.state import HORIZON, TrafficState
from citybrain.units import TENTHS_PER_SECOND
from citybrain_kernels import assimilation, lanes
from citybrain_kernels import estimation as outlook

if TYPE_CHECKING:
    from citybrain.decisions import LampState
    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.signals import Signals

LONGEST_GAP = 120
"""Seconds that are predicted at most between two batches."""


class LaneEstimator:
    """Believes how many vehicles move and stand in every cell of every lane; implements ``engine.Estimator``.

    Parameters
    ----------
    network, signals, sensors : the street; sensors must name lanes of the network.

    Raises
    ------
    ContractError
        If a sensor lies on a lane that the network does not have.
    """

    def __init__(self, network: Network, signals: Signals, sensors: SensorTable) -> None:
        _check_sensors(network, sensors)
        self._network = network
        self._groups = signals.n_groups
        self._loops = cells.make_loops(sensors)
        self._layout = cells.make_layout(network, signals, sensors, self._loops)
        self._cameras = cells.make_cameras(network, sensors, self._layout)
        self._belief = cells.make_belief(network, self._layout)
        self._upstream = cells.make_upstream(network, self._layout)
        self._evidence = np.full(network.n_lanes, -np.inf)
        self._sureness = _sureness(network, sensors, self._layout)
        self._smooth_flow = np.zeros(network.n_lanes)
        self._head_wait = np.zeros(network.n_approach_lanes)
        self._weight = np.zeros(len(self._upstream.lane))
        self._full = np.zeros(len(self._upstream.lane), dtype=np.bool_)
        self._beyond = np.zeros(HORIZON)
        self._begin: int | None = None
        self._last = 0

    def update(self, batch: ObservationBatch, lamps: LampState) -> TrafficState:
        """Take in one batch and return the new state.

        Raises
        ------
        ContractError
            If time runs backwards, or the lamps belong to other signals.
        """
        if len(lamps.aspect) != self._groups:
            raise ContractError(f"lamps of {len(lamps.aspect)} groups handed to an estimator of {self._groups}")
        if self._begin is None:
            self._begin = self._last = batch.time
            self._evidence[:] = batch.time / TENTHS_PER_SECOND - LONGEST_GAP
        if batch.time < self._last:
            raise ContractError(f"batch of time {batch.time} after one of time {self._last} [tenths of a second]")
        self._check(batch)
        now = batch.time / TENTHS_PER_SECOND
        self._predict(batch, lamps, now, self._begin)
        self._correct(batch, now)
        self._last = batch.time
        return self._outlook(batch.time, lamps, now)

    def _check(self, batch: ObservationBatch) -> None:
        for sensor in (batch.loop_sensor, batch.frame_sensor, batch.object_sensor):
            if len(sensor) and not 0 <= sensor.min() <= sensor.max() < len(self._loops.lane):
                raise ContractError(f"the batch speaks of sensors beyond the {len(self._loops.lane)} of the table")
        if len(batch.object_lane) and batch.object_lane.max() >= self._network.n_lanes:
            raise ContractError(f"the batch speaks of lane {batch.object_lane.max()} of {self._network.n_lanes}")

    def _predict(self, batch: ObservationBatch, lamps: LampState, now: float, begin: int) -> None:
        belief, layout = self._belief, self._layout
        since = lamps.aspect_since / TENTHS_PER_SECOND
        order = np.lexsort((batch.loop_on, batch.loop_time, batch.loop_sensor))
        lanes.read_lamps(now, layout, lamps.aspect, since, belief)
        assimilation.take_loops(
            now,
            batch.loop_sensor[order],
            batch.loop_time[order],
            batch.loop_on[order],
            self._loops,
            belief,
            self._evidence,
        )
        steps = batch.time // TENTHS_PER_SECOND - self._last // TENTHS_PER_SECOND
        seconds = (batch.time - begin) / TENTHS_PER_SECOND
        lanes.move_lanes(now, seconds, min(steps, LONGEST_GAP), layout, belief)

    def _correct(self, batch: ObservationBatch, now: float) -> None:
        frames = np.lexsort((batch.frame_time, batch.frame_sensor))
        objects = np.lexsort(
            (
                batch.object_confidence,
                batch.object_speed,
                batch.object_distance,
                batch.object_lane,
                batch.object_time,
                batch.object_sensor,
            )
        )
        assimilation.correct(
            now,
            self._layout,
            batch.frame_sensor[frames],
            batch.frame_time[frames],
            batch.object_sensor[objects],
            batch.object_time[objects],
            batch.object_lane[objects],
            batch.object_distance[objects],
            batch.object_speed[objects],
            batch.object_confidence[objects],
            self._cameras,
            self._loops,
            self._belief,
            self._evidence,
        )

    def _outlook(self, time: int, lamps: LampState, now: float) -> TrafficState:
        n_l, n_a = self._network.n_lanes, self._network.n_approach_lanes
        vehicles, queue, back, room, flow, occupancy, confidence, age = np.empty((8, n_l), dtype=np.float32)
        head_wait, discharge, spill = np.empty((3, n_a), dtype=np.float32)
        blocked = np.empty(n_a, dtype=np.bool_)
        arrivals = np.empty((n_a, HORIZON), dtype=np.float32)
        outlook.sum_lanes(
            now,
            self._layout,
            self._belief,
            self._evidence,
            self._sureness,
            self._smooth_flow,
            vehicles,
            queue,
            back,
            room,
            flow,
            occupancy,
            confidence,
            age,
        )
        outlook.watch_heads(
            now,
            self._layout,
            lamps.aspect,
            self._network.approach_lane,
            self._belief,
            queue,
            self._head_wait,
            head_wait,
            blocked,
            discharge,
        )
        outlook.foretell(
            self._layout, self._belief, self._upstream, self._weight, self._full, self._beyond, arrivals, spill
        )
        return TrafficState(
            time=time,
            vehicles=vehicles,
            queue=queue,
            back_of_queue=back,
            room=room,
            flow=flow,
            occupancy=occupancy,
            arrivals=arrivals,
            spill=spill,
            head_wait=head_wait,
            blocked=blocked,
            discharge=discharge,
            turn_share=self._belief.share.astype(np.float32),
            confidence=confidence,
            age=age,
        )


def _check_sensors(network: Network, sensors: SensorTable) -> None:
    faults = [
        f"sensor {name!r} lies on lane {lane}"
        for name, lane in zip(sensors.sensor_id, sensors.lane.tolist(), strict=True)
        if lane >= network.n_lanes
    ]
    faults += [f"a camera covers lane {lane}" for lane in sensors.cover_lane.tolist() if lane >= network.n_lanes]
    if faults:
        raise ContractError(f"the network has {network.n_lanes} lanes, but " + "; ".join(faults))


def _sureness(network: Network, sensors: SensorTable, layout: lanes.Layout) -> NDArray[np.float64]:
    """Confidence [L] under fresh evidence: what each kind of sensor leaves unknown, multiplied."""
    doubt = np.ones(network.n_lanes)
    doubt[layout.stop_loop] *= 0.5
    doubt[layout.gate > 0] *= 0.5
    doubt[np.unique(sensors.cover_lane)] *= 0.2
    return np.maximum(1.0 - doubt, 0.1)
