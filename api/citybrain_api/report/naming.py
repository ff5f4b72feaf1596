"""Words for movements and signal groups that somebody understands who does not know the names of roads."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from citybrain.network import Turn
from citybrain.signals import Aspect, GroupKind

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain.network import Network

COMPASS = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
SHORT = ("E", "NE", "N", "NW", "W", "SW", "S", "SE")
TURNS = {Turn.STRAIGHT: "straight on", Turn.LEFT: "left", Turn.RIGHT: "right", Turn.UTURN: "turning around"}


LONGEST = 12
"""Characters of an intersection's name that a reader is shown; joined junctions have names of a hundred."""
HEAD = 4
"""Of these, from the name's begin; the others are its end, which more often tells one from another."""


class Names:
    """Words for one street; north is up in its network."""

    def __init__(self, site: Site) -> None:
        self._site = site
        network = site.network
        self._words: dict[tuple[str, str], str] = {}
        self._short = _short_names(network.intersection_id)
        self._turns: dict[tuple[int, str], set[str]] = {}
        for m in np.flatnonzero(network.move_intersection >= 0).tolist():
            origin = network.edge_id[network.lane_edge[network.move_from[m]]]
            target = network.edge_id[network.lane_edge[network.move_to[m]]]
            came = _comes_from(network, int(network.move_from[m]))
            turn = TURNS[Turn(int(network.move_turn[m]))]
            self._words.setdefault((origin, target), f"from the {COMPASS[came]}, {turn}")
            self._turns.setdefault((int(network.move_intersection[m]), SHORT[came]), set()).add(turn)

    def intersection(self, name: str) -> str:
        """Shorten the name of an intersection; still one of its own."""
        return self._short.get(name, name)

    def movement(self, from_road: str, to_road: str) -> str:
        """Find words for a movement between two roads, such as `from the west, left`."""
        return self._words.get((from_road, to_road), f"{from_road} to {to_road}")

    def group(self, group: int) -> str:
        """Find short words for a signal group, such as `W straight on, right`; a letter alone means all its turns."""
        if self._site.signals.group_kind[group] == GroupKind.PEDESTRIAN:
            return "on foot"
        return self._sides([group]) or "nobody"

    def stage(self, row: int) -> str:
        """Find words for what a stage shows green to vehicles; a letter alone means all turns from that side."""
        signals = self._site.signals
        i = int(np.searchsorted(signals.row_ptr, row, "right")) - 1
        green = np.flatnonzero(signals.aspects(row) >= Aspect.PERMISSIVE) + int(signals.group_ptr[i])
        return self._sides(green.tolist()) or "on foot only"

    def _sides(self, groups: list[int]) -> str:
        """Sides from which the groups let vehicles go, and where to unless everywhere."""
        signals, network = self._site.signals, self._site.network
        sides: dict[str, list[str]] = {}
        i = int(np.searchsorted(signals.group_ptr, groups[0], "right")) - 1 if groups else -1
        for g in groups:
            for m in signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]].tolist():
                turns = sides.setdefault(SHORT[_comes_from(network, int(network.move_from[m]))], [])
                turn = TURNS[Turn(int(network.move_turn[m]))]
                if turn not in turns:
                    turns.append(turn)
        every = {side for side, turns in sides.items() if set(turns) == self._turns.get((i, side))}
        return "; ".join(side if side in every else f"{side} {', '.join(turns)}" for side, turns in sides.items())


def _short_names(names: tuple[str, ...]) -> dict[str, str]:
    short: dict[str, str] = {}
    for k, name in enumerate(names):
        found = name if len(name) <= LONGEST else f"{name[:HEAD]}\N{HORIZONTAL ELLIPSIS}{name[HEAD + 1 - LONGEST :]}"
        short[name] = f"{found} ({k + 1})" if found in short.values() else found
    return short


def approach_words(network: Network, road: int) -> str:
    """Say where traffic on the last metres of a road comes from."""
    lane = int(np.flatnonzero(network.lane_edge == road)[0])
    return f"from the {COMPASS[_comes_from(network, lane)]}"


def _comes_from(network: Network, lane: int) -> int:
    """Position in the compass of where traffic comes from at the lane's end; east where nothing is known."""
    shape = network.lane_shape[network.lane_shape_ptr[lane] : network.lane_shape_ptr[lane + 1]]
    if len(shape) < 2:
        return 0
    back = shape[-2] - shape[-1]
    return round(math.atan2(back[1], back[0]) / (math.pi / 4.0)) % 8
