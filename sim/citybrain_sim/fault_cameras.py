"""Faults of cameras: a lost lane, no sight at all, a place that is not theirs, dropping in and out.

Index letter: x sensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain_sim.fault_rows import only

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from citybrain_sim.fault_case import Case
    from citybrain_sim.fault_rows import Rows, Table


class LostLane:
    """Cameras that report one of their stop-line lanes no more."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._lost = np.full(len(case.hit), -1, dtype=np.int64)
        sensors = case.sensors
        for x in case.sick.tolist():
            cover = slice(int(sensors.cover_ptr[x]), int(sensors.cover_ptr[x + 1]))
            near = sensors.cover_lane[cover][sensors.cover_offset[cover] <= 0.0]
            self._lost[x] = near[case.rng.integers(len(near))] if len(near) else -1

    def apply(self, rows: Rows, now: float) -> Rows:  # noqa: ARG002 - what counts is the time of the row
        """Take out the objects and counts of both kinds of the lost lanes."""
        left = dict(rows)
        for name in ("object", "count", "turn"):
            table = rows[name]
            gone = self._case.struck(table) & (table["lane"] == self._lost[table["sensor"]])
            left[name] = only(table, ~gone)
        return left

    def detail(self, x: int) -> dict[str, Any]:
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {"lane": self._case.network.lane_id[self._lost[x]]}


class NoObjects:
    """Cameras that see nothing and do not know it: their frames go on, their counts are zero, nobody turns."""

    def __init__(self, case: Case) -> None:
        self._case = case

    def apply(self, rows: Rows, now: float) -> Rows:  # noqa: ARG002 - what counts is the time of the row
        """Take out objects and turning counts; empty counts."""
        count = rows["count"]
        empty = self._case.struck(count)
        blank = {
            column: np.where(empty & ~np.isnan(count[column]), 0.0, count[column]).astype(count[column].dtype)
            for column in ("vehicles", "occupancy", "queue")
        }
        left = {name: only(rows[name], ~self._case.struck(rows[name])) for name in ("object", "turn")}
        return {**rows, **left, "count": {**count, **blank}}

    def detail(self, x: int) -> dict[str, Any]:  # noqa: ARG002 - nothing is drawn
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {}


class Shift:
    """Cameras that look elsewhere than they were set up for; what falls beyond a lane's ends is not reported."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._away = np.where(case.rng.random(len(case.hit)) < 0.5, 1.0, -1.0)
        self._side = np.where(case.rng.random(len(case.hit)) < 0.5, 1, -1)
        self._turn_rng = case.rng.spawn(1)[0]
        self._seen = {
            (x, int(lane))
            for x in case.sick.tolist()
            for lane in case.sensors.cover_lane[case.sensors.cover_ptr[x] : case.sensors.cover_ptr[x + 1]]
        }

    def apply(self, rows: Rows, now: float) -> Rows:  # noqa: ARG002 - what counts is the time of the row
        """Move objects along their lane, and a share of them and of turning counts to the lane beside."""
        case, objects = self._case, dict(rows["object"])
        struck = case.struck(objects) & (objects["lane"] >= 0)
        sensor, lane, length = objects["sensor"], objects["lane"], case.network.lane_length
        moved = objects["distance"] + np.where(struck, self._away[sensor] * case.figures["distance_m"], 0.0)
        drawn = struck & (case.rng.random(len(lane)) < case.figures["lane_share"])
        objects["distance"] = moved.astype(objects["distance"].dtype)
        objects["lane"] = lane.copy()
        objects["lane"][drawn] = self._beside(sensor[drawn], lane[drawn])
        fallen = struck & ((moved < 0.0) | (moved > length[lane]))
        return {**rows, "object": only(objects, ~fallen), "turn": self._beside_counted(rows["turn"])}

    def detail(self, x: int) -> dict[str, Any]:
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {"distance_m": float(self._away[x] * self._case.figures["distance_m"]), "side": int(self._side[x])}

    def _beside_counted(self, turn: Table) -> Table:
        """Move a share of turning counts to the lane beside."""
        drawn = self._case.struck(turn) & (self._turn_rng.random(len(turn["lane"])) < self._case.figures["lane_share"])
        lane = turn["lane"].copy()
        lane[drawn] = self._beside(turn["sensor"][drawn], lane[drawn])
        return {**turn, "lane": lane}

    def _beside(self, sensor: NDArray[Any], lane: NDArray[Any]) -> NDArray[Any]:
        """Lane beside each, where the same road has one and the camera sees it; else the lane itself."""
        edge = self._case.network.lane_edge
        beside = lane + self._side[sensor]
        inside = (beside >= 0) & (beside < len(edge))
        seen = np.array([key in self._seen for key in zip(sensor.tolist(), beside.tolist(), strict=True)], np.bool_)
        there = inside & seen
        there[there] = edge[beside[there]] == edge[lane[there]]
        return np.where(there, beside, lane)


class Flicker:
    """Cameras that drop in and out; both times are exponentially distributed."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._out = np.zeros(len(case.hit), dtype=np.bool_)
        self._next = np.full(len(case.hit), np.inf)
        self._next[case.sick] = case.begin + case.rng.exponential(case.figures["up_s"], len(case.sick))
        self._spells: dict[int, list[list[float]]] = {x: [] for x in case.sick.tolist()}

    def apply(self, rows: Rows, now: float) -> Rows:
        """Take out all that arrives while a camera is out."""
        for x in np.flatnonzero(self._next <= min(now, self._case.end)).tolist():
            self._switch(x, now)
        out = self._out if now < self._case.end else np.zeros_like(self._out)
        return {name: only(table, ~out[table["sensor"]]) for name, table in rows.items()}

    def detail(self, x: int) -> dict[str, Any]:
        """See :class:`citybrain_sim.fault_case.FaultyPart`."""
        return {"spells": [[begin, min(end, self._case.end)] for begin, end in self._spells[x]]}

    def _switch(self, x: int, now: float) -> None:
        """Carry out every change of one camera up to now."""
        case = self._case
        while self._next[x] <= min(now, case.end):
            moment = float(self._next[x])
            self._out[x] = not self._out[x]
            lasts = case.rng.exponential(case.figures["down_s" if self._out[x] else "up_s"])
            self._next[x] = moment + lasts
            if self._out[x]:
                self._spells[x].append([moment, moment + lasts])
