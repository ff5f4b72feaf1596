"""What the brain believes about the street at one tick."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

HORIZON = 60
"""Seconds of arrivals that a state foretells."""


def _untold() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class TrafficState:
    """One frozen snapshot of estimates. Index letters: l lanes, a stop-line lanes, m movements, h seconds ahead.

    Attributes
    ----------
    time : [tenths of a second].
    vehicles : [L] vehicles on the lane.
    queue : [L] vehicles stopped or creeping (< 1.4 m/s) in the queue at the lane's end.
    back_of_queue : [L] distance of the last queued vehicle to the lane's end [m].
    room : [L] vehicles that the lane can still take in [veh].
    flow : [L] vehicles leaving the lane, smoothed over about a minute [veh/s].
    occupancy : [L] share of the lane's storage that is taken, 0 to 1.
    arrivals : [A, H] vehicles that would reach the stop line unhindered in second h from now, not queued yet.
        Includes those still on upstream lanes, weighted by turning shares.
    spill : [A] queued vehicles upstream of a full stop-line lane that wait to enter it [veh].
    head_wait : [A] seconds that the first queued vehicle has stood; 0 without a queue.
    blocked : [A] green, queued and not discharging: something beyond the stop line holds it.
    discharge : [A] saturation headway believed for the lane [s/veh].
    turn_share : [M] share of the lane's departures that take this movement, as inferred from flows beyond; sums to 1
        over a lane. The flow model and the controllers go by it.
    confidence : [L] 0 (nothing known) to 1.
    age : [L] seconds since the last evidence about the lane.
    back_vehicles : [L] vehicles from the lane's end to the last queued one; those that move again count too [veh].
    start_loss : [A] what the first four vehicles of a queue take beyond four saturation headways [s]; may be below 0.
    discharge_confidence, discharge_age : [A] of ``discharge`` and ``start_loss``: 0.1 (a table's values) to 1; seconds.
    effective_discharge : [M] what the movement lets go per second of green with a queue, foes and full roads beyond
        included [veh/s].
    effective_confidence, effective_age : [M] of it.
    counted_share : [M] the same share as cameras counted it over about 15 minutes; where none did, ``turn_share``.
    inside : [A] vehicles that have crossed the stop line and stand within 10 m of it, as cameras see them; 0 where none
        looks.
    turn_confidence, turn_age : [M] of ``counted_share``; confidence is 1 where a lane has only one movement.

    What follows ``age`` is empty in states that no estimator made. Ages of what was never measured are very great.
    """

    time: int
    vehicles: NDArray[np.float32]
    queue: NDArray[np.float32]
    back_of_queue: NDArray[np.float32]
    room: NDArray[np.float32]
    flow: NDArray[np.float32]
    occupancy: NDArray[np.float32]
    arrivals: NDArray[np.float32]
    spill: NDArray[np.float32]
    head_wait: NDArray[np.float32]
    blocked: NDArray[np.bool_]
    discharge: NDArray[np.float32]
    turn_share: NDArray[np.float32]
    confidence: NDArray[np.float32]
    age: NDArray[np.float32]
    back_vehicles: NDArray[np.float32] = field(default_factory=_untold)
    start_loss: NDArray[np.float32] = field(default_factory=_untold)
    discharge_confidence: NDArray[np.float32] = field(default_factory=_untold)
    discharge_age: NDArray[np.float32] = field(default_factory=_untold)
    effective_discharge: NDArray[np.float32] = field(default_factory=_untold)
    effective_confidence: NDArray[np.float32] = field(default_factory=_untold)
    effective_age: NDArray[np.float32] = field(default_factory=_untold)
    counted_share: NDArray[np.float32] = field(default_factory=_untold)
    turn_confidence: NDArray[np.float32] = field(default_factory=_untold)
    turn_age: NDArray[np.float32] = field(default_factory=_untold)
    inside: NDArray[np.float32] = field(default_factory=_untold)
