"""Results, scenarios and the doctor's findings as tables that an engineer reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

if TYPE_CHECKING:
    from citybrain_api.doctor import Check
    from citybrain_sim.comparison import SummaryRow
    from citybrain_sim.scenarios import Listing

PIPED_WIDTH = 160
UNKNOWN = "-"
LEFT = ("controller", "sensors")
ORACLE = "oracle"
NOTES = {
    ORACLE: "yardstick (perfect sight), not a result",
    "sumo-actuated": "SUMO's own logic and detectors, without our engine",
    "sumo-delay-based": "SUMO's own logic and detectors, without our engine",
}


def console() -> Console:
    """Return the console for results: stdout; wide where a program or a file reads it."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def results(summary: Iterable[SummaryRow], seeds: int, instances: int, width: int = PIPED_WIDTH) -> list[Table]:
    """Make one table per scenario; rows of a table share protocol, timing profile and demand.

    Columns that say more than the comparison itself are left out where ``width`` does not hold them.
    """

    def street(row: SummaryRow) -> tuple[str, str, str, float]:
        return row.scenario, row.protocol, row.profile, row.demand

    tables = []
    for _, rows in groupby(summary, key=street):
        group = list(rows)
        wide = _scenario(group, seeds, instances, brief=False)
        needed = Measurement.get(Console(width=PIPED_WIDTH), Console(width=PIPED_WIDTH).options, wide).maximum
        tables.append(wide if needed <= width else _scenario(group, seeds, instances, brief=True))
    return tables


def _scenario(rows: Sequence[SummaryRow], seeds: int, instances: int, *, brief: bool) -> Table:
    first = rows[0]
    columns = _columns(rows, brief=brief)
    table = Table(
        title=f"{escape(first.scenario)}: {_what(first, seeds, instances)}",
        caption=_caption(rows, brief=brief),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for head, _ in columns:
        table.add_column(head, justify="left" if head in LEFT else "right", no_wrap=True)
    best = min((row.delay_s for row in rows if row.controller not in NOTES), default=math.nan)
    for row in rows:
        style = "bold" if row.delay_s == best and len(rows) > 1 else None
        table.add_row(*(cell(row) for _, cell in columns), style=style)
    return table


def _columns(rows: Sequence[SummaryRow], *, brief: bool) -> list[tuple[str, Callable[[SummaryRow], str]]]:
    """Heads and cells; a column that has nothing to tell is left out."""
    columns: list[tuple[str, Callable[[SummaryRow], str]]] = [
        ("controller", lambda row: f"{row.controller} (yardstick)" if row.controller == ORACLE else row.controller)
    ]
    if len({row.sensors for row in rows}) > 1:
        columns.append(("sensors", lambda row: row.sensors))
    columns.append(("delay\n\\[s]", lambda row: number(row.delay_s, 1)))
    if any(row.paired_on for row in rows):
        columns.append(("against fixed\n\\[s]", _difference))
        columns.append(("\n\\[%]", lambda row: number(100 * row.relative_difference, 0, signed=True)))
    columns.append(("grid-\nlocked", lambda row: f"{row.gridlocked} of {row.n}"))
    if not brief:
        columns.append(("travel\ntime \\[s]", lambda row: number(row.travel_time_s, 1)))
        columns.append(("stops", lambda row: number(row.stops, 2)))
        columns.append(("arrived", lambda row: number(row.arrived, 0)))
    columns.append(("not in-\nserted", lambda row: number(row.not_inserted, 0)))
    columns.append(("engine\n\\[s]", lambda row: number(row.engine_time_s, 1)))
    columns.append(("SUMO\n\\[s]", lambda row: number(row.sumo_time_s, 1)))
    return columns


def _what(row: SummaryRow, seeds: int, instances: int) -> str:
    demand = f", demand x {row.demand:g}" if row.demand != 1 else ""
    many = f"{seeds} seed{'s' * (seeds != 1)}" + (f" on {instances} demand instances" if instances > 1 else "")
    return f"protocol {row.protocol}, timings {row.profile}{demand}, {many}"


def _caption(rows: Sequence[SummaryRow], *, brief: bool) -> str:
    lines = ["Medians over runs. Delay counts every vehicle that was due. Engine, SUMO: computing time."]
    lines += [f"Against fixed: paired on {unit}, 95 % interval." for unit in sorted({r.paired_on for r in rows} - {""})]
    lines += [f"{row.controller}: {NOTES[row.controller]}." for row in rows if row.controller in NOTES]
    sensors = {row.sensors for row in rows}
    if len(sensors) == 1:
        lines.append(f"Sensors: {sensors.pop()}.")
    lines += [f"Faults of sensors: {faults}." for faults in sorted({row.faults for row in rows} - {""})]
    lines += [f"Incident: {incident}." for incident in sorted({row.incident for row in rows} - {""})]
    if brief:
        lines.append("Travel time, stops and arrivals: in a wider window, or with --json.")
    return "\n".join(lines)


def _difference(row: SummaryRow) -> str:
    if math.isnan(row.difference_s):
        return UNKNOWN
    text = number(row.difference_s, 1, signed=True)
    if math.isnan(row.difference_low_s):
        return text
    low, high = (number(bound, 1, signed=True) for bound in (row.difference_low_s, row.difference_high_s))
    return f"{text} ({low} to {high})"


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """Write a number, a dash where it is not known."""
    if math.isnan(value):
        return UNKNOWN
    return f"{value:{'+' if signed else ''}.{digits}f}"


def scenarios(listings: Iterable[Listing]) -> Table:
    """Make the table of what can be run, and of what cannot with the reason."""
    table = Table(box=None, pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    table.add_column("signals", justify="right")
    table.add_column("vehicles", justify="right")
    table.add_column("window \\[s]", no_wrap=True)
    table.add_column("licence")
    table.add_column("origin, notes")
    for listing in listings:
        end = "" if listing.end_s is None else f"{listing.end_s:g}"
        cells = [
            listing.name,
            UNKNOWN if listing.signals is None else str(listing.signals),
            UNKNOWN if listing.vehicles is None else str(listing.vehicles),
            UNKNOWN if listing.begin_s is None else f"{listing.begin_s:g} to {end}",
            listing.licence,
            f"cannot be run here: {listing.reason}" if listing.reason else f"{listing.origin}. {listing.note}",
        ]
        table.add_row(*map(escape, cells), style="dim" if listing.reason else None)
    return table


def doctor(checks: Iterable[Check]) -> Table:
    """Make the doctor's table."""
    style = {"ok": "green", "missing": "red", "optional": "yellow"}
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        text = f"{check.found}\n-> {check.remedy}" if check.remedy else check.found
        table.add_row(check.name, f"[{style[check.status]}]{check.status}[/]", escape(text))
    return table


def sensors(found: Sequence[dict[str, Any]]) -> Table:
    """Make the table of sensors; the sick first, then the suspect."""
    style = {"sick": "red", "suspect": "yellow", "well": "dim"}
    table = Table(box=None, pad_edge=False)
    for name in ("sensor", "kind", "place", "status", "fault"):
        table.add_column(name, overflow="fold")
    table.add_column("since \\[s]", justify="right", no_wrap=True)
    table.add_column("why, and what stands in", overflow="fold")
    for row in sorted(found, key=lambda row: list(style).index(row["status"])):
        place = f"{', '.join(row['lanes'])}, {row['distance_m']:g} m"
        substitute = f" In its place: {row['substitute']}." if row["substitute"] else ""
        since = "" if row["status"] == "well" else f"{row['since_s']:.0f}"
        cells = [
            row["sensor"],
            row["kind"],
            place,
            row["status"],
            row["fault"] or "",
            since,
            row["reason"] + substitute,
        ]
        table.add_row(*map(escape, cells), style=style[row["status"]])
    return table
