"""What was carried out under earlier plans, as a pattern that can be run again.

May import the store and the book of cabinets.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from citybrain.errors import InputError
from citybrain.live.wishes import find_pattern
from citybrain.plans.checker import OFFSET_REFERENCE
from citybrain.plans.plan import Entry, schedule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain.live.book import Book
    from citybrain.storage.store import Store

PLANS = 100
"""Plans that are looked at, backwards."""
OWN = 999
"""Number of a pattern that is made here."""


def carried_out(store: Store, book: Book, i: int, seq: int) -> dict[str, Any]:
    """Turn the last cycle that schedules up to plan ``seq`` brought about into a pattern.

    A cycle is the shortest stretch from one begin of a stage to a later one that, repeated, is lawful.

    Raises
    ------
    InputError
        If there was none.
    """
    plans = store.plans(book.ids[i], seq + 1, PLANS)[::-1]
    begun: list[Entry] = []
    for k, plan in enumerate(plans):
        until = plans[k + 1].document["valid_from"] if k + 1 < len(plans) else plan.document["lease_until"]
        entries = schedule(plan.document)
        if not entries:
            begun = []
            continue
        begun = [entry for entry in begun if entry.begin < entries[0].begin]
        begun += [entry for entry in entries if entry.begin < until]
    runs = [entry for k, entry in enumerate(begun) if k == 0 or entry.stage != begun[k - 1].stage]
    for first in range(len(runs) - 3, -1, -1):
        for last in range(len(runs) - 1, first + 1, -1):
            if runs[first].stage == runs[last].stage:
                pattern = _pattern(book, i, runs[first : last + 1])
                if _is_lawful(book, i, pattern):
                    return pattern
    raise InputError(
        f"under plan {seq} of intersection {book.ids[i]!r} no whole cycle was carried out that could be repeated; "
        "give an override of kind pattern instead"
    )


def _pattern(book: Book, i: int, runs: Sequence[Entry]) -> dict[str, Any]:
    """Make a pattern of stages with their begins, the last the same stage as the first."""
    checker = book.checker[i]
    cycle = runs[-1].begin - runs[0].begin
    changes = [checker.interstage(a.stage, b.stage) for a, b in pairwise(runs)]
    splits = [
        runs[k + 1].begin - runs[k].begin + changes[k] - changes[k - 1]  # from greens to greens
        for k in range(len(runs) - 1)
    ]
    return {
        "pattern": OWN,
        "cycle": cycle,
        "offset": runs[0].begin % cycle,
        "offset_reference": OFFSET_REFERENCE,
        "stages": [{"stage": run.stage, "split": split} for run, split in zip(runs[:-1], splits, strict=True)],
    }


def _is_lawful(book: Book, i: int, pattern: dict[str, Any]) -> bool:
    try:
        find_pattern(book, i, pattern)
    except InputError:
        return False
    return True
