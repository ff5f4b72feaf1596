"""One tick of the brain: observations -> estimate -> wish -> guard -> command. The same on every plant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from citybrain.control.interface import Controller
    from citybrain.decisions import Command, LampState, Wish
    from citybrain.observations import ObservationBatch
    from citybrain.state import TrafficState


class Estimator(Protocol):
    """Observations in, traffic state out. ``lamps`` is what the signals showed while the batch was observed."""

    def update(self, batch: ObservationBatch, lamps: LampState) -> TrafficState:
        """Take in one batch and return the new state. The arrays of earlier states are never written again."""
        ...


class Guard(Protocol):
    """The only way from a wish to a command."""

    @property
    def lamps(self) -> LampState:
        """What the signals show now."""
        ...

    def enforce(self, wish: Wish) -> Command:
        """Carry out what is lawful of a wish."""
        ...


class Observer(Protocol):
    """Looks on: records, progress. Must not change anything it is shown."""

    def tick(self, batch: ObservationBatch, state: TrafficState, wish: Wish, command: Command) -> None:
        """See one finished tick."""
        ...


class Engine:
    """Holds estimator, controller and guard together."""

    def __init__(
        self, estimator: Estimator, controller: Controller, guard: Guard, observers: tuple[Observer, ...] = ()
    ) -> None:
        self._estimator = estimator
        self._controller = controller
        self._guard = guard
        self._observers = observers

    def tick(self, batch: ObservationBatch) -> Command:
        """Take in what was observed and say what the lamps shall show from ``batch.time`` on."""
        lamps = self._guard.lamps
        state = self._estimator.update(batch, lamps)
        wish = self._controller.decide(state, lamps)
        command = self._guard.enforce(wish)
        for observer in self._observers:
            observer.tick(batch, state, wish, command)
        return command
