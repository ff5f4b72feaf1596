"""The live engine in a process of its own: the same plans, and a service that outlives it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from citybrain.live.apart import EngineApart, EngineFailedError, Recipe
from citybrain.live.engine import Outcome
from citybrain.storage.ledger import verify
from tests.http_world import until
from tests.live_street import Loop
from tests.small_world import small_sensors
from tests.test_live_service import SETTINGS, Field, open_live

APART = replace(SETTINGS, apart=True)


def recipe_of(loop: Loop) -> Recipe:
    """What the loop's own engine is made of."""
    return Recipe(loop.site, small_sensors(), loop.book, "planner", 20, 300, 10)


def seen(outcome: Outcome) -> object:
    """All of an outcome that can be compared."""
    snapshot = outcome.snapshot
    arrays = [snapshot.state.queue.tobytes(), snapshot.state.arrivals.tobytes(), snapshot.lamps.aspect.tobytes()]
    return outcome.plans, outcome.withdrawn, outcome.entries, snapshot.ack, snapshot.mode, arrays


def test_an_engine_apart_says_what_the_same_engine_here_says() -> None:
    loop = Loop()
    loop.run(30)
    apart = EngineApart(recipe_of(loop), loop.engine)
    try:
        assert apart.time == loop.engine.time
        loop.run(60)
        here = loop.outcomes[-60:]
        there = [apart.step(inputs) for inputs in loop.inputs[-60:]]
        assert [seen(one) for one in there] == [seen(one) for one in here]
        assert any(outcome.plans for outcome in there)
    finally:
        apart.close()


def test_what_an_engine_apart_refuses_is_said_and_it_begins_anew() -> None:
    loop = Loop()
    loop.run(5)
    apart = EngineApart(recipe_of(loop), loop.engine)
    try:
        last = loop.inputs[-1]
        with pytest.raises(EngineFailedError, match="ContractError: a tick for time"):
            apart.step(last)
        assert apart.anew().time == 0
        assert apart.step(last).snapshot.time == last.time
    finally:
        apart.close()
    with pytest.raises(EngineFailedError, match="ended"):
        apart.save()


def test_a_service_goes_on_when_its_engine_is_killed(tmp_path: Path) -> None:
    live = open_live(tmp_path, APART)
    live.start()
    try:
        field = Field()
        field.run(live, 20)
        assert live.engine_process is not None
        os.kill(live.engine_process, signal.SIGKILL)
        lost = field.time
        field.post(live)  # this tick comes to nothing: nothing is published, and no lease grows
        field.time += 10
        field.run(live, 40)
        assert live.ready() == []
        assert field.cabinet is not None
        assert str(field.cabinet.mode) == "adaptive"
        errors = [entry for entry in live.store.whole_ledger() if entry.kind == "error"]
        assert [entry.document["tick"] for entry in errors] == [lost]
        assert "the engine's process has ended" in errors[0].document["fault"]
        assert verify(live.store.whole_ledger()) is None
    finally:
        live.stop()
    assert live.engine_process is None


def test_a_service_goes_on_from_what_its_engine_apart_remembered(tmp_path: Path) -> None:
    field = Field()
    for _ in range(2):
        live = open_live(tmp_path, APART)
        live.start()
        try:
            field.run(live, 20)
            snapshot = live.snapshot()
            assert snapshot is not None
            assert np.all(snapshot.alive)
        finally:
            live.stop()
    assert field.seqs == sorted(set(field.seqs))


def test_an_engine_ends_when_its_service_is_killed() -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    service = context.Process(target=serve_nobody, args=(theirs,))
    service.start()
    engine = ours.recv()
    assert alive(engine)
    service.kill()
    service.join()
    until(lambda: not alive(engine))


def serve_nobody(pipe: Connection) -> None:
    """Hold an engine, tell its process, and wait for the end."""
    loop = Loop()
    apart = EngineApart(recipe_of(loop), loop.engine)
    loop.run(1)
    apart.step(loop.inputs[-1])
    pipe.send(apart.process)
    pipe.recv()


def alive(process: int) -> bool:
    """Whether a process is there and no more than a name in the system's list."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
