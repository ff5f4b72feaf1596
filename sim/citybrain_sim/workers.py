"""One process per simulation: libsumo holds one simulation per process, and a crash of it must not take others along.

Processes are forked from a server that has the kernels imported, so that starting one is cheap.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections import deque
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from citybrain.clock import stopwatch
from citybrain.errors import CityBrainError, InputError
from citybrain_sim.code_version import code_version
from citybrain_sim.experiment import run_one
from citybrain_sim.runs import RESULT, RunResult, RunSpec
from citybrain_sim.warm_up import compile_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from multiprocessing.context import ForkServerContext, SpawnContext
    from multiprocessing.process import BaseProcess

    from citybrain_sim.plant import PlantProgress

_PRELOADED = (
    "citybrain_sim.experiment",
    "citybrain.control.actuated",
    "citybrain.control.fixed",
    "citybrain.control.planner",
    "citybrain.control.pressure",
    "citybrain.control.webster",
)
_REPORT_EVERY_S = 0.2
_PATIENCE_S = 5.0
"""How long a run may take to complete its tables when it is ended [s]."""


@dataclass(frozen=True)
class RunEvent:
    """News of a run: exactly one of progress, result and failure is set.

    Attributes
    ----------
    spec : the run.
    progress : how far it has come.
    result : it is finished.
    failure : it failed, and why.
    refused : it failed because something that the user gave is wrong.
    """

    spec: RunSpec
    progress: PlantProgress | None = None
    result: RunResult | None = None
    failure: str | None = None
    refused: bool = False


def run_all(specs: Iterable[RunSpec], jobs: int, on_event: Callable[[RunEvent], None]) -> None:
    """Run simulations in parallel, each in a process of its own; one that fails does not stop the others.

    If ``on_event`` raises or the user interrupts, the processes are ended and the error goes on. The tables of their
    runs are completed, but without a result they count as unfinished; where that takes too long the folder goes.
    """
    waiting = deque(specs)
    if any(spec.runs_in_engine for spec in waiting):
        compile_once()
    context = _context()
    code = code_version()
    alive: dict[Connection, tuple[RunSpec, BaseProcess]] = {}
    try:
        while waiting or alive:
            while waiting and len(alive) < jobs:
                spec = waiting.popleft()
                ours, theirs = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(target=_work, args=(spec, theirs, code))
                process.start()
                theirs.close()
                alive[ours] = (spec, process)
            for ready in wait(list(alive)):
                connection = next(known for known in alive if known is ready)
                spec, process = alive[connection]
                event = _receive(connection, spec, process)
                if event.progress is None:
                    process.join()
                    connection.close()
                    del alive[connection]
                on_event(event)
    finally:
        _end(list(alive.values()))


def _context() -> ForkServerContext | SpawnContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    # Ctrl-C reaches all processes of a terminal; the server would meet it, with a traceback, among its imports.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def _receive(connection: Connection, spec: RunSpec, process: BaseProcess) -> RunEvent:
    try:
        message = connection.recv()
    except EOFError:
        process.join()
        return RunEvent(
            spec, failure=f"{spec.folder}: the process of the simulation died with exit code {process.exitcode}"
        )
    return RunEvent(spec, **message)


def _end(alive: list[tuple[RunSpec, BaseProcess]]) -> None:
    for _, process in alive:
        process.terminate()
    for spec, process in alive:
        process.join(_PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()
            if not (spec.folder / RESULT).exists():
                shutil.rmtree(spec.folder, ignore_errors=True)


def _work(spec: RunSpec, connection: Connection, code: str) -> None:
    """Run one simulation and tell the parent; what SUMO prints goes to stderr, stdout belongs to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_parent, daemon=True).start()
    os.dup2(2, 1)
    last = -_REPORT_EVERY_S

    def report(progress: PlantProgress) -> None:
        nonlocal last
        if stopwatch() - last >= _REPORT_EVERY_S:
            last = stopwatch()
            connection.send({"progress": progress})

    try:
        connection.send({"result": run_one(spec, report, code)})
    except CityBrainError as error:
        connection.send({"failure": str(error), "refused": isinstance(error, InputError)})
    except Exception as error:  # noqa: BLE001 - a mistake of ours in one run must not stop the others
        where = f"this is a mistake in the program; its traceback is in {spec.folder / 'failed.json'}"
        connection.send({"failure": f"{type(error).__name__}: {error}; {where}"})


def _leave(signum: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a signal handler
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: tables are being completed
    sys.unraisablehook = _say_nothing  # a compiler that calls back into Python drops the exit, and would report it
    raise SystemExit(1)


def _say_nothing(dropped: sys.UnraisableHookArgs) -> None:
    """Take the place of Python's report of an exception that nobody can catch."""


def _follow_parent() -> None:
    """Leave when the process that asked for the run is gone, however it went: nobody waits for the result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(_PATIENCE_S)
        os._exit(1)
