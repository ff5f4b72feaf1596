"""One camera from picture to report: detector, tracker, virtual loops."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citybrain.errors import InputError
from citybrain_camera.calibration import Calibration, VirtualLoop
from citybrain_camera.sightings import Detector, Image
from citybrain_camera.tracking import Track, Tracker

TOLD_S = 1.0
"""A vehicle is told for so long after it was last seen [s], with falling confidence."""


@dataclass(frozen=True)
class Vehicle:
    """One vehicle in a frame: lane, distance from its front to the lane's end [m], speed [m/s], confidence 0 to 1."""

    track: int
    lane: str
    distance: float
    speed: float
    confidence: float


@dataclass(frozen=True)
class LoopEvent:
    """A virtual loop was covered or left at a time [s since 1970]."""

    sensor: str
    time: float
    on: bool


@dataclass(frozen=True)
class Report:
    """What one frame told: its time [s since 1970], the vehicles in it, and what became of the virtual loops."""

    time: float
    vehicles: tuple[Vehicle, ...]
    loops: tuple[LoopEvent, ...]


class Watch:
    """Turns the pictures of one camera into reports."""

    def __init__(self, calibration: Calibration, detector: Detector) -> None:
        self._calibration = calibration
        self._detector = detector
        self._tracker = Tracker(calibration)
        self._over: list[set[int]] = [set() for _ in calibration.loops]

    def see(self, image: Image, time: float) -> Report | None:
        """Take in a frame of a later time than the last [s since 1970]; None while the detector cannot see yet.

        Raises
        ------
        InputError
            If the picture has another size than those that the camera was calibrated with.
        """
        width, height = self._calibration.view.size
        if image.shape[:2] != (height, width):
            raise InputError(
                f"camera {self._calibration.sensor} was calibrated with pictures of {width} by {height} pixels, these "
                f"have {image.shape[1]} by {image.shape[0]}; calibrate it again, or set the stream to that size"
            )
        sightings = self._detector.look(image, time)
        if sightings is None:
            return None
        tracks = [track for track in self._tracker.update(sightings, time) if track.confirmed]
        loops = [event for row in range(len(self._over)) for event in self._loop(row, tracks, time)]
        vehicles = (self._vehicle(track, time) for track in tracks)
        return Report(time, tuple(vehicle for vehicle in vehicles if vehicle is not None), tuple(loops))

    def _vehicle(self, track: Track, time: float) -> Vehicle | None:
        lane = self._calibration.lanes[track.lane]
        unseen = time - track.seen
        if unseen > TOLD_S or not 0.0 <= track.distance <= lane.length:
            return None
        confidence = float(np.clip(track.score * (1.0 - 0.5 * unseen / TOLD_S), 0.0, 1.0))
        return Vehicle(track.number, lane.name, track.distance, track.speed, confidence)

    def _loop(self, row: int, tracks: list[Track], time: float) -> list[LoopEvent]:
        """Tell changes of a loop; two vehicles nose to tail leave and cover it at the same time."""
        loop = self._calibration.loops[row]
        before, now = self._over[row], {track.number for track in tracks if _covers(track, loop)}
        self._over[row] = now
        changes = []
        if before and not before & now:
            changes.append(LoopEvent(loop.sensor, time, on=False))
        if now and not before & now:
            changes.append(LoopEvent(loop.sensor, time, on=True))
        return changes


def _covers(track: Track, loop: VirtualLoop) -> bool:
    near, far = loop.distance - loop.length / 2, loop.distance + loop.length / 2
    return track.lane == loop.lane and track.distance < far and track.distance + track.length > near
