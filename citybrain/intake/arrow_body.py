"""Batches of observations in Arrow (IPC stream) to columns. Every body is checked in full before it is used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain.intake.arrow_sizes import check_sizes
from citybrain.intake.names import MISSING
from citybrain.intake.posted import (
    FIELDS,
    Column,
    Header,
    Limits,
    Posted,
    assemble,
    kinds_of,
    read_header,
)

_TEXTS = ("kind", "sensor", "lane", "to")
_MOST_FIELDS = 64
TIME_TYPE, SWITCH_TYPE = pa.int64(), pa.bool_()
FLOAT_TYPES = (pa.float32(), pa.float64())
TEXT_TYPES = (pa.string(), pa.large_string())


def read_arrow(body: bytes, limits: Limits) -> Posted:
    """Read a batch.

    Raises
    ------
    InputError
        If the body is too large, no sound Arrow stream, or no batch. Rows with missing values are no error: they
        are marked in the result.
    """
    if len(body) > limits.arrow_bytes:
        raise InputError(
            f"an Arrow body may have {limits.arrow_bytes} bytes, this one has {len(body)}: send smaller batches"
        )
    check_sizes(body, limits.decoded_bytes, limits.messages)
    try:
        with pa.ipc.open_stream(body) as reader:
            _check_schema(reader.schema)
            header = _read_header(reader.schema)
            table = _read_rows(reader, limits.rows)
            return assemble(header, len(table), _columns(table))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"the body is no sound Arrow IPC stream: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:300]


def _check_schema(schema: pa.Schema) -> None:
    names = schema.names
    if len(names) > _MOST_FIELDS or len(set(names)) < len(names):
        raise InputError(f"an Arrow body has each of these columns once at most: {', '.join(FIELDS)}")
    faults = [
        f"it has a column {ascii(name)[:60]}" if name not in FIELDS else _type_fault(name, schema.field(name).type)
        for name in names
    ]
    faults += [f"it has no column {name!r}" for name in ("kind", "sensor", "time_ms") if name not in names]
    faults = [fault for fault in faults if fault]
    if faults:
        raise InputError(f"the columns of an Arrow body are {', '.join(FIELDS)}; in this body " + "; ".join(faults))


def _type_fault(name: str, found: pa.DataType) -> str:
    if name in _TEXTS:
        plain = found.value_type if pa.types.is_dictionary(found) else found
        return "" if plain in TEXT_TYPES else f"{name!r} must be text, plain or dictionary-encoded, found {found!s:.60}"
    good = {"time_ms": (TIME_TYPE,), "begin_ms": (TIME_TYPE,), "on": (SWITCH_TYPE,)}.get(name, FLOAT_TYPES)
    return "" if found in good else f"{name!r} must be {' or '.join(map(str, good))}, found {found!s:.60}"


def _read_header(schema: pa.Schema) -> Header:
    found: dict[str, Any] = {}
    for key in ("format", "batch_id", "sender", "complete_until"):
        value = (schema.metadata or {}).get(key.encode())
        if value is not None:
            found[key] = value.decode("utf-8", "replace")
    until = found.get("complete_until", "")
    if until.isdecimal() and until.isascii() and len(until) <= 16:
        found["complete_until"] = int(until)
    return read_header(found)


def _read_rows(reader: pa.RecordBatchStreamReader, most_rows: int) -> pa.Table:
    batches, rows = [], 0
    for batch in reader:
        batch.validate(full=True)
        rows += len(batch)
        if rows > most_rows:
            raise InputError(f"a batch may have {most_rows} rows, this one has more: send smaller batches")
        batches.append(batch)
    return pa.Table.from_batches(batches, reader.schema)


def _columns(table: pa.Table) -> dict[str, Column]:
    columns = {name: _text(table[name]) if name in _TEXTS else _plain(name, table[name]) for name in table.column_names}
    columns["kind"] = kinds_of(columns["kind"])
    return columns


def _text(column: pa.ChunkedArray) -> Column:
    """Names and their numbers; each name is looked at once, not once per row."""
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column)
    array = _one(column.unify_dictionaries())
    names = array.dictionary.cast(pa.string())
    codes = array.indices
    if codes.null_count:
        codes = pc.fill_null(codes, 0)
    numbers = codes.to_numpy().astype(np.int32)
    absent = array.indices.is_null().to_numpy(zero_copy_only=False) if array.indices.null_count else None
    if names.null_count:
        nameless = names.is_null().to_numpy(zero_copy_only=False)[numbers]
        names = pc.fill_null(names, "")
        absent = nameless if absent is None else absent | nameless
    if absent is not None:
        numbers[absent] = MISSING
    return Column(numbers, absent, names=names)


def _plain(name: str, column: pa.ChunkedArray) -> Column:
    array = _one(column)
    absent = None
    if array.null_count:
        present = _present(array)
        absent = present == 0
        # The same values without the word that some are missing; what lies in their places may be anything.
        array = pa.Array.from_buffers(array.type, len(array), [None, array.buffers()[1]], offset=array.offset)
    values = array.to_numpy(zero_copy_only=False)
    if absent is not None:
        # Zero where absent: multiplying the bits is many times as fast as choosing value by value.
        values = (values.view(f"u{values.itemsize}") * present).view(values.dtype)
    if name not in {"time_ms", "begin_ms", "on"}:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as impossible
            values = values.astype(np.float32, copy=False)
    return Column(values, absent)


def _present(array: pa.Array) -> NDArray[np.uint8]:
    """Tell where an array that lacks some values has one (1) and where not (0)."""
    bits = np.frombuffer(array.buffers()[0], dtype=np.uint8)
    return np.unpackbits(bits, bitorder="little", count=array.offset + len(array))[array.offset :]


def _one(column: pa.ChunkedArray) -> pa.Array:
    """Chunks as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
