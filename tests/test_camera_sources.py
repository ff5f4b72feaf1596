"""Pictures with times: files, folders, streams over RTSP, and what happens when they drop or freeze."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from citybrain.clock import utc_now
from citybrain.errors import InputError
from citybrain_camera.sightings import Image
from citybrain_camera.sources import FolderReader, Freshness, Live, Reader, VideoReader, recorded
from tests.rtsp_server import RtspServer

BEGIN = 1_795_000_000.0


def picture(number: int) -> Image:
    """A picture that differs from all others."""
    image = np.full((120, 160, 3), 60, dtype=np.uint8)
    cv2.rectangle(image, (3 * number, 40), (3 * number + 30, 70), (240, 240, 240), -1)
    return image


def write_video(path: Path, count: int, code: str = "mp4v") -> Path:
    """Write a clip of ten pictures a second."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*code), 10.0, (160, 120))
    assert writer.isOpened()
    for number in range(count):
        writer.write(picture(number))
    writer.release()
    return path


class Played:
    """Pictures from a list of (image, time); a ``Reader``."""

    def __init__(self, pictures: list[tuple[Image, float]]) -> None:
        self._pictures = iter(pictures)
        self.closed = False

    def read(self) -> tuple[Image, float] | None:
        return next(self._pictures, None)

    def close(self) -> None:
        self.closed = True


class TestRecorded:
    def test_a_file_gives_its_own_times(self, tmp_path: Path) -> None:
        frames = list(recorded(VideoReader(str(write_video(tmp_path / "a.mp4", 12))), BEGIN, 30.0, print))
        assert len(frames) == 12
        assert np.diff([frame.time for frame in frames]) == pytest.approx(np.full(11, 0.1), abs=1e-3)
        assert frames[0].time == pytest.approx(BEGIN, abs=0.11)
        assert frames[0].image.shape == (120, 160, 3)

    def test_only_so_many_a_second(self, tmp_path: Path) -> None:
        frames = list(recorded(VideoReader(str(write_video(tmp_path / "a.mp4", 20))), BEGIN, 5.0, print))
        assert len(frames) == 10

    def test_a_folder_in_the_order_of_names_without_broken_pictures(self, tmp_path: Path) -> None:
        for number in range(5):
            cv2.imwrite(str(tmp_path / f"{number:03}.png"), picture(number))
        (tmp_path / "002.png").write_bytes((tmp_path / "002.png").read_bytes()[:40])
        (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
        told: list[str] = []
        frames = list(recorded(FolderReader(tmp_path, 4.0, told.append), BEGIN, 4.0, told.append))
        assert [frame.time - BEGIN for frame in frames] == [0.0, 0.25, 0.75, 1.0]
        assert len(told) == 1
        assert "002.png" in told[0]

    def test_a_frozen_camera_gives_no_frames_and_is_told(self) -> None:
        told: list[str] = []
        pictures = [(picture(0 if 10 <= n < 80 else n % 40 + 1), 0.1 * n) for n in range(1, 100)]
        times = [frame.time - BEGIN for frame in recorded(Played(pictures), BEGIN, 30.0, told.append)]
        assert not [time for time in times if 1.05 < time < 7.95]
        assert len(times) == 9 + 1 + 20
        assert len(told) == 2
        assert "frozen: the same picture" in told[0]
        assert "sees again" in told[1]

    def test_times_that_stand_still_are_told(self) -> None:
        told: list[str] = []
        freshness = Freshness(told.append)
        assert freshness.is_new(picture(0), 7.0, 100.0)
        assert not any(freshness.is_new(picture(n), 7.0, 100.0 + n) for n in range(1, 9))
        assert len(told) == 1
        assert "time stands still" in told[0]

    @pytest.mark.parametrize("name", ["none.mp4", "text.mp4"])
    def test_what_is_no_video_is_refused(self, name: str, tmp_path: Path) -> None:
        (tmp_path / "text.mp4").write_text("no video", encoding="utf-8")
        with pytest.raises(InputError, match="cannot be opened"):
            VideoReader(str(tmp_path / name))

    def test_a_folder_without_pictures_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no pictures"):
            FolderReader(tmp_path, 10.0, print)


class TestLive:
    def test_a_dropped_stream_is_opened_again_with_growing_pauses(self) -> None:
        told: list[str] = []
        stop = threading.Event()
        readers: Iterator[Reader | None] = iter(
            [None, None, None, Played([(picture(1), 0.1)]), Played([(picture(2), 50.0)])]
        )

        def open_reader() -> Reader:
            reader = next(readers, None)
            if reader is None:
                raise InputError("nobody there")
            return reader

        clock = iter(range(1000, 9000))
        live = Live(
            open_reader, lambda: float(next(clock)), told.append, stop, 10.0, by_stream=False, first_pause_s=0.01
        )
        frames = []
        for frame in live.frames():
            frames.append(frame)
            if len(frames) == 2:
                stop.set()
        assert [line.split("next try in ")[1] for line in told if "not reached" in line][:3] == [
            "0.01 s", "0.02 s", "0.04 s",
        ]  # fmt: skip
        assert sum("dropped" in line for line in told) >= 1
        assert frames[0].time == 1000.0
        assert frames[1].time > frames[0].time

    def test_times_of_the_stream_are_set_by_the_clock_once(self) -> None:
        stop, told = threading.Event(), list[str]()
        arrivals = iter([1000.0, 1000.4, 1000.5, 1000.6])
        played = Played([(picture(n), 7.0 + 0.1 * n) for n in range(4)])
        times = []

        def open_reader() -> Reader:
            if played.closed:
                stop.set()
            return played

        live = Live(open_reader, lambda: next(arrivals), told.append, stop, 1e3, by_stream=True, first_pause_s=0.01)
        live._offer = lambda frame: times.append(frame.time)  # type: ignore[method-assign]
        list(live.frames())
        assert times == pytest.approx([1000.0, 1000.1, 1000.2, 1000.3])

    def test_rtsp_is_read_and_read_again_when_the_server_hangs_up(self, tmp_path: Path) -> None:
        stop, told, frames = threading.Event(), list[str](), 0
        with RtspServer(write_video(tmp_path / "a.ts", 40)) as server:
            live = Live(
                lambda: VideoReader(server.url),
                lambda: utc_now().timestamp(),
                told.append,
                stop,
                1e3,
                by_stream=False,
                first_pause_s=0.01,
            )
            for frame in live.frames():
                assert frame.image.shape == (120, 160, 3)
                frames += 1
                if told.count("sees") == 2:
                    stop.set()
        assert frames >= 2
        assert sum("dropped" in line for line in told) == 1

    def test_gstreamers_server_is_read(self) -> None:
        script = str(Path(__file__).with_name("gstreamer_server.py"))
        python = shutil.which("python3", path="/usr/bin:/bin")
        if python is None:
            pytest.skip("the system has no Python of its own to run GStreamer's RTSP server")
        server = subprocess.Popen(
            [python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        with server:
            assert server.stdout is not None
            assert server.stdin is not None
            port = server.stdout.readline().strip()
            if not port:
                pytest.skip("no RTSP server of GStreamer's here (Debian: gir1.2-gst-rtsp-server-1.0, python3-gi)")
            stop, times, told = threading.Event(), list[float](), list[str]()

            def tell(line: str) -> None:
                told.append(line)
                if sum("not reached" in line for line in told) == 3:
                    stop.set()

            live = Live(
                lambda: VideoReader(f"rtsp://127.0.0.1:{port}/camera"),
                lambda: utc_now().timestamp(),
                tell,
                stop,
                1e3,
                by_stream=True,
            )
            for frame in live.frames():
                assert frame.image.shape == (240, 320, 3)
                times.append(frame.time)
                if len(times) == 10:
                    stop.set()
            server.stdin.close()
        assert len(times) == 10, told
        steps = np.diff(times)
        assert (steps > 0.0).all()
        assert steps / 0.05 == pytest.approx(np.rint(steps / 0.05), abs=0.1)
