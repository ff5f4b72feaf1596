"""Frames: how a moving picture of the street is written, whole or as what changed since the frame before.

A picture is a few arrays of numbers from 0 to 63, each written as one letter of ``ALPHABET`` per place. What changed is
written as pairs of a gap and a letter: places passed over since the last change, in digits of five bits, lowest first,
each but the last with 32 added. Index letters: l lanes, e roads, g groups, i intersections.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALPHABET = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_", dtype=np.uint8)
LARGEST = 63
LARGEST_INDEX = 20.0
DIGITS = 5
"""Digits of a gap; enough for 33 million places."""

Places = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """The street at one moment.

    Attributes
    ----------
    time : [tenths].
    places : arrays by name, each 0 to 63. ``q`` [L] length of the queue over the lane's; ``v`` [L] storage taken;
        ``c`` [L] confidence; ``g`` [G] aspect; ``m`` [I] mode; ``x`` [E] congestion delay index, 0 where unknown.
    rest : further members of the frame, plain types.
    """

    time: int
    places: dict[str, Places]
    rest: dict[str, Any]


@dataclass(frozen=True)
class Frame:
    """A picture on its way to readers; ``number`` grows by one from frame to frame."""

    number: int
    picture: Picture
    before: Picture | None

    @cached_property
    def whole(self) -> str:
        """The frame for who has none, as JSON."""
        return _write(self.picture, {name: letters(values) for name, values in self.picture.places.items()}, {})

    @cached_property
    def change(self) -> str:
        """The frame for who has the one before, as JSON."""
        if self.before is None:
            return self.whole
        whole, change = {}, {}
        for name, values in self.picture.places.items():
            text = changes(self.before.places[name], values)
            if len(text) < len(values):
                change[name] = text
            else:
                whole[name] = letters(values)
        return _write(self.picture, whole, {name: text for name, text in change.items() if text})


def letters(values: Places) -> str:
    """Write an array, one letter per place."""
    return ALPHABET[values].tobytes().decode("ascii")


def changes(before: Places, after: Places) -> str:
    """Write what is different in an array."""
    at = np.flatnonzero(before != after)
    gap = np.diff(at, prepend=-1) - 1
    parts = np.empty((len(at), DIGITS + 1), dtype=np.uint8)
    used = np.ones(parts.shape, dtype=np.bool_)
    for digit in range(DIGITS):
        rest = gap >> 5 * digit
        parts[:, digit] = (rest & 31) + np.where(rest > 31, 32, 0)
        used[:, digit] = (rest > 0) | (digit == 0)
    parts[:, DIGITS] = after[at]
    return letters(parts[used])


def share(values: NDArray[Any]) -> Places:
    """Numbers 0 to 63 of shares 0 to 1."""
    places: Places = np.rint(np.clip(np.nan_to_num(values), 0.0, 1.0) * LARGEST).astype(np.uint8)
    return places


def index_places(index: NDArray[Any]) -> Places:
    """Numbers 1 to 63 of indices 1 to 20, in equal ratios."""
    ratio = np.log(np.clip(index, 1.0, LARGEST_INDEX)) / np.log(LARGEST_INDEX)
    places: Places = (1 + np.rint(ratio * (LARGEST - 1))).astype(np.uint8)
    return places


def _write(picture: Picture, whole: dict[str, str], change: dict[str, str]) -> str:
    document = {"t": picture.time, **picture.rest, "whole": whole, "change": change}
    return json.dumps(document, separators=(",", ":"), allow_nan=False)
