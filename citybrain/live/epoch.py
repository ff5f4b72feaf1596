"""Times counted from the engine's first tick, so that a run in 2026 gives the same numbers as one in 1970.

May import observations and decisions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from citybrain.observations import ObservationBatch
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.decisions import LampState


def batch_since(batch: ObservationBatch, origin: int) -> ObservationBatch:
    """Observations with times counted from ``origin`` [tenths], to the millisecond."""
    begin = origin / TENTHS_PER_SECOND

    def shift(times: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round((times - begin) * 1000.0) / 1000.0

    return replace(
        batch,
        time=batch.time - origin,
        loop_time=shift(batch.loop_time),
        frame_time=shift(batch.frame_time),
        object_time=shift(batch.object_time),
        count_begin=shift(batch.count_begin),
        count_end=shift(batch.count_end),
        turn_begin=shift(batch.turn_begin),
        turn_end=shift(batch.turn_end),
    )


def lamps_since(lamps: LampState, origin: int) -> LampState:
    """Lamps with times counted from ``origin``."""
    return replace(
        lamps, time=lamps.time - origin, since=lamps.since - origin, aspect_since=lamps.aspect_since - origin
    )
