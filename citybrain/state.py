"""What the brain believes about the street at one tick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

HORIZON = 60
"""Seconds of arrivals that a state foretells."""


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
    turn_share : [M] share of the lane's departures that take this movement; sums to 1 over a lane.
    confidence : [L] 0 (nothing known) to 1.
    age : [L] seconds since the last evidence about the lane.
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
