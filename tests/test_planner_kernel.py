"""The search against its readable twin, which tries every history."""

from __future__ import annotations

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
    junction = twin.Junction(lanes, tuple(serve), change, keep, WEIGHTS, HORIZON)
    return junction, int(rng.integers(0, n_stages)), queues, hold


def plan(
    junction: twin.Junction, stage: int, queues: tuple[twin.Queue, ...], hold: tuple[int, ...], beam: int
) -> tuple[tuple[tuple[int, int], ...], float]:
    """Run the kernel on one junction; return (changes as (second, stage), cost)."""
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
    )
    table = [
        [q.left, q.wait, lane.rate, lane.room, lane.relief, q.age]
        for q, lane in zip(queues, junction.lanes, strict=True)
    ]
    outlook = tables.Outlook(
        np.array(table, np.float32),
        np.array([lane.arrivals for lane in junction.lanes], np.float32),
        np.array([pair[:2] for row in junction.serve for pair in row], np.float32),
    )
    rows, starts, cost = np.zeros((1, 6), np.int32), np.zeros((1, 6), np.int32), np.zeros(1, np.float32)
    kernel.plan_all(
        np.ones(1, np.bool_),
        np.array([stage], np.int32),
        np.array(hold, np.int32),
        layout,
        outlook,
        junction.weights,
        tables.make_nodes(junction.horizon, beam, n, n_stages),
        rows,
        starts,
        cost,
    )
    steps = [(int(s), int(r)) for s, r in zip(starts[0], rows[0], strict=True) if r >= 0]
    return tuple(step for step in steps if step != (0, stage)), float(cost[0])


@given(junctions())
@settings(max_examples=60, deadline=None)
def test_plan_is_one_of_the_twins_and_costs_the_same(case: Case) -> None:
    junction, stage, queues, hold = case
    changes, cost = plan(*case, beam=8)
    same = [s for s, node in twin.all_plans(junction, stage, queues, hold) if node.changes == changes]
    assert same, f"the twin knows no plan {changes}"
    assert min(abs(s - cost) for s in same) <= 1e-3 * max(1.0, cost)


@given(junctions())
@settings(max_examples=60, deadline=None)
def test_beam_is_close_to_the_best_of_all_plans(case: Case) -> None:
    junction, stage, queues, hold = case
    best = min(s for s, _ in twin.all_plans(junction, stage, queues, hold))
    _, cost = plan(*case, beam=8)
    assert best - 1e-3 * max(1.0, best) <= cost <= 1.1 * best + 1.0


def test_nobody_waits_then_nothing_changes() -> None:
    lanes = tuple(twin.Lane(0.5, 50.0, 0.0, (0.0,) * HORIZON) for _ in range(2))
    serve = (((1.0, 0.0, ()), (0.0, 0.0, ())), ((0.0, 0.0, ()), (1.0, 0.0, ())))
    junction = twin.Junction(lanes, serve, ((0, 3), (3, 0)), ((0, 5), (5, 0)), WEIGHTS, HORIZON)
    changes, cost = plan(junction, 0, (twin.Queue(0, 0, 9), twin.Queue(0, 0, 0)), (0, 0), beam=4)
    assert changes == ()
    assert cost == 0.0


@pytest.mark.parametrize("waited", [0.0, 600.0])
def test_one_long_waiting_vehicle_outweighs_a_stream(waited: float) -> None:
    """Patience: a lone vehicle at red is served first once it has waited long enough."""
    stream = twin.Lane(0.5, 50.0, 0.0, (0.45,) * HORIZON)
    lone = twin.Lane(0.5, 50.0, 0.0, (0.0,) * HORIZON)
    serve = (((1.0, 0.0, ()), (0.0, 0.0, ())), ((0.0, 0.0, ()), (1.0, 0.0, ())))
    junction = twin.Junction((stream, lone), serve, ((0, 3), (3, 0)), ((0, 5), (5, 0)), WEIGHTS, HORIZON)
    changes, _ = plan(junction, 0, (twin.Queue(6, 5, 9), twin.Queue(1, waited, 0)), (0, 0), beam=8)
    assert (changes[:1] == ((0, 1),)) == (waited > 0)
