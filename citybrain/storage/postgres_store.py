"""PostgreSQL under the store, for a city that runs a database server anyway. The only module that knows psycopg."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from citybrain.errors import ContractError, InputError, StoreError
from citybrain.storage.database import SCHEMA_VERSION, TABLES, Connection, check_version

try:
    import psycopg
except ImportError:
    raise InputError("PostgreSQL needs psycopg: pip install 'citybrain-engine[postgres]'") from None

CONNECT_S = 10
WAIT_S = 30
"""How long to wait for a writer in another process, or for a server that has stopped answering."""
_LOCK = 0x_C17B_4A10
"""Number of the advisory lock that every writer takes: plans and ledger are numbered by one at a time."""
_SERVICE = _LOCK + 1
_TYPES = {
    "number": "BIGINT",
    "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "bytes": "BYTEA",
    "strict": "",
}
_APPEND_ONLY = """
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE integrity_constraint_violation USING MESSAGE = 'append-only'; END $$;
CREATE TRIGGER ledger_keeps_words BEFORE UPDATE OR TRUNCATE ON ledger EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER volumes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON volumes EXECUTE FUNCTION ledger_is_append_only();
CREATE FUNCTION ledger_forgets_what_is_sealed() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN
    IF OLD.n > (SELECT COALESCE(MAX(last_entry), 0) FROM volumes) THEN
      RAISE integrity_constraint_violation USING MESSAGE = 'append-only';
    END IF;
    RETURN OLD;
  END $$;
CREATE TRIGGER ledger_keeps_entries BEFORE DELETE ON ledger
  FOR EACH ROW EXECUTE FUNCTION ledger_forgets_what_is_sealed();
"""


class PostgresDatabase:
    """A database on a PostgreSQL server; a commit returns when the server has it on disk."""

    errors: tuple[type[Exception], ...] = (psycopg.Error,)

    def __init__(self, address: str) -> None:
        self.home = Path("/")
        self._address = address
        parts = urlsplit(address)
        self._name = f"{parts.hostname or 'local'}{parts.path}"  # without user and password

    def connect(self) -> Connection:
        """Open one more connection; any thread may use it, one at a time."""
        connection = psycopg.connect(
            self._address, autocommit=True, connect_timeout=CONNECT_S, tcp_user_timeout=1000 * WAIT_S
        )
        connection.execute(f"SET lock_timeout = '{WAIT_S}s'")
        # A server set to lose the last commits in a crash must not do so here; stricter settings stay.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
        return cast("Connection", connection)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction and take the writers' lock in one round trip."""
        connection.cursor().execute(f"BEGIN; SELECT pg_advisory_xact_lock({_LOCK})")

    def usable(self, connection: Connection) -> bool:
        """Tell whether the server is there and the connection outside of any transaction, as it should be."""
        info = cast("psycopg.Connection[Any]", connection).info
        return info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    def prepare(self, connection: Connection, *, create: bool) -> None:
        """Make the tables in one transaction if there are none; refuse a database of another version."""
        cursor = connection.cursor()
        if create and not self._is_there(cursor):
            self.begin(connection)
            try:
                if not self._is_there(cursor):  # nobody was quicker
                    cursor.execute(TABLES.format(**_TYPES) + _APPEND_ONLY)
                    cursor.execute("INSERT INTO about VALUES (%s)", (SCHEMA_VERSION,))
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            cursor.execute("COMMIT")
        found = cursor.execute("SELECT version FROM about").fetchall() if self._is_there(cursor) else []
        check_version(f"database {self._name}", found)

    def _is_there(self, cursor: Any) -> bool:
        # The catalogue itself: to_regclass may answer from before the lock was ours.
        question = "SELECT COUNT(*) FROM pg_class WHERE relname = 'about' AND pg_table_is_visible(oid)"
        return bool(cursor.execute(question).fetchone()[0])

    def claim(self) -> Connection | None:
        """Hold a lock of the server's; it frees it when the connection ends, however it ends."""
        connection = self.connect()
        if connection.cursor().execute(f"SELECT pg_try_advisory_lock({_SERVICE})").fetchone()[0]:
            return connection
        connection.close()
        return None

    def sql(self, statement: str) -> str:
        """Write parameters as psycopg wants them; no statement of ours has a question mark or percent sign in it."""
        return statement.replace("?", "%s")

    def failure(self, error: Exception) -> Exception:
        """Say what went wrong with the server, and what to do."""
        said = " ".join(str(error).split())
        if isinstance(error, psycopg.DataError):
            return InputError(f"a value is out of range for the store: {said}")
        if isinstance(error, psycopg.IntegrityError | psycopg.ProgrammingError):
            return ContractError(f"the store was asked for something it must not do: {said}")
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return StoreError(f"database {self._name}: another process has been writing for {WAIT_S} s: stop it")
        if isinstance(error, psycopg.errors.DiskFull):
            return StoreError(f"database {self._name}: {said}; make room, writing goes on by itself")
        return StoreError(f"database {self._name}: {said}; check that the server runs and can be reached")
