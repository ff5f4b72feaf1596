"""What all tests share: where things are, and which tests run kernels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres_server import PostgresServer

ROOT = Path(__file__).resolve().parent.parent


def _runs_kernels(module: object) -> bool:
    """A test module that names the kernels or their slow twins: it also runs with the compiler off."""
    members = vars(module).values()
    homes = {str(getattr(member, "__module__", None) or getattr(member, "__name__", "")) for member in members}
    return any(home.startswith(("citybrain_kernels", "tests.reference", "reference")) for home in homes)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark kernel tests, so that ``NUMBA_DISABLE_JIT=1 pytest -m kernel`` finds them without each saying so."""
    verdicts: dict[object, bool] = {}
    for item in items:
        module = getattr(item, "module", None)
        if module is not None and verdicts.setdefault(module, _runs_kernels(module)):
            item.add_marker(pytest.mark.kernel)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Start a PostgreSQL of the module's own."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Place for a store: a folder, then a schema of a real server."""
    if request.param == "sqlite":
        return str(tmp_path / "data")
    server: PostgresServer = request.getfixturevalue("server")
    return server.new_schema()
