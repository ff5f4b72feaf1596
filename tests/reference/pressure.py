"""Max pressure and max wave as one would explain them on a blackboard: slow, obvious, no matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from citybrain.signals import Aspect

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain.state import TrafficState


def pressure_of_movement(site: Site, state: TrafficState, m: int) -> float:
    """Saturation flow times (vehicles that want the movement, less those at its target by turning shares)."""
    network = site.network
    lane, target = int(network.move_from[m]), int(network.move_to[m])
    waiting = float(state.turn_share[m]) * _at_stop_line(site, state, lane)
    ahead = 0.0
    for n in range(network.n_movements):
        if network.move_from[n] == target:
            share = float(state.turn_share[n])
            ahead += share * share * _at_stop_line(site, state, target)
    return (waiting - ahead) / float(state.discharge[network.lane_approach[lane]])


def wave_of_movement(site: Site, state: TrafficState, m: int) -> float:
    """Vehicles that want the movement and are queued or within 50 m of the stop line."""
    return float(state.turn_share[m]) * _at_stop_line(site, state, int(site.network.move_from[m]))


def scores(site: Site, state: TrafficState, rule: str) -> dict[int, float]:
    """Worth of every stage: the sum over the movements that it shows green."""
    network, signals = site.network, site.signals
    worth = {"max-pressure": pressure_of_movement, "max-wave": wave_of_movement}[rule]
    total = {}
    for i in range(signals.n_intersections):
        for row in signals.stages(i).tolist():
            total[row] = 0.0
            for m in range(network.n_movements):
                if network.move_intersection[m] != i:
                    continue
                group = signals.lamp_group[signals.lamp_ptr[i] + network.move_lamp[m]]
                if signals.aspects(row)[group - signals.group_ptr[i]] >= Aspect.PERMISSIVE:
                    total[row] += worth(site, state, m)
    return total


def _at_stop_line(site: Site, state: TrafficState, lane: int) -> float:
    """Vehicles queued for a stop line, also upstream of a full lane, or within 50 m of it; 0 without a stop line."""
    a = int(site.network.lane_approach[lane])
    if a < 0:
        return 0.0
    seconds = math.ceil(50.0 / site.network.lane_speed[lane])
    coming = sum(float(x) for x in state.arrivals[a, :seconds])
    return float(state.queue[lane]) + float(state.spill[a]) + coming
