"""The hand that asks a server under examination, and looks at its answers."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.parse import quote

import httpx

from citybrain.clock import stopwatch
from citybrain.errors import InputError
from citybrain.plans.checker import Checker
from citybrain_api.conformance import SkippedError, UnmetError

Document = dict[str, Any]
PROBLEM = "application/problem+json"
_ANSWER_S = 15.0
_LONGEST_RETRY_S = 10


class Probe:
    """Asks one server, with one controller's key, about one intersection.

    Parameters
    ----------
    url, key : of the server, and a controller's key.
    intersection : its id; None: the first that the server lists for the key.

    Raises
    ------
    InputError
        If the server does not answer, or lists nothing for the key.
    """

    def __init__(self, url: str, key: str, intersection: str | None) -> None:
        try:
            self._http = httpx.Client(base_url=url, timeout=_ANSWER_S, trust_env=False)
        except httpx.InvalidURL as error:
            raise InputError(f"{url!r} is not an address: {error}") from None
        self._key = key
        try:
            self.intersection = intersection or self._first_intersection()
        except UnmetError as error:
            self.close()
            raise InputError(f"{url} cannot be examined: {error}") from None
        self._data: Document | None = None

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        key: str | None = "own",
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        """Ask, and see that the answer is whole and no error of the server's own.

        ``key``: ``own``, another one, or None for none.

        Raises
        ------
        UnmetError
            If there is no answer, or its status is 500 or more and not 503.
        """
        head = dict(headers or {})
        if key is not None:
            head["Authorization"] = f"Bearer {self._key if key == 'own' else key}"
        try:
            answer = self._http.request(method, path, content=body, headers=head)
            while _asked_to_wait(answer):
                answer = self._http.request(method, path, content=body, headers=head)
        except httpx.HTTPError as error:
            raise UnmetError(f"{method} {path[:80]}: no answer: {type(error).__name__} {error}") from None
        if answer.status_code >= 500 and answer.status_code != 503:
            raise UnmetError(f"{method} {path[:80]}: {answer.status_code}: {answer.text[:120]}")
        return answer

    def one(self, rest: str) -> str:
        """Path of the intersection."""
        return f"/v1/intersections/{quote(self.intersection, safe='')}{rest}"

    def refused(self, answer: httpx.Response, *statuses: int) -> None:
        """See that an answer refuses with one of these statuses, as a problem document.

        Raises
        ------
        UnmetError
            If it does not.
        """
        asked = f"{answer.request.method} {answer.request.url.path[:80]}"
        if answer.status_code not in statuses:
            raise UnmetError(f"{asked}: {answer.status_code} instead of {' or '.join(map(str, statuses))}")
        if answer.headers.get("content-type", "").split(";")[0] != PROBLEM:
            raise UnmetError(f"{asked}: the {answer.status_code} is no {PROBLEM}")
        problem = as_object(answer)
        if problem.get("status") != answer.status_code or not all(problem.get(name) for name in ("title", "detail")):
            raise UnmetError(f"{asked}: the problem document lacks status, title or detail")

    def data(self) -> Document:
        """Return the controller data, asked for once."""
        if self._data is None:
            answer = self.ask("GET", self.one("/data"))
            if answer.status_code != 200:
                raise UnmetError(f"GET {self.one('/data')}: {answer.status_code}")
            self._data = as_object(answer)
        return self._data

    def checker(self) -> Checker:
        """Rules of the intersection."""
        return Checker(self.data())

    def poll(self, tag: str | None = None, wait_s: float | None = None) -> tuple[httpx.Response, float]:
        """Poll the plan; returns the answer and how long it took [s].

        Raises
        ------
        SkippedError
            If no plan is in force.
        UnmetError
            If the answer is neither 200 nor 304.
        """
        headers = {} if tag is None else {"If-None-Match": tag}
        begin = stopwatch()
        answer = self.ask("GET", self.one("/plan") + (f"?wait={wait_s}" if wait_s else ""), headers=headers)
        if answer.status_code == 404:
            self.refused(answer, 404)
            if as_object(answer).get("code") == "no_plan":
                raise SkippedError("no plan is in force; publish one and try again")
        if answer.status_code not in {200, 304}:
            raise UnmetError(f"a poll was answered with {answer.status_code}: {answer.text[:120]}")
        return answer, stopwatch() - begin

    def first_lines(self, path: str, most: int) -> list[str]:
        """Read the first lines of a stream of events, up to one with data.

        Raises
        ------
        UnmetError
            If it is no stream, or ends or stands still before.
        """
        lines: list[str] = []
        head = {"Authorization": f"Bearer {self._key}", "Accept": "text/event-stream"}
        try:
            with self._http.stream("GET", path, headers=head) as answer:
                if _asked_to_wait(answer):
                    return self.first_lines(path, most)
                if answer.headers.get("content-type", "").split(";")[0] != "text/event-stream":
                    raise UnmetError(f"{path}: {answer.status_code}, no text/event-stream")
                for line in answer.iter_lines():
                    lines.append(line)
                    if line.startswith("data:") or len(lines) >= most:
                        break
        except httpx.HTTPError as error:
            raise UnmetError(f"{path}: {type(error).__name__} {error}") from None
        return lines

    def _first_intersection(self) -> str:
        listed = as_object(self.ask("GET", "/v1/intersections")).get("intersections")
        if not isinstance(listed, list) or not listed or not isinstance(listed[0], dict) or "id" not in listed[0]:
            raise UnmetError("it lists no intersection for the key; give --intersection")
        return str(listed[0]["id"])


def _asked_to_wait(answer: httpx.Response) -> bool:
    """Whether the server asked to be asked later; if so, wait. The examination may be too quick for a key's rate."""
    after = answer.headers.get("retry-after", "")
    if answer.status_code != 429 or not after.isdigit() or int(after) > _LONGEST_RETRY_S:
        return False
    threading.Event().wait(max(1, int(after)))
    return True


def as_object(answer: httpx.Response) -> Document:
    """Body of an answer as a JSON object.

    Raises
    ------
    UnmetError
        If it is none.
    """
    try:
        found = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise UnmetError(f"{answer.request.url.path[:80]}: the body is no JSON object: {answer.text[:80]!r}")
    return found


def header_number(answer: httpx.Response, name: str) -> int:
    """Integer in a header.

    Raises
    ------
    UnmetError
        If there is none.
    """
    text = answer.headers.get(name, "")
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise UnmetError(f"{answer.request.url.path[:80]}: {name} is {text!r}, not an integer")
    return int(text)
