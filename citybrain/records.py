"""Everything that one run of the engine saw, believed, wished and showed, as Parquet. An observer of the engine.

Bytes depend on the run alone: no wall clock, no machine. Tables and units: ``citybrain.record_tables``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from citybrain.city.columns import CityColumns
from citybrain.city.districts import usual_districts
from citybrain.city.observer import CityObserver
from citybrain.control.reasons import Explainer
from citybrain.decisions import Rule
from citybrain.record_tables import ENGINE_TABLES, TABLES
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from citybrain.decisions import Command, LampState, Wish
    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.signals import Signals
    from citybrain.state import TrafficState

TICKS_PER_ROW_GROUP = 300
SHARES_EVERY = 600
"""Tenths of a second between two records of turning shares."""
ARRIVALS_SECONDS = 10


class Recorder:
    """Writes the tables of one run into a folder.

    ``tick`` only keeps what it is shown (states, wishes and commands are never written again), so that recording does
    not count as the engine's time; ``drain`` packs it into row groups and is called between ticks. ``close`` makes the
    files complete; until then they are not readable.
    """

    def __init__(self, folder: Path, network: Network, signals: Signals, sensors: SensorTable) -> None:
        self._signals = signals
        self._stop_lanes = network.approach_lane
        self._signalised = np.flatnonzero(network.move_intersection >= 0)
        self._names = {
            "lane": pa.array(network.lane_id, pa.string()),
            "to": pa.array(network.edge_id, pa.string()),
            "stop_lane": pa.array([network.lane_id[lane] for lane in network.approach_lane], pa.string()),
            "sensor": pa.array(sensors.sensor_id, pa.string()),
            "intersection": pa.array(network.intersection_id, pa.string()),
            "rule": pa.array([rule.name.lower() for rule in Rule], pa.string()),
        }
        self._from_lane = network.move_from[self._signalised]
        self._to_lane = network.move_to[self._signalised]
        self._ticks: list[tuple[ObservationBatch, TrafficState, Wish, Command]] = []
        self._truth: list[tuple[float, int, int, int, float]] = []
        self._row = np.full(network.n_intersections, -1, dtype=np.int32)
        self._changing = np.zeros(network.n_intersections, dtype=np.bool_)
        self._explainer = Explainer(network, signals)
        self._decided_on: tuple[LampState, NDArray[np.int32]] | None = None
        self._next_shares = -1
        districts = usual_districts(network)
        self._city = CityObserver(network, sensors, districts)
        self._city_columns = CityColumns(network, districts)
        folder.mkdir(parents=True, exist_ok=True)
        self._writers = {
            name: pq.ParquetWriter(folder / f"{name}.parquet", TABLES[name].schema, compression="zstd")
            for name in ENGINE_TABLES
        }

    def tick(self, batch: ObservationBatch, state: TrafficState, wish: Wish, command: Command) -> None:
        """Keep one finished tick."""
        self._ticks.append((batch, state, wish, command))

    def truth(self, time_s: float, running: int, waiting: int, arrived: int, delay_s: float) -> None:
        """Keep what the simulator itself counts: time [s], vehicles, mean delay so far [s/veh]."""
        self._truth.append((time_s, running, waiting, arrived, delay_s))

    def drain(self) -> None:
        """Write a row group where enough ticks have gathered."""
        if len(self._ticks) >= TICKS_PER_ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left and complete the files. May be called more than once."""
        try:
            self._flush()
            self._write("truth", *([row[k] for row in self._truth] for k in range(5)))
            self._truth = []
        finally:
            for writer in self._writers.values():
                writer.close()
            self._writers = {}

    def _write(self, table: str, *columns: Any) -> None:
        schema = TABLES[table].schema
        if table in self._writers and len(columns[0]):
            arrays = [
                column if isinstance(column, pa.Array) else pa.array(column, kind)
                for column, kind in zip(columns, schema.types, strict=True)
            ]
            self._writers[table].write_table(pa.Table.from_arrays(arrays, schema=schema))

    def _named(self, kind: str, index: NDArray[np.integer[Any]]) -> pa.DictionaryArray:
        index = index.astype(np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(index, mask=index < 0), self._names[kind])

    def _flush(self) -> None:
        if not self._ticks:
            return
        batches, states, wishes, commands = (list(column) for column in zip(*self._ticks, strict=True))
        self._ticks = []
        self._write_observations(batches)
        self._write_states(states)
        self._write_wishes(wishes)
        self._write_decisions(states, wishes, commands)
        self._write_commands(commands)
        self._write_city(batches, states)

    def _write_observations(self, batches: Sequence[ObservationBatch]) -> None:
        times = np.array([batch.time for batch in batches]) / TENTHS_PER_SECOND

        def joined(column: str) -> NDArray[Any]:
            return np.concatenate([getattr(batch, column) for batch in batches])

        for kind in ("loop", "frame", "object", "count", "turn"):
            arrived = np.repeat(times, [len(getattr(batch, f"{kind}_sensor")) for batch in batches])
            columns: list[Any] = [arrived]
            for column in TABLES[f"observations_{kind}s"].columns[1:]:
                values = joined(f"{kind}_{column.name}")
                columns.append(self._named(column.name, values) if column.name in self._names else values)
            self._write(f"observations_{kind}s", *columns)

    def _write_states(self, states: Sequence[TrafficState]) -> None:
        times = np.array([state.time for state in states]) / TENTHS_PER_SECOND
        n = len(self._stop_lanes)

        def lanes(column: str) -> NDArray[Any]:
            return np.concatenate([getattr(state, column)[self._stop_lanes] for state in states])

        self._write(
            "states",
            np.repeat(times, n),
            self._named("stop_lane", np.tile(np.arange(n), len(states))),
            lanes("vehicles"),
            lanes("queue"),
            lanes("back_of_queue"),
            np.concatenate([state.arrivals[:, :ARRIVALS_SECONDS].sum(axis=1) for state in states]),
            lanes("flow"),
            lanes("occupancy"),
            np.concatenate([state.head_wait for state in states]),
            np.concatenate([state.blocked for state in states]),
            lanes("confidence"),
            lanes("age"),
        )
        self._write(
            "measures",
            times,
            np.array([state.vehicles.sum(dtype=np.float64) for state in states], dtype=np.float32),
            np.array([state.queue.sum(dtype=np.float64) for state in states], dtype=np.float32),
        )
        for state in states:
            if state.time >= self._next_shares:
                self._next_shares = state.time + SHARES_EVERY
                self._write(
                    "turn_shares",
                    np.full(len(self._signalised), state.time / TENTHS_PER_SECOND),
                    self._named("lane", self._from_lane),
                    self._named("lane", self._to_lane),
                    state.turn_share[self._signalised],
                    state.counted_share[self._signalised],
                )

    def _write_wishes(self, wishes: Sequence[Wish]) -> None:
        n = len(self._row)
        rows = np.concatenate([wish.plan_row for wish in wishes])
        starts = np.concatenate([wish.plan_start for wish in wishes]) / TENTHS_PER_SECOND
        foretold = rows[:, 1:] >= 0
        offsets = pa.array(np.concatenate([[0], np.cumsum(foretold.sum(axis=1))]).astype(np.int32))
        self._write(
            "wishes",
            np.repeat(np.array([wish.time for wish in wishes]) / TENTHS_PER_SECOND, n),
            self._named("intersection", np.tile(np.arange(n), len(wishes))),
            rows[:, 0],
            starts[:, 0],
            pa.ListArray.from_arrays(offsets, pa.array(rows[:, 1:][foretold], pa.int32())),
            pa.ListArray.from_arrays(offsets, pa.array(starts[:, 1:][foretold], pa.float64())),
            np.concatenate([wish.cost for wish in wishes]),
        )

    def _write_decisions(
        self, states: Sequence[TrafficState], wishes: Sequence[Wish], commands: Sequence[Command]
    ) -> None:
        """Explain every row that is wanted anew; the first tick's are not decisions."""
        rows: list[tuple[Any, ...]] = []
        for state, wish, command in zip(states, wishes, commands, strict=True):
            wanted = wish.plan_row[:, 0]
            if self._decided_on is not None and wish.reasons is not None:
                lamps, before = self._decided_on
                for i in np.flatnonzero(wanted != before).tolist():
                    held = command.bent_rule[command.bent_intersection == i].tolist()
                    decision = self._explainer.decision(i, state, lamps, wish, held)
                    rows.append((wish.time / TENTHS_PER_SECOND, i, *decision))
            self._decided_on = command.lamps, wanted
        times, places, *columns = zip(*rows, strict=True) if rows else [[]] * len(TABLES["decisions"].columns)
        named = self._named("intersection", np.array(places, dtype=np.int32))
        self._write("decisions", list(times), named, *(list(column) for column in columns))

    def _write_commands(self, commands: Sequence[Command]) -> None:
        times, places, lamps, rows, changing = [], [], [], [], []
        lamp_ptr = self._signals.lamp_ptr
        for command in commands:
            state = command.lamps
            news = command.changed | (state.row != self._row) | (state.changing != self._changing)
            self._row, self._changing = state.row, state.changing
            for i in np.flatnonzero(news).tolist():
                times.append(command.time / TENTHS_PER_SECOND)
                places.append(i)
                lamps.append(command.lamp_char[lamp_ptr[i] : lamp_ptr[i + 1]].tobytes().decode("ascii"))
                rows.append(int(state.row[i]))
                changing.append(bool(state.changing[i]))
        self._write(
            "commands", times, self._named("intersection", np.array(places, dtype=np.int32)), lamps, rows, changing
        )
        self._write(
            "bent",
            np.repeat(
                np.array([command.time for command in commands]) / TENTHS_PER_SECOND,
                [len(command.bent_rule) for command in commands],
            ),
            self._named("intersection", np.concatenate([command.bent_intersection for command in commands])),
            np.concatenate([command.bent_group for command in commands]),
            self._named("rule", np.concatenate([command.bent_rule for command in commands])),
        )

    def _write_city(self, batches: Sequence[ObservationBatch], states: Sequence[TrafficState]) -> None:
        for batch, state in zip(batches, states, strict=True):
            figures = self._city.see(batch, state)
            if figures is not None:
                for name, table in self._city_columns.tables(figures):
                    self._writers[name].write_table(table)
