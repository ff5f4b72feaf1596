"""Which sensors are to be believed: sequential tests of every sensor of a city, tick by tick.

Every test keeps a score: the sum of log-likelihood ratios of "sick" to "well", never below 0 (CUSUM; Page 1954,
Biometrika 41, 100-115). A sensor is sick of a fault once its score reaches ``limit`` and well again once it is back at
0. By Lorden (1971, Annals of Mathematical Statistics 42, 1897-1908) a test of a well sensor alarms at most once in
exp(limit) observations on average. ``docs/health.md`` has every test with its two hypotheses.

Whatever counts vehicles is a counter: a loop, or one lane that a camera sees.
"""

# x = sensors, k = counters, f = tests, l = lanes, m = movements, g = signal groups, h = hours, r = remembered events

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import Held, desk_kernel, kernel
from citybrain_kernels.estimation_tick import Rows, known

Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SILENT, CLOCK, STUCK_ON, STUCK_OFF, CHATTER, BLIND, FLICKER, SHIFTED, LOST_LANE, DRIFT, LATE, DOUBLED, DISORDERED = (
    range(13)
)
"""Tests; of several faults of a sensor the first is told, for it explains the others."""
N_TESTS = 13
WELL, SUSPECT, SICK = range(3)
RED, PROTECTED = 0, 3
SETTLED = 5.0
"""So long after green everybody who stops has stopped [s]."""
WAVE = 5.0
"""Green reaches the vehicles of a queue one after the other, at this speed [m/s]."""

SPACING = 7.5
"""Length of road that a vehicle in a queue takes [m]."""
SAME_TIME = 1e-4
"""Two rows of one sensor and kind closer than this are one, told twice [s]."""
MEMORY = 16
SHORT = 0.1
"""Pulses, and gaps between them, that no vehicle makes [s]."""
SHORT_HEADWAY = 0.5
"""Two vehicles of a lane never follow each other so closely [s]."""
AHEAD = 0.2
"""A row from further in the future comes from a wrong clock [s]."""
LATE_AFTER, BEHIND_AFTER = 3.0, 2.5
"""A row that takes longer is late; a sensor all of whose rows take so long has a wrong clock [s]."""
STEADY = 1.5
"""A wrong clock delays all rows alike, within this [s]."""
UNSTEADY = -3.0
"""Log-likelihood ratio of a row that is delayed unlike the others, or overtaken: a twentieth as likely by a clock."""
MOVING = 1.4
DOUBTFUL = 0.5
SPILL = 0.1
"""So many of the vehicles that a camera sees on one lane it may put on the lane beside."""
FASTEST = 0.7
"""No lane lets more vehicles pass in a second; what is counted beyond is no traffic."""
AT_LINE = 3.5
"""A vehicle that stands on a stop loop is seen within this of the lane's end [m]."""
RESTING = 3.0
"""A loop covered, or free, for so long says that a vehicle stands there, or none does [s]."""
GREEN_SAMPLE = 10.0
HOUR, DAY = 3600.0, 24
LEARNED = 600.0
"""A sensor is known after this time [s]."""
RECENT = 300.0
MISSED, SICK_MISSED = 0.0015, 0.015
"""Share of frames of a well camera, and of one that flickers, that follow a gap."""
GAP = 2.5
"""A message that is missing for this many times the usual interval is missing."""

HALF, NONE = 0.5, 0.05
"""A well sensor counts at least half of what is expected; a silent one less than a twentieth."""
DOUBT = 5.0
"""A score from which on nothing is learned of a counter: silence must not become usual."""
QUIET = 0.5
"""Streets of a neighbourhood do not rise and fall together: so much of the usual flow is expected at least."""
PRIOR = 20.0
"""Vehicles that the belief "neighbours count the same" is worth."""
PEER_MEMORY = 500.0
WINDOW_VEHICLES = 60.0
"""Counts are compared with the neighbours' whenever these have counted so many vehicles."""
OWN_SPREAD, LAG_SPREAD, LEVEL_SPREAD = 0.3, 18.0, 0.1
"""Variance of a comparison per vehicle, of the vehicles between the two places, and change of level that is usual."""
SHIFT = 3.0
"""Standard deviations by which a drifting count is off."""
LOWEST_Z = 6.0
FIRST_WINDOWS, MOST_WINDOWS = 2.0, 50.0


class Watch(NamedTuple):
    """What does not change.

    Attributes
    ----------
    counter_ptr : [X + 1] counters of each sensor. owner : [K] sensor. lane : [K].
    place : [K] from the counter to the lane's end [m]; 0 for cameras.
    window : [K] objects of a camera within this of the lane's end, times their speed, are its flow [m].
    is_camera : [K] counts objects. interval : [X] reports intervals, not events or frames.
    is_loop : [X] reports when it is covered and left. at_stop : [X] lies at a stop line.
    peer_ptr, peer : CSR over counters: other counters of the same stream of vehicles.
    beside_ptr, beside : CSR over counters: those of the same camera on lanes beside.
    stop_loop : [K] for a camera's counter, the stop loop of the lane; -1 without one.
    group : [K] neighbourhood whose traffic rises and falls together.
    move_ptr : [L + 1]. move_group : [M] signal group, -1 without signal.
    """

    counter_ptr: Ints
    owner: Ints
    lane: Ints
    place: Floats
    window: Floats
    is_camera: Bools
    interval: Bools
    is_loop: Bools
    at_stop: Bools
    peer_ptr: Ints
    peer: Ints
    beside_ptr: Ints
    beside: Ints
    stop_loop: Ints
    group: Ints
    move_ptr: Ints
    move_group: Ints


class Diary(NamedTuple):
    """What is remembered; times in s, rates in veh/s.

    Attributes
    ----------
    score : [X, F]. sick : [X, F] by that test. row_score, row_sick : [K] of counting too little.
    low, high : [K] scores of drifting counts. window_own, window_peer : [K] vehicles of the present comparison.
    base, base_n : [K] usual ratio to the peers, and of how many comparisons. peers : [K] peers of the comparison.
    seen_own, seen_peer : [K] vehicles, for the ratio that is expected. open_peer : [K] of peers since its own last.
    pending : [K] vehicles expected since the last interval.
    covered : [X]; on_time, off_time : [X] last change. free_count : [X] peers' vehicles since it was covered.
    past_time, past_on : [X, MEMORY]; past_next : [X].
    latest : [X] latest time of an event, a frame, an interval's end. usual : [X] time between messages.
    lag : [X] usual delay. late, doubled, disordered, short : [X] shares of rows.
    object_here, standing_here : [K] in the last frame: any object, one that stands at the line. sampled : [K].
    green_for : [X] seconds of green that a loop has been covered for since the last sample.
    usual_rate : [K, 24] by hour; usual_days : [K, 24]; hour_count, hour_time : [K] of this hour.
    pace, pace_time : [K] mean over the last hour. recent, recent_peer : [K] over five minutes, own and expected.
    group_seen, group_due : [number of groups] scratch. tally : [K] scratch, vehicles in this tick. heard : [X] scratch.
    status, fault : [X]. since : [X] of the status. trust : [X]. sight : [K] 0 for a camera's lost lane.
    now : [2] time of the last tick; hour.
    """

    score: Floats
    sick: Bools
    row_score: Floats
    row_sick: Bools
    low: Floats
    high: Floats
    window_own: Floats
    window_peer: Floats
    base: Floats
    base_n: Floats
    peers: Ints
    seen_own: Floats
    seen_peer: Floats
    open_peer: Floats
    pending: Floats
    covered: Bools
    on_time: Floats
    off_time: Floats
    free_count: Floats
    past_time: Floats
    past_on: Bools
    past_next: Ints
    latest: Floats
    usual: Floats
    lag: Floats
    late: Floats
    doubled: Floats
    disordered: Floats
    short: Floats
    object_here: Bools
    standing_here: Bools
    sampled: Floats
    green_for: Floats
    usual_rate: Floats
    usual_days: Floats
    hour_count: Floats
    hour_time: Floats
    pace: Floats
    pace_time: Floats
    recent: Floats
    recent_peer: Floats
    group_seen: Floats
    group_due: Floats
    tally: Floats
    heard: Bools
    status: Bytes
    fault: Bytes
    since: Floats
    trust: Floats
    sight: Floats
    now: Floats


class Ward(NamedTuple):
    """All that is held from tick to tick."""

    watch: Watch
    diary: Diary


@desk_kernel
def examine(
    now: float, limit: float, warn: float, aspect: Bytes, aspect_since: Floats, ward: Held[Ward], rows: Rows
) -> bool:
    """Take in one batch and judge every sensor.

    Returns False, and does nothing, if the batch names sensors or lanes that there are not.

    Parameters
    ----------
    now : [s]. limit, warn : scores at which a sensor is sick, and suspect.
    aspect, aspect_since : [G] what the groups showed, and since when [s].
    """
    watch, diary = ward.value
    if not known(rows, len(watch.is_loop), len(watch.move_ptr) - 1):
        return False
    passed = min(max(now - diary.now[0], 0.0), 60.0)
    diary.tally[:] = 0.0
    diary.heard[:] = False
    take_events(now, limit, rows.event_sensor, rows.event_time, rows.event_on, watch, diary)
    take_frames(now, limit, rows, watch, diary)
    take_counts(now, limit, rows, watch, diary)
    watch_silence(now, passed, limit, watch, diary)
    compare(now, passed, limit, watch, diary)
    watch_presence(now, passed, limit, aspect, aspect_since, watch, diary)
    learn(now, passed, watch, diary)
    decide(now, limit, warn, watch, diary)
    diary.now[0] = now
    return True


@kernel
def _add(diary: Diary, x: int, f: int, ratio: float, limit: float) -> None:
    """Add a log-likelihood ratio to a score."""
    diary.score[x, f] = min(limit, max(0.0, diary.score[x, f] + ratio))


@kernel
def _trial(diary: Diary, x: int, f: int, hit: bool, well: float, sick: float, limit: float) -> None:
    """Take in a trial that hits with chance ``well`` or ``sick``."""
    _add(diary, x, f, np.log(sick / well) if hit else np.log((1.0 - sick) / (1.0 - well)), limit)


@kernel
def _share(old: float, hit: bool, gain: float) -> float:
    """Take a row into a running share."""
    return old + gain * ((1.0 if hit else 0.0) - old)


@kernel
def _judge_time(now: float, x: int, t: float, again: bool, limit: float, diary: Diary) -> None:
    """Judge the way of one row: late, told twice, overtaken, by a wrong clock."""
    lag = now - t
    late, overtaken = lag > LATE_AFTER, t < diary.latest[x] - SAME_TIME and not again
    diary.late[x] = _share(diary.late[x], late, 0.01)
    diary.doubled[x] = _share(diary.doubled[x], again, 0.01)
    diary.disordered[x] = _share(diary.disordered[x], overtaken, 0.01)
    _trial(diary, x, LATE, late, 0.02, 0.2, limit)
    _trial(diary, x, DOUBLED, again, 0.01, 0.15, limit)
    _trial(diary, x, DISORDERED, overtaken, 0.01, 0.15, limit)
    if not again:
        steady = abs(lag - diary.lag[x]) < STEADY and not overtaken
        wrong = t > now + AHEAD or (lag > BEHIND_AFTER and steady)
        _trial(diary, x, CLOCK, wrong, 0.02, 0.3, limit)
        if not steady:
            # A clock delays all rows alike, and lets none overtake another: something else is wrong.
            _add(diary, x, CLOCK, UNSTEADY, limit)
        diary.lag[x] += 0.1 * (lag - diary.lag[x])


@kernel
def take_events(
    now: float, limit: float, event_sensor: Ints, event_time: Floats, event_on: Bools, watch: Watch, diary: Diary
) -> None:
    """Count pulses of loops, and judge their lengths and their way.

    Parameters
    ----------
    event_sensor, event_time, event_on : [E] sorted by sensor, time, on.
    """
    for e in range(len(event_sensor)):
        x, t, on = event_sensor[e], event_time[e], event_on[e]
        again = False
        for r in range(MEMORY):
            again = again or (abs(diary.past_time[x, r] - t) < SAME_TIME and diary.past_on[x, r] == on)
        _judge_time(now, x, t, again, limit, diary)
        if again:
            continue
        r = diary.past_next[x]
        diary.past_time[x, r], diary.past_on[x, r] = t, on
        diary.past_next[x] = (r + 1) % MEMORY
        diary.heard[x] = True
        # Frequent pulses are no vehicles; a sensor that chatters must not accuse its neighbours.
        if on and (t - diary.on_time[x] >= SHORT_HEADWAY or t < diary.on_time[x]):
            diary.tally[watch.counter_ptr[x]] += 1.0
        if t < diary.latest[x]:
            continue
        diary.latest[x] = t
        if on and not diary.covered[x]:
            bad = t - diary.on_time[x] < SHORT_HEADWAY or t - diary.off_time[x] < SHORT
            diary.covered[x], diary.on_time[x] = True, t
            diary.free_count[x] = diary.green_for[x] = 0.0
            diary.short[x] = _share(diary.short[x], bad, 0.02)
            _trial(diary, x, CHATTER, bad, 0.08, 0.4, limit)
        elif not on and diary.covered[x]:
            bad = t - diary.on_time[x] < SHORT
            diary.covered[x], diary.off_time[x] = False, t
            diary.short[x] = _share(diary.short[x], bad, 0.02)
            _trial(diary, x, CHATTER, bad, 0.08, 0.4, limit)
            if not bad:
                _add(diary, x, STUCK_ON, -4.0, limit)


@kernel
def take_frames(now: float, limit: float, rows: Rows, watch: Watch, diary: Diary) -> None:
    """Count what cameras see pass, and judge when their frames come."""
    o = 0
    for f in range(len(rows.frame_sensor)):
        x, t = rows.frame_sensor[f], rows.frame_time[f]
        again = False
        for r in range(MEMORY):
            again = again or abs(diary.past_time[x, r] - t) < SAME_TIME
        _judge_time(now, x, t, again, limit, diary)
        if again or t < diary.latest[x]:
            if not again:
                # It was on its way when the gap was noticed.
                _add(diary, x, FLICKER, -np.log(SICK_MISSED / MISSED), limit)
            continue
        r = diary.past_next[x]
        diary.past_time[x, r] = t
        diary.past_next[x] = (r + 1) % MEMORY
        diary.heard[x] = True
        between = t - diary.latest[x]
        missed = between > GAP * diary.usual[x]
        _trial(diary, x, FLICKER, missed, MISSED, SICK_MISSED, limit)
        if not missed:
            diary.usual[x] += 0.05 * (between - diary.usual[x])
        diary.latest[x] = t
        between = min(between, diary.usual[x])
        first, last = watch.counter_ptr[x], watch.counter_ptr[x + 1]
        for k in range(first, last):
            diary.object_here[k] = diary.standing_here[k] = False
        while o < len(rows.object_sensor) and (
            rows.object_sensor[o] < x or (rows.object_sensor[o] == x and rows.object_time[o] < t)
        ):
            o += 1
        while o < len(rows.object_sensor) and rows.object_sensor[o] == x and rows.object_time[o] == t:
            again = (
                o > 0
                and rows.object_sensor[o - 1] == x
                and rows.object_time[o - 1] == t
                and rows.object_lane[o - 1] == rows.object_lane[o]
                and rows.object_distance[o - 1] == rows.object_distance[o]
                and rows.object_speed[o - 1] == rows.object_speed[o]
            )
            for k in range(first, last):
                seen = not again and rows.object_confidence[o] >= DOUBTFUL and rows.object_distance[o] >= 0.0
                if seen and watch.lane[k] == rows.object_lane[o]:
                    diary.object_here[k] = True
                    speed, distance = rows.object_speed[o], rows.object_distance[o]
                    if speed < MOVING:
                        diary.standing_here[k] = diary.standing_here[k] or distance <= AT_LINE
                    elif distance <= watch.window[k]:
                        diary.tally[k] += speed * between / watch.window[k]
            o += 1


@kernel
def take_counts(now: float, limit: float, rows: Rows, watch: Watch, diary: Diary) -> None:
    """Take in intervals."""
    for c in range(len(rows.count_sensor)):
        x, t = rows.count_sensor[c], rows.count_end[c]
        again = t < diary.latest[x] - SAME_TIME
        if not again:
            diary.usual[x] = max(1.0, t - rows.count_begin[c])
        _judge_time(now, x, t, False, limit, diary)
        diary.latest[x] = max(diary.latest[x], t)
        diary.heard[x] = True
        for k in range(watch.counter_ptr[x], watch.counter_ptr[x + 1]):
            if not watch.is_camera[k] or watch.lane[k] == rows.count_lane[c]:
                diary.tally[k] += rows.count_vehicles[c]


@kernel
def watch_silence(now: float, passed: float, limit: float, watch: Watch, diary: Diary) -> None:
    """Judge sensors that ought to speak all the time: a gap goes on for another second in nine cases of ten."""
    for x in range(len(watch.is_loop)):
        if watch.is_loop[x]:
            continue
        if diary.heard[x]:
            _add(diary, x, SILENT, -2.0, limit)
        elif now - diary.latest[x] > GAP * diary.usual[x] + LATE_AFTER:
            _add(diary, x, SILENT, -passed * np.log(0.9), limit)


@kernel
def _believed(k: int, watch: Watch, diary: Diary) -> bool:
    """Whether a counter may testify about others."""
    x = watch.owner[k]
    return bool(diary.trust[x] > 0.0 and not watch.interval[x] and not diary.row_sick[k])


@kernel
def _clean(k: int, passed: float, watch: Watch, diary: Diary) -> float:
    """Vehicles that a counter certainly counted: not those of lanes beside, not more than a lane can pass."""
    count = diary.tally[k]
    for b in range(watch.beside_ptr[k], watch.beside_ptr[k + 1]):
        count -= SPILL * diary.tally[watch.beside[b]]
    return float(max(0.0, min(count, FASTEST * max(passed, 1.0) + 1.0)))


@kernel
def compare(now: float, passed: float, limit: float, watch: Watch, diary: Diary) -> None:
    """Compare every counter with its peers, or with what is usual for the hour."""
    _sum_groups(watch, diary)
    for x in range(len(watch.is_loop)):
        first, last = watch.counter_ptr[x], watch.counter_ptr[x + 1]
        alone = True
        for k in range(first, last):
            for p in range(watch.peer_ptr[k], watch.peer_ptr[k + 1]):
                alone = alone and not _believed(watch.peer[p], watch, diary)
        own_sum = 0.0
        due_sum = 0.0
        for k in range(first, last):
            total = 0.0
            n = 0
            for p in range(watch.peer_ptr[k], watch.peer_ptr[k + 1]):
                if _believed(watch.peer[p], watch, diary):
                    total += _clean(watch.peer[p], passed, watch, diary)
                    n += 1
            peer = total / n if n > 0 else 0.0
            due = min(1.0, (diary.seen_own[k] + PRIOR) / (diary.seen_peer[k] + PRIOR)) * peer
            if n == 0 and alone:
                due = QUIET * _usual(k, diary) * _activity(k, watch, diary) * passed
            own = diary.tally[k] if watch.interval[x] else _clean(k, passed, watch, diary)
            diary.recent_peer[k] += passed / RECENT * (due / max(passed, 1.0) - diary.recent_peer[k])
            if n > 0 and diary.status[x] == WELL:
                _learn_ratio(k, own, peer, diary)
            if diary.status[x] == SICK and diary.fault[x] != DRIFT:
                # The other fault explains wrong counts.
                diary.low[k] = diary.high[k] = diary.window_own[k] = diary.window_peer[k] = 0.0
            elif n > 0 and diary.row_score[k] < DOUBT:
                _compare_levels(k, own, peer, n, limit, diary)
            if watch.interval[x]:
                diary.pending[k] += due
                if not diary.heard[x]:
                    continue
                due = diary.pending[k]
                diary.pending[k] = 0.0
            mute = not watch.is_loop[x] and not watch.interval[x] and now - diary.latest[x] > RESTING
            # Vehicles that stand still are not counted, but whoever reports them is neither silent nor blind.
            if mute or diary.object_here[k] or (watch.is_loop[x] and diary.covered[x]):
                due = 0.0
            ratio = own * np.log(NONE / HALF) + (HALF - NONE) * due
            diary.row_score[k] = min(limit, max(0.0, diary.row_score[k] + ratio))
            own_sum += own
            due_sum += due
        if not watch.is_loop[x] and last > first:
            _add(diary, x, BLIND, own_sum * np.log(NONE / HALF) + (HALF - NONE) * due_sum, limit)


@kernel
def _learn_ratio(k: int, own: float, peer: float, diary: Diary) -> None:
    """Remember how many vehicles a counter and its peers counted; up to its last one, or silence were usual."""
    diary.open_peer[k] += peer
    if own <= 0.0:
        return
    diary.seen_own[k] += own
    diary.seen_peer[k] += diary.open_peer[k]
    diary.open_peer[k] = 0.0
    if diary.seen_peer[k] > PEER_MEMORY:
        diary.seen_own[k] *= 0.5
        diary.seen_peer[k] *= 0.5


@kernel
def _compare_levels(k: int, own: float, peer: float, n: int, limit: float, diary: Diary) -> None:
    """Ask whenever the peers have counted enough vehicles whether the ratio of the counts has changed."""
    if n != diary.peers[k]:
        diary.window_own[k] = diary.window_peer[k] = diary.base_n[k] = 0.0
        diary.peers[k] = n
    diary.window_own[k] += own
    diary.window_peer[k] += peer
    m = diary.window_peer[k]
    if m < WINDOW_VEHICLES:
        return
    seen = diary.base_n[k]
    if seen >= FIRST_WINDOWS:
        variance = (OWN_SPREAD * m + LAG_SPREAD + (LEVEL_SPREAD * m) ** 2) * (1.0 + 1.0 / seen)
        z = (diary.window_own[k] - diary.base[k] * m) / np.sqrt(variance)
        z = min(LOWEST_Z, max(-LOWEST_Z, z))
        diary.low[k] = min(limit, max(0.0, diary.low[k] - SHIFT * z - 0.5 * SHIFT * SHIFT))
        diary.high[k] = min(limit, max(0.0, diary.high[k] + SHIFT * z - 0.5 * SHIFT * SHIFT))
    if max(diary.low[k], diary.high[k]) <= 0.0:
        diary.base_n[k] = min(MOST_WINDOWS, seen + 1.0)
        diary.base[k] += (diary.window_own[k] / m - diary.base[k]) / diary.base_n[k]
    diary.window_own[k] = diary.window_peer[k] = 0.0


@kernel
def _usual(k: int, diary: Diary) -> float:
    """Flow [veh/s] that a counter usually has at this hour; before it is known, that of the last hour."""
    hour = int(diary.now[1])
    if diary.usual_days[k, hour] > 0.0:
        return float(diary.usual_rate[k, hour])
    return float(diary.pace[k]) if diary.pace_time[k] >= LEARNED else 0.0


@kernel
def _sum_groups(watch: Watch, diary: Diary) -> None:
    """Sum up what neighbourhoods counted lately, and what they usually do."""
    diary.group_seen[:] = 0.0
    diary.group_due[:] = 0.0
    for k in range(len(watch.owner)):
        if _believed(k, watch, diary):
            diary.group_seen[watch.group[k]] += diary.recent[k]
            diary.group_due[watch.group[k]] += _usual(k, diary)


@kernel
def _activity(k: int, watch: Watch, diary: Diary) -> float:
    """Share of its usual traffic that the neighbourhood has, without this sensor: nights and holidays are quiet."""
    seen, due = diary.group_seen[watch.group[k]], diary.group_due[watch.group[k]]
    x = watch.owner[k]
    for own in range(watch.counter_ptr[x], watch.counter_ptr[x + 1]):
        if _believed(own, watch, diary) and watch.group[own] == watch.group[k]:
            seen -= diary.recent[own]
            due -= _usual(own, diary)
    return min(1.0, max(0.0, seen / due)) if due > 1e-3 else 0.0


@kernel
def watch_presence(
    now: float,
    passed: float,
    limit: float,
    aspect: Bytes,
    aspect_since: Floats,
    watch: Watch,
    diary: Diary,
) -> None:
    """Judge loops that stay covered, and whether cameras see vehicles where loops feel them."""
    for x in range(len(watch.is_loop)):
        if watch.is_loop[x] and diary.covered[x] and now - diary.on_time[x] > GREEN_SAMPLE:
            _watch_covered(now, passed, limit, x, aspect, aspect_since, watch, diary)
    for k in range(len(watch.owner)):
        x, loop = watch.owner[k], watch.stop_loop[k]
        if loop < 0 or diary.trust[loop] <= 0.0:
            continue
        # One question per vehicle that stops: a loop that missed it goes on missing it.
        if diary.sampled[k] > max(diary.on_time[loop], diary.off_time[loop]):
            continue
        if now - diary.latest[x] > RESTING or not diary.object_here[k]:
            continue
        # Who waits in green may have his front beyond the line.
        if not _shows(now, watch.lane[k], RED, SETTLED, aspect, aspect_since, watch):
            continue
        rests = diary.covered[loop] and now - diary.on_time[loop] > RESTING
        free = not diary.covered[loop] and now - diary.off_time[loop] > RESTING
        if rests or (free and diary.standing_here[k]):
            diary.sampled[k] = now
            _trial(diary, x, SHIFTED, diary.standing_here[k] != rests, 0.15, 0.8, limit)


@kernel
def _shows(now: float, l: int, wanted: int, least: float, aspect: Bytes, aspect_since: Floats, watch: Watch) -> bool:
    """Whether all movements of a lane have shown one aspect for so long [s]."""
    shows = watch.move_ptr[l + 1] > watch.move_ptr[l]
    for m in range(watch.move_ptr[l], watch.move_ptr[l + 1]):
        g = watch.move_group[m]
        shows = shows and g >= 0 and aspect[g] == wanted and now - aspect_since[g] > least
    return bool(shows)


@kernel
def _watch_covered(
    now: float,
    passed: float,
    limit: float,
    x: int,
    aspect: Bytes,
    aspect_since: Floats,
    watch: Watch,
    diary: Diary,
) -> None:
    """Judge a loop that stays covered while vehicles pass it, or while it has green."""
    k = watch.counter_ptr[x]
    l = watch.lane[k]
    together = False
    stands = False
    passing = 0.0
    n = 0
    for p in range(watch.peer_ptr[k], watch.peer_ptr[k + 1]):
        other = watch.peer[p]
        y = watch.owner[other]
        if not _believed(other, watch, diary):
            continue
        if watch.is_camera[other]:
            stands = stands or (diary.standing_here[other] and now - diary.latest[y] < RESTING)
        else:
            together = together or (diary.covered[y] and now - diary.on_time[y] > GREEN_SAMPLE)
        passing += _clean(other, passed, watch, diary)
        n += 1
    if n > 0:
        diary.free_count[x] += passing / n
        # Vehicles between the two places may pass the one while the other stays covered.
        if diary.free_count[x] > watch.place[k] / SPACING + 4.0:
            _add(diary, x, STUCK_ON, passing / n * np.log(0.97 / 0.3), limit)
    green = _shows(now, l, PROTECTED, watch.place[k] / WAVE, aspect, aspect_since, watch)
    if green and not (stands and watch.at_stop[x]):
        diary.green_for[x] += passed
        if diary.green_for[x] >= GREEN_SAMPLE:
            diary.green_for[x] -= GREEN_SAMPLE
            _add(diary, x, STUCK_ON, np.log(0.99 / (0.8 if together or stands else 0.5)), limit)


@kernel
def learn(now: float, passed: float, watch: Watch, diary: Diary) -> None:
    """Learn what is usual, from sensors that are well."""
    hour = int(now / HOUR) % DAY
    if hour != int(diary.now[1]):
        before = int(diary.now[1])
        for k in range(len(watch.owner)):
            if diary.hour_time[k] > 0.5 * HOUR:
                days = min(diary.usual_days[k, before] + 1.0, 5.0)
                diary.usual_days[k, before] = days
                rate = diary.hour_count[k] / diary.hour_time[k]
                diary.usual_rate[k, before] += (rate - diary.usual_rate[k, before]) / days
            diary.hour_count[k] = diary.hour_time[k] = 0.0
        diary.now[1] = float(hour)
    for k in range(len(watch.owner)):
        rate = diary.tally[k] / max(passed, 1.0)
        diary.recent[k] += passed / RECENT * (rate - diary.recent[k])
        if diary.status[watch.owner[k]] == WELL and diary.row_score[k] < DOUBT:
            diary.hour_count[k] += diary.tally[k]
            diary.hour_time[k] += passed
            diary.pace_time[k] = min(HOUR, diary.pace_time[k] + passed)
            diary.pace[k] += passed / max(diary.pace_time[k], 1.0) * (rate - diary.pace[k])


@kernel
def decide(now: float, limit: float, warn: float, watch: Watch, diary: Diary) -> None:
    """Say of every sensor what it is, and how far it is to be believed."""
    for x in range(len(watch.is_loop)):
        first, last = watch.counter_ptr[x], watch.counter_ptr[x + 1]
        lost = 0.0
        drift = 0.0
        alone = True
        for k in range(first, last):
            diary.row_sick[k] = diary.row_score[k] >= limit or (diary.row_sick[k] and diary.row_score[k] > 0.0)
            lost = max(lost, diary.row_score[k])
            drift = max(drift, diary.low[k], diary.high[k])
            alone = alone and diary.peers[k] < 2
            diary.sight[k] = 0.0 if diary.row_sick[k] and watch.is_camera[k] else 1.0
        diary.score[x, LOST_LANE if not watch.is_loop[x] and watch.is_camera[first] else STUCK_OFF] = lost
        # Of two that differ nobody knows which one is wrong.
        diary.score[x, DRIFT] = min(drift, 0.99 * limit) if alone else drift
        _judge(now, x, limit, warn, diary)


@kernel
def _judge(now: float, x: int, limit: float, warn: float, diary: Diary) -> None:
    """Turn the scores of one sensor into a status, a fault and trust."""
    status, fault, highest = WELL, 0, 0.0
    for f in range(N_TESTS):
        score = diary.score[x, f]
        diary.sick[x, f] = score >= limit or (diary.sick[x, f] and score > 0.0)
        if diary.sick[x, f]:
            if status != SICK:
                status, fault = SICK, f
        elif status != SICK and score >= warn and score > highest:
            status, fault, highest = SUSPECT, f, score
    if status != diary.status[x]:
        diary.since[x] = now
    diary.status[x], diary.fault[x] = status, fault
    trust = 1.0
    if status == SUSPECT or (status == SICK and fault >= LATE):
        trust = 0.5
    elif status == SICK and fault != LOST_LANE:
        trust = 0.0
    diary.trust[x] = trust
