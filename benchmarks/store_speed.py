"""How fast the store keeps what it must: group commit of posts, ticks with plans, the ledger's verification.

    python benchmarks/store_speed.py
    python benchmarks/store_speed.py --data postgresql://...

Every figure is of writes that are flushed to disk when they count. One waiting post means one transaction per post;
many waiting posts share a transaction.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections import deque
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from citybrain.plans.plan import with_seq
from citybrain.storage.audit import audit
from citybrain.storage.sealing import DAY
from citybrain.storage.store import NewEntry, NewPlan, Store, TickRecord, open_store
from citybrain.storage.writer import Writer

ROWS_A_POST = 1000
BYTES_A_ROW = 10
PLAN = {"body": {"schedule": {"stages": [{"stage": k, "begin": 600 * k} for k in range(6)]}}, "why": "x" * 900}


def keep_post(name: str, held: bytes, store: Store) -> int | None:
    """Keep one post."""
    return store.add_batch(name, "mast", 0, held, held[:64])


def posts(writer: Writer, count: int, waiting: int) -> float:
    """Post so many, with so many under way at any moment; gives posts a second."""
    held = os.urandom(ROWS_A_POST * BYTES_A_ROW)
    under_way: deque[Future[Any]] = deque()
    begin = time.perf_counter()
    for k in range(count):
        if len(under_way) == waiting:
            under_way.popleft().result()
        under_way.append(writer.submit(partial(keep_post, f"{waiting}-{k}", held)))
    while under_way:
        under_way.popleft().result()
    return count / (time.perf_counter() - begin)


def keep_tick(moment: int, n_plans: int, store: Store) -> None:
    """Keep a tick that publishes so many plans."""
    plans = [NewPlan(f"intersection {k}", {**PLAN, "made_at": moment}, {"why": "x" * 200}) for k in range(n_plans)]
    store.commit_tick(TickRecord(moment, (), b"inputs"), plans, [NewEntry(moment, "tick", None, {})], with_seq)


def ticks(writer: Writer, count: int, n_plans: int) -> float:
    """Seconds a tick with so many plans."""
    begin = time.perf_counter()
    for k in range(count):
        writer.submit(partial(keep_tick, k, n_plans)).result()
    return (time.perf_counter() - begin) / count


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="How fast the store keeps what it must.")
    parser.add_argument("--data", help="folder or postgresql://...; default: a new folder, removed afterwards")
    parser.add_argument("--archive", help="folder for sealed files; default: a new one, removed afterwards")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="citybrain-store-") as scratch,
        open_store(given.data or scratch) as store,
        Writer(store) as writer,
    ):
        print(f"posts of {ROWS_A_POST} rows, {ROWS_A_POST * BYTES_A_ROW} bytes, durable when counted")
        for count, waiting in ((500, 1), (2000, 8), (5000, 64), (10000, 512)):
            speed = posts(writer, count, waiting)
            print(f"  {waiting:4d} waiting: {speed:8.0f} posts/s = {speed * ROWS_A_POST:12,.0f} rows/s")
        for count, n_plans in ((200, 1), (20, 100), (10, 1000), (3, 10000)):
            print(f"tick with {n_plans:5d} plans: {1000 * ticks(writer, count, n_plans):8.1f} ms")
        print(verified(store))
        print(sealed(store, writer, Path(given.archive or scratch) / "archive"))
        print(f"sealed, {verified(store)}")
        begin = time.perf_counter()
        store.plans("intersection 1", None, 50)
        print(f"history of an intersection, 50 sealed plans: {1000 * (time.perf_counter() - begin):.0f} ms")


def verified(store: Store) -> str:
    """Verify the ledger; gives how fast."""
    begin = time.perf_counter()
    found = audit(store)
    elapsed = time.perf_counter() - begin
    return f"ledger verify: {found.entries} entries and {found.plans} plans, {found.entries / elapsed:,.0f} entries/s"


def sealed(store: Store, writer: Writer, folder: Path) -> str:
    """Seal the whole ledger while somebody writes; gives how fast, and how long a write took at most."""
    over = threading.Event()
    longest = [0.0]

    def write() -> None:
        while not over.is_set():
            begin = time.perf_counter()
            writer.submit(lambda store: store.add_ack("intersection 1", DAY, {})).result()
            longest[0] = max(longest[0], time.perf_counter() - begin)

    somebody = threading.Thread(target=write)
    somebody.start()
    begin = time.perf_counter()
    entries = store.archive(DAY, folder)
    elapsed = time.perf_counter() - begin
    over.set()
    somebody.join()
    return (
        f"sealing: {entries} entries in {elapsed:.1f} s, {entries / elapsed:,.0f} entries/s; "
        f"a write beside it took {1000 * longest[0]:.0f} ms at most"
    )


if __name__ == "__main__":
    main()
