"""A batch of observations taken apart into tables that faults can change, and put together again."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from citybrain.observations import ObservationBatch

Bools = NDArray[np.bool_]
Table = dict[str, NDArray[Any]]
"""Columns by name; all have ``sensor``, and ``time`` or ``begin`` and ``end`` [s]."""
Rows = dict[str, Table]
"""The tables of a batch by name: ``loop``, ``frame``, ``object``, ``count``, ``turn``."""
CLOCKS = ("time", "begin", "end")
"""Columns that a sensor's clock fills."""

COLUMNS: dict[str, tuple[str, str]] = {
    field.name: (field.name.partition("_")[0], field.name.partition("_")[2])
    for field in fields(ObservationBatch)
    if field.name != "time"
}
"""Field of a batch -> table and column."""


def take_apart(batch: ObservationBatch) -> Rows:
    """Columns of a batch by table."""
    rows: Rows = {}
    for name, (table, column) in COLUMNS.items():
        rows.setdefault(table, {})[column] = getattr(batch, name)
    return rows


def put_together(time: int, rows: Rows) -> ObservationBatch:
    """Batch of what :func:`take_apart` gave."""
    return ObservationBatch(time, **{name: rows[table][column] for name, (table, column) in COLUMNS.items()})


def moment(table: Table) -> NDArray[np.float64]:
    """Time of every row by the sensor's clock [s]; of an interval, its end."""
    return table["time"] if "time" in table else table["end"]


def only(table: Table, kept: NDArray[Any]) -> Table:
    """Those rows of a table that are kept: a mask, or row numbers in the order wanted."""
    return {column: values[kept] for column, values in table.items()}


def joined(first: Table, second: Table) -> Table:
    """Rows of both; types are those of the first."""
    return {
        column: np.concatenate((values, np.asarray(second[column]).astype(values.dtype)))
        for column, values in first.items()
    }


def messages(rows: Rows) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Rows that travel together: of one sensor and one time, such as a frame and its objects.

    Returns
    -------
    Sensor of every message, and per table the message of every row.
    """
    sensor = np.concatenate([table["sensor"] for table in rows.values()]).astype(np.float64)
    time = np.concatenate([moment(table) for table in rows.values()])
    order = np.lexsort((time, sensor))
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(sensor[order]) != 0) | (np.diff(time[order]) != 0)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    ends = np.cumsum([len(table["sensor"]) for table in rows.values()])[:-1]
    return sensor[order][new].astype(np.int64), dict(zip(rows, np.split(number, ends), strict=True))
