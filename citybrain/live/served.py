"""What every stage would serve, as the reasons of plans tell it: who waits, who comes, and how sure that is.

Counted for the whole city at once, since in a large one hundreds of plans are made in a tick. May import the tables of
the street and the controllers' stage tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain.control.stages import stage_tables
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain.state import TrafficState

NEAR_S = 10
"""Arrivals that a reason speaks of are those of so many seconds."""


class Served(NamedTuple):
    """Traffic that every row would serve [R]: vehicles that wait, those that come soon, and how sure that is (0..1)."""

    waiting: NDArray[np.float64]
    coming: NDArray[np.float64]
    confidence: NDArray[np.float64]


@dataclass(frozen=True)
class ServedLanes:
    """Which stop-line lanes every row serves: pairs of a row and a stop-line lane, each once.

    Attributes
    ----------
    row, stop, lane : of every pair; ``stop`` is the place in ``approach_lane``, ``lane`` what stands there.
    lanes : [R] number of lanes, 1 where there is none.
    """

    row: NDArray[np.int32]
    stop: NDArray[np.int32]
    lane: NDArray[np.int32]
    lanes: NDArray[np.float64]

    def count(self, state: TrafficState) -> Served:
        """Sum a state up over the lanes of every row."""
        return Served(
            self._per_row(state.queue[self.lane] + state.spill[self.stop]),
            self._per_row(state.arrivals[:, :NEAR_S].sum(axis=1)[self.stop]),
            self._per_row(state.confidence[self.lane]) / self.lanes,
        )

    def _per_row(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(self.row, values, len(self.lanes)), dtype=np.float64)


def served_lanes(site: Site) -> ServedLanes:
    """Find out which stop-line lanes every row of a site serves."""
    tables = stage_tables(site)
    pairs = np.stack([tables.serve_row, tables.stream_approach[tables.serve_stream]])
    row, stop = np.unique(pairs, axis=1)
    lanes = np.maximum(np.bincount(row, minlength=site.signals.n_rows), 1)
    return ServedLanes(row, stop, site.network.approach_lane[stop], lanes.astype(np.float64))


def reason_of(served: Served, stage: int, row: int, constraint: str | None) -> dict[str, Any]:
    """Say why a stage, which is some row, stands in a plan, and what bound it, if something did."""
    waiting, coming, sure = float(served.waiting[row]), float(served.coming[row]), float(served.confidence[row])
    return {
        "stage": stage,
        "text": f"{waiting:.1f} vehicles wait and {coming:.1f} come within {NEAR_S} s, confidence {sure:.0%}",
        "constraint": constraint,
        "waiting_tenths": round(waiting * TENTHS_PER_SECOND),
        "coming_tenths": round(coming * TENTHS_PER_SECOND),
        "confidence_percent": round(100 * sure),
    }
