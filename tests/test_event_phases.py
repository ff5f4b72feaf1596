"""Measures of a phase, on logs small enough to be reckoned by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.eventlog.log import Detector, EventLog, Function
from citybrain.eventlog.measures import cycles_of, occupancies, occupied
from citybrain.eventlog.phases import (
    HEADWAY_MS,
    START_MS,
    arrivals,
    coordination_spans,
    green_spans,
    last_gaps,
    queue_delays,
    red_spans,
    terminations,
    walks,
)
from citybrain.eventlog.tables import event_tables
from citybrain.events import Code
from tests.test_eventlog import green_of, log_of

PHASE = 2


def two_greens() -> EventLog:
    """Green from 10 to 20 s and from 40 to 50 s, yellow 4 s; detector 7 upstream; the log lasts from 0 to 60 s."""
    return log_of(
        (0, Code.DETECTOR_OFF, 9),
        *green_of(PHASE, 10_000, 20_000),
        (19_500, Code.GAP_OUT, PHASE),
        *green_of(PHASE, 40_000, 50_000),
        (50_000, Code.FORCE_OFF, PHASE),
        *((t, Code.DETECTOR_ON, 7) for t in (5_000, 12_000, 21_000, 25_000, 55_000)),
        (60_000, Code.DETECTOR_OFF, 9),
    )


def test_arrivals_meet_what_is_shown_when_they_reach_the_line() -> None:
    log = two_greens()
    came = arrivals(log, cycles_of(log, "c", PHASE), np.array([7]), offset_ms=1000)
    assert came.time.tolist() == [6_000, 13_000, 22_000, 26_000, 56_000]
    assert came.shown.tolist() == [0, Code.GREEN_BEGIN, Code.YELLOW_BEGIN, Code.RED_CLEARANCE_BEGIN, 10]
    assert came.wait.tolist() == [4_000, 0, 0, 14_000, -1]
    assert came.in_cycle.tolist() == [-1, -1, -1, 2_000, 2_000]


def test_the_last_word_in_a_green_says_why_it_ended() -> None:
    log = two_greens()
    assert terminations(log, cycles_of(log, "c", PHASE)).tolist() == [Code.GAP_OUT, Code.FORCE_OFF]


def test_a_gap_lasts_from_the_last_actuation_to_the_end_of_green() -> None:
    events = [(11_000, 82, 8), (12_000, 81, 8), (49_000, 82, 8), (53_000, 81, 8), (0, 82, 8), (1_000, 81, 8)]
    log = log_of(
        *green_of(PHASE, 10_000, 20_000), *green_of(PHASE, 40_000, 50_000), *events, *green_of(PHASE, 70_000, 75_000)
    )
    gaps = last_gaps(cycles_of(log, "c", PHASE), *occupied(log, "c", np.array([8])))
    assert gaps.tolist() == [8_000, 0, 5_000], "at most the green itself"


def test_greens_and_reds_fill_the_log() -> None:
    log = two_greens()
    cycles = cycles_of(log, "c", PHASE)
    green, red = green_spans(log, cycles), red_spans(log, cycles)
    assert [column.tolist() for column in green] == [[10_000, 40_000], [20_000, 50_000]]
    assert sorted(zip(*(column.tolist() for column in red), strict=True)) == [
        (0, 10_000),
        (24_000, 40_000),
        (54_000, 60_000),
    ]
    yellow = 2 * 4_000
    assert sum((end - begin).sum() for begin, end in (green, red)) + yellow == 60_000


def test_a_phase_that_was_never_green_was_red_all_the_time() -> None:
    log = two_greens()
    begin, end = red_spans(log, cycles_of(log, "c", 5))
    assert (begin.tolist(), end.tolist()) == ([0], [60_000])


def test_an_extension_bridges_the_gaps_between_vehicles() -> None:
    """Vehicles every 2 s cover a short loop for half a second: occupied throughout, seen with an extension of 2 s."""
    passing = [(t + more, code, 8) for t in range(9_000, 19_000, 2_000) for more, code in ((0, 82), (500, 81))]
    waiting = [(19_000, 82, 8), (45_000, 81, 8)]
    log = log_of(
        (0, 82, 8), (100, 81, 8), *passing, *waiting, *green_of(PHASE, 10_000, 20_000), *green_of(PHASE, 40_000, 50_000)
    )
    cycles = cycles_of(log, "c", PHASE)
    plain, extended = (occupancies(log, cycles, np.array([8]), extend_ms=by) for by in (0, 2_000))
    assert plain.green[0] < 0.5
    assert extended.green[0] == 1.0
    assert extended.split_failure[0]
    assert not plain.split_failure[0]


def test_a_walk_is_waited_for_from_the_first_press() -> None:
    presses = [(5, 90), (7, 90), (20, 21), (22, 90), (25, 22), (40, 90), (60, 21)]
    log = log_of((0, 1, 1), *((1000 * t, code, 4) for t, code in presses), (65_000, 22, 4), (80_000, 7, 1))
    found = walks(log, "c", 4)
    assert found.wait.tolist() == [15_000, 20_000]
    assert found.begin.tolist() == [20_000, 60_000]
    assert list(zip(found.red_begin.tolist(), found.red_end.tolist(), strict=True)) == [
        (0, 20_000),
        (25_000, 60_000),
        (65_000, 80_000),
    ]
    assert found.chance_wait_s == pytest.approx((20**2 + 35**2 + 15**2) / (2 * 80))


def test_time_in_transition() -> None:
    states = [(0, 2), (10_000, 5), (30_000, 1), (50_000, 3), (55_000, 0), (70_000, 6)]
    log = log_of(*((t, Code.COORDINATION, state) for t, state in states))
    spans = zip(*(column.tolist() for column in coordination_spans(log, "c")), strict=True)
    assert list(spans) == [(0, 30_000, 2), (30_000, 50_000, 1), (50_000, 55_000, 3), (55_000, 70_000, 0)]


def slow_queue(greens: list[tuple[int, int]], came: list[int]) -> list[float]:
    """Put one vehicle after the other into the first moment at which it may cross."""
    out, last = [], -math.inf
    for arrival in came:
        free = max(last + HEADWAY_MS, arrival)
        chosen = math.nan
        for begin, end in greens:
            if math.isnan(chosen) and free < end:
                unhindered = free == arrival and arrival >= begin
                chosen = free if unhindered else max(free, begin + START_MS)
        last = math.inf if math.isnan(chosen) else chosen
        out.append((chosen - arrival) / 1000.0)
    return out


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(0, 200_000), max_size=40).map(sorted), st.lists(st.integers(3, 30), min_size=2, max_size=10)
)
def test_the_queue_is_what_a_slow_walk_says(came: list[int], lengths: list[int]) -> None:
    greens, t = [], 0
    for red, green in zip(lengths[::2], lengths[1::2], strict=False):
        greens.append((t + 1000 * red, t + 1000 * (red + green)))
        t = greens[-1][1] + 4000
    log = log_of(
        (0, 82, 9), *(event for begin, end in greens for event in green_of(PHASE, begin, end)), (t + 9_000, 82, 9)
    )
    found = queue_delays(log, cycles_of(log, "c", PHASE), np.array(came, np.int64))
    assert found.tolist() == pytest.approx(slow_queue(greens, came), nan_ok=True)


def test_a_steady_stream_at_a_steady_signal_waits_as_the_theory_says() -> None:
    """Uniform delay r^2 / (2 C (1 - q / s)) of D/D/1 at signals, start-up loss counted as red."""
    cycle, green, gap = 90, 40, 4.7
    log = log_of(
        (0, 82, 9),
        *(event for k in range(40) for event in green_of(PHASE, 90_000 * k + 50_000, 90_000 * k + 86_000 + 4_000)),
    )
    came = np.arange(0, 90_000 * 38, int(1000 * gap), dtype=np.int64) + 1
    found = float(np.nanmean(queue_delays(log, cycles_of(log, "c", PHASE), came)))
    red = cycle - green + START_MS / 1000.0
    expected = red**2 / (2.0 * cycle * (1.0 - HEADWAY_MS / 1000.0 / gap))
    assert found == pytest.approx(expected, rel=0.06)


def test_tables_say_nothing_of_what_no_detector_saw() -> None:
    log = two_greens()
    detectors = (Detector("c", PHASE, 7, Function.ADVANCE, offset_s=1.0),)
    known = event_tables(log, detectors, {("c", PHASE): ["a>b"], ("c", 3): ["b>a"], ("c", 4): []})
    two, three = known["phases"].to_pylist()
    assert (two["roads"], two["cycles"], two["arrivals"], two["gap_outs"], two["force_offs"]) == (["a>b"], 2, 5, 1, 1)
    assert (two["judged"], two["split_failures"]) == (None, None)
    assert two["arrivals_on_green"] == pytest.approx(1 / 4), "nobody knows what the first one met"
    assert (three["cycles"], three["longest_red"], three["arrivals"]) == (0, 60.0, None)
    (crossing,) = known["crossings"].to_pylist()
    assert (crossing["phase"], crossing["walks"], crossing["longest_red"]) == (4, 0, 60.0)
    assert [row["wait"] for row in known["cycles"].to_pylist()] == [14.0, 0.0]
    blind = event_tables(log, ())
    assert blind["arrivals"].num_rows == 0
    assert blind["cycles"]["arrivals"].null_count == 2
