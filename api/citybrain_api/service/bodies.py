"""Bodies that the routes read themselves: acknowledgements and observations."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from fastapi import Request

from citybrain.errors import InputError
from citybrain.intake.judge import Limits, read_arrow, read_json
from citybrain_api.service.core import Service
from citybrain_api.service.problems import ProblemError

if TYPE_CHECKING:
    from citybrain.live.service import Receipt

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
LIMITS = Limits()


def media_type(request: Request, *taken: str) -> str:
    """Return the body's media type.

    Raises
    ------
    ProblemError
        415 where it is none of those that are taken, or the body is compressed.
    """
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found not in taken:
        raise ProblemError(415, f"Content-Type is {found or 'missing'!r}; send {' or '.join(taken)}")
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise ProblemError(415, f"Content-Encoding is {encoding!r}; send the body as it is")
    return found


def json_only(request: Request) -> None:
    """Refuse a body that is not said to be JSON.

    Raises
    ------
    ProblemError
        415, see :func:`media_type`.
    """
    media_type(request, JSON)


async def read_document(request: Request) -> Any:
    """Read a JSON body.

    Raises
    ------
    ProblemError
        If it is no JSON, or nested too deeply.
    """
    media_type(request, JSON)
    body = await request.body()
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        told = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ProblemError(400, f"the body is not JSON: {told}") from None


async def take_observations(request: Request, shared: Service) -> Receipt:
    """Read a batch of observations and hand it in; returns when it is durable.

    Raises
    ------
    ProblemError
        If the body is neither JSON nor an Arrow stream, or is too large, or holds no batch.
    """
    kind = media_type(request, JSON, ARROW)
    most = LIMITS.json_bytes if kind == JSON else LIMITS.arrow_bytes
    body = await request.body()
    if len(body) > most:
        raise ProblemError(413, f"a body of {kind} may have {most} bytes, this one has {len(body)}; send less at once")
    read = read_json if kind == JSON else read_arrow

    pool = asyncio.get_running_loop().run_in_executor
    try:
        posted = await pool(shared.readers, read, body, LIMITS)
    except InputError as error:
        raise ProblemError(400, str(error)) from None
    return await asyncio.wrap_future(await pool(shared.readers, shared.live.post, posted))
