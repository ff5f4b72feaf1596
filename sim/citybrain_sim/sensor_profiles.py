"""Named sensor profiles, read from ``sensor_profiles.toml`` and checked. Knows no network and no simulator."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from citybrain.errors import ProfileError
from citybrain.observations import LONGEST_INTERVAL, SHORTEST_INTERVAL

PROFILE_FILE = Path(__file__).with_name("sensor_profiles.toml")


@dataclass(frozen=True)
class LoopNoise:
    """Errors of induction loops; what each number stands for is said in ``sensor_profiles.toml``."""

    missed: float
    doubled: float
    edge_sd_s: float
    latency_s: float


@dataclass(frozen=True)
class CameraNoise:
    """Errors of cameras; what each number stands for is said in ``sensor_profiles.toml``."""

    missed_near: float
    missed_far: float
    far_m: float
    occluded_standing: float
    occluded_long: float
    occluded_gap_m: float
    long_vehicle_m: float
    missed_time_s: float
    position_sd_m: float
    position_sd_share: float
    speed_sd: float
    wrong_lane: float
    false_object: float
    confidence_sd: float
    false_confidence: float
    latency_min_s: float
    latency_max_s: float
    blind_every_s: float
    blind_min_s: float
    blind_max_s: float


@dataclass(frozen=True)
class CountNoise:
    """Errors of interval counts; what each number stands for is said in ``sensor_profiles.toml``."""

    interval_s: float
    missed: float
    doubled: float
    lost: float
    latency_min_s: float
    latency_max_s: float


@dataclass(frozen=True)
class CountLoopNoise(CountNoise):
    """Errors of detectors that count."""

    occupancy_sd: float


@dataclass(frozen=True)
class CountCameraNoise(CountNoise):
    """Errors of cameras that count."""

    queue_sd: float
    queue_sd_share: float


@dataclass(frozen=True)
class TurnCameraNoise(CountNoise):
    """Errors of cameras of both kinds that count turning movements."""

    confused: float


@dataclass(frozen=True)
class SensorProfile:
    """What is built on the street and how badly it sees.

    Attributes
    ----------
    stop_loops, advance_loops : a loop on every stop-line lane just before the stop line, and one further upstream.
    cameras : a mast camera over every approach.
    exit_loops : a loop on every lane that leaves an intersection.
    count_loops : on every stop-line lane a detector upstream that reports interval counts.
    camera_counts : over every approach a camera that reports interval counts.
    mixed : every road has only one of these, or nothing; which one depends on its name.
    scenario_loops : the detectors that the scenario itself brings.
    sight_m : path length upstream of the stop line that a camera sees [m].
    """

    name: str
    description: str
    stop_loops: bool
    advance_loops: bool
    cameras: bool
    exit_loops: bool
    count_loops: bool
    camera_counts: bool
    mixed: bool
    scenario_loops: bool
    sight_m: float
    loop: LoopNoise
    camera: CameraNoise
    count_loop: CountLoopNoise
    count_camera: CountCameraNoise
    turn_camera: TurnCameraNoise


_Row = LoopNoise | CameraNoise | CountNoise | SensorProfile
_NOISES: dict[str, type[LoopNoise | CameraNoise | CountNoise]] = {
    "loop": LoopNoise,
    "camera": CameraNoise,
    "count_loop": CountLoopNoise,
    "count_camera": CountCameraNoise,
    "turn_camera": TurnCameraNoise,
}
"""Tables of a noise, by field of a profile."""
_RANGES: dict[str, tuple[float, float]] = {
    # shares and probabilities; a vehicle that is always missed or doubled needs no model
    "missed": (0.0, 0.9),
    "doubled": (0.0, 0.9),
    "missed_near": (0.0, 0.9),
    "missed_far": (0.0, 0.9),
    "occluded_standing": (0.0, 0.9),
    "occluded_long": (0.0, 0.9),
    "wrong_lane": (0.0, 0.9),
    "false_object": (0.0, 0.9),
    "position_sd_share": (0.0, 1.0),
    "confidence_sd": (0.0, 1.0),
    "false_confidence": (0.0, 1.0),
    "lost": (0.0, 0.9),
    "confused": (0.0, 0.9),
    "occupancy_sd": (0.0, 1.0),
    "queue_sd_share": (0.0, 1.0),
    # vehicles
    "queue_sd": (0.0, 50.0),
    # metres
    "sight_m": (1.0, 1000.0),
    "far_m": (1.0, 1000.0),
    "occluded_gap_m": (0.0, 100.0),
    "long_vehicle_m": (0.0, 100.0),
    "position_sd_m": (0.0, 50.0),
    # metres per second
    "speed_sd": (0.0, 20.0),
    # seconds
    "edge_sd_s": (0.0, 5.0),
    "interval_s": (SHORTEST_INTERVAL, LONGEST_INTERVAL),
    "latency_s": (0.0, 600.0),
    "missed_time_s": (0.1, 600.0),
    "latency_min_s": (0.0, 600.0),
    "latency_max_s": (0.0, 600.0),
    "blind_every_s": (0.0, 1e6),
    "blind_min_s": (0.0, 1e6),
    "blind_max_s": (0.0, 1e6),
}


def sensor_profile_names(file: Path = PROFILE_FILE) -> tuple[str, ...]:
    """Names that :func:`load_sensor_profile` knows, in the order of the file."""
    return tuple(_read(file)["profiles"])


def load_sensor_profile(name: str, file: Path = PROFILE_FILE) -> SensorProfile:
    """Read one profile.

    Raises
    ------
    ProfileError
        If the file cannot be read, the name is unknown, or a key is missing, unknown, of the wrong type or out of
        range; all faults of the profile at once, each with file, key, what was found and what is allowed.
    """
    document = _read(file)
    if name not in document["profiles"]:
        known = ", ".join(document["profiles"])
        raise ProfileError(f"{file}: there is no sensor profile {name!r}; choose one of: {known}")
    place = f"{file}: profiles.{name}"
    table: dict[str, Any] = dict(document["profiles"][name])
    noise_name = table.pop("noise", None)
    noise = document.get("noise", {}).get(noise_name)
    if not isinstance(noise, dict):
        allowed = ", ".join(document.get("noise", {}))
        raise ProfileError(f"{place}.noise: found {noise_name!r}; allowed: {allowed}")
    faults: list[str] = []
    parts: dict[str, Any] = {}
    for part, kind in _NOISES.items():
        where = f"{file}: noise.{noise_name}.{part}"
        values = _checked(kind, noise.get(part, {}), where, faults)
        for low, high in (("latency_min_s", "latency_max_s"), ("blind_min_s", "blind_max_s")):
            if (
                isinstance(values.get(low), float)
                and isinstance(values.get(high), float)
                and values[low] > values[high]
            ):
                faults.append(f"{where}.{low}: found {values[low]}; at most {high} is allowed")
        parts[part] = values
    profile = _checked(SensorProfile, {**table, "name": name, **dict.fromkeys(_NOISES, 0)}, place, faults)
    if faults:
        raise ProfileError("\n".join(faults))
    return SensorProfile(**profile | {part: kind(**parts[part]) for part, kind in _NOISES.items()})


def _read(file: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as flaw:
        raise ProfileError(f"{file}: cannot be read as sensor profiles ({flaw}); correct the file") from None
    if not isinstance(document.get("profiles"), dict):
        raise ProfileError(f"{file}: has no [profiles.<name>] table; add one")
    return document


def _checked(row: type[_Row], table: dict[str, Any], place: str, faults: list[str]) -> dict[str, Any]:
    """Values of a dataclass's fields from a table; what is wrong with them goes to ``faults``."""
    types = {field.name: field.type for field in fields(row)}
    faults.extend(f"{place}.{key}: unknown; allowed: {', '.join(types)}" for key in table if key not in types)
    values: dict[str, Any] = {}
    for key, kind in types.items():
        found = table.get(key)
        if key not in table:
            faults.append(f"{place}.{key}: missing; add it")
        elif kind == "float":
            low, high = _RANGES[key]
            number = math.nan if isinstance(found, bool) or not isinstance(found, int | float) else float(found)
            if not low <= number <= high:
                faults.append(f"{place}.{key}: found {found!r}; allowed: a number from {low:g} to {high:g}")
            values[key] = number
        elif kind == "bool" and not isinstance(found, bool):
            faults.append(f"{place}.{key}: found {found!r}; allowed: true or false")
        elif kind == "str" and not isinstance(found, str):
            faults.append(f"{place}.{key}: found {found!r}; allowed: a text in quotes")
        else:
            values[key] = found
    return values
