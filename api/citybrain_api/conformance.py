"""What the two conformance suites share: findings, and how they are told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


class Outcome(StrEnum):
    """Of one requirement."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One requirement: what was asked, what came of it, and what was seen where it was not met."""

    name: str
    requirement: str
    outcome: Outcome
    seen: str = ""


class UnmetError(Exception):
    """A requirement is not met; says what was seen."""


class SkippedError(Exception):
    """A requirement cannot be examined here; says why."""


def to_document(findings: Iterable[Finding]) -> dict[str, Any]:
    """Tell findings as one JSON document."""
    rows = [asdict(finding) for finding in findings]
    return {"conforms": conforms(findings), "findings": rows}


def conforms(findings: Iterable[Finding]) -> bool:
    """Tell whether no requirement failed."""
    return all(finding.outcome != Outcome.FAILED for finding in findings)


def table(findings: Iterable[Finding]) -> Table:
    """Make the table that people read."""
    from rich.markup import escape  # noqa: PLC0415 - rich is slow to import
    from rich.table import Table  # noqa: PLC0415 - likewise

    style = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.SKIPPED: "yellow"}
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for finding in findings:
        text = finding.requirement if not finding.seen else f"{finding.requirement}\n-> {finding.seen}"
        made.add_row(finding.name, f"[{style[finding.outcome]}]{finding.outcome}[/]", escape(text))
    return made
