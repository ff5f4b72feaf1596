"""Pictures of the page for the documentation, from a twin that runs: ``python -m benchmarks.pictures``.

Starts ``citybrain serve --twin district``, lets the street live for ten minutes of its time, and takes pictures into
``docs/pictures/``: the page with an intersection's panel, a corridor in the dark, and a phone.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SPEED = "6"
LIVED = "07:38:00"
"""Time of the street at which the pictures are taken; the district begins at 07:30."""
PATIENCE_MS = 600_000
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 360, "height": 780}
INTERSECTION = "A4"
CLOSER = 4
"""Steps of zoom with which the intersection is shown."""
CORRIDOR = ("A1", "A5")


def main() -> None:
    """Take them all."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "citybrain_api.cli",
        "serve",
        "--twin",
        "district",
        "--speed",
        SPEED,
        "--port",
        "0",
    ]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=folder) as twin,
    ):
        try:
            address = _address(twin)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
                _take(browser, address)
                browser.close()
        finally:
            twin.terminate()


def _address(twin: subprocess.Popen[str]) -> str:
    """Read the address that the twin prints."""
    assert twin.stderr is not None
    told = []
    for line in twin.stderr:
        told.append(line)
        if "/#key=" in line:
            return line.split()[-1]
    raise SystemExit(f"the twin ended before its time: {''.join(told)}")


def _take(browser: Browser, address: str) -> None:
    pages = [
        browser.new_page(viewport=size, color_scheme=scheme)  # type: ignore[arg-type]  # the names are playwright's
        for size, scheme in ((DESK, "light"), (DESK, "dark"), (PHONE, "light"))
    ]
    for page in pages:
        page.set_default_timeout(PATIENCE_MS)
        page.goto(address)
        page.wait_for_selector("#map[data-frames]")
    desk, dark, phone = pages
    _row(desk, INTERSECTION)
    for _ in range(CLOSER):
        desk.locator("#map").press("+")
    desk.locator("#map").blur()
    dark.get_by_role("button", name="Corridor").click()
    for name in CORRIDOR:
        _row(dark, name)
    while desk.locator("header output.clock").inner_text() < LIVED:
        desk.wait_for_timeout(500)
    for page, name in zip(pages, ("page", "page-corridor", "page-phone"), strict=True):
        page.mouse.move(0, 0)
        page.screenshot(path=PICTURES / f"{name}.png")
        print(f"{PICTURES / name}.png: {(PICTURES / f'{name}.png').stat().st_size} bytes")
    phone.close()


def _row(page: Page, name: str) -> None:
    page.get_by_role("button", name=f"{name}, ").click()


if __name__ == "__main__":
    main()
