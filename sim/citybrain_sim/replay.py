"""The plant ``replay``: a recording played back to the engine, tick by tick. Commands go nowhere.

The engine must come to the same states and wishes as it did on the street, bit for bit.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.documents import read_sensors
from citybrain.errors import InputError
from citybrain.intake.sift import Sifter
from citybrain.observations import ObservationBatch, SensorTable
from citybrain.record_tables import TABLES
from citybrain.records import Recorder
from citybrain.units import TENTHS_PER_SECOND, to_tenths
from citybrain_sim.manifest import table_hash
from citybrain_sim.runs import RunSpec
from citybrain_sim.site import make_engine, open_street

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from citybrain.decisions import Command

COMPARED = ("states", "measures", "wishes", "commands", "bent", "turn_shares")
"""Tables that a replay must reproduce."""


class ReplayPlant:
    """Plays the observations of a run's folder back; implements :class:`citybrain_sim.plant.Plant`.

    Parameters
    ----------
    folder : of the run.
    lanes, roads : names of the network's lanes and roads, in the engine's order.

    Rows that no sensor can have sent (of an unknown sensor, with impossible values) are taken out and counted in
    ``refused``; the rest is played.

    Raises
    ------
    InputError
        If the folder holds no recording, or one of another network.
    """

    def __init__(self, folder: Path, lanes: Sequence[str], roads: Sequence[str]) -> None:
        self._sensors = read_sensors(_read_json(folder / "sensors.json"))
        self._sift = Sifter(self._sensors, len(lanes), len(roads))
        lane = {name: l for l, name in enumerate(lanes)}
        sensor = {name: x for x, name in enumerate(self._sensors.sensor_id)}
        self._times = [to_tenths(time) for time in _read_table(folder / "measures.parquet")["time"].to_pylist()]
        self._next = 0
        numbers = {"sensor": sensor, "lane": lane, "to": {name: e for e, name in enumerate(roads)}}
        kinds = ("loop", "frame", "object", "count", "turn")
        files = {kind: folder / f"observations_{kind}s.parquet" for kind in kinds}
        for kind in ("count", "turn"):
            if not files[kind].exists():  # recorded before there were such rows
                del files[kind]
        self._rows = {kind: _Rows(file, numbers) for kind, file in files.items()}

    @property
    def sensors(self) -> SensorTable:
        """The sensors that were recorded."""
        return self._sensors

    @property
    def refused(self) -> dict[str, int]:
        """Rows taken out so far, by reason."""
        return dict(self._sift.refused)

    @property
    def ticks(self) -> int:
        """Number of ticks recorded."""
        return len(self._times)

    def observe(self) -> ObservationBatch | None:
        """Return what arrived at the next recorded tick; None after the last."""
        if self._next >= len(self._times):
            return None
        time = self._times[self._next]
        self._next += 1
        columns = {
            f"{kind}_{name}": column for kind, rows in self._rows.items() for name, column in rows.arrived(time).items()
        }
        return self._sift(ObservationBatch(time=time, **columns))

    def apply(self, command: Command) -> None:
        """Do nothing: what was shown was shown."""

    def close(self) -> None:
        """Do nothing: the recording is only read."""
        self._next = len(self._times)


class _Rows:
    """One table of observations, sorted by arrival as it was written; names become numbers again."""

    def __init__(self, path: Path, numbers: dict[str, dict[str, int]]) -> None:
        table = _read_table(path)
        _check_schema(table.schema, path)
        self._columns: dict[str, NDArray[Any]] = {}
        for name in table.column_names:
            column = table[name]
            if name in numbers:
                self._columns[name] = _numbered(column, numbers[name], path, strict=name in {"lane", "to"})
            else:
                self._columns[name] = column.to_numpy()
        self._arrived = np.round(self._columns.pop("arrived") * TENTHS_PER_SECOND).astype(np.int64)

    def arrived(self, time: int) -> dict[str, NDArray[Any]]:
        """Rows that arrived at a tick [tenths]."""
        first, end = np.searchsorted(self._arrived, (time, time + 1))
        return {name: column[first:end].copy() for name, column in self._columns.items()}


def _check_schema(found: pa.Schema, path: Path) -> None:
    """Refuse a table that is not of the form in which it is recorded."""
    faults = []
    for field in TABLES[path.stem].schema:
        if field.name not in found.names:
            faults.append(f"it has no column {field.name!r}")
        elif found.field(field.name).type != field.type:
            faults.append(f"its column {field.name!r} is {found.field(field.name).type}, not {field.type}")
    if faults:
        raise InputError(f"{path}: {'; '.join(faults)}; name the folder of a run that was recorded")


def _numbered(column: pa.ChunkedArray, numbers: dict[str, int], path: Path, *, strict: bool) -> NDArray[np.int32]:
    """Names to numbers, chunk by chunk: each has a dictionary of its own. No name is -1, nor is an unknown one."""
    chunks = [np.zeros(0, np.int32)]
    for chunk in column.chunks:
        names = chunk.dictionary.to_pylist()
        unknown = [name for name in names if name not in numbers]
        if unknown and strict:
            raise InputError(f"{path}: {unknown[0]!r} is not in this network; replay with the files that were recorded")
        table = np.array([*(numbers.get(name, -1) for name in names), -1], np.int32)
        chunks.append(table[chunk.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)])
    return np.concatenate(chunks)


@dataclass(frozen=True)
class ReplayReport:
    """What a replay showed.

    Attributes
    ----------
    ticks : replayed.
    difference : where the replay first differs from the recording; None where it is the same bit for bit.
    refused : rows of the recording that no sensor can have sent, by reason; they were left out.
    """

    ticks: int
    difference: str | None
    refused: dict[str, int]


def replay(folder: Path) -> ReplayReport:
    """Stream a recording through a new engine and compare its states, wishes and commands with the recorded ones.

    Raises
    ------
    InputError
        If the folder holds no recording, or the scenario's network or controller are not the recorded ones.
    """
    manifest = _read_json(folder / "manifest.json")
    spec = RunSpec.from_document(manifest["spec"], folder)
    if not spec.runs_in_engine:
        raise InputError(f"{folder}: {spec.controller} ran without our engine; there is nothing to replay")
    street = open_street(spec)
    network, signals = street.site.network, street.site.signals
    if table_hash(network, signals) != manifest["tables"]:
        raise InputError(
            f"{folder}: the scenario's network has changed since; replay with the files that were recorded"
        )
    plant = ReplayPlant(folder, network.lane_id, network.edge_id)
    with TemporaryDirectory() as place:
        recorder = Recorder(Path(place), network, signals, plant.sensors)
        engine = make_engine(spec, street, plant.sensors, (recorder,))
        while (batch := plant.observe()) is not None:
            plant.apply(engine.tick(batch))
            recorder.drain()
        recorder.close()
        differences = (_difference(name, folder, Path(place)) for name in COMPARED)
        return ReplayReport(plant.ticks, next((found for found in differences if found), None), plant.refused)


def _difference(name: str, recorded: Path, replayed: Path) -> str | None:
    """First place where two tables differ."""
    old, new = (_read_table(folder / f"{name}.parquet") for folder in (recorded, replayed))
    if old.num_rows != new.num_rows:
        return f"{name}: {old.num_rows} rows recorded, {new.num_rows} replayed"
    for column in old.column_names:
        if _equal(old[column], new[column]):
            continue
        pairs = zip(old[column].to_pylist(), new[column].to_pylist(), strict=True)
        # NaN is not equal to itself, and its text is.
        row, (was, now) = next((k, pair) for k, pair in enumerate(pairs) if repr(pair[0]) != repr(pair[1]))
        key = ", ".join(f"{c} {old[c][row].as_py()}" for c in old.column_names[:2])
        return f"{name}, row {row} ({key}): {column} was {was!r}, replayed {now!r}"
    return None


def _equal(old: pa.ChunkedArray, new: pa.ChunkedArray) -> bool:
    if pa.types.is_floating(old.type):
        return np.array_equal(old.to_numpy(), new.to_numpy(), equal_nan=True)
    if pa.types.is_dictionary(old.type):
        old, new = old.cast(pa.string()), new.cast(pa.string())
    return bool(old.equals(new))


def _read_table(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(f"{path} cannot be read ({error}); name the folder of a run that was recorded") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name the folder of a run that was recorded") from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}); name the folder of a run that was recorded") from error
    return document
