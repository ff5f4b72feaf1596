"""Patterns in stages and in rings and barriers: two forms of the same plan. May import the checker.

A *phase* is a set of groups that are green over the same stages. A *ring* is a sequence of phases, one of which is on
at any time; all rings run at once and meet at *barriers*. Splits count from greens to greens in both forms.

Index letters: k entries of a pattern, p phases.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from citybrain.plans import checker

Document = dict[str, Any]


class _Phase(NamedTuple):
    """Groups that are green in ``length`` entries from entry ``first`` on."""

    first: int
    length: int
    groups: tuple[int, ...]


def find_rings(data: Document, pattern: Document) -> Document | None:
    """Rings of a controller that runs a pattern, as they stand in controller data; None where it has none.

    There are none if a group is always green or has several greens in a cycle, if there is no barrier, or if phases
    do not follow each other without gaps in every ring.
    """
    stages = [entry["stage"] for entry in pattern["stages"]]
    phases = _phases(data, stages)
    if phases is None:
        return None
    n = len(stages)
    starts = [{phase.first for phase in phases if k in _covered(phase, n)} == {k} for k in range(n)]
    if True not in starts:
        return None
    origin = starts.index(True)
    waiting = sorted(((phase.first - origin) % n, phase.groups, phase.length) for phase in phases)
    rings: list[list[tuple[int, ...]]] = []
    ends: list[int] = []
    for first, groups, length in waiting:
        ring = next((r for r, end in enumerate(ends) if end == first), None)
        if ring is None:
            if first > 0:
                return None
            rings.append([])
            ends.append(0)
            ring = len(rings) - 1
        rings[ring].append(groups)
        ends[ring] += length
    return _numbered(data, pattern, rings) if set(ends) == {n} else None


def _phases(data: Document, stages: list[int]) -> list[_Phase] | None:
    """Phases of a cycle of stages, None where a group has no single green in it."""
    n = len(stages)
    members: dict[tuple[int, int], list[int]] = {}
    for g in range(len(data["groups"])):
        green = [data["stages"][stage]["aspects"][g] in "gG" for stage in stages]
        firsts = [k for k in range(n) if green[k] and not green[k - 1]]
        if not any(green):
            continue
        if len(firsts) != 1:
            return None
        members.setdefault((firsts[0], sum(green)), []).append(g)
    return [_Phase(first, length, tuple(groups)) for (first, length), groups in members.items()]


def _covered(phase: _Phase, n: int) -> set[int]:
    return {(phase.first + k) % n for k in range(phase.length)}


def _numbered(data: Document, pattern: Document, rings: list[list[tuple[int, ...]]]) -> Document | None:
    """Give phases numbers, ring by ring, and find the barriers; None unless the pattern comes back exactly."""
    phases: list[Document] = []
    numbers: list[list[int]] = []
    for ring in rings:
        numbers.append(list(range(len(phases) + 1, len(phases) + len(ring) + 1)))
        phases += [{"phase": p, "groups": list(groups)} for p, groups in zip(numbers[-1], ring, strict=True)]
    found = {"phases": phases, "rings": numbers, "barriers": [[phase["phase"] for phase in phases]]}
    whole = {**data, "rings": found}
    splits = _splits(whole, pattern)
    if splits is None:
        return None
    ends = [{sum(entry["split"] for entry in ring[: k + 1]): k for k in range(len(ring))} for ring in splits]
    barriers = []
    last = [0] * len(splits)
    for end in sorted(set.intersection(*(set(of) for of in ends))):
        barriers.append([p for r, ring in enumerate(numbers) for p in ring[last[r] : ends[r][end] + 1]])
        last = [of[end] + 1 for of in ends]
    found["barriers"] = barriers
    return found


def _splits(data: Document, pattern: Document) -> list[list[Document]] | None:
    """Find the splits of every phase from the begin of the first ones on; None if they are not the pattern."""
    entries = pattern["stages"]
    n = len(entries)
    groups = {phase["phase"]: phase["groups"][0] for phase in data["rings"]["phases"]}
    green = [[data["stages"][entry["stage"]]["aspects"][g] in "gG" for entry in entries] for g in groups.values()]
    if not all(any(line) for line in green):
        return None
    order = _origin(data, pattern)
    if order is None:
        return None
    on = dict(zip(groups, green, strict=True))
    rings = [
        [{"phase": p, "split": sum(entries[k]["split"] for k in range(n) if on[p][k])} for p in ring]
        for ring in data["rings"]["rings"]
    ]
    turned = [*entries[order:], *entries[:order]]
    same = all(sum(entry["split"] for entry in ring) == pattern["cycle"] for ring in rings)
    return rings if same and checker.stages_of(data, rings) == turned else None


def _origin(data: Document, pattern: Document) -> int | None:
    """Entry of the pattern with which the first phase of every ring begins."""
    firsts = []
    groups = {phase["phase"]: phase["groups"][0] for phase in data["rings"]["phases"]}
    entries = pattern["stages"]
    for ring in data["rings"]["rings"]:
        green = [data["stages"][entry["stage"]]["aspects"][groups[ring[0]]] in "gG" for entry in entries]
        firsts += [k for k in range(len(entries)) if green[k] and not green[k - 1]]
    return firsts[0] if len(set(firsts)) == 1 else None


def to_rings(data: Document, pattern: Document) -> Document | None:
    """Ring form of a lawful pattern in stages; None where the controller's rings cannot say it exactly.

    The ring form begins with the first phases, so that the offset may refer to another stage than before; what is
    shown at any time is the same.
    """
    splits = _splits(data, pattern) if data["rings"] is not None else None
    origin = _origin(data, pattern) if splits is not None else None
    if origin is None:
        return None
    begin = checker.Checker(data).begins(pattern)[origin]
    clock = {name: pattern[name] for name in ("pattern", "cycle", "offset_reference")}
    return {**clock, "offset": (pattern["offset"] + begin) % pattern["cycle"], "rings": splits}


def to_stages(data: Document, rings: Document) -> Document | None:
    """Pattern in stages of a lawful pattern in ring form; None where phases that meet are no stage."""
    stages = checker.stages_of(data, rings["rings"]) if data["rings"] is not None else None
    return None if stages is None else {**{k: v for k, v in rings.items() if k != "rings"}, "stages": stages}
