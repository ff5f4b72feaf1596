"""One tick of the estimator as one call: prediction, correction, totals.

One call, and what lasts is held by the kernel's side: every array that Python hands over costs time, and a hundred of
them as much as the arithmetic of a small town.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import Held, desk_kernel, kernel
from citybrain_kernels.assimilation import Cameras, Loops, correct, take_loops, tell_inside
from citybrain_kernels.counts import Counters, take_counts, watch_counters
from citybrain_kernels.estimation import Upstream, foretell, sum_lanes, watch_heads
from citybrain_kernels.lanes import Belief, Bytes, Layout, move_lanes, read_lamps
from citybrain_kernels.movements import Discharge, learn_discharge, tell_movements
from citybrain_kernels.turns import Turns, take_turns

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
    """One batch, sorted: loop events, frames, objects, counts, turning counts; columns as in ``ObservationBatch``."""

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
    count_sensor: Ints
    count_lane: Ints
    count_begin: Floats
    count_end: Floats
    count_vehicles: Singles
    count_occupancy: Singles
    count_queue: Singles
    turn_sensor: Ints
    turn_lane: Ints
    turn_to: Ints
    turn_begin: Floats
    turn_end: Floats
    turn_vehicles: Singles


class Memory(NamedTuple):
    """What is kept from tick to tick, and scratch.

    evidence [L] time of the last evidence [s]; smooth_flow [L]; head_wait [A]; weight, full [U] and beyond [H]:
    scratch of ``estimation.foretell``.
    """

    loops: Loops
    cameras: Cameras
    counters: Counters
    turns: Turns
    belief: Belief
    evidence: Floats
    smooth_flow: Floats
    head_wait: Floats
    discharge: Discharge
    weight: Floats
    full: Bools
    beyond: Floats


class Desk(NamedTuple):
    """All that an estimator holds from tick to tick."""

    street: Street
    memory: Memory


class Totals(NamedTuple):
    """What comes out; rows in the order of ``LANE_TOTALS``, ``STOP_TOTALS``, ``MOVE_TOTALS``, as in ``TrafficState``.

    lanes [9, L]; stops [7, A]; moves [5, M]; blocked [A]; arrivals [A, H].
    """

    lanes: Singles
    stops: Singles
    blocked: Bools
    arrivals: Singles
    moves: Singles


LANE_TOTALS = ("vehicles", "queue", "back_of_queue", "room", "flow", "occupancy", "confidence", "age", "back_vehicles")
STOP_TOTALS = ("head_wait", "discharge", "spill", "start_loss", "discharge_confidence", "discharge_age", "inside")
MOVE_TOTALS = ("effective_discharge", "effective_confidence", "effective_age", "turn_confidence", "turn_age")


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
        and first_beyond(rows.count_sensor, 0, n_sensors) < 0
        and first_beyond(rows.count_lane, -1, n_lanes) < 0
        and first_beyond(rows.turn_sensor, 0, n_sensors) < 0
        and first_beyond(rows.turn_lane, 0, n_lanes) < 0
    )


@desk_kernel
def estimate(
    now: float,
    seconds: float,
    steps: int,
    aspect: Bytes,
    aspect_since: Floats,
    desk: Held[Desk],
    rows: Rows,
    totals: Totals,
) -> bool:
    """Predict ``steps`` seconds up to ``now``, correct by one batch, sum up.

    Returns False, and does nothing, if the batch names sensors or lanes that there are not.

    Parameters
    ----------
    now : [s]. seconds : since the estimator began.
    aspect, aspect_since : [G] what the groups showed, and since when [s].
    """
    street, memory = desk.value
    layout, belief = street.layout, memory.belief
    if not known(rows, len(memory.loops.lane), len(street.sureness)):
        return False
    read_lamps(now, layout, aspect, aspect_since, belief)
    take_loops(now, rows.event_sensor, rows.event_time, rows.event_on, memory.loops, belief, memory.evidence)
    move_lanes(now, seconds, steps, layout, belief)
    watch_counters(now, steps, layout, memory.counters, belief)
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
    take_counts(
        now,
        layout,
        rows.count_sensor,
        rows.count_lane,
        rows.count_begin,
        rows.count_end,
        rows.count_vehicles,
        rows.count_occupancy,
        rows.count_queue,
        memory.counters,
        belief,
        memory.evidence,
    )
    take_turns(
        now,
        steps,
        layout,
        rows.turn_sensor,
        rows.turn_lane,
        rows.turn_to,
        rows.turn_begin,
        rows.turn_end,
        rows.turn_vehicles,
        memory.turns,
        belief,
    )
    lanes, stops = totals.lanes, totals.stops
    sum_lanes(
        now,
        layout,
        belief,
        memory.evidence,
        street.sureness,
        memory.smooth_flow,
        lanes[0],
        lanes[1],
        lanes[2],
        lanes[3],
        lanes[4],
        lanes[5],
        lanes[6],
        lanes[7],
        lanes[8],
    )
    watch_heads(
        now,
        layout,
        aspect,
        street.stop_lane,
        belief,
        lanes[1],
        memory.head_wait,
        stops[0],
        totals.blocked,
        stops[1],
    )
    foretell(layout, belief, street.upstream, memory.weight, memory.full, memory.beyond, totals.arrivals, stops[2])
    learn_discharge(now, layout, belief, memory.discharge)
    tell_inside(now, street.stop_lane, memory.cameras, stops[6])
    tell_movements(now, layout, street.stop_lane, street.sureness, belief, memory.discharge, stops[3:6], totals.moves)
    return True
