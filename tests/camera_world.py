"""A small street before a mast camera whose geometry is known, and vehicles that drive as the tests say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.camera_view import LIGHTS, Street, Vehicles, mast
from citybrain.randomness import generator
from citybrain_camera.calibration import Calibration, VirtualLoop
from citybrain_camera.lanes import Floats, Lane

SIZE = (480, 270)
VIEW = mast((5.0, -14.0, 9.0), (0.0, 22.0), 310.0, SIZE)
LANES = tuple(Lane(f"n_{k}", np.array([[x, 60.0], [x, 0.0]]), 3.2) for k, x in enumerate((-1.6, 1.6)))
LOOPS = tuple(VirtualLoop(f"stop:n_{k}", k, 3.0, 2.0) for k in range(2))
CALIBRATION = Calibration("camera_n", VIEW, LANES, LOOPS, 0.0, 0.0, 0.0)
CAR = (4.5, 1.8, 1.5)


def vehicles(places: list[tuple[int, float]], size: tuple[float, float, float] = CAR) -> Vehicles:
    """Vehicles with their fronts at (lane, distance to its end)."""
    count = len(places)
    front = np.array([[-1.6 + 3.2 * lane, distance] for lane, distance in places]).reshape(-1, 2)
    paint = np.array([[200.0, 60.0, 40.0], [30.0, 30.0, 30.0], [210.0, 210.0, 205.0]])
    return Vehicles(
        front=front,
        course=np.full(count, -np.pi / 2),
        size=np.array([size] * count).reshape(-1, 3),
        colour=paint[np.arange(count) % 3].reshape(-1, 3),
    )


def street(light: str = "cloudy", seed: int = 1) -> Street:
    """The street to render."""
    roads = [(np.array([[x, 110.0], [x, 0.0]]), 3.2) for x in (-1.6, 1.6)]
    junction = np.array([[-12.0, 0.0], [12.0, 0.0], [12.0, -20.0], [-12.0, -20.0]])
    return Street(VIEW, roads, [junction], LIGHTS[light], generator(seed, "camera"))


def points() -> tuple[Floats, Floats]:
    """Points of the road, and where the camera sees them."""
    ground = np.array([[-3.2, 1.0], [3.2, 1.0], [-3.2, 45.0], [3.2, 45.0], [0.0, 18.0], [-3.2, 25.0]])
    return ground, VIEW.project(np.column_stack((ground, np.zeros(len(ground)))))


def write_calibration(path: Path, sensor: str = "camera_n", lanes: tuple[str, str] = ("n_0", "n_1")) -> Path:
    """Write the calibration of this camera as a file."""
    ground, pixel = points()
    text = f'format = "citybrain/camera/1"\nsensor = "{sensor}"\nimage = [{SIZE[0]}, {SIZE[1]}]\n'
    for name, lane in zip(lanes, LANES, strict=True):
        text += f'\n[[lanes]]\nid = "{name}"\nshape = {lane.shape.tolist()}\n'
    for (x, y), (u, v) in zip(ground[:4].tolist(), pixel[:4].tolist(), strict=True):
        text += f"\n[[points]]\nimage = [{u:.3f}, {v:.3f}]\nground = [{x}, {y}]\n"
    for (x, y), (u, v) in zip(ground[4:].tolist(), pixel[4:].tolist(), strict=True):
        text += f'\n[[points]]\nimage = [{u:.3f}, {v:.3f}]\nlane = "{lanes[0]}"\ndistance = {y}\naside = {x + 1.6}\n'
    path.write_text(text, encoding="utf-8")
    return path
