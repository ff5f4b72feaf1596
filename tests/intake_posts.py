"""Posted batches for tests: the small street's sensors, rows that are right and rows that are wrong, as bodies."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from citybrain.intake.judge import Judge
from citybrain.intake.posted import FIELDS, FORMAT
from citybrain.observations import SensorKind, SensorTable
from tests.small_world import small_network, small_sensors

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = 17_000_000_000
"""The clock of the tests [tenths since 1970]."""
NOW_MS = NOW * 100
LOOP = {"kind": "loop", "sensor": "loop_w", "time_ms": NOW_MS, "on": True}
FRAME = {"kind": "frame", "sensor": "camera_n", "time_ms": NOW_MS}
OBJECT: dict[str, Any] = {
    "kind": "object",
    "sensor": "camera_n",
    "time_ms": NOW_MS,
    "lane": "n_0",
    "distance": 12.5,
    "speed": 3.25,
    "confidence": 0.75,
}
COUNT: dict[str, Any] = {
    "kind": "count",
    "sensor": "count_s",
    "time_ms": NOW_MS,
    "begin_ms": NOW_MS - 60_000,
    "vehicles": 9,
    "occupancy": 0.25,
}
LANE_COUNT: dict[str, Any] = {
    "kind": "count",
    "sensor": "camera_count_n",
    "time_ms": NOW_MS,
    "begin_ms": NOW_MS - 60_000,
    "lane": "n_0",
    "vehicles": 7,
    "queue": 3,
}
TURN: dict[str, Any] = {
    "kind": "turn",
    "sensor": "camera_n",
    "time_ms": NOW_MS,
    "begin_ms": NOW_MS - 60_000,
    "lane": "n_0",
    "to": "s",
    "vehicles": 6,
}
TYPES = {
    "kind": pa.string(),
    "sensor": pa.string(),
    "time_ms": pa.int64(),
    "on": pa.bool_(),
    "lane": pa.string(),
    "to": pa.string(),
    "distance": pa.float64(),
    "speed": pa.float32(),
    "confidence": pa.float32(),
    "begin_ms": pa.int64(),
    "vehicles": pa.float64(),
    "occupancy": pa.float32(),
    "queue": pa.float32(),
}


@cache
def counting_sensors() -> SensorTable:
    """``loop_w`` on lane ``w_0``, ``camera_n`` over ``n_0``, ``count_s`` on ``s_0``, ``camera_count_n`` on ``n_0``."""
    small = small_sensors()
    return SensorTable(
        sensor_id=(*small.sensor_id, "count_s", "camera_count_n"),
        kind=np.append(small.kind, np.array([SensorKind.COUNT_LOOP, SensorKind.CAMERA_COUNT], np.uint8)),
        lane=np.append(small.lane, np.array([3, -1], np.int32)),
        distance=np.append(small.distance, [60.0, 80.0]),
        cover_ptr=np.append(small.cover_ptr, np.array([1, 2], np.int32)),
        cover_lane=np.append(small.cover_lane, np.array([2], np.int32)),
        cover_offset=np.zeros(2),
    )


@cache
def small_judge() -> Judge:
    """Judge of the small street, with sensors that count."""
    return Judge(counting_sensors(), small_network())


def as_json(rows: Iterable[Any], **header: Any) -> bytes:
    """Rows as a JSON body."""
    return json.dumps({"format": FORMAT, "batch_id": "b1", "sender": "test"} | header | {"rows": list(rows)}).encode()


def as_table(rows: list[dict[str, Any]], **header: str) -> pa.Table:
    """Rows as an Arrow table with the metadata of a batch."""
    columns = {name: pa.array([row.get(name) for row in rows], TYPES[name]) for name in FIELDS}
    return pa.table(columns).replace_schema_metadata({"format": FORMAT, "batch_id": "b1", "sender": "test"} | header)


def stream(table: pa.Table, compression: str | None = None, chunk: int | None = None) -> bytes:
    """Table as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=chunk)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def as_arrow(rows: list[dict[str, Any]], **header: str) -> bytes:
    """Rows as an Arrow body."""
    return stream(as_table(rows, **header))
