"""Units at the edges. SI inside; timing arithmetic in integers of 0.1 s ("tenths"), so that sums are exact."""

from __future__ import annotations

import math

TENTHS_PER_SECOND = 10
QUEUE_SPEED = 1.4
"""A vehicle slower than this [m/s] is queued (stopped or creeping)."""
JAM_SPACING = 7.5
"""Road length that a queued car takes, its gap included [m]."""


def to_tenths(seconds: float) -> int:
    """Seconds to the nearest tenth of a second.

    Raises
    ------
    ValueError
        If ``seconds`` is not finite.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"a duration must be finite, found {seconds}")
    return round(seconds * TENTHS_PER_SECOND)


def ceil_tenths(seconds: float) -> int:
    """Seconds to tenths, rounded up: for minimum durations that must not be shortened."""
    if not math.isfinite(seconds):
        raise ValueError(f"a duration must be finite, found {seconds}")
    return math.ceil(round(seconds * TENTHS_PER_SECOND, 6))
