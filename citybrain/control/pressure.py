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
    from citybrain.control.interface import Site
    from citybrain.decisions import LampState
    from citybrain.network import BoolArray, FloatArray, Network
    from citybrain.state import TrafficState

DECISION_INTERVAL = 5 * TENTHS_PER_SECOND
"""A stage is shown for this long before it is judged again [tenths]. The published rules of the RESCO benchmark
decide every 10 s, 3 s of yellow included, which leaves about as much green."""
PRESSURE_SIGHT = 200.0
"""Max pressure sees approaching vehicles this far from the stop line [m], as in the RESCO benchmark."""
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

    Worth of a movement from lane l to lane k: its saturation flow times (vehicles that come to l's stop line and take
    it, less the vehicles at k's stop line averaged over k's own movements with their turning shares). A stage is worth
    the sum over its green movements; permissive ones count in full. Vehicles at a stop line are the queued ones, also
    those that stand upstream because the lane is full, and those that would reach it within 200 m at the speed limit,
    the detection range of the RESCO benchmark: on maps whose roads are cut into short pieces, a lane's own vehicles are
    few. A lane without a stop line counts as empty, as a link that leaves the network does in the paper.

    P. Varaiya, "Max pressure control of a network of signalized intersections",
    Transportation Research Part C 36 (2013).
    """

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._near = _seconds_within(site, PRESSURE_SIGHT)

    def _weight(self, state: TrafficState) -> FloatArray:
        """Pressure of every movement [veh2/s], 0 without a signal."""
        network = self._network
        waiting = _at_stop_lines(network, state, self._near)
        queue = waiting[network.move_from] * state.turn_share
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
        self._near = _seconds_within(site, WAVE_SIGHT)

    def _weight(self, state: TrafficState) -> FloatArray:
        """Vehicles near the stop line that take each movement [veh], 0 without a signal."""
        network = self._network
        return _at_stop_lines(network, state, self._near)[network.move_from] * state.turn_share


def _seconds_within(site: Site, sight: float) -> BoolArray:
    """Seconds ahead [A, H] in which vehicles reach a stop line that are within ``sight`` [m] at the speed limit."""
    speed = site.network.lane_speed[site.network.approach_lane]
    seconds = np.array([min(HORIZON, math.ceil(sight / v)) for v in speed.tolist()], dtype=np.int32)
    return np.asarray(np.arange(HORIZON) < seconds[:, None])


def _at_stop_lines(network: Network, state: TrafficState, near: BoolArray) -> FloatArray:
    """Vehicles [L] queued for a lane's stop line or about to reach it; 0 for lanes without one."""
    total = np.zeros(network.n_lanes)
    lane = network.approach_lane
    total[lane] = state.queue[lane] + state.spill + np.where(near, state.arrivals, 0.0).sum(axis=1)
    return total
