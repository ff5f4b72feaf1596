"""A live service on a loopback port, around one small crossing: for tests that need a real server and a real client."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from citybrain.clock import StreetClock, stopwatch
from citybrain.control.interface import Site
from citybrain.live.service import Live
from citybrain.profiles import make_timings
from citybrain.storage.store import open_store
from citybrain_api.service.app import LiveApp, make_app
from citybrain_api.service.keys import drop_key, keep_key, new_key
from citybrain_api.service.logs import make_logger
from citybrain_api.service.server import Served
from citybrain_api.service.settings import Scope, ServiceSettings
from tests.small_world import small_network, small_sensors, small_signals

BEGIN = 252_000
"""07:00 on the first of January 1970."""
QUICK = ServiceSettings(key_refresh_s=0.05, keep_alive_s=0.1, stream_s=0.02)


def small_site() -> Site:
    """The crossing ``c`` under its own timings."""
    network, signals = small_network(), small_signals()
    return Site(network, signals, make_timings("own", network, signals))


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for a condition, for a bounded time; returns what it returned."""
    end = stopwatch() + seconds
    while not (found := condition()):
        assert stopwatch() < end, "it did not come to pass"
    return found


def raw(url: str) -> socket.socket:
    """Open a connection to a server, for what no client sends."""
    where = urlsplit(url)
    assert where.hostname
    assert where.port
    return socket.create_connection((where.hostname, where.port), timeout=20)


@dataclass
class World:
    """A running service, and what a test needs of it."""

    live: Live
    app: LiveApp
    url: str
    keys: dict[str, str]
    clock: StreetClock
    log: io.StringIO
    batch: int = 0

    def client(self, who: str | None, **options: Any) -> httpx.Client:
        """A client with one of the keys: ``controller``, ``field``, ``operator``, ``reader``; None: without."""
        headers = {} if who is None else {"Authorization": f"Bearer {self.keys[who]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False, **options)

    def get(self, who: str | None, path: str, **options: Any) -> httpx.Response:
        """One GET."""
        with self.client(who) as client:
            return client.get(path, **options)

    def body(self, *rows: dict[str, Any], until_time: int | None = None, **more: Any) -> dict[str, Any]:
        """A batch of observations."""
        self.batch += 1
        batch = {"format": "citybrain/observations/1", "batch_id": f"b{self.batch}", "sender": "gate", "rows": rows}
        return {**batch, **({} if until_time is None else {"complete_until": until_time}), **more}

    def post(self, *rows: dict[str, Any], until_time: int | None = None) -> httpx.Response:
        """Post a batch."""
        with self.client("field") as client:
            return client.post("/v1/observations", json=self.body(*rows, until_time=until_time))

    def tick(self, seconds: int = 1) -> None:
        """Let the street and the engine go on."""
        for _ in range(seconds):
            due = self.live.engine_time // 10 * 10 + 10
            assert self.post(until_time=due).status_code == 200
            assert self.live.wait_engine(due, 60)

    def plan(self) -> httpx.Response:
        """Poll until there is a plan."""
        answer = self.get("controller", "/v1/intersections/c/plan")
        while answer.status_code == 404:
            self.tick()
            answer = self.get("controller", "/v1/intersections/c/plan")
        assert answer.status_code == 200
        return answer

    def lines(self) -> list[dict[str, Any]]:
        """What was logged."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def add_key(self, who: str, scope: str, intersections: list[str] | None = None) -> None:
        """Make a key while the service runs."""
        self.keys[who], row = new_key(scope, who, intersections, self.clock.now())
        keep_key(self.live.store, row)

    def revoke(self, who: str) -> None:
        """Revoke a key while the service runs."""
        drop_key(self.live.store, self.keys[who][3:19], self.clock.now())


@contextmanager
def serving(folder: Path, settings: ServiceSettings = QUICK, **changes: Any) -> Iterator[World]:
    """Serve the crossing under the fixed plan; time is what the test says it is."""
    settings = replace(settings, **changes)
    clock = StreetClock(BEGIN)
    live = Live.open(small_site(), small_sensors(), "fixed", open_store(folder), clock)
    world = World(live, None, "", {}, clock, io.StringIO())  # type: ignore[arg-type]  # filled below
    try:
        for scope in Scope:
            world.add_key(scope, scope, ["c"] if scope == Scope.CONTROLLER else None)
        world.app = make_app(live, settings, make_logger("info", world.log))
        live.start()
        with Served(world.app) as served:
            world.url = served.url
            yield world
    finally:
        live.stop()
