"""Runs gathered to cells: one controller under one set of conditions, with the baseline that it is compared with."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain.measures import pair_up
from citybrain_sim.comparison import BASELINE, SummaryRow, street, summarise

if TYPE_CHECKING:
    from citybrain_sim.bench.results import BenchRun

Measure = Callable[["BenchRun"], float]
CONDITIONS = ("sensors", "faults", "profile", "demand", "incident", "sumo")
"""Fields of a summary row that may part cells of one controller on one scenario."""


@dataclass(frozen=True)
class Cell:
    """One controller on one street through one set of sensors.

    Attributes
    ----------
    row : what the runs show together.
    runs, baseline : its runs, and those of the fixed plan on the same street.
    parted_by : conditions in which cells of one controller on one scenario differ.
    """

    row: SummaryRow
    runs: tuple[BenchRun, ...]
    baseline: tuple[BenchRun, ...]
    parted_by: tuple[str, ...]

    @property
    def label(self) -> str:
        """The controller, with what parts it from other cells of the same controller on the same scenario."""
        return self.label_without("")

    def label_without(self, condition_name: str) -> str:
        """Label it by all conditions but one."""
        names = [name for name in self.parted_by if name != condition_name and getattr(self.row, name) != ""]
        return ", ".join([f"`{self.row.controller}`", *(condition(self.row, name) for name in names)])

    def median(self, measure: Measure) -> float:
        """Median over the runs; NaN where none knows it."""
        known = [value for run in self.runs if not math.isnan(value := measure(run))]
        return float(np.median(known)) if known else math.nan

    def differences(self, measure: Measure) -> NDArray[np.float64]:
        """[pairs] differences to the baseline, pair by pair; nothing for the baseline itself."""
        if self.row.controller == BASELINE:
            return np.empty(0)
        _, ours, theirs = pair_up(_points(self.runs, measure), _points(self.baseline, measure))
        return ours - theirs


def make_cells(runs: Sequence[BenchRun]) -> list[Cell]:
    """Gather runs to cells, in the order in which they appear."""
    groups: dict[tuple[Any, ...], list[BenchRun]] = defaultdict(list)
    baselines: dict[tuple[Any, ...], list[BenchRun]] = defaultdict(list)
    for run in runs:
        result = run.result
        groups[(*street(result), result.sensors, result.faults, result.controller)].append(run)
        if result.controller == BASELINE and not result.faults:
            baselines[street(result)].append(run)
    rows = summarise(run.result for run in runs)
    parted_by = _varying(rows)
    return [
        Cell(row, tuple(group), tuple(baselines[street(group[0].result)]), parted_by)
        for row, group in zip(rows, groups.values(), strict=True)
    ]


def _points(runs: Sequence[BenchRun], measure: Measure) -> list[tuple[int, int, float]]:
    values = [(run.result.instance, run.result.seed, measure(run)) for run in runs]
    return [point for point in values if not math.isnan(point[2])]


def _varying(rows: Sequence[SummaryRow]) -> tuple[str, ...]:
    """Conditions in which cells of one controller on one scenario and protocol differ."""
    seen: dict[tuple[str, str, str, str], set[Any]] = defaultdict(set)
    for row in rows:
        for name in CONDITIONS:
            seen[name, row.scenario, row.controller, row.protocol].add(getattr(row, name))
    parted = {key[0] for key, values in seen.items() if len(values) > 1}
    return tuple(name for name in CONDITIONS if name in parted)


def condition(row: SummaryRow, name: str) -> str:
    """Say one condition of a row in a word or two."""
    value = getattr(row, name)
    if name == "demand":
        return f"demand x {value:g}"
    if value == "":
        return f"no {name}"
    return f"incident {value}" if name == "incident" else str(value)


def describe(cells: Sequence[Cell]) -> str:
    """Say in a sentence on how many seeds and instances cells rest, and in which SUMO."""
    sizes: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
    for cell in cells:
        seeds, instances = ({getattr(run.result, name) for run in cell.runs} for name in ("seed", "instance"))
        sizes[cell.row.scenario][len(seeds), len(instances)] += 1
    usual = Counter(size for found in sizes.values() for size in found.elements()).most_common(1)[0][0]
    others = ", ".join(
        f"{scenario}: {_size(found.most_common(1)[0][0])}"
        for scenario, found in sizes.items()
        if found.most_common(1)[0][0] != usual
    )
    where = " and ".join(sorted({cell.row.sumo for cell in cells} - {""}))
    return _size(usual) + (f" ({others})" if others else "") + (f", {where}" if where else "")


def _size(size: tuple[int, int]) -> str:
    seeds, instances = size
    each = f" on each of {instances} demand instances" if instances > 1 else ""
    return f"{seeds} seed{'s' * (seeds != 1)}{each}"
