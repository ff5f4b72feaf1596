"""Reads logs of high-resolution controller events and the configuration of the detectors that they speak of.

Columns are those of the ``atspm`` package (Oregon DOT) and of a cabinet's own files (``citybrain.cabinet``): a log has
``TimeStamp, DeviceId, EventId, Parameter``, a configuration ``DeviceId, Phase, Parameter, Function``. May import
errors.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from citybrain.errors import InputError

LOG_COLUMNS = ("TimeStamp", "DeviceId", "EventId", "Parameter")
CONFIG_COLUMNS = ("DeviceId", "Phase", "Parameter", "Function")
MORE_COLUMNS = ("Offset", "Extend")
LONGEST_S = 60.0
"""Neither of these takes longer [s]."""
MOST_CODE = 1023
"""Codes above 255 are vendors' own; above this there are none."""


class Function(StrEnum):
    """What a detector is for, as configurations name it."""

    ADVANCE = "Advance"
    """Well upstream of the stop line; its actuations are arrivals."""
    PRESENCE = "Presence"
    """At the stop line; occupied while somebody waits."""
    COUNT = "stop bar count"
    """At the stop line, short: one actuation per vehicle."""
    YELLOW_RED = "Yellow_Red"
    """Just beyond the stop line."""


@dataclass(frozen=True)
class EventLog:
    """Events in order of device, time, code and parameter. Index e.

    Attributes
    ----------
    devices : names of the controllers.
    device : [E] index into ``devices``.
    time_ms : [E] milliseconds since 1970-01-01, in the log's own clock.
    code : [E] event code of the Indiana enumeration.
    parameter : [E] phase, detector, pattern, ..., as the code has it.
    rejected : rows left out, by reason.
    """

    devices: tuple[str, ...]
    device: NDArray[np.int32]
    time_ms: NDArray[np.int64]
    code: NDArray[np.int32]
    parameter: NDArray[np.int32]
    rejected: Counter[str]

    def of(self, device: str, *codes: int) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
        """Return times [ms], codes and parameters of one device's events with these codes, or all."""
        k = self.devices.index(device)
        mine = slice(*np.searchsorted(self.device, (k, k + 1)).tolist())
        time, code, parameter = self.time_ms[mine], self.code[mine], self.parameter[mine]
        if not codes:
            return time, code, parameter
        keep = np.isin(code, codes)
        return time[keep], code[keep], parameter[keep]

    def span(self, device: str) -> tuple[int, int]:
        """First and last time of a device's events [ms]."""
        time, _, _ = self.of(device)
        return int(time[0]), int(time[-1])


@dataclass(frozen=True)
class Detector:
    """One line of a configuration: a detector's channel, the phase that it serves, and what it is for.

    Attributes
    ----------
    offset_s : what a vehicle needs from the detector to the stop line [s].
    extend_s : for how long the detector counts as occupied after it was left [s].
    """

    device: str
    phase: int
    channel: int
    function: Function
    offset_s: float = 0.0
    extend_s: float = 0.0


def read_log(path: Path) -> EventLog:
    """Read a log from ``.parquet`` or ``.csv``; rows that say nothing possible are left out and counted.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or has no usable row.
    """
    table = _read(path, LOG_COLUMNS)
    time = _times(table["TimeStamp"], path)
    code, parameter = (_numbers(table[name]) for name in ("EventId", "Parameter"))
    device = table["DeviceId"].cast(pa.string()).combine_chunks().dictionary_encode()
    faults = {
        "no time": pc.is_null(time).to_numpy(zero_copy_only=False),
        "no device": pc.is_null(device).to_numpy(zero_copy_only=False),
        f"code not in 0 to {MOST_CODE}": ~((code >= 0) & (code <= MOST_CODE)),
        "parameter not in 0 to 65535": ~((parameter >= 0) & (parameter <= 65535)),
    }
    rejected: Counter[str] = Counter()
    keep = np.ones(len(code), dtype=np.bool_)
    for reason, faulty in faults.items():
        if here := int((faulty & keep).sum()):
            rejected[reason] = here
        keep &= ~faulty
    if not keep.any():
        raise InputError(f"event log {path}: no usable row among {len(code)}; {dict(rejected)}")
    names = [str(name) for name in device.dictionary.to_pylist()]
    order = sorted(range(len(names)), key=names.__getitem__)
    rank = np.empty(len(names), dtype=np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    of_device = device.indices.fill_null(0).to_numpy(zero_copy_only=False)[keep]
    columns: tuple[NDArray[Any], ...] = (
        rank[of_device],
        time.fill_null(0).to_numpy(zero_copy_only=False)[keep],
        code[keep].astype(np.int32),
        parameter[keep].astype(np.int32),
    )
    rows = np.lexsort(columns[::-1])
    in_order = [column[rows] for column in columns]
    return EventLog(tuple(sorted(names)), in_order[0], in_order[1], in_order[2], in_order[3], rejected)


def read_detectors(path: Path, *, may_be_empty: bool = False) -> tuple[Detector, ...]:
    """Read a detector configuration from ``.parquet`` or ``.csv``.

    Two more columns may be there: ``Offset`` and ``Extend`` [s], as in :class:`Detector`; without them both are 0.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or a row names no phase, no channel or an unknown function.
    """
    table = _read(path, CONFIG_COLUMNS)
    known = {function.value.lower(): function for function in Function}
    found = []
    for number, row in enumerate(table.to_pylist(), start=1):
        function = known.get(str(row["Function"]).strip().lower())
        if function is None:
            there = ", ".join(known.values())
            raise InputError(f"detectors {path}, row {number}: function {row['Function']!r} is none of {there}")
        try:
            phase, channel = int(row["Phase"]), int(row["Parameter"])
        except (TypeError, ValueError):
            raise InputError(f"detectors {path}, row {number}: phase and parameter must be numbers: {row}") from None
        offset, extend = (_seconds(row.get(name), f"detectors {path}, row {number}: {name}") for name in MORE_COLUMNS)
        found.append(Detector(str(row["DeviceId"]), phase, channel, function, offset, extend))
    if not found and not may_be_empty:
        raise InputError(f"detectors {path}: the file has no row")
    return tuple(sorted(set(found), key=lambda d: (d.device, d.phase, d.function, d.channel)))


def _seconds(value: Any, what: str) -> float:
    try:
        seconds = 0.0 if value is None else float(value)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0.0 <= seconds <= LONGEST_S:
        raise InputError(f"{what} must be 0 to {LONGEST_S:g} s, but is {value!r}")
    return seconds


def _read(path: Path, columns: tuple[str, ...]) -> pa.Table:
    if not path.exists():
        raise InputError(f"{path} does not exist; correct the path")
    try:
        if path.suffix == ".parquet":
            table = pyarrow.parquet.read_table(path)
        elif path.suffix == ".csv":
            table = pyarrow.csv.read_csv(path)
        else:
            raise InputError(f"{path}: the name must end in .parquet or .csv")
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if missing := [name for name in columns if name not in table.column_names]:
        raise InputError(f"{path} lacks {', '.join(missing)}; it has {', '.join(table.column_names)}")
    return table


def _times(column: pa.ChunkedArray, path: Path) -> pa.Array:
    """Milliseconds since 1970, null where there is no time."""
    try:
        if pa.types.is_string(column.type):
            return _written_times(column.combine_chunks())
        return column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).combine_chunks()
    except pa.ArrowException as error:
        raise InputError(f"{path}: TimeStamp must be a time, but is {column.type}: {error}") from None


def _written_times(text: pa.Array) -> pa.Array:
    """Milliseconds of times written ``2024-04-15 12:00:00.1``, null where they are not."""
    text = pc.if_else(pc.match_substring_regex(text, r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,9})?$"), text, None)
    whole = pc.replace_substring(pc.utf8_slice_codeunits(text, 0, 19), "T", " ")
    seconds = pc.strptime(whole, format="%Y-%m-%d %H:%M:%S", unit="ms", error_is_null=True).cast(pa.int64())
    fraction = pc.utf8_slice_codeunits(pc.binary_join_element_wise(text, "000", ""), 20, 23)
    fraction = pc.utf8_slice_codeunits(pc.utf8_rpad(fraction, 3, "0"), 0, 3)
    return pc.add(seconds, fraction.cast(pa.int64()))


def _numbers(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Whole numbers as floats, -1 where there is none."""
    if pa.types.is_string(column.type):
        text = column.combine_chunks()
        whole = pc.match_substring_regex(text, r"^\s*\d{1,9}\s*$")
        column = pc.if_else(whole, pc.utf8_trim_whitespace(text), None)
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    out: NDArray[np.float64] = np.where(np.isfinite(values) & (values == np.floor(values)), values, -1.0)
    return out
