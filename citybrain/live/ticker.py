"""The engine's thread: waits for the tick, has the engine step, makes it durable, then publishes.

A tick that fails is told and left behind; a new engine goes on with the next one, and meanwhile no lease grows, so
that cabinets fall back rather than follow a plan that nobody minds.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from citybrain.clock import StreetClock, stopwatch
from citybrain.errors import CityBrainError, StoreError
from citybrain.intake.judge import merge
from citybrain.live.board import Published
from citybrain.live.inputs import TickInputs
from citybrain.plans.plan import with_seq
from citybrain.storage.ledger import NewEntry
from citybrain.storage.rows import NewPlan, TickRecord
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from citybrain.clock import Clock
    from citybrain.live.apart import EngineApart
    from citybrain.live.board import Board
    from citybrain.live.engine import LiveEngine, Outcome
    from citybrain.live.snapshot import Snapshot
    from citybrain.live.tray import Taken, Tray
    from citybrain.storage.rows import StoredPlan
    from citybrain.storage.store import Store
    from citybrain.storage.writer import Writer

LATE_S = 5.0
"""An engine whose last good tick is older than this is told of as late [s]."""
_PATIENCE_S = 0.5
"""How long the thread waits at a time before it looks whether it shall stop [s]."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """When to tick, and when to write a checkpoint [tenths]; ``senders`` as in ``LiveSettings``."""

    checkpoint_every: int
    senders: int
    version: str


class Ticker:
    """Ticks until it is stopped.

    Parameters
    ----------
    make_engine : makes an engine that remembers nothing.
    engine : the engine to go on with.
    """

    def __init__(
        self,
        make_engine: Callable[[], LiveEngine | EngineApart],
        engine: LiveEngine | EngineApart,
        tray: Tray,
        writer: Writer,
        board: Board,
        clock: Clock,
        schedule: Schedule,
    ) -> None:
        self._make_engine, self._engine = make_engine, engine
        self._tray, self._writer, self._board, self._clock = tray, writer, board, clock
        self._schedule = schedule
        self._done = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="citybrain-engine", daemon=True)
        self._last = engine.time
        self._good = engine.time
        self._saved = engine.time
        self._good_at = stopwatch()
        self._fault: str | None = None
        self.snapshot: Snapshot | None = None

    @property
    def time(self) -> int:
        """Time of the last good tick [tenths]; 0 before the first."""
        return self._good

    @property
    def begun(self) -> bool:
        """The thread has been started."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the tick that is under way and write a checkpoint."""
        self._stopping.set()
        if self.begun:
            self._thread.join()
        if self._last > self._saved:
            self._save()

    def wait(self, time: int, timeout_s: float) -> bool:
        """Wait until the tick of a time is finished; tell whether it is."""
        with self._done:
            return self._done.wait_for(lambda: self._good >= time or self._stopping.is_set(), timeout_s) and (
                self._good >= time
            )

    def faults(self) -> list[str]:
        """Say what is wrong with the engine."""
        found = []
        if not self.begun or self._stopping.is_set() or not self._thread.is_alive():
            found.append("the engine is not running")
        if self._fault is not None:
            found.append(f"the last tick failed: {self._fault}")
        # By the stopwatch: a clock that was set back stands still, and with it the engine.
        late_s = stopwatch() - self._good_at
        if not isinstance(self._clock, StreetClock) and late_s > LATE_S:
            found.append(f"there has been no good tick for {late_s:.0f} s")
        return found

    def _run(self) -> None:
        while not self._stopping.is_set():
            time = self._next_tick()
            if time is None:
                continue
            try:
                self._tick(time)
            except Exception as error:  # noqa: BLE001 - the thread must live on
                # The store refused the record, or a listener of the board failed: a fresh engine, and a checkpoint of
                # it, so that a replay does not go on with the old one.
                _LOG.exception("after the tick of %s", time)
                self._fault = f"{type(error).__name__}: {error}"
                self._engine = self._make_engine()
                self._save()

    def _next_tick(self) -> int | None:
        """Wait for the next tick; None when it has not come yet."""
        if isinstance(self._clock, StreetClock):
            senders = self._schedule.senders
            if not self._tray.wait_complete(self._last + TENTHS_PER_SECOND - 1, senders, _PATIENCE_S):
                return None
            reached = self._tray.complete(senders)
        else:
            due = max(self._last, self._clock.now()) // TENTHS_PER_SECOND * TENTHS_PER_SECOND + TENTHS_PER_SECOND
            if not self._clock.wait_until(due, _PATIENCE_S):
                return None
            reached = self._clock.now()
        if reached is None:
            return None
        time = reached - reached % TENTHS_PER_SECOND
        return time if time > self._last else None

    def _tick(self, time: int) -> None:
        """Carry out one tick, whatever happens."""
        taken = self._tray.take()
        self._last = time
        overrides, alive = self._tray.overrides(time), self._tray.alive(time)
        inputs = TickInputs(time, merge([], time), taken.acks, overrides, alive, taken.last_ack)
        try:
            inputs = replace(inputs, batch=merge(taken.batches, time))
            outcome = self._engine.step(inputs)
        except Exception as error:  # noqa: BLE001 - whatever it is, the engine goes on with the next tick
            _LOG.exception("the tick of %s failed", time)
            self._fail(taken, replace(inputs, failed=True), error)
            return
        packed = inputs.to_bytes()
        print_of = _fingerprint(packed, taken)
        plans = [replace(plan, reasons={**plan.reasons, "tick": time, "inputs": print_of}) for plan in outcome.plans]
        stored = self._keep(TickRecord(time, taken.numbers, packed), plans, outcome.entries)
        if stored is None:
            self._saved = time  # the service stops, and the engine knows more than the record: no checkpoint of that
        else:
            self._finish(time, stored, outcome)

    def _finish(self, time: int, stored: list[StoredPlan], outcome: Outcome) -> None:
        """Publish what is durable now."""
        self._board.publish(
            [Published(plan.intersection, plan.text.encode(), plan.plan_id, plan.seq) for plan in stored],
            outcome.withdrawn,
        )
        self.snapshot = outcome.snapshot
        with self._done:
            self._good, self._good_at, self._fault = time, stopwatch(), None
            self._done.notify_all()
        if time - self._saved >= self._schedule.checkpoint_every:
            self._save()

    def _fail(self, taken: Taken, inputs: TickInputs, error: Exception) -> None:
        """Tell of a tick that failed, and go on with a new engine; what the tick took is not offered again."""
        self._fault = f"{type(error).__name__}: {error}"
        self._engine = self._make_engine()
        entry = NewEntry(inputs.time, "error", None, {"tick": inputs.time, "fault": self._fault[:500]})
        self._keep(TickRecord(inputs.time, taken.numbers, inputs.to_bytes()), [], [entry])

    def _keep(self, tick: TickRecord, plans: list[NewPlan], entries: list[NewEntry]) -> list[StoredPlan] | None:
        """Make a tick durable; tries until it is, since what the engine knows and what is kept must not part."""

        def job(store: Store) -> list[StoredPlan]:
            return store.commit_tick(tick, plans, entries, with_seq)

        while True:
            try:
                return self._writer.submit(job).result()
            except StoreError as error:
                self._fault = str(error)
                _LOG.error("the tick of %s cannot be kept: %s", tick.time, error)
                if self._stopping.wait(2 * _PATIENCE_S):
                    return None

    def _save(self) -> None:
        """Write a checkpoint; without one the next start takes longer, that is all."""
        data, time, version = self._engine.save(), self._last, self._schedule.version
        try:
            self._writer.submit(lambda store: store.save_checkpoint(time, data, version)).result()
            self._saved = time
        except CityBrainError:
            _LOG.exception("no checkpoint at %s", time)


def _fingerprint(packed: bytes, taken: Taken) -> str:
    """Hash of all that a tick took in."""
    digest = hashlib.sha256(packed)
    for judged in taken.batches:
        digest.update(judged.to_bytes())
    return "sha256:" + digest.hexdigest()
