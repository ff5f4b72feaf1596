"""The documentation site: it builds without a warning, and loads nothing from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=\"?(?:https?:)?//[^\s\">]+")
"""What a page takes from another machine. A link that somebody may follow is none of it."""


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    asked = ["mkdocs", "build", "--strict", "--config-file", str(config), "--site-dir", str(site)]
    return subprocess.run([sys.executable, "-m", *asked], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(ROOT / "mkdocs.yml", folder)
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_there_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    assert {page.stem for page in (ROOT / "docs").glob("[a-z]*.md")} <= {page.stem for page in site.glob("*.html")}
    for page in site.rglob("*.html"):
        assert not LOADED.findall(page.read_text(encoding="utf-8")), page
    for sheet in site.rglob("*.css"):
        assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_the_search_needs_no_server(site: Path) -> None:
    assert "iframe-worker.js" in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "iframe-worker.js").exists()
    assert (site / "search" / "search_index.js").read_text(encoding="utf-8").startswith("var __index")


def test_links_of_pages_outside_docs_lead_to_pages_of_the_site(site: Path) -> None:
    contributing = (site / "contributing.html").read_text(encoding="utf-8")
    assert all(f'href="{place}"' in contributing for place in ("glossary.html", "adr/index.html", "benchmarks.html"))


def test_a_broken_link_fails(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "README.md").write_text("# Home\n\n[a](gone.md), [b](other.md#gone), [c](../gone.md)\n", encoding="utf-8")
    (docs / "other.md").write_text("# Other\n", encoding="utf-8")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:\n")[0]
    config = re.sub(r"^hooks:.*\n", "", config, flags=re.MULTILINE).replace("scripts/", f"{ROOT}/scripts/")
    (tmp_path / "mkdocs.yml").write_text(config, encoding="utf-8")
    built = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert built.returncode != 0
    assert all(link in built.stderr for link in ("'gone.md'", "#gone", "'../gone.md'"))
