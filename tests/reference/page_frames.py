"""How a frame is read, letter by letter: what the page does, for a test to hold the writer against."""

from __future__ import annotations

LETTERS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"


def read_whole(text: str) -> list[int]:
    """Numbers of an array that was written whole."""
    return [LETTERS.index(letter) for letter in text]


def read_change(text: str, before: list[int]) -> list[int]:
    """Numbers of an array after what changed: pairs of a gap in digits of five bits, lowest first, and a letter."""
    after, at, rest = list(before), -1, iter(text)
    for letter in rest:
        digit = LETTERS.index(letter)
        gap, shift = digit & 31, 5
        while digit & 32:
            digit = LETTERS.index(next(rest))
            gap |= (digit & 31) << shift
            shift += 5
        at += gap + 1
        after[at] = LETTERS.index(next(rest))
    return after
