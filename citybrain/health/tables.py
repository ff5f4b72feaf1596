"""Who can testify about whom: the tables of the examination, and an empty diary. May import the brain's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.network import csr
from citybrain.observations import COUNTERS, EVENT_LOOPS, SensorKind
from citybrain_kernels.health import DAY, MEMORY, N_TESTS, Diary, Watch

if TYPE_CHECKING:
    from citybrain.network import Network
    from citybrain.observations import SensorTable
    from citybrain.signals import Signals

FLOW_WINDOW, LEAST_WINDOW = 15.0, 8.0
"""A camera counts what passes this close to the lane's end [m]; of less than the least it is no witness."""
SAME_STREAM = 150.0
"""Counters of one lane further apart than this count different vehicles [m]."""
LONGEST_INTERVAL = 300.0
"""A counter may take so long to report for the first time [s]: docs/intake.md."""
LONG_AGO = -1e9


def make_watch(network: Network, signals: Signals, sensors: SensorTable) -> Watch:
    """Set up the counters of all sensors: one per loop, one per lane of a camera."""
    cameras = np.isin(sensors.kind, (SensorKind.CAMERA, SensorKind.CAMERA_COUNT))
    number = np.where(cameras, np.diff(sensors.cover_ptr), 1)
    owner = np.repeat(np.arange(len(cameras)), number)
    is_camera = cameras[owner]
    rows = np.repeat(cameras, np.diff(sensors.cover_ptr))
    lane = sensors.lane[owner].astype(np.int32)
    lane[is_camera] = sensors.cover_lane[rows]
    offset = np.zeros(len(owner))
    offset[is_camera] = sensors.cover_offset[rows]
    window = np.minimum(FLOW_WINDOW, np.minimum(network.lane_length[lane], sensors.distance[owner] - offset))
    group = np.full(network.n_movements, -1, dtype=np.int32)
    group[signals.group_move] = np.repeat(np.arange(signals.n_groups), np.diff(signals.group_move_ptr))
    peer_ptr, peer = csr(_peers(sensors, owner, lane, window, is_camera))
    beside_ptr, beside = csr(_beside(network, owner, lane, is_camera))
    return Watch(
        counter_ptr=np.concatenate(([0], np.cumsum(number))).astype(np.int32),
        owner=owner.astype(np.int32),
        lane=lane,
        place=np.where(is_camera, 0.0, sensors.distance[owner]),
        window=np.maximum(window, 1.0),
        is_camera=is_camera,
        interval=np.isin(sensors.kind, COUNTERS),
        is_loop=np.isin(sensors.kind, EVENT_LOOPS),
        at_stop=sensors.kind == SensorKind.STOP_LOOP,
        peer_ptr=peer_ptr,
        peer=peer,
        beside_ptr=beside_ptr,
        beside=beside,
        stop_loop=_stop_loops(sensors, lane, is_camera & (offset == 0.0)),
        group=_neighbourhoods(network, sensors, owner, lane),
        move_ptr=network.lane_move_ptr,
        move_group=group,
    )


def _peers(
    sensors: SensorTable,
    owner: NDArray[np.int64],
    lane: NDArray[np.int32],
    window: NDArray[np.float64],
    is_camera: NDArray[np.bool_],
) -> list[list[int]]:
    """Counters that see the same vehicles: on the same lane, not too far away. Behind an exit lanes are changed."""
    place = np.where(is_camera, 0.0, sensors.distance[owner])
    witness = (sensors.kind[owner] != SensorKind.EXIT_LOOP) & ~(is_camera & (window < LEAST_WINDOW))
    on_lane: dict[int, list[int]] = {}
    for k in np.flatnonzero(witness).tolist():
        on_lane.setdefault(int(lane[k]), []).append(k)
    return [
        [p for p in on_lane.get(int(lane[k]), []) if owner[p] != owner[k] and abs(place[p] - place[k]) <= SAME_STREAM]
        if witness[k]
        else []
        for k in range(len(owner))
    ]


def _beside(
    network: Network, owner: NDArray[np.int64], lane: NDArray[np.int32], is_camera: NDArray[np.bool_]
) -> list[list[int]]:
    """Counters of the same camera on the lanes beside."""
    edge = network.lane_edge
    row = {(int(owner[k]), int(lane[k])): k for k in np.flatnonzero(is_camera).tolist()}
    return [
        [
            row[int(owner[k]), other]
            for other in (int(lane[k]) - 1, int(lane[k]) + 1)
            if is_camera[k] and (int(owner[k]), other) in row and edge[other] == edge[lane[k]]
        ]
        for k in range(len(owner))
    ]


def _stop_loops(sensors: SensorTable, lane: NDArray[np.int32], wanted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Stop loop [K] of each wanted counter's lane, the one nearest to the line; -1 without one."""
    loops = np.flatnonzero(sensors.kind == SensorKind.STOP_LOOP)
    loops = loops[np.argsort(-sensors.distance[loops], kind="stable")]
    nearest = np.full(int(lane.max(initial=-1)) + 1, -1, dtype=np.int32)
    loops = loops[sensors.lane[loops] < len(nearest)]
    nearest[sensors.lane[loops]] = loops
    return np.where(wanted, nearest[lane], -1).astype(np.int32)


def _neighbourhoods(
    network: Network, sensors: SensorTable, owner: NDArray[np.int64], lane: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Intersection [K] that a sensor stands at: the first of its lanes that has a stop line; else the last of all."""
    n_i = network.n_intersections
    of_lane = np.full(network.n_lanes, n_i, dtype=np.int32)
    of_lane[network.approach_lane] = np.repeat(np.arange(n_i), np.diff(network.approach_ptr))
    of_sensor = np.full(len(sensors.sensor_id), n_i, dtype=np.int32)
    np.minimum.at(of_sensor, owner, of_lane[lane])
    return of_sensor[owner]


def make_diary(watch: Watch, n_groups: int) -> Diary:
    """Everybody is well, nothing is known; ``n_groups`` neighbourhoods."""
    n_x, n_k = len(watch.is_loop), len(watch.owner)

    def per_counter(value: float = 0.0) -> NDArray[np.float64]:
        return np.full(n_k, value)

    def per_sensor(value: float = 0.0) -> NDArray[np.float64]:
        return np.full(n_x, value)

    def no(n: int) -> NDArray[np.bool_]:
        return np.zeros(n, dtype=np.bool_)

    return Diary(
        score=np.zeros((n_x, N_TESTS)),
        sick=np.zeros((n_x, N_TESTS), dtype=np.bool_),
        row_score=per_counter(),
        row_sick=no(n_k),
        low=per_counter(),
        high=per_counter(),
        window_own=per_counter(),
        window_peer=per_counter(),
        base=per_counter(),
        base_n=per_counter(),
        peers=np.zeros(n_k, dtype=np.int32),
        seen_own=per_counter(),
        seen_peer=per_counter(),
        open_peer=per_counter(),
        pending=per_counter(),
        covered=no(n_x),
        on_time=per_sensor(LONG_AGO),
        off_time=per_sensor(LONG_AGO),
        free_count=per_sensor(),
        past_time=np.full((n_x, MEMORY), LONG_AGO),
        past_on=np.zeros((n_x, MEMORY), dtype=np.bool_),
        past_next=np.zeros(n_x, dtype=np.int32),
        latest=per_sensor(LONG_AGO),
        usual=np.where(watch.interval, LONGEST_INTERVAL, 1.0),
        lag=per_sensor(1.0),
        late=per_sensor(),
        doubled=per_sensor(),
        disordered=per_sensor(),
        short=per_sensor(),
        object_here=no(n_k),
        standing_here=no(n_k),
        sampled=per_counter(LONG_AGO),
        green_for=per_sensor(),
        usual_rate=np.zeros((n_k, DAY)),
        usual_days=np.zeros((n_k, DAY)),
        hour_count=per_counter(),
        hour_time=per_counter(),
        pace=per_counter(),
        pace_time=per_counter(),
        recent=per_counter(),
        recent_peer=per_counter(),
        group_seen=np.zeros(n_groups),
        group_due=np.zeros(n_groups),
        tally=per_counter(),
        heard=no(n_x),
        status=np.zeros(n_x, dtype=np.uint8),
        fault=np.zeros(n_x, dtype=np.uint8),
        since=per_sensor(LONG_AGO),
        trust=per_sensor(1.0),
        sight=per_counter(1.0),
        now=np.zeros(2),
    )
