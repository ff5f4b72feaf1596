"""The rolling-horizon planner: every intersection searches its best stage sequence for the next 40 s.

Only the first decision is carried out; the search is done again every two seconds where a decision is possible. It
sees what the estimator believes (queues, arrivals, turning shares, room beyond, blocked lanes), knows the guard's
minimum greens and interstages, and wishes stages only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.control.planner_tables import lay_out
from citybrain.decisions import PLAN_LENGTH, LampState, Wish
from citybrain.state import TrafficState
from citybrain_kernels import planner_tick as kernel
from citybrain_kernels.accelerate import hold
from citybrain_kernels.planner_tables import Belief, Shown, Sight, Weights, make_nodes, make_outlook

if TYPE_CHECKING:
    from citybrain.control.interface import Site

WEIGHTS = Weights(patience=60.0, start_loss=2.0, yellow_use=1, tail=2.0, tail_red=10.0, gap=4, sneak=0.1, step=4)
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
        layout, wiring = lay_out(site)
        n_i = site.signals.n_intersections
        widest = int(np.diff(layout.queue_ptr).max(initial=1))
        most_stages = int(np.diff(layout.stage_ptr).max(initial=1))
        self._memory = kernel.Memory(
            usual=np.zeros(site.network.n_approach_lanes, dtype=np.float32),
            plan_row=np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32),
            plan_start=np.full((n_i, PLAN_LENGTH), -1, dtype=np.int64),
            cost=np.full(n_i, np.nan, dtype=np.float32),
            outlook=make_outlook(int(layout.queue_ptr[-1]), SEARCH_HORIZON, int(layout.serve_ptr[-1])),
            nodes=make_nodes(SEARCH_HORIZON, BEAM, widest, most_stages),
            hold=np.zeros(len(layout.stage_row), dtype=np.int32),
            due=np.zeros(n_i, dtype=np.bool_),
            found_row=np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32),
            found_start=np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32),
        )
        self._desk = hold(kernel.Desk(layout, wiring, SIGHT, WEIGHTS, self._memory))
        self._ticks = 0

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
        memory = self._memory
        self._ticks += 1
        time: Any = np.int64(state.time)  # not compiled, a kernel would add Python's int to 32-bit numbers
        kernel.plan(
            time,
            1.0 / min(self._ticks, USUAL_TICKS),
            self._ticks % REPLAN_TICKS,
            REPLAN_TICKS,
            self._desk,
            belief,
            Shown(lamps.row, lamps.changing, lamps.aspect, lamps.aspect_since),
            lamps.since,
        )
        return Wish(state.time, memory.plan_row.copy(), memory.plan_start.copy(), memory.cost.copy())
