"""From posted bodies to observations that the engine may take in: every row is judged, every verdict told.

``read_json`` or ``read_arrow`` -> :class:`Judge` -> ``Judged`` (stored) -> ``merge`` -> ``ObservationBatch`` of a tick.
A row's verdict depends on that row alone, but for exact doubles: the first one posted stays. May import network,
observations and the ground.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from citybrain.intake.arrow_body import read_arrow
from citybrain.intake.doubles import first_of_equals, first_to_begin, untold_as_number
from citybrain.intake.json_body import read_json
from citybrain.intake.judged import Judged, merge, verdict_document
from citybrain.intake.names import MISSING, NameTable
from citybrain.intake.possible import (
    FAMILY_OF_ROW,
    SENDS,
    fitting_intervals,
    possible_counts,
    possible_objects,
    possible_turns,
    what_is_impossible,
    what_is_wrong_with_the_interval,
)
from citybrain.intake.posted import FIELDS, Limits, Posted, RowKind, Verdict
from citybrain.observations import ObservationBatch, SensorKind
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain.network import Network
    from citybrain.observations import SensorTable

__all__ = ["Judge", "Judged", "Limits", "Posted", "Verdict", "merge", "read_arrow", "read_json"]

MS_PER_TENTH = 1000 // TENTHS_PER_SECOND
AHEAD_S = 1.0
"""A row may be this far ahead of the engine's clock [s]: that much the sensor's clock may be wrong."""
OLDEST_S = 600.0
"""Rows older than this are refused [s]; a gateway that was cut off has that long to send what it kept."""
BEYOND_LANE = 5.0
"""An object may seem to lie this far beyond the begin of its lane [m]."""
Mask = NDArray[np.bool_]


class Judge:
    """Judges posted batches against a street; made once, since looking up 100,000 names takes longer than judging.

    Parameters
    ----------
    sensors, network : the street.

    Attributes
    ----------
    fingerprint : hash of the sensors' and lanes' names and order. What was judged refers to them by number.
    """

    def __init__(self, sensors: SensorTable, network: Network) -> None:
        self._sensor_ids, self._lane_ids, self._n_roads = sensors.sensor_id, network.lane_id, len(network.edge_id)
        self._sensor = NameTable(sensors.sensor_id)
        self._lane = NameTable(network.lane_id)
        self._road = NameTable(network.edge_id)
        self._sends = SENDS[np.append(sensors.kind, np.uint8(len(SENDS) - 1))]
        self._counts_by_lane = np.append(sensors.kind == SensorKind.CAMERA_COUNT, False)
        self._reach = np.append(network.lane_length + BEYOND_LANE, 0.0).astype(np.float32)
        camera = np.repeat(np.arange(len(sensors.sensor_id)), np.diff(sensors.cover_ptr))
        self._covered = np.sort(camera * len(network.lane_id) + sensors.cover_lane)
        self._seen_by = np.full(len(network.lane_id) + 1, -1, dtype=np.int32)
        self._seen_by[sensors.cover_lane] = camera
        self._ways = np.unique(self._way(network.move_from, network.lane_edge[network.move_to]))
        names = json.dumps([sensors.sensor_id, sensors.kind.tolist(), network.lane_id]).encode()
        self.fingerprint = "sha256:" + hashlib.sha256(names).hexdigest()

    def __call__(self, posted: Posted, now: int) -> Judged:
        """Judge every row.

        Parameters
        ----------
        now : the engine's clock [tenths since 1970].
        """
        sensor = self._sensor.find(posted.sensor_names)[posted.sensor]
        verdict = posted.fault.copy()
        self._judge_common(posted, sensor, now, verdict)
        lanes = self._lane.find(posted.lane_names)[posted.lane]
        roads = self._road.find(posted.to_names)[posted.to]
        chosen: list[tuple[NDArray[np.int64], NDArray[np.int32]]] = []
        for kind in RowKind:
            rows = np.flatnonzero((posted.kind == kind) & (verdict == Verdict.ACCEPTED))
            rows, lane = self._judge_kind(kind, posted, sensor, lanes, roads, rows, verdict)
            first = first_of_equals(_columns(posted, kind, sensor, rows, lane, roads))
            rows, lane = _refuse(rows, lane, first, Verdict.DUPLICATE, verdict)
            if kind in {RowKind.COUNT, RowKind.TURN}:
                counted = self._way(lane, roads[rows]) if kind == RowKind.TURN else lane
                apart = first_to_begin(sensor[rows], counted, posted.begin_ms[rows], posted.time_ms[rows])
                rows, lane = _refuse(rows, lane, apart, Verdict.OVERLAPPING_INTERVAL, verdict)
            chosen.append((rows, lane))
        return Judged(
            header=posted.header,
            fingerprint=self.fingerprint,
            rows=_observations(posted, now, sensor, roads, chosen),
            verdict=verdict,
            verdicts=verdict_document(posted, verdict, lambda row: self._sentence(posted, verdict, row, now)),
        )

    def _judge_common(self, posted: Posted, sensor: NDArray[np.int32], now: int, verdict: NDArray[np.uint8]) -> None:
        """Judge what every kind of row must keep."""
        latest = now * MS_PER_TENTH + int(AHEAD_S * 1000)
        oldest = now * MS_PER_TENTH - int(OLDEST_S * 1000)
        _mark(verdict, sensor < 0, Verdict.UNKNOWN_SENSOR)
        _mark(verdict, self._sends[sensor] & FAMILY_OF_ROW[posted.kind] == 0, Verdict.WRONG_SENSOR_KIND)
        _mark(verdict, posted.time_ms > latest, Verdict.TIME_IN_FUTURE)
        _mark(verdict, posted.time_ms < oldest, Verdict.TIME_TOO_OLD)

    def _judge_kind(
        self,
        kind: RowKind,
        posted: Posted,
        sensor: NDArray[np.int32],
        lanes: NDArray[np.int32],
        roads: NDArray[np.int32],
        rows: NDArray[np.int64],
        verdict: NDArray[np.uint8],
    ) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Judge what only objects, counts and turns must keep; rows that are left, and their lanes."""
        lane = np.full(len(rows), MISSING, dtype=np.int32)
        here = np.zeros(len(rows), dtype=np.uint8)
        if kind in {RowKind.OBJECT, RowKind.COUNT, RowKind.TURN}:
            of_camera = self._counts_by_lane[sensor[rows]] | (kind != RowKind.COUNT)
            lane = np.where(of_camera, lanes[rows], lane)
            _mark(here, of_camera & (lane < 0), Verdict.UNKNOWN_LANE)
            _mark(here, of_camera & ~self._sees(sensor[rows], lane), Verdict.LANE_OUT_OF_SIGHT)
        if kind == RowKind.OBJECT:
            _mark(here, ~possible_objects(posted, rows, self._reach[lane]), Verdict.IMPOSSIBLE_VALUE)
        elif kind == RowKind.COUNT:
            _mark(here, ~fitting_intervals(posted, rows), Verdict.WRONG_INTERVAL)
            _mark(here, ~possible_counts(posted, rows), Verdict.IMPOSSIBLE_VALUE)
        elif kind == RowKind.TURN:
            _mark(here, roads[rows] < 0, Verdict.UNKNOWN_ROAD)
            _mark(here, ~np.isin(self._way(lane, roads[rows]), self._ways), Verdict.NO_MOVEMENT)
            _mark(here, ~fitting_intervals(posted, rows), Verdict.WRONG_INTERVAL)
            _mark(here, ~possible_turns(posted, rows), Verdict.IMPOSSIBLE_VALUE)
        if not here.any():
            return rows, lane
        verdict[rows] = here
        good = here == Verdict.ACCEPTED
        return rows[good], lane[good]

    def _way(self, lane: NDArray[np.int32], road: NDArray[np.int32]) -> NDArray[np.int64]:
        """Lane and road as one number."""
        return lane.astype(np.int64) * self._n_roads + road

    def _sees(self, camera: NDArray[np.int32], lane: NDArray[np.int32]) -> Mask:
        """Whether each camera sees the lane; nearly always it is the only one that does."""
        sees: Mask = self._seen_by[lane] == camera
        other = np.flatnonzero(~sees)
        if len(other) and len(self._covered):
            key = camera[other].astype(np.int64) * len(self._lane_ids) + lane[other]
            at = np.minimum(np.searchsorted(self._covered, key), len(self._covered) - 1)
            sees[other] = self._covered[at] == key
        return sees

    def _sentence(self, posted: Posted, verdict: NDArray[np.uint8], row: int, now: int) -> str:
        """Say what is wrong with a row."""
        sensor = _name(posted.sensor_names, posted.sensor[row])
        lane = _name(posted.lane_names, posted.lane[row])
        road = _name(posted.to_names, posted.to[row])
        field, needed = list(FIELDS.items())[posted.field[row]]
        late_s = (now * MS_PER_TENTH - int(posted.time_ms[row])) / 1000
        sentences = {
            Verdict.UNKNOWN_FIELD: f"a row has a field that no row has; the fields are {', '.join(FIELDS)}",
            Verdict.WRONG_TYPE: f"{field} must be {needed}",
            Verdict.MISSING_VALUE: f"{field} is missing; it must be {needed}",
            Verdict.UNKNOWN_KIND: f"kind must be {FIELDS['kind'].removeprefix('text: ')}",
            Verdict.UNKNOWN_SENSOR: f"no sensor {sensor} here; there are {len(self._sensor_ids)}",
            Verdict.WRONG_SENSOR_KIND: (
                f"sensor {sensor} sends no such rows: loops send loop, cameras frame and object, counters "
                "count, cameras of both kinds turn"
            ),
            Verdict.TIME_IN_FUTURE: f"the row is {-late_s:.1f} s ahead of this server; set the sensor's clock",
            Verdict.TIME_TOO_OLD: f"the row is {late_s:.0f} s old; {OLDEST_S:.0f} s are taken in at most",
            Verdict.UNKNOWN_LANE: f"no lane {lane} here; there are {len(self._lane_ids)}",
            Verdict.LANE_OUT_OF_SIGHT: f"camera {sensor} does not see lane {lane}",
            Verdict.UNKNOWN_ROAD: f"no road {road} here; there are {self._n_roads}",
            Verdict.NO_MOVEMENT: f"no movement leads from lane {lane} to road {road}",
            Verdict.IMPOSSIBLE_VALUE: what_is_impossible(posted, row),
            Verdict.DUPLICATE: "the row stands further up in this batch already",
            Verdict.WRONG_INTERVAL: what_is_wrong_with_the_interval(posted, row),
            Verdict.OVERLAPPING_INTERVAL: (
                f"the interval overlaps another one of sensor {sensor} in this batch that does not begin later"
            ),
        }
        return sentences[Verdict(int(verdict[row]))]


def _mark(verdict: NDArray[np.uint8], rows: Mask, value: Verdict) -> None:
    if rows.any():
        verdict[rows & (verdict == Verdict.ACCEPTED)] = value


def _refuse(
    rows: NDArray[np.int64], lane: NDArray[np.int32], good: Mask | None, fault: Verdict, verdict: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Leave out rows that are not good; None: all are."""
    if good is None:
        return rows, lane
    verdict[rows[~good]] = fault
    return rows[good], lane[good]


def _columns(
    posted: Posted,
    kind: RowKind,
    sensor: NDArray[np.int32],
    rows: NDArray[np.int64],
    lane: NDArray[np.int32],
    roads: NDArray[np.int32],
) -> list[NDArray[Any]]:
    """Everything by which rows of a kind differ."""
    columns: list[NDArray[Any]] = [sensor[rows], posted.time_ms[rows]]
    if kind == RowKind.LOOP:
        columns.append(posted.on[rows])
    elif kind == RowKind.OBJECT:
        columns += [lane, posted.distance[rows], posted.speed[rows], posted.confidence[rows]]
    elif kind == RowKind.COUNT:
        told = (untold_as_number(column[rows]) for column in (posted.vehicles, posted.occupancy, posted.queue))
        columns += [lane, posted.begin_ms[rows], *told]
    elif kind == RowKind.TURN:
        columns += [lane, roads[rows], posted.begin_ms[rows], posted.vehicles[rows]]
    return columns


def _observations(
    posted: Posted,
    now: int,
    sensor: NDArray[np.int32],
    roads: NDArray[np.int32],
    chosen: Sequence[tuple[NDArray[np.int64], NDArray[np.int32]]],
) -> ObservationBatch:
    (loops, _), (frames, _), (objects, object_lane), (counts, count_lane), (turns, turn_lane) = chosen
    return ObservationBatch(
        time=now,
        loop_sensor=sensor[loops],
        loop_time=posted.time_ms[loops] / 1000.0,
        loop_on=posted.on[loops],
        frame_sensor=sensor[frames],
        frame_time=posted.time_ms[frames] / 1000.0,
        object_sensor=sensor[objects],
        object_time=posted.time_ms[objects] / 1000.0,
        object_lane=object_lane,
        object_distance=posted.distance[objects],
        object_speed=posted.speed[objects],
        object_confidence=posted.confidence[objects],
        count_sensor=sensor[counts],
        count_lane=count_lane,
        count_begin=posted.begin_ms[counts] / 1000.0,
        count_end=posted.time_ms[counts] / 1000.0,
        count_vehicles=posted.vehicles[counts],
        count_occupancy=posted.occupancy[counts],
        count_queue=posted.queue[counts],
        turn_sensor=sensor[turns],
        turn_lane=turn_lane,
        turn_to=roads[turns],
        turn_begin=posted.begin_ms[turns] / 1000.0,
        turn_end=posted.time_ms[turns] / 1000.0,
        turn_vehicles=posted.vehicles[turns],
    )


def _name(names: pa.StringArray, code: np.int32) -> str:
    text = ascii(names[int(code)].as_py()) if code >= 0 else "(none)"
    return text if len(text) <= 80 else text[:77] + "..."
