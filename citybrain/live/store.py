"""What the service must not forget: batches, ticks, plans, acknowledgements, overrides, keys and the ledger.

Every writing method is durable when it returns, or, inside ``transaction()``, when the outermost transaction has ended.
Any thread may read or write; the service writes through ``citybrain.live.writer`` so that many share one flush to disk.
Times are integer tenths of a second since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from citybrain.errors import ContractError, InputError, StoreError
from citybrain.live import archive as files
from citybrain.live.database import Connection, Database
from citybrain.live.ledger import GENESIS, KINDS, LedgerEntry, NewEntry, canonical, chain
from citybrain.live.rows import (
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

_BATCH = "number, sender, batch_id, received_at, judged, verdict"
_TICK = "number, time, taken, inputs"
_PLAN = "intersection, seq, plan_id, text"
_ACK = "number, intersection, at, text"
_ENTRY = "n, at, kind, intersection, text, previous, hash"
_KEY = "key_id, hash, scope, intersections, name, created_at, revoked_at"
_OVERRIDE = "number, intersection, kind, value, who, why, begin_at, until_at, ended_at, ended_by"
_CHECKPOINT = "time, tick, data, version"
_AT_ONCE = 1000
"""Rows per question where a question must be cut into several."""
_TICKS_A_PIECE = 600
_ROWS_A_PART = 16
_PROBE_BYTES = 1 << 17


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
        from citybrain.live.postgres_store import PostgresDatabase  # noqa: PLC0415 - psycopg is an extra

        return Store(PostgresDatabase(str(location)), create=create)
    from citybrain.live.sqlite_store import SqliteDatabase  # noqa: PLC0415 - only where it is used, as the other

    return Store(SqliteDatabase(Path(location), create=create), create=create)


class Store:
    """The store, on SQLite or PostgreSQL alike. A context manager; ``close`` it when all threads are done with it."""

    def __init__(self, database: Database, *, create: bool = True) -> None:
        self._database = database
        self._idle: list[Connection] = []
        self._mine = threading.local()
        self._one_writer = threading.Lock()
        with self._connection() as connection, self._in_our_words():
            database.prepare(connection, create=create)

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()

    # ---- transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all that is written inside durable together when the block ends, or none of it if it raises.

        Inside another one, it is a part that can fail alone: what it wrote is undone, the rest stays.

        Raises
        ------
        StoreError
            If it could not be made durable. Nothing of it counts as kept.
        """
        if self._own() is not None:
            with self._part():
                yield
            return
        with self._one_writer, self._connection() as connection:
            with self._in_our_words():
                self._database.begin(connection)
            self._mine.connection = connection
            try:
                yield
                self._run(connection, "COMMIT")
            except BaseException:
                with suppress(StoreError):  # the database may have rolled back already
                    self._run(connection, "ROLLBACK")
                raise
            finally:
                self._mine.connection = None

    @contextmanager
    def _part(self) -> Iterator[None]:
        connection = self._own()
        assert connection is not None
        self._run(connection, "SAVEPOINT part")
        try:
            yield
        except StoreError:
            raise  # the whole transaction is lost
        except BaseException:
            self._run(connection, "ROLLBACK TO SAVEPOINT part")
            self._run(connection, "RELEASE SAVEPOINT part")
            raise
        self._run(connection, "RELEASE SAVEPOINT part")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if self._own() is not None:
            yield
            return
        with self.transaction():
            yield

    def _own(self) -> Connection | None:
        """Give the connection on which this thread is in the middle of a transaction."""
        connection: Connection | None = getattr(self._mine, "connection", None)
        return connection

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        own = self._own()
        if own is not None:
            yield own
            return
        try:
            connection = self._idle.pop()
        except IndexError:
            with self._in_our_words():
                connection = self._database.connect()
        try:
            yield connection
        finally:
            if self._database.usable(connection):
                self._idle.append(connection)
            else:
                connection.close()

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        try:
            yield
        except self._database.errors as error:
            raise self._database.failure(error) from error
        except UnicodeEncodeError as error:
            raise InputError(f"a text for the store is no Unicode text: {error}") from None

    def _run(self, connection: Connection, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        for value in values:
            if isinstance(value, str) and "\0" in value:
                raise InputError(f"a text for the store must not hold NUL characters, found {value[:80]!r}")
        with self._in_our_words(), closing(connection.cursor()) as cursor:
            cursor.execute(self._database.sql(statement), values)
            rows: list[Any] = cursor.fetchall() if cursor.description else []
            return rows

    def _rows(self, statement: str, *values: Any) -> list[Any]:
        with self._connection() as connection:
            return self._run(connection, statement, values)

    def _each(self, statement: str, values: Sequence[Sequence[Any]]) -> int:
        """Run a statement for many rows of a transaction; gives how many it touched."""
        connection = self._own()
        assert connection is not None
        if not values:
            return 0
        with self._in_our_words(), closing(connection.cursor()) as cursor:
            cursor.executemany(self._database.sql(statement), values)
            return int(cursor.rowcount)

    def _among(self, statement: str, values: Sequence[Any]) -> Iterator[Any]:
        """Rows of a statement that ends in ``IN``, for as many values as there are."""
        for start in range(0, len(values), _AT_ONCE):
            some = values[start : start + _AT_ONCE]
            yield from self._rows(f"{statement} ({','.join('?' * len(some))})", *some)

    def probe(self) -> None:
        """Try whether something of some size can be written and flushed; leaves nothing behind.

        Raises
        ------
        StoreError
            If not.
        """
        with self.transaction():
            self._rows("INSERT INTO spare VALUES (?)", bytes(_PROBE_BYTES))
        with self.transaction():
            self._rows("DELETE FROM spare")

    # ---- batches

    def add_batch(self, batch_id: str, sender: str, received_at: int, judged: bytes, verdict: bytes) -> int | None:
        """Keep a posted batch once; gives its number, or None if this sender's batch is known and nothing changed."""
        with self._writing():
            rows = self._rows(
                "INSERT INTO batches (sender, batch_id, received_at, judged, verdict) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (sender, batch_id) DO NOTHING RETURNING number",
                *(sender, batch_id, received_at, judged, verdict),
            )
            if not rows:
                return None
            number = int(rows[0][0])
            self._rows("INSERT INTO untaken VALUES (?)", number)
            return number

    def batch_verdict(self, batch_id: str, sender: str) -> bytes | None:
        """Verdict that was given on a sender's batch, None if the batch is unknown."""
        rows = self._rows("SELECT verdict FROM batches WHERE sender = ? AND batch_id = ?", sender, batch_id)
        return rows[0][0] if rows else None

    def untaken_batches(self) -> list[StoredBatch]:
        """Batches that no tick has taken yet, in the order in which they were kept."""
        rows = self._rows(f"SELECT {_BATCH} FROM batches JOIN untaken ON batch = number ORDER BY number")
        return [StoredBatch(*row) for row in rows]

    def batches(self, numbers: Sequence[int]) -> list[StoredBatch]:
        """Batches by number, in the order of the numbers, from the archive too.

        Raises
        ------
        StoreError
            If one is not there.
        """
        found = {
            row[0]: StoredBatch(*row) for row in self._among(f"SELECT {_BATCH} FROM batches WHERE number IN", numbers)
        }
        missing = sorted(set(numbers) - found.keys())
        if missing:
            pieces = self._rows(
                "SELECT folder, first_tick FROM archives WHERE last_batch >= ? AND first_batch <= ?",
                missing[0],
                missing[-1],
            )
            found |= files.read_batches(pieces, missing)
        lost = sorted(set(numbers) - found.keys())
        if lost:
            raise StoreError(f"batch {lost[0]} is neither in the store nor in its archive: restore the archive folder")
        return [found[number] for number in numbers]

    # ---- ticks and plans

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
        with self._writing():
            number = 1 + int(self._rows("SELECT COALESCE(MAX(number), 0) FROM ticks")[0][0] or self._last_archived())
            self._rows(
                f"INSERT INTO ticks ({_TICK}) VALUES (?, ?, ?, ?)",
                *(number, tick.time, json.dumps(tick.taken), tick.inputs),
            )
            taken = self._each("DELETE FROM untaken WHERE batch = ?", [(batch,) for batch in tick.taken])
            if taken != len(tick.taken):
                raise ContractError(
                    f"of the {len(tick.taken)} batches of a tick, {len(tick.taken) - taken} were not free"
                )
            stored = self._number_plans(plans, finish)
            self._each(
                f"INSERT INTO plans ({_PLAN}) VALUES (?, ?, ?, ?)",
                [(plan.intersection, plan.seq, plan.plan_id, plan.text) for plan in stored],
            )
            told = [
                NewEntry(
                    tick.time, "plan", plan.intersection, {**new.reasons, "seq": plan.seq, "plan_id": plan.plan_id}
                )
                for new, plan in zip(plans, stored, strict=True)
            ]
            self.append_entries([*entries, *told])
            return stored

    def _last_archived(self) -> int:
        return int(self._rows("SELECT COALESCE(MAX(last_tick), 0) FROM archives")[0][0])

    def _number_plans(self, plans: Sequence[NewPlan], finish: Finish) -> list[StoredPlan]:
        names = [plan.intersection for plan in plans]
        if len(set(names)) != len(names):
            raise ContractError("a tick brings two plans for one intersection")
        last = dict(self._among("SELECT intersection, last FROM sequences WHERE intersection IN", names))
        stored = []
        for plan in plans:
            seq = last.get(plan.intersection, 0) + 1
            document = finish(plan.document, seq)
            stored.append(StoredPlan(plan.intersection, seq, document["plan_id"], _text(document)))
        self._each(
            "INSERT INTO sequences VALUES (?, ?) ON CONFLICT (intersection) DO UPDATE SET last = excluded.last",
            [(plan.intersection, plan.seq) for plan in stored],
        )
        return stored

    def ticks(self, from_time: int, to_time: int) -> list[StoredTick]:
        """Ticks with ``from_time`` <= time < ``to_time``, in the order in which they were made, from the archive too."""
        rows = self._rows(f"SELECT {_TICK} FROM ticks WHERE time >= ? AND time < ?", from_time, to_time)
        ticks = {row[0]: StoredTick(row[0], row[1], tuple(json.loads(row[2])), row[3]) for row in rows}
        # The archive is asked last: what moves there in between is seen twice, never missed.
        moved = self._rows(
            "SELECT folder, first_tick FROM archives WHERE last_time >= ? AND first_time < ?", from_time, to_time
        )
        ticks |= files.read_ticks(moved, from_time, to_time)
        return [ticks[number] for number in sorted(ticks)]

    def ticks_after(self, number: int) -> list[StoredTick]:
        """Ticks made after the one with this number that are not in the archive: what to replay after a checkpoint."""
        rows = self._rows(f"SELECT {_TICK} FROM ticks WHERE number > ? ORDER BY number", number)
        return [StoredTick(row[0], row[1], tuple(json.loads(row[2])), row[3]) for row in rows]

    def last_tick(self) -> StoredTick | None:
        """Return the tick made last, whatever the clock said."""
        rows = self._rows(f"SELECT {_TICK} FROM ticks ORDER BY number DESC LIMIT 1")
        return StoredTick(rows[0][0], rows[0][1], tuple(json.loads(rows[0][2])), rows[0][3]) if rows else None

    def plan(self, intersection: str, seq: int) -> StoredPlan | None:
        """One published plan."""
        rows = self._rows(f"SELECT {_PLAN} FROM plans WHERE intersection = ? AND seq = ?", intersection, seq)
        return StoredPlan(*rows[0]) if rows else None

    def plans(self, intersection: str, before_seq: int | None = None, limit: int = 100) -> list[StoredPlan]:
        """Published plans of an intersection, newest first, only those with a smaller ``seq`` where one is given."""
        rows = self._rows(
            f"SELECT {_PLAN} FROM plans WHERE intersection = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
            *(intersection, 2**62 if before_seq is None else before_seq, limit),
        )
        return [StoredPlan(*row) for row in rows]

    def latest_plans(self) -> dict[str, StoredPlan]:
        """Return the newest plan of every intersection that ever had one."""
        rows = self._rows(
            "SELECT plans.intersection, seq, plan_id, text FROM sequences "
            "JOIN plans ON plans.intersection = sequences.intersection AND seq = last"
        )
        return {row[0]: StoredPlan(*row) for row in rows}

    # ---- acknowledgements

    def add_ack(self, intersection: str, at: int, document: Mapping[str, Any]) -> int:
        """Keep an acknowledgement; gives its number."""
        with self._writing():
            rows = self._rows(
                "INSERT INTO acks (intersection, at, text) VALUES (?, ?, ?) RETURNING number",
                *(intersection, at, _text(document)),
            )
            return int(rows[0][0])

    def acks(self, intersection: str, from_time: int, to_time: int) -> list[StoredAck]:
        """Acknowledgements of an intersection with ``from_time`` <= at < ``to_time``, in the order they were kept."""
        rows = self._rows(
            f"SELECT {_ACK} FROM acks WHERE intersection = ? AND at >= ? AND at < ? ORDER BY number",
            *(intersection, from_time, to_time),
        )
        return [StoredAck(*row) for row in rows]

    def acks_after(self, number: int) -> list[StoredAck]:
        """All acknowledgements kept after the one with this number: what no tick has seen yet after a restart."""
        return [
            StoredAck(*row) for row in self._rows(f"SELECT {_ACK} FROM acks WHERE number > ? ORDER BY number", number)
        ]

    # ---- overrides

    def add_override(self, override: Override) -> int:
        """Keep an override; gives its number."""
        with self._writing():
            rows = self._rows(
                "INSERT INTO overrides (intersection, kind, value, who, why, begin_at, until_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number",
                *(override.intersection, override.kind, _text(override.value), override.who, override.why),
                *(override.begin, override.until),
            )
            return int(rows[0][0])

    def end_override(self, number: int, who: str, at: int) -> bool:
        """End an override before its time; False if there is none with this number or somebody ended it before."""
        with self._writing():
            return bool(
                self._rows(
                    "UPDATE overrides SET ended_at = ?, ended_by = ? WHERE number = ? AND ended_at IS NULL "
                    "RETURNING number",
                    *(at, who, number),
                )
            )

    def overrides(self, active_at: int | None = None) -> list[StoredOverride]:
        """Overrides in the order they were made: those in force at a time, or all."""
        if active_at is None:
            rows = self._rows(f"SELECT {_OVERRIDE} FROM overrides ORDER BY number")
        else:
            rows = self._rows(
                f"SELECT {_OVERRIDE} FROM overrides WHERE begin_at <= ? AND until_at > ? "
                "AND (ended_at IS NULL OR ended_at > ?) ORDER BY number",
                *(active_at, active_at, active_at),
            )
        return [
            StoredOverride(row[0], Override(row[1], row[2], json.loads(row[3]), *row[4:8]), row[8], row[9])
            for row in rows
        ]

    # ---- keys

    def add_key(self, key: KeyRow) -> None:
        """Keep a new key's description and hash.

        Raises
        ------
        InputError
            If there is a key with this id.
        """
        allowed = None if key.intersections is None else _text(key.intersections)
        with self._writing():
            rows = self._rows(
                f"INSERT INTO access_keys ({_KEY}) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (key_id) DO NOTHING RETURNING key_id",
                *(key.key_id, key.hash, key.scope, allowed, key.name, key.created_at, key.revoked_at),
            )
            if not rows:
                raise InputError(f"there is a key {key.key_id} already: take another id")

    def revoke_key(self, key_id: str, at: int) -> bool:
        """Revoke a key; False if there is none with this id or it was revoked before."""
        with self._writing():
            return bool(
                self._rows(
                    "UPDATE access_keys SET revoked_at = ? WHERE key_id = ? AND revoked_at IS NULL RETURNING key_id",
                    *(at, key_id),
                )
            )

    def keys(self) -> list[KeyRow]:
        """All keys, revoked ones too, oldest first."""
        rows = self._rows(f"SELECT {_KEY} FROM access_keys ORDER BY created_at, key_id")
        return [
            KeyRow(row[0], row[1], row[2], None if row[3] is None else tuple(json.loads(row[3])), *row[4:])
            for row in rows
        ]

    # ---- ledger

    def append_entries(self, entries: Sequence[NewEntry]) -> int:
        """Append to the ledger; gives the number ``n`` of its last entry."""
        unknown = {entry.kind for entry in entries} - KINDS
        if unknown:
            raise ContractError(f"the ledger knows no entries of kind {sorted(unknown)}")
        with self._writing():
            head = self._rows("SELECT n, hash FROM ledger ORDER BY n DESC LIMIT 1")
            n, previous = head[0] if head else (0, GENESIS)
            try:
                linked = list(chain(n, previous, entries))
            except (TypeError, ValueError, RecursionError) as error:
                raise InputError(f"a document for the ledger is no JSON: {error}") from None
            self._each(
                f"INSERT INTO ledger ({_ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(e.n, e.at, e.kind, e.intersection, e.text, e.previous, e.hash) for e in linked],
            )
            return int(n) + len(linked)

    def entries(self, from_n: int = 1, limit: int = 1000) -> list[LedgerEntry]:
        """Ledger entries from ``from_n`` on, in order."""
        rows = self._rows(f"SELECT {_ENTRY} FROM ledger WHERE n >= ? ORDER BY n LIMIT ?", from_n, limit)
        return [LedgerEntry(*row) for row in rows]

    def whole_ledger(self) -> Iterator[LedgerEntry]:
        """Every entry from the first to the last, read page by page."""
        page = self.entries()
        while page:
            yield from page
            page = self.entries(page[-1].n + 1)

    def entries_for(self, intersection: str, from_time: int, to_time: int) -> list[LedgerEntry]:
        """Entries about an intersection with ``from_time`` <= at < ``to_time``, in order."""
        rows = self._rows(
            f"SELECT {_ENTRY} FROM ledger WHERE intersection = ? AND at >= ? AND at < ? ORDER BY n",
            *(intersection, from_time, to_time),
        )
        return [LedgerEntry(*row) for row in rows]

    # ---- checkpoints and retention

    def save_checkpoint(self, time: int, data: bytes, version: str) -> None:
        """Keep the engine's memory as it is after the last tick."""
        with self._writing():
            last = self.last_tick()
            self._rows(
                "INSERT INTO checkpoints (time, tick, version, data) VALUES (?, ?, ?, ?)",
                *(time, last.number if last else 0, version, data),
            )

    def checkpoint(self, before_time: int | None = None) -> Checkpoint | None:
        """Return the newest checkpoint, only those with time <= ``before_time`` where one is given; archived ones too."""
        latest = 2**62 if before_time is None else before_time
        rows = self._rows(
            f"SELECT {_CHECKPOINT} FROM checkpoints WHERE time <= ? ORDER BY number DESC LIMIT 1",
            latest,
        )
        if rows:
            return Checkpoint(*rows[0])
        return files.read_checkpoint(
            self._rows("SELECT folder, first_tick FROM archives ORDER BY first_tick DESC"), latest
        )

    def archive(self, before_time: int, folder: Path) -> int:
        """Move ticks older than ``before_time``, their batches and checkpoints into Parquet files; gives how many ticks.

        What a restart needs stays: the newest checkpoint and every tick after it. ``ticks``, ``batches`` and
        ``checkpoint`` go on finding what was moved. Safe against a crash at any moment: files first, whole and
        flushed, then one transaction per piece that forgets the rows. Not to be called inside ``transaction()``.

        Raises
        ------
        StoreError
            If a file or the store cannot be written; what was moved so far stays moved.
        """
        moved = 0
        while piece := self._next_piece(before_time):
            self._write_piece((str(folder.resolve()), piece[0][0]), piece)
            moved += len(piece)
        return moved

    def _next_piece(self, before_time: int) -> list[tuple[int, int, list[int]]]:
        """Oldest ticks (number, time, batches) that may go; the numbers have no gap even where the clock went back."""
        rows = self._rows(
            "SELECT number, time, taken FROM ticks WHERE number <= "
            "COALESCE((SELECT tick FROM checkpoints ORDER BY number DESC LIMIT 1), 0) ORDER BY number LIMIT ?",
            _TICKS_A_PIECE,
        )
        old = itertools.takewhile(lambda row: row[1] < before_time, rows)
        return [(number, time, json.loads(taken)) for number, time, taken in old]

    def _write_piece(self, piece: files.Piece, ticks: list[tuple[int, int, list[int]]]) -> None:
        first, last = ticks[0][0], ticks[-1][0]
        batches = sorted(itertools.chain.from_iterable(taken for _, _, taken in ticks))
        files.write(
            piece, "ticks", self._parts(f"SELECT {_TICK} FROM ticks WHERE number IN", [tick[0] for tick in ticks])
        )
        files.write(piece, "batches", self._parts(f"SELECT {_BATCH} FROM batches WHERE number IN", batches))
        memories = self._rows(
            "SELECT number FROM checkpoints WHERE tick <= ? AND number < (SELECT MAX(number) FROM checkpoints) "
            "ORDER BY number",
            last,
        )
        which = [number for (number,) in memories]
        files.write(piece, "checkpoints", self._parts(f"SELECT {_CHECKPOINT} FROM checkpoints WHERE number IN", which))
        times = [time for _, time, _ in ticks]
        with self.transaction():
            self._rows(
                "INSERT INTO archives VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(first, last, min(times), max(times), batches[0] if batches else 0, batches[-1] if batches else 0),
                piece[0],
            )
            self._rows("DELETE FROM ticks WHERE number >= ? AND number <= ?", first, last)
            self._each("DELETE FROM batches WHERE number = ?", [(number,) for number in batches])
            self._each("DELETE FROM checkpoints WHERE number = ?", [(number,) for number in which])

    def _parts(self, statement: str, numbers: Sequence[int]) -> Iterator[list[Any]]:
        """Rows by number in parts that fit into memory."""
        for start in range(0, len(numbers), _ROWS_A_PART):
            some = sorted(numbers[start : start + _ROWS_A_PART])
            yield self._rows(f"{statement} ({','.join('?' * len(some))}) ORDER BY number", *some)


def _text(document: Any) -> str:
    try:
        text = canonical(document)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"a document for the store is no JSON: {error}") from None
    return text
