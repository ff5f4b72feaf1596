"""Congestion indices and what their values are called. Pure arithmetic; definitions and sources: docs/city.md."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from citybrain.network import FloatArray, IntArray

LARGEST = 20.0
"""Indices end here: where nothing moves, the ratio has no end."""
LEAST_TRAVELLED_S = 1.0
"""Below so many vehicle seconds of free travel a road counts as empty, unless somebody stands on it [veh s]."""


class Level(IntEnum):
    """What a congestion delay index is called."""

    SMOOTH = 0
    SLOW = 1
    CONGESTED = 2
    SEVERE = 3


BOUNDS = (1.5, 2.0, 4.0)
"""Index from which on traffic is called slow, congested, severely congested."""
SEVERE = BOUNDS[-1]


def delay_index(spent: FloatArray, free: FloatArray) -> FloatArray:
    """Congestion delay index: time spent over the time that the same travel takes at the speed limit.

    Parameters
    ----------
    spent : vehicle seconds spent. free : vehicle seconds that the distance travelled takes at the speed limit.

    Returns
    -------
    array
        1 to ``LARGEST``; 1 on an empty road.
    """
    empty = np.maximum(spent, free) < LEAST_TRAVELLED_S
    ratio = np.where(empty, 1.0, spent / np.maximum(free, LEAST_TRAVELLED_S))
    return np.clip(ratio, 1.0, LARGEST)


def travel_time_index(
    travel_time: FloatArray, free_time: FloatArray, travelled: FloatArray, group: IntArray, count: int
) -> FloatArray:
    """Travel time index: mean of travel time over free travel time, weighted by the distance travelled.

    Parameters
    ----------
    travel_time, free_time : [E] [s]. travelled : [E] vehicle metres.
    group : [E] number of the group that the road belongs to, below ``count``.

    Returns
    -------
    array
        [count] 1 to ``LARGEST``; 1 where nobody travelled.
    """
    weight = np.bincount(group, weights=travelled, minlength=count)
    total = np.bincount(group, weights=travelled * travel_time / free_time, minlength=count)
    return np.clip(np.where(weight > 0.0, total / np.maximum(weight, 1e-9), 1.0), 1.0, LARGEST)


def level(index: FloatArray) -> NDArray[np.int8]:
    """Find the ``Level`` of every index."""
    found: NDArray[Any] = np.searchsorted(BOUNDS, index, side="right")
    return found.astype(np.int8)
