"""A made-up city of any size for load tests: separate crossings of two one-lane roads, each with a loop and a camera.

What load tests ask is how many intersections the service can carry; the streets between them do not matter for that.
"""

from __future__ import annotations

import numpy as np

from citybrain.control.interface import Site
from citybrain.network import Network, Turn, csr, derived_tables
from citybrain.observations import SensorKind, SensorTable
from citybrain.profiles import make_timings
from citybrain.signals import Aspect, Conflict, GroupKind, Signals

PROFILE = "own"
ROWS = (
    (Aspect.PROTECTED, Aspect.RED),
    (Aspect.YELLOW, Aspect.RED),
    (Aspect.RED, Aspect.PROTECTED),
    (Aspect.RED, Aspect.YELLOW),
)


def make_city(n: int) -> tuple[Site, SensorTable]:
    """Make ``n`` crossings ``x0``, ``x1``, ... with lanes ``x0_w`` (in), ``x0_e``, ``x0_n`` (in), ``x0_s``."""
    network = _network(n)
    signals = _signals(n)
    return Site(network, signals, make_timings(PROFILE, network, signals)), _sensors(n)


def _network(n: int) -> Network:
    i = np.arange(n, dtype=np.int32)
    move_from = np.stack([4 * i, 4 * i + 2], axis=1).ravel().astype(np.int32)
    move_to = move_from + 1
    owner = np.repeat(i, 2)
    foe_ptr, foe = csr([[m ^ 1] for m in range(2 * n)])
    yield_ptr, yields = csr([[] for _ in range(2 * n)])
    names = [f"x{k}_{side}" for k in range(n) for side in "wens"]
    return Network(
        lane_id=tuple(f"{name}_0" for name in names),
        edge_id=tuple(names),
        intersection_id=tuple(f"x{k}" for k in range(n)),
        lane_edge=np.arange(4 * n, dtype=np.int32),
        lane_length=np.full(4 * n, 100.0),
        lane_speed=np.full(4 * n, 10.0),
        lane_general=np.ones(4 * n, np.bool_),
        move_from=move_from,
        move_to=move_to,
        move_intersection=owner,
        move_lamp=np.tile(np.arange(2, dtype=np.int32), n),
        move_turn=np.full(2 * n, Turn.STRAIGHT, np.int32),
        move_length=np.full(2 * n, 10.0),
        move_foe_ptr=foe_ptr,
        move_foe=foe,
        move_yield_ptr=yield_ptr,
        move_yield=yields,
        lane_shape_ptr=np.zeros(4 * n + 1, np.int32),
        lane_shape=np.zeros((0, 2)),
        **derived_tables(4 * n, move_from, move_to, owner, n),
    )


def _signals(n: int) -> Signals:
    two, four = np.arange(n + 1, dtype=np.int32) * 2, np.arange(n + 1, dtype=np.int32) * 4
    durations = np.tile(np.array([300, 30, 300, 30], np.int32), n)
    conflict = [Conflict.NONE, Conflict.HARD, Conflict.HARD, Conflict.NONE]
    return Signals(
        lamp_ptr=two,
        lamp_group=np.arange(2 * n, dtype=np.int32),
        lamp_red=np.full(2 * n, ord("r"), np.uint8),
        group_ptr=two,
        group_kind=np.full(2 * n, GroupKind.VEHICLE, np.uint8),
        group_move_ptr=np.arange(2 * n + 1, dtype=np.int32),
        group_move=np.arange(2 * n, dtype=np.int32),
        group_crossing=np.zeros(2 * n),
        conflict_ptr=four,
        conflict=np.tile(np.array(conflict, np.uint8), n),
        row_ptr=four,
        row_aspect_ptr=np.arange(4 * n + 1, dtype=np.int32) * 2,
        row_aspect=np.tile(np.array(ROWS, np.uint8).ravel(), n),
        row_is_stage=np.tile(np.array([True, False, True, False]), n),
        step_ptr=four,
        step_row=np.arange(4 * n, dtype=np.int32),
        step_duration=durations,
        step_min=durations,
        step_max=durations,
        program_id=("0",) * n,
        program_offset=np.zeros(n, np.int32),
    )


def _sensors(n: int) -> SensorTable:
    """Place a stop loop on every western approach and a camera on every northern one."""
    cover_ptr, cover_lane = csr([[] if x % 2 == 0 else [4 * (x // 2) + 2] for x in range(2 * n)])
    west = 4 * np.arange(n, dtype=np.int32)
    return SensorTable(
        sensor_id=tuple(name for k in range(n) for name in (f"loop{k}", f"camera{k}")),
        kind=np.tile(np.array([SensorKind.STOP_LOOP, SensorKind.CAMERA], np.uint8), n),
        lane=np.stack([west, np.full(n, -1, np.int32)], axis=1).ravel(),
        distance=np.tile(np.array([2.0, 80.0]), n),
        cover_ptr=cover_ptr,
        cover_lane=cover_lane,
        cover_offset=np.zeros(n),
    )
