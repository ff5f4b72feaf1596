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
        from citybrain_api.look import make_look, serve_look  # noqa: PLC0415 - heavy
        from citybrain_api.recorded import Recording  # noqa: PLC0415 - heavy
        from citybrain_api.service.server import bind, url_of  # noqa: PLC0415 - heavy

        app = make_look(Recording(folder))
        with bind("127.0.0.1", port) as listener:
            tell(f"{folder}: open {url_of(listener)}; Ctrl-C stops")
            serve_look(app, listener)
