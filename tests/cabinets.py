"""Controller data and plans for tests of the cabinet, and a monitor of lamps that shares nothing with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from citybrain.guard import red_bounds
from citybrain.plans.checker import Checker, hash_of
from citybrain.signals import Aspect, GroupKind, Signals
from citybrain.timings import Timings

EPOCH = {"epoch": "1970-01-01T00:00:00Z", "unit": "0.1 s", "time_zone": "UTC", "clock_error": 5}


def lawful_stages(signals: Signals) -> list[int]:
    """Stages of the first intersection in which no conflicting groups are green."""
    conflict = signals.conflicts(0)
    found = []
    for row in signals.stages(0):
        green = np.flatnonzero(signals.aspects(int(row)) >= Aspect.PERMISSIVE)
        if not np.any(conflict[np.ix_(green, green)] == 1):
            found.append(int(row))
    return found


def controller_data(signals: Signals, timings: Timings) -> dict[str, Any]:
    """Controller data of the first intersection; its one pattern goes through all lawful stages."""
    n = int(signals.group_ptr[1])
    rows = [int(row) for row in signals.stages(0)]
    bounds = red_bounds(signals, timings)[:n]
    conflict = signals.conflicts(0)
    letters = "rygG"
    data: dict[str, Any] = {
        "format": "citybrain/controller-data/1",
        "intersection": "A",
        "profile": timings.profile,
        "time_zone": "UTC",
        "groups": [
            {
                "group": g,
                "kind": "pedestrian" if signals.group_kind[g] == GroupKind.PEDESTRIAN else "vehicle",
                "lamps": [int(k) for k in np.flatnonzero(signals.lamp_group[: signals.lamp_ptr[1]] == g)],
                "min_green": int(timings.min_green[g]),
                "yellow": int(timings.yellow[g]),
                "max_yellow": int(timings.max_yellow[g]),
                "max_red": int(timings.max_red[g]),
                "red_bound": int(bounds[g]) if bounds[g] >= 0 else None,
            }
            for g in range(n)
        ],
        "lamp_red": bytes(signals.lamp_red[: signals.lamp_ptr[1]]).decode(),
        "conflict": conflict.tolist(),
        "intergreen": timings.intergreen[: n * n].reshape(n, n).tolist(),
        "stages": [
            {"stage": k, "aspects": "".join(letters[a] for a in signals.aspects(row))} for k, row in enumerate(rows)
        ],
        "patterns": [],
        "time_of_day": [{"from": "00:00", "pattern": 1}],
        "rings": None,
        "lead": 20,
        "limits": {"cycle_min": 1, "cycle_max": 100_000, "change_cap": 100_000},
    }
    lawful = [rows.index(row) for row in lawful_stages(signals)]
    data["patterns"] = [pattern_through(data, lawful, 37)]
    return data


def pattern_through(data: dict[str, Any], stages: list[int], offset: int, extra: int = 30) -> dict[str, Any]:
    """Pattern that shows these stages in order, each a little longer than it must be."""
    green = [[a in "gG" for a in stage["aspects"]] for stage in data["stages"]]
    entries = []
    for k, stage in enumerate(stages):
        following = stages[(k + 1) % len(stages)]
        ending = [g for g in range(len(green[0])) if green[stage][g] and not green[following][g]]
        starting = [g for g in range(len(green[0])) if green[following][g] and not green[stage][g]]
        change = max(
            [data["groups"][g]["yellow"] for g in ending]
            + [data["intergreen"][a][b] for a in ending for b in starting]
            + [0]
        )
        least = max(data["groups"][g]["min_green"] for g in range(len(green[0])))
        entries.append({"stage": stage, "split": change + least + extra})
    cycle = sum(entry["split"] for entry in entries)
    return {
        "pattern": 1,
        "cycle": cycle,
        "offset": offset % max(cycle, 1),  # unlawful patterns may have no length
        "offset_reference": "begin_of_first_stage",
        "stages": entries,
    }


def make_plan(
    data: dict[str, Any], seq: int, body: dict[str, Any], valid_from: int, lease_until: int
) -> dict[str, Any]:
    """Plan document with its identity."""
    plan: dict[str, Any] = {
        "format": "citybrain/plan/1",
        "seq": seq,
        "intersection": data["intersection"],
        "config_hash": hash_of(data),
        "made_at": valid_from - data["lead"],
        "valid_from": valid_from,
        "lease_until": lease_until,
        "poll_after": 10,
        "time_base": EPOCH,
        "body": body,
        "fallback": {"pattern": 1},
        "transition": {"mode": "short_way", "max_cycles": 3, "cost": 0},
        "author": {"kind": "algorithm", "name": "test", "version": "0"},
        "why": [],
    }
    return with_identity(plan)


def with_identity(plan: dict[str, Any]) -> dict[str, Any]:
    """The plan, named by its content."""
    content = {name: value for name, value in plan.items() if name != "plan_id"}
    return {**content, "plan_id": hash_of(content)}


def schedule(*entries: tuple[int, int]) -> dict[str, Any]:
    """Body of stages and begins."""
    return {"schedule": {"stages": [{"stage": stage, "begin": begin} for stage, begin in entries]}}


def is_usable(data: dict[str, Any]) -> bool:
    """Whether a cabinet would take the data."""
    return bool(data["patterns"][0]["stages"]) and not Checker(data).check_patterns()


class Monitor:
    """Judges lamps as they are seen, one look every tenth of a second: no plan, no stage, no cabinet.

    ``faults`` collects sentences.
    """

    def __init__(self, data: dict[str, Any], aspects: str, time: int) -> None:
        self.faults: list[str] = []
        self._groups, self._intergreen, self._conflict = data["groups"], data["intergreen"], data["conflict"]
        self._last, self._time = aspects, time
        self._since: list[int | None] = [None] * len(aspects)
        self._green_end: list[int | None] = [None] * len(aspects)

    def see(self, aspects: str, time: int) -> None:
        """Look at the lamps; ``time`` is counted by a watch that nobody sets."""
        assert time >= self._time
        now_green = [letter in "gG" for letter in aspects]
        for g, (old, new) in enumerate(zip(self._last, aspects, strict=True)):
            was_green = old in "gG"
            if old == new or (was_green and now_green[g]):
                continue
            since, group = self._since[g], self._groups[g]
            age = None if since is None else time - since
            if was_green:
                self._green_end[g] = time
                if age is not None and age < group["min_green"]:
                    self.faults.append(f"{time}: green of {g} lasted {age}")
                if new == "r" and group["yellow"] > 0:
                    self.faults.append(f"{time}: green of {g} ended without yellow")
            elif old == "y":
                if new != "r":
                    self.faults.append(f"{time}: {g} went from yellow to {new}")
                if age is not None and age < group["yellow"]:
                    self.faults.append(f"{time}: yellow of {g} lasted {age}")
            elif new == "y":
                self.faults.append(f"{time}: {g} went from red to yellow")
            self._since[g] = time
        for g, green in enumerate(now_green):
            if not green:
                continue
            for e, other in enumerate(now_green):
                ended = self._green_end[e]
                if other and self._conflict[e][g] == 1:
                    self.faults.append(f"{time}: {e} and {g} green together")
                begins = self._last[g] not in "gG"
                if begins and not other and ended is not None and time - ended < self._intergreen[e][g]:
                    self.faults.append(f"{time}: {g} began {time - ended} after {e}")
        self._last, self._time = aspects, time
