"""What the service must not forget: batches, ticks, plans, acknowledgements, overrides, keys and the ledger.

Every writing method is durable when it returns, or, inside ``transaction()``, when the outermost transaction has ended.
Any thread may read or write; the service writes through ``citybrain.storage.writer``, so that many share one flush to
disk. Times are integer tenths of a second since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from citybrain.errors import ContractError, StoreError
from citybrain.storage import archive as pieces
from citybrain.storage import sealing, volumes
from citybrain.storage.ledger import LedgerEntry, NewEntry
from citybrain.storage.office import Office, json_text
from citybrain.storage.rows import (
    Checkpoint,
    Finish,
    KeyRow,
    NewPlan,
    Override,
    StoredAck,
    StoredBatch,
    StoredOverride,
    StoredPlan,
    StoredTick,
    TickRecord,
)
from citybrain.storage.told import kept_plans

__all__ = [
    "Checkpoint",
    "Finish",
    "KeyRow",
    "LedgerEntry",
    "NewEntry",
    "NewPlan",
    "Override",
    "Store",
    "StoredAck",
    "StoredBatch",
    "StoredOverride",
    "StoredPlan",
    "StoredTick",
    "TickRecord",
    "open_store",
]

_TICKS = "SELECT number, time, taken, inputs FROM ticks "
_BATCHES = "SELECT number, sender, batch_id, received_at, judged, verdict FROM batches "
_CHECKPOINTS = "SELECT time, tick, data, version FROM checkpoints "
_PLANS = "SELECT plans.intersection, seq, plan_id, text FROM plans "
_ACKS = "SELECT number, intersection, at, text FROM acks "
_EVER = 2**62


def open_store(location: str | Path, *, create: bool = True) -> Store:
    """Open the store in a data folder (SQLite), or in the database that a ``postgresql://`` address names.

    Raises
    ------
    InputError
        If there is none and ``create`` is false, it is of another version, or the location cannot hold one.
    StoreError
        If it cannot be reached or read.
    """
    if str(location).startswith(("postgresql://", "postgres://")):
        from citybrain.storage.postgres_store import PostgresDatabase  # noqa: PLC0415 - psycopg is an extra

        return Store(PostgresDatabase(str(location)), create=create)
    from citybrain.storage.sqlite_store import SqliteDatabase  # noqa: PLC0415 - only where it is used, as the other

    return Store(SqliteDatabase(Path(location), create=create), create=create)


class Store(Office):
    """The store, on SQLite or PostgreSQL alike."""

    def add_batch(self, batch_id: str, sender: str, received_at: int, judged: bytes, verdict: bytes) -> int | None:
        """Keep a posted batch once; gives its number, or None if this sender's batch is known and nothing changed."""
        with self.writing():
            rows = self.rows(
                "INSERT INTO batches (sender, batch_id, received_at, judged, verdict) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (sender, batch_id) DO NOTHING RETURNING number",
                *(sender, batch_id, received_at, judged, verdict),
            )
            if not rows:
                return None
            number = int(rows[0][0])
            self.rows("INSERT INTO untaken VALUES (?)", number)
            return number

    def batch_verdict(self, batch_id: str, sender: str) -> bytes | None:
        """Verdict that was given on a sender's batch, None if the batch is unknown."""
        rows = self.rows("SELECT verdict FROM batches WHERE sender = ? AND batch_id = ?", sender, batch_id)
        return rows[0][0] if rows else None

    def untaken_batches(self) -> list[StoredBatch]:
        """Batches that no tick has taken yet, in the order in which they were kept."""
        rows = self.rows(_BATCHES + "JOIN untaken ON batch = number ORDER BY number")
        return [StoredBatch(*row) for row in rows]

    def batches(self, numbers: Sequence[int]) -> list[StoredBatch]:
        """Batches by number, in the order of the numbers, from the archive too.

        Raises
        ------
        StoreError
            If one is not there.
        """
        found = {
            row[0]: StoredBatch(*row) for rows in self.among(_BATCHES + "WHERE number IN", numbers) for row in rows
        }
        missing = sorted(set(numbers) - found.keys())
        if missing:
            found |= pieces.read_batches(pieces.with_batches(self, missing), missing)
        lost = sorted(set(numbers) - found.keys())
        if lost:
            raise StoreError(f"batch {lost[0]} is neither in the store nor in its archive: restore the archive folder")
        return [found[number] for number in numbers]

    def commit_tick(
        self, tick: TickRecord, plans: Sequence[NewPlan], entries: Sequence[NewEntry], finish: Finish
    ) -> list[StoredPlan]:
        """Keep a tick, the plans that came of it and what the ledger says of both, all in one transaction.

        The ledger gets ``entries`` first, then one entry of kind ``plan`` for every plan: its reasons, ``seq`` and
        ``plan_id``.

        Parameters
        ----------
        tick : what was taken in.
        plans : drafts, at most one per intersection.
        entries : what else the ledger is told.
        finish : makes the plan document from a draft and its sequence number.

        Returns
        -------
        The plans as published, in the order of ``plans``. An intersection's ``seq`` goes up by one from plan to plan.

        Raises
        ------
        ContractError
            If a batch was taken before or is unknown.
        StoreError
            If it could not be made durable; nothing was kept.
        """
        with self.writing():
            last = self.rows("SELECT MAX(number) FROM ticks")[0][0] or pieces.last_tick(self)
            self.rows(
                "INSERT INTO ticks (number, time, taken, inputs) VALUES (?, ?, ?, ?)",
                *(last + 1, tick.time, json.dumps(tick.taken), tick.inputs),
            )
            taken = self.each("DELETE FROM untaken WHERE batch = ?", [(batch,) for batch in tick.taken])
            if taken != len(tick.taken):
                raise ContractError(f"{len(tick.taken) - taken} of {len(tick.taken)} batches of a tick were not free")
            stored = self._number(plans, finish)
            told = [
                NewEntry(
                    tick.time, "plan", plan.intersection, {**new.reasons, "seq": plan.seq, "plan_id": plan.plan_id}
                )
                for new, plan in zip(plans, stored, strict=True)
            ]
            self.append_entries([*entries, *told])
            return stored

    def _number(self, plans: Sequence[NewPlan], finish: Finish) -> list[StoredPlan]:
        """Give every plan the next number of its intersection and keep it."""
        names = [plan.intersection for plan in plans]
        if len(set(names)) != len(names):
            raise ContractError("a tick brings two plans for one intersection")
        question = "SELECT intersection, last FROM sequences WHERE intersection IN"
        last = {name: seq for rows in self.among(question, names) for name, seq in rows}
        stored = []
        for plan in plans:
            seq = last.get(plan.intersection, 0) + 1
            document = finish(plan.document, seq)
            stored.append(StoredPlan(plan.intersection, seq, document["plan_id"], json_text(document)))
        self.each(
            "INSERT INTO sequences VALUES (?, ?) ON CONFLICT (intersection) DO UPDATE SET last = excluded.last",
            [(plan.intersection, plan.seq) for plan in stored],
        )
        self.each(
            "INSERT INTO plans (intersection, seq, plan_id, text) VALUES (?, ?, ?, ?)",
            [(plan.intersection, plan.seq, plan.plan_id, plan.text) for plan in stored],
        )
        return stored

    def ticks(self, from_time: int, to_time: int) -> list[StoredTick]:
        """Ticks with ``from_time`` <= time < ``to_time`` in the order in which they were made, archived ones too."""
        rows = self.rows(_TICKS + "WHERE time >= ? AND time < ?", from_time, to_time)
        ticks = {row[0]: _tick(row) for row in rows}
        # The archive is asked last: what moves there in between is seen twice, never missed.
        ticks |= pieces.read_ticks(pieces.with_times(self, from_time, to_time), from_time, to_time)
        return [ticks[number] for number in sorted(ticks)]

    def ticks_after(self, number: int) -> list[StoredTick]:
        """Ticks made after the one with this number that are not in the archive: what to replay after a checkpoint."""
        return [_tick(row) for row in self.rows(_TICKS + "WHERE number > ? ORDER BY number", number)]

    def last_tick(self) -> StoredTick | None:
        """Return the tick made last, whatever the clock said."""
        rows = self.rows(_TICKS + "ORDER BY number DESC LIMIT 1")
        return _tick(rows[0]) if rows else None

    def plan(self, intersection: str, seq: int) -> StoredPlan | None:
        """One published plan."""
        found = self.plans(intersection, seq + 1, 1)
        return found[0] if found and found[0].seq == seq else None

    def plans_told(self, entries: Sequence[LedgerEntry]) -> dict[int, StoredPlan]:
        """Plans that entries of the ledger tell of, by the entry's number."""
        found = kept_plans(self, entries)
        left = [entry.n for entry in entries if entry.kind == "plan" and entry.n not in found]
        return found | volumes.plans_told(self, left)

    def plans(self, intersection: str, before_seq: int | None = None, limit: int = 100) -> list[StoredPlan]:
        """List an intersection's plans, newest first, only those with a smaller ``seq`` where one is given."""
        last = self.rows("SELECT last FROM sequences WHERE intersection = ?", intersection)
        if not last:
            return []
        before = last[0][0] + 1 if before_seq is None else min(before_seq, last[0][0] + 1)
        rows = self.rows(
            _PLANS + "WHERE intersection = ? AND seq < ? ORDER BY seq DESC LIMIT ?", intersection, before, limit
        )
        found = [StoredPlan(*row) for row in rows]
        oldest = found[-1].seq if found else before
        if len(found) < limit and oldest > 1:
            found += volumes.plans(self, intersection, oldest, limit - len(found))
        return found

    def latest_plans(self, among: Iterable[str] | None = None) -> dict[str, StoredPlan]:
        """Return the newest plan of every intersection that ever had one, or of those of some."""
        last: dict[str, int] = dict(self.rows("SELECT intersection, last FROM sequences"))
        rows = self.rows(_PLANS + "JOIN sequences ON sequences.intersection = plans.intersection AND last = seq")
        found = {row[0]: StoredPlan(*row) for row in rows}
        if among is not None:
            last = {name: last[name] for name in among if name in last}
            found = {name: found[name] for name in last if name in found}
        sealed = {name: seq for name, seq in last.items() if name not in found}
        return found | volumes.newest_plans(self, sealed)

    def intersections(self) -> frozenset[str]:
        """Intersections that ever had a plan."""
        return frozenset(name for (name,) in self.rows("SELECT intersection FROM sequences"))

    def n_plans(self) -> int:
        """Count all plans ever published; within ``transaction()``, since sealing may go on meanwhile."""
        first = self.rows("SELECT MIN(n) FROM ledger")[0][0]
        kept = int(self.rows("SELECT COUNT(*) FROM plans")[0][0])
        return kept + volumes.n_plans(self, _EVER if first is None else first)

    def add_ack(self, intersection: str, at: int, document: Mapping[str, Any]) -> int:
        """Keep an acknowledgement; gives its number."""
        with self.writing():
            rows = self.rows(
                "INSERT INTO acks (intersection, at, text) VALUES (?, ?, ?) RETURNING number",
                *(intersection, at, json_text(document)),
            )
            return int(rows[0][0])

    def acks(self, intersection: str, from_time: int, to_time: int) -> list[StoredAck]:
        """Acknowledgements of an intersection with ``from_time`` <= at < ``to_time``, in the order they were kept."""
        rows = self.rows(_ACKS + "WHERE intersection = ? AND at >= ? AND at < ?", intersection, from_time, to_time)
        found = {row[0]: StoredAck(*row) for row in rows}
        found |= {ack.number: ack for ack in volumes.acks(self, intersection, from_time, to_time)}
        return [found[number] for number in sorted(found)]

    def acks_after(self, number: int) -> list[StoredAck]:
        """All acknowledgements after the one with this number that are not sealed: what no tick has seen yet."""
        return [StoredAck(*row) for row in self.rows(_ACKS + "WHERE number > ? ORDER BY number", number)]

    def save_checkpoint(self, time: int, data: bytes, version: str) -> None:
        """Keep the engine's memory as it is after the last tick."""
        with self.writing():
            last = self.rows("SELECT MAX(number) FROM ticks")[0][0] or pieces.last_tick(self)
            self.rows(
                "INSERT INTO checkpoints (time, tick, version, data) VALUES (?, ?, ?, ?)", time, last, version, data
            )

    def checkpoint(self, before_time: int | None = None) -> Checkpoint | None:
        """Return the newest checkpoint, where a time is given the newest with time <= that; archived ones too."""
        latest = _EVER if before_time is None else before_time
        rows = self.rows(_CHECKPOINTS + "WHERE time <= ? ORDER BY number DESC LIMIT 1", latest)
        if rows:
            return Checkpoint(*rows[0])
        return pieces.read_checkpoint(pieces.newest_first(self), latest)

    def archive(self, before_time: int, folder: Path) -> int:
        """Move into Parquet files what is older than ``before_time``; gives how many ticks and entries of the ledger.

        Ticks go with their batches and checkpoints; what a restart needs stays, the newest checkpoint and every tick
        after it. Of days (UTC) that were over before ``before_time``, ledger, plans and acknowledgements are sealed.
        Every reading method goes on finding what was moved, but for ``batch_verdict`` and what is said to be of the
        database alone. Safe against a crash at any moment: files first, whole and flushed, then short transactions
        that forget the rows. Not for use inside ``transaction()``, which it would hold up; by one process at a time.

        Raises
        ------
        StoreError
            If a file or the store cannot be written; what was moved so far stays moved.
        """
        return pieces.move(self, before_time, folder) + sealing.seal(self, before_time, folder)


def _tick(row: Sequence[Any]) -> StoredTick:
    return StoredTick(row[0], row[1], tuple(json.loads(row[2])), row[3])
