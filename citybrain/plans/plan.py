"""Plans as documents: made, numbered, and read. May import units and the checker.

A plan is a dictionary of plain JSON types (``schemas/plan.schema.json``, ``docs/plans.md``); all times are integers,
tenths of a second since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from citybrain.plans import checker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Document = dict[str, Any]


class Entry(NamedTuple):
    """One stage of a schedule: its number, and when the cabinet begins to leave the stage before [tenths]."""

    stage: int
    begin: int


class Reason(NamedTuple):
    """Why a stage stands in a plan: one line, and the constraint that bound it, if one did."""

    stage: int | None
    text: str
    constraint: str | None = None


def schedule_body(entries: Iterable[tuple[int, int]]) -> Document:
    """Body of a plan that is a stage schedule: (stage, begin) in order of time."""
    return {"schedule": {"stages": [{"stage": stage, "begin": begin} for stage, begin in entries]}}


def make_plan(
    data: Document,
    body: Document,
    *,
    made_at: int,
    valid_from: int,
    lease_until: int,
    seq: int = 0,
    config_hash: str | None = None,
    poll_after: int = 10,
    clock_error: int = 5,
    fallback: int | None = None,
    transition: str = "short_way",
    max_cycles: int = 3,
    cost: int = 0,
    author: tuple[str, str, str] = ("algorithm", "planner", "0.1.0"),
    why: Sequence[Reason | Document] = (),
) -> Document:
    """Plan for one intersection; :func:`with_seq` numbers it when it is stored.

    Parameters
    ----------
    data : controller data of the intersection.
    body : ``schedule_body(...)``, or ``{"pattern": ...}``, or ``{"rings": ...}``.
    made_at, valid_from, lease_until : [tenths].
    seq : number among the intersection's plans.
    config_hash : hash of ``data``, where it is known already; hashing takes longer than all the rest.
    poll_after : time between two polls [tenths].
    clock_error : largest error of the cabinet's clock under which the plan may be used [tenths].
    fallback : pattern that is run when the lease is over; without it, the first of the time-of-day table.
    transition, max_cycles, cost : how a pattern is reached, and what that costs [veh s].
    author : kind (``algorithm`` or ``person``), name, version.
    why : reasons, as :class:`Reason` or as documents with further fields.
    """
    kind, name, version = author
    plan = {
        "format": checker.PLAN_FORMAT,
        "plan_id": "",
        "seq": seq,
        "intersection": data["intersection"],
        "config_hash": config_hash or checker.hash_of(data),
        "made_at": made_at,
        "valid_from": valid_from,
        "lease_until": lease_until,
        "poll_after": poll_after,
        "time_base": {
            "epoch": checker.EPOCH,
            "unit": checker.UNIT,
            "time_zone": data["time_zone"],
            "clock_error": clock_error,
        },
        "body": body,
        "fallback": {"pattern": data["time_of_day"][0]["pattern"] if fallback is None else fallback},
        "transition": {"mode": transition, "max_cycles": max_cycles, "cost": cost},
        "author": {"kind": kind, "name": name, "version": version},
        "why": [reason._asdict() if isinstance(reason, Reason) else reason for reason in why],
    }
    return with_seq(plan, seq)


def plan_id(plan: Document) -> str:
    """Hash of everything in a plan but its ``plan_id``."""
    return checker.hash_of({key: value for key, value in plan.items() if key != "plan_id"})


def with_seq(plan: Document, seq: int) -> Document:
    """Return the plan with another number, and with the identity that follows from it."""
    numbered = {**plan, "seq": seq}
    return {**numbered, "plan_id": plan_id(numbered)}


def schedule(plan: Document) -> list[Entry]:
    """Stages of a plan whose body is a schedule; empty for patterns."""
    body = plan["body"].get("schedule")
    return [] if body is None else [Entry(entry["stage"], entry["begin"]) for entry in body["stages"]]


def pattern(data: Document, plan: Document) -> Document | None:
    """Pattern of a lawful plan in stages, ring form turned; None for schedules."""
    body = plan["body"]
    if "rings" in body:
        stages = checker.stages_of(data, body["rings"]["rings"])
        return {**{k: v for k, v in body["rings"].items() if k != "rings"}, "stages": stages}
    found: Document | None = body.get("pattern")
    return found


def pattern_begins(data: Document, pattern: Document) -> list[int]:
    """Begin of every stage of a lawful pattern within the cycle, the first 0 [tenths].

    A split is the green of its stage *and the interstage after it*, so it lasts from greens to greens; a stage begins
    one interstage before its greens. The first stage begins at times t with (t - offset) mod cycle = 0.
    """
    return checker.Checker(data).begins(pattern)
