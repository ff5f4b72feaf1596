"""``citybrain look``: the page over a recorded run, for one person at this machine. Needs no key, changes nothing."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated, Any

import uvicorn
from fastapi import FastAPI, Query, Request, Response

from citybrain.errors import InputError
from citybrain_api.service import problems
from citybrain_api.service.documents import LATEST
from citybrain_api.service.page_feed import MODES
from citybrain_api.service.page_files import page_router
from citybrain_api.service.page_street import PackedStreet
from citybrain_api.service.problems import ProblemError

if TYPE_CHECKING:
    import socket

    from citybrain_api.recorded import Recording

MOST = 600
"""Frames of one answer."""


def make_look(recording: Recording) -> FastAPI:
    """Make the application that shows a recording."""
    app = FastAPI(openapi_url=None)
    problems.install(app)
    street, about = PackedStreet(recording.site), recording.about()
    position = {name: i for i, name in enumerate(recording.site.network.intersection_id)}
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


def serve_look(app: FastAPI, listener: socket.socket) -> None:
    """Serve until Ctrl-C.

    Raises
    ------
    InputError
        If the web server does not start.
    """
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False))
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has ended in order, and raises it once more
        server.run(sockets=[listener])
    if not server.started:
        raise InputError("the web server did not start")
