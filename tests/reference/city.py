"""Slow, readable twins of ``citybrain_kernels.city``."""

from __future__ import annotations

from dataclasses import dataclass

DOUBLE_GAP = 0.45


def count_pulses(events: list[tuple[int, float, bool]], counts: list[bool], last_off: list[float]) -> list[float]:
    """Vehicles per loop; events sorted by loop, time, on. ``last_off`` is kept up."""
    vehicles = [0.0] * len(counts)
    for x, t, on in dict.fromkeys(events):
        if not counts[x]:
            continue
        if on and t - last_off[x] >= DOUBLE_GAP:
            vehicles[x] += 1.0
        if not on:
            last_off[x] = max(last_off[x], t)
    return vehicles


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
