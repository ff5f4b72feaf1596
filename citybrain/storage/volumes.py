"""Volumes: closed days of the ledger, with the plans that it tells of, and of acknowledgements, as Parquet files.

A volume is two files: entries of the ledger, each with the plan that it tells of, and acknowledgements. Volumes follow
each other without a gap: the first entry of one has the hash of the last entry of the one before. May import the
session, the ledger and the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from citybrain.storage import parquet_files
from citybrain.storage.ledger import LedgerEntry
from citybrain.storage.rows import StoredAck, StoredPlan
from citybrain.storage.session import Session

LEDGER = pa.schema(
    [
        ("n", pa.int64()),
        ("at", pa.int64()),
        ("kind", pa.string()),
        ("intersection", pa.string()),
        ("text", pa.large_string()),
        ("previous", pa.string()),
        ("hash", pa.string()),
        ("seq", pa.int64()),
        ("plan_id", pa.string()),
        ("plan", pa.large_string()),
    ]
)
ACKS = pa.schema(
    [("number", pa.int64()), ("intersection", pa.string()), ("at", pa.int64()), ("text", pa.large_string())]
)
_ENTRY = ("n", "at", "kind", "intersection", "text", "previous", "hash")
_PLAN = ("intersection", "seq", "plan_id", "plan")
_VOLUMES = (
    "SELECT number, folder, day, first_entry, last_entry, hash, first_at, last_at, plans, first_ack, last_ack "
    "FROM volumes "
)


@dataclass(frozen=True, slots=True)
class Volume:
    """What is sealed together; ``hash`` is the last entry's, or of the one before where a volume has none.

    Attributes
    ----------
    number : from 1 on, in the order in which they were sealed.
    folder : where the files are.
    day : in their names.
    first_entry, last_entry, first_ack, last_ack : numbers; the last is the first less one where there are none.
    first_at, last_at : least and greatest time of entries and acknowledgements [tenths].
    plans : how many it holds.
    """

    number: int
    folder: Path
    day: str
    first_entry: int
    last_entry: int
    hash: str
    first_at: int
    last_at: int
    plans: int
    first_ack: int
    last_ack: int

    def path(self, kind: str) -> Path:
        """File of the volume; ``kind`` is ledger or acks."""
        return self.folder / f"{kind}-{self.day}-{self.number:06d}.parquet"


def last(session: Session) -> Volume | None:
    """Volume that was sealed last."""
    found = _volumes(session, "ORDER BY number DESC LIMIT 1")
    return found[0] if found else None


def entries(session: Session, from_n: int, limit: int) -> list[LedgerEntry]:
    """Sealed entries from a number on, ``limit`` at most."""
    found: list[LedgerEntry] = []
    for volume in _volumes(session, "WHERE last_entry >= ? ORDER BY number", from_n):
        wanted = [("n", ">=", from_n), ("n", "<", from_n + limit)]
        found += _read_entries(volume, wanted)
        if volume.last_entry >= from_n + limit - 1:
            break
    return found


def entries_about(session: Session, intersection: str, from_time: int, to_time: int) -> list[LedgerEntry]:
    """Sealed entries about an intersection with ``from_time`` <= at < ``to_time``, in order."""
    wanted = [("at", ">=", from_time), ("at", "<", to_time), ("intersection", "=", intersection)]
    volumes = _within(session, from_time, to_time)
    return [entry for volume in volumes for entry in _read_entries(volume, wanted)]


def last_start(session: Session, before: int) -> LedgerEntry | None:
    """Sealed entry of the last start of a service before a time [tenths]."""
    for volume in _volumes(session, "WHERE first_at < ? ORDER BY number DESC", before):
        wanted = (pc.field("kind") == "start") & (pc.field("at") < before)
        rows = parquet_files.find(volume.path("ledger"), wanted, ("kind", "at"), _ENTRY)
        if rows:
            return LedgerEntry(**rows[-1])
    return None


def _read_entries(volume: Volume, wanted: list[tuple[str, str, Any]]) -> list[LedgerEntry]:
    return [LedgerEntry(**row) for row in parquet_files.read(volume.path("ledger"), LEDGER, wanted, _ENTRY)]


def plans_told(session: Session, numbers: Sequence[int]) -> dict[int, StoredPlan]:
    """Sealed plans that entries tell of, by the entry's number."""
    found: dict[int, StoredPlan] = {}
    least, greatest = min(numbers, default=1), max(numbers, default=0)
    for volume in _volumes(session, "WHERE last_entry >= ? AND first_entry <= ? ORDER BY number", least, greatest):
        wanted = [("n", ">=", least), ("n", "<=", greatest), ("n", "in", set(numbers))]
        rows = parquet_files.read(volume.path("ledger"), LEDGER, wanted, ("n", *_PLAN))
        found |= {row["n"]: _plan(row) for row in rows if row["plan"] is not None}
    return found


def plans(session: Session, intersection: str, before_seq: int, limit: int) -> list[StoredPlan]:
    """Sealed plans among the last ``limit`` of an intersection before a number, newest first."""
    least = max(1, before_seq - limit)
    found: dict[int, StoredPlan] = {}
    for volume in _newest_first(session):
        if least in found:
            break
        seq = pc.field("seq")
        wanted = (pc.field("intersection") == intersection) & (seq < before_seq) & (seq >= least)
        rows = parquet_files.find(volume.path("ledger"), wanted, ("intersection", "seq"), _PLAN)
        found |= {row["seq"]: _plan(row) for row in rows}
    return [found[seq] for seq in sorted(found, reverse=True)]


def newest_plans(session: Session, last_seq: dict[str, int]) -> dict[str, StoredPlan]:
    """Sealed plans of intersections with the numbers given."""
    found: dict[str, StoredPlan] = {}
    left = dict(last_seq)
    for volume in _newest_first(session):
        if not left:
            break
        wanted = pc.field("intersection").isin(list(left)) & pc.field("seq").isin(sorted(set(left.values())))
        for row in parquet_files.find(volume.path("ledger"), wanted, ("intersection", "seq"), _PLAN):
            if left.get(row["intersection"]) == row["seq"]:
                found[row["intersection"]] = _plan(row)
                del left[row["intersection"]]
    return found


def n_plans(session: Session, before_n: int) -> int:
    """Count the plans that sealed entries before a number tell of."""
    count = 0
    for volume in _volumes(session, "WHERE first_entry < ? ORDER BY number", before_n):
        if volume.last_entry < before_n:
            count += volume.plans
        else:  # a part of it is in the database still
            wanted = [("n", "<", before_n)]
            rows = parquet_files.read(volume.path("ledger"), LEDGER, wanted, ("plan_id",))
            count += sum(row["plan_id"] is not None for row in rows)
    return count


def acks(session: Session, intersection: str, from_time: int, to_time: int) -> list[StoredAck]:
    """Sealed acknowledgements of an intersection with ``from_time`` <= at < ``to_time``, in order."""
    wanted = [("at", ">=", from_time), ("at", "<", to_time), ("intersection", "=", intersection)]
    volumes = _within(session, from_time, to_time)
    return [StoredAck(**row) for volume in volumes for row in parquet_files.read(volume.path("acks"), ACKS, wanted)]


def _plan(row: dict[str, Any]) -> StoredPlan:
    return StoredPlan(row["intersection"], row["seq"], row["plan_id"], row["plan"])


def _within(session: Session, from_time: int, to_time: int) -> list[Volume]:
    return _volumes(session, "WHERE last_at >= ? AND first_at < ? ORDER BY number", from_time, to_time)


def _newest_first(session: Session) -> list[Volume]:
    return _volumes(session, "ORDER BY number DESC")


def _volumes(session: Session, which: str, *values: int) -> list[Volume]:
    return [
        Volume(number, session.home / folder, *rest)
        for number, folder, *rest in session.rows(_VOLUMES + which, *values)
    ]
