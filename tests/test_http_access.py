"""Keys, scopes, rates and bounds over real HTTP: who may do what, and what greedy and slow clients get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from citybrain.errors import InputError
from citybrain_api.service.keys import Bucket, KeyRing, keep_key, new_key, secret_hash
from citybrain_api.service.server import bind
from citybrain_api.service.settings import Rate, Scope, default_rates
from tests.http_world import BEGIN, World, raw, serving, until

PLAN = "/v1/intersections/c/plan"
OVERRIDE = {"intersection": "c", "kind": "freeze", "who": "A. Officer", "why": "test", "until": BEGIN + 36_000}
ACTIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", PLAN, {}),
    ("POST", "/v1/intersections/c/ack", {"json": {}}),
    ("POST", "/v1/observations", {"json": {}}),
    ("GET", "/v1/state", {}),
    ("GET", "/v1/intersections/c/plans", {}),
    ("POST", "/v1/overrides", {"json": {**OVERRIDE, "kind": "stage"}}),
    ("DELETE", "/v1/overrides/77?who=x", {}),
    ("GET", "/v1/time", {}),
    ("GET", "/metrics", {}),
]
ALLOWED = {
    Scope.CONTROLLER: {PLAN, "/v1/intersections/c/ack", "/v1/time"},
    Scope.FIELD: {"/v1/observations", "/v1/time"},
    Scope.READER: {PLAN, "/v1/state", "/v1/intersections/c/plans", "/v1/time", "/metrics"},
    Scope.OPERATOR: {path for _, path, _ in ACTIONS} - {"/v1/observations", "/v1/intersections/c/ack"},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving(tmp_path_factory.mktemp("data")) as found:
        yield found


@pytest.mark.parametrize("scope", list(Scope))
def test_every_scope_may_do_its_own_and_nothing_else(world: World, scope: Scope) -> None:
    world.tick()
    with world.client(scope) as client:
        for method, path, options in ACTIONS:
            answer = client.request(method, path, **options)
            assert (answer.status_code == 403) == (path not in ALLOWED[scope]), (path, answer.text)
            if answer.status_code == 403:
                assert answer.json()["code"] == "wrong_scope"


def test_a_missing_a_made_up_and_a_damaged_key_are_refused_everywhere(world: World) -> None:
    good = world.keys["operator"]
    made_up, _ = new_key("operator", "x", None, 0)
    other_secret = good[:-1] + ("0" if good[-1] != "0" else "1")
    for value in (None, good, f"Basic {good}", "Bearer", f"Bearer {made_up}", f"Bearer {other_secret}", "Bearer é"):
        headers = [] if value is None else [(b"Authorization", value.encode())]
        for method, path, options in ACTIONS:
            answer = httpx.request(method, world.url + path, headers=headers, trust_env=False, **options)
            assert answer.status_code == 401, (value, path)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"


def test_a_controller_reaches_its_own_intersections_only(world: World) -> None:
    world.add_key("stranger", "controller", ["elsewhere"])
    until(lambda: world.get("stranger", "/v1/time").status_code == 200)
    tag = world.plan().headers["ETag"]
    for path in (PLAN, "/v1/intersections/c", "/v1/intersections/c/data", PLAN + "/events"):
        answer = world.get("stranger", path, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_intersection")
    assert world.get("stranger", "/v1/intersections").json()["intersections"] == []
    assert world.get("stranger", "/v1/intersections/elsewhere/plan").json()["code"] == "unknown_intersection"


def test_a_revoked_key_is_refused_by_the_running_service(world: World) -> None:
    world.add_key("leaver", "controller", ["c"])
    tag = world.plan().headers["ETag"]
    until(lambda: world.get("leaver", PLAN, headers={"If-None-Match": tag}).status_code == 304)
    world.revoke("leaver")
    until(lambda: world.get("leaver", PLAN, headers={"If-None-Match": tag}).status_code == 401)
    with pytest.raises(InputError, match="no valid key"):
        world.revoke("leaver")


def test_the_log_has_a_line_per_request_with_the_keys_id_and_never_a_key(world: World) -> None:
    before = len(world.lines())
    world.get("reader", "/v1/state")
    world.get(None, "/v1/nothing")
    lines = until(lambda: found if len(found := world.lines()[before:]) >= 2 else None)
    mine = {line["path"]: line for line in lines}
    assert mine["/v1/state"]["key"] == world.keys["reader"][3:19]
    assert mine["/v1/nothing"]["status"] == 404
    assert mine["/v1/nothing"]["key"] is None
    for key in world.keys.values():
        assert key[20:] not in world.log.getvalue()


def test_only_hashes_are_kept(world: World) -> None:
    kept = world.live.store.keys()
    rows = {row.key_id: row for row in kept}
    for key in world.keys.values():
        assert rows[key[3:19]].hash == secret_hash(key[20:])
    entries = world.live.store.entries(1, 1000)
    assert {entry.document["key"] for entry in entries if entry.kind == "key"} == set(rows)
    assert all(key[20:] not in entry.text for entry in entries for key in world.keys.values())


def test_a_key_that_asks_too_often_waits_and_the_others_do_not(tmp_path: Path) -> None:
    rates = {**default_rates(), Scope.READER: Rate(0.1, 2), Scope.CONTROLLER: Rate(0.1, 3)}
    with serving(tmp_path, rates=rates) as world:
        answers = [world.get("reader", "/v1/time") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 1 <= int(answers[2].headers["Retry-After"]) <= 10
        assert world.get("operator", "/v1/time").status_code == 200
        world.live.renew("c")
        world.tick()
        plan = world.live.board.get("c")
        assert plan is not None
        polls = [world.get("controller", PLAN, headers={"If-None-Match": f'"{plan.plan_id}"'}) for _ in range(4)]
        assert [poll.status_code for poll in polls] == [304, 304, 304, 429]


def test_a_bucket_fills_again() -> None:
    bucket = Bucket(Rate(2, 3))
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(100.0) == pytest.approx(0.5)
    assert bucket.take(100.5) == 0.0
    assert bucket.take(100.5) > 0
    assert [bucket.take(1000.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(1000.0) > 0


def test_a_reload_keeps_what_a_key_has_used() -> None:
    _, row = new_key("reader", "r", None, 0)
    ring = KeyRing({**default_rates(), Scope.READER: Rate(1, 1)}, 1)
    key, row = new_key("reader", "r", None, 0)
    ring.load([row])
    principal = ring.find(key)
    assert principal is not None
    assert principal.bucket.take(5.0) == 0.0
    ring.load([row])
    again = ring.find(key)
    assert again is not None
    assert again.bucket.take(5.0) > 0.0


@pytest.mark.parametrize(
    ("scope", "name", "intersections", "told"),
    [
        ("boss", "x", None, "field, controller, operator, reader"),
        ("reader", " ", None, "needs a name"),
        ("reader", "x", ["c"], "not bound to intersections"),
    ],
)
def test_a_wrong_key_is_not_made(scope: str, name: str, intersections: list[str] | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        new_key(scope, name, intersections, 0)


def test_two_keys_share_nothing(world: World) -> None:
    keys = {new_key("reader", "x", None, 0)[0] for _ in range(100)}
    assert len({key[3:19] for key in keys}) == len({key[20:] for key in keys}) == 100
    _, row = new_key("reader", "x", None, 0)
    keep_key(world.live.store, row)
    with pytest.raises(InputError, match="already"):
        keep_key(world.live.store, row)


def test_slow_and_greedy_clients(tmp_path: Path) -> None:
    with serving(tmp_path, header_s=0.2, body_s=0.2, head_bytes=4096, observation_bytes=1000) as world:
        with raw(world.url) as silent:
            assert silent.recv(100) == b""
        with raw(world.url) as slow:
            slow.sendall(b"GET /v1/time HTTP/1.1\r\nHost: x\r\n")
            assert slow.recv(100) == b""
        with raw(world.url) as greedy:
            greedy.sendall(b"GET /v1/time HTTP/1.1\r\nX: " + b"a" * 8000)
            assert greedy.recv(1000).startswith(b"HTTP/1.1 400")
        head = f"POST /v1/observations HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.keys['field']}\r\n"
        head += "Content-Type: application/json\r\n"
        with raw(world.url) as slow:
            slow.sendall(f"{head}Content-Length: 500\r\n\r\n{{".encode())
            answer = slow.recv(1000)
            assert answer.startswith(b"HTTP/1.1 408")
            assert b"connection: close" in answer.lower()
        with raw(world.url) as large:
            large.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode() + b" " * 2000)
            assert large.recv(1000).startswith(b"HTTP/1.1 413")
        with raw(world.url) as chunked:
            chunked.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n7d0\r\n".encode() + b" " * 2000 + b"\r\n")
            assert chunked.recv(1000).startswith(b"HTTP/1.1 413")
        assert world.get("reader", "/v1/time").status_code == 200
        until(lambda: world.app.state.service.bodies_bytes == 0)


def test_bodies_in_memory_are_bounded_in_sum(tmp_path: Path) -> None:
    with serving(tmp_path, bodies_bytes=1000) as world:
        answer = world.get("field", "/v1/time")
        with world.client("field") as client:
            answer = client.post("/v1/observations", content=b" " * 2000, headers={"Content-Type": "application/json"})
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"


def test_a_request_that_is_no_http_gets_400(world: World) -> None:
    with raw(world.url) as odd:
        odd.sendall(b"\x16\x03\x01\x00\xf4 hello\r\n\r\n")
        assert odd.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_port_that_is_taken_and_an_address_that_is_not_ours() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(InputError, match="choose another with --port"):
        bind("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InputError, match="no such address"):
        bind("no.such.host.invalid", 0)


def test_problems_have_one_form(world: World) -> None:
    for who, path, status in (
        ("reader", "/v1/nowhere", 404),
        ("reader", "/v1/intersections/z", 404),
        ("reader", "/v1/time?engine=soon", 422),
        ("reader", "/v1/overrides/7", 405),
        (None, "/v1/state", 401),
    ):
        answer = world.get(who, path)
        problem = json.loads(answer.content)
        assert answer.status_code == problem["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["type"] == f"urn:citybrain:problem:{problem['code']}"
        assert problem["title"]
        assert problem["detail"]
        assert int(answer.headers["Server-Time"]) == world.clock.now()
