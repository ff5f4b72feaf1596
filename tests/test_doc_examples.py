"""The shell examples of the README and of the paths, run in their order; a small cross stands in for the maps."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.small_street import write_street
from tests.test_curl_page import free_port

pytestmark = pytest.mark.sumo
PATIENCE_S = 300.0
ELSEWHERE = {
    "sh scripts/": "makes an environment, or runs this very test",
    "source .venv/bin/activate": "the environment is there",
    ".venv/bin/citybrain serve --twin": "tests/test_twin.py",
    "citybrain events log.parquet": "tests/test_eventlog.py has a real log",
    "citybrain scenarios  ": "the engineer's path",
    "citybrain compare district cologne8": "the engineer's path",
    "citybrain report runs/cologne8": "the engineer's path",
    "citybrain sensors district --faults stuck-off:3  ": "the engineer's path",
    "citybrain look runs/district/planner/...": "the engineer's path",
    "citybrain bench my/maps --dry-run": "the analyst's path",
    "citybrain serve my/city": "the vendor's path",
    "citybrain controller http": "the vendor's path",
    "citybrain conformance server http": "the vendor's path",
    "citybrain plan check plan.json --data controller-data.json": "the vendor's path",
}
"""Beginnings of lines of the README that are not run, and why: what a path carries out is not carried out twice."""
FINDS = (r"^(citybrain (?:sensors|doctor)\b[^#\n]*)(.*)$", r"\1 || test $? = 1 \2")
"""Commands that end with 1 when they find something."""
STAND_INS = (
    (r"^\.venv/bin/citybrain", "citybrain"),
    (r"(runs[\w-]*)/district", r"\1/town-district-*"),
    (r" district\b", " town/district.sumocfg"),
    (r"--seeds \d", "--seeds 1"),
    (r"\bPROJECT\b", str(ROOT)),
    (r"MAP/planner/RUN", "*/planner/*"),
    FINDS,
    (r"^(citybrain look) ", r"\1 --port 0 "),
)
"""What lines say, and what is run instead: another map, one seed."""
LASTING = {
    "citybrain serve": "true",  # the page asks until it is ready
    "citybrain look": "grep -q http:// lasting.log",
    "CITYBRAIN_KEY=": "test -s a1.csv",
    "citybrain conformance client": "grep -q http:// lasting.log",
}
"""Beginnings of commands that last until they are ended, and what shows that they are at work."""
WAIT = "n=0; until {}; do n=$((n + 1)); test $n -lt 600 || {{ cat lasting.log; exit 9; }}; sleep 0.1; done"


def examples(page: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def script_of(page: str, stand_ins: tuple[tuple[str, str], ...]) -> str:
    """All examples of a page as one script; what lasts goes to the background until the next example is over."""
    parts = ["set -eu", "LASTS= SERVES=", "trap 'kill $LASTS $SERVES 2>/dev/null || true; wait' EXIT"]
    for block in examples(page):
        lines = [line for line in block.splitlines() if not line.startswith(tuple(ELSEWHERE))]
        shown = "\n".join(lines)
        for pattern, instead in stand_ins:
            shown = re.sub(pattern, instead, shown, flags=re.MULTILINE)
        shows = [condition for begin, condition in LASTING.items() if block.startswith(begin)]
        if shows:
            kept = "SERVES" if block.startswith("citybrain serve") else "LASTS"
            parts += [f"{shown} >lasting.log 2>&1 &", f"{kept}=$!", WAIT.format(shows[0])]
        else:
            parts += [shown, 'if [ -n "$LASTS" ]; then kill $LASTS; wait $LASTS || true; LASTS=; fi']
    return "\n".join(parts)


def carry_out(script: str, folder: Path) -> str:
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env=os.environ | {"PATH": programs},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 0, "\n".join((script, ran.stdout[-3000:], ran.stderr[-3000:]))
    return ran.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with streets in which all pages are carried out, so that what is finished is not run again."""
    place = tmp_path_factory.mktemp("examples")
    for name in ("town/district", "my/city", "my/maps/street"):
        config = place / f"{name}.sumocfg"
        write_street(config.parent).rename(config)
    return place


@pytest.mark.parametrize(
    ("page", "made"),
    [
        ("README.md", ("report.html", "citybrain-data/citybrain.db")),
        ("docs/README.md", ("report.html",)),
        ("docs/for-engineers.md", ("before.html", "after.html", "runs-changed/results.parquet")),
        ("docs/for-analysts.md", ("runs/bench/maps/results.parquet",)),
    ],
)
def test_the_examples_run(page: str, made: tuple[str, ...], folder: Path) -> None:
    if page == "README.md":  # its first command is what scripts/demo ends with
        carry_out("citybrain compare town/district.sumocfg --controllers fixed,planner --seeds 1", folder)
    carry_out(script_of(page, STAND_INS), folder)
    assert all((folder / file).exists() for file in made)


@pytest.mark.skipif(not shutil.which("curl"), reason="not installed: curl")
def test_the_vendor_s_examples_run(tmp_path: Path) -> None:
    served, examined = free_port(), free_port()
    stand_ins = (
        (":8470", f":{served}"),
        (r"^(citybrain serve .*)$", rf"\1 --port {served}"),
        ("--port 8090", f"--port {examined}"),
        FINDS,
    )
    said = carry_out(script_of("docs/for-vendors.md", stand_ins), tmp_path)
    assert said.count("lawful") >= 2
    assert "stop:" in said


def test_what_is_not_run_here_is_shown_somewhere() -> None:
    pages = "".join(block for page in ("README.md", "docs/README.md") for block in examples(page))
    assert all(re.search(rf"^{re.escape(begin)}", pages, re.MULTILINE) for begin in ELSEWHERE)
