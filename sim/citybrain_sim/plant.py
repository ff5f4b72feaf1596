"""What the brain is plugged into: a street, its simulation or a recording of one. Imports the brain's types only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from citybrain.decisions import Command
    from citybrain.observations import ObservationBatch, SensorTable


@dataclass(frozen=True)
class PlantProgress:
    """How far a simulation has come, for the human who waits. Never shown to the engine.

    Attributes
    ----------
    time_s : simulated time [s].
    running, waiting, arrived : vehicles on the street, waiting to be inserted, and gone [veh].
    delay_s : mean delay so far over all three [s/veh]; NaN before the first vehicle and where SUMO does not say.
    """

    time_s: float
    running: int
    waiting: int
    arrived: int
    delay_s: float


class Plant(Protocol):
    """Where observations come from and where commands go."""

    @property
    def sensors(self) -> SensorTable:
        """The sensors that speak through :meth:`observe`."""
        ...

    def observe(self) -> ObservationBatch | None:
        """Let one tick pass and return what the sensors reported by its end; None when the street closes.

        The first call lets no time pass: it returns an empty batch at the beginning.

        Raises
        ------
        PlantError
            If the street or its simulation fails.
        """
        ...

    def apply(self, command: Command) -> None:
        """Show what the command says from its time on.

        Raises
        ------
        PlantError
            If the street or its simulation fails.
        """
        ...

    def close(self) -> None:
        """Let the street go. May be called more than once."""
        ...
