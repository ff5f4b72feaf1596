"""A table of names that finds many of them at once; names come and go as Arrow arrays, not as Python strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from citybrain_kernels import names as kernel

if TYPE_CHECKING:
    from collections.abc import Iterable

MISSING = -1


class NameTable:
    """Numbers of names: the position of each in the order given.

    Parameters
    ----------
    names : all there are.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._offset, self._words = _parts(names_array(names))
        slots = 2 ** int(2 * len(self._offset)).bit_length()
        self._slot = np.full(slots, kernel.FREE, dtype=np.int64)
        kernel.fill_slots(self._offset, self._words, self._slot)

    def find(self, names: pa.StringArray) -> NDArray[np.int32]:
        """Find the numbers [K + 1] of K names, ``MISSING`` where there is none; the last one stands for no name."""
        offset, words = _parts(names)
        found = np.full(len(names) + 1, MISSING, dtype=np.int32)
        hashed = np.empty(len(names), dtype=np.int64)
        kernel.look_up(offset, words, self._offset, self._words, self._slot, hashed, found[:-1])
        return found


def names_array(names: Iterable[str]) -> pa.StringArray:
    """Names as an Arrow array; characters that UTF-8 cannot hold (lone surrogates) become question marks."""
    return pa.array([name.encode("utf-8", "replace") for name in names], pa.binary()).cast(pa.string())


def _parts(names: pa.StringArray) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
    """Offsets and bytes, as words, of an array without nulls."""
    _, offsets, data = names.buffers()
    if len(names) == 0 or data is None:
        return np.zeros(len(names) + 1, dtype=np.int32), np.zeros(1, dtype=np.uint32)
    # A stranger's buffer may be longer than its names, by any number of bytes, and they may begin anywhere in it.
    offset = np.frombuffer(offsets, dtype=np.int32, count=len(names) + 1, offset=4 * names.offset)
    size = int(offset[-1] - offset[0])
    words = np.zeros(size // 4 + 2, dtype=np.uint32)
    words.view(np.uint8)[:size] = np.frombuffer(data, dtype=np.uint8, count=size, offset=int(offset[0]))
    return offset - offset[0], words
