"""Lanes as lines on the road: from a position on a lane to a point on the ground, and back.

Ground coordinates are metres in any flat, right-handed frame that the calibration uses throughout; z is up.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lane:
    """One lane that a camera sees.

    Attributes
    ----------
    name : id of the lane, as the network calls it.
    shape : [P, 2] its centre line in driving direction [m]; the last point is the lane's end, the stop line.
    width : [m].
    """

    name: str
    shape: Floats
    width: float

    @property
    def length(self) -> float:
        """Length of the line [m]."""
        return float(self._along[-1])

    @cached_property
    def _along(self) -> Floats:
        """[P] from the begin of the line to each of its points [m]."""
        steps = np.linalg.norm(np.diff(self.shape, axis=0), axis=1)
        return np.concatenate(([0.0], np.cumsum(steps)))

    @cached_property
    def _course(self) -> Floats:
        """[P - 1, 2] unit vectors of the pieces, in driving direction."""
        steps = np.diff(self.shape, axis=0)
        course: Floats = steps / np.linalg.norm(steps, axis=1, keepdims=True)
        return course

    def at(self, distance: Floats, aside: Floats | float = 0.0) -> tuple[Floats, Floats]:
        """Find points on the lane.

        Parameters
        ----------
        distance : [N] to the lane's end [m]; negative beyond it. The line goes on straight at both ends.
        aside : [N] to the left of the centre line [m].

        Returns
        -------
        tuple
            Points [N, 2] [m] and unit vectors [N, 2] in driving direction.
        """
        along = self.length - np.asarray(distance, dtype=np.float64)
        piece = np.clip(np.searchsorted(self._along, along, side="right") - 1, 0, len(self._course) - 1)
        course = self._course[piece]
        left = np.stack((-course[:, 1], course[:, 0]), axis=1)
        offset = np.broadcast_to(np.asarray(aside, dtype=np.float64), along.shape)
        point = self.shape[piece] + course * (along - self._along[piece])[:, None] + left * offset[:, None]
        return point, course

    def locate(self, point: Floats) -> tuple[Floats, Floats]:
        """Find where points [N, 2] lie: distance to the lane's end [N] and offset to the left [N] [m]."""
        begin, course = self.shape[:-1], self._course
        length = np.diff(self._along)
        offset = point[:, None, :] - begin[None, :, :]
        run = np.einsum("npk,pk->np", offset, course)
        low = np.zeros(len(length))
        high = length.copy()
        low[0], high[-1] = -np.inf, np.inf
        run = np.clip(run, low, high)
        aside = offset - run[:, :, None] * course[None, :, :]
        piece = np.argmin(np.einsum("npk,npk->np", aside, aside), axis=1)
        rows = np.arange(len(point))
        along = self._along[piece] + run[rows, piece]
        away = aside[rows, piece]
        left = course[piece, 0] * away[:, 1] - course[piece, 1] * away[:, 0]
        return self.length - along, left
