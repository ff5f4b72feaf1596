"""The first screen: the verdict, the figures behind it, and what a reader must know."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from citybrain_api.report import charts, words
from citybrain_api.report.markup import DASH, Markup, clock_time, html_table, join, number, signed, tag, together
from citybrain_api.report.outcomes import LEAST_PAIRS, MEASURES
from citybrain_api.report.study import ORDER

if TYPE_CHECKING:
    from citybrain_api.report.evidence import Evidence
    from citybrain_api.report.study import Study
    from citybrain_api.report.words import Verdict

COLOURS = {
    "fixed": 0,
    "actuated": 1,
    "max-pressure": 2,
    "planner": 3,
    "webster": 4,
    "sumo-actuated": 5,
    "max-wave": 6,
    "sumo-delay-based": 7,
    "oracle": 8,
}
HEADINGS = ("What changed", "How sure we are", "Who lost")


def colours(study: Study) -> dict[str, int]:
    """Label -> number of its colour class: the same for a controller in every report, as far as they reach."""
    found: dict[str, int] = {}
    for variant in study.variants:
        free = [k for k in range(len(ORDER)) if k not in found.values()] or [0]
        usual = COLOURS.get(variant.controller, free[-1])
        found[variant.label] = usual if usual in free else free[-1]
    return found


def figure(title: str, look: str, *picture: object, note: str = "") -> Markup:
    """Figure with its title, a sentence on what to look for, and a note on how it was made."""
    shown = (tag("div", part, class_="wide") if str(part).startswith("<svg") else part for part in picture)
    return tag(
        "figure", tag("h3", title), tag("p", look, class_="look"), *shown,
        tag("figcaption", note) if note else "",
    )  # fmt: skip


def first_page(evidence: Evidence, verdict: Verdict) -> Markup:
    """All that a council needs."""
    study = evidence.study
    texts = (verdict.changed, verdict.sure, verdict.lost)
    answers = join(
        tag("section", tag("h2", heading), tag("p", together(text)))
        for heading, text in zip(HEADINGS, texts, strict=True)
        if text
    )
    warnings = [*study.warnings]
    return join(
        (
            tag("header", tag("p", _about(study), class_="about"), tag("h1", verdict.title), class_=verdict.tone),
            _tiles(evidence),
            tag("div", answers, class_="answers"),
            tag("ul", join(tag("li", together(text)) for text in verdict.more)) if verdict.more else "",
            tag("div", join(tag("p", text) for text in warnings), class_="warnings") if warnings else "",
            _versus(evidence),
        )
    )


def _about(study: Study) -> str:
    run, result = study.first, study.first.result
    many = sorted({len(variant.runs) for variant in study.variants})
    runs = f"{many[0]}" if len(many) == 1 else f"{many[0]} to {many[-1]}"
    names = ", ".join(variant.label for variant in study.variants)
    return (
        f"Traffic signals of {result.scenario}, simulated from {clock_time(run.begin_s)} to {clock_time(run.end_s)}: "
        f"{names}; {runs} run{'s' if runs != '1' else ''} of each with {number(result.loaded, 0)} vehicles"
    )


def _tiles(evidence: Evidence) -> Markup:
    study = evidence.study
    row = words.comparison_row(evidence, "delay", study.subject.label)
    if row is None:
        return Markup("")
    locked = sum(study.subject.gridlocked)
    sure = "95 % interval" if row["runs"] >= LEAST_PAIRS else "runs from"
    tiles = [("Delay per vehicle", f"{number(row['median'])} s", f"{sure} {_span(row, 'low', 'high')} s")]
    if row["pairs"]:
        change = f"{signed(row['relative'] * 100.0, 0)} %"
        span = _span(row, "difference_low", "difference_high", sign=True)
        interval = f"{signed(row['difference'])} s per vehicle; {sure} {span} s"
        tiles.append(("Against the fixed plan", change, interval))
    if row["pairs"] >= LEAST_PAIRS:
        counted = (len(words.winners(evidence)), len(words.losers(evidence)))
        tiles.append(("Movements better, worse", f"{counted[0]} / {counted[1]}", "as far as the interval tells"))
    tiles.append(
        ("Gridlocked runs", f"{locked} of {len(study.subject.runs)}", f"with {words.plain_name(study.subject)}")
    )
    return tag(
        "div",
        join(
            tag("div", tag("p", title), tag("p", value, class_="value"), tag("p", note, class_="small"))
            for title, value, note in tiles
        ),
        class_="tiles",
    )


def _span(row: dict[str, Any], low: str, high: str, *, sign: bool = False) -> str:
    shown = signed if sign else number
    return f"{shown(row[low])} to {shown(row[high])}"


def _versus(evidence: Evidence) -> Markup:
    """All runs of all controllers on one scale."""
    study = evidence.study
    rows = []
    for variant in study.variants:
        row = words.comparison_row(evidence, "delay", variant.label)
        values = [run.delay_s for run in variant.results]
        if row is not None:
            colour = colours(study)[variant.label]
            rows.append(charts.Dots(variant.label, colour, values, row["median"], row["low"], row["high"]))
    picture = charts.dot_rows(rows, "delay per vehicle [s]", "Delay of every run, by controller")
    return figure(
        "Delay of every run",
        "Further left is better. Where the thick bars of two controllers lie apart, the difference is hardly chance.",
        picture,
        note="A dot is a run, the upright line the median over runs, the thick bar its 95 % bootstrap interval. "
        "Delay is time lost on the road and before starting, over every vehicle that was due to depart.",
    )


def _share(value: float) -> str:
    return DASH if math.isnan(value) else f"{signed(value * 100.0, 0)} %"


def _with_unit(value: float, digits: int, unit: str) -> str:
    return DASH if math.isnan(value) else f"{number(value, digits)} {unit}"


def measures_section(evidence: Evidence) -> Markup:
    """All measures of all controllers, with intervals."""
    rows: list[tuple[object, ...]] = []
    found = evidence.tables["comparison"].to_pylist()
    for measure in MEASURES:
        for row in found:
            if row["measure"] == measure.column:
                digits = 2 if measure.column in ("stops", "travel_time_index") else 1
                compared = row["pairs"] > 0
                rows.append(
                    (
                        measure.words if row["controller"] == evidence.study.variants[0].label else "",
                        row["controller"],
                        _with_unit(row["median"], digits, measure.unit),
                        f"{number(row['low'], digits)} to {number(row['high'], digits)}",
                        signed(row["difference"], digits) if compared else DASH,
                        f"{signed(row['difference_low'], digits)} to {signed(row['difference_high'], digits)}"
                        if compared
                        else DASH,
                        _share(row["relative"]),
                        f"{row['better_pairs']} of {row['pairs']}" if compared else DASH,
                    )
                )
    head = ("measure", "controller", "median", "95 %", "change", "95 %", "change", "lower in")
    return tag(
        "section", tag("h2", "All measures"),
        figure(
            "What each controller achieved",
            "A change whose interval lies wholly below zero is an improvement that chance hardly explains.",
            html_table(head, rows, texts=2),
            note="Medians over runs; changes are medians of the paired differences to the fixed plan. Intervals are "
            "percentile bootstrap intervals of the median (Efron and Tibshirani 1993, section 13.3). They are not "
            "corrected for looking at several measures at once, and with fewer than five runs they are mere ranges.",
        ),
        id="measures",
    )  # fmt: skip
