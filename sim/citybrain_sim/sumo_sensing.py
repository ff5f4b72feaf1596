"""Reads loops and cameras' fields of sight from a running SUMO: what happened, before any sensor error.

``api`` is libsumo or a traci connection; callers hold :meth:`SumoSession.talking` around every call.

Plain getters: in libsumo they are about twice as fast as subscriptions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from citybrain.observations import CAMERAS, SensorKind
from citybrain.units import QUEUE_SPEED
from citybrain_sim.sensor_model import Sight
from citybrain_sim.sensors import feelers
from citybrain_sim.sumo_files import loop_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.network import Network
    from citybrain.observations import SensorTable

DISORDER = 20.0
"""SUMO lists the vehicles of a lane in order of position, give or take this [m] (overtaking within a lane)."""


class LoopReader:
    """Turns the vehicles on SUMO's induction loops (one per feeler) into edges: covered, left, covered, left."""

    def __init__(self, api: Any, sensors: SensorTable) -> None:
        loops = feelers(sensors).number.tolist()
        self._loops = [(x, loop_name(x)) for x in loops]
        self._api = api
        self._on: list[dict[str, float]] = [{} for _ in loops]
        """Vehicles over each loop, with the time at which they came [s]."""
        self._left: list[set[tuple[str, float]]] = [set() for _ in loops]
        """Visits that ended at the very end of the last step: SUMO lists them once more in the next."""

    def read(self, now: float) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]]:
        """Feeler, time [s] and covered or left of everything that happened in the step that ends ``now``.

        Call once after every step. Overlapping visits (a vehicle that changes lanes onto the loop) are one pulse.
        """
        sensor: list[int] = []
        time: list[float] = []
        on: list[bool] = []
        get = self._api.inductionloop.getVehicleData
        for k, (x, name) in enumerate(self._loops):
            visits = get(name)
            if visits or self._on[k]:
                for moment, covered in self._edges(k, visits, now):
                    sensor.append(x)
                    time.append(moment)
                    on.append(covered)
        return np.array(sensor, dtype=np.int64), np.array(time, dtype=np.float64), np.array(on, dtype=np.bool_)

    def _edges(self, k: int, visits: Any, now: float) -> list[tuple[float, bool]]:
        over, left = self._on[k], self._left[k]
        count = len(over)
        changes: list[tuple[float, int]] = []
        listed = set()
        self._left[k] = set()
        for vehicle, _length, entry, leave, _type in visits:
            if (vehicle, entry) in left:
                continue
            listed.add(vehicle)
            if vehicle not in over:
                changes.append((entry, 1))
                over[vehicle] = entry
            if leave >= 0:
                changes.append((leave, -1))
                del over[vehicle]
                if leave >= now:
                    self._left[k].add((vehicle, entry))
        for vehicle in [name for name in over if name not in listed]:
            changes.append((now, -1))
            del over[vehicle]
        edges: list[tuple[float, bool]] = []
        for moment, step in sorted(changes, key=lambda change: change[0]):
            count += step
            if (step > 0 and count == 1) or (step < 0 and count == 0):
                edges.append((moment, step > 0))
        return edges


@dataclass(frozen=True)
class _WatchedLane:
    name: str
    length: float
    reach: float
    """Distance to the end of the lane that the furthest-seeing camera reaches [m]."""
    covers: tuple[tuple[int, float], ...]
    """Rows of the cover table, and how far each reaches."""


class _Way(NamedTuple):
    """A lane inside an intersection, the row of the cover table that it starts from, and metres from that stop line."""

    name: str
    cover: int
    beyond: float


class CameraReader:
    """Lists the vehicles within reach of the cameras of one kind."""

    def __init__(self, api: Any, sensors: SensorTable, network: Network, kind: SensorKind = SensorKind.CAMERA) -> None:
        self._api = api
        self._rows = len(sensors.cover_lane)
        self._vehicles: dict[str, tuple[int, float]] = {}
        """Number and length [m] of every vehicle ever seen."""
        covers: dict[int, list[tuple[int, float]]] = {}
        for x in np.flatnonzero(sensors.kind == kind).tolist():
            for c in range(sensors.cover_ptr[x], sensors.cover_ptr[x + 1]):
                reach = float(sensors.distance[x] - sensors.cover_offset[c])
                covers.setdefault(int(sensors.cover_lane[c]), []).append((c, reach))
        self._lanes = [
            _WatchedLane(
                network.lane_id[l], float(network.lane_length[l]), max(reach for _, reach in rows), tuple(rows)
            )
            for l, rows in sorted(covers.items())
        ]
        self._ways = [
            way
            for l, rows in sorted(covers.items())
            if kind == SensorKind.CAMERA and network.lane_approach[l] >= 0
            for way in _ways(api, network.lane_id[l], rows[0][0])
        ]

    def read(self) -> Sight:
        """See what is there now."""
        api = self._api
        listed, position, speed = api.lane.getLastStepVehicleIDs, api.vehicle.getLanePosition, api.vehicle.getSpeed
        rows: list[tuple[int, int, float, float, float]] = []
        for lane in self._lanes:
            for name in reversed(listed(lane.name)):
                distance = lane.length - position(name)
                if distance > lane.reach + DISORDER:
                    break
                number, length = self._vehicles.get(name) or self._meet(name)
                rows.extend(
                    (cover, number, distance, speed(name), length) for cover, reach in lane.covers if distance <= reach
                )
        return _sight(rows)

    def read_inside(self) -> Sight:
        """See who has crossed the watched stop lines and is still in the intersection; distances are below 0."""
        api = self._api
        listed, position, speed = api.lane.getLastStepVehicleIDs, api.vehicle.getLanePosition, api.vehicle.getSpeed
        rows: list[tuple[int, int, float, float, float]] = []
        for way in self._ways:
            for vehicle in listed(way.name):
                number, length = self._vehicles.get(vehicle) or self._meet(vehicle)
                rows.append((way.cover, number, -way.beyond - position(vehicle), speed(vehicle), length))
        return _sight(rows)

    def queues(self) -> NDArray[np.float64]:
        """Count the vehicles [C] that are queued now, by row of the cover table."""
        sight = self.read()
        queued = np.bincount(sight.cover[sight.speed < QUEUE_SPEED], minlength=self._rows)
        return queued.astype(np.float64)

    def _meet(self, name: str) -> tuple[int, float]:
        vehicle = (len(self._vehicles), float(self._api.vehicle.getLength(name)))
        self._vehicles[name] = vehicle
        return vehicle


def _ways(api: Any, lane: str, cover: int) -> list[_Way]:
    """Lanes inside the intersection that begin at the end of a lane, and those that these lead to."""
    found: dict[str, _Way] = {}
    ahead = [(lane, 0.0)]
    for name, beyond in ahead:
        for link in api.lane.getLinks(name):
            inside = link[4]
            if inside and inside not in found:
                found[inside] = _Way(inside, cover, beyond)
                ahead.append((inside, beyond + float(api.lane.getLength(inside))))
    return list(found.values())


def _sight(rows: list[tuple[int, int, float, float, float]]) -> Sight:
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 5).T
    return Sight(columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2], columns[3], columns[4])


class TurnReader:
    """Lists who crossed the stop lines that cameras watch, and the road that they went to."""

    def __init__(self, api: Any, sensors: SensorTable, network: Network) -> None:
        self._api = api
        watching = np.repeat(np.isin(sensors.kind, CAMERAS), np.diff(sensors.cover_ptr))
        lanes = np.unique(sensors.cover_lane[watching])
        lanes = lanes[network.lane_approach[lanes] >= 0]
        self._lanes = [(l, network.lane_id[l], network.edge_id[network.lane_edge[l]]) for l in lanes.tolist()]
        self._there: list[tuple[str, ...]] = [() for _ in self._lanes]
        self._road = {name: e for e, name in enumerate(network.edge_id)}

    def read(self) -> list[tuple[int, int]]:
        """Lane and road of everybody who crossed in the last step. Call once after every step."""
        listed = self._api.lane.getLastStepVehicleIDs
        crossed = []
        for k, (lane, name, edge) in enumerate(self._lanes):
            before, self._there[k] = self._there[k], listed(name)
            if before and before != self._there[k]:
                here = set(self._there[k])
                roads = (self._went_to(vehicle, edge) for vehicle in before if vehicle not in here)
                crossed += [(lane, road) for road in roads if road >= 0]
        return crossed

    def _went_to(self, vehicle: str, edge: str) -> int:
        """Road that a vehicle takes after a road; -1 if it is still there, has ended its trip or was taken away."""
        api = self._api
        if vehicle in api.simulation.getArrivedIDList() or vehicle in api.simulation.getStartingTeleportIDList():
            return -1
        if api.vehicle.getRoadID(vehicle) == edge:
            return -1
        route, at = api.vehicle.getRoute(vehicle), api.vehicle.getRouteIndex(vehicle)
        while at >= 0 and route[at] != edge:
            at -= 1
        return self._road.get(route[at + 1], -1) if 0 <= at < len(route) - 1 else -1
