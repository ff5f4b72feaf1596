"""Examines any server of plans: what a controller must be able to rely on, asked over HTTP and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from citybrain_api.conformance import Finding, Outcome, SkippedError, UnmetError
from citybrain_api.conformance_probe import Probe, as_object, header_number

_SLACK_S = 3.0
"""Beyond the wait that was asked for, a long poll may take so long."""
_WAIT_S = 2
_FEW_PLANS = 3


def tells_time(probe: Probe) -> None:
    """See the clocks."""
    answer = probe.ask("GET", "/v1/time")
    told, head = as_object(answer).get("time"), header_number(answer, "server-time")
    if type(told) is not int or abs(told - head) > 20:
        raise UnmetError(f"the body says {told!r}, Server-Time {head}")


def needs_key(probe: Probe) -> None:
    """See that nothing is told without a key, or with a wrong one."""
    for path in ("/plan", "/data"):
        for key in (None, "cb_wrong", "cb_0123456789abcdef_" + "0" * 64):
            answer = probe.ask("GET", probe.one(path), key=key)
            probe.refused(answer, 401)
            if "www-authenticate" not in answer.headers:
                raise UnmetError("a 401 has no WWW-Authenticate header")


def keeps_to_scope(probe: Probe) -> None:
    """See that a controller's key is good for a controller's work alone."""
    batch = {"format": "citybrain/observations/1", "batch_id": "x", "sender": "x", "complete_until": None}
    asked = (
        ("GET", probe.one("/plans"), None),
        ("POST", "/v1/observations", json.dumps(batch).encode()),
        ("POST", "/v1/overrides", b"{}"),
        ("GET", "/v1/ledger", None),
    )
    for method, path, body in asked:
        head = {} if body is None else {"Content-Type": "application/json"}
        probe.refused(probe.ask(method, path, body=body, headers=head), 403)


def data_are_lawful(probe: Probe) -> None:
    """See that the controller data, and the patterns in them, are lawful."""
    found = probe.checker().check_patterns()
    if found:
        raise UnmetError(f"{found[0].where}: {found[0].sentence}")
    if probe.data()["intersection"] != probe.intersection:
        raise UnmetError(f"the data are of {probe.data()['intersection']!r}")


def plan_is_named(probe: Probe) -> None:
    """See that a plan comes with its tag, its number, its lease and the time."""
    answer, _ = probe.poll()
    plan = as_object(answer)
    if answer.headers.get("etag") != f'"{plan.get("plan_id")}"':
        raise UnmetError(f"ETag is {answer.headers.get('etag')!r}, plan_id {plan.get('plan_id')!r}")
    if header_number(answer, "plan-seq") != plan.get("seq"):
        raise UnmetError(f"Plan-Seq is {answer.headers['plan-seq']}, seq {plan.get('seq')!r}")
    if header_number(answer, "plan-lease-until") <= header_number(answer, "server-time"):
        raise UnmetError("the lease of a plan that was just polled is over")
    if "no-store" not in answer.headers.get("cache-control", ""):
        raise UnmetError("Cache-Control does not say no-store: a proxy might answer in the server's name")


def plan_is_lawful(probe: Probe) -> None:
    """See that the plan is lawful by the data."""
    plan = as_object(probe.poll()[0])
    found = probe.checker().check(plan)
    if found:
        raise UnmetError(f"plan {plan.get('seq')!r}: {found[0].code} at {found[0].where}: {found[0].sentence}")


def unchanged_is_304(probe: Probe) -> None:
    """See that a poll with the tag brings 304, no body, and the lease."""
    for _ in range(_FEW_PLANS):
        tag = probe.poll()[0].headers.get("etag", "")
        for written in (tag, f'"other", {tag}', "*"):
            answer, _ = probe.poll(written)
            if answer.status_code != 304 or answer.headers.get("etag") != tag:
                break  # another plan may have come into force between the two polls
            if answer.content:
                raise UnmetError("a 304 has a body")
            header_number(answer, "plan-seq")
            header_number(answer, "server-time")
            header_number(answer, "plan-lease-until")
        else:
            return
    raise UnmetError(f"a poll with If-None-Match: {written} was answered with {answer.status_code}")


def other_tag_is_200(probe: Probe) -> None:
    """See that a poll with another plan's tag brings the plan."""
    answer, _ = probe.poll('"sha256:' + "0" * 64 + '"')
    if answer.status_code != 200:
        raise UnmetError(f"a poll with another plan's tag was answered with {answer.status_code}")


def lease_never_shrinks(probe: Probe) -> None:
    """See that polls renew the lease, and never take from it."""
    leases = [header_number(probe.poll()[0], "plan-lease-until") for _ in range(5)]
    if leases != sorted(leases):
        raise UnmetError(f"Plan-Lease-Until went back: {leases}")


def long_poll_waits(probe: Probe) -> None:
    """See that a long poll is answered in time."""
    tag = probe.poll()[0].headers.get("etag", "")
    answer, seconds = probe.poll(tag, _WAIT_S)
    if seconds > _WAIT_S + _SLACK_S:
        raise UnmetError(f"a long poll of {_WAIT_S} s took {seconds:.1f} s")
    if answer.status_code == 304 and seconds < _WAIT_S / 2:
        raise UnmetError(f"a long poll of {_WAIT_S} s said after {seconds:.1f} s already that nothing changed")


def numbers_grow(probe: Probe) -> None:
    """See that plans that follow each other have numbers that grow, and are lawful after each other."""
    checker = probe.checker()
    plan = as_object(probe.poll()[0])
    changes = 0
    for _ in range(_FEW_PLANS):
        answer, _ = probe.poll(f'"{plan.get("plan_id")}"', _WAIT_S)
        if answer.status_code == 200:
            following = as_object(answer)
            found = checker.check(following, before=plan)
            if found:
                raise UnmetError(f"plan {following.get('seq')!r}: {found[0].code}: {found[0].sentence}")
            plan, changes = following, changes + 1
    if not changes:
        raise SkippedError(f"no new plan came in {_FEW_PLANS * _WAIT_S} s")


def bad_polls(probe: Probe) -> None:
    """See that polls that make no sense are refused."""
    for query in ("wait=-1", "wait=soon", "wait=1e400"):
        probe.refused(probe.ask("GET", probe.one("/plan?" + query)), 400, 422)
    probe.refused(probe.ask("DELETE", probe.one("/plan")), 405)
    probe.refused(probe.ask("GET", "/v1/intersections/there%20is%20none/plan"), 403, 404)
    probe.refused(probe.ask("GET", "/v1/nothing"), 404)


def acknowledgement(probe: Probe, **changes: Any) -> dict[str, Any]:
    """Make an acknowledgement of a controller that runs its own pattern and shows its first stage."""
    data = probe.data()
    now = header_number(probe.ask("GET", "/v1/time"), "server-time")
    aspects, long_ago = data["stages"][0]["aspects"], now - 10_000
    shown = {
        "stage": 0,
        "changing": False,
        "since": long_ago,
        "aspects": aspects,
        "aspect_since": [long_ago] * len(aspects),
        "green_end": [None] * len(aspects),
    }
    ack = {
        "format": "citybrain/ack/1",
        "intersection": probe.intersection,
        "plan_id": None,
        "seq": None,
        "at": now,
        "verdict": "in_step",
        "code": None,
        "sentence": None,
        "mode": "time_of_day",
        "pattern": 1,
        "offset_error": 0,
        "shown": shown,
    }
    return {**ack, **changes}


def _post_ack(probe: Probe, body: bytes, media: str = "application/json") -> Any:
    return probe.ask("POST", probe.one("/ack"), body=body, headers={"Content-Type": media})


def takes_acks(probe: Probe) -> None:
    """See that an acknowledgement is taken."""
    answer = _post_ack(probe, json.dumps(acknowledgement(probe)).encode())
    if answer.status_code not in {200, 202, 204}:
        raise UnmetError(f"an acknowledgement was answered with {answer.status_code}: {answer.text[:120]}")


def refuses_bad_acks(probe: Probe) -> None:
    """See that what is no acknowledgement, or another intersection's, is refused."""
    bad: tuple[dict[str, Any], ...] = (
        acknowledgement(probe, format="citybrain/ack/0"),
        acknowledgement(probe, intersection="another"),
        acknowledgement(probe, verdict="perhaps"),
        acknowledgement(probe, at=0.5),
        acknowledgement(probe, shown={}),
        {},
    )
    for document in bad:
        probe.refused(_post_ack(probe, json.dumps(document).encode()), 400, 403, 409, 422)
    for body in (b"", b"no", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 5_000):
        probe.refused(_post_ack(probe, body), 400, 413, 422)
    probe.refused(_post_ack(probe, b" " * 2**24), 413)


def streams_plans(probe: Probe) -> None:
    """See that the stream of events begins with the plan in force."""
    plan = as_object(probe.poll()[0])
    for line in probe.first_lines(probe.one("/plan/events"), 20):
        if line.startswith("data:"):
            seen = json.loads(line.removeprefix("data:"))
            if not isinstance(seen, dict) or seen.get("seq", -1) < plan.get("seq", 0):
                raise UnmetError("the first event is not the plan in force")
            return
    raise UnmetError("no event came")


Check = Callable[[Probe], None]
CHECKS: tuple[tuple[str, str, Check], ...] = (
    ("time", "the server tells its time, in the body and in Server-Time", tells_time),
    ("keys", "no key and wrong keys get 401", needs_key),
    ("scope", "a controller's key reads no history, posts no observations, overrides nothing", keeps_to_scope),
    ("controller data", "are told, and lawful", data_are_lawful),
    ("identity", "a plan has a strong ETag, Plan-Seq, a lease that holds, Server-Time and no-store", plan_is_named),
    ("law", "the plan is lawful by the controller data", plan_is_lawful),
    ("304", "a poll with the plan's tag gets 304 with the lease and without a body", unchanged_is_304),
    ("200", "a poll with another tag gets the plan", other_tag_is_200),
    ("lease", "never goes back from poll to poll", lease_never_shrinks),
    ("long poll", "waits as long as asked, and not much longer", long_poll_waits),
    ("numbers", "grow from plan to plan, and every new plan is lawful", numbers_grow),
    ("bad polls", "are refused with problem documents", bad_polls),
    ("acknowledgement", "is taken", takes_acks),
    ("bad acknowledgements", "are refused: damaged, foreign, deep, oversized", refuses_bad_acks),
    ("events", "a stream begins with the plan in force", streams_plans),
)


def examine(probe: Probe, note: Callable[[Finding], None]) -> list[Finding]:
    """Go through all checks; ``note`` hears each finding as it comes."""
    findings = []
    for name, requirement, check in CHECKS:
        outcome, seen = Outcome.PASSED, ""
        try:
            check(probe)
        except UnmetError as unmet:
            outcome, seen = Outcome.FAILED, str(unmet)
        except SkippedError as skipped:
            outcome, seen = Outcome.SKIPPED, str(skipped)
        except (KeyError, TypeError, IndexError, ValueError) as error:
            outcome, seen = Outcome.FAILED, f"a document is not as it must be: {type(error).__name__} {error}"
        findings.append(Finding(name, requirement, outcome, seen))
        note(findings[-1])
    return findings
