"""What people do with the live service: overrides, rollbacks, and looking back at plans.

May import the store and the book of cabinets.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

from citybrain.errors import InputError
from citybrain.live.differences import differences
from citybrain.live.inputs import ActiveOverride
from citybrain.live.rollback import carried_out
from citybrain.live.wishes import check_override
from citybrain.storage.ledger import NewEntry
from citybrain.storage.rows import Override, StoredOverride

if TYPE_CHECKING:
    from collections.abc import Callable

    from citybrain.clock import Clock
    from citybrain.live.book import Book
    from citybrain.live.snapshot import Snapshot
    from citybrain.live.ticker import Ticker
    from citybrain.live.tray import Tray
    from citybrain.storage.store import Store
    from citybrain.storage.writer import Writer

T = TypeVar("T")
U = TypeVar("U")

LONGEST_TEXT = 500
"""Letters of the reason for an override, and of the name of whoever made it."""


class People:
    """The part of :class:`~citybrain.live.service.Live` that people use; every method may be called from any thread."""

    store: Store
    clock: Clock
    _book: Book
    _tray: Tray
    _writer: Writer
    _ticker: Ticker

    def snapshot(self) -> Snapshot | None:
        """Return the latest state; None before the first tick."""
        return self._ticker.snapshot

    def override(self, intersection: str, kind: str, value: object, who: str, why: str, until: int) -> Future[int]:
        """Have a person's wish go before the engine's; gives the override's number.

        ``kind``: ``stage`` (value: local number), ``pattern`` (value: number of a pattern of the controller data, or
        a pattern), ``freeze`` (hold the stage shown now), ``fallback`` (the controller runs its own pattern).

        Raises
        ------
        InputError
            If intersection, kind, value, who, why or until are wrong.
        """
        i, now = self._book.find(intersection), self.clock.now()
        for name, text in (("who", who), ("why", why)):
            if not isinstance(text, str) or not 0 < len(text.strip()) <= len(text) <= LONGEST_TEXT:
                raise InputError(f'an override needs "{name}": 1 to {LONGEST_TEXT} letters')
        if type(until) is not int or not now < until < 2**53:
            raise InputError(f"an override needs an end after {now} [tenths since 1970], found {until!r:.60}")
        if kind == "freeze" and value is None:
            value = self._shown_stage(i)
        check_override(self._book, intersection, kind, value)
        override = Override(intersection, kind, value, who, why, now, until)

        def keep(store: Store) -> int:
            number = store.add_override(override)
            store.append_entries([NewEntry(now, "override", intersection, {"number": number, **asdict(override)})])
            return number

        def lay_in(number: int) -> int:
            self._tray.put_override(active_override(StoredOverride(number, override, None, None)))
            return number

        return self._write(keep, lay_in)

    def end_override(self, number: int, who: str) -> Future[None]:
        """End an override before its time.

        Raises
        ------
        InputError
            If no such override is active.
        """
        now = self.clock.now()
        found = [override for override in self._tray.overrides(now) if override.number == number]
        if not found:
            raise InputError(f"no override {number} is in force")
        intersection = found[0].intersection

        def keep(store: Store) -> None:
            store.end_override(number, who, now)
            store.append_entries([NewEntry(now, "override", intersection, {"number": number, "ended_by": who})])

        return self._write(keep, lambda _: self._tray.drop_override(number))

    def overrides(self) -> list[dict[str, Any]]:
        """List the overrides that are in force now."""
        return [asdict(override) for override in self._tray.overrides(self.clock.now())]

    def rollback(self, intersection: str, seq: int, who: str, why: str, until: int) -> Future[int]:
        """Go back to an earlier plan, as an override; gives its number.

        A pattern is run again. Of a schedule, whose times are over, the last cycle that was carried out under it and
        the plans before it is repeated.

        Raises
        ------
        InputError
            If there is no such plan, or nothing of it can be repeated; and as :meth:`override`.
        """
        i = self._book.find(intersection)
        document = self.plan(intersection, seq)
        pattern = document["body"].get("pattern") or carried_out(self.store, self._book, i, seq)
        return self.override(intersection, "pattern", pattern, who, why, until)

    def plan(self, intersection: str, seq: int) -> dict[str, Any]:
        """Give one plan document.

        Raises
        ------
        InputError
            If there is no such plan.
        """
        self._book.find(intersection)
        stored = self.store.plan(intersection, seq) if type(seq) is int and abs(seq) < 2**53 else None
        if stored is None:
            raise InputError(f"intersection {intersection!r} has no plan with the number {seq!r:.40}")
        return stored.document

    def history(self, intersection: str, before_seq: int | None = None, limit: int = 50) -> list[dict[str, Any]]:
        """List plan documents, newest first.

        Raises
        ------
        InputError
            If there is no such intersection.
        """
        self._book.find(intersection)
        return [stored.document for stored in self.store.plans(intersection, before_seq, limit)]

    def difference(self, intersection: str, seq_a: int, seq_b: int) -> list[dict[str, Any]]:
        """Say where two plans differ: ``path``, ``a``, ``b``.

        Raises
        ------
        InputError
            If there is no such plan.
        """
        return differences(self.plan(intersection, seq_a), self.plan(intersection, seq_b))

    def _shown_stage(self, i: int) -> int:
        """Local number of the stage that an intersection shows."""
        snapshot = self._ticker.snapshot
        stage = -1 if snapshot is None else int(self._book.row_stage[snapshot.lamps.row[i]])
        if stage < 0:
            raise InputError(f"intersection {self._book.ids[i]!r} shows no stage now that could be frozen")
        return stage

    def _write(self, keep: Callable[[Store], T], then: Callable[[T], U]) -> Future[U]:
        """Have something kept; when it is durable, ``then`` comes first and the future after it."""
        done: Future[U] = Future()

        def settle(kept: Future[T]) -> None:
            error = kept.exception()
            if error is not None:
                done.set_exception(error)
                return
            done.set_result(then(kept.result()))

        self._writer.submit(keep).add_done_callback(settle)
        return done


def active_override(stored: StoredOverride) -> ActiveOverride:
    """Turn a kept override into what the engine takes in."""
    override = stored.override
    return ActiveOverride(
        stored.number,
        override.intersection,
        override.kind,
        override.value,
        override.who,
        override.why,
        override.begin,
        override.until,
    )
