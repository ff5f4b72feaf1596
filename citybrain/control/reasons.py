"""Why an intersection was wished what it was wished, in one line and in numbers.

May import the tables of the street and what rooms hand each other. Stages are numbered as in plans: by their place
among the intersection's stages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from citybrain.decisions import Rule
from citybrain.signals import Aspect
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from citybrain.decisions import LampState, Wish
    from citybrain.network import Network
    from citybrain.signals import Signals
    from citybrain.state import TrafficState

NEAR_S = 10
"""Arrivals that a reason speaks of are those of so many seconds."""


class Decision(NamedTuple):
    """What was decided for one intersection at one tick, and on which grounds.

    Attributes
    ----------
    row : wished. waiting, coming : vehicles that it serves now and within ``NEAR_S`` seconds. head_wait : seconds that
        the first of them has stood.
    cost : what the controller thinks its plan costs [veh s]; NaN where it does not say.
    other_row, other_cost : what the best plan without this change begins with, and its cost; -1 and NaN where none.
    text : all of it in one line.
    """

    row: int
    waiting: float
    coming: float
    head_wait: float
    cost: float
    other_row: int
    other_cost: float
    text: str


class Explainer:
    """Puts decisions into words."""

    def __init__(self, network: Network, signals: Signals) -> None:
        self._network, self._signals = network, signals
        self._stops: dict[int, NDArray[np.int32]] = {}

    def decision(self, i: int, state: TrafficState, lamps: LampState, wish: Wish, held: Iterable[int] = ()) -> Decision:
        """Explain what is wished for intersection i.

        Parameters
        ----------
        state, lamps : that the controller decided on.
        held : rules (``Rule``) by which the guard bent the wish.
        """
        row = int(wish.plan_row[i, 0])
        if row < 0:
            row = int(lamps.row[i])
        stops = self._stops_of(i, row)
        lanes = self._network.approach_lane[stops]
        reasons = wish.reasons
        decision = Decision(
            row=row,
            waiting=float((state.queue[lanes] + state.spill[stops]).sum()),
            coming=float(state.arrivals[stops, :NEAR_S].sum()),
            head_wait=float(state.head_wait[stops].max(initial=0.0)),
            cost=float(wish.cost[i]),
            other_row=-1 if reasons is None else int(reasons.other_row[i]),
            other_cost=float("nan") if reasons is None else float(reasons.other_cost[i]),
            text="",
        )
        return decision._replace(text=self._text(i, decision, lamps, wish, held))

    def _text(self, i: int, decision: Decision, lamps: LampState, wish: Wish, held: Iterable[int]) -> str:
        """Put a decision into words."""
        shown = int(lamps.row[i])
        goes_on = f"{self._name(i, shown)} goes on"
        begins = f"{self._name(i, decision.row)} after {self._name(i, shown)}"
        waiting = f"{decision.waiting:.1f} vehicles wait, the first for {decision.head_wait:.0f} s"
        coming = f"{decision.coming:.1f} come within {NEAR_S} s"
        parts = [goes_on if decision.row == shown else begins, waiting, coming, *self.grounds(i, wish, shown)]
        parts += [f"held back by {Rule(rule).name.lower().replace('_', ' ')}" for rule in sorted(set(held))]
        return "; ".join(parts)

    def grounds(self, i: int, wish: Wish, shown: int) -> list[str]:
        """Say what a controller tells of intersection i beside its plan: cost, the best alternative, blindness.

        ``shown`` is the row that the intersection shows.
        """
        parts = []
        reasons, cost = wish.reasons, float(wish.cost[i])
        if reasons is not None and len(reasons.own_program) and reasons.own_program[i]:
            parts.append("own program by the clock: an approach is not seen, or all are silent")
        if np.isfinite(cost):
            parts.append(f"plan costs {cost:.0f} veh s")
        if reasons is not None and reasons.other_row[i] >= 0:
            other = int(reasons.other_row[i])
            name = "to stay" if other == shown else self._name(i, other)
            parts.append(f"{name} would cost {float(reasons.other_cost[i]):.0f}")
        following = int(wish.plan_row[i, 1]) if wish.plan_row.shape[1] > 1 else -1
        if wish.plan_row[i, 0] == shown and following >= 0:
            wait_s = max(0, int(wish.plan_start[i, 1]) - wish.time) / TENTHS_PER_SECOND
            parts.append(f"{self._name(i, following)} in {wait_s:.0f} s")
        return parts

    def _name(self, i: int, row: int) -> str:
        place = np.flatnonzero(self._signals.stages(i) == row)
        return f"stage {place[0]}" if len(place) else f"row {row - int(self._signals.row_ptr[i])}"

    def _stops_of(self, i: int, row: int) -> NDArray[np.int32]:
        """Stop-line lanes, as places in ``approach_lane``, that a row shows any green."""
        if row not in self._stops:
            network, signals = self._network, self._signals
            green = np.flatnonzero(signals.aspects(row) >= Aspect.PERMISSIVE) + int(signals.group_ptr[i])
            moves = [
                signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]] for g in green.tolist()
            ]
            flat = np.concatenate(moves) if moves else np.zeros(0, dtype=np.int32)
            stops = np.unique(network.lane_approach[network.move_from[flat]])
            self._stops[row] = stops[stops >= 0].astype(np.int32)
        return self._stops[row]
