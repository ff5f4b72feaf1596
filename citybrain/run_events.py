"""A run's high-resolution events: what a controller on the street would have logged, as Parquet.

Lamps are what was shown, tick by tick; detectors are the run's loops at the stop line and upstream of it, with what
they reported, late and faulty as it was. An observer of the engine; runs without one tell it the aspects themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from citybrain.decisions import Ending, Rule
from citybrain.events import Code, begins, cleared, ends, turns_red
from citybrain.measure_tables import EVENT_TABLES
from citybrain.observations import SensorKind
from citybrain.signals import Aspect, GroupKind

if TYPE_CHECKING:
    from pathlib import Path

    from citybrain.decisions import Command, Wish
    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.signals import Signals
    from citybrain.state import TrafficState
    from citybrain.timings import Timings

MS_PER_TENTH = 100
ROWS_PER_GROUP = 100_000
FUNCTIONS = {SensorKind.STOP_LOOP: "Presence", SensorKind.ADVANCE_LOOP: "Advance"}
ENDINGS = {Ending.FORCED: Code.FORCE_OFF, Ending.GAP: Code.GAP_OUT, Ending.MAXIMUM: Code.MAX_OUT}
EXTEND_S = 2.0
"""Loops are points, detectors of presence on streets are zones: at 7 m/s a zone of 15 m sees a vehicle 2 s longer."""
NEVER = np.iinfo(np.int64).max


class RunEvents:
    """Writes ``events.parquet`` and ``detectors.parquet`` of one run.

    Phase of a group: its place in its intersection, from 1. Channel of a loop: its place among those of its
    intersection, from 1. A detector stands in the list once for every phase that its lane serves.

    Parameters
    ----------
    folder : of the run.
    """

    def __init__(
        self,
        folder: Path,
        network: Network,
        signals: Signals,
        timings: Timings,
        sensors: SensorTable,
    ) -> None:
        n = signals.n_intersections
        self._place = np.repeat(np.arange(n, dtype=np.int32), np.diff(signals.group_ptr))
        self._phase = np.arange(signals.n_groups) - signals.group_ptr[self._place] + 1
        self._pedestrian = signals.group_kind == GroupKind.PEDESTRIAN
        self._clearance = _clearances(signals, timings)
        self._aspect: NDArray[np.uint8] | None = None
        self._due = np.full(signals.n_groups, NEVER, np.int64)
        self._loop_place, self._channel = _channels(network, sensors)
        self._names = pa.array(network.intersection_id, pa.string())
        self._rows: list[tuple[NDArray[np.int64], ...]] = []
        self._waiting: list[tuple[int, int, int, int]] = []
        self._kept = 0
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            _detectors(network, signals, sensors, self._channel), folder / "detectors.parquet", compression="zstd"
        )
        self._schema = EVENT_TABLES["events"].schema
        self._writer = pq.ParquetWriter(folder / "events.parquet", self._schema, compression="zstd")

    def tick(self, batch: ObservationBatch, state: TrafficState, wish: Wish, command: Command) -> None:
        """Keep what the loops reported and what the lamps show from now on.

        Greens end as the controller says; where the guard ended one because a red elsewhere had lasted for too long,
        it was maxed out.
        """
        del state
        place = self._loop_place[batch.loop_sensor]
        kept = np.flatnonzero(place >= 0)
        code = np.where(batch.loop_on[kept], Code.DETECTOR_ON, Code.DETECTOR_OFF)
        time = np.round(batch.loop_time[kept] * 1000.0).astype(np.int64)
        self._rows.append((time, place[kept], code, self._channel[batch.loop_sensor[kept]]))
        self._kept += len(kept)
        ending = np.zeros(len(self._names), np.uint8) if wish.ending is None else wish.ending.copy()
        ending[command.bent_intersection[command.bent_rule == Rule.MAXIMUM_RED]] = Ending.MAXIMUM
        self.shown(command.time, command.lamps.aspect, ending)

    def shown(self, time: int, aspect: NDArray[np.uint8], ending: NDArray[np.uint8] | None = None) -> None:
        """Note what all groups show from a time on.

        Parameters
        ----------
        time : [tenths].
        aspect : [G] ``Aspect``.
        ending : [I] ``Ending`` of greens that end now; None: nobody knows.
        """
        before = self._aspect
        self._aspect = aspect.copy()
        if before is None:
            return
        for g in np.flatnonzero(self._due <= time).tolist():
            self._tell(int(self._due[g]), g, cleared(pedestrian=bool(self._pedestrian[g])))
            self._due[g] = NEVER
        for g in np.flatnonzero(aspect != before).tolist():
            self._change(time, g, int(before[g]), int(aspect[g]), ending)

    def drain(self) -> None:
        """Write a row group where enough events have gathered."""
        if self._kept + len(self._waiting) >= ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left and complete the file. May be called more than once."""
        try:
            self._flush()
        finally:
            self._writer.close()

    def _change(self, time: int, g: int, before: int, after: int, ending: NDArray[np.uint8] | None) -> None:
        pedestrian = bool(self._pedestrian[g])
        if before >= Aspect.PERMISSIVE and after < Aspect.PERMISSIVE:
            if not pedestrian and ending is not None:
                self._tell(time, g, (ENDINGS[Ending(int(ending[self._place[g]]))],))
            self._tell(time, g, ends(pedestrian=pedestrian, yellow=after == Aspect.YELLOW))
            self._due[g] = time + int(self._clearance[g])
        elif before == Aspect.YELLOW and not pedestrian:  # some programs go from yellow to green
            self._tell(time, g, turns_red() if after == Aspect.RED else (Code.YELLOW_END,))
        if before < Aspect.PERMISSIVE <= after:
            self._tell(time, g, begins(pedestrian=pedestrian))
            self._due[g] = NEVER

    def _tell(self, time: int, g: int, codes: tuple[Code, ...]) -> None:
        self._waiting += [(time, int(self._place[g]), code, int(self._phase[g])) for code in codes]

    def _flush(self) -> None:
        lamps = np.array(self._waiting, np.int64).reshape(len(self._waiting), 4)
        rows = [*self._rows, (lamps[:, 0] * MS_PER_TENTH, lamps[:, 1], lamps[:, 2], lamps[:, 3])]
        self._rows, self._waiting, self._kept = [], [], 0
        columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
        if not len(columns[0]):
            return
        order = np.lexsort((columns[3], columns[2], columns[1], columns[0]))
        time, place, code, parameter = (column[order] for column in columns)
        arrays = [
            pa.array(time, pa.timestamp("ms")),
            pa.DictionaryArray.from_arrays(pa.array(place, pa.int32()), self._names),
            pa.array(code, pa.int16()),
            pa.array(parameter, pa.int16()),
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))


def _clearances(signals: Signals, timings: Timings) -> NDArray[np.int64]:
    """From every group's end of green until everything that conflicts with it may begin [G, tenths]."""
    out = timings.yellow.astype(np.int64)
    for i in range(signals.n_intersections):
        first, end = int(signals.group_ptr[i]), int(signals.group_ptr[i + 1])
        n, start = end - first, int(signals.conflict_ptr[i])
        block = timings.intergreen[start : start + n * n].reshape(n, n)
        if n:
            out[first:end] = np.maximum(out[first:end], block.max(axis=1))
    return out


def _channels(network: Network, sensors: SensorTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Intersection and channel of every sensor [X]; -1 and 0 for those that are no detector of a stop-line lane."""
    owner = np.full(network.n_lanes, -1, np.int32)
    owner[network.approach_lane] = np.repeat(
        np.arange(network.n_intersections, dtype=np.int32), np.diff(network.approach_ptr)
    )
    loop = np.isin(sensors.kind, list(FUNCTIONS)) & (sensors.lane >= 0)
    place = np.where(loop, owner[sensors.lane], -1).astype(np.int64)
    channel = np.zeros(len(place), np.int64)
    for i in range(network.n_intersections):
        mine = np.flatnonzero(place == i)
        channel[mine] = np.arange(1, len(mine) + 1)
    return place, channel


def _detectors(network: Network, signals: Signals, sensors: SensorTable, channel: NDArray[np.int64]) -> pa.Table:
    """List the detectors as the table ``detectors`` has them."""
    lane = network.move_from[signals.group_move]
    group = np.repeat(np.arange(signals.n_groups), np.diff(signals.group_move_ptr))
    serves: dict[int, list[int]] = {}
    for on, g in sorted(set(zip(lane.tolist(), group.tolist(), strict=True))):
        serves.setdefault(on, []).append(g)
    intersection = np.repeat(np.arange(signals.n_intersections), np.diff(signals.group_ptr))
    rows = []
    for x in np.flatnonzero(channel).tolist():
        on = int(sensors.lane[x])
        for g in serves.get(on, []):
            i = int(intersection[g])
            rows.append(
                {
                    "DeviceId": network.intersection_id[i],
                    "Phase": g - int(signals.group_ptr[i]) + 1,
                    "Parameter": int(channel[x]),
                    "Function": FUNCTIONS[SensorKind(int(sensors.kind[x]))],
                    "Offset": float(sensors.distance[x] / network.lane_speed[on]),
                    "Extend": EXTEND_S,
                    "Sensor": sensors.sensor_id[x],
                }
            )
    return pa.Table.from_pylist(rows, schema=EVENT_TABLES["detectors"].schema)
