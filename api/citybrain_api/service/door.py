"""The outermost door: every request passes here first and leaves here last, but for plain polls (``polls``).

It goes on to the routes with its body bounded in size and time, and leaves with the server's time, a line in the log
and a count.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from citybrain.clock import stopwatch
from citybrain_api.service.problems import ProblemError, unavailable

if TYPE_CHECKING:
    from citybrain_api.service.core import Service
    from citybrain_api.service.keys import Principal

OBSERVATIONS = "/v1/observations"
BEARER = "Bearer "
PRINCIPAL = "citybrain.principal"
"""Where ``access`` leaves in a request's state whose key it was."""


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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        await Passage(self._service, scope, receive, send).through(self._app)


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
