"""Vehicles in network by conservation, with the drift of counting removed and a 95 % interval. Pure arithmetic.

A Kalman filter of three numbers, a step a minute: vehicles n between the loops that count at the network's edge, the
rate b at which vehicles come that nobody counts, and the passing error v of the sum of all lanes' estimates. Counts
move n on; the sum over the lanes holds n + v to the street. Those between the edge and the loops are added
(:mod:`citybrain.city.edge`). Compare Vigos, Papageorgiou and Wang (2008), Real-time estimation
of vehicle-count within signalized links, Transportation Research C 16(1), 18-35.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from citybrain_kernels.city import MINUTE_S

if TYPE_CHECKING:
    from citybrain.city.doubt import Hidden
    from citybrain.city.edge import Crossings

COUNT_DOUBT = 0.03
"""Variance per counted vehicle: missed and doubled ones [veh]."""
HIDDEN_TURNOVER_S = 180.0
"""A vehicle is in the network for about so long; what is not counted is assumed to change at that rate [s]."""
COMMON_SHARE = 0.3
"""Standard deviation of the lasting error that all lanes share, per vehicle that no sensor vouches for."""
ERROR_MEMORY = 0.7
"""Share of the lanes' passing error that is left a minute later."""
FIRST_RATE, RATE_WALK = 0.05, 0.005
"""Standard deviation of the uncounted rate at first, and of its change per minute, as shares of the traffic."""
READING = 1.0
"""Variance of the sum over the lanes beyond these errors [veh2]."""
STRAIN_GAIN = 0.05
"""Weight of a minute in how far counts and lanes contradict each other."""
LEAST_STRAIN, MOST_STRAIN = 0.1, 10.0
NORMAL_95 = 1.96


class Count(NamedTuple):
    """A minute as counted and as believed.

    Attributes
    ----------
    crossed : at the network's edge.
    believed : mean over the minute of the lanes' sum [veh].
    unseen : those of them whom no sensor vouches for [veh].
    hidden : queues beyond sight at the network's edge, which that sum lacks.
    blind : share of the network's edge that no loop counts.
    """

    crossed: Crossings
    believed: float
    unseen: float
    hidden: Hidden
    blind: float


class VehiclesInNetwork:
    """Mean vehicles in network of the last minute: ``estimate`` with the standard deviation ``spread`` [veh]."""

    def __init__(self) -> None:
        self._mean = np.zeros(3)
        self._cover = np.zeros((3, 3))
        self._later = self._beyond = self._unheld = 0.0
        self._begun = False
        self._strain = 1.0

    @property
    def estimate(self) -> float:
        """Vehicles [veh]."""
        return max(0.0, float(self._mean[0]) + self._beyond)

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
        crossed = count.crossed
        doubt = max(count.unseen, 1.0)
        net = crossed.entered - crossed.left
        uncounted = max(count.believed, 1.0) * MINUTE_S / HIDDEN_TURNOVER_S
        traffic = count.blind * uncounted + 0.5 * (crossed.entered + crossed.left)
        if not self._begun:
            self._begin(count, doubt, traffic)
        else:
            self._predict(count, doubt, self._later + crossed.soon, traffic)
            self._correct(count)
        self._later, self._beyond = net - crossed.soon, crossed.beyond + count.hidden.mean
        # Counts do not tell how many there are of those: some number about the expected one, on lanes that err alike.
        lasting = count.unseen + (COMMON_SHARE * count.unseen) ** 2
        self._unheld = crossed.unfelt + crossed.queued + count.hidden.variance + lasting
        self._begun = True

    def _begin(self, count: Count, doubt: float, traffic: float) -> None:
        """Believe the lanes, whose error is then the opposite of that of n."""
        self._mean[:] = (count.believed - count.crossed.beyond, 0.0, 0.0)
        self._cover[:] = 0.0
        self._cover[0, 0] = self._cover[2, 2] = doubt
        self._cover[0, 2] = self._cover[2, 0] = -doubt
        self._cover[1, 1] = (FIRST_RATE * traffic) ** 2
        self._cover[0, 0] += READING

    def _predict(self, count: Count, doubt: float, change: float, traffic: float) -> None:
        """Move on by what was counted between the middles of two minutes."""
        crossed = count.crossed
        step = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, ERROR_MEMORY]])
        counting = COUNT_DOUBT * (crossed.entered + crossed.left) + crossed.unsure
        noise = np.diag(
            [
                counting + (count.blind * traffic) ** 2,
                (RATE_WALK * traffic) ** 2,
                (1.0 - ERROR_MEMORY**2) * doubt,
            ]
        )
        self._mean[:] = step @ self._mean
        self._mean[0] += change
        self._cover[:] = step @ self._cover @ step.T + self._strain * noise

    def _correct(self, count: Count) -> None:
        """Hold n + v to the sum over the lanes."""
        seen = np.array([1.0, 0.0, 1.0])
        reading = self._strain * (READING + count.crossed.queued)
        expected = seen @ self._cover @ seen + reading
        gain = self._cover @ seen / expected
        surprise = count.believed - count.crossed.beyond - seen @ self._mean
        self._mean += gain * surprise
        # All variances are as many times what they are assumed to be as surprises are greater than they should be.
        self._strain += STRAIN_GAIN * (surprise**2 / expected - 1.0) * self._strain
        self._strain = min(max(self._strain, LEAST_STRAIN), MOST_STRAIN)
        left = np.eye(3) - np.outer(gain, seen)
        self._cover[:] = left @ self._cover @ left.T + reading * np.outer(gain, gain)
