"""How figures are written in Markdown tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain_sim.bench.cells import Cell
    from citybrain_sim.comparison import SummaryRow

UNKNOWN = "-"


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lay out a Markdown table, the first ``left`` columns left, the others right."""
    rule = "|".join(["", *([" --- "] * left), *([" ---: "] * (len(head) - left)), ""])
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def number(value: float, digits: int = 1, *, signed: bool = False) -> str:
    """Write a number, a dash where it is not known."""
    return UNKNOWN if math.isnan(value) else f"{value:{'+' if signed else ''}.{digits}f}"


def delay(row: SummaryRow, *, bold: bool = False) -> str:
    """Write a median delay with its interval and how many runs were gridlocked."""
    text = f"**{row.delay_s:.1f}**" if bold else f"{row.delay_s:.1f}"
    if not math.isnan(row.delay_low_s):
        text += f" [{row.delay_low_s:.1f}, {row.delay_high_s:.1f}]"
    return text + gridlocked(row)


def gridlocked(row: SummaryRow) -> str:
    """Write how many runs were gridlocked; nothing where none was."""
    return f" x {row.gridlocked}" if row.gridlocked else ""


def crossed(cells: Sequence[Cell]) -> tuple[list[str], list[str], dict[tuple[str, str], Cell]]:
    """Labels, scenarios, and cells by both, in order of appearance."""
    by_both = {(cell.label, cell.row.scenario): cell for cell in cells}
    labels, scenarios = (list(dict.fromkeys(keys)) for keys in zip(*by_both, strict=True))
    return labels, scenarios, by_both
