"""Fixed time: the scenario's own program by the clock, and the timetable that clock-driven controllers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citybrain.decisions import PLAN_LENGTH, Wish
from citybrain.errors import ContractError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.control.interface import Site
    from citybrain.decisions import LampState
    from citybrain.network import IntArray
    from citybrain.state import TrafficState


class Timetable:
    """A cycle of rows per intersection, repeated by the clock.

    Parameters
    ----------
    ptr : [I + 1] entries of each intersection.
    row : [S] row wanted; -1 (nothing) where an intersection has no better.
    duration : [S] tenths; entries of no duration are never shown.
    origin : [I] tenths; at times t with (t - origin) mod cycle = 0 the first entry begins.

    Raises
    ------
    ContractError
        If a cycle is empty or has a negative duration.
    """

    def __init__(self, ptr: IntArray, row: IntArray, duration: IntArray, origin: NDArray[np.int64]) -> None:
        kept = duration != 0
        self._row = row[kept]
        self._duration = duration[kept].astype(np.int64)
        self._ptr = np.concatenate(([0], np.cumsum(kept)))[ptr]
        self._count = np.diff(self._ptr)
        if (self._duration < 0).any() or (self._count == 0).any():
            raise ContractError(
                "every intersection needs a cycle of rows with positive durations, found none at "
                f"intersections {np.flatnonzero(self._count == 0).tolist()}"
            )
        # One clock face per intersection, laid end to end, so that one search finds the entries of all.
        self._end = np.cumsum(self._duration)
        self._base = self._end[self._ptr[:-1]] - self._duration[self._ptr[:-1]]
        self._cycle = self._end[self._ptr[1:] - 1] - self._base
        self._origin = origin.astype(np.int64)

    def position(self, time: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Entry of each intersection [I] at a time [tenths] and how long it has lasted [I] [tenths]."""
        face = self._base + (time - self._origin) % self._cycle
        entry = np.searchsorted(self._end, face, side="right")
        return entry, face - (self._end[entry] - self._duration[entry])

    def wish(self, time: int) -> Wish:
        """Wish for what the timetable shows at a time [tenths] and for the entries that follow."""
        entry, elapsed = self.position(time)
        plan_row = np.full((len(entry), PLAN_LENGTH), -1, dtype=np.int32)
        plan_start = np.full((len(entry), PLAN_LENGTH), -1, dtype=np.int64)
        start = time - elapsed
        for column in range(PLAN_LENGTH):
            # A cycle of one entry has nothing to follow.
            some = slice(None) if column == 0 else self._count > 1
            plan_row[some, column] = self._row[entry[some]]
            plan_start[some, column] = start[some]
            start = start + self._duration[entry]
            entry = self._ptr[:-1] + (entry + 1 - self._ptr[:-1]) % self._count
        return Wish(time, plan_row, plan_start, np.full(len(entry), np.nan, dtype=np.float32))


class Fixed:
    """The scenario's own program by the clock, its yellow and all-red rows included.

    Programs that a simulator would actuate run with their declared durations. A row that begins between two ticks is
    wanted from the later one on (SUMO would show it from the earlier one on).
    """

    def __init__(self, site: Site) -> None:
        signals = site.signals
        self._timetable = Timetable(
            signals.step_ptr, signals.step_row, signals.step_duration, signals.program_offset.astype(np.int64)
        )

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:  # noqa: ARG002 - the clock alone decides
        """Wish for the row of the program at the time of the state."""
        return self._timetable.wish(state.time)
