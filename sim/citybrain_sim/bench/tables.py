"""Tables of a report: who did how well, by scenario and by condition, and what was run. In Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from citybrain.errors import InputError
from citybrain_sim.bench.cells import Cell, condition, describe, make_cells
from citybrain_sim.bench.doubts import losers, measures, precision, tail
from citybrain_sim.bench.layout import UNKNOWN, crossed, delay, gridlocked, markdown, number
from citybrain_sim.bench.published import published
from citybrain_sim.bench.table_names import parse_table
from citybrain_sim.comparison import BASELINE
from citybrain_sim.runs import ORACLE, SUMO_CONTROLLERS

if TYPE_CHECKING:
    from citybrain_sim.bench.results import BenchRun
    from citybrain_sim.comparison import SummaryRow

YARDSTICK = f"`{ORACLE}` is the planner with perfect sight: a yardstick, not a result."
LOCKED = "`x n`: n gridlocked runs."
WANTED = {"default": 1.10, "loops": 1.25}
"""Delay beside the one with perfect sight that is wanted at most, median over maps."""


@dataclass(frozen=True)
class Results:
    """What a suite came to.

    Attributes
    ----------
    name : of the suite. runs : all of them. left_out : scenarios that were not run, with the reason.
    """

    name: str
    runs: tuple[BenchRun, ...]
    left_out: dict[str, str]


def make_table(name: str, results: Results) -> str:
    """Write one table.

    Raises
    ------
    InputError
        If there is no such table, or no run for it.
    """
    table = parse_table(name)
    runs = [run for run in results.runs if table.protocol in {None, run.result.protocol}]
    if not runs:
        raise InputError(f"table {name!r}: the results of {results.name} have no run for it")
    if table.kind == "runs":
        return provenance(results)
    if table.condition is not None:
        return "\n\n".join(by_condition(cells, table.condition) for cells in _protocols(runs))
    return "\n\n".join(text for cells in _protocols(runs) if (text := TABLES[table.kind](cells)))


def _protocols(runs: Sequence[BenchRun]) -> list[list[Cell]]:
    """Cells by protocol: the two never share a table."""
    names = dict.fromkeys(run.result.protocol for run in runs)
    return [make_cells([run for run in runs if run.result.protocol == name]) for name in names]


def delays(cells: Sequence[Cell]) -> str:
    """Put controllers down, scenarios across: median delay, interval, gridlocked runs; the best result is bold."""
    labels, scenarios, found = crossed(cells)
    best = _best(cells, lambda row: (row.scenario, row.profile, row.demand, row.incident, row.sumo))
    legend = (
        f"Median control delay [s/veh], in brackets its 95 % interval; {LOCKED} Protocol `{cells[0].row.protocol}`, "
        f"{describe(cells)}, sensors {_sensors(cells)}, every map's own timing profile unless said, one set of "
        f"parameters on all maps.{f' {YARDSTICK}' if any(cell.row.controller == ORACLE for cell in cells) else ''}"
    )
    body = [
        [_named(label)] + [_delay(cell, best) if (cell := found.get((label, s))) else UNKNOWN for s in scenarios]
        for label in labels
    ]
    return f"{legend}\n\n{markdown(['controller', *scenarios], body)}"


def _named(label: str) -> str:
    return f"{label} (yardstick)" if label == f"`{ORACLE}`" else label


def _delay(cell: Cell, best: set[int]) -> str:
    return delay(cell.row, bold=id(cell.row) in best)


def _best(cells: Sequence[Cell], key: Callable[[SummaryRow], object]) -> set[int]:
    """Rows with the least delay among those that may be compared, yardsticks left out; by identity."""
    best: dict[object, SummaryRow] = {}
    for cell in cells:
        row = cell.row
        if row.controller != ORACLE and (key(row) not in best or row.delay_s < best[key(row)].delay_s):
            best[key(row)] = row
    return {id(row) for row in best.values()}


def _sensors(cells: Sequence[Cell]) -> str:
    engine = [c.row for c in cells if c.row.controller not in {*SUMO_CONTROLLERS, ORACLE}]
    return ", ".join(f"`{name}`" for name in dict.fromkeys(row.sensors for row in engine)) or "of SUMO's own"


def differences(cells: Sequence[Cell]) -> str:
    """Put controllers down, scenarios across: paired difference to the fixed plan."""
    compared = [cell for cell in cells if cell.row.paired_on]
    if not compared:
        return ""
    labels, scenarios, found = crossed(compared)
    units = " or ".join(sorted({cell.row.paired_on for cell in compared}))
    legend = (
        f"Paired differences to `{BASELINE}`: median over pairs ({units}) [s/veh] with its 95 % interval; negative is "
        f"better. Protocol `{cells[0].row.protocol}`, {describe(compared)}."
    )
    body = [
        [label] + [_difference(found[label, s].row) if (label, s) in found else UNKNOWN for s in scenarios]
        for label in labels
    ]
    return f"{legend}\n\n{markdown(['controller', *scenarios], body)}"


def _difference(row: SummaryRow) -> str:
    text = number(row.difference_s, signed=True)
    if math.isnan(row.difference_low_s):
        return text
    return f"{text} [{row.difference_low_s:+.1f}, {row.difference_high_s:+.1f}]"


def by_condition(cells: Sequence[Cell], name: str) -> str:
    """Put scenarios and controllers down, a condition across; in brackets the ratio to the first column."""
    values = list(dict.fromkeys(getattr(cell.row, name) for cell in cells))
    values = sorted(values) if name == "demand" else values
    heads = {getattr(cell.row, name): condition(cell.row, name) for cell in cells}
    found = {(cell.row.scenario, cell.label_without(name), getattr(cell.row, name)): cell.row for cell in cells}
    best = _best(cells, lambda row: (row.scenario, getattr(row, name)))
    ratios = name != "demand"
    body = []
    for scenario, label in dict.fromkeys((s, c) for s, c, _ in found):
        line = [scenario, _named(label)]
        first = found.get((scenario, label, values[0]))
        for value in values:
            row = found.get((scenario, label, value))
            text = UNKNOWN if row is None else delay(row, bold=id(row) in best)
            if ratios and row is not None and first is not None and row is not first and first.delay_s > 0:
                text += f" ({row.delay_s / first.delay_s:.2f})"
            line.append(text)
        body.append(line)
    legend = (
        f"Median control delay [s/veh] with its 95 % interval; {LOCKED} The best of each column on a map is bold"
        f"{'; in round brackets the ratio to the first column' if ratios else ''}. Protocol "
        f"`{cells[0].row.protocol}`, {describe(cells)}, sensors {_sensors(cells)}."
    )
    return f"{legend}\n\n{markdown(['map', 'controller', *(heads[v] for v in values)], body, left=2)}"


def sensing(cells: Sequence[Cell]) -> str:
    """Put maps down and sensor profiles across, the ratio to perfect sight behind, the median ratio below."""
    rows = [cell.row for cell in cells]
    oracle, fixed = ({row.scenario: row for row in rows if row.controller == name} for name in (ORACLE, BASELINE))
    planner = {(row.scenario, row.sensors): row for row in rows if row.controller == "planner"}
    profiles = list(dict.fromkeys(sensors for _, sensors in planner))
    ratios: dict[str, list[float]] = {profile: [] for profile in profiles}
    body = []
    for scenario in dict.fromkeys(row.scenario for row in rows):
        line = [scenario, *(_short(side.get(scenario)) for side in (fixed, oracle))]
        for profile in profiles:
            row, yardstick = planner.get((scenario, profile)), oracle.get(scenario)
            if row is None or yardstick is None:
                line.append(UNKNOWN)
                continue
            ratios[profile].append(row.delay_s / yardstick.delay_s)
            line.append(f"{_short(row)} ({ratios[profile][-1]:.2f})")
        body.append(line)
    medians = [number(statistics.median(ratios[p]), 2) if ratios[p] else UNKNOWN for p in profiles]
    body.append(["median ratio", "", "", *medians])
    wanted = ", ".join(f"`{name}` at most {ratio:.2f}" for name, ratio in WANTED.items() if name in profiles)
    legend = (
        f"Median control delay of the planner [s/veh], and its ratio to the planner with perfect sight; {LOCKED} "
        f"{YARDSTICK} Protocol `{rows[0].protocol}`, {describe(cells)}."
        f"{f' Wanted in the median over maps: {wanted}.' if wanted else ''}"
    )
    head = ["map", f"`{BASELINE}`", f"`{ORACLE}`", *(f"`{profile}`" for profile in profiles)]
    return f"{legend}\n\n{markdown(head, body)}"


def _short(row: SummaryRow | None) -> str:
    return UNKNOWN if row is None else f"{row.delay_s:.1f}{gridlocked(row)}"


def times(cells: Sequence[Cell]) -> str:
    """Show how long engine and SUMO took, and their ratio."""
    body = [
        [
            cell.row.scenario,
            cell.label,
            number(cell.row.engine_time_s, 2),
            number(cell.row.sumo_time_s, 2),
            number(cell.row.engine_time_s / cell.row.sumo_time_s, 2),
        ]
        for cell in cells
        if cell.row.controller not in SUMO_CONTROLLERS and cell.row.sumo_time_s > 0
    ]
    legend = (
        "Engine time beside SUMO's own time per run, medians [s]; the engine's includes estimator, controller, guard "
        f"and records. Protocol `{cells[0].row.protocol}`, {describe(cells)}. Read the ratios: both were taken in the "
        "same run, but seconds depend on the machine and on what else it did."
    )
    return f"{legend}\n\n{markdown(['map', 'controller', 'engine', 'SUMO', 'ratio'], body, left=2)}"


def provenance(results: Results) -> str:
    """Say what was run by which code, and what was left out."""
    runs = results.runs
    made = dict.fromkeys(f"version {run.version}, code {run.code or 'unknown'}" for run in runs)
    sumo = dict.fromkeys(run.result.sumo or "SUMO of unknown version" for run in runs)
    locked = sum(cell.row.gridlocked for cells in _protocols(runs) for cell in cells)
    text = (
        f"Suite `{results.name}`: {len(runs)} runs, {locked} of them gridlocked; {'; '.join(made)}; {', '.join(sumo)}."
    )
    return "\n".join([text, *(f"{name} is left out: {why}." for name, why in results.left_out.items())])


TABLES: dict[str, Callable[[Sequence[Cell]], str]] = {
    "delay": delays,
    "difference": differences,
    "measures": measures,
    "tail": tail,
    "losers": losers,
    "published": published,
    "sensing": sensing,
    "time": times,
    "precision": partial(precision, share=0.02),
}
"""What writes each kind of table from the cells of one protocol; nothing where there is nothing to show."""
