"""Charts as SVG: lines with bands, intervals, dots and stacked shares. Colours are classes that the page defines."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citybrain_api.report.markup import MINUS, Markup, clock_time, join, number, tag

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH = 960.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 26.0, 12.0, 46.0
CLOCK_STEPS = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 21600.0)
ROW = 30.0
"""Height of a row of a chart that has rows."""


@dataclass(frozen=True)
class Axis:
    """Values from ``low`` to ``high``, drawn from pixel ``first`` to ``last``."""

    low: float
    high: float
    first: float
    last: float
    clock: bool = False
    """Values are times of day [s]: ticks at round minutes."""

    def at(self, value: float) -> float:
        """Pixel of a value."""
        return self.first + (value - self.low) / ((self.high - self.low) or 1.0) * (self.last - self.first)

    @property
    def ticks(self) -> list[float]:
        """Round values from end to end."""
        about = (self.high - self.low) / 6.0
        step = next((s for s in CLOCK_STEPS if s >= about), 86400.0) if self.clock else nice_step(about)
        first = math.ceil(self.low / step - 1e-9)
        return [k * step for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Series:
    """A line through points, with a band around it where ``low`` and ``high`` are given."""

    name: str
    colour: int
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


def nice_step(about: float) -> float:
    """Round number (1, 2 or 5 times a power of ten) that is not below ``about``."""
    if not about > 0 or not math.isfinite(about):
        return 1.0
    power = 10.0 ** math.floor(math.log10(about))
    return next((k * power for k in (1.0, 2.0, 5.0) if k * power >= about * 0.999), 10.0 * power)


def svg(width: float, height: float, label: str, *parts: object, kind: str = "chart") -> Markup:
    """Picture that fits its column; ``label`` says what it shows to those who do not see it."""
    return tag(
        "svg", tag("title", label), *parts, viewBox=f"0 0 {width:g} {height:g}", role="img", class_=kind,
        xmlns="http://www.w3.org/2000/svg",
    )  # fmt: skip


def lines(series: Sequence[Series], x_label: str, y_label: str, label: str, *, clock: bool = False) -> Markup:
    """Lines over a common axis that begins at 0 upwards; with ``clock``, over the time of day."""
    height = 300.0
    xs = [x for one in series for x in one.x]
    ys = [y for one in series for y in (*one.y, *one.high)]
    step = nice_step(max(ys) / 5.0)
    across = Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT, clock)
    up = Axis(0.0, max(math.ceil(max(ys) / step), 1) * step, height - BOTTOM, TOP)
    return svg(
        WIDTH, height, label, frame(across, up, x_label, y_label),
        join(_band(one, across, up) for one in series), join(_line(one, across, up) for one in series),
    )  # fmt: skip


def frame(across: Axis, up: Axis, x_label: str, y_label: str) -> Markup:
    """Grid, ticks and labels of two axes."""
    bottom, middle = up.first, (up.first + up.last) / 2.0
    parts = []
    for y in up.ticks:
        at = up.at(y)
        parts.append(tag("line", x1=across.first, x2=across.last, y1=at, y2=at, class_="grid"))
        parts.append(tag("text", plain_number(y), x=across.first - 7.0, y=at + 4.0, text_anchor="end"))
    for x in across.ticks:
        at = across.at(x)
        parts.append(tag("line", x1=at, x2=at, y1=bottom, y2=bottom + 4.0, class_="axis"))
        parts.append(
            tag("text", clock_time(x) if across.clock else plain_number(x), x=at, y=bottom + 18.0, text_anchor="middle")
        )
    parts.append(tag("line", x1=across.first, x2=across.last, y1=bottom, y2=bottom, class_="axis"))
    centre = (across.first + across.last) / 2.0
    parts.append(tag("text", x_label, x=centre, y=bottom + 38.0, text_anchor="middle", class_="label"))
    turned = f"rotate(-90 14 {middle:g})"
    parts.append(tag("text", y_label, x=14.0, y=middle, text_anchor="middle", class_="label", transform=turned))
    return join(parts)


def plain_number(value: float) -> str:
    """Figure at an axis, with no more digits than it needs."""
    return number(value, 0) if float(value).is_integer() else f"{value:g}".replace("-", MINUS)


def _line(one: Series, across: Axis, up: Axis) -> Markup:
    points = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in zip(one.x, one.y, strict=True))
    return tag("polyline", tag("title", one.name), points=points, class_=f"line s{one.colour}")


def _band(one: Series, across: Axis, up: Axis) -> Markup:
    if not one.low:
        return Markup("")
    there = [f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in zip(one.x, one.high, strict=True)]
    back = [f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in zip(one.x, one.low, strict=True)]
    return tag("polygon", points=" ".join((*there, *reversed(back))), class_=f"band s{one.colour}")


def legend(names: Sequence[tuple[str, int]]) -> Markup:
    """Names beside their colours."""
    keys = [
        tag("span", tag("svg", tag("path", d="M0 6h34", class_=f"line s{colour}"), viewBox="0 0 34 12",
                        class_="swatch"), name)
        for name, colour in names
    ]  # fmt: skip
    return tag("p", join(keys), class_="legend")


@dataclass(frozen=True)
class Dots:
    """A row of a chart of dots: every run, their median and its interval."""

    name: str
    colour: int
    values: Sequence[float]
    median: float
    low: float
    high: float


def dot_rows(rows: Sequence[Dots], x_label: str, label: str, zero: str = "") -> Markup:
    """Rows of dots with intervals; with ``zero``, a line at 0 of that name, and the axis holds 0."""
    left = 172.0
    height = TOP + (18.0 if zero else 0.0) + ROW * len(rows) + BOTTOM
    known = [v for row in rows for v in (*row.values, row.median, row.low, row.high) if math.isfinite(v)]
    ends = [*known, *([0.0] if zero else [])] or [0.0, 1.0]
    room = (max(ends) - min(ends)) * 0.06 or 1.0
    low = 0.0 if min(ends) >= 0.0 else min(ends) - room
    across = Axis(low, max(ends) + room if max(ends) > 0 else 0.0 + room, left, WIDTH - RIGHT)
    bottom = height - BOTTOM
    parts = []
    for x in across.ticks:
        at = across.at(x)
        parts.append(tag("line", x1=at, x2=at, y1=TOP, y2=bottom, class_="grid"))
        parts.append(tag("text", plain_number(x), x=at, y=bottom + 18.0, text_anchor="middle"))
    parts.append(tag("text", x_label, x=(left + WIDTH) / 2.0, y=bottom + 38.0, text_anchor="middle", class_="label"))
    if zero:
        at = across.at(0.0)
        parts.append(tag("line", x1=at, x2=at, y1=TOP, y2=bottom, class_="axis"))
        parts.append(tag("text", zero, x=at + 5.0 if low == 0.0 else at - 5.0, y=TOP + 10.0,
                         text_anchor="start" if low == 0.0 else "end", class_="label"))  # fmt: skip
    first = bottom - ROW * len(rows)
    parts += [_dots(row, across, first + ROW * (k + 0.5)) for k, row in enumerate(rows)]
    return svg(WIDTH, height, label, join(parts), kind="chart fit")


def _dots(row: Dots, across: Axis, y: float) -> Markup:
    parts = [tag("text", row.name, x=across.first - 10.0, y=y + 4.0, text_anchor="end")]
    parts += [tag("circle", cx=across.at(v), cy=y, r=3.5, class_=f"dot s{row.colour}") for v in row.values]
    if math.isfinite(row.low):
        ends = {"x1": across.at(row.low), "x2": across.at(row.high)}
        parts.append(tag("line", **ends, y1=y, y2=y, class_=f"interval s{row.colour}"))
    if math.isfinite(row.median):
        x = across.at(row.median)
        parts.append(tag("line", x1=x, x2=x, y1=y - 9.0, y2=y + 9.0, class_=f"median s{row.colour}"))
    return join(parts)


def stacked(rows: Sequence[tuple[str, Sequence[float]]], names: Sequence[str], x_label: str, label: str) -> Markup:
    """Rows of shares of a whole, as many parts as names; classes ``l0`` and up."""
    left = 172.0
    height = TOP + ROW * len(rows) + BOTTOM
    across = Axis(0.0, 100.0, left, WIDTH - RIGHT)
    bottom = height - BOTTOM
    parts = []
    for k, (name, values) in enumerate(rows):
        y = TOP + ROW * k
        parts.append(tag("text", name, x=left - 10.0, y=y + ROW / 2.0 + 4.0, text_anchor="end"))
        total, done = sum(values) or 1.0, 0.0
        for part, value in enumerate(values):
            share = 100.0 * value / total
            begin, end = across.at(done), across.at(done + share)
            done += share
            told = f"{name}, {names[part]}: {share:.0f} %"
            box = {"x": begin, "y": y + 4.0, "width": max(end - begin, 0.0), "height": ROW - 8.0}
            parts.append(tag("rect", tag("title", told), **box, class_=f"l{part}"))
            if share >= 6.0:
                at = {"x": (begin + end) / 2.0, "y": y + ROW / 2.0 + 4.0}
                parts.append(tag("text", names[part], **at, text_anchor="middle", class_=f"on l{part}"))
    parts += [tag("text", plain_number(x), x=across.at(x), y=bottom + 18.0, text_anchor="middle")
              for x in across.ticks]  # fmt: skip
    parts.append(tag("text", x_label, x=(left + WIDTH) / 2.0, y=bottom + 38.0, text_anchor="middle", class_="label"))
    return svg(WIDTH, height, label, join(parts), kind="chart fit")
