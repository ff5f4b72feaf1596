"""Runs a suite, keeps what it came to with a manifest, reads it back, and foretells how long it will take."""

from __future__ import annotations

import json
import math
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import citybrain
from citybrain.clock import utc_now
from citybrain.documents import write_json
from citybrain_sim.bench.results import read_table
from citybrain_sim.bench.tables import Results
from citybrain_sim.code_version import code_version
from citybrain_sim.comparison import compare
from citybrain_sim.runs import finished
from citybrain_sim.site import check_specs, input_hashes

if TYPE_CHECKING:
    from collections.abc import Callable

    from citybrain_sim.bench.suites import Plan, Suite
    from citybrain_sim.comparison import Cluster, Comparison
    from citybrain_sim.runs import RunSpec
    from citybrain_sim.workers import RunEvent

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Forecast:
    """How much work a plan is.

    Attributes
    ----------
    runs, finished : in all, and those that need not be run again.
    known, seconds : runs to do of which earlier ones tell how long they take, and how long they take one by one [s].
    unknown : scenarios that never ran here, with the number of their runs.
    """

    runs: int
    finished: int
    known: int
    seconds: float
    unknown: dict[str, int]


def run_suite(
    suite: Suite,
    plan: Plan,
    out: Path,
    jobs: int | None = None,
    on_event: Callable[[RunEvent], None] | None = None,
    *,
    fresh: bool = False,
    cluster: Cluster | None = None,
) -> Comparison:
    """Run what is not finished of a suite; leave ``results.parquet`` and ``manifest.json`` in its folder.

    Parameters
    ----------
    plan : of this suite, into ``out``.
    out : the suite's folder.
    jobs, on_event, fresh, cluster : see :func:`citybrain_sim.comparison.compare`.

    Raises
    ------
    InputError
        If anything about the requests is wrong: all faults at once, before anything runs.
    """
    comparison = compare(plan.specs, jobs, on_event, fresh=fresh, cluster=cluster)
    document: dict[str, Any] = {
        "suite": suite.document(),
        "version": citybrain.__version__,
        "code": code_version(),
        "created": utc_now().isoformat(timespec="seconds"),
        "runs": len(comparison.runs),
        "failed": [{"run": str(spec.folder.relative_to(out)), "why": why} for spec, why in comparison.failures],
        "left_out": plan.left_out,
        "sumo": sorted({run.sumo for run in comparison.runs}),
        "scenarios": {name: input_hashes(name) for name in dict.fromkeys(spec.scenario for spec in plan.specs)},
        "python": platform.python_version(),
    }
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / MANIFEST, document)
    return comparison


def read_results(place: Path) -> tuple[Results, tuple[str, ...]]:
    """Read what a suite or a comparison came to, from its folder or its table.

    Returns
    -------
    results, and the tables that its suite shows; those of a comparison have the name of its folder.

    Raises
    ------
    InputError
        If there is no table of results, or it is not one of ours.
    """
    runs = read_table(place)
    folder = place if place.is_dir() else place.parent
    name, tables, left_out = folder.absolute().name, ("delay", "difference", "tail", "runs"), {}
    try:
        document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        name, tables = document["suite"]["name"], tuple(document["suite"]["tables"])
        left_out = document["left_out"]
    except (OSError, ValueError, KeyError, TypeError):
        pass  # results of `citybrain compare` have no manifest of a suite
    return Results(name, tuple(runs), left_out), tables


def foretell(plan: Plan, *, fresh: bool = False) -> Forecast:
    """Say how much work a plan is, by how long earlier runs of any version took here.

    Raises
    ------
    InputError
        If anything about the requests is wrong.
    """
    check_specs(plan.specs)
    inputs = {name: input_hashes(name) for name in {spec.scenario for spec in plan.specs}}
    todo = [spec for spec in plan.specs if fresh or finished(spec, inputs[spec.scenario]) is None]
    took: dict[Path, float] = {}
    unknown: dict[str, int] = {}
    seconds, known = 0.0, 0
    for spec in todo:
        each = _usual_time(spec, took)
        if math.isnan(each):
            unknown[spec.scenario_label] = unknown.get(spec.scenario_label, 0) + 1
        else:
            known += 1
            seconds += each
    return Forecast(len(plan.specs), len(plan.specs) - len(todo), known, seconds, unknown)


def _usual_time(spec: RunSpec, took: dict[Path, float]) -> float:
    """Median time of this controller's runs on this scenario, else of anybody's there [s]; NaN where none ran."""
    controller = spec.folder.parent
    for place, pattern in ((controller, "*/result.json"), (controller.parent, "*/*/result.json")):
        if place not in took:
            took[place] = _median_time(place, pattern)
        if not math.isnan(took[place]):
            return took[place]
    return math.nan


def _median_time(place: Path, pattern: str) -> float:
    times = []
    for file in place.glob(pattern):
        try:
            times.append(float(json.loads(file.read_text(encoding="utf-8"))["run"]["wall_time_s"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return statistics.median(times) if times else math.nan
