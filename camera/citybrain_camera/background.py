"""The empty street, learnt from the pictures themselves: what is not like it is perhaps a vehicle.

OpenCV's mixtures (MOG2, KNN) take in a standing queue within a red. Here the detector says what it explained as a
vehicle, and there the street is hardly relearnt; elsewhere it follows the light within seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from citybrain_camera.sightings import Image

Weights = NDArray[np.float32]
WARM_UP_S = 240.0
"""The first street is learnt over this time [s]: two cycles of signals or more."""
_SAMPLES = 25
_APART_S = 80.0
"""Pictures so far apart that agree in a pixel show the bare street there: no vehicle of a queue stands so long."""
_ALIKE = 14
"""Pixels agree within this [grey levels]."""
_BARE_S, _STRANGE_S, _VEHICLE_S = 4.0, 240.0, 900.0
"""Time constants with which the street is relearnt where it is bare, strange, under a vehicle [s]."""
_ALL_STRANGE = 0.6
"""If so much of a picture is strange the light has changed, and everything is relearnt quickly."""
_LEAST_DIFFERENCE = 7.0
_NOISE_TIMES = 3.0
_SWAY = 0.12
"""How much of an edge of the street a swaying mast may show as a difference."""
_DARK = 80.0
"""Below this brightness [grey levels] of the street lamps light it."""
_EDGE_REACH = 7
"""An edge that the empty street does not have speaks for so many pixels around it."""
_AROUND_VEHICLE = 9
"""Pixels around a vehicle that are not relearnt either [pixels]."""
SHADOW_WEIGHT = 0.3
"""A pixel that is only darker may be a shadow: it speaks for a vehicle only beside others that surely are."""
_GLOW_WEIGHT = 0.45
"""A pixel that is only brighter may be the light of a headlamp on the road."""


class Background:
    """Learns the empty street.

    Parameters
    ----------
    warm_up_s : time over which the first street is learnt [s].
    """

    def __init__(self, warm_up_s: float = WARM_UP_S) -> None:
        self._interval = warm_up_s / (_SAMPLES - 1)
        self._samples: list[Image] = []
        self._next = -np.inf
        self._street: Weights | None = None
        self._noise = 3.0
        self._last = 0.0
        self._looked = -np.inf
        self._wide_edges: Weights = np.zeros(0, dtype=np.float32)
        self._dark = False

    def weigh(self, image: Image, time: float) -> Weights | None:
        """Say how strongly each pixel speaks for a vehicle, 0 to 1 [height, width]; None while warming up."""
        if self._street is None:
            self._gather(image, time)
            if self._street is None:
                return None
        seen = cv2.GaussianBlur(image, (3, 3), 0).astype(np.float32)
        # Plane by plane: NumPy is ten times slower along a last axis of three.
        now, street = cv2.split(seen), cv2.split(self._street)
        difference = _greatest([cv2.absdiff(a, b) for a, b in zip(now, street, strict=True)])
        self._noise = 0.95 * self._noise + 0.05 * 1.5 * float(np.median(difference[::4, ::4]))
        least = max(_LEAST_DIFFERENCE, _NOISE_TIMES * self._noise)
        strange = difference > least + _SWAY * self._wide_edges
        ratio = [cv2.divide(a + 4.0, b + 4.0) for a, b in zip(now, street, strict=True)]
        high, low = _greatest(ratio), -_greatest([-part for part in ratio])
        structured = _spread(_edges(seen) - self._wide_edges > 4.0 * least, _EDGE_REACH)
        plain = strange & (high - low < 0.14) & ~structured
        weight: Weights = strange.astype(np.float32)
        weight[plain & (low > 0.35) & (high < 1.0)] = SHADOW_WEIGHT
        if self._dark:
            weight[plain & (low > 1.0) & (high < 2.6)] = _GLOW_WEIGHT
        return weight

    def learn(self, image: Image, weight: Weights, vehicle: NDArray[np.uint8], time: float) -> None:
        """Follow the light; ``vehicle`` [height, width] is 1 on what was explained as vehicles."""
        if self._street is None:
            return
        step, self._last = min(1.0, max(0.0, time - self._last)), time
        strange = weight > 0.0
        slow = np.full(weight.shape, step / _BARE_S, dtype=np.float32)
        if float(strange.mean()) < _ALL_STRANGE:
            slow[strange] = step / _STRANGE_S
            slow[_spread(vehicle > 0, _AROUND_VEHICLE)] = step / _VEHICLE_S
        change = cv2.subtract(image, self._street, dtype=cv2.CV_32F)
        self._street += cv2.multiply(change, cv2.merge((slow, slow, slow)))
        self._look_again(time)

    def _gather(self, image: Image, time: float) -> None:
        if time < self._next - 1e-6:
            return
        self._samples.append(image.copy())
        self._next = time + self._interval
        if len(self._samples) == _SAMPLES:
            self._street = _lasting(np.stack(self._samples), round(_APART_S / self._interval))
            self._samples = []
            self._last = time
            self._look_again(time)

    def _look_again(self, time: float) -> None:
        """Take the street's edges and brightness anew, once a second."""
        if self._street is not None and time >= self._looked + 1.0:
            self._looked = time
            self._wide_edges = np.asarray(cv2.dilate(_edges(self._street), np.ones((3, 3))), dtype=np.float32)
            self._dark = float(np.median(self._street[::4, ::4])) < _DARK


def _lasting(pictures: Image, apart: int) -> Weights:
    """Per pixel the mean of the pictures that agree with the most others at least ``apart`` places away.

    Of pictures [S, height, width, 3]. A median would show the queue wherever it stands for more than half of the time.
    """
    count = len(pictures)
    apart = min(apart, count // 2)
    support = np.zeros(pictures.shape[:3], dtype=np.uint8)
    for a in range(count):
        for b in range(a + apart, count):
            alike = _alike(pictures[a], pictures[b])
            support[a] += alike
            support[b] += alike
    best = np.argmax(support, axis=0)
    chosen = np.take_along_axis(pictures, best[None, :, :, None], axis=0)[0]
    street = np.zeros(chosen.shape, dtype=np.float32)
    number = np.zeros(chosen.shape[:2], dtype=np.float32)
    for picture in pictures:
        alike = _alike(picture, chosen).astype(np.float32)
        street += cv2.multiply(picture.astype(np.float32), cv2.merge((alike, alike, alike)))
        number += alike
    return np.asarray(street / number[:, :, None], dtype=np.float32)


def _alike(a: Image, b: Image) -> NDArray[np.uint8]:
    """Where two pictures agree in all colours."""
    blue, green, red = cv2.split(cv2.absdiff(a, b))
    return (np.asarray(cv2.max(cv2.max(blue, green), red)) < _ALIKE).astype(np.uint8)


def _greatest(planes: Sequence[Any]) -> Weights:
    first, second, third = planes
    return np.asarray(cv2.max(cv2.max(first, second), third), dtype=np.float32)


def _spread(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), np.ones((reach, reach), dtype=np.uint8))) > 0


def _edges(picture: Weights) -> Weights:
    """Strength of edges [height, width]."""
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    return np.asarray(np.abs(across) + np.abs(down), dtype=np.float32)
