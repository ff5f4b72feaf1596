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
from citybrain.counters import heed_turns, make_counters, make_turns
from citybrain.errors import ContractError
from citybrain.row_order import sorted_rows
from citybrain.state import HORIZON, TrafficState
from citybrain.units import TENTHS_PER_SECOND
from citybrain_kernels import estimation_tick as kernel
from citybrain_kernels.accelerate import hold

if TYPE_CHECKING:
    from citybrain.decisions import LampState
    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.signals import Signals

FloatArray = NDArray[np.float64]

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
        self._n_lanes, self._n_stops = network.n_lanes, network.n_approach_lanes
        self._n_moves, self._groups = network.n_movements, signals.n_groups
        self._network, self._sensors = network, sensors
        layout, loops = cells.make_layout(network, signals), cells.make_loops(sensors)
        cameras = cells.make_cameras(network, sensors, layout)
        counters = make_counters(sensors, layout)
        self._trust, self._sight = np.ones(len(sensors.sensor_id)), np.ones(len(sensors.cover_lane))
        sureness = cells.trust_sensors(network, sensors, self._trust, self._sight, layout, loops, cameras, counters)
        upstream = cells.make_upstream(network, layout)
        self._street = kernel.Street(layout, upstream, network.approach_lane, sureness)
        self._memory = kernel.Memory(
            loops=loops,
            cameras=cameras,
            counters=counters,
            turns=make_turns(network, sensors),
            belief=cells.make_belief(network, layout),
            evidence=np.full(network.n_lanes, -np.inf),
            smooth_flow=np.zeros(network.n_lanes),
            head_wait=np.zeros(network.n_approach_lanes),
            discharge=cells.make_discharge(network),
            weight=np.zeros(len(upstream.lane)),
            full=np.zeros(len(upstream.lane), dtype=np.bool_),
            beyond=np.zeros(HORIZON),
        )
        self._desk = hold(kernel.Desk(self._street, self._memory))
        self._begin: int | None = None
        self._last = 0

    def update(
        self,
        batch: ObservationBatch,
        lamps: LampState,
        trust: FloatArray | None = None,
        sight: FloatArray | None = None,
    ) -> TrafficState:
        """Take in one batch and return the new state.

        Parameters
        ----------
        trust : [X] how far each sensor is believed from now on: 0 (it counts as absent) to 1. All are believed at
            the beginning; None leaves it as it was.
        sight : [rows of ``cover_lane``] the same for each lane of each camera; both are multiplied.

        Raises
        ------
        ContractError
            If time runs backwards, or lamps, batch or trust belong to another street.
        """
        self._heed(self._trust if trust is None else trust, self._sight if sight is None else sight)
        if len(lamps.aspect) != self._groups:
            raise ContractError(f"lamps of {len(lamps.aspect)} groups handed to an estimator of {self._groups}")
        if self._begin is None:
            self._begin = self._last = batch.time
            self._memory.evidence[:] = batch.time / TENTHS_PER_SECOND - LONGEST_GAP
        if batch.time < self._last:
            raise ContractError(f"batch of time {batch.time} after one of time {self._last} [tenths of a second]")
        steps = batch.time // TENTHS_PER_SECOND - self._last // TENTHS_PER_SECOND
        totals = kernel.Totals(
            lanes=np.empty((len(kernel.LANE_TOTALS), self._n_lanes), dtype=np.float32),
            stops=np.empty((len(kernel.STOP_TOTALS), self._n_stops), dtype=np.float32),
            blocked=np.empty(self._n_stops, dtype=np.bool_),
            arrivals=np.empty((self._n_stops, HORIZON), dtype=np.float32),
            moves=np.empty((len(kernel.MOVE_TOTALS), self._n_moves), dtype=np.float32),
        )
        if not kernel.estimate(
            batch.time / TENTHS_PER_SECOND,
            (batch.time - self._begin) / TENTHS_PER_SECOND,
            min(steps, LONGEST_GAP),
            lamps.aspect,
            lamps.aspect_since / TENTHS_PER_SECOND,
            self._desk,
            sorted_rows(batch),
            totals,
        ):
            raise ContractError(
                f"the batch of time {batch.time} speaks of sensors beyond the {len(self._memory.loops.lane)} of the "
                f"table or of lanes beyond the {self._n_lanes} of the network"
            )
        self._last = batch.time
        share = self._memory.belief.share.astype(np.float32)
        lanes = dict(zip(kernel.LANE_TOTALS, totals.lanes, strict=True))
        stops = dict(zip(kernel.STOP_TOTALS, totals.stops, strict=True))
        return TrafficState(
            time=batch.time,
            turn_share=share,
            counted_share=self._memory.turns.share.astype(np.float32),
            blocked=totals.blocked,
            arrivals=totals.arrivals,
            **lanes,
            **stops,
            **dict(zip(kernel.MOVE_TOTALS, totals.moves, strict=True)),
        )

    def _heed(self, trust: FloatArray, sight: FloatArray) -> None:
        """Leave out sensors that are trusted no more, and take back those that are again."""
        for name, old, new in (("trust", self._trust, trust), ("sight", self._sight, sight)):
            if new.shape != old.shape or not bool(np.all((new >= 0) & (new <= 1))):
                raise ContractError(f"{name} must be {len(old)} numbers from 0 to 1, found {new!r}")
        if np.array_equal(trust, self._trust) and np.array_equal(sight, self._sight):
            return
        self._trust[:], self._sight[:] = trust, sight
        layout, memory = self._street.layout, self._memory
        self._street.sureness[:] = cells.trust_sensors(
            self._network,
            self._sensors,
            self._trust,
            self._sight,
            layout,
            memory.loops,
            memory.cameras,
            memory.counters,
        )
        cells.forget_loops(layout, memory.belief)
        heed_turns(self._sensors, self._trust, self._sight, memory.turns)


def _check_sensors(network: Network, sensors: SensorTable) -> None:
    faults = [
        f"sensor {name!r} lies on lane {lane}"
        for name, lane in zip(sensors.sensor_id, sensors.lane.tolist(), strict=True)
        if lane >= network.n_lanes
    ]
    faults += [f"a camera covers lane {lane}" for lane in sensors.cover_lane.tolist() if lane >= network.n_lanes]
    if faults:
        raise ContractError(f"the network has {network.n_lanes} lanes, but " + "; ".join(faults))
