"""The rolling-horizon planner: every intersection searches its best stage sequence for the next 40 s.

Only the first decision is carried out; the search is done again where a decision is possible and something is new, and
at the latest after a few seconds. It sees what the estimator believes (queues, arrivals, turning shares, room beyond,
blocked lanes), knows the guard's minimum greens, interstages and longest reds, and wishes stages only.
docs/planner.md has its equations and parameters.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.control.planner_tables import lay_out
from citybrain.decisions import PLAN_LENGTH, LampState, Reasons, Wish
from citybrain.state import TrafficState
from citybrain_kernels import planner_tick as kernel
from citybrain_kernels.accelerate import hold
from citybrain_kernels.planner_tables import (
    Belief,
    Layout,
    Pace,
    Shown,
    Sight,
    Weights,
    Wiring,
    make_nodes,
    make_outlook,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    filled=0.4,
    settle=120.0,
    inside=6.0,
)
LONG_AGO = -(2**40)
PACE = Pace(oldest=4, heed=20, news=1.0, rate=0.5)
THREADS_FROM = 500
"""Intersections from which on several threads share a tick; below, handing the work out costs more than it saves."""


@dataclass(frozen=True)
class Parameters:
    """Everything that the planner can be told; the same on every map.

    Attributes
    ----------
    weights, sight, pace : of the model, the outlook and the replanning.
    horizon : seconds that the search looks ahead; 60 did not do better, and what is left then has its cost.
    beam : nodes kept per second of the search; twice as many find plans about 1 % cheaper in twice the time.
    usual_ticks : ticks over which the usual flow of a lane is learnt.
    heed_reds : plan with the guard's longest reds.
    """

    weights: Weights = WEIGHTS
    sight: Sight = SIGHT
    pace: Pace = PACE
    horizon: int = 40
    beam: int = 4
    usual_ticks: int = 300
    heed_reds: bool = True


class Planner:
    """Rolling-horizon search per intersection; a ``Controller``.

    Source: dynamics and search after COP (Sen & Head 1997), SURTRAC (Xie, Smith, Barlow 2012) and lane-based
    successors, on point queues with 1 s steps.

    Parameters
    ----------
    site : the street.
    parameters : of the search.
    threads : that share a tick, None for as many as the machine has cores. They change nothing but the time it takes.

    Attributes
    ----------
    searches : made so far, over all intersections.
    """

    def __init__(self, site: Site, parameters: Parameters | None = None, threads: int | None = None) -> None:
        parameters = parameters or Parameters()
        n_i = site.signals.n_intersections
        if threads is None:
            threads = (os.cpu_count() or 1) if n_i >= THREADS_FROM else 1
        layout, wiring = lay_out(site, parameters.heed_reds)
        desk = make_desk(layout, wiring, parameters, threads)
        self._usual_ticks = parameters.usual_ticks
        self._memory = desk.memory
        self._team = Team(desk, threads)
        self._ticks = 0
        self.searches = 0

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Plan the intersections that can decide now; the others go on with what they show."""
        self._ticks += 1
        time: Any = np.int64(state.time)  # not compiled, a kernel would add Python's int to 32-bit numbers
        learning = 1.0 / min(self._ticks, self._usual_ticks)
        shown = Shown(lamps.row, lamps.changing, lamps.aspect, lamps.aspect_since)
        self._team.plan(time, learning, belief_of(state), shown, lamps.since)
        memory = self._memory
        self.searches += int(np.count_nonzero(memory.due))
        reasons = Reasons(memory.other_row.copy(), memory.other_cost.copy())
        return Wish(state.time, memory.plan_row.copy(), memory.plan_start.copy(), memory.cost.copy(), reasons=reasons)


class Team:
    """Threads that share the work of a tick.

    Kernels let go of Python's lock while they run. Threads of Python's own do what a parallel loop of the compiler
    would, and need no library beneath it that every machine would have to have. It has no memory of its own: slots.

    Parameters
    ----------
    desk : with scratch for so many threads.
    threads : 1 works in the caller's own.
    """

    __slots__ = ("_desk", "_pool", "_shares")

    def __init__(self, desk: kernel.Desk, threads: int) -> None:
        self._desk = hold(desk)
        self._shares = threads
        self._pool = ThreadPoolExecutor(threads, "planner") if threads > 1 else None

    def plan(self, time: Any, learning: float, belief: Belief, shown: Shown, since: NDArray[np.int64]) -> None:
        """Do one tick; arguments as of the kernels."""
        kernel.look_out(time, learning, self._desk, belief, shown)
        if self._pool is None:
            kernel.search(0, 1, self._desk, shown.row)
        else:
            shares = range(self._shares)
            for done in [self._pool.submit(kernel.search, k, self._shares, self._desk, shown.row) for k in shares]:
                done.result()
        kernel.settle(time, self._desk, shown.row, since)


def make_desk(layout: Layout, wiring: Wiring, parameters: Parameters, threads: int) -> kernel.Desk:
    """Allocate what a planner remembers and works with."""
    n_i, n_queues = len(layout.stage_ptr) - 1, int(layout.queue_ptr[-1])
    horizon = parameters.horizon
    memory = kernel.Memory(
        usual=np.zeros(len(wiring.lane_queue), dtype=np.float32),
        filling=np.zeros(len(wiring.lane_queue), dtype=np.float32),
        pressed=np.zeros(n_i, dtype=np.float32),
        plan_row=np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32),
        plan_start=np.full((n_i, PLAN_LENGTH), -1, dtype=np.int64),
        cost=np.full(n_i, np.nan, dtype=np.float32),
        other_row=np.full(n_i, -1, dtype=np.int32),
        other_cost=np.full(n_i, np.nan, dtype=np.float32),
        planned_at=np.full(n_i, LONG_AGO, dtype=np.int64),
        expected=np.zeros((n_queues, parameters.pace.oldest + 1), dtype=np.float32),
        expected_rate=np.zeros(n_queues, dtype=np.float32),
        outlook=make_outlook(n_queues, horizon, int(layout.serve_ptr[-1]), len(layout.red_group)),
        hold=np.zeros(len(layout.stage_row), dtype=np.int32),
        due=np.zeros(n_i, dtype=np.bool_),
        found_row=np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32),
        found_start=np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32),
    )
    widest = int(np.diff(layout.queue_ptr).max(initial=1))
    most_stages = int(np.diff(layout.stage_ptr).max(initial=1))
    nodes = make_nodes(horizon, parameters.beam, widest, most_stages, PLAN_LENGTH, threads)
    return kernel.Desk(layout, wiring, parameters.sight, parameters.weights, parameters.pace, memory, nodes)


def belief_of(state: TrafficState) -> Belief:
    """Take out of a state what the planner asks."""
    return Belief(
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
