"""What truly drove before a camera: SUMO at ten steps a second, and the street around one approach.

SUMO's vehicles all stop on the same inch and drive on the same line. People do not: every vehicle is drawn up to
``BACK_M`` behind and ``ASIDE_M`` beside where SUMO has it, and the truth is told for where it is drawn.

Index letter: n vehicles at one moment.
"""

from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.camera_view import Vehicles, mast
from citybrain.network import Network
from citybrain_api.libraries import program
from citybrain_camera.calibration import Calibration, Lens, View, VirtualLoop, fit
from citybrain_camera.lanes import Lane
from citybrain_sim.scenarios import find_scenario
from citybrain_sim.sumo_config import SumoConfig, read_config
from citybrain_sim.sumo_net import read_network

Floats = NDArray[np.float64]
STEP_S = 0.1
SIGHT_M = 60.0
AROUND_M = 110.0
BACK_M, ASIDE_M = 2.0, 0.25
LOOP_M = 4.0
"""Vehicles are counted when their fronts pass here, the upstream edge of the virtual loops [m]."""
MAST_HEIGHT_M, MAST_BEHIND_M, MAST_ASIDE_M = 9.0, 14.0, 1.5
PICTURE = (960, 540)
FOCAL = 620.0
# SUMO's own sizes per vehicle class (sumo.dlr.de, "Vehicle Type Parameter Defaults"), heights of bodies rounded.
SIZES = {
    "passenger": (5.0, 1.8, 1.5),
    "delivery": (6.5, 2.16, 2.9),
    "truck": (7.1, 2.4, 2.4),
    "trailer": (16.5, 2.55, 4.0),
    "bus": (12.0, 2.5, 3.4),
    "motorcycle": (2.2, 0.9, 1.5),
    "bicycle": (1.6, 0.65, 1.7),
}
PAINTS = np.array(  # blue, green, red; shares of new cars are about those of colours on European roads
    [[215, 215, 212], [32, 30, 30], [118, 116, 114], [160, 160, 158], [120, 60, 35], [35, 35, 150], [70, 66, 64]],
    dtype=np.float64,
)


@dataclass(frozen=True)
class Moment:
    """The street at one time [s]: what drives there, and the truth of the vehicles on the camera's lanes.

    ``name`` [M], ``lane`` [M] row in the camera's lanes, ``distance`` [M] of the front to the lane's end [m],
    ``speed`` [M] [m/s].
    """

    time: float
    vehicles: Vehicles
    name: list[str]
    lane: NDArray[np.int64]
    distance: Floats
    speed: Floats


@dataclass(frozen=True)
class Scene:
    """An approach with a mast camera."""

    config: SumoConfig
    view: View
    calibration: Calibration
    lane_length: dict[str, float]
    """Of the camera's lanes by id, in the order of the calibration [m]."""
    roads: list[tuple[Floats, float]]
    areas: list[Floats]


def make_scene(scenario: str, edge: str, rng: np.random.Generator) -> Scene:
    """Put a mast beyond the stop line of a road, and calibrate its camera from points found with one pixel of error."""
    config = read_config(find_scenario(scenario).config)
    network, _ = read_network(config.net_file, config.additional_files)
    number = network.edge_id.index(edge)
    rows = np.flatnonzero(network.lane_edge == number).tolist()
    shapes = [_shape(network, lane) for lane in rows]
    end = np.mean([shape[-1] for shape in shapes], axis=0)
    way = shapes[0][-1] - shapes[0][-2]
    way /= np.linalg.norm(way)
    right = np.array([way[1], -way[0]])
    aside = len(rows) * 1.6 + MAST_ASIDE_M
    place = end + way * MAST_BEHIND_M + right * aside
    view = mast((place[0], place[1], MAST_HEIGHT_M), tuple(end - way * 22.0), FOCAL, PICTURE)
    lanes = tuple(_seen(network, lane) for lane in rows)
    loops = tuple(VirtualLoop(f"stop:{lane.name}", row, LOOP_M - 1.0, 2.0) for row, lane in enumerate(lanes))
    ground = np.concatenate(
        [lane.at(np.array([1.0, 20.0, 45.0]), aside)[0] for lane in (lanes[0], lanes[-1]) for aside in (-1.6, 1.6)]
    )
    pixel = view.project(np.column_stack((ground, np.zeros(len(ground)))))
    calibration = fit("camera", PICTURE, Lens(), pixel + rng.normal(0.0, 1.0, pixel.shape), ground, lanes, loops)
    near = [
        (_shape(network, lane), 3.2)
        for lane in range(network.n_lanes)
        if np.linalg.norm(_shape(network, lane) - place, axis=1).min() < 3 * AROUND_M
    ]
    lengths = {network.lane_id[lane]: float(network.lane_length[lane]) for lane in rows}
    return Scene(config, view, calibration, lengths, near, _junctions(config.net_file, place))


def drive(scene: Scene, begin_s: float, seconds: float, seed: int, folder: Path) -> Path:
    """Let SUMO drive, and write down what drives from ``begin_s`` on, ten times a second.

    Raises
    ------
    RuntimeError
        If SUMO fails.
    """
    output = folder / "floating.xml"
    command = [
        str(program("sumo")), "-c", str(scene.config.path), "--step-length", str(STEP_S),
        "--end", str(begin_s + seconds),
        "--fcd-output", str(output), "--device.fcd.begin", str(begin_s), "--fcd-output.attributes",
        "id,x,y,angle,type,speed,pos,lane", "--no-step-log", "--seed", str(seed), "--time-to-teleport", "-1",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"SUMO failed: {done.stderr.strip()}")
    return output


def moments(scene: Scene, drives: Path) -> Iterator[Moment]:
    """Tell what is before the camera, moment by moment."""
    sizes = _sizes(scene.config)
    with drives.open(encoding="utf-8") as lines:
        rows: list[dict[str, str]] = []
        time = 0.0
        for line in lines:
            found = dict(_ATTRIBUTE.findall(line))
            if "<timestep" in line:
                time, rows = float(found["time"]), []
            elif "<vehicle" in line:
                rows.append(found)
            elif "</timestep" in line:
                yield _moment(scene, time, rows, sizes)


_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')


def _moment(
    scene: Scene, time: float, rows: list[dict[str, str]], sizes: dict[str, tuple[float, float, float]]
) -> Moment:
    place = scene.view.position[:2]
    around = [row for row in rows if np.hypot(float(row["x"]) - place[0], float(row["y"]) - place[1]) < AROUND_M]
    course = np.array([np.pi / 2 - np.radians(float(row["angle"])) for row in around])
    way = np.column_stack((np.cos(course), np.sin(course)))
    back, aside = np.array([_habit(row["id"]) for row in around]).reshape(-1, 2).T[:, :, None]
    front = np.array([[float(row["x"]), float(row["y"])] for row in around]).reshape(-1, 2)
    vehicles = Vehicles(
        front=front - way * back + way[:, ::-1] * (-1.0, 1.0) * aside,
        course=course,
        size=np.array([sizes.get(row["type"], SIZES["passenger"]) for row in around]).reshape(-1, 3),
        colour=np.array([_paint(row["id"]) for row in around]).reshape(-1, 3),
    )
    order = list(scene.lane_length)
    seen = [
        row for row in around
        if row["lane"] in scene.lane_length and scene.lane_length[row["lane"]] - float(row["pos"]) <= SIGHT_M - BACK_M
    ]  # fmt: skip
    return Moment(
        time=time,
        vehicles=vehicles,
        name=[row["id"] for row in seen],
        lane=np.array([order.index(row["lane"]) for row in seen], dtype=np.int64),
        distance=np.array([scene.lane_length[row["lane"]] - float(row["pos"]) + _habit(row["id"])[0] for row in seen]),
        speed=np.array([float(row["speed"]) for row in seen]),
    )


def _habit(name: str) -> tuple[float, float]:
    """How far behind and beside SUMO's place a vehicle is drawn [m]."""
    number = _number(name)
    return BACK_M * (number % 97) / 96, ASIDE_M * ((number // 97) % 13 - 6) / 6


def _number(name: str) -> int:
    """Give a vehicle a number that is the same in every run."""
    return zlib.crc32(name.encode())


def _paint(name: str) -> Floats:
    number = _number(name)
    paint: Floats = PAINTS[number % len(PAINTS)] * (0.9 + 0.02 * (number % 11))
    return paint


def _sizes(config: SumoConfig) -> dict[str, tuple[float, float, float]]:
    """Length, width, height [m] of every vehicle type of the demand."""
    sizes = {}
    for file in (*config.route_files, *config.additional_files):
        for _, element in ET.iterparse(file):
            if element.tag == "vType":
                length, width, height = SIZES.get(element.get("vClass", "passenger"), SIZES["passenger"])
                sizes[element.attrib["id"]] = (float(element.get("length", length)), width, height)
            element.clear()
    return sizes


def _shape(network: Network, lane: int) -> Floats:
    shape: Floats = network.lane_shape[network.lane_shape_ptr[lane] : network.lane_shape_ptr[lane + 1]]
    return shape


def _seen(network: Network, lane: int) -> Lane:
    """Cut a lane down to what is in sight."""
    whole = Lane(network.lane_id[lane], _shape(network, lane), 3.2)
    far = min(SIGHT_M, whole.length)
    (begin,), _ = whole.at(np.array([far]))
    left = whole.length - np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(whole.shape, axis=0), axis=1))))
    return Lane(whole.name, np.vstack((begin, whole.shape[left < far - 0.1])), whole.width)


def _junctions(net_file: Path, place: Floats) -> list[Floats]:
    areas = []
    for _, element in ET.iterparse(net_file):
        if element.tag == "junction" and element.get("shape"):
            ring = np.array([[float(x) for x in point.split(",")[:2]] for point in element.attrib["shape"].split()])
            if len(ring) > 2 and np.linalg.norm(ring - place, axis=1).min() < 2 * AROUND_M:
                areas.append(ring)
    return areas
