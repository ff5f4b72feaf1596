"""Tables for whoever doubts a median: all measures at once, the tail, who lost, and how many runs would settle it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.measures import median_interval, pair_up
from citybrain.randomness import generator
from citybrain_sim.bench.cells import Cell, Measure, describe
from citybrain_sim.bench.layout import markdown, number
from citybrain_sim.bench.statistics import holm, pairs_wanted, signed_rank_p
from citybrain_sim.comparison import BASELINE
from citybrain_sim.runs import ORACLE

if TYPE_CHECKING:
    from citybrain_sim.bench.results import BenchRun

SIGNIFICANT = 0.05
LEAST_LOSS_S = 2.0
"""Who loses less than this [s/veh] has not lost: nobody would notice."""
LEAST_VEHICLES = 10
"""Movements and approaches with fewer vehicles per run are not judged."""


def _grams_per_km(run: BenchRun) -> float:
    result = run.result
    return 1000.0 * result.co2_kg / result.distance_km if result.distance_km > 0 else math.nan


MEASURES: dict[str, tuple[str, Measure]] = {
    "delay": ("delay", lambda run: run.result.delay_s),
    "p95 delay": ("one vehicle in twenty lost more", lambda run: run.result.p95_delay_s),
    "p95 movement": ("one movement in twenty has a greater mean delay", lambda run: run.movements.worst_delay_s),
    "longest wait": ("longest time lost before one signal", lambda run: run.movements.longest_wait_s),
    "stops": ("stops per vehicle", lambda run: run.result.stops),
    "queue": ("standing vehicles on average", lambda run: run.result.queue),
    "CO2": ("g per km driven", _grams_per_km),
    "pedestrians": ("time lost per person on foot", lambda run: run.result.pedestrian_delay_s),
}
"""Head of a column, what it is, and how a run tells it; all are better when smaller."""
TAIL = ("delay", "p95 delay", "p95 movement", "longest wait")


def measures(cells: Sequence[Cell]) -> str:
    """Show every measure's paired difference to the fixed plan, bold where it holds after Holm's correction."""
    compared = [cell for cell in cells if cell.row.paired_on]
    if not compared:
        return ""
    body = []
    for cell in compared:
        found = {name: cell.differences(measure) for name, (_, measure) in MEASURES.items()}
        known = [name for name, values in found.items() if len(values)]
        p = dict(zip(known, holm([signed_rank_p(found[name]) for name in known]), strict=True))
        line = [cell.row.scenario, cell.label, str(cell.row.pairs)]
        for name, values in found.items():
            text = number(float(np.median(values)), 2 if name == "stops" else 1, signed=True) if len(values) else "-"
            line.append(f"**{text}**" if p.get(name, 1.0) < SIGNIFICANT else text)
        body.append(line)
    fewest = _fewest_pairs(len(MEASURES))
    legend = (
        f"Median paired differences to `{BASELINE}`; negative is better. Bold: p below {SIGNIFICANT:g} by an exact "
        f"signed-rank test after Holm's correction over a row's measures, which fewer than {fewest} pairs can never "
        f"reach. Protocol `{cells[0].row.protocol}`, {describe(compared)}. Seconds per vehicle where nothing "
        f"else is said; {'; '.join(f'{name}: {what}' for name, (what, _) in MEASURES.items())}."
    )
    return f"{legend}\n\n{markdown(['map', 'controller', 'pairs', *MEASURES], body, left=2)}"


def _fewest_pairs(tests: int) -> int:
    """Pairs from which on a signed-rank test can pass Holm's first step."""
    return next(n for n in range(2, 64) if tests * 2.0 ** (1 - n) < SIGNIFICANT)


def tail(cells: Sequence[Cell]) -> str:
    """Show what those lose who lose most: medians over runs."""
    body = [
        [
            cell.row.scenario,
            cell.label,
            *(number(cell.median(MEASURES[name][1])) for name in TAIL),
            number(cell.median(lambda run: run.result.longest_red_s)),
            str(cell.row.gridlocked),
        ]
        for cell in cells
    ]
    legend = (
        "Who pays: delay over all vehicles, 95th percentile over vehicles, 95th percentile over the movements' mean "
        "delays, the longest that anybody lost before one signal, the longest red; medians over runs [s]; and the "
        f"number of gridlocked runs. Protocol `{cells[0].row.protocol}`, {describe(cells)}."
    )
    return f"{legend}\n\n{markdown(['map', 'controller', *TAIL, 'longest red', 'gridlocked'], body, left=2)}"


def precision(cells: Sequence[Cell], share: float) -> str:
    """Say how many pairs a difference would need for an interval of plus or minus ``share`` of the baseline's delay."""
    rows = [cell.row for cell in cells if cell.row.paired_on]
    if not rows:
        return ""
    body = []
    for cell in (cell for cell in cells if cell.row.paired_on):
        row = cell.row
        base = float(np.median([run.result.delay_s for run in cell.baseline]))
        wanted = pairs_wanted(row.pairs, row.difference_low_s, row.difference_high_s, share * base)
        half = (row.difference_high_s - row.difference_low_s) / 2.0 / base if base > 0 else math.nan
        body.append([row.scenario, cell.label, row.paired_on, str(row.pairs), number(100 * half), str(wanted or "-")])
    legend = (
        f"Pairs wanted for a 95 % interval of the difference to `{BASELINE}` of plus or minus {100 * share:g} % of its "
        "median delay: from the interval that there is, whose width falls with the square root of the number of pairs. "
        f"A rough figure with fewer than ten pairs. Protocol `{rows[0].protocol}`."
    )
    head = ["map", "controller", "paired on", "pairs", "half width [%]", "pairs wanted"]
    return f"{legend}\n\n{markdown(head, body, left=3)}"


@dataclass(frozen=True)
class Loss:
    """A movement or an approach that is worse off than under the baseline.

    Attributes
    ----------
    name : roads. ours_s, theirs_s : median of its mean delays [s/veh]. vehicles : median per run.
    """

    name: str
    ours_s: float
    theirs_s: float
    vehicles: float

    @property
    def loss_s(self) -> float:
        """How much worse [s/veh]."""
        return self.ours_s - self.theirs_s


def losers(cells: Sequence[Cell]) -> str:
    """Tell how many movements and approaches are worse off than under the fixed plan, and which the most."""
    compared = [cell for cell in cells if cell.row.paired_on and cell.row.controller != ORACLE]
    if not compared:
        return ""
    body = []
    for cell in compared:
        line = [cell.row.scenario, cell.label]
        for places in (_by_movement, _by_approach):
            judged, lost = find_losers(cell, places)
            worst = max(lost, key=lambda loss: loss.loss_s, default=None)
            line.append(f"{len(lost)} of {judged}")
            line.append("-" if worst is None else f"{worst.name}: {worst.theirs_s:.0f} to {worst.ours_s:.0f} s")
        body.append(line)
    legend = (
        f"Who lost against `{BASELINE}`: movements and approaches (all movements from one road) whose mean delay is "
        f"higher by {LEAST_LOSS_S:g} s/veh or more in the median over pairs, the 95 % interval of the difference above "
        f"zero; among many, a few will seem so by chance. Judged where {LEAST_VEHICLES} vehicles or more came per run. "
        f"Protocol `{cells[0].row.protocol}`, {describe(compared)}."
    )
    head = ["map", "controller", "movements", "worst", "approaches", "worst"]
    return f"{legend}\n\n{markdown(head, body, left=2)}"


Places = Callable[["BenchRun"], Iterator[tuple[str, float, float]]]
"""Gives name, vehicles and mean delay [s/veh] of each place of a run."""


def find_losers(cell: Cell, places: Places) -> tuple[int, list[Loss]]:
    """Find the places of a cell that are worse off than under its baseline, and how many were judged."""
    ours, theirs = _series(cell.runs, places), _series(cell.baseline, places)
    rng = generator(0, "losers")
    judged, lost = 0, []
    for name in ours:
        if name not in theirs or np.median([n for _, _, n, _ in theirs[name]]) < LEAST_VEHICLES:
            continue
        judged += 1
        _, mine, other = pair_up(*([(i, s, d) for i, s, _, d in side[name]] for side in (ours, theirs)))
        if not len(mine) or np.median(mine - other) < LEAST_LOSS_S:
            continue
        low, _ = median_interval(mine - other, rng)
        if low > 0.0:
            vehicles = float(np.median([n for _, _, n, _ in ours[name]]))
            lost.append(Loss(name, float(np.median(mine)), float(np.median(other)), vehicles))
    return judged, lost


def _series(runs: Sequence[BenchRun], places: Places) -> dict[str, list[tuple[int, int, float, float]]]:
    """Instance, seed, vehicles and mean delay of every place in every run where somebody came."""
    found: dict[str, list[tuple[int, int, float, float]]] = defaultdict(list)
    for run in runs:
        for name, vehicles, delay in places(run):
            if vehicles > 0 and not math.isnan(delay):
                found[name].append((run.result.instance, run.result.seed, vehicles, delay))
    return found


def _by_movement(run: BenchRun) -> Iterator[tuple[str, float, float]]:
    moves = run.movements
    for origin, target, vehicles, delay in zip(moves.origin, moves.target, moves.vehicles, moves.delay_s, strict=True):
        yield f"{origin} > {target}", float(vehicles), float(delay)


def _by_approach(run: BenchRun) -> Iterator[tuple[str, float, float]]:
    moves = run.movements
    lost: NDArray[np.float64] = np.where(moves.vehicles > 0, moves.vehicles * moves.delay_s, 0.0)
    origins = np.array(moves.origin)
    for origin in dict.fromkeys(moves.origin):
        here = origins == origin
        vehicles = float(moves.vehicles[here].sum())
        yield origin, vehicles, float(lost[here].sum()) / vehicles if vehicles else math.nan
