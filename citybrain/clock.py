"""The one place that reads the wall clock. Everything else gets a clock passed in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from citybrain.errors import InputError

Stopwatch = Callable[[], float]
"""Returns seconds that only ever grow; differences are durations."""
_NANOSECONDS_PER_TENTH = 100_000_000


def stopwatch() -> float:
    """Monotonic seconds, for durations."""
    return time.perf_counter()


def utc_now() -> datetime:
    """Time of day, for manifests and logs."""
    return datetime.now(UTC)


class Clock(Protocol):
    """What time it is on the street, in tenths of a second since 1970-01-01T00:00:00Z."""

    def now(self) -> int:
        """Time now [tenths]."""
        ...

    def wait_until(self, time: int, timeout_s: float) -> bool:
        """Wait until it is ``time`` [tenths], for ``timeout_s`` [s] at most; tell whether it is."""
        ...


class WallClock:
    """The machine's clock; a ``Clock``. Never goes back: set back, it stands still until the time comes round."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latest = 0

    def now(self) -> int:
        """Time now [tenths]."""
        with self._lock:
            self._latest = max(self._latest, time.time_ns() // _NANOSECONDS_PER_TENTH)
            return self._latest

    def wait_until(self, time: int, timeout_s: float) -> bool:
        """Sleep until it is ``time`` [tenths], for ``timeout_s`` [s] at most; tell whether it is."""
        end = stopwatch() + timeout_s
        while (left := (time - self.now()) / 10) > 0:
            remaining = min(left, end - stopwatch())
            if remaining <= 0:
                return False
            threading.Event().wait(remaining)
        return True


class StreetClock:
    """The time that the street last reported; a ``Clock``. For a simulated street, which has its own pace.

    Safe to use from many threads.
    """

    def __init__(self, start: int = 0) -> None:
        self._condition = threading.Condition()
        self._now = start

    def now(self) -> int:
        """Time last reported [tenths]."""
        with self._condition:
            return self._now

    def advance(self, to: int) -> None:
        """Tell that it is ``to`` [tenths] now; an earlier time changes nothing."""
        with self._condition:
            if to > self._now:
                self._now = to
                self._condition.notify_all()

    def wait_until(self, time: int, timeout_s: float) -> bool:
        """Wait until it is ``time`` [tenths], for ``timeout_s`` [s] at most; tell whether it is."""
        with self._condition:
            return self._condition.wait_for(lambda: self._now >= time, timeout_s)


def tenths_of_day(time: int, time_zone: str) -> int:
    """Tenths since midnight that local clocks show at a time [tenths since 1970-01-01T00:00:00Z].

    Raises
    ------
    InputError
        If the machine knows no such time zone.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(
            f"time zone {time_zone!r} is not known on this machine; use a name such as Europe/Rome"
        ) from None
    local = datetime.fromtimestamp(time // 10, zone)
    return (local.hour * 3600 + local.minute * 60 + local.second) * 10 + time % 10


def moment_text(time: int) -> str:
    """Write a time [tenths since 1970-01-01T00:00:00Z] as people read it, in UTC."""
    moment = datetime.fromtimestamp(time // 10, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f".{time % 10}Z" if time % 10 else "Z")


def read_moment(text: str) -> int:
    """Read a time as people write it; UTC where it names no zone. Gives tenths since 1970-01-01T00:00:00Z.

    Raises
    ------
    InputError
        If it is none.
    """
    if text.isascii() and text.isdigit() and len(text) < 17:
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"{text!r} is no time: write 2026-11-22T07:30:00Z, or a whole number of tenths of a second since 1970"
        ) from None
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 10)
