"""The estimator of a street whose sensors may be sick: examined first, stood in for, and then believed as they deserve.

May import estimation and the rest of this room.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from citybrain.estimation import LaneEstimator
from citybrain.health.examination import SensorHealth
from citybrain.health.substitutes import Substitutes
from citybrain.row_order import in_order

if TYPE_CHECKING:
    from citybrain.decisions import LampState
    from citybrain.health.opinion import Opinion
    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.signals import Signals
    from citybrain.state import TrafficState


class WatchfulEstimator:
    """Examines the sensors, then estimates; implements ``engine.Estimator``.

    Parameters
    ----------
    network, signals, sensors : the street; sensors must name lanes of the network.

    Raises
    ------
    ContractError
        If a sensor lies on a lane that the network does not have.
    """

    def __init__(self, network: Network, signals: Signals, sensors: SensorTable) -> None:
        self.lanes = LaneEstimator(network, signals, sensors)
        self._health = SensorHealth(network, signals, sensors)
        self._substitutes = Substitutes(network, sensors)

    def update(self, batch: ObservationBatch, lamps: LampState) -> TrafficState:
        """Take in one batch and return the new state.

        Raises
        ------
        ContractError
            If time runs backwards, or lamps or batch belong to another street.
        """
        batch = in_order(batch)  # once for both
        self._health.examine(batch, lamps)
        batch, trust = self._substitutes.stand_in(batch, self._health)
        return self.lanes.update(batch, lamps, trust, self._health.sight)

    def opinion(self) -> Opinion:
        """Take down what is known of the sensors now, and what stands in for them; it is never written again."""
        return replace(self._health.opinion(), substitute=self._substitutes.told())

    def changes(self) -> list[dict[str, Any]]:
        """Tell the latest changes of status of any sensor, oldest first, as plain types."""
        return self._health.changes()
