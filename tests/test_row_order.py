"""Order of rows: as numpy sorts them, the same whatever the delivery, and nothing done where they are in order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from citybrain.observations import ObservationBatch
from citybrain.randomness import generator
from citybrain.row_order import in_order, sorted_rows
from citybrain_kernels import row_order as kernel
from tests.reference import row_order as slow
from tests.small_world import random_batch

NAN, INF = float("nan"), float("inf")
ROWS = st.lists(
    st.tuples(st.integers(-1, 3), st.sampled_from((0.0, 1.0, NAN, INF)), st.sampled_from((-INF, -2.5, 2.0, NAN))),
    max_size=150,
)


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
def test_rows_are_sorted_within_each_sensor_as_numpy_sorts_them(rows: list[tuple[int, float, float]]) -> None:
    sensor = np.array([row[0] for row in rows], np.int32)
    keys = np.array([row[1:] for row in rows], np.float64).reshape(len(rows), 2)
    order = np.argsort(sensor, kind="stable")
    before = order.copy()
    moved = kernel.sort_within(sensor, keys, np.empty_like(order), order)
    assert order.tolist() == slow.order(sensor, keys)
    assert moved == (order.tolist() != before.tolist())


def busy_batch(n_rows: int) -> ObservationBatch:
    """Rows of every kind, many of a few sensors, some of them twice."""
    rng = generator(5, "row-order")

    def ints(most: int) -> NDArray[np.int32]:
        return rng.integers(0, most, n_rows).astype(np.int32)

    def floats() -> NDArray[np.float64]:
        return rng.integers(0, 40, n_rows) / 8.0

    def singles() -> NDArray[np.float32]:
        return np.where(rng.random(n_rows) < 0.2, NAN, rng.integers(0, 3, n_rows)).astype(np.float32)

    return ObservationBatch(
        time=100,
        loop_sensor=ints(3),
        loop_time=floats(),
        loop_on=rng.random(n_rows) < 0.5,
        frame_sensor=ints(2),
        frame_time=floats(),
        object_sensor=ints(4),
        object_time=floats(),
        object_lane=ints(3) - np.int32(1),
        object_distance=singles(),
        object_speed=singles(),
        object_confidence=singles(),
        count_sensor=ints(5),
        count_lane=ints(3) - np.int32(1),
        count_begin=floats(),
        count_end=floats(),
        count_vehicles=singles(),
        count_occupancy=singles(),
        count_queue=singles(),
        turn_sensor=ints(3),
        turn_lane=ints(3),
        turn_to=ints(3),
        turn_begin=floats(),
        turn_end=floats(),
        turn_vehicles=singles(),
    )


def shuffled(batch: ObservationBatch) -> ObservationBatch:
    rng = generator(6, "row-order")
    changes: dict[str, Any] = {}
    for kind in ("loop", "frame", "object", "count", "turn"):
        order = rng.permutation(len(getattr(batch, f"{kind}_sensor")))
        changes |= {name: values[order] for name, values in vars(batch).items() if name.startswith(f"{kind}_")}
    return replace(batch, **changes)


@pytest.mark.parametrize("n_rows", [0, 1, 2, 400])
def test_any_delivery_of_the_same_rows_gives_the_same_columns(n_rows: int) -> None:
    batch = busy_batch(n_rows)
    for one, other in zip(sorted_rows(batch), sorted_rows(shuffled(batch)), strict=True):
        np.testing.assert_array_equal(one, other)


def test_all_rows_are_still_there_and_each_is_whole() -> None:
    batch = busy_batch(300)
    done = in_order(batch)
    for kind in ("loop", "frame", "object", "count", "turn"):
        names = [name for name in vars(batch) if name.startswith(f"{kind}_")]
        rows, sorted_ = (
            sorted(repr(row) for row in zip(*(getattr(one, name).tolist() for name in names), strict=True))
            for one in (batch, done)
        )
        assert rows == sorted_
        assert np.all(np.diff(getattr(done, f"{kind}_sensor")) >= 0)


def test_a_batch_in_order_is_handed_on_as_it_is() -> None:
    batch = in_order(busy_batch(200))
    assert in_order(batch) is batch
    few = in_order(random_batch(50, generator(1, "row-order")))
    assert in_order(few) is few


def test_numbers_beyond_any_table_are_sorted_too() -> None:
    least, most = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    batch = replace(
        random_batch(50, generator(1, "row-order")),
        frame_sensor=np.array([most, least, 0, most], np.int32),
        frame_time=np.array([4.0, 3.0, 2.0, 1.0]),
    )
    done = in_order(batch)
    assert done.frame_sensor.tolist() == [least, 0, most, most]
    assert done.frame_time.tolist() == [3.0, 2.0, 1.0, 4.0]
