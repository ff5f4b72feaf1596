"""From the engine's snapshot to what readers get. Reads only; a snapshot is never written again."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain.links import find_links
from citybrain_api.service.documents import (
    IntersectionState,
    IntersectionSummary,
    LaneState,
    LinkState,
    NetworkState,
    PlanSummary,
    Shown,
)

if TYPE_CHECKING:
    from citybrain.live.service import Live
    from citybrain.live.snapshot import Snapshot

UNKNOWN = "unknown"
"""Mode of a controller before its first acknowledgement."""


class Views:
    """Documents about one street. Index letters: i intersections, l lanes, k links.

    Parameters
    ----------
    live : the live room.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._network = live.site.network
        self._signals = live.site.signals
        self._position = {name: i for i, name in enumerate(self._network.intersection_id)}
        self._links = find_links(self._network)
        lanes_of: dict[int, list[int]] = {}
        for lane, edge in enumerate(self._network.lane_edge.tolist()):
            lanes_of.setdefault(edge, []).append(lane)
        self._link_lanes = [
            np.array([lane for edge in self._roads(k) for lane in lanes_of[edge]], dtype=np.int32)
            for k in range(len(self._links.origin))
        ]

    def summary(self, intersection: str, snapshot: Snapshot | None) -> IntersectionSummary:
        """Tell of one intersection in a few words."""
        plan = self._live.board.get(intersection)
        i = self._position[intersection]
        return IntersectionSummary(
            id=intersection,
            plan=None if plan is None else PlanSummary(plan_id=plan.plan_id, seq=plan.seq),
            alive=snapshot is not None and bool(snapshot.alive[i]),
            mode=UNKNOWN if snapshot is None else snapshot.mode[i],
        )

    def intersection(self, intersection: str, snapshot: Snapshot | None) -> IntersectionState:
        """Tell all that is believed of one intersection."""
        i = self._position[intersection]
        a, b = self._network.approach_ptr[i : i + 2]
        lanes = self._network.approach_lane[a:b].tolist()
        return IntersectionState(
            **self.summary(intersection, snapshot).model_dump(),
            time=self._live.engine_time if snapshot is None else snapshot.time,
            shown=None if snapshot is None else self._shown(snapshot, i),
            lanes=[] if snapshot is None else [self._lane(snapshot, lane) for lane in lanes],
            ack=None if snapshot is None else snapshot.ack.get(intersection),
        )

    def network(self, snapshot: Snapshot) -> NetworkState:
        """Tell of the network in a few figures."""
        state = snapshot.state
        return NetworkState(
            time=snapshot.time,
            vehicles=_number(state.vehicles.sum()),
            queue=_number(state.queue.sum()),
            confidence=_number(_mean(state.confidence, self._network.lane_length)),
            intersections=self._network.n_intersections,
            alive=sum(snapshot.alive),
            modes=dict(sorted(Counter(snapshot.mode).items())),
            plans_in_force=self.plans_in_force(),
        )

    def links(self, snapshot: Snapshot) -> list[LinkState]:
        """Tell of every link."""
        state, network, links = snapshot.state, self._network, self._links
        return [
            LinkState(
                origin=network.intersection_id[links.origin[k]],
                target=network.intersection_id[links.target[k]],
                roads=[network.edge_id[edge] for edge in self._roads(k)],
                length_m=_number(links.length[k]),
                vehicles=_number(state.vehicles[lanes].sum()),
                queue=_number(state.queue[lanes].sum()),
                confidence=_number(_mean(state.confidence[lanes], network.lane_length[lanes])),
            )
            for k, lanes in enumerate(self._link_lanes)
        ]

    def frame(self, snapshot: Snapshot) -> dict[str, Any]:
        """Tell of a tick what a moving picture of the network needs: short, since it goes out every second.

        ``lanes`` are in the network's order, as are ``intersections``.
        """
        state = snapshot.state
        return {
            "network": self.network(snapshot).model_dump(),
            "intersections": [
                {
                    "id": name,
                    "alive": bool(snapshot.alive[i]),
                    "mode": snapshot.mode[i],
                    **self._shown(snapshot, i).model_dump(),
                }
                for i, name in enumerate(self._network.intersection_id)
            ],
            "lanes": {
                "vehicles": np.round(state.vehicles.astype(float), 1).tolist(),
                "queue": np.round(state.queue.astype(float), 1).tolist(),
                "confidence": np.round(state.confidence.astype(float), 2).tolist(),
            },
        }

    def plans_in_force(self) -> int:
        """Count the intersections with a plan in force."""
        return sum(self._live.board.get(name) is not None for name in self._network.intersection_id)

    def _roads(self, k: int) -> list[int]:
        roads: list[int] = self._links.road[self._links.road_ptr[k] : self._links.road_ptr[k + 1]].tolist()
        return roads

    def _shown(self, snapshot: Snapshot, i: int) -> Shown:
        row = int(snapshot.lamps.row[i])
        stages = self._signals.stages(i).tolist()
        return Shown(
            stage=stages.index(row) if row in stages else None,
            changing=bool(snapshot.lamps.changing[i]),
            since=int(snapshot.lamps.since[i]),
        )

    def _lane(self, snapshot: Snapshot, lane: int) -> LaneState:
        state = snapshot.state
        age = float(state.age[lane])
        return LaneState(
            lane=self._network.lane_id[lane],
            vehicles=_number(state.vehicles[lane]),
            queue=_number(state.queue[lane]),
            back_of_queue_m=_number(state.back_of_queue[lane]),
            flow=_number(state.flow[lane]),
            confidence=_number(state.confidence[lane]),
            age_s=_number(age) if math.isfinite(age) else None,
        )


def _mean(values: NDArray[np.float32], weights: NDArray[np.float64]) -> float:
    return float(np.average(values, weights=weights)) if len(values) else 0.0


def _number(value: float | np.floating[Any]) -> float:
    return round(float(value), 3)
