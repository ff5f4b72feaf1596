"""Slow, readable twins of what is learned of lanes and movements: effective discharge, lane changes, confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from citybrain_kernels import movements as k


@dataclass
class Road:
    """Lanes with both loops: vehicles that crossed now, and long-run flows over advance and stop loops [veh/s]."""

    crossings: list[float]
    use: list[float]
    leave: list[float]

    def change_lanes(self) -> list[float]:
        """Crossings after drivers have changed to the lanes that they leave by."""
        surplus = [max(0.0, use - leave) for use, leave in zip(self.use, self.leave, strict=True)]
        lack = [max(0.0, leave - use) for use, leave in zip(self.use, self.leave, strict=True)]
        if sum(surplus) == 0 or sum(lack) == 0:
            return list(self.crossings)
        taken = min(1.0, sum(lack) / sum(surplus))
        gone = [c * s / u * taken for c, s, u in zip(self.crossings, surplus, self.use, strict=True)]
        return [c - g + sum(gone) * wanted / sum(lack) for c, g, wanted in zip(self.crossings, gone, lack, strict=True)]


def effective(rate: float, seconds: Sequence[float]) -> float:
    """Mean discharge after so many seconds of green with a queue, each with the vehicles that left in it."""
    for n, left in enumerate(seconds, start=1):
        weight = 1.0 / max(min(n, k.DISCHARGE_MEMORY), k.HALF_KNOWN)
        rate = (1.0 - weight) * rate + weight * left
    return rate


def confidence(seen: float, age: float) -> float:
    """Half at ten observations, and half as much again for every quarter of an hour since the last one."""
    halves = max(age, 0.0) / k.HALF_LIFE
    fresh: float = 0.5**halves
    return max(k.LEAST_CONFIDENCE, seen / (seen + k.HALF_KNOWN) * fresh)
