"""Turning movement counts: the shares of lanes' vehicles that went to each road, with slow forgetting.

Counts of the roads that a lane's vehicles took are a multinomial sample; with a Dirichlet prior around what was
believed before, the shares are believed to be the mean of the posterior (Gelman et al., Bayesian Data Analysis, 3.4).
"""

# x = sensors, c = rows of the cameras' cover table, l = lanes, m = movements, r = rows of turning counts

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.counts import CLOCK_SKEW, LONGEST, MOST_PER_SECOND, OLDEST_COUNT, SHORTEST, SLACK
from citybrain_kernels.lanes import Belief, Layout

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bools = NDArray[np.bool_]

TURN_MEMORY = 900.0
"""Time in which the weight of a counted vehicle falls to a third [s]."""
PRIOR_WEIGHT = 2.0
"""What was believed before the first count weighs as so many counted vehicles."""
LEAST_TOLD = 0.5
"""Lanes of which less has been counted [veh] keep what is inferred."""


class Turns(NamedTuple):
    """Turning counts: who may tell, and what is remembered.

    Attributes
    ----------
    cover_ptr, cover_lane : CSR over sensors: lanes of cameras. heeded : [C] what the camera says of the lane is heeded.
    road : [M] road that the movement leads to.
    told : [M] vehicles counted to that road, fading; kept at the lane's first movement to it, 0 at others.
    before : [M] share believed before the lane's first count. until : [M] end of the last interval taken in [s].
    share : [M] share of the lane's departures that take the movement: as counted, where anything was.
    """

    cover_ptr: Ints
    cover_lane: Ints
    heeded: Bools
    road: Ints
    told: Floats
    before: Floats
    until: Floats
    share: Floats


@kernel
def take_turns(
    now: float,
    steps: int,
    layout: Layout,
    turn_sensor: Ints,
    turn_lane: Ints,
    turn_to: Ints,
    turn_begin: Floats,
    turn_end: Floats,
    turn_vehicles: Singles,
    turns: Turns,
    belief: Belief,
) -> None:
    """Take in turning counts; ``turns.share`` of lanes that have any follows from them, that of others is inferred.

    Parameters
    ----------
    now : [s]. steps : seconds since the last call.
    turn_* : [R] sensor, lane, road, begin and end of the interval [s], veh; sorted by sensor, lane, road, end, begin.
    belief : ``turn_seen`` [veh] and ``turn_time`` [s] of counted lanes are updated; ``share`` stays as it was inferred.
    """
    kept = np.exp(-steps / TURN_MEMORY)
    for m in range(len(turns.told)):
        turns.told[m] *= kept
    for r in range(len(turn_sensor)):
        l, begin, end, vehicles = turn_lane[r], turn_begin[r], turn_end[r], float(turn_vehicles[r])
        span = end - begin
        fits = span >= SHORTEST - SLACK and span <= LONGEST + SLACK and vehicles > 0.0
        fits = fits and vehicles <= MOST_PER_SECOND * span and end >= now - OLDEST_COUNT and end <= now + CLOCK_SKEW
        if not fits or not _heeded(turn_sensor[r], l, turns):
            continue
        m = _first_movement(l, turn_to[r], layout, turns)
        if m < 0 or begin < turns.until[m] - SLACK:
            continue
        if _told_of(l, layout, turns) < LEAST_TOLD:
            for k in range(layout.move_ptr[l], layout.move_ptr[l + 1]):
                turns.before[k] = belief.share[k]
        turns.until[m] = end
        turns.told[m] += vehicles
        belief.turn_time[l] = max(belief.turn_time[l], end)
    for l in range(len(layout.move_ptr) - 1):
        seen = _told_of(l, layout, turns)
        if seen >= LEAST_TOLD:
            _believe(l, seen, layout, turns, belief)
            continue
        for m in range(layout.move_ptr[l], layout.move_ptr[l + 1]):
            turns.share[m] = belief.share[m]


@kernel
def _heeded(x: int, l: int, turns: Turns) -> bool:
    """Tell whether a sensor watches a lane and is heeded there."""
    for c in range(turns.cover_ptr[x], turns.cover_ptr[x + 1]):
        if turns.cover_lane[c] == l:
            return bool(turns.heeded[c])
    return False


@kernel
def _first_movement(l: int, road: int, layout: Layout, turns: Turns) -> int:
    """Find the first movement of a lane that leads to a road; -1 if there is none."""
    for m in range(layout.move_ptr[l], layout.move_ptr[l + 1]):
        if turns.road[m] == road:
            return m
    return -1


@kernel
def _told_of(l: int, layout: Layout, turns: Turns) -> float:
    """Vehicles that have been counted on a lane."""
    seen = 0.0
    for m in range(layout.move_ptr[l], layout.move_ptr[l + 1]):
        seen += turns.told[m]
    return seen


@kernel
def _believe(l: int, seen: float, layout: Layout, turns: Turns, belief: Belief) -> None:
    """Write the shares of one lane; movements to one road share its count as they shared its vehicles before."""
    first, last = layout.move_ptr[l], layout.move_ptr[l + 1]
    for m in range(first, last):
        road_before, road_told = 0.0, 0.0
        for k in range(first, last):
            if turns.road[k] == turns.road[m]:
                road_before += turns.before[k]
                road_told += turns.told[k]
        part = turns.before[m] / road_before
        turns.share[m] = part * (PRIOR_WEIGHT * road_before + road_told) / (PRIOR_WEIGHT + seen)
        belief.turn_seen[m] = seen
