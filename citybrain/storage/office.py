"""The part of the store that is about people: overrides, keys, and the ledger that says who did what.

Times are integer tenths of a second since 1970-01-01T00:00:00Z.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from citybrain.errors import ContractError, InputError
from citybrain.storage import volumes
from citybrain.storage.ledger import GENESIS, KINDS, LedgerEntry, NewEntry, canonical, chain
from citybrain.storage.rows import KeyRow, Override, StoredOverride
from citybrain.storage.session import Session

_OVERRIDES = (
    "SELECT number, intersection, kind, value, who, why, begin_at, until_at, ended_at, ended_by FROM overrides "
)
_KEYS = "SELECT key_id, hash, scope, intersections, name, created_at, revoked_at FROM access_keys "
_ENTRIES = "SELECT n, at, kind, intersection, text, previous, hash FROM ledger "


class Office(Session):
    """Overrides, keys and the ledger. Every writing method is durable when it or its outermost transaction ends."""

    def add_override(self, override: Override) -> int:
        """Keep an override; gives its number."""
        with self.writing():
            rows = self.rows(
                "INSERT INTO overrides (intersection, kind, value, who, why, begin_at, until_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number",
                *(override.intersection, override.kind, json_text(override.value), override.who, override.why),
                *(override.begin, override.until),
            )
            return int(rows[0][0])

    def end_override(self, number: int, who: str, at: int) -> bool:
        """End an override before its time; False if there is none with this number or somebody ended it before."""
        with self.writing():
            rows = self.rows(
                "UPDATE overrides SET ended_at = ?, ended_by = ? WHERE number = ? AND ended_at IS NULL "
                "RETURNING number",
                *(at, who, number),
            )
            return bool(rows)

    def overrides(self, active_at: int | None = None) -> list[StoredOverride]:
        """Give the overrides in force at a time, or all there ever were, in the order in which they were made."""
        if active_at is None:
            rows = self.rows(_OVERRIDES + "ORDER BY number")
        else:
            rows = self.rows(
                _OVERRIDES + "WHERE begin_at <= ? AND until_at > ? AND (ended_at IS NULL OR ended_at > ?) "
                "ORDER BY number",
                *(active_at, active_at, active_at),
            )
        return [
            StoredOverride(row[0], Override(row[1], row[2], json.loads(row[3]), *row[4:8]), row[8], row[9])
            for row in rows
        ]

    def add_key(self, key: KeyRow) -> None:
        """Keep a new key's description and hash.

        Raises
        ------
        InputError
            If there is a key with this id.
        """
        allowed = None if key.intersections is None else json_text(key.intersections)
        with self.writing():
            rows = self.rows(
                "INSERT INTO access_keys (key_id, hash, scope, intersections, name, created_at, revoked_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key_id) DO NOTHING RETURNING key_id",
                *(key.key_id, key.hash, key.scope, allowed, key.name, key.created_at, key.revoked_at),
            )
            if not rows:
                raise InputError(f"there is a key {key.key_id} already: take another id")

    def revoke_key(self, key_id: str, at: int) -> bool:
        """Revoke a key; False if there is none with this id or it was revoked before."""
        with self.writing():
            rows = self.rows(
                "UPDATE access_keys SET revoked_at = ? WHERE key_id = ? AND revoked_at IS NULL RETURNING key_id",
                *(at, key_id),
            )
            return bool(rows)

    def keys(self) -> list[KeyRow]:
        """Give all keys, revoked ones too, oldest first."""
        rows = self.rows(_KEYS + "ORDER BY created_at, key_id")
        return [
            KeyRow(key_id, digest, scope, None if allowed is None else tuple(json.loads(allowed)), *rest)
            for key_id, digest, scope, allowed, *rest in rows
        ]

    def count_keys(self) -> tuple[int, int]:
        """Count the keys there ever were, and the revoked ones; while both stay, so do the keys."""
        rows = self.rows("SELECT COUNT(*), COUNT(revoked_at) FROM access_keys")
        return int(rows[0][0]), int(rows[0][1])

    def append_entries(self, entries: Sequence[NewEntry]) -> int:
        """Append to the ledger; gives the number ``n`` of its last entry."""
        unknown = {entry.kind for entry in entries} - KINDS
        if unknown:
            raise ContractError(f"the ledger knows no entries of kind {sorted(unknown)}")
        with self.writing():
            n, previous = self._head()
            try:
                linked = list(chain(n, previous, entries))
            except (TypeError, ValueError, RecursionError) as error:
                raise InputError(f"a document for the ledger is no JSON: {error}") from None
            self.each(
                "INSERT INTO ledger (n, at, kind, intersection, text, previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(e.n, e.at, e.kind, e.intersection, e.text, e.previous, e.hash) for e in linked],
            )
            return int(n) + len(linked)

    def _head(self) -> tuple[int, str]:
        """Give number and hash of the ledger's last entry."""
        rows = self.rows("SELECT n, hash FROM ledger ORDER BY n DESC LIMIT 1")
        if rows:
            return int(rows[0][0]), rows[0][1]
        sealed = volumes.last(self)
        return (0, GENESIS) if sealed is None else (sealed.last_entry, sealed.hash)

    # The volumes are asked last: what is sealed in between is seen twice, never missed.

    def entries(self, from_n: int = 1, limit: int = 1000) -> list[LedgerEntry]:
        """Ledger entries from ``from_n`` on, in order, sealed ones too."""
        rows = self.rows(_ENTRIES + "WHERE n >= ? ORDER BY n LIMIT ?", from_n, limit)
        found = {row[0]: LedgerEntry(*row) for row in rows}
        found |= {entry.n: entry for entry in volumes.entries(self, from_n, limit)}
        return [found[n] for n in sorted(found)][:limit]

    def whole_ledger(self) -> Iterator[LedgerEntry]:
        """Every entry from the first to the last, read page by page."""
        page = self.entries()
        while page:
            yield from page
            page = self.entries(page[-1].n + 1)

    def entries_for(self, intersection: str, from_time: int, to_time: int) -> list[LedgerEntry]:
        """Entries about an intersection with ``from_time`` <= at < ``to_time``, in order, sealed ones too."""
        rows = self.rows(_ENTRIES + "WHERE intersection = ? AND at >= ? AND at < ?", intersection, from_time, to_time)
        found = {row[0]: LedgerEntry(*row) for row in rows}
        found |= {entry.n: entry for entry in volumes.entries_about(self, intersection, from_time, to_time)}
        return [found[n] for n in sorted(found)]

    def last_start(self, before: int) -> LedgerEntry | None:
        """Entry of the last start of a service before a time [tenths]; a sealed one too."""
        rows = self.rows(_ENTRIES + "WHERE kind = 'start' AND at < ? ORDER BY n DESC LIMIT 1", before)
        return LedgerEntry(*rows[0]) if rows else volumes.last_start(self, before)


def json_text(document: Any) -> str:
    """Write a document in canonical form.

    Raises
    ------
    InputError
        If it is none that JSON or Unicode has words for.
    """
    try:
        text = canonical(document)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"a document for the store is no JSON: {error}") from None
    return text
