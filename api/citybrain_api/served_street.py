"""The street that a service is opened with: read from its scenario, and named in the ledger to be read again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from citybrain_sim.runs import RunSpec
from citybrain_sim.scenarios import find_scenario
from citybrain_sim.sensors import load_sensor_profile, place
from citybrain_sim.site import check_specs, open_street
from citybrain_sim.sumo_files import read_detectors

if TYPE_CHECKING:
    from citybrain.control.interface import Site
    from citybrain.observations import SensorTable


def about_service(scenario: str, controller: str, sensors: str, profile: str | None) -> dict[str, str | None]:
    """Say what a service is opened with, as its ledger keeps it; ``ledger_commands`` reads it again."""
    # a path is kept whole: whoever looks back may stand in another folder
    named = find_scenario(scenario)
    place = str(Path(scenario).absolute()) if Path(scenario).exists() else named.name
    return {"scenario": place, "controller": controller, "sensors": sensors, "profile": profile}


def read_street(scenario: str, controller: str, sensors: str, profile: str | None) -> tuple[Site, SensorTable]:
    """Read a scenario as the live service needs it: street, timings, and the sensors that may speak.

    Raises
    ------
    InputError
        If scenario, network, program or a profile are missing or wrong.
    """
    spec = RunSpec(scenario, controller, sensors=sensors, profile=profile)
    check_specs([spec])
    street = open_street(spec)
    chosen = load_sensor_profile(sensors)
    detectors = read_detectors(street.config.additional_files, street.site.network) if chosen.scenario_loops else ()
    return street.site, place(street.site.network, chosen, detectors)
