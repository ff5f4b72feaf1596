"""Streaming of SUMO's XML files: plain or gzipped, of any size, with ``<include>``; errors name file and line.

Everything that the project reads from SUMO files stands in attributes, so that a callback per opened element is
all that is needed; nothing is kept in memory. May import ``citybrain.errors`` only.
"""

from __future__ import annotations

import gzip
import re
import zlib
from typing import TYPE_CHECKING
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedReader
    from pathlib import Path

    from citybrain.errors import InputError

    Handler = Callable[[str, dict[str, str], str], None]
    """Called with an opened element's name, its attributes, and where it stands (file and line)."""
    Closed = Callable[[str], None]

GZIP_MAGIC = b"\x1f\x8b"
INCLUDE_DEPTH = 8
TIME = re.compile(r"([+-]?)(?:(?:(\d+):)?(\d+):(\d+):)?(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)")


def stream(path: Path, handler: Handler, error: type[InputError], closed: Closed | None = None) -> None:
    """Call ``handler`` for every element that opens in a file and in the files that it includes, in order.

    Parameters
    ----------
    path : XML file, gzipped or not.
    handler : may raise ``KeyError`` for an attribute that is missing and ``ValueError`` for one that is malformed.
    error : class of the error to raise.
    closed : called with the name of every element that closes, for whoever needs to know what stands in what.

    Raises
    ------
    InputError
        Of class ``error``, with file and line: a file that cannot be read, malformed XML, a missing or malformed
        attribute, an endless chain of includes.
    """
    _stream(path, handler, error, closed, 0)


def _stream(path: Path, handler: Handler, error: type[InputError], closed: Closed | None, depth: int) -> None:
    if depth > INCLUDE_DEPTH:
        raise error(f"{path}: files include each other more than {INCLUDE_DEPTH} deep; remove the circle")
    parser = expat.ParserCreate()

    def opened(name: str, attributes: dict[str, str]) -> None:
        where = f"{path}, line {parser.CurrentLineNumber}"
        try:
            if name == "include":
                _stream(path.parent / attributes["href"], handler, error, closed, depth + 1)
            else:
                handler(name, attributes, where)
        except KeyError as missing:
            raise error(f"{where}: <{name}> has no attribute {missing}; write the file anew with netconvert") from None
        except ValueError as malformed:
            raise error(f"{where}: <{name}> has a malformed attribute: {malformed}; correct it") from None

    def ended(name: str) -> None:
        if closed is not None and name != "include":
            closed(name)

    parser.StartElementHandler = opened
    parser.EndElementHandler = ended
    try:
        with _open(path) as file:
            parser.ParseFile(file)
    except expat.ExpatError as flaw:
        reason = expat.ErrorString(flaw.code)
        raise error(
            f"{path}, line {flaw.lineno}, column {flaw.offset + 1}: malformed XML ({reason}); "
            "correct the file, or fetch or write it anew"
        ) from None
    except FileNotFoundError:
        raise error(f"{path}: no such file; correct the path") from None
    except (OSError, EOFError, zlib.error) as flaw:
        raise error(f"{path}: cannot be read ({flaw}); check the file") from None


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    with path.open("rb") as file:
        zipped = file.read(2) == GZIP_MAGIC
    return gzip.open(path) if zipped else path.open("rb")


def parse_time(text: str) -> float:
    """Read a time as SUMO writes it: seconds, or ``[days:]hours:minutes:seconds``.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ValueError
        If the text is no time.
    """
    found = TIME.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{text!r} is no time in seconds or as hours:minutes:seconds")
    sign, days, hours, minutes, seconds = found.groups(default="0")
    total = float(days) * 86400 + float(hours) * 3600 + float(minutes) * 60 + float(seconds)
    return -total if sign == "-" else total
