"""What a controller on the street is told of its intersection, once. May import network, signals, timings and guard.

Numbers of groups and stages are local to the intersection: a group's place after ``group_ptr``, a stage's place in
``signals.stages(i)``. Times in tenths of a second.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.guard import red_bounds
from citybrain.plans import checker
from citybrain.plans.own_pattern import own_pattern
from citybrain.plans.ring_barrier import find_rings
from citybrain.signals import GroupKind, Signals
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.network import Network
    from citybrain.timings import Timings

Document = dict[str, Any]
LEAD = 20
"""Least time from the publication of a plan to its beginning: a poll a second, and a second for the way."""
SHORTEST_CYCLE, LONGEST_CYCLE, CHANGE_CAP = 300, 2400, 300
"""Limits of patterns, ours; wider where the scenario's own program is."""
_ASPECTS = "rygG"


def controller_data(
    network: Network,
    signals: Signals,
    timings: Timings,
    i: int,
    time_zone: str = "UTC",
) -> Document:
    """Lay out the controller data of an intersection (``schemas/controller-data.schema.json``).

    Pattern 1 is the scenario's own program, said in stages (see :func:`~citybrain.plans.own_pattern.own_pattern`).

    Parameters
    ----------
    network, signals, timings : of the whole network.
    i : intersection.
    time_zone : IANA name of the zone in which the time-of-day table counts.

    Raises
    ------
    NetworkError
        If no pattern of the intersection's stages is lawful.
    """
    data = intersection_rules(network.intersection_id[i], signals, timings, i, time_zone)
    pattern = own_pattern(signals, i, data)
    data["patterns"] = [pattern]
    data["limits"]["cycle_min"] = min(SHORTEST_CYCLE, pattern["cycle"])
    data["limits"]["cycle_max"] = max(LONGEST_CYCLE, pattern["cycle"])
    data["rings"] = find_rings(data, pattern)
    return data


def config_hash(data: Document) -> str:
    """Hash of controller data, by which a cabinet knows that a plan was made for what it has."""
    return checker.hash_of(data)


def intersection_rules(
    name: str,
    signals: Signals,
    timings: Timings,
    i: int,
    time_zone: str = "UTC",
) -> Document:
    """Lay out groups, stages and limits: controller data without patterns and rings."""
    bounds = red_bounds(*_alone(signals, timings, i))
    groups = range(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
    lamps = slice(int(signals.lamp_ptr[i]), int(signals.lamp_ptr[i + 1]))
    cells = slice(int(signals.conflict_ptr[i]), int(signals.conflict_ptr[i + 1]))
    n = len(groups)
    return {
        "format": checker.DATA_FORMAT,
        "intersection": name,
        "profile": timings.profile,
        "time_zone": time_zone,
        "groups": [
            {
                "group": k,
                "kind": GroupKind(int(signals.group_kind[g])).name.lower(),
                "lamps": np.flatnonzero(signals.lamp_group[lamps] == g).tolist(),
                "min_green": int(timings.min_green[g]),
                "yellow": int(timings.yellow[g]),
                "max_yellow": int(timings.max_yellow[g]),
                "max_red": int(timings.max_red[g]),
                # The guard ends a yellow at a whole tick, the cabinet to the tenth: its red is longer by less than one.
                "red_bound": int(bounds[k]) + TENTHS_PER_SECOND if bounds[k] >= 0 else None,
            }
            for k, g in enumerate(groups)
        ],
        "lamp_red": bytes(signals.lamp_red[lamps]).decode("ascii"),
        "conflict": signals.conflicts(i).tolist(),
        "intergreen": timings.intergreen[cells].reshape(n, n).tolist(),
        "stages": [
            {"stage": k, "aspects": "".join(_ASPECTS[aspect] for aspect in signals.aspects(int(row)))}
            for k, row in enumerate(signals.stages(i))
        ],
        "patterns": [],
        "time_of_day": [{"from": "00:00", "pattern": 1}],
        "rings": None,
        "lead": LEAD,
        "limits": {"cycle_min": 1, "cycle_max": checker.LARGEST, "change_cap": CHANGE_CAP},
    }


def _alone(signals: Signals, timings: Timings, i: int) -> tuple[Signals, Timings]:
    """One intersection as if there were no others, so that a street takes no longer than the sum of its parts."""

    def part(ptr: NDArray[np.int32]) -> slice:
        return slice(int(ptr[i]), int(ptr[i + 1]))

    def only(ptr: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.array([0, ptr[i + 1] - ptr[i]], dtype=np.int32)

    lamps, groups, rows, steps = (
        part(ptr) for ptr in (signals.lamp_ptr, signals.group_ptr, signals.row_ptr, signals.step_ptr)
    )
    cells = part(signals.conflict_ptr)
    aspects = signals.row_aspect_ptr[rows.start : rows.stop + 1]
    moves = signals.group_move_ptr[groups.start : groups.stop + 1]
    lamp_group = signals.lamp_group[lamps]
    one = Signals(
        lamp_ptr=only(signals.lamp_ptr),
        lamp_group=np.where(lamp_group < 0, -1, lamp_group - groups.start).astype(np.int32),
        lamp_red=signals.lamp_red[lamps],
        group_ptr=only(signals.group_ptr),
        group_kind=signals.group_kind[groups],
        group_move_ptr=moves - moves[0],
        group_move=signals.group_move[moves[0] : moves[-1]],
        group_crossing=signals.group_crossing[groups],
        conflict_ptr=only(signals.conflict_ptr),
        conflict=signals.conflict[cells],
        row_ptr=only(signals.row_ptr),
        row_aspect_ptr=aspects - aspects[0],
        row_aspect=signals.row_aspect[aspects[0] : aspects[-1]],
        row_is_stage=signals.row_is_stage[rows],
        step_ptr=only(signals.step_ptr),
        step_row=signals.step_row[steps] - rows.start,
        step_duration=signals.step_duration[steps],
        step_min=signals.step_min[steps],
        step_max=signals.step_max[steps],
        program_id=signals.program_id[i : i + 1],
        program_offset=signals.program_offset[i : i + 1],
    )
    limits = {name: getattr(timings, name)[groups] for name in ("min_green", "yellow", "max_yellow", "max_red")}
    return one, replace(timings, **limits, intergreen=timings.intergreen[cells])
