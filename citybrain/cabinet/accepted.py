"""Plans that a cabinet has accepted, laid out for carrying out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from citybrain.cabinet.courses import Coordinated, Course, Schedule
from citybrain.cabinet.lamps import Lamps
from citybrain.cabinet.tables import Pattern, Tables, read_pattern
from citybrain.plans.checker import Checker, stages_of


@dataclass(frozen=True, slots=True)
class Accepted:
    """A plan that was found lawful: ``entries`` (stage, begin) of a schedule, or a pattern with its transition."""

    plan_id: str
    seq: int
    valid_from: int
    entries: tuple[tuple[int, int], ...] = ()
    pattern: Pattern | None = None
    way: str = ""
    max_cycles: int = 0

    def course(self, lamps: Lamps, time: int) -> Course:
        """Course that follows the plan from what is shown now."""
        if self.pattern is None:
            return Schedule(self.entries, time)
        return Coordinated(self.pattern, lamps, time, self.way, self.max_cycles)


def read_accepted(plan: dict[str, Any], data: dict[str, Any], tables: Tables, checker: Checker) -> Accepted:
    """Read a plan that the checker found lawful by the controller data."""
    body = plan["body"]
    name, seq, begin = plan["plan_id"], plan["seq"], plan["valid_from"]
    if "schedule" in body:
        entries = tuple((entry["stage"], entry["begin"]) for entry in body["schedule"]["stages"])
        return Accepted(name, seq, begin, entries)
    pattern = body.get("pattern") or {**body["rings"], "stages": stages_of(data, body["rings"]["rings"])}
    way, cycles = plan["transition"]["mode"], plan["transition"]["max_cycles"]
    return Accepted(name, seq, begin, (), read_pattern(tables, pattern, checker), way, cycles)
