"""What is found of a sensor, in words that the rest of the house shares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

FAULTS = (
    "silent",
    "wrong clock",
    "stuck on",
    "stuck off",
    "chatter",
    "blind",
    "flicker",
    "shifted",
    "lost lane",
    "drift",
    "late",
    "doubled",
    "out of order",
)
"""Names of the kernel's tests, in its order."""
NEVER_REPORTED = "never reported"
"""No test of the kernel's, and no reason to believe a sensor less: whoever reads the list shall know."""


class Status(IntEnum):
    """What a sensor is."""

    WELL = 0
    SUSPECT = 1
    SICK = 2


@dataclass(frozen=True)
class Finding:
    """What is known of one sensor.

    Attributes
    ----------
    sensor : its name.
    status, fault : the fault is None for a sensor that is well.
    since : begin of the status [s].
    trust : 0 to 1.
    lost_lanes : lanes that a camera reports no more.
    figures : evidence by name; see ``reasons.figures_of``.
    reason : one sentence.
    score, limit : of the fault's test, and where a sensor counts as sick.
    substitute : what stands in for it; None for nothing. made_up : vehicles that were put in so far.
    """

    sensor: str
    status: Status
    fault: str | None
    since: float
    trust: float
    lost_lanes: tuple[str, ...]
    figures: dict[str, float]
    reason: str
    score: float
    limit: float
    substitute: str | None = None
    made_up: int = 0

    def document(self) -> dict[str, Any]:
        """Turn into plain types."""
        return {
            "sensor": self.sensor,
            "status": self.status.name.lower(),
            "fault": self.fault,
            "since_s": round(self.since, 3),
            "trust": self.trust,
            "lost_lanes": list(self.lost_lanes),
            "reason": self.reason,
            "score": round(self.score, 2),
            "limit": round(self.limit, 2),
            "figures": self.figures,
            "substitute": self.substitute,
            "made_up": self.made_up,
        }
