"""Scenarios by name or by path: what they are called, where their files lie, what licence they carry.

Names come from ``registry.toml`` of ``citybrain_scenarios``. Files of other packages are found without importing
them. May import the brain's errors and this floor's readers of SUMO files; never SUMO itself.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import citybrain_scenarios
from citybrain.errors import InputError, ScenarioError
from citybrain_sim.scenario_counts import count_signals, count_vehicles
from citybrain_sim.sumo_config import read_config

SUFFIX = ".sumocfg"
DATA_VARIABLE = "CITYBRAIN_DATA"
NOT_STATED = "not stated"
PATH_TIMINGS = "own"
"""Timing profile of a scenario that is given by path: what its own programs show."""


@dataclass(frozen=True)
class Scenario:
    """A network with its demand and window.

    Attributes
    ----------
    name : as registered, or the path as it was given.
    config : absolute path of the ``.sumocfg``.
    begin_s, end_s : window [s]; ``end_s`` is None where the run ends with its last vehicle.
    licence : of the files, "not stated" where their authors state none.
    origin : who made it, and where its licence is stated.
    timings : default timing profile.
    yellow_s : yellow that the benchmark prescribes [s]; None for the profile's.
    note : what a reader of its results should know; may be empty.
    """

    name: str
    config: Path
    begin_s: float
    end_s: float | None
    licence: str
    origin: str
    timings: str
    yellow_s: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Listing:
    """One row of the list of scenarios.

    Attributes
    ----------
    signals : intersections with a signal program that is not off; None where not available.
    vehicles : vehicles due to depart in the window, flows by their expected number; None where not available.
    reason : why it cannot be run here and what to do; empty where it can.
    """

    name: str
    signals: int | None
    vehicles: int | None
    begin_s: float | None
    end_s: float | None
    licence: str
    origin: str
    note: str
    reason: str

    @property
    def available(self) -> bool:
        """Whether it can be run here."""
        return not self.reason

    def document(self) -> dict[str, Any]:
        """All of it as plain types."""
        return {**asdict(self), "available": self.available}


def find_scenario(name_or_path: str) -> Scenario:
    """Find a scenario by its registered name, or by the path of a ``.sumocfg``.

    Raises
    ------
    ScenarioError
        An unknown name (with the nearest names), a registered scenario whose files are not here (with the remedy),
        a path that does not exist or is no ``.sumocfg``, a configuration that cannot be read.
    """
    registry = _registry()
    if name_or_path in registry:
        return _registered(name_or_path, registry[name_or_path])
    path = Path(name_or_path).expanduser()
    if name_or_path.endswith(SUFFIX) or len(path.parts) > 1 or path.exists():
        return _from_path(name_or_path, path)
    near = difflib.get_close_matches(name_or_path.lower(), registry, n=3, cutoff=0.5)
    meant = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(registry)}."
    raise ScenarioError(
        f"no scenario is called {name_or_path!r}: {meant} `citybrain scenarios` lists all; "
        f"a path to a {SUFFIX} file works as well"
    )


def list_scenarios() -> list[Listing]:
    """List all registered scenarios in the order of the registry, also those whose files are not here."""
    return [_listing(name, entry) for name, entry in _registry().items()]


def registered_names() -> tuple[str, ...]:
    """Names of all registered scenarios, also of those whose files are not here."""
    return tuple(_registry())


def _registry() -> dict[str, dict[str, Any]]:
    return tomllib.loads((_shipped() / "registry.toml").read_text(encoding="utf-8"))


def _shipped() -> Path:
    return Path(citybrain_scenarios.__path__[0])


def _listing(name: str, entry: dict[str, Any]) -> Listing:
    signals = vehicles = None
    reason = ""
    try:
        scenario = _registered(name, entry)
        config = read_config(scenario.config)
        signals = count_signals(config)
        vehicles = count_vehicles(config, scenario.begin_s, scenario.end_s)
    except InputError as flaw:
        reason = str(flaw)
    return Listing(
        name=name,
        signals=signals,
        vehicles=vehicles,
        begin_s=entry["begin_s"],
        end_s=entry["end_s"],
        licence=entry["licence"],
        origin=entry["origin"],
        note=entry["note"],
        reason=reason,
    )


def _registered(name: str, entry: dict[str, Any]) -> Scenario:
    config = _place(name, entry["place"]) / entry["config"]
    if not config.is_file():
        raise ScenarioError(f"scenario {name}: {config} is missing; install or fetch its files anew")
    return Scenario(
        name=name,
        config=config.absolute(),
        begin_s=float(entry["begin_s"]),
        end_s=float(entry["end_s"]),
        licence=entry["licence"],
        origin=entry["origin"],
        timings=entry["timings"],
        yellow_s=entry.get("yellow_s"),
        note=entry["note"],
    )


def _from_path(given: str, path: Path) -> Scenario:
    if path.is_dir():
        inside = sorted(file.name for file in path.glob(f"*{SUFFIX}"))
        hint = f"it holds {', '.join(inside)}: name one of them" if inside else f"name a {SUFFIX} file"
        raise ScenarioError(f"{given} is a folder; {hint}")
    if not path.exists():
        raise ScenarioError(f"{given} does not exist (looked for {path.absolute()}); correct the path")
    if path.suffix != SUFFIX:
        raise ScenarioError(f"{given} is no {SUFFIX} file; name the SUMO configuration that brings network and demand")
    config = read_config(path)
    return Scenario(
        name=given,
        config=config.path,
        begin_s=config.begin_s,
        end_s=config.end_s,
        licence=NOT_STATED,
        origin="files given by path",
        timings=PATH_TIMINGS,
    )


def _place(name: str, place: str) -> Path:
    """Folder that a registered configuration is relative to."""
    if place == "shipped":
        return _shipped()
    return _resco_folder(name) if place == "sumo-rl" else _data_folder(name)


def _resco_folder(name: str) -> Path:
    # find_spec of a top-level package locates it without running its code, which would want its own dependencies.
    found = importlib.util.find_spec("sumo_rl")
    if found is None or not found.submodule_search_locations:
        raise ScenarioError(
            f"scenario {name} lies in the package sumo-rl, which is not installed; "
            "pip install --no-deps sumo-rl==1.4.5 (only its files are read)"
        )
    return Path(found.submodule_search_locations[0]) / "nets" / "RESCO"


def _data_folder(name: str) -> Path:
    """Folder of data sets that holds ``name``: ``CITYBRAIN_DATA``, or ``shared/data`` beside or above us."""
    set_by_user = os.environ.get(DATA_VARIABLE)
    checkout = Path(__file__).resolve().parents[2]
    above = (checkout.parent, *Path.cwd().parents)
    candidates = [Path(set_by_user).expanduser()] if set_by_user else [base / "shared" / "data" for base in above]
    for candidate in candidates:
        if (candidate / name).is_dir():
            return candidate
    looked = f"{DATA_VARIABLE}={set_by_user}" if set_by_user else f"{candidates[0]} and above the current folder"
    raise ScenarioError(
        f"scenario {name} does not ship with the project and is not in {looked}; "
        f"set {DATA_VARIABLE} to the folder that holds {name}/"
    )
