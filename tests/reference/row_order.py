"""Slow twin of ``citybrain_kernels.row_order``: numpy's sort by many columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def order(sensor: NDArray[np.int32], keys: NDArray[np.float64]) -> list[int]:
    """Rows by sensor, then by keys, the first one first; equal rows as they were."""
    columns = [keys[:, k] for k in reversed(range(keys.shape[1]))]
    rows: list[int] = np.lexsort([*columns, sensor.astype(np.float64)]).tolist()
    return rows
