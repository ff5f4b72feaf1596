"""Renders what a mast camera would see of a street: roads, shaded vehicles, shadows, noise, by day and at dusk.

No claim to be a photograph: what matters to a detector is there (perspective, vehicles that hide each other, shadows
that look like vehicles, headlights, sensor noise, compression, a swaying mast), and where everything is is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from citybrain_camera.calibration import View

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]
GRASS, ASPHALT, PAINT, SKY = (62, 96, 84), (104, 102, 100), (205, 208, 208), (214, 196, 178)
_PIXEL_M = 0.1
"""Of the ground picture that is bent into the view [m]."""
_REACH_M = 110.0


@dataclass(frozen=True)
class Light:
    """What falls on the street.

    Attributes
    ----------
    level : brightness of the picture, 1 by day.
    shadow : brightness of the road in shadow, as a share; 1: no sun.
    sun : [3] direction to the sun.
    noise_sd : of the camera's sensor [grey levels].
    headlights : whether they are on.
    """

    level: float
    shadow: float
    sun: tuple[float, float, float]
    noise_sd: float
    headlights: bool


LIGHTS = {
    "day": Light(1.0, 0.55, (0.55, 0.25, 0.8), 3.0, headlights=False),
    "cloudy": Light(0.85, 1.0, (0.2, 0.2, 0.95), 3.0, headlights=False),
    "dusk": Light(0.3, 1.0, (0.2, 0.2, 0.95), 6.0, headlights=True),
}


@dataclass(frozen=True)
class Vehicles:
    """What drives at one moment. Index n.

    Attributes
    ----------
    front : [N, 2] middle of the front [m].
    course : [N] direction of travel, anticlockwise from x [rad].
    size : [N, 3] length, width, height [m].
    colour : [N, 3] blue, green, red.
    """

    front: Floats
    course: Floats
    size: Floats
    colour: Floats


def mast(
    position: tuple[float, float, float], target: tuple[float, float], focal: float, size: tuple[int, int]
) -> View:
    """Look from a place over the road [m] at a point on it [m]."""
    place = np.array(position)
    ahead = np.append(np.array(target), 0.0) - place
    ahead /= np.linalg.norm(ahead)
    right = np.cross(ahead, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    turn = np.stack((right, np.cross(ahead, right), ahead))
    matrix = np.array([[focal, 0.0, size[0] / 2], [0.0, focal, size[1] / 2], [0.0, 0.0, 1.0]])
    rotation = np.asarray(cv2.Rodrigues(turn)[0], dtype=np.float64).ravel()
    return View(size, matrix, np.zeros(5), rotation, -turn @ place)


class Street:
    """A street as one camera sees it.

    Parameters
    ----------
    roads : centre lines [P, 2] and widths of lanes [m], in driving direction.
    areas : polygons [P, 2] of junctions.
    """

    def __init__(
        self, view: View, roads: list[tuple[Floats, float]], areas: list[Floats], light: Light, rng: np.random.Generator
    ) -> None:
        self._view, self._light, self._rng = view, light, rng
        self._empty = self._look(self._from_above(roads, areas)) * np.float32(light.level)
        self._grain = [rng.normal(0.0, light.noise_sd, self._empty.shape).astype(np.float32) for _ in range(7)]
        self._frames = 0
        self._sway = np.zeros(2)

    def frame(self, vehicles: Vehicles) -> Image:
        """Take the next frame."""
        canvas = self._empty.copy()
        light, view = self._light, self._view
        corners = [_corners(vehicles, n) for n in range(len(vehicles.front))]
        if light.shadow < 1.0:
            shade = np.ones(canvas.shape[:2], dtype=np.float32)
            for body in corners:
                self._shadow(shade, body)
            canvas *= cv2.GaussianBlur(shade, (5, 5), 0)[:, :, None]
        if light.headlights and corners:
            glow = np.ones(canvas.shape[:2], dtype=np.float32)
            for n in range(len(corners)):
                self._beam(glow, vehicles, n)
            canvas *= cv2.GaussianBlur(glow, (21, 21), 0)[:, :, None]
        far_first = np.argsort(-np.linalg.norm(vehicles.front - view.position[:2], axis=1))
        for n in far_first.tolist():
            self._vehicle(canvas, vehicles, n)
        return self._expose(canvas)

    def _from_above(self, roads: list[tuple[Floats, float]], areas: list[Floats]) -> tuple[Image, Floats]:
        centre = self._view.position[:2]
        side = int(2 * _REACH_M / _PIXEL_M)
        plan = np.full((side, side, 3), GRASS, dtype=np.uint8)

        def cells(points: Floats) -> NDArray[np.int32]:
            return np.rint((points - centre + _REACH_M) / _PIXEL_M).astype(np.int32)

        for area in areas:
            cv2.fillPoly(plan, [cells(area)], ASPHALT)
        for line, width in roads:
            cv2.polylines(plan, [cells(line)], isClosed=False, color=ASPHALT, thickness=round((width + 0.3) / _PIXEL_M))
        for line, width in roads:
            self._paint(plan, line, width, cells)
        half = -(-side // 2)
        grain = self._rng.standard_normal((half, half), dtype=np.float32) * 9.0
        patches = cv2.resize(self._rng.standard_normal((60, 60), dtype=np.float32) * 7.0, (half, half))
        rough = cv2.resize(grain + patches, (side, side), interpolation=cv2.INTER_NEAREST)
        grained = cv2.add(plan.astype(np.float32), cv2.merge((rough, rough, rough)))
        return np.clip(grained, 0, 255).astype(np.uint8), centre

    @staticmethod
    def _paint(plan: Image, line: Floats, width: float, cells: object) -> None:
        steps = np.diff(line, axis=0)
        course = steps / np.linalg.norm(steps, axis=1, keepdims=True)
        for begin, step, way in zip(line[:-1], steps, course, strict=True):
            left = np.array([-way[1], way[0]]) * width / 2
            for at in np.arange(0.0, np.linalg.norm(step) - 3.0, 9.0):
                dash = np.array([begin + way * at + left, begin + way * (at + 3.0) + left])
                cv2.polylines(plan, [cells(dash)], isClosed=False, color=PAINT, thickness=2)  # type: ignore[operator]
        across = np.array([-course[-1][1], course[-1][0]]) * width / 2
        stop = np.array([line[-1] - across, line[-1] + across])
        cv2.polylines(plan, [cells(stop)], isClosed=False, color=PAINT, thickness=5)  # type: ignore[operator]

    def _look(self, above: tuple[Image, Floats]) -> NDArray[np.float32]:
        plan, centre = above
        width, height = self._view.size
        u, v = np.meshgrid(np.arange(width), np.arange(height))
        ground = self._view.ground(np.column_stack((u.ravel(), v.ravel())).astype(np.float64))
        cell = ((ground - centre + _REACH_M) / _PIXEL_M).astype(np.float32).reshape(height, width, 2)
        seen = cv2.remap(plan, cell[:, :, 0], cell[:, :, 1], cv2.INTER_AREA, borderValue=GRASS).astype(np.float32)
        seen[~np.isfinite(cell[:, :, 0])] = SKY
        # Far away many cells of the plan fall into one pixel: blur what would flicker.
        return np.asarray(cv2.GaussianBlur(seen, (3, 3), 0), dtype=np.float32)

    def _shadow(self, shade: NDArray[np.float32], body: Floats) -> None:
        sun = np.array(self._light.sun)
        fall = body - sun * (body[:, 2:] / sun[2])
        self._fill(shade, cv2.convexHull(self._pixels(fall)), self._light.shadow)

    def _beam(self, glow: NDArray[np.float32], vehicles: Vehicles, n: int) -> None:
        way, left, front = _axes(vehicles, n)
        for reach, bright in ((12.0, 1.3), (6.0, 1.7)):
            patch = [front + left * 0.7, front - left * 0.7, front + way * reach - left, front + way * reach + left]
            ground = np.column_stack((np.array(patch), np.zeros(4)))
            self._fill(glow, cv2.convexHull(self._pixels(ground)), bright)

    def _vehicle(self, canvas: NDArray[np.float32], vehicles: Vehicles, n: int) -> None:
        length, width, height = vehicles.size[n]
        tall = height > 2.2
        colour = vehicles.colour[n]
        if tall:
            self._box(canvas, vehicles, n, (0.0, length), width, (0.3, height), colour, colour)
            return
        self._box(canvas, vehicles, n, (0.0, length), width, (0.25, 0.58 * height), colour, colour)
        glass = 20.0 + 0.25 * colour[::-1]
        cabin = (0.24 * length, 0.92 * length)
        self._box(canvas, vehicles, n, cabin, width * 0.86, (0.58 * height, height), glass, colour)
        if self._light.headlights:
            self._lamps(canvas, vehicles, n)

    def _box(
        self,
        canvas: NDArray[np.float32],
        vehicles: Vehicles,
        n: int,
        along: tuple[float, float],
        width: float,
        up: tuple[float, float],
        side: Floats,
        roof: Floats,
    ) -> None:
        """Draw the faces of a box that look at the camera."""
        axis, left, front = _axes(vehicles, n)
        place = self._view.position

        def point(back: float, aside: float, height: float) -> Floats:
            return np.append(front - axis * back + left * aside, height)

        a, b, w = along[0], along[1], width / 2
        low, high = up
        faces = [
            (np.append(axis, 0.0), [(a, w, low), (a, -w, low), (a, -w, high), (a, w, high)], side),
            (np.append(-axis, 0.0), [(b, w, low), (b, -w, low), (b, -w, high), (b, w, high)], side),
            (np.append(left, 0.0), [(a, w, low), (b, w, low), (b, w, high), (a, w, high)], side),
            (np.append(-left, 0.0), [(a, -w, low), (b, -w, low), (b, -w, high), (a, -w, high)], side),
            (np.array([0.0, 0.0, 1.0]), [(a, w, high), (a, -w, high), (b, -w, high), (b, w, high)], roof),
        ]
        sun = np.array(self._light.sun)
        sun /= np.linalg.norm(sun)
        for normal, ring, colour in faces:
            points = np.array([point(*corner) for corner in ring])
            if (place - points[0]) @ normal <= 0.0:
                continue
            bright = 0.55 + 0.5 * max(0.0, float(normal @ sun))
            self._fill(canvas, self._pixels(points), (colour * bright * self._light.level).tolist())

    def _lamps(self, canvas: NDArray[np.float32], vehicles: Vehicles, n: int) -> None:
        axis, left, front = _axes(vehicles, n)
        towards = (self._view.position[:2] - front) @ axis > 0.0
        place = front if towards else front - axis * vehicles.size[n, 0]
        colour = (215.0, 240.0, 250.0) if towards else (40.0, 40.0, 200.0)
        for side in (0.65, -0.65):
            (pixel,) = self._view.project(np.append(place + left * side, 0.65)[None])
            if np.isfinite(pixel).all():
                reach = float(np.linalg.norm(self._view.position - np.append(place, 0.65)))
                size = max(1, round(0.14 * self._view.matrix[0, 0] / reach))
                cv2.circle(canvas, np.rint(pixel).astype(int).tolist(), size, colour, -1, cv2.LINE_AA)

    def _expose(self, canvas: NDArray[np.float32]) -> Image:
        """Turn light into a picture: clouds, sway of the mast, sensor noise, compression."""
        self._frames += 1
        clouds = 1.0 + 0.06 * np.sin(self._frames / 170.0)
        self._sway = 0.9 * self._sway + self._rng.normal(0.0, 0.12, 2)
        shift = np.array([[1.0, 0.0, self._sway[0]], [0.0, 1.0, self._sway[1]]])
        size = (canvas.shape[1], canvas.shape[0])
        moved = cv2.warpAffine(canvas, shift, size, borderMode=cv2.BORDER_REPLICATE)
        noisy = moved * clouds + np.roll(self._grain[self._frames % 7], int(self._rng.integers(0, 400)), axis=1)
        done, data = cv2.imencode(".jpg", np.clip(noisy, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 85])
        if not done:
            raise RuntimeError("OpenCV could not compress a frame")
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), dtype=np.uint8)

    def _pixels(self, points: Floats) -> NDArray[np.float32]:
        return self._view.project(points).astype(np.float32)

    @staticmethod
    def _fill(canvas: NDArray[np.float32], ring: Any, colour: object) -> None:
        ring = np.asarray(ring, dtype=np.float32).reshape(-1, 2)
        if np.isfinite(ring).all() and np.abs(ring).max() < 20_000:
            cv2.fillConvexPoly(canvas, np.rint(ring * 16).astype(np.int32), colour, cv2.LINE_AA, 4)  # type: ignore[call-overload]


def _axes(vehicles: Vehicles, n: int) -> tuple[Floats, Floats, Floats]:
    way = np.array([np.cos(vehicles.course[n]), np.sin(vehicles.course[n])])
    return way, np.array([-way[1], way[0]]), vehicles.front[n]


def _corners(vehicles: Vehicles, n: int) -> Floats:
    axis, left, front = _axes(vehicles, n)
    length, width, height = vehicles.size[n]
    return np.array(
        [
            np.append(front - axis * back + left * aside, up)
            for back in (0.0, length)
            for aside in (width / 2, -width / 2)
            for up in (0.0, height)
        ]
    )
