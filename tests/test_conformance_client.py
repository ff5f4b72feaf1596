"""The play that examines controllers: our own controller passes it, bad ones are found out."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import httpx
import pyarrow.csv
import pytest

from citybrain.clock import WallClock
from citybrain.errors import InputError
from citybrain.randomness import generator
from citybrain_api.client import AsyncClient
from citybrain_api.conformance import Finding, Outcome, UnmetError, conforms, to_document
from citybrain_api.conformance_client import examine, serve_and_examine
from citybrain_api.conformance_exam import Examination
from citybrain_api.conformance_scenes import SCENES, accepts
from citybrain_api.controller_loop import Controller, ControllerSettings

PACE = 0.05


async def examined(settings: ControllerSettings, lines: list[str]) -> list[Finding]:
    """Findings on our own controller."""
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    exam = asyncio.create_task(
        serve_and_examine(settings.intersection, "127.0.0.1", 0, PACE, lambda _: None, address.set_result)
    )
    async with AsyncClient(await address, "key", answer_s=1.0) as client:
        run = asyncio.create_task(Controller(settings, client, generator(1, "test"), lines.append).run(stop))
        findings = await exam
        stop.set()
        await run
    return findings


def test_our_controller_passes(tmp_path: Path) -> None:
    lines: list[str] = []
    events = tmp_path / "events.csv"
    findings = asyncio.run(examined(ControllerSettings("elm/1", None, events), lines))
    assert [(f.name, f.seen) for f in findings if f.outcome != Outcome.PASSED] == []
    assert any("refused: config_hash" in line for line in lines)
    table = pyarrow.csv.read_csv(events)
    assert set(table["DeviceId"].to_pylist()) == {"elm/1"}
    assert {1, 7, 8, 155} <= set(table["EventId"].to_pylist())


async def naive(exam: Examination, stop: asyncio.Event, tag: bool) -> None:
    """A controller that believes everything, and says so."""
    shown = {
        "stage": 0,
        "changing": False,
        "since": 0,
        "aspects": "Grr",
        "aspect_since": [0, 0, 0],
        "green_end": [None, None, None],
    }
    transport = httpx.ASGITransport(exam.application())
    async with httpx.AsyncClient(transport=transport, base_url="http://play") as client:
        headers: dict[str, str] = {}
        while not stop.is_set():
            answer = await client.get("/v1/intersections/elm/plan", headers=headers)
            if answer.status_code == 200 and tag:
                headers = {"If-None-Match": answer.headers["etag"]}
            if answer.status_code == 200 and answer.text.startswith("{"):
                plan = answer.json()
                ack = {
                    "format": "citybrain/ack/1",
                    "intersection": "elm",
                    "plan_id": plan["plan_id"],
                    "seq": plan["seq"],
                    "at": exam.now(),
                    "verdict": "accepted",
                    "code": None,
                    "sentence": None,
                    "mode": "adaptive",
                    "pattern": 2,
                    "offset_error": 0,
                    "shown": shown,
                }
                await client.post("/v1/intersections/elm/ack", json=ack)
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("polls", "polls came every"),
        ("short green", "answered with accepted"),
        ("damaged plan", "answered with accepted"),
        ("number goes back", "answered with accepted"),
        ("304 for ever", "own pattern"),
        ("server's clock", "own pattern"),
        ("back-off", "polls in"),
    ],
)
def test_a_naive_controller_is_found_out(name: str, seen: str) -> None:
    async def play() -> None:
        exam = Examination("elm", PACE, WallClock())
        exam.patience_s, stop = 0.3, asyncio.Event()
        run = asyncio.create_task(naive(exam, stop, tag=True))
        await accepts(exam)
        scene = next(scene for scene_name, _, scene in SCENES if scene_name == name)
        with pytest.raises(UnmetError, match=seen):
            await scene(exam)
        stop.set()
        await run

    asyncio.run(play())


def test_acknowledgements_that_are_none_are_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> list[Finding]:
        exam = Examination("elm", PACE, WallClock())
        exam.patience_s = 0.01
        transport = httpx.ASGITransport(exam.application())
        async with httpx.AsyncClient(transport=transport, base_url="http://play") as client:
            answers = [await client.post("/v1/intersections/elm/ack", content=body) for body in ("{}", "no", "[]")]
        assert [answer.status_code for answer in answers] == [422, 422, 422]
        assert len(exam.faults) == 3
        return await examine(exam, lambda _: None)

    monkeypatch.setattr("citybrain_api.conformance_client.SCENES", SCENES[:1])
    findings = asyncio.run(play())
    assert not conforms(findings)
    assert to_document(findings)["conforms"] is False


def test_a_port_that_is_taken_is_told() -> None:
    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            await serve_and_examine("elm", "127.0.0.1", taken.getsockname()[1], 1.0, lambda _: None, lambda _: None)

    with pytest.raises(InputError, match="--port"):
        asyncio.run(play())
