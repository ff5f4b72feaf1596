"""What a detector saw in one picture, on the lanes; and what a detector is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from citybrain_camera.lanes import Floats

Image = NDArray[np.uint8]
"""[height, width, 3] blue, green, red."""


@dataclass(frozen=True)
class Sightings:
    """Vehicles in one picture. Index n.

    Attributes
    ----------
    lane : [N] row in the camera's lanes.
    distance : [N] from the vehicle's front to the lane's end [m]; negative beyond it.
    length : [N] of the vehicle, as far as told apart [m].
    score : [N] how sure the detector is, 0 to 1.
    """

    lane: NDArray[np.int64]
    distance: Floats
    length: Floats
    score: Floats


NOTHING = Sightings(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), np.zeros(0))


class Detector(Protocol):
    """Finds vehicles in pictures of one camera."""

    def look(self, image: Image, time: float) -> Sightings | None:
        """Find the vehicles in a picture taken at ``time`` [s]; None: cannot see yet."""
        ...
