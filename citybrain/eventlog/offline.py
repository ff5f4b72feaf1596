"""The estimator, fed by a controller's log after the fact: the same code as on the street, second by second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.decisions import LampState
from citybrain.estimation import LaneEstimator
from citybrain.events import Code
from citybrain.observations import ObservationBatch
from citybrain.signals import Aspect
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citybrain.eventlog.log import EventLog
    from citybrain.eventlog.street import LoggedStreet

MS = 1000
SHOWN = {Code.GREEN_BEGIN: Aspect.PROTECTED, Code.YELLOW_BEGIN: Aspect.YELLOW, Code.RED_CLEARANCE_BEGIN: Aspect.RED}


@dataclass(frozen=True)
class Estimates:
    """What the estimator believed at every full second of a log. Index t seconds, a approach lanes.

    Attributes
    ----------
    time_s : [T] seconds since 1970, in the log's clock.
    queue, vehicles, confidence : [T, A] as in ``TrafficState``.
    """

    time_s: NDArray[np.int64]
    queue: NDArray[np.float32]
    vehicles: NDArray[np.float32]
    confidence: NDArray[np.float32]


def estimate(log: EventLog, street: LoggedStreet) -> Estimates:
    """Run the estimator over one controller's part of a log."""
    estimator = LaneEstimator(street.network, street.signals, street.sensors)
    lanes = street.network.approach_lane
    found = []
    for batch, lamps in ticks(log, street):
        state = estimator.update(batch, lamps)
        found.append((batch.time, state.queue[lanes], state.vehicles[lanes], state.confidence[lanes]))
    time, queue, vehicles, confidence = zip(*found, strict=True)
    return Estimates(
        np.array(time, np.int64) // TENTHS_PER_SECOND, np.array(queue), np.array(vehicles), np.array(confidence)
    )


def ticks(log: EventLog, street: LoggedStreet) -> Iterator[tuple[ObservationBatch, LampState]]:
    """Cut a log into batches of one second and what the signals showed when each began."""
    begin, end = _seconds(log, street.device)
    sensor, event_s, on = _detections(log, street)
    cut = np.searchsorted(event_s, np.arange(begin, end + 2), side="right")
    aspects, since = _aspects(log, street, np.arange(begin, end + 1))
    for t, second in enumerate(range(begin, end + 1)):
        rows = slice(0 if t == 0 else int(cut[t - 1]), int(cut[t]))
        now = second * TENTHS_PER_SECOND
        lamps = LampState(
            time=now,
            row=np.zeros(1, np.int32),
            changing=np.zeros(1, np.bool_),
            since=np.full(1, now, np.int64),
            aspect=aspects[t],
            aspect_since=since[t],
        )
        yield _batch(now, sensor[rows], event_s[rows], on[rows]), lamps


def _seconds(log: EventLog, device: str) -> tuple[int, int]:
    """First and last second of a device's log."""
    time, _, _ = log.of(device)
    return int(time[0] // MS), int(-(-time[-1] // MS))


def _detections(
    log: EventLog, street: LoggedStreet
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.bool_]]:
    """Sensor, time [s] and kind of all events of the street's detectors, in order of time."""
    time, code, parameter = log.of(street.device, Code.DETECTOR_OFF, Code.DETECTOR_ON)
    order = np.argsort(street.channel, kind="stable")
    known = street.channel[order]
    place = np.minimum(np.searchsorted(known, parameter), len(known) - 1)
    mine = known[place] == parameter
    return order[place[mine]].astype(np.int32), time[mine] / MS, code[mine] == Code.DETECTOR_ON


def _aspects(
    log: EventLog, street: LoggedStreet, seconds: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Find what every group showed one second before each of these, and since when [tenths]; red before the log."""
    shape = (len(seconds), len(street.phases))
    aspect, since = np.full(shape, Aspect.RED, np.uint8), np.full(shape, seconds[0] * TENTHS_PER_SECOND, np.int64)
    time, code, parameter = log.of(street.device, *SHOWN)
    for p, phase in enumerate(street.phases):
        mine = parameter == phase
        when, what = time[mine], np.array([SHOWN[Code(c)] for c in code[mine]], np.uint8)
        last = np.searchsorted(when, (seconds - 1) * MS, side="right") - 1
        known = last >= 0
        aspect[known, p] = what[last[known]]
        since[known, p] = when[last[known]] * TENTHS_PER_SECOND // MS
    return aspect, since


def _batch(now: int, sensor: NDArray[np.int32], time: NDArray[np.float64], on: NDArray[np.bool_]) -> ObservationBatch:
    no_index, no_time = np.zeros(0, np.int32), np.zeros(0)
    no_value = np.zeros(0, np.float32)
    return ObservationBatch(
        time=now,
        loop_sensor=sensor,
        loop_time=time,
        loop_on=on,
        frame_sensor=no_index,
        frame_time=no_time,
        object_sensor=no_index,
        object_time=no_time,
        object_lane=no_index,
        object_distance=no_value,
        object_speed=no_value,
        object_confidence=no_value,
    )
