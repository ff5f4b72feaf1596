"""How sure a difference is: exact signed-rank test, Holm's correction, runs wanted for a precision. Arrays alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]


def signed_rank_p(differences: Floats) -> float:
    """Two-sided p of Wilcoxon's signed-rank test, exact also with ties: under no difference every sign is a coin toss.

    Ranks keep the rare gridlocked run from deciding alone. Pairs without a difference are left out.

    Source: Wilcoxon, Individual comparisons by ranking methods (1945); the distribution is counted, not approximated.

    Parameters
    ----------
    differences : of pairs; NaN is not known and left out.

    Returns
    -------
    Between 0 and 1; 1 where nothing differs; never below 2 to the power of 1 minus the number of pairs.
    """
    known = differences[~np.isnan(differences) & (differences != 0.0)]
    if not len(known):
        return 1.0
    ranks = _doubled_ranks(np.abs(known))
    total = int(ranks.sum())
    ways = np.zeros(total + 1)
    ways[0] = 1.0
    for rank in ranks.tolist():  # ways[s]: share of all choices of signs whose positive ranks sum to s
        ways[rank:] = 0.5 * (ways[rank:] + ways[: total + 1 - rank])
        ways[:rank] *= 0.5
    positive = int(ranks[known > 0.0].sum())
    tail = min(float(ways[: positive + 1].sum()), float(ways[positive:].sum()))
    return min(1.0, 2.0 * tail)


def _doubled_ranks(sizes: Floats) -> NDArray[np.int64]:
    """Twice the rank of each, equal ones sharing their mean rank: whole numbers."""
    _, group, count = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (2 * last - count + 1)[group].astype(np.int64)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p for the number of measures that were looked at: the chance of any false finding stays below p.

    Source: Holm, A simple sequentially rejective multiple test procedure (1979).
    """
    order = np.argsort(np.array(p), kind="stable")
    corrected = [0.0] * len(p)
    before = 0.0
    for k, index in enumerate(order.tolist()):
        before = max(before, min(1.0, (len(p) - k) * p[index]))
        corrected[index] = before
    return corrected


def pairs_wanted(pairs: int, low: float, high: float, precision: float) -> int | None:
    """How many pairs make an interval as narrow as plus or minus ``precision``.

    The width of an interval falls with the square root of the number of pairs.

    Parameters
    ----------
    pairs : that the interval ``low`` to ``high`` was made from.

    Returns
    -------
    At least ``pairs`` where they do not suffice; None where nothing is known of the spread.
    """
    half = (high - low) / 2.0
    if pairs < 2 or math.isnan(half) or not precision > 0.0:
        return None
    return max(2, math.ceil(pairs * (half / precision) ** 2))
