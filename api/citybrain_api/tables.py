"""Results, scenarios and the doctor's findings as tables that an engineer reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from citybrain_api.doctor import Check
    from citybrain_sim.comparison import SummaryRow
    from citybrain_sim.scenarios import Listing

PIPED_WIDTH = 160
UNKNOWN = "-"
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


def results(summary: Iterable[SummaryRow], seeds: int, instances: int) -> list[Table]:
    """Make one table per scenario; rows of a table share protocol, timing profile and demand."""

    def street(row: SummaryRow) -> tuple[str, str, str, float]:
        return row.scenario, row.protocol, row.profile, row.demand

    return [_scenario(list(rows), seeds, instances) for _, rows in groupby(summary, key=street)]


def _scenario(rows: Sequence[SummaryRow], seeds: int, instances: int) -> Table:
    first = rows[0]
    compared = any(row.paired_on for row in rows)
    table = Table(
        title=f"{escape(first.scenario)}: {_what(first, seeds, instances)}",
        caption=_caption(rows),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("controller", no_wrap=True)
    table.add_column("sensors")
    table.add_column("delay\n\\[s]", justify="right", no_wrap=True)
    if compared:
        table.add_column("against fixed\n\\[s]", justify="right", no_wrap=True)
        table.add_column("\n\\[%]", justify="right", no_wrap=True)
    for head in (
        "grid-\nlocked",
        "travel\ntime \\[s]",
        "stops",
        "arrived",
        "not\ninserted",
        "engine\n\\[s]",
        "SUMO\n\\[s]",
    ):
        table.add_column(head, justify="right", no_wrap=True)
    best = min((row.delay_s for row in rows if row.controller not in NOTES), default=math.nan)
    for row in rows:
        style = "bold" if row.delay_s == best and len(rows) > 1 else None
        table.add_row(*_cells(row, compared=compared), style=style)
    return table


def _what(row: SummaryRow, seeds: int, instances: int) -> str:
    demand = f", demand x {row.demand:g}" if row.demand != 1 else ""
    many = f"{seeds} seed{'s' * (seeds != 1)}" + (f" on {instances} demand instances" if instances > 1 else "")
    return f"protocol {row.protocol}, timings {row.profile}{demand}, {many}"


def _caption(rows: Sequence[SummaryRow]) -> str:
    lines = ["Delay counts every vehicle that was due. Medians over runs; engine and SUMO: computing time of a run."]
    lines += [
        f"Against fixed: paired on {unit}, 95 % interval in brackets." for unit in {r.paired_on for r in rows} - {""}
    ]
    lines += [f"{row.controller}: {NOTES[row.controller]}." for row in rows if row.controller in NOTES]
    return "\n".join(lines)


def _cells(row: SummaryRow, *, compared: bool) -> list[str]:
    against = [_difference(row), number(100 * row.relative_difference, 0, signed=True)] if compared else []
    return [
        f"{row.controller} (yardstick)" if row.controller == ORACLE else row.controller,
        row.sensors,
        number(row.delay_s, 1),
        *against,
        f"{row.gridlocked} of {row.n}",
        number(row.travel_time_s, 1),
        number(row.stops, 2),
        number(row.arrived, 0),
        number(row.not_inserted, 0),
        number(row.engine_time_s, 1),
        number(row.sumo_time_s, 1),
    ]


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
