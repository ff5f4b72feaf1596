"""``citybrain look``: a recorded run in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from citybrain_api.failures import clear_errors, tell

PORT = 8471


def look(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of one recorded run.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = PORT,
) -> None:
    """Show a recorded run in the browser, with a slider for the time, until Ctrl-C. Only this machine can reach it."""
    with clear_errors(Path()):
        from citybrain_api.look import Looking, make_look  # noqa: PLC0415 - heavy
        from citybrain_api.recorded import Recording  # noqa: PLC0415 - heavy

        with Looking(make_look(Recording(folder)), port) as looking:
            tell(f"{folder}: open {looking.url} (Ctrl-C stops)")
            looking.wait()
