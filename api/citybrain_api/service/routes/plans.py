"""What controllers call: their data, their plan, and their acknowledgement."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from citybrain.live.board import Published
from citybrain_api.service.access import (
    ControllerKey,
    ControllerOrPersonKey,
    IntersectionId,
    ServiceNeeded,
    intersection_of,
)
from citybrain_api.service.bell import wait
from citybrain_api.service.bodies import read_document
from citybrain_api.service.core import EVENT_STREAM, Service
from citybrain_api.service.examples import ACK, CONTROLLER_DATA, PLAN, PLAN_EVENT
from citybrain_api.service.keys import Principal
from citybrain_api.service.problems import component, declared, no_plan, unavailable
from citybrain_api.service.settings import Scope
from citybrain_api.service.streams import plan_events

ONE = "/v1/intersections/{intersection:path}"
NO_STORE = {"Cache-Control": "no-store"}
INTEGER = {"type": "integer"}
PLAN_HEADERS: dict[str, Any] = {
    "ETag": {"description": "`plan_id` in quotes; a strong tag.", "schema": {"type": "string"}},
    "Plan-Seq": {"description": "`seq` of the plan.", "schema": INTEGER},
    "Plan-Lease-Until": {
        "description": "Until when a controller may follow the plan [0.1 s since 1970]. Only to controllers' keys.",
        "schema": INTEGER,
    },
    "Server-Time": {"description": "The service's clock [0.1 s since 1970].", "schema": INTEGER},
}

router = APIRouter(tags=["controllers"])
WaitSeconds = Annotated[
    float,
    Query(ge=0, le=3600, description="Long poll: wait so long for a plan other than the one in `If-None-Match` [s]."),
]


@router.get(
    ONE + "/data",
    summary="Controller data",
    responses={
        200: {"content": component("ControllerData", CONTROLLER_DATA)},
        **declared(401, 403, 404, 410, 422, 429),
    },
    response_model=None,
)
def controller_data(intersection: IntersectionId, shared: ServiceNeeded, key: ControllerOrPersonKey) -> dict[str, Any]:
    """Tell what plans are made for: groups, lamps, conflicts, intergreens, stages, patterns, limits.

    A cabinet whose own data differ must refuse plans.
    """
    return shared.live.controller_data(intersection_of(shared, intersection, key))


@router.get(
    ONE + "/plan",
    summary="Plan in force",
    responses={
        200: {"headers": PLAN_HEADERS, "content": component("Plan", PLAN)},
        **declared(401, 403, 404, 410, 422, 429, 503),
        304: {"description": "Your plan is the plan in force.", "headers": PLAN_HEADERS},
    },
    response_model=None,
)
async def plan(
    intersection: IntersectionId,
    shared: ServiceNeeded,
    key: ControllerOrPersonKey,
    wait_s: Annotated[WaitSeconds, Query(alias="wait")] = 0.0,
    if_none_match: Annotated[str | None, Header(description="`ETag` of the plan that you have.")] = None,
) -> Response:
    """Tell a controller its plan.

    With `If-None-Match` and nothing new the answer is 304, without a body. A poll with a controller's key renews
    its lease, told in `Plan-Lease-Until`; other keys read and renew nothing. 404 with the code `no_plan` means: run
    your own pattern.
    """
    name = intersection_of(shared, intersection, key)
    lease = _renew(shared, name, key)
    published = shared.live.board.get(name)
    if wait_s and _nothing_new(published, if_none_match):
        published = await _changed(shared, name, if_none_match, wait_s)
        if not _nothing_new(published, if_none_match):
            lease = _renew(shared, name, key)
    if published is None:
        raise no_plan(name, {**NO_STORE, **lease})
    headers = {"ETag": f'"{published.plan_id}"', "Plan-Seq": str(published.seq), **lease, **NO_STORE}
    if _has(published, if_none_match):
        return Response(status_code=304, headers=headers)
    return Response(published.document_bytes, headers=headers, media_type="application/json")


@router.get(
    ONE + "/plan/events",
    summary="Plans as they come into force",
    responses={
        200: {"content": {EVENT_STREAM: {"example": PLAN_EVENT}}},
        **declared(401, 403, 404, 410, 422, 429, 503),
    },
    response_class=StreamingResponse,
)
async def events(
    intersection: IntersectionId,
    shared: ServiceNeeded,
    key: ControllerOrPersonKey,
    last_event_id: Annotated[str | None, Header(description="`seq` that you have already.")] = None,
) -> Response:
    """Server-sent events: `plan` (the plan document; `id` is its `seq`) and `no_plan` (run your own pattern).

    The plan in force comes first. A stream renews no lease, for a server cannot know that anybody still reads: poll
    with `If-None-Match` before the lease runs out.
    """
    name = intersection_of(shared, intersection, key)
    last = int(last_event_id) if last_event_id and last_event_id.isascii() and last_event_id.isdigit() else None
    return shared.stream("plan_streams", plan_events(shared, name, last))


@router.post(
    ONE + "/ack",
    summary="Acknowledge",
    status_code=204,
    openapi_extra={"requestBody": {"required": True, "content": component("Acknowledgement", ACK)}},
    responses={204: {"description": "Kept."}, **declared(400, 401, 403, 404, 408, 410, 413, 415, 422, 429, 503)},
)
async def acknowledge(
    intersection: IntersectionId, request: Request, shared: ServiceNeeded, key: ControllerKey
) -> Response:
    """Tell what the controller did with its plan, its mode, and what its lamps show.

    Kept before it is answered.
    """
    name = intersection_of(shared, intersection, key)
    document = await read_document(request)
    await asyncio.wrap_future(shared.live.ack(name, document))
    shared.metrics.acks.labels(document["verdict"]).inc()
    return Response(status_code=204)


def _renew(shared: Service, intersection: str, key: Principal) -> dict[str, str]:
    if key.scope is not Scope.CONTROLLER:
        return {}
    return {"Plan-Lease-Until": str(shared.live.renew(intersection))}


def _has(published: Published | None, tags: str | None) -> bool:
    """Whether ``If-None-Match`` names the plan in force."""
    if published is None or tags is None:
        return False
    found = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
    return "*" in found or f'"{published.plan_id}"' in found


def _nothing_new(published: Published | None, tags: str | None) -> bool:
    """Whether the client knows already: it has this plan, or there is none and it has none."""
    return _has(published, tags) or (published is None and tags is None)


async def _changed(shared: Service, intersection: str, tags: str | None, wait_s: float) -> Published | None:
    """Wait for another plan; whatever is in force when the time is up or the service stops."""
    with shared.bell.listen(intersection) as bell:
        published = shared.live.board.get(intersection)
        if _nothing_new(published, tags):
            await wait(bell, min(wait_s, shared.settings.longest_wait_s))
    if shared.bell.closing:
        raise unavailable("the service is being stopped", after_s=1)
    return shared.live.board.get(intersection)
