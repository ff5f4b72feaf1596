"""Which plans the entries of the ledger tell of.

May import the session, the ledger and the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from citybrain.storage.ledger import LedgerEntry
from citybrain.storage.rows import StoredPlan
from citybrain.storage.session import Session

_KEYS_AT_ONCE = 500
_PLANS_AMONG = "SELECT intersection, seq, plan_id, text FROM plans WHERE (intersection, seq) IN"


def plan_keys(entries: Iterable[LedgerEntry]) -> dict[tuple[str, int], int]:
    """Intersection and number of the plans that entries tell of, with the number of the entry."""
    keys = {}
    for entry in entries:
        if entry.kind == "plan" and entry.intersection is not None:
            try:
                seq = entry.document["seq"]
            except (ValueError, TypeError, KeyError):  # somebody edited it; the chain tells
                continue
            keys[entry.intersection, seq] = entry.n
    return keys


def kept_plans(session: Session, entries: Sequence[LedgerEntry]) -> dict[int, StoredPlan]:
    """Plans in the database that entries tell of, by the entry's number."""
    keys = plan_keys(entries)
    wanted = list(keys)
    found: dict[int, StoredPlan] = {}
    for start in range(0, len(wanted), _KEYS_AT_ONCE):
        some = wanted[start : start + _KEYS_AT_ONCE]
        places = ", ".join(["(?, ?)"] * len(some))
        rows = session.rows(
            f"{_PLANS_AMONG} (VALUES {places})",
            *(value for key in some for value in key),
        )
        found |= {keys[row[0], row[1]]: StoredPlan(*row) for row in rows}
    return found
