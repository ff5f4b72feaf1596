"""The planner where the street is seen, the own program by the clock where it is not.

A search that believes in an empty road never serves it. Where nothing is known of an approach, the engineer's program
is the better guess of who waits there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citybrain.control.fixed import Timetable
from citybrain.control.stages import stage_tables
from citybrain.decisions import Wish

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.control.interface import Controller, Site
    from citybrain.decisions import LampState
    from citybrain.state import TrafficState

FLOOR = 0.1001
"""A lane with no more confidence than this is unseen: no sensor of it is believed, or none has spoken for minutes."""


class Cautious:
    """Hands intersections with an unseen approach from a controller to their own program; a ``Controller``.

    An approach is unseen when none of its stop-line lanes is seen. The program's stages are wished by the clock, so
    that its offsets to neighbours hold.

    Parameters
    ----------
    site : the street.
    seeing : controller of the intersections that are seen. It is asked every tick for all, so that it goes on learning.
    """

    def __init__(self, site: Site, seeing: Controller) -> None:
        self._seeing = seeing
        tables = stage_tables(site)
        origin = tables.sequence_origin.astype(np.int64)
        self._timetable = Timetable(tables.sequence_ptr, tables.sequence_row, tables.sequence_length, origin)
        network = site.network
        self._lane = network.approach_lane
        owner = np.repeat(np.arange(network.n_intersections), np.diff(network.approach_ptr))
        road = network.lane_edge[self._lane]
        approaches, self._approach = np.unique(np.column_stack((owner, road)), axis=0, return_inverse=True)
        self._intersection = approaches[:, 0]
        self._n = network.n_intersections

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Wish what the seeing controller wishes, and the program's stages where it cannot see."""
        wish = self._seeing.decide(state, lamps)
        unseen = self._unseen(state)
        if not unseen.any():
            return wish
        program = self._timetable.wish(state.time)
        here = unseen[:, None]
        return Wish(
            state.time,
            np.where(here, program.plan_row, wish.plan_row),
            np.where(here, program.plan_start, wish.plan_start),
            np.where(unseen, program.cost, wish.cost),
        )

    def _unseen(self, state: TrafficState) -> NDArray[np.bool_]:
        """Intersections [I] with an approach of which nothing is known."""
        seen = np.zeros(len(self._intersection), dtype=np.bool_)
        seen[self._approach[state.confidence[self._lane] > FLOOR]] = True
        unseen = np.zeros(self._n, dtype=np.bool_)
        unseen[self._intersection[~seen]] = True
        return unseen
