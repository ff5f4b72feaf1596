"""The search against its readable twin, which tries every history."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain_kernels import planner as kernel
from citybrain_kernels import planner_tables as tables
from tests.reference import planner as twin

Case = tuple[twin.Junction, int, tuple[twin.Queue, ...], tuple[int, ...]]
HORIZON = 18
WEIGHTS = tables.Weights(patience=60.0, start_loss=1.0, yellow_use=1, tail=1.0, tail_red=10.0, gap=4, sneak=0.1, step=3)


@st.composite
def junctions(draw: st.DrawFn) -> Case:
    """A junction with two or three stages, four lanes, queues and arrivals; and the stage shown."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_stages, n = draw(st.integers(2, 3)), 4
    serve: list[tuple[tuple[float, float, tuple[int, ...]], ...]] = []
    for p in range(n_stages):
        row = []
        for k in range(n):
            kind = rng.integers(0, 4) if p % 2 == k % 2 else 0
            foes = tuple(int(f) for f in range(n) if f != k and f % 2 == p % 2 and rng.random() < 0.5)
            row.append([(0.0, 0.0, ()), (1.0, 0.0, ()), (0.0, 1.0, foes), (0.5, 0.25, foes)][kind])
        serve.append(tuple(row))
    lanes = tuple(
        twin.Lane(
            rate=float(np.float32(rng.uniform(0.3, 0.6))),
            room=float(np.float32(rng.choice([2.0, 50.0]))),
            relief=float(np.float32(rng.uniform(0, 0.3))),
            arrivals=tuple(float(x) for x in (rng.random(HORIZON) < 0.15)),
            worth=float(np.float32(rng.choice([1.0, 1.5, 7.0]))),
        )
        for _ in range(n)
    )
    change = tuple(tuple(0 if a == b else int(rng.integers(2, 6)) for b in range(n_stages)) for a in range(n_stages))
    keep = tuple(tuple(int(rng.integers(1, 8)) for _ in range(n_stages)) for _ in range(n_stages))
    queues = tuple(
        twin.Queue(left=float(rng.integers(0, 6)), wait=float(rng.integers(0, 100)), age=float(rng.integers(0, 3)))
        for _ in range(n)
    )
    hold = tuple(int(rng.integers(0, 4)) for _ in range(n_stages))
    stage = int(rng.integers(0, n_stages))
    slow = tuple(max(change[p][q] + keep[p][q] for p in range(n_stages)) for q in range(n_stages))
    others = [p for p in range(n_stages) if p != stage]
    reds = tuple(
        twin.Red(last=int(rng.integers(-5, 2 * HORIZON)), choice=served_by[0], served_by=served_by)
        for served_by in [tuple(sorted(rng.choice(others, rng.integers(1, len(others) + 1), replace=False).tolist()))]
        * int(rng.integers(0, 3))
    )
    return twin.Junction(lanes, tuple(serve), change, keep, WEIGHTS, HORIZON, slow, reds), stage, queues, hold


class Planned(NamedTuple):
    """What the kernel found: changes as (second, stage), cost, and the first change and cost without the first."""

    changes: tuple[tuple[int, int], ...]
    cost: float
    other: int
    other_cost: float


def plan(
    junction: twin.Junction, stage: int, queues: tuple[twin.Queue, ...], hold: tuple[int, ...], beam: int
) -> Planned:
    """Run the kernel on one junction."""
    n, n_stages = len(junction.lanes), len(junction.serve)
    foes = [pair[2] for row in junction.serve for pair in row]
    layout = tables.Layout(
        queue_ptr=np.array([0, n], np.int32),
        stage_ptr=np.array([0, n_stages], np.int32),
        row_ptr=np.array([0, n_stages], np.int32),
        stage_row=np.arange(n_stages, dtype=np.int32),
        change_ptr=np.array([0, n_stages**2], np.int32),
        change=np.array(junction.change, np.int32).ravel(),
        keep=np.array(junction.keep, np.int32).ravel(),
        serve_ptr=np.array([0, n * n_stages], np.int32),
        foe_ptr=np.cumsum([0] + [len(f) for f in foes]).astype(np.int32),
        foe_queue=np.array([f for row in foes for f in row], np.int32),
        slow=np.array(junction.slow or (0,) * n_stages, np.int32),
        red_ptr=np.array([0, len(junction.reds)], np.int32),
        red_group=np.arange(len(junction.reds), dtype=np.int32),
        red_limit=np.zeros(len(junction.reds), np.int32),
        red_stage=np.array([red.choice for red in junction.reds], np.int32),
        red_serve_ptr=np.array([0, len(junction.reds) * n_stages], np.int32),
        red_serve=np.array([p in red.served_by for p in range(n_stages) for red in junction.reds], np.bool_),
    )
    table = [
        [q.left, q.wait, lane.rate, lane.room, lane.relief, q.age, lane.worth]
        for q, lane in zip(queues, junction.lanes, strict=True)
    ]
    outlook = tables.Outlook(
        np.array(table, np.float32),
        np.array([lane.arrivals for lane in junction.lanes], np.float32),
        np.array([pair[:2] for row in junction.serve for pair in row], np.float32),
        np.array([red.last for red in junction.reds], np.int32),
    )
    rows, starts, cost = np.zeros((1, 6), np.int32), np.zeros((1, 6), np.int32), np.zeros(1, np.float32)
    other, other_cost = np.zeros(1, np.int32), np.zeros(1, np.float32)
    kernel.plan_all(
        0,
        1,
        np.ones(1, np.bool_),
        np.array([stage], np.int32),
        np.array(hold, np.int32),
        layout,
        outlook,
        junction.weights,
        tables.make_nodes(junction.horizon, beam, n, n_stages, 6),
        rows,
        starts,
        cost,
        other,
        other_cost,
    )
    steps = [(int(s), int(r)) for s, r in zip(starts[0], rows[0], strict=True) if r >= 0]
    changes = tuple(step for step in steps if step != (0, stage))
    return Planned(changes, float(cost[0]), int(other[0]), float(other_cost[0]))


@given(junctions())
@settings(max_examples=60, deadline=None)
def test_plan_is_one_of_the_twins_and_costs_the_same(case: Case) -> None:
    junction, stage, queues, hold = case
    changes, cost, _, _ = plan(*case, beam=8)
    same = [s for s, node in twin.all_plans(junction, stage, queues, hold) if node.changes == changes]
    assert same, f"the twin knows no plan {changes}"
    assert min(abs(s - cost) for s in same) <= 1e-3 * max(1.0, cost)


@given(junctions())
@settings(max_examples=60, deadline=None)
def test_beam_is_close_to_the_best_of_all_plans(case: Case) -> None:
    junction, stage, queues, hold = case
    best = min(s for s, _ in twin.all_plans(junction, stage, queues, hold))
    cost = plan(*case, beam=8).cost
    assert best - 1e-3 * max(1.0, best) <= cost <= 1.1 * best + 1.0


@given(junctions())
@settings(max_examples=60, deadline=None)
def test_alternative_begins_otherwise_and_is_one_of_the_twins(case: Case) -> None:
    junction, stage, queues, hold = case
    found = plan(*case, beam=8)
    if not found.changes or found.changes[0][0] > 0:
        assert found.other == -1
        assert np.isnan(found.other_cost)
        return
    first = found.changes[0][1]
    others = [s for s, node in twin.all_plans(junction, stage, queues, hold) if node.changes[:1] != ((0, first),)]
    if found.other < 0:
        assert not others
        return
    assert found.other != first
    assert min(abs(s - found.other_cost) for s in others) <= 1e-3 * max(1.0, found.other_cost)
    assert found.other_cost >= min(others) - 1e-3 * max(1.0, min(others))


def test_longest_red_is_planned_with() -> None:
    """A red that nobody waits at is served in time, at the cheapest moment, as the guard would at the last."""
    busy = twin.Lane(0.5, 50.0, 0.0, (0.2,) * HORIZON)
    empty = twin.Lane(0.5, 50.0, 0.0, (0.0,) * HORIZON)
    serve = (((1.0, 0.0, ()), (0.0, 0.0, ())), ((0.0, 0.0, ()), (1.0, 0.0, ())))
    calm = twin.Junction((busy, empty), serve, ((0, 3), (3, 0)), ((0, 5), (5, 0)), WEIGHTS, HORIZON, (8, 8))
    queues = (twin.Queue(0, 0, 9), twin.Queue(0, 0, 0))
    assert plan(calm, 0, queues, (0, 0), beam=4).changes == ()
    pressed = replace(calm, reds=(twin.Red(last=7, choice=1, served_by=(1,)),))
    changes = plan(pressed, 0, queues, (0, 0), beam=4).changes
    assert changes
    assert changes[0][1] == 1
    assert changes[0][0] <= 7
    late = replace(calm, reds=(twin.Red(last=-3, choice=1, served_by=(1,)),))
    assert plan(late, 0, queues, (0, 0), beam=4).changes[0] == (0, 1)
    assert plan(late, 0, queues, (0, 3), beam=4).changes[0] == (3, 1)


def test_where_one_decision_alone_is_lawful_there_is_no_alternative() -> None:
    """Not even the one that the guard would be driven to without it."""
    busy = twin.Lane(0.5, 50.0, 0.0, (0.2,) * HORIZON)
    serve = (((1.0, 0.0, ()), (0.0, 0.0, ())), *[((0.0, 0.0, ()), (1.0, 0.0, ()))] * 2)
    change = tuple(tuple(0 if a == b else 3 for b in range(3)) for a in range(3))
    reds = (twin.Red(last=1, choice=1, served_by=(1, 2)),)
    junction = twin.Junction((busy, busy), serve, change, ((5,) * 3,) * 3, WEIGHTS, HORIZON, (8,) * 3, reds)
    found = plan(junction, 0, (twin.Queue(0, 0, 9), twin.Queue(2, 5, 0)), (0, 3, 0), beam=8)
    assert found.changes[0] == (0, 2)
    assert found.other == -1


def test_nobody_waits_then_nothing_changes() -> None:
    lanes = tuple(twin.Lane(0.5, 50.0, 0.0, (0.0,) * HORIZON) for _ in range(2))
    serve = (((1.0, 0.0, ()), (0.0, 0.0, ())), ((0.0, 0.0, ()), (1.0, 0.0, ())))
    junction = twin.Junction(lanes, serve, ((0, 3), (3, 0)), ((0, 5), (5, 0)), WEIGHTS, HORIZON)
    changes, cost, _, _ = plan(junction, 0, (twin.Queue(0, 0, 9), twin.Queue(0, 0, 0)), (0, 0), beam=4)
    assert changes == ()
    assert cost == 0.0


@pytest.mark.parametrize("waited", [0.0, 600.0])
def test_one_long_waiting_vehicle_outweighs_a_stream(waited: float) -> None:
    """Patience: a lone vehicle at red is served first once it has waited long enough."""
    stream = twin.Lane(0.5, 50.0, 0.0, (0.45,) * HORIZON)
    lone = twin.Lane(0.5, 50.0, 0.0, (0.0,) * HORIZON)
    serve = (((1.0, 0.0, ()), (0.0, 0.0, ())), ((0.0, 0.0, ()), (1.0, 0.0, ())))
    junction = twin.Junction((stream, lone), serve, ((0, 3), (3, 0)), ((0, 5), (5, 0)), WEIGHTS, HORIZON)
    changes, *_ = plan(junction, 0, (twin.Queue(6, 5, 9), twin.Queue(1, waited, 0)), (0, 0), beam=8)
    assert (changes[:1] == ((0, 1),)) == (waited > 0)
