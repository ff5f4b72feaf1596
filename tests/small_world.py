"""One intersection of two one-lane roads that cross, by hand: for tests that need a street but no simulator."""

from __future__ import annotations

import numpy as np

from citybrain.network import Network, Turn, csr, derived_tables
from citybrain.observations import ObservationBatch, SensorKind, SensorTable
from citybrain.signals import Aspect, Conflict, GroupKind, Signals


def small_network() -> Network:
    """Roads west -> east (lanes 0, 1) and north -> south (2, 3) crossing at intersection ``c``."""
    move_from = np.array([0, 2], np.int32)
    move_to = np.array([1, 3], np.int32)
    owner = np.zeros(2, np.int32)
    foe_ptr, foe = csr([[1], [0]])
    yield_ptr, yields = csr([[], []])
    return Network(
        lane_id=("w_0", "e_0", "n_0", "s_0"),
        edge_id=("w", "e", "n", "s"),
        intersection_id=("c",),
        lane_edge=np.arange(4, dtype=np.int32),
        lane_length=np.full(4, 100.0),
        lane_speed=np.full(4, 10.0),
        lane_general=np.ones(4, np.bool_),
        move_from=move_from,
        move_to=move_to,
        move_intersection=owner,
        move_lamp=np.arange(2, dtype=np.int32),
        move_turn=np.full(2, Turn.STRAIGHT, np.int32),
        move_length=np.full(2, 10.0),
        move_foe_ptr=foe_ptr,
        move_foe=foe,
        move_yield_ptr=yield_ptr,
        move_yield=yields,
        lane_shape_ptr=np.zeros(5, np.int32),
        lane_shape=np.zeros((0, 2)),
        **derived_tables(4, move_from, move_to, owner, 1),
    )


def small_signals() -> Signals:
    """Two groups, two stages of 30 s with 3 s of yellow after each."""
    rows = [
        (Aspect.PROTECTED, Aspect.RED),
        (Aspect.YELLOW, Aspect.RED),
        (Aspect.RED, Aspect.PROTECTED),
        (Aspect.RED, Aspect.YELLOW),
    ]
    durations = np.array([300, 30, 300, 30], np.int32)
    return Signals(
        lamp_ptr=np.array([0, 2], np.int32),
        lamp_group=np.array([0, 1], np.int32),
        lamp_red=np.full(2, ord("r"), np.uint8),
        group_ptr=np.array([0, 2], np.int32),
        group_kind=np.full(2, GroupKind.VEHICLE, np.uint8),
        group_move_ptr=np.array([0, 1, 2], np.int32),
        group_move=np.array([0, 1], np.int32),
        group_crossing=np.zeros(2),
        conflict_ptr=np.array([0, 4], np.int32),
        conflict=np.array([Conflict.NONE, Conflict.HARD, Conflict.HARD, Conflict.NONE], np.uint8),
        row_ptr=np.array([0, 4], np.int32),
        row_aspect_ptr=np.arange(0, 9, 2, dtype=np.int32),
        row_aspect=np.array(rows, np.uint8).ravel(),
        row_is_stage=np.array([True, False, True, False]),
        step_ptr=np.array([0, 4], np.int32),
        step_row=np.arange(4, dtype=np.int32),
        step_duration=durations,
        step_min=durations,
        step_max=durations,
        program_id=("0",),
        program_offset=np.zeros(1, np.int32),
    )


def small_sensors() -> SensorTable:
    """One stop loop on the west approach, one camera on the north approach."""
    cover_ptr, cover_lane = csr([[], [2]])
    return SensorTable(
        sensor_id=("loop_w", "camera_n"),
        kind=np.array([SensorKind.STOP_LOOP, SensorKind.CAMERA], np.uint8),
        lane=np.array([0, -1], np.int32),
        distance=np.array([1.0, 80.0]),
        cover_ptr=cover_ptr,
        cover_lane=cover_lane,
        cover_offset=np.zeros(1),
    )


def random_batch(time: int, rng: np.random.Generator) -> ObservationBatch:
    """Observations of one tick with odd numbers in them: late rows, a camera that sees nothing, an unknown lane."""
    n_loop, n_frame, n_object = rng.integers(0, 4, size=3)
    now = time / 10
    return ObservationBatch(
        time=time,
        loop_sensor=np.zeros(n_loop, np.int32),
        loop_time=now - rng.random(n_loop),
        loop_on=rng.random(n_loop) < 0.5,
        frame_sensor=np.ones(n_frame, np.int32),
        frame_time=now - 3 * rng.random(n_frame),
        object_sensor=np.ones(n_object, np.int32),
        object_time=now - 3 * rng.random(n_object),
        object_lane=np.where(rng.random(n_object) < 0.9, 2, -1).astype(np.int32),
        object_distance=rng.random(n_object).astype(np.float32) * 80,
        object_speed=rng.random(n_object).astype(np.float32) * 10,
        object_confidence=rng.random(n_object).astype(np.float32),
    )


def nothing_at(time: int) -> ObservationBatch:
    """Make a batch without a row."""
    ints, floats, singles = np.zeros(0, np.int32), np.zeros(0), np.zeros(0, np.float32)
    return ObservationBatch(
        time=time,
        loop_sensor=ints,
        loop_time=floats,
        loop_on=np.zeros(0, np.bool_),
        frame_sensor=ints,
        frame_time=floats,
        object_sensor=ints,
        object_time=floats,
        object_lane=ints,
        object_distance=singles,
        object_speed=singles,
        object_confidence=singles,
    )
