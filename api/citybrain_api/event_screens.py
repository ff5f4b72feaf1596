"""What events say of the signals, as tables that an engineer reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.markup import escape
from rich.table import Table

from citybrain_api.tables import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Rows = Sequence[dict[str, Any]]

PHASES = {
    "device": "controller",
    "phase": "phase",
    "cycles": "cycles",
    "green_ratio": "green",
    "arrivals": "arrivals",
    "arrivals_on_green": "on green",
    "platoon_ratio": "platoon ratio",
    "approach_delay": "wait [s]",
    "control_delay": "delay [s]",
    "level": "level",
    "split_failures": "split failures",
    "judged": "of",
    "ends": "gap/max/force",
    "unused_ends": "unused",
    "longest_red": "longest red [s]",
    "queue_at_green": "queue at green",
    "longest_queue": "longest",
    "queue_left": "left",
}
CROSSINGS = {
    "device": "controller",
    "phase": "phase",
    "walks": "walks",
    "calls": "calls",
    "mean_wait": "wait [s]",
    "p95_wait": "95 % [s]",
    "longest_wait": "longest [s]",
    "chance_wait": "by chance [s]",
    "longest_red": "longest red [s]",
}
COORDINATION = {"device": "controller", "state": "state", "seconds": "seconds"}
INTERSECTIONS = {
    "intersection": "intersection",
    "vehicles": "vehicles",
    "mean_delay": "delay [s]",
    "level": "level",
    "p50_delay": "50 % [s]",
    "p85_delay": "85 % [s]",
    "p95_delay": "95 % [s]",
    "longest_delay": "longest [s]",
}
SHARES = ("green_ratio", "arrivals_on_green")
QUEUES = "queues in vehicles: what the estimator believed"


def screens(rows: Mapping[str, Rows]) -> Iterator[Table]:
    """Make the tables of what there is to tell; columns that nobody knows anything for are left out."""
    phases = [{**row, "ends": f"{row['gap_outs']}/{row['max_outs']}/{row['force_offs']}"} for row in rows["phases"]]
    caption = (
        "wait: of all arrivals, from an arrival at red to the next green; delay: in a queue without length; "
        "unused: nobody in the last 3 s of green"
    )
    queues = any(row.get("queue_at_green") is not None for row in phases)
    yield _table("Phases", PHASES, phases, f"{caption}; {QUEUES}" if queues else caption)
    if rows["crossings"]:
        yield _table("Crossings", CROSSINGS, rows["crossings"], "by chance: of somebody who comes at any time")
    if rows["coordination"]:
        yield _table("Coordination", COORDINATION, rows["coordination"], "add, subtract and dwell are transitions")
    if rows.get("intersections"):
        yield _table("Intersections", INTERSECTIONS, rows["intersections"], "control delay of every vehicle, by SUMO")


def _table(title: str, heads: Mapping[str, str], rows: Rows, caption: str) -> Table:
    table = Table(title=title, caption=caption, box=box.SIMPLE_HEAD)
    shown = [name for name in heads if any(row.get(name) is not None for row in rows)]
    for name in shown:
        table.add_column(heads[name], justify="left" if name in ("device", "state", "intersection") else "right")
    for row in rows:
        table.add_row(*(_cell(name, row.get(name)) for name in shown))
    return table


def _cell(name: str, value: Any) -> str:
    if value is None:
        return UNKNOWN
    if name in SHARES:
        return f"{100 * value:.0f} %"
    if name == "platoon_ratio":
        return f"{value:.2f}"
    return f"{value:.1f}" if isinstance(value, float) else escape(str(value))
