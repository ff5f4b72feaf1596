"""What a run achieved, and how sure that is: pure arithmetic on arrays. Knows no simulator, reads no file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.decisions import Rule
from citybrain.signals import Aspect
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain.decisions import Command
    from citybrain.signals import Signals

FloatArray = NDArray[np.float64]

STUCK_SECONDS = 300.0
"""A vehicle that has stood for longer [s] is stuck."""
STUCK_SHARE = 0.05
"""Share of the vehicles on the network that are stuck at the end of a gridlocked run."""
GRIDLOCK_FACTOR = 3.0
"""A run whose delay exceeds the median of its group this many times is gridlocked, too."""
RESAMPLES = 2000
"""Bootstrap samples per interval."""


class TripEnd(IntEnum):
    """Where a vehicle that was due to depart is at the end of the window."""

    ARRIVED = 0
    RUNNING = 1
    NOT_INSERTED = 2


POLLUTANTS = ("co2", "co", "hc", "nox", "pmx", "fuel")
"""What a vehicle emits and burns, in the order of ``Trips.emissions``."""


@dataclass(frozen=True)
class Trips:
    """Every vehicle that was due to depart in the window, nobody left out. Index v vehicles, p persons.

    Attributes
    ----------
    vehicle, kind : names, and names of their types.
    end : [V] ``TripEnd``.
    depart : [V] time of insertion [s]; NaN where the vehicle was never inserted.
    depart_pos, arrival_pos : [V] where on its first road it was inserted, and where on its last one it arrived [m];
        NaN where it was or did not.
    delay : [V] control delay: time lost on the road and before insertion [s].
    outside : [V] of this, before insertion [s].
    travel_time : [V] from insertion to arrival or to the end of the window [s]; NaN where never inserted.
    free_time : [V] what the way driven takes unhindered [s]; NaN likewise.
    distance : [V] driven [m]; of those on the way without the road they are on.
    stops : [V] how often it came to stand.
    standing : [V] how long it stood (below 0.1 m/s), scheduled stops left out [s].
    emissions : [V, 6] of ``POLLUTANTS`` [g]; NaN where they were not computed, 0 for those never inserted.
    walker : names of persons who finished a walk. walk_delay, walk_time : [P] time lost, and time, on foot [s].
    """

    vehicle: tuple[str, ...]
    kind: tuple[str, ...]
    end: NDArray[np.uint8]
    depart: FloatArray
    depart_pos: FloatArray
    arrival_pos: FloatArray
    delay: FloatArray
    outside: FloatArray
    travel_time: FloatArray
    free_time: FloatArray
    distance: FloatArray
    stops: NDArray[np.int32]
    standing: FloatArray
    emissions: FloatArray
    walker: tuple[str, ...]
    walk_delay: FloatArray
    walk_time: FloatArray


@dataclass(frozen=True)
class TripMeasures:
    """Measures of one run; NaN where nobody travelled.

    Attributes
    ----------
    delay_s, median_delay_s, p95_delay_s : control delay over everyone who was due to depart [s/veh].
    travel_time_s : mean time on the road over everyone who was inserted, until the end if unfinished [s/veh].
    stops : mean number of stops over everyone who was inserted [1/veh].
    queue : mean number of vehicles that stand (below 0.1 m/s) at any one time [veh].
    arrived, running, not_inserted, loaded : vehicles; the last is the sum of the others.
    pedestrian_delay_s : mean time lost over persons who finished a walk [s]; NaN without any.
    p85_delay_s, longest_delay_s : further figures of the control delay [s].
    travel_time_index : time on the road over the time that the same ways take unhindered, of everyone inserted.
    distance_km : driven by all.
    co2_kg, nox_kg, pmx_kg, fuel_kg : of everyone inserted, finished or not; NaN where not computed.
    pedestrian_p95_s, pedestrian_longest_s : further figures of the delay of pedestrians [s].
    """

    delay_s: float
    median_delay_s: float
    p95_delay_s: float
    travel_time_s: float
    stops: float
    queue: float
    arrived: int
    running: int
    not_inserted: int
    loaded: int
    pedestrian_delay_s: float
    p85_delay_s: float
    longest_delay_s: float
    travel_time_index: float
    distance_km: float
    co2_kg: float
    nox_kg: float
    pmx_kg: float
    fuel_kg: float
    pedestrian_p95_s: float
    pedestrian_longest_s: float


def measure_trips(trips: Trips, window_s: float) -> TripMeasures:
    """Condense trips into the measures of a run.

    Parameters
    ----------
    trips : everyone who was due to depart.
    window_s : length of the window [s], above 0.
    """
    counts = np.bincount(trips.end, minlength=len(TripEnd))
    inserted = trips.end != TripEnd.NOT_INSERTED
    free = float(trips.free_time[inserted].sum())
    lost = float((trips.delay - trips.outside)[inserted].sum())
    burnt = dict(zip(POLLUTANTS, (trips.emissions.sum(axis=0) / 1000.0).tolist(), strict=True))
    return TripMeasures(
        delay_s=_mean(trips.delay),
        median_delay_s=percentile(trips.delay, 50.0),
        p95_delay_s=percentile(trips.delay, 95.0),
        travel_time_s=_mean(trips.travel_time[inserted]),
        stops=_mean(trips.stops[inserted]),
        queue=float(trips.standing.sum()) / window_s,
        arrived=int(counts[TripEnd.ARRIVED]),
        running=int(counts[TripEnd.RUNNING]),
        not_inserted=int(counts[TripEnd.NOT_INSERTED]),
        loaded=len(trips.vehicle),
        pedestrian_delay_s=_mean(trips.walk_delay),
        p85_delay_s=percentile(trips.delay, 85.0),
        longest_delay_s=percentile(trips.delay, 100.0),
        travel_time_index=(free + lost) / free if free > 0.0 else float("nan"),
        distance_km=float(trips.distance[inserted].sum()) / 1000.0,
        co2_kg=burnt["co2"],
        nox_kg=burnt["nox"],
        pmx_kg=burnt["pmx"],
        fuel_kg=burnt["fuel"],
        pedestrian_p95_s=percentile(trips.walk_delay, 95.0),
        pedestrian_longest_s=percentile(trips.walk_delay, 100.0),
    )


def percentile(values: FloatArray, share: float) -> float:
    """Percentile ``share`` (0 to 100), linear between neighbours; NaN of nothing."""
    return float(np.percentile(values, share)) if len(values) else float("nan")


def is_gridlocked(standing: FloatArray) -> bool:
    """Whether at least 5 % of the vehicles on the network are stuck.

    Parameters
    ----------
    standing : per vehicle on the network, how long it has stood without a break [s].
    """
    if not len(standing):
        return False
    return bool(np.mean(standing > STUCK_SECONDS) >= STUCK_SHARE)


def gridlocked_runs(delay: FloatArray, stuck: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark gridlocked runs of a group: stuck at the end, or delay above three times the group's median."""
    if not len(delay):
        return stuck.copy()
    return stuck | (delay > GRIDLOCK_FACTOR * np.median(delay))


def median_interval(values: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of the median.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3.

    Returns
    -------
    tuple
        Lower and upper end; both NaN for fewer than two values, which say nothing about spread.
    """
    if len(values) < 2:
        return float("nan"), float("nan")
    medians = np.median(rng.choice(values, size=(RESAMPLES, len(values)), replace=True), axis=1)
    low, high = np.percentile(medians, (2.5, 97.5))
    return float(low), float(high)


def pair_up(
    ours: Sequence[tuple[int, int, float]], theirs: Sequence[tuple[int, int, float]]
) -> tuple[str, FloatArray, FloatArray]:
    """Pair the runs of two controllers.

    Runs of one demand instance with several seeds are averaged first: the instance is the unit that two controllers
    share, while equal seeds only share a number. With a single instance, seeds are the pairs.

    Parameters
    ----------
    ours, theirs : (instance, seed, delay [s]) per run.

    Returns
    -------
    unit : ``"instances"`` or ``"seeds"``.
    ours, theirs : [pairs] delays [s], of runs that both have.
    """
    mine = {(i, s): d for i, s, d in ours}
    other = {(i, s): d for i, s, d in theirs}
    common = sorted(mine.keys() & other.keys())
    instances = sorted({i for i, _ in common})
    if len(instances) <= 1:
        return "seeds", np.array([mine[k] for k in common]), np.array([other[k] for k in common])
    groups = [[k for k in common if k[0] == i] for i in instances]
    return (
        "instances",
        np.array([np.mean([mine[k] for k in group]) for group in groups]),
        np.array([np.mean([other[k] for k in group]) for group in groups]),
    )


class Tally:
    """Counts what the guard bent and the longest red that any group was shown, from the commands of a run.

    Reds count from the beginning of the run: what was shown before is not ours. Groups that no row of the program
    ever serves are left out.
    """

    def __init__(self, signals: Signals, begin_tenths: int) -> None:
        self._begin = begin_tenths
        self._served = served_groups(signals)
        self._longest = 0
        self._bent: Counter[int] = Counter()

    def count(self, command: Command) -> None:
        """Count one tick's command."""
        lamps = command.lamps
        red = (lamps.aspect == Aspect.RED) & self._served
        since = np.maximum(lamps.aspect_since[red], self._begin)
        if len(since):
            self._longest = max(self._longest, command.time - int(since.min()))
        self._bent.update(command.bent_rule.tolist())

    @property
    def longest_red_s(self) -> float:
        """Longest red so far [s]."""
        return self._longest / TENTHS_PER_SECOND

    @property
    def bent(self) -> dict[str, int]:
        """How often each rule of the guard bent or refused a wish; rules that never did are left out."""
        return {rule.name.lower(): self._bent[rule] for rule in Rule if self._bent[rule]}


def served_groups(signals: Signals) -> NDArray[np.bool_]:
    """[G] whether any row of the program shows the group green."""
    served = np.zeros(signals.n_groups, dtype=np.bool_)
    for i in range(signals.n_intersections):
        groups = slice(signals.group_ptr[i], signals.group_ptr[i + 1])
        for row in range(signals.row_ptr[i], signals.row_ptr[i + 1]):
            served[groups] |= signals.aspects(row) >= Aspect.PERMISSIVE
    return served


def _mean(values: NDArray[np.float64] | NDArray[np.int32]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
