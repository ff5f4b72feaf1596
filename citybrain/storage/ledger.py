"""The ledger: who decided what, when, on which grounds, as a chain of hashes in which every edit shows.

An entry is ``{n, at, kind, intersection, document, previous, hash}``. Its hash is SHA-256 over the canonical form
(sorted keys, no spaces, UTF-8) of the other six. ``n`` goes up by one for ever; ``at`` is what the clock said, and may
go back.
Standard library only, so that a stranger can check a ledger with this file alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = frozenset({"plan", "ack", "override", "key", "tick", "start", "stop", "error"})
GENESIS = "sha256:" + 64 * "0"
"""What the first entry has as ``previous``."""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """Something to be told: when (tenths), one of ``KINDS``, about which intersection (None: all), and what."""

    at: int
    kind: str
    intersection: str | None
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One link of the chain; ``text`` is the document exactly as it is kept."""

    n: int
    at: int
    kind: str
    intersection: str | None
    text: str
    previous: str
    hash: str

    @property
    def document(self) -> dict[str, Any]:
        """What was told, as plain types."""
        document: dict[str, Any] = json.loads(self.text)
        return document


def canonical(document: Any) -> str:
    """Write a document in the one form that is hashed: sorted keys, no spaces.

    Raises
    ------
    ValueError, TypeError
        Where the document holds NaN, an infinity or something that JSON has no word for.
    """
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def entry_hash(n: int, at: int, kind: str, intersection: str | None, text: str, previous: str) -> str:
    """Hash of an entry. The document goes in as it is kept, so that an edit that JSON forgives shows too."""
    rest = canonical({"intersection": intersection, "kind": kind, "n": n, "previous": previous})
    whole = f'{{"at":{at},"document":{text},{rest[1:]}'
    return "sha256:" + hashlib.sha256(whole.encode()).hexdigest()


def chain(n: int, previous: str, new: Iterable[NewEntry]) -> Iterator[LedgerEntry]:
    """Link new entries behind the entry ``n`` (0: none yet) with the hash ``previous``."""
    for entry in new:
        n += 1
        text = canonical(entry.document)
        digest = entry_hash(n, entry.at, entry.kind, entry.intersection, text, previous)
        yield LedgerEntry(n, entry.at, entry.kind, entry.intersection, text, previous, digest)
        previous = digest


def verify(entries: Iterable[LedgerEntry], n: int = 0, previous: str = GENESIS) -> int | None:
    """Go through a ledger once, in constant memory, and find the first entry that is not what was written.

    Parameters
    ----------
    entries : in the order of ``n``.
    n, previous : number and hash of the entry before the first one; the defaults mean the ledger's beginning.

    Returns
    -------
    The number that is broken or missing, or None if the chain holds. Entries cut off at the end leave a chain that
    holds: compare the last number and hash with a copy kept elsewhere.
    """
    for entry in entries:
        n += 1
        expected = entry_hash(n, entry.at, entry.kind, entry.intersection, entry.text, previous)
        if entry.n != n or entry.previous != previous or entry.hash != expected:
            return n
        previous = entry.hash
    return None
