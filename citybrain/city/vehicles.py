"""Vehicles in network by conservation, with the drift of counting removed and a 95 % interval. Pure arithmetic.

A Kalman filter of three numbers, a step a minute: vehicles n between the loops that count at the network's edge, the
rate b at which vehicles come that nobody counts, and the error u of the sum of all lanes' estimates, in units of what
that error may be at the time. Counts move n on; the sum over the lanes holds n + u times that unit to the street: an
empty street to nothing, a jammed one to hardly anything. Those between the edge and the loops are added
(:mod:`citybrain.city.edge`). Compare Vigos, Papageorgiou and Wang (2008), Real-time estimation
of vehicle-count within signalized links, Transportation Research C 16(1), 18-35.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from citybrain_kernels.city import MINUTE_S

if TYPE_CHECKING:
    from citybrain.city.doubt import Hidden, Unseen
    from citybrain.city.edge import Crossings

COUNT_DOUBT = 0.03
"""Variance per counted vehicle: missed and doubled ones [veh]."""
COUNT_BIAS = 0.005
"""Standard deviation of what loops that count in miss more than those that count out, as a share of the traffic."""
HIDDEN_TURNOVER_S = 180.0
"""A vehicle is in the network for about so long; what is not counted is assumed to change at that rate [s]."""
UNCOUNTED = 0.5
"""Standard deviation of the rate at which more come than go uncounted, as a share of the uncounted traffic."""
RATE_MEMORY = 0.98
"""Share of the uncounted rate that is left a minute later."""
COMMON_SHARE = 0.4
"""Standard deviation of the error that all lanes share, per vehicle that no sensor vouches for."""
FILLED, FILLED_SPREAD = 0.7, 0.3
"""Mean and standard deviation of how far queues beyond sight fill the room that there is for them."""
ERROR_MEMORY = 0.8
"""Share of the lanes' error that is left a minute later."""
READING = 1.0
"""Variance of the sum over the lanes beyond these errors [veh2]."""
NORMAL_95 = 1.96


class Count(NamedTuple):
    """A minute as counted and as believed.

    Attributes
    ----------
    crossed : at the network's edge.
    believed : mean over the minute of the lanes' sum [veh].
    unseen : vehicles out of sight, most of them part of that sum.
    hidden : queues beyond sight, which that sum lacks.
    blind : share of the network's edge that no loop counts.
    """

    crossed: Crossings
    believed: float
    unseen: Unseen
    hidden: Hidden
    blind: float


class VehiclesInNetwork:
    """Mean vehicles in network of the last minute: ``estimate`` with the standard deviation ``spread`` [veh]."""

    def __init__(self) -> None:
        self._mean = np.zeros(3)
        self._cover = np.zeros((3, 3))
        self._later = self._beyond = self._unheld = 0.0
        self._begun = False

    @property
    def estimate(self) -> float:
        """Vehicles [veh]."""
        return max(0.0, float(self._mean[0])) + max(0.0, self._beyond)

    @property
    def spread(self) -> float:
        """Standard deviation [veh]."""
        return float(np.sqrt(max(0.0, self._cover[0, 0]) + self._unheld))

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval [veh]."""
        half = NORMAL_95 * self.spread
        return max(0.0, self.estimate - half), self.estimate + half

    def forget(self) -> None:
        """Begin anew with the next minute."""
        self._begun = False

    def minute(self, count: Count) -> None:
        """Take in a minute."""
        crossed, unseen, hidden = count.crossed, count.unseen, count.hidden
        inside = count.believed - crossed.outer + unseen.slow_inside + FILLED * hidden.inside
        unit = float(np.hypot(COMMON_SHARE * unseen.inside, FILLED_SPREAD * hidden.inside))
        reading = READING + unseen.inside + crossed.queued
        counted = 0.5 * (crossed.entered + crossed.left)
        uncounted = count.blind * (count.believed * MINUTE_S / HIDDEN_TURNOVER_S + counted)
        rate = UNCOUNTED**2 * uncounted**2 + crossed.astray**2 + (COUNT_BIAS * (uncounted + counted)) ** 2
        if not self._begun:
            self._begin(inside, unit, reading, rate)
        else:
            counting = 2.0 * COUNT_DOUBT * counted + crossed.unsure + (count.blind * uncounted) ** 2
            self._predict(self._later + crossed.soon, counting, rate)
            self._correct(inside, unit, reading)
        self._later = crossed.entered - crossed.left - crossed.soon
        self._beyond = crossed.beyond + unseen.slow_edge + FILLED * hidden.edge
        # Counts do not tell how many there are of those: some number about the expected one, on lanes that err alike.
        doubted = unseen.edge + (COMMON_SHARE * unseen.edge) ** 2 + (FILLED_SPREAD * hidden.edge) ** 2
        self._unheld = crossed.unfelt + crossed.queued + doubted
        self._begun = True

    def _begin(self, inside: float, unit: float, reading: float, rate: float) -> None:
        """Believe the lanes, whose error is then the opposite of that of n."""
        self._mean[:] = (inside, 0.0, 0.0)
        self._cover[:] = np.diag([reading + unit**2, rate, 1.0])
        self._cover[0, 2] = self._cover[2, 0] = -unit

    def _predict(self, change: float, counting: float, rate: float) -> None:
        """Move on by what was counted between the middles of two minutes; ``counting`` and ``rate`` are variances."""
        step = np.array([[1.0, 1.0, 0.0], [0.0, RATE_MEMORY, 0.0], [0.0, 0.0, ERROR_MEMORY]])
        noise = np.diag([counting, (1.0 - RATE_MEMORY**2) * rate, 1.0 - ERROR_MEMORY**2])
        self._mean[:] = step @ self._mean
        self._mean[0] += change
        self._cover[:] = step @ self._cover @ step.T + noise

    def _correct(self, inside: float, unit: float, reading: float) -> None:
        """Hold n and u units to what the lanes say of those inside, give or take the variance ``reading``."""
        seen = np.array([1.0, 0.0, unit])
        gain = self._cover @ seen / (seen @ self._cover @ seen + reading)
        self._mean += gain * (inside - seen @ self._mean)
        left = np.eye(3) - np.outer(gain, seen)
        self._cover[:] = left @ self._cover @ left.T + reading * np.outer(gain, gain)
