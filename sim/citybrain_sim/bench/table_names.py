"""Tables that a report can write, by name: ``KIND``, ``by CONDITION``, each with a protocol behind it if wanted."""

from __future__ import annotations

from typing import NamedTuple

from citybrain.errors import InputError
from citybrain_sim.runs import PROTOCOLS

BY = "by"
CONDITIONS = ("demand", "profile", "incident", "faults", "sensors")
"""What the columns of a table ``by ...`` may be."""
KINDS = ("delay", "difference", "measures", "tail", "losers", "published", "sensing", "time", "precision", "runs")
TABLE_NAMES = (*KINDS, *(f"{BY} {condition}" for condition in CONDITIONS))


class TableName(NamedTuple):
    """A table: what it shows, by which condition, of which protocol (None: of every one)."""

    kind: str
    condition: str | None
    protocol: str | None


def parse_table(text: str) -> TableName:
    """Read the name of a table.

    Raises
    ------
    InputError
        If there is no such table.
    """
    words = text.split()
    protocol = words.pop() if len(words) > 1 and words[-1] in PROTOCOLS else None
    name = " ".join(words)
    if name not in TABLE_NAMES:
        raise InputError(
            f"no table is called {text!r}; choose one of {', '.join(TABLE_NAMES)}, with {' or '.join(PROTOCOLS)} "
            "behind it for one protocol alone"
        )
    return TableName(words[0], words[1] if len(words) > 1 else None, protocol)
