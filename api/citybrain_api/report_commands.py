"""``citybrain report``: what runs achieved, as a page for councils and engineers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from citybrain_api.failures import clear_errors


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of runs, or folders that hold many, of one scenario."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="The page.")] = Path("report.html"),
    data: Annotated[
        bool,
        typer.Option("--data", help="Also write every figure beside the page: FILE.json, and Parquet in FILE-data/."),
    ] = False,
) -> None:
    """Write one page about runs: what changed, how sure that is, who lost, with maps, signals and trajectories.

    The page is a single file that loads nothing; it can be mailed, printed and opened on a phone.
    """
    with clear_errors(out.parent):
        from citybrain_api.report.write import write_report  # noqa: PLC0415 - heavy

        for path in write_report(runs, out, data=data):
            typer.echo(str(path))
