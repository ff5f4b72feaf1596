"""One tick of the planner as one call: look, search where it is due, bring plans up to now.

One call, and what lasts is held by the kernel's side, since every array that Python hands over costs time.
"""

from __future__ import annotations

from typing import NamedTuple

from citybrain_kernels.accelerate import Held, desk_kernel
from citybrain_kernels.outlook import keep_plans, look
from citybrain_kernels.planner import plan_all
from citybrain_kernels.planner_tables import (
    BOOLS,
    F32,
    I32,
    I64,
    Belief,
    Layout,
    Nodes,
    Outlook,
    Shown,
    Sight,
    Weights,
    Wiring,
)


class Memory(NamedTuple):
    """What is kept from tick to tick, and scratch.

    usual [A] flow of every stop-line lane as it usually is [veh/s]; plan_row, plan_start [I, K] plans: global rows and
    tenths of a second, -1 fills the rest; cost [I] of the last search [veh s]. Scratch: outlook, nodes, hold [S],
    due [I], found_row, found_start [I, K].
    """

    usual: F32
    plan_row: I32
    plan_start: I64
    cost: F32
    outlook: Outlook
    nodes: Nodes
    hold: I32
    due: BOOLS
    found_row: I32
    found_start: I32


class Desk(NamedTuple):
    """All that a planner holds from tick to tick."""

    layout: Layout
    wiring: Wiring
    sight: Sight
    weights: Weights
    memory: Memory


@desk_kernel
def plan(
    time: int, share: float, turn: int, turns: int, desk: Held[Desk], belief: Belief, shown: Shown, since: I64
) -> None:
    """Plan for one tick.

    Parameters
    ----------
    time : [tenths of a second].
    share : weight of this tick's flow in the usual one.
    turn, turns : only intersections i with i % turns = turn search in this tick.
    since : [I] when each row was shown, or the change to it began [tenths of a second].
    desk : its memory's ``plan_row``, ``plan_start`` and ``cost`` are what comes out.
    """
    layout, wiring, sight, weights, memory = desk.value
    look(time, share, layout, wiring, belief, shown, sight, memory.usual, memory.outlook, memory.hold, memory.due)
    for i in range(memory.due.shape[0]):
        memory.due[i] = memory.due[i] and i % turns == turn
    plan_all(
        memory.due,
        shown.row,
        memory.hold,
        layout,
        memory.outlook,
        weights,
        memory.nodes,
        memory.found_row,
        memory.found_start,
        memory.cost,
    )
    keep_plans(
        time,
        memory.due,
        shown.row,
        since,
        memory.found_row,
        memory.found_start,
        memory.plan_row,
        memory.plan_start,
    )
