"""The ONNX detector, run through onnxruntime on models whose outputs are laid out in every way that it knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from citybrain.errors import InputError
from citybrain_camera.onnx_detector import OnnxDetector, read_settings
from citybrain_camera.onnx_layouts import LAYOUTS, sniff
from citybrain_camera.sightings import Image
from citybrain_camera.silhouettes import make_silhouettes
from tests.camera_models import blob_model
from tests.camera_world import CALIBRATION, SIZE

BODIES = make_silhouettes(CALIBRATION, 1.0)


def picture(places: list[tuple[int, float]]) -> Image:
    """White boxes where cars would be."""
    image = np.zeros((SIZE[1], SIZE[0], 3), dtype=np.uint8)
    for lane, distance in places:
        body = np.flatnonzero((BODIES.lane == lane) & (BODIES.distance == distance) & (BODIES.length == 4.5))[0]
        left, top, right, bottom = np.rint(BODIES.box[body]).astype(int)
        image[top:bottom, left:right] = 255
    return image


def detector(folder: Path, layout: str, more: str = "") -> OnnxDetector:
    """A detector on a blob model, described in a file."""
    blob_model(folder / "blobs.onnx", layout, SIZE)
    file = folder / "detector.toml"
    file.write_text(f'format = "citybrain/detector/1"\nmodel = "blobs.onnx"\nclasses = [2]\n{more}', encoding="utf-8")
    return OnnxDetector(CALIBRATION, read_settings(file))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_vehicle_is_put_on_its_lane(layout: str, tmp_path: Path) -> None:
    named = f'layout = "{layout}"' if layout in ("yolo", "yolo-objectness") else ""
    found = detector(tmp_path, layout, named).look(picture([(0, 6.0)]), 0.0)
    assert found is not None
    assert found.lane.tolist() == [0]
    assert found.distance == pytest.approx([6.0], abs=0.6)
    assert found.length == pytest.approx([4.5])
    assert found.score == pytest.approx([0.9], abs=0.1)


def test_a_picture_of_another_size_is_fitted_and_found_back(tmp_path: Path) -> None:
    blob_model(tmp_path / "wide.onnx", "rows", (640, 480))
    found = OnnxDetector(CALIBRATION, read_settings(tmp_path / "wide.onnx")).look(picture([(0, 9.0)]), 0.0)
    assert found is not None
    assert found.lane.tolist() == [0]
    assert found.distance == pytest.approx([9.0], abs=0.6)


def test_other_classes_and_boxes_off_the_road_are_left_out(tmp_path: Path) -> None:
    assert len(detector(tmp_path, "rows", "").look(picture([]), 0.0).lane) == 0  # type: ignore[union-attr]
    off_road = np.zeros((SIZE[1], SIZE[0], 3), dtype=np.uint8)
    off_road[200:260, 10:60] = 255
    assert len(detector(tmp_path, "rows").look(off_road, 0.0).lane) == 0  # type: ignore[union-attr]
    walkers = detector(tmp_path, "rows")
    walkers._settings = read_settings(tmp_path / "blobs.onnx").__class__(tmp_path / "blobs.onnx", classes=(0,))
    assert len(walkers.look(picture([(0, 6.0)]), 0.0).lane) == 0  # type: ignore[union-attr]


def test_layouts_are_told_by_their_shapes_or_not_at_all() -> None:
    assert sniff(["output0"], [[1, 84, 8400]]) == "yolo"
    assert sniff(["output0"], [[1, 25200, 85]]) == "yolo-objectness"
    assert sniff(["output0"], [[1, 300, 6]]) == "rows"
    assert sniff(["logits", "pred_boxes"], [[1, 300, 80], [1, 300, 4]]) == "detr"
    assert sniff(["dets", "labels"], [[1, 300, 4], [1, 300, 91]]) == "detr"
    assert sniff(["dets", "labels"], [[1, 300, 5], [1, 300]]) is None
    assert sniff(["output0"], [[1, 8400, 9]]) is None


def test_an_ambiguous_model_must_be_declared(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="say which"):
        detector(tmp_path, "yolo-objectness")


def test_a_wrong_declaration_is_told_with_the_shapes(tmp_path: Path) -> None:
    wrong = detector(tmp_path, "boxes", 'layout = "detr"')
    with pytest.raises(InputError, match=r"boxes \[8, 4\].*not laid out as 'detr'"):
        wrong.look(picture([]), 0.0)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "needs format"),
        ('format = "citybrain/detector/1"\nmodel = "x.onnx"\nlayuot = "yolo"', "layuot"),
        ('format = "citybrain/detector/1"\nmodel = "x.onnx"\nsize = [640]\ncolour = "red"', "colour"),
        ("=", "cannot be read"),
    ],
)
def test_a_wrong_detector_file_is_told(text: str, word: str, tmp_path: Path) -> None:
    file = tmp_path / "d.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=word):
        read_settings(file)


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="cannot be loaded"):
        OnnxDetector(CALIBRATION, read_settings(tmp_path / "x.onnx"))
