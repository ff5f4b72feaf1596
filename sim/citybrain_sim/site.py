"""From a request to what does not change during its run: scenario, network, timings, engine."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from citybrain.control.interface import Site
from citybrain.control.registry import CONTROLLERS, make_controller
from citybrain.engine import Engine
from citybrain.errors import InputError, ProfileError
from citybrain.guard import LampGuard
from citybrain.health.estimator import WatchfulEstimator
from citybrain.interstages import OwnInterstages
from citybrain.profiles import OWN, TIMING_PROFILES, make_timings
from citybrain.units import to_tenths
from citybrain_sim.demand import GREATEST_FACTOR, LEAST_FACTOR
from citybrain_sim.runs import NO_SENSORS, PERFECT_SIGHT, PROTOCOLS, SUMO_CONTROLLERS
from citybrain_sim.scenarios import Scenario, find_scenario
from citybrain_sim.sensor_profiles import SensorProfile, load_sensor_profile
from citybrain_sim.sumo_config import SumoConfig, read_config
from citybrain_sim.sumo_net import read_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from citybrain.engine import Guard, Observer
    from citybrain.observations import SensorTable
    from citybrain_sim.runs import RunSpec

LARGEST_SEED = 2**31 - 1
"""SUMO's own limit."""


@dataclass(frozen=True)
class Street:
    """A scenario as a run sees it: as found, what its configuration says, and network, signals and timings."""

    scenario: Scenario
    config: SumoConfig
    site: Site


def open_street(spec: RunSpec) -> Street:
    """Read everything that a run needs to know of its street.

    Raises
    ------
    InputError
        If scenario, network, program or profile are missing or wrong.
    """
    scenario = find_scenario(spec.scenario)
    config = read_config(scenario.config)
    network, signals = read_network(config.net_file, config.additional_files)
    timings = make_timings(spec.profile or scenario.timings, network, signals, scenario.yellow_s)
    return Street(scenario, config, Site(network, signals, timings))


def make_estimator(street: Street, sensors: SensorTable) -> WatchfulEstimator:
    """Build the estimator of every run."""
    return WatchfulEstimator(street.site.network, street.site.signals, sensors)


def make_engine(
    spec: RunSpec,
    street: Street,
    sensors: SensorTable,
    observers: tuple[Observer, ...],
    estimator: WatchfulEstimator | None = None,
) -> Engine:
    """Build the engine that a run asks for; around an estimator of these sensors, if one is given."""
    return Engine(
        estimator or make_estimator(street, sensors),
        make_controller(spec.controller, street.site),
        make_guard(street.site, street.scenario.begin_s),
        observers,
    )


def make_guard(site: Site, begin_s: float) -> Guard:
    """Build the guard of every run: with the programs' own interstages where the programs are an engineer's."""
    guard = LampGuard(site.signals, site.timings, to_tenths(begin_s))
    return OwnInterstages(guard, site.signals, site.timings) if site.timings.profile == OWN else guard


def sensor_profile(spec: RunSpec) -> SensorProfile:
    """Load the sensors that a run really uses; SUMO's own controllers bring theirs and use none of ours.

    Raises
    ------
    ProfileError
        If the profile is unknown or wrong.
    """
    if spec.sight != NO_SENSORS:
        return load_sensor_profile(spec.sight)
    return replace(
        load_sensor_profile(PERFECT_SIGHT),
        name=NO_SENSORS,
        stop_loops=False,
        advance_loops=False,
        cameras=False,
        scenario_loops=False,
    )


def check_specs(specs: Iterable[RunSpec]) -> None:
    """Check requests before anything is run.

    Raises
    ------
    ProfileError
        If nothing but sensor or timing profiles is wrong.
    InputError
        Otherwise. Either names all faults of all requests, one a line.
    """
    errors: dict[str, type[InputError]] = {}
    look = functools.cache(_fault_of_file)  # a suite has thousands of runs, but few profiles and scenarios
    for spec in specs:
        errors.update((message, kind) for kind, message in _faults(spec))
        errors.update(look(load_sensor_profile, spec.sensors) | look(find_scenario, spec.scenario))
    if errors:
        kinds = set(errors.values())
        raise (kinds.pop() if len(kinds) == 1 else InputError)("\n".join(errors))


def check_streets(specs: Iterable[RunSpec]) -> None:
    """Read every scenario that is asked for once, so that a bad network is told of before anything is run.

    Raises
    ------
    InputError
        Names the faults of all scenarios, one a line.
    """
    faults = []
    for spec in {(spec.scenario, spec.profile): spec for spec in specs}.values():
        try:
            open_street(spec)
        except InputError as error:
            faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise InputError("\n".join(map(str, faults)))


def _faults(spec: RunSpec) -> Iterator[tuple[type[InputError], str]]:
    controllers = (*(entry.name for entry in CONTROLLERS), *SUMO_CONTROLLERS)
    if spec.controller not in controllers:
        yield InputError, f"controller {spec.controller!r} is unknown; choose one of {', '.join(controllers)}"
    if spec.protocol not in PROTOCOLS:
        yield InputError, f"protocol {spec.protocol!r} is unknown; choose one of {', '.join(PROTOCOLS)}"
    if not 0 <= spec.seed <= LARGEST_SEED:
        yield InputError, f"seed {spec.seed} is out of range; give 0 to {LARGEST_SEED}"
    if spec.instance < 0:
        yield InputError, f"demand instance {spec.instance} is out of range; give 0 (the demand as it is) or more"
    if not LEAST_FACTOR <= spec.demand <= GREATEST_FACTOR:
        yield InputError, f"demand factor {spec.demand:g} is out of range; give {LEAST_FACTOR:g} to {GREATEST_FACTOR:g}"
    if spec.profile is not None and spec.profile not in TIMING_PROFILES:
        yield ProfileError, f"timing profile {spec.profile!r} is unknown; choose one of {', '.join(TIMING_PROFILES)}"
    if spec.sumo_binary is not None and not spec.sumo_binary.is_file():
        yield InputError, f"{spec.sumo_binary}: no such program; give the path of a SUMO program"


def _fault_of_file(read: Callable[[str], object], name: str) -> dict[str, type[InputError]]:
    """Tell why a profile or scenario cannot be read; nothing where it can."""
    try:
        read(name)
    except InputError as error:
        return {str(error): type(error)}
    return {}


def input_hashes(scenario: str) -> dict[str, str]:
    """SHA-256 of every file that a scenario consists of: configuration, network, demand, additional files.

    Raises
    ------
    InputError
        If the scenario is unknown or incomplete.
    """
    config = read_config(find_scenario(scenario).config)
    files = (config.path, config.net_file, *config.route_files, *config.additional_files)
    return {file.name: _file_hash(file) for file in files}


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
