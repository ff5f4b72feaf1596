"""What the estimator believed, beside what a log says: its queues at the greens of a real controller.

A run has recorded what its engine believed; only logs need this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain.eventlog.offline import MS, estimate
from citybrain.eventlog.street import street_of
from citybrain.measure_tables import EVENT_TABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from citybrain.eventlog.log import Detector, EventLog
    from citybrain.eventlog.offline import Estimates
    from citybrain.eventlog.street import LoggedStreet

QUEUES = ("queue_at_green", "queue_left", "confidence")
SCHEMA = pa.schema([*EVENT_TABLES["cycles"].schema, *(pa.field(name, pa.float32()) for name in QUEUES)])
"""``queue_at_green``, ``queue_left``: vehicles that the estimator believed queued when green began and when it ended;
``confidence``: the least of the phase's lanes when green began. Null for phases without detectors."""


def with_queues(log: EventLog, detectors: tuple[Detector, ...], cycles: pa.Table) -> pa.Table:
    """Run the estimator over a log and add its queues to the table of cycles; columns as ``SCHEMA``.

    Raises
    ------
    InputError
        If no controller is in the log and in the configuration.
    """
    configured = {d.device for d in detectors}
    devices = [device for device in log.devices if device in configured] or [*log.devices[:1]]
    columns = {name: np.full(cycles.num_rows, np.nan, np.float32) for name in QUEUES}
    of = list(zip(cycles["device"].to_pylist(), cycles["phase"].to_pylist(), strict=True))
    green, yellow = (cycles[name].cast(pa.int64()).fill_null(-1).to_numpy() for name in ("green", "yellow"))
    for device in devices:
        street = street_of(log, detectors, device)
        believed = estimate(log, street)
        for p, phase in enumerate(street.phases):
            rows = np.array([k for k, owner in enumerate(of) if owner == (device, phase)], np.int64)
            for name, values in _queues(street, believed, p, green[rows], yellow[rows]).items():
                columns[name][rows] = values
    out = cycles
    for name in QUEUES:
        out = out.append_column(SCHEMA.field(name), pa.array(columns[name], mask=np.isnan(columns[name])))
    return out


def _queues(
    street: LoggedStreet, believed: Estimates, p: int, green_ms: NDArray[np.int64], yellow_ms: NDArray[np.int64]
) -> dict[str, NDArray[np.float32]]:
    """Columns ``QUEUES`` of one phase's cycles; NaN where green has no end."""
    lanes = np.flatnonzero(street.lane_phase == p)
    at_green, left = (_at(believed, moment) for moment in (green_ms, yellow_ms))
    queue_left = believed.queue[left][:, lanes].sum(1)
    return {
        "queue_at_green": believed.queue[at_green][:, lanes].sum(1),
        "queue_left": np.where(yellow_ms < 0, np.float32(np.nan), queue_left),
        "confidence": believed.confidence[at_green][:, lanes].min(1, initial=1.0),
    }


def _at(believed: Estimates, moment_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the estimates that hold at these moments."""
    row: NDArray[np.int64] = np.clip(moment_ms // MS - believed.time_s[0], 0, len(believed.time_s) - 1)
    return row


def queue_summary(cycles: pa.Table) -> dict[tuple[str, int], dict[str, Any]]:
    """Queues of every phase: (device, phase) -> ``queue_at_green`` (mean), ``longest_queue``, ``queue_left`` (mean)."""
    wanted = [("queue_at_green", "mean"), ("queue_at_green", "max"), ("queue_left", "mean")]
    grouped = cycles.group_by(["device", "phase"]).aggregate(wanted)
    return {
        (row["device"], row["phase"]): {
            "queue_at_green": row["queue_at_green_mean"],
            "longest_queue": row["queue_at_green_max"],
            "queue_left": row["queue_left_mean"],
        }
        for row in grouped.to_pylist()
    }


def state_seconds(coordination: pa.Table) -> list[dict[str, Any]]:
    """Add up the table ``coordination``: rows ``device, state, seconds``, in order."""
    spent = pc.divide(
        pc.subtract(coordination["end"], coordination["begin"]).cast(pa.int64()).cast(pa.float64()), 1000.0
    )
    grouped = coordination.append_column("seconds", spent).group_by(["device", "state"]).aggregate([("seconds", "sum")])
    rows = grouped.sort_by([("device", "ascending"), ("state", "ascending")]).to_pylist()
    return [{"device": row["device"], "state": row["state"], "seconds": row["seconds_sum"]} for row in rows]


def table_writer(path: Path) -> Callable[[pa.Table], None]:
    """Find what writes a table as ``.parquet`` or ``.csv``; readers see the whole file or none.

    Raises
    ------
    InputError
        If the name ends in neither; later, if the file cannot be written.
    """
    writers = {".parquet": pyarrow.parquet.write_table, ".csv": pyarrow.csv.write_csv}
    if path.suffix not in writers:
        raise InputError(f"table of cycles {path}: the name must end in .parquet or .csv")

    def write(table: pa.Table) -> None:
        part = path.with_name(path.name + ".part")
        try:
            writers[path.suffix](table, part)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise InputError(f"table of cycles {path} cannot be written: {error}; name another place") from None

    return write


def write_tables(folder: Path, tables: dict[str, pa.Table]) -> None:
    """Write every table as ``NAME.parquet`` into a folder, which is made if needed.

    Raises
    ------
    InputError
        If that cannot be done.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error}; name another place") from None
    for name, table in tables.items():
        table_writer(folder / f"{name}.parquet")(table)
