"""Cabinets that poll a service which is killed again and again, their lamps watched, and what they are told noted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from benchmarks.crash_checks import Told, ToldPlan, must
from citybrain.cabinet import Mode
from citybrain.storage.ledger import canonical
from citybrain.units import TENTHS_PER_SECOND
from citybrain_api.client import AsyncClient, Poll, Verdicts
from citybrain_api.client_calls import Document
from citybrain_api.controller_loop import Controller, ControllerSettings, GivenTime
from tests.cabinets import Monitor

ANSWER_S = 30.0
MOST_POLLS = 10
"""So many answered polls after an outage at most, a cabinet must be back in adaptive mode."""


@dataclass
class Notes:
    """What was heard; ``flying``: requests of each kind that wait for an answer now."""

    told: Told = field(default_factory=Told)
    flying: Counter[str] = field(default_factory=Counter)
    count: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def asking(self, kind: str) -> Iterator[None]:
        """Count a request while it is under way, and when it was answered."""
        self.flying[kind] += 1
        try:
            yield
            self.count[kind] += 1
        finally:
            self.flying[kind] -= 1

    def take(self) -> Told:
        """Hand over what was heard since the last time."""
        told, self.told = self.told, Told()
        return told


class NotingClient(AsyncClient):
    """A client that notes what it is told; ``lease`` is the latest one it heard of [tenths]."""

    def __init__(self, url: str, key: str, who: str, notes: Notes) -> None:
        super().__init__(url, key, ANSWER_S)
        self._who, self._notes = who, notes
        self.lease = 0

    async def poll(self, intersection: str, plan_id: str | None = None, wait_s: float = 0.0) -> Poll:
        """Poll, and note the plan."""
        with self._notes.asking("poll"):
            found = await super().poll(intersection, plan_id, wait_s)
        self.lease = max(self.lease, found.lease_until or 0)
        plan = found.plan
        if isinstance(plan, dict):
            self.lease = max(self.lease, plan["lease_until"])
            text = canonical(plan)
            self._notes.told.plans.append(ToldPlan(self._who, intersection, plan["seq"], plan["plan_id"], text))
        return found

    async def acknowledge(self, intersection: str, ack: Document) -> None:
        """Acknowledge, and note that it was kept."""
        text = canonical(ack)
        with self._notes.asking("acknowledgement"):
            await super().acknowledge(intersection, ack)
        self._notes.told.acks.append((intersection, text))

    async def observe(self, batch: Document | bytes) -> Verdicts:
        """Post; whoever posts notes it."""
        with self._notes.asking("post"):
            return await super().observe(batch)


class Cabinet:
    """One virtual controller at the street, and somebody who watches its lamps every tenth of a second."""

    def __init__(self, name: str, client: NotingClient, draw: np.random.Generator, time: GivenTime) -> None:
        self._client, self._name = client, name
        self.controller = Controller(ControllerSettings(name), client, draw, self._hear, time)
        self._out, self._polls, self._accepted = True, 0, 0
        self._next = 0
        self._stands = False
        self.fallbacks = self.looks = 0
        self.polls_to_plan: list[int] = []
        self.polls_to_return: list[int] = []
        self.refusals: list[str] = []

    def _hear(self, line: str) -> None:
        """Note plans that the cabinet refuses."""
        if line.startswith("plan "):
            self.refusals.append(line)

    async def put_up(self, time: int) -> None:
        """Fetch the controller data and begin."""
        await self.controller.prepare(asyncio.Event())
        cabinet = self.controller.cabinet
        self._monitor = Monitor(cabinet.data, cabinet.aspects, time)
        self._stands = True

    @property
    def adaptive(self) -> bool:
        """Whether it follows a plan."""
        return self._stands and self.controller.cabinet.mode == Mode.ADAPTIVE

    def look(self, time: int) -> None:
        """Bring the lamps up to a tenth of a second, and judge them."""
        self.controller.look_after()
        self._judge(time)
        must(not self.adaptive or time <= self._client.lease, f"{self._name} follows a plan without a lease at {time}")
        if not self.adaptive and not self._out:
            self._out, self._polls, self._accepted = True, 0, 0
            self.fallbacks += 1

    def _judge(self, time: int) -> None:
        """Have the watcher look at the lamps."""
        self.looks += 1
        self._monitor.see(self.controller.cabinet.aspects, time)
        must(not self._monitor.faults, f"{self._name}: unlawful lamps: {self._monitor.faults[:1]}")

    async def converse(self, now: int) -> None:
        """Poll where it is time to; count the polls that bring it back."""
        if now < self._next:
            return
        self._next = now + max(1, round(await self.controller.converse())) * TENTHS_PER_SECOND
        self._judge(now)
        if not self.controller.in_contact:
            self._polls = self._accepted = 0
        elif self._out:
            self._polls += 1
            if self._accepted == 0 and self.controller.cabinet.plan_id is not None:
                self._accepted = self._polls
            must(self._polls <= MOST_POLLS, f"{self._name} is not back after {self._polls} answered polls at {now}")
            if self.adaptive:
                self.polls_to_plan.append(self._accepted)
                self.polls_to_return.append(self._polls)
                self._out = False
