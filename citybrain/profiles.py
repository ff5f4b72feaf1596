"""Profiles of minimum timings: from constants with a source, or from what a program itself shows.

May import network, signals, timings, guard (for the bound it keeps), units and errors.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain.errors import ProfileError
from citybrain.guard import red_bounds
from citybrain.network import Turn
from citybrain.own_program import own_timings
from citybrain.signals import Conflict, GroupKind
from citybrain.timings import Timings
from citybrain.units import TENTHS_PER_SECOND, ceil_tenths

if TYPE_CHECKING:
    from citybrain.network import Network
    from citybrain.signals import Signals

Constants = Mapping[str, float]

_PROFILES: dict[str, Constants] = tomllib.loads(
    files("citybrain").joinpath("timing_profiles.toml").read_text(encoding="utf-8")
)
TIMING_PROFILES = tuple(_PROFILES)
"""Names of the profiles."""
OWN = "own"
"""The profile of networks with programs that an engineer made."""
_SHORTEST_YELLOW_S, _LONGEST_YELLOW_S = 1.0, 6.0


def make_timings(profile: str, network: Network, signals: Signals, yellow_s: float | None = None) -> Timings:
    """Minimum timings of every signal group, durations rounded up to tenths.

    Parameters
    ----------
    profile
        ``resco``: the benchmark's own (3 s yellow, no red clearance), for like-for-like comparison only.
        ``us-mutcd``: yellow Y = t + v / 2a (flat grade) within 3 to 6 s, red clearance R = (W + L) / v of at most
        6 s, W the group's longest path through the junction; walk 7 s, pedestrian clearance at 1.07 m/s.
        ``de-rilsa``: yellow 3 to 5 s by speed, then until the path is cleared at 10 m/s (turning 7 m/s); walk 5 s and
        half of the crossing, pedestrian clearance at 1.2 m/s.
        ``own``: what the intersections' own programs show (see :mod:`citybrain.own_program`).
        Constants and their sources stand in ``timing_profiles.toml``.
    yellow_s : yellow of the scenario [s]: replaces the fixed one of ``resco`` and, in ``own``, that of groups to which
        the program shows none. ``us-mutcd`` computes its own.

    Raises
    ------
    ProfileError
        If the profile is unknown, or ``yellow_s`` not within 1 to 6 s.
    """
    if profile not in _PROFILES:
        raise ProfileError(f"timing profile {profile!r} is unknown; choose one of {', '.join(TIMING_PROFILES)}")
    if yellow_s is not None and not _SHORTEST_YELLOW_S <= yellow_s <= _LONGEST_YELLOW_S:
        raise ProfileError(
            f"a yellow of {yellow_s} s is out of range; give {_SHORTEST_YELLOW_S:g} to {_LONGEST_YELLOW_S:g} s"
        )
    constants = dict(_PROFILES[profile])
    if profile == OWN:
        constants["yellow_s"] = yellow_s or constants["yellow_s"]
        return own_timings(profile, constants, signals)
    if profile == "resco" and yellow_s is not None:
        constants["yellow_shortest_s"] = constants["yellow_longest_s"] = yellow_s
    return _formula_timings(profile, constants, network, signals)


def _formula_timings(profile: str, constants: Constants, network: Network, signals: Signals) -> Timings:
    """Derive timings from speed limits, path lengths and crossing lengths."""
    n_g = signals.n_groups
    min_green, yellow, clearance = (np.zeros(n_g, dtype=np.int32) for _ in range(3))
    for g in range(n_g):
        if signals.group_kind[g] == GroupKind.PEDESTRIAN:
            over_s = signals.group_crossing[g] / constants["walking_speed_mps"]
            min_green[g] = ceil_tenths(max(constants["walk_s"], constants.get("walk_share", 0.0) * over_s))
            clearance[g] = ceil_tenths(over_s)
            continue
        moves = signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]]
        left = len(moves) > 0 and np.isin(network.move_turn[moves], (Turn.LEFT, Turn.UTURN)).all()
        min_green[g] = ceil_tenths(constants["min_green_left_s" if left else "min_green_s"])
        yellow_s, red_s = _change_interval(constants, network, moves)
        yellow[g] = ceil_tenths(yellow_s)
        clearance[g] = yellow[g] + ceil_tenths(red_s)
    vehicle = signals.group_kind == GroupKind.VEHICLE
    granted = np.maximum(yellow, ceil_tenths(constants["yellow_granted_s"]))
    intergreen = np.zeros(len(signals.conflict), dtype=np.int32)
    for i in range(signals.n_intersections):
        cells = slice(int(signals.conflict_ptr[i]), int(signals.conflict_ptr[i + 1]))
        conflict = signals.conflicts(i)
        ending = clearance[signals.group_ptr[i] : signals.group_ptr[i + 1]]
        intergreen[cells] = np.where(conflict == Conflict.NONE, 0, ending[:, np.newaxis]).ravel()
    return Timings(
        profile=profile,
        min_green=min_green,
        yellow=yellow,
        max_yellow=np.where(vehicle, granted, 0).astype(np.int32),
        max_red=np.full(n_g, ceil_tenths(constants["max_red_s"]), dtype=np.int32),
        intergreen=intergreen,
        as_programmed=bool(constants["as_programmed"]),
    )


def _change_interval(constants: Constants, network: Network, moves: NDArray[np.int32]) -> tuple[float, float]:
    """Yellow and red clearance [s] of a vehicle group with these movements, the longest that one of them needs."""
    yellow_s, red_s, clear_s = constants["yellow_shortest_s"], 0.0, 0.0
    for m in moves:
        speed = float(network.lane_speed[network.move_from[m]])
        needed = constants["reaction_s"] + speed / (2.0 * constants["deceleration_mps2"])
        yellow_s = max(yellow_s, min(needed, constants["yellow_longest_s"]))
        length = float(network.move_length[m]) + constants["vehicle_length_m"]
        if "clearing_speed_mps" in constants:
            turn = "" if network.move_turn[m] == Turn.STRAIGHT else "_turn"
            clear_s = max(
                clear_s, constants[f"crossing_time{turn}_s"] + length / constants[f"clearing_speed{turn}_mps"]
            )
        else:
            red_s = max(red_s, min(length / speed, constants["red_clearance_longest_s"]))
    return yellow_s, max(red_s, clear_s - yellow_s)


def timings_document(network: Network, signals: Signals, timings: Timings) -> dict[str, dict[str, Any]]:
    """Limits per intersection and lamp [s], as a JSON document for checks that share no code with the guard.

    Returns
    -------
    dict
        ``{intersection: {"yellow": {lamp: s}, "min_green": {lamp: s}, "max_red": {lamp: s}, "red_bound": {lamp: s},
        "intergreen": [[lamp_a, lamp_b, s], ...], "as_programmed": bool}}``; lamps as strings where they are keys.
        Intergreen: from the end of green of a to the begin of green of b, pairs that conflict alone. ``red_bound``
        is what the guard promises when several groups are due at once, ``max_red`` when one is; both leave out lamps
        that no stage serves. ``as_programmed``: as in ``Timings``.
    """
    bounds = red_bounds(signals, timings)
    return {name: _intersection_document(signals, timings, bounds, i) for i, name in enumerate(network.intersection_id)}


def _intersection_document(
    signals: Signals, timings: Timings, bounds: NDArray[np.int64], intersection: int
) -> dict[str, Any]:
    lamps = signals.lamp_group[signals.lamp_ptr[intersection] : signals.lamp_ptr[intersection + 1]]
    used = [(k, int(g)) for k, g in enumerate(lamps) if g >= 0]
    g0 = int(signals.group_ptr[intersection])
    conflict = signals.conflicts(intersection)
    cells = slice(int(signals.conflict_ptr[intersection]), int(signals.conflict_ptr[intersection + 1]))
    intergreen = timings.intergreen[cells].reshape(conflict.shape)
    served = [(k, g) for k, g in used if bounds[g] >= 0]
    return {
        "yellow": {str(k): _seconds(timings.yellow[g]) for k, g in used},
        "min_green": {str(k): _seconds(timings.min_green[g]) for k, g in used},
        "max_red": {str(k): _seconds(timings.max_red[g]) for k, g in served},
        "red_bound": {str(k): _seconds(bounds[g]) for k, g in served},
        "intergreen": [
            [a, b, _seconds(intergreen[g - g0, h - g0])]
            for a, g in used
            for b, h in used
            if conflict[g - g0, h - g0] != Conflict.NONE
        ],
        "as_programmed": timings.as_programmed,
    }


def _seconds(tenths: int) -> float:
    return int(tenths) / TENTHS_PER_SECOND
