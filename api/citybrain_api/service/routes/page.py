"""What the page asks for beside the documents that everybody may read: the street's geometry, and frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

import citybrain
from citybrain_api.service.access import PersonKey, ServiceNeeded
from citybrain_api.service.core import EVENT_STREAM
from citybrain_api.service.examples import FRAME_EVENTS
from citybrain_api.service.problems import declared

if TYPE_CHECKING:
    from citybrain_api.service.page_feed import PageFeed
    from citybrain_api.service.page_street import PackedStreet

router = APIRouter(tags=["people"])


class StreetGeometry(BaseModel):
    """What does not change of a street; numbers refer to positions in its lists, lengths are decimetres."""

    lanes: dict[str, list[Any]] = Field(description="`id`, `road`, `length`, `speed`, `points`, `shape`.")
    roads: list[str]
    intersections: dict[str, list[Any]] = Field(description="`id`, `place`, `lanes`.")
    movements: dict[str, list[int]] = Field(description="`from`, `to`, `turn`, `group`.")
    groups: dict[str, list[int]] = Field(description="`intersection`, `kind`.")
    stages: list[list[str]] = Field(description="Per intersection the aspects of every stage, `rygG`.")
    links: dict[str, list[Any]] = Field(description="`origin`, `target`, `roads`, `length`, `seconds`.")


@router.get(
    "/v1/page/street",
    summary="The street's geometry",
    responses=declared(401, 403, 429),
    response_model=StreetGeometry,
)
def street(request: Request, _shared: ServiceNeeded, _key: PersonKey) -> Response:
    """Tell what the page draws: lanes with their shapes, movements, signal groups, stages and links."""
    return cast("PackedStreet", request.app.state.street).answer(request)


@router.get(
    "/v1/page/stream",
    summary="Every tick as a frame",
    responses={200: {"content": {EVENT_STREAM: {"example": FRAME_EVENTS}}}, **declared(401, 403, 429, 503)},
    response_class=StreamingResponse,
)
async def frames(request: Request, shared: ServiceNeeded, key: PersonKey) -> Response:
    """Tell what the page shows as server-sent events.

    `hello` names the key; `past` holds vehicles and queue of the last hours (time, vehicles, queued) and the city's
    figures of every minute; a `frame` comes with every tick. In a frame, `whole` has arrays in the order of
    `/v1/page/street`, one letter of base 64 per place, and `change` those of which only some places changed. A slow
    reader misses ticks.
    """
    feed = cast("PageFeed", request.app.state.feed)
    hello = {"scope": key.scope, "name": key.row.name, "version": citybrain.__version__}
    return shared.stream("viewers", feed.events(hello))
