"""Old ticks, the batches they took and old checkpoints as Parquet files, in pieces that are whole or not there.

A piece is written to its files, flushed to disk and renamed before the store forgets the rows. A crash in between leaves
files that the store does not know; the next attempt begins at the same tick and writes over them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.errors import StoreError
from citybrain.live.rows import Checkpoint, StoredBatch, StoredTick

Piece = tuple[str, int]
"""Folder and first tick of a piece."""

TICKS = pa.schema(
    [("number", pa.int64()), ("time", pa.int64()), ("taken", pa.list_(pa.int64())), ("inputs", pa.large_binary())]
)
BATCHES = pa.schema(
    [
        ("number", pa.int64()),
        ("sender", pa.string()),
        ("batch_id", pa.string()),
        ("received_at", pa.int64()),
        ("judged", pa.large_binary()),
        ("verdict", pa.large_binary()),
    ]
)
CHECKPOINTS = pa.schema(
    [("time", pa.int64()), ("tick", pa.int64()), ("version", pa.string()), ("data", pa.large_binary())]
)
_SCHEMAS = {"ticks": TICKS, "batches": BATCHES, "checkpoints": CHECKPOINTS}


def path_of(piece: Piece, kind: str) -> Path:
    """File of a piece; ``kind`` is ticks, batches or checkpoints."""
    folder, first_tick = piece
    return Path(folder) / f"{kind}-{first_tick:012d}.parquet"


def write(piece: Piece, kind: str, parts: Iterable[Sequence[Sequence[Any]]]) -> None:
    """Write one file of a piece from parts that fit into memory; it is whole and on disk when this returns.

    Raises
    ------
    StoreError
        If the folder cannot be written.
    """
    path, schema = path_of(piece, kind), _SCHEMAS[kind]
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for part in parts:
                columns = [
                    pa.array(column, field.type) for column, field in zip(zip(*part, strict=True), schema, strict=True)
                ]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        _flush(unfinished)
        unfinished.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise StoreError(f"archive {path}: {error.strerror or error}; make room or name another folder") from error


def read_ticks(pieces: Iterable[Piece], from_time: int, to_time: int) -> dict[int, StoredTick]:
    """Ticks with ``from_time`` <= time < ``to_time``, by number."""
    wanted = [("time", ">=", from_time), ("time", "<", to_time)]
    rows = (row for piece in pieces for row in _read(piece, "ticks", wanted))
    return {row["number"]: StoredTick(row["number"], row["time"], tuple(row["taken"]), row["inputs"]) for row in rows}


def read_batches(pieces: Iterable[Piece], numbers: Sequence[int]) -> dict[int, StoredBatch]:
    """Batches by number, those that the pieces hold."""
    rows = (row for piece in pieces for row in _read(piece, "batches", [("number", "in", set(numbers))]))
    return {row["number"]: StoredBatch(**row) for row in rows}


def read_checkpoint(pieces: Iterable[Piece], before_time: int) -> Checkpoint | None:
    """Last checkpoint with time <= ``before_time``; the pieces come newest first."""
    for piece in pieces:
        rows = list(_read(piece, "checkpoints", [("time", "<=", before_time)]))
        if rows:
            return Checkpoint(**rows[-1])
    return None


def _read(piece: Piece, kind: str, wanted: list[tuple[str, str, Any]]) -> Iterator[dict[str, Any]]:
    path = path_of(piece, kind)
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, schema=_SCHEMAS[kind], filters=wanted).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"archive {path} cannot be read: {error}; restore it from a backup") from error
    yield from rows


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
