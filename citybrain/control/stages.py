"""Which stage serves which traffic: static tables that the stage-choosing controllers share.

Index letters: i intersections, r rows, a stop-line lanes, m movements, t streams, q positions in a stage sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

from citybrain.network import BoolArray, FloatArray, IntArray, csr
from citybrain.signals import Aspect

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain.network import Network
    from citybrain.signals import Signals


@dataclass(frozen=True)
class StageTables:
    """Stages of all intersections and the traffic they serve; immutable.

    A *stream* is traffic of one lane that is served together: the whole lane where some stage gives green to all of
    its movements, otherwise each of its movements alone.

    A movement that is protected in some stage is not counted as served by stages that merely permit it: who waits
    for a gap may wait for long, and has a stage of his own.

    Attributes
    ----------
    row_intersection : [R] intersection of a row.
    sequence_ptr, sequence_row : CSR over intersections: its stages in the order of its own program, a stage that
        comes twice in the cycle twice.
    sequence_intersection : [Q].
    sequence_length : [Q] tenths from the end of the stage before to the end of this one in the own program.
    sequence_origin : [I] tenths; time at which the change to the first stage of the sequence begins.
    stream_approach : [T] stop-line lane (row of ``approach_lane``).
    stream_move_ptr, stream_move : CSR over streams: its movements.
    serve_row, serve_stream : [P] pairs: this stage serves this stream; ascending by row.
    green : sparse [R, M]; 1 where the row is a stage and shows the movement green, permissive or protected.
    """

    row_intersection: IntArray
    sequence_ptr: IntArray
    sequence_row: IntArray
    sequence_intersection: IntArray
    sequence_length: IntArray
    sequence_origin: IntArray
    stream_approach: IntArray
    stream_move_ptr: IntArray
    stream_move: IntArray
    serve_row: IntArray
    serve_stream: IntArray
    green: csr_array


def stage_tables(site: Site) -> StageTables:
    """Derive the tables from a site."""
    network, signals = site.network, site.signals
    counts = np.diff(signals.row_ptr)
    row_intersection = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    move, row, aspect = _movement_aspects(network, signals)
    shown = (aspect >= Aspect.PERMISSIVE) & signals.row_is_stage[row]
    shape = (signals.n_rows, network.n_movements)
    green = csr_array((np.ones(int(shown.sum())), (row[shown], move[shown])), shape=shape)

    sequence_ptr, sequence_row, sequence_length, origin = _sequences(signals)
    serving = _serving_rows(move[shown], row[shown], aspect[shown])
    streams: list[tuple[int, list[int], list[int]]] = []
    for a in range(network.n_approach_lanes):
        streams += _lane_streams(a, network, serving)
    stream_move_ptr, stream_move = csr([moves for _, moves, _ in streams])
    pairs = sorted((r, t) for t, (_, _, rows) in enumerate(streams) for r in rows)
    return StageTables(
        row_intersection=row_intersection,
        sequence_ptr=sequence_ptr,
        sequence_row=sequence_row,
        sequence_intersection=row_intersection[sequence_row],
        sequence_length=sequence_length,
        sequence_origin=origin,
        stream_approach=np.array([a for a, _, _ in streams], dtype=np.int32),
        stream_move_ptr=stream_move_ptr,
        stream_move=stream_move,
        serve_row=np.array([r for r, _ in pairs], dtype=np.int32),
        serve_stream=np.array([t for _, t in pairs], dtype=np.int32),
        green=green,
    )


def best_stage(tables: StageTables, score: FloatArray, shown: IntArray) -> IntArray:
    """Stage with the largest score at every intersection; a tie stays with the row shown, or takes the first.

    Parameters
    ----------
    tables : of the site.
    score : [R] worth of every row; only rows of the sequences are looked at.
    shown : [I] row shown now.

    Returns
    -------
    [I] rows.
    """
    best = np.full(len(shown), -np.inf)
    np.maximum.at(best, tables.sequence_intersection, score[tables.sequence_row])
    winning = np.flatnonzero(score[tables.sequence_row] >= best[tables.sequence_intersection])
    choice = np.array(shown, dtype=np.int32)
    # Written from the last to the first, so that the first winner of an intersection stands.
    choice[tables.sequence_intersection[winning[::-1]]] = tables.sequence_row[winning[::-1]]
    stay = np.zeros(len(tables.row_intersection), dtype=np.bool_)
    stay[tables.sequence_row[winning]] = True
    return np.where(stay[shown], shown, choice).astype(np.int32)


def group_stops(site: Site) -> tuple[IntArray, IntArray]:
    """Pairs of a group and a stop-line lane that it lets go: groups [P], rows of ``approach_lane`` [P]."""
    stop = site.network.lane_approach[site.network.move_from[site.signals.group_move]]
    group = np.repeat(np.arange(site.signals.n_groups, dtype=np.int32), np.diff(site.signals.group_move_ptr))
    return group[stop >= 0], stop[stop >= 0]


def is_stage_shown(signals: Signals, row: IntArray, changing: BoolArray) -> BoolArray:
    """Tell where a stage stands fully shown [I]: neither an interstage row nor a change under way."""
    return signals.row_is_stage[row] & ~changing


def _movement_aspects(network: Network, signals: Signals) -> tuple[IntArray, IntArray, IntArray]:
    """Pair every signalised movement with every row of its intersection: (movement, row, aspect shown)."""
    signalised = np.flatnonzero(network.move_intersection >= 0)
    i = network.move_intersection[signalised]
    group = signals.lamp_group[signals.lamp_ptr[i] + network.move_lamp[signalised]]
    known = group >= 0
    signalised, i, local = signalised[known], i[known], (group - signals.group_ptr[i])[known]
    counts = np.diff(signals.row_ptr)[i]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    row = np.repeat(signals.row_ptr[i], counts) + within
    aspect = signals.row_aspect[signals.row_aspect_ptr[row] + np.repeat(local, counts)]
    return np.repeat(signalised, counts).astype(np.int32), row.astype(np.int32), aspect.astype(np.int32)


def _serving_rows(move: IntArray, row: IntArray, aspect: IntArray) -> dict[int, set[int]]:
    """Stages that count as serving a movement: the protected ones, or, where there is none, the permissive ones."""
    protected: dict[int, set[int]] = {}
    permissive: dict[int, set[int]] = {}
    for m, r, shown in zip(move.tolist(), row.tolist(), aspect.tolist(), strict=True):
        table = protected if shown == Aspect.PROTECTED else permissive
        table.setdefault(m, set()).add(r)
    return {**permissive, **protected}


def _lane_streams(a: int, network: Network, serving: dict[int, set[int]]) -> list[tuple[int, list[int], list[int]]]:
    """Split a stop-line lane into streams: (stop-line lane, movements, stages that serve them)."""
    lane = int(network.approach_lane[a])
    leaving = network.lane_move[network.lane_move_ptr[lane] : network.lane_move_ptr[lane + 1]].tolist()
    moves = [m for m in leaving if serving.get(m)]
    if not moves:
        return []
    together = set.intersection(*(serving[m] for m in moves))
    if together:
        return [(a, moves, sorted(together))]
    return [(a, [m], sorted(serving[m])) for m in moves]


def _sequences(signals: Signals) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Stages of every program in order: (ptr, row, length [tenths], origin [tenths]), see :class:`StageTables`."""
    rows: list[list[int]] = []
    lengths: list[list[int]] = []
    origin = np.zeros(signals.n_intersections, dtype=np.int32)
    for i in range(signals.n_intersections):
        steps = slice(int(signals.step_ptr[i]), int(signals.step_ptr[i + 1]))
        row, duration = signals.step_row[steps], signals.step_duration[steps]
        lasting = signals.row_is_stage[row] & (duration > 0)
        order, end = row[lasting], np.cumsum(duration)[lasting]
        last = order != np.roll(
            order, -1
        )  # one entry for steps that go on with the same row, also over the cycle's end
        if last.any():
            order, end = order[last], end[last]
        else:
            order, end = order[-1:], end[-1:]
        before = np.roll(end, 1)
        rows.append(order.tolist())
        lengths.append(((end - before - 1) % duration.sum() + 1).tolist())
        origin[i] = signals.program_offset[i] + before[0]
    ptr, flat = csr(rows)
    return ptr, flat, csr(lengths)[1], origin
