"""``citybrain events``: what high-resolution events say of the signals, of a run or of a controller's own log."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from citybrain_api import options as opt
from citybrain_api.failures import clear_errors, tell


def events(
    log: Annotated[
        Path, typer.Argument(metavar="LOG|RUN", help="High-resolution events, .parquet or .csv, or a run's folder.")
    ],
    detectors: Annotated[
        Path | None,
        typer.Option("--detectors", metavar="FILE", help="Which detector serves which phase, .parquet or .csv."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the table of cycles there, .parquet or .csv.")
    ] = None,
    tables: Annotated[
        Path | None, typer.Option("--tables", metavar="FOLDER", help="Write all tables into this folder, as .parquet.")
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Measure signals by their high-resolution events: arrivals on green, split failures, terminations, waits, reds.

    A log has the columns TimeStamp, DeviceId, EventId and Parameter, the detectors' file DeviceId, Phase, Parameter and
    Function (Advance, Presence, stop bar count, Yellow_Red). Of a log the estimator's queues are told, too; a run's
    folder has its detectors with it, and what the engine believed in its records.
    """
    with clear_errors(Path()):
        from citybrain.eventlog.report import table_writer  # noqa: PLC0415 - keeps --help quick

        write = None if out is None else table_writer(out)
        found, rows = _measure(log, detectors)
        if write is not None:
            write(found["cycles"])
        if tables is not None:
            from citybrain.eventlog.report import write_tables  # noqa: PLC0415 - likewise

            write_tables(tables, found)
        _show(rows, as_json=as_json)


def _measure(path: Path, detectors: Path | None) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """All tables, and those rows of them that are shown."""
    from citybrain.errors import InputError  # noqa: PLC0415 - keeps --help quick
    from citybrain.eventlog.log import read_detectors, read_log  # noqa: PLC0415 - likewise
    from citybrain.eventlog.report import queue_summary, state_seconds, with_queues  # noqa: PLC0415 - likewise
    from citybrain.eventlog.tables import event_tables, read_intersections, read_run  # noqa: PLC0415 - likewise

    run = path.is_dir()
    if run and detectors is not None:
        raise InputError(f"{path} is a run, which has its own detectors: leave --detectors out")
    log, known, roads = read_run(path) if run else (read_log(path), (), {})
    for reason, rows in sorted(log.rejected.items()):
        tell(f"{path}: {rows} rows left out: {reason}")
    if detectors is not None:
        known = read_detectors(detectors)
    tables = event_tables(log, known, roads)
    phases = tables["phases"].to_pylist()
    if detectors is not None:
        tables["cycles"] = with_queues(log, known, tables["cycles"])
        queues = queue_summary(tables["cycles"])
        phases = [{**row, **queues.get((row["device"], row["phase"]), {})} for row in phases]
    shown = {"phases": phases, "crossings": tables["crossings"].to_pylist()}
    shown["coordination"] = state_seconds(tables["coordination"])
    if run:
        shown["intersections"] = read_intersections(path)
    return tables, shown


def _show(rows: dict[str, list[dict[str, Any]]], *, as_json: bool) -> None:
    if as_json:
        import json  # noqa: PLC0415 - keeps --help quick

        typer.echo(json.dumps({name: [_plain(row) for row in found] for name, found in rows.items()}, indent=1))
        return
    from citybrain_api.event_screens import screens  # noqa: PLC0415 - likewise
    from citybrain_api.tables import console  # noqa: PLC0415 - likewise

    for table in screens(rows):
        console().print(table)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Replace NaN by None: JSON has no word for it."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
