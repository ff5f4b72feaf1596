"""What came of the runs as a whole: measures with intervals, vehicles over time, percentiles of delay."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.measures import TripEnd, median_interval, pair_up
from citybrain.randomness import generator
from citybrain_api.report.schema import table
from citybrain_sim.comparison import BASELINE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from citybrain.measures import Trips
    from citybrain.network import FloatArray
    from citybrain_api.report.study import Study, Variant
    from citybrain_sim.run_folders import RunFolder

MINUTE_S = 60.0
LEAST_PAIRS = 5
"""With fewer pairs no interval of a median is a 95 % one: all n changes have one sign by chance in 2^(1 - n)."""
PERCENTILES = (*range(1, 100), 99.5, 99.9, 100.0)


class Measure(NamedTuple):
    """A measure of a run that the report compares: field of the result, column, unit, and what it is called."""

    field: str
    column: str
    unit: str
    words: str


MEASURES = (
    Measure("delay_s", "delay", "s/veh", "Delay per vehicle"),
    Measure("p95_delay_s", "p95_delay", "s", "Delay that 1 vehicle in 20 exceeds"),
    Measure("longest_delay_s", "longest_delay", "s", "Longest delay of all"),
    Measure("travel_time_s", "travel_time", "s/veh", "Time on the road per vehicle"),
    Measure("stops", "stops", "1/veh", "Stops per vehicle"),
    Measure("queue", "queue", "veh", "Vehicles standing at any one time"),
    Measure("pedestrian_delay_s", "pedestrian_delay", "s", "Time lost per person on foot"),
    Measure("longest_red_s", "longest_red", "s", "Longest red of any signal"),
    Measure("travel_time_index", "travel_time_index", "", "Time on the road over that without hindrance"),
    Measure("co2_kg", "co2", "kg", "Carbon dioxide of all vehicles"),
    Measure("fuel_kg", "fuel", "kg", "Fuel of all vehicles"),
    Measure("not_inserted", "not_inserted", "veh", "Vehicles that never found room to start"),
)


@dataclass(frozen=True)
class Interval:
    """A median with its 95 % interval; all NaN where nothing is known."""

    median: float
    low: float
    high: float


def runs_table(study: Study) -> pa.Table:
    """One row per run."""
    shown = {run.path for _, run in study.shown}
    rows: list[dict[str, Any]] = []
    for variant in study.variants:
        for run, locked in zip(variant.runs, variant.gridlocked, strict=True):
            found = run.result
            rows.append(
                {
                    "controller": variant.label,
                    "seed": run.spec.seed,
                    "instance": run.spec.instance,
                    "median_delay": found.median_delay_s,
                    "arrived": found.arrived,
                    "running": found.running,
                    "gridlocked": locked,
                    "shown": run.path in shown,
                    "folder": str(run.path),
                    **{measure.column: getattr(found, measure.field) for measure in MEASURES},
                }
            )
    return table("runs", rows)


def comparison_table(study: Study) -> pa.Table:
    """One row per measure and controller; measures that no run knows are left out."""
    rows = []
    for measure in MEASURES:
        known = [_values(variant, measure.field) for variant in study.variants]
        if any(len(values) for values in known):
            rows += [_compared(study, variant, measure) for variant in study.variants]
    return table("comparison", rows)


def _values(variant: Variant, field: str) -> FloatArray:
    values = np.array([getattr(run, field) for run in variant.results], dtype=np.float64)
    return values[~np.isnan(values)]


def _compared(study: Study, variant: Variant, measure: Measure) -> dict[str, Any]:
    rng = generator(0, "bootstrap")
    values = _values(variant, measure.field)
    spread = _interval(values, rng)
    unit, ours, theirs = paired(study, variant, measure.field)
    change = _interval(ours - theirs, rng)
    usual = float(np.median(theirs)) if len(theirs) else math.nan
    return {
        "measure": measure.column,
        "unit": measure.unit,
        "controller": variant.label,
        "runs": len(variant.runs),
        "gridlocked": sum(variant.gridlocked),
        "median": spread.median,
        "low": spread.low,
        "high": spread.high,
        "paired_on": unit if len(ours) else "",
        "pairs": len(ours),
        "better_pairs": int((ours < theirs).sum()),
        "difference": change.median,
        "difference_low": change.low,
        "difference_high": change.high,
        "relative": change.median / usual if usual > 0 else math.nan,
    }


def paired(study: Study, variant: Variant, field: str) -> tuple[str, FloatArray, FloatArray]:
    """Values of a variant and of the fixed plan, pair by pair; none for the fixed plan itself or without one."""
    if study.baseline is None or variant.controller == BASELINE:
        return "", np.zeros(0), np.zeros(0)
    return pair_up(_points(variant.runs, field), _points(study.baseline.runs, field))


def _points(runs: Sequence[RunFolder], field: str) -> list[tuple[int, int, float]]:
    points = [(run.spec.instance, run.spec.seed, float(getattr(run.result, field))) for run in runs]
    return [point for point in points if not math.isnan(point[2])]


def _interval(values: FloatArray, rng: np.random.Generator) -> Interval:
    if not len(values):
        return Interval(math.nan, math.nan, math.nan)
    return Interval(float(np.median(values)), *median_interval(values, rng))


def percentiles_table(study: Study, trips: Mapping[Path, Trips]) -> pa.Table:
    """Percentiles of delay over everybody of all runs of a controller."""
    rows = []
    for variant in study.variants:
        delays = np.concatenate([trips[run.path].delay for run in variant.runs])
        if len(delays):
            found = np.percentile(delays, PERCENTILES).tolist()
            rows += [
                {"controller": variant.label, "percentile": float(share), "delay": delay}
                for share, delay in zip(PERCENTILES, found, strict=True)
            ]
    return table("percentiles", rows)


def minutes_table(study: Study, trips: Mapping[Path, Trips]) -> pa.Table:
    """Vehicles on the road, waiting outside and queued at the end of every minute."""
    begin = min(run.begin_s for variant in study.variants for run in variant.runs)
    end = max(run.end_s for variant in study.variants for run in variant.runs)
    times = np.arange(begin + MINUTE_S, end + 1e-6, MINUTE_S)
    rows: list[dict[str, Any]] = []
    for variant in study.variants:
        series: dict[str, list[FloatArray | None]] = {
            "present": [_present(trips[run.path], times) for run in variant.runs],
            "outside": [_recorded(run, "truth", "waiting", times) for run in variant.runs],
            "queued": [_mean_queue(run, times) for run in variant.runs],
        }
        for measure, found in series.items():
            known = [values for values in found if values is not None]
            if known and len(times):
                spread = np.quantile(np.stack(known), (0.5, 0.0, 1.0), axis=0).T.tolist()
                rows += [
                    {"controller": variant.label, "measure": measure, "time": t, "median": m, "low": l, "high": h}
                    for t, (m, l, h) in zip(times.tolist(), spread, strict=True)
                ]
    return table("minutes", rows)


def _present(trips: Trips, times: FloatArray) -> FloatArray:
    inserted = ~np.isnan(trips.depart)
    gone = trips.end == TripEnd.ARRIVED
    came = np.sort(trips.depart[inserted])
    left = np.sort((trips.depart + trips.travel_time)[inserted & gone])
    return (np.searchsorted(came, times, "right") - np.searchsorted(left, times, "right")).astype(np.float64)


def _recorded(run: RunFolder, name: str, column: str, times: FloatArray) -> FloatArray | None:
    """Last value before each time, 0 after the run's end; None where the run has no such table."""
    found = read_table(run, name, ["time", column])
    if found is None or not found.num_rows:
        return None
    at, values = found["time"].to_numpy(), found[column].to_numpy().astype(np.float64)
    latest = values[np.maximum(np.searchsorted(at, times, "right") - 1, 0)]
    ended: FloatArray = np.where(times > run.end_s + MINUTE_S, 0.0, latest)
    return ended


def _mean_queue(run: RunFolder, times: FloatArray) -> FloatArray | None:
    """Mean over the minute before each time: at its end alone, the cycle of the signals would show, not traffic."""
    found = read_table(run, "measures", ["time", "queued"])
    if found is None or not found.num_rows:
        return None
    minute = np.searchsorted(times, found["time"].to_numpy())
    inside = minute < len(times)
    total = np.bincount(minute[inside], weights=found["queued"].to_numpy()[inside], minlength=len(times))
    return total / np.maximum(np.bincount(minute[inside], minlength=len(times)), 1)


def read_table(run: RunFolder, name: str, columns: Sequence[str] | None = None) -> pa.Table | None:
    """Table of a run; None where it has none, or one that cannot be read."""
    try:
        return pq.read_table(run.path / f"{name}.parquet", columns=None if columns is None else list(columns))
    except (OSError, pa.ArrowInvalid, pa.ArrowKeyError):
        return None
