"""The live engine: what came in since the last tick -> the plans that must go out. Deterministic; knows no clock.

Its state is a pure function of its inputs since it was made, or since a checkpoint. May import every room of the brain.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.city.districts import usual_districts
from citybrain.city.forecast import History
from citybrain.city.observer import CityObserver
from citybrain.control.registry import make_controller
from citybrain.decisions import Command, LampState, Wish
from citybrain.errors import ContractError, InputError
from citybrain.guard import LampGuard, Shown
from citybrain.health.estimator import WatchfulEstimator
from citybrain.live.acks import FOLLOWING, Ack, read_ack
from citybrain.live.ahead import LookAhead
from citybrain.live.book import Book
from citybrain.live.epoch import batch_since, lamps_since
from citybrain.live.memory import pack, recall, remember, unpack
from citybrain.live.publisher import Moment, Publisher, Terms
from citybrain.live.schedules import OwnPattern, carry_on
from citybrain.live.snapshot import Snapshot
from citybrain.live.wishes import fallback_timetable, override_course, stages_alone
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain.city.figures import CityFigures
    from citybrain.control.interface import Site
    from citybrain.live.inputs import ActiveOverride, TickInputs
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.state import TrafficState
    from citybrain.storage.ledger import NewEntry
    from citybrain.storage.rows import NewPlan

BELIEVED = 100
"""Reports of lamps that are older than this are not believed [tenths]; nor are those of the future."""
NEAR = 15
"""Greens that began within this time of each other [tenths] are the same: the guard counts whole ticks."""
PATIENCE = 20
"""A cabinet that has refused two plans running is left alone for so long [tenths]."""
UNKNOWN = "unknown"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a tick brought about.

    Attributes
    ----------
    plans : to be numbered, kept and published.
    withdrawn : intersections whose plan is in force no longer.
    entries : for the ledger.
    snapshot : for readers.
    """

    plans: list[NewPlan]
    withdrawn: list[str]
    entries: list[NewEntry]
    snapshot: Snapshot


class LiveEngine:
    """Estimator, controller, guard and publisher, with a lead.

    Plans made at a tick begin ``lead`` later, so the guard's clock runs that much ahead of the observations', and the
    controller is shown the traffic of now, less what green lets go until then. The lamps that the estimator is told of
    are those of the observations' time.

    Parameters
    ----------
    site, sensors : the street.
    book : its cabinets.
    controller_name : who wishes.
    lead, lease, poll_after : [tenths]; the lead in whole seconds.
    """

    def __init__(
        self,
        site: Site,
        sensors: SensorTable,
        book: Book,
        controller_name: str,
        *,
        lead: int = 20,
        lease: int = 300,
        poll_after: int = 10,
    ) -> None:
        if lead <= 0 or lead % TENTHS_PER_SECOND:
            raise InputError(f"the lead must be a whole number of seconds above 0, found {lead} tenths")
        self._site, self._book, self._lead, self._lease = site, book, lead, lease
        self._estimator = WatchfulEstimator(site.network, site.signals, sensors)
        self._look = LookAhead(site, lead)
        districts = usual_districts(site.network)
        history = History(CityObserver.history_size(districts))
        self._city = CityObserver(site.network, sensors, districts, history)
        self._figures: CityFigures | None = None
        self._controller = make_controller(controller_name, site)
        self._guard = LampGuard(site.signals, site.timings, 0)
        self._publisher = Publisher(site, book, Terms(lease, poll_after, controller_name))
        self._patterns = fallback_timetable(book)
        n_i = site.network.n_intersections
        self._origin: int | None = None
        self._time = 0
        self._history: dict[int, LampState] = {}
        self._alive = np.zeros(n_i, dtype=np.bool_)
        self._fresh = np.ones(n_i, dtype=np.bool_)
        self._following = np.ones(n_i, dtype=np.bool_)
        self._refused = np.full(n_i, -BELIEVED - 1, dtype=np.int64)
        self._mode: list[str] = [UNKNOWN] * n_i
        self._ack: dict[str, dict[str, Any]] = {}

    @property
    def time(self) -> int:
        """Time of the last tick [tenths]."""
        return self._time

    @property
    def alive(self) -> list[int]:
        """Intersections whose controllers held a lease at the last tick."""
        return np.flatnonzero(self._alive).tolist()

    @property
    def planned(self) -> list[int]:
        """Intersections that have a plan in force."""
        return np.flatnonzero(self._publisher.has_plan).tolist()

    @property
    def last_acks(self) -> dict[str, dict[str, Any]]:
        """Last acknowledgement document by intersection id."""
        return dict(self._ack)

    def step(self, inputs: TickInputs) -> Outcome:
        """Carry out one tick.

        Raises
        ------
        ContractError
            If time does not grow, or the inputs belong to another street.
        """
        if self._origin is not None and inputs.time <= self._time:
            raise ContractError(f"a tick for time {inputs.time} came after that of time {self._time}")
        ahead = inputs.time + self._lead
        had_plan = self._publisher.has_plan.copy()
        if self._origin is None or inputs.time - self._time > self._lease:
            self._begin(inputs.time)
        self._catch_up(ahead)
        self._time = inputs.time
        state = self._estimate(inputs.batch)
        self._figures = self._city.see(inputs.batch, state) or self._figures
        expected = replace(self._look.ahead(state, self._guard.lamps), time=ahead)
        self._fresh |= inputs.alive & ~self._alive
        self._alive = inputs.alive.copy()
        for document in inputs.acks:
            self._heed(document)
        overrides = {self._book.index[override.intersection]: override for override in inputs.overrides}
        wish = self._wish(expected, overrides)
        before, ended = self._guard.lamps, self._guard.green_end
        command = self._enforce(wish)
        moment = Moment(
            inputs.time,
            ahead,
            expected,
            wish,
            self._guard.due_row,
            before,
            ended,
            command,
            self._guard.green_end,
        )
        plans, errors = self._publisher.publish(moment, self._active(overrides), overrides)
        ids = self._book.ids
        withdrawn = [ids[i] for i in np.flatnonzero(had_plan & ~self._publisher.has_plan & ~self._suspended()).tolist()]
        lamps = self._shown_before(inputs.time + 1)
        alive, mode = tuple(inputs.alive.tolist()), tuple(self._mode)
        opinion = self._estimator.opinion()
        assert self._origin is not None
        snapshot = Snapshot(
            inputs.time, state, lamps, alive, mode, dict(self._ack), self._figures, opinion, self._origin
        )
        return Outcome(plans, withdrawn, errors, snapshot)

    def save(self) -> bytes:
        """Take out all that the engine remembers."""
        return pack(remember(self))

    def load(self, data: bytes) -> None:
        """Go on from what :meth:`save` took out of an engine for the same street and controller.

        Raises
        ------
        InputError
            If it is damaged or of another engine.
        """
        recall(self, unpack(data))

    def _begin(self, time: int) -> None:
        """Begin, or begin again after a long time without ticks: cabinets run their patterns as far as is known."""
        if self._origin is None:
            self._origin = time
        start = time + self._lead - TENTHS_PER_SECOND
        self._guard.begin_again(start)
        self._history = {start: self._guard.lamps}
        self._publisher.forget()
        self._fresh[:] = True

    def _catch_up(self, to: int) -> None:
        """Assume that cabinets went on with their plans, or their patterns, while no tick came."""
        for time in range(self._guard.lamps.time + TENTHS_PER_SECOND, to, TENTHS_PER_SECOND):
            wish = self._patterns.wish(time)
            stage, begin = self._publisher.said(time)
            for i in np.flatnonzero(self._publisher.has_plan & (stage >= 0)).tolist():
                wish.plan_row[i, 0], wish.plan_start[i, 0] = self._book.stage_row[i][stage[i]], begin[i]
                wish.plan_row[i, 1:] = wish.plan_start[i, 1:] = -1
            self._publisher.follow(self._enforce(wish).lamps, time)

    def _estimate(self, batch: ObservationBatch) -> TrafficState:
        """Take in the observations. The estimator's clock begins with the engine's, so that no digit is lost."""
        assert self._origin is not None
        lamps = self._shown_before(batch.time)
        state = self._estimator.update(batch_since(batch, self._origin), lamps_since(lamps, self._origin))
        return replace(state, time=batch.time)

    def _shown_before(self, time: int) -> LampState:
        """Look up what the lamps show, or will show, just before a time."""
        known = [at for at in self._history if at < time]
        return self._history[max(known) if known else min(self._history)]

    def _heed(self, document: dict[str, Any]) -> None:
        """Follow what a cabinet says of itself: it has the last word."""
        i = self._book.find(document["intersection"])
        tables, publisher = self._book.tables[i], self._publisher
        ack = read_ack(document, self._book.ids[i], len(tables.yellow), len(tables.stages))
        self._ack[self._book.ids[i]] = document
        self._mode[i] = ack.mode
        self._following[i] = ack.mode in FOLLOWING and ack.stage is not None
        if ack.verdict == "refused":
            publisher.has_plan[i] = False
            again = self._time - self._refused[i] <= BELIEVED
            publisher.off_until[i] = self._time + PATIENCE if again else self._time
            self._refused[i] = self._time
        if ack.mode == "time_of_day" and ack.at > publisher.valid_from[i] + TENTHS_PER_SECOND:
            publisher.has_plan[i] = False
        if ack.stage is None or not self._time - BELIEVED <= ack.at <= self._time + TENTHS_PER_SECOND:
            return
        if self._fresh[i] or self._differs(i, ack):
            self._adopt(i, ack, document["shown"])

    def _differs(self, i: int, ack: Ack) -> bool:
        """Whether a cabinet shows something else than it is believed to, give or take a tick."""
        assert ack.stage is not None
        groups = slice(int(self._site.signals.group_ptr[i]), int(self._site.signals.group_ptr[i + 1]))
        row = self._book.stage_row[i][ack.stage]
        aspect, since = np.array(ack.aspect), np.array(ack.aspect_since)
        for at in (ack.at - TENTHS_PER_SECOND, ack.at, ack.at + TENTHS_PER_SECOND):
            lamps = self._shown_before(at + 1)
            if lamps.row[i] != row or lamps.changing[i] != ack.changing or abs(lamps.since[i] - ack.since) > NEAR:
                continue
            green = (aspect >= 2) & (lamps.aspect[groups] >= 2)
            if np.all(np.abs(lamps.aspect_since[groups] - since)[green] <= NEAR):
                return False
        return True

    def _adopt(self, i: int, ack: Ack, shown: dict[str, Any]) -> None:
        """Believe a report, and what will have come of it by the guard's time."""
        assert ack.stage is not None
        book, to = self._book, self._guard.lamps.time
        try:
            later = self._carry_on(i, ack, shown, to)
            report = read_ack(
                {**_BLANK, "intersection": book.ids[i], "at": to, "shown": later},
                book.ids[i],
                len(ack.aspect),
                len(book.stage_row[i]),
            )
            assert report.stage is not None
            row = int(book.stage_row[i][report.stage])
            self._guard.adopt(
                i, Shown(row, report.changing, report.since, report.aspect, report.aspect_since, report.green_end)
            )
        except (InputError, ContractError) as error:
            _LOG.warning("intersection %s reports lamps that cannot be: %s", book.ids[i], error)
            self._following[i] = False
            return
        self._history[to] = self._guard.lamps
        self._publisher.note_adopted(i, report.stage, min(report.since, to))
        self._fresh[i] = False

    def _carry_on(self, i: int, ack: Ack, shown: dict[str, Any], to: int) -> dict[str, Any]:
        """Foresee what a cabinet shows: under its plan, or under its own pattern until its plan begins."""
        tables, publisher = self._book.tables[i], self._publisher
        at, entries = ack.at, publisher.entries(i)
        if ack.mode not in FOLLOWING:
            entries = []
        elif ack.mode != "adaptive":
            until = max(at, min(to, int(publisher.valid_from[i]) - 1 if entries else to))
            own = OwnPattern(tables.patterns[tables.pattern_at(at)], ack.offset_error)
            shown = carry_on(tables, shown, at, own, until)
            at = until
        return carry_on(tables, shown, at, entries, to) if at < to else shown

    def _suspended(self) -> NDArray[np.bool_]:
        """Where a cabinet follows somebody else: pre-emption, a hand, flashing."""
        return ~self._following

    def _active(self, overrides: dict[int, ActiveOverride]) -> NDArray[np.bool_]:
        """Where a plan may be in force."""
        active = self._alive & self._following & (self._publisher.off_until <= self._time)
        active[[i for i, override in overrides.items() if override.kind == "fallback"]] = False
        return active

    def _wish(self, expected: TrafficState, overrides: dict[int, ActiveOverride]) -> Wish:
        """Collect what is wanted of every intersection from the guard's next step on; people and patterns first."""
        wish = stages_alone(self._controller.decide(expected, self._guard.lamps), self._book.row_stage)
        own = self._patterns.wish(expected.time)
        row, start = wish.plan_row, wish.plan_start
        alone = ~self._active(overrides)
        row[alone], start[alone] = own.plan_row[alone], own.plan_start[alone]
        for i, override in overrides.items():
            course = override_course(self._book, override, expected.time)
            if course is not None and not alone[i]:
                row[i], start[i] = course.row, course.start
        none = row[:, 0] < 0
        row[none, 0] = self._guard.lamps.row[none]
        start[none, 0] = self._guard.lamps.since[none]
        return wish

    def _enforce(self, wish: Wish) -> Command:
        """Have the guard take a step, and remember what it shows until the observations have come so far."""
        command = self._guard.enforce(wish)
        oldest = self._time - BELIEVED - 2 * TENTHS_PER_SECOND
        self._history = {at: lamps for at, lamps in self._history.items() if at >= oldest}
        self._history[wish.time] = command.lamps
        return command


_BLANK = {
    "format": "citybrain/ack/1",
    "plan_id": None,
    "seq": None,
    "verdict": "running",
    "code": None,
    "sentence": None,
    "mode": "adaptive",
    "pattern": None,
    "offset_error": None,
}
