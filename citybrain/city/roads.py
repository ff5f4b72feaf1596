"""Time spent and travelled on every road over the last minutes, and its travel time. May import network and state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citybrain_kernels import city as kernel
from citybrain_kernels.estimation import FLOW_MEMORY

if TYPE_CHECKING:
    from citybrain.network import FloatArray, Network
    from citybrain.state import TrafficState

BIN_S = 20
"""Seconds of a bin."""
BINS = 45
"""Bins that are kept: travel times of up to a quarter of an hour."""
WINDOW = 15
"""Bins that indices and travel times speak of: five minutes."""


class Roads:
    """Watches every road. Index letters: e roads, b bins.

    Attributes
    ----------
    length : [E] [m]. free_s : [E] time over the road at the speed limit [s].
    """

    def __init__(self, network: Network) -> None:
        n_e = len(network.edge_id)
        road_ptr = np.searchsorted(network.lane_edge, np.arange(n_e + 1)).astype(np.int32)
        lane = road_ptr[:-1]
        self.length: FloatArray = network.lane_length[lane]
        self.free_s: FloatArray = network.lane_length[lane] / network.lane_speed[lane]
        self._road_ptr = road_ptr
        for fixed in (self.length, self.free_s, self._road_ptr):
            fixed.flags.writeable = False
        self._bin = kernel.Bin(*(np.zeros(n_e) for _ in kernel.Bin._fields))
        self._newest, self._filled = -1, 0
        self._ring = kernel.Ring(*(np.zeros((BINS, n_e), dtype=np.float32) for _ in kernel.Ring._fields))
        # Compiled now, so that no tick waits for it.
        self.close_bin()
        self.travel_time()
        self.forget()

    def watch(self, seconds: float, state: TrafficState) -> None:
        """See one tick, ``seconds`` after the one before."""
        kernel.watch_roads(seconds, self._road_ptr, state.vehicles, state.flow, self._bin)

    def close_bin(self) -> None:
        """End a bin: call it every ``BIN_S``."""
        self._newest = (self._newest + 1) % BINS
        self._filled = min(self._filled + 1, BINS)
        kernel.close_bin(FLOW_MEMORY - 1.0, self._newest, self._bin, self._ring)

    def forget(self) -> None:
        """Begin anew: what was is long ago."""
        for sums in self._bin:
            sums[:] = 0.0
        self._newest, self._filled = -1, 0

    def per_road(self, lanes: FloatArray) -> FloatArray:
        """Sum values [L] of lanes over each road [E]."""
        total: FloatArray = np.add.reduceat(lanes, self._road_ptr[:-1]) if len(self.length) else np.zeros(0)
        return total

    def window(self) -> tuple[FloatArray, FloatArray]:
        """Vehicle seconds spent and vehicles that travelled each road [E] in the last five minutes.

        A vehicle that entered or left only counts half. Source: Edie (1963), Discussion of traffic stream measurements
        and definitions: time spent and distance travelled in a window of space and time.
        """
        rows = (self._newest - np.arange(min(WINDOW, self._filled))) % BINS
        before = (self._newest - WINDOW) % BINS
        spent = self._ring.spent[rows].sum(axis=0, dtype=np.float64)
        left = self._ring.left[rows].sum(axis=0, dtype=np.float64)
        start = self._ring.content[before] if self._filled > WINDOW else np.zeros(len(left), dtype=np.float32)
        growth = self._ring.content[self._newest].astype(np.float64) - start if self._filled else -start
        return spent, np.maximum(0.0, left + 0.5 * growth)

    def left(self) -> FloatArray:
        """Vehicles that left each road [E] in the last five minutes."""
        rows = (self._newest - np.arange(min(WINDOW, self._filled))) % BINS
        total: FloatArray = self._ring.left[rows].sum(axis=0, dtype=np.float64)
        return total

    def travel_time(self) -> FloatArray:
        """Mean time over each road [E] of those who left it in the last five minutes [s]."""
        out = np.empty(len(self.length))
        scratch = np.empty(BINS + 1)
        kernel.travel_times(
            max(self._newest, 0), self._filled, WINDOW, float(BIN_S), self._ring, self.free_s, scratch, out
        )
        return out
