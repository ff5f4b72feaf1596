"""The real service as a process that is killed again and again: see crash.

``python -m benchmarks.crash_service`` is a nursery: it imports everything and reads the street once, then forks one
process per life, so that a life begins in a fraction of a second. Each life opens the store, takes up where the last
one was, and serves over HTTP until it is killed, as ``citybrain serve --twin`` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import select
import signal
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from citybrain.clock import StreetClock, stopwatch
from citybrain.control.interface import Site
from citybrain.intake.judge import Limits, read_json
from citybrain.live.service import Live, LiveSettings
from citybrain.observations import SensorTable
from citybrain.storage.store import open_store
from citybrain_api.served_street import read_street
from citybrain_api.service.app import make_app
from citybrain_api.service.logs import make_logger
from citybrain_api.service.server import Served
from citybrain_api.service.settings import Rate, Scope, ServiceSettings

CONTROLLER = "planner"
BEGIN = 252_000
"""07:00 on the first of January 1970 [tenths]."""
_WARM_S = 120.0
_UNHURRIED = Rate(1e9, 1e9)


@dataclass(frozen=True)
class Order:
    """What to serve, where; ``checkpoint_every`` [tenths] is short, so that kills meet checkpoints too."""

    scenario: str
    data: str
    log: str
    port: int
    checkpoint_every: int = 300


# ---- in the nursery and its children


def main() -> None:
    """Fork a life for every line on stdin, and tell when it is up and how it ended."""
    order = Order(**json.loads(sys.stdin.readline()))
    site, sensors = read_street(order.scenario, CONTROLLER, "default", None)
    warm_up(site, sensors)
    tell("ready", 0)
    for _line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            live_one_life(order, site, sensors)
            os._exit(0)
        tell("born", pid)
        tell("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def tell(what: str, number: int) -> None:
    """Write one line to the parent, in one piece."""
    os.write(1, json.dumps([what, number]).encode() + b"\n")


def warm_up(site: Site, sensors: SensorTable) -> None:
    """Run a service for one tick, so that all compiled code is there; its threads are over when this returns."""
    with tempfile.TemporaryDirectory(prefix="citybrain-warm-") as folder:
        live = Live.open(site, sensors, CONTROLLER, open_store(folder), StreetClock(BEGIN))
        live.start()
        make_app(live)
        head = {"format": "citybrain/observations/1", "batch_id": "1", "sender": "warm", "complete_until": BEGIN + 10}
        live.post(read_json(json.dumps({**head, "rows": []}).encode(), Limits())).result()
        live.wait_engine(BEGIN + 10, _WARM_S)
        live.stop()


def live_one_life(order: Order, site: Site, sensors: SensorTable) -> None:
    """Serve until SIGTERM, or until killed; ends with its parent too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=end_with_parent, daemon=True).start()
    with Path(order.log).open("a") as log, open_store(order.data) as store:
        logging.basicConfig(stream=log, level=logging.WARNING)
        settings = replace(ServiceSettings(), rates=dict.fromkeys(Scope, _UNHURRIED))
        rhythm = LiveSettings(checkpoint_every=order.checkpoint_every)
        live = Live.open(site, sensors, CONTROLLER, store, StreetClock(BEGIN), rhythm)
        app = make_app(live, settings, make_logger("warning", log))
        live.start()
        with Served(app, port=order.port):
            tell("up", 0)
            signal.sigwait([signal.SIGTERM])
        live.stop()


def end_with_parent() -> None:
    """End this process when nobody is at the other end of stdin any more."""
    line = select.poll()
    line.register(0, 0)
    line.poll()
    os._exit(1)


# ---- in the parent


class Nursery:
    """The nursery as its parent sees it; an async context manager.

    Attributes
    ----------
    up : set while a life answers.
    start_s : how long the last life that came up took to do so.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._pid = 0
        self._born, self._ended = asyncio.Event(), asyncio.Event()
        self._code = 0
        self._begun = 0.0
        self.up = asyncio.Event()
        self.start_s = 0.0

    async def __aenter__(self) -> Self:
        """Start the nursery, and wait until it can fork."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "benchmarks.crash_service", stdin=pipe, stdout=pipe
        )
        self._write(asdict(self._order))
        assert self._process.stdout is not None
        first = await self._process.stdout.readline()
        if not first:
            raise RuntimeError("the nursery ended; it said why above")
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        assert self._process.stdin is not None
        self._process.stdin.close()  # a life that is left ends when its stdin does, and the nursery after it
        await self._process.wait()
        await self._listener

    def _write(self, line: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(line).encode() + b"\n")

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            what, number = json.loads(line)
            if what == "born":
                self._pid = number
                self._born.set()
            elif what == "up":
                self.start_s = stopwatch() - self._begun
                self.up.set()
            else:
                self._code = number
                self.up.clear()
                self._ended.set()

    async def begin(self) -> None:
        """Begin a life."""
        self._born.clear()
        self._ended.clear()
        self._begun = stopwatch()
        self._write("live")
        await self._born.wait()

    async def end(self, by: signal.Signals) -> int:
        """End the life by a signal, and return how it ended; a life that is over already is left alone."""
        if not self._ended.is_set():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, by)
        await self._ended.wait()
        return self._code


if __name__ == "__main__":
    main()
