"""The guard: lawful whatever is wished, equal to its readable twin, and open to what is lawful."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.decisions import Command, Rule, Wish
from citybrain.errors import ContractError, NetworkError
from citybrain.guard import LampGuard, red_bounds
from citybrain.signals import Aspect, Conflict, Signals
from citybrain.timings import Timings, interstage_tenths
from citybrain_kernels import guard as kernels
from tests.random_signals import from_states, random_signals, random_timings, random_wishes
from tests.reference import guard as twin

SEEDS = st.integers(0, 2**32 - 1)
HARD = Conflict.HARD
CROSS = from_states([("Gr", 200), ("yr", 30), ("rr", 20), ("rG", 200), ("ry", 30), ("rr", 20)], [[0, HARD], [HARD, 0]])
"""Two streets; rows 0 Gr (stage), 1 yr, 2 rr, 3 rG (stage), 4 ry."""
Bends = list[tuple[int, int, Rule]]
"""(intersection, group, rule)."""


def limits(signals: Signals, **changes: int | np.ndarray) -> Timings:
    """Minimum green 5 s, yellow 3 s (at most 4 s), intergreen 5 s, maximum red 100 s; with changes."""
    n = signals.n_groups
    values: dict[str, int | np.ndarray] = {"min_green": 50, "yellow": 30, "max_yellow": 40, "max_red": 1000}
    values |= changes
    intergreen = np.where(signals.conflict == Conflict.NONE, 0, changes.get("intergreen", 50)).astype(np.int32)
    columns = {name: np.broadcast_to(np.asarray(values[name], np.int32), n).copy() for name in values}
    return Timings(profile="test", **{**columns, "intergreen": intergreen}, as_programmed=False)


def shown_as(signals: Signals, i: int, command: Command) -> list[int]:
    """Rows of an intersection that look exactly like what is shown."""
    groups = slice(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
    rows = range(int(signals.row_ptr[i]), int(signals.row_ptr[i + 1]))
    return [r for r in rows if np.array_equal(signals.aspects(r), command.lamps.aspect[groups])]


def is_own_step(signals: Signals, i: int, before: Command, after: Command) -> bool:
    """Whether the intersection went from one row to the one that follows it in its own program."""
    steps = signals.step_row[signals.step_ptr[i] : signals.step_ptr[i + 1]].tolist()
    pairs = set(pairwise([*steps, steps[0]]))
    return any(pair in pairs for pair in product(shown_as(signals, i, before), shown_as(signals, i, after)))


def drive(guard: LampGuard, wishes: np.ndarray, times: np.ndarray, occupied: np.ndarray | None = None) -> list[Command]:
    said = [None] * len(wishes) if occupied is None else list(occupied)
    return [
        guard.enforce(replace(Wish.now(int(t), np.asarray(row, np.int32)), occupied=inside))
        for t, row, inside in zip(times, wishes, said, strict=True)
    ]


def random_occupation(rng: np.random.Generator, signals: Signals, n_ticks: int) -> np.ndarray:
    """Groups [ticks, G] whose vehicles are said to stand inside, each for a while; at some junctions nobody ever."""
    often = np.repeat(rng.choice([0.0, 0.1, 0.9], signals.n_intersections), np.diff(signals.group_ptr))
    spans = rng.random((n_ticks // 8 + 1, signals.n_groups)) < often
    return np.repeat(spans, 8, axis=0)[:n_ticks]


def letters(commands: list[Command]) -> list[str]:
    return [bytes(command.lamp_char).decode() for command in commands]


def bends(command: Command) -> Bends:
    columns = (command.bent_intersection, command.bent_group, command.bent_rule)
    return [(int(i), int(g), Rule(r)) for i, g, r in zip(*columns, strict=True)]


def faults(signals: Signals, timings: Timings, commands: list[Command]) -> list[str]:
    """Every breach of the law in a record, found without the guard: one frame after the other."""
    found = []
    lawful = [
        not any(
            signals.conflicts(i)[a, b] == HARD
            for a in np.flatnonzero(signals.aspects(r) >= 2)
            for b in np.flatnonzero(signals.aspects(r) >= 2)
        )
        for i in range(signals.n_intersections)
        for r in range(signals.row_ptr[i], signals.row_ptr[i + 1])
    ]
    for i in range(signals.n_intersections):
        groups = slice(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
        conflict = signals.conflicts(i)
        n = len(conflict)
        cells = slice(int(signals.conflict_ptr[i]), int(signals.conflict_ptr[i + 1]))
        intergreen = timings.intergreen[cells].reshape(n, n)
        rows = [signals.aspects(r) for r in range(signals.row_ptr[i], signals.row_ptr[i + 1]) if lawful[r]]
        began: list[int | None] = [None] * n
        ended: list[int | None] = [None] * n
        for before, after in pairwise(commands):
            old, new = before.lamps.aspect[groups], after.lamps.aspect[groups]
            own = timings.as_programmed and is_own_step(signals, i, before, after)
            for k in range(n):
                g = groups.start + k
                if old[k] == new[k] or (old[k] >= 2 and new[k] >= 2):
                    continue
                age = None if began[k] is None else after.time - (began[k] or 0)
                if old[k] >= 2:
                    ended[k] = after.time
                    if age is not None and age < timings.min_green[g]:
                        found.append(f"green of {g} lasted {age}")
                    if new[k] == Aspect.RED and timings.yellow[g] > 0 and not own:
                        found.append(f"no yellow of {g}")
                elif old[k] == Aspect.YELLOW:
                    if new[k] != Aspect.RED and not own:
                        found.append(f"{g} from yellow to green")
                    if age is not None and age < timings.yellow[g]:
                        found.append(f"yellow of {g} lasted {age}")
                elif new[k] == Aspect.YELLOW:
                    found.append(f"{g} from red to yellow")
                began[k] = after.time
            for b in np.flatnonzero((new >= 2) & (old < 2)):
                for a in range(n):
                    end = ended[a]
                    if new[a] < 2 and end is not None and after.time - end < intergreen[a, b]:
                        found.append(f"{b} began {after.time - end} after {a}")
        for command in commands:
            now = command.lamps.aspect[groups]
            for x, y in product(np.flatnonzero(now >= 2), repeat=2):
                kind = conflict[x, y]
                both = [row for row in rows if row[x] >= 2 and row[y] >= 2]
                protected = now[x] == 3 and now[y] == 3
                if kind == HARD or (kind == Conflict.YIELDS and not both):
                    found.append(f"{x} and {y} green together")
                elif kind == Conflict.YIELDS and protected and not any(r[x] == 3 and r[y] == 3 for r in both):
                    found.append(f"{x} and {y} both protected")
    return found


def reds(signals: Signals, commands: list[Command]) -> np.ndarray:
    """Longest red of every group [tenths] in a record."""
    since = np.full(signals.n_groups, commands[0].time, dtype=np.int64)
    longest = np.zeros(signals.n_groups, dtype=np.int64)
    for command in commands:
        red = command.lamps.aspect == Aspect.RED
        longest = np.maximum(longest, command.time - since)
        since[~red] = command.time
    return longest


def lawful_start(rng: np.random.Generator) -> Signals:
    while True:
        signals = random_signals(rng)
        timings = random_timings(rng, signals)
        try:
            LampGuard(signals, timings, 0)
        except NetworkError:
            continue
        return signals


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_whatever_is_wished_the_lamps_are_lawful_and_equal_to_the_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signals = lawful_start(rng)
    timings = random_timings(rng, signals)
    begin = int(rng.integers(0, 1000))
    times = begin + np.cumsum(rng.choice([10, 10, 10, 3, 25], size=120)) - 3
    wishes = random_wishes(rng, signals, len(times))
    guard = LampGuard(signals, timings, begin)
    start = [int(r) for r in guard.lamps.row]
    junctions = twin.junctions(signals, timings, start, begin)
    for junction in junctions:
        for group in junction.groups:
            if group.aspect == Aspect.YELLOW:
                group.since = group.green_end = int(guard.lamps.aspect_since[group.number])
    commands = []
    last, tick = begin, 10
    occupied = random_occupation(rng, signals, len(times))
    for time, wished, inside in zip(times, wishes, occupied, strict=True):
        command = guard.enforce(replace(Wish.now(int(time), wished), occupied=inside))
        for junction in junctions:
            for group in junction.groups:
                group.occupied = bool(inside[group.number])
        tick, last = int(time) - last or tick, int(time)
        expected = {
            (i, g, rule)
            for i, junction in enumerate(junctions)
            for g, rule in junction.tick(int(wished[i]), last, tick)
        }
        groups = [group for junction in junctions for group in junction.groups]
        assert sorted(bends(command)) == sorted(expected)
        assert command.lamps.aspect.tolist() == [group.aspect for group in groups]
        assert command.lamps.aspect_since.tolist() == [group.since for group in groups]
        assert command.lamps.row.tolist() == [junction.row for junction in junctions]
        assert command.lamps.since.tolist() == [junction.since for junction in junctions]
        assert command.lamps.changing.tolist() == [junction.changing for junction in junctions]
        commands.append(command)
    assert faults(signals, timings, commands) == []


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_no_red_outlasts_its_bound_whoever_wishes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signals = lawful_start(rng)
    timings = random_timings(rng, signals, max_red=(600, 900))
    bounds = red_bounds(signals, timings)
    wishes = random_wishes(rng, signals, 400)
    stubborn = rng.random(signals.n_intersections) < 0.5
    wishes[:, stubborn] = wishes[0, stubborn]
    commands = drive(LampGuard(signals, timings, 0), wishes, np.arange(400) * 10, random_occupation(rng, signals, 400))
    served = bounds >= 0
    assert np.all(reds(signals, commands)[served] <= bounds[served])
    assert faults(signals, timings, commands) == []


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_alone_a_group_never_waits_beyond_its_maximum_red(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signals = lawful_start(rng)
    timings = random_timings(rng, signals)
    victims = [
        int(rng.integers(signals.group_ptr[i], signals.group_ptr[i + 1])) for i in range(signals.n_intersections)
    ]
    max_red = np.full(signals.n_groups, 10**6, dtype=np.int32)
    max_red[victims] = rng.integers(500, 700, len(victims))
    timings = replace(timings, max_red=max_red)
    commands = drive(
        LampGuard(signals, timings, 0),
        random_wishes(rng, signals, 250),
        np.arange(250) * 10,
        random_occupation(rng, signals, 250),
    )
    served = red_bounds(signals, timings) >= 0
    assert np.all(reds(signals, commands)[served] <= max_red[served])


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_a_stage_that_is_wished_for_long_enough_is_shown_and_takes_the_time_of_the_interstage(seed: int) -> None:
    rng = np.random.default_rng(seed)
    signals = lawful_start(rng)
    timings = replace(random_timings(rng, signals), max_red=np.full(signals.n_groups, 10**6, dtype=np.int32))
    ptr, duration = interstage_tenths(signals, timings)
    guard = LampGuard(signals, timings, 0)
    for i in range(signals.n_intersections):
        first, n = int(signals.row_ptr[i]), int(signals.row_ptr[i + 1] - signals.row_ptr[i])
        stages = [
            int(r)
            for r in signals.stages(i)
            if not np.any(signals.conflicts(i)[np.ix_(*[signals.aspects(r) >= 2] * 2)] == HARD)
        ]
        for a in stages:
            for b in stages:
                for row in (a, b):
                    begin = guard.lamps.time
                    asked = guard.lamps.row.copy()
                    asked[i] = row
                    commands = drive(guard, np.tile(asked, (40, 1)), begin + np.arange(1, 41) * 10)
                    assert (commands[-1].lamps.row[i], commands[-1].lamps.changing[i]) == (row, False)
                expected = int(duration[ptr[i] + (a - first) * n + b - first])
                changing = sum(10 for command in commands if command.lamps.changing[i])
                assert changing == -(-expected // 10) * 10


def test_a_stage_change_shows_yellow_then_red_then_all_greens_together() -> None:
    guard = LampGuard(CROSS, limits(CROSS), 0)
    commands = drive(guard, np.full((8, 1), 3), np.arange(8) * 10)
    assert letters(commands) == ["yr", "yr", "yr", "rr", "rr", "rG", "rG", "rG"]
    assert [command.lamps.changing[0] for command in commands] == [True] * 5 + [False] * 3
    assert [int(command.lamps.since[0]) for command in commands] == [0] * 5 + [50] * 3
    assert all(bends(command) == [] for command in commands)
    assert [bool(command.changed[0]) for command in commands] == [True, False, False, True, False, True, False, False]


def test_a_green_too_young_is_held_and_reported_once() -> None:
    guard = LampGuard(CROSS, limits(CROSS), 0)
    drive(guard, np.full((6, 1), 3), np.arange(6) * 10)
    commands = drive(guard, np.zeros((6, 1)), np.arange(6, 12) * 10)
    assert letters(commands) == ["rG"] * 4 + ["ry"] * 2
    assert [bends(command) for command in commands] == [[(0, 1, Rule.MINIMUM_GREEN)], [], [], [], [], []]


def test_a_begun_change_is_finished_first() -> None:
    guard = LampGuard(CROSS, limits(CROSS), 0)
    wishes = np.array([[3], [0], [0], [3], [0], [0], [0]])
    commands = drive(guard, wishes, np.arange(7) * 10)
    assert letters(commands) == ["yr", "yr", "yr", "rr", "rr", "rG", "rG"]
    reported = [rule for command in commands for _, _, rule in bends(command)]
    assert reported == [Rule.COMMITTED, Rule.COMMITTED, Rule.MINIMUM_GREEN]


def change_to_the_other_street(occupied: list[list[bool]], **changes: int) -> list[str]:
    """What the lamps show, second by second, from the wish for the other street on."""
    guard = LampGuard(CROSS, limits(CROSS, **changes), 0)
    n = len(occupied)
    return letters(drive(guard, np.full((n, 1), 3), np.arange(1, n + 1) * 10, np.array(occupied)))


def test_a_green_waits_for_who_stands_inside_and_no_longer() -> None:
    left_after_six = [[t < 6, False] for t in range(12)]
    usual = ["yr"] * 3 + ["rr"] * 2 + ["rG"] * 7
    assert change_to_the_other_street([[False, False]] * 12) == usual
    assert change_to_the_other_street(left_after_six) == ["yr"] * 3 + ["rr"] * 3 + ["rG"] * 6
    assert change_to_the_other_street([[t < 5, False] for t in range(12)]) == usual
    assert change_to_the_other_street([[False, True]] * 12) == usual


def test_red_clearance_is_extended_by_eight_seconds_at_most_however_long_somebody_stands_inside() -> None:
    assert change_to_the_other_street([[True, True]] * 16) == ["yr"] * 3 + ["rr"] * 10 + ["rG"] * 3


def test_a_red_that_must_end_is_not_extended_for_anybody_inside() -> None:
    guard = LampGuard(CROSS, limits(CROSS, max_red=250), 0)
    times = np.arange(1, 41) * 10
    kept = letters(drive(guard, np.full((40, 1), 0), times, np.ones((40, 2), dtype=np.bool_)))
    alone = letters(drive(LampGuard(CROSS, limits(CROSS, max_red=250), 0), np.full((40, 1), 0), times))
    assert kept.index("rG") <= 25
    assert kept[: kept.index("rG")] == alone[: alone.index("rG")]


def test_the_steps_of_a_program_are_followed_each_group_under_its_limits() -> None:
    guard = LampGuard(CROSS, limits(CROSS), 0)
    walk = [0, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 2]
    commands = drive(guard, np.array(walk)[:, np.newaxis], np.arange(len(walk)) * 10)
    assert letters(commands) == ["Gr"] + ["yr"] * 3 + ["rr"] * 2 + ["rG"] * 5 + ["ry"] * 4 + ["rr"] * 2
    assert [bends(command) for command in commands if bends(command)] == [[(0, 1, Rule.YELLOW)]]


CONVERTED = from_states(
    [("Grg", 200), ("yrg", 30), ("GrG", 60), ("yry", 30), ("rrr", 50), ("rGr", 50), ("rrr", 50)],
    [[0, HARD, 0], [HARD, 0, HARD], [0, HARD, 0]],
)
"""As converters write it: rows 0 Grg (stage), 1 yrg, 2 GrG (stage), 3 yry, 4 rrr, 5 rGr (stage, no yellow after it)."""


@pytest.mark.parametrize(("as_programmed", "red"), [(True, 0), (False, 1)])
def test_a_program_that_turns_yellow_into_green_is_shown_as_it_is_if_the_profile_says_so(
    as_programmed: bool, red: int
) -> None:
    guard = LampGuard(CONVERTED, replace(limits(CONVERTED, intergreen=30), as_programmed=as_programmed), 0)
    walk = [0] * 2 + [1] * 3 + [2] * 6 + [3] * 3 + [4]
    commands = drive(guard, np.array(walk)[:, np.newaxis], np.arange(len(walk)) * 10)
    expected = ["Grg"] * 2 + ["yrg"] * 3 + ["rrg"] * red + ["GrG"] * (6 - red) + ["yry"] * 3 + ["rrr"]
    assert letters(commands) == expected
    assert all(bends(command) == [] for command in commands)
    assert all(command.changed[0] for command, row in zip(commands[1:], np.diff(walk), strict=True) if row)


@pytest.mark.parametrize("as_programmed", [True, False])
def test_a_program_without_yellow_is_shown_as_it_is_if_the_profile_says_so(as_programmed: bool) -> None:
    guard = LampGuard(CONVERTED, replace(limits(CONVERTED, intergreen=50), as_programmed=as_programmed), 370)
    walk = [5] * 5 + [4] * 5 + [0]
    commands = drive(guard, np.array(walk)[:, np.newaxis], 370 + np.arange(len(walk)) * 10)
    between = ["rrr"] * 5 if as_programmed else ["ryr"] * 3 + ["rrr"] * 2
    assert letters(commands) == ["rGr"] * 5 + between + ["Grg"]
    assert [rule for command in commands for _, _, rule in bends(command)] == [Rule.YELLOW] * (not as_programmed)


@pytest.mark.parametrize(
    ("walk", "shown"),
    [
        ([0, 0, 1, 1, 2, 2, 2], "Grg Grg yrg yrg yrg rrg GrG"),  # the yellow is too short
        ([0, 0, 1, 1, 1, 0, 0], "Grg Grg yrg yrg yrg rrg Grg"),  # not the row that follows in the program
        ([0, 0, 5, 5, 5, 5, 5], "Grg Grg yry yry yry rGr rGr"),  # nor does this one follow
    ],
)
def test_only_what_the_program_shows_is_shown_as_it_is(walk: list[int], shown: str) -> None:
    guard = LampGuard(CONVERTED, replace(limits(CONVERTED, intergreen=30), as_programmed=True), 0)
    commands = drive(guard, np.array(walk)[:, np.newaxis], np.arange(len(walk)) * 10)
    assert letters(commands) == shown.split()


@pytest.mark.parametrize(
    ("walk", "shown", "rules"),
    [
        ([0, 1, 2, 2, 2], "Gr yr yr yr rr", [Rule.YELLOW]),
        ([0, 2, 2, 2, 2], "Gr yr yr yr rr", [Rule.YELLOW]),
        ([0, 4, 4, 4, 4], "Gr yr yr yr rr", [Rule.YELLOW, Rule.YELLOW]),
        ([0, 99, -1, 0, 99], "Gr Gr Gr Gr Gr", [Rule.UNKNOWN_ROW, Rule.UNKNOWN_ROW]),
        ([0, 1, 99, 99, 99], "Gr yr yr yr rr", [Rule.UNKNOWN_ROW]),
    ],
)
def test_an_unlawful_step_is_bent_and_told_once(walk: list[int], shown: str, rules: list[Rule]) -> None:
    guard = LampGuard(CROSS, limits(CROSS), 0)
    commands = drive(guard, np.array(walk)[:, np.newaxis], np.arange(len(walk)) * 10)
    assert letters(commands) == shown.split()
    assert [rule for command in commands for _, _, rule in bends(command)] == rules


def test_a_green_that_follows_too_soon_waits_for_its_own_intergreen() -> None:
    signals = from_states([("Gr", 200), ("yr", 30), ("rg", 40), ("ry", 30)], [[0, HARD], [HARD, 0]])
    guard = LampGuard(signals, limits(signals, intergreen=60), 0)
    walk = [0, 1, 1, 1, 2, 2, 2, 2]
    commands = drive(guard, np.array(walk)[:, np.newaxis], np.arange(len(walk)) * 10)
    assert letters(commands) == ["Gr", "yr", "yr", "yr", "rr", "rr", "rr", "rg"]
    assert [bends(command) for command in commands if bends(command)] == [[(0, 1, Rule.CLEARANCE)]]


def test_a_row_with_conflicting_greens_is_refused_and_never_the_start() -> None:
    signals = from_states([("GG", 50), ("Gr", 50), ("rG", 50)], [[0, HARD], [HARD, 0]])
    guard = LampGuard(signals, limits(signals), 0)
    assert guard.lamps.row.tolist() == [1]
    commands = drive(guard, np.zeros((3, 1)), np.arange(3) * 10)
    assert letters(commands) == ["Gr"] * 3
    assert [bends(command) for command in commands] == [[(0, -1, Rule.CONFLICT)], [], []]
    hopeless = from_states([("GG", 50)], [[0, HARD], [HARD, 0]])
    with pytest.raises(NetworkError, match="program '0' of intersection 0 shows conflicting greens"):
        LampGuard(hopeless, limits(hopeless), 0)


def test_permissive_and_protected_follow_the_row_at_once() -> None:
    yields = Conflict.YIELDS
    signals = from_states([("Gg", 100), ("yg", 30), ("rG", 100), ("ry", 30)], [[0, yields], [yields, 0]])
    guard = LampGuard(signals, limits(signals, intergreen=30), 0)
    commands = drive(guard, np.array([[0], [1], [1], [1], [2], [2]]), np.arange(6) * 10)
    assert letters(commands) == ["Gg", "yg", "yg", "yg", "rG", "rG"]
    assert int(commands[-1].lamps.aspect_since[1]) < 0


def test_a_starved_group_is_served_first_and_the_bend_told_once() -> None:
    guard = LampGuard(CROSS, limits(CROSS, max_red=600), 0)
    commands = drive(guard, np.zeros((100, 1)), np.arange(100) * 10)
    reported = [(command.time, bend) for command in commands for bend in bends(command)]
    rules = [rule for _, (_, _, rule) in reported]
    assert rules == [Rule.MAXIMUM_RED, Rule.MINIMUM_GREEN]
    assert reported[0][1] == (0, 1, Rule.MAXIMUM_RED)
    green = [command.time for command in commands if command.lamps.aspect[1] >= 2]
    assert green[0] <= 600
    assert green[-1] - green[0] + 10 == 50
    assert reds(CROSS, commands).max() <= 600


def test_a_wish_that_serves_the_starved_group_is_no_bend() -> None:
    guard = LampGuard(CROSS, limits(CROSS, max_red=300), 0)
    walk = ([0] * 15 + [3] * 15) * 4
    commands = drive(guard, np.array(walk)[:, np.newaxis], np.arange(len(walk)) * 10)
    assert all(bends(command) == [] for command in commands)


def test_it_starts_as_the_program_shows_the_lamps() -> None:
    shifted = replace(CROSS, program_offset=np.array([70], dtype=np.int32))
    at = [int(LampGuard.initial_row(shifted, t)[0]) for t in (70, 269, 270, 300, 320, 570, 571, 65, 0)]
    assert at == [0, 0, 1, 2, 3, 0, 0, 2, 3]
    guard = LampGuard(CROSS, limits(CROSS), 220)
    assert guard.lamps.aspect.tolist() == [Aspect.YELLOW, Aspect.RED]
    assert guard.lamps.aspect_since.tolist()[0] == 200


def test_commands_are_never_written_again() -> None:
    guard = LampGuard(CROSS, limits(CROSS), 0)
    first = guard.enforce(Wish.now(0, np.array([0], np.int32)))
    kept = first.lamps.aspect.copy(), first.lamp_char.copy()
    drive(guard, np.full((20, 1), 3), np.arange(1, 21) * 10)
    assert np.array_equal(first.lamps.aspect, kept[0])
    assert np.array_equal(first.lamp_char, kept[1])


def test_what_other_rooms_hand_over_is_checked() -> None:
    guard = LampGuard(CROSS, limits(CROSS), 100)
    with pytest.raises(ContractError, match="time only grows"):
        guard.enforce(Wish.now(50, np.array([0], np.int32)))
    with pytest.raises(ContractError, match=r"a wish must be \[1, stages\]"):
        guard.enforce(Wish.now(100, np.array([0, 1], np.int32)))
    with pytest.raises(ContractError, match=r"occupied must be \[2\], found \[1\]"):
        guard.enforce(replace(Wish.now(100, np.array([0], np.int32)), occupied=np.ones(1, np.bool_)))
    timings = limits(CROSS)
    with pytest.raises(ContractError, match=r"timings\.yellow must be"):
        LampGuard(CROSS, replace(timings, yellow=timings.yellow[:1]), 0)
    with pytest.raises(ContractError, match=r"timings\.intergreen must be"):
        LampGuard(CROSS, replace(timings, intergreen=timings.intergreen[:1]), 0)
    with pytest.raises(ContractError, match="not shorter than yellow"):
        LampGuard(CROSS, replace(timings, max_yellow=timings.yellow - 1), 0)


def test_the_kernel_speaks_of_rules_and_aspects_as_the_brain_does() -> None:
    bits = [
        kernels.MINIMUM_GREEN,
        kernels.YELLOW_TIME,
        kernels.CLEARANCE,
        kernels.CONFLICT,
        kernels.COMMITTED,
        kernels.MAXIMUM_RED,
        kernels.UNKNOWN_ROW,
    ]
    assert bits == [1 << rule for rule in Rule]
    assert len(Rule) == kernels.N_RULES
    assert list(Aspect) == [kernels.RED, kernels.YELLOW, kernels.PERMISSIVE, kernels.PROTECTED]
