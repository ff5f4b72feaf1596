"""Reads a camera's calibration from its TOML file; every fault of the file is told at once."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from citybrain.errors import InputError
from citybrain_camera.calibration import Calibration, Lens, VirtualLoop, fit
from citybrain_camera.lanes import Floats, Lane

FORMAT = "citybrain/camera/1"
_KEYS = {
    "": {"format", "sensor", "image", "lens", "lanes", "points", "loops"},
    "lens": {"focal", "centre", "distortion"},
    "lanes": {"id", "shape", "width"},
    "points": {"image", "ground", "lane", "distance", "aside"},
    "loops": {"sensor", "lane", "distance", "length"},
}
LANE_WIDTH = 3.2
LOOP_LENGTH = 2.0
FEWEST_POINTS = 4


def read_calibration(path: Path) -> Calibration:
    """Read and fit a calibration.

    Raises
    ------
    InputError
        If the file cannot be read, or something in it is missing, unknown or wrong; all faults in one message.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"calibration {path} cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"calibration {path} is no TOML: {error}") from None
    reader = _Reader(document)
    parts = reader.read()
    if reader.faults:
        raise InputError(
            f"calibration {path}:\n  " + "\n  ".join(reader.faults) + "\nSee docs/camera.md for a whole example."
        )
    sensor, size, lens, pixel, ground, lanes, loops = parts
    try:
        return fit(sensor, size, lens, pixel, ground, lanes, loops)
    except InputError as error:
        raise InputError(f"calibration {path}: {error}") from None


_Parts = tuple[str, tuple[int, int], Lens, Floats, Floats, tuple[Lane, ...], tuple[VirtualLoop, ...]]


class _Reader:
    """Goes through a document and notes what is wrong."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self.faults: list[str] = []

    def read(self) -> _Parts:
        """Read all tables; what is faulty stands for nothing."""
        document = self._document
        self._unknown(document, "", "at the top")
        if document.get("format") != FORMAT:
            self.faults.append(f'format must be "{FORMAT}", found {document.get("format")!r}')
        sensor = self._text(document.get("sensor"), "sensor: the camera's id")
        size = self._numbers(document.get("image"), 2, "image: width and height in pixels") or (0.0, 0.0)
        if min(size) < 16:
            self.faults.append(f"image: a picture of {size[0]:g} by {size[1]:g} pixels is too small")
        lens = self._lens()
        lanes = self._lanes()
        rows = {lane.name: number for number, lane in enumerate(lanes)}
        pixel, ground = self._points(lanes, rows)
        return sensor, (int(size[0]), int(size[1])), lens, pixel, ground, lanes, self._loops(lanes, rows)

    def _lens(self) -> Lens:
        table = self._document.get("lens", {})
        if not isinstance(table, dict):
            self.faults.append("lens: write a table [lens]")
            return Lens()
        self._unknown(table, "lens", "in [lens]")
        found = {key: self._numbers(table[key], 2, f"lens {key}") for key in ("focal", "centre") if key in table}
        distortion: tuple[float, ...] = (0.0,) * 5
        if "distortion" in table:
            distortion = self._numbers(table["distortion"], 5, "lens distortion (k1, k2, p1, p2, k3)") or distortion
        focal, centre = found.get("focal"), found.get("centre")
        if focal is not None and min(focal) <= 0.0:
            self.faults.append("lens focal: two positive numbers of pixels")
        return Lens(
            focal=None if focal is None else (focal[0], focal[1]),
            centre=None if centre is None else (centre[0], centre[1]),
            distortion=distortion,
        )

    def _lanes(self) -> tuple[Lane, ...]:
        lanes: list[Lane] = []
        for place, table in self._tables("lanes", least=1):
            name = self._text(table.get("id"), f"{place}: id")
            width = self._number(table.get("width", LANE_WIDTH), f"{place}: width in metres", 1.0, 10.0)
            shape = table.get("shape")
            points = shape if isinstance(shape, list) else []
            pairs = [self._numbers(pair, 2, f"{place}: a point of shape") for pair in points]
            line = np.array([pair for pair in pairs if pair is not None], dtype=np.float64).reshape(-1, 2)
            if len(line) < 2 or (np.linalg.norm(np.diff(line, axis=0), axis=1) < 1e-3).any():
                self.faults.append(
                    f"{place}: shape must be two or more different points [x, y] in metres, in driving direction"
                )
                continue
            if name in {lane.name for lane in lanes}:
                self.faults.append(f"{place}: lane {name!r} stands there twice")
            lanes.append(Lane(name, line, width))
        return tuple(lanes)

    def _points(self, lanes: tuple[Lane, ...], rows: dict[str, int]) -> tuple[Floats, Floats]:
        pixels, grounds = [], []
        for place, table in self._tables("points", least=FEWEST_POINTS):
            pixel = self._numbers(table.get("image"), 2, f"{place}: image")
            if "ground" in table:
                ground = self._numbers(table["ground"], 2, f"{place}: ground")
            elif (lane := self._lane(table, place, rows)) is not None:
                distance = self._number(table.get("distance"), f"{place}: distance in metres", -100.0, 10_000.0)
                aside = self._number(table.get("aside", 0.0), f"{place}: aside in metres", -50.0, 50.0)
                (found,), _ = lanes[lane].at(np.array([distance]), aside)
                ground = (float(found[0]), float(found[1]))
            else:
                ground = None
            if pixel is not None and ground is not None:
                pixels.append(pixel)
                grounds.append(ground)
        return np.array(pixels, dtype=np.float64).reshape(-1, 2), np.array(grounds, dtype=np.float64).reshape(-1, 2)

    def _loops(self, lanes: tuple[Lane, ...], rows: dict[str, int]) -> tuple[VirtualLoop, ...]:
        loops = []
        for place, table in self._tables("loops", least=0):
            sensor = self._text(table.get("sensor"), f"{place}: sensor")
            lane = self._lane(table, place, rows)
            if lane is not None:
                distance = self._number(table.get("distance"), f"{place}: distance in metres", 0.0, lanes[lane].length)
                length = self._number(table.get("length", LOOP_LENGTH), f"{place}: length in metres", 0.5, 30.0)
                loops.append(VirtualLoop(sensor, lane, distance, length))
        return tuple(loops)

    def _tables(self, name: str, least: int) -> list[tuple[str, dict[str, Any]]]:
        found = self._document.get(name, [])
        if not isinstance(found, list) or not all(isinstance(table, dict) for table in found):
            self.faults.append(f"{name}: write tables [[{name}]]")
            return []
        if len(found) < least:
            self.faults.append(f"{name}: at least {least} tables [[{name}]] are needed, found {len(found)}")
        places = [(f"[[{name}]] number {number}", table) for number, table in enumerate(found, 1)]
        for place, table in places:
            self._unknown(table, name, f"in {place}")
        return places

    def _lane(self, table: dict[str, Any], place: str, rows: dict[str, int]) -> int | None:
        name = table.get("lane")
        if not isinstance(name, str) or name not in rows:
            self.faults.append(f"{place}: lane {name!r} is none of the lanes above ({', '.join(rows) or 'none'})")
            return None
        return rows[name]

    def _unknown(self, table: dict[str, Any], name: str, place: str) -> None:
        strange = sorted(set(table) - _KEYS[name])
        if strange:
            self.faults.append(f"unknown {', '.join(strange)} {place}; known are {', '.join(sorted(_KEYS[name]))}")

    def _text(self, value: object, what: str) -> str:
        if not isinstance(value, str) or not value:
            self.faults.append(f"{what} must be a text, found {value!r}")
            return ""
        return value

    def _number(self, value: object, what: str, least: float, most: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.faults.append(f"{what} must be a number from {least:g} to {most:g}, found {value!r}")
            return least
        return float(value)

    def _numbers(self, value: object, count: int, what: str) -> tuple[float, ...] | None:
        fit_in = isinstance(value, list) and len(value) == count
        if not fit_in or not all(
            isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)
            for x in value  # type: ignore[attr-defined]  # a list, as just seen
        ):
            self.faults.append(f"{what} must be {count} numbers, found {value!r}")
            return None
        return tuple(float(x) for x in value)  # type: ignore[attr-defined]  # likewise
