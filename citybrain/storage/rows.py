"""What the store takes in and gives back: frozen rows.

Times are integer tenths of a second since 1970-01-01T00:00:00Z. May import the ledger's words alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Finish = Callable[[dict[str, Any], int], dict[str, Any]]
"""Makes the final plan document from a draft and its sequence number; puts in at least ``seq`` and ``plan_id``."""


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A posted batch. ``number`` is the order in which batches were kept: unique, ascending, never given twice."""

    number: int
    sender: str
    batch_id: str
    received_at: int
    judged: bytes
    verdict: bytes


@dataclass(frozen=True, slots=True)
class TickRecord:
    """One tick to be kept: what the engine took in. ``taken`` holds the numbers of the batches it took."""

    time: int
    taken: tuple[int, ...]
    inputs: bytes


@dataclass(frozen=True, slots=True)
class StoredTick:
    """A tick. ``number`` ascends by one from tick to tick, whatever the clock did."""

    number: int
    time: int
    taken: tuple[int, ...]
    inputs: bytes


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A draft of a plan, and what the ledger is to hold about it beside its identity."""

    intersection: str
    document: dict[str, Any]
    reasons: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan that was published; ``text`` is the document in canonical form."""

    intersection: str
    seq: int
    plan_id: str
    text: str

    @property
    def document(self) -> dict[str, Any]:
        """The plan as plain types."""
        return _read(self.text)


@dataclass(frozen=True, slots=True)
class StoredAck:
    """An acknowledgement; ``number`` ascends in the order in which they were kept."""

    number: int
    intersection: str
    at: int
    text: str

    @property
    def document(self) -> dict[str, Any]:
        """The acknowledgement as plain types."""
        return _read(self.text)


@dataclass(frozen=True, slots=True)
class Override:
    """A person's will: ``kind`` is stage, pattern, freeze or fallback, ``value`` any JSON value that it needs."""

    intersection: str
    kind: str
    value: Any
    who: str
    why: str
    begin: int
    until: int


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """An override as kept; ``ended_at`` and ``ended_by`` only where somebody ended it before its time."""

    number: int
    override: Override
    ended_at: int | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key's description and hash, never the key. ``intersections`` None: all."""

    key_id: str
    hash: str
    scope: str
    intersections: tuple[str, ...] | None
    name: str
    created_at: int
    revoked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The engine's memory after the tick with number ``tick`` (0: before any tick)."""

    time: int
    tick: int
    data: bytes
    version: str


def _read(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document
