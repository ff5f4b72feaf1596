"""What a course of stages at one intersection would cost, so that what was not chosen can be set beside what was.

Point queues in steps of a second, as in the planner's search but for one given course and in plain arithmetic. May
import the cabinet's lamps and the tables of the street.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from citybrain.cabinet.tables import PERMISSIVE
from citybrain.live.schedules import Entry, carry_on, lay_out
from citybrain.state import HORIZON
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain.cabinet.tables import Tables
    from citybrain.control.interface import Site
    from citybrain.state import TrafficState

SPAN_S = 40
"""Seconds over which a course is judged."""


class Approach(NamedTuple):
    """Stop-line lanes of one intersection: rows in ``approach_lane``, and per lane its (movement, local group)."""

    rows: list[int]
    moves: list[list[tuple[int, int]]]


def approach_of(site: Site, i: int) -> Approach:
    """Look up who waits at an intersection, and for which lamps."""
    network, signals = site.network, site.signals
    rows = list(range(int(network.approach_ptr[i]), int(network.approach_ptr[i + 1])))
    moves: list[list[tuple[int, int]]] = [[] for _ in rows]
    for m in np.flatnonzero(network.move_intersection == i).tolist():
        group = int(signals.lamp_group[signals.lamp_ptr[i] + network.move_lamp[m]])
        if group >= 0:
            lane = int(network.lane_approach[network.move_from[m]])
            moves[lane - rows[0]].append((m, group - int(signals.group_ptr[i])))
    return Approach(rows, moves)


def vehicle_seconds(
    site: Site,
    i: int,
    tables: Tables,
    state: TrafficState,
    shown: dict[str, Any],
    wanted: Sequence[Entry],
) -> float:
    """Sum up the waiting over ``SPAN_S`` seconds [veh s], and to serve what is left then, were a course carried out.

    Parameters
    ----------
    state : estimates. shown : lamps at the same time.
    wanted : stages and starts; each begins when it is wanted or as soon after as it is lawful.
    """
    approach = approach_of(site, i)
    lanes = site.network.approach_lane[approach.rows]
    queue = state.queue[lanes].astype(np.float64) + state.spill[approach.rows]
    rate = np.where(state.blocked[approach.rows], 0.0, 1.0 / state.discharge[approach.rows])
    entries = [(int(shown["stage"]), int(shown["since"])), *lay_out(tables, shown, state.time, wanted).entries]
    total, arrivals = 0.0, state.arrivals[approach.rows]
    lamps = shown
    for second in range(min(SPAN_S, HORIZON)):
        now = state.time + second * TENTHS_PER_SECOND
        lamps = carry_on(tables, lamps, max(now - TENTHS_PER_SECOND, state.time), entries, now)
        green = [letter in "gG" for letter in lamps["aspects"]]
        share = np.array([sum(state.turn_share[m] for m, g in moves if green[g]) for moves in approach.moves])
        queue = queue + arrivals[:, second]
        queue = queue - np.minimum(queue, rate * share)
        total += float(queue.sum())
    usual = np.maximum(rate, 1.0 / (2.0 * SPAN_S))
    return total + float((queue * queue / (2.0 * usual)).sum())


def shown_document(
    site: Site, tables: Tables, i: int, stage: int, lamps_since: int, changing: bool, lamps: Any
) -> dict[str, Any]:
    """Write believed lamps as a cabinet would report them; where a green ended is told by the red after it."""
    groups = slice(int(site.signals.group_ptr[i]), int(site.signals.group_ptr[i + 1]))
    aspect, since = lamps.aspect[groups].tolist(), lamps.aspect_since[groups].tolist()
    ended = [
        None if shown >= PERMISSIVE else begin - (tables.yellow[g] if shown == 0 else 0)
        for g, (shown, begin) in enumerate(zip(aspect, since, strict=True))
    ]
    return {
        "stage": stage,
        "changing": changing,
        "since": lamps_since,
        "aspects": "".join("rygG"[shown] for shown in aspect),
        "aspect_since": since,
        "green_end": ended,
    }
