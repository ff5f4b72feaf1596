"""The estimator's kernels that go over all lanes, against their slow twins, on a street with shared and mixed lanes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain import cells
from citybrain.network import Network, Turn, csr, derived_tables
from citybrain.observations import SensorKind, SensorTable
from citybrain.signals import GroupKind, Signals
from citybrain_kernels import assimilation, estimation, lanes
from citybrain_kernels.lanes import Belief, Layout
from tests.reference import estimation_lanes as slow
from tests.small_world import small_signals

FEW = settings(max_examples=40, deadline=None)
SEED = st.integers(0, 2**32 - 1)
NOW = 500.0
MOVES = ((0, 1, Turn.STRAIGHT), (0, 3, Turn.LEFT), (4, 2, Turn.RIGHT), (4, 5, Turn.STRAIGHT), (6, 0, Turn.STRAIGHT))
"""From lane, to lane, direction. Lanes 1 and 2 are one road; 6 leads into 0 without a signal."""


def street() -> Network:
    """A crossing whose left turn gives way to what comes from lane 4."""
    move_from, move_to = (np.array([move[side] for move in MOVES], np.int32) for side in (0, 1))
    owner = np.array([0, 0, 0, 0, -1], np.int32)
    nothing, yields = csr([[]] * 5), csr([[], [2, 3], [], [], []])
    return Network(
        lane_id=tuple("abcdefg"),
        edge_id=tuple("ABCDEF"),
        intersection_id=("x",),
        lane_edge=np.array([0, 1, 1, 2, 3, 4, 5], np.int32),
        lane_length=np.array([60.0, 90.0, 90.0, 40.0, 120.0, 70.0, 50.0]),
        lane_speed=np.array([10.0, 10.0, 10.0, 8.0, 14.0, 10.0, 10.0]),
        lane_general=np.ones(7, np.bool_),
        move_from=move_from,
        move_to=move_to,
        move_intersection=owner,
        move_lamp=np.array([0, 1, 2, 3, -1], np.int32),
        move_turn=np.array([move[2] for move in MOVES], np.int32),
        move_length=np.full(5, 10.0),
        move_foe_ptr=nothing[0],
        move_foe=nothing[1],
        move_yield_ptr=yields[0],
        move_yield=yields[1],
        lane_shape_ptr=np.zeros(8, np.int32),
        lane_shape=np.zeros((0, 2)),
        **derived_tables(7, move_from, move_to, owner, 1),
    )


def signals() -> Signals:
    """One group each for the movements of lane 0, one for both of lane 4."""
    return replace(
        small_signals(),
        group_ptr=np.array([0, 3], np.int32),
        group_kind=np.full(3, GroupKind.VEHICLE, np.uint8),
        group_move_ptr=np.array([0, 1, 2, 4], np.int32),
        group_move=np.arange(4, dtype=np.int32),
        group_crossing=np.zeros(3),
    )


def any_belief(rng: np.random.Generator) -> tuple[Layout, Belief]:
    """Random sensors and a random belief: half of the cells hold something, part of which stands."""
    layout = cells.make_layout(street(), signals())
    belief = cells.make_belief(street(), layout)
    n_c, n_l, n_m = len(belief.content), 7, 5
    layout.stop_loop[:], layout.sensed[:] = rng.random(n_l) < 0.5, rng.random(n_l) < 0.5
    layout.gate[:] = rng.integers(0, np.diff(layout.cell_ptr))
    layout.edge[:] = rng.integers(-1, np.diff(layout.cell_ptr) - 1)
    layout.mixing[1:3] = rng.choice([0.0, 0.6])
    belief.content[:] = np.where(rng.random(n_c) < 0.5, rng.random(n_c) * 2, 0)
    belief.standing[:] = belief.content * rng.integers(0, 2, n_c)
    belief.open[:] = rng.choice([0.0, 0.3, 1.0], n_m)
    belief.flux[:] = rng.random(n_m)
    belief.credit[:], belief.outflow[:] = rng.random(n_l), rng.random(n_l)
    belief.demand[:], belief.use[:] = rng.choice([-1.0, 0.05, 0.2], n_l), rng.random(n_l) * 0.3
    belief.part[1:3] = [0.3, 0.7]
    belief.crossings[:], belief.departures[:] = rng.integers(0, 2, n_l), rng.integers(-1, 3, n_l)
    for lane in range(n_l):
        # In any order: some lanes are green, others red.
        belief.green_from[lane], belief.green_to[lane] = NOW - rng.permutation([40.0, 15.0])
    for times in (belief.head_seen, belief.last_departure):
        times[:] = NOW - rng.choice([0.0, 0.5, 3.0, 12.0], n_l)
    for ages in (belief.gate_free, belief.head_free, belief.covered):
        ages[:] = rng.choice([-1.0, 2.0, 5.0, 20.0], n_l)
    belief.over[:], belief.beyond_gap[:] = rng.choice([0.0, 8.0], n_l), rng.choice([0.0, 4.0], n_l)
    belief.passed[:], belief.unsure[:] = rng.integers(0, 9, n_l), rng.integers(0, 90, n_l)
    return layout, belief


def copied(belief: Belief) -> Belief:
    """The belief as it is now."""
    return Belief(*(values.copy() for values in belief))


@FEW
@given(SEED)
def test_reading_of_lamps_matches_its_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layout, belief = any_belief(rng)
    aspect, since = rng.integers(0, 4, 3).astype(np.uint8), NOW - rng.choice([1.0, 3.0, 30.0], 3)
    heads = belief.content[layout.cell_ptr[:-1]].tolist()
    was = copied(belief)
    lanes.read_lamps(NOW, layout, aspect, since, belief)
    expected = slow.opened(NOW, layout, aspect.tolist(), since.tolist(), heads)
    assert belief.open.tolist() == expected
    for lane in range(7):
        assert belief.green_age[lane] == slow.green_age(NOW, layout, lane, aspect.tolist(), since.tolist())
        goes = any(expected[m] > 0 for m in slow.moves_of(layout, lane))
        was_green = was.green_from[lane] > was.green_to[lane]
        assert (belief.green_from[lane] != was.green_from[lane]) == (goes and not was_green)
        assert belief.green_to[lane] == (NOW if was_green and not goes else was.green_to[lane])


@FEW
@given(SEED)
def test_release_matches_its_twin(seed: int) -> None:
    layout, belief = any_belief(np.random.default_rng(seed))
    was = copied(belief)
    lanes.release(NOW, layout, belief)
    for lane in range(7):
        moves = slow.moves_of(layout, lane)
        if layout.stop_loop[lane]:
            assert belief.outflow[lane] == max(0.0, was.departures[lane])
            given_back = belief.content[layout.cell_ptr[lane]] - was.content[layout.cell_ptr[lane]]
            assert given_back == pytest.approx(max(0.0, -was.departures[lane]))
        else:
            out, credit = slow.released(NOW, layout, was, lane)
            assert belief.outflow[lane] == pytest.approx(out)
            assert belief.credit[lane] == pytest.approx(credit)
        assert belief.last_departure[lane] == (NOW if belief.outflow[lane] > 0.3 else was.last_departure[lane])
        if moves:
            assert sum(belief.flux[m] for m in moves) == pytest.approx(belief.outflow[lane])
        shut = [m for m in moves if belief.open[m] == 0]
        assert len(shut) == len(moves) or not any(belief.flux[m] for m in shut)


@FEW
@given(SEED)
def test_entering_matches_its_twin(seed: int) -> None:
    layout, belief = any_belief(np.random.default_rng(seed))
    expected = slow.entered(layout, belief)
    lanes.enter(layout, belief)
    assert np.allclose(belief.inflow, expected)


@FEW
@given(SEED)
def test_making_room_matches_its_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layout, belief = any_belief(rng)
    belief.content[:] *= rng.choice([1.0, 4.0])
    expected = slow.roomy(layout, belief)
    before = belief.content.sum()
    lanes.make_room(layout, belief)
    assert np.allclose(belief.content, expected)
    assert belief.content.sum() <= before + 1e-9


@FEW
@given(SEED)
def test_watching_of_tails_matches_its_twin(seed: int) -> None:
    layout, belief = any_belief(np.random.default_rng(seed))
    expected = [slow.tail(NOW, layout, belief, lane) for lane in range(7)]
    lanes.watch_tails(NOW, layout, belief)
    for lane, (over, gap, content) in enumerate(expected):
        assert (belief.over[lane], belief.beyond_gap[lane]) == (over, gap)
        assert np.allclose(belief.content[list(slow.cells_of(layout, lane))], content)


@FEW
@given(SEED)
def test_learning_of_demand_matches_its_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layout, belief = any_belief(rng)
    belief.stream[:] = rng.random(5) * 0.3
    belief.missed[:], belief.spoken[:] = rng.choice([np.inf, 2.0], 7), 0.1
    was, seconds = copied(belief), float(rng.choice([0.0, 60.0, 4000.0]))
    lanes.learn_demand(NOW, seconds, layout, belief)
    use, demand, since, stream = slow.long_run(layout, was, seconds)
    assert np.allclose(belief.use, use)
    assert np.allclose(belief.stream, stream)
    for lane, (passed, span) in since.items():
        assert (belief.passed[lane], belief.unsure[lane]) == pytest.approx((passed, span))
        assert belief.demand[lane] == pytest.approx(demand[lane])
    asked, sent = {}, {}
    for road in slow.roads_of(layout):
        told = []
        for lane in road:
            told.append(demand[lane] if layout.sensed[lane] else float(was.demand[lane]))
            counted = was.crossings[lane] or was.departures[lane]
            assert belief.missed[lane] == (0.0 if counted else was.missed[lane] + 0.1)
        if any(flow >= 0 for flow in told):
            asked[road[0]] = sum(flow for flow in told if flow >= 0)
        sent[road[0]] = sum(stream[m] + 1e-4 for lane in road for m in slow.feeds_of(layout, lane))
    for lane in range(7):
        moves = slow.moves_of(layout, lane)
        expected = slow.learned_shares(layout, was, lane, asked, sent)
        assert np.allclose([belief.share[m] for m in moves], expected)


def test_what_passes_while_a_queue_is_hidden_is_not_taken_for_what_comes() -> None:
    layout, belief = any_belief(np.random.default_rng(1))
    layout.sensed[:], layout.gate[:], layout.edge[:] = True, 1, 3
    belief.use[:], belief.unsure[:], belief.passed[:], belief.missed[:] = 0.3, 0.0, 0.0, 0.0

    def pass_by(seconds: int, flow: float, over: float) -> None:
        for _ in range(seconds):
            belief.crossings[:], belief.over[:] = flow, over
            lanes.learn_demand(NOW, 4000.0, layout, belief)

    pass_by(400, 0.1, over=10.0)
    assert belief.demand == pytest.approx(np.full(7, 0.3))
    pass_by(200, 0.7, over=10.0)
    pass_by(1, 0.3, over=0.0)
    assert belief.use == pytest.approx(np.full(7, 0.3), abs=0.01)
    assert belief.demand == pytest.approx(belief.use)


@FEW
@given(SEED)
def test_sums_of_lanes_match_their_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layout, belief = any_belief(rng)
    belief.missed[:] = rng.choice([np.inf, 0.5, 4.0], 7)
    evidence, sureness = NOW - rng.choice([0.0, 20.0, 400.0], 7), rng.uniform(0.1, 0.95, 7)
    out = np.zeros((9, 7), np.float32)
    estimation.sum_lanes(NOW, layout, belief, evidence, sureness, np.zeros(7), *out)
    for lane in range(7):
        expected = slow.totals(layout, belief, lane)
        names = ("vehicles", "queue", "back", "room", "occupancy", "reach")
        found = dict(zip(names, out[[0, 1, 2, 3, 5, 8], lane].tolist(), strict=True))
        assert found == pytest.approx(expected, rel=1e-5)
        loop = bool(layout.stop_loop[lane] or layout.gate[lane])
        believed = slow.sure(NOW - evidence[lane], belief.missed[lane], sureness[lane], loop=loop)
        assert out[6, lane] == pytest.approx(believed, rel=1e-5)
        assert out[4, lane] == pytest.approx(belief.outflow[lane] / estimation.FLOW_MEMORY, rel=1e-5)
        assert out[7, lane] == NOW - evidence[lane]


@FEW
@given(SEED)
def test_watching_of_heads_matches_its_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layout, belief = any_belief(rng)
    stop, aspect = street().approach_lane, rng.integers(0, 4, 3).astype(np.uint8)
    queue, wait = rng.choice([0.2, 3.0], 7).astype(np.float32), rng.choice([0.0, 9.0], len(stop))
    expected = [
        slow.head(NOW, layout, belief, lane, aspect.tolist(), float(queue[lane]), float(wait[a]))
        for a, lane in enumerate(stop.tolist())
    ]
    out_wait, discharge = np.zeros((2, len(stop)), np.float32)
    blocked = np.zeros(len(stop), np.bool_)
    estimation.watch_heads(NOW, layout, aspect, stop, belief, queue, wait, out_wait, blocked, discharge)
    assert list(zip(out_wait.tolist(), blocked.tolist(), strict=True)) == expected
    assert np.allclose(discharge, belief.headway[stop])


@FEW
@given(SEED)
def test_frames_match_their_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    layout, belief = any_belief(rng)
    cover_ptr, cover_lane = csr([[0], [4]])
    table = SensorTable(
        sensor_id=("one", "two"),
        kind=np.full(2, SensorKind.CAMERA, np.uint8),
        lane=np.full(2, -1, np.int32),
        distance=np.array([50.0, 80.0]),
        cover_ptr=cover_ptr,
        cover_lane=cover_lane,
        cover_offset=np.zeros(2),
    )
    cameras = cells.make_cameras(street(), table, layout)
    frames = sorted((x, NOW - t) for x, t in ((0, 0.4), (0, 1.4), (1, float(rng.choice([0.5, 9.0])))))
    objects: list[tuple[int, float, float, float, float]] = []
    for x, time in frames:
        for _ in range(rng.integers(0, 5)):
            row = np.array([rng.uniform(-20, 90), rng.random() * 6, rng.uniform(0.3, 1)], np.float32)
            objects += [(x, time, float(row[0]), float(row[1]), float(row[2]))] * int(rng.integers(1, 3))
    objects.sort()
    expected = {}
    for x, lane in enumerate((0, 4)):
        newest = max(time for sensor, time in frames if sensor == x)
        mine = [(time, far, fast, clear) for sensor, time, far, fast, clear in objects if (sensor, time) == (x, newest)]
        fresh = newest >= NOW - assimilation.OLDEST_FRAME
        all_cells = belief.content[layout.cell_ptr[lane] : layout.cell_ptr[lane + 1]].tolist()
        sight = int(cameras.cover_cells[x])
        expected[lane] = slow.framed(NOW, layout, belief, lane, sight, mine) if fresh else all_cells
    column = np.array(objects, np.float64).reshape(-1, 5)
    sensor = column[:, 0].astype(np.int32)
    evidence = np.full(7, -np.inf)
    assimilation.take_frames(
        NOW,
        layout,
        np.array([x for x, _ in frames], np.int32),
        np.array([time for _, time in frames]),
        sensor,
        column[:, 1].copy(),
        np.array([0, 4], np.int32)[sensor],
        column[:, 2].astype(np.float32),
        column[:, 3].astype(np.float32),
        column[:, 4].astype(np.float32),
        cameras,
        belief,
        evidence,
    )
    for lane, content in expected.items():
        assert np.allclose(belief.content[layout.cell_ptr[lane] : layout.cell_ptr[lane + 1]], content)
        newest = max(time for x, time in frames if (0, 4)[x] == lane)
        fresh = newest >= NOW - assimilation.OLDEST_FRAME
        assert evidence[lane] == (newest if fresh else -np.inf)
        inside = np.zeros(1, np.float32)
        assimilation.tell_inside(NOW, np.array([lane], np.int32), cameras, inside)
        frame = {row[2:] for row in objects if (0, 4)[row[0]] == lane and row[1] == newest}
        near = [(fast, clear) for far, fast, clear in frame if -assimilation.FIRST_PART <= far < 0]
        standing = [c for v, c in near if v < assimilation.STANDING_SPEED and c >= assimilation.DOUBTFUL]
        assert inside[0] == (len(standing) if fresh else 0)
        assimilation.tell_inside(NOW + 2 * assimilation.OLDEST_FRAME, np.array([lane], np.int32), cameras, inside)
        assert inside[0] == 0
