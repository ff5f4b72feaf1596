"""What a run's result depends on, written beside its records when it starts."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import citybrain
from citybrain.clock import utc_now
from citybrain.documents import network_document, sensors_document, write_json
from citybrain.profiles import timings_document

if TYPE_CHECKING:
    from citybrain.network import Network
    from citybrain.signals import Signals
    from citybrain_sim.runs import RunSpec
    from citybrain_sim.sensor_profiles import SensorProfile
    from citybrain_sim.site import Street
    from citybrain_sim.sumo_plant import SumoPlant

DEPARTURES = {
    "modern": "SUMO's own defaults of this version",
    "classic": "departspeed 0, departlane first: SUMO's defaults of 2021",
}


def write_manifest(
    spec: RunSpec, street: Street, plant: SumoPlant, profile: SensorProfile, inputs: dict[str, str]
) -> None:
    """Write ``manifest.json``, ``network.json``, ``sensors.json`` and ``timings.json`` into the run's folder."""
    network, signals, timings = street.site.network, street.site.signals, street.site.timings
    document: dict[str, Any] = {
        "version": citybrain.__version__,
        "created": utc_now().isoformat(timespec="seconds"),
        "spec": spec.document(),
        "scenario": {"name": street.scenario.name, "config": str(street.config.path)},
        "begin_s": street.scenario.begin_s,
        "end_s": street.scenario.end_s,
        "step_length_s": street.config.step_length_s,
        "sumo": plant.sumo_version,
        "departures": DEPARTURES[spec.protocol],
        "teleporting": "off",
        "files": inputs,
        "sensors": {"profile": profile.name, "hash": _digest(asdict(profile)), "placed": len(plant.sensors.sensor_id)},
        "timings": timings.profile,
        "tables": table_hash(network, signals),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", "numba", "pyarrow")},
    }
    write_json(spec.folder / "manifest.json", document)
    write_json(spec.folder / "network.json", network_document(network, signals))
    write_json(spec.folder / "sensors.json", sensors_document(plant.sensors))
    write_json(spec.folder / "timings.json", timings_document(network, signals, timings))


def table_hash(network: Network, signals: Signals) -> str:
    """Hash of the order of lanes, movements, intersections and rows: numbers of equal hashes mean the same."""
    return _digest(
        [
            network.lane_id,
            network.intersection_id,
            network.move_from.tolist(),
            network.move_to.tolist(),
            signals.row_ptr.tolist(),
            signals.row_aspect.tolist(),
        ]
    )


def _digest(content: object) -> str:
    return hashlib.sha256(repr(content).encode()).hexdigest()
