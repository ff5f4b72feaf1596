"""kill -9 at random moments, by the benchmark's own code; and that it would tell of a loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.crash import kill_service, report
from benchmarks.crash_checks import BrokenPromiseError, Promises, Told, ToldBatch, ToldOverride, ToldPlan, check
from benchmarks.crash_store import contents, run
from citybrain.plans.plan import with_seq
from citybrain.storage.ledger import canonical
from citybrain.storage.store import NewEntry, NewPlan, Override, Store, TickRecord, open_store
from tests.postgres_server import PostgresServer

ACK = {"at": 0, "life": 1, "verdict": "accepted"}


def test_the_service_loses_nothing_and_cabinets_come_back(tmp_path: Path) -> None:
    tally = kill_service(3, tmp_path, "cologne1", seed=4, longest_s=1.5)
    promises, cabinets = tally.promises, tally.street.cabinets
    assert promises.kills == 3
    assert min(promises.batches, promises.acks, promises.plans, promises.overrides, len(promises.tick_times)) > 0
    assert all(cabinet.polls_to_return for cabinet in cabinets)
    assert tally.street.notes.count["posted again"] > 0
    assert "| kills | 3 |" in report(tally, "cologne1")


def test_nothing_is_lost_on_sqlite(tmp_path: Path) -> None:
    promises = run(4, str(tmp_path / "data"), tmp_path / "archive", seed=2)
    assert promises.kills == 4
    assert min(promises.batches, promises.acks, promises.ticks, promises.plans) > 0


def test_nothing_is_lost_on_postgres(tmp_path: Path) -> None:
    server = PostgresServer()
    try:
        promises = run(2, server.new_schema(), tmp_path / "archive", seed=3)
        assert min(promises.batches, promises.acks, promises.ticks) > 0
    finally:
        server.remove()


def kept(store: Store) -> Told:
    """A small life; what it would have told."""
    held = contents("mast", "1-0")
    number = store.add_batch("1-0", "mast", 0, held, held[:50])
    assert number is not None
    entries = [NewEntry(0, "tick", None, {})]
    (plan,) = store.commit_tick(TickRecord(0, (number,), b""), [NewPlan("intersection 0", {}, {})], entries, with_seq)
    store.add_ack("intersection 0", 0, ACK)
    override = store.add_override(Override("intersection 0", "stage", 1, "Ada", "a march", 0, 50))
    return Told(
        batches=[ToldBatch("mast", "1-0", held[:50], held)],
        acks=[("intersection 0", canonical(ACK))],
        plans=[ToldPlan("reader", plan.intersection, plan.seq, plan.plan_id, plan.text)],
        overrides=[ToldOverride(override, "intersection 0", "stage", 1, 50)],
        ticks=[0],
    )


@pytest.mark.parametrize("forward", [False, True])
def test_what_is_whole_is_found_whole(tmp_path: Path, forward: bool) -> None:
    with open_store(tmp_path) as store:
        promises = Promises(forward=forward)
        check(store, promises, kept(store), whole=True)
    assert (promises.batches, promises.acks, promises.plans, promises.overrides, promises.ticks) == (1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("statement", "words", "forward"),
    [
        ("DELETE FROM batches", "batch 1-0 of mast is lost", False),
        ("UPDATE batches SET judged = x'00'", "is damaged", False),
        ("UPDATE batches SET verdict = x'00'", "is damaged", False),
        ("INSERT INTO untaken VALUES (1)", "taken twice", False),
        ("DELETE FROM ticks", "of 1 ticks that were told, 0 are left", False),
        ("DELETE FROM ticks", "the tick of 0, told as finished, is not there", True),
        ("INSERT INTO ticks VALUES (2, 0, '[]', x'')", "tick 2 is of 0, the one before of 0", True),
        ("INSERT INTO ticks VALUES (2, 10, '[1]', x'')", "tick 2 took a batch for the second time", True),
        ("INSERT INTO ticks VALUES (3, 10, '[]', x'')", "after tick 1 comes tick 3", True),
        ("UPDATE ticks SET taken = '[]'", "of 1 batches that were told, 0 were taken", False),
        ("UPDATE plans SET seq = 2", "plan 1 of intersection 0 is lost", False),
        ("UPDATE plans SET text = text || ' '", "plan 1 of intersection 0 is lost or changed", False),
        ("DELETE FROM acks", "an acknowledgement of intersection 0 is lost", False),
        ("UPDATE overrides SET until_at = 51", "override 1 is lost or changed", False),
        ("UPDATE ledger SET at = 5 WHERE n = 1", "entry 1 is missing or is not what was written", False),
    ],
)
def test_a_loss_is_told(tmp_path: Path, statement: str, words: str, forward: bool) -> None:
    with open_store(tmp_path) as store:
        told = kept(store)
        store.rows("DROP TRIGGER ledger_keeps_words")
        store.rows(statement)
        with pytest.raises(BrokenPromiseError, match=words):
            check(store, Promises(forward=forward), told, whole=True)


def test_a_number_that_goes_back_is_told(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        told = kept(store)
        promises = Promises(last_seq={("reader", "intersection 0"): 2})
        with pytest.raises(BrokenPromiseError, match="plan 1 told after plan 2"):
            check(store, promises, told, whole=True)


def test_two_plans_of_one_number_are_told(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        told = kept(store)
        promises = Promises(names={("intersection 0", 1): "sha256:another"})
        with pytest.raises(BrokenPromiseError, match="two plans have the number 1"):
            check(store, promises, told, whole=True)


def test_an_error_in_the_ledger_is_told(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        told = kept(store)
        store.append_entries([NewEntry(0, "error", None, {"fault": "of some kind"})])
        with pytest.raises(BrokenPromiseError, match="tells of an error"):
            check(store, Promises(), told, whole=True)
