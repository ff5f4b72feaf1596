"""Options of the command line: their help, their defaults, and how their text is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from citybrain.errors import InputError

LARGEST_SEED = 2**31 - 1
"""SUMO keeps its seed in a signed 32-bit integer."""

Controllers = Annotated[
    str, typer.Option("--controllers", "-c", metavar="A,B", help="Controllers to compare, separated by commas.")
]
Controller = Annotated[str, typer.Option("--controller", "-c", metavar="NAME", help="Controller to run.")]
Seeds = Annotated[
    str, typer.Option("--seeds", "-s", metavar="N|1,5,9", help="N means seeds 1 to N; or a list of seeds.")
]
Seed = Annotated[int, typer.Option("--seed", "-s", metavar="N", help="Seed of drivers and sensors.")]
Sensors = Annotated[
    str,
    typer.Option(
        metavar="PROFILE",
        help="Which sensors there are and how good they are: default, loops, camera, exits, counts, camera-counts, "
        "mixed, ideal, scenario.",
    ),
]
Faults = Annotated[
    str | None,
    typer.Option(
        metavar="NAME:LEVEL,...|FILE",
        help="Make sensors sick: faults by name and level 1 to 5, such as stuck-on:3,late:2, or a .toml file.",
    ),
]
Incident = Annotated[
    str | None,
    typer.Option(
        metavar="auto|LANE[@FROM-TO]",
        help="A vehicle breaks down and blocks a lane: a named one, or one drawn by the seed; ten minutes if not said.",
    ),
]
Timings = Annotated[
    str | None,
    typer.Option(
        metavar="TIMINGS",
        help="Minimum greens, yellows, clearances: resco, us-mutcd, de-rilsa, own; without it, the scenario says.",
    ),
]
Demand = Annotated[float, typer.Option(metavar="FACTOR", help="Multiplies the scenario's demand.")]
Instances = Annotated[
    int,
    typer.Option(metavar="N", help="Demand instances per seed: departures jittered, volumes varied, the same for all."),
]
Instance = Annotated[int, typer.Option(metavar="K", help="Demand instance; 0 is the scenario's demand as it is.")]
Protocol = Annotated[
    str,
    typer.Option(metavar="NAME", help="How vehicles enter: modern (SUMO as it comes) or classic (old defaults)."),
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", metavar="N", help="Runs at the same time; without it, one per core.")
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where runs are recorded.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
Sumo = Annotated[Path | None, typer.Option(metavar="PATH", help="Another SUMO program, for example an older one.")]
Gui = Annotated[bool, typer.Option("--gui", help="Show the simulation in SUMO's window.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Run again what is finished already.")]


def read_seeds(text: str) -> list[int]:
    """Turn ``N`` into 1 to N and ``1,5,9`` into that list, doubles removed.

    Raises
    ------
    InputError
        If the text is neither, or a seed is out of range.
    """
    if not re.fullmatch(r"\s*-?\d+\s*(,\s*-?\d+\s*)*,?\s*", text):
        raise InputError(f"--seeds {text!r} is neither a number nor a list of numbers; write 5 (seeds 1 to 5) or 1,5,9")
    numbers = [int(word) for word in text.split(",") if word.strip()]
    if "," not in text:
        if not 1 <= numbers[0] <= 10_000:
            raise InputError(f"--seeds {text} is out of range; a number of seeds is 1 to 10000")
        return list(range(1, numbers[0] + 1))
    for seed in numbers:
        check_seed(seed, "--seeds")
    return list(dict.fromkeys(numbers))


def check_seed(seed: int, option: str) -> int:
    """Return the seed.

    Raises
    ------
    InputError
        If SUMO cannot take it.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"{option}: seed {seed} is out of range; a seed is 0 to {LARGEST_SEED}")
    return seed


def read_names(text: str, option: str) -> list[str]:
    """Turn ``a,b`` into names, doubles removed.

    Raises
    ------
    InputError
        If there is none.
    """
    names = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not names:
        raise InputError(f"{option} names nothing; write for example {option} fixed,planner")
    return names


def at_least(value: float, least: float, option: str) -> None:
    """Refuse a number that is too small.

    Raises
    ------
    InputError
        If it is below ``least`` or not a number.
    """
    if not value >= least or value == float("inf"):
        raise InputError(f"{option} {value:g} is out of range; it must be at least {least:g}")
