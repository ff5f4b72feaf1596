"""What the store needs of a database, and the tables in it, in the one dialect that SQLite and PostgreSQL share.

Batches may hold megabytes, so a batch is never touched again once it is kept: what no tick has taken yet stands in the
table ``untaken``, and a tick lists what it took.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from citybrain.errors import InputError

SCHEMA_VERSION = "2"

# {number}: 64-bit integer; {serial}: one that the database hands out, ascending, never twice; {strict}: table options.
TABLES = """
CREATE TABLE about (version TEXT NOT NULL) {strict};
CREATE TABLE batches (number {serial}, sender TEXT NOT NULL, batch_id TEXT NOT NULL, received_at {number} NOT NULL,
  judged {bytes} NOT NULL, verdict {bytes} NOT NULL, UNIQUE (sender, batch_id)) {strict};
CREATE TABLE untaken (batch {number} PRIMARY KEY) {strict};
CREATE TABLE ticks (number {number} PRIMARY KEY, time {number} NOT NULL, taken TEXT NOT NULL, inputs {bytes} NOT NULL)
  {strict};
CREATE INDEX ticks_by_time ON ticks (time);
CREATE TABLE sequences (intersection TEXT PRIMARY KEY, last {number} NOT NULL) {strict};
CREATE TABLE plans (intersection TEXT NOT NULL, seq {number} NOT NULL, plan_id TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (intersection, seq)) {strict};
CREATE TABLE acks (number {serial}, intersection TEXT NOT NULL, at {number} NOT NULL, text TEXT NOT NULL) {strict};
CREATE INDEX acks_by_intersection ON acks (intersection, at);
CREATE TABLE overrides (number {serial}, intersection TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL,
  who TEXT NOT NULL, why TEXT NOT NULL, begin_at {number} NOT NULL, until_at {number} NOT NULL, ended_at {number},
  ended_by TEXT) {strict};
CREATE INDEX overrides_by_end ON overrides (until_at);
CREATE TABLE access_keys (key_id TEXT PRIMARY KEY, hash TEXT NOT NULL, scope TEXT NOT NULL, intersections TEXT,
  name TEXT NOT NULL, created_at {number} NOT NULL, revoked_at {number}) {strict};
CREATE TABLE ledger (n {number} PRIMARY KEY, at {number} NOT NULL, kind TEXT NOT NULL, intersection TEXT,
  text TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL) {strict};
CREATE INDEX ledger_by_intersection ON ledger (intersection, at);
CREATE INDEX ledger_starts ON ledger (n) WHERE kind = 'start';
CREATE TABLE checkpoints (number {serial}, time {number} NOT NULL, tick {number} NOT NULL, version TEXT NOT NULL,
  data {bytes} NOT NULL) {strict};
CREATE INDEX checkpoints_by_time ON checkpoints (time);
CREATE TABLE archives (first_tick {number} PRIMARY KEY, last_tick {number} NOT NULL, first_time {number} NOT NULL,
  last_time {number} NOT NULL, first_batch {number} NOT NULL, last_batch {number} NOT NULL, folder TEXT NOT NULL)
  {strict};
CREATE TABLE volumes (number {number} PRIMARY KEY, folder TEXT NOT NULL, day TEXT NOT NULL,
  first_entry {number} NOT NULL, last_entry {number} NOT NULL, hash TEXT NOT NULL,
  first_at {number} NOT NULL, last_at {number} NOT NULL,
  plans {number} NOT NULL, first_ack {number} NOT NULL, last_ack {number} NOT NULL) {strict};
CREATE TABLE spare (data {bytes} NOT NULL) {strict};
"""


class Connection(Protocol):
    """The part of a DB-API connection that the store uses; transactions are begun and ended by statements."""

    def cursor(self) -> Any:
        """Open a cursor."""

    def close(self) -> None:
        """Close the connection and whatever it has open."""


class Database(Protocol):
    """What differs between SQLite and PostgreSQL."""

    errors: tuple[type[Exception], ...]
    """What the driver raises."""
    home: Path
    """Archives below it move with it."""

    def connect(self) -> Connection:
        """Open one more connection, on which a commit is on disk when it returns."""

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that keeps every other writer out, of whatever process."""

    def usable(self, connection: Connection) -> bool:
        """Whether a connection that saw an error can be used again."""

    def prepare(self, connection: Connection, *, create: bool) -> None:
        """Make the tables if they are missing and may be created, and check their version."""

    def claim(self) -> Connection | None:
        """Take the place of the one service on this store until the connection is closed; None if it is taken."""

    def sql(self, statement: str) -> str:
        """Write a statement with ``?`` for parameters as the driver wants it."""

    def failure(self, error: Exception) -> Exception:
        """Say a driver's error in words of our tree."""


def check_version(where: str, found: list[Any]) -> None:
    """Refuse a database that is no store of ours, or one of another version; ``found`` are the rows of ``about``.

    Raises
    ------
    InputError
        If it is to be refused.
    """
    if not found:
        raise InputError(f"{where} holds no City Brain store: name another one, or `citybrain serve` makes one")
    if found[0][0] != SCHEMA_VERSION:
        raise InputError(
            f"{where} was written by another version of the project (its store has version {found[0][0]}, this one "
            f"reads {SCHEMA_VERSION}): use that version, or name another place"
        )
