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
        self._offset, self._data = _parts(names_array(names))
        slots = 2 ** int(2 * len(self._offset)).bit_length()
        self._slot = np.full(slots, kernel.FREE, dtype=np.int32)
        kernel.fill_slots(self._offset, self._data, self._slot)

    def find(self, names: pa.StringArray) -> NDArray[np.int32]:
        """Find the numbers [K + 1] of K names, ``MISSING`` where there is none; the last one stands for no name."""
        offset, data = _parts(names)
        found = np.full(len(names) + 1, MISSING, dtype=np.int32)
        kernel.look_up(offset, data, self._offset, self._data, self._slot, found[:-1])
        return found


def names_array(names: Iterable[str]) -> pa.StringArray:
    """Names as an Arrow array; characters that UTF-8 cannot hold (lone surrogates) become question marks."""
    return pa.array([name.encode("utf-8", "replace") for name in names], pa.binary()).cast(pa.string())


def _parts(names: pa.StringArray) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Offsets and bytes of an array without nulls."""
    _, offsets, data = names.buffers()
    if len(names) == 0 or data is None:
        return np.zeros(len(names) + 1, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    # A stranger's buffer may be longer than its names, by any number of bytes.
    offset = np.frombuffer(offsets, dtype=np.int32, count=len(names) + 1, offset=4 * names.offset)
    return offset, np.frombuffer(data, dtype=np.uint8)
