"""The cabinet itself: takes or refuses plans, follows them under its own timings, watches the lease, falls back.

All times in tenths of a second since 1970-01-01T00:00:00Z; time is handed in and only grows.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from citybrain.cabinet.courses import Coordinated, Course, Hold, Schedule
from citybrain.cabinet.events import Code, Coordination, Event, UnitControl
from citybrain.cabinet.lamps import NEVER, Lamps
from citybrain.cabinet.tables import LETTERS, RED, Pattern, read_pattern, read_tables
from citybrain.clock import tenths_of_day
from citybrain.errors import ContractError, InputError
from citybrain.plans.checker import Checker, Refusal, stages_of
from citybrain.units import TENTHS_PER_SECOND

_MINUTE = 600
_FORESIGHT = 6000
"""A plan that becomes valid later is refused [tenths]."""
_LONGEST_LEASE = 36_000
"""No plan is followed for longer without a word from the centre, whatever it says [tenths]."""
_SPLITS_LOGGED = 16
_EVENTS_KEPT = 20_000
_WAY_BACK = "short_way"
"""Transition to the cabinet's own patterns."""
_FREE_PATTERN = 254
"""Pattern number that controllers log while no pattern is in force."""
_ACK_FORMAT = "citybrain/ack/1"


class Mode(StrEnum):
    """Who directs the stages."""

    ADAPTIVE = "adaptive"
    TIME_OF_DAY = "time_of_day"
    PRE_EMPTED = "pre_empted"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class _Plan:
    """A plan that was accepted: a schedule, or a pattern with its transition."""

    plan_id: str
    seq: int
    valid_from: int
    entries: tuple[tuple[int, int], ...] = ()
    pattern: Pattern | None = None
    way: str = _WAY_BACK
    max_cycles: int = 0


class Cabinet:
    """One intersection's signal controller.

    Local timing always wins: an entry that would come too early is begun as soon as it is lawful, which the next
    acknowledgements report. Without a plan whose lease holds, the pattern of the time-of-day table runs, in
    coordination.

    Parameters
    ----------
    data : controller data document.
    time : now.
    shown : lamps that stand already (``shown`` of an acknowledgement); without it, the lamps are where the pattern of
        the time of day has them now, all greens and reds old enough to be changed.

    Attributes
    ----------
    data : as given.

    Raises
    ------
    InputError
        If the data or the lamps cannot be read.
    """

    def __init__(self, data: dict[str, Any], time: int, shown: Mapping[str, Any] | None = None) -> None:
        self.data = data
        self._checker = Checker(data)
        self._tables = read_tables(data, self._checker)
        self._events: deque[Event] = deque(maxlen=_EVENTS_KEPT)
        self._now = time
        self._plan: _Plan | None = None
        self._pending: list[_Plan] = []
        self._before: dict[str, Any] = {}
        self._lease = NEVER
        self._note: tuple[str, str] | None = None
        self._mode = Mode.TIME_OF_DAY
        self._coordination: Coordination | None = None
        self._look_again = time
        self._number = self._pattern_of_day(time)
        pattern = self._tables.patterns[self._number]
        self._lamps = self._start(pattern, time) if shown is None else Lamps.adopt(self._tables, shown, time, self._log)
        self._course: Course = Coordinated(pattern, self._lamps, time, _WAY_BACK)
        self._log(time, Code.UNIT_CONTROL, UnitControl.TIME_BASE)
        self._log_pattern(pattern)
        self._next = time
        self._settle(time)

    @property
    def intersection(self) -> str:
        """Id of the intersection."""
        return self._tables.intersection

    @property
    def time(self) -> int:
        """Up to when the cabinet has been advanced."""
        return self._now

    @property
    def due(self) -> int:
        """When something happens next by itself."""
        return self._next

    @property
    def mode(self) -> Mode:
        """Who directs the stages."""
        return self._mode

    @property
    def lamps(self) -> str:
        """Letter of every lamp."""
        return self._lamps.string

    @property
    def aspects(self) -> str:
        """Letter of every group."""
        return "".join(LETTERS[shown] for shown in self._lamps.aspect)

    @property
    def lease_until(self) -> int | None:
        """Until when the plans in hand hold; None without one."""
        return self._lease if self._newest else None

    @property
    def plan_id(self) -> str | None:
        """Newest plan in hand."""
        return self._newest.plan_id if self._newest else None

    @property
    def _newest(self) -> _Plan | None:
        return self._pending[-1] if self._pending else self._plan

    def advance(self, to: int) -> None:
        """Let time pass; everything that is due on the way happens at its exact time.

        Raises
        ------
        ContractError
            If time goes back; a clock that was set is told to :meth:`set_clock`.
        """
        if to < self._now:
            raise ContractError(f"time goes back from {self._now} to {to}; a clock that was set goes to set_clock")
        while self._next <= to:
            self._now = max(self._now, self._next)
            self._settle(self._now)
        self._now = to

    def offer(self, plan: object, now: int, lease_until: int | None = None) -> dict[str, Any]:
        """Take a plan or refuse it; returns the acknowledgement.

        ``lease_until`` is the lease as the server has renewed it since it made the plan.
        A refused plan changes nothing of the one in hand, unless it is unlawful in itself, whatever is shown: then
        the cabinet trusts its author no longer and falls back at once.
        """
        self.advance(max(now, self._now))
        newest = self._newest
        if newest is not None and isinstance(plan, dict) and plan.get("plan_id") == newest.plan_id:
            return self._acknowledge("accepted", plan)
        refusal = self._refusal(plan, lease_until)
        if refusal is not None:
            if self._checker.check(plan):
                self._fall_back()
                self._settle(self._now)
            return self._acknowledge("refused", plan, refusal.code, refusal.sentence)
        document: dict[str, Any] = plan  # type: ignore[assignment]  # the checker found it well formed
        taken = self._read_plan(document)
        self._pending = [p for p in self._pending if p.valid_from < taken.valid_from] + [taken]
        self._before = document
        self._lease = self._cut(max(document["lease_until"], lease_until or 0))
        self._settle(self._now)
        return self._acknowledge("accepted", plan)

    def renew(self, plan_id: str, lease_until: int, now: int) -> bool:
        """Hold a plan for longer, as the server said of it; tells whether it is still in hand."""
        self.advance(max(now, self._now))
        newest = self._newest
        if newest is None or newest.plan_id != plan_id:
            return False
        self._lease = max(self._lease, self._cut(lease_until))
        self._settle(self._now)
        return True

    def withdraw(self, now: int) -> None:
        """Forget all plans: the centre has none for this intersection."""
        self.advance(max(now, self._now))
        self._fall_back()
        self._settle(self._now)

    def seize(self, mode: Mode, stage: int, now: int) -> None:
        """Have a pre-emption or a hand at the cabinet ask for a stage, until :meth:`release`.

        Raises
        ------
        InputError
            If the mode is none of the two, or there is no such stage.
        """
        lawful = self._tables.lawful
        if mode not in (Mode.PRE_EMPTED, Mode.MANUAL) or not 0 <= stage < len(lawful) or not lawful[stage]:
            raise InputError(
                f"stage {stage} cannot be asked for in mode {mode}; the modes are pre_empted and manual, "
                f"the stages {[k for k, good in enumerate(lawful) if good]}"
            )
        self.advance(max(now, self._now))
        self._enter(mode)
        self._course = Hold(stage, self._now)
        self._settle(self._now)

    def release(self, now: int) -> None:
        """End a pre-emption or manual control; the plan in hand, or the pattern, is taken up from what is shown."""
        self.advance(max(now, self._now))
        if self._mode in (Mode.PRE_EMPTED, Mode.MANUAL):
            self._resume()
            self._settle(self._now)

    def set_clock(self, now: int) -> None:
        """Take note that the clock was set: no time has passed, but it is ``now``. No lease grows by it."""
        by = now - self._now
        if by == 0:
            return
        self._log(self._now, Code.CLOCK, min(abs(by) // 10, 255))
        self._lamps.shift(by)
        self._now = now
        if by < 0 and self._lease < NEVER:
            self._lease += by
        self._look_again = now
        if isinstance(self._course, Hold):
            self._course = Hold(self._course.stage, now)
        else:
            self._resume()
        self._settle(now)

    def ack(self, now: int) -> dict[str, Any]:
        """Acknowledgement of how it stands: running a schedule, or a pattern in transition or in step."""
        self.advance(max(now, self._now))
        course = self._course
        verdict = "running"
        if isinstance(course, Coordinated):
            verdict = "in_step" if course.state == Coordination.IN_STEP else "in_transition"
        return self._acknowledge(verdict, None, *(self._note or (None, None)))

    def events(self) -> list[Event]:
        """High-resolution events since the last call; of more than 20,000 the latest."""
        rows = list(self._events)
        self._events.clear()
        return rows

    def _settle(self, time: int) -> None:
        """Do all that is due at a time."""
        self._govern(time)
        lamps = self._lamps
        while self._follow(time) or lamps.due <= time:
            if lamps.due <= time:
                lamps.run()
        self._reckon()

    def _reckon(self) -> None:
        """When something happens next by itself."""
        lamps, course = self._lamps, self._course
        following = NEVER
        if not lamps.changing:
            following = course.due
            if course.due < NEVER and course.stage != lamps.stage:
                following = max(following, lamps.may_leave(course.stage))
        times = [lamps.due, following, self._look_again]
        if self._newest:
            times.append(self._lease)
        if self._pending:
            times.append(self._pending[0].valid_from)
        if self._mode == Mode.ADAPTIVE:
            times.append(self._latest_red())
        self._next = min(times)

    def _follow(self, time: int) -> bool:
        """Begin what the course has due, if the lamps may; tells whether something was begun."""
        lamps, course = self._lamps, self._course
        if course.due > time or lamps.changing:
            return False
        if course.stage != lamps.stage:
            if lamps.may_leave(course.stage) > time:
                return False
            if time > course.due and isinstance(course, Schedule):
                late = (time - course.due) / TENTHS_PER_SECOND
                self._note = "late", f"stage {course.stage} began {late:.1f} s late, as soon as it was lawful"
            lamps.begin(course.stage, time)
        course.begun(time)
        self._log_coordination(time)
        return True

    def _govern(self, time: int) -> None:
        """End what has run out, take up what has become valid."""
        if self._newest and time >= self._lease:
            self._fall_back()
        elif self._mode == Mode.ADAPTIVE and time >= self._latest_red():
            self._fall_back()
            self._note = "maximum_red", "a group was red for too long under the plan; the cabinet's own pattern runs"
        changed = False
        while self._pending and self._pending[0].valid_from <= time:
            self._plan = self._pending.pop(0)
            self._note = None
            changed = True
        if changed and self._mode in (Mode.ADAPTIVE, Mode.TIME_OF_DAY):
            self._resume()
        if time >= self._look_again:
            self._look_again = self._next_look(time)
            number = self._pattern_of_day(time)
            if number != self._number:
                self._number = number
                if self._mode == Mode.TIME_OF_DAY:
                    self._resume()

    def _resume(self) -> None:
        """Take up the plan in force, or the pattern of the time of day, from what is shown now."""
        plan, now = self._plan, self._now
        if plan is None:
            self._enter(Mode.TIME_OF_DAY)
            self._run(self._tables.patterns[self._number], _WAY_BACK, 0)
        elif plan.pattern is not None:
            self._enter(Mode.ADAPTIVE)
            self._run(plan.pattern, plan.way, plan.max_cycles)
        else:
            if not isinstance(self._course, Schedule):
                self._log(now, Code.PATTERN, _FREE_PATTERN)
                self._log(now, Code.COORDINATION, Coordination.FREE)
                self._coordination = None
            self._enter(Mode.ADAPTIVE)
            self._course = Schedule(plan.entries, now)

    def _run(self, pattern: Pattern, way: str, max_cycles: int) -> None:
        """Follow a pattern from now on."""
        self._course = Coordinated(pattern, self._lamps, self._now, way, max_cycles)
        self._log_pattern(pattern)

    def _fall_back(self) -> None:
        """Forget all plans; where one was in force, take up the pattern of the time of day."""
        self._plan, self._pending, self._lease, self._note = None, [], NEVER, None
        self._before = {"seq": self._before.get("seq")}
        if self._mode == Mode.ADAPTIVE:
            self._resume()

    def _enter(self, mode: Mode) -> None:
        """Change the mode, and log it."""
        if mode == self._mode:
            return
        now, before = self._now, self._mode
        self._mode = mode
        if before == Mode.PRE_EMPTED:
            self._log(now, Code.PREEMPT_EXIT, 1)
        elif before == Mode.MANUAL:
            self._log(now, Code.MANUAL, 0)
        if mode == Mode.PRE_EMPTED:
            self._log(now, Code.PREEMPT_ENTRY, 1)
        elif mode == Mode.MANUAL:
            self._log(now, Code.MANUAL, 1)
            self._log(now, Code.UNIT_CONTROL, UnitControl.MANUAL)
        elif mode == Mode.ADAPTIVE:
            self._log(now, Code.UNIT_CONTROL, UnitControl.SYSTEM)
        else:
            self._log(now, Code.UNIT_CONTROL, UnitControl.BACKUP)

    def _cut(self, lease_until: int) -> int:
        """Lease as the cabinet grants it."""
        return min(lease_until, self._now + _LONGEST_LEASE)

    def _refusal(self, plan: object, lease_until: int | None) -> Refusal | None:
        """First reason to refuse a plan, None for a lawful one; the lamps are foreseen up to its begin."""
        begin = plan.get("valid_from") if isinstance(plan, dict) else None
        when = self._now
        if isinstance(begin, int) and begin > when:
            if begin > when + _FORESIGHT:
                return Refusal("range", f"it becomes valid more than {_FORESIGHT} tenths from now", "valid_from")
            when = begin
        # What the plan in hand would begin at that very moment is not begun: the new plan is taken up first.
        shown = self._foresee(max(self._now, when - 1))
        found = self._checker.check(plan, shown, when, before=self._before, lease_until=lease_until)
        return found[0] if found else None

    def _foresee(self, time: int) -> dict[str, Any]:
        """Foretell what is shown at a time to come, if nothing is heard until then."""
        if self._next > time:
            return self._lamps.document()
        twin = copy.copy(self)
        twin._lamps, twin._course = self._lamps.copy(), self._course.copy()  # noqa: SLF001 - of its own kind
        twin._pending, twin._lease, twin._events = self._pending.copy(), NEVER, deque(maxlen=1)  # noqa: SLF001
        twin.advance(time)
        return twin._lamps.document()  # noqa: SLF001

    def _read_plan(self, plan: dict[str, Any]) -> _Plan:
        """Read a plan that the checker found lawful."""
        body = plan["body"]
        name, seq, begin = plan["plan_id"], plan["seq"], plan["valid_from"]
        if "schedule" in body:
            entries = tuple((entry["stage"], entry["begin"]) for entry in body["schedule"]["stages"])
            return _Plan(name, seq, begin, entries)
        pattern = body.get("pattern") or {**body["rings"], "stages": stages_of(self.data, body["rings"]["rings"])}
        way = plan["transition"]
        return _Plan(
            name, seq, begin, (), read_pattern(self._tables, pattern, self._checker), way["mode"], way["max_cycles"]
        )

    def _start(self, pattern: Pattern, time: int) -> Lamps:
        """Lamps as the pattern has them at a time."""
        on, age = pattern.place(time)
        lamps = Lamps(self._tables, pattern.stages[on - 1], time - age, self._log)
        if pattern.stages[on] != lamps.stage:
            lamps.begin(pattern.stages[on], time - age)
        while lamps.due <= time:
            lamps.run()
        self._events.clear()
        return lamps

    def _latest_red(self) -> int:
        """When the first red is longer than its bound."""
        lamps = self._lamps
        reds = zip(lamps.aspect, lamps.aspect_since, self._tables.red_bound, strict=True)
        return min(
            (since + bound + 1 for shown, since, bound in reds if shown == RED and bound is not None), default=NEVER
        )

    def _pattern_of_day(self, time: int) -> int:
        """Pattern that the local time of day asks for."""
        table = self._tables.time_of_day
        if len(table) == 1:
            return table[0][1]
        today = tenths_of_day(time, self._tables.time_zone)
        return next(number for begin, number in reversed(table) if begin <= today)

    def _next_look(self, time: int) -> int:
        """When the time-of-day table is looked up again: every minute, since local time may jump."""
        return NEVER if len(self._tables.time_of_day) == 1 else time - time % _MINUTE + _MINUTE

    def _log(self, time: int, code: int, parameter: int) -> None:
        self._events.append(Event(time * 100, code, parameter))

    def _log_pattern(self, pattern: Pattern) -> None:
        """Log what pattern is in force from now on."""
        now = self._now
        self._log(now, Code.PATTERN, pattern.number)
        self._log(now, Code.CYCLE, pattern.cycle // TENTHS_PER_SECOND)
        self._log(now, Code.OFFSET, pattern.offset // TENTHS_PER_SECOND)
        for j, span in enumerate(pattern.spans[:_SPLITS_LOGGED]):
            self._log(now, Code.FIRST_SPLIT + j, span // TENTHS_PER_SECOND)
        self._coordination = None
        self._log_coordination(now)

    def _log_coordination(self, time: int) -> None:
        """Log how the pattern stands to the clock, when that changes, and the begin of every cycle."""
        course = self._course
        if isinstance(course, Coordinated):
            if course.state != self._coordination:
                self._coordination = course.state
                self._log(time, Code.COORDINATION, course.state)
            if course.at_zero and course.started:
                self._log(time, Code.COORDINATION, Coordination.LOCAL_ZERO)

    def _acknowledge(
        self, verdict: str, plan: object, code: str | None = None, sentence: str | None = None
    ) -> dict[str, Any]:
        """Write an acknowledgement; of the plan in force, unless another is told."""
        told = plan if isinstance(plan, dict) else {}
        name, seq = told.get("plan_id"), told.get("seq")
        if plan is None and self._plan is not None:
            name, seq = self._plan.plan_id, self._plan.seq
        course = self._course
        coordinated = course if isinstance(course, Coordinated) else None
        return {
            "format": _ACK_FORMAT,
            "intersection": self.intersection,
            "plan_id": name if isinstance(name, str) else None,
            "seq": seq if type(seq) is int else None,
            "at": self._now,
            "verdict": verdict,
            "code": code,
            "sentence": sentence,
            "mode": str(self._mode),
            "pattern": coordinated.pattern.number if coordinated else None,
            "offset_error": coordinated.error if coordinated else None,
            "shown": self._lamps.document(),
        }
