"""What the examination of sensors said during recorded runs, held against what was really sick."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

DAY = 86400.0
RIGHT: dict[str, tuple[str, ...]] = {
    "count-drift": ("drift",),
    "chatter": ("chatter",),
    "stuck-on": ("stuck on",),
    "stuck-off": ("stuck off", "silent"),
    "shift": ("shifted",),
    "lost-lane": ("lost lane", "blind"),
    "no-objects": ("blind",),
    "no-frames": ("silent",),
    "flicker": ("flicker", "silent"),
    "dead": ("silent", "stuck off"),
    "clock-skew": ("wrong clock",),
    "lost": (),
    "duplicated": ("doubled",),
    "out-of-order": ("out of order", "late"),
    "late": ("late", "out of order"),
}
"""Fault of the bench -> names that the examination may give it. Without events, a dead loop is one stuck off."""


class Spell(NamedTuple):
    """A time during which a sensor was called sick, and of what; begin and end [s], infinite: not called well again."""

    begin: float
    end: float
    name: str


@dataclass(frozen=True)
class Found:
    """What was said of the sensors of one run.

    Attributes
    ----------
    delays : of every sick sensor, from the beginning of its fault until it was called sick [s]; None: never.
    names : what those found were called.
    back : of those found, from the end of the fault until it was called sick no more [s]; None: not within the run.
    false_alarms : times that a well sensor was called sick. well_s : time of all well sensors together [s].
    """

    delays: list[float | None]
    names: list[str]
    back: list[float | None]
    false_alarms: int
    well_s: float


def found_in(folder: Path) -> Found:
    """Read what was said and what was so of one finished run."""
    health, result = (_read(folder / name) for name in ("sensor_health.json", "result.json"))
    truth = _read(folder / "faults.json")["faults"] if (folder / "faults.json").exists() else []
    sensors = [row["sensor"] for row in health["sensors"]]
    return judge(spells(health["changes"]), sensors, truth, result["end_s"] - result["begin_s"])


def spells(changes: Sequence[dict[str, Any]]) -> dict[str, list[Spell]]:
    """When which sensor was called sick, from changes of status in order of time."""
    told: dict[str, list[Spell]] = {}
    for change in changes:
        own = told.setdefault(change["sensor"], [])
        open_one = own and math.isinf(own[-1].end)
        if change["status"] == "sick" and not open_one:
            own.append(Spell(change["time_s"], math.inf, change["fault"]))
        elif change["status"] != "sick" and open_one:
            own[-1] = own[-1]._replace(end=change["time_s"])
    return told


def judge(
    told: dict[str, list[Spell]], sensors: Sequence[str], truth: Sequence[dict[str, Any]], seconds: float
) -> Found:
    """Hold what was said against what was so.

    Parameters
    ----------
    truth : rows of ``faults.json``.
    seconds : length of the run.
    """
    delays: list[float | None] = []
    names: list[str] = []
    back: list[float | None] = []
    for row in truth:
        begin, end = row["from_s"], math.inf if row["to_s"] is None else row["to_s"]
        during = [spell for spell in told.get(row["sensor"], ()) if spell.begin < end and spell.end > begin]
        delays.append(max(during[0].begin - begin, 0.0) if during else None)
        if during:
            names.append(during[0].name)
        if during and row["to_s"] is not None:
            back.append(None if math.isinf(during[-1].end) else max(during[-1].end - end, 0.0))
    well = set(sensors) - {row["sensor"] for row in truth}
    return Found(delays, names, back, sum(len(told.get(name, ())) for name in well), len(well) * seconds)


def cells(found: Sequence[Found], fault: str) -> list[str]:
    """Turn what was found in several runs of one fault and level into the cells of a table."""
    delays = [delay for one in found for delay in one.delays]
    known = [delay for delay in delays if delay is not None]
    names = [name for one in found for name in one.names]
    back = [time for one in found for time in one.back]
    returned = [time for time in back if time is not None]
    days = sum(one.well_s for one in found) / DAY
    alarms = sum(one.false_alarms for one in found)
    return [
        str(len(delays)) if delays else "-",
        _percent(len(known), len(delays)),
        _percent(sum(name in RIGHT.get(fault, ()) for name in names), len(names)),
        f"{np.median(known):.0f}" if known else "-",
        f"{np.percentile(known, 90):.0f}" if known else "-",
        _percent(len(returned), len(back)),
        f"{np.median(returned):.0f}" if returned else "-",
        f"{alarms / days:.2f} ({alarms} in {days:.1f})" if days > 0 else "-",
    ]


def _read(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return document


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"
