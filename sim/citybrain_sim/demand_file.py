"""Route files of SUMO as lists of elements: what is defined, and who departs when.

May import the brain's errors and ``sumo_xml``.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from citybrain.errors import ScenarioError
from citybrain_sim.sumo_xml import parse_time, stream

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ROOTS = frozenset({"routes", "additional", "add", "trips", "flows"})
TIMED = {
    "vehicle": "depart",
    "trip": "depart",
    "person": "depart",
    "container": "depart",
    "flow": "begin",
    "personFlow": "begin",
    "containerFlow": "begin",
}
"""Elements that SUMO wants sorted by time -> attribute with the time."""
UNTIMED = frozenset({"triggered", "containerTriggered", "split", "now"})
"""Departures that are no time: the vehicle leaves when somebody boards, or when it is read."""
AT_BEGIN = "begin"
CARRIES = frozenset({"ride", "transport"})
EXPONENTIAL = re.compile(r"exp\(([^)]+)\)")
"""Gaps between vehicles of a flow drawn at random, of so many vehicles per second."""


class Kind(Enum):
    """What may be done to an element in another demand instance."""

    VEHICLE = "may be moved, left out, repeated"
    FLOW = "may be scaled"
    PERSON = "may be moved"
    STAYS = "stays as it is"


@dataclass
class Timed:
    """One vehicle, person or flow.

    Attributes
    ----------
    time_s : its departure or begin [s]; of untimed ones, that of the element before it.
    """

    element: ET.Element
    kind: Kind
    time_s: float


@dataclass
class Demand:
    """Content of all route files of a scenario, in their order."""

    definitions: list[ET.Element] = field(default_factory=list)
    """Types, routes, distributions and whatever else has no time."""
    timed: list[Timed] = field(default_factory=list)

    def of(self, kind: Kind) -> list[Timed]:
        """All elements of one kind."""
        return [timed for timed in self.timed if timed.kind is kind]


def amount(text: str) -> float:
    """Read how many, or how often, of a flow.

    Raises
    ------
    ValueError
        If the text is no finite number of zero or more.
    """
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{text!r} is no number of zero or more")
    return value


def gap(text: str) -> float:
    """Read the time between two vehicles of a flow [s].

    Raises
    ------
    ValueError
        If the text is no time above zero.
    """
    value = parse_time(text)
    if value <= 0:
        raise ValueError(f"{text!r} is no time above zero")
    return value


def read_demand(files: Iterable[Path], beside: Iterable[Path], begin_s: float) -> Demand:
    """Read route files.

    Vehicles with stops (their own or their route's), with a public-transport line, or that a person or container
    rides in stay as they are, and so do persons who ride in a vehicle by its name.

    Parameters
    ----------
    files : route files.
    beside : additional files, read for the routes with stops and the riders that they hold.
    begin_s : begin of the window [s].

    Raises
    ------
    ScenarioError
        With file and line: a file that cannot be read, malformed XML, a departure that is missing or no time.
    """
    demand, others = (_read(paths, begin_s) for paths in (files, beside))
    _hold(demand, others)
    return demand


def _read(files: Iterable[Path], begin_s: float) -> Demand:
    reader = _Reader(begin_s)
    for file in files:
        stream(file, reader.opened, ScenarioError, reader.closed)
    return reader.demand


class _Reader:
    """Builds elements from what opens and closes."""

    def __init__(self, begin_s: float) -> None:
        self.demand = Demand()
        self._begin_s = begin_s
        self._last_s = begin_s
        self._where = ""
        self._stack: list[ET.Element | None] = []
        """Elements that are open; None for the roots of files."""

    def opened(self, name: str, attributes: dict[str, str], where: str) -> None:
        parent = self._stack[-1] if self._stack else None
        if not self._stack or (parent is None and name in ROOTS):
            self._stack.append(None)
            return
        element = ET.Element(name, attributes)
        if parent is None:
            self._where = where
        else:
            parent.append(element)
        self._stack.append(element)

    def closed(self, _name: str) -> None:
        element = self._stack.pop()
        if element is None or self._stack[-1] is not None:
            return
        if element.tag in TIMED:
            self.demand.timed.append(self._timed(element))
        else:
            self.demand.definitions.append(element)

    def _timed(self, element: ET.Element) -> Timed:
        if "id" not in element.attrib:
            raise ScenarioError(f"{self._where}: <{element.tag}> has no id; give it one")
        attribute = TIMED[element.tag]
        text = element.get(attribute, AT_BEGIN if attribute == "begin" else None)
        if text is None:
            raise ScenarioError(f"{self._where}: <{element.tag} id={element.get('id')!r}> has no {attribute}; add it")
        if text in UNTIMED:
            return Timed(element, Kind.STAYS, self._last_s)
        try:
            self._last_s = self._begin_s if text == AT_BEGIN else parse_time(text)
        except ValueError:
            raise ScenarioError(
                f"{self._where}: <{element.tag} id={element.get('id')!r}> has {attribute}={text!r}; "
                "give seconds, hours:minutes:seconds, 'begin' or 'triggered'"
            ) from None
        kinds = {"vehicle": Kind.VEHICLE, "trip": Kind.VEHICLE, "flow": Kind.FLOW, "person": Kind.PERSON}
        return Timed(element, kinds.get(element.tag, Kind.STAYS), self._last_s)


def _hold(demand: Demand, others: Demand) -> None:
    """Mark what must stay: buses, and whoever depends on one vehicle or is depended on."""
    definitions = (*demand.definitions, *others.definitions)
    stopping_routes = {e.get("id") for e in definitions if e.tag == "route" and e.find("stop") is not None}
    vehicles = {timed.element.get("id") for timed in demand.timed if timed.kind is Kind.VEHICLE}
    riders = (*demand.timed, *others.timed)
    ridden = {name for timed in riders for name in _carriers(timed.element)} & vehicles
    for timed in demand.timed:
        element = timed.element
        is_bus = (
            element.tag in {"vehicle", "trip", "flow"}
            and (element.find(".//stop") is not None or "line" in element.attrib)
        ) or element.get("route") in stopping_routes
        if is_bus or element.get("id") in ridden or ridden.intersection(_carriers(element)):
            timed.kind = Kind.STAYS


def _carriers(element: ET.Element) -> Sequence[str]:
    """Names of vehicles or lines that a person or container travels with."""
    return [name for step in element if step.tag in CARRIES for name in step.get("lines", "").split()]
