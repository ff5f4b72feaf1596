"""A small street of Poisson traffic at a signal, and what healthy sensors report of it; faults are made of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from citybrain.decisions import LampState
from citybrain.network import csr
from citybrain.observations import ObservationBatch, SensorKind, SensorTable
from citybrain.signals import Aspect

CYCLE, GREEN = 60, 30
LANES = (0, 2)
SHORTEST, OPEN = 1.8, 2.0
"""Headways of the densest traffic [s]: the shortest, and what is added on average."""
STOP, ADVANCE, CAMERA = SensorKind.STOP_LOOP, SensorKind.ADVANCE_LOOP, SensorKind.CAMERA
ALL = (STOP, ADVANCE, CAMERA)
Fault = Callable[[ObservationBatch], ObservationBatch]


def street_sensors(kinds: tuple[SensorKind, ...] = ALL) -> SensorTable:
    """The given kinds on both approaches of the small world, approach by approach."""
    sensors = [(lane, kind) for lane in LANES for kind in kinds]
    cover_ptr, cover_lane = csr([[lane] if kind == CAMERA else [] for lane, kind in sensors])
    return SensorTable(
        sensor_id=tuple(f"{kind.name.lower()}:{lane}" for lane, kind in sensors),
        kind=np.array([kind for _, kind in sensors], np.uint8),
        lane=np.array([-1 if kind == CAMERA else lane for lane, kind in sensors], np.int32),
        distance=np.array([{STOP: 2.0, ADVANCE: 60.0, CAMERA: 80.0}[kind] for _, kind in sensors]),
        cover_ptr=cover_ptr,
        cover_lane=cover_lane,
        cover_offset=np.zeros(len(cover_lane)),
    )


def light(time: int, lane: int) -> tuple[Aspect, int]:
    """Aspect of the lane's group at a second, and since when."""
    phase = (time + (CYCLE // 2 if lane == LANES[1] else 0)) % CYCLE
    green = phase < GREEN
    return (Aspect.PROTECTED if green else Aspect.RED), time - (phase if green else phase - GREEN)


def street_lamps(time: int) -> LampState:
    """What both groups show."""
    shown = [light(time, lane) for lane in LANES]
    aspect = np.array([a for a, _ in shown], np.uint8)
    since = np.array([10 * s for _, s in shown], np.int64)
    return LampState(10 * time, np.zeros(1, np.int32), np.zeros(1, np.bool_), np.zeros(1, np.int64), aspect, since)


def green_at(time: float, lane: int) -> float:
    """First moment of green from ``time`` on."""
    phase = (time + (CYCLE / 2 if lane == LANES[1] else 0)) % CYCLE
    return time if phase < GREEN else time + CYCLE - phase


@dataclass
class Vehicle:
    """Passes the advance loop, reaches the line or the queue, leaves."""

    crosses: float
    arrives: float
    leaves: float


def drive(arrivals: list[float], lane: int) -> list[Vehicle]:
    """First in, first out, 2 s apart at least."""
    vehicles: list[Vehicle] = []
    last = -10.0
    for t in arrivals:
        last = green_at(max(t + 6.0, last + 2.0), lane)
        vehicles.append(Vehicle(t, t + 6.0, last))
    return vehicles


@dataclass
class Traffic:
    """Arrivals of both lanes from ``begin`` to ``end`` [s], and what healthy sensors say of them.

    ``flow(lane, time)`` is the rate [veh/s]. Loops miss 2 % and double 1 %, cameras miss 5 % of objects in a frame.
    """

    flow: Callable[[int, float], float]
    end: int
    kinds: tuple[SensorKind, ...] = ALL
    seed: int = 1
    begin: int = 0
    vehicles: dict[int, list[Vehicle]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.table = street_sensors(self.kinds)
        for lane in LANES:
            self.vehicles[lane] = drive(self._arrivals(lane), lane)
        self._events = self._loop_events()

    def _arrivals(self, lane: int) -> list[float]:
        """Thinned Poisson arrivals, 1.8 s apart at least."""
        times, t = [], float(self.begin)
        while t < self.end:
            t += SHORTEST + self.rng.exponential(OPEN)
            if self.rng.random() < self.flow(lane, t) * (SHORTEST + OPEN):
                times.append(t)
        return times

    def _number(self, lane: int, kind: SensorKind) -> int:
        return LANES.index(lane) * len(self.kinds) + self.kinds.index(kind)

    def _loop_events(self) -> list[tuple[float, int, float, bool]]:
        """(arrival in the engine, sensor, time, on), sorted."""
        events = []
        for lane, vehicles in self.vehicles.items():
            free = -10.0
            for v in vehicles:
                for kind in (STOP, ADVANCE):
                    if kind not in self.kinds:
                        continue
                    x = self._number(lane, kind)
                    on = v.crosses if kind == ADVANCE else max(v.arrives - 0.2, free)
                    off = on + 0.5 if kind == ADVANCE else max(v.leaves + 0.3, on + 0.4)
                    draw = self.rng.random()
                    if draw >= 0.02:
                        events += [(x, on, True), (x, off, False)]
                    if draw > 0.99:
                        events += [(x, off + 0.2, True), (x, off + 0.35, False)]
                free = v.leaves + 0.9
        return sorted((t + 0.3, x, t, on) for x, t, on in events)

    def _objects(self, lane: int, time: float, near: list[Vehicle]) -> Iterator[tuple[float, float]]:
        """(distance, speed) of the vehicles that a camera sees on a lane."""
        waiting = 0
        for v in near:
            if time < v.crosses or time >= v.leaves:
                continue
            if time >= v.leaves - 2.0 and v.leaves > v.arrives + 2.0:
                distance, speed = (v.leaves - time) * 7.0, 7.0
            elif time < v.arrives:
                distance, speed = max((v.arrives - time) * 10.0, 7.5 * waiting), 10.0
            else:
                distance, speed = 1.0 + 7.5 * waiting, 0.0
                waiting += 1
            if self.rng.random() > 0.05:
                yield distance, speed

    def batches(self) -> Iterator[ObservationBatch]:
        """One batch a second."""
        at = 0
        first = dict.fromkeys(LANES, 0)
        for time in range(self.begin, self.end):
            rows = []
            while at < len(self._events) and self._events[at][0] <= time:
                rows.append(self._events[at][1:])
                at += 1
            seen = []
            cameras = []
            for lane in LANES if CAMERA in self.kinds else ():
                vehicles = self.vehicles[lane]
                while first[lane] < len(vehicles) and vehicles[first[lane]].leaves < time - 1:
                    first[lane] += 1
                near = vehicles[first[lane] : first[lane] + 30]
                x = self._number(lane, CAMERA)
                cameras.append(x)
                seen += [(x, lane, d, s) for d, s in self._objects(lane, time - 0.5, near)]
            yield batch_of(time, rows, cameras, seen)


def batch_of(
    time: int, rows: list[tuple[int, float, bool]], cameras: list[int], seen: list[tuple[int, int, float, float]]
) -> ObservationBatch:
    """Columns; frames and objects are half a second old."""
    n = len(seen)
    return ObservationBatch(
        time=10 * time,
        loop_sensor=np.array([x for x, _, _ in rows], np.int32),
        loop_time=np.array([t for _, t, _ in rows], np.float64),
        loop_on=np.array([on for _, _, on in rows], np.bool_),
        frame_sensor=np.array(cameras, np.int32),
        frame_time=np.full(len(cameras), time - 0.5),
        object_sensor=np.array([x for x, _, _, _ in seen], np.int32),
        object_time=np.full(n, time - 0.5),
        object_lane=np.array([lane for _, lane, _, _ in seen], np.int32),
        object_distance=np.array([d for _, _, d, _ in seen], np.float32),
        object_speed=np.array([s for _, _, _, s in seen], np.float32),
        object_confidence=np.full(n, 0.9, np.float32),
    )


def without_loops(batch: ObservationBatch, gone: np.ndarray) -> ObservationBatch:
    """The batch without some of its loop events."""
    return replace(
        batch,
        loop_sensor=batch.loop_sensor[~gone],
        loop_time=batch.loop_time[~gone],
        loop_on=batch.loop_on[~gone],
    )


def with_loops(batch: ObservationBatch, rows: list[tuple[int, float, bool]]) -> ObservationBatch:
    """The batch with more loop events."""
    return replace(
        batch,
        loop_sensor=np.append(batch.loop_sensor, [x for x, _, _ in rows]).astype(np.int32),
        loop_time=np.append(batch.loop_time, [t for _, t, _ in rows]),
        loop_on=np.append(batch.loop_on, [on for _, _, on in rows]).astype(np.bool_),
    )


def with_objects(batch: ObservationBatch, kept: np.ndarray, moved: float = 0.0) -> ObservationBatch:
    """The batch with some of its objects, moved away from the line."""
    columns = {
        name: getattr(batch, f"object_{name}")[kept] for name in ("sensor", "time", "lane", "speed", "confidence")
    }
    distance = (batch.object_distance[kept] + moved).astype(np.float32)
    return replace(batch, object_distance=distance, **{f"object_{name}": value for name, value in columns.items()})


def without_frames(batch: ObservationBatch, x: int) -> ObservationBatch:
    """The batch without one camera's frames and objects."""
    kept = batch.frame_sensor != x
    left = with_objects(batch, batch.object_sensor != x)
    return replace(left, frame_sensor=batch.frame_sensor[kept], frame_time=batch.frame_time[kept])
