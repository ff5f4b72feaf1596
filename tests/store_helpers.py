"""What the tests of the store share: drafts of plans, and how the service finishes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from citybrain.storage.store import NewEntry, NewPlan, Store, StoredPlan, TickRecord

SOON_S = 20.0


def until(holds: Callable[[], bool]) -> None:
    """Poll a condition, but not for ever."""
    pause = threading.Event()
    for _ in range(int(SOON_S / 0.02)):
        if holds():
            return
        pause.wait(0.02)
    pytest.fail("waited in vain")


def finish(document: dict[str, Any], seq: int) -> dict[str, Any]:
    """Put in what is known only in the transaction."""
    return {**document, "seq": seq, "plan_id": f"sha256:{document['intersection']}-{seq}"}


def draft(intersection: str, **more: Any) -> NewPlan:
    """Draft a plan."""
    return NewPlan(intersection, {"intersection": intersection, **more}, {"constraint": "minimum_green"})


def tick(store: Store, time: int, *plans: NewPlan, taken: tuple[int, ...] = ()) -> list[StoredPlan]:
    """Keep a tick with an entry about it."""
    entries = [NewEntry(time, "tick", None, {"time": time})]
    return store.commit_tick(TickRecord(time, taken, b"inputs %d" % time), plans, entries, finish)


def numbered(store: Store, batch_id: str, size: int = 10) -> int:
    """Keep a batch that is not known yet; gives its number."""
    number = store.add_batch(batch_id, "mast 1", 5, bytes(size), b"verdict of " + batch_id.encode())
    assert number is not None
    return number
