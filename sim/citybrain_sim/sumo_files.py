"""The files around a SUMO run: loops to place, a scenario's own detectors, and outputs that must not go astray.

Scenarios may write beside themselves; nothing that a run writes may lie outside the run's folder. What a scenario
writes through its additional files and options is therefore sent to nowhere; its files themselves stay untouched.
"""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, BinaryIO
from xml.sax import make_parser
from xml.sax.saxutils import XMLGenerator, quoteattr

from citybrain.errors import ScenarioError
from citybrain_sim.sensors import Detector, feelers
from citybrain_sim.sumo_xml import GZIP_MAGIC, stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from io import BufferedIOBase
    from pathlib import Path
    from xml.sax.xmlreader import AttributesImpl

    from citybrain.network import Network
    from citybrain.observations import SensorTable

NOWHERE = "NUL"
"""SUMO's name, on every system, for a file that nobody wants."""
POSITION_TOLERANCE = 0.1
"""SUMO takes a position that is this much beyond its lane [m]."""
LOOP_TAGS = frozenset({"inductionLoop", "e1Detector"})
AREA_TAGS = frozenset({"laneAreaDetector", "e2Detector"})
READING_TAGS = frozenset({"rerouter", "variableSpeedSign", "include"})
"""Elements whose ``file`` or ``href`` is read, not written."""
WRITING_ATTRIBUTES = frozenset({"file", "output", "dest", "personSummaryOutput"})
MAY_WRITE = re.compile(rb"""\b(?:file|output|dest)\s*=|["']file["']|<include""")
WRITING_OPTIONS = frozenset(
    {
        "netstate-dump",
        "netstate",
        "ndump",
        "summary",
        "log",
        "log-file",
        "l",
        "message-log",
        "error-log",
        "save-state.files",
        "device.rerouting.output",
        "device.taxi.dispatch-algorithm.output",
        "device.taxi.idle-algorithm.output",
        "device.ssm.file",
        "device.toc.file",
        "pedestrian.jupedsim.wkt",
        "pedestrian.jupedsim.py",
    }
)
"""Options that name a file to write and do not end in ``-output``."""
OWN_OUTPUTS = frozenset({"tripinfo-output", "vehroute-output"})
"""Outputs that every run writes into its own folder."""


def loop_name(feeler: int) -> str:
    """Id in SUMO of the loop that stands for a feeler."""
    return f"citybrain_{feeler}"


def write_loops(sensors: SensorTable, network: Network, file: Path) -> None:
    """Write an additional file with an induction loop for every feeler of the sensors."""
    lines = ["<additional>"]
    felt = feelers(sensors)
    for number, lane, distance in zip(felt.number, felt.lane, felt.distance, strict=True):
        position = max(0.0, float(network.lane_length[lane] - distance))
        name = quoteattr(network.lane_id[lane])
        lines.append(
            f'  <inductionLoop id="{loop_name(number)}" lane={name} pos="{position:.3f}" freq="1000000" '
            f'file="{NOWHERE}" friendlyPos="true"/>'
        )
    file.write_text("\n".join([*lines, "</additional>\n"]), encoding="utf-8")


def read_detectors(additional_files: Sequence[Path], network: Network) -> list[Detector]:
    """Read the induction loops of a scenario, and its area detectors as loops at their downstream end.

    Raises
    ------
    ScenarioError
        With file, line and id: a detector on a lane that does not exist, or outside its lane.
    """
    lanes = {name: l for l, name in enumerate(network.lane_id)}
    detectors: list[Detector] = []

    def element(tag: str, attributes: dict[str, str], where: str) -> None:
        if tag in LOOP_TAGS:
            lane, position = attributes["lane"], float(attributes["pos"])
        elif tag in AREA_TAGS:
            lane, position = _area_end(attributes)
        else:
            return
        if not lane.startswith(":"):  # inside a junction there is nothing that our sensors could tell
            friendly = attributes.get("friendlyPos", "0").lower() in {"1", "true", "yes"}
            detectors.append(_detector(attributes["id"], lane, position, friendly, where, lanes, network))

    for file in additional_files:
        stream(file, element, ScenarioError)
    return detectors


def _area_end(attributes: dict[str, str]) -> tuple[str, float]:
    """Lane and position of the downstream end of an area detector."""
    lane = attributes["lanes"].split()[-1] if "lanes" in attributes else attributes["lane"]
    if "endPos" in attributes:
        return lane, float(attributes["endPos"])
    start = float(attributes["pos"])
    end = start + float(attributes.get("length", 0.0))
    return lane, min(end, -POSITION_TOLERANCE / 2) if start < 0 else end  # below zero: counted from the lane's end


def _detector(
    name: str, lane: str, position: float, friendly: bool, where: str, lanes: dict[str, int], network: Network
) -> Detector:
    if lane not in lanes:
        raise ScenarioError(
            f"{where}: detector {name!r} lies on lane {lane!r}, which the network does not have or which no vehicle "
            "may use; correct the lane, or take the detector out"
        )
    length = float(network.lane_length[lanes[lane]])
    from_start = position + length if position < 0 else position
    if friendly:
        from_start = min(max(from_start, 0.0), length)
    if not 0.0 <= from_start <= length + POSITION_TOLERANCE:
        raise ScenarioError(
            f"{where}: detector {name!r} lies at {position:g} m of lane {lane!r}, which is {length:.2f} m long; "
            "correct the position, or take the detector out"
        )
    return Detector(name, lanes[lane], max(0.0, length - from_start))


def silenced(file: Path, folder: Path, name: str) -> Path:
    """Give a file that reads the same to SUMO but writes nowhere: the file itself where it writes nothing.

    Parameters
    ----------
    file : network or additional file, plain or gzipped.
    folder, name : where a changed copy goes; files that it includes go beside it.

    Raises
    ------
    ScenarioError
        If the file cannot be read.
    """
    try:
        with _opened(file) as stream_in:
            if not _may_write(stream_in):
                return file
    except OSError as flaw:
        raise ScenarioError(f"{file}: cannot be read ({flaw}); check the file") from None
    copy = folder / f"{name}.xml"
    stream(file, lambda *_: None, ScenarioError)  # malformed XML gets its error here, with file and line
    with copy.open("wb") as out, _opened(file) as stream_in:
        parser = make_parser()  # noqa: S317  # the file comes from the engineer's own disk
        parser.setContentHandler(_Silencer(out, file, folder, name))
        parser.parse(stream_in)
    return copy


class _Silencer(XMLGenerator):
    def __init__(self, out: BinaryIO, file: Path, folder: Path, name: str) -> None:
        super().__init__(out, "utf-8", short_empty_elements=True)
        self._file, self._folder, self._name = file, folder, name
        self._includes = 0

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802  # the name that SAX calls
        new = dict(attrs.items())
        if name == "include" and "href" in new:
            self._includes += 1
            part = silenced(self._file.parent / new["href"], self._folder, f"{self._name}_{self._includes}")
            new["href"] = str(part)
        elif name in READING_TAGS and "file" in new:
            new["file"] = str(self._file.parent / new["file"])
        elif name == "param" and new.get("key") == "file":
            new["value"] = NOWHERE
        elif name not in READING_TAGS:
            new.update((key, NOWHERE) for key in WRITING_ATTRIBUTES & new.keys())
        super().startElement(name, new)  # type: ignore[arg-type]  # XMLGenerator needs only items()


def _opened(file: Path) -> BufferedIOBase:
    with file.open("rb") as head:
        zipped = head.read(2) == GZIP_MAGIC
    return gzip.open(file) if zipped else file.open("rb")


def _may_write(stream_in: BufferedIOBase) -> bool:
    """Look for anything that could name an output, in chunks that overlap so that no name is cut."""
    tail = b""
    while chunk := stream_in.read(1 << 20):
        if MAY_WRITE.search(tail + chunk):
            return True
        tail = chunk[-64:]
    return False


def output_options(config: Path) -> tuple[str, ...]:
    """Options of a configuration that name a file to write, in order; without those of ``OWN_OUTPUTS``.

    Raises
    ------
    ScenarioError
        If the configuration cannot be read.
    """
    names: dict[str, None] = {}

    def element(tag: str, attributes: dict[str, str], _where: str) -> None:
        writes = tag in WRITING_OPTIONS or (tag.endswith("-output") and tag not in OWN_OUTPUTS)
        if writes and attributes.get("value", attributes.get("v")):
            names[tag] = None

    stream(config, element, ScenarioError)
    return tuple(names)
