"""What sensors report, as columns; every row has a sensor and an event time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class SensorKind(IntEnum):
    """How a sensor sees."""

    STOP_LOOP = 0
    """Loop just upstream of a stop line."""
    ADVANCE_LOOP = 1
    """Loop further upstream of a stop line."""
    CAMERA = 2
    """Camera on the mast over an approach: objects with lane, distance, speed."""
    EXIT_LOOP = 3
    """Loop on a lane that leaves an intersection, just beyond it."""
    COUNT_LOOP = 4
    """Detector that reports, per interval, how many vehicles passed and for how long it was covered; no events."""
    CAMERA_COUNT = 5
    """Camera that reports, per interval and lane, how many vehicles crossed the stop line and the queue at its end."""


EVENT_LOOPS = (SensorKind.STOP_LOOP, SensorKind.ADVANCE_LOOP, SensorKind.EXIT_LOOP)
"""Kinds that report when they are covered and left."""
COUNTERS = (SensorKind.COUNT_LOOP, SensorKind.CAMERA_COUNT)
"""Kinds that report intervals."""
CAMERAS = (SensorKind.CAMERA, SensorKind.CAMERA_COUNT)
"""Kinds that may tell which road vehicles went to."""
SHORTEST_INTERVAL, LONGEST_INTERVAL = 20.0, 300.0
"""Of counts [s]: shorter ones are better told as events, longer ones tell nothing of what is there now."""


def _no_ints() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


def _no_floats() -> NDArray[np.float64]:
    return np.zeros(0, np.float64)


def _no_singles() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


@dataclass(frozen=True)
class SensorTable:
    """Sensors of a plant; immutable. Index x.

    Attributes
    ----------
    sensor_id : names.
    kind : [X] ``SensorKind``.
    lane : [X] lane of a loop; -1 for cameras of both kinds.
    distance : [X] loops: from the loop to the end of its lane [m]; cameras: sight upstream of the stop line [m].
    cover_ptr, cover_lane : CSR over sensors: lanes that a camera sees or counts (empty for loops).
    cover_offset : path length from the end of the covered lane to the stop line [m]; 0 for stop-line lanes.
    """

    sensor_id: tuple[str, ...]
    kind: NDArray[np.uint8]
    lane: NDArray[np.int32]
    distance: NDArray[np.float64]
    cover_ptr: NDArray[np.int32]
    cover_lane: NDArray[np.int32]
    cover_offset: NDArray[np.float64]


@dataclass(frozen=True)
class ObservationBatch:
    """Everything that arrived since the last tick; rows may be late, doubled or out of order.

    Attributes
    ----------
    time : end of the tick [tenths of a second].
    loop_sensor, loop_time, loop_on : loop events: sensor, event time [s], covered (True) or left (False).
    frame_sensor, frame_time : camera frames that arrived; a camera that is alive and sees nothing sends a frame.
    object_sensor, object_time : camera objects: sensor, time of the frame [s].
    object_lane : lane as the camera judges it.
    object_distance : from the vehicle's front to the end of that lane [m]; below 0 for a vehicle that has crossed the
        lane's stop line and is still in the intersection.
    object_speed : [m/s].
    object_confidence : 0 to 1.
    count_sensor, count_lane : counts: sensor, and the lane that a camera counted, -1 for loops.
    count_begin, count_end : the interval [s]; each sensor's intervals of a lane do not overlap.
    count_vehicles : vehicles that passed the detector or crossed the stop line.
    count_occupancy : share of the interval for which the detector was covered; NaN: not told.
    count_queue : vehicles queued at the interval's end [veh]; NaN: not told.
    turn_sensor, turn_lane, turn_to : turning movement counts of cameras of both kinds: sensor, stop-line lane, and the
        road that the vehicles went to.
    turn_begin, turn_end : the interval [s]; those of a sensor, lane and road do not overlap.
    turn_vehicles : vehicles that crossed the lane's stop line and went to that road; where nobody did, a row may miss.
    """

    time: int
    loop_sensor: NDArray[np.int32]
    loop_time: NDArray[np.float64]
    loop_on: NDArray[np.bool_]
    frame_sensor: NDArray[np.int32]
    frame_time: NDArray[np.float64]
    object_sensor: NDArray[np.int32]
    object_time: NDArray[np.float64]
    object_lane: NDArray[np.int32]
    object_distance: NDArray[np.float32]
    object_speed: NDArray[np.float32]
    object_confidence: NDArray[np.float32]
    count_sensor: NDArray[np.int32] = field(default_factory=_no_ints)
    count_lane: NDArray[np.int32] = field(default_factory=_no_ints)
    count_begin: NDArray[np.float64] = field(default_factory=_no_floats)
    count_end: NDArray[np.float64] = field(default_factory=_no_floats)
    count_vehicles: NDArray[np.float32] = field(default_factory=_no_singles)
    count_occupancy: NDArray[np.float32] = field(default_factory=_no_singles)
    count_queue: NDArray[np.float32] = field(default_factory=_no_singles)
    turn_sensor: NDArray[np.int32] = field(default_factory=_no_ints)
    turn_lane: NDArray[np.int32] = field(default_factory=_no_ints)
    turn_to: NDArray[np.int32] = field(default_factory=_no_ints)
    turn_begin: NDArray[np.float64] = field(default_factory=_no_floats)
    turn_end: NDArray[np.float64] = field(default_factory=_no_floats)
    turn_vehicles: NDArray[np.float32] = field(default_factory=_no_singles)
