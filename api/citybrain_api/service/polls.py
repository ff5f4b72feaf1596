"""A controller's plain poll, from its head to the bytes of the answer. Knows no sockets and nothing of ASGI.

A city's controllers poll once a second each, and nearly always find nothing new. And when an engine begins, or renews
many plans at once, they all get another answer than 304 in the same second. So all of them are answered here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from citybrain.clock import stopwatch
from citybrain_api.service.problems import PROBLEM_JSON, no_plan, problem_response
from citybrain_api.service.settings import Scope as KeyScope

if TYPE_CHECKING:
    from collections.abc import Iterable

    from citybrain_api.service.core import Service
    from citybrain_api.service.keys import Principal

PREFIX = b"/v1/intersections/"
SUFFIX = b"/plan"
ROUTE = "/v1/intersections/{intersection}/plan"
BEARER = b"Bearer "
JSON = "application/json"
ONE_TAG = re.compile(rb'"[^"]*"')
"""Lists of tags, weak tags and stars are left to the routes."""
_BODIES = frozenset({b"content-length", b"transfer-encoding"})


class Poll(NamedTuple):
    """Answer to a poll: status, lines of the head, each with its line end, and body."""

    status: int
    head: bytes
    body: bytes


class Polls:
    """Answers polls.

    Parameters
    ----------
    service : what the routes share.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._board = service.live.board
        self._renew = service.live.renew
        self._time = service.live.clock.now
        self._unchanged = service.metrics.unchanged_polls
        self._counts = {status: service.metrics.requests.labels("GET", ROUTE, str(status)) for status in (200, 404)}
        self._log_polls = service.settings.log_polls

    def answer(self, url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Poll | None:
        """Answer a lawful poll of a controller, without a query; None for everything else.

        Whatever is not as it should be is left to the routes, which say what is wrong.

        Parameters
        ----------
        url : as in the request line of a GET.
        headers : (name in lower case, value).
        """
        if not (url.startswith(PREFIX) and url.endswith(SUFFIX)) or b"?" in url or b"#" in url:
            return None
        tag = authorization = b""
        for name, value in headers:
            if name == b"if-none-match":
                tag = value
            elif name == b"authorization":
                authorization = value
            elif name in _BODIES:
                return None
        intersection = url[len(PREFIX) : -len(SUFFIX)].decode("latin-1")
        if "%" in intersection:
            intersection = unquote(intersection)
        principal = self._controller(authorization, intersection)
        if principal is None or intersection not in self._service.intersections:
            return None
        plan = self._board.get(intersection)
        etag = b"" if plan is None else b'"%b"' % plan.plan_id.encode()
        if (tag not in {b"", etag} and not ONE_TAG.fullmatch(tag)) or principal.bucket.take(stopwatch()):
            return None
        head = b"plan-lease-until: %d\r\nserver-time: %d\r\ncache-control: no-store\r\n" % (
            self._renew(intersection),
            self._time(),
        )
        if plan is None:
            body = _body_without_plan(intersection)
            return self._told(principal, url, Poll(404, head + _about(PROBLEM_JSON, body), body), news=bool(tag))
        head += b"etag: %b\r\nplan-seq: %d\r\n" % (etag, plan.seq)
        if tag != etag:
            body = plan.document_bytes
            return self._told(principal, url, Poll(200, head + _about(JSON, body), body), news=True)
        self._unchanged.inc()
        return self._told(principal, url, Poll(304, head, b""), news=False)

    def _told(self, principal: Principal, url: bytes, poll: Poll, *, news: bool) -> Poll:
        """Count an answer with a body, and log what is news to the controller."""
        if poll.body:
            self._counts[poll.status].inc()
        if news or self._log_polls:
            path = unquote(url.decode("latin-1"))
            self._service.log.info("request", method="GET", path=path, status=poll.status, key=principal.row.key_id)
        return poll

    def _controller(self, authorization: bytes, intersection: str) -> Principal | None:
        if not authorization.startswith(BEARER):
            return None
        principal = self._service.keys.find(authorization[len(BEARER) :].decode("latin-1"))
        if principal is None or principal.scope is not KeyScope.CONTROLLER or not principal.reaches(intersection):
            return None
        return principal


def _about(media: str, body: bytes) -> bytes:
    return b"content-type: %b\r\ncontent-length: %d\r\n" % (media.encode(), len(body))


@cache
def _body_without_plan(intersection: str) -> bytes:
    """Body for one of the intersections that are controlled from here; while an engine begins, all ask for it."""
    problem = no_plan(intersection)
    return bytes(problem_response(problem.status_code, str(problem.detail), code=problem.code).body)
