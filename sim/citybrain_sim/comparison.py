"""Many runs: what to run, in parallel and resumable, and what they show together."""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.errors import InputError
from citybrain.measures import gridlocked_runs, median_interval, pair_up
from citybrain.randomness import generator
from citybrain_sim.bench.results import TABLE, write_table
from citybrain_sim.runs import RunResult, RunSpec, finished, plain
from citybrain_sim.site import check_specs, check_streets, input_hashes
from citybrain_sim.workers import RunEvent, run_all

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Cluster = Callable[[Sequence[RunSpec], Callable[[RunEvent], None]], None]
"""Runs simulations elsewhere and tells of each; brings their folders here."""
BASELINE = "fixed"
"""Controller that the others are compared with."""


@dataclass(frozen=True)
class Comparison:
    """What came of many runs: the finished ones in the order asked for, and why others failed."""

    runs: tuple[RunResult, ...]
    failures: tuple[tuple[RunSpec, str], ...]


@dataclass(frozen=True)
class SummaryRow:
    """One controller on one scenario, over all demand instances and seeds.

    Attributes
    ----------
    scenario, protocol, sensors, faults, incident, sumo, profile, demand, controller, note : what the runs share.
    n : number of runs.
    delay_s, delay_low_s, delay_high_s : median of the runs' delays and its 95 % interval [s/veh].
    paired_on : ``instances`` or ``seeds``; empty without runs of the baseline to compare with.
    pairs : number of pairs.
    difference_s, difference_low_s, difference_high_s : median of the paired differences to the baseline and its 95 %
        interval [s/veh]; negative is better.
    relative_difference : the difference as a share of the baseline's median over the same pairs.
    gridlocked : runs that were gridlocked.
    travel_time_s, stops, arrived, not_inserted, engine_time_s, sumo_time_s : medians of the runs' figures.
    """

    scenario: str
    protocol: str
    sensors: str
    profile: str
    demand: float
    controller: str
    note: str
    n: int
    delay_s: float
    delay_low_s: float
    delay_high_s: float
    paired_on: str
    pairs: int
    difference_s: float
    difference_low_s: float
    difference_high_s: float
    relative_difference: float
    gridlocked: int
    travel_time_s: float
    stops: float
    arrived: float
    not_inserted: float
    engine_time_s: float
    sumo_time_s: float
    faults: str = ""
    incident: str = ""
    sumo: str = ""

    def document(self) -> dict[str, Any]:
        """Turn into plain types; NaN becomes None."""
        return plain(asdict(self))


def plan_runs(
    scenarios: Sequence[str],
    controllers: Sequence[str],
    seeds: Sequence[int],
    instances: Sequence[int] = (0,),
    **options: Any,
) -> list[RunSpec]:
    """List every combination, as runs of one comparison; ``options`` are further fields of :class:`RunSpec`.

    Combinations that come to the same run (``oracle`` is asked for twice, say) are listed once.
    """
    specs = (
        RunSpec(scenario, controller, seed, instance, **options)
        for scenario, controller, instance, seed in product(scenarios, controllers, instances, seeds)
    )
    return list({spec.folder: spec for spec in specs}.values())


def compare(
    specs: Sequence[RunSpec],
    jobs: int | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
    *,
    fresh: bool = False,
    cluster: Cluster | None = None,
) -> Comparison:
    """Run many simulations, each in a process of its own, and gather their results.

    Runs that are finished already (same request, same files, same version) are reused. A run that fails is reported
    and does not stop the others. An interrupt ends what is under way and leaves what is finished; calling again
    resumes. Writes ``results.parquet`` in the common folder, a row per finished run.

    Parameters
    ----------
    specs : at least one run; all with the same ``out``.
    jobs : processes at a time; None for one per core.
    on_event : is told how every run comes along, in this process.
    fresh : run everything again.
    cluster : runs them instead of this machine; ``jobs`` has no meaning then.

    Raises
    ------
    InputError
        If anything about the requests is wrong: all faults at once, before anything runs.
    """
    if not specs:
        raise InputError("nothing to compare; name at least one scenario, controller and seed")
    if jobs is not None and jobs < 1:
        raise InputError(f"the number of jobs must be at least 1, found {jobs}")
    check_specs(specs)
    check_streets(specs)
    inputs = {scenario: input_hashes(scenario) for scenario in {spec.scenario for spec in specs}}
    results: dict[Path, RunResult] = {}
    failures: list[tuple[RunSpec, str]] = []

    def note(event: RunEvent) -> None:
        if event.result is not None:
            results[event.spec.folder] = event.result
        if event.failure is not None:
            failures.append((event.spec, event.failure))
        if on_event is not None:
            on_event(event)

    unfinished = []
    for spec in specs:
        earlier = None if fresh else finished(spec, inputs[spec.scenario])
        if earlier is None:
            unfinished.append(spec)
        else:
            note(RunEvent(spec, result=earlier))
    try:
        if cluster is None:
            run_all(unfinished, jobs or os.cpu_count() or 1, note)
        elif unfinished:
            cluster(unfinished, note)
    finally:  # an interrupted comparison leaves a table, too
        runs = tuple(results[spec.folder] for spec in specs if spec.folder in results)
        write_table(runs, specs[0].out / TABLE)
    return Comparison(runs, tuple(failures))


def summarise(runs: Iterable[RunResult]) -> list[SummaryRow]:
    """Condense runs to one row per street, sensors, faults and controller, as they appear.

    The baseline is found by the street (:func:`street`) alone: the clock needs no sensors.
    """
    groups: dict[tuple[Any, ...], list[RunResult]] = defaultdict(list)
    baselines: dict[tuple[Any, ...], dict[tuple[int, int], RunResult]] = defaultdict(dict)
    for run in runs:
        groups[(*street(run), run.sensors, run.faults, run.controller)].append(run)
        if run.controller == BASELINE:
            baselines[street(run)].setdefault((run.instance, run.seed), run)
    return [_summary(group, list(baselines[street(group[0])].values())) for group in groups.values()]


def street(run: RunResult) -> tuple[str, str, str, str, float, str]:
    """Tell what two runs must share to be compared: scenario, protocol, SUMO, timing profile, demand, incident."""
    return (run.scenario, run.protocol, run.sumo, run.profile, run.demand, run.incident)


def _summary(group: Sequence[RunResult], baseline: Sequence[RunResult]) -> SummaryRow:
    first = group[0]
    rng = generator(0, "bootstrap")
    delays = np.array([run.delay_s for run in group])
    low, high = median_interval(delays, rng)
    unit, ours, theirs = pair_up(_points(group), _points(baseline))
    compared = first.controller != BASELINE and len(ours) > 0
    difference = relative = math.nan
    bounds = (math.nan, math.nan)
    if compared:
        difference = float(np.median(ours - theirs))
        relative = difference / float(np.median(theirs)) if np.median(theirs) > 0 else math.nan
        bounds = median_interval(ours - theirs, rng)
    stuck = np.array([run.gridlocked for run in group])

    def median(name: str) -> float:
        return float(np.median([getattr(run, name) for run in group]))

    return SummaryRow(
        scenario=first.scenario,
        protocol=first.protocol,
        sensors=first.sensors,
        profile=first.profile,
        demand=first.demand,
        controller=first.controller,
        note=first.note,
        n=len(group),
        delay_s=float(np.median(delays)),
        delay_low_s=low,
        delay_high_s=high,
        paired_on=unit if compared else "",
        pairs=len(ours) if compared else 0,
        difference_s=difference,
        difference_low_s=bounds[0],
        difference_high_s=bounds[1],
        relative_difference=relative,
        gridlocked=int(gridlocked_runs(delays, stuck).sum()),
        travel_time_s=median("travel_time_s"),
        stops=median("stops"),
        arrived=median("arrived"),
        not_inserted=median("not_inserted"),
        engine_time_s=median("engine_time_s"),
        sumo_time_s=median("sumo_time_s"),
        faults=first.faults,
        incident=first.incident,
        sumo=first.sumo,
    )


def _points(runs: Iterable[RunResult]) -> list[tuple[int, int, float]]:
    return [(run.instance, run.seed, run.delay_s) for run in runs]


def to_document(runs: Iterable[RunResult], summary: Iterable[SummaryRow]) -> dict[str, list[dict[str, Any]]]:
    """Turn results into the document that ``--json`` prints: plain types only, None for what is not known."""
    return {"runs": [run.document() for run in runs], "summary": [row.document() for row in summary]}
