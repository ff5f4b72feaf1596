"""Why an intersection showed what it showed: from the store alone, and, carried out again, beside what was rejected.

May import the store, the replay and what courses are worth.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from citybrain.errors import CityBrainError, InputError
from citybrain.intake.judge import Judge
from citybrain.live.apart import Recipe
from citybrain.live.book import Book, make_book
from citybrain.live.replay import Replayed, load, replay
from citybrain.live.settings import LiveSettings, checkpoint_version
from citybrain.live.wishes import pattern_course
from citybrain.live.worth import SPAN_S, shown_document, vehicle_seconds
from citybrain.plans.plan import schedule
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citybrain.control.interface import Site
    from citybrain.live.schedules import Entry
    from citybrain.observations import SensorTable
    from citybrain.storage.store import Store

LONGEST_PLAN = 36_000
"""A plan is looked for so far back [tenths]."""
MINUTE = 600


class Street(NamedTuple):
    """What a service was opened with, and a replay needs again."""

    site: Site
    sensors: SensorTable
    controller_name: str
    settings: LiveSettings


@dataclass(frozen=True)
class Option:
    """A course of stages and what it was thought to cost over the next 40 s [0.1 veh s]."""

    name: str
    cost_tenths: int


@dataclass(frozen=True)
class Explanation:
    """Who decided what an intersection showed at a time, and on which grounds.

    Attributes
    ----------
    intersection, time : as asked [tenths].
    plan : document in force, None without one: then the cabinet ran its own pattern.
    inputs : hash of what the tick that made it took in; ``tick`` its time.
    why : reasons with estimates and their confidence; ``constraint`` what bound the first stage.
    author : who made the plan; ``override`` the number of the person's wish behind it.
    acknowledgements : of this plan, in order.
    errors : entries of the ledger about faults at that time.
    cost : of the course chosen; ``rejected`` the best of the others; ``pattern`` the fixed pattern's. Only where the
        tick could be carried out again.
    outcome : vehicles that waited at the intersection when the plan was made, and a minute later.
    missing : a sentence on why the last four are not there, where they are not.
    """

    intersection: str
    time: int
    plan: dict[str, Any] | None
    inputs: str | None
    tick: int | None
    why: list[dict[str, Any]]
    constraint: str | None
    author: dict[str, Any] | None
    override: int | None
    acknowledgements: list[dict[str, Any]]
    errors: list[dict[str, Any]]
    cost: Option | None = None
    rejected: Option | None = None
    pattern: Option | None = None
    outcome: dict[str, int] | None = None
    missing: str | None = None

    def document(self) -> dict[str, Any]:
        """Turn into plain types."""
        return asdict(self)


@dataclass(frozen=True)
class Minute:
    """A stretch that was carried out again.

    Attributes
    ----------
    ticks : carried out.
    plans : made by them.
    differences : sentences on plans that came out otherwise than they are kept; empty when the replay is exact.
    """

    ticks: int
    plans: int
    differences: list[str]


def explain(store: Store, intersection: str, time: int, street: Street | None = None) -> Explanation:
    """Explain what an intersection showed at a time [tenths].

    Parameters
    ----------
    street : what the service was opened with; without it, what was rejected is not worked out.

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    entries = store.entries_for(intersection, time - LONGEST_PLAN, time + MINUTE)
    told = store.plans_told(entries)
    plans = [(entry.document, told.get(entry.n)) for entry in entries if entry.kind == "plan"]
    valid = [(document, stored) for document, stored in plans if stored and stored.document["valid_from"] <= time]
    reasons, stored = valid[-1] if valid else ({}, None)
    plan = None if stored is None else stored.document
    after = plans[len(valid)][1] if len(valid) < len(plans) else None
    until = time + MINUTE if after is None else after.document["valid_from"] + MINUTE
    since = time - MINUTE if plan is None else plan["made_at"]
    acks = [ack.document for ack in store.acks(intersection, since, until)]
    why = list(reasons.get("why", []))
    about = Explanation(
        intersection=intersection,
        time=time,
        plan=plan,
        inputs=reasons.get("inputs"),
        tick=reasons.get("tick"),
        why=why,
        constraint=why[0]["constraint"] if why else None,
        author=reasons.get("author"),
        override=reasons.get("override"),
        acknowledgements=[ack for ack in acks if plan is None or ack["plan_id"] == plan["plan_id"]],
        errors=[entry.document for entry in entries if entry.kind == "error" and abs(entry.at - time) <= MINUTE],
    )
    if street is None or plan is None or about.tick is None:
        return about
    try:
        return _with_options(about, store, street, plan)
    except CityBrainError as error:
        return replace(about, missing=str(error))


def replay_minute(store: Store, street: Street, time: int, length: int = MINUTE) -> Minute:
    """Carry out again what was done from a time [tenths] on, and compare every plan with the one that is kept.

    Raises
    ------
    InputError
        If the record does not reach back to a checkpoint of this version, or is of another street.
    """
    ticks = plans = 0
    differences = []
    for done in _again(store, street, time, time + length):
        if done.tick.time < time or done.outcome is None:
            continue
        ticks += 1
        for draft in done.outcome.plans:
            plans += 1
            kept = _kept(store, draft.intersection, done.tick.time)
            if kept is None:
                differences.append(f"tick {done.tick.time}: the plan for {draft.intersection} is not kept")
            elif _content(kept) != _content(draft.document):
                differences.append(f"tick {done.tick.time}: the plan for {draft.intersection} came out otherwise")
    return Minute(ticks, plans, differences)


def _kept(store: Store, intersection: str, tick: int) -> dict[str, Any] | None:
    """Plan that a tick made for an intersection."""
    told = store.plans_told(store.entries_for(intersection, tick, tick + 1))
    return next((stored.document for stored in told.values()), None)


def _content(plan: dict[str, Any]) -> dict[str, Any]:
    """Everything of a plan but its number and the hash that follows from it."""
    return {name: value for name, value in plan.items() if name not in {"seq", "plan_id"}}


def _again(store: Store, street: Street, time: int, until: int) -> Iterator[Replayed]:
    """Carry out the ticks up to ``until`` again, from the last checkpoint before ``time`` or from the first tick."""
    site, sensors, name, settings = street
    book, judge = make_book(site, settings.lead, settings.time_zone), Judge(sensors, site.network)
    recipe = Recipe(site, sensors, book, name, settings.lead, settings.lease, settings.poll_after)
    engine = recipe.make()
    checkpoint = store.checkpoint(time - 1)
    if checkpoint is not None:
        load(engine, checkpoint, checkpoint_version(book, judge, name, settings))
    ticks = store.ticks(engine.time + 1, until)
    if not ticks:
        raise InputError(f"no tick is kept between {engine.time} and {until}; ask for a time when the engine ran")
    yield from replay(store, ticks, engine, recipe.make, judge.fingerprint)


def _with_options(about: Explanation, store: Store, street: Street, plan: dict[str, Any]) -> Explanation:
    """Work out what the course chosen, the best other one and the fixed pattern would cost, as it looked then."""
    assert about.tick is not None
    site, settings = street.site, street.settings
    book = make_book(site, settings.lead, settings.time_zone)
    i = book.find(about.intersection)
    waiting: dict[int, int] = {}
    options: dict[str, Option] = {}
    for done in _again(store, street, about.tick, about.tick + MINUTE + 1):
        if done.outcome is None or done.tick.time < about.tick:
            continue
        state = done.outcome.snapshot.state
        lanes = site.network.approach_lane[slice(*site.network.approach_ptr[i : i + 2])]
        waiting[done.tick.time] = round(float(state.queue[lanes].sum()) * TENTHS_PER_SECOND)
        if done.tick.time == about.tick:
            options = _options(book, street, i, done, plan)
    if not options:
        return replace(about, missing="the tick showed no stage here from which another could have followed")
    cost, pattern = options.pop("chosen"), options["pattern"]
    rejected = min((option for option in options.values()), key=lambda option: option.cost_tenths)
    outcome = {"waiting_tenths": waiting[about.tick], "waiting_later_tenths": waiting[max(waiting)]}
    return replace(about, cost=cost, rejected=rejected, pattern=pattern, outcome=outcome)


def _options(book: Book, street: Street, i: int, done: Replayed, plan: dict[str, Any]) -> dict[str, Option]:
    """Courses that were open at a tick: the one chosen, every other stage next, to stay, and the fixed pattern."""
    assert done.outcome is not None
    snapshot, tables = done.outcome.snapshot, book.tables[i]
    lamps, state = snapshot.lamps, snapshot.state
    stage = int(book.row_stage[lamps.row[i]])
    if stage < 0:
        return {}
    shown = shown_document(street.site, tables, i, stage, int(lamps.since[i]), bool(lamps.changing[i]), lamps)
    begin = state.time + street.settings.lead
    pattern = tables.patterns[tables.time_of_day[0][1]]
    course = pattern_course(pattern, book.stage_row[i], begin)
    fixed = [
        (int(book.row_stage[row]), int(start)) for row, start in zip(course.row, course.start, strict=True) if row >= 0
    ]
    courses: dict[str, list[Entry]] = {
        "chosen": [(entry.stage, entry.begin) for entry in schedule(plan)],
        "pattern": fixed,
        f"stay in stage {stage}": [],
    }
    chosen = [k for k, _ in courses["chosen"] if k != stage]
    courses |= {f"stage {k} next": [(k, begin)] for k in range(len(tables.stages)) if k != stage and [k] != chosen[:1]}
    costs = {name: vehicle_seconds(street.site, i, tables, state, shown, wanted) for name, wanted in courses.items()}
    return {
        name: Option(f"{name}, over {SPAN_S} s", round(cost * TENTHS_PER_SECOND))
        for name, cost in costs.items()
        if np.isfinite(cost)
    }
