"""A small street with cabinets that follow the live engine, for tests: no simulator, no store, no threads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from citybrain.cabinet import Cabinet
from citybrain.control.interface import Site
from citybrain.live.book import Book, make_book
from citybrain.live.engine import LiveEngine, Outcome
from citybrain.live.inputs import ActiveOverride, TickInputs
from citybrain.observations import ObservationBatch
from citybrain.plans.plan import with_seq
from citybrain.randomness import generator
from tests.sites import small_timings
from tests.small_world import random_batch, small_network, small_sensors, small_signals

TICK = 10
LEASE = 300
CYCLE = 660
"""Cycle of the small street's own program."""


def street() -> Site:
    """One intersection of two roads; 5 s of minimum green."""
    signals = small_signals()
    return Site(small_network(), signals, small_timings(signals))


def override(kind: str, value: Any, begin: int, until: int, number: int = 1) -> ActiveOverride:
    """Somebody's wish."""
    return ActiveOverride(number, "c", kind, value, "Ada", "a test", begin, until)


class Loop:
    """An engine and its cabinet, tick by tick.

    Attributes
    ----------
    inputs, outcomes : of every tick so far.
    documents : every plan as it was offered, and what the cabinet said of it in ``acks``.
    lamps : what the cabinet showed at the end of every tick.
    """

    def __init__(self, controller: str = "planner", begin: int = 0, seed: int = 1, book: Book | None = None) -> None:
        self.site = street()
        self.book = make_book(self.site, 20) if book is None else book
        self.engine = LiveEngine(self.site, small_sensors(), self.book, controller)
        self.cabinet = Cabinet(make_book(self.site, 20).data[0], begin)
        self.time = begin
        self.polls = True
        self.overrides: tuple[ActiveOverride, ...] = ()
        self.inputs: list[TickInputs] = []
        self.outcomes: list[Outcome] = []
        self.documents: list[dict[str, Any]] = []
        self.acks: list[dict[str, Any]] = []
        self.lamps: list[str] = []
        self._begin = begin
        self._on_board = False
        self._rng = generator(seed, "observations")
        self._waiting: list[dict[str, Any]] = []

    def run(self, ticks: int) -> None:
        """Go on for so many ticks."""
        for _ in range(ticks):
            self.tick()

    def tick(self) -> None:
        """One tick: observations and reports in, plans out, the cabinet a second on."""
        alive = np.array([self.polls])
        active = tuple(o for o in self.overrides if o.begin <= self.time < o.until)
        inputs = TickInputs(self.time, self._observe(), tuple(self._waiting), active, alive)
        self.inputs.append(inputs)
        self._waiting = []
        outcome = self.engine.step(inputs)
        self.outcomes.append(outcome)
        cabinet = self.cabinet
        if self.polls:
            for plan in outcome.plans:
                self.documents.append(with_seq(plan.document, len(self.documents) + 1))
                self._waiting.append(cabinet.offer(self.documents[-1], self.time))
            self._on_board = bool(outcome.plans) or (self._on_board and not outcome.withdrawn)
            if cabinet.plan_id is not None and self._on_board:
                cabinet.renew(cabinet.plan_id, self.time + LEASE, self.time)
        self.time += TICK
        cabinet.advance(self.time)
        self.lamps.append(cabinet.aspects)
        if self.polls:
            self._waiting.append(cabinet.ack(self.time))
        self.acks += self._waiting

    def mode(self) -> str:
        """Who directs the cabinet's stages now."""
        return str(self.cabinet.mode)

    def believed(self) -> str:
        """What the engine believed the cabinet to show at the last tick's end."""
        lamps = self.outcomes[-1].snapshot.lamps
        return "".join("rygG"[aspect] for aspect in lamps.aspect)

    def _observe(self) -> ObservationBatch:
        """Observations that do not depend on when the run began."""
        batch = random_batch(self.time - self._begin + 100, self._rng)
        shift = (self._begin - 100) / 10
        return replace(
            batch,
            time=self.time,
            loop_time=batch.loop_time + shift,
            frame_time=batch.frame_time + shift,
            object_time=batch.object_time + shift,
        )
