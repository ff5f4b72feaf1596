"""Kernels of the city's figures against their slow twins, and against theory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain_kernels import city as kernel
from tests.reference import city as slow

FEW = settings(max_examples=60, deadline=None)
EVENTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 200).map(lambda t: t / 10.0), st.booleans()), max_size=40)
AMOUNTS = st.lists(st.tuples(st.floats(0.0, 12.0, width=32), st.floats(0.0, 40.0, width=32)), min_size=1, max_size=12)


WAYS = (4.0, 70.0, 0.5)
"""Seconds to the loops and from them."""


def blank(n: int = 3) -> kernel.Pulses:
    sums = (np.zeros(n) for _ in kernel.Pulses._fields[2:])
    return kernel.Pulses(np.full(n, -np.inf), np.zeros(n, np.bool_), *sums)


def feel(events: list[tuple[int, float, bool]], begin: float, felt: kernel.Pulses) -> None:
    rows = sorted(events)
    kernel.count_pulses(
        begin,
        np.array([x for x, _, _ in rows], np.int32),
        np.array([t for _, t, _ in rows], np.float64),
        np.array([on for _, _, on in rows], np.bool_),
        np.array([True, False, True]),
        np.array(WAYS),
        np.array(WAYS[::-1]),
        felt,
    )


@FEW
@given(EVENTS, st.sampled_from([-50.0, 0.0, 7.0]))
def test_pulses_are_counted_as_the_twin_counts_them(events: list[tuple[int, float, bool]], begin: float) -> None:
    felt = blank()
    feel(events, begin, felt)
    for x in (0, 2):
        loop = slow.Loop(begin, WAYS[x], WAYS[::-1][x])
        loop.feel([(t, on) for y, t, on in sorted(events) if y == x])
        for name in kernel.Pulses._fields:
            assert getattr(felt, name)[x] == pytest.approx(getattr(loop, name)), name
    assert felt.reached[1] == felt.left[1] == 0.0


def test_a_second_axle_and_a_repeated_row_count_nothing() -> None:
    felt = blank()
    feel([(0, 1.0, True), (0, 1.0, True), (0, 1.4, False), (0, 1.6, True), (0, 1.7, False), (0, 3.0, True)], 0.0, felt)
    assert felt.reached.tolist() == [2.0, 0.0, 0.0]
    assert felt.left.tolist() == [1.0, 0.0, 0.0]


def test_who_waits_on_a_loop_has_not_left() -> None:
    felt = blank()
    feel([(0, 10.0, True)], 0.0, felt)
    assert (felt.reached[0], felt.left[0]) == (1.0, 0.0)
    felt.reached[:] = 0.0
    feel([(0, 70.0, False)], 60.0, felt)
    assert (felt.reached[0], felt.left[0], felt.since_left[0]) == (0.0, 1.0, 50.0)


def ring(left: list[float], content: list[float], bins: int) -> tuple[kernel.Ring, int]:
    """Lay bins into a ring that has turned over already."""
    ring = kernel.Ring(*(np.full((bins, 1), 99.0, np.float32) for _ in range(3)))
    start = bins - 2
    for k, (gone, there) in enumerate(zip(left, content, strict=True)):
        ring.left[(start + k) % bins, 0], ring.content[(start + k) % bins, 0] = gone, there
    return ring, (start + len(left) - 1) % bins


def time_over(left: list[float], content: list[float], window: int, free: float = 10.0) -> float:
    bins = 14
    table, newest = ring(left, content, bins)
    out = np.empty(1)
    kernel.travel_times(newest, len(left), window, 20.0, table, np.array([free]), np.empty(bins + 1), out)
    return float(out[0])


@FEW
@given(AMOUNTS, st.integers(1, 14))
def test_travel_times_are_the_twins(amounts: list[tuple[float, float]], window: int) -> None:
    left, content = [a for a, _ in amounts], [b for _, b in amounts]
    expected = slow.Road(left, content, 20.0, 10.0).travel_time(window)
    assert time_over(left, content, window) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_a_steady_queue_takes_what_littles_law_says() -> None:
    assert time_over([5.0] * 12, [20.0] * 12, 4) == pytest.approx(20.0 * 20.0 / 5.0)


def test_an_empty_road_takes_its_free_time_and_a_closed_one_the_age_of_its_queue() -> None:
    assert time_over([0.0] * 6, [0.0] * 6, 4) == 10.0
    closed = [0.0, 0.0, 4.0, 8.0, 12.0, 16.0]
    assert time_over([0.0] * 6, closed, 4) == pytest.approx(77.5)


def test_smoothing_is_undone_exactly_and_time_adds_up() -> None:
    rng = np.random.default_rng(4)
    flow = np.zeros(1, np.float32)
    now = kernel.Bin(*(np.zeros(1) for _ in range(5)))
    table = kernel.Ring(*(np.zeros((2, 1), np.float32) for _ in range(3)))
    truth, spent, smooth = 0.0, 0.0, 0.0
    for _ in range(40):
        out, there = rng.random(), np.array([rng.random() * 9.0], np.float32)
        smooth += (out - smooth) / 60.0
        flow[0] = smooth
        truth, spent = truth + out, spent + float(there[0])
        kernel.watch_roads(1.0, np.array([0, 1], np.int32), there, flow, now)
    kernel.close_bin(59.0, 1, now, table)
    assert table.spent[1, 0] == pytest.approx(spent, rel=1e-5)
    assert table.left[1, 0] == pytest.approx(truth, rel=1e-4)
    assert now.spent[0] == now.flow[0] == 0.0
