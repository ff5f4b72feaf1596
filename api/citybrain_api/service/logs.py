"""Logs: one JSON object per line on stderr, one line per request. A key's id is told, a key never."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import queue
import sys
import threading
from typing import Any, TextIO

import structlog

MOST_TOGETHER = 10_000
"""Lines written in one go."""
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class LineWriter:
    """Writes lines from a thread of its own, what has come together in one go.

    A task of the loop that writes gives up the interpreter, and may wait for the engine's thread to get it back.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._gate = threading.Lock()
        threading.Thread(target=self._work, name="log", daemon=True).start()
        atexit.register(self.flush)

    def msg(self, line: str) -> None:
        """Take a line."""
        self._lines.put(line)

    debug = info = warning = error = critical = exception = msg

    def flush(self) -> None:
        """Write what waits."""
        self._write([])

    def _work(self) -> None:
        while True:
            self._write([self._lines.get()])

    def _write(self, lines: list[str]) -> None:
        with self._gate:
            with contextlib.suppress(queue.Empty):
                while len(lines) < MOST_TOGETHER:
                    lines.append(self._lines.get_nowait())
            with contextlib.suppress(OSError, ValueError):  # whoever read the log has gone: go on without
                self._stream.write("".join(f"{line}\n" for line in lines))
                self._stream.flush()


def make_logger(level: str = "info", stream: TextIO | None = None) -> structlog.typing.FilteringBoundLogger:
    """Make the service's logger.

    Parameters
    ----------
    level : one of ``LEVELS``.
    stream : where lines go; stderr without it.
    """
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        LineWriter(stream or sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(_encode),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
    )
    return logger


def catch_server_logs(logger: structlog.typing.FilteringBoundLogger) -> None:
    """Have the words of the web server and of the rooms below written in the same form."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logger.log(record.levelno, record.name, said=record.getMessage(), exc_info=record.exc_info or None)

    handler = Handler()
    for name in ("uvicorn", "citybrain"):
        room = logging.getLogger(name)
        room.handlers, room.propagate = [handler], False
        room.setLevel(logging.WARNING)


def _encode(event: dict[str, Any], **_: Any) -> str:
    return json.dumps(event, ensure_ascii=True, default=str)
