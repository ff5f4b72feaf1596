"""Kill the writing process at random moments, again and again, and look whether the store kept every promise.

    python benchmarks/crash.py --kills 200
    python benchmarks/crash.py --kills 200 --data postgresql://...

A child process uses the store as the service does: posts, ticks with plans, acknowledgements, checkpoints and moves
into the archive, all at once, with a clock that jumps back now and then. It tells the parent over a pipe what it would
have acknowledged, only after the write is done. The parent kills it with SIGKILL, and then checks: nothing that was
told is lost, sequence numbers never repeat or go back, the ledger verifies and goes on from the head that it had. Every
20 kills the whole store is gone through: no batch was taken twice, every entry and every plan is as it was. Exit code 1
at the first promise that was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from citybrain.live import archive
from citybrain.live.audit import audit
from citybrain.live.ledger import GENESIS, verify
from citybrain.live.store import NewEntry, NewPlan, Store, StoredPlan, TickRecord, open_store
from citybrain.live.writer import Writer
from citybrain.plans.plan import with_seq
from citybrain.randomness import generator

INTERSECTIONS = [f"intersection {k}" for k in range(12)]
N_POSTERS = 4
LONGEST_S = 0.5
START_S = 60.0
WHOLE_EVERY = 20


# ---- the child: what the service does


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

        def job(store: Store, document: dict[str, Any] = document) -> int:
            number = store.add_ack(INTERSECTIONS[0], document["at"], document)
            store.append_entries([NewEntry(document["at"], "ack", INTERSECTIONS[0], document)])
            return number

        tell({"ack": [writer.submit(job).result(), k, life]})
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
        tell({"plans": [[one.intersection, one.seq, one.plan_id] for one in published]})
        if draw.random() < 0.1:
            writer.submit(partial(keep_memory, time)).result()


def keep_tick(record: TickRecord, plans: list[NewPlan], told: list[NewEntry], store: Store) -> list[StoredPlan]:
    """Commit a tick."""
    return store.commit_tick(record, plans, told, with_seq)


def keep_memory(time: int, store: Store) -> None:
    """Save a checkpoint."""
    store.save_checkpoint(time, b"memory", "1")


def move(store: Store, folder: Path) -> None:
    """Move old ticks into the archive again and again."""
    pause = threading.Event()
    while True:
        store.archive(10**9, folder)
        pause.wait(0.02)


# ---- the parent: kills and checks


class BrokenPromiseError(Exception):
    """What was told did not last."""


@dataclass
class Promises:
    """What was told so far, over all lives; ``new_...``: in the last one, not checked yet."""

    kills: int = 0
    batches: int = 0
    acks: int = 0
    ticks: int = 0
    plans: int = 0
    head: tuple[int, str] = (0, GENESIS)
    last_seq: dict[str, int] = field(default_factory=dict)
    new_batches: list[tuple[str, str, int]] = field(default_factory=list)
    new_acks: list[tuple[int, int, int]] = field(default_factory=list)
    new_plans: list[tuple[str, int, str]] = field(default_factory=list)

    def hear(self, line: str) -> None:
        """Take down one line of the child."""
        for kind, said in json.loads(line).items():
            if kind == "batch":
                self.new_batches.append(tuple(said))
            elif kind == "ack":
                self.new_acks.append(tuple(said))
            elif kind == "plans":
                self.ticks += 1
                self.new_plans.extend(tuple(one) for one in said)


def must(holds: bool, words: str) -> None:
    """Stop where a promise is broken."""
    if not holds:
        raise BrokenPromiseError(words)


def check(store: Store, promises: Promises, *, whole: bool) -> None:
    """Check what was told in the last life and the ledger's new end; the whole store too where asked for."""
    check_batches(store, promises)
    for number, k, life in promises.new_acks:
        acks = [ack.document for ack in store.acks(INTERSECTIONS[0], k, k + 1) if ack.number == number]
        must(acks == [{"at": k, "life": life, "verdict": "accepted"}], f"acknowledgement {number} is lost or changed")
    for name, seq, plan_id in promises.new_plans:
        must(seq > promises.last_seq.get(name, 0), f"{name}: plan {seq} told after plan {promises.last_seq.get(name)}")
        promises.last_seq[name] = seq
        kept = store.plan(name, seq)
        must(kept is not None and kept.plan_id == plan_id, f"plan {seq} of {name} is lost or changed")
    for name, count, last in store.rows("SELECT intersection, COUNT(*), MAX(seq) FROM plans GROUP BY intersection"):
        must(count == last, f"{name}: {count} plans are kept, the last is number {last}")
    check_ledger(store, promises)
    if whole:
        check_ticks(store, promises)
        found = audit(store, promises.head)
        must(found.fault is None, f"ledger: {found.fault}")
    promises.batches += len(promises.new_batches)
    promises.acks += len(promises.new_acks)
    promises.plans += len(promises.new_plans)
    promises.new_batches, promises.new_acks, promises.new_plans = [], [], []


def check_batches(store: Store, promises: Promises) -> None:
    """Check that every batch that was told is there, in the store or its archive, and whole."""
    for batch, (sender, batch_id, _) in zip(
        store.batches([number for _, _, number in promises.new_batches]), promises.new_batches, strict=True
    ):
        held = contents(sender, batch_id)
        same = (batch.sender, batch.batch_id, batch.judged, batch.verdict) == (sender, batch_id, held, held[:50])
        must(same, f"batch {batch_id} of {sender} is damaged")


def check_ledger(store: Store, promises: Promises) -> None:
    """Check that the ledger still has the head that it had, and goes on from there without a fault."""
    n, head = promises.head
    if n:
        (old,) = store.entries(n, 1) or (None,)
        must(old is not None and (old.n, old.hash) == promises.head, f"ledger: entry {n} is not what it was")
    while page := store.entries(n + 1):
        broken = verify(page, n, head)
        must(broken is None, f"ledger: entry {broken} is missing or is not what was written")
        n, head = page[-1].n, page[-1].hash
    promises.head = (n, head)


def check_ticks(store: Store, promises: Promises) -> None:
    """Check that ticks are numbered one by one, and that every batch was taken by one of them or by none yet."""
    ticks = store.ticks(-(10**12), 10**12)
    must([one.number for one in ticks] == list(range(1, len(ticks) + 1)), "ticks are not numbered one by one")
    must(len(ticks) >= promises.ticks, f"of {promises.ticks} ticks that were told, {len(ticks)} are left")
    numbers = [number for one in ticks for number in one.taken] + [one.number for one in store.untaken_batches()]
    must(len(set(numbers)) == len(numbers), "a batch was taken twice")
    told = promises.batches + len(promises.new_batches)
    must(len(numbers) >= told, f"of {told} batches that were told, {len(numbers)} were taken or are to be")


def live_and_die(data: str, folder: Path, promises: Promises, delay_s: float) -> None:
    """Start a child, let it write for some time after its first word, kill it, and hear all that it told."""
    command = [sys.executable, __file__, "--child", str(promises.kills), "--data", data, "--archive", str(folder)]
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
    for line in lines:
        promises.hear(line)


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
        live_and_die(data, folder, promises, float(draw.random()) * LONGEST_S)
        with open_store(data) as store:
            whole = promises.kills % WHOLE_EVERY == 0 or promises.kills == kills
            check(store, promises, whole=whole)
        if whole:
            print(summary(promises), flush=True)
    return promises


def summary(promises: Promises) -> str:
    """Give the counts in one line."""
    return (
        f"{promises.kills} kills: {promises.batches} batches, {promises.acks} acknowledgements, {promises.ticks} ticks "
        f"and {promises.plans} plans were told, all are kept; {promises.head[0]} ledger entries verify"
    )


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="Kill the writing process at random moments; see what is kept.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", help="folder or postgresql://...; default: a new folder, removed afterwards")
    parser.add_argument("--archive", help=argparse.SUPPRESS)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        child(given.data, given.archive, given.child)
    with tempfile.TemporaryDirectory(prefix="citybrain-crash-") as scratch:
        try:
            promises = run(given.kills, given.data or f"{scratch}/data", Path(scratch) / "archive", given.seed)
        except BrokenPromiseError as error:
            print(f"BROKEN: {error}", file=sys.stderr)
            return 1
    print(f"done: {summary(promises)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
