"""Faults of any sensor: silence, a wrong clock, and messages that are lost, late, doubled or overtake each other.

A message is what travels together: one event of a loop, one frame with its objects, one count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain_sim.fault_rows import CLOCKS, joined, messages, moment, only
from citybrain_sim.mailbox import Mailbox

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from citybrain_sim.fault_case import Case
    from citybrain_sim.fault_rows import Bools, Rows

    Floats = NDArray[np.float64]


class Silent:
    """Sensors that say nothing."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def apply(self, rows: Rows, now: float) -> Rows:  # noqa: ARG002 - what counts is the time of the row
        """Take out their rows."""
        return {name: only(table, ~self._case.struck(table)) for name, table in rows.items()}

    def detail(self, x: int) -> dict[str, Any]:  # noqa: ARG002 - nothing is drawn
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {}


class ClockSkew:
    """Sensors whose clock is ahead or behind, and drifts further the same way."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._ahead = np.where(case.rng.random(len(case.hit)) < 0.5, 1.0, -1.0)

    def apply(self, rows: Rows, now: float) -> Rows:  # noqa: ARG002 - what counts is the time of the row
        """Change the times of rows."""
        case, changed = self._case, dict(rows)
        for name, table in rows.items():
            drift = case.figures["drift_s"] * (moment(table) - case.begin) / 3600.0
            wrong = self._ahead[table["sensor"]] * (case.figures["offset_s"] + drift)
            wrong = np.where(case.struck(table), wrong, 0.0)
            changed[name] = {**table, **{clock: table[clock] + wrong for clock in CLOCKS if clock in table}}
        return changed

    def detail(self, x: int) -> dict[str, Any]:
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {"offset_s": float(self._ahead[x] * self._case.figures["offset_s"])}


class _Way:
    """What the faults of the way have in common: messages drawn, and rows held until they arrive."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._held: dict[str, Mailbox] = {}

    def detail(self, x: int) -> dict[str, Any]:  # noqa: ARG002 - nothing is drawn
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {}

    def _drawn(self, rows: Rows, now: float) -> tuple[Floats, dict[str, Bools], dict[str, NDArray[np.int64]]]:
        """Draw a number per message, 0 to 1; tell per table which rows are struck, and their message."""
        sensor, number = messages(rows)
        lot = self._case.rng.random(len(sensor))
        struck = self._case.hit[sensor] & self._case.lasts(now)
        struck &= lot < self._case.figures.get("of_messages", 1.0)
        return lot, {name: struck[message] for name, message in number.items()}, number

    def _hold(self, rows: Rows, arrival: Mapping[str, Floats]) -> None:
        """Keep rows until they arrive [s]."""
        for name, table in rows.items():
            if name not in self._held:
                self._held[name] = Mailbox(*(values.dtype.type for values in table.values()))
            self._held[name].post(arrival[name], *table.values())

    def _with_arrived(self, rows: Rows, now: float) -> Rows:
        """Add the rows that were held and have arrived by now [s]."""
        return {
            name: joined(table, dict(zip(table, self._held[name].collect(now), strict=True)))
            if name in self._held
            else table
            for name, table in rows.items()
        }


class Lost(_Way):
    """A share of messages never arrives."""

    def apply(self, rows: Rows, now: float) -> Rows:
        """Take them out."""
        _, struck, _ = self._drawn(rows, now)
        return {name: only(table, ~struck[name]) for name, table in rows.items()}


class Late(_Way):
    """A share of messages arrives later than the others."""

    def apply(self, rows: Rows, now: float) -> Rows:
        """Hold them back; give out those whose time has come."""
        lot, struck, number = self._drawn(rows, now)
        delay = self._case.rng.exponential(self._case.figures["delay_s"], len(lot))
        self._hold(
            {name: only(table, struck[name]) for name, table in rows.items()},
            {name: now + delay[number[name][struck[name]]] for name in rows},
        )
        return self._with_arrived({name: only(table, ~struck[name]) for name, table in rows.items()}, now)


class Duplicated(_Way):
    """A share of messages arrives a second time."""

    def apply(self, rows: Rows, now: float) -> Rows:
        """Hold copies back; give out those whose time has come."""
        lot, struck, number = self._drawn(rows, now)
        delay = self._case.rng.uniform(0.0, self._case.figures["within_s"], len(lot))
        self._hold(
            {name: only(table, struck[name]) for name, table in rows.items()},
            {name: now + delay[number[name][struck[name]]] for name in rows},
        )
        return self._with_arrived(rows, now)


class OutOfOrder(_Way):
    """Every message takes a time of its own, so that some overtake others, also within a batch."""

    def apply(self, rows: Rows, now: float) -> Rows:
        """Hold all back, each for its own time; give out those whose time has come in any order."""
        lot, struck, number = self._drawn(rows, now)
        delay = lot * self._case.figures["within_s"]
        self._hold(
            {name: only(table, struck[name]) for name, table in rows.items()},
            {name: now + delay[number[name][struck[name]]] for name in rows},
        )
        rows = self._with_arrived({name: only(table, ~struck[name]) for name, table in rows.items()}, now)
        if not self._case.lasts(now):
            return rows
        return {name: only(table, self._case.rng.permutation(len(table["sensor"]))) for name, table in rows.items()}
