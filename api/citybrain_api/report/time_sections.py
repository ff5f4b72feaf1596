"""Sections on when it happened and how delay is spread, on sensors, and on how the runs were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from citybrain_api.report import charts
from citybrain_api.report.first_page import colours, figure
from citybrain_api.report.markup import DASH, Markup, clock_time, html_table, join, number, tag

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citybrain_api.report.evidence import Evidence
    from citybrain_api.report.naming import Names


class Curve(NamedTuple):
    """A measure of ``minutes`` as a figure: title, what to look for, what its axis says, where it is from."""

    measure: str
    title: str
    look: str
    axis: str
    note: str


CURVES = (
    Curve(
        "queued",
        "Queues",
        "Vehicles that stand or creep in queues. The area between two lines is waiting that was saved.",
        "vehicles in queues",
        "What the engine believed, by its sensors, mean over each minute.",
    ),
    Curve(
        "present",
        "Vehicles on the road",
        "Does the curve come down again after the peak? If it only rises, traffic locks.",
        "vehicles on the road",
        "By SUMO's own record, at the end of each minute.",
    ),
    Curve(
        "outside",
        "Waiting to get in",
        "Vehicles that were due but found no room to start: queues that reach out of the map.",
        "vehicles waiting outside",
        "By SUMO's own count, at the end of each minute.",
    ),
)
SENSORS_TOLD = 30


def time_section(evidence: Evidence) -> Markup:
    """Vehicles over time."""
    colour = colours(evidence.study)
    found = evidence.tables["minutes"].to_pylist()
    parts = []
    for measure, title, look, axis, note in CURVES:
        series = []
        for label, number_of in colour.items():
            rows = [row for row in found if row["measure"] == measure and row["controller"] == label]
            if rows:
                x, y, low, high = ([row[name] for row in rows] for name in ("time", "median", "low", "high"))
                series.append(charts.Series(label, number_of, x, y, low, high))
        if any(value > 0 for one in series for value in one.y):
            spread = " The line is the median over runs, the band spans all runs."
            picture = charts.lines(series, "time of day [h:mm]", f"{axis} [veh]", title, clock=True)
            parts.append(figure(title, look, _legend(series), picture, note=note + spread))
    return tag("section", tag("h2", "Over time"), *parts, id="time") if parts else Markup("")


def spread_section(evidence: Evidence) -> Markup:
    """How delay is spread over drivers."""
    series = []
    for label, number_of in colours(evidence.study).items():
        rows = [row for row in evidence.tables["percentiles"].to_pylist() if row["controller"] == label]
        kept = [row for row in rows if row["percentile"] <= 99.0]
        if kept:
            x, y = [row["percentile"] for row in kept], [row["delay"] for row in kept]
            series.append(charts.Series(label, number_of, x, y))
    if not series:
        return Markup("")
    shares = (50.0, 85.0, 95.0, 99.0, 100.0)
    table = {(row["controller"], row["percentile"]): row["delay"] for row in evidence.tables["percentiles"].to_pylist()}
    rows = [(one.name, *(number(table[one.name, share], 0) for share in shares)) for one in series]
    picture = charts.lines(series, "share of vehicles [%]", "lose at most this delay [s]", "Percentiles of delay")
    head = ("controller", "half lose at most [s]", "85 %", "95 %", "99 %", "longest of all")
    return tag(
        "section", tag("h2", "How delay is spread"),
        figure(
            "From the luckiest to the unluckiest driver",
            "Lower is better. A line that shoots up at the right leaves a few drivers waiting for all the others.",
            _legend(series), picture, html_table(head, rows),
            note="Delay of every vehicle of all runs together, sorted; drawn up to 99 %.",
        ),
        id="spread",
    )  # fmt: skip


def _legend(series: list[charts.Series]) -> Markup:
    return charts.legend([(one.name, one.colour) for one in series])


def stages_section(evidence: Evidence, stage_words: Mapping[int, str], names: Names) -> Markup:
    """How the subject shared out green, beside the fixed plan."""
    study = evidence.study
    labels = [v.label for v in (study.baseline, study.subject) if v is not None]
    found = {(r["controller"], r["intersection"], r["row"]): r for r in evidence.tables["stages"].to_pylist()}
    keys = dict.fromkeys((place, row) for label, place, row in found if label in labels)
    rows = []
    for place, row in sorted(keys):
        cells: list[object] = [names.intersection(place), f"{row}: {stage_words.get(row, '')}"]
        for label in dict.fromkeys(labels):
            stage = found.get((label, place, row))
            if stage is None:
                cells += ["0", DASH, DASH]
            else:
                cells += [str(stage["times"]), f"{stage['share'] * 100.0:.0f} %",
                          f"{number(stage['mean_green'], 0)} ({number(stage['longest_green'], 0)})"]  # fmt: skip
        rows.append(cells)
    if not rows:
        return Markup("")
    head = ["intersection", "stage"]
    for label in dict.fromkeys(labels):
        head += [f"{label}: times", "of the time", "mean (longest) [s]"]
    return figure(
        "How green was shared out",
        "Where does the new controller give a stage more time than the fixed plan, and where does it skip one?",
        html_table(head, rows, texts=2),
        note="One run of each, with the same seed. Letters say where traffic comes from: N from the north, and so on. "
        "Changes between stages (yellow, red) take the rest of the time.",
    )


def sensors_section(evidence: Evidence) -> Markup:
    """Which sensors were not well."""
    if not any(evidence.sensors.values()):
        return Markup("")
    rows = evidence.tables["sensors"].to_pylist()
    counts = []
    for label, many in evidence.sensors.items():
        bad = [row["status"] for row in rows if row["controller"] == label]
        if many:
            sick, suspect = bad.count("sick"), bad.count("suspect")
            counts.append((label, str(many), str(many - sick - suspect), str(suspect), str(sick)))
    told = [(r["controller"], r["sensor"], r["status"], r["fault"], clock_time(r["since"]) if r["since"] == r["since"]
             else DASH, r["reason"]) for r in rows[:SENSORS_TOLD]]  # fmt: skip
    more = f" {len(rows) - SENSORS_TOLD} more are in the data." if len(rows) > SENSORS_TOLD else ""
    listed = html_table(("controller", "sensor", "status", "fault", "since", "why"), told, texts=6) if told else ""
    return tag(
        "section", tag("h2", "Sensors"),
        figure(
            "How well the engine could see",
            "Sick sensors are left out and stood in for: many of them, and the result says little of better days.",
            html_table(("controller", "sensors", "well", "suspect", "sick"), counts), listed,
            note="At the end of the run shown; fixed plans do not use what they see." + more,
        ),
        id="sensors",
    )  # fmt: skip


def making_section(evidence: Evidence, settings: Mapping[str, str], command: str) -> Markup:
    """Tell settings, versions, every run, what was left out, and how to do it again."""
    study = evidence.study
    runs = [
        (row["controller"], f"{row['seed']}", f"{row['instance']}", number(row["delay"]), number(row["p95_delay"], 0),
         number(row["stops"], 2), f"{row['arrived']}", f"{row['running']}", f"{row['not_inserted']}",
         "yes" if row["gridlocked"] else "no", "shown" if row["shown"] else "")
        for row in evidence.tables["runs"].to_pylist()
    ]  # fmt: skip
    head = ("controller", "seed", "instance", "delay [s]", "worst 5 % [s]", "stops", "arrived", "on the road",
            "never started", "gridlocked", "in figures of one run")  # fmt: skip
    left = [tag("li", f"{run.path}: {run.reason}") for run in study.left_out]
    return tag(
        "section", tag("h2", "How this was made"),
        figure("Settings and versions", "Whoever runs this again with the same gets the same.",
               html_table(("", ""), list(settings.items()), texts=2)),
        tag("h3", "Run it again"), tag("pre", command),
        tag("h3", "Left out"), tag("ul", join(left)) if left else tag("p", "No run was left out."),
        tag("ul", join(tag("li", text) for text in evidence.missing)) if evidence.missing else "",
        tag("details", tag("summary", f"All {len(runs)} runs"), html_table(head, runs)),
        id="making",
    )  # fmt: skip
