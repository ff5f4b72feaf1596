"""Where a camera stands and how it looks: from the road to the picture and back, fitted to points that were measured.

The road counts as flat (z = 0). A pinhole with square pixels, its principal point in the middle of the picture unless
a lens is given; fitted by least squares of the reprojection error from a homography's first guess.
R. Hartley and A. Zisserman, Multiple View Geometry in Computer Vision, 2nd ed., sections 7 and 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from citybrain.errors import InputError
from citybrain_camera.lanes import Floats, Lane

LOWEST_M, HIGHEST_M = 2.0, 100.0
"""A camera that comes out lower or higher than this over the road was calibrated wrongly."""
WORST_ERROR = 0.02
"""Greatest reprojection error (root mean square), as a share of the picture's width."""
_NEAR = 0.1
_UNTOLD = 1e5
"""Condition of the fit beyond which the points leave something open."""


@dataclass(frozen=True)
class Lens:
    """What a camera's lens does, as OpenCV's calibration of a chessboard gives it.

    Attributes
    ----------
    focal : (fx, fy) [pixels]; None: found from the points.
    centre : (cx, cy) principal point [pixels]; None: the middle of the picture.
    distortion : k1, k2, p1, p2, k3 of Brown's model; zeros: none.
    """

    focal: tuple[float, float] | None = None
    centre: tuple[float, float] | None = None
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class VirtualLoop:
    """A stretch of a lane whose being covered is reported like a loop's.

    Attributes
    ----------
    sensor : id of the loop.
    lane : row in the camera's lanes.
    distance : from its middle to the lane's end [m].
    length : along the lane [m].
    """

    sensor: str
    lane: int
    distance: float
    length: float


@dataclass(frozen=True)
class View:
    """A camera's geometry.

    Attributes
    ----------
    size : width and height of the picture [pixels].
    matrix : [3, 3] of the pinhole.
    distortion : [5] Brown's model.
    rotation : [3] Rodrigues vector, ground to camera.
    translation : [3] ground to camera [m].
    """

    size: tuple[int, int]
    matrix: Floats
    distortion: Floats
    rotation: Floats
    translation: Floats

    @property
    def turn(self) -> Floats:
        """[3, 3] rotation from ground to camera."""
        return np.asarray(cv2.Rodrigues(self.rotation)[0], dtype=np.float64)

    @property
    def position(self) -> Floats:
        """[3] where the camera hangs [m]; the last is its height over the road."""
        place: Floats = -self.turn.T @ self.translation
        return place

    def project(self, point: Floats) -> Floats:
        """Pixels [N, 2] of points on or over the road [N, 3]; NaN behind the camera."""
        if len(point) == 0:
            return np.zeros((0, 2))
        depth = point @ self.turn[2] + self.translation[2]
        pixel, _ = cv2.projectPoints(point, self.rotation, self.translation, self.matrix, self.distortion)
        found: Floats = np.asarray(pixel, dtype=np.float64).reshape(-1, 2).copy()
        found[depth < _NEAR] = np.nan
        return found

    def ground(self, pixel: Floats) -> Floats:
        """Points of the road [N, 2] under pixels [N, 2]; NaN at and above the horizon."""
        if len(pixel) == 0:
            return np.zeros((0, 2))
        flat = cv2.undistortPoints(np.ascontiguousarray(pixel, dtype=np.float64), self.matrix, self.distortion)
        ray = np.column_stack((np.asarray(flat, dtype=np.float64).reshape(-1, 2), np.ones(len(pixel)))) @ self.turn
        place = self.position
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(ray[:, 2] < 0.0, -place[2] / ray[:, 2], np.nan)
        point: Floats = place[:2] + ray[:, :2] * reach[:, None]
        return point

    def covariance(self, point: Floats, pixel_sd: float) -> Floats:
        """Scatter [N, 2, 2] of points on the road [N, 2] whose pixels scatter by ``pixel_sd`` [pixels] [m2]."""
        pixel = self.project(np.column_stack((point, np.zeros(len(point)))))
        # One pixel up may be over the horizon: look one pixel down, towards the camera.
        right = self.ground(pixel + np.array([1.0, 0.0])) - point
        down = self.ground(pixel + np.array([0.0, 1.0])) - point
        scatter = np.einsum("ni,nj->nij", right, right) + np.einsum("ni,nj->nij", down, down)
        spread: Floats = pixel_sd**2 * scatter
        return spread


@dataclass(frozen=True)
class Calibration:
    """All that is known of one camera.

    Attributes
    ----------
    sensor : id of the camera.
    view : its geometry.
    lanes : that it sees.
    loops : virtual loops.
    error_px : root mean square of the distances between points measured and projected [pixels].
    worst_px : greatest of them [pixels].
    error_m : root mean square on the road [m].
    """

    sensor: str
    view: View
    lanes: tuple[Lane, ...]
    loops: tuple[VirtualLoop, ...]
    error_px: float
    worst_px: float
    error_m: float

    def summary(self) -> str:
        """Say in one line what a person should check."""
        x, y, z = self.view.position
        return (
            f"camera {self.sensor}: {len(self.lanes)} lanes; points fit within {self.error_px:.1f} pixels, "
            f"{self.error_m:.2f} m (worst {self.worst_px:.1f} pixels); hangs {z:.1f} m over ({x:.1f}, {y:.1f}), "
            f"focal length {self.view.matrix[0, 0]:.0f} pixels"
        )


def fit(
    sensor: str,
    size: tuple[int, int],
    lens: Lens,
    pixel: Floats,
    ground: Floats,
    lanes: tuple[Lane, ...],
    loops: tuple[VirtualLoop, ...] = (),
) -> Calibration:
    """Fit a camera to points of the road that were found in its picture.

    Parameters
    ----------
    size : width and height of the picture [pixels].
    pixel : [N, 2] where the points are in the picture; at least four, no three in one line.
    ground : [N, 2] where they are on the road [m].

    Raises
    ------
    InputError
        If no camera sees the points so.
    """
    matrix, distortion = _lens(size, lens)
    flat = np.asarray(cv2.undistortPoints(pixel, matrix, distortion, P=matrix), dtype=np.float64).reshape(-1, 2)
    # Coordinates of a city are large: numbers near zero keep the fit exact.
    origin = ground.mean(axis=0)
    guess, _ = cv2.findHomography(ground - origin, flat, 0)
    if guess is None or not np.isfinite(guess).all() or np.linalg.matrix_rank(ground - origin) < 2:
        raise InputError(
            f"camera {sensor}: its points lie in one line, or twice on one place; measure at least four that span the "
            "road, near and far, left and right"
        )
    homography = np.asarray(guess, dtype=np.float64)
    focal = None if lens.focal is not None else _focal(homography, matrix, size)
    view = _refined(size, matrix, distortion, homography, focal, pixel, ground - origin)
    view = View(size, view.matrix, distortion, view.rotation, view.translation - view.turn @ np.append(origin, 0.0))
    off = np.linalg.norm(view.project(np.column_stack((ground, np.zeros(len(ground))))) - pixel, axis=1)
    error = float(np.sqrt(np.mean(off**2)))
    _check(sensor, view, error, int(np.argmax(np.nan_to_num(off, nan=np.inf))))
    astray = np.linalg.norm(view.ground(pixel) - ground, axis=1)
    return Calibration(sensor, view, lanes, loops, error, float(off.max()), float(np.sqrt(np.mean(astray**2))))


def _lens(size: tuple[int, int], lens: Lens) -> tuple[Floats, Floats]:
    centre = lens.centre or (size[0] / 2, size[1] / 2)
    focal = lens.focal or (float(size[0]), float(size[0]))
    matrix = np.array([[focal[0], 0.0, centre[0]], [0.0, focal[1], centre[1]], [0.0, 0.0, 1.0]])
    return matrix, np.array(lens.distortion, dtype=np.float64)


def _focal(homography: Floats, matrix: Floats, size: tuple[int, int]) -> float:
    """Focal length that makes the homography's first two columns orthogonal and equally long; a usual one if none."""
    shift = np.array([[1.0, 0.0, -matrix[0, 2]], [0.0, 1.0, -matrix[1, 2]], [0.0, 0.0, 1.0]])
    a, b = (shift @ homography).T[:2]
    # (a0 b0 + a1 b1) / f2 + a2 b2 = 0 and (a0 a0 + a1 a1 - b0 b0 - b1 b1) / f2 + a2 a2 - b2 b2 = 0
    left = np.array([a[0] * b[0] + a[1] * b[1], a[0] ** 2 + a[1] ** 2 - b[0] ** 2 - b[1] ** 2])
    right = -np.array([a[2] * b[2], a[2] ** 2 - b[2] ** 2])
    inverse = float(left @ right / (left @ left)) if left @ left > 0.0 else -1.0
    if inverse <= 0.0 or not 0.2 < (focal := inverse**-0.5) / size[0] < 20.0:
        return float(size[0])
    return float(focal)


def _refined(
    size: tuple[int, int],
    matrix: Floats,
    distortion: Floats,
    homography: Floats,
    focal: float | None,
    pixel: Floats,
    ground: Floats,
) -> View:
    """Least squares over pose, and focal length where it is not given."""
    start = matrix.copy()
    if focal is not None:
        start[0, 0] = start[1, 1] = focal
    columns = np.linalg.inv(start) @ homography
    columns /= np.linalg.norm(columns[:, :2], axis=0).mean()
    if columns[2, 2] < 0.0:
        columns = -columns
    turn = np.column_stack((columns[:, 0], columns[:, 1], np.cross(columns[:, 0], columns[:, 1])))
    u, _, v = np.linalg.svd(turn)
    rotation = np.asarray(cv2.Rodrigues(u @ v)[0], dtype=np.float64).ravel()
    known = np.concatenate((rotation, columns[:, 2], [] if focal is None else [1.0]))
    point = np.column_stack((ground, np.zeros(len(ground))))

    def view_of(x: NDArray[np.float64]) -> View:
        now = start.copy()
        if focal is not None:
            now[0, 0] = now[1, 1] = focal * x[6]
        return View(size, now, distortion, x[:3], x[3:6])

    def off(x: NDArray[np.float64]) -> Floats:
        seen = view_of(x)
        found, _ = cv2.projectPoints(point, seen.rotation, seen.translation, seen.matrix, distortion)
        return (np.asarray(found, dtype=np.float64).reshape(-1, 2) - pixel).ravel()

    found = least_squares(off, known, x_scale="jac")
    columns = found.jac / np.maximum(np.linalg.norm(found.jac, axis=0), 1e-12)
    if np.linalg.cond(columns) > _UNTOLD or found.x[-1] <= 0.0 < len(found.x) - 6:
        raise InputError(
            "the points do not tell where the camera is; add points near and far, left and right, or give [lens] "
            "focal = [fx, fy] in pixels"
        )
    return view_of(found.x)


def _check(sensor: str, view: View, error: float, worst: int) -> None:
    height = float(view.position[2])
    if not error < WORST_ERROR * view.size[0]:
        raise InputError(
            f"camera {sensor}: the points fit no camera: {error:.1f} pixels of error on average, most at point "
            f"{worst + 1}; check its pixel and its place on the road, and whether the shapes are in metres"
        )
    if not LOWEST_M <= height <= HIGHEST_M:
        raise InputError(
            f"camera {sensor}: by its points the camera would hang {height:.1f} m over the road; if that is negative, "
            "the shapes are mirrored (x to the right, y up, z towards the sky); otherwise measure the points again"
        )
