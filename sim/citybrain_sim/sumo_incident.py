"""A vehicle that breaks down in SUMO and blocks its lane for a while.

Closing a lane by taking away permissions would make SUMO refuse the routes of vehicles that need it; a vehicle that
stands on it is what a street meets, and others pass where they can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from citybrain_sim.incidents import RoadBlock

REACTION_S = 2.0
"""A vehicle is stopped only where it could brake comfortably after such a time [s]."""


class BreakDown:
    """Stops the first vehicle that comes to the place in time, until the incident is over.

    Parameters
    ----------
    block : where and when.
    """

    def __init__(self, block: RoadBlock) -> None:
        self._block = block
        self._vehicle: str | None = None
        self._since_s: float | None = None
        self._over = False

    def pass_tick(self, api: Any, now: float) -> None:
        """Let it happen when its time has come, and end it; ``api`` are SUMO's domains, ``now`` its time [s]."""
        block = self._block
        if self._vehicle is None and block.from_s <= now < block.to_s:
            self._look_for_one(api, now)
        elif self._vehicle is not None and not self._over and now >= block.to_s:
            self._over = True
            if api.vehicle.isStopped(self._vehicle):
                api.vehicle.resume(self._vehicle)
            else:  # it has not got there: a stop of no duration takes the stop back
                api.vehicle.setStop(self._vehicle, block.road, block.position_m, block.index, 0)

    def document(self) -> dict[str, Any]:
        """Tell where it was, which vehicle it befell, and from when on; None where none came in time."""
        block = self._block
        return {
            "lane": block.lane,
            "position_m": block.position_m,
            "vehicle": self._vehicle,
            "from_s": self._since_s,
            "to_s": block.to_s,
        }

    def _look_for_one(self, api: Any, now: float) -> None:
        block, vehicle = self._block, api.vehicle
        for name in reversed(api.lane.getLastStepVehicleIDs(block.lane)):  # the foremost first
            speed = vehicle.getSpeed(name)
            braking = speed * REACTION_S + speed * speed / (2.0 * vehicle.getDecel(name))
            if vehicle.getLanePosition(name) + braking < block.position_m and not vehicle.getStops(name, 1):
                vehicle.setStop(name, block.road, block.position_m, block.index)
                self._vehicle, self._since_s = name, now
                return
