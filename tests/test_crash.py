"""kill -9 at random moments on SQLite and PostgreSQL, by the benchmark's own code; and that it would tell of a loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.crash import BrokenPromiseError, Promises, check, contents, run
from citybrain.live.store import NewEntry, NewPlan, Store, TickRecord, open_store
from citybrain.plans.plan import with_seq
from tests.postgres_server import PostgresServer


def test_nothing_is_lost_on_sqlite(tmp_path: Path) -> None:
    promises = run(5, str(tmp_path / "data"), tmp_path / "archive", seed=2)
    assert promises.kills == 5
    assert min(promises.batches, promises.acks, promises.ticks, promises.plans) > 0


def test_nothing_is_lost_on_postgres(tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        promises = run(2, server.new_schema(), tmp_path / "archive", seed=3)
        assert min(promises.batches, promises.acks, promises.ticks) > 0
    finally:
        server.remove()


def kept(store: Store) -> Promises:
    """A small life, with what it would have told."""
    held = contents("mast", "1-0")
    number = store.add_batch("1-0", "mast", 0, held, held[:50])
    assert number is not None
    told = [NewEntry(0, "tick", None, {})]
    (plan,) = store.commit_tick(TickRecord(0, (number,), b""), [NewPlan("intersection 0", {}, {})], told, with_seq)
    ack = store.add_ack("intersection 0", 0, {"at": 0, "life": 1, "verdict": "accepted"})
    return Promises(
        kills=1,
        ticks=1,
        new_batches=[("mast", "1-0", number)],
        new_acks=[(ack, 0, 1)],
        new_plans=[(plan.intersection, plan.seq, plan.plan_id)],
    )


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM batches", "batch 1 is neither in the store"),
        ("UPDATE batches SET judged = x'00'", "is damaged"),
        ("INSERT INTO untaken VALUES (1)", "taken twice"),
        ("DELETE FROM ticks", "of 1 ticks that were told, 0 are left"),
        ("UPDATE ticks SET taken = '[]'", "of 1 batches that were told, 0 were taken"),
        ("UPDATE plans SET seq = 2", "plan 1 of intersection 0 is lost"),
        ("DELETE FROM acks", "acknowledgement 1 is lost"),
        ("UPDATE ledger SET at = 5 WHERE n = 1", "entry 1 is missing or is not what was written"),
    ],
)
def test_a_loss_is_told(tmp_path: Path, statement: str, words: str) -> None:
    with open_store(tmp_path) as store:
        promises = kept(store)
        store.rows("DROP TRIGGER ledger_keeps_words")
        store.rows(statement)
        with pytest.raises(Exception, match=words) as caught:
            check(store, promises, whole=True)
    assert type(caught.value).__name__ in ("BrokenPromiseError", "StoreError")


def test_a_number_that_goes_back_is_told(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        promises = kept(store)
        promises.last_seq["intersection 0"] = 1
        with pytest.raises(BrokenPromiseError, match="plan 1 told after plan 1"):
            check(store, promises, whole=True)
