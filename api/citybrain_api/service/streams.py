"""Server-sent events: how they are written, and the two streams that there are."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from citybrain.clock import stopwatch
from citybrain_api.service.bell import EVERYWHERE, wait

if TYPE_CHECKING:
    from citybrain_api.service.core import Service

NOTHING = b": nothing new\n\n"


def event(name: str, data: str, number: object = None) -> bytes:
    """Write one event; ``data`` is one line of JSON."""
    told = f"id: {number}\n" if number is not None else ""
    return f"event: {name}\n{told}data: {data}\n\n".encode()


async def plan_events(shared: Service, intersection: str, last_seq: int | None) -> AsyncIterator[bytes]:
    """Tell an intersection's plans as they come into force, the one in force first, until the service stops.

    A slow reader misses plans, never the newest one.

    Parameters
    ----------
    last_seq : what the reader has already.
    """
    told: int | None = last_seq
    yield b": plans\n\n"
    with shared.bell.listen(intersection) as bell:
        while not shared.bell.closing:
            bell.clear()
            plan = shared.live.board.get(intersection)
            seq = None if plan is None else plan.seq
            if plan is not None and seq != told:
                yield event("plan", plan.document_bytes.decode(), seq)
            elif plan is None and told is not None:
                yield event("no_plan", "{}")
            told = seq
            if not await wait(bell, shared.settings.keep_alive_s):
                yield NOTHING


async def network_events(shared: Service) -> AsyncIterator[bytes]:
    """Tell every tick that the reader is quick enough for, until the service stops."""
    told = None
    yield b": ticks\n\n"
    last_word = stopwatch()
    with shared.bell.listen(EVERYWHERE) as bell:
        while not shared.bell.closing:
            snapshot = shared.live.snapshot()
            if snapshot is not None and snapshot.time != told:
                told, last_word = snapshot.time, stopwatch()
                frame = await run_in_threadpool(shared.views.frame, snapshot)
                yield event("tick", json.dumps(frame, separators=(",", ":")), snapshot.time)
            elif stopwatch() - last_word > shared.settings.keep_alive_s:
                last_word = stopwatch()
                yield NOTHING
            bell.clear()
            await wait(bell, shared.settings.stream_s)
