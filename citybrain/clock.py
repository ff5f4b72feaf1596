"""The one place that reads the wall clock. Everything else gets a clock passed in."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Stopwatch = Callable[[], float]
"""Returns seconds that only ever grow; differences are durations."""


def stopwatch() -> float:
    """Monotonic seconds, for durations."""
    return time.perf_counter()


def utc_now() -> datetime:
    """Time of day, for manifests and logs."""
    return datetime.now(UTC)
