"""From the estimate and the lamps to what the planner's search expects, and to who may decide now.

Index letters as in ``planner_tables``.
"""

from __future__ import annotations

import math

import numpy as np

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.planner_tables import (
    BOOLS,
    GREEN_AGE,
    I32,
    I64,
    PERMISSIVE,
    PROTECTED,
    QUEUED,
    RATE,
    RELIEF,
    ROOM,
    WAITED,
    Belief,
    Layout,
    Outlook,
    Shown,
    Sight,
    Wiring,
)

GREEN = 2
"""Lowest ``Aspect`` that is green."""


@kernel
def fill_lanes(wiring: Wiring, belief: Belief, sight: Sight, outlook: Outlook) -> None:
    """Write the queues of stop-line lanes: vehicles, wait, saturation flow, room beyond, arrivals."""
    lane_queue, approach_lane, leave_ptr = wiring.lane_queue, wiring.approach_lane, wiring.leave_ptr
    leave_move, move_to = wiring.leave_move, wiring.move_to
    queued, spill, head_wait, discharge = belief.queue, belief.spill, belief.head_wait, belief.discharge
    blocked, room, flow, turn_share = belief.blocked, belief.room, belief.flow, belief.turn_share
    arrivals = belief.arrivals
    queue, expected = outlook.queue, outlook.arrivals
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
        for h in range(expected.shape[1]):
            expected[k, h] = arrivals[a, h]


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
def find_due(time: int, layout: Layout, wiring: Wiring, shown: Shown, outlook: Outlook, hold: I32, due: BOOLS) -> None:
    """Write how long minimum greens hold every change [S], and which intersections [I] shall plan now.

    Planned are those that show no stage yet, and those that may change now and where somebody waits or comes.
    """
    queue, expected = outlook.queue, outlook.arrivals
    aspect, aspect_since, row, changing = shown.aspect, shown.aspect_since, shown.row, shown.changing
    ending_ptr, ending_group, min_green = wiring.ending_ptr, wiring.ending_group, wiring.min_green
    stage_ptr, stage_row, queue_ptr = layout.stage_ptr, layout.stage_row, layout.queue_ptr
    for i in range(row.shape[0]):
        free = False
        for s in range(stage_ptr[i], stage_ptr[i + 1]):
            rest = 0
            for x in range(ending_ptr[s], ending_ptr[s + 1]):
                g = ending_group[x]
                if aspect[g] >= GREEN:
                    rest = max(rest, min_green[g] - (time - aspect_since[g]))
            hold[s] = (rest + 9) // 10
            if rest <= 0 and stage_row[s] != row[i]:
                free = True
        due[i] = False
        if changing[i]:
            continue
        if not wiring.row_is_stage[row[i]]:
            due[i] = True
        elif free:
            for k in range(queue_ptr[i], queue_ptr[i + 1]):
                if queue[k, QUEUED] > 0.0:
                    due[i] = True
                    break
                for h in range(expected.shape[1]):
                    if expected[k, h] > 0.0:
                        due[i] = True
                        break


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


def make_outlook(queues: int, horizon: int, pairs: int) -> Outlook:
    """Allocate an outlook for N queues, H seconds and V pairs."""
    return Outlook(
        queue=np.zeros((queues, 6), np.float32),
        arrivals=np.zeros((queues, horizon), np.float32),
        serve=np.zeros((pairs, 2), np.float32),
    )
