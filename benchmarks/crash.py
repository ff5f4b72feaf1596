"""Kill the service at random moments, again and again, and look whether it kept every promise.

    python -m benchmarks.crash [--kills 200]
    python -m benchmarks.crash --store-only [--data postgresql://...]

The service serves a scenario's street over HTTP on one port and one data folder. It is killed with SIGKILL, a quarter
of the times while it starts, else within some seconds of serving, and begun again. Meanwhile a street talks to it
without pause: sensors post, cabinets poll, carry out plans and acknowledge, somebody reads plans, a person overrides;
while there is no answer the street's time goes on, at a pace drawn anew for every life, so that leases run out in some
outages. After every kill a copy of the data folder is opened as it was left. Every 20 kills all of it is gone through.
Exit code 1 at the first promise that was broken. Writes its section of docs/results-service.md.

With ``--store-only`` a small process that uses nothing but the store is killed, quicker and at more moments.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import socket
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks import crash_store
from benchmarks.crash_checks import BrokenPromiseError, Promises, Told, check, count_line, must
from benchmarks.crash_service import BEGIN, CONTROLLER, Nursery, Order
from benchmarks.crash_street import Street
from benchmarks.page import write_section
from citybrain.clock import stopwatch
from citybrain.randomness import generator
from citybrain.storage.store import open_store
from citybrain_api.served_street import read_street
from citybrain_api.service.settings import Scope
from citybrain_api.twin import make_key

SCENARIO = "cologne3"
LONGEST_S = 4.0
WHILE_STARTING = 0.25
SPEEDS = (5.0, 300.0)
"""Simulated seconds per second while there is no answer."""
WHOLE_EVERY = 20
START_S = 300.0
LAST_S = 120.0
IN_THE_END = 15
"""Simulated seconds [s] that the last life serves after all cabinets are back."""
POSTED_AGAIN = 500


@dataclass
class Tally:
    """What came of it.

    Attributes
    ----------
    hit : what was under way at the kills, by kind.
    start_s : how long lives took to come up.
    """

    promises: Promises
    street: Street
    hit: Counter[str] = field(default_factory=Counter)
    start_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0


class Trial:
    """A service, its street, and who kills it."""

    def __init__(self, folder: Path, scenario: str, seed: int, longest_s: float) -> None:
        self._longest_s = longest_s
        self._folder, self._data, self._log = folder, folder / "data", folder / "service.log"
        self._log.touch()
        site, sensors = read_street(scenario, CONTROLLER, "default", None)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with open_store(self._data) as store:
            keys = {str(scope): make_key(store, scope, scope, None, BEGIN) for scope in (Scope.FIELD, Scope.OPERATOR)}
            for name in site.network.intersection_id:
                keys[name] = make_key(store, Scope.CONTROLLER, name, (name,), BEGIN)
        self._draw = generator(seed, "crash benchmark lives")
        self._order = Order(scenario, str(self._data), str(self._log), port)
        self._street = Street(site, sensors, f"http://127.0.0.1:{port}", keys, BEGIN, seed)
        self.tally = Tally(Promises(forward=True), self._street)

    async def run(self, kills: int) -> Tally:
        """Kill so often, check every time, and end a last life in order.

        Raises
        ------
        BrokenPromiseError
            At the first promise that did not last.
        """
        began = stopwatch()
        async with Nursery(self._order) as nursery, asyncio.TaskGroup() as group:
            for task in self._street.everybody():
                group.create_task(task)
            for number in range(1, kills + 1):
                await self._one_life(nursery, first=number == 1)
                self.tally.promises.kills = number
                await asyncio.to_thread(self._check, self._street.notes.take(), number % WHOLE_EVERY == 0)
            await self._last_life(nursery)
        with open_store(self._data) as store:
            check(store, self.tally.promises, self._street.notes.take(), whole=True)
        self.tally.wall_s = stopwatch() - began
        return self.tally

    async def _one_life(self, nursery: Nursery, *, first: bool) -> None:
        """Begin a life and kill it: while it starts, or some time after it answers."""
        tally, draw = self.tally, self._draw
        self._street.speed = float(np.exp(draw.uniform(*np.log(SPEEDS))))
        await nursery.begin()
        if not first and draw.random() < WHILE_STARTING:
            await asyncio.sleep(float(draw.random()) * nursery.start_s)
        else:
            await asyncio.wait_for(nursery.up.wait(), START_S)
            await asyncio.sleep(float(draw.random()) * self._longest_s)
        if nursery.up.is_set():
            tally.start_s.append(nursery.start_s)
            tally.hit.update(kind for kind, count in self._street.notes.flying.items() if count)
        else:
            tally.hit["start"] += 1
        code = await nursery.end(signal.SIGKILL)
        must(code == -signal.SIGKILL, f"the service ended by itself with {code}; see {self._log}")

    def _check(self, told: Told, whole: bool) -> None:
        """Check the data as they were left."""
        with as_left(self._data, self._folder / "copy") as copy, open_store(copy) as store:
            check(store, self.tally.promises, told, whole=whole)
        fault = self._log.read_text()
        must(not fault, f"the service's log tells of a fault: {fault[:500]}")
        if whole:
            print(count_line(self.tally.promises), flush=True)

    async def _last_life(self, nursery: Nursery) -> None:
        """Live once more until everything is as it should be, post old batches again, and end in order."""
        street = self._street
        await nursery.begin()
        await asyncio.wait_for(nursery.up.wait(), START_S)
        async with asyncio.timeout(LAST_S):
            await street.comes_to(lambda: all(cabinet.adaptive for cabinet in street.cabinets))
            until = street.time + IN_THE_END * 10
            await street.comes_to(lambda: street.time >= until)
        await asyncio.to_thread(street.post_all_again, POSTED_AGAIN)
        street.stop()
        code = await nursery.end(signal.SIGTERM)
        must(code == 0, f"the service, asked to end, ended with {code}; see {self._log}")


@contextmanager
def as_left(data: Path, copy: Path) -> Iterator[Path]:
    """Copy a data folder as a killed service left it, so that looking mends nothing that the next life should mend."""
    shutil.copytree(data, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def kill_service(kills: int, folder: Path, scenario: str, seed: int, longest_s: float = LONGEST_S) -> Tally:
    """Kill the service as often as asked for; gives what came of it.

    Parameters
    ----------
    folder : for its data and its log.
    longest_s : a life serves no longer than this [s].

    Raises
    ------
    BrokenPromiseError
        At the first promise that did not last.
    """
    try:
        return asyncio.run(Trial(folder, scenario, seed, longest_s).run(kills))
    except* BrokenPromiseError as group:
        found: BaseException = group
        while isinstance(found, BaseExceptionGroup):
            found = found.exceptions[0]
        fault = str(found)
    raise BrokenPromiseError(fault)


def report(tally: Tally, scenario: str) -> str:
    """Put what came of it into Markdown."""
    promises, street, hit = tally.promises, tally.street, tally.hit
    count, cabinets = street.notes.count, street.cabinets
    polls = [n for cabinet in cabinets for n in cabinet.polls_to_return] or [0]
    first = [n for cabinet in cabinets for n in cabinet.polls_to_plan] or [0]
    refusals = sum(len(cabinet.refusals) for cabinet in cabinets)
    starts = f"{statistics.median(tally.start_s):.2f} s (at most {max(tally.start_s):.2f} s)"
    rows = {
        "kills": promises.kills,
        "... while starting": hit["start"],
        "... while a post waited for its answer": hit["post"],
        "... while a tick was awaited": hit["tick"],
        "... while a poll waited": hit["poll"],
        "... while an acknowledgement waited": hit["acknowledgement"],
        "batches acknowledged": promises.batches,
        "... posted again and known, with the verdict that they had": count["posted again"],
        "... kept though the answer was cut off, known when posted again": count["kept though unanswered"],
        "acknowledgements of cabinets answered": promises.acks,
        "overrides acknowledged": promises.overrides,
        "polls answered": count["poll"],
        "plans handed out, each in the store byte for byte": promises.plans,
        "different plans among them": len(promises.names),
        "ticks, never one twice": promises.last_tick[0],
        "ledger entries that verify": promises.head[0],
        "cabinets fell back": sum(cabinet.fallbacks for cabinet in cabinets),
        "... and came back": len(polls) - len(cabinets),
        "... a plan was accepted at this answered poll, median (most)": median_and_most(first),
        "... and was in force at this one, median (most)": median_and_most(polls),
        "plans refused by a cabinet": refusals,
        "looks at lamps, one every 0.1 s, all lawful": sum(cabinet.looks for cabinet in cabinets),
        "simulated time [s]": (street.time - BEGIN) // 10,
        "from fork to first answer, median": starts,
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    head = (
        f"The whole service (`{scenario}`, controller `{CONTROLLER}`, {len(cabinets)} cabinets), killed with SIGKILL "
        f"and begun again on the same folder, in {tally.wall_s / 60:.0f} minutes. The run ends at the first promise "
        "that is broken. Every life is forked from a process that has imported everything. This proves that the "
        "process may die at any time; it proves nothing about loss of power."
    )
    return f"{head}\n\n| what | count |\n| --- | ---: |\n{table}"


def median_and_most(counts: list[int]) -> str:
    """Put counts into a cell of a table."""
    return f"{statistics.median(counts):.0f} ({max(counts)})"


def main() -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", default=SCENARIO)
    parser.add_argument("--keep", type=Path, help="new folder for the service's data and log; default: one for the run")
    parser.add_argument("--store-only", action="store_true")
    parser.add_argument("--data", help="store only: postgresql://...; default: a folder for the run")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="citybrain-crash-") as scratch:
        try:
            if given.store_only:
                data = given.data or f"{scratch}/data"
                print(f"done: {count_line(crash_store.run(given.kills, data, Path(scratch) / 'archive', given.seed))}")
            else:
                tally = kill_service(given.kills, given.keep or Path(scratch), given.scenario, given.seed)
                write_section("Crashes", f"python -m benchmarks.crash --kills {given.kills}", report(tally, SCENARIO))
                print(f"done: {count_line(tally.promises)}")
        except BrokenPromiseError as error:
            print(f"BROKEN: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
