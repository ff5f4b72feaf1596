"""Fixed time, re-timed by Webster's formula from the flows that the estimator measured."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from citybrain.control.fixed import Timetable
from citybrain.control.stages import stage_tables
from citybrain.network import csr
from citybrain.signals import Aspect
from citybrain.timings import interstage_tenths
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain.control.stages import StageTables
    from citybrain.decisions import LampState, Wish
    from citybrain.network import BoolArray, FloatArray, IntArray
    from citybrain.state import TrafficState

INTERVAL = 900 * TENTHS_PER_SECOND
"""Flows are measured for this long before every re-timing [tenths]."""
SHORTEST_CYCLE = 60 * TENTHS_PER_SECOND
"""The formula's cycles for light traffic leave no room for a platoon; practice does not go below a minute (FHWA Signal
Timing Manual, 2nd edition, section 6.6)."""
LONGEST_CYCLE = 120 * TENTHS_PER_SECOND
SATURATED = 0.95
"""From this sum of critical flow ratios on the formula has no meaning any more, and the longest cycle is taken."""
PRACTICAL_CAPACITY = 0.9
"""Share of the saturation flow that greens are made for, after Webster: traffic comes in random numbers."""
PERMISSIVE_EQUIVALENT = 2.0
"""Vehicles going straight that one takes the time of which has to wait for gaps: in between the 1.4 to 4.5 of the
Highway Capacity Manual 2000 (exhibit C16-3) for opposing flows from none to 1200 veh/h."""
SHORTEST_GREEN = TENTHS_PER_SECOND
"""Of stages in which nothing begins; the others have the longest minimum green of the groups that go green or from
permissive to protected. All are long enough for what ended with the stage before to clear [tenths]."""


class Webster:
    """Own stages in their own order; cycle and greens by Webster from measured flows, anew every 15 minutes.

    The first 15 minutes run the stages by the own program's clock. Every intersection gets a cycle of its own: the
    formula is for isolated signals, and whatever coordination the own program had ends with the first re-timing.
    The stage that is shown then keeps the time that it has had.

    The flow of a lane is what left it plus what its queue grew by: a lane that is short of green would otherwise be
    dimensioned for the little that it discharges. The start-up loss and the use that is made of yellow are taken as
    equal (2 s each in the Highway Capacity Manual), so that lost time is the time of the interstages.

    F. V. Webster, "Traffic signal settings", Road Research Technical Paper 39, HMSO, London (1958).
    """

    def __init__(self, site: Site) -> None:
        self._network = site.network
        self._tables = stage_tables(site)
        self._interstage, self._shortest = _sequence_limits(site, self._tables)
        tables = self._tables
        streams = _timed_streams(tables)
        self._served = _serves(streams, tables)
        self._stream_lane = np.array([a for a, _, _ in streams], dtype=np.int32)
        self._stream_move_ptr, self._stream_move = csr([moves for _, moves, _ in streams])
        self._move_weight = _move_weights(site, streams)
        self._length = tables.sequence_length
        origin = tables.sequence_origin.astype(np.int64)
        self._timetable = Timetable(tables.sequence_ptr, tables.sequence_row, self._length, origin)
        self._left = np.zeros(site.network.n_approach_lanes)
        self._ticks = 0
        self._begin: tuple[int, FloatArray] | None = None

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:  # noqa: ARG002 - the clock alone decides
        """Wish for the stage of the timetable in force, and re-time it where the interval is over."""
        lane = self._network.approach_lane
        queue = state.queue[lane].astype(np.float64) + state.spill
        if self._begin is None:
            self._begin = (state.time, queue)
        since, queue_before = self._begin
        if state.time - since >= INTERVAL:
            seconds = (state.time - since) / TENTHS_PER_SECOND
            self._retime(state, np.maximum(self._left / self._ticks + (queue - queue_before) / seconds, 0.0))
            self._begin = (state.time, queue)
            self._left = np.zeros_like(self._left)
            self._ticks = 0
        self._left += state.flow[lane]
        self._ticks += 1
        return self._timetable.wish(state.time)

    def _retime(self, state: TrafficState, flow: FloatArray) -> None:
        """Put a new timetable in force, given the flow of every stop-line lane [A] in veh/s."""
        tables = self._tables
        entry, elapsed = self._timetable.position(state.time)
        weighted = state.turn_share[self._stream_move] * self._move_weight
        share = np.add.reduceat(weighted, self._stream_move_ptr[:-1], dtype=np.float64)
        ratio = (flow * state.discharge)[self._stream_lane] * share / PRACTICAL_CAPACITY
        length = np.zeros_like(self._length)
        for i, (stream, serves) in enumerate(self._served):
            q = slice(int(tables.sequence_ptr[i]), int(tables.sequence_ptr[i + 1]))
            critical = critical_ratios(ratio[stream], serves)
            green = webster_greens(critical, int(self._interstage[q].sum()), self._shortest[q])
            length[q] = np.ceil((self._interstage[q] + green) / TENTHS_PER_SECOND) * TENTHS_PER_SECOND
        first = tables.sequence_ptr[:-1]
        start = np.cumsum(length) - length
        origin = state.time - np.minimum(elapsed, length[entry]) - (start[entry] - start[first])
        self._length = length
        self._timetable = Timetable(tables.sequence_ptr, tables.sequence_row, length, origin)


def critical_ratios(ratio: FloatArray, serves: BoolArray) -> FloatArray:
    """Share the flow ratios of streams out to the stages that serve them.

    Streams with the fewest stages come first; each adds what it still lacks, in equal parts, to its stages.

    Parameters
    ----------
    ratio : [T] flow over saturation flow.
    serves : [T, Q] this stage serves this stream.

    Returns
    -------
    [Q] critical flow ratio of every stage.
    """
    critical = np.zeros(serves.shape[1])
    counts = serves.sum(axis=1)
    for t in np.lexsort((-ratio, counts)):
        lacking = ratio[t] - critical[serves[t]].sum()
        if lacking > 0.0:
            critical[serves[t]] += lacking / counts[t]
    return critical


def webster_greens(critical: FloatArray, lost: int, shortest: IntArray) -> FloatArray:
    """Greens of an isolated signal after Webster (1958), eq. for the cycle of least delay.

    Parameters
    ----------
    critical : [Q] critical flow ratio of every stage.
    lost : lost time per cycle [tenths].
    shortest : [Q] minimum greens [tenths]; they come before the longest cycle.

    Returns
    -------
    [Q] greens [tenths].
    """
    total = critical.sum()
    cycle = float(LONGEST_CYCLE)
    if total < SATURATED:
        cycle = (1.5 * lost + 5 * TENTHS_PER_SECOND) / (1.0 - total)
        cycle = min(max(cycle, float(SHORTEST_CYCLE)), float(LONGEST_CYCLE))
    weight = critical if total > 0.0 else np.ones_like(critical)
    green = shortest.astype(np.float64)
    free = np.ones(len(weight), dtype=np.bool_)
    while free.any():
        # Stages that would fall below their minimum get it; the others share what is left.
        part = (cycle - lost - shortest[~free].sum()) * weight / max(weight[free].sum(), 1e-9)
        short = free & (part < shortest)
        if not short.any():
            green[free] = part[free]
            break
        free &= ~short
    return green


def _sequence_limits(site: Site, tables: StageTables) -> tuple[IntArray, IntArray]:
    """Interstage before each stage of the sequences and its minimum green [Q] [tenths]."""
    signals, timings = site.signals, site.timings
    ptr, duration = interstage_tenths(signals, timings)
    interstage = np.zeros(len(tables.sequence_row), dtype=np.int32)
    shortest = np.full(len(tables.sequence_row), SHORTEST_GREEN, dtype=np.int32)
    for i in range(signals.n_intersections):
        q = np.arange(tables.sequence_ptr[i], tables.sequence_ptr[i + 1])
        first, n = int(signals.row_ptr[i]), int(signals.row_ptr[i + 1] - signals.row_ptr[i])
        matrix = duration[ptr[i] : ptr[i + 1]].reshape(n, n)
        limits = timings.min_green[signals.group_ptr[i] : signals.group_ptr[i + 1]]
        cells = timings.intergreen[signals.conflict_ptr[i] : signals.conflict_ptr[i + 1]]
        intergreen = cells.reshape(len(limits), len(limits))
        for before, now, after in zip(np.roll(q, 1), q, np.roll(q, -1), strict=True):
            a, b, c = (int(tables.sequence_row[k]) for k in (before, now, after))
            interstage[now] = matrix[a - first, b - first]
            old, new, then = (signals.aspects(row) for row in (a, b, c))
            begins = (new >= Aspect.PERMISSIVE) & ((new > old) | (a == b))
            ended = (old >= Aspect.PERMISSIVE) & (new < Aspect.PERMISSIVE)
            starts = (then >= Aspect.PERMISSIVE) & (new < Aspect.PERMISSIVE)
            clears = int(intergreen[np.ix_(ended, starts)].max(initial=0))
            clears -= int(matrix[a - first, b - first] + matrix[b - first, c - first])
            shortest[now] = max(SHORTEST_GREEN, int(limits[begins].max(initial=0)), clears)
    return interstage, shortest


def _move_weights(site: Site, streams: list[tuple[int, list[int], list[int]]]) -> FloatArray:
    """Weight of every movement of every stream: more where none of the stream's stages gives it the right of way."""
    network, signals = site.network, site.signals
    weights = []
    for _, moves, rows in streams:
        for m in moves:
            i = int(network.move_intersection[m])
            k = int(signals.lamp_group[signals.lamp_ptr[i] + network.move_lamp[m]] - signals.group_ptr[i])
            right = any(signals.aspects(row)[k] == Aspect.PROTECTED for row in rows)
            weights.append(1.0 if right else PERMISSIVE_EQUIVALENT)
    return np.array(weights)


def _timed_streams(tables: StageTables) -> list[tuple[int, list[int], list[int]]]:
    """Streams that greens are made for: (stop-line lane, movements, stages).

    Shared lanes that are split into streams come once more as a whole, where some stage lets all of the lane go:
    though that stage merely permits a turn that has a stage of its own, who waits to turn holds up all behind him.
    """
    rows: list[list[int]] = [[] for _ in tables.stream_approach]
    for row, t in zip(tables.serve_row.tolist(), tables.serve_stream.tolist(), strict=True):
        rows[t].append(row)
    streams = []
    for a, of_lane in groupby(range(len(rows)), key=lambda t: int(tables.stream_approach[t])):
        parts = [(tables.stream_move[tables.stream_move_ptr[t] : tables.stream_move_ptr[t + 1]], t) for t in of_lane]
        streams += [(a, moves.tolist(), rows[t]) for moves, t in parts]
        if len(parts) > 1:
            lane = np.concatenate([moves for moves, _ in parts])
            whole = np.flatnonzero(tables.green[:, lane].sum(axis=1) == len(lane))
            streams += [(a, lane.tolist(), whole.tolist())] if len(whole) else []
    return streams


def _serves(streams: list[tuple[int, list[int], list[int]]], tables: StageTables) -> list[tuple[IntArray, BoolArray]]:
    """Per intersection: its streams [t] and which stage of its sequence serves which of them [t, q]."""
    owner = np.array([tables.row_intersection[rows[0]] for _, _, rows in streams], dtype=np.int32)
    served = []
    for i in range(len(tables.sequence_ptr) - 1):
        sequence = tables.sequence_row[tables.sequence_ptr[i] : tables.sequence_ptr[i + 1]]
        stream = np.flatnonzero(owner == i).astype(np.int32)
        matrix = [np.isin(sequence, streams[t][2]) for t in stream]
        served.append((stream, np.array(matrix, dtype=np.bool_).reshape(len(stream), len(sequence))))
    return served
