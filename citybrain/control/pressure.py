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
    from citybrain.network import BoolArray, FloatArray
    from citybrain.state import TrafficState

DECISION_INTERVAL = 5 * TENTHS_PER_SECOND
"""A stage is shown for this long before it is judged again [tenths]. The published rules of the RESCO benchmark
decide every 10 s, which leaves 7 s of green after a change."""
SIGHT = 50.0
"""Moving vehicles count when this near to the stop line [m]: at urban speeds they reach it before the next decision.
The RESCO benchmark's max wave uses the same figure; its max pressure counts no vehicle that has not stood. With 200 m
the delay on its map ingolstadt1 more than doubles."""


class _Greedy(ABC):
    """Stage with the largest score, kept for at least the decision interval; a tie stays with the stage shown."""

    def __init__(self, site: Site) -> None:
        self._network = site.network
        self._signals = site.signals
        self._tables = stage_tables(site)
        n = site.network.n_intersections
        self._row = np.full(n, -1, dtype=np.int32)
        self._decided = np.full(n, np.iinfo(np.int32).min, dtype=np.int64)
        self._near = _seconds_within(site, SIGHT)

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

    def _at_stop_lines(self, state: TrafficState) -> FloatArray:
        """Vehicles [L] queued for a lane's stop line or about to reach it; 0 for lanes without one."""
        total = np.zeros(self._network.n_lanes)
        lane = self._network.approach_lane
        total[lane] = state.queue[lane] + state.spill + np.where(self._near, state.arrivals, 0.0).sum(axis=1)
        return total


def _seconds_within(site: Site, sight: float) -> BoolArray:
    """Seconds ahead [A, H] in which vehicles reach a stop line that are within ``sight`` [m] at the speed limit."""
    speed = site.network.lane_speed[site.network.approach_lane]
    seconds = np.array([min(HORIZON, math.ceil(sight / v)) for v in speed.tolist()], dtype=np.int32)
    return np.asarray(np.arange(HORIZON) < seconds[:, None])


class MaxPressure(_Greedy):
    """Max pressure after Varaiya (2013), per lane.

    Worth of a movement from lane l to lane k: its saturation flow times (vehicles at l's stop line that take it, less
    the vehicles at k's stop line averaged over k's own movements with their turning shares). A stage is worth the sum
    over its green movements; permissive ones count in full. Vehicles at a stop line are the queued ones, also those
    that stand upstream because the lane is full, and those within 50 m of it: the paper's queues are points that a
    vehicle joins when it arrives. PressLight counts moving vehicles, too, but all of a lane's; the RESCO benchmark
    counts none, only who has stood. A lane without a stop line counts as empty, as a link that leaves the network does
    in the paper.

    P. Varaiya, "Max pressure control of a network of signalized intersections",
    Transportation Research Part C 36 (2013). H. Wei et al., "PressLight: learning max pressure control to coordinate
    traffic signals in arterial network", KDD (2019).
    """

    def _weight(self, state: TrafficState) -> FloatArray:
        """Pressure of every movement [veh2/s], 0 without a signal."""
        network = self._network
        waiting = self._at_stop_lines(state)
        queue = waiting[network.move_from] * state.turn_share
        ahead = np.bincount(network.move_from, weights=state.turn_share * queue, minlength=network.n_lanes)
        headway = np.ones(network.n_lanes)
        headway[network.approach_lane] = state.discharge
        return (queue - ahead[network.move_to]) / headway[network.move_from]


class MaxWave(_Greedy):
    """Max wave, the greedy rule of the RESCO benchmark: the stage that the most vehicles near the stop line ask for.

    Vehicles near the stop line are counted as in max pressure. A lane counts with the turning shares of its green
    movements; downstream lanes do not count.

    J. Ault, G. Sharon, "Reinforcement learning benchmarks for traffic signal control", NeurIPS Datasets and
    Benchmarks (2021).
    """

    def _weight(self, state: TrafficState) -> FloatArray:
        """Vehicles near the stop line that take each movement [veh], 0 without a signal."""
        return self._at_stop_lines(state)[self._network.move_from] * state.turn_share
