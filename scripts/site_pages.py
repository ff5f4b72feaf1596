"""What the documentation site shows that does not lie in docs/; a hook of MkDocs (see mkdocs.yml)."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_ROOT = Path(__file__).resolve().parent.parent
_OUTSIDE = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
    "deploy/Caddyfile": "Caddyfile.txt",
}
"""Files of the project, and what they are called on the site."""
_FOLDERS = {"docs/adr": "adr/README.md"}
"""Folders that pages link to, and the page that stands for each."""
_HOME = {there: here for here, there in _OUTSIDE.items()}
_LINK = re.compile(r"(\]\()([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside."""
    for source, uri in _OUTSIDE.items():
        files.append(File.generated(config, uri, abs_src_path=str(_ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Turn links into the project, as the page has them where it lies, into links of the site."""
    here = _HOME.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def turned(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(here), link[2]))
        inside = target.removeprefix("docs/") if target.startswith("docs/") else None
        uri = (_OUTSIDE | _FOLDERS).get(target, inside)
        if "://" in link[2] or uri is None:
            return link[0]
        return link[1] + posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")

    return _LINK.sub(turned, markdown)
