"""What roads tell over minutes: vehicles counted by loops, time spent, travel times from cumulative curves.

Only what must be looked at every second, or road by road and bin by bin; the rest is arithmetic on whole arrays.
"""

# x = sensors, n = loop events, l = lanes, e = roads, b = bins of the ring

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]

DOUBLE_GAP = 0.45
"""A pulse that begins so soon after the last one ended is the same vehicle [s]: drivers keep more than this."""
MINUTE_S = 60.0
LEAST_LEFT = 1.0
"""With fewer vehicles than this leaving in a window, the first one that still stands speaks instead [veh]."""


class Pulses(NamedTuple):
    """What loops have felt in this minute; kernels write into it.

    Attributes
    ----------
    last_off : [X] when the last pulse ended [s]. open : [X] a vehicle has reached the loop and not left it.
    reached, left : [X] vehicles. since_left : [X] sum of the time from their leaving to the minute's end [s].
    before : [X] time that those who reached it were on the way to it in this minute [s].
    after, later : [X] time that those who left it are on the way from it in this minute and afterwards [s].
    """

    last_off: Floats
    open: Bools
    reached: Floats
    left: Floats
    since_left: Floats
    before: Floats
    after: Floats
    later: Floats


class Bin(NamedTuple):
    """What adds up until a bin of the ring is closed; kernels write into it.

    Attributes
    ----------
    spent : [E] vehicle seconds spent on the road. flow : [E] sum of the smoothed outflow [veh].
    content : [E] vehicles now. rate : [E] smoothed outflow now [veh/s]; rate_before : [E] when the last bin closed.
    """

    spent: Floats
    flow: Floats
    content: Floats
    rate: Floats
    rate_before: Floats


class Ring(NamedTuple):
    """Closed bins, all of equal length; the oldest is overwritten.

    Attributes
    ----------
    spent : [B, E] vehicle seconds. left : [B, E] vehicles that left. content : [B, E] vehicles at the end of the bin.
    """

    spent: Singles
    left: Singles
    content: Singles


@kernel
def count_pulses(
    begin: float, sensor: Ints, time: Floats, on: Bools, counts: Bools, before: Floats, after: Floats, pulses: Pulses
) -> None:
    """Count vehicles that reach loops and leave them; a second pulse within ``DOUBLE_GAP`` is the same vehicle.

    Who reaches a loop has been on the way to it since the minute began or since he came; who leaves it will be on the
    way from it until the minute ends, or until he is gone.

    Parameters
    ----------
    begin : of the minute [s]. sensor, time, on : [N] events, sorted by sensor, time [s], on.
    counts : [X] the sensor is a counter. before, after : [X] time on the way to it and from it [s].
    pulses : updated; an event repeated or older than the end of the last pulse counts nothing.
    """
    end = begin + MINUTE_S
    for n in range(len(sensor)):
        x, t = sensor[n], time[n]
        if not counts[x]:
            continue
        repeated = n > 0 and sensor[n - 1] == x and time[n - 1] == t and on[n - 1] == on[n]
        if on[n]:
            if t >= pulses.last_off[x] + DOUBLE_GAP and not repeated:
                pulses.reached[x] += 1.0
                pulses.before[x] += min(before[x], max(0.0, t - begin))
                pulses.open[x] = True
        elif t > pulses.last_off[x]:
            pulses.last_off[x] = t
            if pulses.open[x]:
                pulses.open[x] = False
                pulses.left[x] += 1.0
                rest = min(MINUTE_S, max(0.0, end - t))
                pulses.since_left[x] += rest
                now = min(after[x], rest)
                pulses.after[x] += now
                pulses.later[x] += after[x] - now


@kernel
def watch_roads(seconds: float, road_ptr: Ints, vehicles: Singles, flow: Singles, now: Bin) -> None:
    """Add one tick's estimates to the open bin.

    Parameters
    ----------
    seconds : since the tick before. road_ptr : [E + 1] lanes of each road, a range.
    vehicles : [L] [veh]. flow : [L] [veh/s].
    """
    for e in range(len(road_ptr) - 1):
        content = 0.0
        rate = 0.0
        for l in range(road_ptr[e], road_ptr[e + 1]):
            content += vehicles[l]
            rate += flow[l]
        now.content[e] = content
        now.rate[e] = rate
        now.spent[e] += seconds * content
        now.flow[e] += seconds * rate


@kernel
def close_bin(memory_s: float, b: int, now: Bin, ring: Ring) -> None:
    """Write the open bin into the ring and open the next one.

    The outflow x is known only smoothed: every second y grows by (x - y) / T. So the sum of x is that of the new y plus
    T - 1 times the growth of y, exactly.

    Parameters
    ----------
    memory_s : T - 1 [s]. b : position in the ring.
    """
    for e in range(len(now.spent)):
        left = now.flow[e] + memory_s * (now.rate[e] - now.rate_before[e])
        ring.spent[b, e] = now.spent[e]
        ring.left[b, e] = max(0.0, left)
        ring.content[b, e] = now.content[e]
        now.rate_before[e] = now.rate[e]
        now.spent[e] = 0.0
        now.flow[e] = 0.0


@kernel
def travel_times(
    newest: int, filled: int, window: int, bin_s: float, ring: Ring, free: Floats, entered: Floats, out: Floats
) -> None:
    """Mean time over a road of the vehicles that left it in the last ``window`` bins, first in, first out.

    Vehicle number k leaves when the cumulative departures D reach k and entered when D plus the content did: the area
    between the two curves over the vehicles that left, by their number. If fewer than one left, the time that the
    first vehicle has been there; on an empty road, the free travel time.

    Source: Daganzo (1997), Fundamentals of Transportation and Traffic Operations, section 2.2.

    Parameters
    ----------
    newest : position of the last closed bin. filled : bins of the ring that hold something.
    free : [E] free travel time [s], the least that comes out. entered : [B + 1] scratch.
    out : [E] [s].
    """
    n_bins = ring.left.shape[0]
    start = filled - min(window, filled)
    oldest = (newest - filled + 1) % n_bins
    for e in range(len(free)):
        total = 0.0
        gone_before = 0.0
        entered[0] = ring.left[oldest, e] + ring.content[oldest, e]
        for k in range(filled):
            b = (newest - filled + 1 + k) % n_bins
            total += ring.left[b, e]
            if k < start:
                gone_before = total
            # Estimates are corrected now and then; nobody leaves a road by the way he came.
            entered[k + 1] = max(entered[k], total + ring.content[b, e])
        if total - gone_before < LEAST_LEFT:
            waits = filled > 0 and ring.content[newest, e] >= LEAST_LEFT
            age = bin_s * (filled - _reached(entered, filled, total + 0.5)) if waits else 0.0
            out[e] = max(free[e], age)
            continue
        area = 0.0
        number = gone_before
        for k in range(start, filled):
            left = ring.left[(newest - filled + 1 + k) % n_bins, e]
            if left > 0.0:
                middle = number + 0.5 * left
                area += left * bin_s * max(0.0, k + 0.5 - _reached(entered, filled, middle))
                number += left
        out[e] = max(free[e], area / (total - gone_before))


@kernel
def _reached(entered: Floats, filled: int, number: float) -> float:
    """When the curve ``entered`` reached a number [bins since its begin], linear within bins; 0 if before."""
    low, high = 0, filled
    while low < high:
        middle = (low + high) // 2
        if entered[middle] < number:
            low = middle + 1
        else:
            high = middle
    if low == 0 or entered[low] <= entered[low - 1]:
        return float(low)
    part = (number - entered[low - 1]) / (entered[low] - entered[low - 1])
    return float(low - 1 + min(1.0, part))
