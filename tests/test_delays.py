"""Levels of service are the manual's, and nobody's delay is lost between movements."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citybrain.delays import delay_figures, level_of_service


@pytest.mark.parametrize(
    ("delay", "level"),
    [
        (0.0, "A"),
        (10.0, "A"),
        (10.1, "B"),
        (20.0, "B"),
        (35.0, "C"),
        (35.1, "D"),
        (55.0, "D"),
        (80.0, "E"),
        (80.1, "F"),
        (math.nan, ""),
    ],
)
def test_levels_change_where_the_manual_says(delay: float, level: str) -> None:
    assert level_of_service(delay) == level


def test_nobody_came() -> None:
    figures = delay_figures([])
    assert (figures["vehicles"], figures["level"]) == (0, "")
    assert all(math.isnan(figures[name]) for name in ("mean_delay", "p50_delay", "p85_delay", "longest_delay"))


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=50))
def test_percentiles_are_in_order(delays: list[float]) -> None:
    figures = delay_figures(delays)
    values = [figures[name] for name in ("p50_delay", "p85_delay", "p95_delay", "longest_delay")]
    assert values == sorted(values)
    assert values[-1] == max(delays)
    assert figures["vehicles"] == len(delays)
