"""Scenes of the play that examines controllers: each lets the server behave in one way, and waits for what must follow.

A scene raises ``UnmetError`` where the controller does not do what it must.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from citybrain.plans.plan import plan_id, schedule_body
from citybrain_api.conformance import UnmetError
from citybrain_api.conformance_exam import Document, Examination

Answer = Callable[[Request], Awaitable[Response]]
_HOUR = 36_000


async def accepts(exam: Examination) -> None:
    """See that a lawful plan is accepted, and the acknowledgement says so."""
    exam.answer = exam.honest
    exam.published = exam.plan(exam.pattern())
    wanted = exam.published
    await exam.expect(lambda: bool(exam.told(wanted)), "no acknowledgement of the plan came")
    if exam.told(wanted) != {"accepted"}:
        raise UnmetError(f"a lawful plan was answered with {', '.join(sorted(exam.told(wanted)))}")


async def polls_with_tag(exam: Examination) -> None:
    """See that polls go on, name the plan in hand, and come about as often as poll_after says."""
    tag = f'"{exam.published["plan_id"]}"' if exam.published else None
    begin = len(exam.polls)
    await exam.expect(
        lambda: [t for _, t in exam.polls[begin:]].count(tag) >= 4, "no four polls named the plan in hand"
    )
    times = [time for time, t in exam.polls[begin:] if t == tag]
    mean = (times[-1] - times[0]) / (len(times) - 1)
    if not 0.5 * exam.poll_after - 0.5 <= mean <= 3 * exam.poll_after + 1:
        raise UnmetError(f"polls came every {mean / 10:.1f} s, poll_after asked for {exam.poll_after / 10:.1f} s")


async def runs(exam: Examination) -> None:
    """See that acknowledgements tell that the plan is followed."""
    await exam.expect(
        lambda: exam.acks[-1]["mode"] == "adaptive" if exam.acks else False, "no acknowledgement told of adaptive mode"
    )


def refuses(make: Callable[[Examination], Document]) -> Callable[[Examination], Awaitable[None]]:
    """Make the scene of a plan that must be refused."""

    async def scene(exam: Examination) -> None:
        exam.answer = exam.honest
        wanted = exam.published = make(exam)
        try:
            await exam.expect(lambda: bool(exam.told(wanted)), "no acknowledgement of the plan came")
        finally:
            exam.published = None
        if exam.told(wanted) != {"refused"}:
            raise UnmetError(f"it was answered with {', '.join(sorted(exam.told(wanted)))}")
        if any(ack["plan_id"] == wanted["plan_id"] and not ack["code"] for ack in exam.acks):
            raise UnmetError("it was refused without a code")

    return scene


def _short_green(exam: Examination) -> Document:
    begin = exam.now() + exam.data["lead"]
    stages = [(k % 3, begin + k * (exam.data["intergreen"][0][1] + 2)) for k in range(6)]
    return exam.plan(schedule_body(stages))


def _damaged(exam: Examination) -> Document:
    plan = exam.plan(exam.pattern())
    return {**plan, "lease_until": plan["lease_until"] + 1}


def _lower_number(exam: Examination) -> Document:
    return exam.plan(exam.pattern(), seq=1)


def _with_float(exam: Examination) -> Document:
    plan = exam.plan(exam.pattern())
    plan["body"]["pattern"]["offset"] += 0.5
    return {**plan, "plan_id": plan_id(plan)}


def _changed_body(field: str, value: Any) -> Callable[[Examination], Document]:
    def make(exam: Examination) -> Document:
        body = exam.pattern()
        body["pattern"][field] = value
        return exam.plan(body)

    return make


def _changed(**changes: Any) -> Callable[[Examination], Document]:
    return lambda exam: exam.plan(exam.pattern(), **changes)


def falls_back(
    answer: Callable[[Examination], Answer],
) -> Callable[[Examination], Awaitable[None]]:
    """Make the scene of a server that stops to be one: at the lease's end, the controller's own pattern must run."""

    async def scene(exam: Examination) -> None:
        await accepts(exam)
        await runs(exam)
        before = len(exam.acks)
        exam.answer = answer(exam)
        try:
            await exam.expect(
                lambda: any(ack["mode"] == "time_of_day" for ack in exam.acks[before:]),
                "no acknowledgement told that the controller's own pattern runs",
                exam.lease / 10 + exam.patience_s,
            )
        finally:
            exam.skew, exam.answer, exam.published = 0, exam.honest, None

    return scene


def _errors(_exam: Examination) -> Answer:
    async def answer(_request: Request) -> Response:
        return PlainTextResponse("an error", 500)

    return answer


def _garbage(exam: Examination) -> Answer:
    async def answer(_request: Request) -> Response:
        head = {"ETag": '"x"', "Plan-Lease-Until": str(exam.now() + _HOUR), "Server-Time": str(exam.now())}
        return Response(b"<html>\xff\x00 not a plan", headers=head, media_type="application/json")

    return answer


def _unchanged(exam: Examination) -> Answer:
    async def answer(request: Request) -> Response:
        tag = request.headers.get("if-none-match", '"none"')
        return Response(status_code=304, headers={"ETag": tag, "Server-Time": str(exam.now())})

    return answer


def _slow(_exam: Examination) -> Answer:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(600):
            yield b" "
            await asyncio.sleep(0.5)

    async def answer(_request: Request) -> Response:
        return StreamingResponse(drip(), media_type="application/json")

    return answer


def _other_clock(exam: Examination) -> Answer:
    exam.skew = _HOUR
    exam.published = exam.plan(exam.pattern())
    return exam.honest


async def backs_off(exam: Examination) -> None:
    """See that polls do not come more often than in good times while the server fails."""
    exam.answer = _errors(exam)
    begin = len(exam.polls)
    seconds = 3 * exam.lease / 10
    await asyncio.sleep(seconds)
    exam.answer = exam.honest
    seen, most = len(exam.polls) - begin, 1.5 * seconds * 10 / exam.poll_after + 3
    if not 1 <= seen <= most:
        raise UnmetError(f"{seen} polls in {seconds:.0f} s; at least one and at most {most:.0f} were expected")


SCENES: tuple[tuple[str, str, Callable[[Examination], Awaitable[None]]], ...] = (
    ("lawful plan", "is accepted and acknowledged", accepts),
    ("polls", "go on with If-None-Match, about every poll_after", polls_with_tag),
    ("mode", "is acknowledged once the plan is followed", runs),
    ("short green", "a schedule that cuts minimum greens is refused with a code", refuses(_short_green)),
    ("unknown stage", "is refused with a code", refuses(lambda e: e.plan(schedule_body([(9, e.now())])))),
    ("cycle", "a pattern whose splits do not make its cycle is refused", refuses(_changed_body("cycle", 7777))),
    ("damaged plan", "a plan_id that is not the content's hash is refused", refuses(_damaged)),
    ("other data", "a plan for other controller data is refused", refuses(_changed(config_hash="sha256:" + "0" * 64))),
    ("other intersection", "a plan for another intersection is refused", refuses(_changed(intersection="elsewhere"))),
    ("float", "a float where an integer belongs is refused", refuses(_with_float)),
    ("errors", "own pattern runs once the lease is over and polls get 500", falls_back(_errors)),
    ("number goes back", "a plan with a lower number than one accepted before is refused", refuses(_lower_number)),
    ("garbage", "answers that are no documents renew nothing: own pattern at the lease's end", falls_back(_garbage)),
    ("304 for ever", "a 304 without a lease renews nothing: own pattern at the lease's end", falls_back(_unchanged)),
    ("slow answer", "an answer that never ends holds up no lamp: own pattern at the lease's end", falls_back(_slow)),
    ("server's clock", "a server whose clock jumps by an hour is not followed", falls_back(_other_clock)),
    ("return", "the first lawful plan is accepted again", accepts),
    ("back-off", "polls do not come thick and fast while the server fails", backs_off),
)
