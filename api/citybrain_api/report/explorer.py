"""The section that the reader steers: corridor, signals, choices, coordination; drawn by a script within the page."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from citybrain_api.report.first_page import figure
from citybrain_api.report.markup import Markup, join, tag
from citybrain_api.report.pack import pack
from citybrain_api.report.time_sections import stages_section

if TYPE_CHECKING:
    from citybrain_api.report.evidence import Evidence
    from citybrain_api.report.naming import Names

TITLE = "Signals and corridors"


class Steered(NamedTuple):
    """A figure that the script fills: id of its place, title, what to look for, how it was made."""

    name: str
    title: str
    look: str
    note: str


FIGURES = (
    Steered(
        "corridor",
        "Along a corridor",
        "Each line is a vehicle, driving upwards in time from left to right; flat parts are waiting. Green bands are "
        "the times at which one could drive through without a stop. Good coordination fills the bands.",
        "Times at both ends of each road are SUMO's own. Between them, free driving, standing in the queue and "
        "leaving it at 8 m/s are drawn in: where exactly a vehicle stood is a reconstruction. Lines that begin in "
        "between came from side roads. Bars show when the signal was green for those who drive on.",
    ),
    Steered(
        "signals",
        "Signals of an intersection",
        "Bars are green (dark: protected; light: gives way) and yellow. Regular bars are a fixed plan; bars that "
        "breathe follow the traffic.",
        "Letters say where traffic comes from: N from the north, and so on. What is not drawn is red.",
    ),
    Steered(
        "choices",
        "What was chosen, and why",
        "Does the controller change to where more vehicles wait? Arrivals within the next ten seconds count, too.",
        "Every change of stage in the minutes shown above, with what the engine believed at that moment about lanes "
        "that only the new, or only the old stage serves. A letter alone means all turns from there. Cost is what the "
        "planner expects its whole plan to cost; a rule of the guard is told where it bent a wish just before.",
    ),
    Steered(
        "purdue",
        "Coordination diagram (Purdue)",
        "Each dot is a vehicle that reaches the stop line, each column of dots one cycle. Dots above the green line "
        "come at green. Good coordination puts the clouds above it.",
        "Upwards: time since the end of the last green. A dot is when the vehicle would have reached the stop line "
        "unhindered, from SUMO's own times. After Day and others, Purdue coordination diagrams (2010).",
    ),
)


def shipped(name: str) -> str:
    """Text of a file that ships with this room."""
    return files("citybrain_api.report").joinpath(name).read_text(encoding="utf-8")


def explorer_section(evidence: Evidence, names: Names | None) -> Markup:
    """Draw figures of a single run; nothing where there is no street, a sentence where the run is too large."""
    if evidence.site is None or names is None or not evidence.tables["trips_on_approaches"].num_rows:
        return Markup("")
    data, kept = pack(evidence, evidence.site)
    if not kept:
        told = "This run is too large to travel within a page; its tables are in the data (--data)."
        return tag("section", tag("h2", TITLE), tag("p", told), id="explorer")
    left = [v.label for v in evidence.study.variants if v.label not in kept]
    shown = ", ".join(f"{v.label} seed {run.spec.seed}" for v, run in evidence.study.shown if v.label in kept)
    told = f"Figures of one run of each controller: {shown}."
    return tag(
        "section",
        tag("h2", TITLE),
        tag("p", told + (f" Too large for the page: {', '.join(left)}." if left else ""), class_="look"),
        tag("noscript", tag("p", "These figures are drawn by a script within this page; allow it to see them.")),
        tag("div", class_="controls", id="controls"),
        join(_steered(one) for one in FIGURES),
        stages_section(evidence, {row: names.stage(row) for row in range(evidence.site.signals.n_rows)}, names),
        tag("script", Markup(data), type="application/octet-stream", id="data"),
        tag("script", Markup(shipped("explorer.js"))),
        id="explorer",
    )


def _steered(one: Steered) -> Markup:
    controls = tag("div", id=f"{one.name}-controls", class_="controls")
    place = tag("div", id=one.name, class_="wide scroll" if one.name == "choices" else "wide")
    return figure(one.title, one.look, controls, place, note=one.note)
