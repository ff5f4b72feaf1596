"""From the estimate and the lamps to what the planner's search expects, and to who may decide now.

Index letters as in ``planner_tables``.
"""

from __future__ import annotations

import math

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.planner_tables import (
    BOOLS,
    BYTES,
    F32,
    GREEN_AGE,
    I32,
    I64,
    NOT_RED,
    PERMISSIVE,
    PROTECTED,
    QUEUED,
    RATE,
    RELIEF,
    ROOM,
    WAITED,
    WORTH,
    Belief,
    Layout,
    Outlook,
    Shown,
    Sight,
    Wiring,
)

RED = 0
GREEN = 2
"""Lowest ``Aspect`` that is green."""


@kernel
def learn_usual(share: float, wiring: Wiring, belief: Belief, usual: F32) -> None:
    """Move the usual flow of every stop-line lane [A, veh/s] towards the flow of now by ``share``."""
    approach_lane, flow = wiring.approach_lane, belief.flow
    for a in range(usual.shape[0]):
        usual[a] += share * (flow[approach_lane[a]] - usual[a])


@kernel
def fill_arrivals(wiring: Wiring, belief: Belief, usual: F32, sight: Sight, outlook: Outlook) -> None:
    """Write the arrivals at stop lines: those foretold, and from second ``known`` on no fewer in all than usual.

    Without the usual ones the street always looks empty in half a minute, and the search puts off for ever whatever
    is cheaper to do on an empty street.
    """
    lane_queue, arrivals, expected = wiring.lane_queue, belief.arrivals, outlook.arrivals
    horizon = expected.shape[1]
    known = min(sight.known, horizon - 1)
    for a in range(lane_queue.shape[0]):
        k = lane_queue[a]
        foretold = 0.0
        for h in range(horizon):
            expected[k, h] = arrivals[a, h]
            if h >= known:
                foretold += arrivals[a, h]
        more = max(0.0, usual[a] - foretold / (horizon - known))
        for h in range(known, horizon):
            expected[k, h] += more


@kernel
def fill_lanes(wiring: Wiring, belief: Belief, sight: Sight, outlook: Outlook) -> None:
    """Write the queues of stop-line lanes: vehicles, wait, saturation flow, room beyond."""
    lane_queue, approach_lane, leave_ptr = wiring.lane_queue, wiring.approach_lane, wiring.leave_ptr
    leave_move, move_to = wiring.leave_move, wiring.move_to
    queued, spill, head_wait, discharge = belief.queue, belief.spill, belief.head_wait, belief.discharge
    blocked, room, flow, turn_share = belief.blocked, belief.room, belief.flow, belief.turn_share
    queue = outlook.queue
    for a in range(lane_queue.shape[0]):
        k = lane_queue[a]
        queue[k, QUEUED] = queued[approach_lane[a]] + spill[a]
        queue[k, WAITED] = head_wait[a]
        queue[k, RATE] = (sight.blocked_rate if blocked[a] else 1.0) / discharge[a]
        queue[k, GREEN_AGE] = 0.0
        least, relief = math.inf, math.inf
        for x in range(leave_ptr[a], leave_ptr[a + 1]):
            m = leave_move[x]
            beyond = move_to[m]
            share = turn_share[m]
            if share >= sight.minor_share and queued[beyond] >= sight.standing:
                least = min(least, room[beyond] / share)
                relief = min(relief, flow[beyond] / share)
        queue[k, ROOM] = least
        queue[k, RELIEF] = relief if math.isfinite(relief) else 1.0


@kernel
def fill_worth(
    layout: Layout, wiring: Wiring, belief: Belief, sight: Sight, filling: F32, pressed: F32, outlook: Outlook
) -> None:
    """Write what a waiting vehicle weighs: at a pressed intersection more inside the network than at its edge.

    Of two queues as long, the one that will soon stand in the way of others is served first, and the one at the edge
    of the network waits: that meters what comes in while the inside is full.

    Parameters
    ----------
    filling : [A] how full every stop-line lane inside the network has been of late, 0 to 1; moved on by one tick.
    pressed : [I] out: 0 where no such lane is as full as ``filled``, 1 where one is twice as full.
    """
    lane_queue, queue, queue_ptr = wiring.lane_queue, outlook.queue, layout.queue_ptr
    approach_lane, storage = wiring.approach_lane, wiring.storage
    pressed[:] = 0.0
    i = 0
    for a in range(lane_queue.shape[0]):
        while lane_queue[a] >= queue_ptr[i + 1]:
            i += 1
        taken = min(1.0, belief.queue[approach_lane[a]] / storage[a]) if storage[a] > 0.0 else 0.0
        filling[a] += (taken - filling[a]) / sight.settle
        pressed[i] = max(pressed[i], min(1.0, max(0.0, filling[a] / sight.filled - 1.0)))
    i = 0
    for a in range(lane_queue.shape[0]):
        while lane_queue[a] >= queue_ptr[i + 1]:
            i += 1
        queue[lane_queue[a], WORTH] = 1.0 + (sight.inside * pressed[i] if storage[a] > 0.0 else 0.0)


@kernel
def fill_walks(time: int, wiring: Wiring, shown: Shown, sight: Sight, outlook: Outlook) -> None:
    """Write the queues of pedestrians: they come evenly and go together."""
    walk_queue, walk_group = wiring.walk_queue, wiring.walk_group
    aspect, aspect_since = shown.aspect, shown.aspect_since
    queue, expected = outlook.queue, outlook.arrivals
    for x in range(walk_queue.shape[0]):
        k, g = walk_queue[x], walk_group[x]
        waited = 0.0
        if aspect[g] < GREEN:
            waited = min((time - aspect_since[g]) / 10.0, sight.walk_patience)
        queue[k, QUEUED] = waited * sight.walk_arrivals
        queue[k, WAITED] = waited
        queue[k, RATE] = sight.walk_rate
        queue[k, ROOM] = math.inf
        queue[k, RELIEF] = 1.0
        queue[k, GREEN_AGE] = 0.0
        queue[k, WORTH] = 1.0
        for h in range(expected.shape[1]):
            expected[k, h] = sight.walk_arrivals


@kernel
def fill_serving(time: int, wiring: Wiring, belief: Belief, shown: Shown, outlook: Outlook) -> None:
    """Write which share of every queue a stage lets go, and how long queues have been green."""
    serve, queue = outlook.serve, outlook.queue
    serve_pair, serve_move, serve_right = wiring.serve_pair, wiring.serve_move, wiring.serve_right
    turn_share, walk_pair = belief.turn_share, wiring.walk_pair
    serve[:] = 0.0
    for x in range(serve_pair.shape[0]):
        column = PROTECTED if serve_right[x] else PERMISSIVE
        serve[serve_pair[x], column] += turn_share[serve_move[x]]
    for x in range(walk_pair.shape[0]):
        serve[walk_pair[x], PROTECTED] = 1.0
    green_queue, green_group = wiring.green_queue, wiring.green_group
    aspect, aspect_since = shown.aspect, shown.aspect_since
    for x in range(green_queue.shape[0]):
        g = green_group[x]
        if aspect[g] >= GREEN:
            age = 1.0 + (time - aspect_since[g]) / 10.0
            queue[green_queue[x], GREEN_AGE] = max(queue[green_queue[x], GREEN_AGE], age)


@kernel
def clearing(
    i: int,
    g: int,
    time: int,
    aspect: BYTES,
    aspect_since: I64,
    group_ptr: I32,
    pair_ptr: I32,
    intergreen: I32,
    yellow: I32,
) -> int:
    """Tenths that group g must still wait for conflicting groups whose green has ended already."""
    g0 = group_ptr[i]
    n = group_ptr[i + 1] - g0
    rest = 0
    for x in range(n):
        e = g0 + x
        needs = intergreen[pair_ptr[i] + x * n + g - g0]
        if needs > 0 and aspect[e] < GREEN:
            ended = aspect_since[e] - (yellow[e] if aspect[e] == RED else 0)
            rest = max(rest, needs - (time - ended))
    return rest


@kernel
def find_hold(time: int, layout: Layout, wiring: Wiring, shown: Shown, hold: I32) -> None:
    """Write how many seconds every stage [S] must still wait before the change to it begins.

    Minimum greens of what ends must be over, and what ended earlier must have cleared by the time the change is done:
    until then those that are green use the time better.
    """
    aspect, aspect_since, row = shown.aspect, shown.aspect_since, shown.row
    ending_ptr, ending_group, min_green = wiring.ending_ptr, wiring.ending_group, wiring.min_green
    begin_ptr, begin_group, yellow = wiring.begin_ptr, wiring.begin_group, wiring.yellow
    group_ptr, pair_ptr, intergreen = wiring.group_ptr, wiring.pair_ptr, wiring.intergreen
    stage_ptr, change_ptr, change, row_ptr = layout.stage_ptr, layout.change_ptr, layout.change, layout.row_ptr
    for i in range(row.shape[0]):
        n_stages = stage_ptr[i + 1] - stage_ptr[i]
        for p in range(n_stages):
            s = stage_ptr[i] + p
            rest = 0
            for x in range(ending_ptr[s], ending_ptr[s + 1]):
                g = ending_group[x]
                if aspect[g] >= GREEN:
                    rest = max(rest, min_green[g] - (time - aspect_since[g]))
            lasts = 10 * change[change_ptr[i] + (row[i] - row_ptr[i]) * n_stages + p]
            for x in range(begin_ptr[s], begin_ptr[s + 1]):
                g = begin_group[x]
                if aspect[g] < GREEN:
                    cleared = clearing(i, g, time, aspect, aspect_since, group_ptr, pair_ptr, intergreen, yellow)
                    rest = max(rest, cleared - lasts)
            hold[s] = (rest + 9) // 10


@kernel
def find_reds(time: int, layout: Layout, shown: Shown, outlook: Outlook) -> None:
    """Write the last second [D] at which the guard would still wait for every red group to be served."""
    red_group, red_limit, red_last = layout.red_group, layout.red_limit, outlook.red_last
    aspect, aspect_since = shown.aspect, shown.aspect_since
    for d in range(red_group.shape[0]):
        g = red_group[d]
        red_last[d] = NOT_RED
        if aspect[g] == RED:
            red_last[d] = min(NOT_RED, (aspect_since[g] + red_limit[d] - time) // 10)


@kernel
def find_due(layout: Layout, wiring: Wiring, shown: Shown, outlook: Outlook, hold: I32, due: BOOLS) -> None:
    """Write which intersections [I] shall plan now.

    Those that show no stage yet, and those that may change now and where somebody waits or comes, or where the guard
    will soon change by itself.
    """
    red_ptr, red_last = layout.red_ptr, outlook.red_last
    queue, expected = outlook.queue, outlook.arrivals
    row, changing, row_is_stage = shown.row, shown.changing, wiring.row_is_stage
    stage_ptr, stage_row, queue_ptr = layout.stage_ptr, layout.stage_row, layout.queue_ptr
    for i in range(row.shape[0]):
        due[i] = not changing[i] and not row_is_stage[row[i]] and stage_ptr[i] < stage_ptr[i + 1]
        if changing[i] or due[i]:
            continue
        free = False
        for s in range(stage_ptr[i], stage_ptr[i + 1]):
            free = free or (hold[s] <= 0 and stage_row[s] != row[i])
        if not free:
            continue
        for d in range(red_ptr[i], red_ptr[i + 1]):
            due[i] = due[i] or red_last[d] < expected.shape[1]
        for k in range(queue_ptr[i], queue_ptr[i + 1]):
            if queue[k, QUEUED] > 0.0:
                due[i] = True
                break
            for h in range(expected.shape[1]):
                if expected[k, h] > 0.0:
                    due[i] = True
                    break


@kernel
def look(
    time: int,
    share: float,
    layout: Layout,
    wiring: Wiring,
    belief: Belief,
    shown: Shown,
    sight: Sight,
    usual: F32,
    filling: F32,
    pressed: F32,
    outlook: Outlook,
    hold: I32,
    due: BOOLS,
) -> None:
    """Do all of the above, once per tick; one call, since handing tuples of arrays to a kernel costs microseconds."""
    learn_usual(share, wiring, belief, usual)
    fill_arrivals(wiring, belief, usual, sight, outlook)
    fill_lanes(wiring, belief, sight, outlook)
    fill_worth(layout, wiring, belief, sight, filling, pressed, outlook)
    fill_walks(time, wiring, shown, sight, outlook)
    fill_serving(time, wiring, belief, shown, outlook)
    find_hold(time, layout, wiring, shown, hold)
    find_reds(time, layout, shown, outlook)
    find_due(layout, wiring, shown, outlook, hold, due)


@kernel
def keep_plans(
    time: int, due: BOOLS, row: I32, since: I64, found_row: I32, found_start: I32, plan_row: I32, plan_start: I64
) -> None:
    """Bring plans [I, K] up to now: new ones where they were made, else the old ones without what is over.

    ``found_start`` counts seconds from now, ``plan_start`` tenths of a second. Column 0 of every plan is the row
    that is wanted now.
    """
    length = plan_row.shape[1]
    for i in range(row.shape[0]):
        if due[i]:
            for c in range(length):
                plan_row[i, c] = found_row[i, c]
                plan_start[i, c] = time + 10 * found_start[i, c] if found_row[i, c] >= 0 else -1
            continue
        first = 0
        while first + 1 < length and plan_row[i, first + 1] >= 0 and plan_start[i, first + 1] <= time:
            first += 1
        stale = plan_row[i, first] != row[i]
        for c in range(length):
            if c + first < length and not stale:
                plan_row[i, c] = plan_row[i, c + first]
                plan_start[i, c] = plan_start[i, c + first]
            else:
                plan_row[i, c] = -1
                plan_start[i, c] = -1
        if stale:
            plan_row[i, 0] = row[i]
            plan_start[i, 0] = min(since[i], time)
