"""The real service: it passes the examination of servers, and our controller runs what it plans."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from citybrain.clock import stopwatch
from citybrain.randomness import generator
from citybrain_api.client import AsyncClient, Client
from citybrain_api.conformance import Outcome
from citybrain_api.conformance_probe import Probe
from citybrain_api.conformance_server import examine
from citybrain_api.controller_loop import Controller, ControllerSettings
from tests.http_world import World, serving, until


def test_the_service_passes_the_examination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citybrain_api.conformance_server._WAIT_S", 0.3)
    with serving(tmp_path) as world:
        world.plan()
        probe = Probe(world.url, world.keys["controller"], None)
        findings = examine(probe, lambda _: None)
        probe.close()
    assert [(f.name, f.seen) for f in findings if f.outcome == Outcome.FAILED] == []
    assert [f.name for f in findings if f.outcome == Outcome.SKIPPED] == ["numbers"]


def control(world: World, stop: threading.Event, lines: list[str]) -> None:
    """Run a controller of the crossing until ``stop``."""

    async def run() -> None:
        end = asyncio.Event()
        async with AsyncClient(world.url, world.keys["controller"]) as client:
            settings = ControllerSettings("c")
            task = asyncio.create_task(Controller(settings, client, generator(1, "test"), lines.append).run(end))
            await asyncio.to_thread(stop.wait)
            end.set()
            await task

    asyncio.run(run())


def test_our_controller_runs_what_the_service_plans(tmp_path: Path) -> None:
    with serving(tmp_path) as world, Client(world.url, world.keys["reader"]) as reader:
        stop, lines = threading.Event(), list[str]()
        thread = threading.Thread(target=control, args=(world, stop, lines))
        thread.start()
        try:
            begin, first = stopwatch(), world.live.engine_time

            def adaptive() -> bool:
                # The street must not run away from the controller, whose seconds are real.
                if stopwatch() - begin < (world.live.engine_time - first) / 10:
                    return stop.wait(0.05)
                world.tick()
                return bool(reader.intersection("c")["mode"] == "adaptive")

            until(adaptive)
            until(lambda: reader.intersection("c")["ack"]["plan_id"])
        finally:
            stop.set()
            thread.join(60)
    # A machine that stalls for a second makes a plan too late for its cabinet: it is refused, and the next one comes.
    assert "mode adaptive" in lines
