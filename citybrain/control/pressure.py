"""Max pressure and max wave: the stage that the most traffic asks for, decided anew every few seconds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from citybrain.control.stages import best_stage, is_stage_shown, stage_tables
from citybrain.decisions import Wish
from citybrain.state import HORIZON
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.control.interface import Site
    from citybrain.decisions import LampState
    from citybrain.network import FloatArray
    from citybrain.state import TrafficState

DECISION_INTERVAL = 5 * TENTHS_PER_SECOND
"""A stage is shown for this long before it is judged again [tenths]. The published rules of the RESCO benchmark
decide every 10 s, 3 s of yellow included, which leaves about as much green."""
WAVE_SIGHT = 50.0
"""Max wave sees approaching vehicles this far from the stop line [m], as in the RESCO benchmark."""


class _Greedy(ABC):
    """Stage with the largest score, kept for at least the decision interval; a tie stays with the stage shown."""

    def __init__(self, site: Site) -> None:
        self._network = site.network
        self._signals = site.signals
        self._tables = stage_tables(site)
        n = site.network.n_intersections
        self._row = np.full(n, -1, dtype=np.int32)
        self._decided = np.full(n, np.iinfo(np.int32).min, dtype=np.int64)

    @abstractmethod
    def _weight(self, state: TrafficState) -> FloatArray:
        """Worth of giving green to each movement [M]."""

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Wish for the best stage where a decision is due, else for the stage wished before."""
        shown = is_stage_shown(self._signals, lamps.row, lamps.changing)
        # A stage that came otherwise than wished (the guard ends a long red) is given its time, too.
        self._row = np.where(shown & (lamps.since > self._decided), lamps.row, self._row).astype(np.int32)
        held = shown & (state.time - np.maximum(lamps.since, self._decided) < DECISION_INTERVAL)
        due = (self._row < 0) | ~(lamps.changing | held)
        if due.any():
            score = self._tables.green @ self._weight(state)
            self._row = np.where(due, best_stage(self._tables, score, lamps.row), self._row).astype(np.int32)
            self._decided = np.where(due, state.time, self._decided)
        return Wish.now(state.time, self._row)


class MaxPressure(_Greedy):
    """Max pressure after Varaiya (2013), per lane.

    Worth of a movement from lane l to lane k: its saturation flow times (vehicles on l that take it, less the
    vehicles on k averaged over k's own movements with their turning shares). A stage is worth the sum over its green
    movements; permissive ones count in full. A lane's vehicles are those believed on it and the queued ones that
    stand upstream of it because it is full, moving or not; a lane that leaves the network counts as empty.

    P. Varaiya, "Max pressure control of a network of signalized intersections",
    Transportation Research Part C 36 (2013).
    """

    def _weight(self, state: TrafficState) -> FloatArray:
        """Pressure of every movement [veh2/s], 0 without a signal."""
        network = self._network
        vehicles = _vehicles(state.vehicles, state.spill, network.approach_lane)
        queue = vehicles[network.move_from] * state.turn_share
        ahead = np.bincount(network.move_from, weights=state.turn_share * queue, minlength=network.n_lanes)
        headway = np.ones(network.n_lanes)
        headway[network.approach_lane] = state.discharge
        return (queue - ahead[network.move_to]) / headway[network.move_from]


class MaxWave(_Greedy):
    """Max wave, the greedy rule of the RESCO benchmark: the stage that the most vehicles near the stop line ask for.

    Vehicles near the stop line are the queued ones and those that would reach it within 50 m at the speed limit. A
    lane counts with the turning shares of its green movements; downstream lanes do not count.

    J. Ault, G. Sharon, "Reinforcement learning benchmarks for traffic signal control", NeurIPS Datasets and
    Benchmarks (2021).
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        speed = site.network.lane_speed[site.network.approach_lane]
        seconds = np.array([min(HORIZON, math.ceil(WAVE_SIGHT / v)) for v in speed.tolist()], dtype=np.int32)
        self._near = np.arange(HORIZON) < seconds[:, None]

    def _weight(self, state: TrafficState) -> FloatArray:
        """Vehicles near the stop line that take each movement [veh], 0 without a signal."""
        network = self._network
        wave = _vehicles(state.queue, state.spill, network.approach_lane)
        wave[network.approach_lane] += np.where(self._near, state.arrivals, 0.0).sum(axis=1)
        return wave[network.move_from] * state.turn_share


def _vehicles(on_lane: NDArray[np.float32], spill: NDArray[np.float32], approach_lane: NDArray[np.int32]) -> FloatArray:
    """Vehicles of every lane [L], those that wait upstream of a full stop-line lane included."""
    total = on_lane.astype(np.float64)
    total[approach_lane] += spill
    return total
