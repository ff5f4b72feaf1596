"""What the planner expects of one queue, written from the domain's own tables, queue by queue."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from citybrain.signals import Aspect

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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


def lane_queue(
    site: Site, state: TrafficState, lamps: LampState, sight: Sight, filling: NDArray[np.float32], a: int
) -> list[float]:
    """Vehicles, wait, saturation flow, room beyond, relief, seconds of green, weight of stop-line lane a."""
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
        worth(site, state, sight, filling, a),
    ]


def worth(site: Site, state: TrafficState, sight: Sight, filling: NDArray[np.float32], a: int) -> float:
    """What a vehicle weighs that waits at stop-line lane a."""
    (here,) = [
        range(int(b), int(e)) for b, e in itertools.pairwise(site.network.approach_ptr) if a in range(int(b), int(e))
    ]
    fullest = max(float(filling[b]) + (taken(site, state, b) - float(filling[b])) / sight.settle for b in here)
    pressed = min(1.0, max(0.0, fullest / sight.filled - 1.0))
    inside = stands_inside(site, int(site.network.lane_edge[site.network.approach_lane[a]]))
    return 1.0 + (sight.inside * pressed if inside else 0.0)


def taken(site: Site, state: TrafficState, a: int) -> float:
    """Share of stop-line lane a that is taken by standing vehicles; 0 on roads from the edge."""
    lane = int(site.network.approach_lane[a])
    if not stands_inside(site, int(site.network.lane_edge[lane])):
        return 0.0
    return min(1.0, float(state.queue[lane]) / max(1.0, float(site.network.lane_length[lane]) / 7.5))


def stands_inside(site: Site, road: int) -> bool:
    """Whether a road's queue stands between junctions: followed back, the road does not come from the edge."""
    network = site.network
    into = [m for m in range(network.n_movements) if network.lane_edge[network.move_to[m]] == road]
    feeders = {int(network.lane_edge[network.move_from[m]]) for m in into}
    if not feeders:
        return False
    (feeder, *others) = feeders
    signals = [
        m
        for m in range(network.n_movements)
        if network.lane_edge[network.move_from[m]] == feeder and network.move_intersection[m] >= 0
    ]
    return bool(others or signals) or stands_inside(site, feeder)


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
    """Seconds until the change of intersection i to a stage may begin.

    Minimum greens of what would end, and the clearance of what ended earlier less the time that the change takes.
    """
    signals, timings = site.signals, site.timings
    g0, n = int(signals.group_ptr[i]), int(signals.group_ptr[i + 1] - signals.group_ptr[i])
    intergreen = timings.intergreen[signals.conflict_ptr[i] : signals.conflict_ptr[i + 1]].reshape(n, n)
    green = [bool(lamps.aspect[g0 + k] >= Aspect.PERMISSIVE) for k in range(n)]
    wanted = [bool(aspect >= Aspect.PERMISSIVE) for aspect in signals.aspects(row)]
    now = [bool(aspect >= Aspect.PERMISSIVE) for aspect in signals.aspects(int(lamps.row[i]))]
    ending = [k for k in range(n) if now[k] and not wanted[k]]
    lasts = max([int(timings.yellow[g0 + k]) for k in ending], default=0)
    for e in ending:
        lasts = max([lasts, *(int(intergreen[e, k]) for k in range(n) if wanted[k] and not now[k])])
    lasts = 10 * math.ceil(lasts / 10)
    rest = 0
    for k in range(n):
        if green[k] and not wanted[k]:
            rest = max(rest, int(timings.min_green[g0 + k]) - (time - int(lamps.aspect_since[g0 + k])))
        if wanted[k] and not green[k]:
            for e in range(n):
                if not green[e] and intergreen[e, k] > 0:
                    ended = int(lamps.aspect_since[g0 + e])
                    ended -= int(timings.yellow[g0 + e]) if lamps.aspect[g0 + e] == Aspect.RED else 0
                    rest = max(rest, int(intergreen[e, k]) - (time - ended) - lasts)
    return math.ceil(rest / 10)


def usual_flow(usual: float, flow: float, share: float) -> float:
    """Flow of a lane as it usually is, after one more tick."""
    return usual + share * (flow - usual)


def arrivals_of(foretold: list[float], usual: float, known: int) -> list[float]:
    """Vehicles expected in each second: those foretold, and once that is over no fewer in all than usual."""
    late = foretold[known:]
    more = max(0.0, usual - sum(late) / len(late))
    return foretold[:known] + [x + more for x in late]


def walk_queue(time: int, lamps: LampState, sight: Sight, g: int) -> tuple[float, float]:
    """People who wait at a crossing, and how long the first has."""
    red = lamps.aspect[g] < Aspect.PERMISSIVE
    waited = min((time - int(lamps.aspect_since[g])) / 10, sight.walk_patience) if red else 0.0
    return waited * sight.walk_arrivals, waited


def last_second(site: Site, time: int, lamps: LampState, g: int, spare: int) -> int | None:
    """Last second at which the guard still waits for a change that serves a red group; None for others."""
    signals, timings = site.signals, site.timings
    if lamps.aspect[g] != Aspect.RED:
        return None
    i = next(i for i in range(signals.n_intersections) if signals.group_ptr[i] <= g < signals.group_ptr[i + 1])
    g0, n = int(signals.group_ptr[i]), int(signals.group_ptr[i + 1] - signals.group_ptr[i])
    intergreen = timings.intergreen[signals.conflict_ptr[i] : signals.conflict_ptr[i + 1]].reshape(n, n)
    slowest = 0
    for row in signals.stages(i):
        green = [k for k, aspect in enumerate(signals.aspects(int(row))) if aspect >= Aspect.PERMISSIVE]
        if g - g0 in green:
            clears = max(int(intergreen[e, k]) for e in range(n) for k in green)
            slowest = max(slowest, clears, *(int(timings.yellow[g0 + e]) for e in range(n)))
    return (int(lamps.aspect_since[g]) + int(timings.max_red[g]) - slowest - spare - time) // 10


def may_plan(
    shows_stage: bool,
    changing: bool,
    stages: dict[int, int],
    row: int,
    waiting: list[float],
    coming: list[float],
    reds: list[int],
    horizon: int,
) -> bool:
    """Whether an intersection shall plan; ``stages`` says for every row that is one how long it must wait still."""
    if changing:
        return False
    if not shows_stage:
        return bool(stages)
    if all(hold > 0 for stage, hold in stages.items() if stage != row):
        return False
    return any(x > 0 for x in [*waiting, *coming]) or any(last < horizon for last in reds)


def kept(plan: list[tuple[int, int]], time: int, row: int, since: int) -> list[tuple[int, int]]:
    """What is left of a plan of (row, start) at a time; what is shown, if it says otherwise."""
    begun = [k for k, (_, start) in enumerate(plan) if k == 0 or start <= time]
    # A plan is in order of time: what has begun is its beginning.
    rest = plan[begun[-1] :]
    return rest if rest[0][0] == row else [(row, min(since, time))]
