"""``citybrain bench``: a suite of runs, its one table of results, and the tables that pages show from it."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from citybrain.errors import InputError
from citybrain_api import options as opt
from citybrain_api.failures import BAD_INPUT, FAILED, clear_errors, tell, tell_failures

if TYPE_CHECKING:
    from citybrain_sim.bench.run import Forecast
    from citybrain_sim.runs import RunSpec
    from citybrain_sim.workers import RunEvent

RUNS = Path("runs") / "bench"
MINUTE, HOUR = 60.0, 3600.0


class _Suites(TyperGroup):
    """Takes ``citybrain bench NAME`` for ``citybrain bench run NAME``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["run", *args]
        return super().parse_args(ctx, args)


bench_app = typer.Typer(
    cls=_Suites,
    no_args_is_help=True,
    help="Benchmarks: citybrain bench NAME runs a suite, bench list names them, bench report writes its tables.",
    epilog="""Examples:

citybrain bench headline --dry-run

citybrain bench my/maps --seeds 2 --instances 5 --jobs 4

citybrain bench report runs/bench/maps

citybrain bench report runs/bench/headline --write README.md --write docs/results.md""",
)


@bench_app.command("run")
def run(
    suite: Annotated[
        str, typer.Argument(metavar="NAME", help="Suite, .toml of your own, .sumocfg, or folder that holds some.")
    ],
    scenarios: Annotated[str, typer.Option(metavar="A,B", help="Only these of the suite's scenarios.")] = "",
    controllers: Annotated[
        str, typer.Option("--controllers", "-c", metavar="A,B", help="Only these controllers.")
    ] = "",
    seeds: Annotated[str, typer.Option("--seeds", "-s", metavar="N|1,5,9", help="Other seeds than the suite's.")] = "",
    instances: Annotated[
        int | None, typer.Option(metavar="N", help="Another number of demand instances than the suite's.")
    ] = None,
    jobs: opt.Jobs = None,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the workers of this dask.distributed scheduler (extra cluster)."),
    ] = None,
    sumo: Annotated[
        Path | None, typer.Option(metavar="PATH", help="SUMO program for the parts that ask for another one.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the suite gets its folder.")] = RUNS,
    fresh: opt.Fresh = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many runs there are and how long they will take, and stop.")
    ] = False,
) -> None:
    """Run what is not finished of a suite, and keep one table of results."""
    with clear_errors(out, goes_on=True):
        from citybrain_api.progress import told  # noqa: PLC0415 - rich is slow to import
        from citybrain_sim.bench.run import foretell, run_suite  # noqa: PLC0415 - heavy
        from citybrain_sim.bench.suite_files import find_suite  # noqa: PLC0415 - likewise
        from citybrain_sim.bench.suites import narrow, plan  # noqa: PLC0415 - likewise

        numbers = opt.read_seeds(seeds) if seeds else ()
        for value, option in ((instances, "--instances"), (jobs, "--jobs")):
            if value is not None:
                opt.at_least(value, 1, option)
        chosen = narrow(find_suite(suite), _names(scenarios), _names(controllers), numbers, instances)
        folder = out / chosen.name
        planned = plan(chosen, folder, sumo)
        for name, why in planned.left_out.items():
            tell(f"{name} is left out: {why}")
        if dry_run:
            typer.echo(_forecast_text(chosen.name, foretell(planned, fresh=fresh), jobs or os.cpu_count() or 1))
            return
        run_on = None if cluster is None else _cluster(cluster)
        failed: list[RunEvent] = []
        with told(planned.specs, failed) as see:
            comparison = run_suite(chosen, planned, folder, jobs, see, fresh=fresh, cluster=run_on)
        if comparison.runs:
            _show(folder)
        if failed:
            tell_failures(failed)
            raise typer.Exit(BAD_INPUT if all(event.refused for event in failed) else FAILED)


@bench_app.command("list")
def list_suites() -> None:
    """List the suites that ship."""
    with clear_errors(RUNS):
        from citybrain_sim.bench.suite_files import shipped_suites  # noqa: PLC0415 - heavy

        for suite in shipped_suites():
            typer.echo(f"{suite.name:16}{suite.about}")


@bench_app.command("report")
def report(
    results: Annotated[list[Path], typer.Argument(metavar="RESULTS...", help="Folders of suites, or their tables.")],
    pages: Annotated[
        list[Path] | None, typer.Option("--write", metavar="PAGE", help="Write into the marked places of this page.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 if a page shows anything else.")
    ] = False,
    as_json: opt.Json = False,
) -> None:
    """Write the tables of a suite: to stdout, or into the marked places of pages."""
    with clear_errors(RUNS):
        from citybrain_sim.bench.pages import fill_pages  # noqa: PLC0415 - heavy
        from citybrain_sim.bench.run import read_results  # noqa: PLC0415 - likewise
        from citybrain_sim.bench.tables import make_table  # noqa: PLC0415 - likewise

        if check and not pages:
            raise InputError("--check needs pages to look at; name each with --write PAGE")
        read = [read_results(place) for place in results]
        if as_json:
            typer.echo(json.dumps([_document(found.name, found.runs) for found, _ in read], indent=1, allow_nan=False))
        elif not pages:
            for found, tables in read:
                typer.echo("\n\n".join(f"## {name}\n\n{make_table(name, found)}" for name in tables))
        else:
            _write(fill_pages(pages, {found.name: found for found, _ in read}), check=check)


def _names(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _cluster(address: str) -> Callable[[Sequence[RunSpec], Callable[[RunEvent], None]], None]:
    from citybrain_sim.bench.cluster import run_on_cluster  # noqa: PLC0415 - an extra

    return functools.partial(run_on_cluster, address)


def _show(folder: Path) -> None:
    from citybrain_sim.bench.run import read_results  # noqa: PLC0415 - heavy
    from citybrain_sim.bench.tables import make_table  # noqa: PLC0415 - likewise

    results, tables = read_results(folder)
    typer.echo(make_table(tables[0] if tables else "delay", results))
    typer.echo(f"\nResults: {folder}; all tables: citybrain bench report {folder}")


def _document(name: str, runs: Sequence[Any]) -> dict[str, Any]:
    from citybrain_sim.comparison import summarise, to_document  # noqa: PLC0415 - heavy

    results = [run.result for run in runs]
    return {"suite": name, **to_document(results, summarise(results))}


def _write(texts: dict[Path, str], *, check: bool) -> None:
    stale = [page for page, text in texts.items() if page.read_text(encoding="utf-8") != text]
    if check and stale:
        tell(f"not what the results say: {', '.join(map(str, stale))}; write them again without --check")
        raise typer.Exit(FAILED)
    for page in stale:
        page.write_text(texts[page], encoding="utf-8")
    typer.echo(f"{len(texts)} page{'s' * (len(texts) != 1)}, {len(stale)} written anew")


def _forecast_text(name: str, forecast: Forecast, jobs: int) -> str:
    todo = forecast.runs - forecast.finished
    lines = [f"{name}: {forecast.runs} runs, {forecast.finished} finished, {todo} to do"]
    if forecast.known:
        lines.append(
            f"{forecast.known} of them take about {_duration(forecast.seconds / jobs)} with {jobs} "
            f"job{'s' * (jobs != 1)}, by how long earlier runs took"
        )
    if forecast.unknown:
        runs = ", ".join(f"{scenario} ({count})" for scenario, count in forecast.unknown.items())
        lines.append(f"not known how long: {runs}, of which none ran here yet")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"
