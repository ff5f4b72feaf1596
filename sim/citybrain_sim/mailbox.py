"""What sensors have sent and has not arrived yet."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EPSILON = 1e-6
"""Tolerance of times [s]."""


class Mailbox:
    """Holds rows until their time of arrival has come."""

    def __init__(self, *columns: type[np.generic]) -> None:
        self._arrival = np.empty(0)
        self._none = tuple(np.empty(0, dtype=column) for column in columns)
        self._rows: tuple[NDArray[np.generic], ...] = self._none

    def post(self, arrival: NDArray[np.float64], *columns: NDArray[np.generic]) -> None:
        """Send rows that arrive at the given times [s]."""
        if len(arrival):
            self._arrival = np.concatenate((self._arrival, arrival))
            self._rows = tuple(
                np.concatenate((old, new.astype(old.dtype))) for old, new in zip(self._rows, columns, strict=True)
            )

    def collect(self, time: float) -> tuple[NDArray[np.generic], ...]:
        """Take out the columns of all rows that have arrived by ``time`` [s], in the order of posting."""
        there = self._arrival <= time + EPSILON
        if not there.any():
            return self._none
        taken = tuple(column[there] for column in self._rows)
        self._arrival = self._arrival[~there]
        self._rows = tuple(column[~there] for column in self._rows)
        return taken
