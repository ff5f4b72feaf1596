"""What has come in and waits for the next tick: batches, acknowledgements, overrides, and who polled when.

Everything in it is durable already, but the leases, which are kept in memory alone. Safe to use from many threads.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from citybrain.intake.judged import Judged
    from citybrain.live.inputs import ActiveOverride


class Taken(NamedTuple):
    """What a tick takes: numbers of batches and the batches, acknowledgements and the number of the last one."""

    numbers: tuple[int, ...]
    batches: tuple[Judged, ...]
    acks: tuple[dict[str, Any], ...]
    last_ack: int


class Tray:
    """Waiting inputs.

    Parameters
    ----------
    intersections : number of intersections.
    last_ack : number of the last acknowledgement that a tick has taken.
    """

    def __init__(self, intersections: int, last_ack: int = 0) -> None:
        self._changed = threading.Condition()
        self._batches: list[tuple[int, Judged]] = []
        self._acks: list[dict[str, Any]] = []
        self._last_ack = last_ack
        self._overrides: dict[int, ActiveOverride] = {}
        self._complete: dict[str, int] = {}
        self.lease = np.zeros(intersections, dtype=np.int64)
        """[I] until when each controller may follow its plan [tenths]; written without a lock, one number at a time."""

    def put_batch(self, number: int, judged: Judged) -> None:
        """Lay in a batch."""
        with self._changed:
            self._batches.append((number, judged))
            self.reach(judged.sender, judged.complete_until)

    def reach(self, sender: str, until: int | None) -> None:
        """Note that a sender has sent everything up to a time."""
        if until is not None:
            with self._changed:
                self._complete[sender] = max(until, self._complete.get(sender, until))
                self._changed.notify_all()

    def put_ack(self, number: int, document: dict[str, Any]) -> None:
        """Lay in an acknowledgement."""
        with self._changed:
            self._acks.append(document)
            self._last_ack = max(self._last_ack, number)

    def put_override(self, override: ActiveOverride) -> None:
        """Lay in an override."""
        with self._changed:
            self._overrides[override.number] = override

    def drop_override(self, number: int) -> None:
        """Take an override away; none of that number is no fault."""
        with self._changed:
            self._overrides.pop(number, None)

    def overrides(self, time: int) -> tuple[ActiveOverride, ...]:
        """List the overrides that are in force at a time, in the order of their numbers."""
        with self._changed:
            active = [o for o in self._overrides.values() if o.begin <= time < o.until]
        return tuple(sorted(active, key=lambda override: override.number))

    def take(self) -> Taken:
        """Take all that waits, but the overrides, which stay until they end."""
        with self._changed:
            batches, self._batches = self._batches, []
            acks, self._acks = self._acks, []
            last = self._last_ack
        return Taken(tuple(number for number, _ in batches), tuple(judged for _, judged in batches), tuple(acks), last)

    def alive(self, time: int) -> NDArray[np.bool_]:
        """Which controllers [I] hold a lease at a time."""
        return self.lease > time

    def hold(self, intersections: Iterable[int], until: int) -> None:
        """Let controllers hold a lease until a time, at the least."""
        for i in intersections:
            self.lease[i] = max(self.lease[i], until)

    def complete(self, senders: int) -> int | None:
        """Time [tenths] up to which all senders have sent everything; None while fewer than ``senders`` have spoken."""
        with self._changed:
            return self._complete_now(senders)

    def wait_complete(self, after: int, senders: int, timeout_s: float) -> bool:
        """Wait until all senders have sent everything up to a time later than ``after``; tell whether they have."""
        with self._changed:
            return self._changed.wait_for(lambda: (self._complete_now(senders) or 0) > after, timeout_s)

    def _complete_now(self, senders: int) -> int | None:
        return min(self._complete.values()) if len(self._complete) >= senders else None
