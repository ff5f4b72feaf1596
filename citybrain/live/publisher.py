"""From what the guard did and the controller foretells to plans: only where the plan in force says something else.

Every plan passes the checker before it goes out. May import plans, the book of cabinets and the words of the brain.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import citybrain
from citybrain.control.reasons import Explainer
from citybrain.decisions import Rule
from citybrain.errors import InputError
from citybrain.live.schedules import Entry, Laid, lay_out
from citybrain.live.served import reason_of, served_lanes
from citybrain.plans.checker import LARGEST, Refusal
from citybrain.plans.plan import make_plan, schedule_body
from citybrain.storage.ledger import NewEntry
from citybrain.storage.rows import NewPlan
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain.decisions import Command, LampState, Wish
    from citybrain.live.book import Book
    from citybrain.live.inputs import ActiveOverride
    from citybrain.live.served import Served
    from citybrain.state import TrafficState

FIRST_PLANS = 500
"""Cabinets that get a first plan in a second: a large city that comes at once must not hold up the ticks."""
RENEWALS = 250
"""Plans that are renewed in a second because they foretell nothing more. Where more run out together, as in a city
whose patterns keep step, some are renewed before their time."""
MOST_SECONDS = 10
"""A tick that comes late makes the plans of the seconds that were missed too, but of no more than so many."""
LENGTH = 8
"""Entries of a schedule: the stage before, the one shown, and those foretold."""
REFRESH = 100
"""A plan that foretells nothing more is renewed so often at most [tenths]."""
_NEVER = 2**62
_LETTERS = "rygG"


class Terms(NamedTuple):
    """How plans are given out; tenths of a second."""

    lease: int
    poll_after: int
    controller: str


class Moment(NamedTuple):
    """One tick as the publisher sees it.

    Attributes
    ----------
    time : of the tick. ``ahead``: of the guard, when the plans begin [tenths].
    state : of the tick, on which the plans for ``ahead`` are made.
    wish : stages alone. due_row: as in ``LampGuard``.
    before, ended : lamps and ends of greens before the guard's last step; ``command`` is that step.
    green_end : ends of greens after it.
    """

    time: int
    ahead: int
    state: TrafficState
    wish: Wish
    due_row: NDArray[np.int32]
    before: LampState
    ended: NDArray[np.int64]
    command: Command
    green_end: NDArray[np.int64]


class Publisher:
    """Keeps what was published, and publishes what differs from it.

    Index i intersections, n entries of a schedule.

    Attributes
    ----------
    has_plan : [I] a plan is in force or about to be.
    plan_stage, plan_begin : [I, N] its entries, -1 and the far future fill the rest.
    valid_from, made : [I] when it begins, and was made [tenths].
    """

    def __init__(self, site: Site, book: Book, terms: Terms) -> None:
        self._book, self._terms = book, terms
        self._group_ptr = site.signals.group_ptr
        self._served = served_lanes(site)
        self._explainer = Explainer(site.network, site.signals)
        n_i = len(book.ids)
        self.has_plan = np.zeros(n_i, dtype=np.bool_)
        self.plan_stage = np.full((n_i, LENGTH), -1, dtype=np.int32)
        self.plan_begin = np.full((n_i, LENGTH), _NEVER, dtype=np.int64)
        self.valid_from = np.zeros(n_i, dtype=np.int64)
        self.made = np.zeros(n_i, dtype=np.int64)
        self._owner = np.zeros(n_i, dtype=np.int64)
        self._stage = np.full((n_i, 2), -1, dtype=np.int32)
        self._begin = np.zeros((n_i, 2), dtype=np.int64)
        self.off_until = np.zeros(n_i, dtype=np.int64)
        self._time = 0

    def entries(self, i: int) -> list[Entry]:
        """Schedule that an intersection's cabinet follows; empty without a plan."""
        if not self.has_plan[i]:
            return []
        kept = self.plan_stage[i] >= 0
        return list(zip(self.plan_stage[i][kept].tolist(), self.plan_begin[i][kept].tolist(), strict=True))

    def forget(self) -> None:
        """Know of no plan and no stage any more."""
        self._time = 0
        self.has_plan[:] = False
        self._stage[:] = -1
        self._begin[:] = 0

    def note_adopted(self, i: int, stage: int, begin: int) -> None:
        """Know that a cabinet shows, or changes to, a stage since a time [tenths], whatever was published."""
        self._stage[i] = (-1, stage)
        self._begin[i] = (0, begin)

    def follow(self, lamps: LampState, time: int) -> None:
        """Note which stage every intersection is in now, which one before, and since when."""
        stage = self._book.row_stage[lamps.row]
        changed = stage != self._stage[:, 1]
        self._stage[changed, 0] = self._stage[changed, 1]
        self._begin[changed, 0] = self._begin[changed, 1]
        self._stage[changed, 1] = stage[changed]
        self._begin[changed, 1] = time

    def said(self, time: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Stage [I] that the plans have on or begun at a time, -1 where none, and its begin [I] [tenths]."""
        each = np.arange(len(self.has_plan))
        last = np.maximum((self.plan_begin <= time).sum(axis=1) - 1, 0)
        return self.plan_stage[each, last], self.plan_begin[each, last]

    def publish(
        self, moment: Moment, active: NDArray[np.bool_], overrides: dict[int, ActiveOverride]
    ) -> tuple[list[NewPlan], list[NewEntry]]:
        """Make the plans that are due.

        Parameters
        ----------
        active : [I] may have a plan now.
        overrides : whose wish it is, by intersection.
        """
        self.follow(moment.command.lamps, moment.ahead)
        self.has_plan &= active
        plans, errors = [], []
        due = np.flatnonzero(self._due(moment, active, overrides)).tolist()
        served = self._served.count(moment.state) if due else None
        for i in due:
            assert served is not None
            draft, refusals = self._draft(moment, served, i, overrides.get(i))
            if refusals:
                self.has_plan[i] = False
                self.off_until[i] = moment.time + self._terms.lease
                document = {"refusals": [refusal._asdict() for refusal in refusals], "plan": draft.document}
                errors.append(NewEntry(moment.time, "error", self._book.ids[i], document))
            else:
                plans.append(draft)
        return plans, errors

    def _due(
        self, moment: Moment, active: NDArray[np.bool_], overrides: dict[int, ActiveOverride]
    ) -> NDArray[np.bool_]:
        """Where a plan must be made [I]."""
        said, _ = self.said(moment.ahead)
        owner = np.zeros_like(self._owner)
        for i, override in overrides.items():
            owner[i] = override.number
        handed_over = owner != self._owner
        self._owner = owner
        here = active & (self._stage[:, 1] >= 0)
        due: NDArray[np.bool_] = self.has_plan & ((said != self._stage[:, 1]) | handed_over) & here
        seconds = min(max((moment.time - self._time) // TENTHS_PER_SECOND, 1), MOST_SECONDS) if self._time else 1
        self._time = moment.time
        first = np.flatnonzero(~self.has_plan & here)
        # Who never had one comes before who lost it, or a city that cannot be served whole would starve some for ever.
        due[first[np.argsort(self.made[first], kind="stable")][: FIRST_PLANS * seconds]] = True
        due[self._renewed(moment, self.has_plan & here & ~due, seconds)] = True
        return due

    def _renewed(self, moment: Moment, free: NDArray[np.bool_], seconds: int) -> NDArray[np.int64]:
        """Choose among some intersections [I] those whose plan is renewed now because it foretells too little.

        Those first whose plan is over first. A plan is renewed before it is over only where its turn would come too
        late otherwise.

        Parameters
        ----------
        seconds : since the tick before; the next one is believed to come after as long.
        """
        wish = moment.wish
        last = np.where(self.plan_stage >= 0, self.plan_begin, 0).max(axis=1)
        following = np.where(wish.plan_row[:, 0] == moment.command.lamps.row, wish.plan_row[:, 1], wish.plan_row[:, 0])
        more = (last <= moment.ahead) | (np.where(wish.plan_row >= 0, wish.plan_start, 0).max(axis=1) > last)
        waiting = np.flatnonzero(free & (following >= 0) & more & (moment.time - self.made >= REFRESH))
        waiting = waiting[np.argsort(last[waiting], kind="stable")]
        seconds_left = -(np.minimum(moment.ahead - last[waiting], 0) // TENTHS_PER_SECOND)
        # So many that what is left can wait for the next tick, then for the one after it, and so on.
        later = np.maximum(seconds_left - (seconds - 1), 0) * RENEWALS
        now = (np.arange(1, len(waiting) + 1) - later).max(initial=0)
        return waiting[: min(now, RENEWALS * seconds)]

    def _draft(
        self, moment: Moment, served: Served, i: int, override: ActiveOverride | None
    ) -> tuple[NewPlan, list[Refusal]]:
        """Make one plan, and have it judged."""
        book, terms, now = self._book, self._terms, moment.ahead
        laid = self._foresee(moment, i)
        shown = self._shown(i, moment.before, moment.ended)
        kept: list[Entry] = []
        if self._stage[i, 0] >= 0 and self._begin[i, 0] < self._begin[i, 1] and moment.before.time < self._begin[i, 1]:
            kept.append((int(self._stage[i, 0]), int(self._begin[i, 0])))
        kept.append((int(self._stage[i, 1]), int(self._begin[i, 1])))
        reasons = self._reasons(moment, served, i, [*kept[-1:], *laid.entries])
        if override is None:
            grounds = self._explainer.grounds(i, moment.wish, int(moment.before.row[i]))
            reasons[0]["text"] = "; ".join([reasons[0]["text"], *grounds])
        entries = [*kept, *laid.entries][:LENGTH]
        document = make_plan(
            book.data[i],
            schedule_body(entries),
            made_at=moment.time,
            valid_from=now,
            lease_until=max(now + 1, min(moment.time + terms.lease, laid.latest)),
            config_hash=book.config_hash[i],
            poll_after=terms.poll_after,
            author=("algorithm", terms.controller, citybrain.__version__)
            if override is None
            else ("person", override.who, ""),
            why=reasons,
        )
        refusals = book.checker[i].check(document, shown, moment.before.time)
        if not refusals:
            self._note(i, entries, moment)
        about: dict[str, Any] = {"why": reasons, "author": document["author"], "cost_tenths": self._cost(moment, i)}
        if override is not None:
            about["override"] = override.number
        return NewPlan(book.ids[i], document, about), refusals

    def _foresee(self, moment: Moment, i: int) -> Laid:
        """Lay out what is to come after the guard's last step; what the guard itself has due comes first."""
        book, wish = self._book, moment.wish
        wanted = [
            (int(book.row_stage[row]), start)
            for row, start in zip(wish.plan_row[i].tolist(), wish.plan_start[i].tolist(), strict=True)
            if row >= 0
        ]
        if moment.due_row[i] >= 0:
            wanted = [(int(book.row_stage[moment.due_row[i]]), moment.ahead)]
        shown = self._shown(i, moment.command.lamps, moment.green_end)
        try:
            laid = lay_out(book.tables[i], shown, moment.ahead, wanted)
        except InputError:
            return Laid([], LARGEST)  # the checker says what is wrong
        return Laid(laid.entries[: LENGTH - 2], laid.latest)

    def _note(self, i: int, entries: list[Entry], moment: Moment) -> None:
        """Remember what was published."""
        self.plan_stage[i], self.plan_begin[i] = -1, _NEVER
        for n, (stage, begin) in enumerate(entries):
            self.plan_stage[i, n], self.plan_begin[i, n] = stage, begin
        self.has_plan[i] = True
        self.valid_from[i], self.made[i] = moment.ahead, moment.time

    def _shown(self, i: int, lamps: LampState, green_end: NDArray[np.int64]) -> dict[str, Any]:
        """Say what an intersection shows, as its cabinet would report it."""
        groups = slice(int(self._group_ptr[i]), int(self._group_ptr[i + 1]))
        stage = int(self._book.row_stage[lamps.row[i]])
        return {
            "stage": stage if stage >= 0 else None,
            "changing": bool(lamps.changing[i]),
            "since": int(lamps.since[i]),
            "aspects": "".join(_LETTERS[aspect] for aspect in lamps.aspect[groups]),
            "aspect_since": lamps.aspect_since[groups].tolist(),
            "green_end": green_end[groups].tolist(),
        }

    def _reasons(self, moment: Moment, served: Served, i: int, entries: list[Entry]) -> list[dict[str, Any]]:
        """Say why these stages: who waits and comes for each, how sure that is, and what bound the first."""
        bent = moment.command.bent_intersection == i
        rules = {Rule(rule).name.lower() for rule in moment.command.bent_rule[bent].tolist()}
        if moment.due_row[i] >= 0:
            rules.add("maximum_red")
        binding = min(rules) if rules else None
        rows = self._book.stage_row[i]
        return [
            reason_of(served, stage, int(rows[stage]), binding if place == 0 else None)
            for place, (stage, _) in enumerate(entries)
        ]

    def _cost(self, moment: Moment, i: int) -> int | None:
        """Say what the controller thinks its plan costs [0.1 veh s]."""
        cost = float(moment.wish.cost[i])
        return round(cost * TENTHS_PER_SECOND) if np.isfinite(cost) else None
