"""Patterns in stages and in rings and barriers: two forms of the same plan. May import the checker.

A *phase* is a set of groups that are green together for one stretch of the cycle. A *ring* is a sequence of phases,
one of which is on at any time; all rings run at once and meet at *barriers*. A group of several phases (an overlap) is
green in all of them. Splits count from greens to greens in both forms.

Index letters: k entries of a pattern, g groups.
"""

from __future__ import annotations

from itertools import combinations, islice, product
from typing import TYPE_CHECKING, Any

from citybrain.plans import checker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Document = dict[str, Any]
Span = tuple[int, int]
"""First entry, counted from the origin of the rings, and number of entries."""
_MOST_TRIES = 2000


def find_rings(data: Document, pattern: Document) -> Document | None:
    """Find the rings in which a pattern can be said, as they stand in controller data; None where there are none.

    Two rings of as many phases as possible come before one ring, and that before one phase per stage.

    Parameters
    ----------
    data : controller data; their own rings are not looked at.
    pattern : a lawful pattern in stages.
    """
    greens = _greens(data, pattern)
    for origin, rings in islice(_candidates(greens), _MOST_TRIES):
        turned = [*greens[origin:], *greens[:origin]]
        found = _document(rings, turned)
        named = all(phase["groups"] for phase in found["phases"])
        if named and to_rings({**data, "rings": found}, pattern) is not None:
            return found
    return None


def to_rings(data: Document, pattern: Document) -> Document | None:
    """Ring form of a lawful pattern in stages; None where the controller's rings cannot say it exactly.

    The ring form begins with a barrier, so that its offset may refer to another stage than before; what is shown at
    any time is the same.
    """
    if data["rings"] is None:
        return None
    entries, greens = pattern["stages"], _greens(data, pattern)
    for origin in range(len(entries)):
        turned = [*entries[origin:], *entries[:origin]]
        lines = [list(_tilings(data["rings"], ring, greens, origin)) for ring in data["rings"]["rings"]]
        for tiling in islice(product(*lines), _MOST_TRIES):
            rings = [
                [{"phase": p, "split": sum(e["split"] for e in turned[a : a + n])} for p, (a, n) in line]
                for line in tiling
            ]
            if checker.stages_of(data, rings) == turned and _meet(data["rings"]["barriers"], rings):
                clock = {name: pattern[name] for name in ("pattern", "cycle", "offset_reference")}
                begin = checker.Checker(data).begins(pattern)[origin]
                return {**clock, "offset": (pattern["offset"] + begin) % pattern["cycle"], "rings": rings}
    return None


def to_stages(data: Document, rings: Document) -> Document | None:
    """Pattern in stages of a lawful pattern in ring form; None where phases that meet are no stage."""
    stages = checker.stages_of(data, rings["rings"]) if data["rings"] is not None else None
    return None if stages is None else {**{k: v for k, v in rings.items() if k != "rings"}, "stages": stages}


def _greens(data: Document, pattern: Document) -> list[frozenset[int]]:
    """Green groups of every entry."""
    aspects = [data["stages"][entry["stage"]]["aspects"] for entry in pattern["stages"]]
    return [frozenset(g for g, aspect in enumerate(text) if aspect in "gG") for text in aspects]


def _candidates(greens: list[frozenset[int]]) -> Iterator[tuple[int, list[list[Span]]]]:
    """Origins and rings that may do, the best first."""
    n = len(greens)
    pairs: list[tuple[int, list[list[Span]]]] = []
    singles: list[tuple[int, list[list[Span]]]] = []
    for origin in range(n):
        turned = [*greens[origin:], *greens[:origin]]
        arcs = {_arc([g in green for green in turned]) for g in frozenset[int]().union(*greens)}
        chains = list(islice(_chains(sorted(arc for arc in arcs if arc), 0, n), 100))
        singles += [(origin, [chain]) for chain in chains]
        pairs += [(origin, [a, b]) for a, b in combinations(chains, 2) if not set(a) & set(b)]
    yield from sorted(pairs, key=lambda pair: -sum(map(len, pair[1])))
    yield from sorted(singles, key=lambda single: -len(single[1][0]))
    yield 0, [[(k, 1) for k in range(n)]]


def _arc(green: list[bool]) -> Span | None:
    """Find the one stretch in which a group is green, None where there are several or none ends."""
    n = sum(green)
    first = green.index(True)
    return (first, n) if n < len(green) and all(green[first : first + n]) else None


def _chains(arcs: list[Span], begin: int, end: int) -> Iterator[list[Span]]:
    """All sequences of arcs that fill a stretch without gaps."""
    if begin == end:
        yield []
    for arc in arcs:
        if arc[0] == begin and sum(arc) <= end:
            for rest in _chains(arcs, sum(arc), end):
                yield [arc, *rest]


def _document(rings: list[list[Span]], greens: list[frozenset[int]]) -> Document:
    """Give phases numbers, ring by ring, and the groups that are green throughout; find the barriers."""
    spans = [span for ring in rings for span in ring]
    members: dict[Span, list[int]] = {span: [] for span in spans}
    for g in sorted(frozenset[int]().union(*greens)):
        on = {k for k, green in enumerate(greens) if g in green}
        inside = [[span for span in ring if on.issuperset(_entries(span))] for ring in rings]
        # One ring is enough where its phases make up the whole green.
        whole = [ring for ring in inside if sum(n for _, n in ring) == len(on)]
        for span in whole[0] if whole else [span for ring in inside for span in ring]:
            members[span].append(g)
    phases = [{"phase": p, "groups": members[span]} for p, span in enumerate(spans, start=1)]
    numbers = iter(range(1, len(spans) + 1))
    numbered = [[(next(numbers), sum(span)) for span in ring] for ring in rings]
    ends = sorted(set[int].intersection(*({end for _, end in ring} for ring in numbered)))
    barriers = [
        [p for ring in numbered for p, end in ring if last < end <= until]
        for last, until in zip([0, *ends], ends, strict=False)
    ]
    return {"phases": phases, "rings": [[p for p, _ in ring] for ring in numbered], "barriers": barriers}


def _entries(span: Span) -> range:
    return range(span[0], sum(span))


def _tilings(
    rings: Document, ring: list[int], greens: list[frozenset[int]], origin: int
) -> Iterator[list[tuple[int, Span]]]:
    """All ways to lay the phases of a ring over the entries of a pattern, in the order of the barriers."""
    turned = [*greens[origin:], *greens[:origin]]
    groups = {phase["phase"]: frozenset(phase["groups"]) for phase in rings["phases"]}
    waiting = [[p for p in members if p in ring] for members in rings["barriers"]]
    yield from _lay(waiting, groups, turned, 0)


def _lay(
    waiting: list[list[int]], groups: dict[int, frozenset[int]], greens: list[frozenset[int]], begin: int
) -> Iterator[list[tuple[int, Span]]]:
    left = [members for members in waiting if members]
    if not left:
        if begin == len(greens):
            yield []
        return
    for p in left[0]:
        rest = [[q for q in left[0] if q != p], *left[1:]]
        for end in range(begin + 1, len(greens) + 1):
            if not groups[p] <= greens[end - 1]:
                break
            for later in _lay(rest, groups, greens, end):
                yield [(p, (begin, end - begin)), *later]


def _meet(barriers: list[list[int]], rings: Iterable[list[Document]]) -> bool:
    """Whether all rings reach every barrier at the same time."""
    rings = list(rings)
    for b in range(len(barriers)):
        before = {p for members in barriers[: b + 1] for p in members}
        if len({sum(entry["split"] for entry in ring if entry["phase"] in before) for ring in rings}) > 1:
            return False
    return True
