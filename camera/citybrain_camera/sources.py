"""Pictures with times: from a video file, a folder of pictures, or a stream that may drop, freeze and come back."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from citybrain.errors import InputError
from citybrain_camera.sightings import Image

Tell = Callable[[str], None]
Now = Callable[[], float]
"""Seconds since 1970-01-01T00:00:00Z."""
FROZEN_S = 5.0
"""The same picture for so long: the camera is frozen [s]."""
REOPEN_S = 30.0
"""A frozen stream is opened anew after so long [s]."""
PATIENCE_MS = 5000
"""Opening a stream, or its next picture, may take so long [ms]."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
_DRIFT_S = 2.0
"""Stream and wall clock may differ by so much before the stream's times are set anew [s]."""
PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Frame:
    """A picture and when it was taken [s since 1970]."""

    image: Image
    time: float


class Reader(Protocol):
    """Gives pictures one after the other."""

    def read(self) -> tuple[Image, float] | None:
        """Return the next picture and its time in the stream [s]; None when there is no more."""
        ...

    def close(self) -> None:
        """Let go of the source."""
        ...


class VideoReader:
    """A video file or stream, by OpenCV's FFmpeg; a ``Reader``.

    Raises
    ------
    InputError
        If it cannot be opened.
    """

    def __init__(self, source: str) -> None:
        patience = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, PATIENCE_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, PATIENCE_MS]
        self._capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, patience)
        if not self._capture.isOpened():
            raise InputError(f"{source} cannot be opened as video; check the address, or play it with another program")

    def read(self) -> tuple[Image, float] | None:
        """Return the next picture and its time in the stream [s]; None at its end, or when it stops coming."""
        done, image = self._capture.read()
        if not done:
            return None
        return np.asarray(image, dtype=np.uint8), self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0

    def close(self) -> None:
        """Close the stream."""
        self._capture.release()


class FolderReader:
    """Pictures of a folder in the order of their names, ``rate`` a second; a ``Reader``.

    Raises
    ------
    InputError
        If there are none.
    """

    def __init__(self, folder: Path, rate: float, tell: Tell) -> None:
        self._files = sorted(file for file in folder.iterdir() if file.suffix.lower() in PICTURES)
        self._rate, self._tell, self._next = rate, tell, 0
        if not self._files:
            raise InputError(f"{folder} holds no pictures ({', '.join(sorted(PICTURES))})")

    def read(self) -> tuple[Image, float] | None:
        """Return the next picture that can be read, and its time from the first one's [s]."""
        while self._next < len(self._files):
            number, self._next = self._next, self._next + 1
            image = cv2.imread(str(self._files[number]), cv2.IMREAD_COLOR)
            if image is not None:
                return np.asarray(image, dtype=np.uint8), number / self._rate
            self._tell(f"{self._files[number]} is no whole picture: left out")
        return None

    def close(self) -> None:
        """Nothing is open."""


class Freshness:
    """Tells new pictures from repeated ones, and when a camera is frozen.

    A repeated picture is no news: it makes no frame. A camera that repeats itself then counts as blind, not as looking
    at an empty street.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._print: int | None = None
        self._stream_time = -np.inf
        self._fresh = -np.inf
        self.frozen_s = 0.0

    def is_new(self, image: Image, stream_time: float, now: float) -> bool:
        """Look at the next picture, seen at ``now`` [s] on any clock that goes on."""
        mark = zlib.crc32(np.ascontiguousarray(image[::2, ::2]).data)
        # Streams that tell no time give 0 throughout.
        same, standing = mark == self._print, stream_time == self._stream_time != 0.0
        self._print, self._stream_time = mark, stream_time
        if not same and not standing:
            if self.frozen_s >= FROZEN_S:
                self._tell(f"sees again, after {self.frozen_s:.0f} s without a new picture")
            self._fresh, self.frozen_s = now, 0.0
            return True
        before, self.frozen_s = self.frozen_s, now - self._fresh if np.isfinite(self._fresh) else 0.0
        if before < FROZEN_S <= self.frozen_s:
            why = "the same picture again and again" if same else "the stream's time stands still"
            self._tell(f"frozen: {why} for {self.frozen_s:.0f} s; it counts as blind")
        return False


def recorded(reader: Reader, begin: float, rate: float, tell: Tell) -> Iterator[Frame]:
    """Give the frames of a recording that began at ``begin`` [s since 1970], at most ``rate`` a second."""
    fresh, last = Freshness(tell), -np.inf
    try:
        while (found := reader.read()) is not None:
            image, at = found
            if at < last + 1.0 / rate - 1e-3 or not fresh.is_new(image, at, at):
                continue
            last = at
            yield Frame(image, begin + at)
    finally:
        reader.close()


class Live:
    """Frames of a stream as they come: always the newest, at most ``rate`` a second.

    A thread of its own reads, so that nothing piles up. When the stream drops it is opened again, after pauses that
    grow from ``first_pause_s``.

    Parameters
    ----------
    open_reader : opens the stream; raises ``InputError`` if it is not there.
    by_stream : take times from the stream, set by the wall clock on its first picture; otherwise every picture has the
        time of its arrival.
    stop : ends everything.
    """

    def __init__(
        self,
        open_reader: Callable[[], Reader],
        now: Now,
        tell: Tell,
        stop: threading.Event,
        rate: float,
        *,
        by_stream: bool,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._open, self._now, self._tell, self._stop = open_reader, now, tell, stop
        self._rate, self._by_stream, self._pause_s = rate, by_stream, first_pause_s
        self._news = threading.Condition()
        self._newest: Frame | None = None
        self._last = -np.inf
        self._ahead: float | None = None

    def frames(self) -> Iterator[Frame]:
        """Give frames until ``stop`` is set."""
        reading = threading.Thread(target=self._read_on, name="camera", daemon=True)
        reading.start()
        try:
            while not self._stop.is_set():
                with self._news:
                    self._news.wait_for(lambda: self._newest is not None or self._stop.is_set(), 0.5)
                    frame, self._newest = self._newest, None
                if frame is not None:
                    yield frame
        finally:
            self._stop.set()
            reading.join(2 * PATIENCE_MS / 1000)

    def _read_on(self) -> None:
        pause = self._pause_s
        while not self._stop.is_set():
            try:
                reader = self._open()
            except InputError as error:
                self._tell(f"not reached: {error}; next try in {pause:g} s")
            else:
                try:
                    seen = self._follow(reader)
                finally:
                    reader.close()
                if self._stop.is_set():
                    return
                pause = self._pause_s if seen else pause
                self._tell(f"the stream dropped; next try in {pause:g} s; it counts as blind")
            self._stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _follow(self, reader: Reader) -> int:
        """Read a stream until it ends; returns how many new pictures came."""
        fresh, count = Freshness(self._tell), 0
        self._ahead = None
        while not self._stop.is_set() and fresh.frozen_s < REOPEN_S and (found := reader.read()) is not None:
            image, at = found
            arrived = self._now()
            if not fresh.is_new(image, at, arrived):
                continue
            if count == 0:
                self._tell("sees")
            count += 1
            self._offer(Frame(image, self._time(at, arrived)))
        return count

    def _time(self, at: float, arrived: float) -> float:
        if not self._by_stream:
            return arrived
        if self._ahead is None or abs(self._ahead + at - arrived) > _DRIFT_S:
            if self._ahead is not None:
                self._tell(f"the stream's clock is {self._ahead + at - arrived:+.1f} s off: set anew")
            self._ahead = arrived - at
        return self._ahead + at

    def _offer(self, frame: Frame) -> None:
        if frame.time < self._last + 1.0 / self._rate - 1e-3:
            return
        self._last = frame.time
        with self._news:
            self._newest = frame
            self._news.notify()
