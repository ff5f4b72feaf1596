"""What those who run the service call: health, readiness, metrics, and the two clocks."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool

from citybrain_api.service.access import AnyKey, PersonKey, ServiceNeeded
from citybrain_api.service.documents import LATEST, Health, Readiness, Times
from citybrain_api.service.problems import declared

router = APIRouter(tags=["operations"])


@router.get(
    "/v1/time",
    summary="The service's clock and the engine's",
    responses=declared(401, 422, 429),
    response_model=Times,
)
async def time(
    shared: ServiceNeeded,
    _key: AnyKey,
    engine: Annotated[int | None, Query(ge=0, le=LATEST, description="Wait for this tick [0.1 s].")] = None,
    wait: Annotated[float, Query(ge=0, le=3600, description="So long at most [s].")] = 0.0,
) -> Times:
    """For clients that measure their skew.

    With `engine` the answer waits until the engine's tick of that time is finished and its plans are in force, for
    `wait` seconds at most; `engine_time` says how far it came.
    """
    live = shared.live
    if engine is not None and wait and live.engine_time < engine:
        most = min(wait, shared.settings.longest_wait_s)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(shared.engine_waiters, live.wait_engine, engine, most)
    return Times(time=live.clock.now(), engine_time=live.engine_time)


@router.get("/healthz", summary="Is the process alive", responses=declared(), response_model=Health)
async def health() -> Health:
    """Answer as long as the process can answer at all. Needs no key."""
    return Health(status="alive")


@router.get(
    "/readyz",
    summary="Can the service do its work",
    responses={503: {"description": "It cannot; `reasons` says why.", "model": Readiness}, **declared()},
    response_model=Readiness,
)
def readiness(shared: ServiceNeeded) -> Response:
    """Say whether observations can be kept and the engine ticks. Needs no key."""
    reasons = shared.reasons()
    found = Readiness(ready=not reasons, reasons=reasons)
    return JSONResponse(found.model_dump(), 503 if reasons else 200)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **declared(401, 403, 429)},
    response_class=Response,
)
async def metrics(shared: ServiceNeeded, _key: PersonKey) -> Response:
    """Tell what the service counts. Needs a reader's or an operator's key."""
    await run_in_threadpool(shared.measure)
    return Response(shared.metrics.text(), media_type=CONTENT_TYPE_LATEST)
