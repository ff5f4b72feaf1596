"""Everybody who talks to the service while it is killed again and again, over real HTTP: see crash.

The street posts every second and waits for the tick, masts post without pause and post again what was not answered,
cabinets poll and acknowledge, somebody reads plans, and a person overrides. What was acknowledged is noted.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx

from benchmarks.crash_cabinets import ANSWER_S, Cabinet, Notes, NotingClient
from benchmarks.crash_checks import ToldBatch, ToldOverride, ToldPlan, must
from citybrain.control.interface import Site
from citybrain.observations import EVENT_LOOPS, SensorTable
from citybrain.randomness import generator
from citybrain.units import TENTHS_PER_SECOND
from citybrain_api.client import AsyncClient, Client, ProblemError, ServiceError, Verdicts
from citybrain_api.client_calls import Document
from citybrain_api.controller_loop import GivenTime

MASTS = 2
TICK_S = 60.0
"""The engine must have ticked after so long [s], if the service lives."""
AGAIN_S = 0.02
PERSON_S = 0.5


class Street:
    """All of them, at one pace.

    Attributes
    ----------
    time : the street's [tenths].
    speed : simulated seconds per second while the service does not answer; else it is as quick as the service.
    """

    def __init__(self, site: Site, sensors: SensorTable, url: str, keys: dict[str, str], begin: int, seed: int) -> None:
        self._site, self._sensors, self._url, self._keys = site, sensors, url, keys
        self._names = site.network.intersection_id
        self._draw = generator(seed, "crash benchmark street")
        self._given = GivenTime(begin)
        self._stopping = False
        self._known: list[tuple[Document, bytes]] = []
        self._passed = asyncio.Condition()
        self.notes = Notes()
        self.time = begin
        self.speed = 10.0
        self.clients = {name: NotingClient(url, keys[name], f"cabinet {name}", self.notes) for name in self._names}
        self.cabinets = [Cabinet(name, client, self._draw, self._given) for name, client in self.clients.items()]

    def everybody(self) -> list[Coroutine[Any, Any, None]]:
        """All that goes on at the same time until :meth:`stop`."""
        masts = [self._be_mast(f"mast-{k}") for k in range(MASTS)]
        return [self._live(), self._read_plans(), self._be_person(), *masts]

    def stop(self) -> None:
        """Have everybody end."""
        self._stopping = True

    async def comes_to(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so at the end of a second."""
        async with self._passed:
            await self._passed.wait_for(condition)

    async def _live(self) -> None:
        """Second after second: post, wait for the tick, let the cabinets go on and poll."""
        async with contextlib.AsyncExitStack() as lines:
            gateway = NotingClient(self._url, self._keys["field"], "street", self.notes)
            for client in (gateway, *self.clients.values()):
                await lines.enter_async_context(client)
            for cabinet in self.cabinets:
                await cabinet.put_up(self.time)
            while not self._stopping:
                await self._second(gateway)

    async def _second(self, gateway: NotingClient) -> None:
        """Let one second pass."""
        self.time += TENTHS_PER_SECOND
        if not await self._post_second(gateway):
            await asyncio.sleep(1.0 / self.speed)
        for tenth in range(self.time - TENTHS_PER_SECOND + 1, self.time + 1):
            self._given.set(tenth)
            for cabinet in self.cabinets:
                cabinet.look(tenth)
        await asyncio.gather(*(cabinet.converse(self.time) for cabinet in self.cabinets))
        async with self._passed:
            self._passed.notify_all()

    async def _post_second(self, gateway: NotingClient) -> bool:
        """Post what a second brought and wait for its tick; False where the service does not answer."""
        batch = self._batch("street", f"street-{self.time}") | {"complete_until": self.time}
        try:
            await self._deliver(gateway, batch)
            with self.notes.asking("tick"):
                reached = (await gateway.time(self.time, TICK_S))["engine_time"]
        except ServiceError as error:
            unanswered(error)
            return False
        must(reached >= self.time, f"the engine has not ticked {TICK_S:g} s after the post of {self.time}")
        self.notes.told.ticks.append(reached)
        return True

    async def _deliver(self, client: NotingClient, batch: Document) -> bool:
        """Post a batch and note the answer; tells whether the service knew it already."""
        found = await client.observe(batch)
        verdict = json.dumps(found.document, separators=(",", ":")).encode()
        self.notes.told.batches.append(ToldBatch(batch["sender"], batch["batch_id"], verdict))
        self._known.append((batch, verdict))
        return found.known

    async def _be_mast(self, name: str) -> None:
        """Post without pause; again what was not answered, and now and then what was, perhaps in an earlier life."""
        async with NotingClient(self._url, self._keys["field"], name, self.notes) as client:
            for number in itertools.count(1):
                if not await self._post_until_answered(client, self._batch(name, f"{name}-{number}")):
                    return
                if number % 5 == 0:
                    await self._post_again(client)

    async def _post_until_answered(self, client: NotingClient, batch: Document) -> bool:
        """Post a batch, again where there is no answer; False where the end came first."""
        tries = 0
        while not self._stopping:
            tries += 1
            try:
                known = await self._deliver(client, batch)
            except ServiceError as error:
                unanswered(error)
                await asyncio.sleep(AGAIN_S)
                continue
            must(tries > 1 or not known, f"{batch['batch_id']} is said to be known, and was never posted")
            self.notes.count["kept though unanswered"] += known
            return True
        return False

    async def _post_again(self, client: NotingClient) -> None:
        """Post once more something that was acknowledged, whenever that was."""
        batch, verdict = self._known[int(self._draw.integers(len(self._known)))]
        try:
            found = await client.observe(batch)
        except ServiceError as error:
            unanswered(error)
            return
        self.check_known(found, batch["batch_id"], verdict)

    def check_known(self, found: Verdicts, batch_id: str, verdict: bytes) -> None:
        """Check that a batch that is posted again is known and gets the verdict that it got."""
        same = json.dumps(found.document, separators=(",", ":")).encode() == verdict
        must(found.known and same, f"batch {batch_id}, acknowledged before, is not known or judged anew")
        self.notes.count["posted again"] += 1

    def post_all_again(self, most: int) -> None:
        """At the end: post again, of all that was ever acknowledged, so many."""
        chosen = self._draw.permutation(len(self._known))[:most]
        with Client(self._url, self._keys["field"], ANSWER_S) as client:
            for k in chosen:
                batch, verdict = self._known[int(k)]
                self.check_known(client.observe(batch), batch["batch_id"], verdict)

    async def _read_plans(self) -> None:
        """Read the plan in force everywhere, byte for byte, again and again; renews no lease."""
        last: dict[str, str] = {}
        head = {"Authorization": f"Bearer {self._keys['operator']}"}
        async with httpx.AsyncClient(base_url=self._url, headers=head, timeout=ANSWER_S, trust_env=False) as client:
            while not self._stopping:
                for name in self._names:
                    try:
                        with self.notes.asking("poll"):
                            answer = await client.get(f"/v1/intersections/{name}/plan")
                    except httpx.HTTPError:
                        continue
                    must(answer.status_code in {200, 404}, f"a poll of {name} was answered with {answer.status_code}")
                    tag = answer.headers.get("etag", "").strip('"')
                    if answer.status_code == 200 and last.get(name) != tag:
                        last[name] = tag
                        seq = int(answer.headers["plan-seq"])
                        self.notes.told.plans.append(ToldPlan("reader", name, seq, tag, answer.text))
                await asyncio.sleep(AGAIN_S)

    async def _be_person(self) -> None:
        """Override a stage somewhere for some seconds, now and then."""
        async with AsyncClient(self._url, self._keys["operator"], ANSWER_S) as client:
            while not self._stopping:
                await asyncio.sleep(PERSON_S)
                name, until = str(self._draw.choice(self._names)), self.time + 200
                try:
                    with self.notes.asking("override"):
                        made = await client.override(name, "stage", 0, "somebody", "a benchmark", until)
                except ServiceError as error:
                    unanswered(error)
                    continue
                self.notes.told.overrides.append(ToldOverride(made["number"], name, "stage", 0, until))

    def _batch(self, sender: str, batch_id: str) -> Document:
        """Batch of some rows of some sensors, a few of them wrong."""
        some = self._draw.choice(len(self._sensors.sensor_id), int(self._draw.integers(0, 8)))
        rows = [row for x in some.tolist() for row in self._rows(x)]
        if self._draw.random() < 0.2:
            rows.append({"kind": "loop", "sensor": "nobody's", "time_ms": self.time * 100, "on": True})
        return {"format": "citybrain/observations/1", "batch_id": batch_id, "sender": sender, "rows": rows}

    def _rows(self, x: int) -> list[Document]:
        """Something that a sensor may have seen in the last second."""
        sensors, draw = self._sensors, self._draw
        about: Document = {"sensor": sensors.sensor_id[x], "time_ms": self.time * 100 - int(draw.integers(500, 1000))}
        if sensors.kind[x] in EVENT_LOOPS:
            later = about | {"time_ms": about["time_ms"] + 400}
            return [{"kind": "loop", **about, "on": True}, {"kind": "loop", **later, "on": False}]
        rows: list[Document] = [{"kind": "frame", **about}]
        for lane in sensors.cover_lane[sensors.cover_ptr[x] : sensors.cover_ptr[x + 1]].tolist():
            length = float(self._site.network.lane_length[lane])
            seen = {"distance": length * float(draw.random()), "speed": 14 * float(draw.random()), "confidence": 0.9}
            rows.append({"kind": "object", **about, "lane": self._site.network.lane_id[lane], **seen})
        return rows


def unanswered(error: ServiceError) -> None:
    """Accept that there was no answer, but not a bad one."""
    must(not isinstance(error, ProblemError), f"the service refused what it should take: {error}")
