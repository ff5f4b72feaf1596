"""Measures of a controller's log, cycle by cycle, as agencies define them.

Definitions are those of the Automated Traffic Signal Performance Measures: arrivals on green, after C. M. Day and
others, Performance Measures for Traffic Signal Systems, Purdue University 2014 (https://doi.org/10.5703/1288284315333);
split failure, after R. Freije and others, Graphical Performance Measures for Practitioners to Triage Split Failure
Trouble Calls, TRB 2014: the stop line's detectors are occupied for at least 80 % of the green and of the first five
seconds of red. Gaps in a detector's events are closed as the ``atspm`` package (Oregon DOT, MIT licence) closes them,
so that both agree. May import the log.

A phase's cycle reaches from one begin of its green to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.eventlog.log import Function
from citybrain.events import Code

if TYPE_CHECKING:
    from citybrain.eventlog.log import Detector, EventLog

Times = NDArray[np.int64]
Floats = NDArray[np.float64]

RED_MS = 5000
"""How long into red the stop line is watched."""
OCCUPIED = 0.8
"""Share from which a green, or the begin of a red, counts as occupied."""
RAPID_MS = 2000
"""Two begins of an actuation closer than this: the first ended when the second began."""


@dataclass(frozen=True)
class Cycles:
    """Cycles of one phase, in order of time. Index c.

    Attributes
    ----------
    device, phase : whose.
    green, yellow, red : [C] begin of green, yellow and red clearance [ms]; -1 where the log does not say, or twice.
    end : [C] begin of the next green; of the last cycle the last event of the log [ms].
    """

    device: str
    phase: int
    green: Times
    yellow: Times
    red: Times
    end: Times

    def __len__(self) -> int:
        """Count cycles."""
        return len(self.green)


@dataclass(frozen=True)
class Occupancies:
    """How long the stop line was occupied, per complete cycle of a phase. Index k.

    Attributes
    ----------
    cycle : [K] index into the phase's cycles.
    barrier : [K] end of the watched part of red [ms].
    green_s : [K] length of green [s].
    green, red : [K] share of green and of the begin of red during which any detector was occupied.
    """

    cycle: NDArray[np.int64]
    barrier: Times
    green_s: Floats
    green: Floats
    red: Floats

    @property
    def split_failure(self) -> NDArray[np.bool_]:
        """[K] whether green did not serve all who waited."""
        return (self.green >= OCCUPIED) & (self.red >= OCCUPIED)


def cycles_of(log: EventLog, device: str, phase: int) -> Cycles:
    """Find a phase's cycles; what came before its first green is left out."""
    time, code, parameter = log.of(device, Code.GREEN_BEGIN, Code.YELLOW_BEGIN, Code.RED_CLEARANCE_BEGIN)
    time, code = time[parameter == phase], code[parameter == phase]
    green = time[code == Code.GREEN_BEGIN]
    _, last = log.span(device)

    def only(wanted: int) -> Times:
        found = time[code == wanted]
        first = np.searchsorted(found, green, side="left")
        after = np.append(first[1:], len(found)) if len(green) else first
        out: Times = np.where(after - first == 1, np.append(found, -1)[np.minimum(first, len(found))], -1)
        return out

    end = np.append(green[1:], last) if len(green) else green
    return Cycles(device, phase, green, only(Code.YELLOW_BEGIN), only(Code.RED_CLEARANCE_BEGIN), end)


def actuations(log: EventLog, device: str, channels: NDArray[np.int64]) -> Times:
    """Begins of the actuations of some detectors [ms], in order."""
    time, _, parameter = log.of(device, Code.DETECTOR_ON)
    return time[np.isin(parameter, channels)]


def shown_at(log: EventLog, cycles: Cycles, at: Times) -> NDArray[np.int32]:
    """Tell what the phase showed at these moments, by the code that began it; 0 before the log says.

    ``Code.GREEN_BEGIN``, ``Code.YELLOW_BEGIN`` or ``Code.RED_CLEARANCE_BEGIN``. What happens in the same moment as a
    change sees the change.
    """
    time, code, parameter = log.of(cycles.device, Code.GREEN_BEGIN, Code.YELLOW_BEGIN, Code.RED_CLEARANCE_BEGIN)
    mine = parameter == cycles.phase
    out: NDArray[np.int32] = np.append(0, code[mine])[np.searchsorted(time[mine], at, side="right")]
    return out


def on_green(log: EventLog, cycles: Cycles, at: Times) -> NDArray[np.bool_]:
    """Whether the phase showed green at these moments."""
    out: NDArray[np.bool_] = shown_at(log, cycles, at) == Code.GREEN_BEGIN
    return out


def in_cycle(cycles: Cycles, at: Times) -> NDArray[np.int64]:
    """Cycle [n] of moments; -1 before the first."""
    return np.searchsorted(cycles.green, at, side="right") - 1


def occupied(
    log: EventLog, device: str, channels: NDArray[np.int64], extend_ms: int = 0
) -> tuple[Times, NDArray[np.bool_]]:
    """When any of some detectors became occupied or free, each occupied for ``extend_ms`` after it was left.

    Returns
    -------
    time, state : [n] moments in order [ms], and whether any was occupied from then on.
    """
    times, steps = [], []
    for channel in np.unique(channels):
        time, on = _closed(log, device, int(channel))
        if extend_ms:
            time, on = _extended(time, on, extend_ms)
        times.append(time)
        steps.append(np.where(on, 1, -1))
    if not times:
        return np.zeros(0, np.int64), np.zeros(0, np.bool_)
    moments, place = np.unique(np.concatenate(times), return_inverse=True)
    change = np.bincount(place, weights=np.concatenate(steps), minlength=len(moments))
    return moments, np.cumsum(change) > 0


def _closed(log: EventLog, device: str, channel: int) -> tuple[Times, NDArray[np.bool_]]:
    """Events of one detector, with what is missing put in, so that begins and ends alternate."""
    time, code, parameter = log.of(device, Code.DETECTOR_OFF, Code.DETECTOR_ON)
    mine = parameter == channel
    time, on = time[mine], code[mine] == Code.DETECTOR_ON
    if not len(time):
        return time, on
    gap, twice = np.diff(time), on[1:] == on[:-1]
    middle = time[1:] - gap // 2
    ended = np.where(gap <= RAPID_MS, time[1:], middle)[twice & on[1:]]
    begun = middle[twice & ~on[1:]]
    first = time[:1] - 1 if not on[0] else time[:0]
    return (
        np.concatenate([time, ended, begun, first]),
        np.concatenate([on, np.zeros(len(ended), np.bool_), np.ones(len(begun) + len(first), np.bool_)]),
    )


def _extended(time: Times, on: NDArray[np.bool_], by: int) -> tuple[Times, NDArray[np.bool_]]:
    """End every actuation later, but not after the next begins; begins and ends alternate."""
    order = np.lexsort((on, time))
    time, on = time[order].copy(), on[order]
    following = np.append(time[1:], np.iinfo(np.int64).max)[: len(time)]
    time[~on] = np.minimum(time[~on] + by, following[~on])
    return time, on


def occupancies(log: EventLog, cycles: Cycles, channels: NDArray[np.int64], extend_ms: int = 0) -> Occupancies:
    """Judge every complete cycle of a phase by its stop-line detectors.

    A cycle is complete with one yellow, one end of yellow, five seconds of red before the next green, and detectors
    that had reported before it.
    """
    moments, state = occupied(log, cycles.device, channels, extend_ms)
    barrier = cycles.red + RED_MS
    _, last = log.span(cycles.device)
    known = (moments[0] if len(moments) else last) < cycles.green
    complete = known & (cycles.yellow >= 0) & (cycles.red >= 0) & (barrier <= last)
    following = np.append(cycles.green[1:], np.iinfo(np.int64).max) if len(cycles) else cycles.green
    complete &= barrier < following
    cycle = np.flatnonzero(complete)
    green, yellow, red, barrier = (x[cycle] for x in (cycles.green, cycles.yellow, cycles.red, barrier))

    def until(at: Times) -> Floats:
        """Milliseconds occupied before ``at``."""
        k = np.searchsorted(moments, at, side="right") - 1
        so_far = np.concatenate(([0], np.cumsum(np.diff(moments) * state[:-1])))
        out: Floats = so_far[k] + state[k] * (at - moments[k])
        return out

    length = yellow - green
    if not len(cycle):
        return Occupancies(cycle, barrier, length / 1000, length / 1000, length / 1000)
    return Occupancies(
        cycle=cycle,
        barrier=barrier,
        green_s=length / 1000,
        green=(until(yellow) - until(green)) / np.maximum(length, 1),
        red=(until(barrier) - until(red)) / RED_MS,
    )


def channels_of(detectors: tuple[Detector, ...], device: str, phase: int, *functions: Function) -> NDArray[np.int64]:
    """Channels of a phase's detectors with one of these functions, ascending."""
    found = {d.channel for d in detectors if (d.device, d.phase) == (device, phase) and d.function in functions}
    return np.array(sorted(found), dtype=np.int64)
