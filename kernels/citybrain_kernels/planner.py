"""Rolling-horizon search for one intersection after the other: which stage to show next, and when.

A beam search over stage sequences. Queues are points at the stop line, time runs in steps of 1 s, and a node of the
search is (second, stage, since when) with the queues that this history leaves. Nodes of the same second compete;
of two nodes with the same stage and the same beginning of it the cheaper one stays (the dominance rule of COP,
Sen & Head 1997, and SURTRAC, Xie et al. 2012). Parameters are in ``Weights``.

Arrays are handed on one by one instead of in their tuples: taking an array out of a tuple counts a reference, and
in the innermost loops that cost two thirds of the time.

Index letters: i intersections, l queues of an intersection (lanes, then pedestrian groups), k queues of all,
p, q stages of an intersection, h and t seconds from now, b nodes of one second, v pairs (stage, queue).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.planner_tables import (
    AGE,
    BENT_COST,
    COST,
    GREEN_AGE,
    LEFT,
    MOST_REDS,
    OPEN,
    PARENT,
    PERMISSIVE,
    PRESSING_COST,
    PROTECTED,
    QUEUED,
    RATE,
    RELIEF,
    ROOM,
    SCORE,
    SENT,
    SINCE,
    STAGE,
    WAIT,
    WAITED,
    WORTH,
    Layout,
    Nodes,
    Outlook,
    Weights,
)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


@kernel
def foretell_gaps(
    v_base: int,
    n_pairs: int,
    q0: int,
    arrivals: F32,
    serve: F32,
    foe_ptr: I32,
    foe_queue: I32,
    weights: Weights,
    chance: F64,
) -> None:
    """Write the chance of a gap for every permissive pair and second into ``chance`` [pairs, H].

    It falls with the foes expected within the next ``gap`` seconds (Poisson gaps), down to ``sneak``.
    """
    horizon = arrivals.shape[1]
    for x in range(n_pairs):
        v = v_base + x
        if serve[v, PERMISSIVE] <= 0.0:
            continue
        for h in range(horizon):
            pressing = 0.0
            for f in range(foe_ptr[v], foe_ptr[v + 1]):
                for g in range(h, min(h + weights.gap, horizon)):
                    pressing += arrivals[q0 + foe_queue[f], g]
            chance[x, h] = max(weights.sneak, math.exp(-pressing))


@kernel
def foes_stand(
    pair: int,
    h: int,
    begin: int,
    q0: int,
    t: int,
    b: int,
    queues: F32,
    queue: F32,
    foe_ptr: I32,
    foe_queue: I32,
    weights: Weights,
) -> bool:
    """Tell whether foes queued in the parent node (t, b) still discharge in second h.

    They do so from second ``begin`` on.
    """
    for f in range(foe_ptr[pair], foe_ptr[pair + 1]):
        foe = foe_queue[f]
        standing = queues[t, b, foe, LEFT]
        if standing > 0.5 and h < begin + weights.start_loss + standing / max(queue[q0 + foe, RATE], 0.02):
            return True
    return False


@kernel
def roll(
    t: int,
    begin: int,
    end: int,
    v_from: int,
    v_to: int,
    v_base: int,
    n: int,
    q0: int,
    b: int,
    queues: F32,
    queue: F32,
    arrivals: F32,
    sums: F64,
    chance: F64,
    serve: F32,
    foe_ptr: I32,
    foe_queue: I32,
    weights: Weights,
    bound: float,
) -> tuple[float, float]:
    """Carry the queues of node (t, b) from second t to ``end`` into the spare node.

    Returns what it costs and an estimate of what serving the queues after the horizon will cost [veh s]. Neither
    ever shrinks from queue to queue, so the work stops as soon as their sum is beyond ``bound``.

    From t to ``begin`` an interstage runs between the stages with pairs ``v_from`` and ``v_to``: queues green in
    both go on, those that end use the first ``yellow_use`` seconds. From ``begin`` on ``v_to`` is shown. Red queues
    and empty green ones take one step whatever the time, by ``sums``: that is most of them.
    """
    cost, later = 0.0, 0.0
    spare = queues.shape[0] - 1
    for l in range(n):
        k = q0 + l
        worth = queue[k, WORTH]
        left, wait, age = queues[t, b, l, LEFT], queues[t, b, l, WAIT], queues[t, b, l, AGE]
        open_share, sent = queues[t, b, l, OPEN], queues[t, b, l, SENT]
        went = serve[v_from + l, PROTECTED] + serve[v_from + l, PERMISSIVE] > 0.0
        goes = serve[v_to + l, PROTECTED] + serve[v_to + l, PERMISSIVE] > 0.0
        stops = begin if went and goes else min(t + weights.yellow_use, begin) if went else t
        for part in range(3):
            # green of the old stage, red, green of the new one
            h0, h1, pair = t, stops, v_from + l
            if part == 1:
                h0, h1 = stops, begin if goes else end
            elif part == 2:
                h0, h1, pair = begin, end if goes else begin, v_to + l
            if h1 <= h0:
                continue
            coming = sums[l, 0, h1] - sums[l, 0, h0]
            if part == 1:
                age, open_share = 0.0, 1.0
                if left > 0.01 and wait + (h1 - h0) <= weights.patience:
                    waited = (h1 - h0) * (left - sums[l, 0, h0]) + sums[l, 1, h1 + 1] - sums[l, 1, h0 + 1]
                    cost += worth * waited
                    left += coming
                    wait += h1 - h0
                else:
                    for h in range(h0, h1):
                        left += arrivals[k, h]
                        wait = wait + 1.0 if left > 0.01 else 0.0
                        cost += worth * left * (1.0 + max(0.0, wait - weights.patience) / weights.patience)
                continue
            permissive = serve[pair, PERMISSIVE]
            green = serve[pair, PROTECTED] + permissive
            room = queue[k, ROOM] + queue[k, RELIEF] * h0 - sent
            free = left <= 0.01 and permissive <= 0.0 and green > 0.99 and open_share >= 1.0
            if free and coming <= room and sums[l, 2, 0] <= 1.0:
                sent += coming
                age += h1 - h0
                wait = 0.0
                continue
            for h in range(h0, h1):
                arriving = arrivals[k, h]
                if left + arriving > 0.0:
                    factor = open_share
                    if permissive > 0.0:
                        gap = chance[pair - v_base, h]
                        if foes_stand(pair, h, h0, q0, t, b, queues, queue, foe_ptr, foe_queue, weights):
                            gap = weights.sneak
                        factor *= (green - permissive + permissive * gap) / green
                    if left <= 0.01:
                        out = min(arriving, 1.0) * green * factor
                    elif age < weights.start_loss:
                        out = 0.0
                    else:
                        out = min(left + arriving, queue[k, RATE] * factor)
                    out = min(out, max(0.0, queue[k, ROOM] + queue[k, RELIEF] * h - sent))
                    if out > 0.0:
                        sent += out
                        wait = 0.0
                        if green < 0.99:
                            open_share *= green**out
                    left = max(0.0, left + arriving - out)
                age += 1.0
                if left > 0.01:
                    wait += 1.0
                    cost += worth * left * (1.0 + max(0.0, wait - weights.patience) / weights.patience)
                else:
                    wait = 0.0
        queues[spare, 0, l, LEFT] = left
        queues[spare, 0, l, WAIT] = wait
        queues[spare, 0, l, AGE] = age
        queues[spare, 0, l, OPEN] = open_share
        queues[spare, 0, l, SENT] = sent
        if queues[spare, 0, l, LEFT] > 0.01:
            rest = tail_cost(queues[spare, 0, l, LEFT], queues[spare, 0, l, WAIT], queue[k, RATE], goes, weights)
            later += worth * rest
        if cost + weights.tail * later > bound:
            break
    return cost, weights.tail * later


@kernel
def tail_cost(left: float, wait: float, rate: float, green: bool, weights: Weights) -> float:
    """Estimate what serving a queue after the horizon will cost [veh s], before the weight of the tail."""
    each = 0.5 * left / max(rate, 0.05)
    if not green:
        each += weights.tail_red
    return left * each * (1.0 + max(0.0, wait - weights.patience) / weights.patience)


@kernel
def find_slot(t: int, stage: int, since: int, filled: I32, place: I32, value: F32) -> int:
    """Find the node of second t that a child must beat; the first free one, where there is nobody to beat.

    That is the node with the same stage since the same second, or else the worst.
    """
    worst = 0
    for b in range(filled[t]):
        if place[t, b, STAGE] == stage and place[t, b, SINCE] == since:
            return b
        if value[t, b, SCORE] > value[t, worst, SCORE]:
            worst = b
    return filled[t] if filled[t] < place.shape[1] else worst


@kernel
def wanted(v: int, t: int, b: int, until: int, n: int, queues: F32, sums: F64, serve: F32) -> bool:
    """Tell whether anybody whom the stage with pairs v serves waits in node (t, b) or comes before ``until``."""
    last = min(until, sums.shape[2] - 2)
    for l in range(n):
        if serve[v + l, PROTECTED] + serve[v + l, PERMISSIVE] > 0.0 and (
            queues[t, b, l, LEFT] > 0.01 or sums[l, 0, last] - sums[l, 0, t] > 0.05
        ):
            return True
    return False


@kernel
def add_up(n: int, q0: int, arrivals: F32, sums: F64) -> None:
    """Write running sums of the arrivals of n queues; see ``Nodes``."""
    for l in range(n):
        peak = 0.0
        sums[l, 0, 0] = sums[l, 1, 0] = 0.0
        for h in range(arrivals.shape[1]):
            peak = max(peak, arrivals[q0 + l, h])
            sums[l, 0, h + 1] = sums[l, 0, h] + arrivals[q0 + l, h]
            sums[l, 1, h + 1] = sums[l, 1, h] + sums[l, 0, h]
        sums[l, 1, arrivals.shape[1] + 1] = sums[l, 1, arrivals.shape[1]] + sums[l, 0, arrivals.shape[1]]
        sums[l, 2, 0] = peak


@kernel
def plan_all(
    share: int,
    shares: int,
    due: NDArray[np.bool_],
    row: I32,
    hold: I32,
    layout: Layout,
    outlook: Outlook,
    weights: Weights,
    nodes: Nodes,
    plan_row: I32,
    plan_start: I32,
    plan_cost: F32,
    other_row: I32,
    other_cost: F32,
) -> None:
    """Plan every intersection that is due; of several calls at the same time each takes its share.

    Parameters
    ----------
    share, shares : this call plans intersections i with i % shares = share, with the scratch of that number.
    due : [I] plan this one now.
    row : [I] row shown now (a stage or not).
    hold : [S] seconds that must pass before the row shown may give way to this stage (minimum greens).
    plan_row, plan_start : [I, K] out: global rows, and seconds from now at which the change to them begins (0 for
        the row shown, if it is held); -1 fills the rest.
    plan_cost : [I] out: cost of the best plan [veh s].
    other_row, other_cost : [I] out, where the plan begins with a change: what the best plan without that change begins
        with (global row), and its cost [veh s]; -1 and NaN elsewhere.
    """
    spare_row, spare_start = nodes.row[share], nodes.start[share]
    any_row: Any = np.int32(-1)  # of the type of rows, or everything is compiled twice
    for i in range(share, due.shape[0], shares):
        other_row[i], other_cost[i] = -1, np.nan
        if not due[i]:
            continue
        plan_cost[i] = plan_one(
            i, row[i], share, hold, layout, outlook, weights, nodes, plan_row[i], plan_start[i], any_row
        )
        change = plan_row[i, 0]
        if change != row[i]:
            cost = plan_one(i, row[i], share, hold, layout, outlook, weights, nodes, spare_row, spare_start, change)
            if cost < math.inf:
                other_row[i], other_cost[i] = spare_row[0], cost


@kernel
def find_pressing(i: int, horizon: int, layout: Layout, red_last: I32) -> tuple[int, int]:
    """Count the reds of intersection i to heed (0 if none ends within the horizon); and bits of those that need none.

    The others than the first ``MOST_REDS`` are left to the guard.
    """
    red_ptr = layout.red_ptr
    n = min(red_ptr[i + 1] - red_ptr[i], MOST_REDS)
    free, pressing = 0, False
    for d in range(n):
        if red_last[red_ptr[i] + d] < horizon:
            pressing = True
        else:
            free |= 1 << d
    return (n if pressing else 0), free


@kernel
def serve_reds(n: int, base: int, served: int, red_serve: NDArray[np.bool_]) -> int:
    """Add to the bits of groups served those that a stage serves; ``base`` is where the stage's groups begin."""
    for d in range(n):
        if red_serve[base + d]:
            served |= 1 << d
    return served


@kernel
def unserved(n: int, served: int) -> int:
    """Count the reds, of n, that are not served."""
    count = 0
    for d in range(n):
        count += 1 - (served >> d & 1)
    return count


@kernel
def most_pressing(n: int, first: int, served: int, red_last: I32) -> int:
    """Find the group [D] at which the guard loses patience first, of n from ``first`` on that are not served; or -1."""
    worst = -1
    for d in range(n):
        if not (served >> d) & 1 and (worst < 0 or red_last[first + d] < red_last[worst]):
            worst = first + d
    return worst


@kernel
def plan_one(
    i: int,
    row: int,
    share: int,
    hold: I32,
    layout: Layout,
    outlook: Outlook,
    weights: Weights,
    nodes: Nodes,
    plan_row: I32,
    plan_start: I32,
    banned: int,
) -> float:
    """Plan intersection i and return the plan's cost; arguments as in :func:`plan_all`, the plan's own rows.

    No plan may begin with the row ``banned`` (-1: any may); without another one the cost is infinite.

    Courses that the guard would bend since a group has been red for too long are not foreseen; where all would be, the
    stage that the guard will take is, at a price. Reds that begin within the horizon are not watched: they have time.
    """
    q0, s0, v_base = layout.queue_ptr[i], layout.stage_ptr[i], layout.serve_ptr[i]
    n, n_stages = layout.queue_ptr[i + 1] - q0, layout.stage_ptr[i + 1] - s0
    queue, arrivals, serve, red_last = outlook.queue, outlook.arrivals, outlook.serve, outlook.red_last
    filled, place, value, queues = nodes.filled[share], nodes.place[share], nodes.value[share], nodes.queues[share]
    sums, chance, served = nodes.sums[share], nodes.chance[share], nodes.served[share]
    foe_ptr, foe_queue, red_serve, red_stage = layout.foe_ptr, layout.foe_queue, layout.red_serve, layout.red_stage
    stage_row, change, keep, slow = layout.stage_row, layout.change, layout.keep, layout.slow
    change_base, row_base, red_base = layout.change_ptr[i], layout.row_ptr[i], layout.red_serve_ptr[i]
    first_red, all_reds = layout.red_ptr[i], layout.red_ptr[i + 1] - layout.red_ptr[i]
    horizon = filled.shape[0] - 2
    place[0, 0, STAGE] = -1
    for p in range(n_stages):
        if stage_row[s0 + p] == row:
            place[0, 0, STAGE] = p
    place[0, 0, SINCE] = -1
    place[0, 0, PARENT] = -1
    value[0, 0, COST] = 0.0
    n_reds, served[0, 0] = find_pressing(i, horizon, layout, red_last)
    add_up(n, q0, arrivals, sums)
    foretell_gaps(v_base, n * n_stages, q0, arrivals, serve, foe_ptr, foe_queue, weights, chance)
    filled[:] = 0
    filled[0] = 1
    for l in range(n):
        queues[0, 0, l, LEFT] = queue[q0 + l, QUEUED]
        queues[0, 0, l, WAIT] = queue[q0 + l, WAITED]
        queues[0, 0, l, AGE] = queue[q0 + l, GREEN_AGE]
        queues[0, 0, l, OPEN] = 1.0
        queues[0, 0, l, SENT] = 0.0
    for t in range(horizon):
        for b in range(filled[t]):
            shown = place[t, b, STAGE]
            source = stage_row[s0 + shown] - row_base if shown >= 0 else row - row_base
            grown = 0
            # The last turn is for the guard's own choice, where the guard would bend every other.
            for turn in range(n_stages + 1):
                q = turn
                if turn == n_stages:
                    worst = most_pressing(n_reds, first_red, served[t, b], red_last)
                    if grown > 0 or worst < 0:
                        break
                    q = red_stage[worst]
                    if shown >= 0 and place[t, b, SINCE] < 0 and t < hold[s0 + q]:
                        q = shown
                seconds = change[change_base + source * n_stages + q]
                length = seconds + keep[change_base + source * n_stages + q]
                v_to = v_base + q * n
                after = served[t, b]
                if n_reds > 0:
                    after = serve_reds(n_reds, red_base + q * all_reds, after, red_serve)
                if q == shown:
                    seconds, length = 0, weights.step
                elif shown >= 0:
                    if place[t, b, SINCE] < 0 and t < hold[s0 + q]:
                        continue
                    if after == served[t, b] and not wanted(v_to, t, b, t + length, n, queues, sums, serve):
                        continue
                # Children end on the grid of decisions, so that few seconds hold all nodes.
                begin = min(t + seconds, horizon)
                end = min(t + (length + weights.step - 1) // weights.step * weights.step, horizon)
                until = end - 1 if q == shown else max(end - 1, t + slow[s0 + q])
                worst = most_pressing(n_reds, first_red, after, red_last)
                if turn < n_stages and worst >= 0 and red_last[worst] < until:
                    continue
                grown += 1
                if t == 0 and stage_row[s0 + q] == banned:
                    continue
                since = place[t, b, SINCE] if q == shown else begin
                slot = find_slot(end, q, since, filled, place, value)
                bound = math.inf
                if slot < filled[end]:
                    # The margin is for rounding, which may let the sums shrink a little.
                    bound = value[end, slot, SCORE] * (1.0 + 1e-9) + 1e-9 - value[t, b, COST]
                more, later = roll(
                    t,
                    begin,
                    end,
                    v_base + shown * n if shown >= 0 else v_to,
                    v_to,
                    v_base,
                    n,
                    q0,
                    b,
                    queues,
                    queue,
                    arrivals,
                    sums,
                    chance,
                    serve,
                    foe_ptr,
                    foe_queue,
                    weights,
                    bound,
                )
                cost = value[t, b, COST] + more + (BENT_COST if turn == n_stages else 0.0)
                score = cost + later + PRESSING_COST * unserved(n_reds, after)
                enter(t, b, q, since, end, slot, n, cost, score, after, filled, place, value, queues, served)
    if filled[horizon] == 0:
        return math.inf
    best = 0
    for b in range(1, filled[horizon]):
        if value[horizon, b, SCORE] < value[horizon, best, SCORE]:
            best = b
    trace(horizon * place.shape[1] + best, row, s0, place, stage_row, plan_row, plan_start)
    return float(value[horizon, best, SCORE])


@kernel
def enter(
    t: int,
    b: int,
    stage: int,
    since: int,
    end: int,
    slot: int,
    n: int,
    cost: float,
    score: float,
    after: int,
    filled: I32,
    place: I32,
    value: F32,
    queues: F32,
    served: I64,
) -> None:
    """Put the child of node (t, b) that lies in the spare node into a slot of second ``end``, if it is better."""
    spare = filled.shape[0] - 1
    value[spare, 0, SCORE] = score  # rounded as those that it is compared with
    if slot == filled[end]:
        filled[end] += 1
    elif value[spare, 0, SCORE] >= value[end, slot, SCORE]:
        return
    place[end, slot, STAGE] = stage
    place[end, slot, SINCE] = since
    place[end, slot, PARENT] = t * place.shape[1] + b
    value[end, slot, COST] = cost
    value[end, slot, SCORE] = score
    served[end, slot] = after
    for l in range(n):
        for c in range(5):
            queues[end, slot, l, c] = queues[spare, 0, l, c]


@kernel
def trace(leaf: int, row: int, s0: int, place: I32, stage_row: I32, plan_row: I32, plan_start: I32) -> None:
    """Walk from the best leaf back to the root and write the plan's stages [K] in order."""
    beam = place.shape[1]
    plan_row[:] = -1
    plan_start[:] = -1
    changes = 0
    earliest = 0
    at = leaf
    while place[at // beam, at % beam, PARENT] >= 0:
        up = place[at // beam, at % beam, PARENT]
        if place[up // beam, up % beam, STAGE] != place[at // beam, at % beam, STAGE]:
            changes += 1
            earliest = up // beam
        at = up
    held = changes == 0 or earliest > 0
    if held:
        plan_row[0] = row
        plan_start[0] = 0
    slot = changes if held else changes - 1
    at = leaf
    while place[at // beam, at % beam, PARENT] >= 0:
        up = place[at // beam, at % beam, PARENT]
        if place[up // beam, up % beam, STAGE] != place[at // beam, at % beam, STAGE]:
            if slot < plan_row.shape[0]:
                plan_row[slot] = stage_row[s0 + place[at // beam, at % beam, STAGE]]
                plan_start[slot] = up // beam
            slot -= 1
        at = up
