"""The planner where the street is seen, the own program by the clock where it is not.

A search that believes in an empty road never serves it. Where nothing is known of an approach, the engineer's program
is the better guess of who waits there. Where its loops seem to work and have only been silent for long, a few vehicles
are believed to come all the same: enough to be served now and then, too few to keep others waiting. Where all
approaches are silent, it is more likely that nothing works than that nobody drives, and the program runs, too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from citybrain.control.fixed import Timetable
from citybrain.control.stages import group_stops, stage_tables
from citybrain.decisions import Wish
from citybrain.signals import Aspect
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.control.interface import Controller, Site
    from citybrain.decisions import LampState
    from citybrain.state import TrafficState

FLOOR = 0.1001
"""A lane with no more confidence than this is unseen: no sensor of it is believed, or none has spoken for minutes."""
SILENT = 0.12
"""A lane with no more confidence than this is silent: its sensors should have told of vehicles, and did not."""
UNHEARD = 0.01
"""Vehicles that are believed to come to a silent stop line all the same [veh/s]: one in 100 s of red."""


class Cautious:
    """Hands intersections that are not seen from a controller to their own program; a ``Controller``.

    An intersection is not seen when one of its approaches is unseen, or all are silent. An approach is unseen when none
    of its stop-line lanes is seen, and silent when none is heard. The program's stages are wished by the clock, so that
    its offsets to neighbours hold. At lanes of a silent approach beside others that are heard, vehicles
    are added to the queues, more the longer they are red.

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
        self._group, self._stop = group_stops(site)
        self._green_until = np.full(len(self._lane), -1, dtype=np.int64)

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Wish what the seeing controller wishes, and the program's stages where it cannot see."""
        wish = self._seeing.decide(self._expecting(state, lamps), lamps)
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
            reasons=None if wish.reasons is None else replace(wish.reasons, own_program=unseen),
        )

    def _unseen(self, state: TrafficState) -> NDArray[np.bool_]:
        """Intersections [I] with an approach of which nothing is known, or with none that is heard."""
        unseen = np.zeros(self._n, dtype=np.bool_)
        unseen[self._intersection] = True
        unseen[self._intersection[self._told(state, SILENT)]] = False
        unseen[self._intersection[~self._told(state, FLOOR)]] = True
        return unseen

    def _told(self, state: TrafficState, least: float) -> NDArray[np.bool_]:
        """Approaches that have a stop-line lane with more confidence than ``least``."""
        told = np.zeros(len(self._intersection), dtype=np.bool_)
        told[self._approach[state.confidence[self._lane] > least]] = True
        return told

    def _expecting(self, state: TrafficState, lamps: LampState) -> TrafficState:
        """Believe in a few vehicles at the stop lines of silent approaches."""
        green = np.zeros(len(self._lane), dtype=np.bool_)
        green[self._stop[lamps.aspect[self._group] >= Aspect.PERMISSIVE]] = True
        self._green_until[green | (self._green_until < 0)] = state.time
        silent = ~self._told(state, SILENT)[self._approach]
        if not silent.any():
            return state
        red = (state.time - self._green_until[silent]) / TENTHS_PER_SECOND
        queue, head_wait = state.queue.copy(), state.head_wait.copy()
        queue[self._lane[silent]] += (UNHEARD * red).astype(np.float32)
        head_wait[silent] = np.maximum(head_wait[silent], red)
        return replace(state, queue=queue, head_wait=head_wait)
