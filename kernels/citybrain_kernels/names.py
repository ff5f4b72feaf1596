"""Names to numbers: a hash table over the bytes of names, since looking up strings one by one costs a microsecond each.

Names are UTF-8 bytes end to end, with offsets: name k is ``data[offset[k]:offset[k + 1]]``, as in Arrow. Kernels read
four of them at a time, from the same bytes seen as little-endian words; these go one word beyond the last byte.
"""

# k = names of the table, q = names that are looked up, s = slots

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Words = NDArray[np.uint32]

FREE = -1
BLOCK = 256
"""Names that are looked up together."""
_LOW = 0xFFFFFFFF


@kernel
def word_at(words: Words, at: int, end: int) -> int:
    """Four bytes from a position that need not be a multiple of four; those from ``end`` on are zero."""
    w = at >> 2
    pair = (np.int64(words[w + 1]) << 32) | np.int64(words[w])
    word = (pair >> (8 * (at & 3))) & np.int64(_LOW)
    if end - at < 4:
        word &= (np.int64(1) << (8 * (end - at))) - 1
    return int(word)


@kernel
def hash_name(words: Words, begin: int, end: int) -> int:
    """Hash some bytes to 31 bits: each word is multiplied, and the upper half, where all its bits tell, folded down.

    No product overflows. The multiplier is that of MurmurHash2 (Appleby 2008).
    """
    hashed = np.int64(end - begin)
    for at in range(begin, end, 4):
        spread = (hashed ^ word_at(words, at, end)) * np.int64(0x5BD1E995)
        hashed = (spread ^ (spread >> 27)) & np.int64(0x7FFFFFFF)
    return int(hashed)


@kernel
def same_name(words: Words, begin: int, end: int, other: Words, at: int, until: int) -> bool:
    """Whether two names are the same bytes."""
    if end - begin != until - at:
        return False
    for b in range(0, end - begin, 4):  # noqa: SIM110 - Numba compiles no generators
        if word_at(words, begin + b, end) != word_at(other, at + b, until):
            return False
    return True


@kernel
def is_name(
    entry: int, hashed: int, words: Words, begin: int, end: int, table_offset: Ints, table_words: Words
) -> bool:
    """Whether a slot's entry stands for a name with that hash."""
    if entry >> 32 != hashed:
        return False
    k = entry & _LOW
    return same_name(words, begin, end, table_words, table_offset[k], table_offset[k + 1])


@kernel
def fill_slots(table_offset: Ints, table_words: Words, slot: Longs) -> None:
    """Put every name into a slot; of equal names the first stays.

    Parameters
    ----------
    table_offset : [K + 1]. table_words : [bytes / 4 + 1 or more].
    slot : [S] all ``FREE``; S is a power of two, at least 2 K. Written: a name's hash and number, 32 bits each.
    """
    for k in range(len(table_offset) - 1):
        begin, end = table_offset[k], table_offset[k + 1]
        hashed = hash_name(table_words, begin, end)
        s = hashed & (len(slot) - 1)
        while slot[s] != FREE:
            if is_name(slot[s], hashed, table_words, begin, end, table_offset, table_words):
                break
            s = (s + 1) & (len(slot) - 1)
        if slot[s] == FREE:
            slot[s] = (hashed << 32) | k


@kernel
def look_up(
    offset: Ints,
    words: Words,
    table_offset: Ints,
    table_words: Words,
    slot: Longs,
    hashed: Longs,
    out: Ints,
) -> None:
    """Find the number of every name.

    Step by step for a few hundred names at a time: what one name waits for in memory then comes with the next one's.

    Parameters
    ----------
    offset : [Q + 1]. words : [bytes / 4 + 1 or more]. The names that are looked up.
    table_offset, table_words, slot : as in :func:`fill_slots`.
    hashed : [Q] scratch.
    out : [Q] position in the table, -1 where there is none. Written.
    """
    last_slot = len(slot) - 1
    for first in range(0, len(out), BLOCK):
        beyond = min(first + BLOCK, len(out))
        for q in range(first, beyond):
            hashed[q] = hash_name(words, offset[q], offset[q + 1])
        for q in range(first, beyond):
            s = hashed[q] & last_slot
            while slot[s] != FREE and slot[s] >> 32 != hashed[q]:
                s = (s + 1) & last_slot
            out[q] = s
        for q in range(first, beyond):
            s = np.int64(out[q])
            while slot[s] != FREE:
                if is_name(slot[s], hashed[q], words, offset[q], offset[q + 1], table_offset, table_words):
                    break
                s = (s + 1) & last_slot
            out[q] = -1 if slot[s] == FREE else slot[s] & _LOW
