"""Faults of loops: stuck on or off, chatter, counts that drift.

Index letters: x sensors, e rows of loops in a batch, p pulses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain_sim.fault_rows import joined, only

if TYPE_CHECKING:
    from citybrain_sim.fault_case import Case
    from citybrain_sim.fault_rows import Bools, Rows, Table

CHATTER_LENGTH = (0.02, 0.1)
"""How long a change that no vehicle makes lasts [s], shortest and longest."""
LATENCY = 0.5
"""Rows that a fault makes come this long after their time [s], about as other rows of loops do."""
LONGEST = 1e7
"""Times within a batch lie nearer to each other than this [s]."""
DOUBLE_GAP, DOUBLE_LENGTH = 0.2, 0.1
"""A vehicle that is counted twice leaves a second pulse so long after the first, so long [s]."""


class Covered:
    """Remembers which loops last said that they are covered."""

    def __init__(self, n_sensors: int) -> None:
        self._on = np.zeros(n_sensors, dtype=np.bool_)

    def see(self, loop: Table) -> None:
        """Take in rows that go on to the engine."""
        order = np.lexsort((loop["time"], loop["sensor"]))
        self._on[loop["sensor"][order]] = loop["on"][order]  # of several rows of a sensor the last one stays

    def of(self, sensor: NDArray[np.integer[Any]]) -> Bools:
        """Whether these are covered, by their last row."""
        covered: Bools = self._on[sensor]
        return covered

    def at(self, loop: Table, sensor: NDArray[np.int64], time: NDArray[np.float64]) -> Bools:
        """Whether these are covered at these times [s]; ``loop`` holds the rows that are not taken in yet."""
        covered = self._on[sensor].copy()
        if len(sensor) and len(loop["sensor"]):
            origin = time[0]
            key = loop["sensor"] * LONGEST + (loop["time"] - origin)
            order = np.argsort(key, kind="stable")
            row = order[np.maximum(np.searchsorted(key[order], sensor * LONGEST + (time - origin)) - 1, 0)]
            known = (loop["sensor"][row] == sensor) & (loop["time"][row] < time)
            covered[known] = loop["on"][row[known]]
        return covered


def _changed(table: Table, **columns: NDArray[Any]) -> Table:
    """Other values in some columns, their types kept."""
    return {**table, **{column: values.astype(table[column].dtype) for column, values in columns.items()}}


class Stuck:
    """Loops that show one state for all their time."""

    def __init__(self, case: Case, *, on: bool) -> None:
        self._case, self._on = case, on
        self._covered = Covered(len(case.hit))
        self._begun = self._ended = False

    def apply(self, rows: Rows, now: float) -> Rows:
        """Swallow what the loops would say; tell the change at the beginning, and the loop's release at the end."""
        case = self._case
        loop = only(rows["loop"], ~case.struck(rows["loop"]))
        self._covered.see(only(loop, loop["time"] < case.begin))
        if not self._begun and now >= case.begin:
            self._begun = True
            loop = self._told(loop, case.loops[self._covered.of(case.loops) != self._on], case.begin, on=self._on)
        if self._on and not self._ended and now >= case.end:
            self._ended = True
            loop = self._told(loop, case.loops, case.end, on=False)
        return {**rows, "loop": loop, "count": self._counted(rows["count"])}

    def detail(self, x: int) -> dict[str, Any]:  # noqa: ARG002 - nothing is drawn
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {}

    def _counted(self, count: Table) -> Table:
        """Empty their counts: a loop that never changes counts nobody."""
        struck = self._case.struck(count)
        covered = np.where(np.isnan(count["occupancy"]), np.nan, float(self._on))
        return _changed(
            count,
            vehicles=np.where(struck, 0.0, count["vehicles"]),
            occupancy=np.where(struck, covered, count["occupancy"]),
        )

    @staticmethod
    def _told(loop: Table, sensor: NDArray[np.int64], time: float, *, on: bool) -> Table:
        n = len(sensor)
        return joined(loop, {"sensor": sensor, "time": np.full(n, time), "on": np.full(n, on)})


class Chatter:
    """Loops that flutter: a free loop is covered for a moment, a covered one free."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._covered = Covered(len(case.hit))
        self._last: float | None = None

    def apply(self, rows: Rows, now: float) -> Rows:
        """Add the changes of the time since the last batch."""
        case, rng, loop = self._case, self._case.rng, rows["loop"]
        since = max(now if self._last is None else self._last, case.begin + LATENCY)
        until = min(now, case.end)
        self._last = now
        if until > since:
            count = rng.poisson(case.figures["per_minute"] / 60.0 * (until - since), len(case.loops))
            sensor = np.repeat(case.loops, count)
            start = rng.uniform(since, until, len(sensor)) - LATENCY
            end = start + rng.uniform(*CHATTER_LENGTH, len(sensor))
            covered = self._covered.at(loop, sensor, start)
            loop = joined(loop, {"sensor": sensor, "time": start, "on": ~covered})
            loop = joined(loop, {"sensor": sensor, "time": end, "on": covered})
        self._covered.see(rows["loop"])
        return {**rows, "loop": loop, "count": self._counted(rows["count"])}

    def detail(self, x: int) -> dict[str, Any]:  # noqa: ARG002 - nothing is drawn
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {}

    def _counted(self, count: Table) -> Table:
        """Count changes that no vehicle made."""
        extra = self._case.rng.poisson(self._case.figures["per_minute"] / 60.0 * (count["end"] - count["begin"]))
        return _changed(count, vehicles=count["vehicles"] + np.where(self._case.struck(count), extra, 0))


class CountDrift:
    """Loops that miss, or double, a share of vehicles that grows with time."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._misses = case.rng.random(len(case.hit)) < 0.5
        self._missed = np.zeros(len(case.hit), dtype=np.bool_)
        self._counters = (("count", case.rng), ("turn", case.rng.spawn(1)[0]))

    def apply(self, rows: Rows, now: float) -> Rows:  # noqa: ARG002 - what counts is the time of the row
        """Take out or add whole pulses."""
        loop = rows["loop"]
        order = np.lexsort((loop["on"], loop["time"], loop["sensor"]))
        loop = only(loop, order)
        sensor, time, on = loop["sensor"], loop["time"], loop["on"]
        drawn = self._case.struck(loop) & (self._case.rng.random(len(time)) < self._share(time))
        missed = self._gone(sensor, on, drawn & self._misses[sensor])
        doubled = drawn & ~on & ~self._misses[sensor]
        again = time[doubled] + DOUBLE_GAP
        left = only(loop, ~missed)
        left = joined(left, {"sensor": sensor[doubled], "time": again, "on": np.ones(len(again), np.bool_)})
        left = joined(
            left, {"sensor": sensor[doubled], "time": again + DOUBLE_LENGTH, "on": np.zeros(len(again), np.bool_)}
        )
        counted = {name: self._counted(rows[name], rng) for name, rng in self._counters}
        return {**rows, "loop": left, **counted}

    def detail(self, x: int) -> dict[str, Any]:
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {"error": "misses" if self._misses[x] else "doubles"}

    def _share(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of vehicles that is counted wrong at these times [s]."""
        grown = self._case.figures["per_hour"] * (time - self._case.begin) / 3600.0
        return np.clip(grown, 0.0, self._case.figures["most"])

    def _counted(self, count: Table, rng: np.random.Generator) -> Table:
        """Take out or add vehicles, each with the chance of its time."""
        wrong = rng.binomial(np.round(count["vehicles"]).astype(np.int64), self._share(count["end"]))
        sign = np.where(self._misses[count["sensor"]], -1, 1) * self._case.struck(count)
        return _changed(count, vehicles=count["vehicles"] + sign * wrong)

    def _gone(self, sensor: NDArray[Any], on: Bools, drawn: Bools) -> Bools:
        """Rows [E] to take out: drawn beginnings, and their ends, also in a later batch.

        Rows are in order of sensor and time.
        """
        begins_here = np.zeros(len(on), dtype=np.bool_)
        begins_here[1:] = (sensor[1:] == sensor[:-1]) & on[:-1]
        before = np.maximum(np.arange(len(on)) - 1, 0)
        gone: Bools = np.where(on, drawn, np.where(begins_here, drawn[before], self._missed[sensor]))
        self._missed[sensor[on]] = gone[on]
        return gone
