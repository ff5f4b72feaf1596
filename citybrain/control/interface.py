"""The contract of a controller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from citybrain.decisions import LampState, Wish
    from citybrain.network import Network
    from citybrain.signals import Signals
    from citybrain.state import TrafficState
    from citybrain.timings import Timings


@dataclass(frozen=True)
class Site:
    """Everything about the street that does not change during a run; what controllers are built from."""

    network: Network
    signals: Signals
    timings: Timings


class Controller(Protocol):
    """State in, wish out.

    ``decide`` is called once per tick with times in ascending order. It may keep memory of its own, must not
    change its arguments, and must depend on nothing else: same calls, same wishes.
    """

    def decide(self, state: TrafficState, lamps: LampState) -> Wish:
        """Say which rows every intersection should show from now on."""
        ...
