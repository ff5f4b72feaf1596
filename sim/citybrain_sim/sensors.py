"""Sensors placed in a network as a profile says. Reads the brain's ``Network``; knows no simulator.

Index letters: x sensors, l lanes, m movements, a stop-line lanes, c rows of the cameras' cover table.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from citybrain.errors import ProfileError
from citybrain.network import Network, csr
from citybrain.observations import SensorKind, SensorTable
from citybrain.randomness import generator
from citybrain_sim.sensor_profiles import SensorProfile, load_sensor_profile

__all__ = ["Detector", "Feelers", "SensorProfile", "feelers", "load_sensor_profile", "place"]

STOP_LOOP_DISTANCE = 2.0
"""From a stop loop to the stop line [m]: the middle of a loop of 2 m whose downstream edge lies 1 m before the line.

SUMO's loops are points, and its vehicles come to rest with their fronts 1.0 m before the line: a point at the
downstream edge would not feel the first vehicle of a queue.
"""
ADVANCE_LOOP_DISTANCE = 60.0
"""From an advance loop to the stop line [m], where the lane is that long."""
LANE_START = 0.5
"""A loop at the start of a lane lies this far into it [m], so that vehicles that appear there are felt."""
EXIT_LOOP_BEYOND = 5.0
"""From the start of a lane that leaves an intersection to its exit loop [m], where the lane is twice as long."""
EXIT_LOOPS_SHARE = 1 / 3
"""Share of the roads that leave an intersection with exit loops, in a mixed profile."""
EQUIPMENTS: tuple[frozenset[SensorKind], ...] = (
    frozenset({SensorKind.STOP_LOOP, SensorKind.ADVANCE_LOOP}),
    frozenset({SensorKind.STOP_LOOP}),
    frozenset({SensorKind.CAMERA}),
    frozenset({SensorKind.COUNT_LOOP}),
    frozenset({SensorKind.CAMERA_COUNT}),
    frozenset(),
)
"""What an approach may have in a mixed profile; each as often as the others."""
STOP_LOOP_REACH = 10.0
"""A scenario's own detector that is nearer to the stop line than this [m] counts as a stop loop."""


@dataclass(frozen=True)
class Detector:
    """A detector that a scenario brings.

    Attributes
    ----------
    name : its id in the scenario.
    lane : row in the network's lane table.
    distance : to the end of that lane [m].
    """

    name: str
    lane: int
    distance: float


@dataclass(frozen=True)
class _Sensor:
    name: str
    kind: SensorKind
    lane: int
    distance: float
    road: int
    """Row in the table of roads."""
    cover: tuple[tuple[float, int], ...] = ()
    """Cameras: (offset [m], lane), ascending."""


@dataclass(frozen=True)
class Feelers:
    """Points on lanes where it is felt when a vehicle comes and goes: loops, and the stop lines that cameras count at.

    Attributes
    ----------
    number : [K] of a loop its row in the sensor table; of a lane that a camera counts the number of sensors plus its
        row in the cover table.
    lane, distance : [K] row in the lane table, and the way from there to the end of the lane [m].
    """

    number: NDArray[np.int64]
    lane: NDArray[np.int64]
    distance: NDArray[np.float64]


def feelers(sensors: SensorTable) -> Feelers:
    """List where a plant must feel vehicles for these sensors."""
    camera = np.repeat(sensors.kind, np.diff(sensors.cover_ptr)) == SensorKind.CAMERA_COUNT
    loops, rows = np.flatnonzero(sensors.lane >= 0), np.flatnonzero(camera)
    return Feelers(
        number=np.concatenate((loops, len(sensors.sensor_id) + rows)),
        lane=np.concatenate((sensors.lane[loops], sensors.cover_lane[rows])).astype(np.int64),
        distance=np.concatenate((sensors.distance[loops], np.full(len(rows), STOP_LOOP_DISTANCE))),
    )


def place(network: Network, profile: SensorProfile, detectors: Sequence[Detector] = ()) -> SensorTable:
    """Build the sensors of a profile, kind by kind, the scenario's own loops last.

    Parameters
    ----------
    detectors : those that the scenario brings; used only by profiles with ``scenario_loops``.

    Raises
    ------
    ProfileError
        If the profile asks for the scenario's own detectors and there are none.
    """
    if profile.scenario_loops and not detectors:
        raise ProfileError(
            f"sensor profile {profile.name!r} uses the induction loops that the scenario brings, but its additional "
            "files hold none; choose another profile, such as 'default'"
        )
    sensors: list[_Sensor] = []
    if profile.stop_loops:
        sensors += _loops(network, SensorKind.STOP_LOOP, "stop", STOP_LOOP_DISTANCE)
    if profile.advance_loops:
        sensors += _loops(network, SensorKind.ADVANCE_LOOP, "advance", ADVANCE_LOOP_DISTANCE)
    if profile.cameras:
        sensors += _cameras(network, profile.sight_m)
    if profile.exit_loops:
        sensors += _exit_loops(network)
    if profile.count_loops:
        sensors += _loops(network, SensorKind.COUNT_LOOP, "count", ADVANCE_LOOP_DISTANCE)
    if profile.camera_counts:
        sensors += _counting_cameras(network, profile.sight_m)
    if profile.mixed:
        sensors = _mixed(network, sensors)
    if profile.scenario_loops:
        sensors += [_scenario_loop(network, detector) for detector in detectors]
    cover_ptr, cover_lane = csr([[lane for _, lane in sensor.cover] for sensor in sensors])
    return SensorTable(
        sensor_id=tuple(sensor.name for sensor in sensors),
        kind=np.array([sensor.kind for sensor in sensors], dtype=np.uint8),
        lane=np.array([sensor.lane for sensor in sensors], dtype=np.int32),
        distance=np.array([sensor.distance for sensor in sensors], dtype=np.float64),
        cover_ptr=cover_ptr,
        cover_lane=cover_lane,
        cover_offset=np.array([offset for sensor in sensors for offset, _ in sensor.cover], dtype=np.float64),
    )


def _loops(network: Network, kind: SensorKind, word: str, distance: float) -> list[_Sensor]:
    sensors = []
    for lane in network.approach_lane.tolist():
        length = float(network.lane_length[lane])
        furthest = length - min(LANE_START, length / 2)
        road = int(network.lane_edge[lane])
        sensors.append(_Sensor(f"{word}:{network.lane_id[lane]}", kind, lane, min(distance, furthest), road))
    return sensors


def _exit_loops(network: Network) -> list[_Sensor]:
    sensors = []
    for lane in np.unique(network.move_to[network.move_intersection >= 0]).tolist():
        length, road = float(network.lane_length[lane]), int(network.lane_edge[lane])
        distance = length - min(EXIT_LOOP_BEYOND, length / 2)
        sensors.append(_Sensor(f"exit:{network.lane_id[lane]}", SensorKind.EXIT_LOOP, lane, distance, road))
    return sensors


def _cameras(network: Network, sight: float) -> list[_Sensor]:
    sensors = []
    for i, edge, _ in _approaches(network):
        name = f"camera:{network.intersection_id[i]}:{network.edge_id[edge]}"
        sensors.append(_Sensor(name, SensorKind.CAMERA, -1, sight, edge, _cover(network, edge, sight)))
    return sensors


def _counting_cameras(network: Network, sight: float) -> list[_Sensor]:
    sensors = []
    for i, edge, lanes in _approaches(network):
        name = f"camera-count:{network.intersection_id[i]}:{network.edge_id[edge]}"
        cover = tuple((0.0, lane) for lane in lanes)
        sensors.append(_Sensor(name, SensorKind.CAMERA_COUNT, -1, sight, edge, cover))
    return sensors


def _approaches(network: Network) -> Iterator[tuple[int, int, list[int]]]:
    """Intersection, road and stop-line lanes of every approach."""
    for i in range(network.n_intersections):
        stop_lanes = network.approach_lane[network.approach_ptr[i] : network.approach_ptr[i + 1]]
        roads = network.lane_edge[stop_lanes]
        for edge in np.unique(roads).tolist():
            yield i, edge, stop_lanes[roads == edge].tolist()


def _mixed(network: Network, sensors: Sequence[_Sensor]) -> list[_Sensor]:
    """Leave every road only what it has: the same on every run, since nobody digs up streets between two runs."""
    kept = []
    for sensor in sensors:
        name = network.edge_id[sensor.road]
        if sensor.kind == SensorKind.EXIT_LOOP:
            built = bool(generator(0, f"exit loops of {name}").random() < EXIT_LOOPS_SHARE)
        else:
            built = sensor.kind in EQUIPMENTS[generator(0, f"equipment of {name}").integers(len(EQUIPMENTS))]
        if built:
            kept.append(sensor)
    return kept


def _cover(network: Network, edge: int, sight: float) -> tuple[tuple[float, int], ...]:
    """Lanes whose end is less than ``sight`` upstream of the road's stop line, along unsignalised movements.

    All lanes of the road itself have offset 0; of several paths to a lane the shortest counts.
    """
    offsets: dict[int, float] = {}
    heap = [(0.0, int(lane)) for lane in np.flatnonzero(network.lane_edge == edge)]
    while heap:
        offset, lane = heapq.heappop(heap)
        if lane in offsets:
            continue
        offsets[lane] = offset
        for m in network.lane_feed[network.lane_feed_ptr[lane] : network.lane_feed_ptr[lane + 1]].tolist():
            further = offset + float(network.lane_length[lane] + network.move_length[m])
            if network.move_intersection[m] < 0 and further < sight:
                heapq.heappush(heap, (further, int(network.move_from[m])))
    return tuple(sorted((offset, lane) for lane, offset in offsets.items()))


def _scenario_loop(network: Network, detector: Detector) -> _Sensor:
    at_stop_line = network.lane_approach[detector.lane] >= 0 and detector.distance <= STOP_LOOP_REACH
    kind = SensorKind.STOP_LOOP if at_stop_line else SensorKind.ADVANCE_LOOP
    return _Sensor(detector.name, kind, detector.lane, detector.distance, int(network.lane_edge[detector.lane]))
