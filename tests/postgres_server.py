"""A PostgreSQL server of our own for tests: private folder, a socket in it, no network. Skips where there is none."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
USER = "citybrain"


def _program(name: str) -> str:
    places = os.pathsep.join([os.environ.get("PATH", ""), *map(str, DEBIAN)])
    found = shutil.which(name, path=places)
    if found is None:
        pytest.skip(f"PostgreSQL's {name} is not installed")
    return found


def _other_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as an unprivileged user."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no other user")


class PostgresServer:
    """Starts, is stopped or killed, and starts again on the same data."""

    def __init__(self) -> None:
        initdb, self._postgres = _program("initdb"), _program("postgres")
        self._as = _other_user()
        self.folder = Path(tempfile.mkdtemp(prefix="citybrain-postgres-"))
        if self._as:
            os.chown(self.folder, self._as["user"], self._as["group"])
        make = [initdb, "-D", str(self.folder / "data"), "-A", "trust", "-U", USER, "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run(make, check=True, capture_output=True, cwd=self.folder, **self._as)
        self._schemas = 0
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start and wait until it says that it takes connections."""
        options = ["-D", str(self.folder / "data"), "-k", str(self.folder), "-c", "listen_addresses="]
        self._process = subprocess.Popen(
            [self._postgres, *options], stderr=subprocess.PIPE, text=True, cwd=self.folder, **self._as
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "ready to accept connections" in line:
                break
        else:
            pytest.fail("PostgreSQL did not start")
        self._reader = threading.Thread(target=self._process.stderr.read, daemon=True)
        self._reader.start()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it: SIGINT cuts connections and stops cleanly, SIGQUIT is as good as a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._reader.join(60)
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None

    def remove(self) -> None:
        """End it and remove its folder."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)

    def address(self, database: str) -> str:
        """Address of one of its databases."""
        return f"postgresql://{USER}@/{database}?host={self.folder}"

    def new_schema(self) -> str:
        """Make an empty schema, which is quicker than an empty database; gives an address that sees it alone."""
        self._schemas += 1
        name = f"test{self._schemas}"
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.address('postgres')}&options=-csearch_path%3D{name}"
