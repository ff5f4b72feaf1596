"""The clients against a real server: documents, refusals, and answers that are none; the controller's clock."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from citybrain.errors import InputError
from citybrain.randomness import generator
from citybrain_api.client import AsyncClient, Client, ProblemError, ServiceError
from citybrain_api.controller_commands import controller, read_document
from citybrain_api.controller_loop import Controller, ControllerSettings, Timekeeper
from tests.plan_server import KEY, PlanServer, running


@pytest.fixture(scope="module")
def one_server() -> Iterator[PlanServer]:
    with running() as stub:
        yield stub


@pytest.fixture
def server(one_server: PlanServer) -> PlanServer:
    one_server.fault = ""
    one_server.bodies.clear()
    one_server.exam.published = one_server.exam.plan(one_server.exam.pattern())
    return one_server


def test_poll_brings_the_plan_then_nothing_new_then_none(server: PlanServer) -> None:
    with Client(server.url, KEY) as client:
        first = client.poll("elm")
        assert (first.kind, first.plan, first.plan_id) == ("plan", server.exam.published, first.plan["plan_id"])  # type: ignore[index]
        again = client.poll("elm", first.plan_id)
        assert (again.kind, again.plan, again.plan_id) == ("unchanged", None, first.plan_id)
        assert again.lease_until is not None
        assert again.server_time is not None
        assert again.lease_until > again.server_time
        server.fault = "no plan"
        assert (client.poll("elm").kind, client.poll("elm").server_time) == ("no_plan", 17)


def test_both_clients_tell_the_same(server: PlanServer) -> None:
    async def ask() -> list[Any]:
        async with AsyncClient(server.url, KEY) as client:
            return [await client.controller_data("elm"), await client.intersections(), (await client.poll("elm")).plan]

    with Client(server.url, KEY) as client:
        told = [client.controller_data("elm"), client.intersections(), client.poll("elm").plan]
    assert asyncio.run(ask()) == told


def test_observations_go_as_json_or_arrow(server: PlanServer) -> None:
    server.fault = "field work"
    with Client(server.url, KEY) as client:
        assert client.observe({"batch_id": "a"}).known
        client.observe(b"ARROW1")
    kinds = [kind for kind, _ in server.bodies]
    assert kinds == ["application/json", "application/vnd.apache.arrow.stream"]
    assert json.loads(server.bodies[0][1]) == {"batch_id": "a"}


def test_refusals_say_why(server: PlanServer) -> None:
    with Client(server.url, "wrong") as client, pytest.raises(ProblemError) as told:
        client.poll("elm")
    assert (told.value.status, told.value.code, told.value.detail) == (401, "some_code", "told")
    with Client(server.url, KEY) as client, pytest.raises(ProblemError) as slow:
        client.observe({})
    assert slow.value.retry_after_s == 7
    server.fault = "crash"
    with Client(server.url, KEY) as client, pytest.raises(ProblemError) as crash:
        client.poll("elm")
    assert (crash.value.status, crash.value.code) == (500, "http")


@pytest.mark.parametrize("fault", ["text", "list", "deep"])
def test_answers_that_are_no_documents(server: PlanServer, fault: str) -> None:
    server.fault = fault
    with Client(server.url, KEY) as client, pytest.raises(ServiceError, match="not"):
        client.state()


def test_an_answer_that_drips_is_given_up(server: PlanServer) -> None:
    async def ask() -> None:
        async with AsyncClient(server.url, KEY, answer_s=0.2) as client:
            await client.state()

    server.fault = "drip"
    with pytest.raises(ServiceError, match="no whole answer"):
        asyncio.run(ask())


def test_an_answer_without_end_is_given_up(server: PlanServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citybrain_api.client_calls.LARGEST_ANSWER", 100)
    with Client(server.url, KEY) as client, pytest.raises(ServiceError, match="longer"):
        client.controller_data("elm")


def test_a_server_that_is_not_there() -> None:
    with Client("http://127.0.0.1:1", KEY) as client, pytest.raises(ServiceError, match="does not answer"):
        client.state()


@pytest.mark.parametrize(
    ("url", "key"), [("nowhere", "k"), ("ftp://x", "k"), ("http://x:port", "k"), ("http://x", "a\nb")]
)
def test_addresses_and_keys_that_are_none(url: str, key: str) -> None:
    with pytest.raises(InputError):
        Client(url, key)


def test_a_controller_without_the_right_key_ends_with_the_reason(server: PlanServer) -> None:
    async def run() -> None:
        async with AsyncClient(server.url, "wrong") as client:
            await Controller(ControllerSettings("elm"), client, generator(1, "t"), lambda _: None).run(asyncio.Event())

    with pytest.raises(ProblemError, match="401"):
        asyncio.run(run())


class Watch:
    """A stopwatch that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_clock_is_set_at_first_and_kept_near_the_servers() -> None:
    watch = Watch()
    clock = Timekeeper(5000, watch)
    watch.seconds += 2
    assert clock.now() == 5020
    assert clock.heard(900_000, 0.4)
    assert clock.now() == 900_002
    for _ in range(4):
        assert clock.heard(clock.now() + 8, 0.0)
    assert clock.skew == 8
    assert clock.now() == 900_002
    assert clock.heard(clock.now() + 8, 0.0)
    assert clock.now() == 900_010
    assert not clock.heard(clock.now() + 36_000, 0.0)
    assert clock.now() == 900_010


def test_own_data_from_a_file(tmp_path: Any) -> None:
    good, bad, no = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "no.json"
    good.write_text('{"a": 1}')
    bad.write_text("[1]")
    assert read_document(good) == {"a": 1}
    for path in (bad, no):
        with pytest.raises(InputError, match=path.name):
            read_document(path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere", "--intersection", "elm"], "http://127.0.0.1:8080"),
        (["http://127.0.0.1:1", "--intersection", "elm", "--data", "no.json"], "no.json"),
    ],
)
def test_wrong_calls_of_the_controller_are_told(arguments: list[str], told: str) -> None:
    app = typer.Typer()
    app.command()(controller)
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 2
    assert told in answer.stderr


def test_the_controller_command_writes_events_until_it_is_told_to_end(server: PlanServer, tmp_path: Path) -> None:
    events = tmp_path / "elm.csv"
    call = [
        sys.executable,
        "-c",
        "import typer; from citybrain_api.controller_commands import controller as c; typer.run(c)",
    ]
    server.acks.clear()
    with subprocess.Popen(
        [*call, server.url, "--intersection", "elm", "--key", KEY, "--events", str(events)],
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        assert "begins with its own pattern" in run.stdout.readline()
        assert "mode adaptive" in run.stdout.readline()
        run.send_signal(signal.SIGINT)
        assert run.wait(20) == 0
    assert server.acks[0]["verdict"] == "accepted"
    assert events.read_text(encoding="utf-8").startswith('"TimeStamp","DeviceId","EventId","Parameter"')
