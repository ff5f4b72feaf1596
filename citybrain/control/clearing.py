"""Greens that wait until the intersection is clear.

A vehicle that gave way to the last moment, or stood behind one that did, may still be in the intersection when the
crossing street's green is due. If it begins all the same, both may end up in each other's way with no lamp ahead of
them. A camera that hangs where the lights do sees who stands there, and the guard extends the red for as long as it
may. Whoever has no room ahead is not waited for: red would not help him out, and cost all others their time. Neither is
anybody at intersections that are close to another one: while one waits, the other fills the short road between them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from citybrain.control.stages import group_stops
from citybrain.links import find_links

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.control.interface import Controller, Site
    from citybrain.decisions import LampState, Wish
    from citybrain.state import TrafficState


LEAST_ROOM = 1.0
"""Vehicles that every lane beyond a stop line must be able to take in for those inside to get out by themselves."""
CLOSE = 60.0
"""Intersections with no more road than this between them are close [m]."""


class Clearing:
    """Says with another controller's wishes whose vehicles stand in the intersections; a ``Controller``.

    Parameters
    ----------
    site : the street.
    deciding : controller that decides all else.
    """

    def __init__(self, site: Site, deciding: Controller) -> None:
        self._deciding = deciding
        self._group, self._stop = group_stops(site)
        self._n_groups = site.signals.n_groups
        stop = site.network.lane_approach[site.network.move_from]
        self._stop_of_move, self._beyond = stop[stop >= 0], site.network.move_to[stop >= 0]
        self._close = _close_lanes(site)

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Wish what the deciding controller wishes, after those who stand inside."""
        wish = self._deciding.decide(state, lamps)
        if not len(state.inside):
            return wish
        clears = state.inside > 0.0
        clears[self._close] = False
        clears[self._stop_of_move[state.room[self._beyond] < LEAST_ROOM]] = False
        occupied = np.zeros(self._n_groups, dtype=np.bool_)
        occupied[self._group[clears[self._stop]]] = True
        return replace(wish, occupied=occupied)


def _close_lanes(site: Site) -> NDArray[np.bool_]:
    """Stop-line lanes [A] of intersections that a short road links with another one."""
    links = find_links(site.network)
    short = links.length <= CLOSE
    close = np.zeros(site.network.n_intersections, dtype=np.bool_)
    close[links.origin[short]] = close[links.target[short]] = True
    return np.repeat(close, np.diff(site.network.approach_ptr))
