"""Exit loops and interval counts in the estimator: what they must change, and what stays in doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain import cells
from citybrain.counters import make_counters, trust_counters
from citybrain.decisions import LampState
from citybrain.estimation import LaneEstimator
from citybrain.network import csr
from citybrain.observations import ObservationBatch, SensorKind, SensorTable
from citybrain.signals import Aspect
from citybrain.state import TrafficState
from citybrain_kernels import counts as kernel
from tests.reference.counts import Counter, Lane
from tests.small_world import nothing_at, small_network, small_signals

STOP, EXIT = SensorKind.STOP_LOOP, SensorKind.EXIT_LOOP
COUNT, CAMERA_COUNT = SensorKind.COUNT_LOOP, SensorKind.CAMERA_COUNT
WEST, EAST = 0, 1
NAN = float("nan")


def table(*sensors: tuple[SensorKind, int, float]) -> SensorTable:
    """Sensors by kind, lane and distance."""
    by_camera = [kind == CAMERA_COUNT for kind, _, _ in sensors]
    cover_ptr, cover_lane = csr(
        [[lane] if camera else [] for camera, (_, lane, _) in zip(by_camera, sensors, strict=True)]
    )
    return SensorTable(
        sensor_id=tuple(f"{kind.name} {x}" for x, (kind, _, _) in enumerate(sensors)),
        kind=np.array([kind for kind, _, _ in sensors], np.uint8),
        lane=np.array([-1 if kind == CAMERA_COUNT else lane for kind, lane, _ in sensors], np.int32),
        distance=np.array([distance for _, _, distance in sensors]),
        cover_ptr=cover_ptr,
        cover_lane=cover_lane,
        cover_offset=np.zeros(len(cover_lane)),
    )


def counted(batch: ObservationBatch, *rows: tuple[int, int, float, float, float, float, float]) -> ObservationBatch:
    """Add rows of sensor, lane, begin, end, vehicles, occupancy, queue."""
    names = ("sensor", "lane", "begin", "end", "vehicles", "occupancy", "queue")
    columns: dict[str, Any] = {
        f"count_{name}": np.array([row[n] for row in rows], getattr(batch, f"count_{name}").dtype)
        for n, name in enumerate(names)
    }
    return replace(batch, **columns)


class Street:
    """The small world, second by second; the west approach is lane 0, its signal red to begin with."""

    def __init__(self, *sensors: tuple[SensorKind, int, float]) -> None:
        self.estimator = LaneEstimator(small_network(), small_signals(), table(*sensors))
        self.time = 0
        self.aspect, self.since = Aspect.RED, -100
        self.state = self.tick()

    def show(self, aspect: Aspect) -> None:
        self.aspect, self.since = aspect, self.time

    def tick(
        self, *rows: tuple[int, int, float, float, float, float, float], loops: tuple[tuple[int, bool], ...] = ()
    ) -> TrafficState:
        """Loop events of the last half second, and counts."""
        batch = counted(nothing_at(10 * self.time), *rows)
        batch = replace(
            batch,
            loop_sensor=np.array([x for x, _ in loops], np.int32),
            loop_time=np.array([self.time - 0.6 + 0.1 * n for n in range(len(loops))]),
            loop_on=np.array([on for _, on in loops], np.bool_),
        )
        aspect = np.array([self.aspect, Aspect.RED], np.uint8)
        since = np.array([10 * self.since, -1000], np.int64)
        one = np.zeros(1, np.int32)
        lamps = LampState(10 * self.time, one, np.zeros(1, np.bool_), np.zeros(1, np.int64), aspect, since)
        self.state = self.estimator.update(batch, lamps)
        self.time += 1
        return self.state

    def ticks(self, n: int) -> TrafficState:
        for _ in range(n):
            self.tick()
        return self.state

    def interval(self, vehicles: float, *, sensor: int = 0, lane: int = -1, queue: float = NAN) -> TrafficState:
        """A minute without news, then the count of it."""
        self.ticks(60)
        return self.tick((sensor, lane, self.time - 60.5, self.time - 0.5, vehicles, NAN, queue))


def test_exit_loop_tells_arrivals_on_the_lane_behind_the_intersection() -> None:
    street = Street((EXIT, EAST, 95.0))
    street.ticks(20)
    before = street.state.vehicles[EAST]
    after = street.tick(loops=((0, True), (0, False)))
    assert after.vehicles[EAST] - before == pytest.approx(1, abs=0.2)
    assert after.confidence[EAST] > 0.4
    assert street.ticks(12).vehicles[EAST] == pytest.approx(before, abs=0.3), "it drives off the end of the world"


def test_advance_loop_goes_before_an_exit_loop_of_the_same_lane() -> None:
    estimator = LaneEstimator(
        small_network(), small_signals(), table((EXIT, WEST, 95.0), (SensorKind.ADVANCE_LOOP, WEST, 60.0))
    )
    assert estimator._memory.loops.lane.tolist() == [-1, WEST]


@pytest.mark.parametrize("kind", [COUNT, CAMERA_COUNT])
def test_counts_teach_the_flow_of_a_lane(kind: SensorKind) -> None:
    street = Street((kind, WEST, 60.0))
    street.show(Aspect.PROTECTED)
    lane = -1 if kind == COUNT else WEST
    for _ in range(6):
        street.interval(12, lane=lane)
    assert street.estimator._memory.belief.demand[WEST] == pytest.approx(0.2, abs=0.01)
    assert street.ticks(30).flow[WEST] == pytest.approx(0.2, abs=0.03)
    assert street.state.arrivals[0].sum() == pytest.approx(12, abs=2)


def test_vehicles_counted_upstream_of_a_red_light_are_there() -> None:
    few, many = Street((COUNT, WEST, 60.0)), Street((COUNT, WEST, 60.0))
    assert few.interval(0).queue[WEST] < 1
    told = many.interval(6)
    assert told.vehicles[WEST] - few.state.vehicles[WEST] == pytest.approx(6, abs=1.5)
    assert many.ticks(3).queue[WEST] > 4


def test_queue_that_a_camera_tells_is_believed() -> None:
    street = Street((CAMERA_COUNT, WEST, 80.0))
    assert street.interval(0, lane=WEST, queue=6).queue[WEST] == pytest.approx(6, abs=1)
    assert street.interval(0, lane=WEST, queue=1).queue[WEST] == pytest.approx(1, abs=1)


def test_queue_that_stands_over_the_detector_is_not_mistaken_for_an_empty_lane() -> None:
    street = Street((COUNT, WEST, 60.0))
    for _ in range(3):
        street.interval(8)
    street.show(Aspect.PROTECTED)
    street.ticks(60)
    street.show(Aspect.RED)
    flow = street.estimator._memory.belief.use[WEST]
    for _ in range(4):
        street.ticks(60)
        street.tick((0, -1, street.time - 60.5, street.time - 0.5, 0.0, 1.0, NAN))
    assert street.state.queue[WEST] >= 6, "60 m of standing vehicles"
    assert street.estimator._memory.belief.use[WEST] >= 0.95 * flow
    assert street.estimator._memory.belief.demand[WEST] > 1.3 * flow, "what waits behind is not seen"


def test_long_red_does_not_teach_a_camera_that_nobody_comes() -> None:
    street = Street((CAMERA_COUNT, WEST, 80.0))
    for minute in range(5):
        street.interval(0, lane=WEST, queue=2.0 * (minute + 1))
    assert street.estimator._memory.belief.use[WEST] == pytest.approx(2 / 60, abs=0.01)


def test_counts_leave_more_doubt_than_loops_and_lanes_with_nothing_are_marked() -> None:
    counts, camera, loops = Street((COUNT, WEST, 60.0)), Street((CAMERA_COUNT, WEST, 60.0)), Street((STOP, WEST, 2.0))
    by_count, by_camera = counts.interval(5), camera.interval(5, lane=WEST, queue=0)
    by_loop = loops.tick(loops=((0, True), (0, False)))
    assert 0.2 < by_count.confidence[WEST] < by_camera.confidence[WEST] < by_loop.confidence[WEST]
    assert by_count.age[WEST] < 1
    assert by_count.confidence[2] == pytest.approx(0.1), "nothing sees the north approach"
    assert by_count.age[2] > 100
    assert counts.ticks(200).confidence[WEST] == pytest.approx(0.1, abs=0.01)


def test_lane_with_nothing_is_inferred_from_its_neighbour_downstream() -> None:
    street = Street((COUNT, EAST, 60.0))
    street.show(Aspect.PROTECTED)
    for _ in range(8):
        street.interval(12)
    assert street.state.flow[WEST] == pytest.approx(0.2, abs=0.05)
    assert street.state.confidence[WEST] == pytest.approx(0.1)


def test_counts_that_come_twice_or_overlap_or_are_impossible_change_nothing() -> None:
    street, other = Street((COUNT, WEST, 60.0)), Street((COUNT, WEST, 60.0))
    for one in (street, other):
        one.interval(6)
    row = (0, -1, street.time - 61.5, street.time - 1.5, 6.0, NAN, NAN)
    bad = [
        (0, -1, 0.0, 59.0, -3.0, NAN, NAN),
        (0, -1, 0.0, 59.0, NAN, NAN, NAN),
        (0, -1, 0.0, 59.0, 1e9, NAN, NAN),
        (0, -1, 0.0, 1.0, 0.0, NAN, NAN),
        (0, -1, 1e6, 1e6 + 60, 3.0, NAN, NAN),
        (0, 2, -1e6, -1e6 + 60, 3.0, NAN, NAN),
        (0, -1, NAN, NAN, 3.0, NAN, NAN),
        (0, -1, 30.0, 60.0, 9.0, NAN, NAN),
    ]
    told, same = street.tick(row, *bad), other.tick()
    for name, value in vars(told).items():
        np.testing.assert_array_equal(value, getattr(same, name))


def test_counter_is_heeded_only_where_nothing_sees_at_once_and_while_it_is_trusted() -> None:
    sensors = table((COUNT, WEST, 60.0), (STOP, WEST, 2.0), (CAMERA_COUNT, 2, 80.0))
    estimator = LaneEstimator(small_network(), small_signals(), sensors)
    counters = estimator._memory.counters
    assert counters.lane.tolist() == [-1, 2]
    layout = estimator._street.layout
    trust_counters(sensors, np.array([1.0, 0.0, 0.0]), np.zeros(4, np.bool_), counters)
    assert counters.lane.tolist() == [WEST, -1]
    assert make_counters(sensors, layout).boundary.tolist() == [5, 0]


intervals = st.lists(
    st.tuples(st.integers(15, 50), st.floats(-1, 6), st.floats(0, 25), st.sampled_from([NAN, 0.1, 0.9]), st.booleans()),
    min_size=1,
    max_size=3,
)


def arrivals(
    told: list[tuple[int, float, float, float, bool]], rng: np.random.Generator, kind: SensorKind
) -> dict[int, list[float]]:
    """Counts (begin, end, vehicles, occupancy, queue) by the second in which they arrive."""
    due: dict[int, list[float]] = {}
    last = 0.0
    for span, late, vehicles, occupancy, queued in told:
        begin, last = last, last + span
        queue = rng.uniform(0, 12) if queued and kind == CAMERA_COUNT else NAN
        numbers = (float(np.float32(number)) for number in (vehicles, occupancy, queue))
        due[int(last + max(late, 0)) + 1] = [begin, last, *numbers]
    return due


@pytest.mark.parametrize(("kind", "distance"), [(COUNT, 60.0), (COUNT, 2.0), (CAMERA_COUNT, 80.0)])
@given(seed=st.integers(0, 2**32 - 1), told=intervals)
@settings(max_examples=12, deadline=None)
def test_kernel_agrees_with_its_twin(
    kind: SensorKind, distance: float, seed: int, told: list[tuple[int, float, float, float, bool]]
) -> None:
    rng = np.random.default_rng(seed)
    sensors, network = table((kind, WEST, distance)), small_network()
    layout = cells.make_layout(network, small_signals())
    counters, belief = make_counters(sensors, layout), cells.make_belief(network, layout)
    trust_counters(sensors, np.ones(1), np.zeros(4, np.bool_), counters)
    n, evidence = int(layout.cell_ptr[1]) - 1, np.full(4, -np.inf)
    belief.green_from[WEST], belief.green_to[WEST] = rng.permutation([40.0, 70.0])
    lane = Lane([0.0] * n, [0.0] * n, layout.storage[WEST], 2.0, belief.green_from[WEST], belief.green_to[WEST])
    lane.use, belief.headway[WEST] = float(belief.use[WEST]), 2.0
    twin = Counter(lane, int(counters.boundary[0]), float(counters.reach[0]))
    due = arrivals(told, rng, kind)
    for now in range(1, max(due) + 10):
        lane.content = (rng.uniform(0, 1.3, n) * (rng.random() < 0.9)).tolist()
        lane.standing = [c * (rng.random() < 0.5) for c in lane.content]
        belief.content[:n], belief.standing[:n] = lane.content, lane.standing
        belief.outflow[WEST] = rng.random()
        kernel.watch_counters(float(now), 1, layout, counters, belief)
        twin.watch(now, float(belief.outflow[WEST]))
        rows = [due[now]] if now in due else []
        for row in rows:
            twin.take(now, *row)
        begin, end = np.array([row[:2] for row in rows]).reshape(-1, 2).T.copy()
        vehicles, occupancy, queue = np.array([row[2:] for row in rows], np.float32).reshape(-1, 3).T.copy()
        none = np.zeros(len(rows), np.int32)
        kernel.take_counts(
            float(now), layout, none, none, begin, end, vehicles, occupancy, queue, counters, belief, evidence
        )
        twin.close()
        np.testing.assert_allclose(belief.content[:n], lane.content, atol=1e-9)
        np.testing.assert_allclose(belief.standing[:n], lane.standing, atol=1e-9)
        assert belief.use[WEST] == pytest.approx(lane.use)
        assert (belief.over[WEST], evidence[WEST]) == (lane.over, lane.evidence)
