"""The rolling-horizon planner: every intersection searches its best stage sequence for the next 40 s.

Only the first decision is carried out; the search is done again every second in which a decision is possible. It
sees what the estimator believes (queues, arrivals, turning shares, room beyond, blocked lanes), knows the guard's
minimum greens and interstages, and wishes stages only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citybrain.control.planner_tables import lay_out
from citybrain.decisions import PLAN_LENGTH, LampState, Wish
from citybrain.state import TrafficState
from citybrain_kernels import outlook, planner
from citybrain_kernels.planner_tables import Belief, Shown, Sight, Weights, make_nodes

if TYPE_CHECKING:
    from citybrain.control.interface import Site

WEIGHTS = Weights(patience=60.0, start_loss=2.0, yellow_use=1, tail=4.0, tail_red=10.0, gap=4, sneak=0.1, step=4)
SIGHT = Sight(
    blocked_rate=0.05,
    minor_share=0.15,
    standing=0.5,
    walk_arrivals=1.0 / 60.0,
    walk_rate=10.0,
    walk_patience=600.0,
    known=10,
)
USUAL_TICKS = 300
"""Ticks over which the usual flow of a lane is learnt."""
REPLAN_TICKS = 2
"""Every intersection searches again after so many ticks; half of them in one tick, the others in the next."""
SEARCH_HORIZON = 40
"""Seconds that the search looks ahead; 60 did not do better, and what is left then has its cost."""
BEAM = 4
"""Nodes kept per second of the search; twice as many find plans about 1 % cheaper in twice the time."""


class Planner:
    """Rolling-horizon search per intersection; a ``Controller``.

    Source: dynamics and search after COP (Sen & Head 1997), SURTRAC (Xie, Smith, Barlow 2012) and lane-based
    successors, on point queues with 1 s steps.
    """

    def __init__(self, site: Site) -> None:
        self._layout, self._wiring = lay_out(site)
        widest = int(np.diff(self._layout.queue_ptr).max(initial=1))
        self._nodes = make_nodes(SEARCH_HORIZON, BEAM, widest)
        self._outlook = outlook.make_outlook(
            int(self._layout.queue_ptr[-1]), SEARCH_HORIZON, int(self._layout.serve_ptr[-1])
        )
        self._usual = np.zeros(site.network.n_approach_lanes, dtype=np.float32)
        self._ticks = 0
        n_i = site.signals.n_intersections
        self._turn = np.arange(n_i) % REPLAN_TICKS
        self._hold = np.zeros(len(self._layout.stage_row), dtype=np.int32)
        self._due = np.zeros(n_i, dtype=np.bool_)
        self._found_row = np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32)
        self._found_start = np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32)
        self._plan_row = np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32)
        self._plan_start = np.full((n_i, PLAN_LENGTH), -1, dtype=np.int64)
        self._cost = np.full(n_i, np.nan, dtype=np.float32)

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Plan the intersections that can decide now; the others go on with what they show."""
        belief = Belief(
            state.queue,
            state.spill,
            state.head_wait,
            state.discharge,
            state.blocked,
            state.room,
            state.flow,
            state.turn_share,
            state.arrivals,
        )
        shown = Shown(lamps.row, lamps.changing, lamps.aspect, lamps.aspect_since)
        time, layout, wiring = state.time, self._layout, self._wiring
        self._ticks += 1
        outlook.look(
            time,
            1.0 / min(self._ticks, USUAL_TICKS),
            layout,
            wiring,
            belief,
            shown,
            SIGHT,
            self._usual,
            self._outlook,
            self._hold,
            self._due,
        )
        self._due &= self._turn == self._ticks % REPLAN_TICKS
        planner.plan_all(
            self._due,
            lamps.row,
            self._hold,
            layout,
            self._outlook,
            WEIGHTS,
            self._nodes,
            self._found_row,
            self._found_start,
            self._cost,
        )
        outlook.keep_plans(
            time,
            self._due,
            lamps.row,
            lamps.since,
            self._found_row,
            self._found_start,
            self._plan_row,
            self._plan_start,
        )
        return Wish(time, self._plan_row.copy(), self._plan_start.copy(), self._cost.copy())
