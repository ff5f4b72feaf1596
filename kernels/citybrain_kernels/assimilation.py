"""Measurement updates: pulses of loops and objects of cameras correct the predicted lane contents.

Rows may be late, doubled and out of order; callers sort a batch first, so its order does not matter.
Kernels call only kernels of their own file: the compiler's cache does not notice changes in another one.
"""

# x = sensors, l = lanes, c = cells, e = loop events, f = frames, o = camera objects, r = remembered events

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.lanes import Belief, Layout

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Singles = NDArray[np.float32]

MEMORY = 16
"""Events that are remembered per loop, to know duplicates."""
OLDEST = 10.0
"""Events older than this are dropped [s], but for a loop's becoming free: nothing else would tell it."""
USUAL_DELAY = 1.5
"""Events usually take no longer than this to arrive [s]."""
LONGEST_DELAY, DELAY_MEMORY = 30.0, 0.9
"""Longest delay that is remembered [s], and the share of it that each event in time leaves."""
CLOCK_SKEW = 1.0
"""Events further ahead than this are dropped [s]."""
SAME_EVENT = 1e-4
"""Two events of one kind closer than this are one, reported twice [s]: times may be rounded on their way."""
DOUBLE_GAP = 0.45
"""A pulse that begins so soon after the last one ended is the same vehicle [s]: at 1.4 m/s and more drivers keep
more than this."""
LATE_STOP = 1.5
"""A vehicle that crosses the loop this long after the end of green is still leaving [s]."""
STALLED = 5.0
"""A green lane that nobody has left for so long, while its advance loop is covered, holds a queue that stands [s]."""
STOPPED_ON_LOOP = 3.0
"""A vehicle counted as leaving that still covers the stop loop after this has not left [s]."""
FROM_STANDSTILL, SLOW_PULSE = 3.0, 0.9
"""Who reaches a free stop loop so soon after the begin of green, and covers it for longer, stood just short of it [s]:
from a standstill at 2.6 m/s2 a car of 5 m takes 1 s from 3 m away, who comes driving hardly ever does."""
FEELS_GAIN = 0.1
"""Weight of a vehicle in the share of standing ones that a stop loop feels."""
OLDEST_FRAME = 3.0
"""Frames older than this correct nothing [s]."""
STANDING_SPEED = 1.4
HEAD_REACH = 10.0
"""A standing vehicle within this distance of the lane's end keeps the lane from discharging [m]."""
FIRST_PART = 10.0
"""Who stands further beyond the stop line has most of the way through the intersection behind him [m]."""
DOUBTFUL = 0.5
"""Objects with less confidence than this are taken for shadows."""
UP, DOWN = 0.5, 0.2
"""Gains for vehicles seen and not expected, expected and not seen."""
STANDING_GAIN = 0.9
HEADWAY_GAIN = 0.03
"""Least weight of a new headway in the saturation headway; the first ones weigh more."""
FOURTH = 4
"""The queue discharges at the saturation headway after its fourth vehicle (Highway Capacity Manual)."""
LOSS_GAIN, LONGEST_LOSS = 0.1, 6.0
"""Weight of a new start-up loss, and the longest that is believed [s]."""
FIRST_HEADWAYS = 3.0
"""The headway by speed limit weighs as much as so many that were measured."""
UNBROKEN = 1.5
"""Headways longer than this many saturation headways break a queue."""
SHORTEST_HEADWAY, LONGEST_HEADWAY = 1.2, 4.0


class Loops(NamedTuple):
    """Loops: what they are, and what is remembered of each.

    Attributes
    ----------
    lane : [X] lane whose flow the loop measures; -1 where the sensor is no loop, is not trusted, or another one
        measures the lane: of such a loop is only remembered whether it is covered.
    at_stop : [X] the loop lies at the stop line.
    reach : [X] vehicles that stand between the loop and the lane's end when a queue covers it.
    is_on : [X]; on_time : [X] begin of the last pulse [s]; off_time : [X] its end, or when the loop was built [s].
    counted : [X] the vehicle on the loop is already counted as departed.
    last_time : [X] latest event [s].
    delay : [X] how long events took at worst, lately [s].
    past_time, past_on : [X, MEMORY] remembered events; past_next : [X] where the next one goes.
    position : [X] vehicles that have crossed the stop loop since green began; -1 once the queue has passed.
    """

    lane: Ints
    at_stop: Bools
    reach: Floats
    is_on: Bools
    on_time: Floats
    off_time: Floats
    counted: Bools
    last_time: Floats
    delay: Floats
    past_time: Floats
    past_on: Bools
    past_next: Ints
    position: Ints


class Cameras(NamedTuple):
    """Cameras: what they see, and when they last spoke.

    Attributes
    ----------
    cover_ptr, cover_lane : CSR over sensors: lanes seen.
    cover_cells : [rows of cover] cells of the lane, from its end, that lie within sight.
    trust : [rows of cover] 0 (frames do not correct the lane) to 1.
    latest : [X] time of the last frame taken in [s].
    sight_of : [L] sensor whose frame is being taken in, -1 otherwise.
    inside, inside_time : [L] vehicles that stand just beyond the lane's stop line, in the intersection, and the time of
        the frame that showed it [s].
    seen, seen_standing : [C] scratch: vehicles in the frame.
    """

    cover_ptr: Ints
    cover_lane: Ints
    cover_cells: Ints
    trust: Floats
    latest: Floats
    sight_of: Ints
    inside: Floats
    inside_time: Floats
    seen: Floats
    seen_standing: Floats


@kernel
def take_loops(
    now: float,
    event_sensor: Ints,
    event_time: Floats,
    event_on: Bools,
    loops: Loops,
    belief: Belief,
    evidence: Floats,
) -> None:
    """Take in loop events, then what loops that are covered or free say; arguments as in those kernels."""
    take_pulses(now, event_sensor, event_time, event_on, loops, belief, evidence)
    read_presence(now, loops, belief)


@kernel
def correct(
    now: float,
    layout: Layout,
    frame_sensor: Ints,
    frame_time: Floats,
    object_sensor: Ints,
    object_time: Floats,
    object_lane: Ints,
    object_distance: Singles,
    object_speed: Singles,
    object_confidence: Singles,
    cameras: Cameras,
    loops: Loops,
    belief: Belief,
    evidence: Floats,
) -> None:
    """Correct the prediction by camera frames, then by what covered loops prove; arguments as in those kernels."""
    take_frames(
        now,
        layout,
        frame_sensor,
        frame_time,
        object_sensor,
        object_time,
        object_lane,
        object_distance,
        object_speed,
        object_confidence,
        cameras,
        belief,
        evidence,
    )
    hold_presence(now, layout, loops, belief)


@kernel
def take_pulses(
    now: float,
    event_sensor: Ints,
    event_time: Floats,
    event_on: Bools,
    loops: Loops,
    belief: Belief,
    evidence: Floats,
) -> None:
    """Turn loop events into departures and crossings.

    A vehicle departs when it reaches the stop loop during green; one that had to stop there departs when it leaves
    the loop. At advance loops every begin of a pulse is a crossing.

    Parameters
    ----------
    now : [s].
    event_sensor, event_time, event_on : [E] sorted by sensor, time, on.
    belief : ``departures``, ``crossings`` and ``headway`` are updated.
    evidence : [L] time of the last evidence about a lane [s], updated.
    """
    for e in range(len(event_sensor)):
        x, t, on = event_sensor[e], event_time[e], event_on[e]
        l = loops.lane[x]
        if t > now + CLOCK_SKEW or _known(loops, x, t, on):
            continue
        loops.delay[x] = min(LONGEST_DELAY, max(now - t, DELAY_MEMORY * loops.delay[x]))
        if t < now - OLDEST and (on or t < loops.last_time[x]):
            continue
        double = on and _is_double(loops, x, t)
        r = loops.past_next[x]
        loops.past_time[x, r] = t
        loops.past_on[x, r] = on
        loops.past_next[x] = (r + 1) % MEMORY
        late = t < loops.last_time[x]
        loops.last_time[x] = max(loops.last_time[x], t)
        if l < 0:
            _follow(loops, x, t, on, late, double)
            continue
        evidence[l] = max(evidence[l], t)
        if loops.at_stop[x]:
            green = _was_green(t, l, belief)
            if on:
                belief.departures[l] += _stop_on(loops, x, t, late, double, green, l, belief)
            else:
                belief.departures[l] += _stop_off(loops, x, t, l, belief)
        else:
            if on and not double:
                belief.crossings[l] += 1.0
            _follow(loops, x, t, on, late, double)


@kernel
def _follow(loops: Loops, x: int, t: float, on: bool, late: bool, double: bool) -> None:
    """Remember whether a loop is covered, and since when."""
    if late:
        return
    loops.is_on[x] = on
    loops.counted[x] = False
    if not on:
        loops.off_time[x] = t
    elif not double:
        loops.on_time[x] = t


@kernel
def _known(loops: Loops, x: int, t: float, on: bool) -> bool:
    """Whether the same event was taken in before."""
    known = False
    for r in range(MEMORY):
        known = known or (abs(loops.past_time[x, r] - t) < SAME_EVENT and loops.past_on[x, r] == on)
    return known


@kernel
def _is_double(loops: Loops, x: int, t: float) -> bool:
    """Whether a pulse that begins at ``t`` belongs to the vehicle of the pulse just before it."""
    for r in range(MEMORY):
        gap = t - loops.past_time[x, r]
        if not loops.past_on[x, r] and gap >= 0.0 and gap < DOUBLE_GAP:
            return True
    return False


@kernel
def _left_again(loops: Loops, x: int, t: float) -> bool:
    """Whether the first event that is remembered after ``t`` is an end: it overtook the begin of its pulse."""
    first = np.inf
    left = False
    for r in range(MEMORY):
        later = loops.past_time[x, r]
        if later > t and later < first:
            first = later
            left = not loops.past_on[x, r]
    return left


@kernel
def _was_green(t: float, l: int, belief: Belief) -> bool:
    """Whether traffic of the lane was leaving at time ``t``."""
    if belief.green_from[l] > belief.green_to[l]:
        return bool(t >= belief.green_from[l])
    return bool(t <= belief.green_to[l] + LATE_STOP)


@kernel
def _stop_on(loops: Loops, x: int, t: float, late: bool, double: bool, green: bool, l: int, belief: Belief) -> float:
    """Departures that follow from a vehicle that reaches the stop loop."""
    if late:
        return 1.0 if not double and (green or _left_again(loops, x, t)) else 0.0
    if double:
        loops.is_on[x] = True
        loops.counted[x] = True
        return 0.0
    # The end of the last pulse was lost: its vehicle has left all the same.
    departed = 1.0 if loops.is_on[x] and not loops.counted[x] else 0.0
    if green:
        _learn_headway(loops, x, t, l, belief)
    loops.is_on[x] = True
    loops.on_time[x] = t
    loops.counted[x] = green
    return departed + (1.0 if green else 0.0)


@kernel
def _stop_off(loops: Loops, x: int, t: float, l: int, belief: Belief) -> float:
    """Departures that follow from a vehicle that leaves the stop loop."""
    if not loops.is_on[x] or t < loops.on_time[x]:
        return 0.0
    loops.is_on[x] = False
    loops.off_time[x] = t
    if loops.counted[x]:
        soon = loops.on_time[x] - belief.green_from[l] < FROM_STANDSTILL
        if loops.position[x] == 1 and soon and t - loops.on_time[x] > SLOW_PULSE:
            belief.feels[l] -= FEELS_GAIN * belief.feels[l]
        return 0.0
    loops.position[x] = 1
    if t - loops.on_time[x] > STOPPED_ON_LOOP:
        belief.feels[l] += FEELS_GAIN * (1.0 - belief.feels[l])
    return 1.0


@kernel
def _learn_headway(loops: Loops, x: int, t: float, l: int, belief: Belief) -> None:
    """Take the headway of the fifth and later vehicles of an unbroken queue into the saturation headway."""
    headway = t - loops.on_time[x]
    if loops.on_time[x] < belief.green_from[l]:
        loops.position[x] = max(loops.position[x], 1) if loops.off_time[x] >= belief.green_from[l] else 0
    elif headway > UNBROKEN * belief.headway[l] and loops.position[x] > 2:
        loops.position[x] = -1
    if loops.position[x] >= 0:
        loops.position[x] += 1
        if loops.position[x] == FOURTH and belief.waiting[l] > FOURTH - 0.5:
            loss = t - belief.green_from[l] - FOURTH * belief.headway[l]
            belief.start_loss[l] += LOSS_GAIN * (min(LONGEST_LOSS, max(-LONGEST_LOSS, loss)) - belief.start_loss[l])
        if loops.position[x] > FOURTH and loops.position[x] <= belief.waiting[l] + 0.5:
            belief.headway_seen[l] += 1.0
            belief.headway_time[l] = t
            gain = max(HEADWAY_GAIN, 1.0 / (belief.headway_seen[l] + FIRST_HEADWAYS))
            learned = belief.headway[l] + gain * (headway - belief.headway[l])
            belief.headway[l] = min(LONGEST_HEADWAY, max(SHORTEST_HEADWAY, learned))


@kernel
def read_presence(now: float, loops: Loops, belief: Belief) -> None:
    """Say for how long loops have been covered or free, and take back departures of vehicles that did not leave.

    Whatever a loop has not said may still be on its way, for as long as its events lately took.

    Parameters
    ----------
    belief : writes ``covered``, ``gate_free`` and ``head_free``; corrects ``departures`` and ``content``.
    """
    for x in range(len(loops.lane)):
        l = loops.lane[x]
        if l < 0:
            continue
        heard = _heard(now, x, loops)
        covered, free = heard - loops.on_time[x], max(0.0, heard - loops.off_time[x])
        if not loops.at_stop[x]:
            belief.covered[l] = covered if loops.is_on[x] else -1.0
            belief.gate_free[l] = -1.0 if loops.is_on[x] else free
        elif loops.is_on[x]:
            belief.head_free[l] = -1.0 if covered >= 0.0 else 0.0
            if loops.counted[x] and covered > STOPPED_ON_LOOP:
                loops.counted[x] = False
                belief.departures[l] -= 1.0
        else:
            belief.head_free[l] = free


@kernel
def _heard(now: float, x: int, loops: Loops) -> float:
    """Time up to which everything that a loop reported has arrived [s]."""
    return float(now - max(0.0, loops.delay[x] - USUAL_DELAY))


@kernel
def hold_presence(now: float, layout: Layout, loops: Loops, belief: Belief) -> None:
    """Raise contents to what covered loops prove: a vehicle at the stop line, a queue back to the advance loop.

    Parameters
    ----------
    belief : ``content``, ``pace`` and ``standing`` are raised.
    """
    content, standing = belief.content, belief.standing
    for x in range(len(loops.lane)):
        l = loops.lane[x]
        covered = _heard(now, x, loops) - loops.on_time[x]
        if l < 0 or not loops.is_on[x] or covered < 1.0:
            continue
        c = layout.cell_ptr[l]
        if loops.at_stop[x]:
            if not loops.counted[x]:
                content[c] = max(content[c], 1.0)
                standing[c] = max(standing[c], 1.0)
                belief.pace[c] = 0.0
        elif covered > 3.0 and (belief.green_from[l] < belief.green_to[l] or now - belief.last_departure[l] > STALLED):
            there = 0.0
            for k in range(c, c + layout.gate[l]):
                there += content[k]
            missing = loops.reach[x] - there
            for k in range(c, c + layout.gate[l]):
                if missing > 0.0:
                    added = min(missing, max(0.0, layout.storage[l] - content[k]))
                    content[k] += added
                    missing -= added
                    standing[k] = content[k]
                    belief.pace[k] = 0.0


@kernel
def take_frames(
    now: float,
    layout: Layout,
    frame_sensor: Ints,
    frame_time: Floats,
    object_sensor: Ints,
    object_time: Floats,
    object_lane: Ints,
    object_distance: Singles,
    object_speed: Singles,
    object_confidence: Singles,
    cameras: Cameras,
    belief: Belief,
    evidence: Floats,
) -> None:
    """Correct lane contents by the newest frame of every camera.

    Parameters
    ----------
    now : [s].
    frame_sensor, frame_time : [F] sorted by sensor, time.
    object_* : [O] sorted by sensor, time, lane, distance, speed, confidence; m and m/s.
    cameras : ``latest``, ``inside`` and ``inside_time`` are updated.
    belief : ``content``, ``pace``, ``standing`` and ``head_seen`` are updated.
    evidence : [L] time of the last evidence about a lane [s], updated.
    """
    o = 0
    for f in range(len(frame_sensor)):
        x, t = frame_sensor[f], frame_time[f]
        last_of_sensor = f + 1 == len(frame_sensor) or frame_sensor[f + 1] != x
        if not last_of_sensor or t <= cameras.latest[x] or t < now - OLDEST_FRAME or t > now + CLOCK_SKEW:
            continue
        cameras.latest[x] = t
        for k in range(cameras.cover_ptr[x], cameras.cover_ptr[x + 1]):
            if cameras.trust[k] > 0.0:
                cameras.sight_of[cameras.cover_lane[k]] = x
                cameras.inside[cameras.cover_lane[k]] = 0.0
                cameras.inside_time[cameras.cover_lane[k]] = t
                evidence[cameras.cover_lane[k]] = max(evidence[cameras.cover_lane[k]], t)
        while o < len(object_sensor) and (object_sensor[o] < x or (object_sensor[o] == x and object_time[o] < t)):
            o += 1
        while o < len(object_sensor) and object_sensor[o] == x and object_time[o] == t:
            l = object_lane[o]
            again = (
                o > 0
                and object_sensor[o - 1] == x
                and object_time[o - 1] == t
                and object_lane[o - 1] == l
                and object_distance[o - 1] == object_distance[o]
                and object_speed[o - 1] == object_speed[o]
            )
            sane = l >= 0 and not again and object_speed[o] >= 0.0
            if sane and cameras.sight_of[l] == x and object_confidence[o] >= DOUBTFUL:
                standing = object_speed[o] < STANDING_SPEED
                distance = object_distance[o]
                if -FIRST_PART <= distance < 0.0:
                    cameras.inside[l] += 1.0 if standing else 0.0
                elif distance >= 0.0:
                    _place(now - t, layout, l, distance, object_speed[o], object_confidence[o], cameras, belief)
                    if standing and distance < HEAD_REACH:
                        belief.head_seen[l] = t
            o += 1
        for k in range(cameras.cover_ptr[x], cameras.cover_ptr[x + 1]):
            l = cameras.cover_lane[k]
            if cameras.trust[k] > 0.0:
                cells = cameras.cover_cells[k]
                _correct(layout.cell_ptr[l], cells, layout.cell_ptr[l + 1], cameras.trust[k], cameras, belief)
            cameras.sight_of[l] = -1


@kernel
def tell_inside(now: float, stop_lane: Ints, cameras: Cameras, out: Singles) -> None:
    """Tell how many vehicles [A] stand in the intersection, beyond the stop line that they have crossed."""
    for a in range(len(stop_lane)):
        l = stop_lane[a]
        out[a] = cameras.inside[l] if now - cameras.inside_time[l] <= OLDEST_FRAME else 0.0


@kernel
def _place(
    delay: float,
    layout: Layout,
    l: int,
    distance: float,
    speed: float,
    confidence: float,
    cameras: Cameras,
    belief: Belief,
) -> None:
    """Put one object into its cell, moved on by its speed since the frame; it may have left in the meantime."""
    standing = speed < STANDING_SPEED
    if not standing:
        distance -= speed * delay
    if distance < 0.0:
        if belief.green_from[l] > belief.green_to[l]:
            return
        distance = 0.0
    c = layout.cell_ptr[l] + int(distance / layout.cell_length[l])
    if c < layout.cell_ptr[l + 1]:
        # What is missed falls slower than what is seen rises, and is made up for that far already. Fixed-point
        # weights: their sum does not depend on the order of objects.
        weight = np.round(1024.0 * (1.0 + DOWN / UP * (1.0 / confidence - 1.0))) / 1024.0
        cameras.seen[c] += weight
        if standing:
            cameras.seen_standing[c] += weight


@kernel
def _correct(first: int, n: int, last: int, trust: float, cameras: Cameras, belief: Belief) -> None:
    """Pull the first ``n`` cells of a lane towards the frame, and clear the scratch of all its cells.

    A surplus beside a lack is the same vehicle seen one cell off: it is moved, not removed and added. A camera that is
    trusted less pulls less.
    """
    up, down = trust * UP, trust * DOWN
    content, standing, seen = belief.content, belief.standing, cameras.seen
    for c in range(first, first + n):
        if c + 1 < last:
            here = seen[c] - content[c]
            there = seen[c + 1] - content[c + 1]
            beyond = c + 1 >= first + n
            if here > 0.0 and (there < 0.0 or beyond):
                shift = min(here, content[c + 1] if beyond else -there)
                content[c] += up * shift
                content[c + 1] -= up * shift
                seen[c] -= (1.0 - up) * shift
                if not beyond:
                    seen[c + 1] += (1.0 - up) * shift
            elif here < 0.0 and there > 0.0 and not beyond:
                shift = min(-here, there)
                content[c] -= up * shift
                content[c + 1] += up * shift
                seen[c] += (1.0 - up) * shift
                seen[c + 1] -= (1.0 - up) * shift
        lack = seen[c] - content[c]
        content[c] = max(0.0, content[c] + (up if lack > 0.0 else down) * lack)
        standing[c] = min(standing[c], content[c])
        if content[c] > 0.0 and seen[c] >= 0.5:
            # A cell without objects says nothing of speeds: a vehicle missed stands on.
            share = min(1.0, cameras.seen_standing[c] / seen[c])
            was = min(1.0, standing[c] / content[c])
            standing[c] = content[c] * (was + trust * STANDING_GAIN * (share - was))
            belief.pace[c] = min(1.0 - share, max(belief.pace[c], 0.3))
    for c in range(first, last):
        cameras.seen[c] = 0.0
        cameras.seen_standing[c] = 0.0
