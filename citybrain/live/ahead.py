"""Traffic as a decision that takes effect a little later should see it. May import the words of the brain."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from citybrain.signals import Aspect
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain.decisions import LampState
    from citybrain.state import TrafficState


class LookAhead:
    """Takes off queues what a green that is certain lets go meanwhile, and leaves all else as it was observed.

    No more is foretold on purpose. Arrivals are known to the second only as far as sensors see, some 5 s. A model that
    moves them on blurs them, and the planner does worse with it than with what has been seen (docs/live.md).

    Parameters
    ----------
    site : the street.
    lead : time until the decision takes effect [tenths].
    """

    def __init__(self, site: Site, lead: int) -> None:
        signals, network = site.signals, site.network
        stop = network.lane_approach[network.move_from[signals.group_move]]
        group = np.repeat(np.arange(signals.n_groups), np.diff(signals.group_move_ptr))
        self._stop, self._group, self._move = (x[stop >= 0] for x in (stop, group, signals.group_move))
        self._lane, self._lead = network.approach_lane, lead

    def ahead(self, state: TrafficState, lamps: LampState) -> TrafficState:
        """Make of a state that is observed now the one for ``lead`` later; its time stays.

        Parameters
        ----------
        lamps : shown until then. Queues with protected green discharge at saturation flow, by turning shares.
        """
        green = lamps.aspect[self._group] == Aspect.PROTECTED
        share = np.bincount(self._stop[green], state.turn_share[self._move[green]], len(self._lane))
        gone = np.minimum(share, 1.0) * self._lead / TENTHS_PER_SECOND / state.discharge
        queue = state.queue.copy()
        queue[self._lane] = np.maximum(queue[self._lane] - gone, 0.0)
        return replace(state, queue=queue)
