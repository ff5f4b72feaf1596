"""``citybrain look``: the page over a recorded run, for one person at this machine. Needs no key, changes nothing."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Protocol

import uvicorn
from fastapi import FastAPI, Query, Request, Response

from citybrain_api.service import problems
from citybrain_api.service.documents import LATEST
from citybrain_api.service.page_feed import MODES
from citybrain_api.service.page_files import page_router
from citybrain_api.service.page_street import PackedStreet
from citybrain_api.service.problems import ProblemError
from citybrain_api.service.server import InThread, TellingServer, bind

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


class Looking(InThread):
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
        config = uvicorn.Config(app, log_config=None, access_log=False, server_header=False)
        super().__init__(bind("127.0.0.1", port), TellingServer(config))

    def wait(self) -> None:
        """Go on until somebody interrupts."""
        with contextlib.suppress(KeyboardInterrupt):
            self._thread.join()
