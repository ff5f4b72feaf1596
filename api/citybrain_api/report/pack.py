"""Data of the interactive figures: packed small enough to travel within the page."""

from __future__ import annotations

import base64
import gzip
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.signals import GroupKind
from citybrain_api.report.naming import Names, approach_words

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain_api.report.evidence import Evidence

LARGEST = 3_000_000
"""Bytes of packed data that a page carries; a page stays below five megabytes."""
ASPECTS = "Ggy"


def pack(evidence: Evidence, site: Site) -> tuple[str, list[str]]:
    """Pack what the interactive figures draw: all variants if they fit, else fewer.

    Returns
    -------
    data : base64 of gzipped JSON; times are tenths of a second since the run's begin.
    kept : labels of the variants in it.
    """
    study = evidence.study
    labels = [variant.label for variant in study.variants]
    fewer = [variant.label for variant in study.variants if variant in (study.subject, study.baseline)]
    for kept in (labels, fewer, [study.subject.label]):
        text = json.dumps(_document(evidence, site, kept), separators=(",", ":"), allow_nan=False)
        data = base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode("ascii")
        if len(data) <= LARGEST:
            return data, kept
    return "", []


def _document(evidence: Evidence, site: Site, kept: list[str]) -> dict[str, Any]:
    names = Names(site)
    begin = evidence.study.first.begin_s
    end = max(run.end_s for _, run in evidence.study.shown)
    return {
        "begin": begin,
        "length": _tenths(end - begin),
        "controllers": kept,
        "subject": kept.index(evidence.study.subject.label),
        "intersections": [_intersection(site, names, i) for i in range(site.network.n_intersections)],
        "approaches": _approaches(evidence, site),
        "corridors": evidence.corridors,
        "roads": list(site.network.edge_id),
        "signals": _by_intersection(evidence, site, kept, "signals", _signal(site, begin)),
        "choices": _by_intersection(evidence, site, kept, "choices", _choice(begin)),
        "trips": _trips(evidence, site, kept, begin),
    }


def _tenths(seconds: float) -> int:
    return -1 if math.isnan(seconds) else round(seconds * 10.0)


def _intersection(site: Site, names: Names, i: int) -> dict[str, Any]:
    signals = site.signals
    groups = range(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
    rows = range(int(signals.row_ptr[i]), int(signals.row_ptr[i + 1]))
    return {
        "name": names.intersection(site.network.intersection_id[i]),
        "groups": [[names.group(g), int(signals.group_kind[g] == GroupKind.PEDESTRIAN)] for g in groups],
        "stages": {str(row): names.stage(row) for row in rows if signals.row_is_stage[row]},
    }


def _approaches(evidence: Evidence, site: Site) -> list[dict[str, Any]]:
    network, signals = site.network, site.signals
    served: dict[int, dict[str, list[int]]] = {}
    for g in range(signals.n_groups):
        i = int(np.searchsorted(signals.group_ptr, g, "right")) - 1
        for m in signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]].tolist():
            origin, target = (int(network.lane_edge[lane]) for lane in (network.move_from[m], network.move_to[m]))
            local = g - int(signals.group_ptr[i])
            groups = served.setdefault(origin, {}).setdefault(str(target), [])
            if local not in groups:
                groups.append(local)
    return [
        {
            "from": approach.origin,
            "to": approach.target,
            "roads": list(approach.roads),
            "name": f"{network.edge_id[approach.roads[-1]]}, {approach_words(network, approach.roads[-1])}",
            "length": round(approach.length, 1),
            "seconds": round(approach.seconds, 2),
            "lanes": int((network.lane_edge == approach.roads[-1]).sum()),
            "groups": served.get(approach.roads[-1], {}),
        }
        for approach in evidence.approaches
    ]


def _by_intersection(evidence: Evidence, site: Site, kept: list[str], table: str, entry: Any) -> list[list[list[Any]]]:
    """[variant][intersection] one flat list of what ``entry`` makes of every row."""
    place = {name: i for i, name in enumerate(site.network.intersection_id)}
    found: list[list[list[Any]]] = [[[] for _ in place] for _ in kept]
    for row in evidence.tables[table].to_pylist():
        if row["controller"] in kept:
            i = place[row["intersection"]]
            found[kept.index(row["controller"])][i].extend(entry(row, i))
    return found


def _signal(site: Site, begin: float) -> Any:
    def entry(row: dict[str, Any], i: int) -> list[int]:
        group = row["group"] - int(site.signals.group_ptr[i])
        return [group, ASPECTS.index(row["aspect"]), _tenths(row["begin"] - begin), _tenths(row["end"] - begin)]

    return entry


def _choice(begin: float) -> Any:
    def entry(row: dict[str, Any], _: int) -> list[Any]:
        grounds = [round(row[name], 1) for name in ("queue_to", "arriving_to", "queue_from", "longest_wait")]
        cost = None if math.isnan(row["cost"]) else round(row["cost"])
        return [_tenths(row["time"] - begin), row["from_row"], row["to_row"], *grounds, cost, row["guard"]]

    return entry


def _trips(evidence: Evidence, site: Site, kept: list[str], begin: float) -> list[list[list[int]]]:
    """[variant][approach] one flat list: vehicle, start [m], entry, leave (-1 not yet), next road."""
    number = {name: e for e, name in enumerate(site.network.edge_id)}
    found: list[list[list[int]]] = [[[] for _ in evidence.approaches] for _ in kept]
    for row in evidence.tables["trips_on_approaches"].to_pylist():
        if row["controller"] in kept:
            times = (_tenths(row["entry"] - begin), _tenths(row["leave"] - begin))
            entry = [row["vehicle"], round(row["start"]), *times, number.get(row["to_road"], -1)]
            found[kept.index(row["controller"])][row["approach"]].extend(entry)
    return found
