"""How the store talks to its database: connections for any thread, transactions in transactions, errors in our words.

May import the database's description alone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from typing import Any, Self

from citybrain.errors import InputError, StoreError
from citybrain.storage.database import Connection, Database

AT_ONCE = 1000
"""Values in one question; a longer list is asked for in several."""
_PROBE_BYTES = 1 << 17


class Session:
    """A database that any thread may read and write. A context manager; ``close`` it when all threads are done."""

    def __init__(self, database: Database, *, create: bool = True) -> None:
        self.home = database.home
        self._database = database
        self._idle: list[Connection] = []
        self._mine = threading.local()
        self._one_writer = threading.Lock()
        try:
            with self._connection() as connection, self._in_our_words():
                database.prepare(connection, create=create)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Return the session itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        while self._idle:
            self._idle.pop().close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all that is written inside durable together when the block ends, or none of it if it raises.

        Inside another one, it is a part that can fail alone: what it wrote is undone, the rest stays. In a part that
        raised ``StoreError`` the whole transaction is lost.

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
    def alone(self) -> Iterator[None]:
        """Be the one service on this store: two would publish plans against each other.

        Raises
        ------
        InputError
            If another process is.
        """
        with self._in_our_words():
            claim = self._database.claim()
        if claim is None:
            raise InputError("another service runs on this store: stop it, or name another place with --data")
        try:
            yield
        finally:
            claim.close()

    def probe(self) -> None:
        """Try whether something of some size can be written and flushed; leaves nothing behind.

        Raises
        ------
        StoreError
            If not.
        """
        with self.transaction():
            self.rows("INSERT INTO spare VALUES (?)", bytes(_PROBE_BYTES))
        with self.transaction():
            self.rows("DELETE FROM spare")

    @contextmanager
    def _part(self) -> Iterator[None]:
        self.rows("SAVEPOINT part")
        try:
            yield
        except StoreError:
            raise  # nothing to go back to
        except BaseException:
            self.rows("ROLLBACK TO SAVEPOINT part")
            self.rows("RELEASE SAVEPOINT part")
            raise
        self.rows("RELEASE SAVEPOINT part")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Write within the transaction that this thread is in, or within one of its own."""
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

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Run a statement with ``?`` for the values; gives all its rows."""
        with self._connection() as connection:
            return self._run(connection, statement, values)

    def each(self, statement: str, values: Sequence[Sequence[Any]]) -> int:
        """Run a statement of a transaction for many rows; gives how many it touched."""
        if not values:
            return 0
        with self._connection() as connection, self._in_our_words(), closing(connection.cursor()) as cursor:
            cursor.executemany(self._database.sql(statement), values)
            return int(cursor.rowcount)

    def among(self, statement: str, values: Sequence[Any], at_once: int = AT_ONCE) -> Iterator[list[Any]]:
        """Rows of a statement that ends in ``IN``, part by part, for as many values as there are."""
        for start in range(0, len(values), at_once):
            some = values[start : start + at_once]
            yield self.rows(f"{statement} ({','.join('?' * len(some))})", *some)
