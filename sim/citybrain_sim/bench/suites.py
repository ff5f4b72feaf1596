"""Suites: what a benchmark runs. A suite is a list of parts, a part every combination of what it names."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from citybrain.errors import InputError, ScenarioError
from citybrain_sim.fault_profiles import read_faults
from citybrain_sim.incidents import read_incident
from citybrain_sim.runs import RunSpec
from citybrain_sim.scenarios import find_scenario, registered_names

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Part:
    """Every combination of these.

    Attributes
    ----------
    scenarios, controllers, sensors : by name; scenarios also by path.
    seeds : of drivers and sensors. instances : number of demand instances, from 0 on.
    protocol : how vehicles enter.
    profiles : of timings; empty for the scenario's own.
    demands : factors. faults : of sensors, as on the command line; empty for none.
    incidents : as on the command line; empty for none.
    other_sumo : in the SUMO that the user names; left out where he names none.
    """

    scenarios: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    instances: int = 1
    protocol: str = "modern"
    sensors: tuple[str, ...] = ("default",)
    profiles: tuple[str, ...] = ("",)
    demands: tuple[float, ...] = (1.0,)
    faults: tuple[str, ...] = ("",)
    incidents: tuple[str, ...] = ("",)
    other_sumo: bool = False


@dataclass(frozen=True)
class Suite:
    """A benchmark.

    Attributes
    ----------
    name : of its folder of results and of its marks in pages.
    about : one sentence. tables : what its report shows, in that order.
    """

    name: str
    about: str
    tables: tuple[str, ...]
    parts: tuple[Part, ...]

    def document(self) -> dict[str, Any]:
        """All of it as plain types."""
        return asdict(self)


@dataclass(frozen=True)
class Plan:
    """The runs of a suite on this machine, and which scenarios cannot be run here, with the reason."""

    specs: tuple[RunSpec, ...]
    left_out: dict[str, str]


def narrow(
    suite: Suite,
    scenarios: Sequence[str] = (),
    controllers: Sequence[str] = (),
    seeds: Sequence[int] = (),
    instances: int | None = None,
) -> Suite:
    """Make a suite smaller: only some of its scenarios and controllers, other seeds and instances.

    Raises
    ------
    InputError
        If a scenario or controller is not in the suite.
    """
    for word, wanted in (("scenarios", scenarios), ("controllers", controllers)):
        known = list(dict.fromkeys(name for part in suite.parts for name in getattr(part, word)))
        strange = [name for name in wanted if name not in known]
        if strange:
            raise InputError(f"--{word}: {', '.join(strange)} not in suite {suite.name}; it has {', '.join(known)}")
    parts = [
        replace(
            part,
            scenarios=tuple(name for name in part.scenarios if name in scenarios or not scenarios),
            controllers=tuple(name for name in part.controllers if name in controllers or not controllers),
            seeds=tuple(seeds) or part.seeds,
            instances=part.instances if instances is None else instances,
        )
        for part in suite.parts
    ]
    return replace(suite, parts=tuple(part for part in parts if part.scenarios and part.controllers))


def plan(suite: Suite, out: Path, sumo: Path | None = None) -> Plan:
    """List the runs of a suite, each once, in the order of its parts.

    Parameters
    ----------
    out : folder of the suite's runs.
    sumo : program for the parts that ask for another SUMO.

    Raises
    ------
    InputError
        If none of the scenarios can be run here.
    """
    left_out: dict[str, str] = {}
    specs: dict[Path, RunSpec] = {}
    for part in suite.parts:
        if part.other_sumo and sumo is None:
            continue
        for scenario in part.scenarios:
            if scenario not in left_out and (reason := _missing(scenario)):
                left_out[scenario] = reason
        here = [scenario for scenario in part.scenarios if scenario not in left_out]
        for spec in _combinations(part, here, out, sumo if part.other_sumo else None):
            specs.setdefault(spec.folder, spec)
    if not specs:
        why = "".join(f"\n{name}: {reason}" for name, reason in left_out.items())
        raise InputError(f"suite {suite.name} has nothing that can be run here{why}")
    return Plan(tuple(specs.values()), left_out)


def _combinations(part: Part, scenarios: Sequence[str], out: Path, sumo: Path | None) -> list[RunSpec]:
    faults = {text: read_faults(text) if text else () for text in part.faults}
    incidents = {text: read_incident(text) if text else None for text in part.incidents}
    return [
        RunSpec(
            scenario,
            controller,
            seed,
            instance,
            sensors=sensors,
            profile=profile or None,
            demand=demand,
            protocol=part.protocol,
            out=out,
            sumo_binary=sumo,
            faults=faults[fault],
            incident=incidents[incident],
        )
        for scenario, profile, demand, incident, controller, sensors, fault, instance, seed in product(
            scenarios,
            part.profiles,
            part.demands,
            part.incidents,
            part.controllers,
            part.sensors,
            part.faults,
            range(part.instances),
            part.seeds,
        )
    ]


def _missing(scenario: str) -> str:
    """Tell why a registered scenario is not here; empty where it is. Whatever else is wrong is told before the runs."""
    if scenario not in registered_names():
        return ""
    try:
        find_scenario(scenario)
    except ScenarioError as reason:
        return str(reason)
    return ""
