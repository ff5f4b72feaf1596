"""``citybrain events``: what a controller's own log says of its traffic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from citybrain_api import options as opt
from citybrain_api.failures import clear_errors, tell


def events(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="High-resolution events, .parquet or .csv.")],
    detectors: Annotated[
        Path, typer.Option("--detectors", metavar="FILE", help="Which detector serves which phase, .parquet or .csv.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the table of cycles there, .parquet or .csv.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Read a signal controller's high-resolution log: volumes, arrivals on green, split failures and queues.

    The log has the columns TimeStamp, DeviceId, EventId and Parameter, the detectors' file DeviceId, Phase, Parameter
    and Function (Advance, Presence, stop bar count, Yellow_Red). Queues are what the estimator believes, fed the log.
    """
    with clear_errors(Path()):
        import json  # noqa: PLC0415 - keeps --help quick

        from citybrain.eventlog.log import read_detectors, read_log  # noqa: PLC0415 - likewise
        from citybrain.eventlog.report import cycle_table, cycle_writer, summary  # noqa: PLC0415 - likewise

        write = None if out is None else cycle_writer(out)
        found = read_log(log)
        for reason, rows in sorted(found.rejected.items()):
            tell(f"{log}: {rows} rows left out: {reason}")
        table = cycle_table(found, read_detectors(detectors))
        if write is not None:
            write(table)
        rows = summary(table).to_pylist()
        if as_json:
            typer.echo(json.dumps(rows, indent=1))
        else:
            from citybrain_api.tables import console, phases  # noqa: PLC0415 - likewise

            console().print(phases(rows))
