"""The fault bench: sick sensors between the sensor model and the engine, and the record of what was really sick.

Several faults work one after the other, in the order of ``fault_levels.toml``: what a sensor measures, what it says at
all, its clock, the way. Each draws from a generator of its own, so that adding one changes nothing about the others; a
higher level befalls the sensors of the lower ones and more.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.errors import ProfileError
from citybrain.observations import COUNTERS, EVENT_LOOPS, SensorKind
from citybrain.randomness import generator
from citybrain.units import TENTHS_PER_SECOND
from citybrain_sim.fault_cameras import Flicker, LostLane, NoObjects, Shift
from citybrain_sim.fault_case import Case
from citybrain_sim.fault_loops import Chatter, CountDrift, Stuck
from citybrain_sim.fault_profiles import fault_levels
from citybrain_sim.fault_rows import put_together, take_apart
from citybrain_sim.fault_ways import ClockSkew, Duplicated, Late, Lost, OutOfOrder, Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain_sim.fault_case import FaultyPart
    from citybrain_sim.fault_profiles import Fault

PARTS: dict[str, Callable[[Case], FaultyPart]] = {
    "count-drift": CountDrift,
    "chatter": Chatter,
    "stuck-on": partial(Stuck, on=True),
    "stuck-off": partial(Stuck, on=False),
    "shift": Shift,
    "lost-lane": LostLane,
    "no-objects": NoObjects,
    "no-frames": Silent,
    "flicker": Flicker,
    "dead": Silent,
    "clock-skew": ClockSkew,
    "lost": Lost,
    "duplicated": Duplicated,
    "out-of-order": OutOfOrder,
    "late": Late,
}
BEFALLEN: dict[str, tuple[SensorKind, ...]] = {
    "loop": (*EVENT_LOOPS, SensorKind.COUNT_LOOP),
    "loop or counting": (*EVENT_LOOPS, *COUNTERS),
    "camera": (SensorKind.CAMERA, SensorKind.CAMERA_COUNT),
    "object camera": (SensorKind.CAMERA,),
    "any": tuple(SensorKind),
}
"""Words of ``fault_levels.toml`` for the sensors that a fault can befall."""
NAMED = 5
"""So many names of sensors are told where one is unknown."""


class FaultBench:
    """Makes sensors sick.

    Parameters
    ----------
    faults : in the order in which they work, as ``fault_profiles.read_faults`` gives them.
    begin_s : beginning of the run, in simulated time [s]; the faults' own times count from there.
    seed : of the run; draws who is sick and all else.

    Raises
    ------
    ProfileError
        If a fault names a sensor that is not there or that it cannot befall, or there is none that it can.
    """

    def __init__(
        self, faults: Iterable[Fault], network: Network, sensors: SensorTable, begin_s: float, seed: int
    ) -> None:
        self._sensors = sensors
        self._parts: list[tuple[Fault, Case, FaultyPart]] = []
        numbers: Counter[str] = Counter()
        for fault in faults:
            rng = generator(seed, f"fault {fault.name} {numbers[fault.name]}")
            numbers[fault.name] += 1
            end = math.inf if fault.to_s is None else begin_s + fault.to_s
            hit = _befallen(fault, sensors, rng)
            case = Case(hit, begin_s + fault.from_s, end, dict(fault.figures), network, sensors, rng)
            self._parts.append((fault, case, PARTS[fault.name](case)))

    def apply(self, batch: ObservationBatch) -> ObservationBatch:
        """Return what is left of a batch, and what was added. Call with every batch, in order of time."""
        if not self._parts:
            return batch
        rows = take_apart(batch)
        for _, _, part in self._parts:
            rows = part.apply(rows, batch.time / TENTHS_PER_SECOND)
        return put_together(batch.time, rows)

    def truth(self) -> list[dict[str, Any]]:
        """Tell which sensor was really sick, of what, from when to when [s, simulated], and what was drawn for it.

        An end of None: to the end of the run. Call at the end: a flickering camera's spells are known only then.
        """
        return [
            {
                "fault": fault.name,
                "level": fault.level,
                "sensor": self._sensors.sensor_id[x],
                "from_s": case.begin,
                "to_s": None if math.isinf(case.end) else case.end,
                "figures": case.figures,
                "detail": part.detail(x),
            }
            for fault, case, part in self._parts
            for x in case.sick.tolist()
        ]


def _befallen(fault: Fault, sensors: SensorTable, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Sensors [X] that a fault befalls: those it names, or the first of a drawn order of all that it can befall."""
    word = fault_levels()[fault.name]["befalls"]
    able = np.isin(sensors.kind, BEFALLEN[word])
    if not able.any():
        raise ProfileError(
            f"fault {fault.name!r} befalls sensors of the kind {word!r}, and this sensor profile places none; choose "
            "another fault or another sensor profile"
        )
    hit = np.zeros(len(able), dtype=np.bool_)
    if fault.sensors:
        hit[_named(fault, sensors, able)] = True
        return hit
    order = rng.permutation(np.flatnonzero(able))
    hit[order[: max(1, round(fault.share * len(order)))]] = True
    return hit


def _named(fault: Fault, sensors: SensorTable, able: NDArray[np.bool_]) -> list[int]:
    number = {name: x for x, name in enumerate(sensors.sensor_id)}
    wrong = [name for name in fault.sensors if name not in number or not able[number[name]]]
    if wrong:
        known = [name for name, x in number.items() if able[x]]
        more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
        raise ProfileError(
            f"fault {fault.name!r} cannot befall {', '.join(map(repr, wrong))}: no sensor of that name, or not of a "
            f"kind that it befalls; it can befall {', '.join(known[:NAMED])}{more}"
        )
    return [number[name] for name in fault.sensors]
