"""One tick of the estimator as one call: prediction, correction, totals.

One call, since handing tuples of arrays from Python to a kernel costs tens of microseconds each time, as much as the
arithmetic of a small town.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.assimilation import Cameras, Loops, correct, take_loops
from citybrain_kernels.estimation import Upstream, foretell, sum_lanes, watch_heads
from citybrain_kernels.lanes import Belief, Bytes, Layout, move_lanes, read_lamps

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]


class Street(NamedTuple):
    """What does not change: lanes, loops, where vehicles come from, stop-line lanes [A], confidence [L] when fresh."""

    layout: Layout
    upstream: Upstream
    stop_lane: Ints
    sureness: Floats


class Rows(NamedTuple):
    """One batch, sorted: loop events, camera frames, camera objects; columns as in ``ObservationBatch``."""

    event_sensor: Ints
    event_time: Floats
    event_on: Bools
    frame_sensor: Ints
    frame_time: Floats
    object_sensor: Ints
    object_time: Floats
    object_lane: Ints
    object_distance: Singles
    object_speed: Singles
    object_confidence: Singles


class Memory(NamedTuple):
    """What is kept from tick to tick, and scratch.

    evidence [L] time of the last evidence [s]; smooth_flow [L]; head_wait [A]; weight, full [U] and beyond [H]:
    scratch of ``estimation.foretell``.
    """

    loops: Loops
    cameras: Cameras
    belief: Belief
    evidence: Floats
    smooth_flow: Floats
    head_wait: Floats
    weight: Floats
    full: Bools
    beyond: Floats


class Totals(NamedTuple):
    """What comes out; arrays as in ``citybrain.state.TrafficState``."""

    vehicles: Singles
    queue: Singles
    back_of_queue: Singles
    room: Singles
    flow: Singles
    occupancy: Singles
    confidence: Singles
    age: Singles
    head_wait: Singles
    discharge: Singles
    spill: Singles
    blocked: Bools
    arrivals: Singles


@kernel
def first_beyond(numbers: Ints, least: int, count: int) -> int:
    """Position of the first number that is not in least..count - 1, -1 if there is none."""
    for x in range(len(numbers)):
        if numbers[x] < least or numbers[x] >= count:
            return x
    return -1


@kernel
def known(rows: Rows, n_sensors: int, n_lanes: int) -> bool:
    """Tell whether a batch names only sensors and lanes that there are; lane -1 is a camera's word for "none"."""
    return (
        first_beyond(rows.event_sensor, 0, n_sensors) < 0
        and first_beyond(rows.frame_sensor, 0, n_sensors) < 0
        and first_beyond(rows.object_sensor, 0, n_sensors) < 0
        and first_beyond(rows.object_lane, -1, n_lanes) < 0
    )


@kernel
def estimate(
    now: float,
    seconds: float,
    steps: int,
    aspect: Bytes,
    aspect_since: Floats,
    street: Street,
    rows: Rows,
    memory: Memory,
    totals: Totals,
) -> bool:
    """Predict ``steps`` seconds up to ``now``, correct by one batch, sum up.

    Returns False, and does nothing, if the batch names sensors or lanes that there are not.

    Parameters
    ----------
    now : [s]. seconds : since the estimator began.
    aspect, aspect_since : [G] what the groups showed, and since when [s].
    """
    layout, belief = street.layout, memory.belief
    if not known(rows, len(memory.loops.lane), len(street.sureness)):
        return False
    read_lamps(now, layout, aspect, aspect_since, belief)
    take_loops(now, rows.event_sensor, rows.event_time, rows.event_on, memory.loops, belief, memory.evidence)
    move_lanes(now, seconds, steps, layout, belief)
    correct(
        now,
        layout,
        rows.frame_sensor,
        rows.frame_time,
        rows.object_sensor,
        rows.object_time,
        rows.object_lane,
        rows.object_distance,
        rows.object_speed,
        rows.object_confidence,
        memory.cameras,
        memory.loops,
        belief,
        memory.evidence,
    )
    sum_lanes(
        now,
        layout,
        belief,
        memory.evidence,
        street.sureness,
        memory.smooth_flow,
        totals.vehicles,
        totals.queue,
        totals.back_of_queue,
        totals.room,
        totals.flow,
        totals.occupancy,
        totals.confidence,
        totals.age,
    )
    watch_heads(
        now,
        layout,
        aspect,
        street.stop_lane,
        belief,
        totals.queue,
        memory.head_wait,
        totals.head_wait,
        totals.blocked,
        totals.discharge,
    )
    foretell(layout, belief, street.upstream, memory.weight, memory.full, memory.beyond, totals.arrivals, totals.spill)
    return True
