"""Lanes, movements and right of way of a SUMO network file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from citybrain.network import Network, Turn, csr, derived_tables
from citybrain.signals import GroupKind
from citybrain_sim.sumo_net_file import SOFT, WALKERS, FileConnection, FileLane, NetReader
from citybrain_sim.sumo_programs import Link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain_sim.sumo_net_file import Program

NOWHERE = ("", -1)
"""Place of a way that stands in no junction's right-of-way table."""
TURNS = {"s": Turn.STRAIGHT, "l": Turn.LEFT, "r": Turn.RIGHT, "t": Turn.UTURN}
"""By SUMO's ``dir`` in lower case: ``L``, ``R`` and ``T`` are partly left, partly right and left-hand U-turns."""


@dataclass(frozen=True)
class _Movement:
    source: int
    target: int
    connection: FileConnection


class Roads:
    """Lanes, movements and right of way of a network file, with positions as in ``Network``."""

    def __init__(self, source: NetReader, faults: list[str]) -> None:
        self.source = source
        self.faults = faults
        self.lanes = [
            lane
            for edge in source.edges.values()
            if edge.function in {"normal", "connector"}
            for lane in edge.lanes
            if lane.classes - SOFT
        ]
        self.number = {(lane.edge, lane.index): position for position, lane in enumerate(self.lanes)}
        self.every_lane = {(lane.edge, lane.index): lane for edge in source.edges.values() for lane in edge.lanes}
        self.by_name = {lane.name: lane for lane in self.every_lane.values()}
        self.onward = {connection.source: connection for connection in source.connections}
        self.known = [connection for connection in source.connections if self._lanes_exist(connection)]
        self.place = self._places()
        self.movements = self._movements()

    def _lanes_exist(self, connection: FileConnection) -> bool:
        missing = [f"{e}_{i}" for e, i in (connection.source, connection.target) if (e, i) not in self.every_lane]
        if connection.via and connection.via not in self.by_name:
            missing.append(connection.via)
        if missing:
            self.faults.append(
                f"{connection.where}: connection of lanes that do not exist: {', '.join(missing)}; "
                "correct the connection or write the network anew with netconvert"
            )
        return not missing

    def inside(self, connection: FileConnection) -> list[FileLane]:
        """Lanes inside the junction that a connection leads over, in order."""
        path: list[FileLane] = []
        via = connection.via
        while via and via in self.by_name and self.by_name[via] not in path:
            lane = self.by_name[via]
            path.append(lane)
            onward = self.onward.get((lane.edge, lane.index))
            via = onward.via if onward else ""
        return path

    def _places(self) -> dict[int, tuple[str, int]]:
        """(junction, position in its right-of-way table) of every connection that has one, by ``id``.

        The table's order is that of the junction's ``intLanes``; where the network was built without lanes inside
        junctions, that of the incoming lanes and, among the connections of one lane, that of the file.
        """
        junctions = [junction for junction in self.source.junctions.values() if junction.type != "internal"]
        position = {lane: (junction.name, j) for junction in junctions for j, lane in enumerate(junction.inside)}
        leaving: dict[str, list[FileConnection]] = {}
        place: dict[int, tuple[str, int]] = {}
        for connection in self.known:
            source, target = self.every_lane[connection.source], self.every_lane[connection.target]
            leaving.setdefault(source.name, []).append(connection)
            for lane in (*self.inside(connection), target, source):
                if lane.name in position:
                    place[id(connection)] = position[lane.name]
                    break
        for junction in junctions:
            if not junction.inside:
                ways = [connection for lane in junction.incoming for connection in leaving.get(lane, [])]
                place.update({id(connection): (junction.name, j) for j, connection in enumerate(ways)})
        return place

    def _movements(self) -> list[_Movement]:
        found = []
        for connection in self.known:
            if connection.source in self.number and connection.target in self.number:
                lanes = [self.every_lane[end] for end in (connection.source, connection.target)]
                if (connection.classes & lanes[0].classes & lanes[1].classes) - SOFT:
                    found.append(_Movement(self.number[connection.source], self.number[connection.target], connection))
        return sorted(found, key=lambda movement: (movement.source, movement.target))

    def _function(self, lane: tuple[str, int]) -> str:
        return self.source.edges[lane[0]].function

    def links(self) -> dict[str, list[Link]]:
        """Everything that lamps control, by signal, in the order of the file."""
        number = {id(movement.connection): m for m, movement in enumerate(self.movements)}
        links: dict[str, list[Link]] = {}
        for connection in self.known:
            if connection.signal and connection.lamp >= 0:
                links.setdefault(connection.signal, []).append(self._link(connection, number.get(id(connection), -1)))
        return links

    def _link(self, connection: FileConnection, movement: int) -> Link:
        source, target = self.every_lane[connection.source], self.every_lane[connection.target]
        # The lamp of a crossing's far side stands where the crossing ends.
        crossing = next((lane for lane in (target, source) if self._function((lane.edge, 0)) == "crossing"), None)
        walkers = connection.classes & source.classes & target.classes <= WALKERS
        return Link(
            lamp=connection.lamp,
            kind=GroupKind.PEDESTRIAN if crossing or walkers else GroupKind.VEHICLE,
            movement=movement,
            crossing=crossing.length if crossing else self.path_length(connection) if walkers else 0.0,
            target=target.edge,
            turn=_turn(connection),
            heading=_heading(source),
            name=f"{source.name} to {target.name}",
            place=self.place.get(id(connection), NOWHERE),
        )

    def path_length(self, connection: FileConnection) -> float:
        """Length of the way over the junction [m]; the gap between the lanes where the file says nothing."""
        path = self.inside(connection)
        source, target = self.every_lane[connection.source], self.every_lane[connection.target]
        if path or not source.shape or not target.shape:
            return sum(lane.length for lane in path)
        return math.dist(source.shape[-1], target.shape[0])

    def foes(self, a: Link, b: Link) -> bool:
        """Whether two ways cross or merge."""
        if a.place[0] != b.place[0] or NOWHERE in {a.place, b.place}:
            return False
        foes = self.source.junctions[a.place[0]].foes
        return bool(foes.get(a.place[1], 0) >> b.place[1] & 1 or foes.get(b.place[1], 0) >> a.place[1] & 1)

    def _right_of_way(self) -> tuple[list[list[int]], list[list[int]]]:
        """Foes of every movement, and those that it gives way to."""
        at: dict[str, list[tuple[int, int]]] = {}
        for m, movement in enumerate(self.movements):
            if id(movement.connection) in self.place:
                junction, j = self.place[id(movement.connection)]
                at.setdefault(junction, []).append((m, j))
        foes: list[list[int]] = [[] for _ in self.movements]
        yields: list[list[int]] = [[] for _ in self.movements]
        for name, ways in at.items():
            right_of_way = self.source.junctions[name]
            for (m, j), (n, k) in product(ways, repeat=2):
                gives_way = right_of_way.response.get(j, 0) >> k & 1
                if gives_way or right_of_way.foes.get(j, 0) >> k & 1 or right_of_way.foes.get(k, 0) >> j & 1:
                    foes[m].append(n)
                if gives_way:
                    yields[m].append(n)
        return foes, yields

    def network(self, programs: Sequence[Program], links: dict[str, list[Link]]) -> Network:
        """Put everything into one struct of arrays."""
        owner = np.full(len(self.movements), -1, dtype=np.int32)
        lamp = np.full(len(self.movements), -1, dtype=np.int32)
        for i, program in enumerate(programs):
            for link in links[program.signal]:
                if link.movement >= 0:
                    owner[link.movement], lamp[link.movement] = i, link.lamp
        edges = list(dict.fromkeys(lane.edge for lane in self.lanes))
        edge_number = {edge: e for e, edge in enumerate(edges)}
        source = np.array([movement.source for movement in self.movements], dtype=np.int32)
        target = np.array([movement.target for movement in self.movements], dtype=np.int32)
        ways = [movement.connection for movement in self.movements]
        foes, yields = self._right_of_way()
        foe_ptr, foe = csr(foes)
        yield_ptr, yield_ = csr(yields)
        corners = [point for lane in self.lanes for point in lane.shape]
        return Network(
            lane_id=tuple(lane.name for lane in self.lanes),
            edge_id=tuple(edges),
            intersection_id=tuple(program.signal for program in programs),
            lane_edge=np.array([edge_number[lane.edge] for lane in self.lanes], dtype=np.int32),
            lane_length=np.array([lane.length for lane in self.lanes], dtype=np.float64),
            lane_speed=np.array([lane.speed for lane in self.lanes], dtype=np.float64),
            lane_general=np.array(["passenger" in lane.classes for lane in self.lanes], dtype=np.bool_),
            move_from=source,
            move_to=target,
            move_intersection=owner,
            move_lamp=lamp,
            move_turn=np.array([_turn(way) for way in ways], dtype=np.int32),
            move_length=np.array([self.path_length(way) for way in ways], dtype=np.float64),
            move_foe_ptr=foe_ptr,
            move_foe=foe,
            move_yield_ptr=yield_ptr,
            move_yield=yield_,
            lane_shape_ptr=np.concatenate([[0], np.cumsum([len(lane.shape) for lane in self.lanes])]).astype(np.int32),
            lane_shape=np.array(corners, dtype=np.float64).reshape(len(corners), 2),
            **derived_tables(len(self.lanes), source, target, owner, len(programs)),
        )


def _turn(connection: FileConnection) -> Turn:
    return TURNS.get(connection.direction.lower(), Turn.STRAIGHT)


def _heading(lane: FileLane) -> float:
    """Direction in which a lane ends [rad]; NaN where its shape says nothing."""
    if len(lane.shape) < 2:
        return math.nan
    (x0, y0), (x1, y1) = lane.shape[-2:]
    return math.atan2(y1 - y0, x1 - x0)
