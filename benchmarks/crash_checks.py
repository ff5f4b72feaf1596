"""What a store must still hold after its writer was killed, whoever the writer was: see crash."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from citybrain.storage.audit import audit
from citybrain.storage.ledger import GENESIS, verify
from citybrain.storage.store import Store

EVER = (-(2**60), 2**60)


class BrokenPromiseError(Exception):
    """What was told did not last."""


def must(holds: bool, words: str) -> None:
    """Stop where a promise is broken.

    Raises
    ------
    BrokenPromiseError
        If it is.
    """
    if not holds:
        raise BrokenPromiseError(words)


class ToldBatch(NamedTuple):
    """A batch that was acknowledged; ``judged`` and ``number`` where the teller knows them."""

    sender: str
    batch_id: str
    verdict: bytes
    judged: bytes | None = None
    number: int | None = None


class ToldPlan(NamedTuple):
    """A plan that somebody (``who``) was given; ``text`` where he got the whole of it."""

    who: str
    intersection: str
    seq: int
    plan_id: str
    text: str | None = None


class ToldOverride(NamedTuple):
    """An override that was acknowledged."""

    number: int
    intersection: str
    kind: str
    value: int | None
    until: int


@dataclass
class Told:
    """What was told and not checked yet; ``acks``: intersection and document in canonical form; ``ticks``: times."""

    batches: list[ToldBatch] = field(default_factory=list)
    acks: list[tuple[str, str]] = field(default_factory=list)
    plans: list[ToldPlan] = field(default_factory=list)
    overrides: list[ToldOverride] = field(default_factory=list)
    ticks: list[int] = field(default_factory=list)


@dataclass
class Promises:
    """What was told and checked so far, over all lives.

    Attributes
    ----------
    forward : the street's clock never goes back, so ticks must not either; and nothing moves to the archive.
    batches, acks, plans, overrides, ticks : how many were told; a plan counts every time somebody is given it.
    head : number and hash of the ledger's last entry.
    """

    forward: bool = False
    kills: int = 0
    batches: int = 0
    acks: int = 0
    plans: int = 0
    overrides: int = 0
    ticks: int = 0
    head: tuple[int, str] = (0, GENESIS)
    last_ack: int = 0
    acknowledging: set[str] = field(default_factory=set)
    last_tick: tuple[int, int] = (0, -(2**62))
    last_seq: dict[tuple[str, str], int] = field(default_factory=dict)
    names: dict[tuple[str, int], str] = field(default_factory=dict)
    tick_times: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)


def check(store: Store, promises: Promises, told: Told, *, whole: bool) -> None:
    """Check what was told in the last life and the ledger's new end; the whole store too where asked for.

    Raises
    ------
    BrokenPromiseError
        At the first promise that did not last.
    """
    check_batches(store, told)
    check_acks(store, promises, told)
    for plan in told.plans:
        check_plan(store, promises, plan)
    check_overrides(store, told)
    with store.transaction():
        ((numbers,),), there = store.rows("SELECT COALESCE(SUM(last), 0) FROM sequences"), store.n_plans()
    must(numbers == there, f"{there} plans are kept, {numbers} numbers were given")
    check_ledger(store, promises)
    if promises.forward:
        check_new_ticks(store, promises, told)
    promises.batches += len(told.batches)
    promises.acks += len(told.acks)
    promises.plans += len(told.plans)
    promises.overrides += len(told.overrides)
    promises.ticks += len(told.ticks)
    if whole:
        check_whole(store, promises)


def check_batches(store: Store, told: Told) -> None:
    """Check that every batch that was told is there, in the store or its archive, with the verdict that was given."""
    numbers = [number_of(store, one) for one in told.batches]
    for batch, one in zip(store.batches(numbers), told.batches, strict=True):
        same = (batch.sender, batch.batch_id, batch.verdict) == (one.sender, one.batch_id, one.verdict)
        held = one.judged is None or batch.judged == one.judged
        must(same and held, f"batch {one.batch_id} of {one.sender} is damaged")


def number_of(store: Store, one: ToldBatch) -> int:
    """Look up a batch's number."""
    if one.number is not None:
        return one.number
    rows = store.rows("SELECT number FROM batches WHERE sender = ? AND batch_id = ?", one.sender, one.batch_id)
    must(bool(rows), f"batch {one.batch_id} of {one.sender} is lost")
    return int(rows[0][0])


def check_acks(store: Store, promises: Promises, told: Told) -> None:
    """Check that every acknowledgement that was told is kept, in the database or sealed."""
    kept = store.acks_after(max(0, promises.last_ack - 1000))
    there = {(ack.intersection, ack.text) for ack in kept}
    for name in {name for name, text in told.acks if (name, text) not in there}:
        there |= {(name, ack.text) for ack in store.acks(name, *EVER)}
    for one in told.acks:
        must(one in there, f"an acknowledgement of {one[0]} is lost or changed: {one[1]}")
    promises.acknowledging |= {name for name, _ in told.acks}
    if kept:
        promises.last_ack = kept[-1].number


def check_plan(store: Store, promises: Promises, plan: ToldPlan) -> None:
    """Check that a plan is kept as it was given, its number is no other plan's, and nobody's numbers went back."""
    name, seq = plan.intersection, plan.seq
    before = promises.last_seq.get((plan.who, name), 0)
    must(seq >= before, f"{name}: plan {seq} told after plan {before}")
    promises.last_seq[plan.who, name] = seq
    known = promises.names.setdefault((name, seq), plan.plan_id)
    must(known == plan.plan_id, f"{name}: two plans have the number {seq}")
    kept = store.plan(name, seq)
    same = kept is not None and kept.plan_id == plan.plan_id and plan.text in (None, kept.text)
    must(same, f"plan {seq} of {name} is lost or changed")


def check_overrides(store: Store, told: Told) -> None:
    """Check that every override that was told is there."""
    kept = {one.number: one.override for one in store.overrides()} if told.overrides else {}
    for one in told.overrides:
        found = kept.get(one.number)
        same = found is not None and (found.intersection, found.kind, found.value, found.until) == one[1:]
        must(same, f"override {one.number} is lost or changed")


def check_ledger(store: Store, promises: Promises) -> None:
    """Check that the ledger still has the head that it had, and goes on from there without a fault or an error."""
    n, head = promises.head
    if n:
        (old,) = store.entries(n, 1) or (None,)
        must(old is not None and (old.n, old.hash) == promises.head, f"ledger: entry {n} is not what it was")
    while page := store.entries(n + 1):
        broken = verify(page, n, head)
        must(broken is None, f"ledger: entry {broken} is missing or is not what was written")
        for entry in page:
            must(entry.kind != "error", f"ledger: entry {entry.n} tells of an error: {entry.text}")
        n, head = page[-1].n, page[-1].hash
    promises.head = (n, head)


def check_new_ticks(store: Store, promises: Promises, told: Told) -> None:
    """Check that ticks since the last look come one by one in number, only forward in time, and take a batch once."""
    number, time = promises.last_tick
    for tick in store.ticks_after(number):
        must(tick.number == number + 1, f"after tick {number} comes tick {tick.number}")
        must(tick.time > time, f"tick {tick.number} is of {tick.time}, the one before of {time}")
        must(promises.taken.isdisjoint(tick.taken), f"tick {tick.number} took a batch for the second time")
        promises.taken.update(tick.taken)
        promises.tick_times.add(tick.time)
        number, time = tick.number, tick.time
    promises.last_tick = (number, time)
    for finished in told.ticks:
        must(finished in promises.tick_times, f"the tick of {finished}, told as finished, is not there")


def check_whole(store: Store, promises: Promises) -> None:
    """Check the numbers of all ticks, that a batch was taken once or is to be, and every ledger entry and plan."""
    ticks = store.ticks(*EVER)
    must([one.number for one in ticks] == list(range(1, len(ticks) + 1)), "ticks are not numbered one by one")
    must(
        promises.forward or len(ticks) >= promises.ticks,
        f"of {promises.ticks} ticks that were told, {len(ticks)} are left",
    )
    numbers = [number for one in ticks for number in one.taken] + [one.number for one in store.untaken_batches()]
    must(len(set(numbers)) == len(numbers), "a batch was taken twice")
    told = promises.batches
    must(len(numbers) >= told, f"of {told} batches that were told, {len(numbers)} were taken or are to be")
    acks = sum(len(store.acks(name, *EVER)) for name in promises.acknowledging)
    must(acks >= promises.acks, f"of {promises.acks} acknowledgements that were told, {acks} are left")
    found = audit(store, promises.head)
    must(found.fault is None, f"ledger: {found.fault}")


def count_line(promises: Promises) -> str:
    """Give the counts in one line."""
    return (
        f"{promises.kills} kills: {promises.batches} batches, {promises.acks} acknowledgements, {promises.ticks} ticks "
        f"and {promises.plans} plans were told, all are kept; {promises.head[0]} ledger entries verify"
    )
