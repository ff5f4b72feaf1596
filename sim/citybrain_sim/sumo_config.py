"""SUMO configuration files (``.sumocfg``) as SUMO understands them.

https://sumo.dlr.de/docs/Basics/Using_the_Command_Line_Applications.html#configuration_files
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from citybrain.errors import ScenarioError
from citybrain_sim.sumo_xml import parse_time, stream

NAMES = {
    "n": "net-file",
    "net": "net-file",
    "net-file": "net-file",
    "r": "route-files",
    "routes": "route-files",
    "route-files": "route-files",
    "a": "additional-files",
    "additional": "additional-files",
    "additional-files": "additional-files",
    "b": "begin",
    "begin": "begin",
    "e": "end",
    "end": "end",
    "step-length": "step-length",
}
"""Option that an element stands for, by every name that SUMO takes for it."""


@dataclass(frozen=True)
class SumoConfig:
    """What a configuration says about network, demand and time; all paths are absolute.

    Attributes
    ----------
    path : the configuration file itself.
    end_s : None where the simulation ends with its last vehicle.
    """

    path: Path
    net_file: Path
    route_files: tuple[Path, ...]
    additional_files: tuple[Path, ...]
    begin_s: float
    end_s: float | None
    step_length_s: float


@dataclass(frozen=True)
class _Option:
    element: str
    value: str
    where: str


def read_config(path: Path) -> SumoConfig:
    """Read a SUMO configuration.

    Raises
    ------
    ScenarioError
        With file and line, or file and element: malformed XML, no network or several, a file that is missing, an
        option given twice, times that are malformed or contradict each other.
    """
    path = path.absolute()
    options = _options(path)
    if "net-file" not in options:
        raise ScenarioError(f'{path}: no network; add <net-file value="....net.xml"/>')
    net_files = _files(path, options["net-file"])
    if len(net_files) != 1:
        names = ", ".join(file.name for file in net_files) or "nothing"
        raise ScenarioError(
            f"{options['net-file'].where}: <{options['net-file'].element}> must name one network, found {names}; "
            "leave one"
        )
    begin = _time(options.get("begin"), 0.0)
    end = _time(options.get("end"), -1.0)
    step_length = _time(options.get("step-length"), 1.0)
    if 0 <= end <= begin:
        raise ScenarioError(
            f"{options['end'].where}: the simulation ends at {end:g} s, but begins at {begin:g} s; "
            "give an end after the begin, or none"
        )
    if begin < 0:
        raise ScenarioError(f"{options['begin'].where}: the simulation begins at {begin:g} s; begin at 0 s or later")
    if step_length <= 0:
        raise ScenarioError(
            f"{options['step-length'].where}: the step length is {step_length:g} s; it must be positive"
        )
    return SumoConfig(
        path=path,
        net_file=net_files[0],
        route_files=_files(path, options.get("route-files")),
        additional_files=_files(path, options.get("additional-files")),
        begin_s=begin,
        end_s=None if end < 0 else end,
        step_length_s=step_length,
    )


def _options(path: Path) -> dict[str, _Option]:
    options: dict[str, _Option] = {}

    def element(name: str, attributes: dict[str, str], where: str) -> None:
        value = attributes.get("value", attributes.get("v"))
        if name not in NAMES or value is None:
            return
        option = NAMES[name]
        if option in options:
            raise ScenarioError(
                f"{where}: <{name}> sets {option} again, which <{options[option].element}> has set already; leave one"
            )
        options[option] = _Option(name, _substitute(value), where)

    stream(path, element, ScenarioError)
    return options


def _substitute(value: str) -> str:
    """Replace ``${NAME}`` by the environment variable, by nothing where there is none."""
    return re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], ""), value)


def _files(config: Path, option: _Option | None) -> tuple[Path, ...]:
    """Files of an option, separated by commas, or by blanks (as in old versions) where no file has such a name."""
    if option is None:
        return ()
    files: list[Path] = []
    for piece in filter(None, (part.strip() for part in option.value.split(","))):
        whole = config.parent / piece
        files += [whole] if whole.is_file() else [config.parent / name for name in piece.split()]
    for file in files:
        if not file.is_file():
            raise ScenarioError(
                f"{option.where}: <{option.element}> names {file}, which does not exist; "
                "correct the path (it is relative to the configuration) or bring the file"
            )
    return tuple(files)


def _time(option: _Option | None, default: float) -> float:
    if option is None:
        return default
    try:
        return parse_time(option.value)
    except ValueError as flaw:
        raise ScenarioError(f"{option.where}: <{option.element}>: {flaw}; correct it") from None
