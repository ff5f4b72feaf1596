"""Slow, readable twin of the kernels that assimilate counts: one counter of one lane, plain Python."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from citybrain_kernels import counts as k


@dataclass
class Lane:
    """Cells from the lane's end upstream, without the junction; ``storage`` of each [veh], headway [s/veh]."""

    content: list[float]
    standing: list[float]
    storage: float
    headway: float
    green_from: float
    green_to: float
    use: float = 0.0
    over: float = 0.0
    evidence: float = -math.inf


@dataclass
class Counter:
    """A counter with ``boundary`` cells between its line and the lane's end; a camera has a ``reach`` [veh]."""

    lane: Lane
    boundary: int
    reach: float
    passed: dict[int, float] = field(default_factory=dict)
    queued: dict[int, float] = field(default_factory=dict)
    total: float = 0.0
    inside: float = 0.0
    cleared: float = 0.0
    until: float = -1e9
    told: list[tuple[float, float, bool]] = field(default_factory=list)
    """Vehicles that came and seconds of every interval taken in, and whether more may wait unseen."""
    waited: tuple[float, float] = (0.0, -1e9)
    """Queue at the end of the last interval, and that end."""

    def vehicles_inside(self) -> float:
        return sum(self.lane.content[: self.boundary or None])

    def watch(self, now: int, outflow: float) -> None:
        """Remember a second."""
        if not self.passed:
            self.inside = self.vehicles_inside()
            self.passed[now - 1], self.queued[now - 1] = 0.0, 0.0
        self.total += outflow if self.boundary == 0 else max(0.0, outflow + self.vehicles_inside() - self.inside)
        self.passed[now], self.queued[now] = self.total, sum(self.lane.standing)
        is_green = self.lane.green_from > self.lane.green_to
        if (self.vehicles_inside() < k.EMPTY and is_green) or len(self.passed) == 2:
            self.cleared = now

    def take(self, now: int, begin: float, end: float, vehicles: float, occupancy: float, queue: float) -> None:
        """Take in a count."""
        span, lane = end - begin, self.lane
        if not 0 <= vehicles <= k.MOST_PER_SECOND * span or begin < self.until - k.SLACK:
            return
        if not k.SHORTEST - k.SLACK <= span <= k.LONGEST + k.SLACK or not -k.OLDEST_COUNT <= end - now <= k.CLOCK_SKEW:
            return
        self.until = end
        lane.evidence = max(lane.evidence, end)
        queue_stays = self.boundary > 0 and occupancy - k.PASSING * vehicles / span > k.STANDS_OVER
        sight_is_full = self.reach > 0 and queue >= k.FULL_SIGHT * self.reach
        lane.over = lane.over + span if queue_stays or sight_is_full else 0.0
        remembered = begin >= min(self.passed) + 1
        grown = self.grown(queue, begin, end) if self.boundary == 0 and remembered else 0.0
        self.told.append((max(0.0, vehicles + grown), span, queue_stays or sight_is_full))
        if not remembered:
            return
        if math.isnan(queue) and queue_stays:
            full = k.FULL_SIGHT * self.boundary * lane.storage - self.green_since(now, end) / lane.headway
            self.put(max(0.0, full - self.vehicles_inside()), stands=True, cells=self.boundary)
        elif math.isnan(queue):
            self.put(self.more_inside(vehicles, begin, end), stands=False, cells=self.boundary)
        elif not (sight_is_full and self.at(self.queued, end) > queue):
            self.put(self.more_queued(now, queue, end), stands=True, cells=0)

    def grown(self, queue: float, begin: float, end: float) -> float:
        """By how much the queue grew in an interval."""
        consecutive = begin <= self.waited[1] + k.SLACK and not math.isnan(queue)
        was = self.waited[0] if consecutive else self.at(self.queued, begin)
        is_now = self.at(self.queued, end) if math.isnan(queue) else queue
        self.waited = (is_now, end)
        return is_now - was

    def green_since(self, now: int, time: float) -> float:
        """Seconds of green since a time."""
        lane = self.lane
        green_until = now if lane.green_from > lane.green_to else lane.green_to
        return max(0.0, green_until - max(time, lane.green_from))

    def at(self, memory: dict[int, float], time: float) -> float:
        """Value at a time, linear between seconds."""
        time = min(time, max(memory))
        low, high = math.floor(time), math.ceil(time)
        return memory[low] + (time - low) * (memory[high] - memory[low])

    def more_inside(self, vehicles: float, begin: float, end: float) -> float:
        """By how many vehicles the lane is believed too empty."""
        modelled = self.at(self.passed, end) - self.at(self.passed, begin)
        model_variance = max(modelled, vehicles) + 1
        gain = model_variance / (model_variance + (k.COUNT_SD + k.MISCOUNT * vehicles) ** 2)
        if self.boundary == 0:
            never_empty = self.cleared < begin
            return gain * (modelled - vehicles) if never_empty else 0.0
        since_empty = max(0.0, end - max(begin, self.cleared))
        return gain * (vehicles - modelled) * since_empty / (end - begin)

    def more_queued(self, now: int, queue: float, end: float) -> float:
        """By how many vehicles the queue is believed too short, once those are gone that have had green since."""
        lane, believed = self.lane, self.at(self.queued, end)
        model_variance = max(believed, queue) + 1
        gain = model_variance / (model_variance + (k.QUEUE_SD + k.QUEUE_SD_SHARE * queue) ** 2)
        corrected = believed + gain * (queue - believed)
        gone = self.green_since(now, end) / lane.headway
        return max(0.0, corrected - gone) - max(0.0, believed - gone)

    def put(self, more: float, *, stands: bool, cells: int) -> None:
        """Add vehicles from the lane's end upstream, or take them from the far end."""
        lane = self.lane
        cells = cells or len(lane.content)
        if more > 0:
            for c in range(cells):
                free = max(0.0, lane.storage - lane.content[c])
                added, more = min(more, free), more - min(more, free)
                lane.content[c] += added
                if stands and added > 0:
                    lane.standing[c] = lane.content[c]
        for c in reversed(range(cells)):
            if more < 0:
                taken = min(-more, lane.standing[c] if stands else lane.content[c])
                more += taken
                lane.content[c] -= taken
                lane.standing[c] = (
                    max(0.0, lane.standing[c] - taken) if stands else min(lane.standing[c], lane.content[c])
                )

    def close(self) -> None:
        """End of a tick."""
        rate = 0.0
        for n, (came, span, at_least) in enumerate(self.told):
            weight = max(1 / (n + 1), span / (span + k.RATE_MEMORY))
            new = (1 - weight) * rate + weight * came / span
            rate = max(rate, new) if at_least else new
        if self.told:
            self.lane.use = rate
        self.inside = self.vehicles_inside()
