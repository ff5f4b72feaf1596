"""Interval counts correct the belief after the fact: what passed in the last minute, and how many wait at its end.

A counter is a detector, or one lane of a camera that counts. What the model let pass at every counter is remembered
second by second; when a count comes, the two are compared over the count's own interval. The difference tells how the
lane's flow must be believed, and, as far as those vehicles can still be there, how many there are now. Compare
Gazis and Knapp (1971), On-line estimation of traffic densities from time-series of flow and speed data,
Transportation Science 5(3), 283-301: contents by counting, corrected with the weight of their uncertainties.
"""

# k = counters, x = sensors, l = lanes, c = cells, s = seconds remembered, r = rows of counts

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.lanes import Belief, Layout

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

PAST = 512
"""Seconds that are remembered; the longest interval and the oldest count fit in."""
OLDEST_COUNT = 120.0
"""Counts whose interval ended longer ago than this are dropped [s]."""
CLOCK_SKEW = 1.0
"""Counts whose interval ends further ahead than this are dropped [s]."""
SHORTEST, LONGEST = 20.0, 300.0
"""Intervals that are taken in [s]."""
SLACK = 0.5
"""Intervals may overlap by this much: clocks are set now and then [s]."""
MOST_PER_SECOND = 1.0
"""A lane lets no more vehicles pass than this [veh/s]; counts beyond are no counts."""
RATE_MEMORY = 120.0
"""A count weighs in the believed flow as its interval does against this time [s]."""
COUNT_SD, MISCOUNT = 0.5, 0.06
"""A count is believed to be wrong by this [veh] and this share of it (s.d.)."""
QUEUE_SD, QUEUE_SD_SHARE = 0.5, 0.1
"""A queue that is told is believed to be wrong by this [veh] and this share of it (s.d.)."""
FULL_SIGHT = 0.9
"""A queue that fills this share of what a camera sees may be longer."""
PASSING = 0.6
"""Seconds for which a vehicle in motion covers a detector."""
STANDS_OVER = 0.5
"""A detector covered for this share of an interval by standing vehicles lies in a queue: its count is what the queue
lets through, not what comes."""
EMPTY = 0.5
"""Fewer vehicles than this are none [veh]: the queue has gone."""


class Counters(NamedTuple):
    """Counters: what they are, and what is remembered of each.

    Attributes
    ----------
    ptr : [X + 1] counters of each sensor; none of sensors that do not count.
    home : [K] lane. lane : [K] the same, or -1 where the counter is not heeded.
    boundary : [K] cells between the counted line and the lane's end; 0: the stop line itself.
    reach : [K] vehicles that fit into a camera's sight; 0: the counter sees no queue.
    passed, queued : [K, PAST] vehicles that the model has let pass up to a second, and its queue then [veh].
    inside : [K] vehicles between line and lane's end at the end of the last tick.
    total : [K] vehicles that the model has let pass.
    cleared : [K] when green had last left no vehicle inside [s].
    since : [K] begin of memory [s]. latest : [K] its end [s].
    waited : [K] queue at the end of the last interval [veh]. waited_at : [K] that end [s].
    until : [K] end of the last interval taken in [s]. rate : [K] flow believed [veh/s]. taken : [K] intervals taken in.
    """

    ptr: Ints
    home: Ints
    lane: Ints
    boundary: Ints
    reach: Floats
    passed: Floats
    queued: Floats
    inside: Floats
    total: Floats
    cleared: Floats
    since: Floats
    latest: Floats
    waited: Floats
    waited_at: Floats
    until: Floats
    rate: Floats
    taken: Ints


@kernel
def watch_counters(now: float, steps: int, layout: Layout, counters: Counters, belief: Belief) -> None:
    """Remember what the prediction of the last ``steps`` seconds let pass at every counter; call right after it.

    What passed a line upstream of the lane's end is what left the lane and what became more behind the line.

    Parameters
    ----------
    now : [s].
    counters : memory is carried on to ``now``.
    """
    for k in range(len(counters.home)):
        l = counters.home[k]
        first = layout.cell_ptr[l]
        inside, queue = _contents(first, counters.boundary[k], layout.cell_ptr[l + 1], belief)
        if counters.since[k] > now:
            counters.since[k] = now
            counters.latest[k] = now
            counters.cleared[k] = now
            counters.inside[k] = inside
        flow = belief.outflow[l] * steps
        if counters.boundary[k] > 0:
            flow = max(0.0, flow + inside - counters.inside[k])
        # Behind a red nothing clears: that the model has nobody there may only mean that it knows of nobody.
        if inside < EMPTY and belief.green_from[l] > belief.green_to[l]:
            counters.cleared[k] = now
        begin, end = int(counters.latest[k]), int(now)
        for s in range(max(begin + 1, end - PAST + 1), end + 1):
            share = (s - begin) / (end - begin)
            counters.passed[k, s % PAST] = counters.total[k] + flow * share
            counters.queued[k, s % PAST] = queue
        counters.total[k] += flow
        counters.latest[k] = now


@kernel
def take_counts(
    now: float,
    layout: Layout,
    count_sensor: Ints,
    count_lane: Ints,
    count_begin: Floats,
    count_end: Floats,
    count_vehicles: Singles,
    count_occupancy: Singles,
    count_queue: Singles,
    counters: Counters,
    belief: Belief,
    evidence: Floats,
) -> None:
    """Correct the belief by counts, keep the flows that they tell, and note what is inside at the end of the tick.

    Parameters
    ----------
    now : [s].
    count_* : [R] sorted by sensor, lane, end, begin; times [s], veh, 0 to 1 or NaN, veh or NaN.
    belief : ``content``, ``standing``, ``pace``, ``use`` and ``over`` of counted lanes are updated.
    evidence : [L] time of the last evidence about a lane [s], updated.
    """
    for r in range(len(count_sensor)):
        k = _counter(count_sensor[r], count_lane[r], counters)
        begin, end, vehicles = count_begin[r], count_end[r], float(count_vehicles[r])
        span = end - begin
        fits = span >= SHORTEST - SLACK and span <= LONGEST + SLACK and vehicles >= 0.0
        fits = fits and vehicles <= MOST_PER_SECOND * span
        if k < 0 or not fits or end < now - OLDEST_COUNT or end > now + CLOCK_SKEW:
            continue
        if begin < counters.until[k] - SLACK:
            continue
        counters.until[k] = end
        l, boundary = counters.home[k], counters.boundary[k]
        occupancy, queue = float(count_occupancy[r]), float(count_queue[r])
        remembered = begin >= counters.since[k] and begin >= now - (PAST - 2)
        stands = boundary > 0 and occupancy - vehicles * PASSING / span > STANDS_OVER
        fills = counters.reach[k] > 0.0 and queue >= FULL_SIGHT * counters.reach[k]
        grown = _grown(k, queue, begin, end, counters) if boundary == 0 and remembered else 0.0
        _learn_rate(k, max(0.0, vehicles + grown), span, stands or fills, counters)
        if counters.lane[k] < 0:
            continue
        evidence[l] = max(evidence[l], end)
        belief.over[l] = belief.over[l] + span if stands or fills else 0.0
        if not remembered:
            continue
        first, beyond = layout.cell_ptr[l], layout.cell_ptr[l + 1]
        if queue >= 0.0:
            more = _more_queued(now, k, l, queue, end, counters, belief)
            _set_inside(first, beyond - 1, more, True, layout.storage[l], belief)
        elif stands:
            full = FULL_SIGHT * boundary * layout.storage[l] - _green_since(now, l, end, belief) / belief.headway[l]
            inside, _ = _contents(first, boundary, beyond, belief)
            _set_inside(first, first + boundary, max(0.0, full - inside), True, layout.storage[l], belief)
        else:
            more = _more_inside(k, vehicles, begin, end, counters)
            n = boundary if boundary > 0 else beyond - 1 - first
            _set_inside(first, first + n, more, False, layout.storage[l], belief)
    for k in range(len(counters.home)):
        l = counters.home[k]
        if counters.lane[k] >= 0 and counters.taken[k] > 0:
            belief.use[l] = counters.rate[k]
        first, beyond = layout.cell_ptr[l], layout.cell_ptr[l + 1]
        counters.inside[k], _ = _contents(first, counters.boundary[k], beyond, belief)


@kernel
def _contents(first: int, boundary: int, beyond: int, belief: Belief) -> tuple[float, float]:
    """Vehicles downstream of a counted line (of the whole lane, if that is the stop line), and its queue."""
    inside = 0.0
    queue = 0.0
    for c in range(first, beyond - 1):
        if boundary == 0 or c < first + boundary:
            inside += belief.content[c]
        queue += belief.standing[c]
    return inside, queue


@kernel
def _counter(x: int, l: int, counters: Counters) -> int:
    """Find the counter of a detector, or of a camera and lane; -1 if there is none."""
    for k in range(counters.ptr[x], counters.ptr[x + 1]):
        if counters.reach[k] == 0.0 or counters.home[k] == l:
            return k
    return -1


@kernel
def _recall(memory: Floats, k: int, t: float, latest: float) -> float:
    """Value at a time, between the seconds remembered."""
    t = min(t, float(int(latest)))
    s = int(t)
    value = memory[k, s % PAST]
    if t > s:
        value += (t - s) * (memory[k, (s + 1) % PAST] - value)
    return float(value)


@kernel
def _grown(k: int, queue: float, begin: float, end: float, counters: Counters) -> float:
    """Vehicles by which the queue grew in an interval, as far as it was told, otherwise as the model has it.

    At a stop line what left is what came less what still waits.
    """
    was = counters.waited[k]
    if begin > counters.waited_at[k] + SLACK or not queue >= 0.0:
        was = _recall(counters.queued, k, begin, counters.latest[k])
    if not queue >= 0.0:
        queue = _recall(counters.queued, k, end, counters.latest[k])
    counters.waited[k] = queue
    counters.waited_at[k] = end
    return float(queue - was)


@kernel
def _learn_rate(k: int, came: float, span: float, at_least: bool, counters: Counters) -> None:
    """Take the vehicles that came in an interval into the believed flow; ``at_least``: more may wait unseen."""
    gain = max(1.0 / (counters.taken[k] + 1), span / (span + RATE_MEMORY))
    change = gain * (came / span - counters.rate[k])
    counters.rate[k] += max(0.0, change) if at_least else change
    counters.taken[k] += 1


@kernel
def _green_since(now: float, l: int, t: float, belief: Belief) -> float:
    """Seconds of green that a lane has had since ``t``."""
    until = now if belief.green_from[l] > belief.green_to[l] else belief.green_to[l]
    return float(max(0.0, until - max(t, belief.green_from[l])))


@kernel
def _more_inside(k: int, vehicles: float, begin: float, end: float, counters: Counters) -> float:
    """Vehicles that must be inside beyond those believed, by the difference between count and model.

    Upstream of a queue: what came in more since the queue was last gone is still there. At the stop line: a queue
    that was never gone let go what it could, and what more of it left is not there any more; one that was gone tells
    only how many came.
    """
    latest = counters.latest[k]
    modelled = _recall(counters.passed, k, end, latest) - _recall(counters.passed, k, begin, latest)
    uncertain = max(modelled, vehicles) + 1.0
    gain = uncertain / (uncertain + (COUNT_SD + MISCOUNT * vehicles) ** 2)
    cleared = counters.cleared[k]
    if counters.boundary[k] == 0:
        return float(gain * (modelled - vehicles)) if cleared < begin else 0.0
    share = (end - max(begin, cleared)) / (end - begin)
    return float(gain * (vehicles - modelled) * max(0.0, share))


@kernel
def _more_queued(now: float, k: int, l: int, queue: float, end: float, counters: Counters, belief: Belief) -> float:
    """Vehicles that must be queued now beyond those believed, by a queue told of a moment ago."""
    believed = _recall(counters.queued, k, end, counters.latest[k])
    if queue >= FULL_SIGHT * counters.reach[k] and believed > queue:
        return 0.0
    uncertain = max(believed, queue) + 1.0
    gain = uncertain / (uncertain + (QUEUE_SD + QUEUE_SD_SHARE * queue) ** 2)
    told = believed + gain * (queue - believed)
    gone = _green_since(now, l, end, belief) / belief.headway[l]
    return float(max(0.0, told - gone) - max(0.0, believed - gone))


@kernel
def _set_inside(first: int, end: int, more: float, stands: bool, storage: float, belief: Belief) -> None:
    """Add vehicles to the cells from the lane's end upstream, or take them away from the last ones first."""
    content, standing = belief.content, belief.standing
    if more > 0.0:
        for c in range(first, end):
            added = min(more, max(0.0, storage - content[c]))
            content[c] += added
            more -= added
            if stands and added > 0.0:
                standing[c] = content[c]
                belief.pace[c] = 0.0
        return
    for c in range(end - 1, first - 1, -1):
        there = standing[c] if stands else content[c]
        taken = min(-more, there)
        content[c] -= taken
        standing[c] = max(0.0, standing[c] - taken) if stands else min(standing[c], content[c])
        more += taken
