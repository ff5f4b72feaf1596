"""``citybrain keys``: make, list and revoke keys of the live service. Works while the service runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citybrain.clock import moment_text
from citybrain.errors import InputError
from citybrain_api import options as opt
from citybrain_api.failures import clear_errors, tell

if TYPE_CHECKING:
    from rich.table import Table

    from citybrain.storage.rows import KeyRow
    from citybrain.storage.store import Store

DATA = "citybrain-data"
"""Where the service keeps its data unless it is told otherwise."""

MOST_TOLD = 5
"""Intersections that the table names; ``--json`` names all."""

keys_app = typer.Typer(
    help="Keys of the live service. Changes are effective in a running service within two seconds.",
    no_args_is_help=True,
)
Data = Annotated[
    str,
    typer.Option("--data", "-d", metavar="FOLDER|URL", help="Data folder of the service, or postgresql://... ."),
]


@keys_app.command()
def add(
    scope: Annotated[
        str,
        typer.Option(help="field: posts observations; controller: polls plans; reader: reads all; operator: and acts."),
    ],
    name: Annotated[str, typer.Option(help="Whose key it is, for example 'cabinet 12, Elm Street'.")],
    intersections: Annotated[
        list[str] | None,
        typer.Option("--intersection", "-i", metavar="ID", help="A controller's key: what it is good for. Repeat."),
    ] = None,
    every: Annotated[bool, typer.Option("--every", help="A controller's key: good for all intersections.")] = False,
    data: Data = DATA,
) -> None:
    """Make a key and print it on stdout, once: only its hash is kept."""
    with clear_errors(Path()):
        from citybrain.clock import WallClock  # noqa: PLC0415 - keeps --help quick
        from citybrain_api.service.keys import keep_key, new_key  # noqa: PLC0415 - likewise

        if scope == "controller" and bool(intersections) == every:
            raise InputError("say what the controller's key is good for: --intersection ID (repeat it), or --every")
        key, row = new_key(scope, name, intersections or None, WallClock().now())
        with _store(data, create=True) as store:
            keep_key(store, row)
        tell(f"key {row.key_id} made, scope {scope}, for {row.name!r}. It is shown this once; only its hash is kept.")
        typer.echo(key)


@keys_app.command("list")
def list_keys(data: Data = DATA, as_json: opt.Json = False) -> None:
    """List all keys, revoked ones too. The keys themselves are not kept."""
    with clear_errors(Path()):
        with _store(data, create=False) as store:
            rows = store.keys()
        if as_json:
            typer.echo(json.dumps({"keys": [_document(row) for row in rows]}, indent=1))
        elif not rows:
            typer.echo("no keys yet; make one with: citybrain keys add --scope operator --name 'your name'")
        else:
            from citybrain_api import tables  # noqa: PLC0415 - rich is slow to import

            tables.console().print(_table(rows))


@keys_app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="As in the list: the part after cb_.")],
    data: Data = DATA,
) -> None:
    """Make a key worthless, for good."""
    with clear_errors(Path()):
        from citybrain.clock import WallClock  # noqa: PLC0415 - keeps --help quick
        from citybrain_api.service.keys import drop_key  # noqa: PLC0415 - likewise

        with _store(data, create=False) as store:
            drop_key(store, key_id, WallClock().now())
        tell(f"key {key_id} is revoked; a running service refuses it within two seconds")


def _store(data: str, *, create: bool) -> Store:
    from citybrain.storage.store import open_store  # noqa: PLC0415 - heavy

    return open_store(data, create=create)


def _document(row: KeyRow) -> dict[str, object]:
    return {
        "key_id": row.key_id,
        "scope": row.scope,
        "name": row.name,
        "intersections": row.intersections,
        "created_at": row.created_at,
        "revoked_at": row.revoked_at,
    }


def _table(rows: list[KeyRow]) -> Table:
    from rich.markup import escape  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415 - likewise

    table = Table("key id", "scope", "name", "intersections", "made", "revoked")
    for row in rows:
        bound = _bound(row) if row.scope == "controller" else "-"
        revoked = "-" if row.revoked_at is None else moment_text(row.revoked_at)
        table.add_row(row.key_id, row.scope, escape(row.name), escape(bound), moment_text(row.created_at), revoked)
    return table


def _bound(row: KeyRow) -> str:
    if row.intersections is None:
        return "all"
    more = len(row.intersections) - MOST_TOLD
    return ", ".join(row.intersections[:MOST_TOLD]) + (f" and {more} more" if more > 0 else "")
