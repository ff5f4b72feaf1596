"""The test counts all signs, Holm corrects, and more runs make an interval narrower."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from citybrain_sim.bench.statistics import holm, pairs_wanted, signed_rank_p

small = st.lists(st.integers(-6, 6), min_size=1, max_size=9)


def naive_p(differences: list[int]) -> float:
    """Try every choice of signs."""
    known = [value for value in differences if value]
    if not known:
        return 1.0
    ranks = scipy.stats.rankdata([abs(value) for value in known])
    found = sum(rank for rank, value in zip(ranks, known, strict=True) if value > 0)
    sums = [
        sum(rank for rank, up in zip(ranks, signs, strict=True) if up)
        for signs in itertools.product((False, True), repeat=len(known))
    ]
    below, above = (sum(s <= found for s in sums), sum(s >= found for s in sums))
    return float(min(1.0, 2 * min(below, above) / len(sums)))


@given(small)
def test_signed_rank_is_what_counting_all_signs_gives(differences: list[int]) -> None:
    assert signed_rank_p(np.array(differences, dtype=float)) == pytest.approx(naive_p(differences))


def test_signed_rank_agrees_with_scipy_without_ties() -> None:
    values = np.array([1.0, -2.0, 3.5, 4.0, 5.5, 6.0, -0.5, 8.0, 9.0, 10.0, 11.0, -7.0])
    assert signed_rank_p(values) == pytest.approx(scipy.stats.wilcoxon(values, method="exact").pvalue)


def test_signed_rank_leaves_out_what_is_not_known_and_never_claims_more_than_signs_can_show() -> None:
    assert signed_rank_p(np.array([math.nan, 0.0])) == 1.0
    assert signed_rank_p(np.array([-3.0, -2.0, -1.0, math.nan])) == 0.25
    assert signed_rank_p(np.full(60, -1.0)) == pytest.approx(2.0**-59)


def test_holm_corrects_step_by_step() -> None:
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_keeps_the_order_and_is_between_none_and_bonferroni(p: list[float]) -> None:
    corrected = holm(p)
    for one, other in zip(p, corrected, strict=True):
        assert one <= other <= min(1.0, one * len(p)) + 1e-12
    assert all(corrected[i] <= corrected[j] for i, j in itertools.permutations(range(len(p)), 2) if p[i] < p[j])


def test_pairs_wanted_grow_with_the_square_of_the_precision() -> None:
    assert pairs_wanted(5, -2.0, 2.0, 2.0) == 5
    assert pairs_wanted(5, -2.0, 2.0, 1.0) == 20
    assert pairs_wanted(20, -1.0, 1.0, 10.0) == 2
    assert pairs_wanted(1, -1.0, 1.0, 1.0) is None
    assert pairs_wanted(5, math.nan, math.nan, 1.0) is None
    assert pairs_wanted(5, -1.0, 1.0, 0.0) is None
