"""Demand at another level, and demand instances: equally likely hours of the same street.

A public scenario has one fixed demand, so that seeds move nothing but driving noise. An *instance* ``k >= 1`` is
another draw of the same demand; comparisons are paired on instances. Per instance, for all vehicles that are free to
vary (not buses, nor vehicles that somebody rides in by name):

1. *Who travels.* In every ten minutes of departures each vehicle stays with probability 1/2; the places of the others
   are filled by draws with replacement from all vehicles of the same ten minutes, with their routes. The number of
   vehicles per ten minutes stays, the mix of origins and destinations varies (a bootstrap at half strength).
2. *How many.* The whole volume is multiplied by a number drawn from 0.925 to 1.075, and by the demand factor:
   vehicles are left out or repeated at random; a factor of 1.4 is every vehicle once and two in five again.
3. *When.* Every departure moves by up to 60 s, mirrored at the window's ends. Without an instance (0) only repeated
   vehicles move, so that no two leave as one.

Flows are scaled by the volume and stay otherwise; persons move in time but are neither left out nor repeated;
vehicles of additional files stay. May import the brain's errors and randomness, and readers of SUMO files.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import numpy as np

from citybrain.errors import ScenarioError
from citybrain.randomness import generator
from citybrain_sim.demand_file import EXPONENTIAL, Demand, Kind, Timed, amount, gap, read_demand

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from citybrain_sim.sumo_config import SumoConfig

LEAST_FACTOR, GREATEST_FACTOR = 0.05, 5.0
JITTER_S = 60.0
VOLUME_SPREAD = 0.075
BIN_S = 600.0
STAYING = 0.5
"""Probability that the bootstrap leaves a vehicle alone."""
FILE_NAME = "demand.rou.xml"


def demand_files(config: SumoConfig, factor: float, instance: int, folder: Path) -> tuple[Path, ...]:
    """Route files to use instead of the configuration's own.

    Parameters
    ----------
    config : whose route files and window (``begin_s``, ``end_s``) count.
    factor : volume wanted relative to the demand as it stands, 0.05 to 5.
    instance : 0 for the demand as it stands, else the number of the draw. The same instance and factor give the
        same bytes; the same instance at another factor is the same hour with more or fewer vehicles.
    folder : where a new file may be written; made if missing.

    Returns
    -------
    tuple of Path
        The configuration's own files where nothing changes, else one new file, sorted by departure.

    Raises
    ------
    ScenarioError
        If the factor or the instance is out of range, a route file is malformed (with file and line), or nothing in
        the route files can vary.
    """
    if not LEAST_FACTOR <= factor <= GREATEST_FACTOR:
        raise ScenarioError(f"demand factor {factor:g}: give {LEAST_FACTOR:g} to {GREATEST_FACTOR:g}")
    if instance < 0:
        raise ScenarioError(f"demand instance {instance}: give 0 (the demand as it stands) or more")
    if factor == 1.0 and instance == 0:
        return config.route_files
    demand = read_demand(config.route_files, config.additional_files, config.begin_s)
    if not (demand.of(Kind.VEHICLE) or demand.of(Kind.FLOW)):
        raise ScenarioError(
            f"{config.path}: its route files hold no vehicle or flow that could vary (buses with stops, and vehicles "
            "in additional files, stay as they are); use factor 1 and instance 0"
        )
    rows = vary(demand, factor, instance, config.begin_s, math.inf if config.end_s is None else config.end_s)
    folder.mkdir(parents=True, exist_ok=True)
    return (_write(folder / FILE_NAME, demand.definitions, rows),)


def vary(demand: Demand, factor: float, instance: int, begin_s: float, end_s: float) -> list[Timed]:
    """Draw one instance of a demand at one factor, sorted by time; vehicles due before ``begin_s`` are left out.

    Parameters
    ----------
    end_s : end of the window [s], infinite where there is none.
    """
    volume = factor
    if instance:
        volume *= generator(instance, "demand volume").uniform(1.0 - VOLUME_SPREAD, 1.0 + VOLUME_SPREAD)
    rows = _vehicles(demand, volume, instance, begin_s, end_s)
    for flow in demand.of(Kind.FLOW):
        rows += _scaled(flow, volume)
    people = demand.of(Kind.PERSON)
    moved = _move(np.array([person.time_s for person in people]), instance, "departures of persons", begin_s, end_s)
    rows += [_departing(person, time) if instance else person for person, time in zip(people, moved, strict=True)]
    rows += demand.of(Kind.STAYS)
    return sorted(rows, key=lambda row: row.time_s)


def _vehicles(demand: Demand, volume: float, instance: int, begin_s: float, end_s: float) -> list[Timed]:
    free = [vehicle for vehicle in demand.of(Kind.VEHICLE) if vehicle.time_s >= begin_s]
    departs = np.array([vehicle.time_s for vehicle in free])
    travellers = np.arange(len(free))
    if instance:
        travellers = _bootstrap(np.floor((departs - begin_s) / BIN_S).astype(np.int64), instance)
    travellers = np.sort(_scale(travellers, volume, instance))
    moved = _move(departs[travellers], instance, "departures", begin_s, end_s)
    taken = {timed.element.attrib["id"] for timed in demand.timed}
    rows = []
    before = -1
    for traveller, time in zip(travellers.tolist(), moved.tolist(), strict=True):
        vehicle = free[traveller]
        if traveller == before:
            rows.append(_departing(vehicle, time, _new_name(vehicle.element.attrib["id"], taken)))
        else:
            rows.append(_departing(vehicle, time) if instance else vehicle)
        before = traveller
    return rows


def _bootstrap(bins: NDArray[np.int64], instance: int) -> NDArray[np.int64]:
    """Who travels: indices into the vehicles, as many per bin as there are."""
    draws = generator(instance, "demand bootstrap")
    travellers = np.arange(len(bins))
    for number in np.unique(bins):
        members = np.flatnonzero(bins == number)
        leaving = members[draws.random(len(members)) >= STAYING]
        travellers[leaving] = draws.choice(members, len(leaving))
    return travellers


def _scale(travellers: NDArray[np.int64], volume: float, instance: int) -> NDArray[np.int64]:
    """All of them as often as the volume has wholes, and a random part again for the rest."""
    whole = math.floor(volume)
    part = round((volume - whole) * len(travellers))
    again = generator(instance, "demand selection").permutation(travellers)[:part]
    return np.concatenate([np.tile(travellers, whole), again])


def _move(
    departs: NDArray[np.float64], instance: int, purpose: str, begin_s: float, end_s: float
) -> NDArray[np.float64]:
    """Departures moved by up to 60 s, in hundredths of a second, mirrored at the ends of the window they are in."""
    moved = departs + generator(instance, f"demand {purpose}").uniform(-JITTER_S, JITTER_S, len(departs))
    moved = np.where(moved < begin_s, 2.0 * begin_s - moved, moved)
    inside = departs < end_s
    moved = np.where(inside & (moved >= end_s), 2.0 * end_s - moved, moved)
    moved = np.floor(moved * 100.0) / 100.0
    return np.maximum(np.where(inside, np.minimum(moved, end_s - 0.01), moved), begin_s)


def _new_name(name: str, taken: set[str]) -> str:
    number = 1
    while f"{name}.copy{number}" in taken:
        number += 1
    taken.add(f"{name}.copy{number}")
    return f"{name}.copy{number}"


def _departing(timed: Timed, time_s: float, name: str | None = None) -> Timed:
    attributes = {**timed.element.attrib, "depart": f"{time_s:.2f}"}
    if name is not None:
        attributes["id"] = name
    element = ET.Element(timed.element.tag, attributes)
    element.extend(timed.element)
    return Timed(element, timed.kind, float(time_s))


def _scaled(flow: Timed, volume: float) -> list[Timed]:
    """Scale one flow; nothing where its number falls to zero."""
    attributes = dict(flow.element.attrib)
    try:
        for rate in ("vehsPerHour", "perHour"):
            if rate in attributes:
                attributes[rate] = f"{amount(attributes[rate]) * volume:.6g}"
        if "probability" in attributes:
            rate_per_s = amount(attributes.pop("probability")) * volume
            # A probability ends at one vehicle per second; random gaps of the same mean have no such end.
            attributes |= (
                {"probability": f"{rate_per_s:.6g}"} if rate_per_s <= 1 else {"period": f"exp({rate_per_s:.6g})"}
            )
        elif "period" in attributes:
            attributes["period"] = _scaled_period(attributes["period"], volume)
        if "number" in attributes:
            attributes["number"] = str(round(amount(attributes["number"]) * volume))
    except ValueError as flaw:
        raise ScenarioError(f"flow {attributes['id']!r}: {flaw}; correct its number, rate or period") from None
    if attributes.get("number") == "0":
        return []
    element = ET.Element(flow.element.tag, attributes)
    element.extend(flow.element)
    return [Timed(element, flow.kind, flow.time_s)]


def _scaled_period(period: str, volume: float) -> str:
    random = EXPONENTIAL.fullmatch(period.strip())
    if random:
        return f"exp({amount(random[1]) * volume:.6g})"
    return f"{gap(period) / volume:.6g}"


def _write(path: Path, definitions: list[ET.Element], rows: list[Timed]) -> Path:
    """Write under another name first, so that nothing half-written is ever found under this one."""
    draft = path.with_suffix(".part")
    with draft.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<routes>\n')
        for element in (*definitions, *(row.element for row in rows)):
            file.write(ET.tostring(element, encoding="unicode") + "\n")
        file.write("</routes>\n")
    draft.replace(path)
    return path
