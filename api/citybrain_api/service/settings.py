"""What the service allows: sizes, times and rates. Imports nothing of the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

MIB = 2**20


class Scope(StrEnum):
    """What a key may do; a key has one scope."""

    FIELD = "field"
    """Post observations."""
    CONTROLLER = "controller"
    """Poll plans and acknowledge them, for the intersections that the key names."""
    OPERATOR = "operator"
    """Read everything; override, roll back."""
    READER = "reader"
    """Read everything."""


@dataclass(frozen=True)
class Rate:
    """A token bucket.

    Attributes
    ----------
    per_second : requests that a key may make in the long run [1/s].
    burst : requests that it may make at once.
    """

    per_second: float
    burst: float


def default_rates() -> dict[Scope, Rate]:
    """Ten times what a well-behaved client of each kind needs."""
    return {
        Scope.FIELD: Rate(50, 200),
        Scope.CONTROLLER: Rate(10, 30),
        Scope.OPERATOR: Rate(50, 200),
        Scope.READER: Rate(50, 200),
    }


@dataclass(frozen=True)
class ServiceSettings:
    """Limits of the service.

    Attributes
    ----------
    rates : token bucket per scope; a controller's key has one such bucket per intersection that it names, in sum.
    observation_bytes : largest body of ``POST /v1/observations`` [bytes].
    document_bytes : largest other body [bytes].
    bodies_bytes : bodies of all requests together that are held in memory [bytes].
    body_s : a body must be complete after this time [s].
    header_s : so must a request's head [s].
    head_bytes : largest head of a request [bytes].
    idle_s : a connection without a request is closed after this time [s].
    longest_wait_s : longest long poll and longest wait for the engine [s].
    viewers : open streams of the whole network.
    plan_streams : open streams of plans.
    stream_s : a stream of the network looks for a new tick this often [s].
    keep_alive_s : a stream with nothing to tell says so this often [s].
    key_refresh_s : changes of keys are effective after this time at most [s].
    drain_s : requests that run when the service is asked to stop may take this long [s].
    log_polls : log polls that were answered with 304 as well.
    """

    rates: dict[Scope, Rate] = field(default_factory=default_rates)
    observation_bytes: int = 16 * MIB
    document_bytes: int = MIB // 4
    bodies_bytes: int = 256 * MIB
    body_s: float = 30.0
    header_s: float = 10.0
    head_bytes: int = 32 * 1024
    idle_s: int = 75
    longest_wait_s: float = 60.0
    viewers: int = 100
    plan_streams: int = 20_000
    stream_s: float = 0.2
    keep_alive_s: float = 10.0
    key_refresh_s: float = 1.0
    drain_s: int = 20
    log_polls: bool = False
