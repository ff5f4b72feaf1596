"""Vehicles in network by conservation, with the drift of counting removed and a 95 % interval. Pure arithmetic.

A Kalman filter of three numbers, a step a minute: vehicles n between the loops that count at the network's edge, the
rate b at which vehicles come that nobody counts, and the error v of the sum of all lanes' estimates, which lasts longer
than a minute. Counts move n on; the sum over the lanes holds n + v to the street. Those between the edge and the loops
follow from flow and free travel time, and are added. Compare Vigos, Papageorgiou and Wang (2008), Real-time estimation
of vehicle-count within signalized links, Transportation Research C 16(1), 18-35.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MINUTE_S = 60.0
COUNT_DOUBT = 0.03
"""Variance per counted vehicle: missed and doubled ones [veh]."""
HIDDEN_TURNOVER_S = 180.0
"""A vehicle is in the network for about so long; what is not counted is assumed to change at that rate [s]."""
ERROR_MEMORY = 0.95
"""Share of the lanes' common error that is left a minute later."""
FIRST_RATE, RATE_WALK = 0.05, 0.005
"""Standard deviation of the uncounted rate at first, and of its change per minute, as shares of the traffic."""
READING = 1.0
"""Variance of the sum over the lanes beyond the lasting error [veh2]."""
STRAIN_GAIN = 0.2
"""Weight of a minute in the contradiction between counts and lanes."""
NORMAL_95 = 1.96


class Count(NamedTuple):
    """A minute as counted and as believed.

    Attributes
    ----------
    entered, left : vehicles that loops at the network's edge counted in this minute [veh].
    believed : mean over the minute of the lanes' sum [veh].
    doubt : variance of that sum [veh2], but for
    hidden : the variance of queues beyond sight at the network's edge [veh2].
    beyond : vehicles between the network's edge and those loops, from their counts and free travel times [veh].
    blind : share of the network's edge that no loop counts.
    """

    entered: float
    left: float
    believed: float
    doubt: float
    hidden: float
    beyond: float
    blind: float


class VehiclesInNetwork:
    """Mean vehicles in network of the last minute: ``estimate`` with the standard deviation ``spread`` [veh]."""

    def __init__(self) -> None:
        self._mean = np.zeros(3)
        self._cover = np.zeros((3, 3))
        self._net = self._beyond = self._hidden = 0.0
        self._begun = False
        self._strain = 1.0

    @property
    def estimate(self) -> float:
        """Vehicles [veh]."""
        return max(0.0, float(self._mean[0]) + self._beyond)

    @property
    def spread(self) -> float:
        """Standard deviation [veh]; of the vehicles between edge and loops that of a Poisson process."""
        return float(np.sqrt(max(0.0, self._cover[0, 0]) + self._beyond + self._hidden))

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
        count = count._replace(doubt=max(1.0, self._strain) * count.doubt)
        net = count.entered - count.left
        uncounted = max(count.believed, 1.0) * MINUTE_S / HIDDEN_TURNOVER_S
        traffic = count.blind * uncounted + 0.5 * (count.entered + count.left)
        if not self._begun:
            self._begin(count, traffic)
        else:
            self._predict(count, 0.5 * (net + self._net), traffic)
            self._correct(count)
        self._net, self._beyond, self._hidden = net, count.beyond, count.hidden
        self._begun = True

    def _begin(self, count: Count, traffic: float) -> None:
        """Believe the lanes, whose error is then the opposite of that of n."""
        self._mean[:] = (count.believed - count.beyond, 0.0, 0.0)
        self._cover[:] = 0.0
        self._cover[0, 0] = self._cover[2, 2] = count.doubt
        self._cover[0, 2] = self._cover[2, 0] = -count.doubt
        self._cover[1, 1] = (FIRST_RATE * traffic) ** 2
        self._cover[0, 0] += READING

    def _predict(self, count: Count, change: float, traffic: float) -> None:
        """Move on by what was counted between the middles of two minutes."""
        step = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, ERROR_MEMORY]])
        noise = np.diag(
            [
                COUNT_DOUBT * (count.entered + count.left) + (count.blind * traffic) ** 2,
                (RATE_WALK * traffic) ** 2,
                (1.0 - ERROR_MEMORY**2) * count.doubt,
            ]
        )
        self._mean[:] = step @ self._mean
        self._mean[0] += change
        self._cover[:] = step @ self._cover @ step.T + noise

    def _correct(self, count: Count) -> None:
        """Hold n + v to the sum over the lanes."""
        seen = np.array([1.0, 0.0, 1.0])
        doubt = READING + count.beyond + count.hidden
        expected = seen @ self._cover @ seen + doubt
        gain = self._cover @ seen / expected
        surprise = count.believed - count.beyond - seen @ self._mean
        self._mean += gain * surprise
        # Where counts and lanes contradict each other for minutes, the lanes are doubted: counts drift, but slowly.
        self._strain += STRAIN_GAIN * (surprise**2 / expected - self._strain)
        left = np.eye(3) - np.outer(gain, seen)
        self._cover[:] = left @ self._cover @ left.T + doubt * np.outer(gain, gain)
