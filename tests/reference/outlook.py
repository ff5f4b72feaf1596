"""What the planner expects of one queue, written from the domain's own tables, queue by queue."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from citybrain.signals import Aspect

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain.decisions import LampState
    from citybrain.state import TrafficState
    from citybrain_kernels.planner_tables import Sight


def movements_of(site: Site, lane: int) -> list[int]:
    """Movements that leave a lane."""
    return [m for m in range(site.network.n_movements) if site.network.move_from[m] == lane]


def group_of(site: Site, m: int) -> int:
    """Signal group of a movement, -1 without signal."""
    i = int(site.network.move_intersection[m])
    return -1 if i < 0 else int(site.signals.lamp_group[site.signals.lamp_ptr[i] + site.network.move_lamp[m]])


def lane_queue(site: Site, state: TrafficState, lamps: LampState, sight: Sight, a: int) -> list[float]:
    """Vehicles, wait, saturation flow, room beyond, relief, seconds of green of stop-line lane a."""
    lane = int(site.network.approach_lane[a])
    room, relief, green = math.inf, math.inf, 0.0
    for m in movements_of(site, lane):
        beyond, share = int(site.network.move_to[m]), float(state.turn_share[m])
        if share >= sight.minor_share and state.queue[beyond] >= sight.standing:
            room = min(room, float(state.room[beyond]) / share)
            relief = min(relief, float(state.flow[beyond]) / share)
        g = group_of(site, m)
        if g >= 0 and lamps.aspect[g] >= Aspect.PERMISSIVE:
            green = max(green, 1.0 + (state.time - int(lamps.aspect_since[g])) / 10)
    rate = (sight.blocked_rate if state.blocked[a] else 1.0) / float(state.discharge[a])
    return [
        float(state.queue[lane] + state.spill[a]),
        float(state.head_wait[a]),
        rate,
        room,
        relief if math.isfinite(relief) else 1.0,
        green,
    ]


def served(site: Site, state: TrafficState, row: int, a: int) -> tuple[float, float]:
    """Share of a stop-line lane that a row lets go with right of way, and giving way."""
    lane = int(site.network.approach_lane[a])
    right, yielding = 0.0, 0.0
    for m in movements_of(site, lane):
        i, g = int(site.network.move_intersection[m]), group_of(site, m)
        if g < 0:
            continue
        aspect = int(site.signals.aspects(row)[g - int(site.signals.group_ptr[i])])
        right += float(state.turn_share[m]) if aspect == Aspect.PROTECTED else 0.0
        yielding += float(state.turn_share[m]) if aspect == Aspect.PERMISSIVE else 0.0
    return right, yielding


def held_for(site: Site, time: int, lamps: LampState, i: int, row: int) -> int:
    """Seconds until intersection i may change to a stage: minimum greens of what would end."""
    g0 = int(site.signals.group_ptr[i])
    rest = 0
    for k, wanted in enumerate(site.signals.aspects(row)):
        g = g0 + k
        if lamps.aspect[g] >= Aspect.PERMISSIVE and wanted < Aspect.PERMISSIVE:
            rest = max(rest, int(site.timings.min_green[g]) - (time - int(lamps.aspect_since[g])))
    return math.ceil(rest / 10)
