"""Published figures beside ours, with their source and in what the runs differed."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citybrain_sim.bench.cells import describe
from citybrain_sim.bench.layout import delay, markdown
from citybrain_sim.runs import ORACLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain_sim.bench.cells import Cell

FILE = Path(__file__).with_name("published.toml")
BEST = "planner"
"""Controller of ours that stands beside the best of theirs."""


def published(cells: Sequence[Cell]) -> str:
    """Put ours and published figures side by side; nothing where none may be compared under this protocol."""
    sources = tomllib.loads(FILE.read_text(encoding="utf-8")).values()
    return "\n\n".join(text for source in sources if (text := _table(cells, source)))


def _table(cells: Sequence[Cell], source: dict[str, Any]) -> str:
    ours = [cell for cell in cells if cell.row.protocol == source["protocol"]]
    known = [cell for cell in ours if _theirs(cell, source) is not None]
    if not known:
        return ""
    body = []
    for cell in sorted(known, key=lambda cell: list(source["maps"]).index(cell.row.scenario)):
        what, mean, median = _theirs(cell, source) or ("", 0.0, None)
        body.append(
            [
                cell.row.scenario,
                cell.label,
                cell.row.sensors,
                delay(cell.row),
                what,
                f"{mean:.1f}" if median is None else f"{mean:.1f} ({median:.1f})",
                f"{cell.row.delay_s / (mean if median is None else median):.2f}",
            ]
        )
    legend = (
        f"Beside {source['title']}: median control delay [s/veh] with its 95 % interval; `x n`: n gridlocked runs; "
        f"protocol `{source['protocol']}`, {describe(known)}. Published: {source['source']}. The ratio is to "
        f"the median where there is one. How their runs differed: {'; '.join(source['differences'])}."
    )
    head = ["map", "ours", "sensors", "delay", "published", "delay", "ratio"]
    return f"{legend}\n\n{markdown(head, body, left=3)}"


def _theirs(cell: Cell, source: dict[str, Any]) -> tuple[str, float, float | None] | None:
    """Find what stands beside a cell: whose it is, mean, and median if they tell it; None where nothing does."""
    figures, controller = source["maps"].get(cell.row.scenario, {}), cell.row.controller
    if controller == BEST and "best" in figures:
        return "best of all", figures["best"], None
    if controller == ORACLE or controller not in figures:
        return None
    return controller, figures[controller], figures.get(f"{controller}-median")
