"""When an intersection searches anew: against the readable twin, and case by case."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from citybrain_kernels import planner_news as kernel
from citybrain_kernels.planner_tables import GREEN_AGE, QUEUED, RATE, Layout, Outlook, Pace, make_outlook
from tests.reference import planner_news as twin

HORIZON = 12
PACE = Pace(oldest=4, heed=5, news=1.0, rate=0.5)


def layout_of(queues: int) -> Layout:
    """Layout of one intersection; only its queues matter here."""
    none = np.zeros(0, np.int32)
    values: dict[str, NDArray[np.generic]] = dict.fromkeys(Layout._fields, none)
    values["queue_ptr"] = np.array([0, queues], np.int32)
    return Layout(**values)  # type: ignore[arg-type]  # the others are not looked at


def outlook_of(seen: list[twin.Seen]) -> Outlook:
    outlook = make_outlook(len(seen), HORIZON, 0, 0)
    for k, one in enumerate(seen):
        outlook.queue[k, QUEUED], outlook.queue[k, RATE], outlook.queue[k, GREEN_AGE] = one.queued, one.rate, one.green
        outlook.arrivals[k] = one.arrivals
    return outlook


def random_queues(rng: np.random.Generator, n: int) -> list[twin.Seen]:
    """Numbers that floating point holds exactly, so that both add up to the same."""
    return [
        twin.Seen(
            queued=float(rng.integers(0, 8)) / 2,
            rate=float(rng.choice([0.25, 0.5, 0.625])),
            green=float(rng.integers(0, 2)),
            arrivals=tuple((rng.integers(0, 3, HORIZON) / 4).tolist()),
        )
        for _ in range(n)
    ]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_news_equals_its_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, seconds = int(rng.integers(1, 3)), int(rng.integers(0, PACE.oldest))
    before, now = random_queues(rng, n), random_queues(rng, n)
    layout = layout_of(n)
    expected, rate = np.zeros((n, PACE.oldest + 1), np.float32), np.zeros(n, np.float32)
    kernel.foresee(0, layout, outlook_of(before), PACE, expected, rate)
    assert kernel.is_news(0, seconds, layout, outlook_of(now), PACE, expected, rate) == twin.is_news(
        before, now, seconds, PACE
    )


class Street:
    """One intersection that shows row 3 and plans row 5 for second 20."""

    def __init__(self) -> None:
        self.layout = layout_of(1)
        self.plan_row, self.plan_start = np.array([[3, 5]], np.int32), np.array([[0, 200]], np.int64)
        self.planned_at = np.full(1, -(2**40), np.int64)
        self.expected, self.rate = np.zeros((1, PACE.oldest + 1), np.float32), np.zeros(1, np.float32)

    def searches(self, time: int, queued: float = 2.0, row: int = 3) -> bool:
        """Tell whether it searches at a time [tenths]."""
        due = np.ones(1, np.bool_)
        outlook = outlook_of([twin.Seen(queued, 0.5, 0.0, (0.0,) * HORIZON)])
        kernel.keep_to_news(
            time,
            np.array([row], np.int32),
            self.plan_row,
            self.plan_start,
            self.planned_at,
            self.layout,
            outlook,
            PACE,
            self.expected,
            self.rate,
            due,
        )
        return bool(due[0])


def test_plan_is_kept_while_nothing_is_new_and_no_longer_than_it_may() -> None:
    street = Street()
    assert [street.searches(t) for t in (0, 10, 20, 30, 40, 50)] == [True, False, False, False, True, False]


@pytest.mark.parametrize(("queued", "row"), [(4.0, 3), (0.0, 3), (2.0, 4)])
def test_more_or_fewer_vehicles_or_another_row_are_news(queued: float, row: int) -> None:
    street = Street()
    assert street.searches(0)
    assert street.searches(10, queued, row)


def test_what_is_about_to_change_is_thought_over_again() -> None:
    street = Street()
    assert street.searches(170)
    assert not street.searches(180)
    assert street.searches(190)
