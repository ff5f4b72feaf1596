"""The live service without its faces: store, clock, intake, engine thread and board tied together.

May import every room of the brain; knows no HTTP.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import citybrain
from citybrain.clock import Clock, StreetClock
from citybrain.errors import InputError, StoreError
from citybrain.intake.judge import Judge, merge
from citybrain.intake.judged import Judged
from citybrain.live.acks import read_ack
from citybrain.live.apart import EngineApart, Recipe
from citybrain.live.board import Board, Published
from citybrain.live.book import make_book
from citybrain.live.inputs import read_inputs
from citybrain.live.people import People, active_override
from citybrain.live.replay import restore
from citybrain.live.settings import LiveSettings, Receipt, checkpoint_version
from citybrain.live.ticker import Schedule, Ticker
from citybrain.live.tray import Tray
from citybrain.storage.ledger import NewEntry
from citybrain.storage.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from citybrain.control.interface import Site
    from citybrain.intake.judge import Posted
    from citybrain.live.engine import LiveEngine
    from citybrain.observations import SensorTable
    from citybrain.storage.store import Store

__all__ = ["Live", "LiveSettings", "Receipt", "checkpoint_version"]

LONGEST_LEAP = 36_000
"""A street's clock is not believed to leap further than this at once [tenths], but for the first time."""


class Live(People):
    """The service that faces call; every method may be called from any thread.

    Futures are resolved when what they promise is durable; they raise ``StoreError`` if it could not be made so.

    Attributes
    ----------
    board : plans in force.
    start_entry : number of the entry of the ledger that tells of the start; 0 before it.
    settings, site, sensors, controller_name, store, clock : what it was opened with.
    """

    def __init__(
        self,
        site: Site,
        sensors: SensorTable,
        controller_name: str,
        store: Store,
        clock: Clock,
        settings: LiveSettings,
    ) -> None:
        """Use :meth:`open`."""
        self.site, self.sensors, self.store, self.clock, self.settings = site, sensors, store, clock, settings
        self.controller_name = controller_name
        self.board = Board(site.network.intersection_id)
        self._book = book = make_book(site, settings.lead, settings.time_zone)
        self._judge = Judge(sensors, site.network)
        self._lock = threading.Lock()
        self._told: dict[str, tuple[object, ...]] = {}
        self._stopped = False
        self.start_entry = 0

        recipe = Recipe(site, sensors, book, controller_name, settings.lead, settings.lease, settings.poll_after)
        version = checkpoint_version(book, self._judge, controller_name, settings)
        engine = restore(store, recipe.make, self._judge.fingerprint, version)
        self._tray = self._refill(engine)
        self._writer = Writer(store)
        schedule = Schedule(settings.checkpoint_every, settings.senders, version)
        self._apart = EngineApart(recipe, engine) if settings.apart else None
        self._ticker = Ticker(
            recipe.make if self._apart is None else self._apart.anew,
            engine if self._apart is None else self._apart,
            *(self._tray, self._writer, self.board, clock, schedule),
        )
        if isinstance(clock, StreetClock):
            clock.advance(engine.time)
        self._begun = max(clock.now(), engine.time)

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
            If no controller has the name, or observations wait in the store that belong to another street.
        """
        return cls(site, sensors, controller_name, store, clock, settings or LiveSettings())

    def _refill(self, engine: LiveEngine) -> Tray:
        """Lay out again what waited when the service ended, and the plans that may be in force still."""
        store, last = self.store, self.store.last_tick()
        last_ack = 0 if last is None else read_inputs(last.inputs, merge([], last.time)).last_ack
        tray = Tray(len(self._book.ids), last_ack)
        for batch in store.untaken_batches():
            tray.put_batch(batch.number, Judged.from_bytes(batch.judged, self._judge.fingerprint))
        for ack in store.acks_after(last_ack):
            tray.put_ack(ack.number, ack.document)
        for stored in store.overrides():
            if stored.ended_at is None and stored.override.intersection in self._book.index:
                tray.put_override(active_override(stored))
        tray.hold(engine.alive, engine.time + self.settings.lease)
        planned = [self._book.ids[i] for i in engine.planned]
        plans = store.latest_plans(planned) if self.clock.now() - engine.time <= self.settings.lease else {}
        self.board.publish([Published(p.intersection, p.text.encode(), p.plan_id, p.seq) for p in plans.values()])
        return tray

    def start(self, about: Mapping[str, Any] | None = None) -> None:
        """Begin to tick in a thread of its own.

        Parameters
        ----------
        about : what the service was opened with, for the ledger: whoever replays it needs it again.
        """
        self.start_entry = self._tell("start", None, {"version": citybrain.__version__, **(about or {})}).result()
        self._ticker.start()

    def stop(self) -> None:
        """Finish the tick, write a checkpoint and close the store. May be called more than once."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
        self._ticker.stop()
        if self._apart is not None:
            self._apart.close()
        with suppress(StoreError):  # a store that takes nothing takes no last word either
            self._tell("stop", None, {"version": citybrain.__version__}).result()
        self._writer.stop()
        self.store.close()

    @property
    def intersections(self) -> tuple[str, ...]:
        """Ids of all intersections."""
        return self._book.ids

    def controller_data(self, intersection: str) -> dict[str, Any]:
        """Give the controller data document of an intersection.

        Raises
        ------
        InputError
            If there is no such intersection.
        """
        return self._book.data[self._book.find(intersection)]

    def post(self, posted: Posted) -> Future[Receipt]:
        """Judge observations and take in what is good of them.

        Raises
        ------
        InputError
            If the batch claims a time that the street cannot have reached.
        """
        if isinstance(self.clock, StreetClock) and posted.complete_until is not None:
            self._advance(self.clock, posted.complete_until)
        now = self.clock.now()
        judged = self._judge(posted, now)
        packed = judged.to_bytes()

        def keep(store: Store) -> tuple[int | None, bytes]:
            number = store.add_batch(judged.batch_id, judged.sender, now, packed, judged.verdicts)
            known = store.batch_verdict(judged.batch_id, judged.sender) if number is None else None
            return number, judged.verdicts if known is None else known

        def lay_in(kept: tuple[int | None, bytes]) -> Receipt:
            number, verdicts = kept
            if number is not None:
                self._tray.put_batch(number, judged)
            return Receipt(judged.batch_id, number is None, verdicts)

        return self._write(keep, lay_in)

    def ack(self, intersection: str, document: object) -> Future[None]:
        """Take in what a controller says of its plan and of its lamps.

        Raises
        ------
        InputError
            If the document is no acknowledgement of this intersection.
        """
        tables = self._book.tables[self._book.find(intersection)]
        ack = read_ack(document, intersection, len(tables.yellow), len(tables.stages))
        assert isinstance(document, dict)
        now = self.clock.now()
        says = (document["plan_id"], ack.verdict, ack.code, ack.mode)
        is_news = self._told.get(intersection) != says
        self._told[intersection] = says

        def keep(store: Store) -> int:
            number = store.add_ack(intersection, now, document)
            if is_news:
                store.append_entries([NewEntry(now, "ack", intersection, document)])
            return number

        return self._write(keep, lambda number: self._tray.put_ack(number, document))

    def renew(self, intersection: str) -> int:
        """Renew a controller's lease, since it polled; returns until when it holds [tenths].

        Never longer than the engine's last good tick allows: plans of a failing engine run out.

        Raises
        ------
        InputError
            If there is no such intersection.
        """
        until = max(self._begun, self._ticker.time) + self.settings.lease
        self._tray.lease[self._book.find(intersection)] = until
        return until

    def ready(self) -> list[str]:
        """Reasons not to be ready, as sentences; empty when all is well."""
        healthy = self._writer.healthy
        return [*self._ticker.faults(), *([] if healthy else ["the store takes nothing: see the log"])]

    @property
    def engine_time(self) -> int:
        """Time of the last finished tick [tenths]; before the first, when the service began."""
        return self._ticker.time or self._begun

    @property
    def engine_process(self) -> int | None:
        """Number of the process that the engine has for itself; None where it has none."""
        return None if self._apart is None else self._apart.process

    def wait_engine(self, time: int, timeout_s: float) -> bool:
        """Wait until the tick of ``time`` [tenths] is finished and its plans are on the board; tell whether it is."""
        return self._ticker.wait(time, timeout_s)

    def _advance(self, clock: StreetClock, to: int) -> None:
        """Believe the street that it is so late."""
        now = clock.now()
        if now > self._begun and to > now + LONGEST_LEAP:
            raise InputError(
                f"complete_until {to} is {to - now} tenths after the street's clock; it moves by {LONGEST_LEAP} at most"
            )
        clock.advance(to)

    def _tell(self, kind: str, intersection: str | None, document: dict[str, Any]) -> Future[int]:
        now = self.clock.now()
        return self._writer.submit(lambda store: store.append_entries([NewEntry(now, kind, intersection, document)]))
