"""Old ticks, the batches they took and old checkpoints as Parquet files, in pieces that are whole or not there.

A piece is written to its files, flushed to disk and renamed before the store forgets the rows. A crash in between
leaves files that the store does not know; the next attempt begins at the same tick and writes over them. May import the
session and the rows.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from citybrain.storage import parquet_files
from citybrain.storage.rows import Checkpoint, StoredBatch, StoredTick
from citybrain.storage.session import Session

Piece = tuple[Path, int]
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
_STATEMENTS = {
    "ticks": "SELECT number, time, taken, inputs FROM ticks WHERE number IN",
    "batches": "SELECT number, sender, batch_id, received_at, judged, verdict FROM batches WHERE number IN",
    "checkpoints": "SELECT time, tick, version, data FROM checkpoints WHERE number IN",
}
_PIECES = "SELECT folder, first_tick FROM archives "
_TICKS_A_PIECE = 600
_ROWS_A_PART = 16
_SCHEMAS = {"ticks": TICKS, "batches": BATCHES, "checkpoints": CHECKPOINTS}


def path_of(piece: Piece, kind: str) -> Path:
    """File of a piece; ``kind`` is ticks, batches or checkpoints."""
    folder, first_tick = piece
    return folder / f"{kind}-{first_tick:012d}.parquet"


def move(session: Session, before_time: int, folder: Path) -> int:
    """Move what is older than ``before_time`` into pieces; see ``Store.archive``."""
    folder, moved = folder.resolve(), 0
    while ticks := _next_ticks(session, before_time):
        _move_piece(session, (folder, ticks[0][0]), ticks)
        moved += len(ticks)
    return moved


def _next_ticks(session: Session, before_time: int) -> list[tuple[int, int, list[int]]]:
    """Oldest ticks (number, time, batches) that may go; their numbers have no gap even where the clock went back."""
    rows = session.rows(
        "SELECT number, time, taken FROM ticks WHERE number <= "
        "COALESCE((SELECT tick FROM checkpoints ORDER BY number DESC LIMIT 1), 0) ORDER BY number LIMIT ?",
        _TICKS_A_PIECE,
    )
    old = itertools.takewhile(lambda row: row[1] < before_time, rows)
    return [(number, time, json.loads(taken)) for number, time, taken in old]


def _move_piece(session: Session, piece: Piece, ticks: list[tuple[int, int, list[int]]]) -> None:
    first, last = ticks[0][0], ticks[-1][0]
    checkpoints = session.rows(
        "SELECT number FROM checkpoints WHERE tick <= ? AND number < (SELECT MAX(number) FROM checkpoints) "
        "ORDER BY number",
        last,
    )
    numbers = {
        "ticks": [number for number, _, _ in ticks],
        "batches": sorted(itertools.chain.from_iterable(taken for _, _, taken in ticks)),
        "checkpoints": [number for (number,) in checkpoints],
    }
    for kind, some in numbers.items():
        parts: Iterable[parquet_files.Rows] = session.among(_STATEMENTS[kind], some, _ROWS_A_PART)
        parquet_files.write(path_of(piece, kind), _SCHEMAS[kind], _decoded(parts) if kind == "ticks" else parts)
    times = [time for _, time, _ in ticks]
    batches = numbers["batches"] or [0]
    with session.transaction():
        session.rows(
            "INSERT INTO archives (first_tick, last_tick, first_time, last_time, first_batch, last_batch, folder) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            *(first, last, min(times), max(times), batches[0], batches[-1]),
            str(piece[0].relative_to(session.home) if piece[0].is_relative_to(session.home) else piece[0]),
        )
        session.rows("DELETE FROM ticks WHERE number >= ? AND number <= ?", first, last)
        session.each("DELETE FROM batches WHERE number = ?", [(number,) for number in numbers["batches"]])
        session.each("DELETE FROM checkpoints WHERE number = ?", [(number,) for number in numbers["checkpoints"]])


def last_tick(session: Session) -> int:
    """Give the number of the last tick that was moved, 0 if none was."""
    return int(session.rows("SELECT COALESCE(MAX(last_tick), 0) FROM archives")[0][0])


def with_times(session: Session, from_time: int, to_time: int) -> list[Piece]:
    """Pieces that may hold ticks of a span of time."""
    return _pieces(session, "WHERE last_time >= ? AND first_time < ?", from_time, to_time)


def with_batches(session: Session, numbers: Sequence[int]) -> list[Piece]:
    """Pieces that may hold some of these batches."""
    return _pieces(session, "WHERE last_batch >= ? AND first_batch <= ?", min(numbers), max(numbers))


def newest_first(session: Session) -> list[Piece]:
    """Give all pieces, the newest first."""
    return _pieces(session, "ORDER BY first_tick DESC")


def _pieces(session: Session, which: str, *values: int) -> list[Piece]:
    rows = session.rows(_PIECES + which, *values)
    return [(session.home / folder, first) for folder, first in rows]


def _decoded(parts: Iterable[parquet_files.Rows]) -> Iterator[parquet_files.Rows]:
    """Ticks as rows of the file: the list of batches as a list."""
    for part in parts:
        yield [(number, time, json.loads(taken), inputs) for number, time, taken, inputs in part]


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
        rows = _read(piece, "checkpoints", [("time", "<=", before_time)])
        if rows:
            return Checkpoint(**rows[-1])
    return None


def _read(piece: Piece, kind: str, wanted: list[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    return parquet_files.read(path_of(piece, kind), _SCHEMAS[kind], wanted)
