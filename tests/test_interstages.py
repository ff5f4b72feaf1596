"""The program's own interstages: shown as the engineer has them, lawfully, and only where he has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.decisions import Command, Rule, Wish
from citybrain.guard import LampGuard
from citybrain.interstages import OwnInterstages, own_interstages
from citybrain.own_program import own_timings
from citybrain.profiles import OWN
from citybrain.signals import Conflict, Signals
from citybrain.timings import Timings
from tests.random_signals import from_states, random_timings, random_wishes
from tests.test_guard import bends, faults, lawful_start, letters, limits

HARD, NONE = Conflict.HARD, Conflict.NONE
PROGRAM = [("GGr", 200), ("yGr", 30), ("rGr", 20), ("ryr", 30), ("rrr", 20), ("rrG", 200), ("rry", 30), ("rrr", 20)]
"""The second group goes on for 5 s when the first one ends: an inner road is emptied before the crossing street."""
INNER = from_states(PROGRAM, [[NONE, NONE, HARD], [NONE, NONE, HARD], [HARD, HARD, NONE]])
MAIN, CROSS = 0, 5
SEEDS = st.integers(0, 2**32 - 1)
CONSTANTS = {
    "yellow_s": 3.0,
    "red_clearance_longest_s": 6.0,
    "gap_longest_s": 15.0,
    "min_green_longest_s": 10.0,
    "min_green_s": 5.0,
    "walking_speed_mps": 1.07,
    "max_red_s": 180.0,
    "max_red_share": 1.5,
    "as_programmed": 1.0,
}


def guarded(signals: Signals, timings: Timings) -> OwnInterstages:
    return OwnInterstages(LampGuard(signals, timings, 0), signals, timings)


def drive(guard: OwnInterstages | LampGuard, rows: list[int], first: int = 0) -> list[Command]:
    return [guard.enforce(Wish.now(10 * (first + k), np.array([row], np.int32))) for k, row in enumerate(rows)]


def test_a_change_that_the_program_has_is_shown_as_the_program_has_it() -> None:
    guard = guarded(INNER, limits(INNER))
    commands = drive(guard, [CROSS] * 12)
    assert letters(commands) == ["yGr"] * 3 + ["rGr"] * 2 + ["ryr"] * 3 + ["rrr"] * 2 + ["rrG"] * 2
    assert [int(command.lamps.row[0]) for command in commands] == [CROSS] * 12
    assert [bool(command.lamps.changing[0]) for command in commands] == [True] * 10 + [False] * 2
    assert [int(command.lamps.since[0]) for command in commands] == [0] * 10 + [100] * 2
    assert all(bends(command) == [] for command in commands)


def test_without_it_the_guard_alone_ends_all_greens_at_once() -> None:
    commands = drive(LampGuard(INNER, limits(INNER), 0), [CROSS] * 6)
    assert letters(commands) == ["yyr"] * 3 + ["rrr"] * 2 + ["rrG"]


def test_an_engineers_clearances_are_not_extended_for_who_stands_inside() -> None:
    def change_back(guard: OwnInterstages | LampGuard) -> list[str]:
        drive(guard, [CROSS] * 20)
        rows = np.full((16, 1), MAIN, np.int32)
        inside = np.ones(3, np.bool_)
        return letters([guard.enforce(replace(Wish.now(200 + 10 * k, r), occupied=inside)) for k, r in enumerate(rows)])

    program = replace(limits(INNER), yellow=np.full(3, 20, np.int32))
    assert change_back(guarded(INNER, program)).index("GGr") < 8
    assert change_back(LampGuard(INNER, program, 0)).index("GGr") > 8


def test_a_begun_interstage_is_finished_before_another_wish_is_heard() -> None:
    guard = guarded(INNER, limits(INNER))
    commands = drive(guard, [CROSS, *[MAIN] * 11])
    assert letters(commands)[:11] == ["yGr"] * 3 + ["rGr"] * 2 + ["ryr"] * 3 + ["rrr"] * 2 + ["rrG"]


def test_it_waits_until_what_ends_first_has_had_its_minimum_green() -> None:
    guard = guarded(INNER, limits(INNER, min_green=np.array([50, 80, 50])))
    drive(guard, [CROSS] * 11)
    commands = drive(guard, [MAIN] * 30, 11)
    began = letters(commands).index("GGr")
    back = letters(drive(guard, [CROSS] * 12, 41))
    assert (began, back[0]) == (9, "yGr")
    again = guarded(INNER, limits(INNER, min_green=np.array([50, 120, 50])))
    drive(again, [CROSS] * 11)
    drive(again, [MAIN] * 10, 11)
    # Both are green since second 20; the first may end at 25, the second goes on for 5 s and may at 32.
    shown = letters(drive(again, [CROSS] * 8, 21))
    assert shown == ["GGr"] * 6 + ["yGr"] * 2


def test_what_breaks_the_timings_is_left_to_the_guard() -> None:
    lawful = {(MAIN, CROSS), (CROSS, MAIN)}
    assert set(own_interstages(INNER, limits(INNER))) == lawful
    assert set(own_interstages(INNER, limits(INNER, intergreen=60))) == set()
    assert set(own_interstages(INNER, limits(INNER, yellow=40))) == set()
    assert set(own_interstages(INNER, limits(INNER, yellow=20, max_yellow=20))) == set()
    straight = from_states([("Gr", 200), ("rr", 50), ("rG", 200), ("ry", 30), ("rr", 20)], [[0, HARD], [HARD, 0]])
    assert set(own_interstages(straight, limits(straight))) == {(2, 0)}
    assert set(own_interstages(straight, limits(straight, yellow=0, max_yellow=0))) == {(0, 2)}
    turns_green = from_states([("Gr", 200), ("yG", 30), ("GG", 200), ("Gy", 30)], [[NONE, NONE], [NONE, NONE]])
    assert set(own_interstages(turns_green, limits(turns_green))) == {(2, 0)}


def test_a_red_that_has_lasted_too_long_comes_before_the_interstage() -> None:
    three = from_states(
        [
            ("Grr", 200),
            ("yrr", 30),
            ("rrr", 200),
            ("rGr", 200),
            ("ryr", 30),
            ("rrr", 20),
            ("rrG", 200),
            ("rry", 30),
            ("rrr", 20),
        ],
        [[NONE, HARD, HARD], [HARD, NONE, HARD], [HARD, HARD, NONE]],
    )
    guard = guarded(three, limits(three, max_red=np.array([1000, 1000, 250])))
    commands = drive(guard, [3] * 40)
    told = [rule for command in commands for _, _, rule in bends(command)]
    assert Rule.MAXIMUM_RED in told
    assert faults(three, limits(three), commands) == []
    assert "rrG" in letters(commands)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_whatever_is_wished_the_lamps_are_lawful(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signals = lawful_start(rng)
    timings = random_timings(rng, signals)
    guard = guarded(signals, timings)
    wishes = random_wishes(rng, signals, 120)
    commands = [guard.enforce(Wish.now(10 * (k + 1), row)) for k, row in enumerate(wishes)]
    assert faults(signals, timings, commands) == []


def random_program(rng: np.random.Generator) -> Signals:
    """Two stages and engineer's changes between them: every group ends and begins at a time of its own."""
    n = int(rng.integers(2, 6))
    side = rng.integers(0, 3, n)  # green in the first stage, in the second, in both
    side[:2] = 0, 1
    conflict = np.where(np.add.outer(side, side) == 1, HARD, NONE)
    np.fill_diagonal(conflict, NONE)
    states: list[tuple[str, int]] = []
    for old, new in ((0, 1), (1, 0)):
        end = np.where(side == old, rng.integers(0, 8, n), 0)
        begin = int((end + 3).max()) + rng.integers(0, 4, n)
        letters_of = ["".join("G" if s in (old, 2) else "r" for s in side)]
        for t in range(int(begin[side == new].max())):
            shown = [
                "G" if s == 2 or (s == old and t < end[k]) or (s == new and t >= begin[k]) else
                "y" if s == old and t < end[k] + 3 else "r"
                for k, s in enumerate(side)
            ]  # fmt: skip
            letters_of.append("".join(shown))
        states += [(letters_of[0], 200), *((state, 10) for state in letters_of[1:])]
    merged: list[tuple[str, int]] = []
    for state, duration in states:
        if merged and merged[-1][0] == state:
            merged[-1] = (state, merged[-1][1] + duration)
        else:
            merged.append((state, duration))
    return from_states(merged, conflict.tolist())


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_every_change_of_an_engineers_program_is_shown_step_by_step_and_nothing_of_it_is_bent(seed: int) -> None:
    signals = random_program(np.random.default_rng(seed))
    timings = own_timings(OWN, CONSTANTS, signals)
    found = own_interstages(signals, timings)
    assert len(found) >= 2
    for (stage, target), interstage in found.items():
        guard = guarded(signals, timings)
        before = drive(guard, [stage] * 60)[-1]
        assert (before.lamps.row[0], before.lamps.changing[0]) == (stage, False)
        expected = [row for row, duration in interstage.steps for _ in range(duration // 10)]
        commands = drive(guard, [target] * (len(expected) + 1), 60)
        shown = [command.lamps.aspect.tolist() for command in commands]
        assert shown == [signals.aspects(row).tolist() for row in [*expected, target]]
        assert [bend for command in commands for bend in bends(command)] == []
        assert faults(signals, timings, [before, *commands]) == []
