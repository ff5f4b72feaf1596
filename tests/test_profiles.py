"""Timing profiles: figures by hand, programs that walk through themselves unbent, and bad requests."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from citybrain.decisions import Command, Wish
from citybrain.errors import ProfileError
from citybrain.guard import LampGuard, red_bounds
from citybrain.network import Network, Turn
from citybrain.profiles import TIMING_PROFILES, make_timings, timings_document
from citybrain.signals import Aspect, Conflict, GroupKind, Signals
from citybrain.timings import Timings
from citybrain_sim.sumo_net import read_network
from tests.random_signals import from_states
from tests.sites import small_site
from tests.sumo_nets import DATA, RESCO, public_net

HARD, YIELDS = Conflict.HARD, Conflict.YIELDS
SITE = small_site()


def own(signals: Signals) -> Timings:
    """``own`` reads nothing of the network, so any serves."""
    return make_timings("own", SITE.network, signals)


def matrix(signals: Signals, timings: Timings, i: int = 0) -> np.ndarray:
    n = len(signals.conflicts(i))
    return timings.intergreen[signals.conflict_ptr[i] : signals.conflict_ptr[i + 1]].reshape(n, n)


def walk(signals: Signals, timings: Timings, begin: int, cycles: int = 3) -> list[Command]:
    """Step all programs, each second."""
    ptr = signals.step_ptr
    longest = max(int(signals.step_duration[a:b].sum()) for a, b in pairwise(ptr))
    guard = LampGuard(signals, timings, begin)
    times = range(begin, begin + cycles * longest, 10)
    return [guard.enforce(Wish.now(t, LampGuard.initial_row(signals, t))) for t in times]


def deviations(signals: Signals, commands: list[Command]) -> set[int]:
    """Intersections that ever showed something else than their program, or whose wishes were bent."""
    found: set[int] = set()
    for command in commands:
        found |= set(command.bent_intersection.tolist())
        rows = LampGuard.initial_row(signals, command.time)
        for i, row in enumerate(rows):
            groups = slice(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
            if not np.array_equal(command.lamps.aspect[groups], signals.aspects(int(row))):
                found.add(i)
    return found


@pytest.mark.parametrize("begin", [0, 12340])
@pytest.mark.parametrize("name", [*RESCO, *DATA])
def test_own_shows_every_public_program_exactly_as_it_is(name: str, begin: int) -> None:
    net = public_net(name)
    network, signals = read_network(net.net_file, net.additional_files)
    timings = make_timings("own", network, signals)
    assert deviations(signals, walk(signals, timings, begin)) == set()
    # Longer would mean that a whole stage was taken for a clearance.
    assert timings.intergreen.max() <= 150
    assert timings.min_green.min() >= 40


@pytest.mark.parametrize("name", [*RESCO, "hangzhou1", "jinan1"])
def test_resco_shows_the_programs_of_its_maps_exactly_as_they_are(name: str) -> None:
    net = public_net(name)
    network, signals = read_network(net.net_file, net.additional_files)
    timings = make_timings("resco", network, signals, 2.0 if name == "arterial4x4" else None)
    assert deviations(signals, walk(signals, timings, 0)) == set()


def test_us_mutcd_puts_red_after_yellow_whatever_the_program_says() -> None:
    net = public_net("ingolstadt1")
    network, signals = read_network(net.net_file, net.additional_files)
    commands = walk(signals, make_timings("us-mutcd", network, signals), 0)
    for before, after in pairwise(commands):
        assert not np.any((before.lamps.aspect == Aspect.YELLOW) & (after.lamps.aspect >= Aspect.PERMISSIVE))


@pytest.mark.parametrize(
    "states",
    [
        [("Gr", 200), ("yr", 30), ("rr", 20), ("rG", 200), ("ry", 50)],
        [("GG", 200), ("yy", 30), ("rr", 10), ("rG", 60), ("ry", 30), ("rr", 10)],
        [("Gg", 300), ("yg", 30), ("rG", 80), ("ry", 40), ("rr", 10)],
        [("Gg", 300), ("yg", 30), ("Gr", 80), ("yr", 40), ("rG", 100), ("rr", 50)],
    ],
)
@pytest.mark.parametrize("begin", [0, 210, 777770])
def test_own_walks_through_small_programs_unbent(states: list[tuple[str, int]], begin: int) -> None:
    signals = from_states(states, [[0, YIELDS], [YIELDS, 0]])
    assert deviations(signals, walk(signals, own(signals), begin)) == set()


def test_own_reads_yellow_green_and_red_from_the_program() -> None:
    states = [
        ("Grr", 70),
        ("yrr", 40),
        ("rGr", 300),
        ("ryr", 30),
        ("Grr", 900),
        ("yrr", 50),
        ("rrG", 200),
        ("rrr", 120),
    ]
    signals = from_states(states, [[0, HARD, HARD], [HARD, 0, HARD], [HARD, HARD, 0]], pedestrians=(2,))
    timings = own(signals)
    assert timings.min_green.tolist() == [70, 100, 100]
    assert timings.yellow.tolist() == [40, 30, 0]
    assert timings.max_yellow.tolist() == [50, 30, 0]
    assert timings.max_red.tolist() == [1800, 2070, 2265]
    assert matrix(signals, timings).tolist() == [[0, 40, 50], [30, 0, 40], [120, 120, 0]]
    assert deviations(signals, walk(signals, timings, 0)) == set()


def test_own_does_not_take_a_stage_or_a_straggler_for_a_clearance() -> None:
    # a ends; c runs on; then b: the gap from a to b is c's doing, that from c to b is not.
    states = [("GrG", 300), ("yrG", 30), ("rrG", 40), ("rry", 30), ("rrr", 20), ("rGr", 200), ("ryr", 30), ("rrr", 10)]
    signals = from_states(states, [[0, HARD, 0], [HARD, 0, HARD], [0, HARD, 0]])
    timings = own(signals)
    assert matrix(signals, timings).tolist() == [[0, 50, 0], [40, 0, 40], [0, 50, 0]]
    assert deviations(signals, walk(signals, timings, 0)) == set()
    # An all-red that serves somebody unknown is no clearance either.
    long_red = from_states(
        [("Gr", 300), ("yr", 30), ("rr", 300), ("rG", 200), ("ry", 30), ("rr", 20)], [[0, 1], [1, 0]]
    )
    assert matrix(long_red, own(long_red)).tolist() == [[0, 50], [50, 0]]


def test_own_gives_what_the_program_lacks() -> None:
    signals = from_states([("Gr", 100), ("rr", 50), ("rG", 100), ("rr", 50)], [[0, HARD], [HARD, 0]])
    assert own(signals).yellow.tolist() == [30, 30]
    assert make_timings("own", SITE.network, signals, yellow_s=4.0).yellow.tolist() == [40, 40]
    assert deviations(signals, walk(signals, own(signals), 0)) == set()
    guard = LampGuard(signals, own(signals), 0)
    commands = [guard.enforce(Wish.now(t, np.array([2 if t < 300 else 0], np.int32))) for t in range(0, 600, 10)]
    assert {bytes(command.lamp_char).decode() for command in commands} == {"Gr", "yr", "rr", "rG", "ry"}
    never = from_states([("Grr", 100), ("yrr", 30), ("rGr", 100), ("ryr", 30)], [[0, 1, 1], [1, 0, 1], [1, 1, 0]])
    assert own(never).min_green.tolist() == [100, 100, 50]
    assert matrix(never, own(never)).tolist() == [[0, 30, 30], [30, 0, 30], [30, 30, 0]]


def vehicle_group(network: Network, signals: Signals) -> int:
    """Pick a group with the longest path of the site."""
    longest = [
        network.move_length[signals.group_move[a:b]].max(initial=0.0)
        for a, b in zip(signals.group_move_ptr[:-1], signals.group_move_ptr[1:], strict=True)
    ]
    return int(np.argmax(longest))


def test_us_mutcd_by_hand() -> None:
    network, signals = SITE.network, SITE.signals
    timings = make_timings("us-mutcd", network, signals)
    g = vehicle_group(network, signals)
    moves = signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]]
    speed = network.lane_speed[network.move_from[moves]]
    kinematic = max(1 + v / 6.1 for v in speed)
    assert timings.yellow[g] == int(np.ceil(10 * min(6.0, max(3.0, kinematic))))
    clearance = max((w + 6.1) / v for w, v in zip(network.move_length[moves], speed, strict=True))
    i = int(np.searchsorted(signals.group_ptr, g, side="right")) - 1
    k = g - int(signals.group_ptr[i])
    foes = np.flatnonzero(signals.conflicts(i)[k] != Conflict.NONE)
    assert set(matrix(signals, timings, i)[k, foes]) == {timings.yellow[g] + int(np.ceil(10 * min(6.0, clearance)))}
    assert timings.min_green[g] in {50, 70}
    assert set(timings.max_red) == {1800}


@pytest.mark.parametrize(("kmh", "yellow"), [(30, 30), (50, 30), (60, 40), (70, 50), (100, 50)])
def test_de_rilsa_by_hand(kmh: int, yellow: int) -> None:
    signals = SITE.signals
    network = replace(SITE.network, lane_speed=np.full(SITE.network.n_lanes, kmh / 3.6))
    timings = make_timings("de-rilsa", network, signals)
    vehicle = signals.group_kind == GroupKind.VEHICLE
    assert set(timings.yellow[vehicle]) == {yellow}
    assert set(timings.min_green[vehicle]) == {50}
    for g in np.flatnonzero(vehicle):
        i = int(np.searchsorted(signals.group_ptr, g, side="right")) - 1
        k = int(g) - int(signals.group_ptr[i])
        moves = signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]]
        cleared = [
            3 + (w + 6) / 10 if turn == Turn.STRAIGHT else 2 + (w + 6) / 7
            for w, turn in zip(network.move_length[moves], network.move_turn[moves], strict=True)
        ]
        foes = np.flatnonzero(signals.conflicts(i)[k] != Conflict.NONE)
        found = matrix(signals, timings, i)[k, foes]
        assert np.all(np.abs(found - max(yellow, 10 * max(cleared))) <= 1.1)
        assert np.all(found >= max(yellow, 10 * max(cleared)) - 1e-6)
    for g in np.flatnonzero(~vehicle):
        walk_s = max(5.0, signals.group_crossing[g] / 2 / 1.2)
        assert timings.min_green[g] == int(np.ceil(round(10 * walk_s, 6)))


def test_pedestrians_walk_and_clear_the_road() -> None:
    signals = SITE.signals
    crossings = np.flatnonzero(signals.group_kind == GroupKind.PEDESTRIAN)
    for profile, walk_time, speed in (("us-mutcd", 70, 1.07), ("resco", 40, 1.2)):
        timings = make_timings(profile, SITE.network, signals)
        for g in crossings:
            i = int(np.searchsorted(signals.group_ptr, g, side="right")) - 1
            k = int(g) - int(signals.group_ptr[i])
            foes = np.flatnonzero(signals.conflicts(i)[k] != Conflict.NONE)
            assert (timings.min_green[g], timings.yellow[g], timings.max_yellow[g]) == (walk_time, 0, 0)
            assert set(matrix(signals, timings, i)[k, foes]) == {int(np.ceil(10 * signals.group_crossing[g] / speed))}


def test_resco_has_the_scenarios_yellow_and_nothing_after_it() -> None:
    signals = SITE.signals
    vehicle = signals.group_kind == GroupKind.VEHICLE
    for yellow_s, tenths in ((None, 30), (4.5, 45)):
        timings = make_timings("resco", SITE.network, signals, yellow_s)
        assert set(timings.yellow[vehicle]) == {tenths}
        assert set(timings.min_green[vehicle]) == {50}
        assert set(timings.max_yellow[vehicle]) == {60}
        assert set(timings.max_red) == {3000}
        for i in range(signals.n_intersections):
            groups = slice(int(signals.group_ptr[i]), int(signals.group_ptr[i + 1]))
            of_vehicles = matrix(signals, timings, i)[vehicle[groups]]
            assert set(of_vehicles.ravel()) == {0, tenths}


@pytest.mark.parametrize("profile", TIMING_PROFILES)
def test_no_intergreen_without_conflict(profile: str) -> None:
    timings = make_timings(profile, SITE.network, SITE.signals)
    assert np.all(timings.intergreen[SITE.signals.conflict == Conflict.NONE] == 0)
    assert np.all(timings.max_yellow >= timings.yellow)


def test_bad_requests() -> None:
    with pytest.raises(ProfileError, match="'cn-gb' is unknown; choose one of resco, us-mutcd, de-rilsa, own"):
        make_timings("cn-gb", SITE.network, SITE.signals)
    for yellow_s in (0.5, 7.0, float("nan")):
        with pytest.raises(ProfileError, match="give 1 to 6 s"):
            make_timings("resco", SITE.network, SITE.signals, yellow_s)


def test_the_document_speaks_of_lamps_and_seconds() -> None:
    network, signals = SITE.network, SITE.signals
    timings = make_timings("us-mutcd", network, signals)
    document = timings_document(network, signals, timings)
    assert list(document) == list(network.intersection_id)
    bounds = red_bounds(signals, timings)
    for i, limits in enumerate(document.values()):
        group = signals.lamp_group[signals.lamp_ptr[i] : signals.lamp_ptr[i + 1]]
        used = [str(k) for k, g in enumerate(group) if g >= 0]
        assert list(limits["yellow"]) == list(limits["min_green"]) == used
        for lamp, seconds in limits["red_bound"].items():
            assert seconds == bounds[group[int(lamp)]] / 10
            assert seconds >= limits["max_red"][lamp] == 180.0
        a, b, seconds = limits["intergreen"][0]
        g0 = int(signals.group_ptr[i])
        assert seconds == matrix(signals, timings, i)[group[a] - g0, group[b] - g0] / 10
