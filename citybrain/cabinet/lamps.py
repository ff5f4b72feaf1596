"""The lamps of one intersection, changed from stage to stage with every timing kept.

Knows no plans: it is told to begin a change, and carries it out as the guard does. All times in tenths of a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from typing import Any

from citybrain.cabinet.tables import LETTERS, NEVER, NO_STAGE, PERMISSIVE, RED, YELLOW, Pattern, Tables
from citybrain.errors import InputError
from citybrain.events import Code, begins, cleared, ends, turns_red

_LONG_AGO = -(2**40)
_START_RED = 60
"""All are red for so long between flashing and the first stage [tenths]."""
_FLASHES = "o"
"""Letter of a lamp that flashes, as SUMO has it."""
_YELLOW_ENDS, _CLEARED, _FINISH = range(3)
"""What a timer is for; in this order when they are due together."""

Log = Callable[[int, int, int], None]
"""Takes time [tenths], code and parameter of an event."""


def log_nothing(_time: int, _code: int, _parameter: int) -> None:
    """Take no notice."""


class Lamps:
    """What is shown, and since when.

    Attributes
    ----------
    stage : stage shown or being changed to; ``NO_STAGE`` while all lamps flash.
    changing : a change is under way; it is finished before another begins.
    since : when the stage was fully shown, or when the change to it began.
    begun : when the last change began.
    aspect, aspect_since, green_end : per group; both greens count as one; ``green_end`` is far in the past where no
        green has ended yet.
    due : when something happens next by itself.
    log : hears of every event.
    """

    __slots__ = (
        "_tables",
        "_timers",
        "aspect",
        "aspect_since",
        "begun",
        "changing",
        "due",
        "green_end",
        "log",
        "since",
        "stage",
        "string",
    )

    def __init__(self, tables: Tables, stage: int, time: int) -> None:
        """Show a stage whose greens and reds are old enough to be changed at ``time``."""
        self._tables = tables
        self.log: Log = log_nothing
        self._timers: list[tuple[int, int, int]] = []
        self.stage, self.changing, self.since, self.begun = stage, False, time, time
        self.aspect = list(tables.stages[stage])
        self.aspect_since = [
            time - max(1, least if shown >= PERMISSIVE else 0)
            for shown, least in zip(self.aspect, tables.min_green, strict=True)
        ]
        self.green_end = [_LONG_AGO] * len(self.aspect)
        self.due = NEVER
        self.string = self._draw()

    @classmethod
    def within(cls, tables: Tables, pattern: Pattern, time: int) -> Lamps:
        """Show what a pattern has at a time."""
        on, age = pattern.place(time)
        lamps = cls(tables, pattern.stages[on - 1], time - age)
        if pattern.stages[on] != lamps.stage:
            lamps.begin(pattern.stages[on], time - age)
        while lamps.due <= time:
            lamps.run()
        return lamps

    @classmethod
    def adopt(cls, tables: Tables, shown: Mapping[str, Any], time: int, log: Log = log_nothing) -> Lamps:
        """Take up lamps that stand already, as an acknowledgement tells of them.

        Raises
        ------
        InputError
            If they are not lamps of this intersection.
        """
        try:
            lamps = cls(tables, shown["stage"], shown["since"])
            lamps.aspect = [LETTERS.index(letter) for letter in shown["aspects"]]
            lamps.aspect_since = list(shown["aspect_since"])
            lamps.green_end = [_LONG_AGO if t is None else t for t in shown["green_end"]]
            stage = tables.stages[lamps.stage]
            ended = [a < PERMISSIVE or b >= PERMISSIVE for a, b in zip(lamps.aspect, stage, strict=True)]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"lamps of {tables.intersection!r}: {type(error).__name__} {error}") from None
        if not all(ended) or {len(lamps.aspect_since), len(lamps.green_end)} != {len(stage)}:
            raise InputError(
                f"lamps of {tables.intersection!r}: {shown['aspects']!r} are not on the way to stage {lamps.stage}"
            )
        lamps.changing, lamps.log = tuple(lamps.aspect) != stage, log
        if not lamps.changing:  # the last greens to end did so when the change began
            lamps.begun = max((t for t in lamps.green_end if _LONG_AGO < t <= lamps.since), default=lamps.since)
        lamps._resume(time)
        return lamps

    def may_leave(self, stage: int) -> int:
        """Earliest time at which a change to another stage may begin, were no change under way."""
        new, earliest = self._tables.stages[stage], self.since + 1
        for g, shown in enumerate(self.aspect):
            if shown >= PERMISSIVE > new[g]:
                earliest = max(earliest, self.aspect_since[g] + self._tables.min_green[g])
        return earliest

    def latest_red(self) -> int:
        """When the first red is longer than its bound, if it goes on."""
        reds = zip(self.aspect, self.aspect_since, self._tables.red_bound, strict=True)
        return min((t + most + 1 for shown, t, most in reds if shown == RED and most is not None), default=NEVER)

    def begin(self, stage: int, time: int) -> None:
        """End the greens that a stage does not show; everything else follows by itself.

        Only when no change is under way, and not before :meth:`may_leave`.
        """
        new = self._tables.stages[stage]
        for g, shown in enumerate(self.aspect):
            if shown >= PERMISSIVE > new[g]:
                self._end_green(g, time)
        self.stage, self.changing, self.since, self.begun = stage, True, time, time
        self._set(max(time, self._finish_time()), _FINISH, 0)
        self.string = self._draw()

    def flash(self, time: int) -> None:
        """Show no stage any more, at once, as a conflict monitor does: every lamp flashes, and counts as red."""
        self._timers, self.due = [], NEVER
        for g, shown in enumerate(self.aspect):
            if shown >= PERMISSIVE:
                self.green_end[g] = time
                self.log(time, Code.DONT_WALK_BEGIN if self._tables.pedestrian[g] else Code.GREEN_END, g + 1)
            elif shown == YELLOW:
                self.log(time, Code.YELLOW_END, g + 1)
            if shown != RED:
                self.aspect[g], self.aspect_since[g] = RED, time
        self.stage, self.changing, self.since, self.begun = NO_STAGE, False, time, time
        self.string = self._draw()

    def start(self, stage: int, time: int) -> None:
        """Go from flashing to a stage, by a red of all that is long enough for everybody to see it."""
        self.aspect_since = [time] * len(self.aspect)
        self.stage, self.changing, self.since, self.begun = stage, True, time, time
        self._set(max(time + _START_RED, self._finish_time()), _FINISH, 0)
        self.string = self._draw()

    def run(self) -> None:
        """Do what is due next."""
        time, what, g = heappop(self._timers)
        if what == _YELLOW_ENDS:
            self._end_yellow(g, time)
        elif what == _CLEARED:
            self._cleared(g, time)
        else:
            self._finish(time)
        self.due = self._timers[0][0] if self._timers else NEVER
        self.string = self._draw()

    def shift(self, by: int) -> None:
        """Set all times with the clock: what has lasted so long has still lasted so long."""
        self.since += by
        self.begun += by
        self.aspect_since = [t + by for t in self.aspect_since]
        self.green_end = [t + by for t in self.green_end]
        self._timers = [(t + by, what, g) for t, what, g in self._timers]
        self.due = self._timers[0][0] if self._timers else NEVER

    def copy(self) -> Lamps:
        """Lamps that go the same way and log nothing."""
        twin = object.__new__(Lamps)
        for name in Lamps.__slots__:
            value = getattr(self, name)
            setattr(twin, name, value.copy() if isinstance(value, list) else value)
        twin.log = log_nothing
        return twin

    def document(self) -> dict[str, Any]:
        """Tell what is shown, as acknowledgements say it."""
        return {
            "stage": None if self.stage == NO_STAGE else self.stage,
            "changing": self.changing,
            "since": self.since,
            "aspects": "".join(LETTERS[shown] for shown in self.aspect),
            "aspect_since": list(self.aspect_since),
            "green_end": [None if t < _LONG_AGO // 2 else t for t in self.green_end],
        }

    def _draw(self) -> str:
        """Letters of all lamps."""
        red, aspect = self._tables.lamp_red, self.aspect
        if self.stage == NO_STAGE:
            return "".join(red[lamp] if g < 0 else _FLASHES for lamp, g in enumerate(self._tables.lamp_group))
        return "".join(
            red[lamp] if g < 0 or aspect[g] == RED else LETTERS[aspect[g]]
            for lamp, g in enumerate(self._tables.lamp_group)
        )

    def _set(self, time: int, what: int, g: int) -> None:
        heappush(self._timers, (time, what, g))
        self.due = self._timers[0][0]

    def _resume(self, time: int) -> None:
        """Set the timers of lamps that were taken up in the middle of a change."""
        for g, shown in enumerate(self.aspect):
            if shown == YELLOW:
                self._set(max(time, self.aspect_since[g] + self._tables.yellow[g]), _YELLOW_ENDS, g)
        if self.changing:
            self._set(max(time, self._finish_time()), _FINISH, 0)
        self.string = self._draw()

    def _finish_time(self) -> int:
        """When everything that ends is red and everything that begins may begin."""
        tables, new, finish = self._tables, self._tables.stages[self.stage], _LONG_AGO
        for g, shown in enumerate(self.aspect):
            red_from = self.aspect_since[g] + (tables.yellow[g] if shown == YELLOW else 0)
            if new[g] < PERMISSIVE:
                finish = max(finish, red_from)
            elif shown < PERMISSIVE:
                # A lamp never goes from yellow to green: red lasts for a tenth of a second at least.
                finish = max(finish, red_from + 1)
                for e, other in enumerate(self.aspect):
                    if e != g and other < PERMISSIVE:
                        finish = max(finish, self.green_end[e] + tables.intergreen[e][g])
        return finish

    def _end_green(self, g: int, time: int) -> None:
        tables = self._tables
        self.aspect[g] = YELLOW if tables.yellow[g] > 0 else RED
        self.aspect_since[g] = self.green_end[g] = time
        self._tell(time, ends(pedestrian=tables.pedestrian[g], yellow=tables.yellow[g] > 0), g)
        if tables.yellow[g] > 0:
            self._set(time + tables.yellow[g], _YELLOW_ENDS, g)
        self._set(time + tables.clearance[g], _CLEARED, g)

    def _end_yellow(self, g: int, time: int) -> None:
        self.aspect[g] = RED
        self.aspect_since[g] = time
        self._tell(time, turns_red(), g)

    def _cleared(self, g: int, time: int) -> None:
        """Note that nothing has to wait for a group any more, unless it is green again."""
        if self.aspect[g] < PERMISSIVE and time == self.green_end[g] + self._tables.clearance[g]:
            self._tell(time, cleared(pedestrian=self._tables.pedestrian[g]), g)

    def _tell(self, time: int, codes: tuple[Code, ...], g: int) -> None:
        for code in codes:
            self.log(time, code, g + 1)

    def _finish(self, time: int) -> None:
        """Show the stage; all its greens begin together."""
        for g, target in enumerate(self._tables.stages[self.stage]):
            if target >= PERMISSIVE:
                if self.aspect[g] < PERMISSIVE:
                    self.aspect_since[g] = time
                    self._tell(time, begins(pedestrian=self._tables.pedestrian[g]), g)
                self.aspect[g] = target
        self.changing, self.since = False, time
