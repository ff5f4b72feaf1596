"""The store keeps what it was given, once, in order, on SQLite and on a real PostgreSQL server alike."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from citybrain.errors import CityBrainError, ContractError, InputError, StoreError
from citybrain.storage.ledger import verify
from citybrain.storage.store import KeyRow, NewEntry, Override, Store, TickRecord, open_store
from tests.postgres_server import PostgresServer
from tests.store_helpers import draft, numbered, tick, until


@pytest.fixture
def store(location: str) -> Iterator[Store]:
    with open_store(location) as store:
        yield store


def edit(location: str, *statements: str) -> None:
    """Go behind the store's back, with the triggers that keep the ledger off."""
    if location.startswith("postgresql://"):
        with psycopg.connect(location, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement.encode())
        return
    with sqlite3.connect(Path(location) / "citybrain.db") as file:
        for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            file.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            file.execute(statement)
    file.close()


# ---- batches


def test_a_batch_is_kept_once(store: Store) -> None:
    first = store.add_batch("1", "mast 1", 100, b"rows", b"all accepted")
    assert first is not None
    assert store.add_batch("1", "mast 1", 200, b"other rows", b"other verdict") is None
    assert store.batch_verdict("1", "mast 1") == b"all accepted"
    (kept,) = store.untaken_batches()
    assert (kept.number, kept.sender, kept.batch_id, kept.received_at) == (first, "mast 1", "1", 100)
    assert (kept.judged, kept.verdict) == (b"rows", b"all accepted")


def test_two_senders_may_use_the_same_batch_id(store: Store) -> None:
    assert store.add_batch("1", "mast 1", 100, b"a", b"")
    assert store.batch_verdict("1", "mast 2") is None
    assert store.add_batch("1", "mast 2", 100, b"b", b"")
    assert [batch.judged for batch in store.untaken_batches()] == [b"a", b"b"]


def test_batches_come_back_by_number_in_the_order_asked_for(store: Store) -> None:
    numbers = [numbered(store, str(k)) for k in range(5)]
    assert numbers == sorted(set(numbers))
    assert [batch.batch_id for batch in store.batches([numbers[3], numbers[0]])] == ["3", "0"]
    assert store.batches([]) == []
    with pytest.raises(StoreError, match="batch 999 is neither in the store nor in its archive"):
        store.batches([numbers[0], 999])


# ---- ticks and plans


def test_a_tick_takes_its_batches_and_numbers_its_plans(store: Store) -> None:
    one, two = numbered(store, "1"), numbered(store, "2")
    plans = tick(store, 10, draft("a", note="first"), draft("b"), taken=(one,))
    assert [(plan.intersection, plan.seq, plan.plan_id) for plan in plans] == [
        ("a", 1, "sha256:a-1"),
        ("b", 1, "sha256:b-1"),
    ]
    assert plans[0].document == {"intersection": "a", "note": "first", "seq": 1, "plan_id": "sha256:a-1"}
    assert [batch.number for batch in store.untaken_batches()] == [two]
    tick(store, 20, draft("b"), taken=(two,))
    assert {name: plan.seq for name, plan in store.latest_plans().items()} == {"a": 1, "b": 2}
    assert [(t.number, t.time, t.taken, t.inputs) for t in store.ticks(0, 100)] == [
        (1, 10, (one,), b"inputs 10"),
        (2, 20, (two,), b"inputs 20"),
    ]


def test_what_a_tick_did_stands_in_the_ledger(store: Store) -> None:
    tick(store, 10, draft("a"))
    told, planned = store.entries()
    assert (told.n, told.kind, told.intersection, told.document) == (1, "tick", None, {"time": 10})
    assert (planned.kind, planned.intersection, planned.at) == ("plan", "a", 10)
    assert planned.document == {"constraint": "minimum_green", "seq": 1, "plan_id": "sha256:a-1"}


def test_history_of_plans(store: Store) -> None:
    for time in range(1, 6):
        tick(store, time, draft("a", time=time))
    assert [plan.seq for plan in store.plans("a", None, 3)] == [5, 4, 3]
    assert [plan.seq for plan in store.plans("a", 3, 3)] == [2, 1]
    found = store.plan("a", 4)
    assert found is not None
    assert found.document["time"] == 4
    assert store.plan("a", 6) is None
    assert store.plan("b", 1) is None


def test_a_tick_that_fails_leaves_nothing(store: Store) -> None:
    number = numbered(store, "1")

    def refuse(document: dict[str, Any], seq: int) -> dict[str, Any]:
        raise InputError(f"no plan {seq}")

    with pytest.raises(InputError, match="no plan 1"):
        store.commit_tick(TickRecord(10, (number,), b""), [draft("a")], [NewEntry(10, "tick", None, {})], refuse)
    assert [batch.number for batch in store.untaken_batches()] == [number]
    assert (store.last_tick(), store.latest_plans(), store.entries()) == (None, {}, [])
    (plan,) = tick(store, 10, draft("a"), taken=(number,))
    assert plan.seq == 1


def test_a_batch_is_taken_only_once(store: Store) -> None:
    number = numbered(store, "1")
    tick(store, 10, taken=(number,))
    with pytest.raises(ContractError, match="1 of 1 batches of a tick were not free"):
        tick(store, 20, taken=(number,))
    assert [t.time for t in store.ticks(0, 100)] == [10]


def test_two_plans_for_one_intersection_in_a_tick_are_a_bug(store: Store) -> None:
    with pytest.raises(ContractError, match="two plans for one intersection"):
        tick(store, 10, draft("a"), draft("a"))


def test_the_clock_may_go_back_but_numbers_never_do(store: Store) -> None:
    for time in (1000, 2000, 500, 600):
        tick(store, time, draft("a"))
    assert [t.number for t in store.ticks(0, 5000)] == [1, 2, 3, 4]
    assert [t.time for t in store.ticks(500, 1001)] == [1000, 500, 600]
    last = store.last_tick()
    assert last is not None
    assert (last.number, last.time) == (4, 600)
    assert [plan.seq for plan in store.plans("a")] == [4, 3, 2, 1]
    assert [entry.n for entry in store.whole_ledger()] == list(range(1, 9))
    assert verify(store.whole_ledger()) is None


def test_everything_is_there_after_opening_again_and_numbers_go_on(location: str) -> None:
    with open_store(location) as store:
        taken = numbered(store, "1")
        free = numbered(store, "2")
        tick(store, 10, draft("a"), taken=(taken,))
        tick(store, 20, draft("a"))
        store.save_checkpoint(20, b"memory", "1")
    with open_store(location, create=False) as store:
        assert [batch.number for batch in store.untaken_batches()] == [free]
        assert numbered(store, "3") > free
        (plan,) = tick(store, 30, draft("a"))
        assert plan.seq == 3
        found = store.checkpoint()
        assert found is not None
        assert (found.time, found.tick, found.data, found.version) == (20, 2, b"memory", "1")
        assert [t.time for t in store.ticks_after(found.tick)] == [30]
        assert verify(store.whole_ledger()) is None


# ---- acknowledgements, overrides, keys, checkpoints


def test_acknowledgements(store: Store) -> None:
    one = store.add_ack("a", 10, {"verdict": "accepted"})
    two = store.add_ack("b", 11, {"verdict": "refused", "sentence": "Grün fehlt \x00 \u2028"})
    three = store.add_ack("a", 9, {"verdict": "running"})
    assert [ack.number for ack in store.acks("a", 0, 100)] == [one, three]
    assert [ack.number for ack in store.acks("a", 10, 11)] == [one]
    assert [ack.number for ack in store.acks_after(one)] == [two, three]
    assert store.acks_after(one)[0].document == {"verdict": "refused", "sentence": "Grün fehlt \x00 \u2028"}


def test_overrides_are_in_force_from_begin_until_their_end(store: Store) -> None:
    freeze = store.add_override(Override("a", "freeze", None, "Ada", "works", 100, 200))
    stage = store.add_override(Override("b", "stage", {"stage": 2}, "Bo", "demonstration", 100, 300))
    in_force = {time: [o.number for o in store.overrides(time)] for time in (99, 100, 199, 200, 300)}
    assert in_force == {99: [], 100: [freeze, stage], 199: [freeze, stage], 200: [stage], 300: []}
    assert store.end_override(stage, "Cy", 150)
    assert not store.end_override(stage, "Cy", 160)
    assert not store.end_override(99, "Cy", 160)
    assert [o.number for o in store.overrides(149)] == [freeze, stage]
    assert [o.number for o in store.overrides(150)] == [freeze]
    ended = store.overrides()[1]
    assert ended.override == Override("b", "stage", {"stage": 2}, "Bo", "demonstration", 100, 300)
    assert (ended.ended_at, ended.ended_by) == (150, "Cy")


def test_keys(store: Store) -> None:
    store.add_key(KeyRow("k1", "hash 1", "controller", ("a", "b"), "cabinet", 10))
    store.add_key(KeyRow("k2", "hash 2", "reader", None, "screen", 20))
    with pytest.raises(InputError, match="there is a key k1 already"):
        store.add_key(KeyRow("k1", "hash 3", "operator", None, "thief", 30))
    assert store.revoke_key("k1", 40)
    assert not store.revoke_key("k1", 50)
    assert not store.revoke_key("k9", 50)
    assert store.keys() == [
        KeyRow("k1", "hash 1", "controller", ("a", "b"), "cabinet", 10, 40),
        KeyRow("k2", "hash 2", "reader", None, "screen", 20, None),
    ]


def test_the_newest_checkpoint_before_a_time(store: Store) -> None:
    assert store.checkpoint() is None
    for time in (100, 200):
        tick(store, time)
        store.save_checkpoint(time, b"at %d" % time, "v1")
    found = [store.checkpoint(time) for time in (99, 100, 199, 200, None)]
    assert [None if c is None else c.data for c in found] == [None, b"at 100", b"at 100", b"at 200", b"at 200"]


# ---- the ledger in the database


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET text = '{\"time\":11}' WHERE n = 3",
        "UPDATE ledger SET text = '{\"time\": 20}' WHERE n = 3",
        "UPDATE ledger SET at = 21 WHERE n = 3",
        "UPDATE ledger SET kind = 'stop' WHERE n = 3",
        "UPDATE ledger SET intersection = 'b' WHERE n = 3",
        "UPDATE ledger SET hash = previous WHERE n = 3",
        "DELETE FROM ledger WHERE n = 3",
    ],
)
def test_every_edit_of_the_ledger_shows(location: str, store: Store, statement: str) -> None:
    for time in (10, 20, 30):
        tick(store, time, draft("a"))
    assert verify(store.whole_ledger()) is None
    edit(location, statement)
    assert verify(store.whole_ledger()) == 3


def test_the_database_itself_refuses_edits_of_the_ledger(store: Store) -> None:
    tick(store, 10)
    for statement in ("UPDATE ledger SET at = 1", "DELETE FROM ledger"):
        with pytest.raises(ContractError, match="append-only"), store.transaction():
            store.rows(statement)


def test_entries_about_an_intersection(store: Store) -> None:
    for time in (10, 20, 30):
        tick(store, time, draft("a"), draft("b"))
    assert [(e.n, e.at) for e in store.entries_for("b", 10, 30)] == [(3, 10), (6, 20)]
    assert [e.n for e in store.entries(4, 2)] == [4, 5]


# ---- transactions


def test_a_part_of_a_transaction_can_fail_alone(store: Store) -> None:
    with store.transaction():
        store.add_ack("a", 1, {})
        with pytest.raises(InputError):
            _ack_and_fail(store)
        with store.transaction():
            store.add_ack("a", 3, {})
    assert [ack.at for ack in store.acks("a", 0, 10)] == [1, 3]


def _ack_and_fail(store: Store) -> None:
    with store.transaction():
        store.add_ack("a", 2, {})
        raise InputError("not this one")


def test_nobody_sees_a_transaction_before_it_has_ended(store: Store) -> None:
    seen = []

    def look() -> None:
        seen.append(len(store.acks("a", 0, 10)))

    with store.transaction():
        store.add_ack("a", 1, {})
        assert len(store.acks("a", 0, 10)) == 1
        other = threading.Thread(target=look)
        other.start()
        other.join()
    assert seen == [0]
    assert len(store.acks("a", 0, 10)) == 1


def test_two_processes_or_stores_may_write_to_one_place(location: str) -> None:
    with open_store(location) as one, open_store(location) as two:

        def append(store: Store) -> None:
            for k in range(50):
                store.append_entries([NewEntry(k, "key", None, {"k": k})])

        threads = [threading.Thread(target=append, args=(store,)) for store in (one, two, one)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [entry.n for entry in one.whole_ledger()] == list(range(1, 151))
        assert verify(one.whole_ledger()) is None


def test_many_may_open_a_new_place_at_once(location: str) -> None:
    together = threading.Barrier(6)

    def opened(_: int) -> int:
        together.wait()
        with open_store(location) as store:
            return store.append_entries([NewEntry(0, "start", None, {})])

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(opened, range(6))) == [1, 2, 3, 4, 5, 6]


def test_one_service_at_a_time(location: str) -> None:
    with open_store(location) as one, open_store(location) as two:
        with one.alone():
            with pytest.raises(InputError, match="another service runs on this store"), two.alone():
                pytest.fail("two services")
            two.append_entries([NewEntry(0, "key", None, {})])
        with two.alone():
            one.append_entries([NewEntry(0, "key", None, {})])
        two.close()
        with one.alone():
            pass


SERVICE = """
import sys
from citybrain.storage.store import open_store
with open_store(sys.argv[1]).alone():
    print(1, flush=True)
    sys.stdin.read()
"""


def test_a_service_that_was_killed_makes_room(location: str) -> None:
    with open_store(location) as store:
        command = [sys.executable, "-c", SERVICE, location]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:
            assert service.stdout is not None
            assert service.stdout.readline() == b"1\n"
            with pytest.raises(InputError, match="another service"), store.alone():
                pytest.fail("two services")
            service.kill()
        until(lambda: is_free(store))


def is_free(store: Store) -> bool:
    """A server needs a moment to see that a client is gone."""
    try:
        with store.alone():
            return True
    except InputError:
        return False


# ---- wrong input


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: s.add_batch("\0", "x", 1, b"", b""), "NUL"),
        (lambda s: s.add_batch("\ud800", "x", 1, b"", b""), "no Unicode text"),
        (lambda s: s.add_batch("1", "x", 2**63, b"", b""), "out of range"),
        (lambda s: s.add_ack("a", 1, {"x": float("nan")}), "no JSON"),
        (lambda s: s.add_ack("a", 1, {"x": "\udfff"}), "no JSON"),
        (lambda s: s.add_ack("a", 1, {"x": b"bytes"}), "no JSON"),
        (lambda s: s.add_override(Override("a", "stage", 1, "Ada\0", "", 0, 1)), "NUL"),
        (lambda s: s.append_entries([NewEntry(1, "start", None, {"x": "\ud800"})]), "no JSON"),
        (lambda s: s.append_entries([NewEntry(1, "gossip", None, {})]), "no entries of kind"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(store: Store, call: Callable[[Store], Any], words: str) -> None:
    with pytest.raises(CityBrainError, match=words) as caught:
        call(store)
    assert isinstance(caught.value, InputError | ContractError)
    assert store.add_ack("a", 1, {"still": "working"}) >= 1


def test_a_place_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no City Brain store"):
        open_store(tmp_path / "nothing", create=False)
    assert not (tmp_path / "nothing").exists()
    (tmp_path / "file").write_text("a file")
    with pytest.raises(InputError, match="cannot be the data folder"):
        open_store(tmp_path / "file")


def test_a_database_without_a_store(server: PostgresServer) -> None:
    with pytest.raises(InputError, match="holds no City Brain store"):
        open_store(server.new_schema(), create=False)


def test_a_store_of_another_version_is_refused(location: str) -> None:
    open_store(location).close()
    edit(location, "UPDATE about SET version = '0'")
    with pytest.raises(InputError, match="another version of the project"):
        open_store(location)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "citybrain.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match="no SQLite file"):
        open_store(tmp_path)
    with sqlite3.connect(tmp_path / "other.db") as file:
        file.execute("CREATE TABLE cats (name TEXT)")
    file.close()
    (tmp_path / "other.db").replace(tmp_path / "citybrain.db")
    with pytest.raises(InputError, match="holds no City Brain store"):
        open_store(tmp_path)


def test_no_server(server: PostgresServer) -> None:
    with pytest.raises(StoreError, match="check that the server runs"):
        open_store("postgresql://nobody@127.0.0.1:1/city")
    with pytest.raises(StoreError, match="does not exist"):
        open_store(server.address("no_such_database"))
