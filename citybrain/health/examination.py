"""Examines all sensors of a street, tick by tick, and says of each what it is. May import the health room's tables."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain.errors import ContractError
from citybrain.health.findings import FAULTS, Finding, Status
from citybrain.health.opinion import Opinion, copied
from citybrain.health.tables import make_diary, make_watch
from citybrain.row_order import sorted_rows
from citybrain.units import TENTHS_PER_SECOND
from citybrain_kernels import health as kernel
from citybrain_kernels.accelerate import hold

if TYPE_CHECKING:
    from citybrain.decisions import LampState
    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.signals import Signals

FloatArray = NDArray[np.float64]

OBSERVATIONS_PER_DAY = 86400
"""Most often that a test is asked of one sensor: every second."""
FALSE_ALARMS, FALSE_WARNINGS = 0.001, 1.0
"""Wanted at most, per sensor and day: well sensors called sick, and called suspect."""

COUNT_WAY_S = 5.0
"""A counter closes its interval before it sends: so much of a count's delay is neither lateness nor a wrong clock."""
MOST_CHANGES = 10_000
"""So many changes of status are remembered."""


def limit_for(false_alarms: float) -> float:
    """Score that all tests of a well sensor together reach at most so often per day (Lorden 1971)."""
    return math.log(OBSERVATIONS_PER_DAY * kernel.N_TESTS / false_alarms)


class SensorHealth:
    """Knows of every sensor whether it is well.

    Parameters
    ----------
    network, signals, sensors : the street.
    """

    def __init__(self, network: Network, signals: Signals, sensors: SensorTable) -> None:
        self._network, self._sensors, self._groups = network, sensors, signals.n_groups
        self._watch = make_watch(network, signals, sensors)
        self._diary = make_diary(self._watch, network.n_intersections + 1)
        self._ward = hold(kernel.Ward(self._watch, self._diary))
        self._limit, self._warn = limit_for(FALSE_ALARMS), limit_for(FALSE_WARNINGS)
        self._counted = np.zeros(len(self._watch.owner))
        self._rows = np.flatnonzero(self._watch.is_camera)
        self._changes: deque[tuple[float, int, int, int]] = deque(maxlen=MOST_CHANGES)
        self._begun = False

    @property
    def trust(self) -> FloatArray:
        """How far each sensor is to be believed [X], 0 to 1; a copy."""
        return self._diary.trust.copy()

    @property
    def sight(self) -> FloatArray:
        """The same for each row of the cameras' cover table; a copy."""
        return self._diary.sight[self._rows]

    @property
    def lag(self) -> FloatArray:
        """Usual time from an event to its arrival [X] in s; a copy."""
        return self._diary.lag.copy()

    def has(self, fault: str) -> NDArray[np.bool_]:
        """Sensors [X] that are sick of a fault, named as in ``findings.FAULTS``."""
        sick: NDArray[np.bool_] = self._diary.sick[:, FAULTS.index(fault)]
        return sick.copy()

    @property
    def usual_flow(self) -> FloatArray:
        """What each loop usually counts at this hour [X] in veh/s; 0 where it is not known yet, and for cameras."""
        diary, hour = self._diary, int(self._diary.now[1])
        lately = np.where(diary.pace_time >= kernel.LEARNED, diary.pace, 0.0)
        usual = np.where(diary.usual_days[:, hour] > 0, diary.usual_rate[:, hour], lately)
        first = np.minimum(self._watch.counter_ptr[:-1], max(len(usual) - 1, 0))
        return np.where(self._sensors.lane >= 0, usual[first], 0.0)

    def examine(self, batch: ObservationBatch, lamps: LampState) -> None:
        """Take in one batch; the order of its rows does not matter.

        Raises
        ------
        ContractError
            If the batch speaks of other sensors or lanes, or the lamps belong to other signals.
        """
        if len(lamps.aspect) != self._groups:
            raise ContractError(f"lamps of {len(lamps.aspect)} groups handed to an examination of {self._groups}")
        now = batch.time / TENTHS_PER_SECOND
        diary = self._diary
        if not self._begun:
            self._begun = True
            diary.now[:] = now, int(now / kernel.HOUR) % kernel.DAY
            diary.latest[:] = diary.since[:] = now
        before = diary.status.copy()
        since = lamps.aspect_since / TENTHS_PER_SECOND
        rows = sorted_rows(batch)
        sent = np.maximum(rows.count_end, np.minimum(rows.count_end + COUNT_WAY_S, now))
        rows = rows._replace(count_end=sent)
        if not kernel.examine(now, self._limit, self._warn, lamps.aspect, since, self._ward, rows):
            raise ContractError(
                f"the batch of time {batch.time} speaks of sensors beyond the {len(diary.trust)} of the table or of "
                f"lanes beyond the {self._network.n_lanes} of the network"
            )
        self._counted += diary.tally
        for x in np.flatnonzero(diary.status != before).tolist():
            self._changes.append((now, x, int(diary.status[x]), int(diary.fault[x])))

    def findings(self) -> list[Finding]:
        """Say of every sensor what it is, since when, why, and by which figures; in the order of the table."""
        return self.opinion().findings()

    def changes(self) -> list[dict[str, Any]]:
        """Tell the latest changes of status, oldest first, as plain types."""
        return [
            {
                "time_s": round(time, 3),
                "sensor": self._sensors.sensor_id[x],
                "status": Status(status).name.lower(),
                "fault": None if status == Status.WELL else FAULTS[fault],
            }
            for time, x, status, fault in self._changes
        ]

    def opinion(self) -> Opinion:
        """Take down what is known now; it is never written again."""
        diary, counted = copied(self._diary), self._counted.copy()
        return Opinion(diary, self._watch, self._network, self._sensors, counted, self._limit, self._warn)
