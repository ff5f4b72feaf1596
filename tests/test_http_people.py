"""Observations, acknowledgements, and what people call, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citybrain.intake.posted import Header
from citybrain.intake.write import post_of, write_arrow
from citybrain.storage.ledger import verify
from citybrain_api.service.bodies import ARROW
from citybrain_api.service.examples import ACK
from tests.http_world import BEGIN, World, serving, until
from tests.small_world import random_batch, small_network, small_sensors

HOUR = 36_000
NETWORK = small_network()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving(tmp_path_factory.mktemp("data")) as found:
        found.tick(2)
        found.plan()
        yield found


def loop(world: World, **changes: Any) -> dict[str, Any]:
    return {"kind": "loop", "sensor": "loop_w", "time_ms": world.clock.now() * 100, "on": True, **changes}


def arrow(world: World, number: int) -> bytes:
    batch = random_batch(world.clock.now(), np.random.default_rng(number))
    seen = replace(batch, object_lane=np.full_like(batch.object_lane, 2))
    return write_arrow(post_of(Header(f"a{number}", "gate", None), seen, small_sensors(), NETWORK))


def send(world: World, body: bytes, media: str = "application/json", **headers: str) -> Any:
    with world.client("field") as client:
        return client.post("/v1/observations", content=body, headers={"Content-Type": media, **headers})


def test_rows_are_judged_one_by_one_and_a_batch_counts_once(world: World) -> None:
    batch = world.body(loop(world), loop(world, sensor="nobody"), loop(world, time_ms=5))
    answers = [send(world, json.dumps(batch).encode()) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.headers["Batch-Known"] for answer in answers] == ["false", "true"]
    assert answers[0].json() == answers[1].json()
    verdict = answers[0].json()
    assert (verdict["rows"], verdict["accepted"]) == (3, 1)
    assert {fault["code"]: fault["rows"] for fault in verdict["refused"]} == {
        "unknown_sensor": [1],
        "time_too_old": [2],
    }
    assert len([one for one in world.live.store.untaken_batches() if one.batch_id == batch["batch_id"]]) == 1


def test_arrow_is_taken_like_json(world: World) -> None:
    answer = send(world, arrow(world, 1), ARROW)
    assert answer.status_code == 200
    assert answer.json()["batch_id"] == "a1"


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 50_000, "application/json", 400),
        (b'{"a":' * 50_000, "application/json", 400),
        (b'{"format":"citybrain/observations/1","batch_id":"x","sender":"y","rows":[NaN]}', "application/json", 400),
        (b" " * (4 * 2**20 + 1), "application/json", 413),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"", ARROW, 400),
        (b"ARROW1\0\0", ARROW, 400),
    ],
)
def test_a_wrong_body_gets_a_clear_refusal(world: World, body: bytes, media: str, status: int) -> None:
    answer = send(world, body, media)
    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_a_compressed_body_is_refused(world: World) -> None:
    assert send(world, b"{}", **{"Content-Encoding": "gzip"}).status_code == 415


def test_a_time_that_the_street_cannot_have_reached_is_refused(world: World) -> None:
    answer = world.post(until_time=2**50)
    assert answer.status_code == 422
    assert "complete_until" in answer.json()["detail"]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 9), cut=st.floats(0, 1), places=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255))))
def test_damaged_arrow_bodies_never_hurt_the_server(
    world: World, number: int, cut: float, places: list[tuple[float, int]]
) -> None:
    body = bytearray(arrow(world, 100 + number))
    for where, value in places:
        body[int(where * (len(body) - 1))] = value
    answer = send(world, bytes(body[: int(cut * len(body)) if cut < 0.5 else len(body)]), ARROW)
    assert answer.status_code in {200, 400, 422}, answer.text
    assert answer.status_code == 200 or answer.json()["detail"]


def ack(world: World, **changes: Any) -> dict[str, Any]:
    plan = world.plan().json()
    now = world.clock.now()
    shown = {**ACK["shown"], "since": now, "aspect_since": [now, now]}
    found = {"intersection": "c", "plan_id": plan["plan_id"], "seq": plan["seq"], "at": now, "shown": shown}
    return {**ACK, **found, **changes}


def acknowledge(world: World, document: Any) -> Any:
    with world.client("controller") as client:
        return client.post("/v1/intersections/c/ack", json=document)


def test_an_acknowledgement_is_kept_and_shown(world: World) -> None:
    document = ack(world)
    answer = acknowledge(world, document)
    assert (answer.status_code, answer.content) == (204, b"")
    assert world.live.store.acks("c", 0, 2**50)[-1].document == document
    world.tick()
    state = world.get("reader", "/v1/intersections/c").json()
    assert state["ack"] == document
    assert (state["mode"], state["alive"]) == ("adaptive", True)
    assert [lane["lane"] for lane in state["lanes"]] == ["w_0", "n_0"]


@pytest.mark.parametrize("document", [{}, [], 7, "text", {"format": "citybrain/ack/1"}])
def test_what_is_no_acknowledgement_is_refused(world: World, document: Any) -> None:
    assert acknowledge(world, document).status_code == 422


def test_an_acknowledgement_for_another_intersection_or_in_another_form_is_refused(world: World) -> None:
    assert acknowledge(world, ack(world, intersection="d")).status_code == 422
    with world.client("controller") as client:
        path = "/v1/intersections/c/ack"
        assert client.post(path, content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
        deep = b"[" * 100_000
        assert client.post(path, content=deep, headers={"Content-Type": "application/json"}).status_code == 400
        assert client.post(path, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
        assert client.post(path, json=" " * 300_000).status_code == 413


def test_an_override_with_who_why_and_until_when_and_its_end(world: World) -> None:
    wanted = {"intersection": "c", "kind": "stage", "value": 1, "who": "A. Officer", "why": "procession"}
    until_time = world.clock.now() + HOUR
    with world.client("operator") as client:
        made = client.post("/v1/overrides", json={**wanted, "until": until_time})
        assert made.status_code == 201, made.text
        number = made.json()["number"]
        (found,) = client.get("/v1/overrides").json()["overrides"]
        assert found["number"] == number
        assert {**wanted, "until": until_time}.items() <= {**found, "who": wanted["who"]}.items()
        assert found["who"] == f"A. Officer (operator, key {world.keys['operator'][3:19]})"
        assert client.delete(f"/v1/overrides/{number}", params={"who": "B. Officer"}).status_code == 204
        again = client.delete(f"/v1/overrides/{number}", params={"who": "B. Officer"})
        assert (again.status_code, again.json()["code"]) == (404, "unknown_override")
        assert client.get("/v1/overrides").json()["overrides"] == []
    told = [entry.document for entry in world.live.store.entries(1, 1000) if entry.kind == "override"]
    assert [one.get("why") for one in told[-2:]] == ["procession", None]
    assert told[-1]["ended_by"].startswith("B. Officer (operator")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"intersection": "z"}, 404),
        ({"kind": "party"}, 422),
        ({"value": 99}, 422),
        ({"value": "1"}, 422),
        ({"until": 5}, 422),
        ({"until": 1.5e300}, 422),
        ({"who": ""}, 422),
        ({"why": "x" * 5000}, 422),
        ({"colour": "red"}, 422),
    ],
)
def test_a_wrong_override_changes_nothing(world: World, change: dict[str, Any], status: int) -> None:
    wanted = {"intersection": "c", "kind": "stage", "value": 1, "who": "x", "why": "y", "until": BEGIN + HOUR}
    with world.client("operator") as client:
        answer = client.post("/v1/overrides", json={**wanted, **change})
        assert answer.status_code == status, answer.text
        assert client.post("/v1/overrides", content=b"{}").status_code == 415
        assert client.get("/v1/overrides").json()["overrides"] == []


def test_history_pages_and_differences(world: World) -> None:
    while (world.live.board.get("c") or world.plan()) and len(world.live.history("c")) < 3:
        world.plan()
        world.tick(10)
    with world.client("reader") as client:
        path = "/v1/intersections/c/plans"
        first = client.get(path, params={"limit": 2}).json()
        assert [plan["seq"] for plan in first["plans"]] == sorted((p["seq"] for p in first["plans"]), reverse=True)
        second = client.get(path, params={"before": first["before"], "limit": 500}).json()
        assert second["plans"][-1]["seq"] == 1
        assert second["before"] is None
        assert client.get(f"{path}/1").json() == second["plans"][-1]
        found = client.get(f"{path}/difference", params={"a": 1, "b": 2}).json()["differences"]
        assert "seq" in [one["path"] for one in found]
        for wrong in (f"{path}/99999", f"{path}/difference?a=1&b=99999"):
            assert (client.get(wrong).status_code, client.get(wrong).json()["code"]) == (404, "unknown_plan")


def test_a_rollback_names_a_plan_that_was(world: World) -> None:
    wanted = {"seq": 99_999, "who": "x", "why": "y", "until": world.clock.now() + HOUR}
    path = "/v1/intersections/c/rollback"
    with world.client("operator") as client:
        assert client.post(path, json=wanted).json()["code"] == "unknown_plan"
        answer = client.post(path, json={**wanted, "seq": 1})
        assert answer.status_code in {201, 409}, answer.text
        if answer.status_code == 201:
            assert client.delete(f"/v1/overrides/{answer.json()['number']}?who=x").status_code == 204


def test_state_links_and_the_list(world: World) -> None:
    with world.client("reader") as client:
        state = client.get("/v1/state").json()
        assert (state["intersections"], state["time"]) == (1, world.live.engine_time)
        assert 0 <= state["confidence"] <= 1
        assert client.get("/v1/links").json()["links"] == []
        (one,) = client.get("/v1/intersections").json()["intersections"]
        assert one["id"] == "c"


def test_every_tick_comes_as_an_event(world: World) -> None:
    with world.client("reader") as client, client.stream("GET", "/v1/stream") as answer:
        lines = answer.iter_lines()
        world.tick()
        data = until(lambda: json.loads(line[6:]) if (line := next(lines)).startswith("data: ") else None)
        assert data["network"]["intersections"] == 1
        assert [one["id"] for one in data["intersections"]] == ["c"]
        assert len(data["lanes"]["queue"]) == 4


def test_the_ledger_in_pages_verifies(world: World) -> None:
    entries, first = [], 1
    with world.client("reader") as client:
        while first is not None:
            page = client.get("/v1/ledger", params={"from": first, "limit": 7}).json()
            entries += page["entries"]
            first = page["next"]
    kept = list(world.live.store.whole_ledger())
    assert verify(kept) is None
    assert [(e["n"], e["hash"], e["document"]) for e in entries] == [(e.n, e.hash, e.document) for e in kept]


def test_what_was_shown_is_explained(world: World) -> None:
    plan = world.plan().json()
    path = "/v1/ledger/explain"
    with world.client("reader") as client:
        found = client.get(path, params={"intersection": "c", "time": plan["valid_from"]}).json()
        assert found["plan"] == plan
        assert found["author"]
        assert found["inputs"].startswith("sha256:")
        assert found["missing"] is None
        assert found["rejected"]["cost_tenths"] <= found["pattern"]["cost_tenths"]
        before = client.get(path, params={"intersection": "c", "time": 5}).json()
        assert (before["plan"], before["rejected"]) == (None, None)
        assert "no service had begun" in before["missing"]
        with world.app.state.service.explaining:
            busy = client.get(path, params={"intersection": "c", "time": 5})
            assert (busy.status_code, busy.headers["Retry-After"]) == (503, "5")
        assert client.get(path, params={"intersection": "z", "time": 5}).status_code == 404


def test_the_clocks_and_waiting_for_the_engine(world: World) -> None:
    due = world.live.engine_time + 10
    with world.client("field") as client:
        early = client.get("/v1/time", params={"engine": due, "wait": 0.05}).json()
        assert early == {"time": world.clock.now(), "engine_time": due - 10}
        assert world.post(until_time=due).status_code == 200
        assert client.get("/v1/time", params={"engine": due, "wait": 20}).json()["engine_time"] == due


def test_health_readiness_and_metrics(world: World) -> None:
    assert world.get(None, "/healthz").json() == {"status": "alive"}
    assert world.get(None, "/readyz").json() == {"ready": True, "reasons": []}
    world.post(loop(world))
    text = world.get("reader", "/metrics").text
    for name in ("citybrain_requests_total", "citybrain_ready 1.0", "citybrain_controllers_alive", "citybrain_batches"):
        assert name in text


def test_an_intersection_that_is_no_more_is_gone(tmp_path: Path) -> None:
    with serving(tmp_path) as world:
        shared = world.app.state.service
        shared.retired = frozenset({"old"})
        assert world.get("reader", "/v1/intersections/old/plans").status_code == 410
        assert world.get("reader", "/v1/intersections/older/plans").status_code == 404
        assert world.get("reader", "/v1/state").status_code == 503
