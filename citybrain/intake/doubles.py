"""Which rows of a table stand in it a second time, and which intervals overlap. Knows arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_ODD = 0x9E3779B97F4A7C15
"""2^64 divided by the golden ratio: multiplication spreads neighbouring numbers over all bits (Knuth, TAOCP 6.4)."""


def first_of_equals(columns: Sequence[NDArray[Any]]) -> NDArray[np.bool_] | None:
    """Tell which rows are the first of their kind; None if no row stands there twice.

    Rows are hashed and the hashes sorted, since sorting one column is much faster than sorting rows. Only rows whose
    hashes meet are compared, so the answer is exact.

    Parameters
    ----------
    columns : [N] each; booleans, integers, or floats of 32 bits without NaN.
    """
    if len(columns[0]) < 2:
        return None
    hashed = _hash(columns)
    ordered = np.sort(hashed)
    met = ordered[1:] == ordered[:-1]
    if not met.any():
        return None
    doubtful = np.flatnonzero(np.isin(hashed, ordered[1:][met]))
    some = [column[doubtful] for column in columns]
    order = np.lexsort(some)  # stable: of equal rows the first comes first
    same = np.ones(len(order) - 1, dtype=np.bool_)
    for column in some:
        same &= column[order[1:]] == column[order[:-1]]
    if not same.any():
        return None
    first = np.ones(len(hashed), dtype=np.bool_)
    first[doubtful[order[1:][same]]] = False
    return first


def first_to_begin(
    sensor: NDArray[np.int32], lane: NDArray[np.integer[Any]], begin: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.bool_] | None:
    """Tell which intervals [N] to keep so that none of a sensor and lane overlap; None if all can be kept.

    Of intervals that overlap the one that begins first stays, of those that begin together the shorter, of equals the
    first in the list.
    """
    order = np.lexsort((np.arange(len(begin)), end, begin, lane, sensor))
    same = (sensor[order[1:]] == sensor[order[:-1]]) & (lane[order[1:]] == lane[order[:-1]])
    if not (same & (begin[order[1:]] < end[order[:-1]])).any():
        return None
    kept = np.ones(len(begin), dtype=np.bool_)
    last = -1
    for row in order.tolist():
        alike = last >= 0 and sensor[row] == sensor[last] and lane[row] == lane[last]
        kept[row] = not (alike and begin[row] < end[last])
        last = row if kept[row] else last
    return kept


def untold_as_number(column: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put -1 in the place of NaN (a value not told), for comparisons; values that are told are not negative."""
    return np.nan_to_num(column, nan=-1.0, posinf=np.inf)


def _hash(columns: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    hashed = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        # Adding zero makes -0.0 and 0.0, which are equal, look the same.
        bits = (column + np.float32(0)).view(np.uint32) if column.dtype == np.float32 else column
        hashed ^= bits.astype(np.uint64)
        hashed *= np.uint64(_ODD)
        hashed ^= hashed >> np.uint64(29)
    return hashed
