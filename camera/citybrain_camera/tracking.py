"""Follows vehicles from picture to picture: a Kalman filter on the road, and the cheapest assignment of sightings.

As in ByteTrack, sure sightings are assigned first and begin tracks; unsure ones are then offered to the tracks that are
still without, and only keep those alive. Y. Zhang and others, ByteTrack: Multi-Object Tracking by Associating Every
Detection Box, ECCV 2022.

Index letters: k tracks, n sightings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from citybrain_camera.calibration import Calibration
from citybrain_camera.lanes import Floats
from citybrain_camera.sightings import Sightings
from citybrain_camera.silhouettes import BEYOND_M

SURE = 0.6
"""Sightings with at least this score begin tracks."""
_CONFIRMED_HITS = 4
_PIXEL_SD = 1.5
_POSITION_SD_M = 0.35
_ASIDE_SD_M = 1.0
"""Sightings lie in the middle of a lane, vehicles anywhere on it."""
_ACCELERATION_SD = 2.0
_FIRST_SPEED_SD = 7.0
_FIRST_ASIDE_SD = 0.7
_GATE = 11.8
"""Chi-square with two degrees of freedom, 99.7 %."""
_OTHER_LANE = 6.0
"""What a change of lane costs in the assignment, on the gate's scale."""
_LANE_HITS = 4
_KEPT_S, _KEPT_STANDING_S, _KEPT_NEW_S = 1.2, 4.0, 0.35
"""A track without sightings is kept for so long; hidden in a queue longer."""
_STANDING = 1.0
_FAR = 1e6


@dataclass
class Track:
    """One vehicle. Position and speed on the road are [x, y, vx, vy]."""

    number: int
    mean: Floats
    spread: Floats
    lane: int
    length: float
    score: float
    born: float
    seen: float
    hits: int = 1
    other_lane: int = -1
    other_hits: int = 0
    distance: float = 0.0
    """From the front to the end of its lane [m]."""
    speed: float = 0.0
    """Along its lane [m/s]; never negative."""

    @property
    def confirmed(self) -> bool:
        """Whether it was seen often enough to be told."""
        return self.hits >= _CONFIRMED_HITS


class Tracker:
    """Tracks on the lanes of one camera."""

    def __init__(self, calibration: Calibration) -> None:
        self._lanes = calibration.lanes
        self._view = calibration.view
        self._tracks: list[Track] = []
        self._time: float | None = None
        self._count = 0

    def update(self, sightings: Sightings, time: float) -> list[Track]:
        """Take in what was seen at ``time`` [s], which must not go back; returns all tracks that are alive."""
        self._predict(0.0 if self._time is None else time - self._time)
        self._time = time
        points, course = self._points(sightings)
        left = np.stack((-course[:, 1], course[:, 0]), axis=1)
        noise = self._view.covariance(points, _PIXEL_SD) + np.eye(2) * _POSITION_SD_M**2
        noise += np.einsum("ni,nj->nij", left, left) * _ASIDE_SD_M**2
        sure = np.flatnonzero(sightings.score >= SURE)
        unsure = np.flatnonzero(sightings.score < SURE)
        free = list(range(len(self._tracks)))
        rest: list[int] = []
        for begins, chosen in ((True, sure), (False, unsure)):
            pairs = self._assign(free, chosen, points, noise, sightings)
            for k, n in pairs:
                self._correct(self._tracks[k], points[n], noise[n], sightings, n, time)
            taken = {k for k, _ in pairs}
            free = [k for k in free if k not in taken]
            if begins:
                rest = sorted(set(chosen.tolist()) - {n for _, n in pairs})
        self._tracks += [self._begin(points[n], noise[n], sightings, n, time) for n in rest]
        for track in self._tracks:
            self._place(track)
        self._tracks = self._kept(time)
        return self._tracks

    def _points(self, sightings: Sightings) -> tuple[Floats, Floats]:
        points, course = np.zeros((len(sightings.lane), 2)), np.zeros((len(sightings.lane), 2))
        for lane in np.unique(sightings.lane).tolist():
            rows = sightings.lane == lane
            points[rows], course[rows] = self._lanes[lane].at(sightings.distance[rows])
        return points, course

    def _predict(self, step: float) -> None:
        move = np.eye(4)
        move[0, 2] = move[1, 3] = step
        push = np.array([[step**2 / 2, 0.0], [0.0, step**2 / 2], [step, 0.0], [0.0, step]])
        drift = push @ push.T * _ACCELERATION_SD**2
        for track in self._tracks:
            track.mean = move @ track.mean
            track.spread = move @ track.spread @ move.T + drift

    def _assign(
        self, free: list[int], chosen: NDArray[np.int64], points: Floats, noise: Floats, sightings: Sightings
    ) -> list[tuple[int, int]]:
        """Pair tracks with sightings so that the sum of squared Mahalanobis distances is least."""
        if not free or len(chosen) == 0:
            return []
        tracks = [self._tracks[k] for k in free]
        mean = np.array([track.mean[:2] for track in tracks])
        spread = np.array([track.spread[:2, :2] for track in tracks])
        off = points[chosen][None, :, :] - mean[:, None, :]
        whole = spread[:, None] + noise[chosen][None]
        cost = np.einsum("kni,knij,knj->kn", off, np.linalg.inv(whole), off)
        beyond = cost > _GATE
        lane = np.array([track.lane for track in tracks])
        cost += _OTHER_LANE * (lane[:, None] != sightings.lane[chosen][None, :])
        # Of two tracks that want one sighting, the one with a history has it.
        cost += np.array([0.0 if track.confirmed else 2.0 for track in tracks])[:, None]
        cost[beyond] = _FAR
        left, right = linear_sum_assignment(cost)
        return [
            (free[a], int(chosen[b])) for a, b in zip(left.tolist(), right.tolist(), strict=True) if cost[a, b] < _FAR
        ]

    def _correct(self, track: Track, point: Floats, noise: Floats, sightings: Sightings, n: int, time: float) -> None:
        gain = track.spread[:, :2] @ np.linalg.inv(track.spread[:2, :2] + noise)
        track.mean = track.mean + gain @ (point - track.mean[:2])
        track.spread = track.spread - gain @ track.spread[:2, :]
        track.seen = time
        track.hits += 1
        track.score += 0.2 * (float(sightings.score[n]) - track.score)
        track.length += 0.1 * (float(sightings.length[n]) - track.length)
        lane = int(sightings.lane[n])
        track.other_hits = track.other_hits + 1 if lane == track.other_lane else 1
        track.other_lane = lane
        if lane != track.lane and track.other_hits >= _LANE_HITS:
            track.lane = lane

    def _begin(self, point: Floats, noise: Floats, sightings: Sightings, n: int, time: float) -> Track:
        lane = int(sightings.lane[n])
        _, (course,) = self._lanes[lane].at(sightings.distance[n : n + 1])
        spread = np.zeros((4, 4))
        spread[:2, :2] = noise
        along, aside = np.outer(course, course), np.eye(2) - np.outer(course, course)
        spread[2:, 2:] = along * _FIRST_SPEED_SD**2 + aside * _FIRST_ASIDE_SD**2
        self._count += 1
        mean = np.concatenate((point, np.zeros(2)))
        score, length = float(sightings.score[n]), float(sightings.length[n])
        return Track(self._count, mean, spread, lane, length, score, time, time)

    def _place(self, track: Track) -> None:
        line = self._lanes[track.lane]
        (distance,), _ = line.locate(track.mean[None, :2])
        _, (course,) = line.at(np.array([distance]))
        track.distance = float(distance)
        track.speed = max(0.0, float(course @ track.mean[2:]))

    def _kept(self, time: float) -> list[Track]:
        """Forget tracks that have left, that were not seen for long, or that stand within another."""
        alive: list[Track] = []
        for track in sorted(self._tracks, key=lambda track: (-min(track.hits, _CONFIRMED_HITS), track.born)):
            standing = track.speed < _STANDING
            kept = (_KEPT_STANDING_S if standing else _KEPT_S) if track.confirmed else _KEPT_NEW_S
            if time - track.seen > kept or track.distance < -BEYOND_M:
                continue
            if any(other.lane == track.lane and abs(other.distance - track.distance) < 2.5 for other in alive):
                continue
            alive.append(track)
        return sorted(alive, key=lambda track: track.number)
