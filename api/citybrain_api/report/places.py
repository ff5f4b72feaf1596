"""Where it happened: delay of every movement and road, and who lost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.delays import level_of_service
from citybrain.measures import median_interval, pair_up
from citybrain.randomness import generator
from citybrain_api.report.outcomes import LEAST_PAIRS, read_table
from citybrain_api.report.schema import table
from citybrain_sim.comparison import BASELINE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from citybrain.network import FloatArray, IntArray, Network
    from citybrain_api.report.study import Study, Variant

SECONDS_PER_HOUR = 3600.0
Pair = tuple[str, str]


def movements_table(study: Study, network: Network | None) -> pa.Table:
    """One row per controller and movement between two roads, in the network's order."""
    owners = {} if network is None else _owners(network)
    found = {variant.label: _read_movements(variant) for variant in study.variants}
    baseline = {} if study.baseline is None else found[study.baseline.label]
    rows: list[dict[str, Any]] = []
    for variant in study.variants:
        compare = baseline if variant.controller != BASELINE else {}
        for pair, runs in found[variant.label].items():
            rows.append(
                {
                    "controller": variant.label,
                    "intersection": owners.get(pair, ""),
                    "from_road": pair[0],
                    "to_road": pair[1],
                    **_movement(runs, compare.get(pair, [])),
                }
            )
    return table("movements", rows)


def intersections_table(movements: pa.Table) -> pa.Table:
    """One row per controller and intersection, from the table of movements."""
    sums: dict[Pair, list[float]] = {}
    for row in movements.to_pylist():
        if row["vehicles"] > 0 and not math.isnan(row["mean_delay"]):
            total = sums.setdefault((row["controller"], row["intersection"]), [0.0, 0.0])
            total[0] += row["vehicles"]
            total[1] += row["vehicles"] * row["mean_delay"]
    rows = [
        {
            "controller": controller,
            "intersection": place,
            "vehicles": vehicles,
            "mean_delay": lost / vehicles,
            "level": level_of_service(lost / vehicles),
        }
        for (controller, place), (vehicles, lost) in sums.items()
    ]
    return table("intersections", rows)


def _owners(network: Network) -> dict[Pair, str]:
    owners = {}
    for m in np.flatnonzero(network.move_intersection >= 0).tolist():
        roads = (network.lane_edge[network.move_from[m]], network.lane_edge[network.move_to[m]])
        pair = (network.edge_id[roads[0]], network.edge_id[roads[1]])
        owners[pair] = network.intersection_id[network.move_intersection[m]]
    return owners


def _read_movements(variant: Variant) -> dict[Pair, list[dict[str, Any]]]:
    """Movement -> its row of every run, with demand instance and seed."""
    found: dict[Pair, list[dict[str, Any]]] = {}
    for run in variant.runs:
        recorded = read_table(run, "movements")
        for row in [] if recorded is None else recorded.to_pylist():
            known = {**row, "instance": run.spec.instance, "seed": run.spec.seed}
            found.setdefault((row["from_road"], row["to_road"]), []).append(known)
    return found


def _movement(runs: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    mean = _median([run["mean_delay"] for run in runs])
    longest = [run["longest_delay"] for run in runs if not math.isnan(run["longest_delay"])]
    change, pairs = _change(runs, theirs)
    return {
        "vehicles": _median([float(run["vehicles"]) for run in runs]),
        "mean_delay": mean,
        "p85_delay": _median([run.get("p85_delay", math.nan) for run in runs]),
        "p95_delay": _median([run["p95_delay"] for run in runs]),
        "longest_delay": max(longest, default=math.nan),
        "level": level_of_service(mean),
        "difference": change[0],
        "difference_low": change[1],
        "difference_high": change[2],
        "verdict": _verdict(*change, pairs) if theirs else "",
    }


def _change(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> tuple[tuple[float, float, float], int]:
    points = [
        [(run["instance"], run["seed"], run["mean_delay"]) for run in runs if not math.isnan(run["mean_delay"])]
        for runs in (ours, theirs)
    ]
    _, a, b = pair_up(*points)
    if not len(a):
        return (math.nan, math.nan, math.nan), 0
    return (float(np.median(a - b)), *median_interval(a - b, generator(0, "bootstrap"))), len(a)


def _verdict(difference: float, low: float, high: float, pairs: int) -> str:
    if math.isnan(difference):
        return ""
    if pairs < LEAST_PAIRS:
        return "unclear"
    if low > 0:
        return "worse"
    return "better" if high < 0 else "unclear"


def _median(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.median(known)) if known else math.nan


def roads_table(study: Study, network: Network, losses: Mapping[Path, tuple[IntArray, FloatArray]]) -> pa.Table:
    """One row per controller and road that somebody used under it.

    Parameters
    ----------
    losses : folder of a run -> vehicles [E] and time lost [E, veh s] on every road.
    """
    means = {
        variant.label: tuple(np.mean([losses[run.path][k] for run in variant.runs], axis=0) for k in (0, 1))
        for variant in study.variants
    }
    baseline = None if study.baseline is None else means[study.baseline.label][1]
    rows = []
    for variant in study.variants:
        vehicles, lost = means[variant.label]
        change = np.full(len(lost), math.nan) if baseline is None else lost - baseline
        if variant.controller == BASELINE:
            change = np.full(len(lost), math.nan)
        rows += [
            {
                "controller": variant.label,
                "road": network.edge_id[e],
                "vehicles": float(vehicles[e]),
                "delay": float(lost[e] / vehicles[e]),
                "lost": float(lost[e] / SECONDS_PER_HOUR),
                "difference": float(change[e] / SECONDS_PER_HOUR),
            }
            for e in np.flatnonzero(vehicles > 0).tolist()
        ]
    return table("roads", rows)
