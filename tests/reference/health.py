"""The examination of sensors as an engineer would write it down: slow, one sensor at a time."""

from __future__ import annotations

import math


def cusum(ratios: list[float], limit: float, start: float = 0.0) -> float:
    """Page's sum of log-likelihood ratios, never below 0, never above the limit."""
    score = start
    for ratio in ratios:
        score = min(limit, max(0.0, score + ratio))
    return score


def trial(hit: bool, well: float, sick: float) -> float:
    """Log-likelihood ratio of one trial that hits with chance ``well`` or ``sick``."""
    return math.log(sick / well) if hit else math.log((1 - sick) / (1 - well))


def pulses(events: list[tuple[float, bool]], limit: float) -> tuple[int, float]:
    """Vehicles counted, and the score of chatter, of one loop's changes in order of time; no row comes twice."""
    vehicles, ratios = 0, []
    covered, began, ended = False, -math.inf, -math.inf
    for time, on in events:
        if on and time - began >= 0.5:
            vehicles += 1
        if on and not covered:
            ratios.append(trial(time - began < 0.5 or time - ended < 0.1, 0.08, 0.4))
            covered, began = True, time
        elif not on and covered:
            ratios.append(trial(time - began < 0.1, 0.08, 0.4))
            covered, ended = False, time
    return vehicles, cusum(ratios, limit)


def levels(comparisons: list[tuple[float, float]], limit: float) -> tuple[float, float]:
    """Scores of counting too little and too much, after (own, neighbours') vehicles of whole comparisons."""
    low = high = base = 0.0
    seen = 0
    for own, peer in comparisons:
        if seen >= 2:
            spread = math.sqrt((0.3 * peer + 18 + (0.1 * peer) ** 2) * (1 + 1 / seen))
            z = min(6.0, max(-6.0, (own - base * peer) / spread))
            low = cusum([-3 * z - 4.5], limit, low)
            high = cusum([3 * z - 4.5], limit, high)
        if max(low, high) <= 0:
            seen = min(50, seen + 1)
            base += (own / peer - base) / seen
    return low, high


def silence(heard: list[bool], seconds: float, limit: float) -> float:
    """Score of a camera that is heard, or has been missed for too long, tick by tick."""
    return cusum([-2.0 if here else -seconds * math.log(0.9) for here in heard], limit)


def too_few(ticks: list[tuple[float, float]], limit: float) -> float:
    """Score of a counter that counts (own) where neighbours make expect (due): Poisson, 5 % against 50 % of it."""
    return cusum([own * math.log(0.05 / 0.5) + 0.45 * due for own, due in ticks], limit)
