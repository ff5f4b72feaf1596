"""Logs: one JSON object per line on stderr, one line per request. A key's id is told, a key never."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any, TextIO

import structlog

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def make_logger(level: str = "info", stream: TextIO | None = None) -> structlog.typing.FilteringBoundLogger:
    """Make the service's logger.

    Parameters
    ----------
    level : one of ``LEVELS``.
    stream : where lines go; stderr without it.
    """
    logger: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
        structlog.WriteLogger(stream or sys.stderr),
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
