"""What all routes share: the live room, keys, limits, counters, and what runs beside the requests."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from citybrain.errors import StoreError
from citybrain_api.service.bell import Bell
from citybrain_api.service.city_documents import CityView
from citybrain_api.service.keys import KeyRing
from citybrain_api.service.metrics import Metrics
from citybrain_api.service.problems import unavailable
from citybrain_api.service.settings import ServiceSettings
from citybrain_api.service.views import Views

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from citybrain.live.service import Live
    from citybrain.live.snapshot import Snapshot

EVENT_STREAM = "text/event-stream"
ENGINE_WAITERS = 8
"""Requests that may wait for the engine at the same time; others queue."""
READERS = 2
"""Bodies of observations that are parsed at the same time; bounds what parsing takes in memory."""


@dataclass
class Service:
    """One running service."""

    live: Live
    settings: ServiceSettings
    log: FilteringBoundLogger
    keys: KeyRing
    intersections: frozenset[str]
    retired: frozenset[str]
    views: Views
    city: CityView
    metrics: Metrics = field(default_factory=Metrics)
    bell: Bell = field(default_factory=Bell)
    bodies_bytes: int = 0
    explaining: threading.Lock = field(default_factory=threading.Lock)
    viewers: int = 0
    plan_streams: int = 0
    engine_waiters: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(ENGINE_WAITERS, thread_name_prefix="engine-waiter")
    )
    readers: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(READERS, thread_name_prefix="body-reader")
    )

    @contextlib.asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        """Listen to the board and keep the keys fresh while the application runs."""
        self.bell.hang(asyncio.get_running_loop())
        deaf = self.live.board.subscribe(self.bell.ring)
        refresh = asyncio.create_task(self._refresh_keys())
        try:
            yield
        finally:
            self.bell.close()
            deaf()
            refresh.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await refresh
            for pool in (self.engine_waiters, self.readers):
                pool.shutdown(wait=False, cancel_futures=True)

    def snapshot(self) -> Snapshot:
        """Return the engine's last state.

        Raises
        ------
        ProblemError
            503 before the first tick.
        """
        found = self.live.snapshot()
        if found is None:
            raise unavailable("the engine has not ticked yet", after_s=1)
        return found

    def reasons(self) -> list[str]:
        """Say why the service is not ready; nothing where it is."""
        return [*self.live.ready(), *(["the service is being stopped"] if self.bell.closing else [])]

    def measure(self) -> None:
        """Set the gauges that are read, not counted."""
        metrics, snapshot = self.metrics, self.live.snapshot()
        metrics.engine_time.set(self.live.engine_time)
        metrics.clock.set(self.live.clock.now())
        metrics.ready.set(not self.reasons())
        metrics.alive.set(0 if snapshot is None else sum(snapshot.alive))
        metrics.plans.set(self.views.plans_in_force())
        if snapshot is not None and snapshot.city is not None:
            metrics.tell_city(snapshot.city)
        metrics.streams.set(self.viewers + self.plan_streams)
        metrics.bodies.set(self.bodies_bytes)

    def stream(self, kind: Literal["viewers", "plan_streams"], events: AsyncIterator[bytes]) -> Response:
        """Answer with a stream of events, where not too many are open.

        Raises
        ------
        ProblemError
            503 where too many are.
        """
        if getattr(self, kind) >= getattr(self.settings, kind):
            raise unavailable("too many event streams are open", after_s=30)

        async def counted() -> AsyncIterator[bytes]:
            setattr(self, kind, getattr(self, kind) + 1)
            try:
                async for part in events:
                    yield part
            finally:
                setattr(self, kind, getattr(self, kind) - 1)

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(counted(), headers=headers, media_type=EVENT_STREAM)

    async def _refresh_keys(self) -> None:
        read = (-1, -1)
        while True:
            await asyncio.sleep(self.settings.key_refresh_s)
            try:
                counts = await asyncio.to_thread(self.live.store.count_keys)
                if counts != read:
                    self.keys.load(await asyncio.to_thread(self.live.store.keys))
                    read = counts
            except StoreError as error:
                self.log.warning("keys", failure=str(error), effect="keys stay as they were read last")


def service(request: Request) -> Service:
    """Return the service that a request came to."""
    return cast("Service", request.app.state.service)
