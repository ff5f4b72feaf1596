"""``citybrain camera``: video in, observations out. The camera's own packages are an extra, and imported only here."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from citybrain.errors import InputError
from citybrain_api import options as opt
from citybrain_api.failures import clear_errors, tell

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from citybrain_camera.calibration import Calibration
    from citybrain_camera.sightings import Detector
    from citybrain_camera.sources import Frame, Now

EXTRA = {"cv2": "opencv-python-headless", "onnxruntime": "onnxruntime"}
BATCH_S = 1.0
"""A batch is posted or written this often [s]."""

Source = Annotated[
    str, typer.Argument(metavar="SOURCE", help="rtsp:// or http:// stream, video file, or folder of pictures.")
]
CalibrationFile = Annotated[
    Path, typer.Option("--calibration", metavar="FILE", help="Where the camera hangs and its lanes: docs/camera.md.")
]
To = Annotated[str | None, typer.Option("--to", metavar="URL", help="Post to this service.")]
Key = Annotated[
    str | None, typer.Option(metavar="KEY", envvar="CITYBRAIN_KEY", help="Field key; better in the environment.")
]
OutFile = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write rows to this Parquet file.")]
DetectorFile = Annotated[
    Path | None,
    typer.Option(
        "--detector",
        metavar="FILE",
        help="ONNX model, or the TOML file that describes one; without: no weights needed.",
    ),
]
Times = Annotated[
    str, typer.Option(metavar="WHOSE", help="Of a live stream: its own times ('stream') or those of 'arrival'.")
]
Begin = Annotated[
    str | None, typer.Option(metavar="TIME", help="When a recording began, such as 2026-11-22T07:30:00Z; without: now.")
]
Rate = Annotated[
    float, typer.Option(metavar="N", help="Pictures looked at per second; a folder's were taken at this rate.")
]


class Sink(Protocol):
    """Takes rows, and the time up to which they are complete [tenths]."""

    def __call__(self, rows: pa.RecordBatch, complete_until: int) -> None:
        """Take them."""
        ...


def camera(
    source: Source,
    calibration: CalibrationFile,
    to: To = None,
    key: Key = None,
    out: OutFile = None,
    detector: DetectorFile = None,
    times: Times = "stream",
    begin: Begin = None,
    rate: Rate = 10.0,
) -> None:
    """Watch a camera and tell which vehicles are on which lane, how far from its end, how fast. Ctrl-C ends it."""
    with clear_errors(Path()):
        if (to is None) == (out is None):
            raise InputError("say where the observations go: --to URL (a service) or --out FILE.parquet")
        if times not in ("stream", "arrival"):
            raise InputError(f"--times {times!r} is neither 'stream' nor 'arrival'")
        opt.at_least(rate, 0.1, "--rate")
        try:
            _watch(source, calibration, to, key, out, detector, times == "stream", begin, rate)
        except ModuleNotFoundError as error:
            if error.name not in EXTRA:
                raise
            raise InputError(
                f"the package {EXTRA[error.name]} is missing; install the extra: pip install 'citybrain-engine[camera]'"
            ) from None


def _watch(
    source: str,
    calibration: Path,
    to: str | None,
    key: str | None,
    out: Path | None,
    detector: Path | None,
    by_stream: bool,
    begin: str | None,
    rate: float,
) -> None:
    from citybrain.clock import stopwatch, utc_now  # noqa: PLC0415 - with the rest
    from citybrain_camera.calibration_file import read_calibration  # noqa: PLC0415 - OpenCV is an extra
    from citybrain_camera.rows import rows_of  # noqa: PLC0415 - likewise
    from citybrain_camera.watch import Watch  # noqa: PLC0415 - likewise

    def now() -> float:
        return utc_now().timestamp()

    found = read_calibration(calibration)
    tell(found.summary())
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    watch = Watch(found, _detector(found, detector))
    with ExitStack() as stack:
        sink = _sink(stack, found.sensor, to, key, out)
        frames = _frames(source, now, stop, by_stream, begin, rate)
        reports, looked, started = [], 0, stopwatch()
        for frame in frames:
            if to is not None:
                stop.wait(max(0.0, frame.time - now()))
            report = watch.see(frame.image, frame.time)
            looked += 1
            if report is not None:
                reports.append(report)
            if reports and frame.time - reports[0].time >= BATCH_S:
                sink(rows_of(reports, found.sensor), int(frame.time * 10))
                reports = []
            if stop.is_set():
                break
        if reports:
            sink(rows_of(reports, found.sensor), int(reports[-1].time * 10))
    tell(f"camera {found.sensor}: {looked} pictures in {stopwatch() - started:.1f} s")


def _detector(calibration: Calibration, file: Path | None) -> Detector:
    if file is None:
        from citybrain_camera.background_detector import BackgroundDetector  # noqa: PLC0415 - OpenCV is an extra

        return BackgroundDetector(calibration)
    from citybrain_camera.onnx_detector import OnnxDetector, read_settings  # noqa: PLC0415 - likewise

    return OnnxDetector(calibration, read_settings(file))


def _frames(
    source: str, now: Now, stop: threading.Event, by_stream: bool, begin: str | None, rate: float
) -> Iterator[Frame]:
    from citybrain.clock import read_moment  # noqa: PLC0415 - with the rest
    from citybrain_camera import sources  # noqa: PLC0415 - OpenCV is an extra

    def say(line: str) -> None:
        tell(f"{source}: {line}")

    if "://" in source:
        if begin is not None:
            raise InputError("--begin is for recordings; a live stream begins now")
        live = sources.Live(lambda: sources.VideoReader(source), now, say, stop, rate, by_stream=by_stream)
        return live.frames()
    path = Path(source)
    if not path.exists():
        raise InputError(f"{source} is neither a file, nor a folder, nor an address such as rtsp://camera/stream")
    reader = sources.FolderReader(path, rate, say) if path.is_dir() else sources.VideoReader(source)
    return sources.recorded(reader, now() if begin is None else read_moment(begin) / 10, rate, say)


def _sink(stack: ExitStack, sensor: str, to: str | None, key: str | None, out: Path | None) -> Sink:
    from citybrain_camera.rows import RowFile, body_of  # noqa: PLC0415 - with the rest

    if out is not None:
        file = stack.enter_context(RowFile(out))
        return lambda rows, complete_until: file.write(rows)  # noqa: ARG005  a file needs no such time
    from citybrain_api.camera_gateway import Gateway  # noqa: PLC0415 - httpx is slow to import
    from citybrain_api.client import Client  # noqa: PLC0415 - likewise

    def say(line: str) -> None:
        tell(f"camera {sensor}: {line}")

    client = stack.enter_context(Client(str(to), key))
    return stack.enter_context(Gateway(client, sensor, body_of, say)).post
