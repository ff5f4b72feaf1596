"""Typed clients of the service, blocking and async: ``Client`` and ``AsyncClient`` have the same methods.

Times are integers, tenths of a second since 1970-01-01T00:00:00Z. What goes wrong is a ``ProblemError`` (the service
refused, and said why) or a ``ServiceError`` (it could not be reached, or its answer could not be used).
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from citybrain.errors import InputError
from citybrain_api import client_calls as calls
from citybrain_api.client_calls import Answer, Call, Document, Poll, ProblemError, ServiceError, Verdicts

__all__ = ["AsyncClient", "Client", "Poll", "ProblemError", "ServiceError", "Verdicts"]

T = TypeVar("T")
_ANSWER_S = 10.0


class Client:
    """Blocking client; use it as a context manager, or close it.

    Parameters
    ----------
    url : of the service, without ``/v1``.
    key : goes with every request; None for what needs none.
    answer_s : how long an answer may take, beside what the server was asked to wait [s].

    Raises
    ------
    InputError
        If the address is not one of HTTP.
    """

    def __init__(self, url: str, key: str | None = None, answer_s: float = _ANSWER_S) -> None:
        self._http = httpx.Client(**_settings(url, key))
        self._answer_s = answer_s

    def __enter__(self) -> Self:
        """Keep connections open for a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def poll(self, intersection: str, plan_id: str | None = None, wait_s: float = 0.0) -> Poll:
        """Ask for the plan in force, unless it is ``plan_id``; wait for another one for ``wait_s`` at most [s]."""
        return self._do(calls.poll(intersection, plan_id, wait_s))

    def acknowledge(self, intersection: str, ack: Document) -> None:
        """Tell what a controller does."""
        self._do(calls.acknowledge(intersection, ack))

    def controller_data(self, intersection: str) -> Document:
        """Return the controller data of an intersection."""
        return self._do(calls.get(calls.one(intersection, "/data")))

    def observe(self, batch: Document | bytes) -> Verdicts:
        """Post a batch of observations: a JSON document, or the bytes of an Arrow stream."""
        return self._do(calls.observations(batch))

    def time(self, engine: int | None = None, wait_s: float = 0.0) -> Document:
        """Return the service's clock and the engine's, once that is at ``engine`` or ``wait_s`` have passed [s]."""
        return self._do(calls.time(engine, wait_s))

    def sensors(self) -> Document:
        """Tell of every sensor whether it is well."""
        return self._do(calls.get("/v1/sensors"))

    def intersections(self) -> Document:
        """List all intersections."""
        return self._do(calls.get("/v1/intersections"))

    def intersection(self, name: str) -> Document:
        """Return what is believed of an intersection."""
        return self._do(calls.get(calls.one(name)))

    def state(self) -> Document:
        """Return the network in a few figures."""
        return self._do(calls.get("/v1/state"))

    def links(self) -> Document:
        """Return what is believed of every link."""
        return self._do(calls.get("/v1/links"))

    def plans(self, intersection: str, before: int | None = None, limit: int = 50) -> Document:
        """List published plans, newest first."""
        return self._do(calls.get(calls.one(intersection, "/plans"), before=before, limit=limit))

    def plan(self, intersection: str, seq: int) -> Document:
        """Return one published plan."""
        return self._do(calls.get(calls.one(intersection, f"/plans/{seq}")))

    def difference(self, intersection: str, a: int, b: int) -> Document:
        """Tell where two plans differ."""
        return self._do(calls.get(calls.one(intersection, "/plans/difference"), a=a, b=b))

    def rollback(self, intersection: str, seq: int, who: str, why: str, until: int) -> Document:
        """Repeat an earlier plan until a time."""
        return self._do(
            calls.send(calls.one(intersection, "/rollback"), {"seq": seq, "who": who, "why": why, "until": until})
        )

    def override(self, intersection: str, kind: str, value: int | None, who: str, why: str, until: int) -> Document:
        """Have a person's wish go before the engine's."""
        return self._do(calls.override(intersection, kind, value, who, why, until))

    def overrides(self) -> Document:
        """List overrides in force."""
        return self._do(calls.get("/v1/overrides"))

    def end_override(self, number: int, who: str) -> None:
        """End an override."""
        self._do(calls.delete(f"/v1/overrides/{number}", who=who))

    def ledger(self, first: int = 1, limit: int = 100) -> Document:
        """List entries of the ledger."""
        return self._do(calls.get("/v1/ledger", **{"from": first}, limit=limit))

    def explain(self, intersection: str, at: int) -> Document:
        """Explain what was decided for an intersection, and why."""
        return self._do(calls.get("/v1/ledger/explain", intersection=intersection, time=at))

    def _do(self, call: Call[T]) -> T:
        try:
            with self._http.stream(**_request(call, self._answer_s)) as response:
                body = bytearray()
                for part in response.iter_bytes():
                    _take(body, part)
                return calls.result(call, _answer(response, body))
        except httpx.HTTPError as error:
            raise _unreachable(error) from None


class AsyncClient:
    """Client for ``asyncio``; use it as an async context manager, or close it. See ``Client``."""

    def __init__(self, url: str, key: str | None = None, answer_s: float = _ANSWER_S) -> None:
        self._http = httpx.AsyncClient(**_settings(url, key))
        self._answer_s = answer_s

    async def __aenter__(self) -> Self:
        """Keep connections open for a block."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def poll(self, intersection: str, plan_id: str | None = None, wait_s: float = 0.0) -> Poll:
        """Ask for the plan in force, unless it is ``plan_id``; wait for another one for ``wait_s`` at most [s]."""
        return await self._do(calls.poll(intersection, plan_id, wait_s))

    async def acknowledge(self, intersection: str, ack: Document) -> None:
        """Tell what a controller does."""
        await self._do(calls.acknowledge(intersection, ack))

    async def controller_data(self, intersection: str) -> Document:
        """Return the controller data of an intersection."""
        return await self._do(calls.get(calls.one(intersection, "/data")))

    async def observe(self, batch: Document | bytes) -> Verdicts:
        """Post a batch of observations: a JSON document, or the bytes of an Arrow stream."""
        return await self._do(calls.observations(batch))

    async def time(self, engine: int | None = None, wait_s: float = 0.0) -> Document:
        """Return the service's clock and the engine's, once that is at ``engine`` or ``wait_s`` have passed [s]."""
        return await self._do(calls.time(engine, wait_s))

    async def sensors(self) -> Document:
        """Tell of every sensor whether it is well."""
        return await self._do(calls.get("/v1/sensors"))

    async def intersections(self) -> Document:
        """List all intersections."""
        return await self._do(calls.get("/v1/intersections"))

    async def intersection(self, name: str) -> Document:
        """Return what is believed of an intersection."""
        return await self._do(calls.get(calls.one(name)))

    async def state(self) -> Document:
        """Return the network in a few figures."""
        return await self._do(calls.get("/v1/state"))

    async def links(self) -> Document:
        """Return what is believed of every link."""
        return await self._do(calls.get("/v1/links"))

    async def plans(self, intersection: str, before: int | None = None, limit: int = 50) -> Document:
        """List published plans, newest first."""
        return await self._do(calls.get(calls.one(intersection, "/plans"), before=before, limit=limit))

    async def plan(self, intersection: str, seq: int) -> Document:
        """Return one published plan."""
        return await self._do(calls.get(calls.one(intersection, f"/plans/{seq}")))

    async def difference(self, intersection: str, a: int, b: int) -> Document:
        """Tell where two plans differ."""
        return await self._do(calls.get(calls.one(intersection, "/plans/difference"), a=a, b=b))

    async def rollback(self, intersection: str, seq: int, who: str, why: str, until: int) -> Document:
        """Repeat an earlier plan until a time."""
        return await self._do(
            calls.send(calls.one(intersection, "/rollback"), {"seq": seq, "who": who, "why": why, "until": until})
        )

    async def override(
        self, intersection: str, kind: str, value: int | None, who: str, why: str, until: int
    ) -> Document:
        """Have a person's wish go before the engine's."""
        return await self._do(calls.override(intersection, kind, value, who, why, until))

    async def overrides(self) -> Document:
        """List overrides in force."""
        return await self._do(calls.get("/v1/overrides"))

    async def end_override(self, number: int, who: str) -> None:
        """End an override."""
        await self._do(calls.delete(f"/v1/overrides/{number}", who=who))

    async def ledger(self, first: int = 1, limit: int = 100) -> Document:
        """List entries of the ledger."""
        return await self._do(calls.get("/v1/ledger", **{"from": first}, limit=limit))

    async def explain(self, intersection: str, at: int) -> Document:
        """Explain what was decided for an intersection, and why."""
        return await self._do(calls.get("/v1/ledger/explain", intersection=intersection, time=at))

    async def _do(self, call: Call[T]) -> T:
        limit = self._answer_s + call.wait_s
        # An answer that drips keeps every single read within its limit: the whole has one too.
        try:
            async with asyncio.timeout(limit), self._http.stream(**_request(call, self._answer_s)) as response:
                body = bytearray()
                async for part in response.aiter_bytes():
                    _take(body, part)
                return calls.result(call, _answer(response, body))
        except httpx.HTTPError as error:
            raise _unreachable(error) from None
        except TimeoutError:
            raise ServiceError(f"no whole answer to {call.path} within {limit:g} s") from None


def _settings(url: str, key: str | None) -> dict[str, Any]:
    """Read the address, and say how all requests look."""
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"{url!r} is not an address: {error}; write for example http://127.0.0.1:8080") from None
    if base.scheme not in ("http", "https") or not base.host:
        raise InputError(f"{url!r} is not an address of HTTP; write for example http://127.0.0.1:8080")
    headers = {"Accept": "application/json"}
    if key is not None:
        if not key.isascii() or not key.isprintable():
            raise InputError("a key consists of printable ASCII letters; copy it again, without line ends")
        headers["Authorization"] = f"Bearer {key}"
    return {"base_url": base, "headers": headers, "trust_env": False}


def _request(call: Call[Any], answer_s: float) -> dict[str, Any]:
    return {
        "method": call.method,
        "url": call.path,
        "params": dict(call.query),
        "headers": dict(call.headers),
        "content": call.body,
        "timeout": httpx.Timeout(answer_s + call.wait_s, connect=answer_s),
    }


def _take(body: bytearray, part: bytes) -> None:
    """Add a part of an answer; nobody sends more than ``LARGEST_ANSWER`` for good."""
    body += part
    if len(body) > calls.LARGEST_ANSWER:
        raise ServiceError(f"the answer is longer than {calls.LARGEST_ANSWER} bytes")


def _answer(response: httpx.Response, body: bytearray) -> Answer:
    return Answer(response.status_code, response.headers, bytes(body))


def _unreachable(error: httpx.HTTPError) -> ServiceError:
    return ServiceError(f"the service does not answer: {type(error).__name__} {error}".rstrip())
