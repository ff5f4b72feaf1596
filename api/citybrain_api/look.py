"""``citybrain look``: the page over a recorded run, for one person at this machine. Needs no key, changes nothing."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Annotated, Any, Protocol, Self

import uvicorn
from fastapi import FastAPI, Query, Request, Response

from citybrain.errors import PlantError
from citybrain_api.service import problems
from citybrain_api.service.documents import LATEST
from citybrain_api.service.page_feed import MODES
from citybrain_api.service.page_files import page_router
from citybrain_api.service.page_street import PackedStreet
from citybrain_api.service.problems import ProblemError
from citybrain_api.service.server import bind, url_of

MOST = 600
"""Frames of one answer."""


class Record(Protocol):
    """What is looked at."""

    @property
    def intersections(self) -> tuple[str, ...]:
        """Ids in the network's order."""
        ...

    def street(self) -> dict[str, Any]:
        """Tell all of the street that does not change, as ``page_street`` does."""
        ...

    def about(self) -> dict[str, Any]:
        """Tell what was run, when, and the curves of the whole run."""
        ...

    def frames(self, first: int, count: int) -> list[str]:
        """Give some ticks as frames, the first of them whole."""
        ...

    def intersection(self, i: int, time: int) -> dict[str, Any]:
        """Tell of an intersection at the tick of a time [tenths]."""
        ...


def make_look(recording: Record) -> FastAPI:
    """Make the application that shows a record."""
    app = FastAPI(openapi_url=None)
    problems.install(app)
    street, about = PackedStreet(recording.street), recording.about()
    position = {name: i for i, name in enumerate(recording.intersections)}
    app.include_router(page_router({"kind": "record", "modes": MODES, "time_zone": "UTC"}))

    @app.get("/v1/page/street")
    def geometry(request: Request) -> Response:
        return street.answer(request)

    @app.get("/v1/page/record")
    def record() -> dict[str, Any]:
        return about

    @app.get("/v1/page/record/frames")
    def frames(
        first: Annotated[int, Query(ge=0, le=LATEST)], count: Annotated[int, Query(ge=1, le=MOST)] = 1
    ) -> Response:
        return Response(f"[{','.join(recording.frames(first, count))}]", media_type="application/json")

    @app.get("/v1/intersections/{intersection:path}")
    def intersection(intersection: str, time: Annotated[int, Query(ge=0, le=LATEST)]) -> dict[str, Any]:
        if intersection not in position:
            raise ProblemError(404, f"there is no intersection {intersection[:200]!r} in this record")
        return recording.intersection(position[intersection], time)

    return app


class _Server(uvicorn.Server):
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


class Looking:
    """The page over a record, served to this machine in a thread of its own. A context manager.

    Parameters
    ----------
    port : 0 takes any that is free.

    Raises
    ------
    InputError
        If the port is taken.
    """

    def __init__(self, app: FastAPI, port: int = 0) -> None:
        self._listener = bind("127.0.0.1", port)
        self.url = url_of(self._listener)
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._listener]}, name="http", daemon=True
        )

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
            raise PlantError("the web server did not start")
        return self

    def wait(self) -> None:
        """Go on until somebody interrupts."""
        with contextlib.suppress(KeyboardInterrupt):
            self._thread.join()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Finish what runs, and end."""
        self._server.should_exit = True
        self._thread.join()
