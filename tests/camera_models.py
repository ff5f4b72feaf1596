"""Tiny ONNX models that find bright blobs, one in each half of the picture, with outputs as real detectors have them.

No detector's weights ship with the project: these graphs run through onnxruntime as any other would.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ROWS = 8
"""Rows of the outputs; two are blobs, the rest is empty."""
_BRIGHT = 0.75


class _Graph:
    """Collects nodes; every method returns the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name


def _blob(graph: _Graph, bright: str, begin: int, end: int) -> str:
    """One row [1, 5]: left, top, right, bottom [pixels], score, of what is bright in some columns."""
    part = graph.add(
        "Slice", bright, graph.constant(np.array([begin])), graph.constant(np.array([end])),
        graph.constant(np.array([3])),
    )  # fmt: skip
    places = []
    for axis, shift in ((2, begin), (3, 0)):  # columns, then rows
        line = graph.add("ReduceMax", part, graph.constant(np.array([1, axis])), keepdims=0)
        for last in (0, 1):
            at = graph.add("ArgMax", line, axis=1, keepdims=1, select_last_index=last)
            moved = graph.add("Add", graph.add("Cast", at, to=TensorProto.FLOAT), _number(graph, shift + last))
            places.append(moved)
    left, right, top, bottom = places
    peak = graph.add("ReduceMax", part, graph.constant(np.array([1, 2, 3])), keepdims=0)
    score = graph.add("Reshape", peak, graph.constant(np.array([1, 1])))
    return graph.add("Concat", left, top, right, bottom, graph.add("Mul", score, _number(graph, 0.9)), axis=1)


def _number(graph: _Graph, value: float) -> str:
    return graph.constant(np.array([[value]], dtype=np.float32))


def blob_model(path: Path, layout: str, size: tuple[int, int]) -> Path:
    """Write a model for pictures of width and height ``size``; its vehicles have class 2."""
    width, height = size
    graph = _Graph()
    threshold = graph.constant(np.array(_BRIGHT, dtype=np.float32))
    bright = graph.add("Cast", graph.add("Greater", "image", threshold), to=TensorProto.FLOAT)
    blobs = [_blob(graph, bright, *half) for half in ((0, width // 2), (width // 2, width))]
    empty = graph.constant(np.zeros((ROWS - 2, 5), dtype=np.float32))
    table = graph.add("Concat", *blobs, empty, axis=0)  # [ROWS, 5]
    corner = graph.add("Slice", table, *(graph.constant(np.array([n])) for n in (0, 4, 1)))
    score = graph.add("Slice", table, *(graph.constant(np.array([n])) for n in (4, 5, 1)))
    low = graph.add("Slice", table, *(graph.constant(np.array([n])) for n in (0, 2, 1)))
    high = graph.add("Slice", table, *(graph.constant(np.array([n])) for n in (2, 4, 1)))
    middle = graph.add("Mul", graph.add("Add", low, high), _number(graph, 0.5))
    centred = graph.add("Concat", middle, graph.add("Sub", high, low), axis=1)
    shares = graph.add("Div", centred, graph.constant(np.array([[width, height, width, height]], dtype=np.float32)))
    none = graph.constant(np.zeros((ROWS, 2), dtype=np.float32))
    classes = graph.add("Concat", none, score, axis=1)
    outputs = _laid_out(graph, layout, (corner, centred, shares, score, classes))
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "blobs", [image], infos, graph.constants),
        opset_imports=[helper.make_opsetid("", 18)], ir_version=10,
    )  # fmt: skip
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def _laid_out(graph: _Graph, layout: str, parts: tuple[str, ...]) -> list[tuple[str, list[int]]]:
    """Name the outputs of a layout, with their shapes."""
    corner, centred, shares, score, classes = parts

    def give(name: str, source: str, shape: list[int]) -> tuple[str, list[int]]:
        graph.nodes.append(
            helper.make_node("Reshape", [source, graph.constant(np.array(shape, dtype=np.int64))], [name])
        )
        return name, shape

    two = graph.constant(np.full((ROWS, 1), 2.0, dtype=np.float32))
    if layout == "yolo":
        table = graph.add("Transpose", graph.add("Concat", centred, classes, axis=1), perm=[1, 0])
        return [give("output0", table, [1, 7, ROWS])]
    if layout == "yolo-objectness":
        one = graph.constant(np.ones((ROWS, 1), dtype=np.float32))
        return [give("output0", graph.add("Concat", centred, one, classes, axis=1), [1, ROWS, 8])]
    if layout == "rows":
        return [give("output0", graph.add("Concat", corner, score, two, axis=1), [1, ROWS, 6])]
    if layout == "detr":
        odds = graph.add("Mul", graph.add("Sub", classes, _number(graph, 0.5)), _number(graph, 12.0))
        return [give("pred_logits", odds, [1, ROWS, 3]), give("pred_boxes", shares, [1, ROWS, 4])]
    if layout == "ssd":
        size = graph.constant(np.array([1, 0, 3, 2]))
        width_height = graph.add("Gather", _corner_shares(graph, shares), size, axis=1)
        return [
            give("detection_boxes", width_height, [1, ROWS, 4]),
            give("detection_classes", two, [1, ROWS]),
            give("detection_scores", score, [1, ROWS]),
        ]
    return [give("boxes", corner, [ROWS, 4]), give("labels", two, [ROWS]), give("scores", score, [ROWS])]


def _corner_shares(graph: _Graph, shares: str) -> str:
    middle = graph.add("Slice", shares, *(graph.constant(np.array([n])) for n in (0, 2, 1)))
    half = graph.add(
        "Mul", graph.add("Slice", shares, *(graph.constant(np.array([n])) for n in (2, 4, 1))), _number(graph, 0.5)
    )
    return graph.add("Concat", graph.add("Sub", middle, half), graph.add("Add", middle, half), axis=1)
