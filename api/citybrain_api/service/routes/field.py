"""What field devices call: observations in batches."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from citybrain_api.service.access import FieldKey, ServiceNeeded
from citybrain_api.service.bodies import ARROW, take_observations
from citybrain_api.service.documents import Verdicts
from citybrain_api.service.examples import OBSERVATIONS, VERDICTS
from citybrain_api.service.problems import component, declared

router = APIRouter(tags=["field devices"])


@router.post(
    "/v1/observations",
    summary="Post observations",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                **component("Observations", OBSERVATIONS),
                ARROW: {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
    responses={
        200: {
            "description": "Judged row by row, and kept.",
            "content": {"application/json": {"example": VERDICTS}},
            "headers": {
                "Batch-Known": {
                    "description": "`true`: the batch had come before; nothing was changed.",
                    "schema": {"type": "string", "enum": ["true", "false"]},
                }
            },
        },
        **declared(400, 401, 403, 408, 413, 415, 422, 429, 503),
    },
    response_model=Verdicts,
)
async def observations(request: Request, shared: ServiceNeeded, _key: FieldKey) -> Response:
    """Take in a batch of loop events, camera frames and camera objects.

    The body is JSON, or an Arrow IPC stream whose schema metadata hold `format`, `batch_id`, `sender` and
    `complete_until`. Good rows are taken in, others refused one by one. What is answered with 200 is durable. A batch
    may be posted again with the same `batch_id`: nothing is taken in twice, and the answer is the first one.
    """
    receipt = await take_observations(request, shared)
    known = "true" if receipt.known else "false"
    shared.metrics.batches.labels(known).inc()
    return Response(receipt.verdict_bytes, headers={"Batch-Known": known}, media_type="application/json")
