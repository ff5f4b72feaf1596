"""The one place that makes random generators. Everything else gets one passed in."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Make a generator for one purpose, independent of those for other purposes with the same seed.

    Parameters
    ----------
    seed : non-negative integer.
    purpose : words such as ``"sensors"``; the same words give the same stream on every machine.

    Raises
    ------
    ValueError
        If ``seed`` is negative.
    """
    if seed < 0:
        raise ValueError(f"a seed must not be negative, found {seed}")
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    return np.random.default_rng(np.random.SeedSequence([seed, word]))
