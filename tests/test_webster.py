"""Webster's formula against the textbook, and re-timing from measured flows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from citybrain.control.webster import (
    INTERVAL,
    LONGEST_CYCLE,
    PERMISSIVE_EQUIVALENT,
    PRACTICAL_CAPACITY,
    SHORTEST_CYCLE,
    Webster,
    critical_ratios,
    webster_greens,
)
from citybrain.decisions import Wish
from citybrain.state import TrafficState
from tests.sites import empty_state, lamps_showing, small_site

SITE = small_site()
WEST, EAST = SITE.signals.stages(0).tolist(), SITE.signals.stages(1).tolist()
LANE = {name: l for l, name in enumerate(SITE.network.lane_id)}
NO_MINIMUM = np.array([10, 10], dtype=np.int32)


def ratios(*values: float) -> NDArray[np.float64]:
    return np.array(values)


def flowing(time: int, **lanes: float) -> TrafficState:
    """State with flows [veh/h]; names such as ``w_n`` for the kerb lane in from that arm."""
    state = empty_state(SITE, time)
    flow = state.flow.copy()
    for name, hourly in lanes.items():
        flow[LANE[name.replace("_", "-", 1) + ">_0"]] = hourly / 3600
    return replace(state, flow=flow)


def run(controller: Webster, seconds: range, **lanes: float) -> list[Wish]:
    lamps = lamps_showing(SITE, 0, [WEST[0], EAST[0]], 0)
    return [controller.decide(flowing(10 * second, **lanes), lamps) for second in seconds]


def test_textbook_cycle_and_greens() -> None:
    """Two stages with flow ratios 0.45 and 0.3, 10 s lost: (1.5 * 10 + 5) / (1 - 0.75) = 80 s, 70 s to share 3 : 2."""
    assert webster_greens(ratios(0.45, 0.3), 100, NO_MINIMUM) == pytest.approx([420, 280])


def test_little_traffic_has_the_shortest_cycle_in_equal_parts() -> None:
    assert webster_greens(ratios(0.0, 0.0), 60, NO_MINIMUM) == pytest.approx([270, 270])


@pytest.mark.parametrize("ratio", [0.475, 0.6, 5.0])
def test_more_traffic_than_there_is_green_for_has_the_longest_cycle(ratio: float) -> None:
    assert webster_greens(ratios(ratio, ratio), 80, NO_MINIMUM) == pytest.approx([560, 560])


def test_minimum_greens_come_first() -> None:
    shortest = np.array([150, 10, 10], dtype=np.int32)
    green = webster_greens(ratios(0.01, 0.4, 0.2), 150, shortest)
    cycle = (1.5 * 150 + 50) / (1 - 0.61)
    assert green[0] == 150
    assert green[1:] == pytest.approx([(cycle - 300) * 2 / 3, (cycle - 300) / 3])


def test_minimum_greens_come_before_the_longest_cycle() -> None:
    shortest = np.array([700, 700], dtype=np.int32)
    assert webster_greens(ratios(0.3, 0.4), 80, shortest) == pytest.approx([700, 700])


@given(
    st.lists(st.tuples(st.floats(0, 2), st.integers(10, 300)), min_size=1, max_size=8),
    st.integers(0, 400),
)
@settings(deadline=None)
def test_greens_fill_the_cycle_and_keep_their_minimum(stages: list[tuple[float, int]], lost: int) -> None:
    critical = np.array([ratio for ratio, _ in stages])
    shortest = np.array([least for _, least in stages], dtype=np.int32)
    green = webster_greens(critical, lost, shortest)
    assert (green >= shortest).all()
    at_least = lost + int(shortest.sum())
    assert green.sum() + lost <= max(LONGEST_CYCLE, at_least) + 1e-6
    assert green.sum() + lost >= min(SHORTEST_CYCLE, at_least) - 1e-6


def test_streams_of_one_stage_make_its_critical_ratio() -> None:
    serves = np.array([[True, False], [True, False], [False, True]])
    assert critical_ratios(ratios(0.2, 0.3, 0.1), serves) == pytest.approx([0.3, 0.1])


def test_a_stream_of_several_stages_adds_only_what_they_lack() -> None:
    serves = np.array([[True, True, False], [True, False, False], [False, False, True]])
    assert critical_ratios(ratios(0.5, 0.3, 0.1), serves) == pytest.approx([0.4, 0.1, 0.1])
    assert critical_ratios(ratios(0.2, 0.3, 0.1), serves) == pytest.approx([0.3, 0.0, 0.1])


def test_a_shared_lane_is_timed_for_as_a_whole_and_for_turns_that_have_a_stage_of_their_own() -> None:
    """The lane from the northern arm of "west" is made a shared lane whose left turns get the second stage."""
    signals = SITE.signals
    aspect = signals.row_aspect.copy()
    left = [m for m in range(24) if SITE.network.move_from[m] == LANE["w-n>_0"] and SITE.network.move_turn[m] == 1]
    group = signals.lamp_group[SITE.network.move_lamp[left[0]]]
    aspect[signals.row_aspect_ptr[WEST[1]] + group] = 3
    site = replace(SITE, signals=replace(signals, row_aspect=aspect))
    controller = Webster(site)
    run(controller, range(INTERVAL // 10), w_n=1200)
    wish = run(controller, range(INTERVAL // 10, INTERVAL // 10 + 1), w_n=1200)[0]
    starts = dict(zip(wish.plan_row[0].tolist(), np.diff(wish.plan_start[0]).tolist(), strict=False))
    assert starts[WEST[2]] > starts[WEST[1]] > starts[WEST[0]]


def test_own_stages_by_the_clock_while_flows_are_measured() -> None:
    wishes = run(Webster(SITE), range(150))
    west = [int(wish.plan_row[0, 0]) for wish in wishes]
    # Own program: 30 s green, 4 s interstage, 8, 4, 25, 4; a change is wished where its interstage begins.
    assert (
        west
        == [WEST[0]] * 30
        + [WEST[1]] * 12
        + [WEST[2]] * 29
        + [WEST[0]] * 34
        + [WEST[1]] * 12
        + [WEST[2]] * 29
        + [WEST[0]] * 4
    )


def test_greens_follow_measured_flows() -> None:
    controller = Webster(SITE)
    # Headway 2 s: flow ratios 0.4 (west arm straight and right) and 0.2 (northern arm, a third of it waiting for gaps);
    # left turns of the main road have their minimum.
    run(controller, range(INTERVAL // 10), w_w=720, w_n=360)
    wishes = run(controller, range(INTERVAL // 10, INTERVAL // 10 + 300), w_w=720, w_n=360)
    rows = [int(wish.plan_row[0, 0]) for wish in wishes]
    lengths = np.diff(np.flatnonzero(np.diff(rows, prepend=-1)))[1:4]
    lost = 3 + 4 + 4  # the left turns go on from permissive to protected, and no group waits for all-red
    north = 0.2 * (2 + PERMISSIVE_EQUIVALENT) / 3
    cycle = (1.5 * lost + 5) / (1 - (0.4 + north) / PRACTICAL_CAPACITY)
    shared = (cycle - lost - 5) / (0.4 + north)
    # Order after the first change; each stage has its interstage and is rounded up to whole seconds.
    expected = {WEST[0]: shared * 0.4 + 4, WEST[1]: 5 + 3, WEST[2]: shared * north + 4}
    order = rows[int(np.flatnonzero(np.diff(rows))[0]) + 1 :]
    for row, length in zip(dict.fromkeys(order), lengths, strict=True):
        assert length == np.ceil(expected[row] - 1e-6)


def test_a_growing_queue_counts_as_flow() -> None:
    """480 veh/h leave the northern arm and its queue grows by 60 in a quarter of an hour: 720 veh/h want to."""
    plans = []
    for hourly, growth in ((480.0, 60.0), (720.0, 0.0)):
        controller = Webster(SITE)
        run(controller, range(INTERVAL // 10), w_n=hourly, w_w=300)
        state = flowing(INTERVAL, w_n=hourly, w_w=300)
        queue = state.queue.copy()
        queue[LANE["w-n>_0"]] = growth
        wish = controller.decide(replace(state, queue=queue), lamps_showing(SITE, INTERVAL, [WEST[0], EAST[0]], 0))
        plans.append(wish.plan_start[0] - wish.plan_start[0, 0])
    assert plans[0].tolist() == plans[1].tolist()


def test_the_stage_shown_keeps_the_time_that_it_had() -> None:
    controller = Webster(SITE)
    before = run(controller, range(INTERVAL // 10), w_w=720, w_n=360)[-1]
    after = run(controller, range(INTERVAL // 10, INTERVAL // 10 + 1), w_w=720, w_n=360)[0]
    assert after.plan_row[0, 0] == before.plan_row[0, 0]
    assert after.plan_start[0, 0] == before.plan_start[0, 0]
