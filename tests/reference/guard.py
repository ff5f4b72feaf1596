"""The guard as a traffic engineer would tell it: one junction at a time, groups as objects, no speed."""

from __future__ import annotations

from dataclasses import dataclass, field

from citybrain.decisions import Rule
from citybrain.signals import Aspect, Conflict, Signals
from citybrain.timings import Timings

SPARE_TICKS = 4
LONGEST_EXTENSION = 80
GREENS = (Aspect.PERMISSIVE, Aspect.PROTECTED)
Bend = tuple[int, Rule]


@dataclass
class Group:
    number: int
    aspect: Aspect
    since: int
    green_end: int
    min_green: int
    yellow: int
    max_yellow: int
    max_red: int
    occupied: bool = False
    """Its vehicles are said to stand in the intersection."""

    @property
    def green(self) -> bool:
        return self.aspect in GREENS

    def show(self, aspect: Aspect, time: int) -> None:
        if self.green and aspect not in GREENS:
            self.green_end = time
        if self.green != (aspect in GREENS) or not self.green:
            self.since = time
        self.aspect = aspect


@dataclass
class Junction:
    """One intersection; groups by their place in it, rows by their global number."""

    groups: list[Group]
    rows: dict[int, tuple[Aspect, ...]]
    stages: list[int]
    conflict: list[list[Conflict]]
    intergreen: list[list[int]]
    row: int
    since: int
    committed: bool = False
    changing: bool = False
    steps: set[tuple[int, int]] = field(default_factory=set)
    """Rows that may give way to others as they are."""
    urgent: tuple[int, int] | None = None
    """Stage that comes next, and the place of the group for whose sake."""
    told: set[Bend] = field(default_factory=set)

    def lawful(self, row: int) -> bool:
        places = self.served(row)
        return not any(self.conflict[a][b] == Conflict.HARD for a in places for b in places)

    def served(self, row: int) -> list[int]:
        return [k for k, aspect in enumerate(self.rows[row]) if aspect in GREENS]

    def lawful_stages(self) -> list[int]:
        return [row for row in self.stages if self.lawful(row)]

    def together(self, a: int, b: int, aspects: tuple[Aspect, Aspect]) -> bool:
        """Whether two groups may show these greens: both protected, or not both, as some lawful row has it."""
        if self.conflict[a][b] != Conflict.YIELDS:
            return self.conflict[a][b] == Conflict.NONE
        shown = [(r[a], r[b]) for row, r in self.rows.items() if self.lawful(row) and r[a] in GREENS and r[b] in GREENS]
        both = (Aspect.PROTECTED, Aspect.PROTECTED)
        return both in shown if aspects == both else len(shown) > 0

    def may_begin(self, place: int, aspect: Aspect, time: int) -> bool:
        group = self.groups[place]
        if group.aspect != Aspect.RED or group.since >= time:
            return False
        for k, other in enumerate(self.groups):
            if k == place:
                continue
            if other.green:
                if not self.together(k, place, (other.aspect, aspect)):
                    return False
            elif time < other.green_end + self.intergreen[k][place]:
                return False
        return True

    def longest_change(self, row: int) -> int:
        clearances = [line[k] for line in self.intergreen for k in self.served(row)]
        return max([group.yellow for group in self.groups] + clearances)

    def longest_minimum(self, row: int) -> int:
        return max([self.groups[k].min_green for k in self.served(row)], default=0)

    def heed_reds(self, wish: int | None, time: int, tick: int) -> int | None:
        if self.urgent is not None and self.urgent[0] == self.row and not self.changing:
            self.urgent = None
        if self.urgent is None:
            rest = max([0] + [g.since + g.min_green - time for g in self.groups if g.green])
            busy = rest
            if wish is not None and wish not in self.stages:
                busy = max(rest, self.longest_minimum(wish))
            elif wish is not None and wish != self.row:
                busy = max(rest, self.longest_change(wish) + self.longest_minimum(wish))
            due = []
            for k, group in enumerate(self.groups):
                serving = [row for row in self.lawful_stages() if k in self.served(row)]
                if group.aspect != Aspect.RED or not serving:
                    continue
                by_wish = wish in serving
                change = max(self.longest_change(row) for row in serving)
                if time + (rest if by_wish else busy) + change + SPARE_TICKS * tick > group.since + group.max_red:
                    due.append((group.since + group.max_red, k, wish if by_wish else serving[0]))
            if due:
                _, place, row = min(due, key=lambda item: item[:2])
                assert row is not None
                self.urgent = (row, place)
        return self.urgent[0] if self.urgent else wish

    def begin_change(self, stage: int, time: int) -> set[Bend]:
        ending = [
            g for g, aspect in zip(self.groups, self.rows[stage], strict=True) if g.green and aspect not in GREENS
        ]
        young = [g for g in ending if time < g.since + g.min_green]
        if young:
            return set() if self.urgent else {(g.number, Rule.MINIMUM_GREEN) for g in young}
        for group in ending:
            group.show(Aspect.YELLOW if group.yellow else Aspect.RED, time)
        self.row, self.since, self.committed = stage, time, True
        return set()

    def end_yellows(self, time: int) -> None:
        for group in self.groups:
            if group.aspect == Aspect.YELLOW and time >= group.since + group.yellow:
                group.show(Aspect.RED, time)

    def crossed(self, time: int) -> bool:
        """Whether somebody whose green has ended stands in the way of a green that the change begins."""
        pairs = [
            (j, k)
            for j, ended in enumerate(self.groups)
            for k in self.served(self.row)
            if ended.occupied and not ended.green and not self.groups[k].green
        ]
        return any(
            not self.together(j, k, (Aspect.PROTECTED, Aspect.PROTECTED))
            and time < self.groups[j].green_end + self.intergreen[j][k] + LONGEST_EXTENSION
            for j, k in pairs
        )

    def in_time(self, time: int, tick: int) -> bool:
        """Whether all reds that some stage can end would be ended in time if the change took another tick."""
        for k, group in enumerate(self.groups):
            serving = [row for row in self.lawful_stages() if k in self.served(row)]
            if group.aspect == Aspect.RED and serving:
                needed = SPARE_TICKS * tick
                if k not in self.served(self.row):
                    needed += self.longest_minimum(self.row) + max(self.longest_change(row) for row in serving)
                if time + needed > group.since + group.max_red:
                    return False
        return True

    def finish_change(self, time: int, tick: int) -> None:
        target = self.rows[self.row]
        closed = all(g.aspect == Aspect.RED for g, a in zip(self.groups, target, strict=True) if a not in GREENS)
        starting = [k for k in self.served(self.row) if not self.groups[k].green]
        ready = closed and all(self.may_begin(k, Aspect.PERMISSIVE, time) for k in starting)
        if ready and not (self.crossed(time) and self.in_time(time, tick)):
            for k in self.served(self.row):
                self.groups[k].show(target[k], time)
            self.committed = False

    def may_step(self, row: int, time: int) -> bool:
        """Whether the row shown may give way to the next row of the program just as the program has it."""
        if (self.row, row) not in self.steps or self.changing or self.since >= time:
            return False
        wish = self.rows[row]
        for k, (group, wanted) in enumerate(zip(self.groups, wish, strict=True)):
            age = time - group.since
            ends, begins = group.green and wanted not in GREENS, wanted in GREENS and not group.green
            if ends and age < group.min_green:
                return False
            if group.aspect == Aspect.YELLOW != wanted and age < group.yellow:
                return False
            if wanted == Aspect.YELLOW:
                longest = {Aspect.RED: False, Aspect.YELLOW: age < group.max_yellow}
                if not longest.get(group.aspect, group.max_yellow > 0):
                    return False
            for j, other in enumerate(self.groups):
                ended = time if other.green else other.green_end
                if begins and wish[j] not in GREENS and time < ended + self.intergreen[j][k]:
                    return False
        return True

    def follow(self, row: int, time: int) -> set[Bend]:
        bends: set[Bend] = set()
        if row != self.row:
            self.row, self.since = row, time
        for group, wanted in zip(self.groups, self.rows[row], strict=True):
            age = time - group.since
            if group.green and wanted == Aspect.PERMISSIVE:
                group.show(Aspect.PERMISSIVE, time)
            elif group.green and wanted not in GREENS:
                if age < group.min_green:
                    bends.add((group.number, Rule.MINIMUM_GREEN))
                    continue
                if wanted == Aspect.RED and group.yellow:
                    bends.add((group.number, Rule.YELLOW))
                with_yellow = group.yellow or (wanted == Aspect.YELLOW and group.max_yellow)
                group.show(Aspect.YELLOW if with_yellow else Aspect.RED, time)
            elif group.aspect == Aspect.YELLOW and wanted == Aspect.YELLOW:
                if age >= group.max_yellow:
                    bends.add((group.number, Rule.YELLOW))
                    group.show(Aspect.RED, time)
            elif group.aspect == Aspect.YELLOW:
                if age < group.yellow:
                    bends.add((group.number, Rule.YELLOW))
                else:
                    group.show(Aspect.RED, time)
            elif group.aspect == Aspect.RED and wanted == Aspect.YELLOW:
                bends.add((group.number, Rule.YELLOW))
        for k, wanted in enumerate(self.rows[row]):
            group = self.groups[k]
            if group.aspect == Aspect.PERMISSIVE and wanted == Aspect.PROTECTED:
                others = [(j, other) for j, other in enumerate(self.groups) if j != k and other.green]
                lawful = all(self.together(j, k, (other.aspect, wanted)) for j, other in others)
            elif group.aspect == Aspect.RED and wanted in GREENS:
                lawful = self.may_begin(k, wanted, time)
            else:
                continue
            if lawful:
                group.show(wanted, time)
            else:
                bends.add((group.number, Rule.CLEARANCE))
        return bends

    def tick(self, asked: int, time: int, tick: int) -> set[Bend]:
        """Carry out a wish; returns the bends that were not there a tick ago (group -1: all)."""
        bends: set[Bend] = set()
        wish: int | None = asked
        if asked not in self.rows:
            bends.add((-1, Rule.UNKNOWN_ROW))
            wish = None
        elif not self.lawful(asked):
            bends.add((-1, Rule.CONFLICT))
            wish = None
        was_committed = self.committed
        known = self.urgent is not None and (self.groups[self.urgent[1]].number, Rule.MAXIMUM_RED) in self.told
        if was_committed and wish not in (None, self.row) and not known:
            bends.add((-1, Rule.COMMITTED))
        target = wish if was_committed else self.heed_reds(wish, time, tick)
        if not was_committed and target is not None and self.may_step(target, time):
            for group, wanted in zip(self.groups, self.rows[target], strict=True):
                if wanted != group.aspect:
                    group.show(wanted, time)
            self.row, self.since = target, time
        elif not was_committed and target is not None and target not in self.stages:
            bends |= self.follow(target, time)
        else:
            if not was_committed and target is not None and target != self.row:
                bends |= self.begin_change(target, time)
            self.end_yellows(time)
            if self.committed:
                self.finish_change(time, tick)
        if self.urgent and (known or (not was_committed and self.urgent[0] != wish)):
            bends.add((self.groups[self.urgent[1]].number, Rule.MAXIMUM_RED))
        changing = tuple(g.aspect for g in self.groups) != self.rows[self.row]
        if changing != self.changing:
            self.changing, self.since = changing, time
        new, self.told = bends - self.told, bends
        return new


def own_steps(signals: Signals, i: int) -> set[tuple[int, int]]:
    """Rows that follow each other in a program, but for two stages."""
    first, last = int(signals.step_ptr[i]), int(signals.step_ptr[i + 1])
    steps = [int(signals.step_row[s]) for s in range(first, last) if signals.step_duration[s] > 0]
    stages = set(signals.stages(i).tolist())
    pairs = {(steps[k - 1], steps[k]) for k in range(len(steps))}
    return {(a, b) for a, b in pairs if a != b and not {a, b} <= stages}


def junctions(signals: Signals, timings: Timings, rows: list[int], time: int) -> list[Junction]:
    """All intersections, showing ``rows``, all greens and reds old enough to be changed, yellows just begun."""
    result = []
    for i in range(signals.n_intersections):
        first, last = int(signals.group_ptr[i]), int(signals.group_ptr[i + 1])
        n = last - first
        cells = int(signals.conflict_ptr[i])
        groups = []
        for g, shown in zip(range(first, last), signals.aspects(rows[i]), strict=True):
            limits = [int(getattr(timings, name)[g]) for name in ("min_green", "yellow", "max_yellow", "max_red")]
            age = limits[0] if shown in GREENS else 0 if shown == Aspect.YELLOW else 1
            end = time if shown == Aspect.YELLOW else -(2**40)
            groups.append(Group(g, Aspect(shown), time - age, end, limits[0], limits[1], limits[2], limits[3]))
        result.append(
            Junction(
                groups=groups,
                rows={
                    r: tuple(Aspect(a) for a in signals.aspects(r))
                    for r in range(int(signals.row_ptr[i]), int(signals.row_ptr[i + 1]))
                },
                stages=[int(r) for r in signals.stages(i)],
                conflict=[[Conflict(c) for c in line] for line in signals.conflicts(i)],
                intergreen=timings.intergreen[cells : cells + n * n].reshape(n, n).tolist(),
                row=rows[i],
                since=time,
                steps=own_steps(signals, i) if timings.as_programmed else set(),
            )
        )
    return result
