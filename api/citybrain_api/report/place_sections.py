"""Section on where it happened: maps of what changed, and of delay under every controller."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from citybrain_api.report import charts, maps
from citybrain_api.report.first_page import figure
from citybrain_api.report.markup import Markup, html_table, join, number, signed, tag

if TYPE_CHECKING:
    from citybrain_api.report.evidence import Evidence
    from citybrain_api.report.naming import Names

SHOWN = 10
"""Roads with a number on the map."""
BOUNDS = (5.0, 15.0, 30.0, 60.0)
"""Delay [s/veh] from which on a road has the next colour."""


def maps_section(evidence: Evidence, names: Names | None) -> Markup:
    """Draw the maps; nothing without a street."""
    if evidence.site is None or names is None or not evidence.tables["roads"].num_rows:
        return Markup("")
    network = evidence.site.network
    drawing = maps.draw(network, names)
    number_of = {name: e for e, name in enumerate(network.edge_id)}
    rows = evidence.tables["roads"].to_pylist()
    changes = _change_map(evidence, drawing, number_of, rows)
    each = []
    for variant in evidence.study.variants:
        classes = {number_of[r["road"]]: f"d{_step(r['delay'])}" for r in rows if r["controller"] == variant.label}
        told = f"Delay per road with {variant.label}"
        each.append(tag("div", tag("h4", variant.label), maps.coloured(drawing, classes, (), told)))
    scale = [f"below {BOUNDS[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(BOUNDS)),
             f"over {BOUNDS[-1]:g} s per vehicle"]  # fmt: skip
    return tag(
        "section", tag("h2", "Where"), changes,
        figure(
            "Delay on every road",
            "Thick dark lines are roads on which drivers wait long; compare the same place from map to map.",
            _scale([(f"d{k}", text) for k, text in enumerate(scale)]),
            tag("div", *each, class_="maps"),
            note="Time on a road less what its speed limit allows, mean over all vehicles and runs. Grey roads were "
            "not used, or only as the last of a trip. Circles are intersections with signals; north is up.",
        ),
        id="where",
    )  # fmt: skip


def _change_map(
    evidence: Evidence,
    drawing: maps.Drawing,
    number_of: dict[str, int],
    rows: list[dict[str, Any]],
) -> Markup:
    subject = evidence.study.subject.label
    known = [r for r in rows if r["controller"] == subject and not math.isnan(r["difference"])]
    if not known:
        return Markup("")
    step = charts.nice_step(maps.steps_around([r["difference"] for r in known]))
    classes = {number_of[r["road"]]: _change_class(r["difference"], step) for r in known}
    ordered = sorted(known, key=lambda r: -abs(r["difference"]))[:SHOWN]
    marks = [(number_of[r["road"]], str(k + 1)) for k, r in enumerate(ordered)]
    told = [
        (k + 1, r["road"], number(r["vehicles"], 0), number(r["delay"]), signed(r["difference"], 2))
        for k, r in enumerate(ordered)
    ]
    scale = [
        ("b2", f"over {step:g} veh h less"), ("b1", f"{step / 4:g} to {step:g} less"), ("b0", "about the same"),
        ("w1", f"{step / 4:g} to {step:g} more"), ("w2", f"over {step:g} veh h more"),
    ]  # fmt: skip
    return figure(
        f"What changed where: {subject} against the fixed plan",
        "Blue roads gained, orange roads lost. The numbers mark the ten roads where most changed, listed below.",
        _scale(scale),
        maps.coloured(drawing, classes, marks, "Change of delay on every road"),
        html_table(("", "road", "vehicles", "delay [s/veh]", "change [veh h]"), told, texts=2),
        note="Change of the time that all vehicles of a run together lose on a road, mean over runs.",
    )


def _step(delay: float) -> int:
    return sum(delay >= bound for bound in BOUNDS)


def _change_class(change: float, step: float) -> str:
    if abs(change) < step / 4.0:
        return "b0"
    return ("b" if change < 0 else "w") + ("2" if abs(change) >= step else "1")


def _scale(parts: list[tuple[str, str]]) -> Markup:
    """Legend of a map: a piece of line in each class."""
    keys = [
        tag("span", tag("svg", tag("path", d="M0 6h28", class_=name), viewBox="0 0 28 12", class_="swatch"), text)
        for name, text in parts
    ]
    return tag("p", join(keys), class_="legend")
