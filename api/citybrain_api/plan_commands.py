"""``citybrain plan``: controller data of a scenario, and the checker for plans in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from citybrain.errors import InputError
from citybrain_api import options as opt
from citybrain_api.failures import FAILED, clear_errors

RUNS = Path("runs")
LARGEST_FILE = 16 * 2**20

plan_app = typer.Typer(help="Check plans, and print what a controller is told of its intersection.")

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE", help="Controller data; without it, FILE itself is judged as such."),
]


@plan_app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Plan, or controller data, as JSON.")],
    data: Data = None,
    as_json: opt.Json = False,
) -> None:
    """Judge a plan against controller data, or controller data and their patterns alone.

    The exit code is 0 for a lawful document, 1 for a refused one, 2 where a file cannot be read.
    """
    with clear_errors(RUNS):
        from citybrain.plans.checker import Checker  # noqa: PLC0415 - keeps --help quick

        judged = _read(file)
        refusals = Checker(judged).check_patterns() if data is None else Checker(_read_data(data)).check(judged)
        if as_json:
            rows = [refusal._asdict() for refusal in refusals]
            typer.echo(json.dumps({"file": str(file), "lawful": not rows, "refusals": rows}, indent=1))
        elif not refusals:
            typer.echo(f"{file}: lawful")
        else:
            for refusal in refusals:
                typer.echo(f"{file}: {refusal.code} at {refusal.where}: {refusal.sentence}")
        if refusals:
            raise typer.Exit(FAILED)


@plan_app.command("data")
def print_data(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Registered name, or path of a .sumocfg.")],
    intersection: Annotated[str, typer.Argument(metavar="INTERSECTION", help="Its id.")],
    profile: opt.Timings = None,
    time_zone: Annotated[str, typer.Option(metavar="ZONE", help="IANA name, for the time-of-day table.")] = "UTC",
) -> None:
    """Print the controller data of one intersection of a scenario."""
    with clear_errors(RUNS):
        from citybrain.plans.controller_data import controller_data  # noqa: PLC0415 - heavy
        from citybrain.profiles import make_timings  # noqa: PLC0415 - heavy
        from citybrain_sim.scenarios import find_scenario  # noqa: PLC0415 - heavy
        from citybrain_sim.sumo_config import read_config  # noqa: PLC0415 - heavy
        from citybrain_sim.sumo_net import read_network  # noqa: PLC0415 - heavy

        found = find_scenario(scenario)
        config = read_config(found.config)
        network, signals = read_network(config.net_file, config.additional_files)
        if intersection not in network.intersection_id:
            some = ", ".join(network.intersection_id[:8])
            raise InputError(f"{scenario} has no intersection {intersection!r}; some of its ids: {some}")
        timings = make_timings(profile or found.timings, network, signals, found.yellow_s)
        i = network.intersection_id.index(intersection)
        typer.echo(json.dumps(controller_data(network, signals, timings, i, time_zone), indent=1))


def _read_data(path: Path) -> Any:
    """Read controller data; another document there would be blamed on the plan, field by field.

    Raises
    ------
    InputError
        If the file is no controller data.
    """
    from citybrain.plans.checker import DATA_FORMAT  # noqa: PLC0415 - keeps --help quick

    document = _read(path)
    found = document.get("format") if isinstance(document, dict) else None
    if found != DATA_FORMAT:
        raise InputError(
            f"--data {path} has the format {found!r}, not {DATA_FORMAT!r}; name the plan first, and the controller "
            "data after --data"
        )
    return document


def _read(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        If it cannot be read, is no JSON, or is larger than any plan.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than {LARGEST_FILE // 2**20} MiB; no plan and no controller data are")
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give another file") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {type(error).__name__}: {error}; give another file") from None
