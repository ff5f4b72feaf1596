"""The plans in force, one per intersection, for everybody who asks at once.

May import errors alone.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

from citybrain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Published(NamedTuple):
    """A plan as it goes out.

    Attributes
    ----------
    intersection : id.
    document_bytes : the plan document, canonical JSON.
    plan_id : hash of the content.
    seq : number of the plan at its intersection; only grows.
    """

    intersection: str
    document_bytes: bytes
    plan_id: str
    seq: int


class Board:
    """Which plan is in force where; safe to use from many threads, reading takes no lock.

    Parameters
    ----------
    intersections : all that may ever have a plan.
    """

    def __init__(self, intersections: Iterable[str]) -> None:
        self._plans: dict[str, Published | None] = dict.fromkeys(intersections)
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[list[str]], None]] = []

    def get(self, intersection: str) -> Published | None:
        """Plan in force at an intersection; None where there is none: its controller runs its own pattern.

        Raises
        ------
        InputError
            If there is no such intersection.
        """
        try:
            return self._plans[intersection]
        except KeyError:
            raise InputError(f"there is no intersection {intersection!r} here") from None

    def publish(self, plans: Iterable[Published], withdrawn: Iterable[str] = ()) -> None:
        """Put plans in force and take others out of it, then tell all who subscribed which intersections changed."""
        with self._lock:
            changed = []
            for plan in plans:
                self._plans[plan.intersection] = plan
                changed.append(plan.intersection)
            for intersection in withdrawn:
                if self._plans[intersection] is not None:
                    self._plans[intersection] = None
                    changed.append(intersection)
            callbacks = tuple(self._callbacks)
        if changed:
            for tell in callbacks:
                tell(changed)

    def subscribe(self, callback: Callable[[list[str]], None]) -> Callable[[], None]:
        """Have ``callback`` told of every change, in the engine's thread; returns what ends that.

        It must be quick and must not raise.
        """
        with self._lock:
            self._callbacks.append(callback)

        def end() -> None:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return end
