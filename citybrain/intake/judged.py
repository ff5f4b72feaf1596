"""Judged batches: what the store keeps of a post, and what the engine gets of all that came in one tick."""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from citybrain.errors import ContractError, InputError
from citybrain.intake.doubles import first_of_equals, untold_as_number
from citybrain.intake.posted import Header, Posted, Verdict
from citybrain.observations import ObservationBatch

FORMAT = "citybrain/judged/1"
VERDICT_FORMAT = "citybrain/verdicts/1"
_COLUMNS = tuple(field.name for field in fields(ObservationBatch) if field.name != "time")
_TYPES: dict[str, type[np.generic]] = {
    "sensor": np.int32,
    "lane": np.int32,
    "to": np.int32,
    "time": np.float64,
    "begin": np.float64,
    "end": np.float64,
    "on": np.bool_,
}
_SIZE = struct.Struct("<I")
_CODEC = pa.Codec("zstd", compression_level=1)
_KINDS = ("loop", "frame", "object", "count", "turn")


@dataclass(frozen=True)
class Judged:
    """A batch of which every row has been judged.

    Attributes
    ----------
    header : batch id, sender, complete until.
    fingerprint : of the :class:`~citybrain.intake.judge.Judge`; numbers of sensors and lanes are those of its street.
    rows : accepted rows in the order of posting; its time is the engine's when they were judged.
    verdict : [N] ``Verdict`` of every posted row.
    verdicts : the answer to the sender: a JSON document.
    """

    header: Header
    fingerprint: str
    rows: ObservationBatch
    verdict: NDArray[np.uint8]
    verdicts: bytes

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

    def to_bytes(self) -> bytes:
        """Pack for the store: a header in JSON, then the columns as they lie in memory, compressed.

        Not Arrow: most batches have a few rows, for which Arrow's own framing takes ten times as much room.
        """
        columns = {name: getattr(self.rows, name) for name in _COLUMNS} | {"verdict": self.verdict}
        about = {
            "format": FORMAT,
            "header": dataclasses.asdict(self.header),
            "fingerprint": self.fingerprint,
            "time": self.rows.time,
            "verdicts": self.verdicts.decode(),
            "rows": {name: len(values) for name, values in columns.items()},
        }
        head = json.dumps(about, separators=(",", ":")).encode()
        plain = b"".join((_SIZE.pack(len(head)), head, *(values.tobytes() for values in columns.values())))
        packed: bytes = _SIZE.pack(len(plain)) + _CODEC.compress(plain, asbytes=True)
        return packed

    @classmethod
    def from_bytes(cls, packed: bytes, fingerprint: str) -> Judged:
        """Unpack what :meth:`to_bytes` gave.

        Raises
        ------
        InputError
            If it is damaged, or was judged against another street than that of ``fingerprint``.
        """
        try:
            about, columns = _unpack(packed)
            header, verdict = Header(**about["header"]), columns.pop("verdict")
            rows = ObservationBatch(time=about["time"], **columns)
            judged = cls(header, about["fingerprint"], rows, verdict, about["verdicts"].encode())
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, struct.error) as error:
            raise InputError(f"a stored batch of observations cannot be read: {error}; is the store damaged?") from None
        if judged.fingerprint != fingerprint:
            raise InputError(
                f"the stored batch {header.batch_id!r} of {header.sender!r} was judged against other sensors or lanes "
                "than those of this street: serve the street it was stored for, or start with an empty store"
            )
        return judged


def _unpack(packed: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and columns of what :meth:`Judged.to_bytes` gave."""
    (size,) = _SIZE.unpack_from(packed)
    plain = _CODEC.decompress(packed[_SIZE.size :], decompressed_size=size, asbytes=True)
    (head,) = _SIZE.unpack_from(plain)
    at = _SIZE.size + head
    about = json.loads(plain[_SIZE.size : at])
    if about["format"] != FORMAT:
        raise ValueError(f"its format is {about['format']!r}, not {FORMAT!r}")
    columns: dict[str, NDArray[Any]] = {}
    for name in (*_COLUMNS, "verdict"):
        # Batches stored by versions without interval or turning counts name no rows for their columns.
        count = about["rows"].get(name, 0) if name.startswith(("count_", "turn_")) else about["rows"][name]
        columns[name] = np.frombuffer(plain, dtype=_type(name), count=count, offset=at)
        at += columns[name].nbytes
    return about, columns


def merge(judged: Sequence[Judged], time: int) -> ObservationBatch:
    """Join batches into the observations of a tick: rows in the order given, exact doubles once.

    Parameters
    ----------
    time : end of the tick [tenths since 1970].

    Raises
    ------
    ContractError
        If the batches were judged against different streets.
    """
    if len({one.fingerprint for one in judged}) > 1:
        raise ContractError("batches that were judged against different streets cannot be merged")
    columns = {
        name: np.concatenate([np.empty(0, _type(name)), *(getattr(one.rows, name) for one in judged)]).astype(
            _type(name), copy=False
        )
        for name in _COLUMNS
    }
    for kind in _KINDS:
        names = [name for name in _COLUMNS if name.startswith(kind)]
        first = first_of_equals([_exact(columns[name]) for name in names])
        if first is not None:
            columns |= {name: columns[name][first] for name in names}
    return ObservationBatch(time=time, **columns)


def verdict_document(posted: Posted, verdict: NDArray[np.uint8], sentence: Callable[[int], str]) -> bytes:
    """Write the answer to the sender: per fault its code, the rows that have it, and a sentence about the first one."""
    refused = []
    for code in np.unique(verdict[verdict != Verdict.ACCEPTED]).tolist():
        rows = np.flatnonzero(verdict == code).tolist()
        text = f"row {rows[0]}: {sentence(rows[0])}"
        refused.append({"code": Verdict(code).name.lower(), "sentence": text, "rows": rows})
    answer = {
        "format": VERDICT_FORMAT,
        "batch_id": posted.batch_id,
        "rows": len(verdict),
        "accepted": len(verdict) - sum(len(one["rows"]) for one in refused),
        "refused": refused,
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def _type(name: str) -> type[np.generic]:
    return np.uint8 if name == "verdict" else _TYPES.get(name.partition("_")[2], np.float32)


def _exact(column: NDArray[Any]) -> NDArray[Any]:
    """Turn times [s] back into the whole milliseconds that they were posted as, and NaN into what equals itself."""
    if column.dtype == np.float64:
        return np.rint(column * 1000.0).astype(np.int64)
    return untold_as_number(column) if column.dtype == np.float32 else column
