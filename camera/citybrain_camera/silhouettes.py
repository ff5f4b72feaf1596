"""How vehicles on the lanes would look: outlines of simple bodies, every half metre on every lane.

What a detector finds in the picture becomes a place on the road by the body that would look like it. That tells the
front from the roof and the near lane from the far one, whichever way the vehicles face.

Index letters: r bodies (a kind of vehicle at a place on a lane), q sample pixels of a body.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain_camera.calibration import Calibration
from citybrain_camera.lanes import Floats

STEP_M = 0.5
BEYOND_M = 8.0
"""Vehicles are followed this far beyond the stop line, until they have left it."""
KINDS = ((4.5, 1.8, 1.5), (10.5, 2.5, 3.1))
"""Length, width, height [m] of a car and of a long vehicle."""
SAMPLES = 160
_SMALLEST_PX = 30
_IN_PICTURE = 0.6


@dataclass(frozen=True)
class Silhouettes:
    """Bodies in the part of a picture that they fill, scaled.

    Attributes
    ----------
    lane, distance, length : [R] where the front of the body is, and how long the body is [m].
    reach : [R] from the camera's foot to the front of the body [m].
    ground : [R, 2] the front on the road [m].
    box : [R, 4] left, top, right, bottom [pixels of the whole picture].
    sample : [R, Q] pixels of the part that the body covers, counted row by row.
    outline : R convex rings [K, 2] [pixels of the part].
    part : left, top, right, bottom of the part [pixels of the whole picture].
    size : width and height of the part once it is scaled.
    """

    lane: NDArray[np.int64]
    distance: Floats
    length: Floats
    reach: Floats
    ground: Floats
    box: Floats
    sample: NDArray[np.int64]
    outline: tuple[NDArray[np.int32], ...]
    part: tuple[int, int, int, int]
    size: tuple[int, int]


def make_silhouettes(calibration: Calibration, scale: float) -> Silhouettes:
    """Project bodies on all lanes into the picture.

    Raises
    ------
    InputError
        If the camera sees none of its lanes.
    """
    view = calibration.view
    rows: list[tuple[float, ...]] = []
    pixels: list[Floats] = []
    for lane, line in enumerate(calibration.lanes):
        distance = np.arange(-BEYOND_M, line.length, STEP_M)
        front, course = line.at(distance)
        reach = np.linalg.norm(front - view.position[:2], axis=1)
        for kind in KINDS:
            corners = _bodies(front, course, kind)
            pixel = view.project(corners.reshape(-1, 3)).reshape(len(distance), -1, 2)
            for n in np.flatnonzero(_in_picture(pixel, view.size)).tolist():
                pixels.append(pixel[n])
                rows.append((lane, distance[n], kind[0], reach[n], front[n, 0], front[n, 1]))
    if not rows:
        raise InputError(
            f"camera {calibration.sensor} sees none of its lanes: no vehicle on them would be in the picture; check "
            "the points and the shapes"
        )
    order = np.argsort([row[3] for row in rows], kind="stable")
    table, pixel = np.array(rows)[order], np.array(pixels)[order]
    box = np.concatenate((pixel.min(axis=1), pixel.max(axis=1)), axis=1)
    low = np.clip(np.floor(box[:, :2].min(axis=0)), 0, np.array(view.size) - 16).astype(int)
    high = np.clip(np.ceil(box[:, 2:].max(axis=0)), low + 16, view.size).astype(int)
    size = np.maximum(16, np.rint((high - low) * scale)).astype(int)
    outlines, samples = _rastered((pixel - low) * (size / (high - low)), (int(size[0]), int(size[1])))
    return Silhouettes(
        lane=table[:, 0].astype(np.int64),
        distance=table[:, 1],
        length=table[:, 2],
        reach=table[:, 3],
        ground=table[:, 4:6],
        box=box,
        sample=samples,
        outline=outlines,
        part=(int(low[0]), int(low[1]), int(high[0]), int(high[1])),
        size=(int(size[0]), int(size[1])),
    )


def _bodies(front: Floats, course: Floats, kind: tuple[float, float, float]) -> Floats:
    """Corners [N, 8, 3] of bodies: a rectangle near the ground, and a roof that is shorter and narrower on cars."""
    length, width, height = kind
    tall = height > KINDS[0][2]
    roof = (0.0, length, width) if tall else (0.24 * length, 0.92 * length, 0.86 * width)
    left = np.stack((-course[:, 1], course[:, 0]), axis=1)
    corners = []
    for (begin, end, wide), up in (((0.0, length, width), 0.25), (roof, height)):
        for back in (begin, end):
            for side in (wide / 2, -wide / 2):
                flat = front - course * back + left * side
                corners.append(np.column_stack((flat, np.full(len(front), up))))
    return np.stack(corners, axis=1)


def _in_picture(pixel: Floats, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether enough of bodies [N, 8, 2] is in the picture, and large enough to be seen."""
    low, high = np.nanmin(pixel, axis=1), np.nanmax(pixel, axis=1)
    inside = np.clip(high, 0, size) - np.clip(low, 0, size)
    whole = np.prod(high - low, axis=1)
    part = np.prod(inside, axis=1)
    seen: NDArray[np.bool_] = np.isfinite(pixel).all(axis=(1, 2)) & (part >= _IN_PICTURE * whole)
    seen &= part >= _SMALLEST_PX
    return seen


def _rastered(pixel: Floats, size: tuple[int, int]) -> tuple[tuple[NDArray[np.int32], ...], NDArray[np.int64]]:
    """Outlines of bodies [R, 8, 2], and sample pixels [R, Q] within."""
    canvas = np.zeros((size[1], size[0]), dtype=np.uint8)
    outlines = []
    samples = np.zeros((len(pixel), SAMPLES), dtype=np.int64)
    for n, corners in enumerate(pixel.astype(np.float32)):
        ring = np.rint(cv2.convexHull(corners)).astype(np.int32).reshape(-1, 2)
        outlines.append(ring)
        cv2.fillConvexPoly(canvas, ring, 1)
        left, top = np.clip(ring.min(axis=0), 0, np.array(size) - 1)
        right, bottom = np.clip(ring.max(axis=0), 0, np.array(size) - 1) + 1
        v, u = np.nonzero(canvas[top:bottom, left:right])
        chosen = np.linspace(0, len(u) - 1, SAMPLES).astype(np.int64)
        samples[n] = (v[chosen] + top) * size[0] + u[chosen] + left
        canvas[top:bottom, left:right] = 0
    return tuple(outlines), samples
