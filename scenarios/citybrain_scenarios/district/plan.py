"""Fixed signal plans of the district: tables of stages, and the programs that follow from them.

Yellow and red clearance follow the kinematic formulas of the ITE (1 s reaction, 3.05 m/s^2 deceleration) rounded
up to whole seconds; pedestrians walk 1.07 m/s (3.5 ft/s, MUTCD 2009 section 4E.06) and get at least 7 s of walk.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

WALK_SPEED = 1.07
"""Pace for the pedestrian clearance [m/s]."""
WALK_S = 7
"""Shortest walk [s]."""
ALL = "srl"


@dataclass(frozen=True)
class Stage:
    """One stage: what is green and for how long."""

    green_s: int
    served: dict[str, str]
    """Arm (named by the node it comes from) -> directions served: s straight, r right, l left."""
    walks: tuple[str, ...] = ()
    """Arms whose crossings walk."""
    yellow_s: int = 4
    red_s: int = 2


@dataclass(frozen=True)
class Plan:
    """Stages of one signal in order, and when the first one begins."""

    offset_s: int
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Lamp:
    """One position of a signal's state string, as the built network numbers them."""

    arm: str
    """Arm that it controls, or for a crossing the arm that is crossed."""
    direction: str
    """s, r, l; w for a crossing."""
    crosses: tuple[str, ...] = ()
    """Arm whose crossing the movement meets when it leaves the junction (empty: none)."""
    length_m: float = 0.0
    """Length of a crossing."""


def _side(green_s: int, arms: dict[str, str], walks: tuple[str, ...]) -> Stage:
    return Stage(green_s, arms, walks, yellow_s=3, red_s=4)


def _collector(green_s: int, arms: dict[str, str], walks: tuple[str, ...]) -> Stage:
    return Stage(green_s, arms, walks, yellow_s=3, red_s=3)


PLANS = {
    "A1": Plan(
        0,
        (
            Stage(26, {"W": "srl", "A2": "srl"}, ("N1", "B1")),
            Stage(7, {"W": "l", "A2": "l"}),
            _side(23, {"N1": ALL, "B1": ALL}, ("W", "A2")),
        ),
    ),
    "A2": Plan(
        20,
        (
            Stage(33, {"A1": "sr", "A3": "s"}, ("B2",)),
            Stage(8, {"A3": "sl"}),
            _side(15, {"B2": ALL}, ("A1",)),
        ),
    ),
    "A3": Plan(
        44,
        (
            Stage(29, {"A2": "srl", "A4": "srl"}, ("N3", "B3")),
            Stage(7, {"A2": "l", "A4": "l"}),
            _side(20, {"N3": ALL, "B3": ALL}, ("A2",)),
        ),
    ),
    "A4": Plan(
        48,
        (
            Stage(33, {"A3": "srl", "A5": "sr"}, ("N4",)),
            Stage(8, {"A3": "sl"}),
            _side(15, {"N4": ALL}, ("A5",)),
        ),
    ),
    "A5": Plan(
        3,
        (
            Stage(25, {"A4": "srl", "E": "srl"}, ("N5", "B5")),
            Stage(7, {"A4": "l", "E": "l"}),
            _side(24, {"N5": ALL, "B5": ALL}, ("A4", "E")),
        ),
    ),
    "B1": Plan(
        13,
        (
            _collector(30, {"A1": ALL, "S1": ALL}, ("BW", "B2")),
            _collector(33, {"BW": ALL, "B2": ALL}, ("A1", "S1")),
        ),
    ),
    "B3": Plan(
        70,
        (
            _collector(33, {"A3": ALL, "S3": ALL}, ("B2", "B5")),
            _collector(30, {"B2": ALL, "B5": ALL}, ("A3", "S3")),
        ),
    ),
    "B5": Plan(
        20,
        (
            _collector(33, {"A5": ALL, "S5": ALL}, ("B3", "BE")),
            _collector(30, {"B3": ALL, "BE": ALL}, ("A5", "S5")),
        ),
    ),
}
"""All at 75 s; the offsets of the arterial follow the morning's way into town."""


def program(plan: Plan, lamps: list[Lamp]) -> list[tuple[int, str]]:
    """States of one cycle with their durations [s], built from the stages.

    Raises
    ------
    ValueError
        If a stage is too short for its pedestrians.
    """
    steps: list[tuple[int, str]] = []
    for stage, after in zip(plan.stages, (*plan.stages[1:], plan.stages[0]), strict=True):
        walking = "".join(_letter(stage, lamp, walking=True) for lamp in lamps)
        driving = "".join(_letter(stage, lamp, walking=False) for lamp in lamps)
        following = "".join(_letter(after, lamp, walking=True) for lamp in lamps)
        clearance = _clearance(stage, lamps)
        if clearance and stage.green_s - clearance < WALK_S:
            raise ValueError(f"green of {stage.green_s} s leaves {stage.green_s - clearance} s of walk: {stage}")
        steps.append((stage.green_s - clearance, walking))
        if clearance:
            steps.append((clearance, driving))
        steps.append((stage.yellow_s, _ending(driving, following, "y")))
        steps.append((stage.red_s, _ending(driving, following, "r")))
    return steps


def _letter(stage: Stage, lamp: Lamp, *, walking: bool) -> str:
    if lamp.direction == "w":
        return "G" if walking and lamp.arm in stage.walks else "r"
    if lamp.direction not in stage.served.get(lamp.arm, ""):
        return "r"
    opposed = lamp.direction == "l" and any("s" in served for arm, served in stage.served.items() if arm != lamp.arm)
    meets_walk = any(arm in stage.walks for arm in lamp.crosses)
    return "g" if opposed or meets_walk else "G"


def _ending(driving: str, following: str, shown: str) -> str:
    return "".join(now if now == "r" or then in "gG" else shown for now, then in zip(driving, following, strict=True))


def _clearance(stage: Stage, lamps: list[Lamp]) -> int:
    """Seconds between the end of walk and the end of green: what yellow and red do not cover."""
    longest = max((lamp.length_m for lamp in lamps if lamp.direction == "w" and lamp.arm in stage.walks), default=0.0)
    return max(math.ceil(longest / WALK_SPEED) - stage.yellow_s - stage.red_s, 0)
