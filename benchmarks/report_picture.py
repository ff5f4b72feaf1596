"""Picture of a report's first screen: ``python benchmarks/report_picture.py runs/district docs/pictures/report.png``.

Writes the report of the runs into a temporary folder and photographs it in Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from citybrain_api.report.write import write_report

WIDTH, HEIGHT = 1240, 1000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def photograph(runs: list[Path], picture: Path) -> None:
    """Write the picture."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"no browser found; install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        write_report(runs, page)
        options = [
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={picture.absolute()}",
            f"--user-data-dir={folder}/user",
        ]
        subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *options, page.as_uri()],
            check=True,
            capture_output=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("picture", type=Path)
    arguments = parser.parse_args()
    photograph(arguments.runs, arguments.picture)
