"""The road network as a struct of arrays: lanes, movements, approaches, intersections, links.

Index letters: l lanes, m movements, e roads (edges), i intersections, k links. CSR tables come as a ``*_ptr``
array (length n + 1) and a flat array; row ``x`` is ``flat[ptr[x]:ptr[x + 1]]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from citybrain.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Sequence

IntArray = NDArray[np.int32]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Turn(IntEnum):
    """Direction of a movement as the driver sees it."""

    STRAIGHT = 0
    LEFT = 1
    RIGHT = 2
    UTURN = 3


def csr(rows: Sequence[Sequence[int]]) -> tuple[IntArray, IntArray]:
    """Pack rows of integers into (ptr [n + 1], flat)."""
    ptr = np.zeros(len(rows) + 1, dtype=np.int32)
    np.cumsum([len(row) for row in rows], out=ptr[1:])
    flat = np.fromiter((x for row in rows for x in row), dtype=np.int32, count=int(ptr[-1]))
    return ptr, flat


@dataclass(frozen=True)
class Network:
    """A road network; immutable, the same order everywhere.

    Attributes
    ----------
    lane_id, edge_id, intersection_id
        Names as in the source network. Lanes: every lane of a road (not inside junctions) that vehicles may use.
    lane_edge : [L] index of the lane's road. Lanes of one road are consecutive, from the kerb (right) inwards.
    lane_length, lane_speed : [L] length [m], speed limit [m/s].
    lane_general : [L] open to private cars (False: bus, tram or bicycle lane).
    move_from, move_to : [M] lanes; movements are sorted by (from lane, to lane).
    move_intersection : [M] controlling intersection, -1 where no signal controls the movement.
    move_lamp : [M] position in the intersection's state string ("lamp"), -1 without signal.
    move_turn : [M] ``Turn``.
    move_length : [M] path length through the junction [m].
    move_foe_ptr, move_foe : CSR over movements: movements of the same junction whose paths cross or merge.
    move_yield_ptr, move_yield : CSR: those of the foes that this movement must give way to when both may go.
    approach_ptr, approach_lane : CSR over intersections: its stop-line lanes (lanes with a controlled movement),
        ascending. ``approach_lane`` is also *the* table of stop-line lanes: index a, length A.
    lane_shape_ptr, lane_shape : CSR of polyline points; ``lane_shape`` is [P, 2] in m.
    """

    lane_id: tuple[str, ...]
    edge_id: tuple[str, ...]
    intersection_id: tuple[str, ...]
    lane_edge: IntArray
    lane_length: FloatArray
    lane_speed: FloatArray
    lane_general: BoolArray
    move_from: IntArray
    move_to: IntArray
    move_intersection: IntArray
    move_lamp: IntArray
    move_turn: IntArray
    move_length: FloatArray
    move_foe_ptr: IntArray
    move_foe: IntArray
    move_yield_ptr: IntArray
    move_yield: IntArray
    approach_ptr: IntArray
    approach_lane: IntArray
    lane_shape_ptr: IntArray
    lane_shape: FloatArray
    lane_move_ptr: IntArray
    """CSR over lanes: movements that leave the lane (positions in the movement table)."""
    lane_move: IntArray
    lane_feed_ptr: IntArray
    """CSR over lanes: movements that arrive on the lane."""
    lane_feed: IntArray
    lane_approach: IntArray
    """[L] row of the lane in ``approach_lane``, -1 for lanes without a stop line."""

    @property
    def n_lanes(self) -> int:
        """Number of lanes L."""
        return len(self.lane_id)

    @property
    def n_movements(self) -> int:
        """Number of movements M."""
        return len(self.move_from)

    @property
    def n_intersections(self) -> int:
        """Number of signalised intersections I."""
        return len(self.intersection_id)

    @property
    def n_approach_lanes(self) -> int:
        """Number of stop-line lanes A."""
        return len(self.approach_lane)

    def graph(self) -> nx.MultiDiGraph:
        """Roads as a networkx graph, for whole-network questions.

        Nodes are roads (``edge_id``), arcs are permitted turns with ``intersection`` (id or None), ``turn`` and
        ``seconds`` (free-flow time over the upstream road).
        """
        graph = nx.MultiDiGraph()
        graph.add_nodes_from(self.edge_id)
        for m in range(self.n_movements):
            a, b = self.move_from[m], self.move_to[m]
            i = int(self.move_intersection[m])
            graph.add_edge(
                self.edge_id[self.lane_edge[a]],
                self.edge_id[self.lane_edge[b]],
                intersection=None if i < 0 else self.intersection_id[i],
                turn=Turn(int(self.move_turn[m])).name.lower(),
                seconds=float(self.lane_length[a] / self.lane_speed[a]),
            )
        return graph


def derived_tables(
    n_lanes: int, move_from: IntArray, move_to: IntArray, move_intersection: IntArray, n_intersections: int
) -> dict[str, IntArray]:
    """Compute the CSR tables of :class:`Network` that follow from its movements.

    Returns
    -------
    dict
        ``approach_ptr, approach_lane, lane_move_ptr, lane_move, lane_feed_ptr, lane_feed, lane_approach``.

    Raises
    ------
    ContractError
        If movements are not sorted by (from, to), or one lane has stop lines of two intersections.
    """
    order = np.lexsort((move_to, move_from))
    if not np.array_equal(order, np.arange(len(move_from))):
        raise ContractError("movements must be sorted by (from lane, to lane)")
    leaving: list[list[int]] = [[] for _ in range(n_lanes)]
    arriving: list[list[int]] = [[] for _ in range(n_lanes)]
    approach: list[set[int]] = [set() for _ in range(n_intersections)]
    owner = np.full(n_lanes, -1, dtype=np.int32)
    for m in range(len(move_from)):
        leaving[move_from[m]].append(m)
        arriving[move_to[m]].append(m)
        i = int(move_intersection[m])
        if i >= 0:
            lane = int(move_from[m])
            if owner[lane] >= 0 and owner[lane] != i:
                raise ContractError(f"lane {lane} has stop lines of intersections {owner[lane]} and {i}")
            owner[lane] = i
            approach[i].add(lane)
    approach_ptr, approach_lane = csr([sorted(lanes) for lanes in approach])
    lane_approach = np.full(n_lanes, -1, dtype=np.int32)
    lane_approach[approach_lane] = np.arange(len(approach_lane), dtype=np.int32)
    lane_move_ptr, lane_move = csr(leaving)
    lane_feed_ptr, lane_feed = csr(arriving)
    return {
        "approach_ptr": approach_ptr,
        "approach_lane": approach_lane,
        "lane_move_ptr": lane_move_ptr,
        "lane_move": lane_move,
        "lane_feed_ptr": lane_feed_ptr,
        "lane_feed": lane_feed,
        "lane_approach": lane_approach,
    }
