"""The application: all routes around one live room, behind the door."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from citybrain.city.districts import usual_districts
from citybrain_api.service import problems
from citybrain_api.service.city_documents import CityView
from citybrain_api.service.core import Service
from citybrain_api.service.door import Door
from citybrain_api.service.keys import KeyRing
from citybrain_api.service.logs import make_logger
from citybrain_api.service.openapi import DescribedApp
from citybrain_api.service.page_feed import MODES, PageFeed
from citybrain_api.service.page_files import page_router
from citybrain_api.service.page_street import PackedStreet, street_document
from citybrain_api.service.settings import ServiceSettings
from citybrain_api.service.views import Views

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from citybrain.live.service import Live


class LiveApp(DescribedApp):
    """All routes, with the door in front of them."""

    def __init__(self, shared: Service) -> None:
        feed = PageFeed(shared)

        @contextlib.asynccontextmanager
        async def running(app: FastAPI) -> AsyncIterator[None]:
            async with shared.running(app), feed.watching():
                yield

        super().__init__(lifespan=running)
        self.state.service, self.state.feed = shared, feed
        self.state.street = PackedStreet(partial(street_document, shared.live.site))
        self.include_router(page_router({"kind": "live", "modes": MODES, "time_zone": shared.live.settings.time_zone}))
        problems.install(self)
        self._door = Door(super().__call__, shared)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._door(scope, receive, send)


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
            retired=live.store.intersections() - names,
            views=Views(live),
            city=CityView(live.site.network, usual_districts(live.site.network)),
        )
    )
