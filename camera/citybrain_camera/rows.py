"""Reports as rows of observations (docs/intake.md): bodies to post, or a Parquet file with the same columns."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.errors import InputError
from citybrain.intake.posted import FORMAT
from citybrain_camera.watch import Report

_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    [
        ("kind", _TEXT),
        ("sensor", _TEXT),
        ("time_ms", pa.int64()),
        ("on", pa.bool_()),
        ("lane", _TEXT),
        ("distance", pa.float32()),
        ("speed", pa.float32()),
        ("confidence", pa.float32()),
    ]
)


def rows_of(reports: list[Report], sensor: str) -> pa.RecordBatch:
    """Write the reports of a camera as rows: loop events, frames, and the vehicles in them."""
    rows = []
    for report in reports:
        rows += [
            {"kind": "loop", "sensor": event.sensor, "time_ms": round(event.time * 1000), "on": event.on}
            for event in report.loops
        ]
        taken = {"sensor": sensor, "time_ms": round(report.time * 1000)}
        rows.append({"kind": "frame", **taken})
        rows += [
            {
                "kind": "object",
                **taken,
                "lane": vehicle.lane,
                "distance": vehicle.distance,
                "speed": vehicle.speed,
                "confidence": vehicle.confidence,
            }
            for vehicle in report.vehicles
        ]
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


def body_of(rows: pa.RecordBatch, batch_id: str, sender: str, complete_until: int) -> bytes:
    """Write rows as an Arrow body; ``complete_until``: everything up to then has been sent [tenths since 1970]."""
    header = {
        "format": FORMAT,
        "batch_id": batch_id,
        "sender": sender,
        "complete_until": str(complete_until),
    }
    rows = rows.replace_schema_metadata(header)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    body: bytes = sink.getvalue().to_pybytes()
    return body


class RowFile:
    """A Parquet file of rows; takes its name only when it is whole. Use it as a context manager.

    Raises
    ------
    InputError
        If the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        try:
            self._writer = pq.ParquetWriter(self._part, SCHEMA)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error}") from None

    def __enter__(self) -> Self:
        """Write within a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file, or take it away after an error that left it unfinished."""
        self._writer.close()
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self._part.replace(self._path)
        else:
            self._part.unlink()

    def write(self, rows: pa.RecordBatch) -> None:
        """Add rows."""
        self._writer.write_batch(rows)
