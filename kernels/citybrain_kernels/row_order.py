"""Rows of many sensors put in order: a merge sort within each sensor, since a tick brings few rows of each."""

# n = rows, k = keys of a row, the first one counts most

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float64]

SHORT = 16
"""Rows that are sorted by insertion; longer runs are merged of such."""


@kernel
def comes_before(keys: Floats, row: int, other: int) -> bool:
    """Whether a row's keys are less than those of another one; NaN is greater than all numbers."""
    for k in range(keys.shape[1]):
        a, b = keys[row, k], keys[other, k]
        if a < b or (np.isnan(b) and not np.isnan(a)):
            return True
        if a > b or (np.isnan(a) and not np.isnan(b)):
            return False
    return False


@kernel
def insert_rows(keys: Floats, begin: int, end: int, order: Longs) -> None:
    """Sort ``order[begin:end]`` by insertion; equal rows keep their order."""
    for at in range(begin + 1, end):
        row, free = order[at], at
        while free > begin and comes_before(keys, row, order[free - 1]):
            order[free] = order[free - 1]
            free -= 1
        order[free] = row


@kernel
def merge_halves(keys: Floats, begin: int, middle: int, end: int, scratch: Longs, order: Longs) -> None:
    """Merge the sorted parts ``order[begin:middle]`` and ``order[middle:end]``; equal rows keep their order."""
    for at in range(begin, middle):  # Numba would allocate to copy a part of one array into another
        scratch[at] = order[at]
    left, right, at = begin, middle, begin
    while left < middle:
        if right < end and comes_before(keys, order[right], scratch[left]):
            order[at] = order[right]
            right += 1
        else:
            order[at] = scratch[left]
            left += 1
        at += 1


@kernel
def sort_run(keys: Floats, begin: int, end: int, scratch: Longs, order: Longs) -> None:
    """Sort ``order[begin:end]``, from short parts to long ones (bottom-up merge sort, Knuth, TAOCP 5.2.4)."""
    for short in range(begin, end, SHORT):
        insert_rows(keys, short, min(short + SHORT, end), order)
    width = SHORT
    while width < end - begin:
        for left in range(begin, end - width, 2 * width):
            merge_halves(keys, left, left + width, min(left + 2 * width, end), scratch, order)
        width *= 2


@kernel
def sort_within(sensor: Ints, keys: Floats, scratch: Longs, order: Longs) -> bool:
    """Sort the rows of each sensor by their keys; equal rows keep their order.

    Parameters
    ----------
    sensor : [N]. keys : [N, K].
    scratch : [N].
    order : [N] rows by sensor; written.

    Returns
    -------
    Whether anything had to be moved.
    """
    moved, begin = False, 0
    while begin < len(order):
        end, fine = begin + 1, True
        while end < len(order) and sensor[order[end]] == sensor[order[begin]]:
            fine = fine and not comes_before(keys, order[end], order[end - 1])
            end += 1
        if not fine:
            sort_run(keys, begin, end, scratch, order)
            moved = True
        begin = end
    return moved
