"""Wishes, commands and the state of the lamps: what controllers, guard and plant hand each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

PLAN_LENGTH = 6
"""Stages that a wish may foretell."""


class Rule(IntEnum):
    """Why the guard did not carry out a wish as it was."""

    MINIMUM_GREEN = 0
    """A green was asked to end too early; it is held."""
    YELLOW = 1
    """A yellow was asked to end too early or to last too long; it is timed."""
    CLEARANCE = 2
    """A green was asked to begin before conflicting traffic has cleared; it waits."""
    CONFLICT = 3
    """Conflicting groups were asked to be green together; the wish is refused."""
    COMMITTED = 4
    """Another stage was asked for in the middle of an interstage; the begun change is finished first."""
    MAXIMUM_RED = 5
    """A group has been red for as long as is allowed; a stage that serves it comes first."""
    UNKNOWN_ROW = 6
    """The row is not one of this intersection's; the wish is refused."""


class Ending(IntEnum):
    """Why a controller lets a green end."""

    FORCED = 0
    """For reasons of its own: a plan's clock, more worth elsewhere."""
    GAP = 1
    """Nobody comes any more."""
    MAXIMUM = 2
    """It has lasted for as long as it may while others wait."""


@dataclass(frozen=True)
class Reasons:
    """What a controller tells of its decisions beside the plans.

    Attributes
    ----------
    other_row : [I] where a change was decided at this tick: row that the best plan without it begins with; else -1.
    other_cost : [I] what that plan would cost [veh s], NaN where ``other_row`` is -1.
    own_program : [I] the intersection was handed to its own program, since an approach of it is not seen; empty where
        that was not asked.
    """

    other_row: NDArray[np.int32]
    other_cost: NDArray[np.float32]
    own_program: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))


@dataclass(frozen=True)
class Wish:
    """What a controller would like. Row numbers are those of ``Signals``.

    Attributes
    ----------
    time : [tenths of a second].
    plan_row : [I, PLAN_LENGTH] rows in order; column 0 is wanted now; -1 fills the rest.
    plan_start : [I, PLAN_LENGTH] start of each [tenths of a second]; column 0 is at most ``time``.
    cost : [I] what the controller thinks its plan costs [veh s]; NaN where it does not say.
    ending : [I] ``Ending`` of the last green that it let end; None: all are forced.
    reasons : None where the controller gives none.
    occupied : [G] vehicles of the group stand in the intersection: no green that crosses them should begin yet; None:
        nothing is known of that.
    """

    time: int
    plan_row: NDArray[np.int32]
    plan_start: NDArray[np.int64]
    cost: NDArray[np.float32]
    ending: NDArray[np.uint8] | None = None
    reasons: Reasons | None = None
    occupied: NDArray[np.bool_] | None = None

    @classmethod
    def now(cls, time: int, row: NDArray[np.int32]) -> Wish:
        """Wish for one row per intersection [I], now and until further notice."""
        plan_row = np.full((len(row), PLAN_LENGTH), -1, dtype=np.int32)
        plan_start = np.full((len(row), PLAN_LENGTH), -1, dtype=np.int64)
        plan_row[:, 0] = row
        plan_start[:, 0] = time
        return cls(time, plan_row, plan_start, np.full(len(row), np.nan, dtype=np.float32))


@dataclass(frozen=True)
class LampState:
    """What the signals show, as the guard knows it. This is all a controller learns of its own lamps.

    Attributes
    ----------
    time : [tenths of a second].
    row : [I] row being shown or, in an interstage, the one being changed to.
    changing : [I] an interstage is under way.
    since : [I] when ``row`` was fully shown or, while changing, when the change began [tenths of a second].
    aspect : [G] ``Aspect`` of every group.
    aspect_since : [G] when the group began to show it; PERMISSIVE and PROTECTED count as one green [tenths].
    """

    time: int
    row: NDArray[np.int32]
    changing: NDArray[np.bool_]
    since: NDArray[np.int64]
    aspect: NDArray[np.uint8]
    aspect_since: NDArray[np.int64]


@dataclass(frozen=True)
class Command:
    """What goes to the lamps.

    Attributes
    ----------
    time : valid from [tenths of a second].
    lamps : the guard's state after this tick.
    lamp_char : [K] ASCII character per lamp (``G``, ``g``, ``y``, ``r``, ``s``).
    changed : [I] the intersection's characters differ from the last command's.
    bent_intersection, bent_group, bent_rule : wishes refused or bent this tick: intersection, group (-1: all),
        ``Rule``.
    """

    time: int
    lamps: LampState
    lamp_char: NDArray[np.uint8]
    changed: NDArray[np.bool_]
    bent_intersection: NDArray[np.int32]
    bent_group: NDArray[np.int32]
    bent_rule: NDArray[np.uint8]
