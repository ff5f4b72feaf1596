"""Keys: how they look, how they are checked, and the ring of valid ones that a running service holds.

A key is ``cb_<key id>_<secret>``. The id is public and names the key in logs and lists; the secret is 256 random bits
from the operating system. The store holds the secret's SHA-256. A slow password hash would add nothing: it protects
secrets that people choose and others can guess, and nobody guesses 256 random bits.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from citybrain.errors import InputError
from citybrain.storage.ledger import NewEntry
from citybrain.storage.rows import KeyRow
from citybrain_api.service.settings import Rate, Scope

if TYPE_CHECKING:
    from citybrain.storage.store import Store

ID_BYTES = 8
SECRET_BYTES = 32
KEY = re.compile(r"cb_([0-9a-f]{16})_([0-9a-f]{64})")


def secret_hash(secret: str) -> str:
    """Return what the store keeps of a secret: ``sha256:`` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(secret.encode("ascii")).hexdigest()


def new_key(scope: str, name: str, intersections: Iterable[str] | None, created_at: int) -> tuple[str, KeyRow]:
    """Make a key and the row that the store keeps of it.

    Parameters
    ----------
    scope : one of ``Scope``.
    name : whose key it is, for people.
    intersections : those that a controller's key is good for; None: all.
    created_at : [tenths of a second].

    Raises
    ------
    InputError
        If the scope is unknown, the name is empty, or intersections are given for another scope than controller.
    """
    if scope not in set(Scope):
        raise InputError(f"scope {scope!r} is unknown; choose one of {', '.join(Scope)}")
    if not name.strip():
        raise InputError("a key needs a name: say whose it is, for example --name 'cabinet 12, Elm Street'")
    if intersections is not None and scope != Scope.CONTROLLER:
        raise InputError(f"a key of scope {scope} is not bound to intersections; only a controller's key is")
    # The operating system's own source; a seeded generator has no place here.
    key_id, secret = os.urandom(ID_BYTES).hex(), os.urandom(SECRET_BYTES).hex()
    bound = None if intersections is None else tuple(sorted(set(intersections)))
    row = KeyRow(key_id, secret_hash(secret), str(scope), bound, name.strip(), created_at)
    return f"cb_{key_id}_{secret}", row


def keep_key(store: Store, row: KeyRow) -> None:
    """Keep a key's row and tell the ledger, in one transaction."""
    told = {"key": row.key_id, "what": "made", "scope": row.scope, "name": row.name, "intersections": row.intersections}
    with store.transaction():
        store.add_key(row)
        store.append_entries([NewEntry(row.created_at, "key", None, told)])


def drop_key(store: Store, key_id: str, at: int) -> None:
    """Revoke a key and tell the ledger, in one transaction.

    Raises
    ------
    InputError
        If there is no such key, or it is revoked already.
    """
    with store.transaction():
        if not store.revoke_key(key_id, at):
            raise InputError(f"there is no valid key {key_id!r}; `citybrain keys list` shows all")
        store.append_entries([NewEntry(at, "key", None, {"key": key_id, "what": "revoked"})])


class Bucket:
    """Token bucket of one key; not shared between threads."""

    __slots__ = ("burst", "full_at", "per_second")

    def __init__(self, rate: Rate) -> None:
        self.per_second = rate.per_second
        self.burst = rate.burst
        self.full_at = 0.0

    def take(self, now: float) -> float:
        """Take one token; return 0, or the seconds [s] to wait where there is none (and take nothing)."""
        full_at = max(self.full_at, now) + 1.0 / self.per_second
        missing = full_at - now - self.burst / self.per_second
        if missing > 0.0:
            return missing
        self.full_at = full_at
        return 0.0


@dataclass(frozen=True)
class Principal:
    """Who a valid key belongs to."""

    row: KeyRow
    scope: Scope
    intersections: frozenset[str] | None
    bucket: Bucket

    def reaches(self, intersection: str) -> bool:
        """Whether a controller's key is good for this intersection."""
        return self.intersections is None or intersection in self.intersections


class KeyRing:
    """The valid keys, in memory; refreshed from the store by whoever owns the service's loop."""

    def __init__(self, rates: dict[Scope, Rate], n_intersections: int) -> None:
        self._rates = rates
        self._n_intersections = n_intersections
        self._principals: dict[str, Principal] = {}

    def __len__(self) -> int:
        """Return the number of valid keys."""
        return len(self._principals)

    def load(self, rows: Iterable[KeyRow]) -> None:
        """Take over what the store holds now; buckets of known keys keep their level."""
        fresh: dict[str, Principal] = {}
        for row in rows:
            if row.revoked_at is not None:
                continue
            known = self._principals.get(row.key_id)
            fresh[row.key_id] = known if known is not None and known.row == row else self._principal(row)
        self._principals = fresh

    def find(self, key: str) -> Principal | None:
        """Return whose key this is, or None where it is none of ours."""
        found = KEY.fullmatch(key)
        if found is None:
            return None
        principal = self._principals.get(found[1])
        if principal is None or not hmac.compare_digest(secret_hash(found[2]), principal.row.hash):
            return None
        return principal

    def _principal(self, row: KeyRow) -> Principal:
        scope = Scope(row.scope)
        rate = self._rates[scope]
        if scope == Scope.CONTROLLER:
            n = self._n_intersections if row.intersections is None else len(row.intersections)
            rate = Rate(rate.per_second * max(n, 1), rate.burst * max(n, 1))
        bound = None if row.intersections is None else frozenset(row.intersections)
        return Principal(row, scope, bound, Bucket(rate))
