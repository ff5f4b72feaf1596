"""Do the guard and the checker of plans agree? ``python -m benchmarks.law [--count N] [--jobs N] [--seed N]``.

Random intersections under random timings, thousands of them in one guard. Three questions, ``count`` plans in all:

- wishes: random lawful and unlawful wishes go through the guard; the stage changes that it carried out, written as a
  schedule, must be lawful.
- schedules: the guard is asked, tick by tick, for the stages of a random schedule; it must carry out every change at
  its time exactly if the checker calls the schedule lawful under timings rounded up to whole ticks. Lawful under
  those means lawful under the timings as they are. Where maximum reds bind, the guard acts before they are reached:
  there, what it carried out must be lawful, and nothing is asked of the rest.
- patterns: the same for three cycles of a random pattern, whose stages begin an interstage before their greens; in
  tenths only where that is the same moment as in whole ticks.

Prints what was judged and found, and writes it to docs/results-service.md. Every disagreement is printed with all that
is needed to repeat it, and makes the exit code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.page import write_section
from citybrain.clock import stopwatch
from citybrain.decisions import Wish
from citybrain.errors import NetworkError
from citybrain.guard import LampGuard
from citybrain.plans import checker
from citybrain.plans.controller_data import intersection_rules
from citybrain.randomness import generator
from citybrain.signals import Aspect, Conflict
from citybrain.timings import interstage_tenths
from tests.random_signals import assemble, random_plan, random_timings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from citybrain.signals import Signals
    from citybrain.timings import Timings

TICK = 10
HARMLESS = 10**6
"""A maximum red that is never reached [tenths]."""
UNKNOWN = -7
"""A row that no intersection has."""
TOWN, ROUNDS = 1000, 30
"""Intersections in one guard, and rounds of plans for each of them."""
SHOWN_EXAMPLES = 3

Entries = list[tuple[int, int]]
"""(stage, begin [tenths]) in order of time."""


@dataclass
class Tally:
    """What was judged, and what was found."""

    plans: Counter[str] = field(default_factory=Counter)
    wishes: int = 0
    lawful: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    disagreements: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Take in another tally."""
        self.plans += other.plans
        self.wishes += other.wishes
        self.lawful += other.lawful
        self.refusals += other.refusals
        self.disagreements += other.disagreements


class Town:
    """Random intersections under one guard, and a checker for each.

    Parameters
    ----------
    rng : source of everything random.
    size : intersections.
    patient : maximum reds are never reached, and the checkers' timings are rounded up to whole ticks.
    warm : every intersection shows a stage; else they stand as their programs had them, often in no stage.
    """

    def __init__(self, rng: np.random.Generator, size: int, *, patient: bool, warm: bool = True) -> None:
        self.rng, self.patient = rng, patient
        self.signals = assemble([_with_lawful_stage(rng) for _ in range(size)])
        timings = random_timings(rng, self.signals, max_red=(600, 900))
        if patient:
            timings = replace(timings, max_red=np.full(self.signals.n_groups, HARMLESS, dtype=np.int32))
        if not warm:
            # Steps of the own program, which no schedule can say, are not to be taken.
            timings = replace(timings, as_programmed=False)
        self.coarse = _rounded_up(timings)
        self.guard = LampGuard(self.signals, timings, 0)
        self.data = _documents(self.signals, timings)
        self.checkers = [checker.Checker(data) for data in self.data]
        self.coarse_checkers = [checker.Checker(data) for data in _documents(self.signals, self.coarse)]
        signals = self.signals
        stage = signals.row_is_stage
        counts = np.add.reduceat(stage, signals.row_ptr[:-1])
        self.n_stages = counts
        self.stage_row = np.flatnonzero(stage)
        self.stage_ptr = np.concatenate(([0], np.cumsum(counts)))
        self.number = np.where(stage, np.cumsum(stage) - 1, 0) - np.repeat(
            self.stage_ptr[:-1], np.diff(signals.row_ptr)
        )
        self.change_ptr, self.change = interstage_tenths(signals, self.coarse)
        green = [signals.aspects(r) >= Aspect.PERMISSIVE for r in range(signals.n_rows)]
        least = [self.coarse.min_green[a:b] for a, b in zip(signals.group_ptr[:-1], signals.group_ptr[1:], strict=True)]
        owner = np.repeat(np.arange(size), np.diff(signals.row_ptr))
        self.row_green = np.array([least[i][g].max(initial=0) for i, g in zip(owner, green, strict=True)])
        self.green_end = np.full(signals.n_groups, checker.LONG_AGO, dtype=np.int64)
        yellow = self.guard.lamps.aspect == Aspect.YELLOW
        self.green_end[yellow] = self.guard.lamps.aspect_since[yellow]
        if warm:
            self.drive(np.tile([_first_lawful(signals, i) for i in range(size)], (60, 1)))

    @property
    def rows(self) -> NDArray[np.int32]:
        """Row shown or being changed to [I]."""
        return self.guard.lamps.row

    def drive(self, wishes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Let the guard carry out wishes [ticks, I]; returns the rows after every tick, the ones before them first."""
        rows = [self.rows]
        for wished in wishes:
            before = self.guard.lamps
            lamps = self.guard.enforce(Wish.now(before.time + TICK, wished)).lamps
            ended = (before.aspect >= Aspect.PERMISSIVE) & (lamps.aspect < Aspect.PERMISSIVE)
            self.green_end[ended] = lamps.time
            rows.append(lamps.row)
        return np.array(rows)

    def reports(self) -> list[dict[str, Any]]:
        """List what every cabinet would report now."""
        lamps, ptr = self.guard.lamps, self.signals.group_ptr.tolist()
        letters = bytes(np.frombuffer(b"rygG", np.uint8)[lamps.aspect]).decode()
        since = lamps.aspect_since.tolist()
        ends = [None if end == checker.LONG_AGO else end for end in self.green_end.tolist()]
        known = self.signals.row_is_stage[lamps.row].tolist()
        stages = [k if stage else None for k, stage in zip(self.number[lamps.row].tolist(), known, strict=True)]
        begun = lamps.since.tolist()
        changing = lamps.changing.tolist()
        return [
            {
                "stage": stages[i],
                "changing": changing[i],
                "since": begun[i],
                "aspects": letters[a:b],
                "aspect_since": since[a:b],
                "green_end": ends[a:b],
            }
            for i, (a, b) in enumerate(pairwise(ptr))
        ]

    def changes(self, rows: NDArray[np.int32], begin: int) -> list[Entries]:
        """Find the changes begun, per intersection, in rows [1 + ticks, I] of which the second shows ``begin``."""
        found: list[Entries] = [[] for _ in range(rows.shape[1])]
        sites, ticks = np.nonzero((rows[1:] != rows[:-1]).T)
        stages = self.number[rows[ticks + 1, sites]]
        for i, tick, stage in zip(sites.tolist(), ticks.tolist(), stages.tolist(), strict=True):
            found[i].append((stage, begin + tick * TICK))
        return found

    def random_stages(self, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Stage numbers [.., I] of every intersection's own, a few of them one too many."""
        drawn = self.rng.integers(0, 1 << 30, shape) % self.n_stages
        return np.where(self.rng.random(shape) < 0.01, self.n_stages, drawn)

    def to_rows(self, stages: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of stage numbers [.., I]."""
        known = stages < self.n_stages
        return np.where(known, self.stage_row[np.minimum(stages, self.n_stages - 1) + self.stage_ptr[:-1]], UNKNOWN)

    def interstage(self, before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.int64]:
        """Duration [I] of changes between rows, in whole ticks [tenths]; 0 where a row is unknown."""
        first, n = self.signals.row_ptr[:-1], np.diff(self.signals.row_ptr)
        known = (before != UNKNOWN) & (after != UNKNOWN)
        cell = self.change_ptr[:-1] + (before - first) * n + after - first
        return np.where(known, self.change[np.where(known, cell, 0)], 0)

    def least_green(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Longest minimum green [I] of the rows' green groups [tenths]; 0 where a row is unknown."""
        return np.where(rows == UNKNOWN, 0, self.row_green[np.maximum(rows, 0)])


def _with_lawful_stage(rng: np.random.Generator) -> Any:
    while True:
        plan = random_plan(rng)
        for row, stage in zip(plan.rows, plan.stage, strict=True):
            green = np.array(row) >= Aspect.PERMISSIVE
            if stage and not np.any(plan.conflict[np.ix_(green, green)] == Conflict.HARD):
                return plan


def _first_lawful(signals: Signals, i: int) -> int:
    for row in signals.stages(i):
        green = signals.aspects(int(row)) >= Aspect.PERMISSIVE
        if not np.any(signals.conflicts(i)[np.ix_(green, green)] == Conflict.HARD):
            return int(row)
    raise NetworkError(f"intersection {i} has no lawful stage")


def _rounded_up(timings: Timings) -> Timings:
    """Return the timings in whole ticks: the guard, asked at ticks, cannot tell the difference."""
    names = ("min_green", "yellow", "max_yellow", "intergreen")
    return replace(timings, **{name: (-(-getattr(timings, name) // TICK) * TICK).astype(np.int32) for name in names})


def _documents(signals: Signals, timings: Timings) -> list[dict[str, Any]]:
    pattern = {"pattern": 1, "cycle": 1, "offset": 0, "offset_reference": checker.OFFSET_REFERENCE}
    return [
        {
            **intersection_rules(f"i{i}", signals, timings, i),
            "patterns": [{**pattern, "stages": [{"stage": 0, "split": 1}]}],
        }
        for i in range(signals.n_intersections)
    ]


def _plan(judge: checker.Checker, i: int, body: dict[str, Any], now: int, until: int) -> dict[str, Any]:
    plan = {
        "format": checker.PLAN_FORMAT,
        "seq": 1,
        "intersection": f"i{i}",
        "config_hash": judge.config_hash,
        "made_at": now - 100,
        "valid_from": now + TICK,
        "lease_until": until,
        "poll_after": TICK,
        "time_base": {"epoch": checker.EPOCH, "unit": checker.UNIT, "time_zone": "UTC", "clock_error": 5},
        "body": body,
        "fallback": {"pattern": 1},
        "transition": {"mode": "dwell", "max_cycles": 3, "cost": 0},
        "author": {"kind": "algorithm", "name": "random", "version": "1"},
        "why": [],
    }
    plan["plan_id"] = checker.hash_of(plan)
    return plan


def _schedule(entries: Entries) -> dict[str, Any]:
    return {"schedule": {"stages": [{"stage": stage, "begin": begin} for stage, begin in entries]}}


def judge_wishes(town: Town, ticks: int = 40) -> Tally:
    """Random wishes: what the guard made of them must be lawful."""
    rng, n_i = town.rng, town.signals.n_intersections
    now, reports = town.guard.lamps.time, town.reports()
    rows = town.to_rows(town.random_stages((ticks, n_i)))
    nonsense = rng.choice([-1, UNKNOWN, 2**31 - 1], (ticks, n_i))
    rows = np.where(rng.random((ticks, n_i)) < 0.05, nonsense, rows)
    fresh = rng.random((ticks, n_i)) < rng.choice([0.05, 0.1, 0.5], n_i)
    fresh[0] = True
    source = np.maximum.accumulate(np.where(fresh, np.arange(ticks)[:, np.newaxis], 0), axis=0)
    wishes = np.take_along_axis(rows, source, axis=0).astype(np.int32)
    done = town.changes(town.drive(wishes), now + TICK)
    tally = Tally(wishes=wishes.size)
    for i, (entries, report) in enumerate(zip(done, reports, strict=True)):
        judge = town.checkers[i]
        plan = _plan(judge, i, _schedule([(report["stage"], now), *entries]), now, now + ticks * TICK)
        refusals = judge.check(plan, report, now)
        _count(tally, "wishes", refusals)
        if refusals:
            _disagree(tally, "the guard carried out what the checker refuses", town, i, plan, report, now, entries)
    return tally


def judge_schedules(town: Town, most: int = 4, longest: int = 45) -> Tally:
    """Random schedules: lawful exactly if the guard carries them out."""
    rng, n_i = town.rng, town.signals.n_intersections
    now, reports = town.guard.lamps.time, town.reports()
    stages, begins = _random_schedules(town, most)
    kept = (begins <= now + longest * TICK) & (np.arange(most)[:, np.newaxis] < rng.integers(1, most + 1, n_i))
    ticks = int((begins[kept].max() - now) // TICK)
    rows = town.to_rows(stages)
    times = now + TICK * np.arange(1, ticks + 1)[:, np.newaxis]
    wishes = np.broadcast_to(town.rows, (ticks, n_i))
    for k in range(most):
        wishes = np.where(kept[k] & (times >= begins[k]), rows[k], wishes)
    done = town.changes(town.drive(wishes.astype(np.int32)), now + TICK)
    tally = Tally(wishes=wishes.size)
    late = (rng.random(n_i) < 0.5).tolist()
    for i, report in enumerate(reports):
        asked = [(int(s), int(b)) for s, b, k in zip(stages[:, i], begins[:, i], kept[:, i], strict=True) if k]
        entries = [(report["stage"], now - TICK), *asked] if report["stage"] is not None else asked
        if asked and asked[0][1] == now + TICK and late[i]:
            # The cabinet has not done what the schedule asked of it some time ago.
            entries = [(asked[0][0], now - 15), *asked[1:]]
        plan = _plan(town.checkers[i], i, _schedule(entries), now, now + ticks * TICK + 1)
        _compare(tally, town, i, plan, report, now, _real(report["stage"], asked), done[i])
    return tally


def _random_schedules(town: Town, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Stages and begins [entries, I] around the moments at which they become lawful."""
    rng, n_i = town.rng, town.signals.n_intersections
    stages = town.random_stages((most, n_i))
    rows = town.to_rows(stages)
    begins = np.zeros((most, n_i), dtype=np.int64)
    begin = town.guard.lamps.time + TICK * rng.choice([1, 1, 2, 4, 8, 15, 25], n_i)
    # A schedule covers the begin of its plan.
    begin = np.where(town.signals.row_is_stage[town.rows], begin, town.guard.lamps.time + TICK)
    row = town.rows.astype(np.int64)
    for k in range(most):
        begins[k] = begin
        least = town.interstage(row, rows[k]) + town.least_green(rows[k])
        near = least + TICK * rng.integers(-3, 2, n_i)
        begin = begin + np.maximum(TICK, np.where(rng.random(n_i) < 0.75, near, TICK * rng.integers(1, 20, n_i)))
        row = rows[k]
    return stages, begins


def _real(stage: int | None, entries: Entries) -> Entries:
    """Entries that change the stage."""
    found = []
    for entry in entries:
        if entry[0] != stage:
            found.append(entry)
            stage = entry[0]
    return found


def _same_begins(town: Town, i: int, plan: dict[str, Any]) -> bool:
    """Whether a plan's stages begin at the same moments when timings are rounded up to whole ticks."""
    pattern = plan["body"].get("pattern")
    return pattern is None or town.checkers[i].begins(pattern) == town.coarse_checkers[i].begins(pattern)


def _compare(
    tally: Tally,
    town: Town,
    i: int,
    plan: dict[str, Any],
    report: dict[str, Any] | None,
    now: int,
    asked: Entries,
    done: Entries,
) -> None:
    """Judge one plan and what became of it.

    A pattern's stages begin an interstage before their greens. Where interstages are no whole ticks they begin at other
    moments than those that the guard was asked for, and only the judgement in whole ticks is about what it did.
    """
    refusals = _binding(town, town.checkers[i].check(plan, report, now))
    kind = "schedules" if "schedule" in plan["body"] else "patterns"
    _count(tally, kind, refusals)
    if asked == done and refusals and _same_begins(town, i, plan):
        _disagree(tally, "the guard carried out what the checker refuses", town, i, plan, report, now, done)
    if town.patient:
        judge = town.coarse_checkers[i]
        coarse = {**plan, "config_hash": judge.config_hash}
        coarse["plan_id"] = checker.hash_of({key: value for key, value in coarse.items() if key != "plan_id"})
        lawful = not _binding(town, judge.check(coarse, report, now))
        if lawful != (asked == done):
            said = "bent what is lawful in whole ticks" if lawful else "carried out what is unlawful in whole ticks"
            _disagree(tally, f"the guard {said}", town, i, coarse, report, now, done)
        if lawful and refusals and _same_begins(town, i, plan):
            _disagree(tally, "lawful in whole ticks, refused in tenths", town, i, plan, report, now, done)


def _binding(town: Town, refusals: list[checker.Refusal]) -> list[checker.Refusal]:
    """Leave out reds where they do not bind the guard: the checker refuses patterns that never serve a group."""
    return [refusal for refusal in refusals if not (town.patient and refusal.code == "maximum_red")]


def judge_patterns(town: Town, most: int = 4) -> Tally:
    """Random patterns: three cycles of them are carried out exactly if they are lawful."""
    stages, splits, changes, length = _random_patterns(town, most)
    now = town.guard.lamps.time
    sites = range(len(length))
    bodies = [
        [(int(s), int(t)) for s, t in zip(stages[:n, i], splits[:n, i], strict=True)]
        for i, n in zip(sites, length, strict=True)
    ]
    asked = [_cycles(bodies[i], changes[:, i].tolist(), now + TICK) for i in sites]
    ticks = max(begin for entries in asked for _, begin in entries) - now
    wishes = np.tile(town.rows, (ticks // TICK, 1))
    for i in sites:
        for stage, begin in asked[i]:
            wanted = town.stage_row[town.stage_ptr[i] + stage] if stage < town.n_stages[i] else UNKNOWN
            # A pattern that is not lawful need not be in order of time.
            wishes[max(0, (begin - now) // TICK - 1) :, i] = wanted
    done = town.changes(town.drive(wishes), now + TICK)
    tally = Tally(wishes=wishes.size)
    for i in sites:
        body = bodies[i]
        if body[-1][0] == town.n_stages[i] or any(a[0] == b[0] for a, b in pairwise([*body, body[0]])):
            continue
        plan = _plan(town.checkers[i], i, {"pattern": _pattern(body, now + TICK)}, now, now + 2 * TICK)
        _compare(tally, town, i, plan, None, now, _real(body[-1][0], asked[i]), done[i])
    return tally


def _random_patterns(town: Town, most: int) -> tuple[NDArray[np.int64], ...]:
    """Stages, splits and interstages after them [entries, I], and lengths [I]; every town stands in its last stage."""
    rng, n_i = town.rng, town.signals.n_intersections
    stages = town.random_stages((most, n_i))
    length = rng.integers(2, most + 1, n_i)
    last = town.to_rows(stages)[length - 1, np.arange(n_i)]
    town.drive(np.tile(last, (60, 1)).astype(np.int32))
    rows = [town.to_rows(stages[k]) for k in range(most)]
    following = [np.where(length == k + 1, rows[0], rows[(k + 1) % most]) for k in range(most)]
    changes = np.array([town.interstage(rows[k], following[k]) for k in range(most)])
    green = np.array([town.least_green(row) for row in rows])
    splits = changes + np.maximum(TICK, green + TICK * rng.integers(-1, 4, green.shape))
    return stages, np.where(rng.random(splits.shape) < 0.05, TICK, splits), changes, length


def _pattern(body: Entries, begin: int) -> dict[str, Any]:
    cycle = sum(split for _, split in body)
    return {
        "pattern": 7,
        "cycle": cycle,
        "offset": begin % cycle,
        "offset_reference": checker.OFFSET_REFERENCE,
        "stages": [{"stage": stage, "split": split} for stage, split in body],
    }


def _cycles(body: Entries, change: list[int], first: int) -> Entries:
    """Three cycles of (stage, split): every stage begins one interstage before its greens."""
    found = []
    n = len(body)
    greens = first + change[n - 1]
    for k in range(3 * n):
        stage, split = body[k % n]
        found.append((stage, greens - change[k % n - 1 if k % n else n - 1]))
        greens += split
    return found


def _count(tally: Tally, kind: str, refusals: list[checker.Refusal]) -> None:
    tally.plans[kind] += 1
    tally.lawful[kind] += not refusals
    tally.refusals.update({refusal.code for refusal in refusals})


def _disagree(
    tally: Tally,
    what: str,
    town: Town,
    i: int,
    plan: dict[str, Any],
    report: dict[str, Any] | None,
    now: int,
    done: Entries,
) -> None:
    document = {"what": what, "now": now, "shown": report, "carried_out": done, "plan": plan, "data": town.data[i]}
    tally.disagreements.append(document)


def judge_batch(seed: int, batch: int, town_size: int = TOWN, rounds: int = ROUNDS) -> Tally:
    """Judge one town over several rounds; the same seed and batch always give the same."""
    rng = generator(seed, f"law {batch}")
    town = Town(rng, town_size, patient=batch % 2 == 0)
    tally = judge_schedules(Town(rng, town_size // 4, patient=False, warm=False))
    for r in range(rounds):
        tally.add(judge_wishes(town))
        tally.add(judge_schedules(town))
        if town.patient and r % 5 == 0:
            tally.add(judge_patterns(town))
    for document in tally.disagreements:
        document["reproduce"] = f"benchmarks.law.judge_batch({seed}, {batch}, {town_size}, {rounds})"
    return tally


def batches(count: int, jobs: int, seed: int) -> Iterator[Tally]:
    """Judge batches until ``count`` plans are."""
    per_batch = TOWN * ROUNDS * 2
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        numbers = range(-(-count // per_batch))
        yield from pool.map(judge_batch, [seed] * len(numbers), numbers)


def table(total: Tally, run: str) -> str:
    """Write what was found as Markdown."""
    rows = [("wishes through the guard", total.wishes)]
    for kind, number in sorted(total.plans.items()):
        rows += [(f"plans judged ({kind})", number), (f"... lawful ({kind})", total.lawful[kind])]
    rows += [(f"refused: {code}", number) for code, number in total.refusals.most_common()]
    rows.append(("disagreements of guard, checker and the judge of this benchmark", len(total.disagreements)))
    head = f"Random wishes go through the guard, random plans to the checker; {run}."
    return "\n".join([head, "", "| what | count |", "| --- | ---: |", *(f"| {what} | {n:,} |" for what, n in rows)])


def main(arguments: list[str]) -> int:
    """Judge, print what was found, return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--count", type=int, default=10_000_000, help="plans to judge")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    watch, total = stopwatch(), Tally()
    for tally in batches(options.count, options.jobs, options.seed):
        total.add(tally)
        plans, found = sum(total.plans.values()), len(total.disagreements)
        sys.stderr.write(f"\r{plans:,} plans, {found} disagreements, {stopwatch() - watch:.0f} s ")
    sys.stderr.write("\n")
    told = table(
        total, f"seed {options.seed}, {options.jobs} jobs, {stopwatch() - watch:.0f} s, ticks of {TICK} tenths"
    )
    print(told)
    for document in total.disagreements[:SHOWN_EXAMPLES]:
        print(json.dumps(document))
    write_section("Law", f"python -m benchmarks.law --count {options.count} --seed {options.seed}", told)
    return int(bool(total.disagreements))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
