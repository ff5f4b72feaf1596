"""What one run showed, tick by tick: signals, stages, and what was chosen on which grounds."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.signals import Aspect
from citybrain_api.report.outcomes import read_table
from citybrain_sim.experiment import SENSOR_HEALTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from citybrain.control.interface import Site
    from citybrain.network import FloatArray
    from citybrain_sim.run_folders import RunFolder

SHOWN = "Ggy"
BENT_BEFORE_S = 10.0
WELL = "well"


def signal_rows(label: str, run: RunFolder, site: Site) -> list[dict[str, Any]]:
    """Rows of ``signals``: every green and yellow of every group."""
    rows: list[dict[str, Any]] = []
    for i, shown in _commands(run, site).items():
        groups = range(int(site.signals.group_ptr[i]), int(site.signals.group_ptr[i + 1]))
        lamps = site.signals.lamp_group[site.signals.lamp_ptr[i] : site.signals.lamp_ptr[i + 1]]
        times = [*(float(at["time"]) for at in shown), run.end_s]
        for group in groups:
            lamp = int(np.flatnonzero(lamps == group)[0])
            told = [at["lamps"][lamp] for at in shown]
            for aspect, begin, end in _stretches(told, times):
                if aspect in SHOWN:
                    place = {"intersection": site.network.intersection_id[i], "group": group}
                    rows.append({"controller": label, **place, "aspect": aspect, "begin": begin, "end": end})
    return rows


def stage_rows(label: str, run: RunFolder, site: Site) -> list[dict[str, Any]]:
    """Rows of ``stages``: how often and how long each stage was shown."""
    rows = []
    for i, shown in _commands(run, site).items():
        told = [-1 if at["changing"] else int(at["row"]) for at in shown]
        times = [*(float(at["time"]) for at in shown), run.end_s]
        lengths: dict[int, list[float]] = {}
        for row, begin, end in _stretches(told, times):
            if row >= 0 and site.signals.row_is_stage[row]:
                lengths.setdefault(row, []).append(end - begin)
        for row, greens in sorted(lengths.items()):
            rows.append(
                {
                    "controller": label,
                    "intersection": site.network.intersection_id[i],
                    "row": row,
                    "times": len(greens),
                    "share": sum(greens) / max(run.end_s - run.begin_s, 1e-9),
                    "mean_green": sum(greens) / len(greens),
                    "longest_green": max(greens),
                }
            )
    return rows


def _commands(run: RunFolder, site: Site) -> dict[int, list[dict[str, Any]]]:
    """Intersection -> what its lamps showed, in order of time; nothing of runs without our engine."""
    number = {name: i for i, name in enumerate(site.network.intersection_id)}
    found: dict[int, list[dict[str, Any]]] = {}
    recorded = read_table(run, "commands")
    for row in [] if recorded is None else recorded.to_pylist():
        found.setdefault(number[row["intersection"]], []).append(row)
    return found


def _stretches(told: list[Any], times: list[float]) -> list[tuple[Any, float, float]]:
    """(value, begin, end) of every stretch with the same value that lasts; ``times`` has the last one's end behind."""
    begins = [k for k in range(len(told)) if k == 0 or told[k] != told[k - 1]]
    ends = [*begins[1:], len(told)]
    return [(told[b], times[b], times[e]) for b, e in zip(begins, ends, strict=True) if times[e] > times[b]]


def choice_rows(label: str, run: RunFolder, site: Site) -> list[dict[str, Any]]:
    """Rows of ``choices``: every change of stage, and what was believed at the moment at which it began."""
    wishes = read_table(run, "wishes", ["time", "cost"])
    states = read_table(run, "states", ["queue", "arrivals_10s", "head_wait"])
    if wishes is None or states is None or not wishes.num_rows or not states.num_rows:
        return []
    n, many = site.network.n_intersections, site.network.n_approach_lanes
    tick = {time: k for k, time in enumerate(wishes["time"].to_numpy()[::n].tolist())}
    cost = wishes["cost"].to_numpy().reshape(-1, n)
    believed = {name: states[name].to_numpy().reshape(-1, many) for name in states.column_names}
    bent = _bent(run)
    rows = []
    for i, shown in _commands(run, site).items():
        name, served = site.network.intersection_id[i], _served(site, i)
        lanes = slice(int(site.network.approach_ptr[i]), int(site.network.approach_ptr[i + 1]))
        for was, to, time in _changes(shown, site):
            k = tick[time]
            grounds = _grounds({key: v[k, lanes] for key, v in believed.items()}, served[to], served[was])
            rows.append(
                {
                    "controller": label,
                    "intersection": name,
                    "time": time,
                    "from_row": was,
                    "to_row": to,
                    **grounds,
                    "cost": float(cost[k, i]),
                    "guard": _rule(bent.get(name, []), time),
                }
            )
    return rows


def _changes(shown: list[dict[str, Any]], site: Site) -> Iterator[tuple[int, int, float]]:
    """(stage before, stage after, when the change began) of every change of stage."""
    stage = -1
    for at in shown:
        row = int(at["row"])
        if row != stage and row >= 0 and site.signals.row_is_stage[row]:
            if stage >= 0:
                yield stage, row, float(at["time"])
            stage = row


def _grounds(believed: dict[str, NDArray[Any]], to: NDArray[np.bool_], was: NDArray[np.bool_]) -> dict[str, float]:
    gaining, losing = to & ~was, was & ~to
    waits = believed["head_wait"][gaining]
    return {
        "queue_to": float(believed["queue"][gaining].sum()),
        "arriving_to": float(believed["arrivals_10s"][gaining].sum()),
        "queue_from": float(believed["queue"][losing].sum()),
        "longest_wait": float(waits.max()) if len(waits) else 0.0,
    }


def _served(site: Site, i: int) -> dict[int, NDArray[np.bool_]]:
    """Row -> [lanes of the intersection] whether it shows any movement of the lane green."""
    signals, network = site.signals, site.network
    lanes = network.approach_lane[network.approach_ptr[i] : network.approach_ptr[i + 1]]
    first = int(signals.group_ptr[i])
    leaving = [
        np.isin(lanes, network.move_from[signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]]])
        for g in range(first, int(signals.group_ptr[i + 1]))
    ]
    table = np.array(leaving, dtype=np.bool_).reshape(len(leaving), len(lanes))
    return {
        row: np.any(table[signals.aspects(row) >= Aspect.PERMISSIVE], axis=0)
        for row in range(int(signals.row_ptr[i]), int(signals.row_ptr[i + 1]))
    }


def _bent(run: RunFolder) -> dict[str, list[tuple[float, str]]]:
    found: dict[str, list[tuple[float, str]]] = {}
    recorded = read_table(run, "bent")
    for row in [] if recorded is None else recorded.to_pylist():
        found.setdefault(row["intersection"], []).append((row["time"], row["rule"]))
    return found


def _rule(bent: list[tuple[float, str]], time: float) -> str:
    times: FloatArray = np.array([at for at, _ in bent])
    k = int(np.searchsorted(times, time, "right")) - 1
    return bent[k][1] if k >= 0 and bent[k][0] >= time - BENT_BEFORE_S else ""


def sensor_rows(label: str, run: RunFolder) -> tuple[list[dict[str, Any]], int]:
    """Rows of ``sensors``, and how many sensors there are; nothing of runs without our engine."""
    try:
        found = json.loads((run.path / SENSOR_HEALTH).read_text(encoding="utf-8"))["sensors"]
    except (OSError, ValueError, KeyError, TypeError):
        return [], 0
    rows = [
        {
            "controller": label,
            "sensor": sensor["sensor"],
            "kind": sensor["kind"],
            "status": sensor["status"],
            "fault": sensor["fault"] or "",
            "since": math.nan if sensor["since_s"] is None else float(sensor["since_s"]),
            "reason": sensor["reason"],
        }
        for sensor in found
        if sensor["status"] != WELL
    ]
    return rows, len(found)
