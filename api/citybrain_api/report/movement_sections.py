"""Section on who lost and who gained: movements, intersections, levels of service, longest waits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from citybrain.delays import LEVELS, WORST
from citybrain_api.report import charts, words
from citybrain_api.report.first_page import figure
from citybrain_api.report.markup import DASH, Markup, html_table, join, number, signed, tag

if TYPE_CHECKING:
    from citybrain_api.report.evidence import Evidence
    from citybrain_api.report.naming import Names

SHOWN = 10
"""Movements in the lists of losers, winners and longest waits."""
MOST = 500
"""Movements in the list of all."""
HEAD = ("intersection", "movement", "vehicles", "before [s]", "now [s]", "change [s]", "95 % interval", "85 in 100 [s]",
        "95 in 100 [s]", "longest [s]", "level")  # fmt: skip


def movements_section(evidence: Evidence, names: Names | None) -> Markup:
    """Tell who lost and who gained; nothing without a table of movements."""
    if not evidence.tables["movements"].num_rows:
        return Markup("")
    subject = evidence.study.subject.label
    parts = []
    for rows, title, look in (
        (words.losers(evidence), "Movements that lost most", "These drivers wait longer than before. Is that fair?"),
        (words.winners(evidence), "Movements that gained most", "These drivers wait less than before."),
    ):
        if rows:
            told = [_told(row, names) for row in rows[:SHOWN]]
            note = (
                f"{len(rows)} in all, {min(len(rows), SHOWN)} shown. Before and now are mean delays; of 100 vehicles "
                f"85 and 95 wait at most as long as told. {words.chance(evidence)}"
            )
            parts.append(figure(f"{title} with {subject}", look, html_table(HEAD, told, texts=2), note=note))
    return tag(
        "section",
        tag("h2", "Who lost, who gained"),
        *parts,
        _levels(evidence),
        _intersections(evidence, names),
        _longest(evidence, names),
        _all(evidence, names),
        id="movements",
    )


def _told(row: dict[str, Any], names: Names | None) -> tuple[object, ...]:
    compared = not math.isnan(row["difference"])
    return (
        *_movement(row, names),
        number(row["vehicles"], 0),
        number(row["mean_delay"] - row["difference"], 0) if compared else DASH,
        number(row["mean_delay"], 0),
        signed(row["difference"]) if compared else DASH,
        f"{signed(row['difference_low'])} to {signed(row['difference_high'])}" if compared else DASH,
        number(row["p85_delay"], 0),
        number(row["p95_delay"], 0),
        number(row["longest_delay"], 0),
        row["level"],
    )


def _all(evidence: Evidence, names: Names | None) -> Markup:
    """Every movement under the subject, folded away."""
    rows = [r for r in evidence.tables["movements"].to_pylist() if r["controller"] == evidence.study.subject.label]
    told = [_told(row, names) for row in rows[:MOST]]
    more = f", the first {MOST} here, all in the data" if len(rows) > MOST else ""
    return tag("details", tag("summary", f"All {len(rows)} movements{more}"), html_table(HEAD, told, texts=2))


def _intersections(evidence: Evidence, names: Names | None) -> Markup:
    """Delay and level of every intersection, before and now."""
    study = evidence.study
    found = {(r["controller"], r["intersection"]): r for r in evidence.tables["intersections"].to_pylist()}
    rows = []
    for place in dict.fromkeys(place for _, place in found):
        now = found.get((study.subject.label, place))
        before = None if study.baseline in (None, study.subject) else found.get((study.baseline.label, place))
        if now is not None:
            cells: list[object] = [names.intersection(place) if names else place, number(now["vehicles"], 0)]
            cells += [number(before["mean_delay"]), before["level"]] if before else [DASH, DASH]
            rows.append((*cells, number(now["mean_delay"]), now["level"]))
    rows.sort(key=lambda row: str(row[0]))
    if not rows:
        return Markup("")
    return figure(
        f"Intersections with {study.subject.label}",
        "Where did the level get better by a letter, and where worse?",
        html_table(("intersection", "vehicles", "before [s/veh]", "level", "now [s/veh]", "level"), rows),
        note="Mean control delay over all movements of an intersection, weighted by vehicles.",
    )


def _movement(row: dict[str, Any], names: Names | None) -> tuple[object, object]:
    """Intersection and movement, in words with the roads below."""
    roads = tag("span", f"{row['from_road']} → {row['to_road']}", class_="roads")
    if names is None:
        return row["intersection"], roads
    return names.intersection(row["intersection"]), join((names.movement(row["from_road"], row["to_road"]), roads))


def _levels(evidence: Evidence) -> Markup:
    letters = [*(name for _, name in LEVELS), WORST]
    rows = []
    for variant in evidence.study.variants:
        shares = dict.fromkeys(letters, 0.0)
        for row in evidence.tables["movements"].to_pylist():
            if row["controller"] == variant.label and row["level"]:
                shares[row["level"]] += row["vehicles"]
        if sum(shares.values()) > 0:
            rows.append((variant.label, list(shares.values())))
    if not rows:
        return Markup("")
    return figure(
        "Level of service",
        "How many vehicles meet which quality: A and B hardly wait, E and F wait for a long time.",
        charts.stacked(rows, letters, "share of vehicles at signals [%]", "Level of service by controller"),
        note="By mean control delay of their movement: A to 10 s, B to 20, C to 35, D to 55, E to 80, F above "
        "(Highway Capacity Manual, 6th edition, exhibit 19-8).",
    )


def _longest(evidence: Evidence, names: Names | None) -> Markup:
    label = evidence.study.subject.label
    rows = [r for r in evidence.tables["movements"].to_pylist()
            if r["controller"] == label and not math.isnan(r["longest_delay"])]  # fmt: skip
    rows.sort(key=lambda r: -r["longest_delay"])
    told = [
        (*_movement(r, names), number(r["vehicles"], 0), number(r["mean_delay"], 0),
         number(r["p95_delay"], 0), number(r["longest_delay"], 0))
        for r in rows[:SHOWN]
    ]  # fmt: skip
    head = ("intersection", "movement", "vehicles", "mean [s]", "worst 5 % [s]", "longest [s]")
    return figure(
        f"Longest waits with {label}",
        "A good mean can hide a few who wait for ever: here they are.",
        html_table(head, told, texts=2),
        note="Longest delay of a single vehicle on the approach over all runs; mean and 95th percentile are medians "
        "over runs.",
    )
