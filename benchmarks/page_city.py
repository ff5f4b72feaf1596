"""A city made by rule, for seeing how the page copes with many links: a record that nobody has run."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from citybrain.randomness import generator
from citybrain_api.service.page_frames import Frame, Picture

SPACING = 2000
"""Between two intersections [dm]."""
SETBACK = 120
"""From the middle of an intersection to its stop lines [dm]."""
ASIDE = (20, 52)
"""Lanes lie so far to the right of the middle of their road [dm]."""
SWING = 60
"""Roads are bent by so much [dm]."""
STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Ways out of an intersection: north, east, south, west."""
CYCLE = 60
TICKS = 120
CHANGING = 0.2
"""Share of the lanes whose queue changes in a tick."""


class GridCity:
    """A square grid with two lanes per link; implements :class:`citybrain_api.look.Record`.

    Parameters
    ----------
    side : intersections along an edge; there are 4 x side x (side - 1) links.
    """

    def __init__(self, side: int) -> None:
        self._side = side
        places = list(product(range(side), range(side)))
        self._places = places
        number = {place: i for i, place in enumerate(places)}
        self._roads = [
            (i, number[x + dx, y + dy], way)
            for i, (x, y) in enumerate(places)
            for way, (dx, dy) in enumerate(STEPS)
            if (x + dx, y + dy) in number
        ]
        self._pictures = self._make_pictures()

    @property
    def links(self) -> int:
        """Number of links."""
        return len(self._roads)

    @property
    def intersections(self) -> tuple[str, ...]:
        """Ids of the intersections."""
        return tuple(f"{x}/{y}" for x, y in self._places)

    def street(self) -> dict[str, Any]:
        """Tell all of the street that does not change."""
        roads = self._roads
        into: list[list[int]] = [[] for _ in self._places]
        out: list[list[int]] = [[] for _ in self._places]
        for road, (origin, target, _) in enumerate(roads):
            out[origin].append(road)
            into[target].append(road)
        moves = [
            (2 * a, 2 * b, (roads[b][2] - roads[a][2]) % 4, 2 * roads[a][1] + roads[a][2] % 2)
            for i in range(len(self._places))
            for a, b in product(into[i], out[i])
            if (roads[b][2] - roads[a][2]) % 4 != 2
        ]
        n, length = len(roads), SPACING - 2 * SETBACK
        return {
            "lanes": {
                "id": [f"{road}_{lane}" for road in range(n) for lane in range(2)],
                "road": np.repeat(np.arange(n), 2).tolist(),
                "length": [length] * (2 * n),
                "speed": [139] * (2 * n),
                "points": [3] * (2 * n),
                "shape": [value for road in range(n) for aside in ASIDE for value in self._shape(road, aside)],
            },
            "roads": [str(road) for road in range(n)],
            "intersections": {
                "id": list(self.intersections),
                "place": [[x * SPACING, y * SPACING] for x, y in self._places],
                "lanes": [[2 * road + lane for road in into[i] for lane in range(2)] for i in range(len(into))],
            },
            "movements": {
                "from": [move[0] for move in moves],
                "to": [move[1] for move in moves],
                "turn": [(0, 2, 3, 1)[move[2]] for move in moves],
                "group": [move[3] for move in moves],
            },
            "groups": {
                "intersection": np.repeat(np.arange(len(self._places)), 2).tolist(),
                "kind": [0] * (2 * len(self._places)),
            },
            "stages": [["Gr", "rG"]] * len(self._places),
            "links": {
                "origin": [road[0] for road in roads],
                "target": [road[1] for road in roads],
                "roads": [[road] for road in range(n)],
                "length": [length] * n,
                "seconds": [length / 139] * n,
            },
        }

    def about(self) -> dict[str, Any]:
        """Tell when the record begins and ends."""
        past: dict[str, Any] = {"samples": [], "minutes": []}
        return {
            "scenario": f"{self.links} links",
            "controller": "none",
            "times": [0, 10 * (TICKS - 1), 10],
            "past": past,
        }

    def frames(self, first: int, count: int) -> list[str]:
        """Give some ticks as frames."""
        found, before = [], None
        for picture in self._pictures[first : first + count]:
            found.append(Frame(picture.time, picture, before).change)
            before = picture
        return found

    def intersection(self, i: int, time: int) -> dict[str, Any]:  # noqa: ARG002 - nothing is believed of anything here
        """Tell of an intersection: nothing."""
        return {"lanes": [], "plan": None, "wish": None, "bent": []}

    def _shape(self, road: int, aside: int) -> list[int]:
        """Three points of a lane: the first in full, the others as differences."""
        origin, _, way = self._roads[road]
        (x, y), (dx, dy) = self._places[origin], STEPS[way]
        half = SPACING // 2 - SETBACK
        begin = [x * SPACING + dx * SETBACK + dy * aside, y * SPACING + dy * SETBACK - dx * aside]
        bend = SWING if (x + y) % 2 else -SWING
        return [*begin, dx * half + dy * bend, dy * half - dx * bend, dx * half - dy * bend, dy * half + dx * bend]

    def _make_pictures(self) -> list[Picture]:
        rng = generator(1, "page city")
        lanes, n = 2 * len(self._roads), len(self._places)
        queue = rng.integers(0, 30, lanes)
        offset = rng.integers(0, CYCLE, n)
        found: list[Picture] = []
        for tick in range(TICKS):
            queue = np.clip(queue + rng.integers(-4, 5, lanes) * (rng.random(lanes) < CHANGING), 0, 63)
            north = (tick + offset) % CYCLE < CYCLE // 2
            index = np.clip(queue[::2] + queue[1::2], 1, 63) if tick % 30 == 0 else found[-1].places["x"]
            places = {
                "q": queue.astype(np.uint8),
                "v": np.clip(queue * 2, 0, 63).astype(np.uint8),
                "c": np.full(lanes, 55, np.uint8),
                "g": np.where(np.stack([north, ~north], axis=1), 3, 0).astype(np.uint8).ravel(),
                "m": np.ones(n, np.uint8),
                "x": index.astype(np.uint8),
            }
            rest = {"vehicles": float(queue.sum()), "queue": float(queue.sum()), "confidence": None, "alive": None}
            found.append(
                Picture(10 * tick, places, {**rest, "plans": None, "minute": None, "overrides": [], "ready": []})
            )
        return found
