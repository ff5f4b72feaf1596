"""The chain of hashes: what is written verifies, and whatever is changed shows at the right place."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citybrain.storage.ledger import GENESIS, LedgerEntry, NewEntry, canonical, chain, verify

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.lists(
    st.builds(
        NewEntry,
        at=st.integers(-(2**62), 2**62),
        kind=st.sampled_from(["plan", "ack", "tick"]),
        intersection=st.none() | WORDS,
        document=st.dictionaries(WORDS, VALUES, max_size=4),
    ),
    min_size=1,
    max_size=6,
)


def linked(new: list[NewEntry]) -> list[LedgerEntry]:
    return list(chain(0, GENESIS, new))


def by_hand(entry: LedgerEntry) -> str:
    """Hash as the page on the store describes it, without the project's code."""
    body = {name: value for name, value in asdict(entry).items() if name not in ("text", "hash")}
    body["document"] = json.loads(entry.text)
    whole = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(whole.encode()).hexdigest()


@given(ENTRIES)
def test_what_was_written_verifies_and_a_stranger_gets_the_same_hashes(new: list[NewEntry]) -> None:
    entries = linked(new)
    assert verify(entries) is None
    assert [entry.hash for entry in entries] == [by_hand(entry) for entry in entries]
    assert [entry.document for entry in entries] == [dict(entry.document) for entry in new]


@given(ENTRIES, ENTRIES)
def test_a_chain_goes_on_where_it_ended(first: list[NewEntry], second: list[NewEntry]) -> None:
    begun = linked(first)
    more = list(chain(begun[-1].n, begun[-1].hash, second))
    assert [*begun, *more] == linked([*first, *second])
    assert verify(more, begun[-1].n, begun[-1].hash) is None


@given(ENTRIES, st.data())
def test_any_changed_field_shows_at_its_entry(new: list[NewEntry], data: st.DataObject) -> None:
    entries = linked(new)
    k = data.draw(st.integers(0, len(entries) - 1))
    field = data.draw(st.sampled_from(["n", "at", "kind", "intersection", "text", "previous", "hash"]))
    old = getattr(entries[k], field)
    other: Any = data.draw((st.integers() if isinstance(old, int) else WORDS).filter(lambda value: value != old))
    entries[k] = replace(entries[k], **{field: other})
    assert verify(entries) == k + 1


@given(ENTRIES.filter(lambda new: len(new) > 1), st.data())
def test_removed_swapped_and_repeated_entries_show(new: list[NewEntry], data: st.DataObject) -> None:
    entries = linked(new)
    k = data.draw(st.integers(0, len(entries) - 2))
    assert verify(entries[:k] + entries[k + 1 :]) == k + 1
    assert verify([*entries[:k], entries[k + 1], entries[k], *entries[k + 2 :]]) == k + 1
    assert verify([*entries[: k + 1], entries[k], *entries[k + 1 :]]) == k + 2


def test_a_rewritten_entry_with_a_fitting_hash_breaks_the_next() -> None:
    entries = linked([NewEntry(time, "tick", None, {"time": time}) for time in (1, 2, 3)])
    (entries[1],) = chain(1, entries[0].hash, [NewEntry(2, "tick", None, {"time": 99})])
    assert verify(entries) == 3


def test_an_empty_ledger_verifies() -> None:
    assert verify([]) is None


def test_canonical_form() -> None:
    assert canonical({"b": [1, "ü"], "a": None}) == '{"a":null,"b":[1,"ü"]}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("inf")})
