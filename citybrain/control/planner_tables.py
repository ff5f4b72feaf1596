"""Lays out a site for the planner's kernels: queues, stages, who is served when and gives way to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.control.storage import inside_storage
from citybrain.network import csr
from citybrain.signals import Aspect, Conflict, GroupKind
from citybrain.timings import interstage_tenths
from citybrain.units import TENTHS_PER_SECOND
from citybrain_kernels.planner_tables import Layout, Wiring

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from citybrain.control.interface import Site
    from citybrain.signals import Signals

GUARD_SPARE = 40
"""Tenths that the guard adds to a change before it decides that a red may last no longer: four ticks of a second."""


def lay_out(site: Site, heed_reds: bool = True) -> tuple[Layout, Wiring]:
    """Make the planner's tables of a site; without longest reds where they are not to be heeded."""
    return _Draft(site, heed_reds).tables()


def _ints(values: Iterable[int]) -> NDArray[np.int32]:
    return np.array(list(values), dtype=np.int32)


def _lawful_stages(signals: Signals, i: int) -> list[int]:
    """Stages of an intersection without conflicting greens; the guard refuses the others."""
    conflict = signals.conflicts(i)
    green = {int(r): np.flatnonzero(signals.aspects(r) >= Aspect.PERMISSIVE) for r in signals.stages(i)}
    return [r for r, on in green.items() if not np.any(conflict[np.ix_(on, on)] == Conflict.HARD)]


class _Draft:
    """Tables in the making."""

    def __init__(self, site: Site, heed_reds: bool) -> None:
        self._site = site
        self._heed_reds = heed_reds
        signals = site.signals
        self.stage_ptr, self.stage_row = csr([_lawful_stages(signals, i) for i in range(signals.n_intersections)])
        self._number_queues()
        self._list_serving()

    def _number_queues(self) -> None:
        """Queues of an intersection: its stop-line lanes, then its pedestrian groups."""
        network, signals = self._site.network, self._site.signals
        self.lane_queue: dict[int, int] = {}
        self.walk_queue: dict[int, int] = {}
        rows: list[list[int]] = []
        for i in range(signals.n_intersections):
            row = []
            for a in range(int(network.approach_ptr[i]), int(network.approach_ptr[i + 1])):
                row.append(len(self.lane_queue) + len(self.walk_queue))
                self.lane_queue[int(network.approach_lane[a])] = row[-1]
            for g in range(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1])):
                if signals.group_kind[g] == GroupKind.PEDESTRIAN:
                    row.append(len(self.lane_queue) + len(self.walk_queue))
                    self.walk_queue[g] = row[-1]
            rows.append(row)
        self.queue_ptr = csr(rows)[0]
        stages = np.diff(self.stage_ptr)
        self.serve_ptr = np.concatenate([[0], np.cumsum(stages * np.diff(self.queue_ptr))]).astype(np.int32)

    def _list_serving(self) -> None:
        """Who goes in which stage, with right of way or giving way to whom."""
        network, signals = self._site.network, self._site.signals
        self.serving: list[tuple[int, int, bool]] = []
        self.walking: list[int] = []
        self.ending: list[list[int]] = []
        self.beginning: list[list[int]] = []
        self.green: list[tuple[int, int]] = [(queue, g) for g, queue in self.walk_queue.items()]
        self.foes: list[set[int]] = [set() for _ in range(int(self.serve_ptr[-1]))]
        group: dict[int, int] = {}
        moves: list[list[int]] = [[] for _ in range(signals.n_intersections)]
        for m in np.flatnonzero(network.move_intersection >= 0).tolist():
            i = int(network.move_intersection[m])
            g = int(signals.lamp_group[signals.lamp_ptr[i] + network.move_lamp[m]])
            if g >= 0:
                group[m] = g
                moves[i].append(m)
                self.green.append((self.lane_queue[int(network.move_from[m])], g))
        for i in range(signals.n_intersections):
            for s in range(int(self.stage_ptr[i]), int(self.stage_ptr[i + 1])):
                self._list_stage(i, s, {m: group[m] for m in moves[i]})

    def _list_stage(self, i: int, s: int, group: dict[int, int]) -> None:
        network, signals = self._site.network, self._site.signals
        g0, q0 = int(signals.group_ptr[i]), int(self.queue_ptr[i])
        n = int(self.queue_ptr[i + 1]) - q0
        aspects = signals.aspects(int(self.stage_row[s]))
        base = int(self.serve_ptr[i]) + (s - int(self.stage_ptr[i])) * n - q0
        self.ending.append([g0 + k for k, aspect in enumerate(aspects) if aspect < Aspect.PERMISSIVE])
        self.beginning.append([g0 + k for k, aspect in enumerate(aspects) if aspect >= Aspect.PERMISSIVE])
        going = {m: int(aspects[g - g0]) for m, g in group.items() if aspects[g - g0] >= Aspect.PERMISSIVE}
        for m, aspect in going.items():
            pair = base + self.lane_queue[int(network.move_from[m])]
            self.serving.append((pair, m, aspect == Aspect.PROTECTED))
            if aspect == Aspect.PERMISSIVE:
                foes = network.move_yield[network.move_yield_ptr[m] : network.move_yield_ptr[m + 1]].tolist()
                lanes = (int(network.move_from[foe]) for foe in foes if foe in going)
                self.foes[pair].update(self.lane_queue[lane] - q0 for lane in lanes)
        for k, aspect in enumerate(aspects):
            if aspect >= Aspect.PERMISSIVE and signals.group_kind[g0 + k] == GroupKind.PEDESTRIAN:
                self.walking.append(base + self.walk_queue[g0 + k])

    def _changes(self) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
        """Seconds of every change from a row to a stage, and seconds that the stage is then kept."""
        signals = self._site.signals
        tenths_ptr, tenths = interstage_tenths(signals, self._site.timings)
        ptr = np.zeros(signals.n_intersections + 1, dtype=np.int32)
        changes: list[NDArray[np.int32]] = []
        keeps: list[NDArray[np.int32]] = []
        for i in range(signals.n_intersections):
            r0, n_rows = int(signals.row_ptr[i]), int(signals.row_ptr[i + 1] - signals.row_ptr[i])
            stages = self.stage_row[self.stage_ptr[i] : self.stage_ptr[i + 1]] - r0
            change = tenths[tenths_ptr[i] : tenths_ptr[i + 1]].reshape(n_rows, n_rows)[:, stages]
            changes.append(-(-change.ravel() // 10))
            keeps.append(np.maximum(1, -(-self._keep(i, stages, change).ravel() // 10)))
            ptr[i + 1] = ptr[i] + change.size
        return ptr, np.concatenate(changes).astype(np.int32), np.concatenate(keeps).astype(np.int32)

    def _keep(self, i: int, stages: NDArray[np.int32], change: NDArray[np.int32]) -> NDArray[np.int32]:
        """Tenths [rows, P] that a stage is kept after a change from a row.

        Long enough for the minimum greens of what began, and for what ended to have cleared by the time that the next
        change is done: a stage that only lets pedestrians finish crossing is kept while they do.
        """
        signals, timings = self._site.signals, self._site.timings
        g0, n = int(signals.group_ptr[i]), int(signals.group_ptr[i + 1] - signals.group_ptr[i])
        intergreen = timings.intergreen[signals.conflict_ptr[i] : signals.conflict_ptr[i + 1]].reshape(n, n)
        rows = range(int(signals.row_ptr[i]), int(signals.row_ptr[i + 1]))
        green = np.array([signals.aspects(r) >= Aspect.PERMISSIVE for r in rows])
        keep = np.zeros(change.shape, dtype=np.int32)
        for a in range(len(rows)):
            for p, b in enumerate(stages):
                keep[a, p] = timings.min_green[g0 : g0 + n][green[b] & ~green[a]].max(initial=0)
                ended = green[a] & ~green[b]
                for q, c in enumerate(stages):
                    needs = int(intergreen[ended][:, green[c] & ~green[b]].max(initial=0))
                    if needs > 0:
                        keep[a, p] = max(keep[a, p], needs - int(change[a, p]) - int(change[b, q]))
        return keep

    def _reds(self) -> dict[str, NDArray[Any]]:
        """Say how long every group may stay red before the guard changes by itself, and to which stage."""
        signals, timings = self._site.signals, self._site.timings
        groups: list[list[int]] = []
        limits: list[int] = []
        first: list[int] = []
        serve: list[list[bool]] = []
        slow: list[int] = []
        for i in range(signals.n_intersections):
            g0, n = int(signals.group_ptr[i]), int(signals.group_ptr[i + 1] - signals.group_ptr[i])
            intergreen = timings.intergreen[signals.conflict_ptr[i] : signals.conflict_ptr[i + 1]].reshape(n, n)
            stages = self.stage_row[self.stage_ptr[i] : self.stage_ptr[i + 1]].tolist()
            green = np.array([signals.aspects(r) >= Aspect.PERMISSIVE for r in stages]).reshape(len(stages), n)
            yellow = int(timings.yellow[g0 : g0 + n].max(initial=0))
            change = np.array([max(yellow, int(intergreen[:, on].max(initial=0))) for on in green])
            least = np.array([timings.min_green[g0 : g0 + n][on].max(initial=0) for on in green])
            slow += (-(-(change + least) // TENTHS_PER_SECOND)).astype(int).tolist()
            watched = [k for k in range(n) if green[:, k].any() and self._heed_reds]
            groups.append([g0 + k for k in watched])
            first += [int(np.flatnonzero(green[:, k])[0]) for k in watched]
            limits += [int(timings.max_red[g0 + k]) - int(change[green[:, k]].max()) - GUARD_SPARE for k in watched]
            serve.append(green[:, watched].ravel().tolist())
        red_ptr, red_group = csr(groups)
        serve_ptr, flat = csr(serve)
        return {
            "slow": _ints(slow),
            "red_ptr": red_ptr,
            "red_group": red_group,
            "red_limit": _ints(limits),
            "red_stage": _ints(first),
            "red_serve_ptr": serve_ptr,
            "red_serve": flat.astype(np.bool_),
        }

    def tables(self) -> tuple[Layout, Wiring]:
        """Pack everything."""
        network, signals = self._site.network, self._site.signals
        change_ptr, change, keep = self._changes()
        foe_ptr, foe_queue = csr([sorted(row) for row in self.foes])
        ending_ptr, ending_group = csr(self.ending)
        begin_ptr, begin_group = csr(self.beginning)
        moves_of = [
            network.lane_move[network.lane_move_ptr[x] : network.lane_move_ptr[x + 1]].tolist()
            for x in network.approach_lane
        ]
        leave_ptr, leave_move = csr(moves_of)
        layout = Layout(
            queue_ptr=self.queue_ptr,
            stage_ptr=self.stage_ptr,
            row_ptr=signals.row_ptr,
            stage_row=self.stage_row,
            change_ptr=change_ptr,
            change=change,
            keep=keep,
            serve_ptr=self.serve_ptr,
            foe_ptr=foe_ptr,
            foe_queue=foe_queue,
            **self._reds(),
        )
        wiring = Wiring(
            lane_queue=_ints(self.lane_queue[int(lane)] for lane in network.approach_lane),
            approach_lane=network.approach_lane,
            leave_ptr=leave_ptr,
            leave_move=leave_move,
            move_to=network.move_to,
            walk_queue=_ints(self.walk_queue.values()),
            walk_group=_ints(self.walk_queue),
            green_queue=_ints(queue for queue, _ in self.green),
            green_group=_ints(g for _, g in self.green),
            serve_pair=_ints(pair for pair, _, _ in self.serving),
            serve_move=_ints(m for _, m, _ in self.serving),
            serve_right=np.array([right for _, _, right in self.serving], dtype=np.bool_),
            walk_pair=_ints(self.walking),
            ending_ptr=ending_ptr,
            ending_group=ending_group,
            begin_ptr=begin_ptr,
            begin_group=begin_group,
            group_ptr=signals.group_ptr,
            pair_ptr=signals.conflict_ptr,
            intergreen=self._site.timings.intergreen,
            min_green=self._site.timings.min_green,
            yellow=self._site.timings.yellow,
            row_is_stage=signals.row_is_stage,
            storage=inside_storage(network).astype(np.float32),
        )
        return layout, wiring
