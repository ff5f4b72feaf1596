"""Slow, readable twins of the estimator's kernels that go over all lanes: one lane, road or movement at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citybrain_kernels import assimilation as a
from citybrain_kernels import estimation as e
from citybrain_kernels import lanes as k
from tests.reference.estimation import correct

if TYPE_CHECKING:
    from citybrain_kernels.lanes import Belief, Layout


def moves_of(layout: Layout, l: int) -> range:
    """Movements that leave a lane."""
    return range(int(layout.move_ptr[l]), int(layout.move_ptr[l + 1]))


def feeds_of(layout: Layout, l: int) -> list[int]:
    """Movements that arrive on a lane."""
    return [int(m) for m in layout.feed[layout.feed_ptr[l] : layout.feed_ptr[l + 1]]]


def roads_of(layout: Layout) -> list[list[int]]:
    """Lanes of every road."""
    n = len(layout.cell_length)
    return [list(range(l, int(layout.road_last[l]))) for l in range(n) if layout.road_first[l] == l]


def cells_of(layout: Layout, l: int) -> range:
    """Cells of a lane, from its end, without the junction upstream."""
    return range(int(layout.cell_ptr[l]), int(layout.cell_ptr[l + 1]) - 1)


def opened(now: float, layout: Layout, aspect: list[int], since: list[float], heads: list[float]) -> list[float]:
    """Share of the saturation rate at which every movement may go; ``heads``: vehicles in each lane's last cell."""
    first = []
    for g in layout.move_group.tolist():
        runs = g >= 0 and aspect[g] == k.YELLOW and now - since[g] <= k.YELLOW_RUN
        first.append(g < 0 or aspect[g] in {k.PERMISSIVE, k.PROTECTED} or runs)
    found = [1.0 if goes else 0.0 for goes in first]
    for m, g in enumerate(layout.move_group.tolist()):
        foes = layout.yield_to[layout.yield_ptr[m] : layout.yield_ptr[m + 1]].tolist()
        if g >= 0 and aspect[g] == k.PERMISSIVE:
            pressed = any(first[foe] and heads[layout.move_from[foe]] > 0.5 for foe in foes)
            found[m] = k.PERMISSIVE_RATE if pressed else 1.0
    return found


def green_age(now: float, layout: Layout, l: int, aspect: list[int], since: list[float]) -> float:
    """Seconds for which all movements of a lane have had right of way; -1 if one has not."""
    groups = [int(layout.move_group[m]) for m in moves_of(layout, l) if layout.move_group[m] >= 0]
    if any(aspect[g] != k.PROTECTED for g in groups):
        return -1.0
    return now - max((since[g] for g in groups), default=-1e9)


def released(now: float, layout: Layout, belief: Belief, l: int) -> tuple[float, float]:
    """Vehicles that leave a lane without stop loop in a second, and its credit afterwards."""
    moves = moves_of(layout, l)
    content, credit = float(belief.content[layout.cell_ptr[l]]), float(belief.credit[l])
    if not moves or not layout.leads_on[moves[0]]:
        return content, credit
    goes = [m for m in moves if belief.open[m] > 0]
    going = sum(belief.share[m] for m in goes)
    pace = min(1.0, k.START_RATE + 0.05 * (now - belief.green_from[l]))
    credit = min(1.0, credit + pace * sum(belief.share[m] * belief.open[m] for m in goes) / belief.headway[l])
    if not going or now - belief.head_seen[l] <= 1.0:
        return 0.0, credit
    limits = [content, credit]
    for m in goes:
        to = layout.move_to[m]
        room = max(0.0, 1.0 + layout.storage[to] - belief.content[layout.cell_ptr[to + 1] - 1])
        if belief.share[m] > 0:
            limits.append(room * going / belief.share[m])
    return min(limits), credit - min(limits)


def entered(layout: Layout, belief: Belief) -> list[float]:
    """Vehicles that enter every lane in a second."""
    own = [sum(belief.flux[m] for m in feeds_of(layout, l)) for l in range(len(layout.cell_length))]
    for l, entry in enumerate(layout.entry.tolist()):
        if entry and belief.demand[l] > 0:
            own[l] = float(belief.demand[l])
    found = list(own)
    for lanes in roads_of(layout):
        mixed = [l for l in lanes if layout.mixing[l] > 0 and not layout.entry[l]]
        for l in mixed:
            spread = sum(own[j] for j in mixed) * belief.part[l]
            found[l] = (1 - layout.mixing[l]) * own[l] + layout.mixing[l] * spread
    return found


def tail(now: float, layout: Layout, belief: Belief, l: int) -> tuple[float, float, list[float]]:
    """How long a queue has reached beyond sight and the last cell in sight been empty [s]; contents of the cells."""
    cells = cells_of(layout, l)
    content = [float(belief.content[c]) for c in cells]
    over, gap = float(belief.over[l]), float(belief.beyond_gap[l])
    if layout.edge[l] < 0:
        return over, gap, content
    green, gate = belief.green_from[l] >= belief.green_to[l], int(layout.gate[l])
    if gate and green and belief.gate_free[l] >= k.TAIL_PASSED:
        started = belief.green_from[l] + gate * layout.cell_length[l] / k.START_WAVE
        flows = now - belief.last_departure[l] < k.TAIL_PASSED or belief.head_free[l] > k.GAP_OUT
        if flows and now > started + k.TAIL_PASSED:
            beyond = range(gate, min(gate + int(belief.gate_free[l]), len(content)))
            return 0.0, gap, [x * k.LATE_DECAY if c in beyond else x for c, x in enumerate(content)]
    edge, jam = int(layout.edge[l]), layout.storage[l]
    gap = gap + 1 if belief.content[cells[0] + edge] < k.TAIL_GAP * jam else 0.0
    stands = belief.standing[cells[0] + edge] > 0.5 * jam or belief.covered[l] > 3
    if gap > k.TAIL_PASSED:
        over = 0.0
    elif over > 0 or stands:
        over += 1
    return over, gap, content


def roomy(layout: Layout, belief: Belief) -> list[float]:
    """Contents after lanes, one after the other, have handed on what does not fit between their loops."""
    content = [float(x) for x in belief.content]
    within = [cells_of(layout, l)[: int(layout.gate[l])] for l in range(len(layout.gate))]
    for road in roads_of(layout):
        for l in road:
            there = sum(content[c] for c in within[l])
            surplus = there - k.TIGHTEST * len(within[l]) * layout.storage[l]
            if not within[l] or surplus <= 0:
                continue
            for c in within[l]:
                content[c] *= 1 - surplus / there
            for other in road:
                for c in within[other] if other != l else ():
                    moved = min(surplus, max(0.0, layout.storage[other] - content[c]))
                    content[c] += moved
                    surplus -= moved
    return content


def learned_shares(
    layout: Layout, belief: Belief, l: int, asked: dict[int, float], sent: dict[int, float]
) -> list[float]:
    """Turning shares of a lane a second later; ``asked``, ``sent``: flows [veh/s] by a road's first lane."""
    found = []
    for m in moves_of(layout, l):
        share = float(belief.share[m])
        road = int(layout.road_first[layout.move_to[m]])
        if road in asked and layout.leads_on[m]:
            ratio = (asked[road] + 1e-3) / (sent[road] + 1e-3)
            share *= 1 + k.SHARE_GAIN * (min(2.0, max(0.5, ratio)) - 1)
        found.append(share + k.PRIOR_PULL * (float(belief.usual_share[m]) - share))
    return [share / sum(found) for share in found]


def long_run(
    layout: Layout, belief: Belief, seconds: float
) -> tuple[list[float], dict[int, float], dict[int, tuple[float, float]], list[float]]:
    """A second later: usual flow of every lane, demand of sensed ones, what has passed them for how long, streams.

    Flows [veh/s]. A span in which a queue reached beyond sight counts as one, when it is over.
    """
    gain = 1 / min(300, 30 + seconds)
    use = [float(x) for x in belief.use]
    demand, since = {}, {}
    for l in np.flatnonzero(layout.sensed).tolist():
        passed = float(belief.passed[l] + (belief.crossings[l] if layout.gate[l] else belief.outflow[l]))
        span = float(belief.unsure[l]) + 1
        hidden = float(belief.over[l])
        since[l] = (passed, span) if hidden else (0.0, 0.0)
        if not hidden:
            keep = (1 - gain) ** span
            use[l] = keep * use[l] + (1 - keep) * passed / span
            demand[l] = use[l]
            continue
        seen_further = layout.edge[l] >= layout.gate[l]
        growth = 1.0 if seen_further else 1 + min(k.MOST_HIDDEN, hidden / k.HIDDEN_GROWTH)
        demand[l] = growth * max(use[l], (passed + 300 * use[l]) / (span + 300))
    return use, demand, since, [(1 - gain) * s + gain * f for s, f in zip(belief.stream, belief.flux, strict=True)]


def totals(layout: Layout, belief: Belief, l: int) -> dict[str, float]:
    """Sums over the cells of a lane."""
    cells = cells_of(layout, l)
    content, standing = [float(belief.content[c]) for c in cells], [float(belief.standing[c]) for c in cells]
    jam, size = float(layout.storage[l]), float(layout.cell_length[l])
    back, reach = 0.0, 0.0
    queued = [c for c, x in enumerate(standing) if x > 0.3]
    if queued:
        back = size * (queued[-1] + min(1.0, standing[queued[-1]] / jam))
        reach = sum(content[: queued[-1] + 1])
    full = standing[-1] > e.FULL * jam
    return {
        "vehicles": sum(content),
        "queue": sum(standing),
        "back": back,
        "reach": reach,
        "room": 0.0 if full else max(0.0, jam * len(cells) - sum(content)),
        "occupancy": min(1.0, sum(content) / (jam * len(cells))),
    }


def sure(age: float, missed: float, sureness: float, *, loop: bool) -> float:
    """Confidence in a lane last told of ``age`` seconds ago; its loops should have counted ``missed`` since then."""
    known = max(float(np.exp(-age / e.EVIDENCE_MEMORY)), float(np.exp(-missed)))
    return 0.1 + (sureness - 0.1) * (max(known, e.SILENT) if loop else known)


def head(
    now: float, layout: Layout, belief: Belief, l: int, aspect: list[int], queue: float, waited: float
) -> tuple[float, bool]:
    """How long the first vehicle of a stop line has stood [s], and whether green does not move it."""
    first = float(belief.standing[layout.cell_ptr[l]])
    since_last = now - belief.last_departure[l]
    waited = waited + 1 if first > e.HEAD_STANDS and since_last >= 1 else 0.0
    shown = [aspect[g] for g in (layout.move_group[m] for m in moves_of(layout, l)) if g >= 0]
    seen = now - belief.head_seen[l] <= k.HEAD_SIGHT or (layout.stop_loop[l] and belief.head_free[l] < 0)
    long = min(now - belief.green_from[l], since_last) >= e.BLOCKED_AFTER
    right = k.PROTECTED in shown and k.PERMISSIVE not in shown
    return waited, bool(right and seen and long and queue >= e.LEAST_HELD)


def framed(
    now: float,
    layout: Layout,
    belief: Belief,
    l: int,
    in_sight: int,
    objects: list[tuple[float, float, float, float]],
) -> list[float]:
    """Contents of a lane's cells after the newest frame of the one camera that sees it.

    Parameters
    ----------
    objects : time [s], distance [m], speed [m/s], confidence of what the newest frame holds.
    """
    first, last = int(layout.cell_ptr[l]), int(layout.cell_ptr[l + 1])
    seen = [0.0] * (last - first)
    for time, told, speed, confidence in sorted(set(objects)):
        if confidence < a.DOUBTFUL or told < 0:
            continue
        distance = told if speed < a.STANDING_SPEED else told - speed * (now - time)
        if distance < 0 and belief.green_from[l] > belief.green_to[l]:
            continue
        c = int(max(0.0, distance) / layout.cell_length[l])
        if c < len(seen):
            seen[c] += round(1024 * (1 + a.DOWN / a.UP * (1 / confidence - 1))) / 1024
    return correct(belief.content[first:last].tolist(), seen, in_sight)
