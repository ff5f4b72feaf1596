"""Control delay of movements, approaches and intersections: percentiles and level of service. Imports only numpy.

Level of service of vehicles at signals by control delay: Highway Capacity Manual, 6th edition (TRB 2016), exhibit
19-8. The exhibit's other condition, F wherever demand exceeds capacity, is not applied: capacity is not measured here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

LEVELS: tuple[tuple[float, str], ...] = ((10.0, "A"), (20.0, "B"), (35.0, "C"), (55.0, "D"), (80.0, "E"))
"""Largest mean control delay [s/veh] of every level but the last."""
WORST = "F"


def level_of_service(delay_s: float) -> str:
    """Level A to F of a mean control delay [s/veh]; empty where there is none (NaN)."""
    if np.isnan(delay_s):
        return ""
    return next((level for bound, level in LEVELS if delay_s <= bound), WORST)


def delay_figures(delays: Sequence[float]) -> dict[str, Any]:
    """Condense the control delays [s] of everybody who came, as the columns of the tables of delays.

    Returns
    -------
    dict
        ``vehicles, mean_delay, p50_delay, p85_delay, p95_delay, longest_delay`` and ``level``; NaN where nobody came.
    """
    values = np.asarray(delays, np.float64)
    some = len(values) > 0
    mean = float(values.mean()) if some else float("nan")
    p50, p85, p95 = (float(p) for p in np.percentile(values, (50.0, 85.0, 95.0))) if some else (float("nan"),) * 3
    return {
        "vehicles": len(values),
        "mean_delay": mean,
        "p50_delay": p50,
        "p85_delay": p85,
        "p95_delay": p95,
        "longest_delay": float(values.max()) if some else float("nan"),
        "level": level_of_service(mean),
    }
