"""Raw keep-alive clients for ``benchmarks/polls.py``: as little work per request as Python allows."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from citybrain.clock import stopwatch

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"content-length: (\d+)")
TAG = re.compile(rb"etag: ([^\r]+)")


@dataclass
class Tally:
    """What clients saw: answers by status, seconds per answer [s], and connections lost."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    lost: int = 0
    late: int = 0
    """Polls that were not sent, because the answer to the one before had not come."""


class Poller(asyncio.Protocol):
    """One controller: polls, and knows the tag of its plan.

    Parameters
    ----------
    path, key : of the poll.
    tally : where answers are counted.
    period_s : time between polls [s]; 0: the next follows at once on every answer.
    """

    def __init__(self, path: str, key: str, tally: Tally, period_s: float) -> None:
        self._head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n".encode()
        self._request = self._head + b"\r\n"
        self._tally = tally
        self._period_s = period_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._sent = 0.0
        self._open = False
        self._next = 0.0
        self.running = False
        self.has_plan = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it where the run is on."""
        del exc
        self._transport = None
        if self.running:
            self._tally.lost += 1

    def begin(self, delay_s: float = 0.0) -> None:
        """Poll from then on."""
        self.running = True
        self._next = self._loop.time() + delay_s
        self._loop.call_at(self._next, self._due)

    def _due(self) -> None:
        if not self.running or self._transport is None:
            return
        if self._open:
            self._tally.late += 1
        else:
            self._poll()
        if self._period_s:
            self._next += self._period_s
            self._loop.call_at(self._next, self._due)

    def _poll(self) -> None:
        assert self._transport is not None
        self._open = True
        self._sent = stopwatch()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Read an answer; where it brings a new plan, ask for a newer one from then on."""
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0:
            return
        status = int(self._buffer[9:12])
        size = 0
        if status != 304:
            head = self._buffer[:end].lower()
            length, tag = LENGTH.search(head), TAG.search(head)
            size = int(length[1]) if length else 0
            if len(self._buffer) < end + 4 + size:
                return
            if tag:
                self.has_plan = True
                self._request = self._head + b"If-None-Match: " + tag[1] + b"\r\n\r\n"
        self._buffer = self._buffer[end + 4 + size :]
        self._open = False
        self._tally.statuses[status] += 1
        self._tally.seconds.append(stopwatch() - self._sent)
        if self.running and not self._period_s:
            self._poll()


async def connect(
    host: str, port: int, polls: Sequence[tuple[str, str]], tally: Tally, period_s: float
) -> list[Poller]:
    """Open one connection per poll (path, key), 200 at a time."""
    loop = asyncio.get_running_loop()
    pollers: list[Poller] = []
    for first in range(0, len(polls), 200):
        some = [
            loop.create_connection(lambda p=path, k=key: Poller(p, k, tally, period_s), host, port)  # type: ignore[misc]
            for path, key in polls[first : first + 200]
        ]
        pollers += [protocol for _, protocol in await asyncio.gather(*some)]
    return pollers
