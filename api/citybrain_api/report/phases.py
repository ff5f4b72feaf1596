"""What high-resolution events say of the signals: how greens ended, who came at green, who was left over."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from citybrain.events import Code
from citybrain_api.report import charts
from citybrain_api.report.first_page import figure
from citybrain_api.report.markup import DASH, Markup, html_table, number, tag
from citybrain_api.report.outcomes import read_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from citybrain.control.interface import Site
    from citybrain_api.report.evidence import Evidence
    from citybrain_api.report.naming import Names
    from citybrain_sim.run_folders import RunFolder

ENDINGS = ("gap_outs", "max_outs", "force_offs")
KEPT = ("cycles", "green_ratio", "arrivals", "arrivals_on_green", "platoon_ratio", "approach_delay", "judged",
        "split_failures", *ENDINGS, "mean_red", "longest_red")  # fmt: skip
COUNTS = frozenset({"cycles", "arrivals", "judged", "split_failures", *ENDINGS})
ASPECTS = {
    Code.GREEN_BEGIN: "G",
    Code.WALK_BEGIN: "G",
    Code.YELLOW_BEGIN: "y",
    Code.RED_CLEARANCE_BEGIN: "",
    Code.PEDESTRIAN_CLEARANCE_BEGIN: "",
    Code.DONT_WALK_BEGIN: "",
}
"""What a signal group shows from an event on; empty: red."""
SHOWN = 12
"""Phases in the list of those that fail most often."""


def phase_rows(label: str, run: RunFolder, site: Site) -> list[dict[str, Any]]:
    """Rows of ``phases``; of runs from before there were events none."""
    found = read_table(run, "phases")
    return [] if found is None else [
        {**_place(label, row, site), **{name: _known(row[name], name) for name in KEPT}} for row in found.to_pylist()
    ]  # fmt: skip


def crossing_rows(label: str, run: RunFolder, site: Site) -> list[dict[str, Any]]:
    """Rows of ``crossings``; likewise."""
    found = read_table(run, "crossings")
    return [] if found is None else [
        {**_place(label, row, site), "walks": row["walks"], "chance_wait": _known(row["chance_wait"], ""),
         "longest_red": _known(row["longest_red"], "")}
        for row in found.to_pylist()
    ]  # fmt: skip


def event_signal_rows(label: str, run: RunFolder, site: Site) -> list[dict[str, Any]]:
    """Rows of ``signals`` of a run without our engine, from its events; they do not tell which green gives way."""
    found = read_table(run, "events", ["TimeStamp", "DeviceId", "EventId", "Parameter"])
    if found is None:
        return []
    rows: list[dict[str, Any]] = []
    since: dict[tuple[str, int], tuple[str, float]] = {}
    stamp, *others = (found[name] for name in found.column_names)
    for ms, device, code, phase in zip(stamp.cast("int64").to_pylist(), *(c.to_pylist() for c in others), strict=True):
        aspect = ASPECTS.get(code)
        if aspect is None:
            continue
        key, time = (device, phase), ms / 1000.0
        shown, begin = since.get(key, ("", run.begin_s))
        if shown and shown != aspect and time > begin:
            place = _place(label, {"device": key[0], "phase": key[1]}, site)
            rows.append({**place, "aspect": shown, "begin": begin, "end": time})
        if shown != aspect:
            since[key] = (aspect, time)
    rows += [
        {**_place(label, {"device": device, "phase": phase}, site), "aspect": shown, "begin": begin, "end": run.end_s}
        for (device, phase), (shown, begin) in since.items()
        if shown and begin < run.end_s
    ]
    return rows


def _place(label: str, row: dict[str, Any], site: Site) -> dict[str, Any]:
    i = site.network.intersection_id.index(row["device"])
    group = int(site.signals.group_ptr[i]) + row["phase"] - 1
    return {"controller": label, "intersection": row["device"], "group": group}


def _known(value: float | None, name: str) -> float | int:
    if name in COUNTS:
        return 0 if value is None else int(value)
    return math.nan if value is None else float(value)


def phases_section(evidence: Evidence, names: Names | None) -> Markup:
    """Tell how the signals served traffic, as controllers' logs on a street would."""
    rows = evidence.tables["phases"].to_pylist()
    if not rows or names is None:
        return Markup("")
    labels = [v.label for v in evidence.study.variants if any(row["controller"] == v.label for row in rows)]
    return tag(
        "section", tag("h2", "What controllers' logs say"),
        _summary(evidence, labels, rows), _endings(labels, rows), _worst(evidence, names, rows), id="phases",
    )  # fmt: skip


def _summary(evidence: Evidence, labels: list[str], rows: list[dict[str, Any]]) -> Markup:
    told = []
    for label in labels:
        mine = [row for row in rows if row["controller"] == label]
        walks = [row for row in evidence.tables["crossings"].to_pylist() if row["controller"] == label]
        judged = sum(row["judged"] for row in mine)
        failed = sum(row["split_failures"] for row in mine)
        told.append(
            (
                label,
                f"{100.0 * failed / judged:.0f} % of {judged}" if judged else DASH,
                _percent(_mean(mine, "arrivals_on_green", "arrivals")),
                number(_mean(mine, "platoon_ratio", "arrivals"), 2),
                number(_mean(mine, "approach_delay", "arrivals")),
                number(max((row["longest_red"] for row in mine), default=math.nan), 0),
                number(_mean(walks, "chance_wait", "walks")),
                number(max((row["longest_red"] for row in walks), default=math.nan), 0),
            )
        )
    head = ("controller", "split failures", "arrivals at green", "platoon ratio", "wait at red [s]", "longest red [s]",
            "wait on foot [s]", "longest on foot [s]")  # fmt: skip
    return figure(
        "How well greens met demand",
        "A split failure is a green that did not serve all who waited. A platoon ratio above 1 means that vehicles "
        "come at green more often than by chance.",
        html_table(head, told),
        note="From the high-resolution events of the run shown, by the same code that reads a street controller's log: "
        "means weighted by arrivals (on foot: by walks). Waits on foot are those of somebody who comes at any time.",
    )


def _mean(rows: Iterable[dict[str, Any]], name: str, weight: str) -> float:
    known = [(row[name], row[weight]) for row in rows if not math.isnan(row[name]) and row[weight] > 0]
    total = sum(w for _, w in known)
    return sum(value * w for value, w in known) / total if total else math.nan


def _percent(share: float) -> str:
    return DASH if math.isnan(share) else f"{100.0 * share:.0f} %"


def _endings(labels: list[str], rows: list[dict[str, Any]]) -> Markup:
    shares = [
        (label, [float(sum(row[name] for row in rows if row["controller"] == label)) for name in ENDINGS])
        for label in labels
    ]
    shares = [(label, values) for label, values in shares if sum(values) > 0]
    if not shares:
        return Markup("")
    return figure(
        "How greens ended",
        "Gap: nobody came any more. Longest: its time was up. Ordered: the plan or the engine ended it.",
        charts.stacked(shares, ("gap", "longest", "ordered"), "share of greens [%]", "How greens ended"),
        note="Greens of all signal groups for vehicles, in the run shown. Whoever plans ends greens on order.",
    )


def _worst(evidence: Evidence, names: Names, rows: list[dict[str, Any]]) -> Markup:
    label = evidence.study.subject.label
    mine = [row for row in rows if row["controller"] == label]
    mine.sort(key=lambda row: (-row["split_failures"], -row["longest_red"]))
    told = [
        (names.intersection(row["intersection"]), names.group(row["group"]), f"{row['cycles']}",
         f"{row['split_failures']} of {row['judged']}" if row["judged"] else DASH, f"{row['arrivals']}",
         _percent(row["arrivals_on_green"]), number(row["approach_delay"]), number(row["mean_red"], 0),
         number(row["longest_red"], 0))
        for row in mine[:SHOWN]
    ]  # fmt: skip
    head = ("intersection", "signal group", "greens", "split failures", "arrivals", "at green", "wait at red [s]",
            "mean red [s]", "longest red [s]")  # fmt: skip
    return figure(
        f"Signal groups that failed most often with {label}",
        "Where is green too short for those who wait? These are the places to look at first.",
        html_table(head, told, texts=2),
        note=f"{len(mine)} signal groups for vehicles in all; every one is in the data.",
    )
