"""A child process that uses the store alone, as hard as it can, and its parent that kills it: see crash.

It posts, ticks with plans, acknowledges, saves checkpoints and moves what is old into the archive, all at once, with a
clock that jumps back now and then. It tells the parent over a pipe what it would have acknowledged, after the write is
done.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.crash_checks import Promises, Told, ToldBatch, ToldPlan, check, count_line, must
from citybrain.plans.plan import with_seq
from citybrain.randomness import generator
from citybrain.storage import archive
from citybrain.storage.ledger import canonical
from citybrain.storage.sealing import DAY
from citybrain.storage.store import NewEntry, NewPlan, Store, StoredPlan, TickRecord, open_store
from citybrain.storage.writer import Writer

INTERSECTIONS = [f"intersection {k}" for k in range(12)]
N_POSTERS = 4
LONGEST_S = 0.5
START_S = 60.0
WHOLE_EVERY = 20


# ---- the child


def child(data: str, archive_folder: str, life: int) -> None:
    """Write until killed."""
    archive._TICKS_A_PIECE = 20  # noqa: SLF001 - pieces small enough to be many
    with open_store(data) as store, Writer(store) as writer, ThreadPoolExecutor(N_POSTERS + 3) as pool:
        tell({"ready": life})
        jobs = [pool.submit(post, writer, f"mast {k}", life) for k in range(N_POSTERS)]
        jobs += [pool.submit(acknowledge, writer, life), pool.submit(plan, store, writer, life)]
        jobs.append(pool.submit(move, store, Path(archive_folder)))
        for job in jobs:
            job.result()


def tell(promise: dict[str, Any]) -> None:
    """Tell the parent, in one write: a line comes whole or not at all."""
    line = json.dumps(promise).encode() + b"\n"
    assert os.write(1, line) == len(line)


def contents(sender: str, batch_id: str) -> bytes:
    """Say what a batch holds: follows from its name, so that the parent can tell whether it is whole."""
    draw = generator(0, f"{sender} {batch_id}")
    return draw.bytes(int(draw.integers(1, 30_000)))


def post(writer: Writer, sender: str, life: int) -> None:
    """Post batch after batch, some of them twice."""
    k = 0
    while True:
        batch_id = f"{life}-{k}"
        held = contents(sender, batch_id)

        def job(store: Store, batch_id: str = batch_id, held: bytes = held) -> int | None:
            return store.add_batch(batch_id, sender, 0, held, held[:50])

        number = writer.submit(job).result()
        assert number is not None
        if k % 7 == 0:
            assert writer.submit(job).result() is None
        tell({"batch": [sender, batch_id, number]})
        k += 1


def acknowledge(writer: Writer, life: int) -> None:
    """Acknowledge as a controller does, with an entry in the ledger in the same transaction."""
    k = 0
    while True:
        document = {"at": k, "life": life, "verdict": "accepted"}

        def job(store: Store, document: dict[str, Any] = document) -> None:
            store.add_ack(INTERSECTIONS[0], document["at"], document)
            store.append_entries([NewEntry(document["at"], "ack", INTERSECTIONS[0], document)])

        writer.submit(job).result()
        tell({"ack": document})
        k += 1


def plan(store: Store, writer: Writer, life: int) -> None:
    """Tick after tick: take what is there, publish plans for some intersections."""
    draw = generator(life, "crash benchmark plans")
    time = 0
    while True:
        time += int(draw.integers(-20, 31))  # a clock that is set back now and then
        some = draw.choice(INTERSECTIONS, int(draw.integers(0, 6)), replace=False).tolist()
        taken = tuple(batch.number for batch in store.untaken_batches())
        plans = [NewPlan(name, {"intersection": name, "made_at": time, "life": life}, {"why": "test"}) for name in some]
        record, told = TickRecord(time, taken, b"inputs"), [NewEntry(time, "tick", None, {"taken": len(taken)})]
        published = writer.submit(partial(keep_tick, record, plans, told)).result()
        tell({"tick": time, "plans": [[one.intersection, one.seq, one.plan_id] for one in published]})
        if draw.random() < 0.1:
            writer.submit(partial(keep_memory, time)).result()


def keep_tick(record: TickRecord, plans: list[NewPlan], told: list[NewEntry], store: Store) -> list[StoredPlan]:
    """Commit a tick."""
    return store.commit_tick(record, plans, told, with_seq)


def keep_memory(time: int, store: Store) -> None:
    """Save a checkpoint."""
    store.save_checkpoint(time, b"memory", "1")


def move(store: Store, folder: Path) -> None:
    """Move old ticks into the archive again and again, and now and then seal all there is of the ledger."""
    pause = threading.Event()
    while True:
        for before in (*9 * (DAY - 1,), 10**9):
            store.archive(before, folder)
            pause.wait(0.02)


# ---- the parent


def hear(told: Told, line: str) -> None:
    """Take down one line of the child."""
    said = json.loads(line)
    if "batch" in said:
        sender, batch_id, number = said["batch"]
        held = contents(sender, batch_id)
        told.batches.append(ToldBatch(sender, batch_id, held[:50], held, number))
    elif "ack" in said:
        told.acks.append((INTERSECTIONS[0], canonical(said["ack"])))
    elif "tick" in said:
        told.ticks.append(said["tick"])
        told.plans += [ToldPlan("child", *one) for one in said["plans"]]


def live_and_die(data: str, folder: Path, life: int, delay_s: float) -> Told:
    """Start a child, let it write for some time after its first word, kill it, and return all that it told."""
    command = [sys.executable, "-m", "benchmarks.crash_store", data, str(folder), str(life)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = threading.Event()
        lines: list[str] = []

        def listen() -> None:
            for line in process.stdout or ():
                lines.append(line)
                ready.set()
            ready.set()

        listener = threading.Thread(target=listen)
        listener.start()
        must(ready.wait(START_S), "the child said nothing")
        threading.Event().wait(delay_s)
        process.kill()
        listener.join()
    must(process.returncode == -signal.SIGKILL, f"the child ended by itself with {process.returncode}")
    told = Told()
    for line in lines:
        hear(told, line)
    return told


def run(kills: int, data: str, folder: Path, seed: int) -> Promises:
    """Kill and check as often as asked for; gives the counts.

    Raises
    ------
    BrokenPromiseError
        At the first promise that did not last.
    """
    draw = generator(seed, "crash benchmark delays")
    promises = Promises()
    for _ in range(kills):
        promises.kills += 1
        told = live_and_die(data, folder, promises.kills, float(draw.random()) * LONGEST_S)
        with open_store(data) as store:
            whole = promises.kills % WHOLE_EVERY == 0 or promises.kills == kills
            check(store, promises, told, whole=whole)
        if whole:
            print(count_line(promises), flush=True)
    return promises


if __name__ == "__main__":
    child(sys.argv[1], sys.argv[2], int(sys.argv[3]))
