"""The street that a detector configuration knows of: a road per phase, a lane per row of detectors.

A configuration names no lanes, lengths, speeds or turns. Which advance detector lies upstream of which detector at the
stop line, and how far, is read off the log; the rest is assumed, the same for every controller, and stands here. May
import network, signals, observations and the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from citybrain.errors import InputError
from citybrain.eventlog.log import Function
from citybrain.eventlog.measures import actuations, channels_of, cycles_of, occupied, on_green
from citybrain.network import Network, Turn, csr, derived_tables
from citybrain.observations import SensorKind, SensorTable
from citybrain.signals import Aspect, Conflict, GroupKind, Signals

if TYPE_CHECKING:
    from citybrain.eventlog.log import Detector, EventLog
    from citybrain.eventlog.measures import Cycles

LANE_LENGTH = 400.0
"""[m] of every approach lane."""
LANE_SPEED = 15.6
"""[m/s], 35 mph."""
ADVANCE_DISTANCE = 100.0
"""[m] from an advance detector to the stop line where the log does not tell; 60 to 150 m are usual."""
NEAREST, FURTHEST = 10.0, 200.0
"""Bounds of a distance that is read off the log [m]."""
LONGEST_MS = 20_000
"""A vehicle that takes longer from one detector to the other is not believed to be the same."""
FREE_MS = 5_000
"""A detector that was free for so long has no queue standing on it."""
LEAST_PASSAGES = 10
BIN_MS = 300_000
"""Counts of this long are compared to find which detectors share a lane."""
STOP_DISTANCE = 1.0
"""[m] from a detector at the stop line to the line."""


@dataclass(frozen=True)
class LoggedStreet:
    """One controller's street. Index a approach lanes, p phases.

    Attributes
    ----------
    phases : [P] numbers; signal group p is phase ``phases[p]``.
    lane_phase : [A] index into ``phases`` of every approach lane.
    channel : [X] the controller's detector channel behind every sensor.
    """

    device: str
    phases: tuple[int, ...]
    lane_phase: NDArray[np.int32]
    channel: NDArray[np.int64]
    network: Network
    signals: Signals
    sensors: SensorTable


def street_of(log: EventLog, detectors: tuple[Detector, ...], device: str) -> LoggedStreet:
    """Build the street of one controller.

    A phase has as many lanes as it has detectors of its most frequent function. At the stop line its counting detectors
    are used where it has any, otherwise those of presence.

    Raises
    ------
    InputError
        If no phase of the controller has a detector, or the log does not know the controller.
    """
    phases = tuple(sorted({d.phase for d in detectors if d.device == device}))
    if not phases or device not in log.devices:
        there = ", ".join(sorted({d.device for d in detectors} & set(log.devices)))
        raise InputError(f"controller {device!r} is not both in the log and in the detector configuration; {there} are")
    lane_phase: list[int] = []
    rows: list[tuple[int, SensorKind, float, int]] = []
    for p, phase in enumerate(phases):
        counting = channels_of(detectors, device, phase, Function.COUNT)
        stops = counting if len(counting) else channels_of(detectors, device, phase, Function.PRESENCE)
        for stop, advance in _lanes(log, device, stops, channels_of(detectors, device, phase, Function.ADVANCE)):
            lane = len(lane_phase)
            lane_phase.append(p)
            if stop is not None:
                rows.append((lane, SensorKind.STOP_LOOP, STOP_DISTANCE, stop))
            if advance is not None:
                far = ADVANCE_DISTANCE if stop is None else _distance(log, cycles_of(log, device, phase), stop, advance)
                rows.append((lane, SensorKind.ADVANCE_LOOP, far, advance))
    sensors = SensorTable(
        sensor_id=tuple(f"{device}:{channel}" for *_, channel in rows),
        kind=np.array([kind for _, kind, _, _ in rows], np.uint8),
        lane=np.array([lane for lane, *_ in rows], np.int32),
        distance=np.array([distance for _, _, distance, _ in rows]),
        cover_ptr=np.zeros(len(rows) + 1, np.int32),
        cover_lane=np.zeros(0, np.int32),
        cover_offset=np.zeros(0),
    )
    of_lane = np.array(lane_phase, np.int32)
    return LoggedStreet(
        device=device,
        phases=phases,
        lane_phase=of_lane,
        channel=np.array([channel for *_, channel in rows], np.int64),
        network=_network(device, phases, of_lane),
        signals=_signals(len(phases), of_lane),
        sensors=sensors,
    )


def _lanes(
    log: EventLog, device: str, stops: NDArray[np.int64], advances: NDArray[np.int64]
) -> list[tuple[int | None, int | None]]:
    """Pair a phase's detectors at the stop line with those upstream so that their counts differ least."""
    last = log.time_ms.max()
    bins = np.arange(log.time_ms.min(), last + BIN_MS + 1, BIN_MS)

    def counts(channels: NDArray[np.int64]) -> NDArray[np.int64]:
        found = [np.histogram(actuations(log, device, channels[k : k + 1]), bins)[0] for k in range(len(channels))]
        return np.array(found, np.int64).reshape(len(channels), len(bins) - 1)

    difference = np.abs(counts(stops)[:, None] - counts(advances)[None]).sum(2)
    pairs = dict(zip(*(side.tolist() for side in linear_sum_assignment(difference)), strict=True))
    lanes: list[tuple[int | None, int | None]] = [
        (int(stop), int(advances[pairs[k]]) if k in pairs else None) for k, stop in enumerate(stops)
    ]
    return lanes + [(None, int(a)) for k, a in enumerate(advances) if k not in pairs.values()]


def _distance(log: EventLog, cycles: Cycles, stop: int, advance: int) -> float:
    """Distance [m] of an advance detector from the stop line, by vehicles that met nobody on their way.

    Who drives through a green at the speed assumed covers ``v t``, who brakes evenly to a halt at red half of that.
    """
    begun = actuations(log, cycles.device, np.array([advance]))
    reached = actuations(log, cycles.device, np.array([stop]))
    moments, state = occupied(log, cycles.device, np.array([stop]))
    if not len(reached):
        return ADVANCE_DISTANCE
    k = np.searchsorted(moments, begun, side="right") - 1
    arrival = np.append(reached, reached[-1])[np.searchsorted(reached, begun)]
    lag = arrival - begun
    alone = (k >= 0) & ~state[k] & (begun - moments[k] >= FREE_MS) & (lag > 0) & (lag <= LONGEST_MS)
    green, still = on_green(log, cycles, begun), on_green(log, cycles, arrival)
    alone &= green == still
    if int(alone.sum()) < LEAST_PASSAGES:
        return ADVANCE_DISTANCE
    far = np.median((lag * np.where(green, 1.0, 0.5))[alone]) / 1000 * LANE_SPEED
    return float(np.clip(far, NEAREST, FURTHEST))


def _network(device: str, phases: tuple[int, ...], lane_phase: NDArray[np.int32]) -> Network:
    """Approach lanes first, then for each of them a lane that takes in what it sends."""
    n = len(lane_phase)
    number = [int((lane_phase[:a] == lane_phase[a]).sum()) for a in range(n)]
    roads = [f"phase {phases[p]} {way}" for way in ("in", "out") for p in range(len(phases))]
    edge = np.concatenate((lane_phase, lane_phase + len(phases))).astype(np.int32)
    move_from = np.arange(n, dtype=np.int32)
    move_to = move_from + np.int32(n)
    owner = np.zeros(n, np.int32)
    none_ptr, none = csr([[] for _ in range(n)])
    return Network(
        lane_id=tuple(f"{roads[e]} {k}" for e, k in zip(edge.tolist(), number * 2, strict=True)),
        edge_id=tuple(roads),
        intersection_id=(device,),
        lane_edge=edge,
        lane_length=np.full(2 * n, LANE_LENGTH),
        lane_speed=np.full(2 * n, LANE_SPEED),
        lane_general=np.ones(2 * n, np.bool_),
        move_from=move_from,
        move_to=move_to,
        move_intersection=owner,
        move_lamp=np.arange(n, dtype=np.int32),
        move_turn=np.full(n, Turn.STRAIGHT, np.int32),
        move_length=np.full(n, 20.0),
        move_foe_ptr=none_ptr,
        move_foe=none,
        move_yield_ptr=none_ptr,
        move_yield=none,
        lane_shape_ptr=np.zeros(2 * n + 1, np.int32),
        lane_shape=np.zeros((0, 2)),
        **derived_tables(2 * n, move_from, move_to, owner, 1),
    )


def _signals(n_phases: int, lane_phase: NDArray[np.int32]) -> Signals:
    """One group and one stage per phase: only the groups' movements matter to an estimator."""
    n = len(lane_phase)
    move_ptr, move = csr([np.flatnonzero(lane_phase == p).tolist() for p in range(n_phases)])
    rows = np.where(np.eye(n_phases, dtype=np.bool_), Aspect.PROTECTED, Aspect.RED).astype(np.uint8)
    steps = np.full(n_phases, 100, np.int32)
    conflict = np.where(np.eye(n_phases, dtype=np.bool_), Conflict.NONE, Conflict.HARD).astype(np.uint8)
    return Signals(
        lamp_ptr=np.array([0, n], np.int32),
        lamp_group=lane_phase,
        lamp_red=np.full(n, ord("r"), np.uint8),
        group_ptr=np.array([0, n_phases], np.int32),
        group_kind=np.full(n_phases, GroupKind.VEHICLE, np.uint8),
        group_move_ptr=move_ptr,
        group_move=move,
        group_crossing=np.zeros(n_phases),
        conflict_ptr=np.array([0, n_phases**2], np.int32),
        conflict=conflict.ravel(),
        row_ptr=np.array([0, n_phases], np.int32),
        row_aspect_ptr=np.arange(0, n_phases**2 + 1, n_phases, dtype=np.int32),
        row_aspect=rows.ravel(),
        row_is_stage=np.ones(n_phases, np.bool_),
        step_ptr=np.array([0, n_phases], np.int32),
        step_row=np.arange(n_phases, dtype=np.int32),
        step_duration=steps,
        step_min=steps,
        step_max=steps,
        program_id=("log",),
        program_offset=np.zeros(1, np.int32),
    )
