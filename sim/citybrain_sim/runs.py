"""What a run is asked to be, and what came of it. Both go to JSON and back; folders are functions of the request."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import citybrain
from citybrain.documents import write_json
from citybrain_sim.code_version import code_version
from citybrain_sim.fault_profiles import Fault, label
from citybrain_sim.incidents import Incident

PROTOCOLS = ("modern", "classic")
"""Departure defaults: SUMO's own of today, or those of 2021 that published results used."""
SUMO_CONTROLLERS = ("sumo-actuated", "sumo-delay-based")
"""SUMO's own logic, without our engine."""
ORACLE = "oracle"
PERFECT_SIGHT = "ideal"
NO_SENSORS = "none"
RESULT = "result.json"
"""File of a run that is written last: a folder that has it is a finished run."""
ORACLE_NOTE = "yardstick with perfect sight, not a result"


@dataclass(frozen=True)
class RunSpec:
    """One run, fully described.

    Attributes
    ----------
    scenario : registered name, or path to a ``.sumocfg``.
    controller : name of a controller.
    seed : of SUMO's driving noise and of the sensors.
    instance : demand instance; 0 is the demand as it stands.
    sensors : sensor profile. ``oracle`` sees perfectly, SUMO's own controllers use none, whatever it says.
    profile : timing profile; None for the scenario's own.
    demand : factor on the number of vehicles.
    protocol : ``modern`` or ``classic``.
    out : folder of the whole experiment.
    sumo_binary : another SUMO than the installed one; None for that.
    gui : show SUMO's window. Changes nothing about the run.
    faults : of sensors, in the order in which they work.
    incident : a lane that is blocked for a while; None for none.
    """

    scenario: str
    controller: str
    seed: int = 0
    instance: int = 0
    sensors: str = "default"
    profile: str | None = None
    demand: float = 1.0
    protocol: str = "modern"
    out: Path = Path("runs")
    sumo_binary: Path | None = None
    gui: bool = False
    faults: tuple[Fault, ...] = ()
    incident: Incident | None = None

    @property
    def runs_in_engine(self) -> bool:
        """False for the controllers that are SUMO's own."""
        return self.controller not in SUMO_CONTROLLERS

    @property
    def sight(self) -> str:
        """Sensor profile that the controller really sees through."""
        if not self.runs_in_engine:
            return NO_SENSORS
        return PERFECT_SIGHT if self.controller == ORACLE else self.sensors

    @property
    def scenario_label(self) -> str:
        """Name for folders and tables; of a path, its stem and a few characters that tell equal stems apart."""
        if re.fullmatch(r"[\w-]+", self.scenario):
            return self.scenario
        path = Path(self.scenario)
        return f"{path.parent.absolute().name}-{path.stem}-{_digest(str(path.absolute()))}"

    @property
    def folder(self) -> Path:
        """Folder of this run below ``out``."""
        name = (
            f"{self.protocol}-{self.sight}-{self.profile or 'default'}-d{self.demand:g}-i{self.instance}-s{self.seed}"
            f"{'' if self.sumo_binary is None else '-sumo' + _digest(str(self.sumo_binary.absolute()))}"
            f"{'-' + label(self.faults) if self.faults else ''}"
            f"{'' if self.incident is None else '-incident' + _digest(str(self.incident))}"
        )
        return self.out / self.scenario_label / self.controller / name

    def document(self) -> dict[str, Any]:
        """Everything that the result depends on, as plain types."""
        return {
            "scenario": self.scenario,
            "controller": self.controller,
            "seed": self.seed,
            "instance": self.instance,
            "sensors": self.sight,
            "profile": self.profile,
            "demand": self.demand,
            "protocol": self.protocol,
            "sumo_binary": None if self.sumo_binary is None else str(self.sumo_binary),
            # Left out where there are none, so that a reader of older results finds what he knows.
            **({"faults": [fault.document() for fault in self.faults]} if self.faults else {}),
            **({"incident": self.incident.document()} if self.incident else {}),
        }

    @classmethod
    def from_document(cls, document: dict[str, Any], out: Path) -> RunSpec:
        """Build the request that :meth:`document` describes."""
        binary = document["sumo_binary"]
        faults = tuple(map(Fault.from_document, document.get("faults", ())))
        incident = document.get("incident")
        plain = {
            **document,
            "sumo_binary": None if binary is None else Path(binary),
            "faults": faults,
            "incident": None if incident is None else Incident(**incident),
        }
        return cls(**plain, out=out)


@dataclass(frozen=True)
class RunResult:
    """One finished run: a row of the results.

    Attributes
    ----------
    scenario, controller, seed, instance, protocol, sensors, profile, demand : the request, with what was really used.
    note : what a reader must know before comparing; empty for most.
    delay_s, median_delay_s, p95_delay_s : control delay over every vehicle due to depart [s/veh].
    travel_time_s : mean time on the road [s/veh]. stops : mean number of stops [1/veh].
    queue : mean number of standing vehicles [veh].
    arrived, running, not_inserted, loaded : vehicles.
    pedestrian_delay_s : mean time lost per person who finished a walk [s]; NaN without pedestrians.
    gridlocked : at least 5 % of the vehicles on the network stood for over 300 s at the end.
    bent : how often each rule of the guard bent or refused a wish.
    longest_red_s : longest red of any signal group [s]; NaN without our engine.
    engine_time_s : in the engine, from the second tick on (kernels are loaded in the first) [s].
    sumo_time_s, sensor_time_s, wall_time_s : in SUMO, in reading and degrading sensors, in all [s].
    folder : where the records are.
    faults : of sensors, as one word; empty without.
    incident : as one word; empty without.
    sumo : what SUMO says of itself.
    p85_delay_s, longest_delay_s : further figures of the control delay [s].
    travel_time_index : time on the road over the time that the same ways take unhindered.
    distance_km : driven by all.
    co2_kg, nox_kg, pmx_kg, fuel_kg : of all vehicles, finished or not; NaN where not computed.
    pedestrian_p95_s, pedestrian_longest_s : further figures of the delay of pedestrians [s].
    """

    scenario: str
    controller: str
    seed: int
    instance: int
    protocol: str
    sensors: str
    profile: str
    demand: float
    note: str
    delay_s: float
    median_delay_s: float
    p95_delay_s: float
    travel_time_s: float
    stops: float
    queue: float
    arrived: int
    running: int
    not_inserted: int
    loaded: int
    pedestrian_delay_s: float
    gridlocked: bool
    bent: dict[str, int]
    longest_red_s: float
    engine_time_s: float
    sumo_time_s: float
    sensor_time_s: float
    wall_time_s: float
    folder: str
    faults: str = ""
    incident: str = ""
    sumo: str = ""
    p85_delay_s: float = math.nan
    longest_delay_s: float = math.nan
    travel_time_index: float = math.nan
    distance_km: float = math.nan
    co2_kg: float = math.nan
    nox_kg: float = math.nan
    pmx_kg: float = math.nan
    fuel_kg: float = math.nan
    pedestrian_p95_s: float = math.nan
    pedestrian_longest_s: float = math.nan

    def document(self) -> dict[str, Any]:
        """Turn into plain types; NaN becomes None."""
        return plain(asdict(self))

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> RunResult:
        """Build the row that :meth:`document` describes."""
        numbers = {field.name for field in fields(cls) if field.type == "float"}
        values: dict[str, Any] = {k: math.nan if v is None and k in numbers else v for k, v in document.items()}
        return cls(**values)


def plain(document: dict[str, Any]) -> dict[str, Any]:
    """Replace NaN by None: JSON has no word for it."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in document.items()}


def write_result(
    spec: RunSpec, result: RunResult, inputs: dict[str, str], window: tuple[float, float], code: str
) -> None:
    """Finish a run's folder; the result appears whole or not at all.

    Parameters
    ----------
    spec, result : what was asked for and what came of it.
    inputs : hashes of the scenario's files.
    window : begin and end of what was simulated [s].
    code : version of the code that ran.
    """
    document = {
        "version": citybrain.__version__,
        "code": code,
        "spec": spec.document(),
        "inputs": inputs,
        "begin_s": window[0],
        "end_s": window[1],
        "run": result.document(),
    }
    write_json(spec.folder / RESULT, document)


def finished(spec: RunSpec, inputs: dict[str, str]) -> RunResult | None:
    """Find the result of an earlier run of exactly this request and these files by this code; None without one."""
    try:
        document = json.loads((spec.folder / RESULT).read_text(encoding="utf-8"))
        expected = (citybrain.__version__, code_version(), spec.document(), inputs)
        if (document["version"], document["code"], document["spec"], document["inputs"]) != expected:
            return None
        return replace(RunResult.from_document(document["run"]), folder=str(spec.folder))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]
