"""The elements of SUMO network and additional files that matter for signals, as they stand in the files.

Network files: https://sumo.dlr.de/docs/Networks/SUMO_Road_Networks.html; signal programs:
https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from citybrain.errors import NetworkError
from citybrain_sim.sumo_xml import parse_time, stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WALKERS = frozenset({"pedestrian", "wheelchair"})
SOFT = WALKERS | {"bicycle", "scooter"}
"""Classes whose own lanes are no lanes for us."""
CLASSES = SOFT | {
    *("private", "emergency", "authority", "army", "vip", "passenger", "hov", "taxi", "bus", "coach", "delivery"),
    *("truck", "trailer", "motorcycle", "moped", "evehicle", "custom1", "custom2"),
    *("tram", "rail_urban", "rail", "rail_electric", "rail_fast", "subway", "cable_car"),
    *("ship", "container", "aircraft", "drone"),
}


@dataclass(frozen=True)
class FileLane:
    """A lane; ``classes`` may use it; ``shape`` is the polyline's points [m]."""

    name: str
    edge: str
    index: int
    classes: frozenset[str]
    speed: float
    length: float
    shape: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class FileEdge:
    """A road, or a part of a junction (``function`` internal, crossing or walkingarea)."""

    name: str
    function: str
    junction: str
    lanes: list[FileLane]


@dataclass(frozen=True)
class FileConnection:
    """A connection; ``via`` is the first lane inside the junction or empty, ``lamp`` -1 without signal."""

    source: tuple[str, int]
    target: tuple[str, int]
    via: str
    signal: str
    lamp: int
    direction: str
    classes: frozenset[str]
    where: str


@dataclass(frozen=True)
class FileJunction:
    """A junction; bit k of ``foes[j]`` (``response[j]``): link k crosses or merges with (has priority over) link j."""

    name: str
    type: str
    incoming: tuple[str, ...]
    inside: tuple[str, ...]
    foes: dict[int, int]
    response: dict[int, int]


@dataclass(frozen=True)
class Step:
    """One phase of a program; times in seconds."""

    state: str
    duration: float
    shortest: float
    longest: float


@dataclass
class Program:
    """A program of one ``tlLogic``; ``offset`` in seconds; ``where`` names file and line."""

    signal: str
    name: str
    type: str
    offset: float
    where: str
    steps: list[Step] = field(default_factory=list)


class ProgramReader:
    """Collects signal programs from the elements of a file."""

    def __init__(self) -> None:
        self.programs: list[Program] = []
        self._inside = False

    def __call__(self, name: str, attributes: dict[str, str], where: str) -> None:
        """Take one element."""
        if name == "phase" and self._inside:
            self.programs[-1].steps.append(_step(attributes))
        elif name == "tlLogic":
            self._inside = True
            offset = attributes.get("offset", "0")
            self.programs.append(
                Program(
                    signal=attributes["id"],
                    name=attributes.get("programID", "0"),
                    type=attributes.get("type", "static"),
                    offset=0.0 if offset == "begin" else parse_time(offset),
                    where=where,
                )
            )
        elif name != "param":
            self._inside = False


class NetReader(ProgramReader):
    """Collects roads, connections, junctions and programs from the elements of a network file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.root = ""
        self.edges: dict[str, FileEdge] = {}
        self.connections: list[FileConnection] = []
        self.junctions: dict[str, FileJunction] = {}
        self._edge: FileEdge | None = None
        self._junction: FileJunction | None = None

    def __call__(self, name: str, attributes: dict[str, str], where: str) -> None:
        """Take one element."""
        self.root = self.root or name
        if name == "lane" and self._edge is not None:
            # SUMO numbers lanes by their order too; netconvert has written wrong numbers in "index".
            self._edge.lanes.append(_lane(self._edge.name, len(self._edge.lanes), attributes))
        elif name == "connection":
            self.connections.append(_connection(attributes, where))
        elif name == "request" and self._junction is not None:
            index = int(attributes["index"])
            self._junction.foes[index] = int(attributes["foes"] or "0", 2)
            self._junction.response[index] = int(attributes["response"] or "0", 2)
        elif name == "edge":
            self._edge = FileEdge(
                attributes["id"], attributes.get("function", "normal"), attributes.get("to", ""), lanes=[]
            )
            self.edges[self._edge.name] = self._edge
        elif name == "junction":
            self._junction = FileJunction(
                name=attributes["id"],
                type=attributes.get("type", ""),
                incoming=tuple(attributes.get("incLanes", "").split()),
                inside=tuple(attributes.get("intLanes", "").split()),
                foes={},
                response={},
            )
            self.junctions[self._junction.name] = self._junction
        super().__call__(name, attributes, where)


def read_net_file(path: Path) -> NetReader:
    """Read a network file.

    Raises
    ------
    NetworkError
        If the file cannot be read, is malformed (with its line) or is no SUMO network.
    """
    reader = NetReader(path)
    stream(path, reader, NetworkError)
    if reader.root != "net":
        raise NetworkError(f"{path}: not a SUMO network: its root is <{reader.root}>, not <net>; give the .net.xml")
    return reader


def active_programs(in_network: Sequence[Program], additional_files: Sequence[Path]) -> dict[str, Program]:
    """Find the program that SUMO would show of every ``tlLogic``: the last one loaded.

    An additional ``tlLogic`` without phases changes the offset of the program of that name, to 0
    where it gives none, as in SUMO.

    Raises
    ------
    NetworkError
        If an additional file cannot be read or is malformed, or brings a program anew.
    """
    reader = ProgramReader()
    for path in additional_files:
        stream(path, reader, NetworkError)
    active: dict[str, Program] = {}
    known: dict[tuple[str, str], Program] = {}
    for program in (*in_network, *reader.programs):
        key = (program.signal, program.name)
        if key in known and program.steps:
            raise NetworkError(
                f"{program.where}: tlLogic {program.signal!r} has a program {program.name!r} already "
                f"({known[key].where}); give this one another programID"
            )
        if key in known:
            known[key].offset = program.offset
        else:
            known[key] = active[program.signal] = program
    return active


def permissions(attributes: dict[str, str]) -> frozenset[str]:
    """Vehicle classes that the attributes ``allow`` and ``disallow`` of a lane or connection let pass."""
    allowed = frozenset(attributes.get("allow", "").split())
    if allowed:
        return CLASSES if "all" in allowed else allowed
    disallowed = frozenset(attributes.get("disallow", "").split())
    return frozenset() if "all" in disallowed else CLASSES - disallowed


def points(text: str) -> tuple[tuple[float, float], ...]:
    """Polyline in the plane from ``x,y[,z] x,y[,z] ...``."""
    rows = (point.split(",") for point in text.split())
    return tuple((float(row[0]), float(row[1])) for row in rows)


def _lane(edge: str, index: int, attributes: dict[str, str]) -> FileLane:
    return FileLane(
        name=attributes["id"],
        edge=edge,
        index=index,
        classes=permissions(attributes),
        speed=float(attributes["speed"]),
        length=float(attributes["length"]),
        shape=points(attributes.get("shape", "")),
    )


def _connection(attributes: dict[str, str], where: str) -> FileConnection:
    signal = attributes.get("tl", "")
    return FileConnection(
        source=(attributes["from"], int(attributes["fromLane"])),
        target=(attributes["to"], int(attributes["toLane"])),
        via=attributes.get("via", ""),
        signal=signal,
        lamp=int(attributes["linkIndex"]) if signal else -1,
        direction=attributes.get("dir", "s"),
        classes=permissions(attributes),
        where=where,
    )


def _step(attributes: dict[str, str]) -> Step:
    shortest = attributes.get("minDur")
    duration = parse_time(attributes["duration"] if shortest is None else attributes.get("duration", shortest))
    return Step(
        state=attributes["state"],
        duration=duration,
        shortest=duration if shortest is None else parse_time(shortest),
        longest=parse_time(attributes["maxDur"]) if "maxDur" in attributes else duration,
    )
