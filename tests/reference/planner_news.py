"""Whether an intersection knows anything new, queue by queue, in plain Python numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain_kernels.planner_tables import Pace


@dataclass(frozen=True)
class Seen:
    """One queue at one tick: vehicles queued, saturation flow, seconds of green, arrivals per second."""

    queued: float
    rate: float
    green: float
    arrivals: Sequence[float]


def demand(seen: Seen, heed: int, later: int = 0) -> float:
    """Vehicles queued and coming within ``heed`` seconds, counted ``later`` seconds from now if nobody left."""
    return seen.queued + sum(seen.arrivals[: heed + later])


def is_news(before: Sequence[Seen], now: Sequence[Seen], seconds: int, pace: Pace) -> bool:
    """Whether any queue is otherwise than was expected so many seconds ago."""
    for old, new in zip(before, now, strict=True):
        if abs(new.rate - old.rate) > pace.rate * old.rate:
            return True
        expected, found = demand(old, pace.heed, seconds), demand(new, pace.heed)
        may_have_left = seconds * new.rate if new.green > 0 else 0.0
        if not expected - may_have_left - pace.news <= found <= expected + pace.news:
            return True
    return False
