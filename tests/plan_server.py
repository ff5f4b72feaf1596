"""A small server of plans for tests: follows the documents, and misbehaves in one way when told to."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from citybrain.clock import WallClock
from citybrain.errors import InputError
from citybrain.live.acks import read_ack
from citybrain.plans.checker import hash_of
from citybrain_api.conformance_exam import Examination

KEY = "cb_good"
ONE = "/v1/intersections/{intersection:path}"
PROBLEM = "application/problem+json"
WAIT = "0.2"
"""The long poll that tests ask for [s]."""


class PlanServer:
    """One intersection, one key; ``fault`` names what is done wrong."""

    def __init__(self) -> None:
        self.exam = Examination("elm", 1.0, WallClock())
        self.exam.published = self.exam.plan(self.exam.pattern())
        self.fault = ""
        self.acks: list[dict[str, Any]] = []
        self.bodies: list[tuple[str, bytes]] = []
        self.url = ""
        routes = [
            Route("/v1/time", self.time),
            Route("/v1/intersections", self.intersections),
            Route(ONE + "/data", self.data),
            Route(ONE + "/plan/events", self.events),
            Route(ONE + "/plan", self.plan),
            Route(ONE + "/ack", self.ack, methods=["POST"]),
            Route(ONE + "/plans", self.forbidden),
            Route("/v1/observations", self.observations, methods=["POST"]),
            Route("/v1/overrides", self.forbidden, methods=["POST"]),
            Route("/v1/ledger", self.forbidden),
            Route("/v1/state", self.strange),
        ]
        self.app = Starlette(routes=routes, exception_handlers={HTTPException: self.problem})

    async def problem(self, _request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = {**(error.headers or {}), "Server-Time": str(self.exam.now())}
        if error.status_code == 401 and self.fault != "no challenge":
            headers["WWW-Authenticate"] = "Bearer"
        told = {"title": "x", "status": error.status_code, "code": "some_code", "detail": "told"}
        media = "text/plain" if self.fault == "plain problems" else PROBLEM
        return Response(json.dumps(told), error.status_code, headers, media)

    def check(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {KEY}" and self.fault != "no keys":
            raise HTTPException(401)
        if request.path_params.get("intersection", "elm") != "elm":
            raise HTTPException(404)

    def tell(self, document: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        head = {"Server-Time": str(self.exam.now()), **(headers or {})}
        return Response(json.dumps(document), status, head, "application/json")

    async def time(self, request: Request) -> Response:
        self.check(request)
        return self.tell({"time": self.exam.now() + (900 if self.fault == "two clocks" else 0), "engine_time": 0})

    async def intersections(self, request: Request) -> Response:
        self.check(request)
        return self.tell({"intersections": [] if self.fault == "no intersections" else [{"id": "elm"}]})

    async def data(self, request: Request) -> Response:
        self.check(request)
        return self.tell({**self.exam.data, **({"lead": 1.5} if self.fault == "damaged data" else {})})

    async def plan(self, request: Request) -> Response:
        self.check(request)
        text = request.query_params.get("wait", "0")
        if text not in {"0", WAIT} and self.fault != "any wait":
            raise HTTPException(422)
        if self.fault == "no plan":
            body = json.dumps({"title": "x", "status": 404, "code": "no_plan", "detail": "told"})
            return Response(body, 404, {"Server-Time": "17"}, PROBLEM)
        if self.fault == "crash":
            return Response("Internal Server Error", 500)
        plan = dict(self.exam.published or {})
        if self.fault == "unlawful":
            plan["lease_until"] += 1
        if self.fault == "numbers" and text == WAIT:
            plan = {**plan, "made_at": plan["made_at"] - 1, "plan_id": ""}
            plan["plan_id"] = hash_of({name: value for name, value in plan.items() if name != "plan_id"})
        tag = '"x"' if self.fault == "other tag" else f'"{plan["plan_id"]}"'
        lease = self.exam.now() + 300
        if self.fault == "lease shrinks":
            lease = 10**12 - self.exam.now() - len(self.acks)
            self.acks.append({})
        head = {"ETag": tag, "Plan-Seq": str(plan["seq"]), "Plan-Lease-Until": str(lease)}
        if self.fault != "cacheable":
            head["Cache-Control"] = "no-store"
        if self.fault == "lease over":
            head["Plan-Lease-Until"] = "1"
        wanted = request.headers.get("if-none-match", "")
        if (tag in wanted or wanted == "*") and self.fault not in {"always 200", "numbers"}:
            if text == WAIT and self.fault != "hasty":
                await asyncio.sleep(0.75 * float(WAIT))
            head["Server-Time"] = str(self.exam.now())
            if self.fault == "304 without lease":
                del head["Plan-Lease-Until"]
            return Response(status_code=304, headers=head)
        return self.tell(plan, headers=head)

    async def events(self, request: Request) -> Response:
        self.check(request)

        async def stream() -> AsyncIterator[bytes]:
            seq = 0 if self.fault == "old event" else (self.exam.published or {})["seq"]
            yield b"event: plan\n"
            if self.fault != "no event":
                yield b'data: {"seq": %d}\n\n' % seq

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def ack(self, request: Request) -> Response:
        self.check(request)
        body = await request.body()
        if len(body) > 2**20:
            raise HTTPException(413)
        try:
            document = json.loads(body)
            if self.fault != "takes anything":
                read_ack(document, "elm", 3, 3)
        except (ValueError, RecursionError, InputError):
            raise HTTPException(422) from None
        if self.fault == "takes nothing":
            raise HTTPException(503)
        self.acks.append(document)
        return Response(status_code=204)

    async def observations(self, request: Request) -> Response:
        self.check(request)
        self.bodies.append((request.headers["content-type"], await request.body()))
        if self.fault == "field work":
            return self.tell({"accepted": 1}, headers={"Batch-Known": "true"})
        raise HTTPException(403, headers={"Retry-After": "7"})

    async def forbidden(self, request: Request) -> Response:
        self.check(request)
        if self.fault == "no scopes":
            return self.tell({})
        raise HTTPException(403)

    async def strange(self, _request: Request) -> Response:
        async def drip() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b" "
                await asyncio.sleep(0.05)

        answers = {
            "text": Response("hello"),
            "list": Response("[]"),
            "deep": Response("[" * 100_000),
            "drip": StreamingResponse(drip()),
        }
        return answers.get(self.fault, Response("{}"))


@contextmanager
def running() -> Iterator[PlanServer]:
    """A server in a thread of its own."""
    stub = PlanServer()
    server = uvicorn.Server(uvicorn.Config(stub.app, port=0, log_level="error", lifespan="off"))
    ready = threading.Event()

    async def serve() -> None:
        config = server.config
        listening = config.bind_socket()
        stub.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        ready.set()
        await server.serve([listening])

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield stub
    finally:
        server.should_exit = server.force_exit = True
        thread.join(20)
