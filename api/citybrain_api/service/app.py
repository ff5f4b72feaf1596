"""The application: all routes around one live room, behind the door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

import citybrain
from citybrain_api.service import problems
from citybrain_api.service.core import Service
from citybrain_api.service.door import Door
from citybrain_api.service.keys import KeyRing
from citybrain_api.service.logs import make_logger
from citybrain_api.service.routes import field, operations, people, plans
from citybrain_api.service.settings import ServiceSettings
from citybrain_api.service.views import Views

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from citybrain.live.service import Live

ABOUT = """How the street talks to the engine: controllers poll lawful plans, field devices post observations, people
look and override.

All times are integers: tenths of a second since 1970-01-01T00:00:00Z. Every answer carries the service's own clock in
`Server-Time`. Whatever is refused is told as a problem document (RFC 9457).

Keys go into `Authorization: Bearer cb_...`. A key has one scope: `field` posts observations; `controller` reads plans
and acknowledges, for its own intersections; `reader` reads everything; `operator` reads, overrides and rolls back.
"""
TAGS = [
    {"name": "controllers", "description": "Plans, leases, acknowledgements."},
    {"name": "field devices", "description": "Observations."},
    {"name": "people", "description": "State, history, overrides, ledger."},
    {"name": "operations", "description": "Health, readiness, metrics, clocks."},
]
OPENAPI = "/v1/openapi.json"


class LiveApp(FastAPI):
    """FastAPI with the door in front of it."""

    def __init__(self, shared: Service) -> None:
        super().__init__(
            title="City Brain Engine",
            version=citybrain.__version__,
            description=ABOUT,
            license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
            openapi_url=OPENAPI,
            openapi_tags=TAGS,
            docs_url=None,  # the usual pages load their scripts from elsewhere
            redoc_url=None,
            lifespan=shared.running,
        )
        self.state.service = shared
        problems.install(self)
        # The last route of `people` takes any intersection's name, so that router comes last.
        for room in (plans, field, operations, people):
            self.include_router(room.router)
        self._door = Door(super().__call__, shared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._door(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document; problems are declared once, by name."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas["Problem"] = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            self.openapi_schema = document
        return self.openapi_schema


def make_app(live: Live, settings: ServiceSettings | None = None, log: FilteringBoundLogger | None = None) -> LiveApp:
    """Make the application around a live room; the room is started and stopped by whoever opened it.

    Parameters
    ----------
    live : the live room, open.
    settings : limits; without them, the defaults.
    log : where requests are told; without it, stderr.

    Raises
    ------
    StoreError
        If the keys cannot be read.
    """
    settings = settings or ServiceSettings()
    names = frozenset(live.intersections)
    keys = KeyRing(settings.rates, len(names))
    keys.load(live.store.keys())
    return LiveApp(
        Service(
            live=live,
            settings=settings,
            log=log or make_logger(),
            keys=keys,
            intersections=names,
            retired=frozenset(live.store.latest_plans()) - names,
            views=Views(live),
        )
    )
