"""Slow, readable twins of ``citybrain_kernels.city``."""

from __future__ import annotations

import math
from dataclasses import dataclass

DOUBLE_GAP = 0.45


@dataclass
class Loop:
    """One loop over one minute that began at ``begin``."""

    begin: float
    way_to: float
    way_from: float
    last_off: float = -math.inf
    open: bool = False
    reached: float = 0.0
    left: float = 0.0
    since_left: float = 0.0
    before: float = 0.0
    after: float = 0.0
    later: float = 0.0

    def feel(self, events: list[tuple[float, bool]]) -> None:
        """Take in events sorted by time, then on."""
        for t, on in dict.fromkeys(events):
            if on and t - self.last_off >= DOUBLE_GAP:
                self.reached += 1.0
                self.before += max(0.0, t - max(self.begin, t - self.way_to))
                self.open = True
            if not on and t > self.last_off:
                self.last_off = t
                if self.open:
                    self.left += 1.0
                    self.since_left += self._rest(t)
                    now = min(self.way_from, self._rest(t))
                    self.after += now
                    self.later += self.way_from - now
                self.open = False

    def _rest(self, t: float) -> float:
        """Part of the minute that comes after a time [s]."""
        return self.begin + 60.0 - min(max(t, self.begin), self.begin + 60.0)


@dataclass
class Road:
    """One road over some bins of equal length, oldest first: vehicles that left, content at the end of the bin."""

    left: list[float]
    content: list[float]
    bin_s: float
    free_s: float

    def entered(self, number: float) -> float:
        """When vehicle ``number`` entered [s since the first bin began]; 0 if before."""
        reached = [self.left[0] + self.content[0]]
        for k in range(len(self.left)):
            reached.append(max(reached[-1], sum(self.left[: k + 1]) + self.content[k]))
        if number <= reached[0]:
            return 0.0
        for k in range(1, len(reached)):
            if number <= reached[k]:
                part = (number - reached[k - 1]) / (reached[k] - reached[k - 1])
                return self.bin_s * (k - 1 + part)
        return self.bin_s * len(self.left)

    def travel_time(self, window: int) -> float:
        """Mean time over the road of those who left in the last ``window`` bins [s]."""
        total = sum(self.left)
        recent = range(max(0, len(self.left) - window), len(self.left))
        leavers = sum(self.left[k] for k in recent)
        if leavers < 1.0:
            stands = self.content[-1] >= 1.0
            return max(self.free_s, self.bin_s * len(self.left) - self.entered(total + 0.5)) if stands else self.free_s
        time = 0.0
        for k in recent:
            number = sum(self.left[:k]) + self.left[k] / 2.0
            time += self.left[k] * max(0.0, self.bin_s * (k + 0.5) - self.entered(number))
        return max(self.free_s, time / leavers)
