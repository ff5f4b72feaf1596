"""What is known of all sensors at one moment, for readers; made into words only when they are asked for.

May import the rest of this room but the estimator, and the brain's tables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.health.findings import FAULTS, NEVER_REPORTED, Finding, Status
from citybrain.health.reasons import figures_of, reason_of, unheard_reason
from citybrain.health.unheard import missed_by
from citybrain.observations import SensorKind

if TYPE_CHECKING:
    from citybrain.health.unheard import FloatArray
    from citybrain.network import Network
    from citybrain.observations import SensorTable
    from citybrain_kernels.health import Diary, Watch

READ = (
    "score",
    "row_sick",
    "low",
    "high",
    "base",
    "seen_own",
    "seen_peer",
    "covered",
    "on_time",
    "latest",
    "lag",
    "late",
    "doubled",
    "disordered",
    "short",
    "recent",
    "recent_peer",
    "status",
    "fault",
    "since",
    "trust",
    "now",
)
"""Columns of the diary that go into words."""


@dataclass(frozen=True)
class Opinion:
    """All sensors at one moment.

    Attributes
    ----------
    diary : as it was at that moment. watch, network, sensors : what it speaks of.
    counted : [K] vehicles since the start, by counter.
    limit, warn : score from which on a sensor is sick, and suspect.
    substitute : by sensor, what stands in for it and how many vehicles were made up; empty: nothing for nobody.
    """

    diary: Diary
    watch: Watch
    network: Network
    sensors: SensorTable
    counted: FloatArray
    limit: float
    warn: float
    substitute: tuple[tuple[str | None, int], ...] = ()

    def findings(self) -> list[Finding]:
        """Say of every sensor what it is, since when, why, and by which figures; in the order of the table."""
        missed, beside = missed_by(self.counted, self.watch, self.diary)
        found = [self._finding(x) for x in range(len(self.sensors.sensor_id))]
        for x in np.flatnonzero(missed >= 0.0).tolist():
            if found[x].status is Status.WELL:
                found[x] = self._unheard(found[x], float(missed[x]), float(beside[x]))
        return found

    def _unheard(self, finding: Finding, missed: float, beside: float) -> Finding:
        """Say of a sensor that has never counted that this is odd, or not yet; its lane may well be empty."""
        odd = missed >= self.warn
        reason = unheard_reason(beside, odd=odd)
        if not odd:
            return replace(finding, reason=reason)
        return replace(finding, status=Status.SUSPECT, fault=NEVER_REPORTED, reason=reason, score=missed)

    def documents(self, origin_s: float = 0.0) -> list[dict[str, Any]]:
        """Tell the same as plain types, with place and kind; times are counted from ``origin_s`` earlier [s]."""
        told = []
        for x, finding in enumerate(self.findings()):
            moved = replace(finding, since=finding.since + origin_s)
            told.append({**self._place(x), **moved.document()})
        return told

    def _place(self, x: int) -> dict[str, Any]:
        sensors = self.sensors
        lanes = [sensors.lane[x]] if sensors.lane[x] >= 0 else self.watch.lane[self._counters(x)]
        return {
            "sensor": sensors.sensor_id[x],
            "kind": SensorKind(int(sensors.kind[x])).name.lower(),
            "lanes": [self.network.lane_id[lane] for lane in lanes],
            "distance_m": round(float(sensors.distance[x]), 1),
        }

    def _counters(self, x: int) -> slice:
        return slice(int(self.watch.counter_ptr[x]), int(self.watch.counter_ptr[x + 1]))

    def _finding(self, x: int) -> Finding:
        diary, watch = self.diary, self.watch
        status = Status(int(diary.status[x]))
        fault = None if status is Status.WELL else FAULTS[int(diary.fault[x])]
        mine = self._counters(x)
        lost = watch.lane[mine][diary.row_sick[mine] & watch.is_camera[mine]]
        names = tuple(self.network.lane_id[lane] for lane in lost)
        figures = figures_of(diary, watch, x)
        substitute, made_up = self.substitute[x] if self.substitute else (None, 0)
        return Finding(
            sensor=self.sensors.sensor_id[x],
            status=status,
            fault=fault,
            since=float(diary.since[x]),
            trust=float(diary.trust[x]),
            lost_lanes=names,
            figures=figures,
            reason=reason_of(fault, figures, names),
            score=0.0 if fault is None else float(diary.score[x, int(diary.fault[x])]),
            limit=self.limit,
            substitute=substitute,
            made_up=made_up,
        )


def copied(diary: Diary) -> Diary:
    """Copy what readers may ask for; what only the examination needs is not copied."""
    kept: dict[str, Any] = {name: getattr(diary, name).copy() for name in READ}
    return diary._replace(**kept)
