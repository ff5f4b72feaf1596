"""Measures of one phase or controller, from events alone: how greens ended, who came when, how long people waited.

Definitions: C. M. Day and others, Performance Measures for Traffic Signal Systems, Purdue University 2014
(https://doi.org/10.5703/1288284315333). Where the ``atspm`` package (Oregon DOT) computes the same, both agree. May
import the log and its cycles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.eventlog.measures import actuations, in_cycle, shown_at
from citybrain.events import Code, Coordination

if TYPE_CHECKING:
    from citybrain.eventlog.log import EventLog
    from citybrain.eventlog.measures import Cycles, Times

ENDS = (Code.GAP_OUT, Code.MAX_OUT, Code.FORCE_OFF)
UNUSED_MS = 3000
"""A green without an actuation for so long before its end was not used at its end."""
HEADWAY_MS = 1900
"""Between two vehicles that leave a queue: 1,900 vehicles an hour and lane. HCM 6, chapter 19, base saturation flow."""
START_MS = 2000
"""From the begin of green until the first of a queue crosses the line. HCM 6, chapter 19, start-up lost time."""
ARRIVAL_TYPES = (0.5, 0.85, 1.15, 1.5, 2.0)
"""Upper bounds of the platoon ratio of arrival types 1 to 5; type 6 is above. HCM 2000, exhibit 15-4."""
NOBODY = -1


@dataclass(frozen=True)
class Arrivals:
    """Who came to the stop line of a phase, in order of time. Index n.

    Attributes
    ----------
    time : [N] when they were, or would have been, at the stop line [ms].
    in_cycle : [N] since the last begin of red [ms]; -1 before the first.
    shown : [N] ``Code.GREEN_BEGIN``, ``YELLOW_BEGIN`` or ``RED_CLEARANCE_BEGIN``; 0 before the log tells.
    wait : [N] from an arrival at red to the next green [ms]; 0 at green and yellow; -1 where no green followed.
    """

    time: Times
    in_cycle: Times
    shown: NDArray[np.int32]
    wait: Times


def arrivals(log: EventLog, cycles: Cycles, channels: NDArray[np.int64], offset_ms: int = 0) -> Arrivals:
    """Find when the actuations of some detectors reached the stop line, and what they met.

    The wait is the "approach delay" of signal performance measures: braking, the queue ahead and the start are not in
    it.

    Parameters
    ----------
    offset_ms : from the detectors to the stop line [ms].
    """
    time = actuations(log, cycles.device, channels) + offset_ms
    reds, _, parameter = log.of(cycles.device, Code.RED_CLEARANCE_BEGIN)
    reds = reds[parameter == cycles.phase]
    before = np.searchsorted(reds, time, side="right")
    in_red_cycle = np.where(before > 0, time - np.append(reds, 0)[before - 1], NOBODY)
    shown = shown_at(log, cycles, time)
    following = np.append(cycles.green, NOBODY)[np.searchsorted(cycles.green, time, side="right")]
    wait = np.where(following >= 0, following - time, NOBODY)
    wait = np.where((shown == Code.GREEN_BEGIN) | (shown == Code.YELLOW_BEGIN), 0, wait)
    return Arrivals(time, in_red_cycle, shown, wait)


def queue_delays(log: EventLog, cycles: Cycles, time: Times) -> NDArray[np.float64]:
    """Control delay of the arrivals of one lane, had they waited in a queue that takes up no room [s].

    Who meets a queue or a red leaves a saturation headway behind the one before, not before 2 s of green; the rest of
    control delay, braking and starting, is not in it. A queue that stands on the detector hides who waits behind it.

    Parameters
    ----------
    time : arrivals at the stop line, in order [ms].

    Returns
    -------
    [N]; NaN where no green followed.
    """
    begin, end = green_spans(log, cycles)
    out = np.full(len(time), np.nan)
    left = np.iinfo(np.int64).min // 2
    k = 0
    for n, came in enumerate(time.tolist()):
        at = max(came, left + HEADWAY_MS)
        while k < len(end) and end[k] <= at:
            k += 1
        if k == len(end):
            break
        queued = at > came or came < begin[k]
        left = max(at, int(begin[k]) + START_MS) if queued else at
        out[n] = (left - came) / 1000.0
    return out


def terminations(log: EventLog, cycles: Cycles) -> NDArray[np.int32]:
    """Why every green ended [C]: the last of ``ENDS`` that was logged in it; 0 where none was."""
    time, code, parameter = log.of(cycles.device, *ENDS)
    mine = parameter == cycles.phase
    time, code = time[mine], code[mine]
    until = np.where(cycles.yellow >= 0, cycles.yellow, np.where(cycles.red >= 0, cycles.red, cycles.end))
    last = np.searchsorted(time, until, side="right") - 1
    inside = (last >= 0) & (np.append(time, 0)[last] >= cycles.green)
    out: NDArray[np.int32] = np.where(inside, np.append(code, 0)[last], 0).astype(np.int32)
    return out


def last_gaps(cycles: Cycles, moments: Times, state: NDArray[np.bool_]) -> Times:
    """From the last moment at which a detector was occupied to the end of every green [C, ms].

    0: occupied when it ended; at most the green's length; -1 where the end of green is not known.

    Parameters
    ----------
    moments, state : when the phase's detectors became occupied or free (``measures.occupied``).
    """
    end = cycles.yellow
    k = np.searchsorted(moments, end, side="right") - 1
    held = (k >= 0) & np.append(state, False)[k]
    left = np.where(k >= 0, np.append(moments, 0)[k], cycles.green)
    gap = np.where(held, 0, end - np.maximum(left, cycles.green))
    out: Times = np.where(end >= 0, gap, NOBODY)
    return out


def green_spans(log: EventLog, cycles: Cycles) -> tuple[Times, Times]:
    """Begin and end of every time that the phase was green [ms]; cut off by the begin and end of the log."""
    time, code, parameter = log.of(cycles.device, Code.GREEN_BEGIN, Code.YELLOW_BEGIN)
    mine = parameter == cycles.phase
    time, green = time[mine], code[mine] == Code.GREEN_BEGIN
    first, last = log.span(cycles.device)
    begin = np.append(time[green], first) if len(time) and not green[0] else time[green]
    following = np.append(time[1:], last)[: len(time)]
    end = np.append(following[green], time[:1]) if len(time) and not green[0] else following[green]
    order = np.argsort(begin, kind="stable")
    return begin[order], end[order]


def overlap(begin: Times, end: Times, edges: Times) -> Times:
    """Add up how much of some spans lies between neighbouring edges [ms]; [len(edges) - 1]."""
    low = np.maximum(begin[:, None], edges[None, :-1])
    high = np.minimum(end[:, None], edges[None, 1:])
    out: Times = np.maximum(high - low, 0).sum(axis=0)
    return out


def red_spans(log: EventLog, cycles: Cycles) -> tuple[Times, Times]:
    """Begin and end of every red of a phase of vehicles [ms], from the end of yellow to the next green.

    The first and the last as far as the log sees them; reds whose begin is not logged are left out.
    """
    first, last = log.span(cycles.device)
    if not len(cycles):
        return np.array([first]), np.array([last])
    red = cycles.red >= 0
    begin, end = cycles.red[red], cycles.end[red]
    if shown_at(log, cycles, cycles.green[:1] - 1)[0] in {0, Code.RED_CLEARANCE_BEGIN}:
        begin, end = np.append(first, begin), np.append(cycles.green[0], end)
    return begin, end


def arrival_type(platoon_ratio: float) -> int:
    """Class of progression, 1 (worst) to 6 (best). HCM 2000, exhibit 15-4."""
    return int(np.searchsorted(ARRIVAL_TYPES, platoon_ratio, side="left")) + 1


@dataclass(frozen=True)
class Walks:
    """One pedestrian phase.

    Attributes
    ----------
    begin, end : [W] begin of walk, and of the clearance after it, or the end of the log [ms].
    wait : [P] from a press of the button to the walk [ms]. The first press after a walk counts, those after it and
        during a walk do not.
    red_begin, red_end : [R] times without walk, first and last as far as the log sees them [ms].
    """

    begin: Times
    end: Times
    wait: Times
    red_begin: Times
    red_end: Times

    @property
    def chance_wait_s(self) -> float:
        """Mean wait of somebody who comes at any time [s]: sum of squared reds over twice the time."""
        red = (self.red_end - self.red_begin) / 1000.0
        total = red.sum() + (self.end - self.begin).sum() / 1000.0
        return float((red**2).sum() / (2.0 * total)) if total else float("nan")


def walks(log: EventLog, device: str, phase: int) -> Walks:
    """Find what a pedestrian phase gave. Waits are those that the ``atspm`` package takes."""
    codes = (Code.WALK_BEGIN, Code.PEDESTRIAN_CLEARANCE_BEGIN, Code.PEDESTRIAN_BUTTON)
    time, code, parameter = log.of(device, *codes)
    mine = parameter == phase
    time, code = time[mine], code[mine]
    first, last = log.span(device)
    shown = code != Code.PEDESTRIAN_BUTTON
    lamp_time, walk = time[shown], code[shown] == Code.WALK_BEGIN
    following = np.append(lamp_time[1:], last)[: len(lamp_time)]
    before = np.append(0, code[:-1])[: len(code)]
    pressed = time[~shown & ((before == 0) | (before == Code.PEDESTRIAN_CLEARANCE_BEGIN))]
    served = np.append(lamp_time, NOBODY)[np.searchsorted(lamp_time, pressed, side="right")]
    red_begin, red_end = lamp_time[~walk], following[~walk]
    if not len(walk) or walk[0]:
        red_begin = np.append(first, red_begin)
        red_end = np.append(lamp_time[0] if len(walk) else last, red_end)
    return Walks(lamp_time[walk], following[walk], (served - pressed)[served >= 0], red_begin, red_end)


def coordination_spans(log: EventLog, device: str) -> tuple[Times, Times, NDArray[np.int32]]:
    """Begin, end [ms] and ``Coordination`` of every span in which a controller was free, in step or in transition."""
    time, _, state = log.of(device, Code.COORDINATION)
    kept = state <= Coordination.DWELL
    time, state = time[kept], state[kept]
    _, last = log.span(device)
    end = np.append(time[1:], last)[: len(time)]
    long = end > time
    return time[long], end[long], state[long]


def since_red(
    log: EventLog, cycles: Cycles, channels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """When vehicles crossed the line, from the begin of red of their cycle [s]; negative: at green or yellow.

    Only cycles with one yellow and one red.

    Returns
    -------
    seconds, shown : per actuation, with what was shown as in :class:`Arrivals`.
    """
    at = actuations(log, cycles.device, channels)
    cycle = in_cycle(cycles, at)
    known = (cycle >= 0) & ((cycles.red >= 0) & (cycles.yellow >= 0))[cycle]
    at, cycle = at[known], cycle[known]
    return (at - cycles.red[cycle]) / 1000.0, shown_at(log, cycles, at)
