"""The live service without its faces: store, clock, intake, engine thread and board tied together.

May import every room of the brain; knows no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citybrain.errors import ContractError
from citybrain.live.board import Board

if TYPE_CHECKING:
    from concurrent.futures import Future

    from citybrain.clock import Clock
    from citybrain.control.interface import Site
    from citybrain.live.intake import Posted
    from citybrain.live.snapshot import Snapshot
    from citybrain.live.store import Store
    from citybrain.observations import SensorTable


@dataclass(frozen=True)
class LiveSettings:
    """How the service runs; all times in tenths of a second.

    Attributes
    ----------
    lead : least time from the publication of a plan to its beginning.
    lease : for so long a controller follows its plan without a word from the engine.
    poll_after : a controller should ask again after so long.
    checkpoint_every : time between two checkpoints.
    """

    lead: int = 20
    lease: int = 300
    poll_after: int = 10
    checkpoint_every: int = 6000


@dataclass(frozen=True)
class Receipt:
    """What became of posted observations; durable when it is handed out.

    Attributes
    ----------
    batch_id : as posted.
    known : the batch had come before; nothing was changed, the verdicts are those given then.
    verdict_bytes : verdicts row by row, as ``intake`` writes them.
    """

    batch_id: str
    known: bool
    verdict_bytes: bytes


class Live:
    """The service that faces call; every method may be called from any thread.

    Futures are resolved when what they promise is durable; they raise ``StoreError`` if it could not be made so.
    """

    board: Board
    settings: LiveSettings

    @classmethod
    def open(
        cls,
        site: Site,
        sensors: SensorTable,
        controller_name: str,
        store: Store,
        clock: Clock,
        settings: LiveSettings | None = None,
    ) -> Live:
        """Take up where the store says the service was; ``start`` begins to tick.

        Raises
        ------
        InputError
            If no controller has the name, or the store belongs to another street.
        """
        raise ContractError("Live.open is being built")

    def start(self) -> None:
        """Begin to tick in a thread of its own."""
        raise ContractError("Live.start is being built")

    def stop(self) -> None:
        """Finish the tick, write a checkpoint and close the store. May be called more than once."""
        raise ContractError("Live.stop is being built")

    @property
    def intersections(self) -> tuple[str, ...]:
        """Ids of all intersections."""
        raise ContractError("Live.intersections is being built")

    def controller_data(self, intersection: str) -> dict[str, Any]:
        """Controller data document of an intersection.

        Raises
        ------
        InputError
            If there is no such intersection.
        """
        raise ContractError("Live.controller_data is being built")

    def post(self, posted: Posted) -> Future[Receipt]:
        """Judge observations and take in what is good of them."""
        raise ContractError("Live.post is being built")

    def ack(self, intersection: str, document: object) -> Future[None]:
        """Take in what a controller says of its plan and of its lamps.

        Raises
        ------
        InputError
            If the document is no acknowledgement of this intersection.
        """
        raise ContractError("Live.ack is being built")

    def renew(self, intersection: str) -> int:
        """Renew a controller's lease, since it polled; returns until when it holds [tenths].

        Never longer than the engine's last good tick allows: plans of a failing engine run out.
        """
        raise ContractError("Live.renew is being built")

    def snapshot(self) -> Snapshot | None:
        """Latest state; None before the first tick."""
        raise ContractError("Live.snapshot is being built")

    def override(self, intersection: str, kind: str, value: object, who: str, why: str, until: int) -> Future[int]:
        """Have a person's wish go before the engine's; gives the override's number.

        ``kind``: ``stage`` (value: local number), ``pattern`` (value: number of a pattern of the controller data),
        ``freeze`` (hold the stage shown now), ``fallback`` (the controller runs its own pattern).

        Raises
        ------
        InputError
            If intersection, kind, value, who, why or until are wrong.
        """
        raise ContractError("Live.override is being built")

    def end_override(self, number: int, who: str) -> Future[None]:
        """End an override before its time.

        Raises
        ------
        InputError
            If no such override is active.
        """
        raise ContractError("Live.end_override is being built")

    def overrides(self) -> list[dict[str, Any]]:
        """Overrides that are active now."""
        raise ContractError("Live.overrides is being built")

    def rollback(self, intersection: str, seq: int, who: str, why: str, until: int) -> Future[int]:
        """Repeat the stages of an earlier plan, as an override; gives its number.

        Raises
        ------
        InputError
            If there is no such plan.
        """
        raise ContractError("Live.rollback is being built")

    def plan(self, intersection: str, seq: int) -> dict[str, Any]:
        """One plan document.

        Raises
        ------
        InputError
            If there is no such plan.
        """
        raise ContractError("Live.plan is being built")

    def history(self, intersection: str, before_seq: int | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """Plan documents, newest first."""
        raise ContractError("Live.history is being built")

    def difference(self, intersection: str, seq_a: int, seq_b: int) -> list[dict[str, Any]]:
        """Where two plans differ: path, value in a, value in b.

        Raises
        ------
        InputError
            If there is no such plan.
        """
        raise ContractError("Live.difference is being built")

    def ready(self) -> list[str]:
        """Reasons not to be ready, as sentences; empty when all is well."""
        raise ContractError("Live.ready is being built")

    @property
    def engine_time(self) -> int:
        """Time of the last finished tick [tenths]; before the first, when the service began."""
        raise ContractError("Live.engine_time is being built")

    def wait_engine(self, time: int, timeout_s: float) -> bool:
        """Wait until the tick of ``time`` [tenths] is finished and its plans are on the board; tell whether it is."""
        raise ContractError("Live.wait_engine is being built")
