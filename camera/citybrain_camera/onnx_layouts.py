"""How the outputs of vehicle detectors are laid out, and how to read them: boxes, scores and classes.

``yolo``     one output [1, 4 + C, N]: centre x, y, width, height [pixels], a score per class (YOLOv8, v9, v11)
``yolo-objectness``  one output [1, N, 5 + C]: the same with an objectness before the classes (YOLOv5, v7, YOLOX)
``rows``     one output [1, N, 6]: left, top, right, bottom [pixels], score, class (YOLOv10, exports with NMS)
``detr``     logits [1, N, C(+1)] and boxes [1, N, 4]: centre x, y, width, height [shares] (DETR, RT-DETR, RF-DETR)
``ssd``      boxes [1, N, 4]: top, left, bottom, right [shares]; scores [1, N]; classes [1, N] (TensorFlow's)
``boxes``    boxes [N, 4]: left, top, right, bottom [pixels]; scores [N]; classes [N] (torchvision's)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain_camera.lanes import Floats

LAYOUTS = ("yolo", "yolo-objectness", "rows", "detr", "ssd", "boxes")
_OUTPUTS = {"yolo": 1, "yolo-objectness": 1, "rows": 1, "detr": 2, "ssd": 3, "boxes": 3}
_COCO = 80


@dataclass(frozen=True)
class Boxes:
    """What a detector found. Index n.

    Attributes
    ----------
    corner : [N, 4] left, top, right, bottom [pixels of the model's input].
    score : [N] 0 to 1.
    kind : [N] class.
    """

    corner: Floats
    score: Floats
    kind: NDArray[np.int64]


def sniff(names: Sequence[str], shapes: Sequence[Sequence[object]]) -> str | None:
    """Tell the layout by the outputs' names and shapes; None where it could be one or the other."""
    ranks = [len(shape) for shape in shapes]
    if len(names) == 1 and ranks == [3]:
        _, rows, columns = shapes[0]
        if columns == 6:
            return "rows"
        if columns == 5 + _COCO:
            return "yolo-objectness"
        if rows == 4 + _COCO or (isinstance(rows, int) and isinstance(columns, int) and 4 < rows < columns):
            return "yolo"
        return None
    words = " ".join(names).lower()
    if len(names) == 2 and ranks == [3, 3] and sum(shape[-1] == 4 for shape in shapes) == 1:
        return "detr"
    if "detection_boxes" in words and "detection_scores" in words:
        return "ssd"
    if len(names) == 3 and {"boxes", "scores", "labels"} == {name.lower() for name in names}:
        return "boxes"
    return None


def read_boxes(
    layout: str, names: Sequence[str], outputs: Sequence[NDArray[np.float32]], size: tuple[int, int]
) -> Boxes:
    """Read a model's outputs for one picture of width and height ``size``.

    Raises
    ------
    InputError
        If they are not laid out so.
    """
    try:
        return _read(layout, names, [np.asarray(output, dtype=np.float64) for output in outputs], size)
    except (IndexError, ValueError, StopIteration):
        shapes = ", ".join(f"{name} {list(output.shape)}" for name, output in zip(names, outputs, strict=True))
        raise InputError(
            f"the model's outputs ({shapes}) are not laid out as {layout!r}, which has {_OUTPUTS[layout]} output(s); "
            f"name another layout: {', '.join(LAYOUTS)}"
        ) from None


def _read(layout: str, names: Sequence[str], outputs: list[Floats], size: tuple[int, int]) -> Boxes:
    if layout in ("yolo", "yolo-objectness", "rows"):
        (table,) = outputs[0] if outputs[0].ndim == 3 else (outputs[0],)
        if layout == "rows":
            _need(table.shape[1] == 6)
            return Boxes(table[:, :4], table[:, 4], table[:, 5].astype(np.int64))
        if layout == "yolo":
            table = table.T
            _need(table.shape[1] > 4)
            return _best_class(_corners(table[:, :4]), table[:, 4:])
        _need(table.shape[1] > 5)
        return _best_class(_corners(table[:, :4]), table[:, 4:5] * table[:, 5:])
    width, height = size
    if layout == "detr":
        place = next(n for n, output in enumerate(outputs) if output.shape[-1] == 4)
        boxes, logits = _flat(outputs[place], 2), _flat(outputs[1 if place == 0 else 0], 2)
        return _best_class(_corners(boxes * (width, height, width, height)), 1.0 / (1.0 + np.exp(-logits)))
    boxes = _flat(_named(names, outputs, "box", 0), 2)
    scores = _flat(_named(names, outputs, "score", 1), 1)
    kinds = _flat(_named(names, outputs, "label" if layout == "boxes" else "class", 2), 1).astype(np.int64)
    if layout == "ssd":
        boxes = boxes[:, [1, 0, 3, 2]] * (width, height, width, height)
    _need(len(boxes) == len(scores) == len(kinds))
    return Boxes(boxes, scores, kinds)


def _named(names: Sequence[str], outputs: list[Floats], word: str, place: int) -> Floats:
    """Find the output whose name has the word in it; or the one in that place."""
    return next((output for name, output in zip(names, outputs, strict=True) if word in name.lower()), outputs[place])


def _flat(array: Floats, rank: int) -> Floats:
    """Take away the axis of the batch."""
    _need(array.ndim in (rank, rank + 1))
    return array[0] if array.ndim == rank + 1 else array


def _corners(centred: Floats) -> Floats:
    middle, half = centred[:, :2], centred[:, 2:4] / 2
    return np.concatenate((middle - half, middle + half), axis=1)


def _best_class(corner: Floats, scores: Floats) -> Boxes:
    _need(len(corner) == len(scores))
    kind = np.argmax(scores, axis=1)
    return Boxes(corner, scores[np.arange(len(kind)), kind], kind.astype(np.int64))


def _need(right: object) -> None:
    if not right:
        raise ValueError
