"""``citybrain sensors``: which sensors are sick, of what, since when and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from citybrain.errors import InputError
from citybrain_api import options as opt
from citybrain_api.failures import BAD_INPUT, FAILED, clear_errors, tell_failures

if TYPE_CHECKING:
    from citybrain_sim.workers import RunEvent

Place = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO|FOLDER|URL", help="A scenario (it is run), the folder of a run, or a running service."
    ),
]
Key = Annotated[str | None, typer.Option(metavar="KEY", envvar="CITYBRAIN_KEY", help="Reader's key of a service.")]


def sensors(
    place: Place,
    sensors: opt.Sensors = "default",
    faults: opt.Faults = None,
    controller: opt.Controller = "planner",
    seed: opt.Seed = 1,
    key: Key = None,
    out: opt.Out = Path("runs"),
    as_json: opt.Json = False,
) -> None:
    """List the sensors: where each is, whether it is well, and if not, its fault, since when, why, what stands in.

    The exit code is 1 if any is sick. A scenario is run as by citybrain run, unless that run is finished already.
    """
    with clear_errors(out):
        if place.startswith(("http://", "https://")):
            found = _ask(place, key)
        elif Path(place).is_dir():
            found = _read(Path(place))
        else:
            opt.check_seed(seed, "--seed")
            found = _read(_run(place, controller, seed, sensors, faults, out))
        if as_json:
            typer.echo(json.dumps({"sensors": found}, indent=1, allow_nan=False))
        else:
            from citybrain_api import tables  # noqa: PLC0415 - rich is slow to import

            tables.console().print(tables.sensors(found))
        if any(sensor["status"] == "sick" for sensor in found):
            raise typer.Exit(FAILED)


def _ask(url: str, key: str | None) -> list[dict[str, Any]]:
    """Ask a running service; times become seconds."""
    from citybrain_api.client import Client  # noqa: PLC0415 - keeps --help quick

    with Client(url, key) as client:
        document = client.sensors()
    return [{**sensor, "since_s": sensor.pop("since") / 10} for sensor in document["sensors"]]


def _read(folder: Path) -> list[dict[str, Any]]:
    """Read what a run found.

    Raises
    ------
    InputError
        If the folder is none of a run by our engine.
    """
    from citybrain_sim.experiment import SENSOR_HEALTH  # noqa: PLC0415 - heavy

    path = folder / SENSOR_HEALTH
    try:
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["sensors"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({error}); name the folder of a finished run under one of the engine's controllers"
        ) from None
    return found


def _run(scenario: str, controller: str, seed: int, sensors: str, faults: str | None, out: Path) -> Path:
    """Run a scenario, or find the finished run; tells its folder."""
    from citybrain_api.progress import told  # noqa: PLC0415 - rich is slow to import
    from citybrain_sim import comparison as room  # noqa: PLC0415 - heavy
    from citybrain_sim.experiment import SENSOR_HEALTH  # noqa: PLC0415 - likewise
    from citybrain_sim.fault_profiles import read_faults  # noqa: PLC0415 - likewise

    sick = () if faults is None else read_faults(faults)
    specs = room.plan_runs([scenario], [controller], [seed], [0], sensors=sensors, faults=sick, out=out)
    if not specs[0].runs_in_engine:
        raise InputError(f"--controller {controller} is SUMO's own and looks at no sensors; choose one of the engine's")
    failed: list[RunEvent] = []
    with told(specs, failed) as see:
        room.compare(specs, 1, see, fresh=not (specs[0].folder / SENSOR_HEALTH).exists())
    if failed:
        tell_failures(failed)
        raise typer.Exit(BAD_INPUT if all(event.refused for event in failed) else FAILED)
    return specs[0].folder
