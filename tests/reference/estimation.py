"""Slow, readable twins of the estimator's kernels: one lane at a time, plain Python lists and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from citybrain_kernels import assimilation as a
from citybrain_kernels import estimation as e
from citybrain_kernels import lanes as k


@dataclass
class Lane:
    """Cells from the stop line upstream; the last one is the junction upstream."""

    content: list[float]
    pace: list[float]
    storage: float
    wave: float
    gate: int = 0
    debt: float = 0.0
    over: float = 0.0
    standing: list[float] = field(default_factory=list)

    def settle(self, c: int, flow: float, old: float) -> None:
        """A cell that lets little of its content go stands."""
        if self.content[c] < k.NOTHING:
            self.content[c] = 0.0
        moved = flow / old if old > k.NOTHING else 1.0
        self.pace[c] = min(1.0, max(k.PACE_MEMORY * self.pace[c], moved))
        self.standing[c] = self.content[c] if self.pace[c] < k.STANDING_PACE else 0.0


def move_on(lane: Lane, outflow: float, inflow: float, crossings: float, loop_free: bool, gapped_out: bool) -> None:
    """One second of one lane."""
    lane.standing = [0.0] * len(lane.content)
    first = lane.content[0]
    gone = min(first, outflow)
    owed = outflow - gone
    for c in range(1, min(4, len(lane.content))):
        taken = min(owed, lane.content[c])
        lane.content[c] -= taken
        owed -= taken
    lane.content[0] = (first - gone) * (k.LATE_DECAY if gapped_out else 1.0)
    lane.settle(0, gone, first)
    for c in range(1, len(lane.content)):
        old, ahead = lane.content[c], lane.content[c - 1]
        room = max(lane.wave * (lane.storage - ahead), min(1.0, lane.storage) - ahead, 0.0)
        flow = min(old, room)
        if c == lane.gate:
            unseen = max(0.0, flow - crossings) if loop_free and lane.over == 0.0 else 0.0
            paid = min(lane.debt, old)
            old -= paid
            lane.debt = 0.7 * (lane.debt - paid)
            flow = crossings
            short = max(0.0, flow - old)
            lane.debt += short
            stays = old - (flow - short)
            lane.content[c] = stays - min((1.0 - k.LATE_DECAY) * unseen, stays)
        else:
            lane.content[c] = old - flow
        lane.content[c - 1] += flow
        lane.settle(c, flow, old)
    lane.content[-1] += inflow


def head_left(
    content: float, feels: float, stood: float, loop_free: float, crossed: float, gate: int, *, red: bool
) -> float:
    """Vehicles left in the last cell of a lane that no camera sees; times in s, ``stood`` with this second.

    Not red means green in which some have to give way.
    """
    patience = k.NOBODY_STANDS if red else k.NOBODY_MOVES_UP
    if not red and content <= k.SOMEBODY:
        return content
    if feels < k.FEELS or loop_free >= k.UNHEARD or loop_free <= patience or stood <= patience:
        return content
    if red and gate and crossed < gate + k.NOBODY_STANDS:
        return content
    return content - (1 - k.LATE_DECAY) * max(0.0, content - (1 - feels))


def correct(content: list[float], seen: list[float], in_sight: int) -> list[float]:
    """New contents after a frame: first vehicles one cell off are moved, then surplus and lack are corrected."""
    content, seen = list(content), list(seen)
    for c in range(in_sight):
        if c + 1 < len(content):
            here, there = seen[c] - content[c], seen[c + 1] - content[c + 1]
            hidden = c + 1 >= in_sight
            if here > 0 and hidden:
                shift = min(here, content[c + 1])
                content[c + 1] -= a.UP * shift
                content[c] += a.UP * shift
                seen[c] -= (1 - a.UP) * shift
            elif here * there < 0 and not hidden:
                shift = min(abs(here), abs(there)) * (1 if here > 0 else -1)
                content[c] += a.UP * shift
                content[c + 1] -= a.UP * shift
                seen[c] -= (1 - a.UP) * shift
                seen[c + 1] += (1 - a.UP) * shift
        lack = seen[c] - content[c]
        content[c] = max(0.0, content[c] + (a.UP if lack > 0 else a.DOWN) * lack)
    return content


def departures(events: Sequence[tuple[float, bool]], green_from: float) -> int:
    """Vehicles that left over a stop loop whose lane turned green at ``green_from``; events in order, none doubled.

    A vehicle that reaches the loop on green leaves at once; one that came on red leaves when it leaves the loop.
    """
    count, waiting = 0, False
    for time, on in events:
        if on:
            waiting = time < green_from
            count += not waiting
        elif waiting:
            count += 1
            waiting = False
    return count


def arrivals(lanes: Sequence[tuple[list[float], list[float], float]], horizon: int) -> list[float]:
    """Moving and standing contents of a stop-line lane and the free lanes in a row behind it, by second.

    Parameters
    ----------
    lanes : per lane, nearest first: content, standing, saturation headway; every lane feeds only the one before.
    """
    out = [0.0] * horizon
    offset = 0
    for n, (content, standing, headway) in enumerate(lanes):
        for c, vehicles in enumerate(content):
            if offset + c < horizon:
                out[offset + c] += max(0.0, vehicles - standing[c])
        queued, h = sum(standing) if n else 0.0, offset
        while queued > e.LEAST_WEIGHT and h < horizon:
            out[h] += min(queued, 1.0 / headway)
            queued -= 1.0 / headway
            h += 1
        offset += len(content)
    return out
