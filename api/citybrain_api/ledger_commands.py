"""``citybrain ledger``: who decided what. Works while the service runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from citybrain.errors import InputError
from citybrain_api import options as opt
from citybrain_api.failures import FAILED, clear_errors, tell
from citybrain_api.key_commands import DATA, Data

ledger_app = typer.Typer(help="The ledger of the live service: who decided what, and why.", no_args_is_help=True)


@ledger_app.callback()
def ledger() -> None:
    """Keep the sub-command's name also where there is only one."""


@ledger_app.command()
def verify(
    data: Data = DATA,
    expect: Annotated[
        str | None,
        typer.Option(metavar="N:HASH", help="A head that this command printed earlier, kept elsewhere."),
    ] = None,
    as_json: opt.Json = False,
) -> None:
    """Check every entry and every published plan; exit code 1 at the first that was changed, removed or put in.

    Note the head that it prints in another place: only a noted head shows that entries were cut off at the end.
    """
    with clear_errors(Path()):
        known = None if expect is None else _read_head(expect)
        from citybrain.live.audit import audit  # noqa: PLC0415 - keeps --help quick
        from citybrain.live.store import open_store  # noqa: PLC0415 - likewise

        with open_store(data, create=False) as store:
            found = audit(store, known)
        head = f"{found.entries}:{found.head}"
        if as_json:
            document = {"entries": found.entries, "plans": found.plans, "head": head, "fault": found.fault}
            typer.echo(json.dumps(document, indent=1))
        elif found.fault is None:
            typer.echo(f"the ledger holds: {found.entries} entries, {found.plans} plans, head {head}")
        if found.fault is not None:
            tell(f"the ledger is broken: {found.fault}; {found.entries} entries before it hold")
            raise typer.Exit(FAILED)


def _read_head(text: str) -> tuple[int, str]:
    match = re.fullmatch(r"([0-9]{1,18}):(sha256:[0-9a-f]{64})", text)
    if match is None:
        raise InputError(f"--expect {text!r} is no head: give NUMBER:sha256:HASH as this command prints it")
    return int(match[1]), match[2]
