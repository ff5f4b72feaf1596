"""The outermost door: every request passes here first and leaves here last. Plain ASGI, for speed.

A controller's plain poll is answered on the spot: when an engine begins, or renews all plans at once, a whole city's
controllers get another answer than 304 in the same second. Everything else goes on to the routes, with its body bounded
in size and time, and leaves with the server's time, a line in the log and a count.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from citybrain.clock import stopwatch
from citybrain_api.service.problems import PROBLEM_JSON, ProblemError, no_plan, problem_response, unavailable
from citybrain_api.service.settings import Scope as KeyScope

if TYPE_CHECKING:
    from citybrain_api.service.core import Service
    from citybrain_api.service.keys import Principal

PREFIX = "/v1/intersections/"
SUFFIX = "/plan"
OBSERVATIONS = "/v1/observations"
BEARER = "Bearer "
PRINCIPAL = "citybrain.principal"
"""Where ``access`` leaves in a request's state whose key it was."""
ROUTE = PREFIX + "{intersection}" + SUFFIX
JSON = "application/json"
ONE_TAG = re.compile(rb'"[^"]*"')
"""Lists of tags, weak tags and stars are left to the routes."""
Poll = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, head and body of an answer."""


class Door:
    """ASGI application around the routes.

    Parameters
    ----------
    app : the routes.
    service : what they share.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app = app
        self._service = service
        self._board = service.live.board
        self._renew = service.live.renew
        self._time = service.live.clock.now
        self._keys = service.keys
        self._polls = service.metrics.unchanged_polls
        self._log_polls = service.settings.log_polls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        poll = self._poll(scope)
        if poll is None:
            await Passage(self._service, scope, receive, send).through(self._app)
            return
        status, head, body = poll
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def _poll(self, scope: Scope) -> Poll | None:
        """Answer a lawful poll of a controller, without a query; None for everything else.

        Whatever is not as it should be is left to the routes, which say what is wrong.
        """
        path: str = scope["path"]
        if not path.endswith(SUFFIX) or scope["query_string"] or scope["method"] != "GET":
            return None
        tag, authorization = b"", None
        for name, value in scope["headers"]:
            if name == b"if-none-match":
                tag = value
            elif name == b"authorization":
                authorization = value
        if authorization is None or not path.startswith(PREFIX):
            return None
        intersection = path[len(PREFIX) : -len(SUFFIX)]
        principal = self._controller(authorization, intersection)
        if principal is None or intersection not in self._service.intersections:
            return None
        plan = self._board.get(intersection)
        etag = b"" if plan is None else b'"%b"' % plan.plan_id.encode()
        if (tag not in {b"", etag} and not ONE_TAG.fullmatch(tag)) or principal.bucket.take(stopwatch()):
            return None
        head = [
            (b"plan-lease-until", b"%d" % self._renew(intersection)),
            (b"server-time", b"%d" % self._time()),
            (b"cache-control", b"no-store"),
        ]
        if plan is None:
            return self._told(principal, path, 404, head, _body_of(no_plan(intersection)), PROBLEM_JSON)
        head += [(b"etag", etag), (b"plan-seq", b"%d" % plan.seq)]
        if tag != etag:
            return self._told(principal, path, 200, head, plan.document_bytes, JSON)
        self._polls.inc()
        if self._log_polls:
            self._service.log.info("request", method="GET", path=path, status=304, key=principal.row.key_id)
        return 304, head, b""

    def _told(
        self, principal: Principal, path: str, status: int, head: list[tuple[bytes, bytes]], body: bytes, media: str
    ) -> Poll:
        """Complete an answer with a body, log it and count it."""
        head += [(b"content-type", media.encode()), (b"content-length", b"%d" % len(body))]
        self._service.metrics.requests.labels("GET", ROUTE, str(status)).inc()
        self._service.log.info("request", method="GET", path=path, status=status, key=principal.row.key_id)
        return status, head, body

    def _controller(self, authorization: bytes, intersection: str) -> Principal | None:
        text = authorization.decode("latin-1")
        principal = self._keys.find(text[len(BEARER) :]) if text.startswith(BEARER) else None
        if principal is None or principal.scope is not KeyScope.CONTROLLER or not principal.reaches(intersection):
            return None
        return principal


def _body_of(problem: ProblemError) -> bytes:
    return bytes(problem_response(problem.status_code, str(problem.detail), code=problem.code).body)


class Passage:
    """One request on its way to the routes and back.

    Parameters
    ----------
    service : what the routes share.
    scope, receive, send : the request, as ASGI has it.
    """

    def __init__(self, service: Service, scope: Scope, receive: Receive, send: Send) -> None:
        self._service = service
        self._scope = scope
        self._receive = receive
        self._send = send
        self._status = 0
        self._taken = 0
        self._complete = False
        settings = service.settings
        self._limit = settings.observation_bytes if scope["path"] == OBSERVATIONS else settings.document_bytes
        self._began = stopwatch()
        self._deadline = asyncio.get_running_loop().time() + settings.body_s
        scope.setdefault("state", {})

    async def through(self, app: ASGIApp) -> None:
        """Have the routes answer; whatever happens, the request is logged and counted."""
        failure: Exception | None = None
        try:
            await app(self._scope, self._read, self._write)
        except Exception as error:  # noqa: BLE001  the routes have answered 500 already; here it is told to people
            failure = error
        finally:
            self._service.bodies_bytes -= self._taken
            self._account(failure)

    async def _read(self) -> Message:
        """Receive the next part of the body, within the bounds.

        Raises
        ------
        ProblemError
            If the body is too large or too slow, or too many others are held in memory.
        """
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            told = f"the body was not complete after {self._service.settings.body_s:g} s"
            raise ProblemError(408, told, headers={"Connection": "close"}) from None
        if message["type"] != "http.request":
            self._complete = True
            return message
        self._complete = not message.get("more_body", False)
        self._hold(len(message.get("body", b"")))
        return message

    def _hold(self, more: int) -> None:
        self._taken += more
        self._service.bodies_bytes += more
        if self._taken > self._limit:
            raise ProblemError(413, f"the body is larger than {self._limit} bytes; send less at once")
        if self._service.bodies_bytes > self._service.settings.bodies_bytes:
            raise unavailable("too many bodies are being read at the same time", after_s=1)

    async def _write(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            head = [*message.get("headers", ()), (b"server-time", b"%d" % self._service.live.clock.now())]
            message = {**message, "headers": head}
        await self._send(message)

    def _account(self, failure: Exception | None) -> None:
        seconds = stopwatch() - self._began
        route = getattr(self._scope.get("route"), "path", "none").replace(":path", "")
        method = self._scope["method"]
        principal: Principal | None = self._scope["state"].get(PRINCIPAL)
        metrics = self._service.metrics
        metrics.requests.labels(method if route != "none" else "any", route, str(self._status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        line: dict[str, Any] = {
            "method": method,
            "path": self._scope["path"],
            "status": self._status,
            "ms": round(seconds * 1000, 2),
            "bytes_in": self._taken,
            "key": principal.row.key_id if principal is not None else None,
            "client": (self._scope.get("client") or ("",))[0],
        }
        if failure is None:
            self._service.log.info("request", **line)
        else:
            self._service.log.error("request", exc_info=failure, **line)
