"""Greens that wait until the intersection is clear.

A vehicle that gave way to the last moment, or stood behind one that did, may still be in the intersection when the
crossing street's green is due. If it begins all the same, both may end up in each other's way with no lamp ahead of
them. A camera that hangs where the lights do sees who stands there, and the guard extends the red for as long as it
may.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from citybrain.control.stages import group_stops

if TYPE_CHECKING:
    from citybrain.control.interface import Controller, Site
    from citybrain.decisions import LampState, Wish
    from citybrain.state import TrafficState


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

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Wish what the deciding controller wishes, after those who stand inside."""
        wish = self._deciding.decide(state, lamps)
        if not len(state.inside):
            return wish
        occupied = np.zeros(self._n_groups, dtype=np.bool_)
        occupied[self._group[state.inside[self._stop] > 0.0]] = True
        return replace(wish, occupied=occupied)
