"""``citybrain camera`` from end to end: a clip in, rows of observations out, to a file and to a real service."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from citybrain.intake.judge import Limits, read_arrow
from citybrain_api import camera_gateway
from citybrain_api.camera_gateway import Gateway
from citybrain_api.cli import app
from citybrain_api.client import ServiceError, Verdicts
from citybrain_camera.rows import body_of, rows_of
from citybrain_camera.silhouettes import make_silhouettes
from citybrain_camera.watch import Report
from tests.camera_models import blob_model
from tests.camera_world import CALIBRATION, SIZE, write_calibration
from tests.http_world import serving, until

PICTURES = 15


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """The command sets handlers of signals for its process, which is ours here."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def citybrain(*arguments: str | Path) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["camera", *map(str, arguments)])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clip of a white box that drives down a lane as a car would, and a model that sees it."""
    folder = tmp_path_factory.mktemp("clip")
    bodies = make_silhouettes(CALIBRATION, 1.0)
    writer = cv2.VideoWriter(str(folder / "a.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 10.0, SIZE)
    for n in range(PICTURES):
        image = np.zeros((SIZE[1], SIZE[0], 3), dtype=np.uint8)
        body = np.flatnonzero((bodies.lane == 0) & (bodies.distance == 16.0 - n) & (bodies.length == 4.5))[0]
        left, top, right, bottom = np.rint(bodies.box[body]).astype(int)
        image[top:bottom, left:right] = 255
        writer.write(image)
    writer.release()
    blob_model(folder / "blobs.onnx", "rows", SIZE)
    return folder


def test_a_clip_becomes_a_parquet_file(clip: Path, tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    calibration = write_calibration(tmp_path / "c.toml")
    done = citybrain(
        clip / "a.avi", "--calibration", calibration, "--detector", clip / "blobs.onnx", "--out", file,
        "--begin", "2026-11-22T07:30:00Z",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "points fit within" in done.stderr
    rows = pq.read_table(file).to_pylist()
    frames = [row["time_ms"] for row in rows if row["kind"] == "frame"]
    assert len(frames) == PICTURES
    assert frames[0] // 1000 == 1_795_332_600
    assert {row["sensor"] for row in rows} == {"camera_n"}
    last = [row for row in rows if row["kind"] == "object"][-1]
    assert last["lane"] == "n_0"
    assert last["distance"] == pytest.approx(16.0 - (PICTURES - 1), abs=1.0)
    assert last["speed"] == pytest.approx(10.0, abs=2.0)
    assert not list(tmp_path.glob("*.part"))


def test_a_service_takes_the_rows_in(clip: Path, tmp_path: Path) -> None:
    calibration = write_calibration(tmp_path / "c.toml")
    with serving(tmp_path / "service") as world:
        begin = str(world.clock.now() - 100)
        done = citybrain(
            clip / "a.avi", "--calibration", calibration, "--detector", clip / "blobs.onnx", "--to", world.url,
            "--key", world.keys["field"], "--begin", begin,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        assert "refused" not in done.stderr, done.stderr
        (batch, *_) = (line for line in world.lines() if line.get("path") == "/v1/observations")
        assert batch["status"] == 200


def test_a_wrong_key_is_told_and_fails(clip: Path, tmp_path: Path) -> None:
    calibration = write_calibration(tmp_path / "c.toml")
    with serving(tmp_path / "service") as world:
        done = citybrain(
            clip / "a.avi", "--calibration", calibration, "--detector", clip / "blobs.onnx", "--to", world.url,
            "--key", "wrong",
        )  # fmt: skip
    assert done.exit_code == 1
    assert "takes nothing from this camera" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("package", ["cv2", "onnxruntime"])
def test_without_the_extra_one_line_says_what_to_install(
    package: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibration = write_calibration(tmp_path / "c.toml")
    for module in [name for name in sys.modules if name.startswith("citybrain_camera.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    done = citybrain(
        clip / "a.avi", "--calibration", calibration, "--detector", clip / "blobs.onnx", "--out", tmp_path / "x.parquet"
    )
    assert done.exit_code == 2
    assert "citybrain-engine[camera]" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2
    assert not list(tmp_path.glob("x.parquet*"))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ([], "--to URL"),
        (["--out", "x.parquet", "--to", "http://127.0.0.1:1"], "--to URL"),
        (["--out", "x.parquet", "--times", "mine"], "'mine'"),
        (["--out", "x.parquet", "--rate", "0"], "--rate"),
        (["--out", "x.parquet"], "none.mp4"),
    ],
)
def test_wrong_options_are_told(options: list[str], word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = citybrain("none.mp4", "--calibration", write_calibration(tmp_path / "c.toml"), *options)
    assert done.exit_code == 2
    assert word in done.stderr
    assert not list(tmp_path.glob("x.parquet*"))


class Patchy:
    """A client whose service is away for the first posts."""

    def __init__(self, failures: int) -> None:
        self.failures, self.bodies = failures, list[bytes]()

    def observe(self, body: bytes) -> Verdicts:
        self.bodies.append(body)
        if len(self.bodies) <= self.failures:
            raise ServiceError("the service does not answer")
        return Verdicts({"refused": []}, known=False)


def rows() -> pa.RecordBatch:
    return rows_of([Report(1_795_000_000.0, (), ())], "camera:n #1")


def test_a_batch_is_posted_again_with_the_same_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_gateway, "FIRST_PAUSE_S", 0.01)
    client, told = Patchy(3), list[str]()
    with Gateway(client, "camera:n #1", body_of, told.append) as gateway:  # type: ignore[arg-type]
        gateway.post(rows(), 17_950_000_000)
        until(lambda: len(client.bodies) == 4)
    assert len(set(client.bodies)) == 1
    assert len(told) == 1
    read = read_arrow(client.bodies[0], Limits())
    assert read.sender == "camera:n__1"
    assert read.complete_until == 17_950_000_000


def test_what_is_lost_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(camera_gateway, "KEPT", 2)
    client, told = Patchy(10**6), list[str]()
    with Gateway(client, "camera", body_of, told.append) as gateway:  # type: ignore[arg-type]
        for _ in range(6):
            gateway.post(rows(), 1)
        assert any("are lost so far" in line for line in told)
    assert "batches are lost" in told[-1]
