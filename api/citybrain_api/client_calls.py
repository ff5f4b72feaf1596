"""What a client asks and how it reads the answers: no connection, so that both clients share it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from citybrain.errors import CityBrainError

T = TypeVar("T")
Document = dict[str, Any]
ARROW = "application/vnd.apache.arrow.stream"
LARGEST_ANSWER = 64 * 2**20


class ServiceError(CityBrainError):
    """The service could not be reached, or its answer could not be used. Nothing is known of what it did."""


class ProblemError(ServiceError):
    """The service refused, and said why.

    Attributes
    ----------
    status, code, detail : of the problem document; the code is ``http`` where the answer was none.
    retry_after_s : how long the service asks to wait; None where it says nothing.
    """

    def __init__(self, status: int, code: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail, self.retry_after_s = status, code, detail, retry_after_s


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def number(self, header: str) -> int | None:
        """Read a header that holds an integer; None where there is none."""
        text = self.headers.get(header, "")
        return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20 else None


@dataclass(frozen=True)
class Poll:
    """What a poll brought.

    Attributes
    ----------
    kind : ``plan`` (a document), ``unchanged`` (the plan asked about is in force), ``no_plan`` (run your own pattern).
    plan : the document as it came, whatever it is; None without one.
    plan_id : of the plan in force, as the tag says.
    lease_until : until when the plan may be followed [0.1 s since 1970].
    server_time : the service's clock [0.1 s since 1970].
    """

    kind: str
    plan: object
    plan_id: str | None
    lease_until: int | None
    server_time: int | None


@dataclass(frozen=True)
class Verdicts:
    """What became of a batch: ``document`` as the service tells it; ``known``: it had come before."""

    document: Document
    known: bool


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[Answer], T]
    query: Mapping[str, str | int | float] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    wait_s: float = 0.0
    """How long the server is asked to wait before it answers."""
    expected: str | None = None
    """Code of a refusal that ``read`` reads too."""


def result(call: Call[T], answer: Answer) -> T:
    """Read an answer.

    Raises
    ------
    ProblemError
        If the service refused.
    ServiceError
        If the answer cannot be read.
    """
    if answer.status >= 400:
        problem = _problem(answer)
        if problem.code != call.expected:
            raise problem
    return call.read(answer)


def _problem(answer: Answer) -> ProblemError:
    retry = answer.number("retry-after")
    code, detail = "http", answer.body[:200].decode("utf-8", "replace")
    try:
        document = json.loads(answer.body)
        code, detail = str(document["code"]), str(document["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return ProblemError(answer.status, code, detail, None if retry is None else float(retry))


def read_json(answer: Answer) -> Any:
    """Read a JSON body.

    Raises
    ------
    ServiceError
        If it is none.
    """
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise ServiceError(f"the answer ({answer.status}) is not JSON: {answer.body[:80]!r}") from None


def _document(answer: Answer) -> Document:
    found = read_json(answer)
    if not isinstance(found, dict):
        raise ServiceError(f"the answer ({answer.status}) is not a JSON object: {answer.body[:80]!r}")
    return found


def _nothing(_answer: Answer) -> None:
    """Take no notice of a body."""


def get(path: str, **query: str | float | None) -> Call[Document]:
    """Ask for a document; queries that are None are left out."""
    return Call("GET", path, _document, {name: value for name, value in query.items() if value is not None})


def one(intersection: str, rest: str = "") -> str:
    """Path of an intersection."""
    return f"/v1/intersections/{quote(intersection, safe='')}{rest}"


def poll(intersection: str, plan_id: str | None, wait_s: float) -> Call[Poll]:
    """Ask for the plan in force, unless it is ``plan_id``; wait for another one for so long."""
    headers = {} if plan_id is None else {"If-None-Match": f'"{plan_id}"'}
    query = {"wait": wait_s} if wait_s else {}
    path = one(intersection, "/plan")
    return Call("GET", path, _read_poll, query, headers, wait_s=wait_s, expected="no_plan")


def _read_poll(answer: Answer) -> Poll:
    tag = answer.headers.get("etag", "").strip('"') or None
    kind = {304: "unchanged", 404: "no_plan"}.get(answer.status, "plan")
    plan = read_json(answer) if kind == "plan" else None
    return Poll(kind, plan, tag, answer.number("plan-lease-until"), answer.number("server-time"))


def send(path: str, document: Document) -> Call[Document]:
    """Post a document, and read another."""
    return Call("POST", path, _document, headers={"Content-Type": "application/json"}, body=_bytes(document))


def acknowledge(intersection: str, document: Document) -> Call[None]:
    """Post an acknowledgement."""
    head = {"Content-Type": "application/json"}
    return Call("POST", one(intersection, "/ack"), _nothing, headers=head, body=_bytes(document))


def observations(body: Document | bytes) -> Call[Verdicts]:
    """Post a batch: a JSON document, or the bytes of an Arrow stream."""
    media, content = (ARROW, body) if isinstance(body, bytes) else ("application/json", _bytes(body))

    def read(answer: Answer) -> Verdicts:
        return Verdicts(_document(answer), answer.headers.get("batch-known") == "true")

    return Call("POST", "/v1/observations", read, headers={"Content-Type": media}, body=content)


def delete(path: str, **query: str) -> Call[None]:
    """Delete something."""
    return Call("DELETE", path, _nothing, query)


def _bytes(document: Document) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()


def time(engine: int | None, wait_s: float) -> Call[Document]:
    """Ask for the clocks; wait for the engine's."""
    query = {} if engine is None else {"engine": engine, "wait": wait_s}
    return Call("GET", "/v1/time", _document, query, wait_s=wait_s)


def override(intersection: str, kind: str, value: int | None, who: str, why: str, until: int) -> Call[Document]:
    """Ask for an override."""
    wish = {"intersection": intersection, "kind": kind, "value": value, "who": who, "why": why, "until": until}
    return send("/v1/overrides", wish)
