"""Sensors that have reported no vehicle yet, and how many must have come by. May import the kernels' tables.

A test of the examination compares a sensor with its lane's other sensors, or with what it counted before. One that is
alone on its lane and has never counted escapes both. Its intersection's other sensors say whether that is odd.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.health import HALF

if TYPE_CHECKING:
    from citybrain_kernels.health import Diary, Watch

FloatArray = NDArray[np.float64]

LEAST_SHARE = 0.1
"""A lane that is used at all has at least so much of the traffic of its intersection's others."""


def missed_by(counted: FloatArray, watch: Watch, diary: Diary) -> tuple[FloatArray, FloatArray]:
    """Tell of every sensor that has counted nothing how many vehicles it must have missed if lanes are in use.

    If n were to be expected, a well sensor counts none of them with probability exp(-n): n is the log-likelihood ratio
    of "dead" to "well".

    Parameters
    ----------
    counted : [K] vehicles since the start, by counter.

    Returns
    -------
    missed : [X] vehicles that were to be expected at least; NaN for sensors that have counted any.
    beside : [X] what its lane's other sensors counted each, else its intersection's, else all of the street.
    """
    n_x = len(watch.is_loop)
    own = np.bincount(watch.owner, counted, n_x)
    speaks = (own > 0.0) & (diary.trust > 0.0)
    testifies = speaks[watch.owner]
    peers, n_peers = _sums(counted, watch, diary.trust[watch.owner] > 0.0)
    groups = int(watch.group.max(initial=0)) + 1
    there = np.bincount(watch.group[testifies], counted[testifies], groups)
    n_there = np.bincount(watch.group[testifies], minlength=groups)
    street = counted[testifies].mean() if testifies.any() else 0.0
    nearby = np.where(n_there > 0, there / np.maximum(n_there, 1), street)[watch.group]
    beside = np.where(n_peers > 0, peers / np.maximum(n_peers, 1), nearby)
    share = np.where(n_peers > 0, HALF, LEAST_SHARE)
    number = np.maximum(np.bincount(watch.owner, minlength=n_x), 1)
    missed = np.where(own > 0.0, np.nan, np.bincount(watch.owner, share * beside, n_x))
    return missed, np.bincount(watch.owner, beside, n_x) / number


def _sums(counted: FloatArray, watch: Watch, believed: NDArray[np.bool_]) -> tuple[FloatArray, NDArray[np.int64]]:
    """Vehicles and number [K] of each counter's believed peers."""
    n_k = len(watch.owner)
    asks = np.repeat(np.arange(n_k), np.diff(watch.peer_ptr))
    heard = believed[watch.peer]
    asks, peer = asks[heard], watch.peer[heard]
    return np.bincount(asks, counted[peer], n_k).astype(np.float64), np.bincount(asks, minlength=n_k).astype(np.int64)
