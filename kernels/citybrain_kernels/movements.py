"""How lanes and movements discharge, and how well that is known: effective discharge, confidence, age."""

# l = lanes, a = stop-line lanes, m = movements

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.lanes import Belief, Layout

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

DISCHARGE_MEMORY = 60.0
"""Seconds of green with a queue over which the effective discharge is a mean."""
HALF_KNOWN = 10.0
"""Headways, or vehicles, from which on an estimate is believed by half."""
HALF_LIFE = 900.0
"""Age at which confidence has fallen to half [s]: drivers and weather change slowly."""
LEAST_CONFIDENCE = 0.1


class Discharge(NamedTuple):
    """Memory of movements: effective discharge [M, veh/s], seconds that it is the mean of [M], last of them [M, s]."""

    rate: Floats
    seconds: Floats
    time: Floats


@kernel
def learn_discharge(now: float, layout: Layout, belief: Belief, discharge: Discharge) -> None:
    """Take the last second into the effective discharge of movements that were green and had a queue.

    What holds a queue up in green (foes, a full road beyond, somebody who waits to turn) lowers it.

    Parameters
    ----------
    now : [s].
    discharge : updated.
    """
    for l in range(len(layout.cell_length)):
        first, last = layout.move_ptr[l], layout.move_ptr[l + 1]
        c = layout.cell_ptr[l]
        queued = belief.standing[c] + belief.standing[c + 1]
        if first == last or (queued < 1.0 and now - belief.last_departure[l] > 1.5 * belief.headway[l]):
            continue
        if queued < 1.0 and belief.content[c] + belief.content[c + 1] < 1.0:
            continue
        for m in range(first, last):
            if layout.move_group[m] >= 0 and belief.open[m] > 0.0:
                discharge.seconds[m] = min(DISCHARGE_MEMORY, discharge.seconds[m] + 1.0)
                discharge.rate[m] += (belief.flux[m] - discharge.rate[m]) / max(discharge.seconds[m], HALF_KNOWN)
                discharge.time[m] = now


@kernel
def tell_movements(
    now: float,
    layout: Layout,
    stop_lane: Ints,
    sureness: Floats,
    belief: Belief,
    discharge: Discharge,
    out_stops: Singles,
    out_moves: Singles,
) -> None:
    """Write what is believed of discharge and turning, each with confidence and age.

    Parameters
    ----------
    now : [s]. sureness : [L] confidence in counts of the lane under fresh evidence.
    out_stops : [3, A] start-up loss [s]; confidence and age [s] of headway and loss.
    out_moves : [5, M] effective discharge [veh/s], its confidence and age [s]; the same of turning shares.
    """
    for a in range(len(stop_lane)):
        l = stop_lane[a]
        age = now - belief.headway_time[l]
        seen = belief.headway_seen[l]
        out_stops[0, a] = belief.start_loss[l]
        out_stops[1, a] = confidence(seen, age)
        out_stops[2, a] = age
    for m in range(len(layout.move_to)):
        l = layout.move_from[m]
        age = now - discharge.time[m]
        out_moves[0, m] = discharge.rate[m]
        out_moves[1, m] = max(LEAST_CONFIDENCE, sureness[l] * confidence(discharge.seconds[m], age))
        out_moves[2, m] = age
        age = now - belief.turn_time[l]
        out_moves[3, m] = (
            1.0 if layout.move_ptr[l + 1] - layout.move_ptr[l] == 1 else confidence(belief.turn_seen[m], age)
        )
        out_moves[4, m] = age


@kernel
def confidence(seen: float, age: float) -> float:
    """Tell how far a mean of ``seen`` observations is believed, the last of them ``age`` seconds ago; 0.1 to 1."""
    fresh = 0.5 ** (max(0.0, age) / HALF_LIFE)
    return float(max(LEAST_CONFIDENCE, seen / (seen + HALF_KNOWN) * fresh))
