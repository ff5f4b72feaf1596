"""Files of high-resolution events, in the columns that the ``atspm`` package reads. Apart, because pyarrow is heavy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from citybrain.errors import InputError
from citybrain.events import Event

SCHEMA = pa.schema(
    [
        ("TimeStamp", pa.timestamp("ms")),
        ("DeviceId", pa.string()),
        ("EventId", pa.int16()),
        ("Parameter", pa.int16()),
    ]
)
"""Columns as the ``atspm`` package reads them."""


def table_of(device: str, events: Iterable[Event]) -> pa.Table:
    """Events as columns of ``SCHEMA``."""
    rows = list(events)
    return pa.table(
        {
            "TimeStamp": pa.array([row.time_ms for row in rows], pa.timestamp("ms")),
            "DeviceId": pa.array([device] * len(rows), pa.string()),
            "EventId": pa.array([row.code for row in rows], pa.int16()),
            "Parameter": pa.array([row.parameter for row in rows], pa.int16()),
        },
        schema=SCHEMA,
    )


class EventFile:
    """A file of events that grows: ``.csv`` readable at any time, ``.parquet`` once it is closed.

    Parameters
    ----------
    path : of the file; what stands there is replaced.
    device : id of the cabinet.

    Raises
    ------
    InputError
        If the name ends in neither, or the file cannot be made.
    """

    def __init__(self, path: Path, device: str) -> None:
        self._device = device
        try:
            if path.suffix == ".csv":
                self._writer = pyarrow.csv.CSVWriter(path, SCHEMA)
            elif path.suffix == ".parquet":
                self._writer = pyarrow.parquet.ParquetWriter(path, SCHEMA)
            else:
                raise InputError(f"events file {path}: the name must end in .csv or .parquet")
        except OSError as error:
            raise InputError(f"events file {path} cannot be written: {error}; name another place") from None

    def write(self, events: Iterable[Event]) -> None:
        """Append events."""
        table = table_of(self._device, events)
        if table.num_rows:
            self._writer.write_table(table)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()

    def __enter__(self) -> Self:
        """Keep the file open for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file."""
        self.close()
