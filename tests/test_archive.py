"""Old ticks move into Parquet files and are found there; a crash at any step of the move loses and doubles nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from citybrain.clock import StreetClock
from citybrain.errors import StoreError
from citybrain.live.archivist import DAYS, Archivist
from citybrain.storage import archive
from citybrain.storage.store import Store, open_store
from tests.store_helpers import draft, numbered, tick, until

N = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve ticks of two batches each, a checkpoint after every fourth, and a batch that nobody took."""
    with open_store(tmp_path / "data") as store:
        for k in range(1, N + 1):
            tick(store, 10 * k, draft("a"), taken=(numbered(store, f"{k} x"), numbered(store, f"{k} y")))
            if k % 4 == 0:
                store.save_checkpoint(10 * k, b"memory %d" % k, "1")
        numbered(store, "free")
    return tmp_path / "data"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with open_store(folder) as store:
        yield store


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_TICKS_A_PIECE", 3)
    monkeypatch.setattr(archive, "_ROWS_A_PART", 2)


def contents(store: Store) -> list[Any]:
    """Everything that must not change by moving it."""
    ticks = store.ticks(0, 10_000)
    return [
        ticks,
        [store.batches(one.taken) for one in ticks],
        [store.checkpoint(time) for time in range(0, 10 * N + 10, 10)],
        store.untaken_batches(),
        store.last_tick(),
    ]


@pytest.mark.usefixtures("small_pieces")
def test_what_was_moved_is_found_as_before(store: Store, tmp_path: Path) -> None:
    before = contents(store)
    assert store.archive(75, tmp_path / "old") == 7
    assert contents(store) == before
    assert store.rows("SELECT MIN(number), COUNT(*) FROM ticks") == [(8, 5)]
    assert store.rows("SELECT COUNT(*) FROM batches") == [(11,)]
    assert store.archive(75, tmp_path / "old") == 0
    assert store.archive(10_000, tmp_path / "elsewhere") == 5
    assert contents(store)[:4] == before[:4]


def test_anybody_can_read_the_files(store: Store, tmp_path: Path) -> None:
    store.archive(45, tmp_path / "old")
    ticks = pq.read_table(tmp_path / "old" / "ticks-000000000001.parquet").to_pylist()
    assert [row["time"] for row in ticks] == [10, 20, 30, 40]
    assert ticks[0] == {"number": 1, "time": 10, "taken": [1, 2], "inputs": b"inputs 10"}
    batches = pq.read_table(tmp_path / "old" / "batches-000000000001.parquet").to_pylist()
    assert [row["batch_id"] for row in batches[:2]] == ["1 x", "1 y"]
    assert len(batches) == 8


def test_what_a_restart_needs_is_not_moved(store: Store, tmp_path: Path) -> None:
    tick(store, 130)
    newest = store.checkpoint()
    assert newest is not None
    assert store.archive(10_000, tmp_path / "old") == N
    assert [one.time for one in store.ticks_after(newest.tick)] == [130]
    assert store.rows("SELECT COUNT(*) FROM checkpoints") == [(1,)]


def test_without_a_checkpoint_nothing_is_moved(tmp_path: Path) -> None:
    with open_store(tmp_path / "data") as store:
        tick(store, 10)
        assert store.archive(10_000, tmp_path / "old") == 0
    assert not (tmp_path / "old").exists()


def test_numbers_go_on_when_every_tick_was_moved(store: Store, tmp_path: Path) -> None:
    store.archive(10_000, tmp_path / "old")
    store.save_checkpoint(125, b"", "1")
    tick(store, 130, draft("a"))
    assert [one.number for one in store.ticks(110, 10_000)] == [11, 12, 13]
    found = store.checkpoint(125)
    assert found is not None
    assert found.tick == N


def test_a_clock_that_went_back_leaves_no_gap(tmp_path: Path) -> None:
    with open_store(tmp_path / "data") as store:
        for time in (100, 500, 110, 120, 600):
            tick(store, time)
        store.save_checkpoint(600, b"", "1")
        assert store.archive(200, tmp_path / "old") == 1
        assert [one.time for one in store.ticks(0, 1000)] == [100, 500, 110, 120, 600]


def test_an_archive_in_the_data_folder_moves_with_it(folder: Path) -> None:
    with open_store(folder) as store:
        before = contents(store)
        store.archive(75, folder / "old")
    with open_store(folder.rename(folder.with_name("elsewhere"))) as store:
        assert contents(store) == before


def test_files_that_were_lost_are_said(store: Store, tmp_path: Path) -> None:
    store.archive(45, tmp_path / "old")
    shutil.rmtree(tmp_path / "old")
    with pytest.raises(StoreError, match=r"ticks-000000000001.parquet cannot be read"):
        store.ticks(0, 100)
    assert [one.time for one in store.ticks(50, 75)] == [50, 60, 70]
    with pytest.raises(StoreError, match="restore"):
        store.batches([1])


def test_a_folder_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    before = contents(store)
    (tmp_path / "file").write_text("a file")
    with pytest.raises(StoreError, match="make room or name another folder"):
        store.archive(75, tmp_path / "file")
    assert contents(store) == before


CHILD = """
import json, os, shutil, signal, sys
from pathlib import Path
from citybrain.storage import archive, parquet_files
from citybrain.storage.session import Session
from citybrain.storage.store import open_store

source, place = Path(sys.argv[1]), Path(sys.argv[2])
archive._TICKS_A_PIECE = 4

def dying(step, function, counter):
    def call(*arguments):
        counter[0] += 1
        if counter[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call

def attempt(folder, step):
    counter = [0]
    parquet_files.flush = dying(step, parquet_files.flush, counter)
    Session.each = dying(step, Session.each, counter)
    with open_store(folder) as store:
        store.archive(75, folder.parent / "old")

died = []
step = 0
while True:
    step += 1
    shutil.copytree(source, place / str(step) / "data")
    child = os.fork()
    if child == 0:
        attempt(place / str(step) / "data", step)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0:
        break
    died.append(step)
print(json.dumps(died))
"""


def test_a_crash_at_any_step_loses_and_doubles_nothing(folder: Path, tmp_path: Path) -> None:
    with open_store(folder) as store:
        before = contents(store)
    (tmp_path / "tries").mkdir()
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(tmp_path / "tries")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    steps = json.loads(child.stdout)
    assert len(steps) == 2 * 8  # a piece is six flushes and two deletions
    moved = set()
    for step in steps:
        with open_store(tmp_path / "tries" / str(step) / "data") as store:
            assert contents(store) == before
            moved.add(7 - store.archive(75, tmp_path / "tries" / str(step) / "old"))
            assert contents(store) == before
        assert not list((tmp_path / "tries" / str(step) / "old").glob("*.part"))
    assert moved == {0, 4}


def test_the_archivist_moves_what_is_older_than_some_days_and_bears_a_folder_that_is_none(
    store: Store, folder: Path
) -> None:
    before = contents(store)
    now = StreetClock(DAYS * 864_000 + 60)
    (folder / "taken").write_text("a file where a folder is wanted")
    with Archivist(store, now, folder / "taken"):
        pass
    assert contents(store) == before
    with Archivist(store, now, folder / "old"):
        until(lambda: any((folder / "old").glob("ticks-*.parquet")))
    assert contents(store) == before
    assert pq.read_table(folder / "old" / "ticks-000000000001.parquet").num_rows == 5
