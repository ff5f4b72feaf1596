"""The detector without weights: what is not the empty street is explained by bodies of vehicles, near ones first.

Vehicles of a queue melt into one patch. A body that is found takes its pixels away, and what is left of the patch
must come from one further back. A shadow has no body that it fits.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from citybrain_camera.background import WARM_UP_S, Background, Weights
from citybrain_camera.calibration import Calibration
from citybrain_camera.lanes import Floats
from citybrain_camera.sightings import NOTHING, Image, Sightings
from citybrain_camera.silhouettes import KINDS, make_silhouettes

WORK_WIDTH = 640
"""Pictures are looked at in this width [pixels]."""
_ACCEPT = 0.52
"""Share of a body's visible pixels that must speak for it."""
_VISIBLE = 0.22
"""Share of a body that must not be hidden by those in front of it."""
_BARE = 0.62
"""What a pixel under a body costs, whether it speaks for it or not: bodies grow no larger than what is seen."""
_LONG = 0.45
"""Long vehicles are few: one must explain more than the cars that would look like it."""
_RIM = 0.03
"""What sticks out of a body by this share of its width is not another vehicle."""
_CLEAR_M = 0.5
_AHEAD_M = 4.5
_MOST = 80
"""Vehicles in one picture."""


class BackgroundDetector:
    """A ``Detector`` that needs nothing but the calibration.

    Parameters
    ----------
    warm_up_s : how long the empty street is learnt before anything is told [s].
    """

    def __init__(self, calibration: Calibration, warm_up_s: float = WARM_UP_S) -> None:
        scale = min(1.0, WORK_WIDTH / calibration.view.size[0])
        self._bodies = make_silhouettes(calibration, scale)
        self._background = Background(warm_up_s)

    def look(self, image: Image, time: float) -> Sightings | None:
        """Find the vehicles in a picture taken at ``time`` [s]; None while the empty street is not known yet."""
        left, top, right, bottom = self._bodies.part
        part = image[top:bottom, left:right]
        small: Image = np.asarray(cv2.resize(part, self._bodies.size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        weight = self._background.weigh(small, time)
        if weight is None:
            return None
        taken = np.zeros(weight.shape, dtype=np.uint8)
        found = self._explain(weight, taken)
        self._background.learn(small, weight, taken, time)
        return found

    def _explain(self, weight: Weights, taken: NDArray[np.uint8]) -> Sightings:
        """Choose bodies, near ones first; their pixels become 1 in ``taken``."""
        bodies = self._bodies
        flat, hidden = weight.ravel(), taken.ravel()
        row = np.flatnonzero(flat[bodies.sample].mean(axis=1) > 0.15)
        chosen: list[int] = []
        scores: list[float] = []
        while len(row) and len(chosen) < _MOST:
            sample = bodies.sample[row]
            free = hidden[sample] == 0
            visible = free.mean(axis=1)
            speaks = (flat[sample] * free).mean(axis=1)
            share = speaks / np.maximum(visible, 1e-6)
            good = np.flatnonzero((visible >= _VISIBLE) & (share >= _ACCEPT))
            if len(good) == 0:
                break
            best = self._best(row, good, speaks, visible)
            body = int(row[best])
            cv2.fillConvexPoly(taken, bodies.outline[body], 1)
            rim = round(_RIM * float(np.ptp(bodies.outline[body][:, 0])))
            cv2.polylines(taken, [bodies.outline[body]], isClosed=True, color=1, thickness=1 + 2 * rim)
            row = row[self._remaining(row, body)]
            chosen.append(body)
            scores.append(_score(float(share[best]), float(visible[best])))
        if not chosen:
            return NOTHING
        return Sightings(bodies.lane[chosen], bodies.distance[chosen], bodies.length[chosen], np.array(scores))

    def _best(self, row: NDArray[np.int64], good: NDArray[np.int64], speaks: Floats, visible: Floats) -> int:
        """Choose the body that explains most near the nearest one; bare pixels under it count against it."""
        bodies = self._bodies
        nearest = row[good[0]]
        near = good[bodies.reach[row[good]] < bodies.reach[nearest] + _AHEAD_M]
        near = near[np.linalg.norm(bodies.ground[row[near]] - bodies.ground[nearest], axis=1) < _AHEAD_M]
        size = np.prod(bodies.box[row[near], 2:] - bodies.box[row[near], :2], axis=1)
        size *= np.where(bodies.length[row[near]] > KINDS[0][0], _LONG, 1.0)
        return int(near[np.argmax((speaks[near] - _BARE * visible[near]) * size)])

    def _remaining(self, row: NDArray[np.int64], body: int) -> NDArray[np.bool_]:
        """Bodies that can stand on the road beside this one, and are not nearer than what was looked at already."""
        bodies = self._bodies
        begin, end = bodies.distance[body] - _CLEAR_M, bodies.distance[body] + bodies.length[body] + _CLEAR_M
        apart = (bodies.distance[row] > end) | (bodies.distance[row] + bodies.length[row] < begin)
        rest: NDArray[np.bool_] = (bodies.lane[row] != bodies.lane[body]) | apart
        rest &= bodies.reach[row] > bodies.reach[body] - 2 * _AHEAD_M
        return rest


def _score(share: float, visible: float) -> float:
    """How sure a body is: how well it is filled, and how much of it is seen."""
    return float(np.clip(0.3 + (share - _ACCEPT) / (1.0 - _ACCEPT) * 0.5 + 0.3 * visible, 0.0, 0.98))
