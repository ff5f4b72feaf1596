"""Rows of a batch in an order that does not depend on how they were delivered. May import observations and kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels import row_order as kernel
from citybrain_kernels.estimation_tick import Rows

if TYPE_CHECKING:
    from citybrain.observations import ObservationBatch

_KEYS = {
    "loop": ("time", "on"),
    "frame": ("time",),
    "object": ("time", "lane", "distance", "speed", "confidence"),
    "count": ("lane", "end", "begin", "vehicles", "occupancy", "queue"),
    "turn": ("lane", "to", "end", "begin", "vehicles"),
}
"""By what the rows of a sensor are sorted: by all that they say, so that only equal rows can change places."""
_LOW_HALF = np.int64(0xFFFFFFFF)


def in_order(batch: ObservationBatch) -> ObservationBatch:
    """Give the batch with each kind of row sorted by sensor and all that it says; the same object if it is already."""
    changes: dict[str, NDArray[Any]] = {}
    for kind, keys in _KEYS.items():
        order = _order(getattr(batch, f"{kind}_sensor"), [getattr(batch, f"{kind}_{key}") for key in keys])
        if order is not None:
            changes |= {name: getattr(batch, name)[order] for name in (f"{kind}_{key}" for key in ("sensor", *keys))}
    return replace(batch, **changes) if changes else batch  # type: ignore[arg-type]  # columns only, not the time


def sorted_rows(batch: ObservationBatch) -> Rows:
    """Rows for the kernels, in the order of :func:`in_order`; quick where a batch is in order already."""
    batch = in_order(batch)
    return Rows(
        event_sensor=batch.loop_sensor,
        event_time=batch.loop_time,
        event_on=batch.loop_on,
        frame_sensor=batch.frame_sensor,
        frame_time=batch.frame_time,
        object_sensor=batch.object_sensor,
        object_time=batch.object_time,
        object_lane=batch.object_lane,
        object_distance=batch.object_distance,
        object_speed=batch.object_speed,
        object_confidence=batch.object_confidence,
        count_sensor=batch.count_sensor,
        count_lane=batch.count_lane,
        count_begin=batch.count_begin,
        count_end=batch.count_end,
        count_vehicles=batch.count_vehicles,
        count_occupancy=batch.count_occupancy,
        count_queue=batch.count_queue,
        turn_sensor=batch.turn_sensor,
        turn_lane=batch.turn_lane,
        turn_to=batch.turn_to,
        turn_begin=batch.turn_begin,
        turn_end=batch.turn_end,
        turn_vehicles=batch.turn_vehicles,
    )


def _order(sensor: NDArray[np.int32], columns: list[NDArray[Any]]) -> NDArray[np.int64] | None:
    """Order of rows by sensor, then by columns; None: as they are. Numbers of all columns fit into 64-bit floats."""
    count = len(sensor)
    if count < 2:
        return None
    order = np.arange(count)
    moved = bool((sensor[1:] < sensor[:-1]).any())
    if moved:
        # A number and its row in one integer: sorting these is many times as fast as asking for an order.
        order = np.sort((sensor.astype(np.int64) << 32) | order) & _LOW_HALF
    keys = np.empty((count, len(columns)))
    for k, column in enumerate(columns):
        keys[:, k] = column
    moved |= kernel.sort_within(sensor, keys, np.empty(count, dtype=np.int64), order)
    return order if moved else None
