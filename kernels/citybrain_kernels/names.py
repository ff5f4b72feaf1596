"""Names to numbers: a hash table over the bytes of names, since looking up strings one by one costs a microsecond each.

Names are UTF-8 bytes end to end, with offsets: name k is ``data[offset[k]:offset[k + 1]]``, as in Arrow.
"""

# k = names of the table, q = names that are looked up, s = slots

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel

Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

FREE = -1


@kernel
def hash_name(data: Bytes, begin: int, end: int) -> int:
    """FNV-1a over some bytes, cut to 31 bits so that no product overflows (Fowler, Noll and Vo, 1991)."""
    hashed = np.int64(0x11C9DC5)
    for b in range(begin, end):
        hashed = ((hashed ^ np.int64(data[b])) * np.int64(16777619)) & np.int64(0x7FFFFFFF)
    return int(hashed)


@kernel
def same_name(data: Bytes, begin: int, end: int, other: Bytes, at: int, until: int) -> bool:
    """Whether two names are the same bytes."""
    if end - begin != until - at:
        return False
    for b in range(end - begin):  # noqa: SIM110 - Numba compiles no generators
        if data[begin + b] != other[at + b]:
            return False
    return True


@kernel
def find_slot(data: Bytes, begin: int, end: int, table_offset: Ints, table_data: Bytes, slot: Ints) -> int:
    """Slot that holds a name, or the free slot where it would go."""
    s = hash_name(data, begin, end) & (len(slot) - 1)
    while slot[s] != FREE:
        k = slot[s]
        if same_name(data, begin, end, table_data, table_offset[k], table_offset[k + 1]):
            break
        s = (s + 1) & (len(slot) - 1)
    return s


@kernel
def fill_slots(table_offset: Ints, table_data: Bytes, slot: Ints) -> None:
    """Put every name into a slot; of equal names the first stays.

    Parameters
    ----------
    table_offset : [K + 1]. table_data : [bytes].
    slot : [S] all ``FREE``; S is a power of two, at least 2 K. Written.
    """
    for k in range(len(table_offset) - 1):
        s = find_slot(table_data, table_offset[k], table_offset[k + 1], table_offset, table_data, slot)
        if slot[s] == FREE:
            slot[s] = k


@kernel
def look_up(offset: Ints, data: Bytes, table_offset: Ints, table_data: Bytes, slot: Ints, out: Ints) -> None:
    """Find the number of every name.

    Parameters
    ----------
    offset : [Q + 1]. data : [bytes]. The names that are looked up.
    table_offset, table_data, slot : as in :func:`fill_slots`.
    out : [Q] position in the table, -1 where there is none. Written.
    """
    for q in range(len(offset) - 1):
        out[q] = slot[find_slot(data, offset[q], offset[q + 1], table_offset, table_data, slot)]
