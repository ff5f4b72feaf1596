"""One posted batch of observations as columns, whatever it was written in; and the words for what is wrong with a row.

Index letter: n rows, in the order in which they were posted. May import the ground only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain.intake.names import MISSING, names_array

FORMAT = "citybrain/observations/1"
Bools = NDArray[np.bool_]
_NAME = re.compile(r"[A-Za-z0-9._:/@+-]{1,128}")
LATEST = 2**53
"""Greatest time [tenths] that a header may name: every JSON reader keeps it exact."""


class RowKind(IntEnum):
    """What a row tells of. In bodies: ``loop``, ``frame``, ``object``, ``count``, ``turn``."""

    LOOP = 0
    """A loop was covered or left."""
    FRAME = 1
    """A camera took a frame; sent also when nothing was seen."""
    OBJECT = 2
    """A vehicle in a camera's frame."""
    COUNT = 3
    """What passed a detector, or a stop line that a camera watches, in an interval."""
    TURN = 4
    """How many vehicles of a lane went to a road in an interval (a turning movement count)."""


class Verdict(IntEnum):
    """What became of a row; of several faults the first that is found is told. In answers: lower case."""

    ACCEPTED = 0
    UNKNOWN_FIELD = 1
    WRONG_TYPE = 2
    MISSING_VALUE = 3
    UNKNOWN_KIND = 4
    UNKNOWN_SENSOR = 5
    WRONG_SENSOR_KIND = 6
    TIME_IN_FUTURE = 7
    TIME_TOO_OLD = 8
    UNKNOWN_LANE = 9
    LANE_OUT_OF_SIGHT = 10
    IMPOSSIBLE_VALUE = 11
    DUPLICATE = 12
    WRONG_INTERVAL = 13
    OVERLAPPING_INTERVAL = 14
    UNKNOWN_ROAD = 15
    NO_MOVEMENT = 16


FIELDS: dict[str, str] = {
    "kind": 'text: "loop", "frame", "object", "count" or "turn"',
    "sensor": "text: the sensor's id",
    "time_ms": "a whole number: milliseconds since 1970-01-01T00:00:00Z",
    "on": "true (covered) or false (left)",
    "lane": "text: the lane's id",
    "to": "text: the road's id",
    "distance": "a number [m]",
    "speed": "a number [m/s]",
    "confidence": "a number, 0 to 1",
    "begin_ms": "a whole number: milliseconds since 1970-01-01T00:00:00Z",
    "vehicles": "a number",
    "occupancy": "a number, 0 to 1",
    "queue": "a number",
}
"""Fields of a row and what their values must be."""
FIELD_NUMBER = {name: number for number, name in enumerate(FIELDS)}
NEEDED: dict[RowKind, tuple[str, ...]] = {
    RowKind.LOOP: ("on",),
    RowKind.FRAME: (),
    RowKind.OBJECT: ("lane", "distance", "speed", "confidence"),
    RowKind.COUNT: ("begin_ms", "vehicles"),
    RowKind.TURN: ("lane", "to", "begin_ms", "vehicles"),
}
"""Fields that a kind of row needs beside kind, sensor and time_ms."""
OPTIONAL: dict[RowKind, tuple[str, ...]] = {RowKind.COUNT: ("lane", "occupancy", "queue")}
"""Fields that a kind of row may have. Others are not looked at."""
UNTOLD = ("occupancy", "queue")
"""Fields that are NaN where they are not given."""
KIND_NUMBER = {kind.name.lower(): int(kind) for kind in RowKind}
NO_KIND = 255


@dataclass(frozen=True)
class Limits:
    """Bounds of one posted body; they bound the memory that reading it can take."""

    json_bytes: int = 4 * 2**20
    """A JSON body; parsed, it takes up to 50 times as much memory."""
    arrow_bytes: int = 16 * 2**20
    decoded_bytes: int = 64 * 2**20
    """What an Arrow body holds once it is decompressed."""
    messages: int = 256
    """Record batches and dictionaries in an Arrow body."""
    rows: int = 250_000


@dataclass(frozen=True)
class Header:
    """Who sent what.

    Attributes
    ----------
    batch_id : chosen by the sender; the same id twice is the same batch.
    sender : name of the field device or gateway.
    complete_until : the sender has sent everything up to this time [tenths since 1970]; None: it does not say.
    """

    batch_id: str
    sender: str
    complete_until: int | None


@dataclass(frozen=True)
class Posted:
    """A batch as it was read; nothing in it has been compared with the street yet.

    Attributes
    ----------
    header : batch id, sender, complete until.
    kind : [N] ``RowKind``, or ``NO_KIND``.
    sensor, lane, to : [N] positions in ``sensor_names``, ``lane_names``, ``to_names``; ``MISSING`` where not given.
    sensor_names, lane_names, to_names : the texts that occur.
    time_ms : [N] milliseconds since 1970.
    on : [N] covered or left.
    distance, speed, confidence : [N] [m], [m/s], 0 to 1.
    begin_ms : [N] milliseconds since 1970.
    vehicles, occupancy, queue : [N] [veh], 0 to 1 or NaN, [veh] or NaN.
    fault : [N] ``Verdict`` that the row has earned already by its form.
    field : [N] which of ``FIELDS`` is at fault.
    """

    header: Header
    kind: NDArray[np.uint8]
    sensor: NDArray[np.int32]
    sensor_names: pa.StringArray
    time_ms: NDArray[np.int64]
    on: Bools
    lane: NDArray[np.int32]
    lane_names: pa.StringArray
    to: NDArray[np.int32]
    to_names: pa.StringArray
    distance: NDArray[np.float32]
    speed: NDArray[np.float32]
    confidence: NDArray[np.float32]
    begin_ms: NDArray[np.int64]
    vehicles: NDArray[np.float32]
    occupancy: NDArray[np.float32]
    queue: NDArray[np.float32]
    fault: NDArray[np.uint8]
    field: NDArray[np.uint8]

    @property
    def batch_id(self) -> str:
        """Id of the batch."""
        return self.header.batch_id

    @property
    def sender(self) -> str:
        """Who sent it."""
        return self.header.sender

    @property
    def complete_until(self) -> int | None:
        """Time [tenths] up to which the sender has sent all; None: it does not say."""
        return self.header.complete_until


@dataclass(frozen=True)
class Column:
    """One field of all rows: values [N], and where they were not given (None: nowhere) or of a wrong type."""

    values: NDArray[Any]
    absent: Bools | None = None
    wrong: Bools | None = None
    names: pa.StringArray = field(default_factory=lambda: names_array(()))
    """Of a text column: what its numbers stand for."""


def read_header(found: Mapping[str, Any]) -> Header:
    """Check format, batch id, sender and complete_until.

    Raises
    ------
    InputError
        If one of them is missing or wrong.
    """
    if found.get("format") != FORMAT:
        raise InputError(
            f'a batch has the field "format" with the value "{FORMAT}", found {_short(found.get("format"))}'
        )
    for name in ("batch_id", "sender"):
        value = found.get(name)
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise InputError(
                f'"{name}" must be 1 to 128 letters, digits or . _ : / @ + -, found {_short(value)}: '
                "give each batch an id of its own (a UUID), and each sender its name"
            )
    until = found.get("complete_until")
    if until is not None and (type(until) is not int or not 0 <= until < LATEST):
        raise InputError(
            '"complete_until" must be a whole number of tenths of a second since 1970-01-01T00:00:00Z, '
            f"or be left out, found {_short(until)}"
        )
    return Header(found["batch_id"], found["sender"], until)


def assemble(header: Header, count: int, columns: Mapping[str, Column], unknown_field: Bools | None = None) -> Posted:
    """Put columns together, and mark the rows that are wrong in form.

    Parameters
    ----------
    columns : by field; a field that is not there was given in no row.
    unknown_field : [N] rows with a field that no row has.
    """
    fault, at_fault = np.zeros(count, dtype=np.uint8), np.zeros(count, dtype=np.uint8)
    filled = {name: columns.get(name) or _nothing(name, count) for name in FIELDS}
    kind = filled["kind"].values
    if unknown_field is not None:
        _mark(fault, at_fault, unknown_field, Verdict.UNKNOWN_FIELD, 0)
    for name, column in filled.items():
        _mark(fault, at_fault, column.wrong, Verdict.WRONG_TYPE, FIELD_NUMBER[name])
    for name in ("kind", "sensor", "time_ms"):
        _mark(fault, at_fault, filled[name].absent, Verdict.MISSING_VALUE, FIELD_NUMBER[name])
    for row_kind, names in NEEDED.items():
        for name in names:
            absent = filled[name].absent
            if absent is not None:
                _mark(fault, at_fault, absent & (kind == row_kind), Verdict.MISSING_VALUE, FIELD_NUMBER[name])
    _mark(fault, at_fault, kind == NO_KIND, Verdict.UNKNOWN_KIND, FIELD_NUMBER["kind"])
    values = {name: column.values for name, column in filled.items()}
    for name in UNTOLD:
        absent = filled[name].absent
        if absent is not None:
            values[name] = np.where(absent, np.float32(np.nan), values[name])
    return Posted(
        header=header,
        sensor_names=filled["sensor"].names,
        lane_names=filled["lane"].names,
        to_names=filled["to"].names,
        fault=fault,
        field=at_fault,
        **values,
    )


def kinds_of(texts: Column) -> Column:
    """Numbers of ``RowKind`` in place of a text column; ``NO_KIND`` for other words and for none."""
    meaning = np.array([*(KIND_NUMBER.get(name, NO_KIND) for name in texts.names.to_pylist()), NO_KIND], dtype=np.uint8)
    return Column(meaning[texts.values], texts.absent, texts.wrong)


def _mark(
    fault: NDArray[np.uint8], at_fault: NDArray[np.uint8], rows: Bools | None, verdict: Verdict, number: int
) -> None:
    if rows is None or not rows.any():
        return
    first = rows & (fault == Verdict.ACCEPTED)
    fault[first] = verdict
    at_fault[first] = number


_TYPES: dict[str, Any] = {
    "kind": np.uint8,
    "sensor": np.int32,
    "time_ms": np.int64,
    "on": np.bool_,
    "lane": np.int32,
    "to": np.int32,
    "begin_ms": np.int64,
}
_FILL = {"kind": NO_KIND, "sensor": MISSING, "lane": MISSING, "to": MISSING, **dict.fromkeys(UNTOLD, np.nan)}


def _nothing(name: str, count: int) -> Column:
    return Column(
        np.full(count, _FILL.get(name, 0), dtype=_TYPES.get(name, np.float32)), np.ones(count, dtype=np.bool_)
    )


def _short(value: object) -> str:
    text = "nothing" if value is None else ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."
