"""``citybrain controller``: a virtual controller in the role of the cabinet."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from citybrain.errors import InputError
from citybrain_api.failures import clear_errors

if TYPE_CHECKING:
    from citybrain_api.controller_loop import ControllerSettings

Url = Annotated[str, typer.Argument(metavar="URL", help="Address of the service, such as http://127.0.0.1:8080.")]
Intersection = Annotated[str, typer.Option(metavar="ID", help="Intersection to control.")]
Key = Annotated[
    str | None, typer.Option(metavar="KEY", envvar="CITYBRAIN_KEY", help="Controller's key; better in the environment.")
]
Events = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write high-resolution events there: .csv or .parquet.")
]
Data = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The cabinet's own controller data; without it, the service is asked for them."),
]


def controller(
    url: Url,
    intersection: Intersection,
    key: Key = None,
    events: Events = None,
    data: Data = None,
) -> None:
    """Control one intersection as a cabinet would: poll, check, carry out, acknowledge, fall back. Ctrl-C ends it."""
    with clear_errors(Path()):
        from citybrain_api.controller_loop import ControllerSettings  # noqa: PLC0415 - keeps --help quick

        own = None if data is None else read_document(data)
        asyncio.run(_run(url, key, ControllerSettings(intersection, own, events)))


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file.

    Raises
    ------
    InputError
        If there is none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {type(error).__name__} {error}") from None
    if not isinstance(document, dict):
        raise InputError(f"{path} holds no JSON object")
    return document


async def _run(url: str, key: str | None, settings: ControllerSettings) -> None:
    from citybrain.clock import utc_now  # noqa: PLC0415 - with the rest
    from citybrain.randomness import generator  # noqa: PLC0415 - numpy
    from citybrain_api.client import AsyncClient  # noqa: PLC0415 - httpx is slow to import
    from citybrain_api.controller_loop import ANSWER_S, Controller  # noqa: PLC0415 - likewise

    def report(line: str) -> None:
        typer.echo(f"{utc_now():%H:%M:%S} {settings.intersection}: {line}")

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # Polls of many controllers must not keep step with each other: the operating system draws the seed.
    jitter = generator(int.from_bytes(os.urandom(4), "big"), "polls of a controller")
    async with AsyncClient(url, key, ANSWER_S) as client:
        await Controller(settings, client, jitter, report).run(stop)
