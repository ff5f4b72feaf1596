"""The live engine in a process of its own, so that a city's polls and its ticks do not wait for each other.

Python lets one thread of a process compute at a time. Ten thousand polls a second fill most of that time, and a tick of
ten thousand intersections most of another second. A kernel that crashed would not take the answers to cabinets along.

May import the engine and the words between it and the ticker.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
from dataclasses import dataclass, replace
from multiprocessing.reduction import DupFd
from typing import TYPE_CHECKING, Any

from citybrain.errors import CityBrainError
from citybrain.live.engine import LiveEngine

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from citybrain.control.interface import Site
    from citybrain.live.book import Book
    from citybrain.live.engine import Outcome
    from citybrain.live.inputs import TickInputs
    from citybrain.observations import SensorTable

_PATIENCE_S = 10.0
"""How long a process that was told to end may take [s]."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """All that an engine is made of; see :class:`~citybrain.live.engine.LiveEngine`."""

    site: Site
    sensors: SensorTable
    book: Book
    controller_name: str
    lead: int
    lease: int
    poll_after: int

    def make(self) -> LiveEngine:
        """Make an engine that remembers nothing."""
        return LiveEngine(
            *(self.site, self.sensors, self.book, self.controller_name),
            lead=self.lead,
            lease=self.lease,
            poll_after=self.poll_after,
        )


class EngineFailedError(CityBrainError):
    """The engine's process refused what it was told to do, or is no more."""


class EngineApart:
    """An engine as the ticker knows it, whose work is done elsewhere. Used by one thread at a time.

    Parameters
    ----------
    recipe : what it is made of.
    engine : as this one is, the other one begins.
    """

    def __init__(self, recipe: Recipe, engine: LiveEngine) -> None:
        self._recipe = recipe
        self._time = engine.time
        self._acks = engine.last_acks
        self._worker: _Worker | None = _Worker(recipe, engine.save())

    @property
    def time(self) -> int:
        """Time of the last tick [tenths]."""
        return self._time

    @property
    def process(self) -> int | None:
        """Number of the process; None after its end."""
        return None if self._worker is None else self._worker.process.pid

    def step(self, inputs: TickInputs) -> Outcome:
        """Carry out one tick.

        Raises
        ------
        EngineFailedError
            If the engine could not, or is no more.
        """
        outcome: Outcome = self._ask("step", inputs)
        self._time = inputs.time
        self._acks |= {document["intersection"]: document for document in inputs.acks}
        return replace(outcome, snapshot=replace(outcome.snapshot, ack=dict(self._acks)))

    def save(self) -> bytes:
        """Take out all that the engine remembers.

        Raises
        ------
        EngineFailedError
            If the engine is no more.
        """
        saved: bytes = self._ask("save", None)
        return saved

    def anew(self) -> EngineApart:
        """Begin with nothing remembered, in another process where the last one is no more."""
        try:
            self._ask("anew", None)
        except EngineFailedError:
            self.close()
            self._worker = _Worker(self._recipe, None)
        self._time, self._acks = 0, {}
        return self

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _ask(self, what: str, argument: object) -> Any:
        if self._worker is None:
            raise EngineFailedError("the engine's process has been ended")
        return self._worker.ask(what, argument)


class _Worker:
    """The process, as seen from outside."""

    def __init__(self, recipe: Recipe, saved: bytes | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._asked, self._answered = _Memory(), _Memory()
        self.process = context.Process(
            target=_work,
            args=(theirs, self._asked, self._answered, recipe, saved),
            name="citybrain-engine",
            daemon=True,
        )
        self.process.start()
        theirs.close()

    def ask(self, what: str, argument: object) -> Any:
        """Have it do something, and wait for the answer."""
        try:
            self._asked.put(self._pipe, (what, argument))
            good, answer = self._answered.get(self._pipe)
        except (EOFError, OSError):
            raise EngineFailedError("the engine's process has ended by itself; a new one begins") from None
        if not good:
            raise EngineFailedError(answer)
        return answer

    def close(self) -> None:
        """Let it end by itself; where it does not, end it."""
        self._pipe.close()
        self.process.join(_PATIENCE_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self._asked.close()
        self._answered.close()


class _Memory:
    """Memory that both processes have, for what one hands the other: read in one piece, its length by the pipe.

    A pipe takes megabytes in hundreds of pieces, and after each the reader waits for its turn to compute.
    """

    def __init__(self, file: int | None = None) -> None:
        self._file = os.memfd_create("citybrain-engine") if file is None else file

    def __reduce__(self) -> tuple[Any, ...]:
        """Go along to a process that is being started."""
        return _taken_along, (DupFd(self._file),)

    def put(self, pipe: Connection, told: object) -> None:
        """Hand something over."""
        packed, written = pickle.dumps(told, protocol=pickle.HIGHEST_PROTOCOL), 0
        while written < len(packed):
            written += os.pwrite(self._file, memoryview(packed)[written:], written)
        pipe.send_bytes(len(packed).to_bytes(8, "little"))

    def get(self, pipe: Connection) -> Any:
        """Wait for what the other process hands over."""
        size, packed = int.from_bytes(pipe.recv_bytes(), "little"), b""
        while len(packed) < size:
            packed += os.pread(self._file, size - len(packed), len(packed))
        return pickle.loads(packed)  # noqa: S301 - from our own process, by memory that no other has

    def close(self) -> None:
        """Give the memory up."""
        os.close(self._file)


def _taken_along(file: Any) -> _Memory:
    return _Memory(file.detach())


def _work(pipe: Connection, asked: _Memory, answered: _Memory, recipe: Recipe, saved: bytes | None) -> None:
    """Do as told until whoever tells is no more; the signals that end a service are meant for that one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    engine = recipe.make()
    if saved is not None:
        engine.load(saved)
    while True:
        try:
            what, argument = asked.get(pipe)
        except EOFError:
            return
        answer: object = None
        try:
            if what == "step":
                outcome = engine.step(argument)
                answer = replace(outcome, snapshot=replace(outcome.snapshot, ack={}))
            elif what == "save":
                answer = engine.save()
            else:
                engine = recipe.make()
            good = True
        except Exception as error:  # noqa: BLE001 - told to the ticker, which begins anew
            _LOG.exception("the engine failed to %s", what)
            good, answer = False, f"{type(error).__name__}: {error}"
        try:
            answered.put(pipe, (good, answer))
        except OSError:
            return
