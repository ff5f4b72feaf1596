"""Slow, readable twin of the kernel that takes in turning counts: one lane, plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from citybrain_kernels import turns as k
from citybrain_kernels.counts import CLOCK_SKEW, LONGEST, MOST_PER_SECOND, OLDEST_COUNT, SHORTEST, SLACK


@dataclass
class Lane:
    """A lane: the road that each of its movements leads to, and the shares inferred."""

    roads: list[int]
    share: list[float]
    counted: list[float] = field(default_factory=list)
    told: dict[int, float] = field(default_factory=dict)
    until: dict[int, float] = field(default_factory=dict)
    before: list[float] = field(default_factory=list)
    seen: float | None = None
    """Vehicles on which the shares rest; None where they are inferred."""
    time: float = -1e9

    def tick(self, now: float, steps: int, rows: list[tuple[int, float, float, float]]) -> None:
        """Take in rows of (road, begin, end, vehicles) from cameras that are heeded, in order."""
        self.told = {road: told * math.exp(-steps / k.TURN_MEMORY) for road, told in self.told.items()}
        for road, begin, end, vehicles in rows:
            span = end - begin
            possible = 0 < vehicles <= MOST_PER_SECOND * span and SHORTEST - SLACK <= span <= LONGEST + SLACK
            if not possible or not now - OLDEST_COUNT <= end <= now + CLOCK_SKEW or road not in self.roads:
                continue
            if begin < self.until.get(road, -math.inf) - SLACK:
                continue
            if sum(self.told.values()) < k.LEAST_TOLD:
                self.before = list(self.share)
            self.until[road] = end
            self.told[road] = self.told.get(road, 0.0) + vehicles
            self.time = max(self.time, end)
        total = sum(self.told.values())
        self.counted = list(self.share)
        if total < k.LEAST_TOLD:
            return
        self.seen = total
        for m, road in enumerate(self.roads):
            usual = sum(self.before[n] for n, other in enumerate(self.roads) if other == road)
            part = (k.PRIOR_WEIGHT * usual + self.told.get(road, 0.0)) / (k.PRIOR_WEIGHT + total)
            self.counted[m] = part * self.before[m] / usual
