"""Measures: nobody is left out, and intervals and pairs are what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citybrain.decisions import Command, LampState, Rule
from citybrain.measures import (
    POLLUTANTS,
    Tally,
    TripEnd,
    Trips,
    gridlocked_runs,
    is_gridlocked,
    measure_trips,
    median_interval,
    pair_up,
    percentile,
    served_groups,
)
from citybrain.randomness import generator
from citybrain.signals import Aspect
from tests.small_world import small_signals


def trips(*rows: tuple[TripEnd, float, float, int, float]) -> Trips:
    """Build trips of (end, delay, travel time, stops, standing)."""
    table = np.array(rows, dtype=float).reshape(len(rows), 5)
    inserted = table[:, 0] != TripEnd.NOT_INSERTED
    names = tuple(f"v{k}" for k in range(len(rows)))
    nowhere = np.where(inserted, 0.0, np.nan)
    return Trips(
        vehicle=names,
        kind=("car",) * len(rows),
        end=table[:, 0].astype(np.uint8),
        depart=nowhere,
        depart_pos=nowhere,
        arrival_pos=nowhere,
        delay=table[:, 1],
        outside=np.where(inserted, 0.0, table[:, 1]),
        travel_time=np.where(inserted, table[:, 2], np.nan),
        free_time=np.where(inserted, table[:, 2] - table[:, 1], np.nan),
        distance=np.where(inserted, 500.0, 0.0),
        stops=table[:, 3].astype(np.int32),
        standing=table[:, 4],
        emissions=np.where(inserted, 100.0, 0.0)[:, None] * np.ones(len(POLLUTANTS)),
        walker=("p", "q"),
        walk_delay=np.array([4.0, 8.0]),
        walk_time=np.array([40.0, 80.0]),
    )


def test_never_inserted_vehicles_count_with_their_wait() -> None:
    measures = measure_trips(
        trips(
            (TripEnd.ARRIVED, 10.0, 60.0, 1, 5.0),
            (TripEnd.RUNNING, 20.0, 40.0, 3, 15.0),
            (TripEnd.NOT_INSERTED, 300.0, 0.0, 0, 0.0),
        ),
        window_s=100.0,
    )
    assert measures.delay_s == pytest.approx(110.0)
    assert measures.median_delay_s == 20.0
    assert measures.travel_time_s == 50.0
    assert measures.stops == 2.0
    assert measures.queue == pytest.approx(0.2)
    assert (measures.arrived, measures.running, measures.not_inserted, measures.loaded) == (1, 1, 1, 3)
    assert measures.pedestrian_delay_s == 6.0
    assert measures.pedestrian_longest_s == 8.0
    assert measures.longest_delay_s == 300.0
    assert measures.travel_time_index == pytest.approx(100.0 / 70.0)
    assert measures.distance_km == pytest.approx(1.0)
    assert measures.co2_kg == measures.fuel_kg == pytest.approx(0.2)


def test_nobody_travelled() -> None:
    measures = measure_trips(trips(), window_s=3600.0)
    assert measures.loaded == 0
    assert np.isnan(measures.delay_s)
    assert np.isnan(measures.p95_delay_s)


def test_percentile_interpolates() -> None:
    assert percentile(np.array([0.0, 10.0]), 95.0) == 9.5


def test_gridlock_is_five_per_cent_stuck_for_over_300_seconds() -> None:
    standing = np.zeros(100)
    standing[:4] = 301.0
    assert not is_gridlocked(standing)
    standing[4] = 301.0
    assert is_gridlocked(standing)
    assert not is_gridlocked(np.full(100, 300.0))
    assert not is_gridlocked(np.zeros(0))


def test_a_run_three_times_worse_than_its_group_is_gridlocked() -> None:
    delay = np.array([10.0, 11.0, 12.0, 34.0])
    assert gridlocked_runs(delay, np.array([True, False, False, False])).tolist() == [True, False, False, False]
    delay[3] = 35.0
    assert gridlocked_runs(delay, np.zeros(4, bool)).tolist() == [False, False, False, True]
    assert gridlocked_runs(np.zeros(0), np.zeros(0, bool)).tolist() == []


def test_interval_of_one_value_is_unknown_and_of_equal_values_a_point() -> None:
    assert np.isnan(median_interval(np.array([3.0]), generator(0, "test"))).all()
    assert median_interval(np.full(5, 3.0), generator(0, "test")) == (3.0, 3.0)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30))
def test_interval_lies_within_the_values_and_repeats(values: list[float]) -> None:
    array = np.array(values)
    low, high = median_interval(array, generator(1, "test"))
    assert array.min() <= low <= high <= array.max()
    assert (low, high) == median_interval(array, generator(1, "test"))


def test_interval_covers_the_median_as_often_as_it_claims() -> None:
    rng = generator(7, "coverage")
    hits = 0
    for _ in range(200):
        low, high = median_interval(rng.normal(5.0, 1.0, size=25), rng)
        hits += low <= 5.0 <= high
    assert hits / 200 >= 0.9


def test_pairs_are_seeds_within_one_instance() -> None:
    unit, ours, theirs = pair_up([(0, 1, 5.0), (0, 2, 6.0), (0, 3, 7.0)], [(0, 2, 10.0), (0, 1, 9.0)])
    assert unit == "seeds"
    assert ours.tolist() == [5.0, 6.0]
    assert theirs.tolist() == [9.0, 10.0]


def test_pairs_are_instances_where_there_are_several() -> None:
    ours = [(i, s, 10.0 * i + s) for i in (1, 2) for s in (0, 1)]
    theirs = [(i, s, 100.0 * i + s) for i in (1, 2) for s in (0, 1)]
    unit, mine, other = pair_up(ours, theirs)
    assert unit == "instances"
    assert mine.tolist() == [10.5, 20.5]
    assert other.tolist() == [100.5, 200.5]


def test_nothing_to_pair() -> None:
    _, ours, theirs = pair_up([(0, 1, 5.0)], [])
    assert len(ours) == len(theirs) == 0


def command(time: int, aspect: list[int], since: list[int], rules: tuple[Rule, ...] = ()) -> Command:
    lamps = LampState(
        time=time,
        row=np.zeros(1, np.int32),
        changing=np.zeros(1, np.bool_),
        since=np.zeros(1, np.int64),
        aspect=np.array(aspect, np.uint8),
        aspect_since=np.array(since, np.int64),
    )
    n = len(rules)
    return Command(
        time,
        lamps,
        np.zeros(0, np.uint8),
        np.zeros(1, np.bool_),
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.array(rules, np.uint8),
    )


def test_tally_counts_rules_and_the_longest_red_since_the_beginning() -> None:
    tally = Tally(small_signals(), begin_tenths=1000)
    long_ago = -(2**40)
    for time, aspect, since, rules in (
        (1000, [Aspect.RED, Aspect.PROTECTED], [long_ago, long_ago], (Rule.CLEARANCE,)),
        (1300, [Aspect.RED, Aspect.PROTECTED], [long_ago, long_ago], ()),
        (1400, [Aspect.PROTECTED, Aspect.RED], [1310, 1310], (Rule.CLEARANCE, Rule.CONFLICT)),
    ):
        tally.count(command(time, [*aspect], since, rules))
    assert tally.longest_red_s == 30.0
    assert tally.bent == {"clearance": 2, "conflict": 1}


def test_groups_that_no_row_serves_have_no_red_to_count() -> None:
    assert served_groups(small_signals()).tolist() == [True, True]
