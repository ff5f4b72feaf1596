"""The cabinet itself: takes or refuses plans, follows them under its own timings, watches the lease, falls back.

All times in tenths of a second since 1970-01-01T00:00:00Z; time is handed in and only grows.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from citybrain.cabinet.accepted import Accepted, read_accepted
from citybrain.cabinet.courses import WAY_BACK, Coordinated, Course, Free, Hold, Nothing, Schedule
from citybrain.cabinet.journal import Journal, Mode
from citybrain.cabinet.lamps import Lamps
from citybrain.cabinet.tables import LETTERS, NEVER, read_tables
from citybrain.errors import ContractError, InputError
from citybrain.events import Code, Coordination, Event, UnitControl
from citybrain.plans.checker import LARGEST, MOST_TEXT, Checker, Refusal
from citybrain.units import TENTHS_PER_SECOND

_FORESIGHT = 6000
"""A plan that becomes valid later is refused [tenths]."""
_LONGEST_LEASE = 36_000
"""No plan is followed for longer without a word from the centre, whatever it says [tenths]."""
_ACK_FORMAT = "citybrain/ack/1"
_BY_ITSELF = (Mode.ADAPTIVE, Mode.TIME_OF_DAY)
"""Modes in which nobody at the cabinet has asked for anything."""


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
        self._journal = Journal()
        self._now = time
        self._plan: Accepted | None = None
        self._pending: list[Accepted] = []
        self._before: dict[str, Any] = {}
        self._lease = NEVER
        self._note: tuple[str, str] | None = None
        self._mode = Mode.TIME_OF_DAY
        self._look_again = time
        self._number = self._tables.pattern_at(time)
        pattern = self._tables.patterns[self._number]
        if shown is None:
            self._lamps = Lamps.within(self._tables, pattern, time)
        else:
            self._lamps = Lamps.adopt(self._tables, shown, time)
        self._lamps.log = self._journal.log
        self._course: Course = Coordinated(pattern, self._lamps, time, WAY_BACK)
        self._journal.log(time, Code.UNIT_CONTROL, UnitControl.TIME_BASE)
        self._journal.pattern(pattern, time)
        self._journal.coordination(self._course, time)
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
    def _newest(self) -> Accepted | None:
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
            self._lease = max(self._lease, self._cut(lease_until or 0))
            return self._acknowledge("accepted", plan)
        refusal = self._refusal(plan, lease_until)
        if refusal is not None:
            if self._checker.check(plan):
                self._fall_back()
                self._settle(self._now)
            return self._acknowledge("refused", plan, refusal.code, refusal.sentence)
        document: dict[str, Any] = plan  # type: ignore[assignment]  # the checker found it well formed
        taken = read_accepted(document, self.data, self._tables, self._checker)
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
        self._end_flash()
        self._enter(mode)
        self._course = Hold(stage, self._now)
        self._settle(self._now)

    def run_free(self, now: int) -> None:
        """Have somebody at the cabinet isolate it, until :meth:`release`: its pattern runs without coordination."""
        self.advance(max(now, self._now))
        self._end_flash()
        self._go_free()
        self._settle(self._now)

    def flash(self, now: int) -> None:
        """Have the conflict monitor tell of a fault: all lamps flash at once, until :meth:`release`."""
        self.advance(max(now, self._now))
        if self._mode != Mode.FLASH:
            self._enter(Mode.FLASH)
            self._lamps.flash(self._now)
            self._course = Nothing()
            self._settle(self._now)

    def release(self, now: int) -> None:
        """End whatever was asked for at the cabinet; the plan in hand, or the pattern, is taken up from what is shown.

        Lamps that flashed are all red first.
        """
        self.advance(max(now, self._now))
        if self._mode not in _BY_ITSELF:
            self._end_flash()
            self._resume()
            self._settle(self._now)

    def set_clock(self, now: int) -> None:
        """Take note that the clock was set: no time has passed, but it is ``now``. No lease grows by it."""
        by = now - self._now
        if by == 0:
            return
        self._journal.log(self._now, Code.CLOCK, min(abs(by) // 10, 255))
        self._lamps.shift(by)
        self._now = now
        if by < 0 and self._lease < NEVER:
            self._lease += by
        self._look_again = now
        if isinstance(self._course, Hold):
            self._course = Hold(self._course.stage, now)
        elif self._mode == Mode.FREE:
            self._go_free()
        elif self._mode != Mode.FLASH:
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
        return self._journal.read()

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
        if isinstance(course, Schedule):
            times.append(lamps.latest_red())
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
        self._journal.coordination(course, time)
        return True

    def _govern(self, time: int) -> None:
        """End what has run out, take up what has become valid."""
        if self._newest and time >= self._lease:
            self._fall_back()
        elif isinstance(self._course, Schedule) and time >= self._lamps.latest_red():
            self._fall_back()
            self._note = "maximum_red", "a group was red for too long under the plan; the cabinet's own pattern runs"
        changed = False
        while self._pending and self._pending[0].valid_from <= time:
            self._plan = self._pending.pop(0)
            self._note = None
            changed = True
        if changed and self._mode in _BY_ITSELF:
            self._resume()
        if time >= self._look_again:
            self._look_again = self._tables.next_look(time)
            number = self._tables.pattern_at(time)
            if number != self._number:
                self._number = number
                if self._mode == Mode.TIME_OF_DAY:
                    self._resume()
                elif self._mode == Mode.FREE:
                    self._go_free()

    def _resume(self) -> None:
        """Take up the plan in force, or the pattern of the time of day, from what is shown now."""
        plan, now, before = self._plan, self._now, self._course
        if plan is None:
            self._enter(Mode.TIME_OF_DAY)
            self._course = Coordinated(self._tables.patterns[self._number], self._lamps, now, WAY_BACK)
        else:
            self._course = plan.course(self._lamps, now)
            self._enter(Mode.ADAPTIVE)
        if isinstance(self._course, Coordinated):
            self._journal.pattern(self._course.pattern, now)
            self._journal.coordination(self._course, now)
        elif not isinstance(before, Schedule):
            self._journal.pattern(None, now)

    def _go_free(self) -> None:
        """Take up the pattern of the time of day from what is shown now, without coordination."""
        self._enter(Mode.FREE)
        self._course = Free(self._tables.patterns[self._number], self._lamps, self._now)
        self._journal.pattern(None, self._now)

    def _end_flash(self) -> None:
        """Where lamps flash, begin with the stage that the pattern of the time of day has now."""
        if self._mode == Mode.FLASH:
            pattern = self._tables.patterns[self._number]
            on, _ = pattern.place(self._now)
            self._lamps.start(pattern.stages[on], self._now)

    def _fall_back(self) -> None:
        """Forget all plans; where one was in force, take up the pattern of the time of day."""
        self._plan, self._pending, self._lease, self._note = None, [], NEVER, None
        self._before = {"seq": self._before.get("seq")}
        if self._mode == Mode.ADAPTIVE:
            self._resume()

    def _enter(self, mode: Mode) -> None:
        """Change the mode, and log it."""
        if mode != self._mode:
            self._journal.mode(self._mode, mode, self._now)
            self._mode = mode

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
        twin._pending, twin._lease, twin._journal = self._pending.copy(), NEVER, Journal()  # noqa: SLF001
        twin.advance(time)
        return twin._lamps.document()  # noqa: SLF001

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
            "plan_id": name if isinstance(name, str) and len(name) <= MOST_TEXT else None,
            "seq": seq if type(seq) is int and 0 <= seq <= LARGEST else None,
            "at": self._now,
            "verdict": verdict,
            "code": code,
            "sentence": sentence,
            "mode": str(self._mode),
            "pattern": coordinated.pattern.number if coordinated else None,
            "offset_error": coordinated.told_error if coordinated else None,
            "shown": self._lamps.document(),
        }
