"""Explains what an intersection showed, for the command line and for the service alike.

The street is opened again as it was opened then, so that the tick can be carried out again. May import the live room.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from citybrain.errors import CityBrainError, InputError
from citybrain.live.explain import Explanation, Street, explain
from citybrain.live.settings import LiveSettings
from citybrain_api.served_street import read_street

if TYPE_CHECKING:
    from citybrain.storage.store import Store

MOST_TOLD = 20


class Opened(NamedTuple):
    """A street that is open already, since the start that this entry of the ledger tells of."""

    entry: int
    street: Street


def explain_at(store: Store, intersection: str, at: int, opened: Opened | None = None) -> Explanation:
    """Explain what an intersection showed at a time [tenths], with what was rejected where that can be worked out.

    Raises
    ------
    InputError
        If there was no such intersection then.
    StoreError
        If the store cannot be read.
    """
    try:
        street = street_at(store, at, opened)
    except CityBrainError as error:
        return replace(explain(store, intersection, at), missing=str(error))
    there = street.site.network.intersection_id
    if intersection not in there:
        some = ", ".join(sorted(there)[:MOST_TOLD])
        raise InputError(f"no intersection {intersection!r} here; there are: {some}")
    return explain(store, intersection, at, street)


def street_at(store: Store, at: int, opened: Opened | None = None) -> Street:
    """Open again what the service had open at a time [tenths].

    Raises
    ------
    InputError
        If none ran, or its scenario is not there any more.
    """
    start = store.last_start(at + 1)
    if start is not None and opened is not None and start.n == opened.entry:
        return opened.street
    if start is None or "scenario" not in start.document:
        raise InputError(f"no service had begun by {at} here; give a time when it ran, and its --data")
    about = start.document
    return _read(about["scenario"], about["controller"], about["sensors"], about["profile"])


@lru_cache(maxsize=1)
def _read(scenario: str, controller: str, sensors: str, profile: str | None) -> Street:
    site, table = read_street(scenario, controller, sensors, profile)
    return Street(site, table, controller, LiveSettings())
