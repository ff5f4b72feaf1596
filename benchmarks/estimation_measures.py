"""How far estimates are from the truth: every figure of docs/results-sensing.md, defined here.

Index letters: t ticks (seconds), a stop-line lanes, m movements, g signal groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.signals import Aspect

if TYPE_CHECKING:
    from benchmarks.estimation_truth import Truth
    from citybrain.network import Network
    from citybrain.signals import Signals

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
EVERY = 5
"""Seconds between samples of series."""
WARM_UP = 120
"""Seconds after the begin that no figure looks at."""
LONG_QUEUE = 3
LEARNING = 900
"""Turning shares are judged so many seconds after the begin."""
LEAST_CHANCE = 0.05
"""Turning shares that chance alone puts further off than this say little of an estimator."""
LEAST_DEPARTURES = 20
"""Lanes with fewer departures in that time say little about shares; and with fewer headways about headways."""
FOURTH = 4
HORIZONS = (10, 20, 30)
LEAST_BLOCK = 5
"""A lane that stands in green for fewer seconds is starting up, not blocked [s]."""
EARLIEST = 5
"""A lane may be called blocked so many seconds before the truth counts it [s]: both look at the same standing."""


@dataclass(frozen=True)
class Told:
    """What the estimator said, tick by tick: [T, A], turning shares [M] after ``LEARNING``, the rest at the end."""

    vehicles: Floats
    queue: Floats
    back: Floats
    blocked: Bools
    arrivals: Floats
    """[T, A, 3] sums over ``HORIZONS``."""
    network: Floats
    """[T] vehicles on all lanes."""
    turn_share: Floats
    headway: Floats
    """[A] saturation headway believed at the end [s]."""
    sight: Floats
    """[A] vehicles that stand between the stop line and the furthest place that a sensor speaks of."""
    tick_ms: float


@dataclass(frozen=True)
class Lamps:
    """What the lanes' signals showed [T, A].

    Attributes
    ----------
    green : some movement is green. protected : all of them are, with right of way.
    free : some movement has right of way, and none is green that must give way.
    """

    green: Bools
    protected: Bools
    free: Bools


def lane_lamps(network: Network, signals: Signals, aspect: NDArray[np.uint8]) -> Lamps:
    """Tell what stop-line lanes were shown; ``aspect`` [T, G]."""
    group_of = np.full(network.n_movements, -1)
    group_of[signals.group_move] = np.repeat(np.arange(signals.n_groups), np.diff(signals.group_move_ptr))
    shape = (len(aspect), network.n_approach_lanes)
    green, protected, right = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    for a, l in enumerate(network.approach_lane.tolist()):
        moves = np.arange(network.lane_move_ptr[l], network.lane_move_ptr[l + 1])
        free = group_of[moves] < 0
        shown = aspect[:, group_of[moves[~free]]]
        green[:, a] = (shown >= Aspect.PERMISSIVE).any(axis=1)
        protected[:, a] = (shown == Aspect.PROTECTED).all(axis=1)
        right[:, a] = (shown == Aspect.PROTECTED).any(axis=1) & (shown != Aspect.PERMISSIVE).all(axis=1)
    return Lamps(green, protected, right)


def mean(values: Floats) -> float | None:
    """Mean, or None where there is nothing."""
    return float(values.mean()) if len(values) else None


def series(told: Floats, true: NDArray[np.int32], sight: Floats) -> dict[str, float | None]:
    """Errors [veh] of a series every five seconds where somebody is, or is believed; MAPE where more than 3.

    ``mae_seen``: of those samples, where no more are there than stand within ``sight`` [A].
    """
    told, there = told[WARM_UP::EVERY], true[WARM_UP::EVERY].astype(np.float64)
    error = np.abs(told - there)
    some, long = (there > 0) | (told >= 0.5), there > LONG_QUEUE
    return {
        "mae": mean(error[some]),
        "mae_seen": mean(error[some & (there <= sight)]),
        "mae_all": mean(error.ravel()),
        "mape": mean(error[long] / there[long]),
        "bias": mean((told - there)[long]),
        "samples": int(some.sum()),
        "long": int(long.sum()),
    }


def cycle_peaks(told: Floats, true: NDArray[np.int32], sight: Floats, lamps: Lamps) -> dict[str, float | None]:
    """Errors [veh] of the greatest back of queue per cycle, red to red; MAPE where it was more than 3.

    ``mape_seen``: of those, where it was no more than stand within ``sight`` [A].
    """
    pairs = []
    for a in range(true.shape[1]):
        ends = np.flatnonzero(lamps.green[:-1, a] & ~lamps.green[1:, a]) + 1
        ends = ends[ends >= WARM_UP]
        pairs += [
            (told[i:j, a].max(), true[i:j, a].max(), sight[a])
            for i, j in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        ]
    table = np.array(pairs, dtype=np.float64).reshape(-1, 3)
    error = np.abs(table[:, 0] - table[:, 1])
    some, long = table[:, 1] > 0, table[:, 1] > LONG_QUEUE
    seen = long & (table[:, 1] <= table[:, 2])
    return {
        "mae": mean(error[some]),
        "mape": mean(error[long] / table[long, 1]),
        "mape_seen": mean(error[seen] / table[seen, 1]),
        "bias": mean((table[:, 0] - table[:, 1])[long]),
        "samples": int(some.sum()),
        "long": int(long.sum()),
    }


def turn_errors(network: Network, truth: Truth, begin: float, share: Floats) -> dict[str, float | int | None]:
    """Errors of the shares of roads that vehicles take from lanes with more than one, over the first 15 minutes.

    ``chance``: what a share that is known for the long run would be off, since so few vehicles are a sample of it: the
    mean absolute deviation of a binomial share, sqrt(2 p (1 - p) / (pi n)). ``many``: mean error where that is at most
    ``LEAST_CHANCE``.
    """
    early = truth.leave_time < begin + LEARNING
    errors = []
    chances = []
    for a, l in enumerate(network.approach_lane.tolist()):
        moves = np.arange(network.lane_move_ptr[l], network.lane_move_ptr[l + 1])
        roads = network.lane_edge[network.move_to[moves]]
        taken = truth.leave_road[early & (truth.leave_lane == a)]
        if len(taken) < LEAST_DEPARTURES or len(np.unique(roads)) < 2:
            continue
        for road in np.unique(roads):
            true = float((taken == road).mean())
            errors.append(abs(float(share[moves[roads == road]].sum()) - true))
            chances.append(float(np.sqrt(2.0 * true * (1.0 - true) / (np.pi * len(taken)))))
    found, chance = np.array(errors), np.array(chances)
    return {
        "mean": mean(found),
        "chance": mean(chance),
        "many": mean(found[chance <= LEAST_CHANCE]),
        "p90": float(np.quantile(found, 0.9)) if len(found) else None,
        "max": float(found.max()) if len(found) else None,
        "shares": len(found),
    }


def true_headways(truth: Truth, lamps: Lamps, begin: float) -> tuple[Floats, NDArray[np.int64]]:
    """Saturation headway [A, s] of lanes and the number of headways it is the mean of; NaN where there are too few.

    Headways of vehicles that were queued, behind at least four more that were, while all the lane's movements are
    green with right of way; those longer than twice the lane's median are held up by something else.
    """
    n = lamps.protected.shape[1]
    headway, count = np.full(n, np.nan), np.zeros(n, dtype=np.int64)
    for a in range(n):
        here = truth.leave_lane == a
        time, queued = truth.leave_time[here], truth.leave_queued[here]
        tick = np.clip((time - begin).astype(np.int64), 0, len(lamps.protected) - 1)
        position, found = 0, []
        for k in range(1, len(time)):
            unbroken = bool(lamps.protected[tick[k - 1] : tick[k] + 1, a].all()) and queued[k]
            position = position + 1 if unbroken else 0
            if position >= FOURTH:
                found.append(time[k] - time[k - 1])
        if found:
            values = np.array(found)
            values = values[values <= 2.0 * np.median(values)]
            count[a] = len(values)
            headway[a] = values.mean() if len(values) >= LEAST_DEPARTURES else np.nan
    return headway, count


def headway_errors(told: Floats, true: Floats) -> dict[str, float | int | None]:
    """Relative errors of the saturation headway, over lanes where the truth is known."""
    known = np.isfinite(true)
    error = np.abs(told[known] - true[known]) / true[known]
    return {
        "mean": mean(error),
        "median": float(np.median(error)) if len(error) else None,
        "within": mean((error <= 0.05).astype(np.float64)),
        "bias": mean((told[known] - true[known]) / true[known]),
        "lanes": int(known.sum()),
    }


def arrival_errors(truth: Truth, told: Floats, begin: float) -> dict[str, float | None]:
    """MAE [veh] of the vehicles that reach stop lines within 10, 20, 30 s, every five seconds and on every lane."""
    ticks = np.arange(WARM_UP, len(told) - max(HORIZONS), EVERY)
    n_lanes = told.shape[1]
    errors: dict[str, float | None] = {}
    for k, h in enumerate(HORIZONS):
        true = np.zeros((len(told) + 1, n_lanes))
        first = np.ceil(np.maximum(truth.join_due - begin - h, 0.0)).astype(np.int64)
        last = np.ceil(truth.join_time - begin).astype(np.int64)  # from then on it is queued, or gone
        good = (first < last) & (first < len(told))
        np.add.at(true, (first[good], truth.join_lane[good]), 1.0)
        np.add.at(true, (np.minimum(last[good], len(told)), truth.join_lane[good]), -1.0)
        there = np.cumsum(true, axis=0)[ticks]
        some = (there > 0) | (told[ticks, :, k] >= 0.5)
        errors[f"{h} s"] = mean(np.abs(told[ticks, :, k] - there)[some])
    return errors


def block_errors(truth: Truth, told: Bools, lamps: Lamps) -> dict[str, float | int | None]:
    """How soon a lane that has right of way and does not move is known, and how often a lane is so called wrongly.

    True from the second on that a queue's head stands in protected green, for more than five seconds; those of more
    than ten seconds must be known.
    """
    stands = truth.head & lamps.free
    waits: list[float] = []
    missed = 0
    true = np.zeros_like(stands)
    for a in range(stands.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], stands[:, a].astype(np.int8), [0]))))
        for i, j in edges.reshape(-1, 2).tolist():
            if j - i <= LEAST_BLOCK:
                continue
            true[i : j + 2, a] = True
            known = np.flatnonzero(told[i : j + 1, a])
            if j - i > 2 * LEAST_BLOCK:
                missed += len(known) == 0
                waits += [float(known[0])] if len(known) else []
    false = told[WARM_UP:] & ~true[WARM_UP:]
    return {
        "seconds": float(np.median(waits)) if waits else None,
        "missed": missed / (missed + len(waits)) if missed + len(waits) else None,
        "episodes": missed + len(waits),
        "false": float(false.sum() / told[WARM_UP:].sum()) if told[WARM_UP:].any() else None,
    }


def compare(
    network: Network, signals: Signals, truth: Truth, told: Told, aspect: NDArray[np.uint8], begin: float
) -> dict[str, object]:
    """All figures of one run and layout."""
    lamps = lane_lamps(network, signals, aspect)
    error = told.network[WARM_UP:] - truth.network[WARM_UP:]
    return {
        "back": series(told.back, truth.back, told.sight),
        "peak": cycle_peaks(told.back, truth.back, told.sight, lamps),
        "queue": series(told.queue, truth.queue, told.sight),
        "vehicles": series(told.vehicles, truth.vehicles, told.sight),
        "turns": turn_errors(network, truth, begin, told.turn_share),
        "headway": headway_errors(told.headway, true_headways(truth, lamps, begin)[0]),
        "arrivals": arrival_errors(truth, told.arrivals, begin),
        "blocked": block_errors(truth, told.blocked, lamps),
        "network": {
            "error": float(np.abs(error).mean() / max(truth.network[WARM_UP:].mean(), 1.0)),
            "bias": float(error.mean() / max(truth.network[WARM_UP:].mean(), 1.0)),
        },
        "tick_ms": told.tick_ms,
    }
