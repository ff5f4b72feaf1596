"""The web server around the application: sockets, slow and greedy clients, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from citybrain.errors import InputError, PlantError
from citybrain_api.service.app import LiveApp
from citybrain_api.service.logs import catch_server_logs
from citybrain_api.service.polls import Polls
from citybrain_api.service.settings import ServiceSettings

BACKLOG = 4096
"""Connections that wait to be accepted; a whole fleet comes back at once after an outage."""


def bind(host: str, port: int) -> socket.socket:
    """Open the listening socket, before anything else is begun.

    Parameters
    ----------
    port : 0 takes any that is free.

    Raises
    ------
    InputError
        If the address is not this machine's, the port is taken, or it may not be taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(f"--host {host}: no such address here: {error.strerror or error}") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        told = f"cannot listen on {host} port {port}: {error.strerror or error}"
        raise InputError(f"{told}; choose another with --port, or stop what uses it") from None
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the address of a listening socket as clients write it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 with bounds on how long and how large a request's head may be, and a short way for polls.

    A plain poll is answered as soon as its head is complete. What uvicorn sets up for every other request, a task and
    the objects of an ASGI conversation, takes three times as long as the answer itself.
    """

    head_s: float
    head_bytes: int
    polls: Polls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._head_taken = 0
        self._in_head = True
        self._answered = False
        self._heard_at = self.loop.time()
        self._patience: asyncio.TimerHandle | None = self.loop.call_later(self.head_s, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._calm()
        super()._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; where a head is still incomplete, see how long and how large it has become."""
        super().data_received(data)
        if self._in_head:
            self._head_taken += len(data)
            if self._head_taken > self.head_bytes:
                self.send_400_response("The head of the request is too large.")
            elif self._patience is None:
                self._patience = self.loop.call_later(self.head_s, self._give_up)

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        super().on_message_begin()
        self._in_head = True
        self._answered = False
        self._head_taken = 0

    def on_headers_complete(self) -> None:
        """Note that it is complete; answer it here where it is a plain poll."""
        self._in_head = False
        self._calm()
        self._answered = self._answer()
        if not self._answered:
            super()._unset_keepalive_if_required()
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        if not self._answered:
            super().on_message_complete()

    def _answer(self) -> bool:
        """Answer a plain poll, unless an answer before it is still due or the client does not read; tell whether."""
        parser, cycle = self.parser, self.cycle
        busy = self.flow.write_paused or not (cycle is None or cycle.response_complete)
        if busy or parser.get_method() != b"GET" or parser.get_http_version() != "1.1":
            return False
        if self.expect_100_continue or parser.should_upgrade() or not parser.should_keep_alive():
            return False
        poll = self.polls.answer(self.url, self.headers)
        if poll is None:
            return False
        ours = b"".join([b"%b: %b\r\n" % header for header in self.server_state.default_headers])
        self.transport.write(b"".join((STATUS_LINE[poll.status], ours, poll.head, b"\r\n", poll.body)))
        self.server_state.total_requests += 1
        self._heard_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_idle(self.timeout_keep_alive)
        return True

    def _unset_keepalive_if_required(self) -> None:
        """Leave the wait for the next request as it is while polls come: they would all begin it anew."""
        if not self._answered:
            super()._unset_keepalive_if_required()

    def _wait_idle(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._idle)

    def _idle(self) -> None:
        """Close a connection that has been idle; wait on where a poll came meanwhile."""
        self.timeout_keep_alive_task = None
        left = self._heard_at + self.timeout_keep_alive - self.loop.time()
        if self._in_head:
            self._wait_idle(self.head_s)  # whoever is in the middle of a head has patience of its own
        elif left > 0.0:
            self._wait_idle(left)
        else:
            self.timeout_keep_alive_handler()

    def _calm(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()


class TellingServer(uvicorn.Server):
    """Uvicorn, which says when it is up."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell whoever waits for it, also of a failure."""
        try:
            await super().startup(sockets)
        finally:
            self.up.set()


class _Server(TellingServer):
    """One that tells long polls and streams that the end has come before it waits for them."""

    def __init__(self, config: uvicorn.Config, app: LiveApp) -> None:
        super().__init__(config)
        self._bell = app.state.service.bell

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Have SIGINT and SIGTERM end the serving in order, and nothing more.

        Uvicorn raises them again after that, which would end the process before the live room has stopped.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, wake whoever waits, finish what runs."""
        self._bell.close()
        await super().shutdown(sockets)


def make_server(app: LiveApp, settings: ServiceSettings) -> _Server:
    """Make the server of an application; ``run(sockets=[...])`` serves until SIGINT or SIGTERM."""
    catch_server_logs(app.state.service.log)
    traits = {"head_s": settings.header_s, "head_bytes": settings.head_bytes, "polls": Polls(app.state.service)}
    protocol = cast("type[asyncio.Protocol]", type("Protocol", (PatientProtocol,), traits))
    config = uvicorn.Config(
        cast("Any", app),
        http=protocol,
        loop="auto",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.idle_s,
        timeout_graceful_shutdown=settings.drain_s,
        backlog=BACKLOG,
    )
    return _Server(config, app)


class InThread:
    """A server in a thread of this process. A context manager.

    Attributes
    ----------
    url : its address.
    """

    def __init__(self, listener: socket.socket, server: TellingServer) -> None:
        self.url = url_of(listener)
        self._server = server
        self._thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="http", daemon=True)

    def __enter__(self) -> Self:
        """Serve.

        Raises
        ------
        PlantError
            If the server does not come up.
        """
        self._thread.start()
        self._server.up.wait()
        if not self._server.started:
            raise PlantError("the web server did not start; the log says why")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Finish what runs, and end."""
        self._server.should_exit = True
        self._thread.join()


class Served(InThread):
    """An application served in a thread of this process, for tests, the twin and benchmarks."""

    def __init__(self, app: LiveApp, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(bind(host, port), make_server(app, app.state.service.settings))
