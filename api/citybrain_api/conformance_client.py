"""A server that behaves well and badly, and judges the controller that polls it from its polls and acknowledgements.

The examination is a play in scenes; the controller is told nothing of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn

from citybrain.clock import WallClock
from citybrain.errors import InputError
from citybrain_api.conformance import Finding, Outcome, UnmetError
from citybrain_api.conformance_exam import Examination
from citybrain_api.conformance_scenes import SCENES

_WAIT_FOR_FIRST_S = 3600.0


class _Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def examine(exam: Examination, note: Callable[[Finding], None]) -> list[Finding]:
    """Play all scenes to the controller that polls ``exam``'s application; ``note`` hears each finding as it comes."""
    findings = []
    for name, requirement, scene in SCENES:
        begin = len(exam.faults)
        try:
            await scene(exam)
            seen = "; ".join(exam.faults[begin:])
        except UnmetError as unmet:
            seen = str(unmet)
        findings.append(Finding(name, requirement, Outcome.FAILED if seen else Outcome.PASSED, seen))
        note(findings[-1])
    return findings


async def serve_and_examine(
    intersection: str,
    host: str,
    port: int,
    pace: float,
    note: Callable[[Finding], None],
    ready: Callable[[str], None],
) -> list[Finding]:
    """Serve the play at an address, and examine the first controller that polls it.

    ``ready`` hears the address; port 0 takes a free one.

    Raises
    ------
    InputError
        If the address cannot be taken.
    """
    exam = Examination(intersection, pace, WallClock())
    try:
        listening = socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        raise InputError(f"{host}:{port} cannot be listened on: {error}; choose another --port") from None
    server = _Server(uvicorn.Config(exam.application(), log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve([listening]))
    ready(f"http://{host}:{listening.getsockname()[1]}")
    try:
        await exam.expect(lambda: bool(exam.polls), "nobody polls", _WAIT_FOR_FIRST_S)
        return await examine(exam, note)
    finally:
        server.should_exit = server.force_exit = True
        await serving
