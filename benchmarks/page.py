"""Sections of pages under docs/ that benchmarks write, so that no figure is typed."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citybrain_sim.runs import RunSpec
    from citybrain_sim.workers import RunEvent

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "docs" / "results-service.md"
SENSING = ROOT / "docs" / "results-sensing.md"
PLANNER = ROOT / "docs" / "results-planner.md"
_HEADS = {
    PLANNER: """# Results of the planner

Every section is written by the command that it names. What the parameters are: [planner.md](planner.md). What a delay
is, and what a simulation does not show: [evidence.md](evidence.md).
""",
    SERVICE: """# Results of the live service

Every section is written by the command that it names. Times depend on the machine, and load generators share its
cores with the service: read ratios first.
""",
    SENSING: """# Results of sensing

Every section is written by the command that it names. What the sensors are, and what makes them sick:
[sensors.md](sensors.md). What a delay is, and what a simulation does not show: [evidence.md](evidence.md).
""",
}


def command_line(module: str) -> str:
    """Say how this process was called, options included: a section names the command that writes it."""
    return shlex.join(["python", "-m", module, *sys.argv[1:]])


def write_section(title: str, command: str, body: str, page: Path = SERVICE) -> None:
    """Replace a section of a page, or add it at the end.

    Parameters
    ----------
    command : what writes the section, told in its first line.
    body : Markdown.
    page : ``SERVICE``, ``SENSING`` or ``PLANNER``.
    """
    text = page.read_text(encoding="utf-8") if page.exists() else _HEADS[page]
    head, *sections = text.split("\n## ")
    kept = {section.split("\n", 1)[0]: section.split("\n", 1)[1].strip() for section in sections}
    kept[title] = f"Written by `{command}`.\n\n{body.strip()}"
    page.write_text(
        head.rstrip() + "\n" + "".join(f"\n## {name}\n\n{kept[name]}\n" for name in sorted(kept)), encoding="utf-8"
    )


def teller(specs: Sequence[RunSpec]) -> Callable[[RunEvent], None]:
    """Make a listener that prints one line per finished run."""
    done = 0

    def tell(event: RunEvent) -> None:
        nonlocal done
        if event.result is not None:
            done += 1
            run = event.result
            print(
                f"{done}/{len(specs)} {event.spec.folder.relative_to(event.spec.out)}: {run.delay_s:.1f} s", flush=True
            )

    return tell
