"""Batches of observations in JSON to columns. A wrong row is marked and disturbs no other; a wrong body is refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain.intake.names import MISSING, names_array
from citybrain.intake.posted import FIELDS, Bools, Column, Limits, Posted, assemble, kinds_of, read_header

_HEADER = frozenset(("format", "batch_id", "sender", "complete_until", "rows"))
_NONE = type(None)
_LONG = np.iinfo(np.int64)


def read_json(body: bytes, limits: Limits) -> Posted:
    """Read a batch.

    Raises
    ------
    InputError
        If the body is too large, no JSON, or no batch. Wrong rows are no error: they are marked in the result.
    """
    if len(body) > limits.json_bytes:
        raise InputError(
            f"a JSON body may have {limits.json_bytes} bytes, this one has {len(body)}: "
            "send smaller batches, or Arrow, which holds more"
        )
    document = _parse(body)
    surplus = sorted(document.keys() - _HEADER)
    if surplus:
        raise InputError(f"a batch has no field {ascii(surplus[0])[:60]}; its fields are {', '.join(sorted(_HEADER))}")
    header = read_header(document)
    rows = document.get("rows")
    if not isinstance(rows, list):
        raise InputError('"rows" must be a list of rows')
    if len(rows) > limits.rows:
        raise InputError(f"a batch may have {limits.rows} rows, this one has {len(rows)}: send smaller batches")
    return _columns(rows, header)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise InputError("the JSON body is nested too deeply: a batch has rows, and rows have plain values") from None
    except ValueError as error:
        raise InputError(f"the body is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise InputError("the JSON body must be an object with the fields of a batch")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON; leave the row out, or the value null")


def _columns(rows: list[Any], header: Any) -> Posted:
    no_row = _where(rows, lambda row: type(row) is not dict)
    if no_row is not None:
        rows = [row if type(row) is dict else {} for row in rows]
    surplus = _where(rows, lambda row: not row.keys() <= FIELDS.keys())
    given = {name: [row.get(name) for row in rows] for name in FIELDS}
    kind = kinds_of(_texts(given["kind"]))
    columns = {
        "kind": Column(kind.values, kind.absent, _either(kind.wrong, no_row)),
        "sensor": _texts(given["sensor"]),
        "time_ms": _wholes(given["time_ms"]),
        "on": _switches(given["on"]),
        "lane": _texts(given["lane"]),
        "to": _texts(given["to"]),
        "distance": _numbers(given["distance"]),
        "speed": _numbers(given["speed"]),
        "confidence": _numbers(given["confidence"]),
        "begin_ms": _wholes(given["begin_ms"]),
        "vehicles": _numbers(given["vehicles"]),
        "occupancy": _numbers(given["occupancy"]),
        "queue": _numbers(given["queue"]),
    }
    return assemble(header, len(rows), columns, surplus)


def _where(values: list[Any], holds: Any) -> Bools | None:
    """Where it holds; None if nowhere."""
    found = np.fromiter(map(holds, values), dtype=np.bool_, count=len(values))
    return found if found.any() else None


def _either(a: Bools | None, b: Bools | None) -> Bools | None:
    return b if a is None else a if b is None else a | b


def _sorted_out(values: list[Any], good: frozenset[type], fill: Any) -> tuple[list[Any], Bools | None, Bools | None]:
    """Values with ``fill`` for those not given or of a wrong type, and where each of these is."""
    types = set(map(type, values))
    absent = _where(values, lambda value: value is None) if _NONE in types else None
    wrong = None
    if not types <= good | {_NONE}:
        wrong = _where(values, lambda value: type(value) not in good and value is not None)
    if absent is not None or wrong is not None:
        values = [value if type(value) in good else fill for value in values]
    return values, absent, wrong


def _texts(values: list[Any]) -> Column:
    texts, absent, wrong = _sorted_out(values, frozenset((str,)), None)
    number: dict[str | None, int] = {}
    codes: NDArray[np.int32] = np.fromiter(
        (number.setdefault(text, len(number)) for text in texts), dtype=np.int32, count=len(texts)
    )
    if None in number:
        # A value that is no text gets MISSING, and the names close the gap it leaves.
        gap = number.pop(None)
        codes = np.where(codes == gap, MISSING, codes - (codes > gap)).astype(np.int32)
    return Column(codes, absent, wrong, names_array(str(name) for name in number))


def _wholes(values: list[Any]) -> Column:
    wholes, absent, wrong = _sorted_out(values, frozenset((int,)), 0)
    beyond = _where(wholes, lambda value: not _LONG.min <= value <= _LONG.max)
    if beyond is not None:
        wholes = [0 if out else value for value, out in zip(wholes, beyond.tolist(), strict=True)]
    return Column(np.array(wholes, dtype=np.int64), absent, _either(wrong, beyond))


def _switches(values: list[Any]) -> Column:
    switches, absent, wrong = _sorted_out(values, frozenset((bool,)), False)
    return Column(np.array(switches, dtype=np.bool_), absent, wrong)


def _numbers(values: list[Any]) -> Column:
    numbers, absent, wrong = _sorted_out(values, frozenset((float, int)), 0.0)
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as impossible
        try:
            return Column(np.array(numbers, dtype=np.float64).astype(np.float32), absent, wrong)
        except OverflowError:
            finite = [value if abs(value) < 1e300 else float("inf") for value in numbers]
            return Column(np.array(finite, dtype=np.float64).astype(np.float32), absent, wrong)
