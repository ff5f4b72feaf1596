"""Whether a plan may be carried out, judged from the controller data alone.

One file, standard library only, imports nothing of the project and shares no code with whatever made the plan, so that
it can be copied or ported: ``python checker.py data.json plan.json``. All times are integers: tenths of a second since
1970-01-01T00:00:00Z. What the rules mean is told in ``docs/plans.md``; the numbers of a stage and of a group are their
places in the controller data.

:func:`check` answers with a list of refusals, empty for a lawful plan, and never raises, whatever JSON it is given.
"""

from __future__ import annotations

import hashlib
import json
import sys
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

DATA_FORMAT = "citybrain/controller-data/1"
PLAN_FORMAT = "citybrain/plan/1"
EPOCH, UNIT = "1970-01-01T00:00:00Z", "0.1 s"
OFFSET_REFERENCE = "begin_of_first_stage"
MODES = ("add_only", "dwell", "short_way", "at_once")
LARGEST = 2**53 - 1
"""Every JSON reader keeps integers up to here exactly."""
MOST_STAGES, MOST_GROUPS, MOST_LAMPS, MOST_TEXT, MOST_NODES, MOST_LEVELS = 64, 256, 4096, 500, 2000, 6
MOST_RINGS, MOST_POLL, MOST_REFUSALS = 8, 36000, 20
LONG_AGO = -(2**60)

CODES = {
    "format": "not a document of this kind and version",
    "missing": "a field is missing",
    "unknown_field": "a field that the format does not have",
    "type": "a value of the wrong type",
    "integer": "a float or a boolean where an integer belongs",
    "range": "a value out of its range",
    "size": "more entries, letters or levels than the format allows",
    "data": "the controller data are damaged",
    "shown": "the report of what the cabinet shows is damaged or contradicts itself",
    "hash": "plan_id is not the hash of the plan",
    "intersection": "made for another intersection",
    "config_hash": "made for other controller data",
    "seq": "not newer than the plan before",
    "lead": "valid sooner than the lead after it was made",
    "lease": "the lease is over, or ends before the plan begins",
    "fallback": "falls back to a pattern that the controller does not have",
    "unknown_stage": "a stage that the controller does not have",
    "order": "times that do not increase, a schedule that begins after the plan, or a stage that follows itself",
    "conflict": "conflicting groups green together",
    "minimum_green": "a green shorter than its minimum",
    "walk": "a walk shorter than its minimum",
    "interstage": "a change before the one before it is finished",
    "maximum_red": "a red longer than its bound",
    "cycle": "splits that do not add up to the cycle, or a cycle out of its limits",
    "split": "a split too short for its green and the interstage after it",
    "offset": "an offset that is not within the cycle",
    "rings": "phases that are not the controller's, or in another order than its barriers allow",
    "barrier": "rings that do not meet at a barrier",
    "change_cap": "a pattern that differs too much from the one before",
}
"""Every code that a refusal may carry, and what it means."""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Refusal(NamedTuple):
    """One reason why a plan is refused: a code of ``CODES``, a sentence, and the place in the document."""

    code: str
    sentence: str
    where: str


class _Move(NamedTuple):
    """What a change from greens to a stage does: groups that end and begin, and how long it takes.

    ``duration`` holds for the groups that end; ``reach`` are the groups that were red already, each with the time
    from the end of its last green during which the new greens must not begin.
    """

    ending: tuple[int, ...]
    starting: tuple[int, ...]
    duration: int
    reach: tuple[tuple[int, int], ...]


class _Lamps:
    """What the groups show while a schedule is played: ``green`` has a bit for every green group."""

    __slots__ = ("green", "green_end", "green_since", "red_since", "yellow_end")

    def __init__(self, green: int, since: list[int], end: list[int], red: list[int]) -> None:
        self.green = green
        self.green_since = since
        self.green_end = end
        self.red_since = red
        self.yellow_end: list[tuple[int, int]] = []


def check(
    data: Any,
    plan: Any,
    shown: Any = None,
    now: int | None = None,
    *,
    before: Any = None,
    lease_until: int | None = None,
) -> list[Refusal]:
    """Judge a plan; an empty list says that it is lawful. For many plans of one controller keep a :class:`Checker`.

    Parameters
    ----------
    data : controller data.
    plan : plan document.
    shown : what the cabinet shows, as it stands in an acknowledgement. Without it, what happened before the schedule
        counts in the plan's favour.
    now : time of ``shown`` and of the judgement [tenths].
    before : plan that was in force before, for its number and, where both are patterns, the caps on change.
    lease_until : lease as the server has renewed it since, where that is later than the plan's own [tenths].
    """
    return Checker(data).check(plan, shown, now, before=before, lease_until=lease_until)


def canonical(document: Any) -> bytes:
    """Bytes that are hashed: keys sorted by code point, no spaces, UTF-8.

    Raises
    ------
    ValueError
        If the document holds a number or text that JSON cannot carry.
    """
    return _ENCODER.encode(document).encode("utf-8")


def hash_of(document: Any) -> str:
    """Hash of a document's canonical form."""
    return "sha256:" + hashlib.sha256(canonical(document)).hexdigest()


class Checker:
    """The rules of one controller.

    Attributes
    ----------
    faults : refusals that the controller data themselves deserve; with any of them, every plan is refused.
    """

    def __init__(self, data: Any) -> None:
        self.faults: list[Refusal] = _data_faults(data)
        self._data: dict[str, Any] = data if isinstance(data, dict) else {}
        if self.faults:
            return
        groups = data["groups"]
        n = len(groups)
        self.config_hash = hash_of(data)
        self._n = n
        self._min_green = [group["min_green"] for group in groups]
        self._yellow = [group["yellow"] for group in groups]
        self._bound = [LARGEST * 4 if group["red_bound"] is None else group["red_bound"] for group in groups]
        self._served = sum(1 << g for g in range(n) if groups[g]["red_bound"] is not None)
        self._walks = [group["kind"] == "pedestrian" for group in groups]
        self._intergreen = data["intergreen"]
        self._aspects = [stage["aspects"] for stage in data["stages"]]
        self._green = [sum(1 << g for g in range(n) if text[g] in "Gg") for text in self._aspects]
        self._clash = [self._conflicting(green) for green in self._green]
        self._moves: dict[tuple[int, int], _Move] = {}
        self._fallbacks = {pattern["pattern"] for pattern in data["patterns"]}

    def check(
        self,
        plan: Any,
        shown: Any = None,
        now: int | None = None,
        *,
        before: Any = None,
        lease_until: int | None = None,
    ) -> list[Refusal]:
        """Judge a plan; see :func:`check`."""
        if self.faults:
            return list(self.faults)
        found: list[Refusal] = []
        _plan_shape(plan, found)
        if now is not None:
            _match(now, _TIME, "now", found)
        if shown is not None and not found:
            self._shown_shape(shown, found)
        if found:
            return found
        self._identity(plan, before, found)
        self._validity(plan, now, lease_until, found)
        body = plan["body"]
        if "schedule" in body:
            self._schedule(plan, shown, now, found)
        elif "pattern" in body:
            self._pattern(body["pattern"], "body.pattern", found)
            self._caps(body["pattern"], self._pattern_before(before), found)
        else:
            self._rings(body["rings"], self._pattern_before(before), found)
        return found

    def check_patterns(self) -> list[Refusal]:
        """Judge the controller data and the patterns in them."""
        found = list(self.faults)
        if not found:
            for k, pattern in enumerate(self._data["patterns"]):
                self._pattern(pattern, f"patterns[{k}]", found)
        return found

    def interstage(self, stage: int, following: int) -> int:
        """Time from leaving a stage to the greens of another that follows it [tenths]."""
        return self._move(self._green[stage], following).duration

    def begins(self, pattern: dict[str, Any]) -> list[int]:
        """When each stage of a lawful pattern begins, counted from the begin of the first [tenths]."""
        return _begins(pattern["stages"], [self.interstage(a, b) for a, b in _pairs(pattern["stages"])])

    # ---- identity and validity

    def _identity(self, plan: dict[str, Any], before: Any, found: list[Refusal]) -> None:
        content = {key: value for key, value in plan.items() if key != "plan_id"}
        try:
            expected = hash_of(content)
        except (ValueError, RecursionError):
            expected = "not to be hashed"
        if plan["plan_id"] != expected:
            found.append(Refusal("hash", f"the plan's content has the hash {expected}, not its plan_id", "plan_id"))
        if plan["intersection"] != self._data["intersection"]:
            said = f"the plan is for {_say(plan['intersection'])}, the controller is {_say(self._data['intersection'])}"
            found.append(Refusal("intersection", said, "intersection"))
        if plan["config_hash"] != self.config_hash:
            said = f"the plan was made for other controller data; these have the hash {self.config_hash}"
            found.append(Refusal("config_hash", said, "config_hash"))
        last = before.get("seq") if isinstance(before, dict) else None
        if type(last) is int and plan["seq"] <= last:
            found.append(Refusal("seq", f"number {plan['seq']} is not above {_say(last)} of the plan before", "seq"))
        if plan["fallback"]["pattern"] not in self._fallbacks:
            said = f"the controller has no pattern {plan['fallback']['pattern']} to fall back to"
            found.append(Refusal("fallback", said, "fallback.pattern"))

    def _validity(self, plan: dict[str, Any], now: int | None, renewed: int | None, found: list[Refusal]) -> None:
        lead, valid_from, lease = self._data["lead"], plan["valid_from"], plan["lease_until"]
        if valid_from < plan["made_at"] + lead:
            said = f"it is valid {valid_from - plan['made_at']} tenths after it was made; the least is {lead}"
            found.append(Refusal("lead", said, "valid_from"))
        if lease <= valid_from:
            said = "the lease ends before the plan becomes valid"
            found.append(Refusal("lease", said, "lease_until"))
        if type(renewed) is int:
            lease = max(lease, renewed)
        if now is not None and lease <= now:
            found.append(Refusal("lease", f"the lease ended {now - lease} tenths ago", "lease_until"))

    # ---- schedules

    def _schedule(self, plan: dict[str, Any], shown: Any, now: int | None, found: list[Refusal]) -> None:
        where = "body.schedule.stages"
        entries = [(entry["stage"], entry["begin"], k) for k, entry in enumerate(plan["body"]["schedule"]["stages"])]
        for k in range(1, len(entries)):
            if entries[k][1] <= entries[k - 1][1]:
                said = f"begins at {entries[k][1]}, not after the stage before it at {entries[k - 1][1]}"
                found.append(Refusal("order", said, f"{where}[{k}].begin"))
                return
        first = entries[0][1]
        if first > plan["valid_from"]:
            said = f"the first stage begins at {first}, after the plan becomes valid at {plan['valid_from']}"
            found.append(Refusal("order", said, f"{where}[0].begin"))
        if not self._stages_known([stage for stage, _, _ in entries], where, found):
            return
        if shown is None:
            stage, finished = entries[0][0], LONG_AGO
            lamps = self._since(stage, first)
        else:
            lamps, stage, finished, latest = self._report(shown)
            latest = latest if now is None else now
            past = sum(1 for _, begin, _ in entries if begin <= latest)
            entries = entries[max(past - 1, 0) :]
            if past and entries[0][0] != stage:
                entries[0] = (entries[0][0], max(latest, plan["valid_from"]), entries[0][2])
        for target, begin, k in entries:
            if target != stage:
                finished = self._change(lamps, finished, target, begin, f"{where}[{k}]", found)
                stage = target
        self._held(lamps, max(plan["lease_until"], finished), found)

    def _since(self, stage: int, begin: int) -> _Lamps:
        """Lamps of a stage shown whole: greens that may end at once, reds that began with the change to it."""
        red = [begin + yellow for yellow in self._yellow]
        return _Lamps(self._green[stage], [LONG_AGO] * self._n, [LONG_AGO] * self._n, red)

    def _report(self, shown: dict[str, Any]) -> tuple[_Lamps, int, int, int]:
        """Lamps, stage (-1: none), end of the change to it, and the latest time in a cabinet's report."""
        aspects, since = shown["aspects"], shown["aspect_since"]
        ends = [LONG_AGO if end is None else end for end in shown["green_end"]]
        latest = max([shown["since"], *since, *ends])
        # A yellow that is still shown has not ended yet, however old it is.
        red = [max(t + self._yellow[g], latest) if aspects[g] == "y" else t for g, t in enumerate(since)]
        green = sum(1 << g for g in range(self._n) if aspects[g] in "Gg")
        lamps = _Lamps(green, list(since), ends, red)
        lamps.yellow_end = [(g, red[g]) for g in range(self._n) if aspects[g] == "y"]
        if shown["stage"] is None:
            return lamps, -1, LONG_AGO, latest
        finished = LONG_AGO
        if shown["changing"]:
            # It had not been finished at the latest time that the report knows.
            finished = self._change(lamps, LONG_AGO, shown["stage"], latest, "shown", [])
        return lamps, shown["stage"], finished, latest

    def _change(self, lamps: _Lamps, finished: int, target: int, begin: int, where: str, found: list[Refusal]) -> int:
        """Play one change; returns when its greens begin."""
        move = self._move(lamps.green, target)
        if begin <= finished:
            said = f"begins at {begin}, before the change before it is finished at {finished}"
            found.append(Refusal("interstage", said, where))
        for g in move.ending:
            age = begin - lamps.green_since[g]
            if age < self._min_green[g]:
                code, name = ("walk", "walk") if self._walks[g] else ("minimum_green", "green")
                said = f"ends the {name} of group {g} after {age} tenths; the least is {self._min_green[g]}"
                found.append(Refusal(code, said, where))
            lamps.green_end[g] = begin
            lamps.red_since[g] = begin + self._yellow[g]
        shown_at = begin + move.duration
        for g, reach in move.reach:
            shown_at = max(shown_at, lamps.green_end[g] + reach)
        for g, end in lamps.yellow_end:
            # A yellow turns red before it turns green.
            shown_at = max(shown_at, end + (self._green[target] >> g & 1))
        lamps.yellow_end = []
        for g in move.starting:
            self._red(lamps, g, shown_at, where, found)
            lamps.green_since[g] = shown_at
        lamps.green = self._green[target]
        return shown_at

    def _red(self, lamps: _Lamps, g: int, until: int, where: str, found: list[Refusal]) -> None:
        red = until - lamps.red_since[g]
        if red > self._bound[g]:
            said = f"group {g} is red for {red} tenths; the most is {self._bound[g]}"
            found.append(Refusal("maximum_red", said, where))

    def _held(self, lamps: _Lamps, until: int, found: list[Refusal]) -> None:
        """Judge the reds of the last stage, which is held until the lease ends."""
        for g in range(self._n):
            if not lamps.green >> g & 1:
                self._red(lamps, g, until, "lease_until", found)

    def _move(self, green: int, target: int) -> _Move:
        move = self._moves.get((green, target))
        if move is None:
            move = self._make_move(green, self._green[target])
            if green in self._green:  # a report may show anything: keep only what comes again
                self._moves[green, target] = move
        return move

    def _make_move(self, before: int, after: int) -> _Move:
        groups = range(self._n)
        ending = tuple(g for g in groups if before >> g & 1 and not after >> g & 1)
        starting = tuple(g for g in groups if after >> g & 1 and not before >> g & 1)
        matrix = self._intergreen
        duration = max([0, *(self._yellow[g] for g in ending), *(matrix[e][g] for e in ending for g in starting)])
        reds = [e for e in groups if not before >> e & 1]
        reach = [(e, max((matrix[e][g] for g in starting if g != e), default=0)) for e in reds]
        return _Move(ending, starting, duration, tuple((e, most) for e, most in reach if most > 0))

    def _conflicting(self, green: int) -> tuple[int, int] | None:
        """First pair of conflicting groups among greens."""
        groups = [g for g in range(self._n) if green >> g & 1]
        conflict = self._data["conflict"]
        return next(((a, b) for a in groups for b in groups if a < b and 1 in (conflict[a][b], conflict[b][a])), None)

    def _stages_known(self, stages: list[int], where: str, found: list[Refusal]) -> bool:
        """Judge the stages one by one."""
        known = True
        for k, stage in enumerate(stages):
            if not 0 <= stage < len(self._green):
                found.append(Refusal("unknown_stage", f"the controller has no stage {stage}", f"{where}[{k}].stage"))
                known = False
                continue
            clash = self._clash[stage]
            if clash is not None:
                said = f"stage {stage} shows green to the groups {clash[0]} and {clash[1]}, which conflict"
                found.append(Refusal("conflict", said, f"{where}[{k}].stage"))
        return known

    # ---- patterns

    def _pattern(self, pattern: dict[str, Any], where: str, found: list[Refusal]) -> None:
        before = len(found)
        self._clock(pattern, where, found)
        stages = pattern["stages"]
        splits = [entry["split"] for entry in stages]
        if sum(splits) != pattern["cycle"]:
            said = f"the splits add up to {sum(splits)}, the cycle is {pattern['cycle']}"
            found.append(Refusal("cycle", said, where))
        numbers = [entry["stage"] for entry in stages]
        if not self._stages_known(numbers, f"{where}.stages", found):
            return
        twice = [k for k in range(1, len(stages)) if numbers[k] == numbers[k - 1]]
        if twice or (len(stages) > 1 and numbers[0] == numbers[-1]):
            place = f"{where}.stages[{(twice or [0])[0]}]"
            found.append(Refusal("order", "a stage follows itself; give it one entry", place))
            return
        changes = [self.interstage(a, b) for a, b in _pairs(stages)]
        for k, entry in enumerate(stages):
            whole = self._briefly(numbers[k - 1], numbers[k], numbers[(k + 1) % len(numbers)])
            least = changes[k] + max([1, *(self._min_green[g] for g in whole)])
            if entry["split"] < least:
                said = f"a split of {entry['split']} tenths; with the interstage after it the least is {least}"
                found.append(Refusal("split", said, f"{where}.stages[{k}].split"))
        if len(found) == before:
            self._cycles(numbers, _begins(stages, changes), pattern["cycle"], where, found)

    def _briefly(self, before: int, stage: int, after: int) -> list[int]:
        """List the groups that are green in a stage and in neither of its neighbours."""
        only = self._green[stage] & ~self._green[before] & ~self._green[after]
        return [g for g in range(self._n) if only >> g & 1]

    def _clock(self, pattern: dict[str, Any], where: str, found: list[Refusal]) -> None:
        """Judge cycle and offset by themselves."""
        cycle, limits = pattern["cycle"], self._data["limits"]
        if not limits["cycle_min"] <= cycle <= limits["cycle_max"]:
            said = f"a cycle of {cycle} tenths; the limits are {limits['cycle_min']} and {limits['cycle_max']}"
            found.append(Refusal("cycle", said, f"{where}.cycle"))
        if not 0 <= pattern["offset"] < cycle:
            said = f"an offset of {pattern['offset']} tenths is not within the cycle of {cycle}"
            found.append(Refusal("offset", said, f"{where}.offset"))
        if pattern["offset_reference"] != OFFSET_REFERENCE:
            said = f"the offset refers to {_say(pattern['offset_reference'])}; this format knows {OFFSET_REFERENCE}"
            found.append(Refusal("offset", said, f"{where}.offset_reference"))

    def _cycles(self, stages: list[int], begins: list[int], cycle: int, where: str, found: list[Refusal]) -> None:
        """Play a pattern until it repeats itself."""
        lamps, finished = self._since(stages[-1], begins[-1] - cycle), LONG_AGO
        seen: list[Refusal] = []
        for turn in range(3):
            for k, begin in enumerate(begins):
                if stages[k] != stages[k - 1]:
                    place = f"{where}.stages[{k}]"
                    finished = self._change(lamps, finished, stages[k], begin + turn * cycle, place, seen)
        places = {(refusal.code, refusal.where): refusal for refusal in seen}
        found.extend(places.values())
        ever = 0
        for stage in stages:
            ever |= self._green[stage]
        never = [g for g in range(self._n) if self._served & ~ever & 1 << g]
        found.extend(Refusal("maximum_red", f"no stage of the pattern serves group {g}", where) for g in never)

    def _caps(self, pattern: dict[str, Any], before: dict[str, Any] | None, found: list[Refusal]) -> None:
        """Compare a pattern with the one before."""
        if before is None:
            return
        cap = self._data["limits"]["change_cap"]
        changes = [(abs(pattern["cycle"] - before["cycle"]), "cycle")]
        old, new = before["stages"], pattern["stages"]
        if [entry["stage"] for entry in old] == [entry["stage"] for entry in new]:
            both = enumerate(zip(old, new, strict=True))
            changes += [(abs(a["split"] - b["split"]), f"stages[{k}]") for k, (a, b) in both]
        for change, place in changes:
            if change > cap:
                said = f"differs by {change} tenths from the pattern before; the most is {cap}"
                found.append(Refusal("change_cap", said, f"body.pattern.{place}"))

    def _pattern_before(self, before: Any) -> dict[str, Any] | None:
        """Pattern of the plan before in stages, None where it has none that can be read."""
        if before is None or not _plan_shape(before, []):
            return None
        body, own = before["body"], self._data["rings"]
        rings = body.get("rings")
        if rings is None or own is None or not self._phases_known(rings["rings"], own, []):
            found: dict[str, Any] | None = body.get("pattern")
            return found
        stages = stages_of(self._data, rings["rings"])
        return None if stages is None else {**rings, "stages": stages}

    # ---- rings and barriers

    def _rings(self, body: dict[str, Any], before: dict[str, Any] | None, found: list[Refusal]) -> None:
        """Judge the ring form, then the same pattern in stages."""
        own = self._data["rings"]
        where = "body.rings"
        if own is None:
            found.append(Refusal("rings", "the controller has no rings; send the pattern in stages", where))
            return
        count = len(found)
        for r, ring in enumerate(body["rings"]):
            total = sum(entry["split"] for entry in ring)
            if total != body["cycle"]:
                said = f"the splits of ring {r} add up to {total}, the cycle is {body['cycle']}"
                found.append(Refusal("cycle", said, f"{where}.rings[{r}]"))
        if not self._phases_known(body["rings"], own, found) or len(found) > count:
            return
        stages = stages_of(self._data, body["rings"])
        if stages is None:
            said = "at some moment the phases of the rings together are none of the controller's stages"
            found.append(Refusal("unknown_stage", said, where))
            return
        pattern = {**body, "stages": stages}
        self._pattern(pattern, where, found)
        self._caps(pattern, before, found)

    def _phases_known(self, rings: Any, own: dict[str, Any], found: list[Refusal]) -> bool:
        """Judge the order of phases, and whether the rings meet at every barrier."""
        good = len(rings) == len(own["rings"])
        ends: list[list[int]] = [[] for _ in own["barriers"]]
        for ring, members in zip(rings, own["rings"], strict=False):
            phases = [entry["phase"] for entry in ring]
            between = [next((b for b, inside in enumerate(own["barriers"]) if p in inside), -1) for p in phases]
            good = good and sorted(phases) == sorted(members) and between == sorted(between)
            for b, ended in enumerate(ends):
                ended.append(sum(entry["split"] for entry, of in zip(ring, between, strict=True) if of <= b))
        if not good:
            said = "every ring has each of its phases once, those of one barrier together and in the barriers' order"
            found.append(Refusal("rings", said, "body.rings.rings"))
            return False
        for b, ended in enumerate(ends):
            if len(set(ended)) > 1:
                said = f"the rings reach barrier {b} at {', '.join(map(str, ended))} tenths"
                found.append(Refusal("barrier", said, "body.rings.rings"))
        return True

    # ---- reports of cabinets

    def _shown_shape(self, shown: Any, found: list[Refusal]) -> None:
        """Judge the form of a cabinet's report, and that it does not contradict itself."""
        faults: list[Refusal] = []
        if _match(shown, _SHOWN, "shown", faults):
            stage, aspects = shown["stage"], shown["aspects"]
            if stage is not None and stage >= len(self._aspects):
                faults.append(Refusal("shown", f"the controller has no stage {stage}", "shown.stage"))
            if {len(aspects), len(shown["aspect_since"]), len(shown["green_end"])} != {self._n}:
                faults.append(Refusal("shown", f"there must be {self._n} entries, one per group", "shown"))
        if not faults and shown["stage"] is not None:
            whole = self._aspects[shown["stage"]]
            extra = any(a in "Gg" and b == "r" for a, b in zip(aspects, whole, strict=True))
            if extra or (not shown["changing"] and aspects != whole):
                said = f"the lamps show {aspects}, which stage {shown['stage']} ({whole}) does not explain"
                faults.append(Refusal("shown", said, "shown.aspects"))
        found.extend(Refusal("shown", refusal.sentence, refusal.where) for refusal in faults)


def stages_of(data: dict[str, Any], rings: list[list[dict[str, int]]]) -> list[dict[str, int]] | None:
    """Stages and splits of a pattern in ring form; None where phases that meet are no stage of the controller.

    Parameters
    ----------
    data : controller data with rings.
    rings : per ring its phases in order, each with its split [tenths]; all rings of one length.
    """
    groups = {phase["phase"]: phase["groups"] for phase in data["rings"]["phases"]}
    spans = []
    for ring in rings:
        end = 0
        for entry in ring:
            spans.append((end, end + entry["split"], groups[entry["phase"]]))
            end += entry["split"]
    numbers = {}
    for stage in reversed(data["stages"]):
        numbers[frozenset(g for g, aspect in enumerate(stage["aspects"]) if aspect in "Gg")] = stage["stage"]
    bounds = sorted({0, *(end for _, end, _ in spans)})
    stages = []
    for begin, end in pairwise(bounds):
        green = frozenset(g for a, b, members in spans if a <= begin and end <= b for g in members)
        if green not in numbers:
            return None
        stages.append({"stage": numbers[green], "split": end - begin})
    return stages


def _pairs(stages: list[dict[str, int]]) -> list[tuple[int, int]]:
    """Every stage of a cycle with the one that follows it."""
    numbers = [entry["stage"] for entry in stages]
    return list(zip(numbers, [*numbers[1:], numbers[0]], strict=True))


def _begins(stages: list[dict[str, int]], changes: list[int]) -> list[int]:
    """Begin of every stage, the first at 0; ``changes[k]`` is the interstage after stage k.

    A split is counted from greens to greens, a stage begins an interstage before its greens.
    """
    begins, greens = [], changes[-1]
    for k, entry in enumerate(stages):
        begins.append(greens - changes[k - 1])
        greens += entry["split"]
    return begins


# ---- the form of documents


class _Whole(NamedTuple):
    """An integer of at least ``least``; where ``none`` is set, null as well."""

    least: int = 0
    none: bool = False
    most: int = LARGEST


class _Text(NamedTuple):
    """A text, one of ``choice`` or made of ``letters`` where those are given."""

    choice: tuple[str, ...] = ()
    letters: str = ""
    most: int = MOST_TEXT


class _Many(NamedTuple):
    """A list of values of one shape."""

    of: Any
    most: int = MOST_STAGES
    least: int = 1


class _Flag(NamedTuple):
    """True or false."""


class _Open(NamedTuple):
    """Anything without floats, shallow and small."""


class _Later(NamedTuple):
    """Something that is judged elsewhere."""


_TIME, _COUNT, _TEXT = _Whole(-LARGEST), _Whole(), _Text()
_CLOCK = {"pattern": _COUNT, "cycle": _COUNT, "offset": _TIME, "offset_reference": _TEXT}
_PATTERN = {**_CLOCK, "stages": _Many({"stage": _COUNT, "split": _COUNT})}
_BODY = {
    "schedule": {"stages": _Many({"stage": _COUNT, "begin": _TIME})},
    "pattern": _PATTERN,
    "rings": {**_CLOCK, "rings": _Many(_Many({"phase": _COUNT, "split": _COUNT}), MOST_RINGS)},
}
_PLAN = {
    "format": _Text((PLAN_FORMAT,)),
    "plan_id": _TEXT,
    "seq": _COUNT,
    "intersection": _TEXT,
    "config_hash": _TEXT,
    "made_at": _TIME,
    "valid_from": _TIME,
    "lease_until": _TIME,
    "poll_after": _Whole(1, most=MOST_POLL),
    "time_base": {"epoch": _Text((EPOCH,)), "unit": _Text((UNIT,)), "time_zone": _TEXT, "clock_error": _COUNT},
    "body": _Later(),
    "fallback": {"pattern": _COUNT},
    "transition": {"mode": _Text(MODES), "max_cycles": _COUNT, "cost": _TIME},
    "author": {"kind": _Text(("algorithm", "person")), "name": _TEXT, "version": _TEXT},
    "why": _Many(_Open(), MOST_STAGES, 0),
}
_SHOWN = {
    "stage": _Whole(none=True),
    "changing": _Flag(),
    "since": _TIME,
    "aspects": _Text(letters="ryGg"),
    "aspect_since": _Many(_TIME, MOST_GROUPS),
    "green_end": _Many(_Whole(-LARGEST, none=True), MOST_GROUPS),
}
_GROUP = {
    "group": _COUNT,
    "kind": _Text(("vehicle", "pedestrian")),
    "lamps": _Many(_COUNT, MOST_LAMPS, 0),
    "min_green": _COUNT,
    "yellow": _COUNT,
    "max_yellow": _COUNT,
    "max_red": _COUNT,
    "red_bound": _Whole(none=True),
}
_RINGS = {
    "phases": _Many({"phase": _COUNT, "groups": _Many(_COUNT, MOST_GROUPS)}),
    "rings": _Many(_Many(_COUNT), MOST_RINGS),
    "barriers": _Many(_Many(_COUNT)),
}
_DATA = {
    "format": _Text((DATA_FORMAT,)),
    "intersection": _TEXT,
    "profile": _TEXT,
    "time_zone": _TEXT,
    "groups": _Many(_GROUP, MOST_GROUPS),
    "lamp_red": _Text(letters="rs", most=MOST_LAMPS),
    "conflict": _Many(_Many(_Whole(most=2), MOST_GROUPS), MOST_GROUPS),
    "intergreen": _Many(_Many(_COUNT, MOST_GROUPS), MOST_GROUPS),
    "stages": _Many({"stage": _COUNT, "aspects": _Text(letters="rgG")}, MOST_GROUPS),
    "patterns": _Many(_PATTERN),
    "time_of_day": _Many({"from": _TEXT, "pattern": _COUNT}),
    "rings": _Later(),
    "lead": _COUNT,
    "limits": {"cycle_min": _COUNT, "cycle_max": _COUNT, "change_cap": _COUNT},
}


def _say(value: Any) -> str:
    """Name a value in few letters, whatever it is."""
    if value is None or isinstance(value, (bool, float)):
        return str(value)
    if isinstance(value, int):
        return str(value) if abs(value) <= LARGEST else "a huge number"
    if isinstance(value, str):
        return ascii(value[:40]) + ("..." if len(value) > 40 else "")
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else "no JSON"


def _place(where: Any) -> str:
    """Write a place, a pair of the place around it and a name or number, as text."""
    if not isinstance(where, tuple):
        return str(where) or "document"
    outer, inner = where
    if isinstance(inner, int):
        return f"{_place(outer)}[{inner}]"
    return f"{_place(outer)}.{inner}" if outer else str(inner)


def _match(value: Any, shape: Any, where: Any, found: list[Refusal]) -> bool:
    """Judge that a value has a shape; recursion goes as deep as the shape, not as the value."""
    if type(shape) is _Whole:
        if (type(value) is int and shape.least <= value <= shape.most) or (value is None and shape.none):
            return True
        code = "range" if type(value) is int else "integer" if isinstance(value, (bool, float)) else "type"
        wanted = f"an integer of {shape.least} to {shape.most} belongs"
        found.append(Refusal(code, f"{_say(value)} stands where {wanted}", _place(where)))
        return False
    if type(shape) is dict:
        return _match_object(value, shape, where, found)
    if type(shape) is _Text:
        return _match_text(value, shape, where, found)
    if type(shape) is _Open:
        return _match_open(value, where, found)
    if type(shape) is _Later:
        return True
    if type(shape) is _Flag:
        if type(value) is not bool:
            found.append(Refusal("type", f"{_say(value)} stands where true or false belongs", _place(where)))
        return type(value) is bool
    if type(value) is not list:
        found.append(Refusal("type", f"{_say(value)} stands where a list belongs", _place(where)))
        return False
    if not shape.least <= len(value) <= shape.most:
        said = f"{len(value)} entries; there may be {shape.least} to {shape.most}"
        found.append(Refusal("size", said, _place(where)))
        return False
    count, inner = len(found), shape.of
    plain = type(inner) is _Whole
    for k, item in enumerate(value):
        if not (plain and type(item) is int and inner.least <= item <= inner.most):
            _match(item, inner, (where, k), found)
        if len(found) >= MOST_REFUSALS:
            break
    return len(found) == count


def _match_object(value: Any, fields: dict[str, Any], where: Any, found: list[Refusal]) -> bool:
    if type(value) is not dict:
        found.append(Refusal("type", f"{_say(value)} stands where an object belongs", _place(where)))
        return False
    count = len(found)
    for name, shape in fields.items():
        if name in value:
            item = value[name]
            # The commonest fields without a call: this is where most of a judgement's time goes.
            if type(shape) is _Whole:
                plain = type(item) is int and shape.least <= item <= shape.most
            else:
                plain = shape is _TEXT and type(item) is str and len(item) <= MOST_TEXT and item.isascii()
            if not plain:
                _match(item, shape, (where, name), found)
        else:
            found.append(Refusal("missing", f"the field {name} is missing", _place((where, name))))
    if len(value) > len(fields) or len(found) > count:
        unknown = [name for name in islice(value, len(fields) + 8) if name not in fields]
        found.extend(Refusal("unknown_field", f"the format has no field {_say(n)}", _place(where)) for n in unknown)
    return len(found) == count


def _match_text(value: Any, shape: _Text, where: Any, found: list[Refusal]) -> bool:
    if type(value) is not str:
        found.append(Refusal("type", f"{_say(value)} stands where a text belongs", _place(where)))
    elif shape.choice and value not in shape.choice:
        code = "format" if len(shape.choice) == 1 else "range"
        found.append(Refusal(code, f"{_say(value)} is not {' or '.join(shape.choice)}", _place(where)))
    elif len(value) > shape.most:
        found.append(Refusal("size", f"{len(value)} letters; the most are {shape.most}", _place(where)))
    elif shape.letters and not set(shape.letters).issuperset(value):
        found.append(Refusal("range", f"the letters are {', '.join(shape.letters)}", _place(where)))
    elif not value.isascii() and not _writable(value):
        found.append(Refusal("type", "half a character, which UTF-8 cannot carry", _place(where)))
    else:
        return True
    return False


def _writable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _match_open(value: Any, where: Any, found: list[Refusal]) -> bool:
    """Judge a value whose fields the format leaves open."""
    waiting, nodes, count = [(value, 0)], 0, len(found)
    while waiting and len(found) == count:
        item, level = waiting.pop()
        members: list[Any] = []
        if type(item) is dict:
            members = [*islice(item.values(), MOST_NODES), *islice(item, MOST_NODES)]
        elif type(item) is list:
            members = item[:MOST_NODES]
        elif type(item) is str:
            _match_text(item, _TEXT, where, found)
        elif item is not None and type(item) is not bool:
            _match(item, _TIME, where, found)
        nodes += len(members)
        if nodes > MOST_NODES or (members and level == MOST_LEVELS):
            said = f"more than {MOST_NODES} values or {MOST_LEVELS} levels"
            found.append(Refusal("size", said, _place(where)))
        for member in members:
            # Most are short texts and numbers: not worth a round.
            plain = (type(member) is str and len(member) <= MOST_TEXT and member.isascii()) or member is None
            if not plain and not (type(member) is int and -LARGEST <= member <= LARGEST):
                waiting.append((member, level + 1))
    return len(found) == count


def _plan_shape(plan: Any, found: list[Refusal]) -> bool:
    """Judge the form of a plan; if it is good, everything that the rules read is there and of its type."""
    if not _match(plan, _PLAN, "", found):
        return False
    body = plan["body"]
    kinds = [name for name in _BODY if type(body) is dict and name in body]
    if len(kinds) != 1:
        found.append(Refusal("type", "a body is an object with one of schedule, pattern and rings", "body"))
        return False
    if not all(type(reason) is dict for reason in plan["why"]):
        found.append(Refusal("type", "every reason is an object", "why"))
        return False
    return _match(body, {kinds[0]: _BODY[kinds[0]]}, "body", found)


def _data_faults(data: Any) -> list[Refusal]:
    """Refusals that controller data deserve."""
    found: list[Refusal] = []
    if _match(data, _DATA, "", found) and (data["rings"] is None or _match(data["rings"], _RINGS, "rings", found)):
        n = len(data["groups"])
        _numbers_fit(data, n, found)
        _timetable_fits(data, found)
        if data["rings"] is not None:
            _rings_fit(data["rings"], n, found)
    return [Refusal("data", f"{refusal.code}: {refusal.sentence}", f"data.{refusal.where}") for refusal in found]


def _numbers_fit(data: dict[str, Any], n: int, found: list[Refusal]) -> None:
    """Judge that numbers are places, and that there is one entry per group everywhere."""
    lamps = [lamp for group in data["groups"] for lamp in group["lamps"]]
    if len(set(lamps)) < len(lamps) or max(lamps, default=0) >= max(len(data["lamp_red"]), 1):
        found.append(Refusal("range", "lamps are places in lamp_red, each of one group", "groups"))
    numbers = [group["group"] for group in data["groups"]], [stage["stage"] for stage in data["stages"]]
    if any(numbered != list(range(len(numbered))) for numbered in numbers):
        found.append(Refusal("range", "the number of a group and of a stage is its place", "groups, stages"))
    if any(len(stage["aspects"]) != n for stage in data["stages"]):
        found.append(Refusal("size", f"there must be {n} aspects", "stages"))
    lines = [data["conflict"], data["intergreen"], *data["conflict"], *data["intergreen"]]
    if any(len(line) != n for line in lines):
        found.append(Refusal("size", f"there must be {n} lines of {n}", "conflict, intergreen"))


def _timetable_fits(data: dict[str, Any], found: list[Refusal]) -> None:
    known = {pattern["pattern"] for pattern in data["patterns"]}
    if len(known) < len(data["patterns"]):
        found.append(Refusal("range", "two patterns have one number", "patterns"))
    if any(entry["pattern"] not in known for entry in data["time_of_day"]):
        found.append(Refusal("range", "a pattern that is not there", "time_of_day"))
    starts = [entry["from"] for entry in data["time_of_day"]]
    if not all(map(_is_time_of_day, starts)) or starts != sorted(set(starts)) or starts[0] != "00:00":
        found.append(Refusal("order", "times HH:MM that increase, the first 00:00", "time_of_day"))


def _is_time_of_day(text: str) -> bool:
    digits = text[:2] + text[3:]
    good = len(text) == 5 and text[2] == ":" and text.isascii() and digits.isdigit()
    return good and int(text[:2]) < 24 and int(text[3:]) < 60


def _rings_fit(rings: dict[str, Any], n: int, found: list[Refusal]) -> None:
    phases = sorted(phase["phase"] for phase in rings["phases"])
    if any(g >= n for phase in rings["phases"] for g in phase["groups"]) or len(set(phases)) < len(phases):
        found.append(Refusal("range", "phases have numbers of their own and groups of the controller", "rings.phases"))
    if any(sorted(phase for members in rings[name] for phase in members) != phases for name in ("rings", "barriers")):
        found.append(Refusal("range", "every phase stands once in a ring and once in a barrier", "rings"))


# ---- as a program


def _read(path: str) -> Any:
    """Read a JSON file; damaged ones end the program."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        sys.stderr.write(f"{path}: not readable as JSON: {type(error).__name__}\n")
        sys.exit(2)


def main(arguments: list[str]) -> int:
    """``checker.py data.json [plan.json]``: print refusals; 0 lawful, 1 refused, 2 wrong call or unreadable."""
    if len(arguments) not in {1, 2}:
        sys.stderr.write("usage: checker.py data.json [plan.json]\n")
        return 2
    checker = Checker(_read(arguments[0]))
    found = checker.check(_read(arguments[1])) if len(arguments) == 2 else checker.check_patterns()
    for refusal in found:
        sys.stdout.write(f"{refusal.code} {refusal.where}: {refusal.sentence}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
