"""The only way from a wish to the lamps. Knows nothing of optimisation and shares no code with it.

May import network (for its tables' form), signals, timings, decisions, errors and its kernel.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain.decisions import Command, LampState
from citybrain.errors import ContractError, NetworkError
from citybrain.network import csr
from citybrain.signals import Aspect, Conflict
from citybrain.units import TENTHS_PER_SECOND
from citybrain_kernels import guard as kernels
from citybrain_kernels.accelerate import hold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain.decisions import Wish
    from citybrain.signals import Signals
    from citybrain.timings import Timings

IntArray = NDArray[np.int32]

_LONG_AGO = -(2**40)


class Shown(NamedTuple):
    """What one intersection shows; times in tenths of a second.

    Attributes
    ----------
    row : shown or being changed to.
    changing, since : a change is under way; since when, or since when the row is fully shown.
    aspect, aspect_since : per group of the intersection, as in ``LampState``.
    green_end : per group, end of its last green.
    """

    row: int
    changing: bool
    since: int
    aspect: Sequence[int]
    aspect_since: Sequence[int]
    green_end: Sequence[int]


class LampGuard:
    """Carries out what is lawful of every wish; implements ``engine.Guard``.

    A wish for a stage is carried out as one change that is finished before another is heard: greens that end have
    their minimum, then yellow, then red; all greens that begin do so together once every yellow has ended and every
    intergreen has elapsed. A wish for a row that is not a stage is followed group by group, each under the same
    limits, so that a controller can walk through the program's own interstages. Where the timings say
    ``as_programmed``, the intersection goes from one row to the next one of its own program exactly as the program
    has it: a program may turn a yellow green, or have no yellow.

    Where a wish says that vehicles of a group whose green has ended still stand in the intersection, the greens that
    conflict with it wait for them: red clearance is extended by ``LONGEST_EXTENSION`` at most, and only while no other
    group's red grows too long by it. It is never shortened.

    No red of a group that some stage serves lasts longer than ``max_red`` plus, for every other lawful stage of the
    intersection that does not serve the group, one service of it: the change to it, its minimum green and
    ``SPARE_TICKS`` ticks (:func:`red_bounds`). Those are needed only where several groups are due at the same time;
    alone, a group never waits beyond its ``max_red``. The bound takes ticks of even length, and maximum reds longer
    than the time that one service and the change to the next take.

    Parameters
    ----------
    signals, timings : the intersections and the limits that hold there.
    time_tenths : begin of control; the lamps start as the program shows them then (see :meth:`initial_row`), all
        greens and reds old enough to be changed.

    Raises
    ------
    NetworkError
        If an intersection has no row without conflicting greens.
    ContractError
        If the timings belong to other signals.
    """

    def __init__(self, signals: Signals, timings: Timings, time_tenths: int) -> None:
        _check_shapes(signals, timings)
        self._signals = signals
        tables = _make_tables(signals, timings)
        self._fresh_memory = partial(_make_memory, signals, timings, tables)
        self._memory = self._fresh_memory(time_tenths)
        room = 3 * signals.n_intersections + 5 * signals.n_groups
        self._face = kernels.Face(
            lamp_ptr=signals.lamp_ptr,
            lamp_group=signals.lamp_group,
            lamp_red=signals.lamp_red,
            lamp_char=np.zeros(len(signals.lamp_group), dtype=np.uint8),
            changed=np.zeros(signals.n_intersections, dtype=np.bool_),
            bent_intersection=np.zeros(room, np.int32),
            bent_group=np.zeros(room, np.int32),
            bent_rule=np.zeros(room, np.uint8),
        )
        self._desk = hold(kernels.Desk(tables, self._memory, self._face))
        self._tick = TENTHS_PER_SECOND
        self._lamps = self._look(time_tenths)

    @staticmethod
    def initial_row(signals: Signals, time: int) -> IntArray:
        """Rows [I] that the intersections' own programs show at a time [tenths]."""
        return np.array([_position(signals, i, time)[0] for i in range(signals.n_intersections)], dtype=np.int32)

    @property
    def lamps(self) -> LampState:
        """What the signals show now."""
        return self._lamps

    @property
    def green_end(self) -> NDArray[np.int64]:
        """End of every group's last green [G] [tenths]; far in the past where none has ended."""
        return self._memory.green_end.copy()

    @property
    def due_row(self) -> IntArray:
        """Row [I] that comes next whatever is wished, since a group has been red for too long; -1 for none."""
        return self._memory.urgent_row.copy()

    def begin_again(self, time: int) -> None:
        """Forget all that was shown, and go on at a time [tenths] as a guard that is made then would.

        Making one takes seconds in a large city, most of them for tables that have not changed.
        """
        fresh = self._fresh_memory(time)
        for name in fresh._fields:
            np.copyto(getattr(self._memory, name), getattr(fresh, name))
        self._face.lamp_char[:] = 0
        self._tick = TENTHS_PER_SECOND
        self._lamps = self._look(time)

    def adopt(self, intersection: int, shown: Shown) -> None:
        """Believe that an intersection shows something else than it was commanded, and go on from there.

        For lamps that follow somebody else at times: the cabinet on the street has the last word.

        Raises
        ------
        ContractError
            If the row is not one of the intersection's, there is not one aspect per group, or conflicting groups are
            green together.
        """
        signals, memory, i = self._signals, self._memory, intersection
        groups = slice(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
        n = groups.stop - groups.start
        if not signals.row_ptr[i] <= shown.row < signals.row_ptr[i + 1]:
            raise ContractError(f"row {shown.row} is not one of intersection {i}")
        if {len(shown.aspect), len(shown.aspect_since), len(shown.green_end)} != {n}:
            raise ContractError(f"intersection {i} has {n} groups; what it shows must name each of them")
        aspect = np.array(shown.aspect, dtype=np.uint8)
        green = np.flatnonzero(aspect >= Aspect.PERMISSIVE)
        if np.any(signals.conflicts(i)[np.ix_(green, green)] == Conflict.HARD):
            raise ContractError(f"intersection {i} cannot show green to conflicting groups")
        memory.row[i], memory.since[i] = shown.row, shown.since
        memory.committed[i] = memory.changing[i] = shown.changing
        memory.urgent_row[i], memory.told_site[i] = -1, 0
        memory.aspect[groups] = aspect
        memory.aspect_since[groups] = shown.aspect_since
        memory.green_end[groups] = shown.green_end
        memory.told_group[groups] = 0
        self._lamps = self._look(self._lamps.time)

    def enforce(self, wish: Wish) -> Command:
        """Carry out what is lawful of a wish; column 0 of its plan is what is asked for now.

        Raises
        ------
        ContractError
            If the wish is older than the last one, not one row of plans per intersection, or its ``occupied`` not one
            flag per group.
        """
        n_i = self._signals.n_intersections
        if wish.plan_row.ndim != 2 or wish.plan_row.shape[0] != n_i or wish.plan_row.shape[1] < 1:
            raise ContractError(f"a wish must be [{n_i}, stages], found {wish.plan_row.shape}")
        if wish.occupied is not None and wish.occupied.shape != (self._signals.n_groups,):
            raise ContractError(f"occupied must be [{self._signals.n_groups}], found {list(wish.occupied.shape)}")
        elapsed = wish.time - self._lamps.time
        if elapsed < 0:
            raise ContractError(f"a wish for time {wish.time} came after time {self._lamps.time}; time only grows")
        self._tick = elapsed or self._tick
        plan_row = np.ascontiguousarray(wish.plan_row, dtype=np.int32)
        self._memory.occupied[:] = False if wish.occupied is None else wish.occupied
        count = kernels.enforce(np.int64(wish.time), np.int64(self._tick), plan_row, self._desk)
        face = self._face
        self._lamps = self._look(wish.time)
        return Command(
            time=wish.time,
            lamps=self._lamps,
            lamp_char=face.lamp_char.copy(),
            changed=face.changed.copy(),
            bent_intersection=face.bent_intersection[:count].copy(),
            bent_group=face.bent_group[:count].copy(),
            bent_rule=face.bent_rule[:count].copy(),
        )

    def _look(self, time: int) -> LampState:
        memory = self._memory
        return LampState(
            time=time,
            row=memory.row.copy(),
            changing=memory.changing.copy(),
            since=memory.since.copy(),
            aspect=memory.aspect.copy(),
            aspect_since=memory.aspect_since.copy(),
        )


def red_bounds(signals: Signals, timings: Timings, tick: int = TENTHS_PER_SECOND) -> NDArray[np.int64]:
    """Longest red [G] that the guard lets any controller bring about [tenths], -1 where no stage serves the group.

    See :class:`LampGuard`; ``tick`` is the time between two calls [tenths].
    """
    tables = _make_tables(signals, timings)
    bounds = np.full(signals.n_groups, -1, dtype=np.int64)
    for i in range(signals.n_intersections):
        stages = [r for r in signals.stages(i) if tables.row_lawful[r]]
        service = {int(r): int(tables.row_change[r] + tables.row_green[r]) + kernels.SPARE_TICKS * tick for r in stages}
        g0 = int(signals.group_ptr[i])
        for g in range(g0, int(signals.group_ptr[i + 1])):
            if tables.group_stage[g] >= 0:
                others = [r for r in service if signals.aspects(r)[g - g0] < Aspect.PERMISSIVE]
                bounds[g] = timings.max_red[g] + sum(service[r] for r in others)
    return bounds


def _check_shapes(signals: Signals, timings: Timings) -> None:
    """Refuse timings that were made for other signals."""
    n = signals.n_groups
    for name in ("min_green", "yellow", "max_yellow", "max_red"):
        found = getattr(timings, name).shape
        if found != (n,):
            raise ContractError(f"timings.{name} must be [{n}], found {list(found)}")
    if timings.intergreen.shape != signals.conflict.shape:
        raise ContractError(
            f"timings.intergreen must be {list(signals.conflict.shape)}, found {list(timings.intergreen.shape)}"
        )
    if np.any(timings.max_yellow < timings.yellow) or np.any(timings.min_green < 0) or np.any(timings.yellow < 0):
        raise ContractError("timings must not be negative, and max_yellow not shorter than yellow")


def _make_tables(signals: Signals, timings: Timings) -> kernels.GuardTables:
    """Lay out what the kernel reads."""
    n_g, n_r = signals.n_groups, signals.n_rows
    lawful = np.ones(n_r, dtype=np.bool_)
    row_green, row_change = np.zeros(n_r, dtype=np.int32), np.zeros(n_r, dtype=np.int32)
    group_stage, group_change = np.full(n_g, -1, dtype=np.int32), np.zeros(n_g, dtype=np.int32)
    pair = np.zeros(len(signals.conflict), dtype=np.uint8)
    following: list[list[int]] = [[] for _ in range(n_r)]
    for i in range(signals.n_intersections):
        groups = slice(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
        cells = slice(int(signals.conflict_ptr[i]), int(signals.conflict_ptr[i + 1]))
        rows = slice(int(signals.row_ptr[i]), int(signals.row_ptr[i + 1]))
        conflict = signals.conflicts(i)
        aspect = np.array([signals.aspects(r) for r in range(rows.start, rows.stop)]).reshape(-1, len(conflict))
        green = aspect >= Aspect.PERMISSIVE
        lawful[rows] = [not np.any(conflict[np.ix_(g, g)] == Conflict.HARD) for g in green]
        pair[cells] = _pairs(conflict, aspect[lawful[rows]]).ravel()
        intergreen = timings.intergreen[cells].reshape(conflict.shape)
        slowest = max(0, int(timings.yellow[groups].max(initial=0)))
        row_green[rows] = [timings.min_green[groups][g].max(initial=0) for g in green]
        row_change[rows] = [max(slowest, int(intergreen[:, g].max(initial=0))) for g in green]
        if timings.as_programmed:
            for r, after in _own_steps(signals, i):
                following[r].append(after)
        for r in signals.stages(i)[::-1]:
            if lawful[r]:
                served = np.flatnonzero(green[r - rows.start]) + groups.start
                group_stage[served] = r
                group_change[served] = np.maximum(group_change[served], row_change[r])
    row_next_ptr, row_next = csr(following)
    return kernels.GuardTables(
        row_ptr=signals.row_ptr,
        row_aspect_ptr=signals.row_aspect_ptr,
        row_aspect=signals.row_aspect,
        row_stage=signals.row_is_stage,
        row_lawful=lawful,
        row_green=row_green,
        row_change=row_change,
        row_next_ptr=row_next_ptr,
        row_next=row_next,
        group_ptr=signals.group_ptr,
        group_stage=group_stage,
        group_change=group_change,
        pair_ptr=signals.conflict_ptr,
        pair=pair,
        intergreen=timings.intergreen,
        min_green=timings.min_green,
        yellow=timings.yellow,
        max_yellow=timings.max_yellow,
        max_red=timings.max_red,
    )


def _own_steps(signals: Signals, intersection: int) -> list[tuple[int, int]]:
    """Pairs of different rows that follow each other in the intersection's own program, at most one of them a stage."""
    steps = slice(int(signals.step_ptr[intersection]), int(signals.step_ptr[intersection + 1]))
    rows = signals.step_row[steps][signals.step_duration[steps] > 0].tolist()
    stage = signals.row_is_stage
    return sorted({(a, b) for a, b in pairwise([*rows, *rows[:1]]) if a != b and not (stage[a] and stage[b])})


def _pairs(conflict: NDArray[np.uint8], aspect: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How far two groups may be green together: always, never, or as some lawful row [rows, n] shows it."""
    green = (aspect >= Aspect.PERMISSIVE).astype(np.int64)
    protected = (aspect == Aspect.PROTECTED).astype(np.int64)
    pair = np.full(conflict.shape, kernels.APART, dtype=np.uint8)
    pair[green.T @ green > 0] = kernels.TOGETHER
    pair[protected.T @ protected > 0] = kernels.BOTH_PROTECTED
    pair[conflict == Conflict.NONE] = kernels.BOTH_PROTECTED
    pair[conflict == Conflict.HARD] = kernels.APART
    return pair


def _make_memory(signals: Signals, timings: Timings, tables: kernels.GuardTables, time: int) -> kernels.GuardMemory:
    """Start as the program shows the lamps; where that is unlawful, with the first lawful row."""
    n_i, n_g = signals.n_intersections, signals.n_groups
    row = LampGuard.initial_row(signals, time)
    aspect = np.zeros(n_g, dtype=np.uint8)
    since = np.full(n_g, time, dtype=np.int64)
    green_end = np.full(n_g, _LONG_AGO, dtype=np.int64)
    for i in range(n_i):
        rows = range(int(signals.row_ptr[i]), int(signals.row_ptr[i + 1]))
        if not tables.row_lawful[row[i]]:
            lawful = sorted((r for r in rows if tables.row_lawful[r]), key=lambda r: not signals.row_is_stage[r])
            if not lawful:
                raise NetworkError(
                    f"every state of program {signals.program_id[i]!r} of intersection {i} shows conflicting greens; "
                    "correct the program"
                )
            row[i] = lawful[0]
        g0 = int(signals.group_ptr[i])
        for k, shown in enumerate(signals.aspects(int(row[i]))):
            g = g0 + k
            aspect[g] = shown
            if shown >= Aspect.PERMISSIVE:
                since[g] -= timings.min_green[g]
            elif shown == Aspect.YELLOW:
                since[g] -= _yellow_age(signals, i, k, time)
                green_end[g] = since[g]
            else:
                since[g] -= 1
    return kernels.GuardMemory(
        row=row,
        since=np.full(n_i, time, dtype=np.int64),
        committed=np.zeros(n_i, dtype=np.bool_),
        changing=np.zeros(n_i, dtype=np.bool_),
        urgent_row=np.full(n_i, -1, dtype=np.int32),
        urgent_group=np.zeros(n_i, dtype=np.int32),
        aspect=aspect,
        aspect_since=since,
        green_end=green_end,
        told_site=np.zeros(n_i, dtype=np.uint8),
        told_group=np.zeros(n_g, dtype=np.uint8),
        bends=np.zeros(n_g, dtype=np.uint8),
        occupied=np.zeros(n_g, dtype=np.bool_),
    )


def _position(signals: Signals, intersection: int, time: int) -> tuple[int, int, int]:
    """Row, step and age of the step [tenths] that the program shows at a time [tenths]."""
    a, b = int(signals.step_ptr[intersection]), int(signals.step_ptr[intersection + 1])
    ends = np.cumsum(signals.step_duration[a:b])
    position = (time - int(signals.program_offset[intersection])) % int(ends[-1])
    step = int(np.searchsorted(ends, position, side="right"))
    age = position - (int(ends[step - 1]) if step else 0)
    return int(signals.step_row[a + step]), a + step, age


def _yellow_age(signals: Signals, intersection: int, k: int, time: int) -> int:
    """For how long the program has shown yellow to the intersection's k-th group at a time [tenths]."""
    row, step, age = _position(signals, intersection, time)
    if signals.aspects(row)[k] != Aspect.YELLOW:
        return 0
    first, last = int(signals.step_ptr[intersection]), int(signals.step_ptr[intersection + 1])
    for _ in range(last - first - 1):
        step = step - 1 if step > first else last - 1
        if signals.aspects(int(signals.step_row[step]))[k] != Aspect.YELLOW:
            break
        age += int(signals.step_duration[step])
    return age
