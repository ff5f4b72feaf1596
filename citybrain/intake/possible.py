"""What the values of a posted row may be, and what to say where they are not. May import the ground only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.intake.posted import NO_KIND, RowKind
from citybrain.observations import LONGEST_INTERVAL, SHORTEST_INTERVAL

if TYPE_CHECKING:
    from citybrain.intake.posted import Posted

FASTEST = 90.0
"""Greatest speed that is believed [m/s]."""
WIDEST = 100.0
"""Distance beyond a stop line up to which a vehicle may be in the intersection [m]."""
DENSEST = 1.0
"""Vehicles that pass a lane in a second, at most: no driver follows more closely for a whole interval."""
LONGEST_QUEUE = 1000.0
"""Vehicles that a camera may see queued on a lane."""
_SHORTEST_MS, _LONGEST_MS = int(1000 * SHORTEST_INTERVAL), int(1000 * LONGEST_INTERVAL)
Mask = NDArray[np.bool_]
_EVENTS, _SIGHT, _COUNTS, _TURNS = 1, 2, 4, 8
SENDS = np.array([_EVENTS, _EVENTS, _SIGHT | _TURNS, _EVENTS, _COUNTS, _COUNTS | _TURNS, 0], dtype=np.uint8)
"""By ``SensorKind``: families of rows that it sends, as bits; the last entry is for strangers, who send none."""
FAMILY_OF_ROW = np.zeros(NO_KIND + 1, dtype=np.uint8)
"""By ``RowKind``."""
FAMILY_OF_ROW[list(RowKind)] = _EVENTS, _SIGHT, _SIGHT, _COUNTS, _TURNS


def possible_objects(posted: Posted, rows: NDArray[np.int64], reach: NDArray[np.float32]) -> Mask:
    """Which objects are possible on lanes that reach so far [m]."""
    distance, speed, confidence = posted.distance[rows], posted.speed[rows], posted.confidence[rows]
    sane: Mask = (distance >= -WIDEST) & (distance <= reach) & (speed >= 0.0) & (speed <= FASTEST)
    return sane & (confidence >= 0.0) & (confidence <= 1.0)


def fitting_intervals(posted: Posted, rows: NDArray[np.int64]) -> Mask:
    """Which intervals are long enough and not too long; their ends have been found to lie within the clock's reach."""
    begin, end = posted.begin_ms[rows], posted.time_ms[rows]
    fitting: Mask = (begin >= end - _LONGEST_MS) & (begin <= end - _SHORTEST_MS)
    return fitting


def possible_turns(posted: Posted, rows: NDArray[np.int64]) -> Mask:
    """Which turning counts are possible: those of as many vehicles as can pass a lane."""
    vehicles = posted.vehicles[rows]
    seconds = (posted.time_ms[rows].astype(np.float64) - posted.begin_ms[rows]) / 1000.0
    sane: Mask = (vehicles >= 0.0) & (vehicles <= DENSEST * seconds)
    return sane


def possible_counts(posted: Posted, rows: NDArray[np.int64]) -> Mask:
    """Which counts are possible; what was not told is."""
    occupancy, queue = posted.occupancy[rows], posted.queue[rows]
    sane = possible_turns(posted, rows)
    sane &= np.isnan(occupancy) | ((occupancy >= 0.0) & (occupancy <= 1.0))
    return sane & (np.isnan(queue) | ((queue >= 0.0) & (queue <= LONGEST_QUEUE)))


def what_is_impossible(posted: Posted, row: int) -> str:
    """Say what is wrong with the values of a row."""
    if posted.kind[row] == RowKind.COUNT:
        return (
            f"vehicles {posted.vehicles[row]:.6g}, occupancy {posted.occupancy[row]:.6g}, queue "
            f"{posted.queue[row]:.6g}: vehicles must lie within 0 and {DENSEST:.0f} for each second of the interval, "
            f"occupancy within 0 and 1, queue within 0 and {LONGEST_QUEUE:.0f}"
        )
    if posted.kind[row] == RowKind.TURN:
        return (
            f"vehicles {posted.vehicles[row]:.6g}: vehicles must lie within 0 and {DENSEST:.0f} for each second of the "
            "interval"
        )
    return (
        f"distance {posted.distance[row]:.6g} m, speed {posted.speed[row]:.6g} m/s, confidence "
        f"{posted.confidence[row]:.6g}: distance must lie within the lane, or within -{WIDEST:.0f} and 0 for a vehicle "
        f"beyond its stop line, speed within 0 and {FASTEST:.0f} m/s, confidence within 0 and 1"
    )


def what_is_wrong_with_the_interval(posted: Posted, row: int) -> str:
    """Say how long an interval may be."""
    seconds = (int(posted.time_ms[row]) - int(posted.begin_ms[row])) / 1000
    return (
        f"the interval from begin_ms to time_ms lasts {seconds:g} s; {SHORTEST_INTERVAL:.0f} to "
        f"{LONGEST_INTERVAL:.0f} s are taken in"
    )
