"""Detector-actuated control with gap-out: own stages in their own order, skipped and extended by demand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from citybrain.control.stages import is_stage_shown, stage_tables
from citybrain.decisions import Ending, Wish
from citybrain.signals import Aspect
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.control.interface import Site
    from citybrain.decisions import LampState
    from citybrain.network import BoolArray
    from citybrain.state import TrafficState

PASSAGE_SECONDS = 3
"""A vehicle that reaches the stop line within this time extends the green."""
MAXIMUM_GREEN = 50 * TENTHS_PER_SECOND
"""Longest green after another stage was called [tenths]."""
PRESENT = 0.5
"""Estimates are fractions of vehicles; from here on one is taken to be there [veh]."""
KNOWN = 0.1
"""A lane with less confidence than this is as good as without detector, and calls its stage always."""


class Actuated:
    """Actuated control as controllers on the street do it, on estimates instead of detector contacts.

    - A lane calls where a vehicle is queued, waits for room to enter it, or arrives within 3 s; a lane about which
      nothing is known always calls (minimum recall, as for a failed detector).
    - A stage is called by lanes that it serves and the stage shown does not; stages without a call are skipped.
      Pedestrians have no detectors: their stages come with vehicles' calls, and by the guard's maximum red.
    - A stage shown is extended while a vehicle is queued or arrives within 3 s on a lane that it serves and that is
      not blocked. It ends at the first gap, or 50 s after another stage was called; without calls it rests.
    - A lane that is merely permitted in one stage and protected in another is served by the latter.

    P. Koonce et al., "Traffic Signal Timing Manual", FHWA-HOP-08-024 (2008), chapter 5.
    """

    def __init__(self, site: Site) -> None:
        self._network = site.network
        self._signals = site.signals
        self._tables = stage_tables(site)
        self._min_green = site.timings.min_green
        n = site.network.n_intersections
        self._group_intersection = np.repeat(np.arange(n), np.diff(site.signals.group_ptr))
        self._position = self._tables.sequence_ptr[:-1].astype(np.int64)
        self._unopposed = np.full(n, np.iinfo(np.int64).min, dtype=np.int64)
        self._ending = np.full(n, Ending.FORCED, dtype=np.uint8)

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Wish for the stage shown while it is extended or has no rival, else for the next one called."""
        tables = self._tables
        present, extending = self._demand(state)
        shown = is_stage_shown(self._signals, lamps.row, lamps.changing)
        at_row = self._nearest(tables.sequence_row == lamps.row[tables.sequence_intersection], ahead=0)
        self._position = np.where(at_row >= 0, at_row, self._position)

        now = tables.serve_row == lamps.row[tables.row_intersection[tables.serve_row]]
        served = np.zeros(len(tables.stream_approach), dtype=np.bool_)
        served[tables.serve_stream[now]] = True
        lane = tables.stream_approach[tables.serve_stream]
        called = np.zeros(self._signals.n_rows, dtype=np.bool_)
        called[tables.serve_row[present[lane] & ~served[tables.serve_stream]]] = True
        extended = np.zeros(len(lamps.row), dtype=np.bool_)
        extended[tables.row_intersection[tables.serve_row[now & extending[lane]]]] = True

        following = self._nearest(called[tables.sequence_row], ahead=1)
        opposed = following >= 0
        self._unopposed = np.where(opposed & shown, np.maximum(self._unopposed, lamps.since), state.time)
        too_long = state.time - self._unopposed >= MAXIMUM_GREEN
        ended = ~shown | (self._old_enough(lamps) & (~extended | too_long))
        leaving = opposed & ended & ~lamps.changing
        self._position = np.where(leaving, following, self._position)
        reason = np.where(extended, Ending.MAXIMUM, Ending.GAP).astype(np.uint8)
        self._ending = np.where(leaving & shown, reason, self._ending)
        return replace(Wish.now(state.time, tables.sequence_row[self._position]), ending=self._ending)

    def _demand(self, state: TrafficState) -> tuple[BoolArray, BoolArray]:
        """Stop-line lanes that call [A], and those that extend the green that serves them [A]."""
        lane = self._network.approach_lane
        vehicles = state.queue[lane] + state.spill + state.arrivals[:, :PASSAGE_SECONDS].sum(axis=1)
        present = vehicles >= PRESENT
        return present | (state.head_wait > 0.0) | (state.confidence[lane] < KNOWN), present & ~state.blocked

    def _nearest(self, candidate: BoolArray, ahead: int) -> NDArray[np.int64]:
        """Find the first candidate [Q] in cyclic order, from ``ahead`` places after the position; [I], -1 if none."""
        tables = self._tables
        first, count = tables.sequence_ptr[:-1], np.diff(tables.sequence_ptr)
        place = np.flatnonzero(candidate)
        i = tables.sequence_intersection[place]
        distance = np.full(len(first), np.iinfo(np.int64).max, dtype=np.int64)
        np.minimum.at(distance, i, (place - self._position[i] - ahead) % count[i])
        found = distance < count
        steps = np.where(found, distance, 0) + ahead
        return np.where(found, first + (self._position - first + steps) % count, -1)

    def _old_enough(self, lamps: LampState) -> BoolArray:
        """Tell where every green has lasted for its minimum [I]."""
        young = (lamps.aspect >= Aspect.PERMISSIVE) & (lamps.time - lamps.aspect_since < self._min_green)
        enough = np.ones(len(lamps.row), dtype=np.bool_)
        enough[self._group_intersection[young]] = False
        return enough
