"""SQLite under the store: one file in the data folder, nothing to install, durable at every commit."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from citybrain.errors import ContractError, InputError, StoreError
from citybrain.storage.database import SCHEMA_VERSION, TABLES, Connection, check_version

FILE = "citybrain.db"
WAIT_S = 30.0
"""How long a writer waits for one in another process."""

_NO = "BEGIN SELECT RAISE(ABORT, 'append-only'); END"
_SEALED = "SELECT COALESCE(MAX(last_entry), 0) FROM volumes"
_APPEND_ONLY = (
    f"CREATE TRIGGER ledger_keeps_entries BEFORE DELETE ON ledger WHEN OLD.n > ({_SEALED}) {_NO}",
    f"CREATE TRIGGER ledger_keeps_words BEFORE UPDATE ON ledger {_NO}",
    f"CREATE TRIGGER volumes_stay BEFORE DELETE ON volumes {_NO}",
    f"CREATE TRIGGER volumes_keep_words BEFORE UPDATE ON volumes {_NO}",
)
_TYPES = {"number": "INTEGER", "serial": "INTEGER PRIMARY KEY AUTOINCREMENT", "bytes": "BLOB", "strict": "STRICT"}
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full: make room, writing goes on by itself",
    sqlite3.SQLITE_IOERR: "the disk does not do what it should: check it and its free room",
    sqlite3.SQLITE_READONLY: "it may not be written: check owner and permissions",
    sqlite3.SQLITE_PERM: "it may not be opened: check owner and permissions",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: check path, owner and permissions",
    sqlite3.SQLITE_BUSY: f"another process has been writing for {WAIT_S:.0f} s: stop it",
    sqlite3.SQLITE_CORRUPT: "it is damaged: restore the folder from a backup",
    sqlite3.SQLITE_NOTADB: "it is no SQLite file: name another data folder",
}


class SqliteDatabase:
    """One SQLite file in write-ahead mode; ``synchronous=FULL``: every commit is flushed to disk."""

    errors: tuple[type[Exception], ...] = (sqlite3.Error, OverflowError)

    def __init__(self, folder: Path, *, create: bool) -> None:
        self.home = folder.resolve()
        self.path = folder / FILE
        if not create:
            if not self.path.is_file():
                raise InputError(f"{folder} holds no City Brain store ({FILE} is missing): name the data folder")
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be the data folder: {error.strerror}; name another one") from None

    def connect(self) -> Connection:
        """Open one more connection; any thread may use it, one at a time."""
        connection = sqlite3.connect(self.path, timeout=WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA journal_size_limit=67108864")
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def begin(self, connection: Connection) -> None:
        """Begin a transaction and take SQLite's write lock at once."""
        connection.cursor().execute("BEGIN IMMEDIATE")

    def usable(self, connection: Connection) -> bool:
        """Tell whether the connection is outside of any transaction, as it should be."""
        return isinstance(connection, sqlite3.Connection) and not connection.in_transaction

    def prepare(self, connection: Connection, *, create: bool) -> None:
        """Make the tables in one transaction if there are none; refuse a file of another version."""
        with closing(connection.cursor()) as cursor:
            if create and not self._tables(cursor):
                cursor.execute("BEGIN IMMEDIATE")
                try:
                    if not self._tables(cursor):  # nobody was quicker
                        self._make_tables(cursor)
                except BaseException:
                    cursor.execute("ROLLBACK")
                    raise
                cursor.execute("COMMIT")
            found = cursor.execute("SELECT version FROM about").fetchall() if "about" in self._tables(cursor) else []
        check_version(str(self.path), found)

    def _tables(self, cursor: Any) -> set[str]:
        return {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def _make_tables(self, cursor: Any) -> None:
        for statement in TABLES.format(**_TYPES).split(";"):
            cursor.execute(statement)
        for statement in _APPEND_ONLY:
            cursor.execute(statement)
        cursor.execute("INSERT INTO about VALUES (?)", (SCHEMA_VERSION,))

    def claim(self) -> Connection | None:
        """Hold a lock on a file beside the store; the system frees it when the process ends, however it ends."""
        connection = sqlite3.connect(self.home / "service.lock", timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return None
            raise
        return connection

    def sql(self, statement: str) -> str:
        """Return the statement as it is."""
        return statement

    def failure(self, error: Exception) -> Exception:
        """Say what went wrong with the file, and what to do."""
        if isinstance(error, OverflowError | sqlite3.DataError):
            return InputError(f"a number is out of range for the store: {error}")
        code = getattr(error, "sqlite_errorcode", None)
        if isinstance(error, sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError):
            return ContractError(f"the store was asked for something it must not do: {error}")
        advice = _ADVICE.get(code & 0xFF, "check the file and its disk") if code is not None else "check the file"
        return StoreError(f"store {self.path}: {error}; {advice}")
