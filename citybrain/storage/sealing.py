"""Closes days: moves the ledger, the plans it tells of and acknowledgements out of the database into volumes.

The files of a volume are whole and flushed before one small transaction seals it. Only then are the rows forgotten, in
bites, an entry together with its plan. So after a crash at any moment everything is in the database, in a volume, or in
both, and numbers tell what is the same. May import the session, the volumes and what entries tell of.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from citybrain.clock import moment_text
from citybrain.storage import parquet_files
from citybrain.storage.ledger import GENESIS, LedgerEntry
from citybrain.storage.session import Session
from citybrain.storage.told import kept_plans, plan_keys
from citybrain.storage.volumes import ACKS, LEDGER, Volume, last

DAY = 864_000
"""Tenths of a second."""
_AT_ONCE = 1000
"""Entries in a row group, and forgotten in one transaction."""
_N_PLANS = "SELECT COUNT(*) FROM ledger WHERE kind = 'plan' AND n > ? AND n <= ?"
_ENTRIES = "SELECT n, at, kind, intersection, text, previous, hash FROM ledger "


class _Line(NamedTuple):
    """Questions on rows that are numbered in the order they came: ledger or acknowledgements.

    Attributes
    ----------
    first : time of the first row after a number; rows dated later than the newest one are of a clock that was wrong.
    young : number of the first row after a number that is not older than a time, those of a wrong clock left aside.
    newest : last number. ``span``: least and greatest time after a number, up to another.
    """

    first: str
    young: str
    newest: str
    span: str


_ENTRY_LINE = _Line(
    "SELECT at FROM ledger WHERE n > ? AND at <= (SELECT at FROM ledger ORDER BY n DESC LIMIT 1) ORDER BY n LIMIT 1",
    "SELECT n FROM ledger WHERE n > ? AND at >= ? AND at <= (SELECT at FROM ledger ORDER BY n DESC LIMIT 1) "
    "ORDER BY n LIMIT 1",
    "SELECT MAX(n) FROM ledger",
    "SELECT MIN(at), MAX(at) FROM ledger WHERE n > ? AND n <= ?",
)
_ACK_LINE = _Line(
    "SELECT at FROM acks WHERE number > ? AND at <= (SELECT at FROM acks ORDER BY number DESC LIMIT 1) "
    "ORDER BY number LIMIT 1",
    "SELECT number FROM acks WHERE number > ? AND at >= ? AND at <= (SELECT at FROM acks ORDER BY number DESC LIMIT 1) "
    "ORDER BY number LIMIT 1",
    "SELECT MAX(number) FROM acks",
    "SELECT MIN(at), MAX(at) FROM acks WHERE number > ? AND number <= ?",
)


def seal(session: Session, before_time: int, folder: Path) -> int:
    """Seal the days that were over before a time [tenths]; gives how many entries. See ``Store.archive``."""
    forget(session)
    folder, sealed = folder.resolve(), 0
    while (volume := _next_volume(session, before_time // DAY * DAY, folder)) is not None:
        _write(session, volume)
        _seal(session, volume)
        forget(session)
        sealed += volume.last_entry - volume.first_entry + 1
    return sealed


def _next_volume(session: Session, closed: int, folder: Path) -> Volume | None:
    """Oldest day that is not sealed yet, None if it was not over before ``closed``.

    Numbers have no gap: an entry of an older clock goes with its neighbours, and one from the future, of a clock that
    was wrong, does not hold up those after it.
    """
    before = last(session)
    number = 1 if before is None else before.number + 1
    sealed_entry, sealed_ack = (0, 0) if before is None else (before.last_entry, before.last_ack)
    begins = session.rows(_ENTRY_LINE.first, sealed_entry) + session.rows(_ACK_LINE.first, sealed_ack)
    if not begins or min(begins)[0] >= closed:
        return None
    day = min(begins)[0] // DAY * DAY
    last_entry, entries_at = _up_to(session, _ENTRY_LINE, sealed_entry, day + DAY)
    last_ack, acks_at = _up_to(session, _ACK_LINE, sealed_ack, day + DAY)
    times = [*entries_at, *acks_at]
    rows = session.rows("SELECT hash FROM ledger WHERE n = ?", last_entry)
    n_plans = session.rows(_N_PLANS, sealed_entry, last_entry)[0][0]
    return Volume(
        number=number,
        folder=folder,
        day=moment_text(day)[:10],
        first_entry=sealed_entry + 1,
        last_entry=last_entry,
        hash=rows[0][0] if rows else GENESIS if before is None else before.hash,
        first_at=min(times),
        last_at=max(times),
        plans=int(n_plans),
        first_ack=sealed_ack + 1,
        last_ack=last_ack,
    )


def _up_to(session: Session, line: _Line, after: int, end: int) -> tuple[int, list[int]]:
    """Last number of what belongs before a time, and the least and greatest time until there."""
    there = session.rows(line.newest)[0][0]
    young = session.rows(line.young, after, end)
    until = int(young[0][0]) - 1 if young else max(there or 0, after)
    least, greatest = session.rows(line.span, after, until)[0]
    return until, [] if least is None else [int(least), int(greatest)]


def _write(session: Session, volume: Volume) -> None:
    """Write both files of a volume."""
    parquet_files.write(volume.path("ledger"), LEDGER, _entries_with_plans(session, volume))
    parquet_files.write(volume.path("acks"), ACKS, _pages(session, volume.first_ack, volume.last_ack))


def _entries_with_plans(session: Session, volume: Volume) -> Iterator[list[tuple[Any, ...]]]:
    first = volume.first_entry
    while first <= volume.last_entry:
        end = min(first + _AT_ONCE - 1, volume.last_entry)
        rows = session.rows(_ENTRIES + "WHERE n >= ? AND n <= ? ORDER BY n", first, end)
        plans = kept_plans(session, [LedgerEntry(*row) for row in rows])
        none = (None, None, None)
        yield [(*row, *((plan.seq, plan.plan_id, plan.text) if (plan := plans.get(row[0])) else none)) for row in rows]
        first = end + 1


def _pages(session: Session, first: int, until: int) -> Iterator[list[Any]]:
    question = (
        "SELECT number, intersection, at, text FROM acks WHERE number >= ? AND number <= ? ORDER BY number LIMIT ?"
    )
    while rows := session.rows(question, first, until, _AT_ONCE):
        yield rows
        first = rows[-1][0] + 1


def _seal(session: Session, volume: Volume) -> None:
    folder, home = volume.folder, session.home
    with session.transaction():
        session.rows(
            "INSERT INTO volumes (number, folder, day, first_entry, last_entry, hash, first_at, last_at, plans, "
            "first_ack, last_ack) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            *(volume.number, str(folder.relative_to(home) if folder.is_relative_to(home) else folder), volume.day),
            *(volume.first_entry, volume.last_entry, volume.hash, volume.first_at, volume.last_at, volume.plans),
            *(volume.first_ack, volume.last_ack),
        )


def forget(session: Session) -> None:
    """Forget in the database what is sealed; short transactions, so that nobody waits long."""
    newest = last(session)
    if newest is None:
        return
    while _forget_entries(session, newest.last_entry):
        pass
    while _forget_acks(session, newest.last_ack):
        pass


def _forget_entries(session: Session, until: int) -> bool:
    """Forget a bite of entries, with their plans; tell whether there may be more."""
    with session.transaction():
        rows = session.rows(_ENTRIES + "WHERE n <= ? ORDER BY n LIMIT ?", until, _AT_ONCE)
        keys = plan_keys([LedgerEntry(*row) for row in rows])
        session.each("DELETE FROM plans WHERE intersection = ? AND seq = ?", list(keys))
        session.rows("DELETE FROM ledger WHERE n <= ?", rows[-1][0] if rows else 0)
    return len(rows) == _AT_ONCE


def _forget_acks(session: Session, until: int) -> bool:
    """Forget a bite of acknowledgements; tell whether there may be more."""
    with session.transaction():
        rows = session.rows("SELECT number FROM acks WHERE number <= ? ORDER BY number LIMIT ?", until, _AT_ONCE)
        session.rows("DELETE FROM acks WHERE number <= ?", rows[-1][0] if rows else 0)
    return len(rows) == _AT_ONCE
