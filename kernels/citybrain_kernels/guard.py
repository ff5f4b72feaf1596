"""From wished rows to lawful lamps: minimum green, yellow, intergreen, conflicts, maximum red.

May import ``accelerate`` alone. Index letters: i intersections, r rows, g, e signal groups (e: one that may stand in
the way), k groups of one intersection, counted from its first. All times in tenths of a second.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import Held, desk_kernel, kernel

RED, YELLOW, PERMISSIVE, PROTECTED = 0, 1, 2, 3
MINIMUM_GREEN, YELLOW_TIME, CLEARANCE, CONFLICT, COMMITTED, MAXIMUM_RED, UNKNOWN_ROW = 1, 2, 4, 8, 16, 32, 64
"""Rules as bits, so that a group's bends of one tick fit into one byte."""
N_RULES = 7
APART, TOGETHER, BOTH_PROTECTED = 0, 1, 2
"""How far two groups may be green at the same time."""
SPARE_TICKS = 4
"""A change waits for a minimum green, a yellow, a tick of red and an intergreen: each may end within a tick."""
LONGEST_EXTENSION = 80
"""A green waits at most so much longer than its intergreen for vehicles that stand in the intersection [tenths]."""

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]


class GuardTables(NamedTuple):
    """What the guard knows of the signals; never written.

    Attributes
    ----------
    row_ptr : [I + 1] rows of each intersection.
    row_aspect_ptr, row_aspect : per row the aspect of each group of its intersection.
    row_stage : [R] the row is a stage.
    row_lawful : [R] no two groups in hard conflict are green in it.
    row_green : [R] longest minimum green of its green groups [tenths].
    row_change : [R] longest that a change to it may take once begun, whatever was shown before [tenths].
    row_next_ptr, row_next : CSR over rows: those to which the intersection may step from it as they are.
    group_ptr : [I + 1] groups of each intersection.
    group_stage : [G] first lawful stage that serves the group, -1 where none does.
    group_change : [G] largest ``row_change`` of the lawful stages that serve the group [tenths].
    pair_ptr : [I + 1] start of the intersection's matrices in ``pair`` and ``intergreen``.
    pair : flat [n, n] per intersection: ``APART``, ``TOGETHER`` or ``BOTH_PROTECTED``.
    intergreen : flat [n, n] per intersection: from the end of the row's to the begin of the column's green [tenths].
    min_green, yellow, max_yellow, max_red : [G] tenths.
    """

    row_ptr: Int32
    row_aspect_ptr: Int32
    row_aspect: Bytes
    row_stage: Bools
    row_lawful: Bools
    row_green: Int32
    row_change: Int32
    row_next_ptr: Int32
    row_next: Int32
    group_ptr: Int32
    group_stage: Int32
    group_change: Int32
    pair_ptr: Int32
    pair: Bytes
    intergreen: Int32
    min_green: Int32
    yellow: Int32
    max_yellow: Int32
    max_red: Int32


class GuardMemory(NamedTuple):
    """What the guard remembers from tick to tick; written in place.

    Attributes
    ----------
    row : [I] row shown or being changed to.
    since : [I] when it was fully shown, or when the change began [tenths].
    committed : [I] a stage change is under way and will be finished.
    changing : [I] what is shown differs from ``row``.
    urgent_row : [I] stage that comes next because a group has been red for too long, -1 for none.
    urgent_group : [I] that group.
    aspect : [G] what is shown.
    aspect_since : [G] since when, both greens counted as one [tenths].
    green_end : [G] end of the last green [tenths].
    told_site, told_group : [I], [G] bends that held at the last tick, as bits.
    bends : [G] bends of this tick, as bits.
    occupied : [G] vehicles of the group are said to stand in the intersection.
    """

    row: Int32
    since: Int64
    committed: Bools
    changing: Bools
    urgent_row: Int32
    urgent_group: Int32
    aspect: Bytes
    aspect_since: Int64
    green_end: Int64
    told_site: Bytes
    told_group: Bytes
    bends: Bytes
    occupied: Bools


class Face(NamedTuple):
    """What the kernel tells the outside.

    Attributes
    ----------
    lamp_ptr, lamp_group, lamp_red : as in ``Signals``.
    lamp_char : [K] what every lamp shows (ASCII). changed : [I] one of the intersection's characters is new.
    bent_intersection, bent_group, bent_rule : [3 I + 5 G] bends that began at this tick; group -1 means all.
    """

    lamp_ptr: Int32
    lamp_group: Int32
    lamp_red: Bytes
    lamp_char: Bytes
    changed: Bools
    bent_intersection: Int32
    bent_group: Int32
    bent_rule: Bytes


class Desk(NamedTuple):
    """All that a guard holds from tick to tick."""

    tables: GuardTables
    memory: GuardMemory
    face: Face


@kernel
def _green_may_begin(tables: Any, memory: Any, i: int, g: int, aspect: int, time: int) -> bool:
    """Whether a red group may show the green ``aspect`` now: all that conflicts with it has ended and cleared."""
    if memory.aspect[g] != RED or memory.aspect_since[g] >= time:
        return False
    g0 = tables.group_ptr[i]
    n = tables.group_ptr[i + 1] - g0
    for k in range(n):
        e = g0 + k
        cell = tables.pair_ptr[i] + k * n + (g - g0)
        if e == g:
            continue
        if memory.aspect[e] >= PERMISSIVE:
            if tables.pair[cell] == APART:
                return False
            if tables.pair[cell] == TOGETHER and aspect == PROTECTED and memory.aspect[e] == PROTECTED:
                return False
        elif time - memory.green_end[e] < tables.intergreen[cell]:
            return False
    return True


@kernel
def _may_be_protected(tables: Any, memory: Any, i: int, g: int) -> bool:
    """Whether a permissive green may become protected beside the protected greens that are shown."""
    g0 = tables.group_ptr[i]
    n = tables.group_ptr[i + 1] - g0
    for k in range(n):
        cell = tables.pair_ptr[i] + k * n + (g - g0)
        if g0 + k != g and memory.aspect[g0 + k] == PROTECTED and tables.pair[cell] != BOTH_PROTECTED:
            return False
    return True


@kernel
def _end_yellows(tables: Any, memory: Any, i: int, time: int) -> None:
    """Turn every yellow red that has lasted its time."""
    for g in range(tables.group_ptr[i], tables.group_ptr[i + 1]):
        if memory.aspect[g] == YELLOW and time - memory.aspect_since[g] >= tables.yellow[g]:
            memory.aspect[g] = RED
            memory.aspect_since[g] = time


@kernel
def _end_green(memory: Any, g: int, with_yellow: bool, time: int) -> None:
    """End a green, with yellow or straight."""
    memory.aspect[g] = YELLOW if with_yellow else RED
    memory.aspect_since[g] = time
    memory.green_end[g] = time


@kernel
def _begin_change(tables: Any, memory: Any, i: int, target: int, time: int, quiet: bool) -> None:
    """Commit to a stage and end the greens that it does not show; or hold, if one of them is too young."""
    g0 = tables.group_ptr[i]
    a0 = tables.row_aspect_ptr[target]
    young = False
    for g in range(g0, tables.group_ptr[i + 1]):
        ends = memory.aspect[g] >= PERMISSIVE and tables.row_aspect[a0 + g - g0] < PERMISSIVE
        if ends and time - memory.aspect_since[g] < tables.min_green[g]:
            young = True
            if not quiet:
                memory.bends[g] |= MINIMUM_GREEN
    if young:
        return
    for g in range(g0, tables.group_ptr[i + 1]):
        if memory.aspect[g] >= PERMISSIVE and tables.row_aspect[a0 + g - g0] < PERMISSIVE:
            _end_green(memory, g, tables.yellow[g] > 0, time)
    memory.row[i] = target
    memory.since[i] = time
    memory.committed[i] = True


@kernel
def _still_crossed(tables: Any, memory: Any, i: int, time: int) -> bool:
    """Whether vehicles of a green that ended stand where a green of the stage that is changed to would cross them."""
    g0 = tables.group_ptr[i]
    n = tables.group_ptr[i + 1] - g0
    a0 = tables.row_aspect_ptr[memory.row[i]]
    for e in range(n):
        if not memory.occupied[g0 + e] or memory.aspect[g0 + e] >= PERMISSIVE:
            continue
        for k in range(n):
            cell = tables.pair_ptr[i] + e * n + k
            begins = tables.row_aspect[a0 + k] >= PERMISSIVE > memory.aspect[g0 + k]
            since = time - memory.green_end[g0 + e] - tables.intergreen[cell]
            if begins and tables.pair[cell] != BOTH_PROTECTED and since < LONGEST_EXTENSION:
                return True
    return False


@kernel
def _may_wait(tables: Any, memory: Any, i: int, time: int, tick: int) -> bool:
    """Whether the begin of a stage may wait for another tick: all who are red come in time all the same."""
    g0 = tables.group_ptr[i]
    target = memory.row[i]
    for g in range(g0, tables.group_ptr[i + 1]):
        if memory.aspect[g] != RED or tables.group_stage[g] < 0:
            continue
        served = tables.row_aspect[tables.row_aspect_ptr[target] + g - g0] >= PERMISSIVE
        ready = time + SPARE_TICKS * tick
        if not served:
            ready += tables.row_green[target] + tables.group_change[g]
        if ready > memory.aspect_since[g] + tables.max_red[g]:
            return False
    return True


@kernel
def _finish_change(tables: Any, memory: Any, i: int, time: int, tick: int) -> None:
    """Show the stage that was committed to, once all that ends is red and all that begins may begin."""
    g0 = tables.group_ptr[i]
    a0 = tables.row_aspect_ptr[memory.row[i]]
    for g in range(g0, tables.group_ptr[i + 1]):
        if tables.row_aspect[a0 + g - g0] < PERMISSIVE:
            if memory.aspect[g] != RED:
                return
        elif memory.aspect[g] < PERMISSIVE and not _green_may_begin(tables, memory, i, g, PERMISSIVE, time):
            return
    if _still_crossed(tables, memory, i, time) and _may_wait(tables, memory, i, time, tick):
        return
    for g in range(g0, tables.group_ptr[i + 1]):
        target = tables.row_aspect[a0 + g - g0]
        if target >= PERMISSIVE:
            if memory.aspect[g] < PERMISSIVE:
                memory.aspect_since[g] = time
            memory.aspect[g] = target
    memory.committed[i] = False


@kernel
def _follow_row(tables: Any, memory: Any, i: int, target: int, time: int) -> None:
    """Bring every group, each by itself, as near to a row of the program as its timings allow."""
    g0 = tables.group_ptr[i]
    a0 = tables.row_aspect_ptr[target]
    if memory.row[i] != target:
        memory.row[i] = target
        memory.since[i] = time
    for g in range(g0, tables.group_ptr[i + 1]):
        wanted = tables.row_aspect[a0 + g - g0]
        shown = memory.aspect[g]
        age = time - memory.aspect_since[g]
        if shown >= PERMISSIVE:
            if wanted == PERMISSIVE:
                memory.aspect[g] = PERMISSIVE
            elif wanted < PERMISSIVE and age < tables.min_green[g]:
                memory.bends[g] |= MINIMUM_GREEN
            elif wanted < PERMISSIVE:
                asked = wanted == YELLOW and tables.max_yellow[g] > 0
                _end_green(memory, g, asked or tables.yellow[g] > 0, time)
                if wanted == RED and tables.yellow[g] > 0:
                    memory.bends[g] |= YELLOW_TIME
        elif shown == YELLOW:
            limit = tables.max_yellow[g] if wanted == YELLOW else tables.yellow[g]
            if age >= limit:
                memory.aspect[g] = RED
                memory.aspect_since[g] = time
            if (age >= limit) == (wanted == YELLOW):
                memory.bends[g] |= YELLOW_TIME
        elif wanted == YELLOW:
            memory.bends[g] |= YELLOW_TIME
    for g in range(g0, tables.group_ptr[i + 1]):
        wanted = tables.row_aspect[a0 + g - g0]
        if memory.aspect[g] == PERMISSIVE and wanted == PROTECTED:
            if _may_be_protected(tables, memory, i, g):
                memory.aspect[g] = PROTECTED
            else:
                memory.bends[g] |= CLEARANCE
        elif memory.aspect[g] == RED and wanted >= PERMISSIVE:
            if _green_may_begin(tables, memory, i, g, wanted, time):
                memory.aspect[g] = wanted
                memory.aspect_since[g] = time
            else:
                memory.bends[g] |= CLEARANCE


@kernel
def _may_step(tables: Any, memory: Any, i: int, target: int, time: int) -> bool:
    """Whether a row of the program, fully shown, may give way at once to the row that follows it there."""
    row = memory.row[i]
    follows = False
    for x in range(tables.row_next_ptr[row], tables.row_next_ptr[row + 1]):
        follows = follows or tables.row_next[x] == target
    if not follows or memory.changing[i] or memory.since[i] >= time:
        return False
    g0 = tables.group_ptr[i]
    n = tables.group_ptr[i + 1] - g0
    a0 = tables.row_aspect_ptr[target]
    for k in range(n):
        g = g0 + k
        wanted, shown = tables.row_aspect[a0 + k], memory.aspect[g]
        age = time - memory.aspect_since[g]
        if shown >= PERMISSIVE and wanted < PERMISSIVE and age < tables.min_green[g]:
            return False
        if shown == YELLOW and wanted != YELLOW and age < tables.yellow[g]:
            return False
        if wanted == YELLOW and (shown == RED or (age if shown == YELLOW else 0) >= tables.max_yellow[g]):
            return False
        if wanted < PERMISSIVE or shown >= PERMISSIVE:
            continue
        for e in range(n):
            since = 0 if memory.aspect[g0 + e] >= PERMISSIVE else time - memory.green_end[g0 + e]
            if tables.row_aspect[a0 + e] < PERMISSIVE and since < tables.intergreen[tables.pair_ptr[i] + e * n + k]:
                return False
    return True


@kernel
def _step(tables: Any, memory: Any, i: int, target: int, time: int) -> None:
    """Show a row as it is."""
    memory.row[i] = target
    memory.since[i] = time
    a0 = tables.row_aspect_ptr[target] - tables.group_ptr[i]
    for g in range(tables.group_ptr[i], tables.group_ptr[i + 1]):
        wanted, shown = tables.row_aspect[a0 + g], memory.aspect[g]
        if shown >= PERMISSIVE > wanted:
            memory.green_end[g] = time
        if wanted != shown and min(wanted, shown) < PERMISSIVE:
            memory.aspect_since[g] = time
        memory.aspect[g] = wanted


@kernel
def _heed_reds(tables: Any, memory: Any, i: int, wish: int, time: int, tick: int) -> int:
    """Wish (-1: hold what is shown), or the stage that must come first so that no red lasts too long."""
    if memory.urgent_row[i] == memory.row[i] and not memory.changing[i]:
        memory.urgent_row[i] = -1
    if memory.urgent_row[i] < 0:
        g0, g1 = tables.group_ptr[i], tables.group_ptr[i + 1]
        rest = 0
        for g in range(g0, g1):
            if memory.aspect[g] >= PERMISSIVE:
                rest = max(rest, memory.aspect_since[g] + tables.min_green[g] - time)
        busy = rest
        stage = wish >= 0 and tables.row_stage[wish]
        if wish >= 0 and not stage:
            busy = max(rest, tables.row_green[wish])
        elif stage and wish != memory.row[i]:
            busy = max(rest, tables.row_change[wish] + tables.row_green[wish])
        first = np.int64(0)
        for g in range(g0, g1):
            if memory.aspect[g] != RED or tables.group_stage[g] < 0:
                continue
            served = stage and tables.row_aspect[tables.row_aspect_ptr[max(wish, 0)] + g - g0] >= PERMISSIVE
            latest = memory.aspect_since[g] + tables.max_red[g]
            ready = time + (rest if served else busy) + tables.group_change[g] + SPARE_TICKS * tick
            if ready > latest and (memory.urgent_row[i] < 0 or latest < first):
                first = latest
                memory.urgent_row[i] = wish if served else tables.group_stage[g]
                memory.urgent_group[i] = g
    return memory.urgent_row[i] if memory.urgent_row[i] >= 0 else wish


@kernel
def _obey(tables: Any, memory: Any, i: int, wish: int, time: Any, tick: Any) -> None:
    """Carry out what is lawful of one intersection's wish (-1: hold what is shown)."""
    target = wish
    if not memory.committed[i]:
        target = _heed_reds(tables, memory, i, wish, time, tick)
        if target >= 0 and _may_step(tables, memory, i, target, time):
            _step(tables, memory, i, target, time)
            return
        if target >= 0 and not tables.row_stage[target]:
            _follow_row(tables, memory, i, target, time)
            return
        if target >= 0 and target != memory.row[i]:
            _begin_change(tables, memory, i, target, time, memory.urgent_row[i] >= 0)
    _end_yellows(tables, memory, i, time)
    if memory.committed[i]:
        _finish_change(tables, memory, i, time, tick)


@kernel
def _note_shown(tables: Any, memory: Any, i: int, time: Any) -> None:
    """Compare what is shown with the row."""
    g0 = tables.group_ptr[i]
    a0 = tables.row_aspect_ptr[memory.row[i]]
    differs = False
    for g in range(g0, tables.group_ptr[i + 1]):
        differs = differs or memory.aspect[g] != tables.row_aspect[a0 + g - g0]
    if differs != memory.changing[i]:
        memory.changing[i] = differs
        memory.since[i] = time


@kernel
def _report(
    bits: int, told: int, i: int, g: int, count: int, bent_intersection: Int32, bent_group: Int32, bent_rule: Bytes
) -> int:
    """Append the bends that did not hold at the last tick; returns the new count."""
    for rule in range(N_RULES):
        if (bits >> rule) & 1 and not (told >> rule) & 1:
            bent_intersection[count] = i
            bent_group[count] = g
            bent_rule[count] = rule
            count += 1
    return count


@kernel
def show(aspect: Bytes, face: Face) -> None:
    """Write the character of every lamp. ``aspect`` : [G] what the groups show."""
    lamp_ptr, lamp_group, lamp_red = face.lamp_ptr, face.lamp_group, face.lamp_red
    lamp_char, changed = face.lamp_char, face.changed
    for i in range(len(changed)):
        changed[i] = False
        for lamp in range(lamp_ptr[i], lamp_ptr[i + 1]):
            g = lamp_group[lamp]
            char = lamp_red[lamp]
            if g >= 0 and aspect[g] == YELLOW:
                char = ord("y")
            elif g >= 0 and aspect[g] == PERMISSIVE:
                char = ord("g")
            elif g >= 0 and aspect[g] == PROTECTED:
                char = ord("G")
            if lamp_char[lamp] != char:
                lamp_char[lamp] = char
                changed[i] = True


@desk_kernel
def enforce(time: np.int64, tick: np.int64, plan_row: Int32, desk: Held[Desk]) -> int:
    """Carry out what is lawful of one row per intersection, and show it.

    Parameters
    ----------
    time : now [tenths].
    tick : time since the last call [tenths].
    plan_row : [I, K] plans; column 0 is what is wished now; any number may stand there.
    desk : memory and face are brought up to ``time``.

    Returns
    -------
    int
        Number of bends written.
    """
    tables, memory, face = desk.value
    bent_intersection, bent_group, bent_rule = face.bent_intersection, face.bent_group, face.bent_rule
    count = 0
    for i in range(len(plan_row)):
        site = 0
        row = plan_row[i, 0]
        if row < tables.row_ptr[i] or row >= tables.row_ptr[i + 1]:
            site = UNKNOWN_ROW
            row = -1
        elif not tables.row_lawful[row]:
            site = CONFLICT
            row = -1
        was_committed = memory.committed[i]
        urgent_told = memory.urgent_row[i] >= 0 and memory.told_group[memory.urgent_group[i]] & MAXIMUM_RED != 0
        if was_committed and row >= 0 and row != memory.row[i] and not urgent_told:
            site |= COMMITTED
        for g in range(tables.group_ptr[i], tables.group_ptr[i + 1]):
            memory.bends[g] = 0
        _obey(tables, memory, i, row, time, tick)
        overridden = memory.urgent_row[i] != row and not was_committed
        if memory.urgent_row[i] >= 0 and (overridden or urgent_told):
            memory.bends[memory.urgent_group[i]] |= MAXIMUM_RED
        _note_shown(tables, memory, i, time)
        count = _report(site, memory.told_site[i], i, -1, count, bent_intersection, bent_group, bent_rule)
        memory.told_site[i] = site
        for g in range(tables.group_ptr[i], tables.group_ptr[i + 1]):
            bits, told = memory.bends[g], memory.told_group[g]
            count = _report(bits, told, i, g, count, bent_intersection, bent_group, bent_rule)
            memory.told_group[g] = bits
    show(memory.aspect, face)
    return count
