"""Errors as the service tells them: RFC 9457 problem documents, and how they are declared in the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from citybrain.errors import CityBrainError, InputError, StoreError

PROBLEM_JSON = "application/problem+json"
RETRY_S = 5
"""What a client is told to wait where nothing better is known [s]."""

MEANINGS = {
    400: ("unreadable", "The body is neither JSON nor an Arrow stream that can be read."),
    401: ("key_needed", "The key is missing, unknown or revoked."),
    403: ("not_yours", "The key is valid, but not for this."),
    404: ("not_found", "There is no such thing here."),
    405: ("method", "The address exists; the method does not."),
    408: ("too_slow", "The request took too long to arrive."),
    409: ("conflict", "What was asked contradicts what is in force."),
    410: ("retired", "The intersection was controlled from here once and is no more."),
    413: ("too_large", "The body is larger than is taken."),
    415: ("media_type", "The body's media type is not taken here."),
    422: ("invalid", "The request can be read, but says something that cannot be."),
    429: ("too_many_requests", "The key's rate is used up; `Retry-After` says for how long."),
    500: ("bug", "An error of ours; it is in the log under the time of the answer."),
    503: ("unavailable", "The service cannot do this now; nothing was changed. Try again after `Retry-After`."),
}
"""Status: (default code, meaning)."""


class Problem(BaseModel):
    """Why a request was not carried out (RFC 9457)."""

    model_config = ConfigDict(title="Problem")

    type: str = Field(description="Kind of the problem; stable.", examples=["urn:citybrain:problem:unknown_plan"])
    title: str = Field(description="The status in words.", examples=["Not Found"])
    status: int = Field(description="HTTP status.", examples=[404])
    code: str = Field(description="Last part of `type`, for machines.", examples=["unknown_plan"])
    detail: str = Field(description="What was found, where, and what to do.", examples=["'elm' has no plan 7"])
    errors: list[dict[str, str]] | None = Field(
        default=None, description="Every fault of a body or of parameters: `where` and `what`."
    )


class ProblemError(HTTPException):
    """A request that is refused; becomes a problem document."""

    def __init__(
        self, status: int, detail: str, *, code: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, detail, headers)
        self.code = code or MEANINGS[status][0]


def problem_response(
    status: int,
    detail: str,
    *,
    code: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, str]] | None = None,
) -> Response:
    """Make the answer that tells of a problem."""
    code = code or MEANINGS.get(status, ("error", ""))[0]
    document: dict[str, Any] = {
        "type": f"urn:citybrain:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
    }
    if errors is not None:
        document["errors"] = list(errors)
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, dict(headers or {}), PROBLEM_JSON)


def unavailable(detail: str, after_s: int = RETRY_S) -> ProblemError:
    """Make the error of something that may work later."""
    return ProblemError(503, detail, headers={"Retry-After": str(after_s)})


def no_plan(intersection: str, headers: Mapping[str, str] | None = None) -> ProblemError:
    """Make the error of an intersection without a plan in force."""
    told = f"no plan is in force at {intersection!r}: a controller runs its own pattern"
    return ProblemError(404, told, code="no_plan", headers=headers)


def install(app: FastAPI) -> None:
    """Have every error of an application told as a problem document."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(CityBrainError, _citybrain)
    app.add_exception_handler(Exception, _bug)


def component(name: str, example: object) -> dict[str, Any]:
    """Return how the OpenAPI document tells of a JSON body that is one of the street's documents."""
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}, "example": example}}


def declared(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how the OpenAPI document tells of these statuses."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, 500}):
        code, meaning = MEANINGS[status]
        found[status] = {"description": meaning}
        example = {
            "type": f"urn:citybrain:problem:{code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "code": code,
            "detail": meaning,
        }
        schema = {"$ref": "#/components/schemas/Problem"}
        found[status]["content"] = {PROBLEM_JSON: {"schema": schema, "example": example}}
        if status in {429, 503}:
            found[status]["headers"] = {"Retry-After": {"description": "[s]", "schema": {"type": "integer"}}}
        if status == 401:
            found[status]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return found


def _http(request: Request, error: Exception) -> Response:
    error = cast("HTTPException", error)
    if isinstance(error, ProblemError):
        return problem_response(error.status_code, str(error.detail), code=error.code, headers=error.headers)
    told = str(error.detail)
    if error.status_code in {404, 405}:
        told = f"there is no {request.method} {request.url.path[:200]} here; /v1/openapi.json lists all there is"
    return problem_response(error.status_code, told, headers=error.headers)


def _validation(_request: Request, error: Exception) -> Response:
    faults = cast("RequestValidationError", error).errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        told = faults[0].get("ctx", {}).get("error", faults[0]["msg"])
        return problem_response(400, f"the body is not JSON: {told} at character {faults[0]['loc'][-1]}")
    errors = [{"where": ".".join(map(str, fault["loc"])), "what": str(fault["msg"])} for fault in faults]
    return problem_response(
        422, "; ".join(f"{fault['where']}: {fault['what']}" for fault in errors)[:2000], errors=errors[:50]
    )


def _citybrain(_request: Request, error: Exception) -> Response:
    if isinstance(error, StoreError):
        return problem_response(503, str(error), code="store", headers={"Retry-After": str(RETRY_S)})
    if isinstance(error, InputError):
        return problem_response(422, str(error))
    raise error


def _bug(_request: Request, _error: Exception) -> Response:
    return problem_response(500, MEANINGS[500][1])
