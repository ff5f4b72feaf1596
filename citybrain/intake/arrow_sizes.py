"""How large an Arrow stream is once it is decompressed, told from its framing alone: nothing is decompressed here.

A compressed buffer begins with the length that it will have. Arrow allocates what it says, so the lengths must be
summed up before Arrow reads a body of strangers. Framing: https://arrow.apache.org/docs/format/Columnar.html#ipc;
tables inside messages: https://flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pyarrow as pa

from citybrain.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""What a complete stream ends with."""
MOST_BUFFERS = 64
"""Buffers of a message: more than all columns of a batch can have."""
_DICTIONARY, _RECORDS = "dictionary", "record batch"
_NOT_COMPRESSED = -1


def check_sizes(body: bytes, most_bytes: int, most_messages: int) -> None:
    """Refuse a stream that is cut short, has too many messages or would be too large.

    Raises
    ------
    InputError
        If so, or if the framing contradicts itself.
    """
    if not body.endswith(END):
        raise InputError(
            "the body is no complete Arrow IPC stream: its end-of-stream mark is missing "
            "(cut short on the way, never closed by the writer, or the Arrow file format instead of the stream)"
        )
    total, messages = 0, 0
    try:
        for message in pa.ipc.MessageReader.open_stream(body):
            messages += 1
            if messages > most_messages + 1:
                raise InputError(
                    f"an Arrow body may have {most_messages} record batches and dictionaries, this one has more: "
                    "write all rows as one record batch"
                )
            if message.type in {_DICTIONARY, _RECORDS}:
                total += sum(_buffer_sizes(message))
            if total > most_bytes:
                raise InputError(
                    f"the Arrow body would take more than the {most_bytes} bytes allowed: send smaller batches"
                )
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        raise InputError(f"the body is no sound Arrow IPC stream: {error}") from None


def _buffer_sizes(message: pa.Message) -> Iterator[int]:
    """Sizes of a message's buffers, as they will be in memory."""
    table = _Table(message.metadata.to_pybytes())
    records = table.inside(2)
    if message.type == _DICTIONARY:
        records = records.inside(1)
    compressed = records.has(3)
    stored = message.body
    for offset, length in records.pairs(2):
        if not 0 <= offset <= offset + length <= stored.size:
            raise InputError("a buffer of the Arrow body lies outside its message")
        declared = _NOT_COMPRESSED
        if compressed and length:
            declared = struct.unpack("<q", stored.slice(offset, min(length, 8)).to_pybytes())[0]
        if declared < _NOT_COMPRESSED:
            raise InputError(f"a buffer of the Arrow body says that it has {declared} bytes")
        yield max(length, declared)


class _Table:
    """A flatbuffer table: fields are found by way of its table of offsets. Arrow has verified the message before."""

    def __init__(self, data: bytes, position: int | None = None) -> None:
        self._data = data
        self._at = struct.unpack_from("<I", data, 0)[0] if position is None else position
        self._offsets = self._at - struct.unpack_from("<i", data, self._at)[0]
        self._size = struct.unpack_from("<H", data, self._offsets)[0]

    def _field(self, number: int) -> int:
        """Position of a field; 0 if the table does not have it."""
        slot = 4 + 2 * number
        offset = struct.unpack_from("<H", self._data, self._offsets + slot)[0] if slot + 2 <= self._size else 0
        return self._at + offset if offset else 0

    def has(self, number: int) -> bool:
        """Whether the table has a field."""
        return self._field(number) > 0

    def _target(self, number: int) -> int:
        field = self._field(number)
        if not field:
            raise InputError("a message of the Arrow body lacks a part")
        return field + int(struct.unpack_from("<I", self._data, field)[0])

    def inside(self, number: int) -> _Table:
        """Table that a field refers to."""
        return _Table(self._data, self._target(number))

    def pairs(self, number: int) -> Iterator[tuple[int, int]]:
        """Two integers of 64 bits for every entry of a vector; none if the table does not have it."""
        if self.has(number):
            at = self._target(number)
            count = struct.unpack_from("<I", self._data, at)[0]
            end = at + 4 + 16 * count
            if count > MOST_BUFFERS or end > len(self._data):
                raise InputError(f"a message of the Arrow body says that it has {count} buffers")
            yield from struct.iter_unpack("<qq", self._data[at + 4 : end])
