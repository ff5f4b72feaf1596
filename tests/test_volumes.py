"""Closed days are sealed into volumes and found there; chain, plans and acknowledgements stay whole."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from citybrain.clock import StreetClock
from citybrain.errors import ContractError, StoreError
from citybrain.live.archivist import Archivist
from citybrain.plans.plan import with_seq
from citybrain.storage import sealing
from citybrain.storage.audit import audit
from citybrain.storage.ledger import NewEntry, verify
from citybrain.storage.sealing import DAY
from citybrain.storage.store import NewPlan, Store, TickRecord, open_store
from tests.store_helpers import until

EVER = 2**40
DAYS = 4
A_DAY = 5


def live_through(store: Store, days: range) -> None:
    """Five ticks a day with plans at a, now and then at b, and acknowledgements."""
    for day in days:
        store.append_entries([NewEntry(day * DAY, "start", None, {"day": day})])
        for k in range(A_DAY):
            time = day * DAY + 1000 * (k + 1)
            names = ["a", "b"] if (day, k) in {(0, 0), (2, 3)} else ["a"]
            plans = [NewPlan(name, {"intersection": name, "made_at": time}, {"why": "queue"}) for name in names]
            store.commit_tick(TickRecord(time, (), b""), plans, [NewEntry(time, "tick", None, {})], with_seq)
            store.add_ack("a", time, {"at": time})
            if k == 0:
                store.append_entries([NewEntry(time, "ack", "a", {"at": time})])


def contents(store: Store) -> list[Any]:
    """Everything that must not change by sealing it."""
    ledger = list(store.whole_ledger())
    assert verify(ledger) is None
    found = audit(store)
    return [
        ledger,
        [store.entries(n, 3) for n in range(1, len(ledger) + 2, 4)],
        [store.entries_for(name, day * DAY, day * DAY + DAY) for name in "ab" for day in range(DAYS)],
        [store.plan("a", seq) for seq in range(DAYS * A_DAY + 2)],
        [
            [plan.seq for plan in store.plans("a", before, limit)]
            for before in (None, 1, 2, 9, 99)
            for limit in (1, 4, 99)
        ],
        [
            store.plans("b"),
            store.plans("c"),
            store.latest_plans(),
            store.latest_plans(["b", "c"]),
            store.intersections(),
        ],
        [store.acks("a", begin, begin + length) for begin in range(0, DAYS * DAY, DAY // 2) for length in (1001, DAY)],
        [store.last_start(time) for time in (0, 1, DAY, DAY + 1, EVER)],
        store.plans_told(ledger),
        found,
    ]


@pytest.fixture
def store(location: str) -> Iterator[Store]:
    with open_store(location) as store:
        live_through(store, range(DAYS))
        yield store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_store(tmp_path / "data") as store:
        live_through(store, range(DAYS))
    return tmp_path / "data"


@pytest.fixture
def small_bites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_AT_ONCE", 3)


@pytest.mark.usefixtures("small_bites")
def test_what_was_sealed_is_found_as_before(store: Store, tmp_path: Path) -> None:
    before = contents(store)
    assert before[-1].fault is None
    assert store.archive(2 * DAY + 500, tmp_path / "old") == len([e for e in before[0] if e.at < 2 * DAY])
    assert store.rows("SELECT MIN(at) >= ?, COUNT(*) > 0 FROM ledger", 2 * DAY) == [(True, True)]
    assert store.rows("SELECT COUNT(*) FROM acks") == [(2 * A_DAY,)]
    assert store.rows("SELECT COUNT(*) FROM plans") == [(2 * A_DAY + 1,)]
    assert contents(store) == before
    assert store.archive(2 * DAY + 500, tmp_path / "old") == 0
    store.archive(EVER, tmp_path / "elsewhere")
    assert store.rows("SELECT (SELECT COUNT(*) FROM ledger) + (SELECT COUNT(*) FROM plans)") == [(0,)]
    assert contents(store) == before


def test_chain_and_numbers_go_on_after_everything_was_sealed(store: Store, tmp_path: Path) -> None:
    store.archive(EVER, tmp_path / "old")
    live_through(store, range(DAYS, DAYS + 2))
    everything = list(store.whole_ledger())
    assert verify(everything) is None
    assert [entry.n for entry in everything] == list(range(1, len(everything) + 1))
    assert [plan.seq for plan in store.plans("a", None, 7)] == list(range(30, 23, -1))
    store.archive(EVER, tmp_path / "old")
    assert list(store.whole_ledger()) == everything
    found = audit(store)
    assert (found.fault, found.plans) == (None, 30 + 2)


def test_only_what_is_sealed_may_go(store: Store, tmp_path: Path) -> None:
    store.archive(DAY, tmp_path / "old")
    (first,) = store.entries(1, 1)
    assert first.at == 0
    for statement in (
        "DELETE FROM ledger",
        "UPDATE ledger SET at = 1",
        "DELETE FROM volumes",
        "UPDATE volumes SET plans = 1",
    ):
        with pytest.raises(ContractError, match="append-only"):
            store.rows(statement)


def test_anybody_can_read_the_files(folder: Path) -> None:
    with open_store(folder) as store:
        store.archive(EVER, folder / "archive")
    files = sorted(path.name for path in (folder / "archive").glob("ledger-*"))
    assert files == [f"ledger-1970-01-0{day + 1}-00000{day + 1}.parquet" for day in range(DAYS)]
    rows = [row for name in files for row in pq.read_table(folder / "archive" / name).to_pylist()]
    assert [row["n"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["previous"] for row in rows[1:]] == [row["hash"] for row in rows[:-1]]
    assert {row["kind"] for row in rows if row["plan"] is not None} == {"plan"}
    acks = pq.read_table(folder / "archive" / "acks-1970-01-02-000002.parquet").to_pylist()
    assert acks[0] == {"number": 6, "intersection": "a", "at": DAY + 1000, "text": '{"at":865000}'}
    with open_store(folder.rename(folder.with_name("elsewhere"))) as store:
        assert verify(store.whole_ledger()) is None


def rewrite(path: Path, column: str, row: int, value: object) -> None:
    """Edit a file of the archive behind the store's back."""
    table = pq.read_table(path)
    values = table[column].to_pylist()
    values[row] = value
    where = table.schema.get_field_index(column)
    pq.write_table(
        table.set_column(where, table.schema.field(where), pa.array(values, table.schema.field(where).type)), path
    )


@pytest.mark.parametrize(
    ("column", "row", "value", "words"),
    [
        ("text", 1, '{"day":7}', "entry 15 is missing or is not what was written"),
        ("hash", 0, "sha256:" + 64 * "1", "entry 14 is missing"),
        ("at", 11, 0, "entry 25 is missing"),
        ("plan", 2, None, "plan 6 of a, told of by entry 16, is gone"),
        ("plan", 2, "{}", "plan 6 of a, told of by entry 16, is not what was published"),
        ("seq", 2, 3, "plan 6 of a, told of by entry 16, is not what was published"),
    ],
)
def test_an_edit_of_the_archive_is_found(folder: Path, column: str, row: int, value: object, words: str) -> None:
    with open_store(folder) as store:
        store.archive(3 * DAY, folder / "archive")
        rewrite(folder / "archive" / "ledger-1970-01-02-000002.parquet", column, row, value)
        fault = audit(store).fault
    assert fault is not None
    assert words in fault


def test_a_lost_volume_is_said(folder: Path) -> None:
    with open_store(folder) as store:
        store.archive(3 * DAY, folder / "archive")
        (folder / "archive" / "ledger-1970-01-01-000001.parquet").unlink()
        assert [plan.seq for plan in store.plans("a", None, 5)] == [20, 19, 18, 17, 16]
        with pytest.raises(StoreError, match=r"ledger-1970-01-01-000001.parquet cannot be read.*restore it"):
            audit(store)


def test_a_foreign_plan_is_found_though_days_are_sealed(folder: Path) -> None:
    with open_store(folder) as store:
        store.archive(3 * DAY, folder / "archive")
        store.rows("INSERT INTO plans VALUES ('c', 1, 'x', '{}')")
        assert audit(store).fault == "the store holds 23 plans and the ledger tells of 22: some were put in or out"


def test_a_clock_that_was_wrong_holds_nothing_up_and_leaves_no_gap(tmp_path: Path) -> None:
    times = [100, 50 * DAY, DAY + 5, 7, 3 * DAY + 1, 3 * DAY + 2]
    with open_store(tmp_path / "data") as store:
        for time in times:
            store.append_entries([NewEntry(time, "tick", None, {})])
            store.add_ack("a", time, {})
        assert store.archive(3 * DAY + 500, tmp_path / "old") == 4
        assert [entry.at for entry in store.whole_ledger()] == times
        assert verify(store.whole_ledger()) is None
        assert [ack.at for ack in store.acks("a", 0, 100 * DAY)] == times
        assert store.rows("SELECT COUNT(*) FROM acks") == [(2,)]


def test_days_without_entries_or_without_acknowledgements(tmp_path: Path) -> None:
    with open_store(tmp_path / "data") as store:
        store.add_ack("a", 10, {})
        store.append_entries([NewEntry(DAY, "tick", None, {})])
        store.add_ack("a", 2 * DAY, {})
        assert store.archive(EVER, tmp_path / "old") == 1
        assert store.rows(
            "SELECT number, first_entry, last_entry, first_ack, last_ack FROM volumes ORDER BY number"
        ) == [
            (1, 1, 0, 1, 1),
            (2, 1, 1, 2, 1),
            (3, 2, 1, 2, 2),
        ]
        assert [ack.at for ack in store.acks("a", 0, EVER)] == [10, 2 * DAY]
        assert store.append_entries([NewEntry(3 * DAY, "tick", None, {})]) == 2
        assert verify(store.whole_ledger()) is None


CHILD = """
import json, os, shutil, signal, sys
from pathlib import Path
from citybrain.storage import parquet_files, sealing
from citybrain.storage.session import Session
from citybrain.storage.store import open_store

source, place = Path(sys.argv[1]), Path(sys.argv[2])
sealing._AT_ONCE = 7

def dying(step, function, counter):
    def call(*arguments):
        counter[0] += len(arguments) == 1 or arguments[2] == "COMMIT"
        if counter[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments)
    return call

def attempt(folder, step):
    counter = [0]
    with open_store(folder) as store:
        parquet_files.flush = dying(step, parquet_files.flush, counter)
        Session._run = dying(step, Session._run, counter)
        store.archive(2 * sealing.DAY, folder.parent / "old")

died = 0
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
    died += 1
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
    assert steps == 2 * 8  # a volume is four flushes, the seal, two bites of entries and one of acknowledgements
    left = set()
    for step in range(1, steps + 1):
        data = tmp_path / "tries" / str(step) / "data"
        with open_store(data) as store:
            left.add(store.rows("SELECT COUNT(*) FROM ledger")[0][0])
            assert contents(store) == before
            store.archive(2 * DAY, data.parent / "old")
            assert list(store.whole_ledger()) == before[0]
            assert store.rows("SELECT COUNT(*) FROM plans WHERE seq <= 10 AND intersection = 'a'") == [(0,)]
        assert not list((data.parent / "old").glob("*.part"))
        shutil.rmtree(data)
    assert len(left) > 4  # it died before, in and after every bite


def test_the_archivist_seals_days_that_were_over_before_those_it_keeps(folder: Path) -> None:
    with open_store(folder) as store:
        before = contents(store)
        with Archivist(store, StreetClock(3 * DAY + 500), folder / "archive", days=1):
            until(lambda: store.rows("SELECT MIN(at) FROM ledger") == [(2 * DAY,)])
        assert contents(store) == before
