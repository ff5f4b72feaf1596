"""Polls of controllers over real HTTP: plans, leases, 304, long polls, streams."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from citybrain.live.board import Published
from citybrain.plans.checker import check
from citybrain_api.service.polls import ROUTE
from citybrain_api.service.settings import Rate, Scope
from tests.http_world import World, raw, serving, until

PLAN = "/v1/intersections/c/plan"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving(tmp_path_factory.mktemp("data")) as found:
        yield found


def publish(world: World, number: int) -> Published:
    plan = Published("c", b'{"plan": %d}' % number, f"sha256:{number:064d}", number)
    world.live.board.publish([plan])
    return plan


def test_a_controller_gets_a_lawful_plan_and_then_304_with_a_lease_that_grows(world: World) -> None:
    answer = world.plan()
    plan = answer.json()
    assert answer.headers["ETag"] == f'"{plan["plan_id"]}"'
    assert answer.headers["Plan-Seq"] == str(plan["seq"])
    assert answer.headers["Cache-Control"] == "no-store"
    data = world.get("controller", "/v1/intersections/c/data").json()
    assert check(data, plan) == []
    leases = []
    for _ in range(2):
        tag = world.plan().headers["ETag"]
        short = world.get("controller", PLAN, headers={"If-None-Match": tag})
        long = world.get("controller", PLAN, headers={"If-None-Match": f"W/{tag}"})
        assert [short.status_code, long.status_code] == [304, 304]
        assert short.content == b""
        for name in ("ETag", "Plan-Seq", "Plan-Lease-Until", "Cache-Control"):
            assert short.headers[name] == long.headers[name]
        leases.append(int(short.headers["Plan-Lease-Until"]))
        assert int(short.headers["Server-Time"]) == world.clock.now()
        world.tick()
    assert leases[1] > leases[0]


def test_a_person_reads_the_plan_and_renews_nothing(world: World) -> None:
    world.plan()
    before = world.live.renew("c")
    answer = world.get("reader", PLAN)
    assert answer.status_code == 200
    assert "Plan-Lease-Until" not in answer.headers
    world.tick()
    again = world.get("reader", PLAN, headers={"If-None-Match": answer.headers["ETag"]})
    assert "Plan-Lease-Until" not in again.headers
    assert world.live.renew("c") > before


@pytest.mark.parametrize("tag", ['"other", {}', "*", "W/{}"])
def test_every_form_of_if_none_match_is_understood(world: World, tag: str) -> None:
    etag = world.plan().headers["ETag"]
    assert world.get("controller", PLAN, headers={"If-None-Match": tag.format(etag)}).status_code == 304


def test_a_long_poll_ends_with_the_next_plan(world: World) -> None:
    old = publish(world, 1000)
    with ThreadPoolExecutor(1) as pool:
        headers = {"If-None-Match": f'"{old.plan_id}"'}
        waiting = pool.submit(world.get, "controller", PLAN, params={"wait": 30}, headers=headers)
        until(lambda: "c" in world.app.state.service.bell._waiting)
        new = publish(world, 1001)
        answer = waiting.result()
    assert answer.status_code == 200
    assert answer.content == new.document_bytes
    assert "Plan-Lease-Until" in answer.headers


def test_a_long_poll_without_news_ends_with_304_and_a_withdrawn_plan_ends_it(world: World) -> None:
    old = publish(world, 1002)
    headers = {"If-None-Match": f'"{old.plan_id}"'}
    assert world.get("controller", PLAN, params={"wait": 0.05}, headers=headers).status_code == 304
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.get, "controller", PLAN, params={"wait": 30}, headers=headers)
        until(lambda: "c" in world.app.state.service.bell._waiting)
        world.live.board.publish([], ["c"])
        answer = waiting.result()
    assert answer.status_code == 404
    assert answer.json()["code"] == "no_plan"


def test_who_has_no_plan_may_wait_for_the_first(world: World) -> None:
    world.live.board.publish([], ["c"])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(world.get, "controller", PLAN, params={"wait": 30})
        until(lambda: "c" in world.app.state.service.bell._waiting)
        publish(world, 1003)
        assert waiting.result().status_code == 200
    world.live.board.publish([], ["c"])
    assert world.get("controller", PLAN, params={"wait": 0.05}).status_code == 404


def test_plans_as_events(world: World) -> None:
    first = publish(world, 1010)
    with world.client("controller") as client, client.stream("GET", PLAN + "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert until(lambda: next(lines).removeprefix(": plans")) == "event: plan"
        assert [next(lines), next(lines)] == [f"id: {first.seq}", f"data: {first.document_bytes.decode()}"]
        publish(world, 1011)
        assert until(lambda: next(lines).removeprefix(": nothing new")) == "event: plan"
        assert next(lines) == "id: 1011"
        next(lines)
        world.live.board.publish([], ["c"])
        assert until(lambda: next(lines).removeprefix(": nothing new")) == "event: no_plan"


def test_events_go_on_after_the_one_that_the_reader_has(world: World) -> None:
    publish(world, 1012)
    headers = {"Last-Event-ID": "1012"}
    with world.client("reader") as client, client.stream("GET", PLAN + "/events", headers=headers) as answer:
        lines = answer.iter_lines()
        assert until(lambda: next(lines).removeprefix(": plans")) == ": nothing new"


def test_too_many_streams_are_refused(tmp_path: Path) -> None:
    with serving(tmp_path, plan_streams=1) as world:
        with world.client("reader") as client, client.stream("GET", PLAN + "/events"):
            until(lambda: world.app.state.service.plan_streams == 1)
            refused = world.get("reader", PLAN + "/events")
            assert refused.status_code == 503
            assert refused.headers["Retry-After"] == "30"
        until(lambda: world.app.state.service.plan_streams == 0)


def test_the_end_of_the_service_ends_long_polls_and_streams(tmp_path: Path) -> None:
    answers: list[httpx.Response] = []
    ended = threading.Event()

    def read_stream(world: World) -> None:
        with world.client("reader") as client, client.stream("GET", "/v1/stream") as answer:
            for _ in answer.iter_lines():
                pass
        ended.set()

    with ThreadPoolExecutor(2) as pool:
        with serving(tmp_path) as world:
            wait = pool.submit(world.get, "controller", PLAN, params={"wait": 30})
            pool.submit(read_stream, world)
            until(lambda: "c" in world.app.state.service.bell._waiting and world.app.state.service.viewers)
        answers.append(wait.result())
        assert ended.wait(20)
    assert answers[0].status_code == 503
    assert answers[0].headers["Retry-After"] == "1"


def test_a_connection_that_falls_idle_after_polls_is_closed_and_none_that_waits_is(tmp_path: Path) -> None:
    with serving(tmp_path, idle_s=1) as world:
        head = f"GET {PLAN} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.keys['controller']}\r\n\r\n".encode()
        waits = head.replace(PLAN.encode(), PLAN.encode() + b"?wait=3")
        with raw(world.url) as idle, raw(world.url) as waiting:
            for connection in (idle, waiting):
                for _ in range(3):
                    connection.sendall(head)
                    assert b"404" in connection.recv(4096)
            waiting.sendall(waits)
            assert idle.recv(4096) == b""
            assert b"404" in waiting.recv(4096)


def test_polls_in_one_breath_are_answered_in_their_order(world: World) -> None:
    plan = publish(world, 1020)
    head = f"Host: x\r\nAuthorization: Bearer {world.keys['controller']}\r\n"
    known = f'{head}If-None-Match: "{plan.plan_id}"\r\n'
    asked = [
        f"GET {PLAN} HTTP/1.1\r\n{head}\r\n",
        f"GET {PLAN} HTTP/1.1\r\n{known}\r\n",
        f"GET {PLAN}?wait=0.05 HTTP/1.1\r\n{known}\r\n",
        f"GET {PLAN} HTTP/1.1\r\n{head}Content-Length: 2\r\n\r\n{{}}",
        f"HEAD {PLAN} HTTP/1.1\r\n{head}\r\n",
        f"GET {PLAN} HTTP/1.1\r\n{head}Connection: close\r\n\r\n",
    ]
    with raw(world.url) as line:
        line.sendall("".join(asked).encode())
        told = b"".join(iter(lambda: line.recv(65536), b""))
    statuses = [int(part[:3]) for part in told.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 304, 304, 200, 405, 200]
    assert told.count(plan.document_bytes) == 3
    assert b"connection: close" in told.rpartition(b"HTTP/1.1 ")[2].lower()


def test_a_client_that_does_not_read_gets_its_answers_when_it_does(tmp_path: Path) -> None:
    with serving(tmp_path, rates={scope: Rate(1e9, 1e9) for scope in Scope}) as world:
        plan = Published("c", b'{"plan": "' + b"x" * 500_000 + b'"}', "sha256:" + 64 * "0", 1)
        world.live.board.publish([plan])
        request = f"GET {PLAN} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.keys['controller']}\r\n\r\n"
        answered = world.app.state.service.metrics.requests.labels("GET", ROUTE, "200")._value.get
        with raw(world.url) as deaf:
            deaf.sendall(request.encode() * 100)
            until(lambda: answered() > 0)
            assert world.plan().content == plan.document_bytes
            assert answered() < 50
            found = 0
            while found < 100 * len(plan.document_bytes):
                found += len(deaf.recv(1 << 20))
        assert world.get("reader", "/v1/time").status_code == 200


def test_a_controller_that_hears_again_that_it_has_no_plan_is_not_logged(world: World) -> None:
    old = publish(world, 1030)
    world.live.board.publish([], ["c"])
    before = len(world.lines())
    for headers in ({"If-None-Match": f'"{old.plan_id}"'}, {}, {}):
        answer = world.get("controller", PLAN, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "no_plan")
    assert world.get("reader", "/v1/time").status_code == 200
    lines = until(lambda: (found := world.lines()[before:])[-1:] and found[-1]["path"] == "/v1/time" and found)
    assert [line["status"] for line in lines] == [404, 200]
