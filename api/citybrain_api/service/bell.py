"""Wakes the tasks that wait for a plan to change. Knows asyncio and nothing of the service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

EVERYWHERE = ""
"""Listens to all intersections; no intersection has an empty id."""


class Bell:
    """Events that the engine's thread rings and the loop's tasks wait for."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closing = False

    def hang(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say in which loop the tasks wait."""
        self._loop = loop

    def ring(self, intersections: list[str]) -> None:
        """Wake those who wait for one of the intersections; from any thread."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
                loop.call_soon_threadsafe(self._wake, intersections)

    def close(self) -> None:
        """Wake everybody for good: the service stops. Only from the loop."""
        self.closing = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    @contextlib.contextmanager
    def listen(self, intersection: str) -> Iterator[asyncio.Event]:
        """Give an event that is set when the intersection's plan changes or the service stops. Only in the loop."""
        event = asyncio.Event()
        if self.closing:
            event.set()
        events = self._waiting.setdefault(intersection, set())
        events.add(event)
        try:
            yield event
        finally:
            events.discard(event)
            if not events and self._waiting.get(intersection) is events:
                del self._waiting[intersection]

    def _wake(self, intersections: list[str]) -> None:
        for intersection in (*intersections, EVERYWHERE):
            for event in self._waiting.get(intersection, ()):
                event.set()


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for some time at most [s]; tell whether it came."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
