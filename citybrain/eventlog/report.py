"""A log's table of cycles: what it says of every cycle of every phase, and what the estimator believed then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain.eventlog.log import Function
from citybrain.eventlog.measures import actuations, channels_of, cycles_of, in_cycle, occupancies, on_green
from citybrain.eventlog.offline import MS, estimate
from citybrain.eventlog.street import street_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from citybrain.eventlog.log import Detector, EventLog
    from citybrain.eventlog.measures import Cycles
    from citybrain.eventlog.offline import Estimates
    from citybrain.eventlog.street import LoggedStreet

TIME = pa.timestamp("ms")
SCHEMA = pa.schema(
    [
        ("device", pa.string()),
        ("phase", pa.int16()),
        ("green", TIME),
        ("yellow", TIME),
        ("red", TIME),
        ("arrivals", pa.int32()),
        ("arrivals_on_green", pa.int32()),
        ("departures", pa.int32()),
        ("green_occupancy", pa.float32()),
        ("red_occupancy", pa.float32()),
        ("split_failure", pa.bool_()),
        ("queue_at_green", pa.float32()),
        ("queue_left", pa.float32()),
        ("confidence", pa.float32()),
    ]
)
"""``arrivals`` and ``departures``: actuations of advance detectors and of those at the stop line that the estimator
uses, in the cycle; null without such a detector. Occupancies and ``split_failure``: null where the cycle is not
complete. ``queue_at_green``, ``queue_left``: vehicles that the estimator believed queued when green began and when
it ended; ``confidence``: the least of the phase's lanes when green began."""


def cycle_table(log: EventLog, detectors: tuple[Detector, ...]) -> pa.Table:
    """Judge all cycles of all controllers that are in the log and in the configuration; columns as ``SCHEMA``.

    Raises
    ------
    InputError
        If no controller is in both.
    """
    configured = {d.device for d in detectors}
    devices = [device for device in log.devices if device in configured] or [*log.devices[:1]]
    parts = []
    for device in devices:
        street = street_of(log, detectors, device)
        believed = estimate(log, street)
        parts += [_phase_table(log, detectors, street, p, believed) for p in range(len(street.phases))]
    return pa.concat_tables(parts)


def _phase_table(
    log: EventLog, detectors: tuple[Detector, ...], street: LoggedStreet, p: int, believed: Estimates
) -> pa.Table:
    device, phase = street.device, street.phases[p]
    cycles = cycles_of(log, device, phase)
    lanes = np.flatnonzero(street.lane_phase == p)
    advance = channels_of(detectors, device, phase, Function.ADVANCE)
    stops = street.channel[np.isin(street.sensors.lane, lanes) & (street.sensors.distance <= 1.0)]
    arriving = actuations(log, device, advance)
    judged = occupancies(log, cycles, channels_of(detectors, device, phase, Function.PRESENCE))
    at_green, left = (_at(believed, moment) for moment in (cycles.green, cycles.yellow))
    complete = np.zeros(len(cycles), np.bool_)
    complete[judged.cycle] = True

    def filled(values: NDArray[np.float64] | NDArray[np.bool_]) -> pa.Array:
        out = np.zeros(len(cycles), values.dtype)
        out[judged.cycle] = values
        return pa.array(out, mask=~complete)

    def counted(at: NDArray[np.int64], channels: NDArray[np.int64]) -> pa.Array:
        count = _count(cycles, at)
        return pa.array(count, mask=np.full(len(cycles), not len(channels)))

    columns = {
        "device": pa.array([device] * len(cycles)),
        "phase": pa.array(np.full(len(cycles), phase)),
        "green": pa.array(cycles.green),
        "yellow": pa.array(cycles.yellow, mask=cycles.yellow < 0),
        "red": pa.array(cycles.red, mask=cycles.red < 0),
        "arrivals": counted(arriving, advance),
        "arrivals_on_green": counted(arriving[on_green(log, cycles, arriving)], advance),
        "departures": counted(actuations(log, device, stops), stops),
        "green_occupancy": filled(judged.green),
        "red_occupancy": filled(judged.red),
        "split_failure": filled(judged.split_failure),
        "queue_at_green": pa.array(believed.queue[at_green][:, lanes].sum(1)),
        "queue_left": pa.array(believed.queue[left][:, lanes].sum(1), mask=cycles.yellow < 0),
        "confidence": pa.array(believed.confidence[at_green][:, lanes].min(1, initial=1.0)),
    }
    return pa.table([columns[name].cast(SCHEMA.field(name).type) for name in SCHEMA.names], schema=SCHEMA)


def _count(cycles: Cycles, at: NDArray[np.int64]) -> NDArray[np.int64]:
    cycle = in_cycle(cycles, at)
    count: NDArray[np.int64] = np.bincount(cycle[cycle >= 0], minlength=len(cycles))
    return count


def _at(believed: Estimates, moment_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the estimates that hold at these moments."""
    row: NDArray[np.int64] = np.clip(moment_ms // MS - believed.time_s[0], 0, len(believed.time_s) - 1)
    return row


def summary(table: pa.Table) -> pa.Table:
    """Add up a table of cycles, a row per controller and phase.

    Returns
    -------
    columns ``device, phase, cycles, arrivals, arrivals_on_green`` (their share, null without arrivals),
    ``departures``, ``judged`` (complete cycles), ``split_failures``, ``queue_at_green`` (mean), ``longest_queue`` and
    ``queue_left`` (mean).
    """
    grouped = table.group_by(["device", "phase"]).aggregate(
        [
            ("green", "count"),
            ("arrivals", "sum"),
            ("arrivals_on_green", "sum"),
            ("departures", "sum"),
            ("split_failure", "count"),
            ("split_failure", "sum"),
            ("queue_at_green", "mean"),
            ("queue_at_green", "max"),
            ("queue_left", "mean"),
        ]
    )
    came = grouped["arrivals_sum"].cast(pa.float64())
    share = pc.divide(grouped["arrivals_on_green_sum"].cast(pa.float64()), pc.if_else(pc.greater(came, 0), came, None))
    return pa.table(
        {
            "device": grouped["device"],
            "phase": grouped["phase"],
            "cycles": grouped["green_count"],
            "arrivals": grouped["arrivals_sum"],
            "arrivals_on_green": share,
            "departures": grouped["departures_sum"],
            "judged": grouped["split_failure_count"],
            "split_failures": grouped["split_failure_sum"],
            "queue_at_green": grouped["queue_at_green_mean"],
            "longest_queue": grouped["queue_at_green_max"],
            "queue_left": grouped["queue_left_mean"],
        }
    ).sort_by([("device", "ascending"), ("phase", "ascending")])


def cycle_writer(path: Path) -> Callable[[pa.Table], None]:
    """Find what writes a table of cycles as ``.parquet`` or ``.csv``; readers see the whole file or none.

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
