"""What the page is told while it is open: the past of the city's figures once, then every tick as a frame.

One frame is made per tick, however many watch, and none where nobody does. Someone who has missed a frame gets the next
one whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.concurrency import run_in_threadpool

from citybrain.cabinet.journal import Mode
from citybrain.city.columns import LEVELS
from citybrain_api.service.bell import EVERYWHERE, wait
from citybrain_api.service.page_frames import Frame, Picture, index_places, share
from citybrain_api.service.streams import NOTHING, event

if TYPE_CHECKING:
    from citybrain.city.figures import CityFigures
    from citybrain.live.snapshot import Snapshot
    from citybrain_api.service.core import Service

MODES = ("unknown", *(str(mode) for mode in Mode))
"""Modes in the order of their numbers; 32 is added where the controller has not polled within its lease."""
SILENT = 32
SAMPLE_EVERY = 100
"""Vehicles and queue are kept so often [tenths]."""
HOURS = 6
"""So far back the page sees, and never further than the service's start."""


class PageFeed:
    """Watches the engine for all open pages.

    Parameters
    ----------
    service : what the routes share.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        network = service.live.site.network
        self._length = network.lane_length
        self._roads = len(network.edge_id)
        self._position = {name: i for i, name in enumerate(network.intersection_id)}
        self._mode = {mode: number for number, mode in enumerate(MODES)}
        self._samples: deque[tuple[int, float, float]] = deque(maxlen=HOURS * 36_000 // SAMPLE_EVERY)
        self._minutes: deque[dict[str, Any]] = deque(maxlen=HOURS * 60)
        self._frame: Frame | None = None
        self._made = self._watchers = self._seen = 0
        self._news = asyncio.Event()
        self._making = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Watch as long as the context lasts."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def events(self, hello: dict[str, Any]) -> AsyncIterator[bytes]:
        """Tell ``hello``, the past, and every frame that the reader is quick enough for, until the service stops."""
        service, told = self._service, -1
        yield event("hello", json.dumps(hello))
        yield event("past", json.dumps({"samples": list(self._samples), "minutes": list(self._minutes)}))
        self._watchers += 1
        try:
            await self._look()
            while not service.bell.closing:
                news, frame = self._news, self._frame
                if frame is not None and frame.number != told:
                    yield event("frame", frame.change if frame.number == told + 1 else frame.whole)
                    told = frame.number
                if not await wait(news, service.settings.keep_alive_s):
                    yield NOTHING
        finally:
            self._watchers -= 1

    async def _watch(self) -> None:
        """Look at every tick, and wake the readers."""
        service = self._service
        with service.bell.listen(EVERYWHERE) as bell:
            while not service.bell.closing:
                try:
                    await self._look()
                except Exception:  # one tick that cannot be shown must not end the page for good
                    service.log.exception("page", effect="this tick is not shown")
                bell.clear()
                await wait(bell, service.settings.stream_s)
        self._wake()

    async def _look(self) -> None:
        """Remember a new tick, and make a frame of it where somebody watches."""
        async with self._making:
            snapshot = self._service.live.snapshot()
            if snapshot is None:
                return
            if snapshot.time != self._seen:
                self._seen = snapshot.time
                self._remember(snapshot)
            if not self._watchers:
                self._frame = None
            elif self._frame is None or snapshot.time != self._frame.picture.time:
                before = None if self._frame is None else self._frame.picture
                picture = await run_in_threadpool(self._picture, snapshot)
                self._made += 1
                self._frame = Frame(self._made, picture, before)
                self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _picture(self, snapshot: Snapshot) -> Picture:
        state, service = snapshot.state, self._service
        modes = [self._mode.get(mode, 0) + (0 if alive else SILENT) for mode, alive in _cabinets(snapshot)]
        vehicles, queue = _sums(snapshot)
        no_index = np.zeros(self._roads, dtype=np.uint8)
        return Picture(
            snapshot.time,
            {
                "q": share(state.back_of_queue / self._length),
                "v": share(state.occupancy),
                "c": share(state.confidence),
                "g": snapshot.lamps.aspect,
                "m": np.array(modes, dtype=np.uint8),
                "x": no_index if snapshot.city is None else index_places(snapshot.city.roads),
            },
            {
                "vehicles": vehicles,
                "queue": queue,
                "confidence": round(float(np.average(state.confidence, weights=self._length)), 3),
                "alive": sum(snapshot.alive),
                "plans": service.views.plans_in_force(),
                "minute": None if snapshot.city is None else _minute(snapshot.city),
                "overrides": [
                    [self._position[override["intersection"]], override["kind"], override["until"]]
                    for override in service.live.overrides()
                ],
                "ready": service.reasons(),
            },
        )

    def _remember(self, snapshot: Snapshot) -> None:
        if not self._samples or snapshot.time - self._samples[-1][0] >= SAMPLE_EVERY:
            vehicles, queue = _sums(snapshot)
            self._samples.append((snapshot.time, vehicles, queue))
        if snapshot.city is not None and (not self._minutes or self._minutes[-1]["t"] != snapshot.city.time):
            self._minutes.append(_minute(snapshot.city))


def _sums(snapshot: Snapshot) -> tuple[float, float]:
    """Vehicles on all lanes, and those in queues."""
    state = snapshot.state
    return round(float(state.vehicles.sum()), 1), round(float(state.queue.sum()), 1)


def _cabinets(snapshot: Snapshot) -> zip[tuple[str, bool]]:
    return zip(snapshot.mode, snapshot.alive, strict=True)


def _minute(figures: CityFigures) -> dict[str, Any]:
    """Figures of a minute that the page shows over time."""
    return {
        "t": figures.time,
        "vehicles": round(figures.vehicles, 1),
        "low": round(figures.low, 1),
        "high": round(figures.high, 1),
        "index": round(figures.delay_index, 3),
        "time_index": round(figures.travel_time_index, 3),
        "level": LEVELS[figures.level],
    }
