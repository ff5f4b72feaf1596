"""The detector with weights: any ONNX file, with a small TOML file that says what cannot be told from it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain_camera.calibration import Calibration
from citybrain_camera.onnx_layouts import LAYOUTS, Boxes, read_boxes, sniff
from citybrain_camera.sightings import NOTHING, Image, Sightings
from citybrain_camera.silhouettes import Silhouettes, make_silhouettes

FORMAT = "citybrain/detector/1"
VEHICLES = (2, 3, 5, 7)
"""Car, motorcycle, bus, truck in the numbering of COCO's 80 classes."""
_GREY = 114
_OVERLAP = 0.55
_SIDE_WEIGHT = np.array([1.0, 0.4, 1.0, 1.6])
"""Left, top, right, bottom: heights of vehicles differ, where they stand does not."""
_WORST_FIT = 0.35
"""A box is on no lane if its sides are off those of the best body by more than this share of its size."""


@dataclass(frozen=True)
class ModelSettings:
    """What a detector file says of its model.

    Attributes
    ----------
    model : path of the ONNX file.
    layout : of its outputs, one of ``LAYOUTS``; empty: told by the outputs' shapes.
    size : width and height of its input [pixels]; empty: as the model says.
    classes : numbers of the classes that are vehicles.
    confidence : boxes below are not looked at.
    scale, mean, deviation : input = (pixel * scale - mean) / deviation, per channel.
    colour : ``rgb`` or ``bgr``.
    keep_shape : fit the picture in with grey bars, rather than stretch it.
    """

    model: Path
    layout: str = ""
    size: tuple[int, ...] = ()
    classes: tuple[int, ...] = VEHICLES
    confidence: float = 0.15
    scale: float = 1.0 / 255.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    deviation: tuple[float, ...] = (1.0, 1.0, 1.0)
    colour: str = "rgb"
    keep_shape: bool = True


def read_settings(path: Path) -> ModelSettings:
    """Read what a detector is from its TOML file; the path of an ONNX file alone means: all as usual.

    Raises
    ------
    InputError
        If a file cannot be read, or a key is unknown or has a wrong value.
    """
    if path.suffix.lower() == ".onnx":
        return ModelSettings(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"detector {path} cannot be read: {error}") from None
    known = {field.name for field in fields(ModelSettings)}
    strange = sorted(set(table) - known - {"format"})
    if table.get("format") != FORMAT or strange or not isinstance(table.get("model"), str):
        raise InputError(
            f'detector {path}: needs format = "{FORMAT}" and model = "FILE.onnx"; may have '
            f"{', '.join(sorted(known - {'model'}))}; found {', '.join(sorted(table)) or 'nothing'}"
        )
    given: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in table.items() if key != "format"
    }
    settings = ModelSettings(**{**given, "model": path.parent / table["model"]})
    _check(path, settings)
    return settings


def _check(path: Path, settings: ModelSettings) -> None:
    def numbers(values: object, count: int | None) -> bool:
        return isinstance(values, tuple) and len(values) == (count or len(values)) and all(
            isinstance(value, int | float) for value in values
        )  # fmt: skip

    faults = {
        "layout": settings.layout in ("", *LAYOUTS),
        "size": settings.size == () or (numbers(settings.size, 2) and min(settings.size) >= 16),
        "classes": numbers(settings.classes, None) and len(settings.classes) > 0,
        "confidence": isinstance(settings.confidence, float) and 0.0 < settings.confidence < 1.0,
        "scale": isinstance(settings.scale, int | float) and settings.scale > 0.0,
        "mean": numbers(settings.mean, 3),
        "deviation": numbers(settings.deviation, 3) and min(settings.deviation) > 0.0,
        "colour": settings.colour in ("rgb", "bgr"),
        "keep_shape": isinstance(settings.keep_shape, bool),
    }
    wrong = [f"{key} = {getattr(settings, key)!r}" for key, right in faults.items() if not right]
    if wrong:
        raise InputError(f"detector {path}: wrong {', '.join(wrong)}; layouts are {', '.join(LAYOUTS)}")


class OnnxDetector:
    """A ``Detector`` that runs a model and finds for every box the body on the lanes that looks most like it.

    Parameters
    ----------
    threads : of onnxruntime.

    Raises
    ------
    InputError
        If the model cannot be loaded, or its outputs are laid out in a way that must be named.
    """

    def __init__(self, calibration: Calibration, settings: ModelSettings, threads: int = 1) -> None:
        self._settings = settings
        self._bodies = make_silhouettes(calibration, 1.0)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(settings.model), options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # noqa: BLE001  onnxruntime has a dozen errors of its own that share no base
            said = str(error).strip().splitlines()[0]
            raise InputError(f"{settings.model} cannot be loaded as an ONNX model: {said}") from None
        outputs = self._session.get_outputs()
        self._names = [output.name for output in outputs]
        layout = settings.layout or sniff(self._names, [output.shape for output in outputs])
        if layout is None:
            shapes = ", ".join(f"{output.name} {output.shape}" for output in outputs)
            raise InputError(
                f"{settings.model}: its outputs ({shapes}) could be laid out in several ways; say which in a detector "
                f"file: layout = {', '.join(LAYOUTS)}"
            )
        self._layout = layout
        self._input, self._planes_last, self._size = self._input_of(self._session.get_inputs()[0])

    def look(self, image: Image, time: float) -> Sightings | None:  # noqa: ARG002  the detectors' common interface
        """Find the vehicles in a picture."""
        picture, stretch, shift = self._fitted(image)
        outputs = self._session.run(None, {self._input: picture})
        boxes = read_boxes(self._layout, self._names, outputs, self._size)
        wanted = (boxes.score >= self._settings.confidence) & np.isin(boxes.kind, self._settings.classes)
        wanted &= np.isfinite(boxes.corner).all(axis=1)
        corner = (boxes.corner[wanted] - np.tile(shift, 2)) / np.tile(stretch, 2)
        return place_boxes(Boxes(corner, boxes.score[wanted], boxes.kind[wanted]), self._bodies)

    def _input_of(self, given: Any) -> tuple[str, bool, tuple[int, int]]:
        """Name of the model's input, whether colours are its last axis, and its width and height."""
        shape = list(given.shape)
        if len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise InputError(
                f"{self._settings.model}: its input {given.name} {shape} is no picture of three colours; this model "
                "is no detector"
            )
        last = shape[3] == 3 and shape[1] != 3
        height, width = (shape[1], shape[2]) if last else (shape[2], shape[3])
        if self._settings.size:
            width, height = self._settings.size
        if not isinstance(width, int) or not isinstance(height, int):
            raise InputError(
                f"{self._settings.model}: it takes pictures of any size; say one in a detector file: size = [640, 640]"
            )
        self._kind = np.uint8 if given.type == "tensor(uint8)" else np.float32
        return given.name, last, (width, height)

    def _fitted(self, image: Image) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        """Picture as the model wants it, and how to get back: scale and offset of x and y."""
        settings, (width, height) = self._settings, self._size
        stretch = np.array([width / image.shape[1], height / image.shape[0]])
        shift = np.zeros(2)
        if settings.keep_shape:
            stretch[:] = stretch.min()
        inner = np.maximum(1, np.rint(stretch * (image.shape[1], image.shape[0]))).astype(int)
        canvas = np.full((height, width, 3), _GREY, dtype=np.uint8)
        if settings.keep_shape:
            shift = np.floor((np.array([width, height]) - inner) / 2)
        left, top = shift.astype(int)
        canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, (int(inner[0]), int(inner[1])))
        if settings.colour == "rgb":
            canvas = canvas[:, :, ::-1]
        picture: NDArray[Any] = canvas
        if self._kind is np.float32:
            mean, deviation = np.array(settings.mean, dtype=np.float32), np.array(settings.deviation, dtype=np.float32)
            picture = (canvas * np.float32(settings.scale) - mean) / deviation
        if not self._planes_last:
            picture = picture.transpose(2, 0, 1)
        return np.ascontiguousarray(picture[None], dtype=self._kind), stretch, shift


def place_boxes(boxes: Boxes, bodies: Silhouettes) -> Sightings:
    """Put boxes [pixels of the picture] on the lanes; doubles and what is on no lane are left out."""
    corner, score = boxes.corner, boxes.score
    if len(corner) == 0:
        return NOTHING
    width_height = np.column_stack((corner[:, :2], corner[:, 2:] - corner[:, :2]))
    kept = np.asarray(cv2.dnn.NMSBoxes(width_height.tolist(), score.tolist(), 0.0, _OVERLAP), dtype=np.int64).ravel()
    corner, score = corner[kept], score[kept]
    off = np.abs(corner[:, None, :] - bodies.box[None, :, :]) @ (_SIDE_WEIGHT / _SIDE_WEIGHT.sum())
    best = np.argmin(off, axis=1)
    large = np.maximum(corner[:, 2:] - corner[:, :2], 1.0).mean(axis=1)
    on_lane = off[np.arange(len(best)), best] < _WORST_FIT * large
    chosen = best[on_lane]
    return Sightings(bodies.lane[chosen], bodies.distance[chosen], bodies.length[chosen], score[on_lane])
