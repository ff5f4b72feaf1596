"""Checks the whole ledger, and that the plans in the store are those that it tells of.

May import the store and the plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from citybrain.plans.plan import plan_id
from citybrain.storage.ledger import GENESIS, LedgerEntry, canonical, verify
from citybrain.storage.store import Store, StoredPlan


@dataclass(frozen=True, slots=True)
class Audit:
    """What was gone through up to the first fault, if there is one; ``head`` is the hash of the last good entry."""

    entries: int
    plans: int
    head: str
    fault: str | None


def audit(store: Store, known: tuple[int, str] | None = None) -> Audit:
    """Go through the ledger and the plans once, in constant memory; the service may go on meanwhile.

    Parameters
    ----------
    store : what to check.
    known : number and hash of an entry that somebody noted earlier. Without one, entries that were cut off at the end
        show only where plans are left that they told of.
    """
    done = Audit(0, 0, GENESIS, None)
    while (page := store.entries(done.entries + 1)) and done.fault is None:
        done = _further(store, done, page, known)
    if done.fault is not None:
        return done
    with store.transaction():  # nothing comes in between the last entries and the count
        if page := store.entries(done.entries + 1):
            done = _further(store, done, page, known)
        there = store.n_plans()
    if done.fault is None and known is not None and known[0] > done.entries:
        return _faulty(done, f"entry {known[0]} is missing: the ledger ends at {done.entries}")
    if done.fault is None and there != done.plans:
        return _faulty(
            done, f"the store holds {there} plans and the ledger tells of {done.plans}: some were put in or out"
        )
    return done


def _further(store: Store, done: Audit, page: Sequence[LedgerEntry], known: tuple[int, str] | None) -> Audit:
    broken = verify(page, done.entries, done.head)
    good = page if broken is None else page[: broken - done.entries - 1]
    head, plans = done.head, done.plans
    kept = store.plans_told(good)
    for entry in good:
        fault = None
        if entry.kind == "plan":
            plans += 1
            fault = _plan_fault(kept.get(entry.n), entry)
        if known is not None and entry.n == known[0] and entry.hash != known[1]:
            fault = f"entry {entry.n} has another hash than the one noted: the ledger was written anew"
        if fault is not None:
            return Audit(entry.n, plans, head, fault)
        head = entry.hash
    fault = None if broken is None else f"entry {broken} is missing or is not what was written"
    return Audit(done.entries + len(good), plans, head, fault)


def _plan_fault(plan: StoredPlan | None, entry: LedgerEntry) -> str | None:
    told = entry.document
    where = f"plan {told['seq']} of {entry.intersection}, told of by entry {entry.n},"
    if plan is None:
        return f"{where} is gone"
    try:
        same = plan.plan_id == plan_id(plan.document) == told["plan_id"] and canonical(plan.document) == plan.text
        same &= (plan.intersection, plan.seq) == (entry.intersection, told["seq"])
    except (ValueError, TypeError, AttributeError):  # no JSON object any more
        same = False
    return None if same else f"{where} is not what was published"


def _faulty(done: Audit, fault: str) -> Audit:
    return Audit(done.entries, done.plans, done.head, fault)
