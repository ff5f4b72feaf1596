"""Streaming equals batch: beliefs do not depend on how rows were cut, ordered, repeated, nor counts on lateness.

What is equal, and until how late a row may come, is said in docs/sensors.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain import cells
from citybrain.decisions import LampState
from citybrain.estimation import LaneEstimator
from citybrain.intake.judge import Limits, merge, read_json
from citybrain.intake.posted import Header
from citybrain.intake.write import post_of, write_json
from citybrain.observations import ObservationBatch, SensorKind, SensorTable
from citybrain.signals import Aspect
from citybrain.state import TrafficState
from citybrain_kernels import assimilation
from tests.intake_posts import counting_sensors, small_judge
from tests.small_world import nothing_at, random_batch, small_network, small_signals

WEST = 0
KINDS = ("loop", "frame", "object", "count", "turn")
SECONDS = 30
FEW = settings(max_examples=10, deadline=None)


def lamps(time: int) -> LampState:
    """Green for the west from 20 s on."""
    aspect = np.array([Aspect.PROTECTED if time >= 200 else Aspect.RED, Aspect.RED], np.uint8)
    one = np.zeros(1, np.int32)
    return LampState(time, one, np.zeros(1, np.bool_), np.zeros(1, np.int64), aspect, np.array([200, -100], np.int64))


def stream(rng: np.random.Generator) -> list[ObservationBatch]:
    """A tick per second with rows of all kinds; times in milliseconds, as they are posted."""
    batches = []
    for time in range(0, 10 * SECONDS, 10):
        drawn = random_batch(time, rng)
        rounded = {name: np.round(getattr(drawn, name), 3) for name in ("loop_time", "frame_time", "object_time")}
        lanes = np.full(len(drawn.object_lane), 2, np.int32)
        counts = counted(time, rng) if time % 200 == 100 else {}
        batches.append(replace(drawn, object_lane=lanes, **rounded, **counts))
    return batches


def counted(time: int, rng: np.random.Generator) -> dict[str, Any]:
    end = np.full(2, time / 10 - 1.5)
    return {
        "count_sensor": np.array([2, 3], np.int32),
        "count_lane": np.array([-1, 2], np.int32),
        "count_begin": end - 20,
        "count_end": end,
        "count_vehicles": rng.integers(0, 9, 2).astype(np.float32),
        "count_occupancy": np.array([0.2, np.nan], np.float32),
        "count_queue": np.array([np.nan, 2.0], np.float32),
        "turn_sensor": np.array([1, 3], np.int32),
        "turn_lane": np.array([2, 2], np.int32),
        "turn_to": np.array([3, 3], np.int32),
        "turn_begin": end - 20,
        "turn_end": end,
        "turn_vehicles": rng.integers(0, 9, 2).astype(np.float32),
    }


def run(batches: list[ObservationBatch]) -> list[TrafficState]:
    estimator = LaneEstimator(small_network(), small_signals(), counting_sensors())
    return [estimator.update(batch, lamps(batch.time)) for batch in batches]


def assert_same(some: list[TrafficState], others: list[TrafficState]) -> None:
    for one, other in zip(some, others, strict=True):
        for name, value in vars(one).items():
            np.testing.assert_array_equal(value, getattr(other, name), err_msg=f"{name} at {one.time}")


def rows_of(batch: ObservationBatch, chosen: dict[str, Any]) -> ObservationBatch:
    """Take rows out of a batch, by kind."""
    changes: dict[str, Any] = {
        name: values[chosen[name.partition("_")[0]]] for name, values in vars(batch).items() if name != "time"
    }
    return replace(batch, **changes)


def number_of_rows(batch: ObservationBatch, kind: str) -> int:
    return len(getattr(batch, f"{kind}_sensor"))


@given(seed=st.integers(0, 2**32 - 1))
@FEW
def test_rows_in_any_order_and_repeated_give_the_same_states(seed: int) -> None:
    rng = np.random.default_rng(seed)
    batches = stream(rng)
    other = []
    for batch in batches:
        chosen = {}
        for kind in KINDS:
            n = number_of_rows(batch, kind)
            again = rng.integers(0, n, rng.integers(0, 3)) if n else np.zeros(0, np.int64)
            chosen[kind] = rng.permutation(np.concatenate((np.arange(n), again)).astype(np.int64))
        other.append(rows_of(batch, chosen))
    assert_same(run(batches), run(other))


@given(seed=st.integers(0, 2**32 - 1), parts=st.integers(1, 5))
@FEW
def test_posts_cut_in_any_way_give_the_same_states(seed: int, parts: int) -> None:
    rng = np.random.default_rng(seed)
    batches = stream(rng)
    streamed = []
    for batch in batches:
        part = {kind: rng.integers(0, parts, number_of_rows(batch, kind)) for kind in KINDS}
        posts = [rows_of(batch, {kind: part[kind] == p for kind in KINDS}) for p in range(parts)]
        judged = []
        for p, post in enumerate(posts):
            body = write_json(post_of(Header(f"b{p}", "test", None), post, counting_sensors(), small_network()))
            judged.append(small_judge()(read_json(body, Limits()), batch.time))
        streamed.append(merge(judged, batch.time))
    assert_same(run(batches), run(streamed))


def pulses(n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Edges of vehicles that cross a loop three seconds apart, and how late each is [s]."""
    starts = 30.0 + 3.0 * np.arange(n) + rng.random(n)
    times = np.round(np.column_stack((starts, starts + 0.6)).ravel(), 3)
    return times, rng.uniform(0.0, assimilation.OLDEST - 1.5, 2 * n)


@pytest.mark.parametrize("kind", [SensorKind.STOP_LOOP, SensorKind.ADVANCE_LOOP, SensorKind.EXIT_LOOP])
@given(seed=st.integers(0, 2**32 - 1), vehicles=st.integers(1, 5))
@FEW
def test_loop_events_that_come_late_are_counted_as_if_they_had_not(kind: SensorKind, seed: int, vehicles: int) -> None:
    rng = np.random.default_rng(seed)
    times, late = pulses(vehicles, rng)
    on = np.tile([True, False], vehicles)

    def count(arrival: Any) -> tuple[float, float]:
        network = small_network()
        loops, belief = cells.make_loops(one_loop(kind)), cells.make_belief(network, LAYOUT)
        loops.lane[0], evidence = WEST, np.zeros(4)
        belief.green_from[WEST], belief.green_to[WEST] = 20.0, 10.0
        for now in range(25, 80):
            here = np.flatnonzero((arrival > now - 1) & (arrival <= now))
            here = here[np.lexsort((on[here], times[here]))]
            sensor = np.zeros(len(here), np.int32)
            assimilation.take_pulses(float(now), sensor, times[here], on[here], loops, belief, evidence)
        return float(belief.departures[WEST]), float(belief.crossings[WEST])

    assert count(times + late) == count(times) == ((vehicles, 0) if kind == SensorKind.STOP_LOOP else (0, vehicles))


LAYOUT = cells.make_layout(small_network(), small_signals())


def one_loop(kind: SensorKind) -> SensorTable:
    return SensorTable(
        sensor_id=("loop",),
        kind=np.array([kind], np.uint8),
        lane=np.array([WEST], np.int32),
        distance=np.array([2.0 if kind == SensorKind.STOP_LOOP else 60.0]),
        cover_ptr=np.zeros(2, np.int32),
        cover_lane=np.zeros(0, np.int32),
        cover_offset=np.zeros(0),
    )


@given(late=st.lists(st.integers(0, 110), min_size=3, max_size=3))
@settings(max_examples=4, deadline=None)
def test_counts_that_come_late_in_order_teach_the_same_flow(late: list[int]) -> None:
    def learn(lateness: list[int]) -> float:
        estimator = LaneEstimator(small_network(), small_signals(), counting_sensors())
        due: dict[int, list[int]] = {}
        for n, seconds in enumerate(lateness):
            due.setdefault(max(60 * (n + 1) + seconds, *due, 0), []).append(n)
        for now in range(320):
            batch = nothing_at(10 * now)
            for n in due.get(now, []):
                rows = counted(10 * now, np.random.default_rng(n))
                rows["count_begin"], rows["count_end"] = np.full(2, 60.0 * n), np.full(2, 60.0 * n + 60)
                joined: dict[str, Any] = {
                    name: np.concatenate((getattr(batch, name), values)) for name, values in rows.items()
                }
                batch = replace(batch, **joined)
            estimator.update(batch, lamps(10 * now))
        return float(estimator._memory.counters.rate[0])

    assert learn(late) == pytest.approx(learn([0, 0, 0]), rel=1e-12)
