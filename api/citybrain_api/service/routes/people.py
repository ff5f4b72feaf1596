"""What people call: state, history, overrides, the ledger."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from citybrain.errors import InputError
from citybrain.live.explain import Street
from citybrain_api.explanations import Opened, explain_at
from citybrain_api.service import documents as doc
from citybrain_api.service.access import (
    ControllerOrPersonKey,
    IntersectionId,
    OperatorKey,
    PersonKey,
    ServiceNeeded,
    intersection_of,
)
from citybrain_api.service.bodies import json_only
from citybrain_api.service.core import EVENT_STREAM, Service
from citybrain_api.service.examples import PLAN, TICK_EVENT
from citybrain_api.service.keys import Principal
from citybrain_api.service.problems import ProblemError, component, declared, unavailable
from citybrain_api.service.routes.plans import ONE
from citybrain_api.service.streams import network_events

router = APIRouter(tags=["people"])
Seq = Annotated[int, Path(ge=1, le=doc.LATEST, description="`seq` of the plan.", examples=[7])]
READ = (401, 403, 422, 429)
CHANGE = (400, 401, 403, 408, 413, 415, 422, 429, 503)


@router.get("/v1/intersections", summary="All intersections", responses=declared(401, 403, 429))
def intersections(shared: ServiceNeeded, key: ControllerOrPersonKey) -> doc.Intersections:
    """List the intersections that the key reaches, each with its plan, its mode and whether its controller polls."""
    snapshot = shared.live.snapshot()
    found = [shared.views.summary(name, snapshot) for name in shared.live.intersections if key.reaches(name)]
    return doc.Intersections(time=shared.live.engine_time, intersections=found)


@router.get(
    ONE + "/plans",
    summary="Plans of an intersection",
    responses=declared(*READ, 404, 410, 503),
)
def plans(
    intersection: IntersectionId,
    shared: ServiceNeeded,
    key: PersonKey,
    before: Annotated[int | None, Query(ge=1, le=doc.LATEST, description="Only those with a smaller `seq`.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> doc.Plans:
    """List published plans, newest first."""
    name = intersection_of(shared, intersection, key)
    found = shared.live.history(name, before, limit)
    older = found[-1]["seq"] if len(found) == limit and found[-1]["seq"] > 1 else None
    return doc.Plans(intersection=name, plans=found, before=older)


@router.get(
    ONE + "/plans/difference",
    summary="Difference of two plans",
    responses=declared(*READ, 404, 410, 503),
)
def difference(
    intersection: IntersectionId,
    shared: ServiceNeeded,
    key: PersonKey,
    a: Annotated[int, Query(ge=1, le=doc.LATEST, description="`seq` of one plan.")],
    b: Annotated[int, Query(ge=1, le=doc.LATEST, description="`seq` of the other.")],
) -> doc.Difference:
    """Tell where two plans of an intersection differ: the path, and the value in each."""
    name = intersection_of(shared, intersection, key)
    _plan(shared, name, a)
    _plan(shared, name, b)
    return doc.Difference(intersection=name, a=a, b=b, differences=shared.live.difference(name, a, b))


@router.get(
    ONE + "/plans/{seq}",
    summary="One plan",
    response_model=None,
    responses={200: {"content": component("Plan", PLAN)}, **declared(*READ, 404, 410, 503)},
)
def one_plan(intersection: IntersectionId, seq: Seq, shared: ServiceNeeded, key: PersonKey) -> dict[str, Any]:
    """Return a published plan, in force or not."""
    return _plan(shared, intersection_of(shared, intersection, key), seq)


@router.post(
    ONE + "/rollback",
    summary="Repeat an earlier plan",
    dependencies=[Depends(json_only)],
    status_code=201,
    responses=declared(*CHANGE, 404, 409, 410),
)
async def rollback(
    intersection: IntersectionId, wanted: doc.RollbackRequest, shared: ServiceNeeded, key: OperatorKey
) -> doc.OverrideMade:
    """Have the stages of an earlier plan repeated until a time, as an override; the guard keeps it lawful."""
    name = intersection_of(shared, intersection, key)
    await run_in_threadpool(_plan, shared, name, wanted.seq)
    try:
        made = await asyncio.wrap_future(
            shared.live.rollback(name, wanted.seq, _person(wanted.who, key), wanted.why, wanted.until)
        )
    except InputError as error:
        raise ProblemError(409, str(error), code="cannot_repeat") from None
    return doc.OverrideMade(number=made)


@router.get("/v1/overrides", summary="Overrides in force", responses=declared(401, 403, 429, 503))
def overrides(shared: ServiceNeeded, _key: PersonKey) -> doc.Overrides:
    """List the overrides that are in force now."""
    return doc.Overrides(time=shared.live.clock.now(), overrides=shared.live.overrides())


@router.post(
    "/v1/overrides",
    summary="Override the engine",
    dependencies=[Depends(json_only)],
    status_code=201,
    responses=declared(*CHANGE, 404, 410),
)
async def override(wanted: doc.OverrideRequest, shared: ServiceNeeded, key: OperatorKey) -> doc.OverrideMade:
    """Have a person's wish go before the engine's, with who, why and until when; the guard keeps it lawful."""
    name = intersection_of(shared, wanted.intersection, key)
    who = _person(wanted.who, key)
    made = shared.live.override(name, wanted.kind, wanted.value, who, wanted.why, wanted.until)
    return doc.OverrideMade(number=await asyncio.wrap_future(made))


@router.delete(
    "/v1/overrides/{number}",
    summary="End an override",
    status_code=204,
    responses={204: {"description": "Ended."}, **declared(401, 403, 404, 422, 429, 503)},
)
async def end_override(
    number: Annotated[int, Path(ge=1, le=doc.LATEST, description="`number` of the override.", examples=[12])],
    shared: ServiceNeeded,
    key: OperatorKey,
    who: Annotated[str, Query(min_length=1, max_length=200, description="The person who ends it.")],
) -> Response:
    """End an override before its time."""
    try:
        await asyncio.wrap_future(shared.live.end_override(number, _person(who, key)))
    except InputError as error:
        raise ProblemError(404, str(error), code="unknown_override") from None
    return Response(status_code=204)


@router.get("/v1/state", summary="The network in a few figures", responses=declared(401, 403, 429, 503))
def state(shared: ServiceNeeded, _key: PersonKey) -> doc.NetworkState:
    """Tell vehicles, queues, confidence, and what the controllers do."""
    return shared.views.network(shared.snapshot())


@router.get("/v1/links", summary="All links", responses=declared(401, 403, 429, 503))
def links(shared: ServiceNeeded, _key: PersonKey) -> doc.Links:
    """Tell vehicles, queue and confidence of every link between two intersections."""
    snapshot = shared.snapshot()
    return doc.Links(time=snapshot.time, links=shared.views.links(snapshot))


@router.get(
    "/v1/stream",
    summary="Every tick",
    responses={200: {"content": {EVENT_STREAM: {"example": TICK_EVENT}}}, **declared(401, 403, 429, 503)},
    response_class=StreamingResponse,
)
async def stream(shared: ServiceNeeded, _key: PersonKey) -> Response:
    """Tell every tick as server-sent events.

    `tick` holds the network's figures, what every intersection shows, and vehicles, queue and confidence of every lane
    in the network's order. A slow reader misses ticks.
    """
    return shared.stream("viewers", network_events(shared))


@router.get("/v1/ledger", summary="The ledger", responses=declared(*READ, 503))
def ledger(
    shared: ServiceNeeded,
    _key: PersonKey,
    from_n: Annotated[int, Query(alias="from", ge=1, le=doc.LATEST, description="First entry.")] = 1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> doc.Ledger:
    """List entries of the hash chain; `citybrain ledger verify` checks all of it."""
    entries = shared.live.store.entries(from_n, limit)
    found = [
        doc.LedgerEntry(
            n=e.n,
            at=e.at,
            kind=e.kind,
            intersection=e.intersection,
            document=e.document,
            previous=e.previous,
            hash=e.hash,
        )
        for e in entries
    ]
    return doc.Ledger(entries=found, next=found[-1].n + 1 if len(found) == limit else None)


@router.get(
    "/v1/ledger/explain",
    summary="Why an intersection showed what it showed",
    responses=declared(*READ, 404, 410, 503),
)
def explanation(
    shared: ServiceNeeded,
    key: PersonKey,
    intersection: Annotated[str, Query(max_length=500, description="Id of the intersection.")],
    time: Annotated[int, Query(ge=0, le=doc.LATEST, description="When [0.1 s since 1970].")],
) -> doc.Explanation:
    """Tell the plan of that time, its grounds, author, inputs, what was rejected, the controller's answers, and faults.

    The ticks since the last checkpoint are carried out again, which takes some seconds; one explanation at a time. It
    is what `citybrain ledger explain` tells.
    """
    name = intersection_of(shared, intersection, key)
    live = shared.live
    if not shared.explaining.acquire(blocking=False):
        raise unavailable("another explanation is being worked out", after_s=5)
    try:
        street = Street(live.site, live.sensors, live.controller_name, live.settings)
        found = explain_at(live.store, name, time, Opened(live.start_entry, street))
    finally:
        shared.explaining.release()
    return doc.Explanation.model_validate(found.document())


@router.get(ONE, summary="One intersection", responses=declared(*READ, 404, 410))
def one_intersection(
    intersection: IntersectionId, shared: ServiceNeeded, key: ControllerOrPersonKey
) -> doc.IntersectionState:
    """Tell what is believed of an intersection: what it shows, its lanes, its controller's last word."""
    return shared.views.intersection(intersection_of(shared, intersection, key), shared.live.snapshot())


def _plan(shared: Service, intersection: str, seq: int) -> dict[str, Any]:
    try:
        return shared.live.plan(intersection, seq)
    except InputError as error:
        raise ProblemError(404, str(error), code="unknown_plan") from None


def _person(who: str, key: Principal) -> str:
    """Who is answerable: the person as given, and the key that vouches for it."""
    return f"{who} ({key.row.name}, key {key.row.key_id})"
