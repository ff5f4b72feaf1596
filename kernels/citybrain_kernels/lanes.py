"""Prediction of lane contents: a cell-transmission model of all lanes of a city, one second per step.

A lane is cut into cells that free traffic crosses in one second; cell 0 ends at the lane's end. Behind the last real
cell lies one cell for the path through the junction upstream. A cell holds vehicles (fractions allowed) and the pace
of its content: the share that moved on lately.

Source: Daganzo (1994), The cell transmission model, Transportation Research B 28(4), 269-287.
"""

# l = lanes, c = cells, m = movements, g = signal groups

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

YELLOW = 1
PERMISSIVE = 2
PROTECTED = 3
STANDING_PACE = 0.1
"""A cell of which less than this share moves on per second is slower than 1.4 m/s at usual cell lengths."""
PACE_MEMORY = 0.35
PERMISSIVE_RATE = 0.3
"""Share of the saturation rate that a movement reaches while it gives way to a waiting foe (trials on RESCO maps)."""
YELLOW_RUN = 2.0
"""Seconds of yellow in which traffic still leaves."""
LATE_DECAY = 0.5
"""Share kept per second of content that should have crossed a loop and did not."""
SHARE_GAIN = 0.01
"""Step per second of the proportional fitting of turning shares."""
PRIOR_PULL = 1.0 / 900.0
"""Step per second back to what is usual for the direction: shares that nothing measures stay there."""
TAIL_GAP, TAIL_PASSED = 0.2, 4.0
"""The tail of a queue has passed when the cell holds less than this share of its storage for so many seconds."""
START_WAVE = 5.0
"""Speed at which the start of a queue travels back from the stop line [m/s]."""
USE_MEMORY = 300.0
"""Seconds over which long-run flows are means."""
HIDDEN_GROWTH, MOST_HIDDEN = 180.0, 1.0
"""While a queue reaches beyond loops and no camera sees further, more is believed to come, the longer the more [s]."""
LEAST_USE = 0.003
"""Flow that a lane is at least believed to attract [veh/s]."""
NOTHING = 1e-4
"""Contents below this are none [veh]; it also keeps them from numbers that processors are slow with."""
GAP_OUT = 2.5
"""A stop loop that is free for longer than this during green says that no queue stands there [s]."""
NOBODY_STANDS = 6.0
"""A stop loop that is free at red for so long, while vehicles are believed to stand there, says that none does [s]."""
NOBODY_MOVES_UP = 4.0
"""The same in green that some have to give way in [s]: whoever stood further back has moved up by then."""
UNHEARD = 3600.0
"""A stop loop of which nothing has been heard for so long, or ever, says nothing by being free [s]."""
SOMEBODY = 0.3
"""A cell that holds so many is believed to hold a vehicle, not only to be passed by some [veh]."""
FEELS = 0.8
"""Such a loop is heeded if it lately felt this share of the vehicles that stood."""
HEAD_SIGHT = 2.0
"""A vehicle that a camera saw stand at the line stands there for so long [s]."""
TIGHTEST = 1.3
"""Lanes hold at most so many times what usual vehicles at a usual distance would be: short cars stand there, too."""
START_RATE = 0.6
"""Share of the saturation rate in the first second of green; it is full after eight."""


class Layout(NamedTuple):
    """What does not change: cells and movements.

    Attributes
    ----------
    cell_ptr : [L + 1] cells of each lane; the last one of every lane is the junction upstream.
    cell_length : [L] length of the lane's cells [m].
    storage : [L] vehicles that a cell holds standing.
    wave : [L] backward wave speed over free speed: how quickly room is passed upstream.
    road_first, road_last : [L] first lane of the lane's road and one past its last.
    mixing : [L] share of the inflow of the road that is spread by lane use instead of by the connections.
    move_ptr : [L + 1] movements that leave a lane (a range of movement numbers).
    move_to : [M] lane.
    move_group : [M] signal group, -1 without signal.
    feed_ptr, feed : CSR over lanes: movements that arrive.
    yield_ptr, yield_to : CSR over movements: those that it gives way to.
    move_from : [M] lane.
    stop_loop : [L] the lane has a loop at its stop line.
    gate : [L] cell number within the lane just downstream of its advance loop's boundary plus one, 0 without loop;
        the flow from cell ``gate`` to cell ``gate - 1`` is what the loop measures.
    edge : [L] cell number within the lane furthest upstream that sensors speak of, -1 where none does.
    leads_on : [M] False for turning round at a dead end: who comes there leaves the network.
    entry : [L] no movement arrives on the lane, but for those.
    sensed : [L] a sensor measures the flow of the lane.
    """

    cell_ptr: Ints
    cell_length: Floats
    storage: Floats
    wave: Floats
    road_first: Ints
    road_last: Ints
    mixing: Floats
    move_ptr: Ints
    move_to: Ints
    move_group: Ints
    feed_ptr: Ints
    feed: Ints
    yield_ptr: Ints
    yield_to: Ints
    move_from: Ints
    stop_loop: Bools
    gate: Ints
    edge: Ints
    leads_on: Bools
    entry: Bools
    sensed: Bools


class Belief(NamedTuple):
    """What is believed now; kernels write into it.

    Attributes
    ----------
    content : [C] vehicles.
    pace : [C] share of the content that moved on per second, lately.
    standing : [C] vehicles that stand.
    credit : [L] vehicles that the lane's end could let go at once.
    headway : [L] saturation headway [s/veh].
    headway_seen, headway_time : [L] number of headways measured, and time of the last one [s].
    start_loss : [L] time that the first four vehicles of a queue take beyond four saturation headways [s].
    waiting : [L] vehicles that stood when green began; infinite where no sensor looks upstream.
    share : [M] turning shares.
    turn_seen : [M] vehicles, of about the last 15 minutes, of which sensors beyond told how many took the movement.
    turn_time : [L] last time that a vehicle of the lane was so told of [s].
    usual_share : [M] turning shares where nothing is known but the direction.
    open : [M] share of the saturation rate at which the signal lets the movement go; 0 is closed.
    green_from, green_to : [L] last time that a movement of the lane turned green, and none was left green [s].
    flux : [M] vehicles that took the movement in the last second.
    outflow, inflow : [L] vehicles that left and entered in the last second.
    debt : [L] vehicles that crossed the advance loop before the model had them there.
    departures, crossings : [L] counts of stop-line and advance loops since the last step.
    covered : [L] seconds that the advance loop has been covered; -1 while it is free.
    gate_free : [L] seconds that it has been free; -1 while it is covered, or where there is none.
    head_free : [L] seconds that the stop-line loop has been free; -1 while it is covered.
    feels : [L] share of standing vehicles that it lately felt.
    head_stood : [L] seconds that vehicles have been believed to stand in the last cell at red, or to be there in green
        that some have to give way in.
    green_age : [L] seconds that all movements of the lane have had protected green; -1 otherwise.
    head_seen : [L] time when a camera last saw a vehicle stand at the lane's end [s].
    last_departure : [L] time of the last departure [s].
    spoken : [L] flow believed when a loop of the lane last counted [veh/s].
    missed : [L] vehicles that its loops should have counted since then; infinite where none ever did.
    demand : [L] long-run flow [veh/s]; -1 unknown.
    use : [L] long-run measured flow of sensed lanes [veh/s].
    leave : [L] long-run flow over stop lines [veh/s].
    over : [L] seconds for which the queue has reached beyond the ``edge``.
    beyond_gap : [L] seconds for which the ``edge`` has been empty.
    passed, unsure : [L] vehicles and seconds since no queue reached beyond the ``edge``.
    part : [L] share of what is spread over the road's lanes that falls to this one.
    stream : [M] long-run flow of the movement [veh/s].
    asked, sent : [L] at the first lane of a road: long-run flow that its sensors ask for (-1 unknown), and that its
        feeders send [veh/s].
    """

    content: Floats
    pace: Floats
    standing: Floats
    credit: Floats
    headway: Floats
    headway_seen: Floats
    headway_time: Floats
    start_loss: Floats
    waiting: Floats
    share: Floats
    turn_seen: Floats
    turn_time: Floats
    usual_share: Floats
    open: Floats
    green_from: Floats
    green_to: Floats
    flux: Floats
    outflow: Floats
    inflow: Floats
    debt: Floats
    departures: Floats
    crossings: Floats
    covered: Floats
    gate_free: Floats
    head_free: Floats
    feels: Floats
    head_stood: Floats
    green_age: Floats
    head_seen: Floats
    last_departure: Floats
    spoken: Floats
    missed: Floats
    demand: Floats
    use: Floats
    leave: Floats
    over: Floats
    beyond_gap: Floats
    passed: Floats
    unsure: Floats
    part: Floats
    stream: Floats
    asked: Floats
    sent: Floats


@kernel
def read_lamps(now: float, layout: Layout, aspect: Bytes, aspect_since: Floats, belief: Belief) -> None:
    """Work out which movements may go, and since when every lane has had green.

    Parameters
    ----------
    now : [s]. aspect, aspect_since : [G] ``Aspect`` and when it began [s].
    belief : ``open``, ``green_from`` and ``green_to`` are written.
    """
    for m in range(len(layout.move_to)):
        g = layout.move_group[m]
        if g < 0 or aspect[g] == PROTECTED:
            belief.open[m] = 1.0
        elif aspect[g] == PERMISSIVE:
            belief.open[m] = 0.5
        elif aspect[g] == YELLOW and now - aspect_since[g] <= YELLOW_RUN:
            belief.open[m] = 1.0
        else:
            belief.open[m] = 0.0
    for m in range(len(layout.move_to)):
        g = layout.move_group[m]
        if g >= 0 and aspect[g] == PERMISSIVE:
            belief.open[m] = 1.0
            for k in range(layout.yield_ptr[m], layout.yield_ptr[m + 1]):
                foe = layout.yield_to[k]
                if belief.open[foe] > 0.0 and belief.content[layout.cell_ptr[layout.move_from[foe]]] > 0.5:
                    belief.open[m] = PERMISSIVE_RATE
    for l in range(len(layout.cell_length)):
        shown = False
        sure = True
        since = now
        fully = -1e9
        for m in range(layout.move_ptr[l], layout.move_ptr[l + 1]):
            g = layout.move_group[m]
            if g >= 0:
                sure = sure and aspect[g] == PROTECTED
                fully = max(fully, aspect_since[g])
            if belief.open[m] > 0.0:
                shown = True
                if g >= 0 and aspect[g] >= PERMISSIVE and aspect_since[g] < since:
                    since = aspect_since[g]
        was = belief.green_from[l] > belief.green_to[l]
        if shown and not was:
            belief.green_from[l] = since
            belief.credit[l] = 1.0
            belief.waiting[l] = 0.0 if layout.edge[l] >= 0 else np.inf
            for c in range(layout.cell_ptr[l], layout.cell_ptr[l + 1] - 1):
                belief.waiting[l] += belief.standing[c]
        elif was and not shown:
            belief.green_to[l] = now
        belief.green_age[l] = now - fully if sure else -1.0


@kernel
def move_lanes(now: float, seconds: float, steps: int, layout: Layout, belief: Belief) -> None:
    """Predict ``steps`` seconds: release, enter, move on, learn; counts of loops are used up by the first.

    Parameters
    ----------
    now : end of the last second [s]. seconds : since the estimator began.
    """
    change_lanes(layout, belief)
    for k in range(steps):
        release(now - (steps - 1 - k), layout, belief)
        enter(layout, belief)
        move_on(layout, belief)
        make_room(layout, belief)
        watch_tails(now - (steps - 1 - k), layout, belief)
        clear_heads(now - (steps - 1 - k), layout, belief)
        learn_demand(now - (steps - 1 - k), seconds, layout, belief)
        belief.departures[:] = 0.0
        belief.crossings[:] = 0.0


@kernel
def change_lanes(layout: Layout, belief: Belief) -> None:
    """Hand crossings of advance loops to the lanes of the road at whose stop lines they come out in the long run.

    Between its two loops drivers change lanes: a lane that takes in more than it lets go loses the surplus to those
    that let go more than they take in.

    Parameters
    ----------
    belief : ``crossings`` are shared out anew; their sum per road stays.
    """
    l = 0
    while l < len(layout.gate):
        end = layout.road_last[l]
        surplus = 0.0
        lack = 0.0
        for k in range(l, end):
            if layout.gate[k] > 0 and layout.stop_loop[k]:
                surplus += max(0.0, belief.use[k] - belief.leave[k])
                lack += max(0.0, belief.leave[k] - belief.use[k])
        if surplus > 0.0 and lack > 0.0:
            moved = 0.0
            for k in range(l, end):
                if layout.gate[k] > 0 and layout.stop_loop[k] and belief.use[k] > belief.leave[k]:
                    part = (belief.use[k] - belief.leave[k]) / belief.use[k] * min(1.0, lack / surplus)
                    moved += part * belief.crossings[k]
                    belief.crossings[k] -= part * belief.crossings[k]
            for k in range(l, end):
                if layout.gate[k] > 0 and layout.stop_loop[k] and belief.use[k] < belief.leave[k]:
                    belief.crossings[k] += moved * (belief.leave[k] - belief.use[k]) / lack
        l = end


@kernel
def release(now: float, layout: Layout, belief: Belief) -> None:
    """Let vehicles leave every lane's end and split them over the open movements.

    Where a loop counts departures, its count is the outflow; elsewhere the queue discharges at the believed rate as
    far as the lanes downstream have room, unless a camera has just seen the first vehicle stand.

    Parameters
    ----------
    belief : writes ``outflow`` [veh in this second], ``flux``, ``credit``, ``last_departure``.
    """
    for l in range(len(layout.cell_length)):
        c = layout.cell_ptr[l]
        first, last = layout.move_ptr[l], layout.move_ptr[l + 1]
        going = 0.0
        rate = 0.0
        for m in range(first, last):
            if belief.open[m] > 0.0:
                going += belief.share[m]
                rate += belief.share[m] * belief.open[m]
        if layout.stop_loop[l]:
            out = max(0.0, belief.departures[l])
            belief.content[c] += max(0.0, -belief.departures[l])
        elif first == last or not layout.leads_on[first]:
            out = belief.content[c]
        else:
            age = now - belief.green_from[l]
            start = min(1.0, START_RATE + 0.05 * age)
            belief.credit[l] = min(1.0, belief.credit[l] + rate * start / belief.headway[l])
            out = min(belief.content[c], belief.credit[l])
            if now - belief.head_seen[l] <= 1.0 or going == 0.0:
                out = 0.0
            for m in range(first, last):
                if belief.open[m] > 0.0 and belief.share[m] > 0.0:
                    to = layout.move_to[m]
                    entrance = layout.cell_ptr[to + 1] - 1
                    room = max(0.0, 1.0 + layout.storage[to] - belief.content[entrance])
                    out = min(out, room * going / belief.share[m])
            belief.credit[l] -= out
        belief.outflow[l] = out
        if out > 0.3:
            belief.last_departure[l] = now
        for m in range(first, last):
            if going > 0.0:
                belief.flux[m] = out * belief.share[m] / going if belief.open[m] > 0.0 else 0.0
            else:
                belief.flux[m] = out * belief.share[m]


@kernel
def enter(layout: Layout, belief: Belief) -> None:
    """Gather what enters every lane: from its feeding movements, from the network's edge, spread over the road.

    Parameters
    ----------
    belief : writes ``inflow`` [veh in this second].
    """
    for l in range(len(layout.cell_length)):
        total = 0.0
        for k in range(layout.feed_ptr[l], layout.feed_ptr[l + 1]):
            total += belief.flux[layout.feed[k]]
        if layout.entry[l] and belief.demand[l] > 0.0:
            total = belief.demand[l]
        belief.inflow[l] = total
    inflow, mixing = belief.inflow, layout.mixing
    l = 0
    while l < len(inflow):
        end = layout.road_last[l]
        total = 0.0
        for k in range(l, end):
            if mixing[k] > 0.0 and not layout.entry[k]:
                total += inflow[k]
        for k in range(l, end):
            if mixing[k] > 0.0 and not layout.entry[k]:
                inflow[k] += mixing[k] * (total * belief.part[k] - inflow[k])
        l = end


@kernel
def move_on(layout: Layout, belief: Belief) -> None:
    """Move the content of every lane one second towards its end.

    Cells are taken from the lane's end backwards; a cell takes in what its room lets through, an empty one at least
    one whole vehicle, so that single vehicles stay whole. Where an advance loop stands, its pulses are the flow.

    Parameters
    ----------
    belief : updates ``content``, ``pace``, ``standing``, ``debt``.
    """
    content, pace, standing = belief.content, belief.pace, belief.standing
    for l in range(len(layout.cell_length)):
        first, last = layout.cell_ptr[l], layout.cell_ptr[l + 1]
        store = layout.storage[l]
        old = content[first]
        out = min(old, belief.outflow[l])
        rest = belief.outflow[l] - out
        # A loop may count a vehicle that the model has further back.
        c = first + 1
        while rest > 1e-9 and c < last and c < first + 4:
            taken = min(rest, content[c])
            content[c] -= taken
            rest -= taken
            c += 1
        left = old - out
        if layout.stop_loop[l] and min(belief.head_free[l], belief.green_age[l]) > GAP_OUT:
            left *= LATE_DECAY
        content[first] = left
        _settle(content, pace, standing, first, out, old)
        for c in range(first + 1, last):
            old = content[c]
            ahead = content[c - 1]
            room = max(layout.wave[l] * (store - ahead), min(1.0, store) - ahead)
            flow = min(old, max(0.0, room))
            lost = 0.0
            if c - first == layout.gate[l]:
                if belief.covered[l] < 0.0 and belief.over[l] == 0.0:
                    lost = flow
                flow = belief.crossings[l]
                lost = (1.0 - LATE_DECAY) * max(0.0, lost - flow)
                paid = min(belief.debt[l], old)
                belief.debt[l] = 0.7 * (belief.debt[l] - paid)
                old -= paid
                missing = max(0.0, flow - old)
                belief.debt[l] += missing
                content[c] = old - (flow - missing) - min(lost, old - (flow - missing))
            else:
                content[c] = old - flow
            content[c - 1] += flow
            _settle(content, pace, standing, c, flow, old)
        content[last - 1] += belief.inflow[l]


@kernel
def make_room(layout: Layout, belief: Belief) -> None:
    """Hand what a lane cannot hold between its loops to the road's other lanes: who crossed has changed lanes.

    Parameters
    ----------
    belief : ``content``; what no lane can hold is dropped.
    """
    content = belief.content
    for l in range(len(layout.gate)):
        first, last = layout.cell_ptr[l], layout.cell_ptr[l] + layout.gate[l]
        there = 0.0
        for c in range(first, last):
            there += content[c]
        surplus = there - TIGHTEST * layout.gate[l] * layout.storage[l]
        if layout.gate[l] == 0 or surplus <= 0.0:
            continue
        for c in range(first, last):
            content[c] -= surplus * content[c] / there
        for k in range(layout.road_first[l], layout.road_last[l]):
            for c in range(layout.cell_ptr[k], layout.cell_ptr[k] + layout.gate[k]):
                moved = min(surplus, max(0.0, layout.storage[k] - content[c])) if k != l else 0.0
                content[c] += moved
                surplus -= moved


@kernel
def _settle(content: Floats, pace: Floats, standing: Floats, c: int, flow: float, old: float) -> None:
    """Update pace and standing vehicles of a cell that had ``old`` vehicles and let ``flow`` go."""
    if content[c] < NOTHING:
        content[c] = 0.0
    moved = flow / old if old > NOTHING else 1.0
    pace[c] = min(1.0, max(PACE_MEMORY * pace[c], moved))
    standing[c] = content[c] if pace[c] < STANDING_PACE else 0.0


@kernel
def _tail_passed(now: float, l: int, layout: Layout, belief: Belief) -> bool:
    """Tell whether the queue moves and its last vehicle has crossed the advance loop (Liu et al. 2009, point C)."""
    if layout.gate[l] == 0 or belief.green_from[l] < belief.green_to[l] or belief.gate_free[l] < TAIL_PASSED:
        return False
    moves_there = belief.green_from[l] + layout.gate[l] * layout.cell_length[l] / START_WAVE
    leaving = min(now - belief.last_departure[l], TAIL_PASSED) < TAIL_PASSED or belief.head_free[l] > GAP_OUT
    return bool(leaving and now > moves_there + TAIL_PASSED)


@kernel
def watch_tails(now: float, layout: Layout, belief: Belief) -> None:
    """Note for how long queues have reached beyond what sensors see.

    What flows past the last sensor is then the discharge, not the demand, and less than arrives behind it. While a
    queue discharges, an advance loop that stays free proves that its tail is past.

    Parameters
    ----------
    now : [s].
    belief : ``over`` and ``beyond_gap`` [s] are updated; ``content`` is cleared where the loop proves it.
    """
    for l in range(len(layout.edge)):
        if layout.edge[l] < 0:
            continue
        if _tail_passed(now, l, layout, belief):
            belief.over[l] = 0.0
            first = layout.cell_ptr[l] + layout.gate[l]
            for c in range(first, min(first + int(belief.gate_free[l]), layout.cell_ptr[l + 1] - 1)):
                belief.content[c] *= LATE_DECAY
            continue
        c = layout.cell_ptr[l] + layout.edge[l]
        jam = layout.storage[l]
        belief.beyond_gap[l] = belief.beyond_gap[l] + 1.0 if belief.content[c] < TAIL_GAP * jam else 0.0
        if belief.beyond_gap[l] > TAIL_PASSED:
            belief.over[l] = 0.0
        elif belief.over[l] > 0.0 or belief.standing[c] > 0.5 * jam or belief.covered[l] > 3.0:
            belief.over[l] += 1.0
            # What crossed the loop unforeseen came out of the hidden queue: later arrivals do not pay for it.
            belief.debt[l] = 0.0


@kernel
def clear_heads(now: float, layout: Layout, belief: Belief) -> None:
    """Let queues dissolve that stand where a stop loop, which feels standing vehicles, stays free.

    Whoever stands further back would have moved up to the line, at red as well as where some give way in green. What
    stays is the chance that somebody stands there unfelt.

    Parameters
    ----------
    now : [s].
    belief : ``head_stood`` [s], ``content`` and ``standing`` are updated.
    """
    for l in range(len(layout.stop_loop)):
        c = layout.cell_ptr[l]
        red = belief.green_from[l] < belief.green_to[l]
        # In green a cell always holds the fractions of those who are expected.
        there = belief.standing[c] > NOTHING if red else belief.content[c] > SOMEBODY
        unsure = layout.stop_loop[l] and belief.green_age[l] < 0.0
        belief.head_stood[l] = belief.head_stood[l] + 1.0 if unsure and there else 0.0
        patience = NOBODY_STANDS if red else NOBODY_MOVES_UP
        heeded = belief.feels[l] >= FEELS and belief.head_free[l] < UNHEARD
        if not heeded or min(belief.head_stood[l], belief.head_free[l]) <= patience:
            continue
        # Who crossed the advance loop lately may still be on the way; who was seen is there.
        coming = red and layout.gate[l] > 0 and belief.gate_free[l] < layout.gate[l] + NOBODY_STANDS
        if not coming and now - belief.head_seen[l] > HEAD_SIGHT:
            unfelt = 1.0 - belief.feels[l]
            belief.content[c] -= (1.0 - LATE_DECAY) * max(0.0, belief.content[c] - unfelt)
            belief.standing[c] = min(belief.standing[c], belief.content[c])


@kernel
def learn_demand(now: float, seconds: float, layout: Layout, belief: Belief) -> None:
    """Learn long-run flows, and from them turning shares by iterative proportional fitting.

    Measured flows of sensed lanes are carried upstream to lanes without sensors; a movement's share grows while the
    road it leads to takes in more than the model sends there. Source: Furness (1965), Traffic Engineering & Control.

    Parameters
    ----------
    now : [s]. seconds : since the estimator began; short memory first, five minutes later.
    belief : updates ``use``, ``demand``, ``missed``, ``stream``, ``share``, ``turn_seen``, ``turn_time``; ``asked`` and
        ``sent`` on the way.
    """
    gain = 1.0 / min(USE_MEMORY, 30.0 + seconds)
    for l in range(len(layout.cell_length)):
        belief.missed[l] += belief.spoken[l]
        if belief.crossings[l] != 0.0 or belief.departures[l] != 0.0:
            belief.missed[l] = 0.0
        if layout.sensed[l]:
            flow = belief.crossings[l] if layout.gate[l] > 0 else belief.outflow[l]
            _learn_use(l, flow, gain, layout, belief)
        if belief.missed[l] == 0.0:
            belief.spoken[l] = belief.use[l]
        if layout.stop_loop[l]:
            belief.leave[l] += gain * (belief.outflow[l] - belief.leave[l])
    for m in range(len(layout.move_to)):
        belief.stream[m] += gain * (belief.flux[m] - belief.stream[m])
    _learn_parts(layout, belief)
    _balance_roads(layout, belief)
    for l in range(len(layout.cell_length)):
        first, last = layout.move_ptr[l], layout.move_ptr[l + 1]
        known = 0.0
        flow = 0.0
        total = 0.0
        for m in range(first, last):
            road = layout.road_first[layout.move_to[m]]
            asked, sent = belief.asked[road], belief.sent[road]
            if asked >= 0.0 and layout.leads_on[m]:
                known += belief.share[m]
                flow += asked * (belief.stream[m] + 1e-4) / sent
                ratio = min(2.0, max(0.5, (asked + 1e-3) / (sent + 1e-3)))
                belief.share[m] *= 1.0 + SHARE_GAIN * (ratio - 1.0)
                belief.turn_seen[m] += belief.outflow[l]
                if belief.outflow[l] > 0.3:
                    belief.turn_time[l] = now
            belief.turn_seen[m] -= PRIOR_PULL * belief.turn_seen[m]
            belief.share[m] += PRIOR_PULL * (belief.usual_share[m] - belief.share[m])
            total += belief.share[m]
        for m in range(first, last):
            belief.share[m] /= total
        if not layout.sensed[l]:
            belief.demand[l] = flow / max(known, 0.2) if known > 0.0 else -1.0


@kernel
def _learn_use(l: int, flow: float, gain: float, layout: Layout, belief: Belief) -> None:
    """Learn what comes to a lane from what passes its furthest sensor, over spans that end without a hidden queue.

    While a queue reaches beyond sight the discharge passes: less than what comes, or what came earlier.
    """
    belief.passed[l] += flow
    belief.unsure[l] += 1.0
    span = belief.unsure[l]
    if belief.over[l] == 0.0:
        belief.use[l] += (1.0 - (1.0 - gain) ** span) * (belief.passed[l] / span - belief.use[l])
        belief.passed[l] = 0.0
        belief.unsure[l] = 0.0
        belief.demand[l] = belief.use[l]
        return
    least = (belief.passed[l] + USE_MEMORY * belief.use[l]) / (span + USE_MEMORY)
    unseen = min(MOST_HIDDEN, belief.over[l] / HIDDEN_GROWTH) if layout.edge[l] < layout.gate[l] else 0.0
    belief.demand[l] = max(belief.use[l], least) * (1.0 + unseen)


@kernel
def _learn_parts(layout: Layout, belief: Belief) -> None:
    """Split what is spread over a road's lanes by their measured flows."""
    use, mixing = belief.use, layout.mixing
    l = 0
    while l < len(use):
        end = layout.road_last[l]
        total = 0.0
        for k in range(l, end):
            if mixing[k] > 0.0 and not layout.entry[k]:
                total += use[k] + LEAST_USE
        for k in range(l, end):
            if mixing[k] > 0.0 and not layout.entry[k]:
                belief.part[k] = (use[k] + LEAST_USE) / total
        l = end


@kernel
def _balance_roads(layout: Layout, belief: Belief) -> None:
    """Sum up per road what its lanes ask for and what its feeders send."""
    for l in range(len(layout.cell_length)):
        road = layout.road_first[l]
        if road == l:
            belief.asked[l] = -1.0
            belief.sent[l] = 0.0
        if belief.demand[l] >= 0.0:
            belief.asked[road] = max(belief.asked[road], 0.0) + belief.demand[l]
        for k in range(layout.feed_ptr[l], layout.feed_ptr[l + 1]):
            belief.sent[road] += belief.stream[layout.feed[k]] + 1e-4
