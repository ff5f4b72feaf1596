"""The sensor model: what happened on the street becomes what sensors report of it, late and with errors.

Seeded by the generator that is passed in; vectorised over everything that happens in a tick. Loops, cameras, counts and
turning counts draw from generators of their own, so that the errors of one do not move with the number of the other.
Index letters: x sensors, c rows of the cameras' cover table, v vehicles in sight, f frames, e loop edges.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.observations import ObservationBatch, SensorKind
from citybrain.units import QUEUE_SPEED, TENTHS_PER_SECOND
from citybrain_sim.count_model import CountModel
from citybrain_sim.mailbox import Mailbox
from citybrain_sim.turn_model import TurnModel

if TYPE_CHECKING:
    from citybrain.network import Network
    from citybrain.observations import SensorTable
    from citybrain_sim.sensor_profiles import CameraNoise, LoopNoise, SensorProfile

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DOUBLE_GAP = (0.1, 0.3)
"""A second, short pulse begins this long after the end of the first [s], shortest and longest."""
DOUBLE_LENGTH = (0.05, 0.2)
"""How long such a pulse lasts [s], shortest and longest."""
SHORTEST_PULSE = 0.01
"""Edge noise never turns a pulse around; it lasts at least this long [s]."""
NEAREST_INSIDE = 0.1
"""Who is reported inside an intersection is at least this far beyond the stop line [m]."""
HIGHEST_MISS = 0.95
"""A miss probability that grows with distance ends here."""


@dataclass(frozen=True)
class Sight:
    """Vehicles within reach of cameras at one moment, as they are. One row per vehicle and camera.

    Attributes
    ----------
    cover : [V] row of the cameras' cover table (camera and lane).
    vehicle : [V] number of the vehicle, the same for all its life.
    distance : [V] from its front to the end of the lane [m]; below 0 once it has crossed the stop line.
    speed, length : [V] [m/s], [m].
    """

    cover: IntArray
    vehicle: IntArray
    distance: FloatArray
    speed: FloatArray
    length: FloatArray


class LoopModel:
    """Pulses of loops: some missed, some doubled, their edges blurred, all of them late."""

    def __init__(self, n_sensors: int, noise: LoopNoise, rng: np.random.Generator) -> None:
        self._noise = noise
        self._rng = rng
        self._missed = np.zeros(n_sensors, dtype=np.bool_)
        self._reported_on = np.zeros(n_sensors)
        self._mail = Mailbox(np.int32, np.float64, np.bool_)

    def feel(self, sensor: IntArray, time: FloatArray, on: NDArray[np.bool_]) -> None:
        """Take in true edges [E]: per sensor in order of time, covered and left in turn; sensors in any order."""
        if not len(sensor):
            return
        order = np.lexsort((np.arange(len(sensor)), sensor))
        sensor, time, on = sensor[order], time[order], on[order]
        blurred = time + self._noise.edge_sd_s * self._rng.standard_normal(len(time))
        miss = self._rng.random(len(time)) < self._noise.missed
        double = self._rng.random(len(time)) < self._noise.doubled
        begins_here = np.zeros(len(on), dtype=np.bool_)
        begins_here[1:] = (sensor[1:] == sensor[:-1]) & on[:-1]
        before = np.maximum(np.arange(len(on)) - 1, 0)
        missed = np.where(on, miss, np.where(begins_here, miss[before], self._missed[sensor]))
        started = np.where(begins_here, blurred[before], self._reported_on[sensor])
        blurred = np.where(on, blurred, np.maximum(blurred, started + SHORTEST_PULSE))
        self._missed[sensor[on]] = miss[on]
        self._reported_on[sensor[on]] = blurred[on]
        self._send(sensor[~missed], blurred[~missed], on[~missed])
        doubled = double & ~missed & ~on
        if doubled.any():
            self._double(sensor[doubled], blurred[doubled])

    def _double(self, sensor: IntArray, left: FloatArray) -> None:
        start = left + self._rng.uniform(*DOUBLE_GAP, len(sensor))
        end = start + self._rng.uniform(*DOUBLE_LENGTH, len(sensor))
        self._send(sensor, start, np.ones(len(sensor), dtype=np.bool_))
        self._send(sensor, end, np.zeros(len(sensor), dtype=np.bool_))

    def _send(self, sensor: IntArray, time: FloatArray, on: NDArray[np.bool_]) -> None:
        self._mail.post(time + self._noise.latency_s, sensor, time, on)

    def collect(self, time: float) -> tuple[NDArray[np.generic], ...]:
        """Sensor, time [s] and covered or left of the edges that have arrived by ``time`` [s]."""
        return self._mail.collect(time)


@dataclass
class _Missed:
    """Vehicles by camera as numbers in order, and which of them were missed in the last frame."""

    keys: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    missed: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))


class CameraModel:
    """Frames of cameras: objects missed for a while, misplaced, on the wrong lane, or not there at all."""

    def __init__(
        self,
        network: Network,
        sensors: SensorTable,
        noise: CameraNoise,
        sight: float,
        rng: np.random.Generator,
        inside_rng: np.random.Generator,
    ) -> None:
        self._noise = noise
        self._rng = rng
        self._inside_rng = inside_rng
        self._sight = sight
        self._cameras = np.flatnonzero(sensors.kind == SensorKind.CAMERA)
        rows = np.diff(sensors.cover_ptr)[self._cameras]
        number = np.full(len(sensors.sensor_id), -1, dtype=np.int64)
        number[self._cameras] = np.arange(len(self._cameras))
        self._camera = np.repeat(number, np.diff(sensors.cover_ptr))
        self._first_row = sensors.cover_ptr[self._cameras].astype(np.int64)
        self._rows = rows
        self._lane = sensors.cover_lane.astype(np.int64)
        self._offset = sensors.cover_offset
        self._lane_length = network.lane_length[self._lane]
        self._lane_speed = network.lane_speed[self._lane]
        self._beside = _rows_beside(network, self._camera, self._lane)
        self._blind_until = np.full(len(self._cameras), -np.inf)
        self._missed_before, self._missed_inside = _Missed(), _Missed()
        self._frames = Mailbox(np.int32, np.float64)
        self._objects = Mailbox(np.int32, np.float64, np.int32, np.float32, np.float32, np.float32)

    def look(self, time: float, tick: float, sight: Sight, inside: Sight) -> None:
        """Take one frame per camera at ``time`` [s], ``tick`` seconds after the last one.

        ``sight`` : who is upstream of the stop lines. ``inside`` : who has crossed them and is in the intersection.
        """
        if not len(self._cameras):
            return
        alive = self._alive(time, tick)
        latency = self._rng.uniform(self._noise.latency_min_s, self._noise.latency_max_s, len(self._cameras))
        arrival = time + latency
        times = np.full(len(self._cameras), time)
        self._frames.post(arrival[alive], self._cameras[alive], times[alive])
        chance = self._miss_chance(sight)
        seen = ~self._missed(tick, sight, chance, self._missed_before, self._rng) & alive[self._camera[sight.cover]]
        self._report(arrival, time, *self._blur(sight, chance, seen))
        self._report(arrival, time, *self._false_objects(alive))
        near = np.full(len(inside.cover), self._noise.missed_near)
        missed = self._missed(tick, inside, near, self._missed_inside, self._inside_rng)
        seen = ~missed & alive[self._camera[inside.cover]]
        self._report(arrival, time, *self._blur_inside(inside, seen))

    def collect_frames(self, time: float) -> tuple[NDArray[np.generic], ...]:
        """Sensor and time [s] of the frames that have arrived by ``time`` [s]."""
        return self._frames.collect(time)

    def collect_objects(self, time: float) -> tuple[NDArray[np.generic], ...]:
        """Sensor, time, lane, distance, speed, confidence of the objects that have arrived by ``time`` [s]."""
        return self._objects.collect(time)

    def _alive(self, time: float, tick: float) -> NDArray[np.bool_]:
        noise = self._noise
        if noise.blind_every_s > 0:
            draw = self._rng.random(len(self._cameras)) < tick / noise.blind_every_s
            until = time + self._rng.uniform(noise.blind_min_s, noise.blind_max_s, len(self._cameras))
            fails = draw & (self._blind_until <= time)
            self._blind_until[fails] = until[fails]
        return self._blind_until <= time

    def _miss_chance(self, sight: Sight) -> FloatArray:
        """Stationary chance [V] that a vehicle is missed: distance, and what stands right before it."""
        noise = self._noise
        distance = self._offset[sight.cover] + sight.distance
        chance = noise.missed_near + (noise.missed_far - noise.missed_near) * distance / noise.far_m
        order = np.lexsort((sight.distance, sight.cover))
        leader, follower = order[:-1], order[1:]
        gap = sight.distance[follower] - sight.distance[leader] - sight.length[leader]
        near = (sight.cover[follower] == sight.cover[leader]) & (gap < noise.occluded_gap_m)
        added = np.where(sight.speed[leader] < QUEUE_SPEED, noise.occluded_standing, 0.0)
        added = np.where(sight.length[leader] > noise.long_vehicle_m, noise.occluded_long, added)
        chance[follower] += np.where(near, added, 0.0)
        return np.clip(chance, 0.0, HIGHEST_MISS)

    def _missed(
        self, tick: float, sight: Sight, chance: FloatArray, before: _Missed, rng: np.random.Generator
    ) -> NDArray[np.bool_]:
        """Two-state Markov chain per vehicle and camera with the given stationary chance of being missed."""
        camera = self._camera[sight.cover]
        keys = (sight.vehicle * len(self._cameras)) + camera
        leave = min(1.0, tick / self._noise.missed_time_s)
        enter = np.minimum(1.0, leave * chance / (1.0 - chance))
        threshold = chance
        if len(before.keys):
            at = np.minimum(np.searchsorted(before.keys, keys), len(before.keys) - 1)
            known = before.keys[at] == keys
            threshold = np.where(known, np.where(before.missed[at], 1.0 - leave, enter), chance)
        missed = rng.random(len(keys)) < threshold
        order = np.argsort(keys, kind="stable")
        before.keys, before.missed = keys[order], missed[order]
        return missed

    def _blur(
        self, sight: Sight, chance: FloatArray, seen: NDArray[np.bool_]
    ) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """Cover row, distance, speed and confidence of the objects made of the vehicles seen."""
        noise, rng = self._noise, self._rng
        cover = sight.cover[seen]
        n = len(cover)
        spread = noise.position_sd_m + noise.position_sd_share * (self._offset[cover] + sight.distance[seen])
        distance = sight.distance[seen] + spread * rng.standard_normal(n)
        distance = np.clip(distance, 0.0, self._lane_length[cover])
        speed = np.maximum(sight.speed[seen] + noise.speed_sd * rng.standard_normal(n), 0.0)
        side = rng.integers(0, 2, n)
        beside = self._beside[cover, side]
        beside = np.where(beside < 0, self._beside[cover, 1 - side], beside)
        wrong = (rng.random(n) < noise.wrong_lane) & (beside >= 0)
        confidence = np.clip(1.0 - chance[seen] + noise.confidence_sd * rng.standard_normal(n), 0.0, 1.0)
        return np.where(wrong, beside, cover), distance, speed, confidence

    def _blur_inside(
        self, inside: Sight, seen: NDArray[np.bool_]
    ) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        """Cover row, distance, speed and confidence of what is seen inside; nobody there is taken for upstream."""
        noise, rng = self._noise, self._inside_rng
        n = int(np.count_nonzero(seen))
        spread = noise.position_sd_m - noise.position_sd_share * inside.distance[seen]
        distance = np.minimum(inside.distance[seen] + spread * rng.standard_normal(n), -NEAREST_INSIDE)
        speed = np.maximum(inside.speed[seen] + noise.speed_sd * rng.standard_normal(n), 0.0)
        confidence = np.clip(1.0 - noise.missed_near + noise.confidence_sd * rng.standard_normal(n), 0.0, 1.0)
        return inside.cover[seen], distance, speed, confidence

    def _false_objects(self, alive: NDArray[np.bool_]) -> tuple[IntArray, FloatArray, FloatArray, FloatArray]:
        rng = self._rng
        camera = np.flatnonzero((rng.random(len(self._cameras)) < self._noise.false_object) & alive)
        n = len(camera)
        cover = self._first_row[camera] + rng.integers(0, np.maximum(self._rows[camera], 1))
        reach = np.minimum(self._sight - self._offset[cover], self._lane_length[cover])
        distance = rng.random(n) * reach
        speed = rng.random(n) * self._lane_speed[cover]
        return cover, distance, speed, rng.random(n) * self._noise.false_confidence

    def _report(
        self,
        arrival: FloatArray,
        time: float,
        cover: IntArray,
        distance: FloatArray,
        speed: FloatArray,
        confidence: FloatArray,
    ) -> None:
        camera = self._camera[cover]
        times = np.full(len(cover), time)
        self._objects.post(
            arrival[camera], self._cameras[camera], times, self._lane[cover], distance, speed, confidence
        )


def _rows_beside(network: Network, camera: IntArray, lane: IntArray) -> IntArray:
    """Cover rows [C, 2] of the lanes to the right and left on the same road, seen by the same camera; -1: none."""
    row_of = {(int(x), int(l)): c for c, (x, l) in enumerate(zip(camera, lane, strict=True))}
    beside = np.full((len(lane), 2), -1, dtype=np.int64)
    for (x, l), c in row_of.items():
        for side, other in enumerate((l - 1, l + 1)):
            row = row_of.get((x, other), -1)
            if row >= 0 and network.lane_edge[other] == network.lane_edge[l]:
                beside[c, side] = row
    return beside


class SensorModel:
    """All sensors of a plant: truth in, observations out."""

    def __init__(
        self, network: Network, sensors: SensorTable, profile: SensorProfile, rng: np.random.Generator
    ) -> None:
        loop_rng, camera_rng, count_rng, turn_rng, inside_rng = rng.spawn(5)
        self.loops = LoopModel(len(sensors.sensor_id), profile.loop, loop_rng)
        self.cameras = CameraModel(network, sensors, profile.camera, profile.sight_m, camera_rng, inside_rng)
        self.counts = CountModel(sensors, profile.count_loop, profile.count_camera, count_rng)
        self.turns = TurnModel(network, sensors, profile.turn_camera, turn_rng)

    def feel(self, feeler: IntArray, time: FloatArray, on: NDArray[np.bool_]) -> None:
        """Take in true edges [E] of all feelers: per feeler in order of time, covered and left in turn."""
        counted = self.counts.is_counter(feeler)
        self.loops.feel(feeler[~counted], time[~counted], on[~counted])
        self.counts.feel(feeler[counted], time[counted], on[counted])

    def deliver(self, time: int) -> ObservationBatch:
        """Everything that has arrived by ``time`` [tenths of a second] and was not delivered before."""
        seconds = time / TENTHS_PER_SECOND
        return ObservationBatch(
            time,
            *self.loops.collect(seconds),  # type: ignore[arg-type]  # columns of a Mailbox, in the batch's own order
            *self.cameras.collect_frames(seconds),
            *self.cameras.collect_objects(seconds),
            *self.counts.collect(seconds),
            *self.turns.collect(seconds),
        )
