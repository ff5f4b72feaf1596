"""One tick of the planner in three calls: look, search where it is due, bring plans up to now.

What lasts is held by the kernel's side, since every array that Python hands over costs time.
"""

from __future__ import annotations

from typing import NamedTuple

from citybrain_kernels.accelerate import Held, desk_kernel
from citybrain_kernels.outlook import keep_plans, look
from citybrain_kernels.planner import plan_all
from citybrain_kernels.planner_news import keep_to_news
from citybrain_kernels.planner_tables import (
    BOOLS,
    F32,
    I32,
    I64,
    Belief,
    Layout,
    Nodes,
    Outlook,
    Pace,
    Shown,
    Sight,
    Weights,
    Wiring,
)


class Memory(NamedTuple):
    """What is kept from tick to tick, and scratch.

    usual [A] flow of every stop-line lane as it usually is [veh/s]; filling [A] how full the lane has been of
    late, pressed [I] by that, both 0 to 1 and written by ``fill_worth``; plan_row, plan_start [I, K] plans:
    global rows and tenths of a second, -1 fills the rest; cost [I] of the last search [veh s]; other_row,
    other_cost [I] what the best plan that does not begin with the change found at this tick begins with, and its
    cost; -1 and NaN where none was.
    planned_at [I] time of the last search [tenths], negative before the first; expected [N, oldest + 1],
    expected_rate [N] what it was made with. Scratch: outlook, hold [S], due [I], found_row, found_start [I, K].
    """

    usual: F32
    filling: F32
    pressed: F32
    plan_row: I32
    plan_start: I64
    cost: F32
    other_row: I32
    other_cost: F32
    planned_at: I64
    expected: F32
    expected_rate: F32
    outlook: Outlook
    hold: I32
    due: BOOLS
    found_row: I32
    found_start: I32


class Desk(NamedTuple):
    """All that a planner holds from tick to tick; the nodes are scratch, as much of it as threads share a tick."""

    layout: Layout
    wiring: Wiring
    sight: Sight
    weights: Weights
    pace: Pace
    memory: Memory
    nodes: Nodes


@desk_kernel
def look_out(time: int, share: float, desk: Held[Desk], belief: Belief, shown: Shown) -> None:
    """See what is to be expected, and who searches.

    Parameters
    ----------
    time : [tenths of a second].
    share : weight of this tick's flow in the usual one.
    """
    layout, wiring, sight, _, pace, memory, _ = desk.value
    usual, filling, pressed = memory.usual, memory.filling, memory.pressed
    outlook, hold, due = memory.outlook, memory.hold, memory.due
    look(time, share, layout, wiring, belief, shown, sight, usual, filling, pressed, outlook, hold, due)
    keep_to_news(
        time,
        shown.row,
        memory.plan_row,
        memory.plan_start,
        memory.planned_at,
        layout,
        memory.outlook,
        pace,
        memory.expected,
        memory.expected_rate,
        memory.due,
    )


@desk_kernel
def search(share: int, shares: int, desk: Held[Desk], row: I32) -> None:
    """Search for the intersections i with i % shares = share; shares may run at the same time.

    Each writes its own intersections alone and depends on nothing that another writes, so that the number of shares
    changes nothing. ``row`` [I] is shown now.
    """
    layout, _, _, weights, _, memory, nodes = desk.value
    plan_all(
        share,
        shares,
        memory.due,
        row,
        memory.hold,
        layout,
        memory.outlook,
        weights,
        nodes,
        memory.found_row,
        memory.found_start,
        memory.cost,
        memory.other_row,
        memory.other_cost,
    )


@desk_kernel
def settle(time: int, desk: Held[Desk], row: I32, since: I64) -> None:
    """Bring all plans up to now, once every share is done.

    ``since`` [I] says when each row was shown, or the change to it began [tenths of a second]. The memory's
    ``plan_row``, ``plan_start``, ``cost``, ``other_row`` and ``other_cost`` are what comes out.
    """
    memory = desk.value.memory
    keep_plans(time, memory.due, row, since, memory.found_row, memory.found_start, memory.plan_row, memory.plan_start)
