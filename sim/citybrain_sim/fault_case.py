"""What every fault of a run is given: whom it befalls, when, how badly, and a generator of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from citybrain.observations import EVENT_LOOPS
from citybrain_sim.fault_rows import moment

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.network import Network
    from citybrain.observations import SensorTable
    from citybrain_sim.fault_rows import Bools, Rows, Table


@dataclass(frozen=True)
class Case:
    """One fault as it befalls the sensors of a run.

    Attributes
    ----------
    hit : [X] sensors that it befalls.
    begin, end : simulated time [s]; the end may be infinite.
    figures : of its level.
    """

    hit: Bools
    begin: float
    end: float
    figures: dict[str, float]
    network: Network
    sensors: SensorTable
    rng: np.random.Generator

    @property
    def sick(self) -> NDArray[np.int64]:
        """Numbers of the sensors that it befalls, ascending."""
        return self.hit.nonzero()[0]

    @property
    def loops(self) -> NDArray[np.int64]:
        """Numbers of those that report events of a loop, ascending."""
        return (self.hit & np.isin(self.sensors.kind, EVENT_LOOPS)).nonzero()[0]

    def struck(self, table: Table) -> Bools:
        """Rows of sick sensors from the time of the fault."""
        time = moment(table)
        struck: Bools = self.hit[table["sensor"]] & (time >= self.begin) & (time < self.end)
        return struck

    def lasts(self, now: float) -> bool:
        """Whether it is the time of the fault [s]."""
        return self.begin <= now < self.end


class FaultyPart(Protocol):
    """One fault at work; built from its case, called once per batch with times in ascending order."""

    def apply(self, rows: Rows, now: float) -> Rows:
        """Return what is left of the rows that arrive by ``now`` [s]; changes no array in place."""
        ...

    def detail(self, x: int) -> dict[str, Any]:
        """Tell what was drawn for a sick sensor, beyond the figures of the level."""
        ...
