"""Takes out of a batch what no sensor can have sent: for plants that read files of others, which nobody has judged.

Sensors and lanes are numbers already. What is merely late, early or doubled stays: the estimator knows what to do with
it, and a recording must play back as it was. May import observations and the ground.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from citybrain.intake.possible import DENSEST, FAMILY_OF_ROW, FASTEST, LONGEST_QUEUE, SENDS, WIDEST
from citybrain.intake.posted import RowKind, Verdict
from citybrain.observations import LONGEST_INTERVAL, SHORTEST_INTERVAL

if TYPE_CHECKING:
    from citybrain.observations import ObservationBatch, SensorTable

FURTHEST = 1e5
"""Greatest distance that is believed [m]; lanes are shorter."""
LATEST = 1e11
"""Times beyond this [s] are none."""
Mask = NDArray[np.bool_]


class Sifter:
    """Takes out impossible rows, and counts them.

    Attributes
    ----------
    refused : rows taken out so far, by the reason's code as in the intake's verdicts.
    """

    def __init__(self, sensors: SensorTable, n_lanes: int, n_roads: int) -> None:
        self._sends = SENDS[np.append(sensors.kind, np.uint8(len(SENDS) - 1))]
        self._n_sensors, self._n_lanes, self._n_roads = len(sensors.sensor_id), n_lanes, n_roads
        self.refused: Counter[str] = Counter()

    def __call__(self, batch: ObservationBatch) -> ObservationBatch:
        """Give the batch without its impossible rows; the same object where there are none."""
        changes: dict[str, NDArray[Any]] = {}
        for kind in RowKind:
            prefix = f"{kind.name.lower()}_"
            columns = {name: values for name, values in vars(batch).items() if name.startswith(prefix)}
            verdict = self._judge(kind, {name.removeprefix(prefix): values for name, values in columns.items()})
            if not verdict.any():
                continue
            codes, counts = np.unique(verdict[verdict != Verdict.ACCEPTED], return_counts=True)
            for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
                self.refused[Verdict(code).name.lower()] += count
            changes |= {name: values[verdict == Verdict.ACCEPTED] for name, values in columns.items()}
        return replace(batch, **changes) if changes else batch  # type: ignore[arg-type]  # columns only, not the time

    def _judge(self, kind: RowKind, row: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        sensor = row["sensor"]
        verdict = np.zeros(len(sensor), dtype=np.uint8)
        stranger = (sensor < 0) | (sensor >= self._n_sensors)
        sends = self._sends[np.where(stranger, self._n_sensors, sensor)]
        _mark(verdict, stranger, Verdict.UNKNOWN_SENSOR)
        _mark(verdict, sends & FAMILY_OF_ROW[kind] == 0, Verdict.WRONG_SENSOR_KIND)
        if "lane" in row:
            least = 0 if kind == RowKind.TURN else -1
            _mark(verdict, (row["lane"] < least) | (row["lane"] >= self._n_lanes), Verdict.UNKNOWN_LANE)
        if "to" in row:
            _mark(verdict, (row["to"] < 0) | (row["to"] >= self._n_roads), Verdict.UNKNOWN_ROAD)
        if kind in {RowKind.COUNT, RowKind.TURN}:
            with np.errstate(invalid="ignore"):  # what is infinite has no length, and does not fit
                span = row["end"] - row["begin"]
            fitting = (span >= SHORTEST_INTERVAL) & (span <= LONGEST_INTERVAL)
            _mark(verdict, ~(fitting & _within(row["end"], -LATEST, LATEST)), Verdict.WRONG_INTERVAL)
            possible = _within(row["vehicles"], 0.0, DENSEST * span)
        else:
            possible = _within(row["time"], -LATEST, LATEST)
        if kind == RowKind.COUNT:
            possible &= np.isnan(row["occupancy"]) | _within(row["occupancy"], 0.0, 1.0)
            possible &= np.isnan(row["queue"]) | _within(row["queue"], 0.0, LONGEST_QUEUE)
        if kind == RowKind.OBJECT:
            possible &= _within(row["distance"], -WIDEST, FURTHEST) & _within(row["speed"], 0.0, FASTEST)
            possible &= _within(row["confidence"], 0.0, 1.0)
        _mark(verdict, ~possible, Verdict.IMPOSSIBLE_VALUE)
        return verdict


def _within(values: NDArray[Any], low: float, high: float | NDArray[np.float64]) -> Mask:
    """Which values lie within the bounds; NaN does not."""
    within: Mask = (values >= low) & (values <= high)
    return within


def _mark(verdict: NDArray[np.uint8], rows: Mask, value: Verdict) -> None:
    verdict[rows & (verdict == Verdict.ACCEPTED)] = value
