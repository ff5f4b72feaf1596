"""The rolling-horizon planner: every intersection searches its best stage sequence for the next minute.

Only the first decision is carried out; the search is done again every second in which a decision is possible. It
sees what the estimator believes (queues, arrivals, turning shares, room beyond, blocked lanes), knows the guard's
minimum greens and interstages, and wishes stages only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citybrain.decisions import PLAN_LENGTH, LampState, Wish
from citybrain.network import csr
from citybrain.signals import Aspect, GroupKind
from citybrain.state import HORIZON, TrafficState
from citybrain.timings import interstage_tenths
from citybrain_kernels import planner as kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.control.interface import Site
    from citybrain.signals import Signals

WEIGHTS = kernel.Weights(patience=60.0, start_loss=1.0, yellow_use=1, tail=1.0, tail_red=10.0, gap=4, sneak=0.1, step=2)
BEAM = 8
BLOCKED_RATE = 0.05
"""Share of the saturation flow that a blocked lane is still credited with."""
MINOR_SHARE = 0.15
"""Movements with a smaller share of a lane do not hold the lane when the road beyond them is full."""
PEDESTRIAN_ARRIVALS = 1.0 / 60.0
"""Pedestrians expected at a crossing whose demand nobody measures [1/s]."""
PEDESTRIAN_RATE = 10.0
"""Pedestrians who step off together [1/s]."""


class Planner:
    """Rolling-horizon search per intersection; a ``Controller``.

    Source: dynamics and search after COP (Sen & Head 1997), SURTRAC (Xie, Smith, Barlow 2012) and lane-based
    successors, on point queues with 1 s steps.
    """

    def __init__(self, site: Site) -> None:
        network, signals = site.network, site.signals
        self._network, self._signals = network, signals
        self._min_green = site.timings.min_green.astype(np.int64)
        self._stage_row, self._stage_ptr = _stages(signals)
        self._green = _green_matrix(signals, self._stage_row)
        self._queues = _Queues(site)
        self._layout = self._make_layout(site)
        self._serving = _Serving(site, self._stage_row, self._stage_ptr, self._queues, self._layout.serve_ptr)
        self._layout = self._layout._replace(foe_ptr=self._serving.foe_ptr, foe_queue=self._serving.foe_queue)
        self._ending = self._ending_pairs()
        widest = int(np.diff(self._layout.queue_ptr).max(initial=1))
        self._nodes = kernel.make_nodes(HORIZON, BEAM, widest)
        n_i = signals.n_intersections
        self._plan_row = np.full((n_i, PLAN_LENGTH), -1, dtype=np.int32)
        self._plan_start = np.full((n_i, PLAN_LENGTH), -1, dtype=np.int64)
        self._cost = np.full(n_i, np.nan, dtype=np.float32)

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Plan the intersections that can decide now; the others go on with what they show."""
        outlook = self._queues.outlook(state, lamps, self._serving)
        hold = self._hold(state.time, lamps)
        due = self._due(lamps, hold, outlook)
        rows = np.full(self._plan_row.shape, -1, dtype=np.int32)
        starts = np.full(self._plan_start.shape, -1, dtype=np.int32)
        kernel.plan_all(
            due,
            lamps.row.astype(np.int32),
            hold,
            self._layout,
            outlook,
            WEIGHTS,
            self._nodes,
            rows,
            starts,
            self._cost,
        )
        absolute = np.where(starts >= 0, state.time + 10 * starts.astype(np.int64), -1)
        kept_row, kept_start = _carry_on(self._plan_row, self._plan_start, state.time, lamps)
        self._plan_row = np.where(due[:, None], rows, kept_row)
        self._plan_start = np.where(due[:, None], absolute, kept_start)
        return Wish(state.time, self._plan_row, self._plan_start, self._cost.copy())

    def _hold(self, time: int, lamps: LampState) -> NDArray[np.int32]:
        """Seconds until each stage [S] may be changed to: what minimum greens of ending groups leave over."""
        pair_stage, pair_group = self._ending
        rest = self._min_green[pair_group] - (time - lamps.aspect_since[pair_group])
        rest[lamps.aspect[pair_group] < Aspect.PERMISSIVE] = 0
        hold = np.zeros(len(self._stage_row), dtype=np.int64)
        np.maximum.at(hold, pair_stage, rest)
        return np.asarray((hold + 9) // 10, dtype=np.int32)

    def _due(self, lamps: LampState, hold: NDArray[np.int32], outlook: kernel.Outlook) -> NDArray[np.bool_]:
        """Intersections [I] where a change is possible now and somebody waits or comes."""
        owner = np.repeat(np.arange(len(lamps.row)), np.diff(self._stage_ptr))
        other = self._stage_row != lamps.row[owner]
        free = np.zeros(len(lamps.row), dtype=np.bool_)
        free[owner[other & (hold <= 0)]] = True
        coming = outlook.queue[:, kernel.QUEUED] + outlook.arrivals.sum(axis=1)
        busy = np.add.reduceat(coming, self._layout.queue_ptr[:-1]) > 0.0
        on_stage = self._signals.row_is_stage[lamps.row]
        return ~lamps.changing & ((free & busy) | ~on_stage)

    def _ending_pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pairs (stage, group of its intersection that is not green in it)."""
        pairs = [(s, g) for s, greens in enumerate(self._green) for g, green in greens.items() if not green]
        return np.array([s for s, _ in pairs], dtype=np.intp), np.array([g for _, g in pairs], dtype=np.intp)

    def _make_layout(self, site: Site) -> kernel.Layout:
        signals, timings = site.signals, site.timings
        duration_ptr, duration = interstage_tenths(signals, timings)
        change_ptr = np.zeros(signals.n_intersections + 1, dtype=np.int32)
        change: list[int] = []
        min_green: list[int] = []
        serve_ptr = np.zeros(signals.n_intersections + 1, dtype=np.int32)
        for i in range(signals.n_intersections):
            r0, r1 = int(signals.row_ptr[i]), int(signals.row_ptr[i + 1])
            matrix = duration[duration_ptr[i] : duration_ptr[i + 1]].reshape(r1 - r0, r1 - r0)
            stages = self._stage_row[self._stage_ptr[i] : self._stage_ptr[i + 1]]
            change.extend(-(-int(tenths) // 10) for tenths in matrix[:, stages - r0].ravel())
            change_ptr[i + 1] = len(change)
            n_queues = self._queues.ptr[i + 1] - self._queues.ptr[i]
            serve_ptr[i + 1] = serve_ptr[i] + len(stages) * n_queues
            for s in range(int(self._stage_ptr[i]), int(self._stage_ptr[i + 1])):
                greens = [g for g, green in self._green[s].items() if green]
                min_green.append(-(-int(timings.min_green[greens].max(initial=10)) // 10))
        return kernel.Layout(
            queue_ptr=self._queues.ptr,
            stage_ptr=self._stage_ptr,
            row_ptr=signals.row_ptr,
            stage_row=self._stage_row,
            change_ptr=change_ptr,
            change=np.array(change, dtype=np.int32),
            min_green=np.array(min_green, dtype=np.int32),
            serve_ptr=serve_ptr,
            foe_ptr=np.zeros(1, dtype=np.int32),
            foe_queue=np.zeros(0, dtype=np.int32),
        )


def _stages(signals: Signals) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Global rows of all stages, and their CSR pointer over intersections."""
    ptr, rows = csr([signals.stages(i).tolist() for i in range(signals.n_intersections)])
    return rows, ptr


def _green_matrix(signals: Signals, stage_row: NDArray[np.int32]) -> list[dict[int, bool]]:
    """Per stage: which groups of its intersection are green in it."""
    owner = np.searchsorted(signals.row_ptr, stage_row, side="right") - 1
    out = []
    for row, i in zip(stage_row, owner, strict=True):
        g0 = int(signals.group_ptr[i])
        out.append({g0 + k: bool(a >= Aspect.PERMISSIVE) for k, a in enumerate(signals.aspects(int(row)))})
    return out


def _carry_on(
    plan_row: NDArray[np.int32], plan_start: NDArray[np.int64], time: int, lamps: LampState
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Yesterday's plans [I, K] without the stages that are over; column 0 is what is shown or being changed to."""
    begun = (plan_row >= 0) & (plan_start <= time)
    shift = np.maximum(begun.sum(axis=1) - 1, 0)
    column = np.arange(plan_row.shape[1])[None, :] + shift[:, None]
    inside = column < plan_row.shape[1]
    column = np.minimum(column, plan_row.shape[1] - 1)
    rows = np.where(inside, np.take_along_axis(plan_row, column, axis=1), -1).astype(np.int32)
    starts = np.where(inside, np.take_along_axis(plan_start, column, axis=1), -1)
    stale = rows[:, 0] != lamps.row
    rows[stale, 1:], starts[stale, 1:] = -1, -1
    rows[:, 0] = lamps.row
    starts[:, 0] = np.minimum(np.where(stale, lamps.since, starts[:, 0]), time)
    return rows, starts


class _Queues:
    """The queues that the search sees: stop-line lanes of each intersection, then its pedestrian groups."""

    def __init__(self, site: Site) -> None:
        network, signals = site.network, site.signals
        self._network = network
        rows: list[list[int]] = []
        walks: list[int] = []
        lanes: list[int] = []
        groups: list[tuple[int, int]] = []
        self.number: dict[tuple[str, int], int] = {}
        for i in range(signals.n_intersections):
            row = []
            for a in range(int(network.approach_ptr[i]), int(network.approach_ptr[i + 1])):
                row.append(len(lanes) + len(walks))
                self.number["lane", int(network.approach_lane[a])] = row[-1]
                lanes.append(row[-1])
            for g in range(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1])):
                if signals.group_kind[g] == GroupKind.PEDESTRIAN:
                    row.append(len(lanes) + len(walks))
                    self.number["group", g] = row[-1]
                    walks.append(row[-1])
                    groups.append((row[-1], g))
            rows.append(row)
        self.ptr = csr(rows)[0]
        self._lane_queue = np.array(lanes, dtype=np.intp)
        self._walk_queue = np.array(walks, dtype=np.intp)
        self._walk_group = np.array([g for _, g in groups], dtype=np.intp)
        for m in np.flatnonzero(network.move_intersection >= 0).tolist():
            i = int(network.move_intersection[m])
            g = int(signals.lamp_group[signals.lamp_ptr[i] + network.move_lamp[m]])
            if g >= 0:
                groups.append((self.number["lane", int(network.move_from[m])], g))
        self._pair_queue = np.array([q for q, _ in groups], dtype=np.intp)
        self._pair_group = np.array([g for _, g in groups], dtype=np.intp)
        leaving = [
            network.lane_move[network.lane_move_ptr[lane] : network.lane_move_ptr[lane + 1]].tolist()
            for lane in network.approach_lane
        ]
        ptr, self._leaving = csr(leaving)
        self._leaving_start = ptr[:-1]

    @property
    def size(self) -> int:
        """Number of queues N."""
        return int(self.ptr[-1])

    def outlook(self, state: TrafficState, lamps: LampState, serving: _Serving) -> kernel.Outlook:
        """Say what the search is to expect of every queue, from the estimate."""
        lane = self._network.approach_lane
        table = np.zeros((self.size, 6), dtype=np.float32)
        table[self._lane_queue, kernel.QUEUED] = state.queue[lane] + state.spill
        table[self._lane_queue, kernel.WAITED] = state.head_wait
        table[self._lane_queue, kernel.RATE] = np.where(state.blocked, BLOCKED_RATE, 1.0) / state.discharge
        table[self._lane_queue, kernel.ROOM], table[self._lane_queue, kernel.RELIEF] = self._room(state)
        red = lamps.aspect[self._walk_group] < Aspect.PERMISSIVE
        waited = np.where(red, (state.time - lamps.aspect_since[self._walk_group]) / 10.0, 0.0).clip(0.0, 600.0)
        table[self._walk_queue, kernel.QUEUED] = waited * PEDESTRIAN_ARRIVALS
        table[self._walk_queue, kernel.WAITED] = waited
        table[self._walk_queue, kernel.RATE] = PEDESTRIAN_RATE
        table[self._walk_queue, kernel.ROOM] = np.inf
        green = lamps.aspect[self._pair_group] >= Aspect.PERMISSIVE
        age = np.where(green, 1.0 + (state.time - lamps.aspect_since[self._pair_group]) / 10.0, 0.0)
        np.maximum.at(table[:, kernel.GREEN_AGE], self._pair_queue, age.astype(np.float32))
        arrivals = np.full((self.size, HORIZON), PEDESTRIAN_ARRIVALS, dtype=np.float32)
        arrivals[self._lane_queue] = state.arrivals
        return kernel.Outlook(table, arrivals, serving.shares(state.turn_share))

    def _room(self, state: TrafficState) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vehicles [A] that the roads beyond a stop line take now, and the rate at which they empty [veh/s]."""
        share = state.turn_share[self._leaving]
        target = self._network.move_to[self._leaving]
        counts = share >= MINOR_SHARE
        weight = np.maximum(share, MINOR_SHARE)
        room = np.where(counts, state.room[target] / weight, np.inf)
        flow = np.where(counts, state.flow[target] / weight, np.inf)
        least = np.minimum.reduceat(room, self._leaving_start)
        relief = np.minimum.reduceat(flow, self._leaving_start)
        return least.astype(np.float32), np.where(np.isfinite(relief), relief, 1.0).astype(np.float32)


class _Serving:
    """Which queues a stage serves, with right of way or giving way, and to whom they give way."""

    def __init__(
        self,
        site: Site,
        stage_row: NDArray[np.int32],
        stage_ptr: NDArray[np.int32],
        queues: _Queues,
        serve_ptr: NDArray[np.int32],
    ) -> None:
        network, signals = site.network, site.signals
        self._size = int(serve_ptr[-1])
        entries: list[tuple[int, int, bool]] = []
        foes: list[set[int]] = [set() for _ in range(self._size)]
        walks: list[int] = []
        moves: list[list[int]] = [[] for _ in range(signals.n_intersections)]
        for m in np.flatnonzero(network.move_intersection >= 0).tolist():
            moves[int(network.move_intersection[m])].append(m)
        for i in range(signals.n_intersections):
            q0, n = int(queues.ptr[i]), int(queues.ptr[i + 1] - queues.ptr[i])
            g0 = int(signals.group_ptr[i])
            group = {m: int(signals.lamp_group[signals.lamp_ptr[i] + network.move_lamp[m]]) for m in moves[i]}
            for p in range(int(stage_ptr[i + 1] - stage_ptr[i])):
                aspects = signals.aspects(int(stage_row[stage_ptr[i] + p]))
                shown = {m: int(aspects[g - g0]) if g >= 0 else int(Aspect.PERMISSIVE) for m, g in group.items()}
                base = int(serve_ptr[i]) + p * n
                for m, aspect in shown.items():
                    if aspect < Aspect.PERMISSIVE:
                        continue
                    pair = base + queues.number["lane", int(network.move_from[m])] - q0
                    entries.append((pair, m, aspect == Aspect.PROTECTED))
                    if aspect == Aspect.PERMISSIVE:
                        for foe in network.move_yield[network.move_yield_ptr[m] : network.move_yield_ptr[m + 1]]:
                            if shown.get(int(foe), 0) >= Aspect.PERMISSIVE:
                                foes[pair].add(queues.number["lane", int(network.move_from[foe])] - q0)
                for k, aspect in enumerate(aspects):
                    if signals.group_kind[g0 + k] == GroupKind.PEDESTRIAN and aspect >= Aspect.PERMISSIVE:
                        walks.append(base + queues.number["group", g0 + k] - q0)
        self.foe_ptr, self.foe_queue = csr([sorted(row) for row in foes])
        self._walks = np.array(walks, dtype=np.intp)
        self._pair = np.array([v for v, _, _ in entries], dtype=np.intp)
        self._move = np.array([m for _, m, _ in entries], dtype=np.intp)
        self._right = np.array([right for _, _, right in entries], dtype=np.bool_)

    def shares(self, turn_share: NDArray[np.float32]) -> NDArray[np.float32]:
        """Share of each queue that may go, per pair (stage, queue): [V, 2] with right of way, giving way."""
        weight = turn_share[self._move].astype(np.float64)
        out = np.empty((self._size, 2), dtype=np.float32)
        out[:, kernel.PROTECTED] = np.bincount(self._pair, weights=weight * self._right, minlength=self._size)
        out[:, kernel.PERMISSIVE] = np.bincount(self._pair, weights=weight * ~self._right, minlength=self._size)
        out[self._walks, kernel.PROTECTED] = 1.0
        return out
