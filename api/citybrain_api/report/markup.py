"""HTML and SVG as text: everything that is not markup already is escaped."""

from __future__ import annotations

import math
import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
"""For what is not known, and before negative figures."""
VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})


class Markup(str):
    """Text that is markup, and need not be escaped."""

    __slots__ = ()


def tag(_name: str, *children: object, **attributes: object) -> Markup:
    """Build an element: ``class_`` means ``class``, ``text_anchor`` ``text-anchor``; None leaves an attribute out."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_shown(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if _name in VOID:
        return Markup(f"<{_name}{told}>")
    return Markup(f"<{_name}{told}>{join(children)}</{_name}>")


def join(parts: Iterable[object]) -> Markup:
    """One piece of markup from many."""
    return Markup("".join(part if isinstance(part, Markup) else escape(_shown(part), quote=False) for part in parts))


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def html_table(head: Sequence[object], rows: Iterable[Sequence[object]], texts: int = 1) -> Markup:
    """Table whose first ``texts`` columns are text and whose others are figures, in a box that scrolls sideways."""

    def cells(kind: str, row: Sequence[object]) -> Markup:
        return join(tag(kind, cell, class_=None if k < texts else "n") for k, cell in enumerate(row))

    body = join(tag("tr", cells("td", row)) for row in rows)
    return tag("div", tag("table", tag("thead", tag("tr", cells("th", head))), tag("tbody", body)), class_="wide")


def number(value: float, digits: int = 1) -> str:
    """Figure for people; a dash where it is not known."""
    if math.isnan(value):
        return DASH
    text = f"{value:,.{digits}f}".replace(",", "\u202f")
    return text.replace("-", MINUS)


def signed(value: float, digits: int = 1) -> str:
    """Figure with its sign."""
    return ("+" if value > 0 else "") + number(value, digits)


def together(text: str) -> str:
    """Keep every figure of a sentence on one line with its unit."""
    return re.sub(r"(?<=\d) (?=%|(?:s|m|veh|vehicles?)\b)", "\N{NO-BREAK SPACE}", text)


def clock_time(seconds: float) -> str:
    """Time of the scenario's clock as h:mm."""
    minutes = round(seconds / 60.0)
    return f"{minutes // 60}:{minutes % 60:02d}"
