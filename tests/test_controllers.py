"""The contract of a controller, asked of every one that is registered."""

from __future__ import annotations

import copy
from dataclasses import is_dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.control.interface import Site
from citybrain.control.registry import CONTROLLERS, make_controller
from citybrain.decisions import PLAN_LENGTH, Wish
from citybrain.errors import InputError
from citybrain.guard import LampGuard
from citybrain.profiles import make_timings
from citybrain.randomness import generator
from citybrain.signals import Aspect
from citybrain.state import TrafficState
from tests.sites import empty_state, random_state, small_site
from tests.sumo_nets import public_net

NAMES = tuple(entry.name for entry in CONTROLLERS)
BEGIN = 252_003
"""Not on a whole second, and not a multiple of any cycle [tenths]."""


@cache
def site_called(where: str) -> Site:
    if where == "small":
        return small_site()
    from citybrain_sim.sumo_net import read_network

    net = public_net(where)
    network, signals = read_network(net.net_file, net.additional_files)
    return Site(network, signals, make_timings("own", network, signals))


def same(one: object, other: object) -> bool:
    """Whether two frozen dataclasses of arrays, and of such dataclasses, are equal, NaN to NaN."""
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(
        same(a, b) if is_dataclass(a) else np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")
        for a, b in pairs
    )


def check_tick(site: Site, name: str, state: TrafficState, wish: Wish) -> None:
    signals = site.signals
    n = signals.n_intersections
    assert wish.time == state.time
    assert wish.plan_row.shape == wish.plan_start.shape == (n, PLAN_LENGTH)
    assert wish.cost.shape == (n,)
    assert wish.plan_row.dtype == np.int32
    assert wish.plan_start.dtype == np.int64
    assert wish.cost.dtype == np.float32
    told = wish.plan_row >= 0
    assert told[:, 0].all()
    assert not (told[:, 1:] & ~told[:, :-1]).any(), "-1 fills the rest"
    first, end = signals.row_ptr[:-1, None], signals.row_ptr[1:, None]
    assert ((wish.plan_row >= first) & (wish.plan_row < end) | ~told).all()
    if name != "fixed":
        assert signals.row_is_stage[wish.plan_row[told]].all()
    assert (wish.plan_start[:, 0] <= state.time).all()
    assert (np.diff(wish.plan_start, axis=1)[told[:, 1:]] >= 0).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("where", ["small", "cologne3", "bologna_acosta"])
def test_wishes_are_lawful_and_depend_on_the_calls_alone(name: str, where: str) -> None:
    site = site_called(where)

    @settings(max_examples=5, deadline=None, derandomize=True)
    @given(st.integers(0, 2**32 - 1))
    def ask(seed: int) -> None:
        rng = generator(seed, "traffic")
        controller, twin = make_controller(name, site), make_controller(name, site)
        guard = LampGuard(site.signals, site.timings, BEGIN)
        for tick in range(40):
            state, lamps = random_state(site, rng, BEGIN + 10 * tick), guard.lamps
            kept = copy.deepcopy((state, lamps))
            wish = controller.decide(state, lamps)
            check_tick(site, name, state, wish)
            assert same(state, kept[0])
            assert same(lamps, kept[1])
            assert same(wish, twin.decide(*kept))
            guard.enforce(wish)

    ask()


@pytest.mark.parametrize("name", NAMES)
def test_an_hour_behind_the_guard(name: str) -> None:
    site = small_site()
    rng = generator(3, "traffic")
    controller = make_controller(name, site)
    guard = LampGuard(site.signals, site.timings, BEGIN)
    served = np.zeros(site.signals.n_groups, dtype=np.bool_)
    for tick in range(3600):
        state = random_state(site, rng, BEGIN + 10 * tick) if tick % 5 == 0 else empty_state(site, BEGIN + 10 * tick)
        served |= guard.enforce(controller.decide(state, guard.lamps)).lamps.aspect >= Aspect.PERMISSIVE
    assert served.all()


def test_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'maxpressure'.*fixed.*max-pressure.*planner"):
        make_controller("maxpressure", small_site())


def test_names_are_those_that_scripts_use() -> None:
    assert NAMES == ("fixed", "webster", "actuated", "max-pressure", "max-wave", "planner", "oracle")
