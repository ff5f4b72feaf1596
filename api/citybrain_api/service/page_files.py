"""The page's own files, as they were built from ``web/``: read once, with headers that let nothing else in.

``citybrain_api/page/`` holds them; nobody needs the tools that built them to run or test the service.
"""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response

from citybrain_api.service.problems import ProblemError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

MEDIA = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "json": "application/json",
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
INDEX = "index.html"


def page_router(about: dict[str, Any]) -> APIRouter:
    """Make the routes of the page: ``/``, and its files below ``/page/``.

    Parameters
    ----------
    about : what the page must know before anybody has shown a key; it is served as ``/page/about.json``.
    """
    found = {name: _answerable(name, body) for name, body in _read(files("citybrain_api") / "page")}
    found["about.json"] = _answerable("about.json", json.dumps(about).encode())
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    def front(request: Request) -> Response:
        """Give the page."""
        return _answer(request, found[INDEX])

    @router.get("/page/{name:path}")
    def file(name: str, request: Request) -> Response:
        """Give one of its files."""
        if name not in found:
            raise ProblemError(404, f"the page has no file {name[:200]!r}")
        return _answer(request, found[name])

    return router


def _read(folder: Traversable, above: str = "") -> list[tuple[str, bytes]]:
    """Read all files below a folder, named by their place in it."""
    found = []
    for entry in folder.iterdir():
        name = above + entry.name
        found += _read(entry, name + "/") if entry.is_dir() else [(name, entry.read_bytes())]
    return found


def _answerable(name: str, body: bytes) -> tuple[bytes, dict[str, str]]:
    tag = hashlib.sha256(body).hexdigest()[:32]
    media = MEDIA[name.rpartition(".")[2]]
    return body, {**HEADERS, "ETag": f'"{tag}"', "Content-Type": media}


def _answer(request: Request, entry: tuple[bytes, dict[str, str]]) -> Response:
    body, headers = entry
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers={k: v for k, v in headers.items() if k != "Content-Type"})
    return Response(body, headers=headers)
