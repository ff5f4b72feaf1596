"""The server of a play that examines controllers: one crossing, its plans, what it answers, what it has heard."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from citybrain.clock import Clock
from citybrain.errors import InputError
from citybrain.live.acks import read_ack
from citybrain.plans.plan import make_plan, with_seq
from citybrain_api.conformance import UnmetError

Document = dict[str, Any]
_SEQ_STEP = 10
_LEAST_PATIENCE_S = 5.0


def crossing(intersection: str, pace: float) -> Document:
    """Make the controller data of a crossing of two streets with a crossing for pedestrians.

    Parameters
    ----------
    pace : 1 is a street; less makes all durations shorter by that factor, for quick examinations.
    """

    def lasts(tenths: int) -> int:
        return max(1, round(tenths * pace))

    def group(number: int, kind: str, yellow: int) -> Document:
        return {
            "group": number,
            "kind": kind,
            "lamps": [number],
            "min_green": lasts(60),
            "yellow": yellow,
            "max_yellow": yellow,
            "max_red": lasts(1800),
            "red_bound": lasts(2400),
        }

    splits = [lasts(300), lasts(250), lasts(250)]
    return {
        "format": "citybrain/controller-data/1",
        "intersection": intersection,
        "profile": "conformance",
        "time_zone": "UTC",
        "groups": [group(0, "vehicle", lasts(30)), group(1, "vehicle", lasts(30)), group(2, "pedestrian", 0)],
        "lamp_red": "rrr",
        "conflict": [[int(a != b) for b in range(3)] for a in range(3)],
        "intergreen": [[lasts(50) * int(a != b) for b in range(3)] for a in range(3)],
        "stages": [{"stage": 0, "aspects": "Grr"}, {"stage": 1, "aspects": "rGr"}, {"stage": 2, "aspects": "rrG"}],
        "patterns": [
            {
                "pattern": 1,
                "cycle": sum(splits),
                "offset": 0,
                "offset_reference": "begin_of_first_stage",
                "stages": [{"stage": k, "split": split} for k, split in enumerate(splits)],
            }
        ],
        "time_of_day": [{"from": "00:00", "pattern": 1}],
        "rings": None,
        "lead": lasts(20),
        "limits": {"cycle_min": 1, "cycle_max": 10_000, "change_cap": 10_000},
    }


class Examination:
    """The server of the play: what it says now, and what it has heard.

    Parameters
    ----------
    intersection : its id.
    pace : see :func:`crossing`.
    clock : the server's.
    """

    def __init__(self, intersection: str, pace: float, clock: Clock) -> None:
        self.data = crossing(intersection, pace)
        self.pace = pace
        self.poll_after = max(2, round(10 * pace))
        self.lease = round(100 * pace)
        self.patience_s = max(_LEAST_PATIENCE_S, 30 * pace)
        self.skew = 0
        self.published: Document | None = None
        self.answer: Callable[[Request], Awaitable[Response]] = self.honest
        self.polls: list[tuple[int, str | None]] = []
        self.acks: list[Document] = []
        self.faults: list[str] = []
        self._clock = clock
        self._seq = 0
        self._heard = asyncio.Condition()

    def now(self) -> int:
        """Time that the server tells [tenths]."""
        return self._clock.now() + self.skew

    def plan(self, body: Document, **changes: Any) -> Document:
        """Make a plan that is lawful but for what the body says; ``changes`` go before its identity is made."""
        now = self.now()
        self._seq += _SEQ_STEP
        made = make_plan(
            self.data,
            body,
            made_at=now,
            valid_from=now + self.data["lead"],
            lease_until=now + self.lease,
            poll_after=self.poll_after,
        )
        return with_seq({**made, **changes}, changes.get("seq", self._seq))

    def pattern(self) -> Document:
        """Body of the crossing's own pattern, a little later."""
        own = self.data["patterns"][0]
        return {"pattern": {**own, "pattern": 2, "offset": own["stages"][0]["split"] // 10}}

    async def expect(self, met: Callable[[], bool], otherwise: str, patience_s: float | None = None) -> None:
        """Wait until something is heard.

        Raises
        ------
        UnmetError
            If it is not within the patience; ``otherwise`` says so.
        """
        async with self._heard:
            try:
                async with asyncio.timeout(patience_s or self.patience_s):
                    await self._heard.wait_for(met)
            except TimeoutError:
                raise UnmetError(otherwise) from None

    def told(self, plan: Document) -> set[str]:
        """Verdicts on a plan."""
        return {ack["verdict"] for ack in self.acks if ack["plan_id"] == plan["plan_id"]}

    async def honest(self, request: Request) -> Response:
        """Answer a poll as a good server does."""
        head = {"Server-Time": str(self.now()), "Cache-Control": "no-store"}
        if self.published is None:
            problem = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "no_plan", "detail": "none"}
            return JSONResponse(problem, 404, head, "application/problem+json")
        tag = f'"{self.published["plan_id"]}"'
        head |= {"ETag": tag, "Plan-Seq": str(self.published["seq"]), "Plan-Lease-Until": str(self.now() + self.lease)}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=head)
        return JSONResponse(self.published, headers=head)

    def application(self) -> Starlette:
        """Make the HTTP application."""
        one = "/v1/intersections/{intersection:path}"
        return Starlette(
            routes=[
                Route(one + "/plan", self._poll),
                Route(one + "/ack", self._ack, methods=["POST"]),
                Route(one + "/data", self._data),
            ]
        )

    async def _poll(self, request: Request) -> Response:
        async with self._heard:
            self.polls.append((self._clock.now(), request.headers.get("if-none-match")))
            self._heard.notify_all()
        return await self.answer(request)

    async def _ack(self, request: Request) -> Response:
        body = await request.body()
        try:
            ack = json.loads(body)
            read_ack(ack, self.data["intersection"], len(self.data["groups"]), len(self.data["stages"]))
        except (ValueError, InputError) as error:
            self.faults.append(f"an acknowledgement is not one: {error}")
            return PlainTextResponse(str(error), 422)
        async with self._heard:
            self.acks.append(ack)
            self._heard.notify_all()
        return Response(status_code=204, headers={"Server-Time": str(self.now())})

    async def _data(self, _request: Request) -> Response:
        return JSONResponse(self.data, headers={"Server-Time": str(self.now())})
