"""Parquet files of the archive: written whole or not there, and read in parts.

May import the errors alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.errors import StoreError

Rows = Sequence[Sequence[Any]]


def write(path: Path, schema: pa.Schema, parts: Iterable[Rows]) -> None:
    """Write a file from parts that fit into memory, a row group each; it is whole and on disk when this returns.

    Parameters
    ----------
    parts : rows with a value for every column, in the schema's order.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for part in parts:
                writer.write_table(_table(part, schema))
        flush(unfinished)
        unfinished.replace(path)
        flush(path.parent)
    except OSError as error:
        raise StoreError(f"archive {path}: {error.strerror or error}; make room or name another folder") from error


def _table(rows: Rows, schema: pa.Schema) -> pa.Table:
    columns: list[Any] = list(zip(*rows, strict=True)) or [() for _ in schema]
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def read(path: Path, schema: pa.Schema, wanted: Any, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Read the rows that a filter of pyarrow's lets through; quick where the filter is on a column that ascends.

    Raises
    ------
    StoreError
        If the file is gone or damaged.
    """
    try:
        table = pq.read_table(path, schema=schema, filters=wanted, columns=None if columns is None else list(columns))
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def find(path: Path, wanted: Any, by: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
    """Read the rows that a filter lets through, where it is on small columns (``by``) that do not ascend.

    The small columns are read whole, and of the others the row groups alone that hold such a row.

    Raises
    ------
    StoreError
        If the file is gone or damaged.
    """
    found: list[dict[str, Any]] = []
    try:
        with pq.ParquetFile(path) as file:
            small = file.read(columns=list(by))
            small = small.append_column("row", pa.array(range(len(small)), pa.int64()))
            rows = small.filter(wanted)["row"].to_pylist()
            first = 0
            for group in range(file.num_row_groups):
                end = first + file.metadata.row_group(group).num_rows
                inside = [row - first for row in rows if first <= row < end]
                if inside:
                    found += file.read_row_group(group, columns=list(columns)).take(inside).to_pylist()
                first = end
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error
    return found


def unreadable(path: Path, error: Exception) -> StoreError:
    """Say that a file of the archive is gone or damaged."""
    return StoreError(f"archive {path} cannot be read: {error}; restore it from a backup")


def flush(path: Path) -> None:
    """Have a file or a folder on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
