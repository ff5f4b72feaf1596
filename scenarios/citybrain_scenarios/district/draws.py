"""Seeded draws from a hash: the same on every machine and in every version of Python; imports nothing."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Draws:
    """A stream of uniform numbers for one purpose."""

    def __init__(self, seed: int, purpose: str) -> None:
        self._name = f"{seed} {purpose}"
        self._number = 0

    def uniform(self) -> float:
        """Draw from [0, 1)."""
        digest = hashlib.sha256(f"{self._name} {self._number}".encode()).digest()
        self._number += 1
        return (int.from_bytes(digest[:8], "big") >> 11) / 2.0**53

    def choice(self, items: Sequence[Item], weights: Sequence[float] | None = None) -> Item:
        """Draw one item, all alike or by weight."""
        steps = list(itertools.accumulate(weights or [1.0] * len(items)))
        mark = self.uniform() * steps[-1]
        return next(item for item, step in zip(items, steps, strict=True) if mark < step)
