"""A cabinet at the end of a line: polls its plan, carries it out, acknowledges; its lamps never wait for the line."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from citybrain.cabinet import Cabinet, Mode
from citybrain.cabinet.event_files import EventFile
from citybrain.clock import Stopwatch, WallClock, stopwatch
from citybrain_api.client import AsyncClient, Poll, ProblemError, ServiceError

ANSWER_S = 3.0
"""A controller waits no longer for an answer [s]: the next poll is worth more."""
_SAMPLES = 5
_TOLERATED = 3
"""Skew that is left alone [tenths]."""
_FOLLOWED = 100
"""A server that differs by more, once the clock is set, is not believed [tenths]."""
_ASLEEP = 30
"""Lamps not looked after for longer stood still: the machine slept [tenths]."""
_POLL_TENTHS = (2, 300)
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S, _LONGEST_RETRY_S = 0.2, 30.0, 120.0
_RETELL_S = 5.0
_TELL_EVERY = 100
"""An acknowledgement goes out at least every so often [tenths]."""


@dataclass(frozen=True)
class ControllerSettings:
    """What a controller is told.

    Attributes
    ----------
    intersection : its id.
    data : its controller data; None: the service is asked for them.
    events : file for high-resolution events, ``.csv`` or ``.parquet``.
    """

    intersection: str
    data: dict[str, Any] | None = None
    events: Path | None = None


class Timekeeper:
    """The controller's clock: a stopwatch, set by the server's time at first contact and kept near it later.

    Parameters
    ----------
    time : now [tenths], as good as the machine knows it.
    watch : counts seconds.
    """

    def __init__(self, time: int, watch: Stopwatch = stopwatch) -> None:
        self._watch = watch
        self._base, self._origin = time, watch()
        self._skews: deque[int] = deque(maxlen=_SAMPLES)
        self._set = False
        self.skew = 0
        """How far the server is ahead, as last measured [tenths]."""

    def now(self) -> int:
        """Time of the controller [tenths]."""
        return self._base + int((self._watch() - self._origin) * 10)

    def heard(self, server_time: int, round_trip_s: float) -> bool:
        """Take note of an answer that has just come; tells whether the server's clock is believed."""
        self.skew = server_time + round(round_trip_s * 5) - self.now()
        if not self._set:
            self._base += self.skew
            self._set = True
            return True
        if abs(self.skew) > _FOLLOWED:
            return False
        self._skews.append(self.skew)
        middle = round(statistics.median(self._skews))
        if len(self._skews) == _SAMPLES and abs(middle) > _TOLERATED:
            self._base += middle
            self._skews.clear()
        return True


class GivenTime:
    """The time of a simulated street, which the server shares: it is what was set last [tenths]."""

    def __init__(self, time: int) -> None:
        self._now = time
        self.skew = 0

    def set(self, time: int) -> None:
        """Set the time."""
        self._now = time

    def now(self) -> int:
        """Time of the controller [tenths]."""
        return self._now

    def heard(self, server_time: int, round_trip_s: float) -> bool:
        """Measure, but believe the street; the server follows it."""
        del round_trip_s
        self.skew = server_time - self._now
        return True


class Controller:
    """A virtual controller; :meth:`run` until it is told to stop, or :meth:`prepare` it and drive it step by step.

    Parameters
    ----------
    settings : what it is told.
    client : way to the service; closed by whoever made it.
    generator : for the jitter of polls.
    report : hears, one line each, what people want to know.
    time : the controller's clock; without it, the machine's, set by the server's.
    """

    cabinet: Cabinet

    def __init__(
        self,
        settings: ControllerSettings,
        client: AsyncClient,
        generator: np.random.Generator,
        report: Callable[[str], None],
        time: Timekeeper | GivenTime | None = None,
    ) -> None:
        self._settings = settings
        self._client = client
        self._generator = generator
        self._report = report
        self._time = time or Timekeeper(WallClock().now())
        self._failures = 0
        self._poll_after = 10
        self._told: dict[bool, tuple[tuple[object, ...], int]] = {}
        self._mode = Mode.TIME_OF_DAY
        self._changed, self._wake = asyncio.Event(), asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Control the intersection until ``stop`` is set.

        Raises
        ------
        InputError
            If the controller data are refused, or the events file cannot be written.
        ProblemError
            If the service refuses to tell the controller data for good.
        """
        if not await self.prepare(stop):
            return
        with contextlib.ExitStack() as files:
            path = self._settings.events
            file = files.enter_context(EventFile(path, self.cabinet.intersection)) if path else None
            talk = [asyncio.create_task(self._keep_polling(stop)), asyncio.create_task(self._keep_telling(stop))]
            try:
                await self._keep_lamps(stop, file)
            finally:
                for task in talk:
                    task.cancel()
                for outcome in await asyncio.gather(*talk, return_exceptions=True):
                    if isinstance(outcome, Exception):
                        raise outcome

    async def prepare(self, stop: asyncio.Event) -> bool:
        """Put up the cabinet with its data, asked for until they come; False if ``stop`` was set before.

        Raises
        ------
        InputError
            If the controller data are refused.
        ProblemError
            If the service refuses to tell the controller data for good.
        """
        data = self._settings.data or await self._fetch_data(stop)
        if data is not None:
            self.cabinet = Cabinet(data, self._time.now())
        self._report(f"begins with its own pattern, mode {self.cabinet.mode}; Ctrl-C ends it")
        return data is not None

    @property
    def in_contact(self) -> bool:
        """The last poll was answered, and the answer could be used."""
        return self._failures == 0

    async def converse(self) -> float:
        """Poll once and do what follows, whatever happens; returns how long to wait before the next poll [s]."""
        try:
            return await self._poll()
        except ServiceError as error:
            return self._after_failure(error)

    async def _fetch_data(self, stop: asyncio.Event) -> dict[str, Any] | None:
        """Ask for the controller data until they come."""
        while not stop.is_set():
            try:
                data = await self._client.controller_data(self._settings.intersection)
                self._failures = 0
            except ServiceError as error:
                if isinstance(error, ProblemError) and error.status in {401, 403, 404, 410}:
                    raise
                await _pause(stop, self._after_failure(error))
            else:
                return data
        return None

    async def _keep_lamps(self, stop: asyncio.Event, file: EventFile | None) -> None:
        """Advance the cabinet whenever something is due, and at least every second."""
        while True:
            now = self.look_after()
            rows = self.cabinet.events()
            if file is not None:
                file.write(rows)
            if self.cabinet.mode != self._mode:
                self._mode = self.cabinet.mode
                self._report(f"mode {self._mode}")
                self._changed.set()
            if stop.is_set():
                return
            await _pause(self._wake, min(10, max(1, self.cabinet.due - now)) / 10)
            self._wake.clear()

    def look_after(self) -> int:
        """Bring the cabinet up to now, and return that [tenths]; a jump of the clock changes no lamp."""
        now = self._time.now()
        if 0 <= now - self.cabinet.time <= _ASLEEP:
            self.cabinet.advance(now)
        else:
            self.cabinet.set_clock(now)
            self._report(f"clock set to {now}")
        return now

    async def _keep_polling(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await _pause(stop, await self.converse())

    async def _keep_telling(self, stop: asyncio.Event) -> None:
        """Acknowledge every change of mode, even while polls fail or hang."""
        while not stop.is_set():
            await self._changed.wait()
            self._changed.clear()
            try:
                now = self.look_after()
                await self._tell(self.cabinet.ack(now), now)
            except ServiceError:
                self._changed.set()
                await _pause(stop, _RETELL_S)

    async def _poll(self) -> float:
        """Poll once, and do what follows; returns how long to wait before the next poll [s]."""
        name, cabinet = self._settings.intersection, self.cabinet
        asked, sent = cabinet.plan_id, stopwatch()
        poll = await self._client.poll(name, asked)
        if poll.server_time is not None and not self._time.heard(poll.server_time, stopwatch() - sent):
            raise ServiceError(f"the server's clock differs by {self._time.skew / 10:.1f} s; its word is not taken")
        if poll.kind == "unchanged" and asked is None:
            raise ServiceError("the server says that nothing changed, though no plan was in hand")
        if self._failures:
            self._report(f"in contact again after {self._failures} failures")
            self._failures = 0
        await self._obey(poll, asked)
        low, high = _POLL_TENTHS
        return min(high, max(low, self._poll_after)) / 10 * float(self._generator.uniform(0.9, 1.1))

    async def _obey(self, poll: Poll, asked: str | None) -> None:
        """Hand the cabinet what came, and acknowledge."""
        cabinet, now = self.cabinet, self.look_after()
        if poll.kind == "plan":
            ack = cabinet.offer(poll.plan, now, poll.lease_until)
            self._wake.set()
            if ack["verdict"] == "refused":
                self._report(f"plan {ack['seq']} refused: {ack['code']}: {ack['sentence']}")
            elif isinstance(poll.plan, dict):
                self._poll_after = poll.plan["poll_after"]
            await self._tell(ack, now)
        elif poll.kind == "no_plan":
            cabinet.withdraw(now)
        elif asked is not None and poll.lease_until is not None:
            cabinet.renew(asked, poll.lease_until, now)
        self._wake.set()
        await self._tell(cabinet.ack(now), now)

    async def _tell(self, ack: dict[str, Any], now: int) -> None:
        """Acknowledge what is new, and now and then that nothing is."""
        offered = ack["verdict"] in {"accepted", "refused"}
        news = (ack["verdict"], ack["mode"], ack["code"], ack["plan_id"] if offered else None)
        told, at = self._told.get(offered, ((), 0))
        if news == told and now - at < _TELL_EVERY:
            return
        await self._client.acknowledge(self._settings.intersection, ack)
        self._told[offered] = news, now

    def _after_failure(self, error: ServiceError) -> float:
        """Report a failure, and say how long to wait [s]: longer every time, unless the service names a time."""
        self._failures += 1
        if self._failures == 1 or isinstance(error, ProblemError):
            self._report(str(error))
        pause = min(_LONGEST_PAUSE_S, _SHORTEST_PAUSE_S * 2 ** min(self._failures, 10))
        if isinstance(error, ProblemError) and error.retry_after_s is not None:
            pause = max(pause, min(error.retry_after_s, _LONGEST_RETRY_S))
        return float(pause * self._generator.uniform(0.75, 1.0))


async def _pause(event: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond an event."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
