"""The command ``citybrain``. Everything heavy is imported where it is used, so that ``--help`` is quick."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import citybrain
from citybrain.errors import InputError
from citybrain_api import options as opt
from citybrain_api.bench_commands import bench_app
from citybrain_api.camera_commands import camera as run_camera
from citybrain_api.conformance_commands import conformance_app
from citybrain_api.controller_commands import controller as run_controller
from citybrain_api.event_commands import events as read_events
from citybrain_api.failures import BAD_INPUT, FAILED, clear_errors, end_in_order_when_terminated, tell, tell_failures
from citybrain_api.key_commands import keys_app
from citybrain_api.ledger_commands import ledger_app
from citybrain_api.look_commands import look
from citybrain_api.plan_commands import plan_app
from citybrain_api.report_commands import report as write_report
from citybrain_api.sensor_commands import sensors as list_sensors
from citybrain_api.serve_commands import serve as run_service

if TYPE_CHECKING:
    from citybrain_sim.runs import RunSpec
    from citybrain_sim.workers import RunEvent

RUNS = Path("runs")

app = typer.Typer(
    help="City Brain Engine: detector and camera streams in, lawful adaptive signal timings out, effect measured.",
    epilog="First time here: citybrain doctor, then citybrain compare district --seeds 3.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)

CONTROLLERS_HELP = (
    "Controllers: fixed, webster, actuated, max-pressure, max-wave, planner; SUMO's own sumo-actuated and \
sumo-delay-based; and oracle, the planner with perfect sight: a yardstick, not a result."
)
# A blank line is a new line in the help.
RUN_EPILOG = f"""{CONTROLLERS_HELP}

Examples:

citybrain run district --controller planner

citybrain run cologne8 -c max-pressure --gui

citybrain run my/city.sumocfg -c planner --profile us-mutcd --sensors loops

citybrain run district --faults stuck-on:3,late:2"""
COMPARE_EPILOG = f"""{CONTROLLERS_HELP}

Examples:

citybrain compare district --seeds 3

citybrain compare cologne1 cologne8 -c fixed,actuated,planner -s 5 --instances 5 --json > results.json

citybrain compare cologne8 -c fixed,planner -s 5 --protocol classic"""


@app.command(epilog=RUN_EPILOG)
def run(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Registered name, or path of a .sumocfg.")],
    controller: opt.Controller = "planner",
    seed: opt.Seed = 1,
    sensors: opt.Sensors = "default",
    faults: opt.Faults = None,
    incident: opt.Incident = None,
    profile: opt.Timings = None,
    demand: opt.Demand = 1.0,
    instance: opt.Instance = 0,
    protocol: opt.Protocol = "modern",
    sumo: opt.Sumo = None,
    out: opt.Out = RUNS,
    gui: opt.Gui = False,
    fresh: opt.Fresh = False,
    as_json: opt.Json = False,
) -> None:
    """Run one simulation under one controller, record it and say what came of it."""
    with clear_errors(out, goes_on=True):
        from citybrain_sim.comparison import plan_runs  # noqa: PLC0415 - heavy
        from citybrain_sim.fault_profiles import read_faults  # noqa: PLC0415 - likewise

        opt.check_seed(seed, "--seed")
        opt.at_least(instance, 0, "--instance")
        shared = _shared(sensors, incident, profile, demand, protocol, sumo, out)
        shared["faults"] = () if faults is None else read_faults(faults)
        specs = plan_runs([scenario], [controller], [seed], [instance], gui=gui, **shared)
        _carry_out(specs, 1, 1, jobs=1, fresh=fresh, as_json=as_json)


@app.command(epilog=COMPARE_EPILOG)
def compare(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Names, or paths of .sumocfg files.")],
    controllers: opt.Controllers = "fixed,planner",
    seeds: opt.Seeds = "3",
    sensors: opt.Sensors = "default",
    incident: opt.Incident = None,
    profile: opt.Timings = None,
    demand: opt.Demand = 1.0,
    instances: opt.Instances = 1,
    protocol: opt.Protocol = "modern",
    jobs: opt.Jobs = None,
    sumo: opt.Sumo = None,
    out: opt.Out = RUNS,
    fresh: opt.Fresh = False,
    as_json: opt.Json = False,
) -> None:
    """Run several controllers on several scenarios and seeds, in parallel, and compare them with the fixed plan.

    Finished runs are kept: the same command goes on where it was stopped, and further seeds or controllers add to them.
    """
    with clear_errors(out, goes_on=True):
        from citybrain_sim.comparison import plan_runs  # noqa: PLC0415 - heavy

        numbers = opt.read_seeds(seeds)
        names = opt.read_names(controllers, "--controllers")
        opt.at_least(instances, 1, "--instances")
        if jobs is not None:
            opt.at_least(jobs, 1, "--jobs")
        shared = _shared(sensors, incident, profile, demand, protocol, sumo, out)
        specs = plan_runs(scenarios, names, numbers, range(instances), **shared)
        _carry_out(specs, len(numbers), instances, jobs=jobs, fresh=fresh, as_json=as_json)


app.add_typer(bench_app, name="bench")


@app.command()
def scenarios(as_json: opt.Json = False) -> None:
    """List the scenarios that can be run here: signals, vehicles, window, licence."""
    with clear_errors(RUNS):
        from citybrain_sim.scenarios import list_scenarios  # noqa: PLC0415 - heavy

        listings = list_scenarios()
        if as_json:
            _print_json({"scenarios": [listing.document() for listing in listings]})
        else:
            from citybrain_api import tables  # noqa: PLC0415 - rich is slow to import

            tables.console().print(tables.scenarios(listings))


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of one recorded run.")],
    as_json: opt.Json = False,
) -> None:
    """Play a recorded run through the engine again and say whether states, wishes and commands are the same."""
    with clear_errors(RUNS):
        from citybrain_sim.replay import replay as play  # noqa: PLC0415 - heavy

        report = play(folder)
        same = report.difference is None
        if report.refused:
            found = ", ".join(f"{count} {code}" for code, count in sorted(report.refused.items()))
            tell(f"{folder}: rows of the recording that no sensor can have sent were left out: {found}")
        if as_json:
            told = {"same": same, "ticks": report.ticks, "difference": report.difference, "refused": report.refused}
            _print_json({"folder": str(folder), **told})
        elif same:
            typer.echo(f"{folder}: {report.ticks} ticks replayed, everything the same to the bit")
        if not same:
            tell(f"the replay differs from the record. {report.difference}")
            raise typer.Exit(FAILED)


@app.command()
def doctor(as_json: opt.Json = False) -> None:
    """Say what this machine has and lacks for running simulations, and what to do about it."""
    with clear_errors(RUNS):
        from citybrain_api import doctor as examination  # noqa: PLC0415 - looks at the whole machine

        checks = examination.examine()
        if as_json:
            _print_json(examination.to_document(checks))
        else:
            from citybrain_api import tables  # noqa: PLC0415 - rich is slow to import

            tables.console().print(tables.doctor(checks))
        if not examination.healthy(checks):
            raise typer.Exit(FAILED)


SERVICE = "Live service"
app.command("serve", rich_help_panel=SERVICE)(run_service)
app.add_typer(keys_app, name="keys", rich_help_panel=SERVICE)
app.command("controller", rich_help_panel=SERVICE)(run_controller)
app.command("events")(read_events)
app.command("sensors")(list_sensors)
app.command("look")(look)
app.command("report")(write_report)
app.command("camera", rich_help_panel=SERVICE)(run_camera)
app.add_typer(conformance_app, name="conformance", rich_help_panel=SERVICE)
app.add_typer(plan_app, name="plan", rich_help_panel=SERVICE)
app.add_typer(ledger_app, name="ledger", rich_help_panel=SERVICE)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(citybrain.__version__)


def _shared(
    sensors: str,
    incident: str | None,
    profile: str | None,
    demand: float,
    protocol: str,
    sumo: Path | None,
    out: Path,
) -> dict[str, Any]:
    from citybrain_sim.incidents import read_incident  # noqa: PLC0415 - heavy

    opt.at_least(demand, 0.0, "--demand")
    _check_folder(out)
    return {
        "sensors": sensors,
        "incident": None if incident is None else read_incident(incident),
        "profile": profile,
        "demand": demand,
        "protocol": protocol,
        "sumo_binary": sumo,
        "out": out,
    }


def _check_folder(out: Path) -> None:
    """Refuse a folder that cannot take records, before anything runs."""
    taken = next((place for place in (out, *out.parents) if place.exists()), out)
    if not taken.is_dir():
        raise InputError(f"--out {out}: {taken} is not a folder; name a folder that you may write")
    if not os.access(taken, os.W_OK | os.X_OK):
        raise InputError(f"--out {out}: {taken} cannot be written; name a folder that you may write")


def _carry_out(
    specs: list[RunSpec], seeds: int, instances: int, *, jobs: int | None, fresh: bool, as_json: bool
) -> None:
    from citybrain_api import tables  # noqa: PLC0415 - rich is slow to import
    from citybrain_api.progress import told  # noqa: PLC0415 - likewise
    from citybrain_sim import comparison as room  # noqa: PLC0415 - heavy

    failed: list[RunEvent] = []
    with told(specs, failed) as see:
        comparison = room.compare(specs, jobs, see, fresh=fresh)
    summary = room.summarise(comparison.runs)
    if as_json:
        _print_json(room.to_document(comparison.runs, summary))
    elif summary:
        screen = tables.console()
        for table in tables.results(summary, seeds, instances, screen.width):
            screen.print(table)
        screen.print(f"Records: {comparison.runs[0].folder if len(specs) == 1 else specs[0].out}", soft_wrap=True)
    if failed:
        tell_failures(failed)
        raise typer.Exit(BAD_INPUT if all(event.refused for event in failed) else FAILED)


def _print_json(document: dict[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=1, allow_nan=False))


def main() -> None:
    """Enter here from the shell."""
    end_in_order_when_terminated()
    app(prog_name="citybrain")


if __name__ == "__main__":
    main()
