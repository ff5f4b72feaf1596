"""Vehicles that no sensor has reported yet or will report again, and how well anybody could know how many there are.

Reads SUMO's truth; index letters: t seconds, m minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.observations import SensorKind

if TYPE_CHECKING:
    from citybrain.network import Network
    from citybrain.observations import SensorTable

Floats = NDArray[np.float64]
MINUTE = 60
"""Seconds."""
PART = 20
"""Counts of the last two minutes are told in parts of so many seconds."""


@dataclass
class _Trip:
    begin: int
    end: int
    first: int = -1
    """Second in which a sensor felt or saw it first; -1: none did."""
    last: int = -1


@dataclass
class Unseen:
    """Follows every vehicle from sensor to sensor, as sensors without errors would."""

    network: Network
    sensors: SensorTable
    _trips: dict[str, _Trip] = field(default_factory=dict)
    _places: dict[str, tuple[int, float]] = field(default_factory=dict)
    _second: int = 0

    def __post_init__(self) -> None:
        """List loops and sight by lane."""
        sensors = self.sensors
        self._loops: dict[int, list[float]] = {}
        for lane, distance in zip(sensors.lane.tolist(), sensors.distance.tolist(), strict=True):
            if lane >= 0:
                self._loops.setdefault(lane, []).append(distance)
        self._sight: dict[int, float] = {}
        rows = np.repeat(np.arange(len(sensors.sensor_id)), np.diff(sensors.cover_ptr))
        for x, lane, offset in zip(rows, sensors.cover_lane.tolist(), sensors.cover_offset.tolist(), strict=True):
            if sensors.kind[x] == SensorKind.CAMERA:
                self._sight[lane] = max(self._sight.get(lane, 0.0), float(sensors.distance[x]) - offset)
        self._lane = {name: l for l, name in enumerate(self.network.lane_id)}

    def look(self) -> None:
        """Note the second that has passed."""
        import libsumo  # noqa: PLC0415 - only in the process that runs the simulation

        vehicle = libsumo.vehicle
        for name in vehicle.getIDList():
            lane = self._lane.get(vehicle.getLaneID(name), -1)
            left = self.network.lane_length[lane] - vehicle.getLanePosition(name) if lane >= 0 else 0.0
            self.move(name, lane, float(left), vehicle.getLength(name))
        self.tick()

    def tick(self) -> None:
        """End a second."""
        self._second += 1

    def move(self, name: str, lane: int, left: float, length: float) -> None:
        """Take down where a vehicle is: its lane (-1: inside a junction) and its front's way to the lane's end [m]."""
        trip = self._trips.setdefault(name, _Trip(self._second, self._second))
        trip.end = self._second
        before, reach = self._places.get(name, (lane, np.inf))
        self._places[name] = (lane, left)
        felt = left <= self._sight.get(lane, -1.0)
        if lane == before or (
            min(lane, before) >= 0 and self.network.lane_edge[lane] == self.network.lane_edge[before]
        ):
            felt |= any(left <= place < max(reach, left + length) for place in self._loops.get(lane, ()))
        else:
            felt |= any(place < reach for place in self._loops.get(before, ()))
            felt |= any(left <= place for place in self._loops.get(lane, ()))
        if felt:
            trip.first = self._second if trip.first < 0 else trip.first
            trip.last = self._second

    def minutes(self, ends: list[int]) -> list[dict[str, object]]:
        """Tell of minutes that end with the seconds ``ends``.

        Returns
        -------
        list of dict
            ``unseen``: mean vehicles that no sensor has reported yet or will report again [veh]; ``unknown``: those of
            them that the minute's end does not tell of; ``counts``: what it does tell, first and last reports of
            vehicles in parts of the last two minutes.
        """
        trips = np.array([(t.begin, t.end + 1, t.first, t.last) for t in self._trips.values()], dtype=np.float64)
        begin, end, first, last = trips.reshape(-1, 4).T
        never = first < 0
        first, last = np.where(never, end, first), np.where(never, end, last + 1)
        found: list[dict[str, object]] = []
        for close in ends:
            low, high = close + 1 - MINUTE, close + 1
            coming, gone = _presence(begin, first, low, high), _presence(last, end, low, high)
            known = (first < high) & ~never
            parts = np.arange(high - 2 * MINUTE, high + 1, PART)
            found.append(
                {
                    "unseen": float((coming + gone).sum()) / MINUTE,
                    "unknown": float((np.where(known, 0.0, coming) + gone).sum()) / MINUTE,
                    "counts": [np.histogram(x[~never], parts)[0].tolist() for x in (first, last)],
                }
            )
        return found


def _presence(begin: Floats, end: Floats, low: int, high: int) -> Floats:
    """Seconds of stretches that lie between two times."""
    stretch: Floats = np.maximum(np.minimum(end, high) - np.maximum(begin, low), 0.0)
    return stretch


def least_error(unknown: Floats, counts: Floats) -> float:
    """Mean absolute error [veh] of the linear prediction of ``unknown`` [m] from ``counts`` [m, ...] that fits best.

    It is fitted to the very minutes that it is judged by, so that nobody who has only these counts does much better.
    """
    known = np.column_stack([np.ones(len(unknown)), counts.reshape(len(unknown), -1)])
    weight = np.linalg.lstsq(known, unknown, rcond=None)[0]
    return float(np.abs(unknown - known @ weight).mean())
