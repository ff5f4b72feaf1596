"""Random signals, timings and wishes for property tests of the guard: small, odd, and sometimes unlawful."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from citybrain.signals import Aspect, Conflict, GroupKind, Signals
from citybrain.timings import Timings


class Plan(NamedTuple):
    """One intersection: conflicts, rows with what they are, steps (row, duration [tenths])."""

    conflict: np.ndarray
    rows: list[tuple[int, ...]]
    stage: list[bool]
    steps: list[tuple[int, int]]
    kind: list[int]


def assemble(plans: list[Plan]) -> Signals:
    """Put intersections together; one lamp per group."""
    groups = [len(plan.kind) for plan in plans]
    n_g = sum(groups)
    group_ptr = np.cumsum([0, *groups]).astype(np.int32)
    row_ptr = np.cumsum([0, *(len(plan.rows) for plan in plans)]).astype(np.int32)
    aspects = [row for plan in plans for row in plan.rows]
    durations = np.array([d for plan in plans for _, d in plan.steps], dtype=np.int32)
    return Signals(
        lamp_ptr=group_ptr,
        lamp_group=np.arange(n_g, dtype=np.int32),
        lamp_red=np.full(n_g, ord("r"), dtype=np.uint8),
        group_ptr=group_ptr,
        group_kind=np.array([k for plan in plans for k in plan.kind], dtype=np.uint8),
        group_move_ptr=np.zeros(n_g + 1, dtype=np.int32),
        group_move=np.zeros(0, dtype=np.int32),
        group_crossing=np.array([12.0 * k for plan in plans for k in plan.kind]),
        conflict_ptr=np.cumsum([0, *(n * n for n in groups)]).astype(np.int32),
        conflict=np.concatenate([plan.conflict.ravel() for plan in plans]).astype(np.uint8),
        row_ptr=row_ptr,
        row_aspect_ptr=np.cumsum([0, *(len(row) for row in aspects)]).astype(np.int32),
        row_aspect=np.array([a for row in aspects for a in row], dtype=np.uint8),
        row_is_stage=np.array([s for plan in plans for s in plan.stage], dtype=np.bool_),
        step_ptr=np.cumsum([0, *(len(plan.steps) for plan in plans)]).astype(np.int32),
        step_row=np.array(
            [row + first for plan, first in zip(plans, row_ptr[:-1], strict=True) for row, _ in plan.steps],
            dtype=np.int32,
        ),
        step_duration=durations,
        step_min=durations,
        step_max=durations,
        program_id=("0",) * len(plans),
        program_offset=np.zeros(len(plans), dtype=np.int32),
    )


def from_states(states: list[tuple[str, int]], conflict: list[list[int]], pedestrians: tuple[int, ...] = ()) -> Signals:
    """One intersection whose program is written as states, one character per group, and durations [tenths].

    Rows without yellow that last 5 s or more and show green are stages.
    """
    letters = {"r": Aspect.RED, "y": Aspect.YELLOW, "g": Aspect.PERMISSIVE, "G": Aspect.PROTECTED}
    names = list(dict.fromkeys(state for state, _ in states))
    longest = {name: max(d for state, d in states if state == name) for name in names}
    n = len(names[0])
    plan = Plan(
        conflict=np.array(conflict),
        rows=[tuple(letters[c] for c in name) for name in names],
        stage=[longest[name] >= 50 and "y" not in name and ("g" in name or "G" in name) for name in names],
        steps=[(names.index(state), d) for state, d in states],
        kind=[GroupKind.PEDESTRIAN if k in pedestrians else GroupKind.VEHICLE for k in range(n)],
    )
    return assemble([plan])


def random_plan(rng: np.random.Generator) -> Plan:
    """Random conflicts, and rows that heed the hard ones but for a rare unlawful one."""
    n = int(rng.integers(1, 6))
    upper = np.triu(rng.choice([Conflict.NONE, Conflict.HARD, Conflict.YIELDS], size=(n, n), p=[0.4, 0.4, 0.2]), 1)
    conflict = upper + upper.T
    rows: list[tuple[int, ...]] = []
    stage: list[bool] = []
    for _ in range(int(rng.integers(2, 5))):
        row = np.zeros(n, dtype=np.int64)
        for k in rng.permutation(n):
            if rng.random() < 0.8 and not np.any((conflict[k] == Conflict.HARD) & (row >= Aspect.PERMISSIVE)):
                row[k] = rng.choice([Aspect.PERMISSIVE, Aspect.PROTECTED])
        rows.append(tuple(int(a) for a in row))
        stage.append(bool(max(row) >= Aspect.PERMISSIVE))
        fading = np.where((row >= Aspect.PERMISSIVE) & (rng.random(n) < 0.6), Aspect.YELLOW, row)
        rows.append(tuple(int(a) for a in fading))
        stage.append(False)
    rows.append((0,) * n)
    stage.append(False)
    if rng.random() < 0.2:
        rows.append((int(Aspect.PROTECTED),) * n)
        stage.append(bool(rng.random() < 0.5))
    steps = [(int(rng.integers(len(rows))), int(rng.integers(1, 30)) * 10) for _ in range(int(rng.integers(1, 6)))]
    return Plan(conflict, rows, stage, steps, [int(rng.random() < 0.25) for _ in range(n)])


def random_signals(rng: np.random.Generator) -> Signals:
    """One to three random intersections."""
    return assemble([random_plan(rng) for _ in range(int(rng.integers(1, 4)))])


def random_timings(rng: np.random.Generator, signals: Signals, max_red: tuple[int, int] = (100, 900)) -> Timings:
    """Random limits; pedestrians without yellow, intergreens where groups conflict."""
    n = signals.n_groups
    vehicle = signals.group_kind == GroupKind.VEHICLE
    yellow = np.where(vehicle, rng.integers(0, 60, n), 0)
    gaps = rng.integers(0, 100, len(signals.conflict))
    return Timings(
        profile="random",
        min_green=rng.integers(0, 120, n).astype(np.int32),
        yellow=yellow.astype(np.int32),
        max_yellow=(yellow + rng.integers(0, 40, n)).astype(np.int32),
        max_red=rng.integers(*max_red, n).astype(np.int32),
        intergreen=np.where(signals.conflict == Conflict.NONE, 0, gaps).astype(np.int32),
        as_programmed=bool(rng.random() < 0.5),
    )


def random_wishes(rng: np.random.Generator, signals: Signals, n_ticks: int) -> np.ndarray:
    """Wished rows [ticks, I]: each kept for a random while, some of them nonsense; often the program's next one."""
    wishes = np.zeros((n_ticks, signals.n_intersections), dtype=np.int32)
    for i in range(signals.n_intersections):
        first, last = int(signals.row_ptr[i]), int(signals.row_ptr[i + 1])
        steps = signals.step_row[signals.step_ptr[i] : signals.step_ptr[i + 1]].tolist()
        t, row = 0, first
        while t < n_ticks:
            nonsense = rng.random() < 0.1
            if row in steps and rng.random() < 0.5:
                row = steps[(steps.index(row) + 1) % len(steps)]
            elif nonsense:
                row = int(rng.choice([-1, -7, first - 1, last, 2**31 - 1]))
            else:
                row = int(rng.integers(first, last))
            keep = int(rng.choice([1, 2, 5, 20]))
            wishes[t : t + keep, i] = row
            t += keep
    return wishes
