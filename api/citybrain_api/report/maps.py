"""Maps of the street, from its own geometry: roads coloured by what was lost on them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from citybrain.network import Turn
from citybrain_api.report.charts import svg
from citybrain_api.report.markup import Markup, join, tag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citybrain.network import FloatArray, Network
    from citybrain_api.report.naming import Names

WIDTH = 1000.0
MARGIN = 24.0
TALLEST = 800.0
SIDE = 1.6
"""Roads are drawn so far to the right of where they lie, in pixels: both directions of a street stay apart."""
LABELLED = 30
"""Up to so many intersections have their names on the map."""
LETTER = 8.0
"""Width of a letter of a name [px], roughly."""
CORNERS = ((9.0, -8.0, "start"), (-9.0, -8.0, "end"), (9.0, 18.0, "start"), (-9.0, 18.0, "end"))
"""Where a name may stand beside its intersection: right and left of it, above first [px]; and its anchor."""
ROOM = 16.0
"""A mark of this size [px] beside a name does not touch it."""


@dataclass(frozen=True)
class Drawing:
    """Where everything is on a map: path of every road in SVG's words, its middle, and more."""

    height: float
    paths: tuple[str, ...]
    middles: FloatArray
    junctions: str
    intersections: tuple[tuple[str, float, float], ...]


def draw(network: Network, names: Names) -> Drawing:
    """Fit the network into the map."""
    points = network.lane_shape
    if not len(points):
        return Drawing(MARGIN, ("",) * len(network.edge_id), np.zeros((len(network.edge_id), 2)), "", ())
    low, high = points.min(axis=0), points.max(axis=0)
    size = np.maximum(high - low, 1.0)
    scale = min((WIDTH - 2 * MARGIN) / size[0], TALLEST / size[1])
    height = float(size[1] * scale + 2 * MARGIN)
    left = (WIDTH - size[0] * scale) / 2.0

    def placed(where: FloatArray) -> FloatArray:
        return np.column_stack([left + (where[:, 0] - low[0]) * scale, MARGIN + (high[1] - where[:, 1]) * scale])

    shapes = [placed(_shape(network, e)) for e in range(len(network.edge_id))]
    middles = np.array([_middle(shape) for shape in shapes])
    intersections = []
    for i, name in enumerate(network.intersection_id):
        lanes = network.approach_lane[network.approach_ptr[i] : network.approach_ptr[i + 1]]
        ends = placed(points[network.lane_shape_ptr[lanes + 1] - 1])
        intersections.append((names.intersection(name), float(ends[:, 0].mean()), float(ends[:, 1].mean())))
    roads = [_aside(shape) for shape in shapes]
    return Drawing(height, tuple(map(_path, roads)), middles, _junctions(network, roads), tuple(intersections))


def _junctions(network: Network, roads: Sequence[FloatArray]) -> str:
    """Straight lines from road to road, so that the map has no holes where roads meet."""
    going = network.move_turn != Turn.UTURN
    pairs = zip(network.lane_edge[network.move_from[going]], network.lane_edge[network.move_to[going]], strict=True)
    return "".join(
        _path(np.array([roads[a][-1], roads[b][0]])) for a, b in dict.fromkeys(pairs) if len(roads[a]) and len(roads[b])
    )


def _shape(network: Network, road: int) -> FloatArray:
    lanes = np.flatnonzero(network.lane_edge == road)
    lane = int(lanes[len(lanes) // 2])
    return network.lane_shape[network.lane_shape_ptr[lane] : network.lane_shape_ptr[lane + 1]]


def _middle(shape: FloatArray) -> tuple[float, float]:
    """Half way between the two points, or at the one, in the middle of a polyline."""
    if not len(shape):
        return 0.0, 0.0
    x, y = ((shape[(len(shape) - 1) // 2] + shape[len(shape) // 2]) / 2.0).tolist()
    return x, y


def _aside(shape: FloatArray) -> FloatArray:
    """Move the polyline a little to the right, as seen in driving direction (the map's y points down)."""
    if len(shape) < 2:
        return shape
    along = np.gradient(shape, axis=0)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    return shape + SIDE * np.column_stack([-along[:, 1], along[:, 0]]) / length


def _path(shape: FloatArray) -> str:
    """Move and relative lines, tenths of a pixel; points that fall together are left out."""
    places = np.round(shape, 1)
    if len(places) < 2:
        return ""
    parts = [f"M{places[0][0]:g} {places[0][1]:g}l"]
    last = places[0]
    for place in places[1:]:
        step = place - last
        if np.abs(step).max() >= 0.1 or place is places[-1]:
            parts.append(f"{step[0]:.1f} {step[1]:.1f} ")
            last = place
    return "".join(parts).strip()


def coloured(drawing: Drawing, classes: Mapping[int, str], marks: Sequence[tuple[int, str]], label: str) -> Markup:
    """Map with roads in classes of the page's style, the others as a grey ground, and numbers beside marked roads."""
    ground = "".join(path for e, path in enumerate(drawing.paths) if e not in classes)
    parts = [tag("path", d=f"M0 0{drawing.junctions}{ground}", class_="road")]
    parts += [
        tag("path", d="".join(drawing.paths[e] for e, of in classes.items() if of == name), class_=name)
        for name in sorted(set(classes.values()))
    ]
    parts += [tag("circle", tag("title", name), cx=x, cy=y, r=4.0, class_="node") for name, x, y in
              drawing.intersections]  # fmt: skip
    if marks and len(drawing.intersections) <= LABELLED:
        marked = [tuple(drawing.middles[road].tolist()) for road, _ in marks]
        for name, x, y in drawing.intersections:
            right, down, anchor = _corner(name, (x, y), marked)
            parts.append(tag("text", name, x=x + right, y=y + down, text_anchor=anchor, class_="name"))
    for road, text in marks:
        x, y = drawing.middles[road].tolist()
        parts.append(tag("circle", cx=x, cy=y, r=12.0, class_="mark"))
        parts.append(tag("text", text, x=x, y=y + 5.0, text_anchor="middle", class_="marked"))
    return svg(WIDTH, drawing.height, label, join(parts), kind="chart map")


def _corner(name: str, place: tuple[float, float], marked: Sequence[tuple[float, float]]) -> tuple[float, float, str]:
    """Choose where a name stands: the first corner that no mark covers, else the one that is least covered."""

    def room(corner: tuple[float, float, str]) -> float:
        right, down, anchor = corner
        begin = place[0] + right - (LETTER * len(name) if anchor == "end" else 0.0)
        gaps = (
            math.hypot(max(begin - x, 0.0, x - begin - LETTER * len(name)), place[1] + down - 5.0 - y)
            for x, y in marked
        )
        return min(gaps, default=math.inf)

    return next((corner for corner in CORNERS if room(corner) > ROOM), max(CORNERS, key=room))


def steps_around(values: Sequence[float]) -> float:
    """Round step of a scale for changes: most roads lie below it, the greatest above."""
    known = sorted(abs(v) for v in values if math.isfinite(v))
    return known[int(0.8 * (len(known) - 1))] if known else 1.0
