"""SUMO's own actuated programs as baselines that run without our engine.

https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html#actuated_traffic_lights
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Literal
from xml.etree import ElementTree as ET

from citybrain.errors import ContractError
from citybrain.signals import Aspect
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from pathlib import Path

    from citybrain.network import Network
    from citybrain.signals import Signals
    from citybrain.timings import Timings

LONGEST_GREEN = 50 * TENTHS_PER_SECOND
"""Longest duration of a stage [tenths], SUMO's own choice for programs that netconvert builds as actuated."""
PARAMETERS: dict[str, dict[str, str]] = {
    # Detectors 2 s upstream at the speed limit, greens end at gaps above 3 s: SUMO's defaults, written out so that
    # the baseline stays what it is when they change.
    "actuated": {"detector-gap": "2.0", "passing-time": "1.9", "max-gap": "3.0", "inactive-threshold": "180"},
    # Greens go on while a vehicle within 100 m has lost more than 1 s; SUMO's defaults.
    "delay_based": {"detectorRange": "100", "minTimeLoss": "1"},
}
ASPECT_CHARACTERS = {Aspect.YELLOW: "y", Aspect.PERMISSIVE: "g", Aspect.PROTECTED: "G"}


def write_programs(
    kind: Literal["actuated", "delay_based"], signals: Signals, network: Network, path: Path, timings: Timings
) -> Path:
    """Write an additional file that puts every intersection under a program of SUMO's own actuated kinds.

    States and their order are the own program's. Stages last from the profile's minimum green to 50 s; what is shown
    between them keeps its duration. Loaded last, the programs are the active ones.

    Parameters
    ----------
    path : file to write.

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    ContractError
        If the kind is unknown.
    """
    if kind not in PARAMETERS:
        raise ContractError(f"SUMO programs of kind {kind!r} are not written; choose one of: {', '.join(PARAMETERS)}")
    root = ET.Element("additional")
    for i in range(signals.n_intersections):
        logic = ET.SubElement(
            root,
            "tlLogic",
            id=network.intersection_id[i],
            type=kind,
            programID=f"citybrain-{kind.replace('_', '-')}",
            offset=_seconds(int(signals.program_offset[i])),
        )
        for key, value in {**PARAMETERS[kind], "show-detectors": "false", "file": "NUL"}.items():
            ET.SubElement(logic, "param", key=key, value=value)
        for row, duration in _steps(signals, i):
            phase = ET.SubElement(logic, "phase", duration=_seconds(duration), state=row_state(signals, i, row))
            if signals.row_is_stage[row]:
                shortest = _minimum_green(signals, timings, i, row)
                phase.set("minDur", _seconds(shortest))
                phase.set("maxDur", _seconds(max(LONGEST_GREEN, shortest)))
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def row_state(signals: Signals, intersection: int, row: int) -> str:
    """State string of a row; lamps that the network does not use are red."""
    first, aspects = int(signals.group_ptr[intersection]), signals.aspects(row)
    characters = []
    for k in range(int(signals.lamp_ptr[intersection]), int(signals.lamp_ptr[intersection + 1])):
        group = int(signals.lamp_group[k])
        aspect = Aspect(int(aspects[group - first])) if group >= 0 else Aspect.RED
        characters.append(ASPECT_CHARACTERS.get(aspect, chr(signals.lamp_red[k])))
    return "".join(characters)


def _steps(signals: Signals, intersection: int) -> list[tuple[int, int]]:
    """Own program as (row, duration [tenths]), steps that go on with the same row put together."""
    steps = range(int(signals.step_ptr[intersection]), int(signals.step_ptr[intersection + 1]))
    shown = [(int(signals.step_row[s]), int(signals.step_duration[s])) for s in steps]
    return [(row, sum(tenths for _, tenths in run)) for row, run in groupby(shown, key=lambda step: step[0])]


def _minimum_green(signals: Signals, timings: Timings, intersection: int, row: int) -> int:
    """Longest minimum green [tenths] of the groups that a stage gives green to."""
    first, end = int(signals.group_ptr[intersection]), int(signals.group_ptr[intersection + 1])
    return int(timings.min_green[first:end][signals.aspects(row) >= Aspect.PERMISSIVE].max())


def _seconds(tenths: int) -> str:
    return f"{tenths / TENTHS_PER_SECOND:.1f}"
