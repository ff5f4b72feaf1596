"""``citybrain conformance``: examine a server of plans, or a controller that polls one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citybrain.errors import InputError
from citybrain_api import options as opt
from citybrain_api.failures import FAILED, clear_errors, tell

if TYPE_CHECKING:
    from citybrain_api.conformance import Finding

conformance_app = typer.Typer(help="Examine a server of plans, or a controller that polls one.")

Key = Annotated[
    str | None, typer.Option(metavar="KEY", envvar="CITYBRAIN_KEY", help="A controller's key of that server.")
]
Which = Annotated[
    str | None, typer.Option(metavar="ID", help="Intersection to ask about; without it, the first that is listed.")
]
Pace = Annotated[
    float, typer.Option(metavar="FACTOR", help="1 is a street; 0.2 makes leases and greens five times shorter.")
]


@conformance_app.command()
def server(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address of the server.")],
    key: Key = None,
    intersection: Which = None,
    as_json: opt.Json = False,
) -> None:
    """Examine a server of plans: identity, leases, 304, laws, keys, acknowledgements, bad requests.

    Posts acknowledgements in the name of the intersection's controller: not for one that is in use.
    """
    with clear_errors(Path()):
        from citybrain_api.conformance_probe import Probe  # noqa: PLC0415 - keeps --help quick
        from citybrain_api.conformance_server import examine  # noqa: PLC0415 - likewise

        if key is None:
            raise InputError("a controller's key is needed: give --key, or set CITYBRAIN_KEY")
        probe = Probe(url, key, intersection)
        try:
            findings = examine(probe, _note)
        finally:
            probe.close()
        _tell(findings, as_json)


@conformance_app.command()
def client(
    intersection: Annotated[str, typer.Option(metavar="ID", help="Id that the controller polls under.")] = "elm",
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="Port to listen on; 0 takes a free one.")] = 8090,
    pace: Pace = 1.0,
    as_json: opt.Json = False,
) -> None:
    """Examine a controller: serve it lawful and unlawful plans, errors and nonsense, and judge what it does.

    Point the controller at the address that is told, with any key; it reads its data from the server.
    """
    with clear_errors(Path()):
        from citybrain_api.conformance_client import serve_and_examine  # noqa: PLC0415 - keeps --help quick

        if not 0.05 <= pace <= 10:
            raise InputError(f"--pace {pace}: choose from 0.05 to 10")

        def ready(address: str) -> None:
            tell(f"waiting for a controller of {intersection!r} at {address}")

        _tell(asyncio.run(serve_and_examine(intersection, host, port, pace, _note, ready)), as_json)


def _note(finding: Finding) -> None:
    tell(f"{finding.name}: {finding.outcome}")


def _tell(findings: list[Finding], as_json: bool) -> None:
    """Print all findings; the exit code says whether one failed."""
    from citybrain_api import conformance as room  # noqa: PLC0415 - with the rest

    if as_json:
        typer.echo(json.dumps(room.to_document(findings), indent=1))
    else:
        from citybrain_api import tables  # noqa: PLC0415 - rich is slow to import

        tables.console().print(room.table(findings))
    if not room.conforms(findings):
        raise typer.Exit(FAILED)
