"""One writer for all: futures that are done only when it is on disk, neighbours that do not suffer, and its health."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from citybrain.errors import InputError, StoreError
from citybrain.storage.ledger import verify
from citybrain.storage.store import NewEntry, Store, open_store
from citybrain.storage.writer import MOST_WAITING, Writer
from tests.postgres_server import PostgresServer
from tests.store_helpers import SOON_S, draft, numbered, tick, until


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "data") as store:
        yield store


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    with Writer(store) as writer:
        yield writer


class Held:
    """Keeps a writer busy until ``go``, so that what is submitted meanwhile goes into one transaction."""

    def __init__(self, writer: Writer) -> None:
        self._go = threading.Event()
        begun = threading.Event()

        def wait(_: Store) -> None:
            begun.set()
            assert self._go.wait(SOON_S)

        self.future = writer.submit(wait)
        assert begun.wait(SOON_S)

    def go(self) -> None:
        self._go.set()
        self.future.result(SOON_S)


def ack(at: int) -> Callable[[Store], int]:
    """Make a job that keeps an acknowledgement."""
    return lambda store: store.add_ack("a", at, {})


def wrong(_: Store) -> None:
    raise InputError("not so")


def add_and_fail(store: Store) -> None:
    store.add_ack("a", 2, {})
    raise InputError("not so")


def test_results_come_back_and_are_readable_by_then(store: Store, writer: Writer) -> None:
    plans = writer.submit(lambda s: tick(s, 10, draft("a"))).result(SOON_S)
    assert [plan.seq for plan in plans] == [1]
    assert store.latest_plans()["a"].seq == 1


def test_a_failed_job_does_not_fail_its_neighbours(store: Store, writer: Writer) -> None:
    held = Held(writer)
    before = writer.submit(ack(1))
    failed = writer.submit(add_and_fail)
    after = writer.submit(ack(3))
    held.go()
    assert before.result(SOON_S) < after.result(SOON_S)
    with pytest.raises(InputError, match="not so"):
        failed.result(SOON_S)
    assert [ack.at for ack in store.acks("a", 0, 10)] == [1, 3]
    assert writer.healthy


def test_jobs_run_in_the_order_they_came(store: Store, writer: Writer) -> None:
    held = Held(writer)
    futures = [writer.submit(ack(k)) for k in range(1200)]
    held.go()
    numbers = [future.result(SOON_S) for future in futures]
    assert numbers == sorted(numbers)
    assert [ack.at for ack in store.acks("a", 0, 2000)] == list(range(1200))


def test_jobs_that_wait_together_share_one_transaction(tmp_path: Path, writer: Writer) -> None:
    held = Held(writer)

    def seen_by_a_stranger(_: Store) -> int:
        with open_store(tmp_path / "data") as stranger:
            return len(stranger.acks("a", 0, 10))

    kept, seen = writer.submit(ack(1)), writer.submit(seen_by_a_stranger)
    held.go()
    assert kept.result(SOON_S) == 1
    assert seen.result(SOON_S) == 0


def test_a_future_that_was_cancelled_in_time_is_not_run(store: Store, writer: Writer) -> None:
    held = Held(writer)
    future = writer.submit(ack(1))
    assert future.cancel()
    held.go()
    with pytest.raises(CancelledError):
        future.result(SOON_S)
    writer.submit(ack(2)).result(SOON_S)
    assert [ack.at for ack in store.acks("a", 0, 10)] == [2]


def test_stop_finishes_what_waits_and_takes_nothing_more(store: Store) -> None:
    writer = Writer(store)
    futures = [writer.submit(ack(k)) for k in range(50)]
    writer.stop()
    writer.stop()
    assert all(future.done() for future in futures)
    assert len(store.acks("a", 0, 100)) == 50
    with pytest.raises(StoreError, match="stopping"):
        writer.submit(wrong)


def test_a_queue_that_is_too_long_is_said(writer: Writer) -> None:
    held = Held(writer)
    futures = [writer.submit(wrong) for _ in range(MOST_WAITING)]
    with pytest.raises(StoreError, match="try again later"):
        writer.submit(wrong)
    held.go()
    assert all(isinstance(future.exception(SOON_S), InputError) for future in futures)
    assert writer.submit(ack(1)).result(SOON_S) == 1


# ---- the disk is full, the server is gone


def test_a_full_disk_is_told_and_writing_goes_on_when_there_is_room(store: Store, writer: Writer) -> None:
    writer.submit(lambda s: tick(s, 10, draft("a"))).result(SOON_S)
    _limit_pages(store, 20)
    assert _fill(writer, lambda: not writer.healthy)
    late = writer.submit(lambda s: numbered(s, "large", 1 << 20))
    with pytest.raises(StoreError, match="the disk is full: make room"):
        late.result(SOON_S)
    assert not writer.healthy
    _limit_pages(store, 1 << 20)
    until(lambda: writer.healthy)
    (plan,) = writer.submit(lambda s: tick(s, 20, draft("a"))).result(SOON_S)
    assert plan.seq == 2
    assert verify(store.whole_ledger()) is None
    assert store.rows("PRAGMA integrity_check") == [("ok",)]
    assert store.rows("SELECT COUNT(*) FROM spare") == [(0,)]


def _limit_pages(store: Store, more: int) -> None:
    """Let SQLite's file grow by so many pages only."""
    ((pages,),) = store.rows("PRAGMA page_count")
    for connection in store._idle:
        connection.cursor().execute(f"PRAGMA max_page_count={pages + more}")


def _fill(writer: Writer, full: Callable[[], bool]) -> bool:
    """Write until a write fails; gives what ``full`` says then."""

    def batch(k: int) -> Callable[[Store], int]:
        return lambda store: numbered(store, f"fill {k}", 4000)

    return any(writer.submit(batch(k)).exception(SOON_S) is not None and full() for k in range(1000))


CHILD = """
import resource, signal, sys
from citybrain.errors import StoreError
from citybrain.storage.store import open_store
from citybrain.storage.writer import Writer
from tests.store_helpers import draft, numbered, tick
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1])
writer = Writer(store)
kept, failed = [], 0
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
for k in range(400):
    fault = (future := writer.submit(lambda s: numbered(s, str(k), 10000))).exception()
    assert fault is None or isinstance(fault, StoreError), fault
    if fault is None:
        kept.append(str(k))
    else:
        failed += 1
        assert "room" in str(fault), fault
assert failed and not writer.healthy
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
(plan,) = writer.submit(lambda s: tick(s, 10, draft("a"))).result()
assert writer.healthy and plan.seq == 1
assert {batch.batch_id for batch in store.untaken_batches()} == set(kept), "kept is not what was acknowledged"
writer.stop()
store.close()
print(len(kept), failed)
"""


def test_files_that_may_not_grow(tmp_path: Path) -> None:
    """A real limit of the operating system, in a process of its own."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr
    kept, failed = map(int, child.stdout.split())
    assert kept + failed == 400
    with sqlite3.connect(tmp_path / "citybrain.db") as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert file.execute("SELECT COUNT(*) FROM batches").fetchone() == (kept,)
    file.close()


def test_a_server_that_crashes_and_comes_back() -> None:
    server = PostgresServer()
    try:
        address = server.new_schema()
        with open_store(address) as store, Writer(store) as writer:
            writer.submit(lambda s: tick(s, 10, draft("a"))).result(SOON_S)
            server.stop(signal.SIGQUIT)
            lost: Future[Any] = writer.submit(lambda s: s.append_entries([NewEntry(11, "stop", None, {})]))
            with pytest.raises(StoreError, match="check that the server runs"):
                lost.result(SOON_S)
            assert not writer.healthy
            with pytest.raises(StoreError):
                store.last_tick()
            server.start()
            until(lambda: writer.healthy)
            (plan,) = writer.submit(lambda s: tick(s, 20, draft("a"))).result(SOON_S)
            assert plan.seq == 2
            assert [entry.kind for entry in store.whole_ledger()] == ["tick", "plan", "tick", "plan"]
            assert verify(store.whole_ledger()) is None
    finally:
        server.remove()
