"""Audit the lamps of a run: ``python benchmarks/audit_lamps.py FOLDER [FOLDER...]``.

A folder is a run's, or holds runs at any depth; runs that SUMO controlled by itself have no lamps recorded.

Reads what was shown (``commands.parquet``), the limits that were promised (``timings.json``) and, through
``manifest.json``, SUMO's own configuration and network. Shares no code with the engine. Foes come from the right-of-way
tables of the network, and which foes may be green together from the signal program itself.

Counts, per run: foes green together where the program never shows them so; green that turns red without yellow;
yellow that turns green; short yellows, greens and intergreens; reds beyond their bound; and foes for which no
intergreen was promised. Where the profile lets programs be shown as they are (``as_programmed``), green to red and
yellow to green pass if the whole signal went from one state to the one that follows it in its program.
Exit code 1 if there is any, 2 if a run cannot be read.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pyarrow.parquet as pq

GREEN = "gG"
PLAIN = str.maketrans("suYOo", "rryGg")
"""Characters that show the same as others."""
SHOWN_EXAMPLES = 5
SLACK = 1e-6
"""Times are sums of tenths in floating point [s]."""

Lamps = tuple[int, int]
Record = list[tuple[float, str]]
"""(time [s], state string shown from then on), in order of time."""


@dataclass
class Signal:
    """What the network says about one signal: foes among its lamps, and the states of its program."""

    foes: set[Lamps] = field(default_factory=set)
    states: list[str] = field(default_factory=list)
    """Those that last at all, in order."""

    def column(self, lamp: int) -> str:
        """Everything that a lamp shows over the program."""
        return "".join(state[lamp] for state in self.states)

    def together(self, a: int, b: int, shown: str) -> bool:
        """Whether the program shows two lamps green together; if ``shown`` is GG, then both with right of way."""
        wanted = "G" if shown == "GG" else GREEN
        return any(state[a] in wanted and state[b] in wanted for state in self.states)

    def follows(self, before: str, after: str, lamps: list[int]) -> bool:
        """Whether the program goes from one state to the other at once, as far as these lamps tell."""

        def shown(state: str) -> str:
            return "".join(state[lamp] for lamp in lamps).translate(PLAIN)

        cycle = [shown(state) for state in self.states]
        return (shown(before), shown(after)) in pairwise([*cycle, cycle[0]])


@dataclass(frozen=True)
class Breach:
    """One breach of the law."""

    kind: str
    intersection: str
    time: float
    detail: str


def read_xml(path: Path) -> ET.Element:
    """Root of an XML file, packed or not."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        return ET.parse(file).getroot()


def input_files(config: Path) -> tuple[Path, list[Path]]:
    """Network and additional files of a SUMO configuration (option names as SUMO knows them)."""
    root = read_xml(config)
    values = {option.tag: option.get("value", "") for option in root.iter() if option.get("value") is not None}
    net = values.get("net-file") or values.get("net") or values.get("n") or ""
    added = values.get("additional-files") or values.get("additional") or values.get("a") or ""
    return config.parent / net, [config.parent / name.strip() for name in added.split(",") if name.strip()]


def read_signals(net_file: Path, additional_files: list[Path]) -> dict[str, Signal]:
    """Foes and programs of every signal. Of several programs SUMO shows the one that it read last."""
    net = read_xml(net_file)
    signals: dict[str, Signal] = defaultdict(Signal)
    for signal, lamps in foes_of(net).items():
        signals[signal].foes = lamps
    for root in (net, *(read_xml(path) for path in additional_files)):
        for logic in root.iter("tlLogic"):
            if logic.get("programID") != "off":
                lasting = [phase for phase in logic.iter("phase") if float(phase.get("duration", 0)) > 0]
                signals[logic.attrib["id"]].states = [phase.attrib["state"] for phase in lasting]
    return signals


def foes_of(net: ET.Element) -> dict[str, set[Lamps]]:
    """Pairs of lamps (a < b), per signal, some ways of which cross or merge by the junctions' request tables."""
    tables = {
        (junction.attrib["id"], int(request.attrib["index"])): request.attrib["foes"][::-1]
        for junction in net.iter("junction")
        for request in junction.iter("request")
    }
    ways: dict[str, list[tuple[int, tuple[str, int]]]] = defaultdict(list)
    for connection, place in places(net):
        if connection.get("tl") is not None and place in tables:
            ways[connection.attrib["tl"]].append((int(connection.attrib["linkIndex"]), place))
    foes: dict[str, set[Lamps]] = defaultdict(set)
    for signal, members in ways.items():
        for (a, (junction, i)), (b, (other, j)) in combinations(members, 2):
            if junction == other and a != b and "1" in (tables[junction, i][j], tables[other, j][i]):
                foes[signal].add((min(a, b), max(a, b)))
    return foes


def places(net: ET.Element) -> list[tuple[ET.Element, tuple[str, int]]]:
    """Every connection over a junction, with the junction and the connection's position in its request table.

    The position is that of the connection's last lane inside the junction among the junction's ``intLanes``; in
    networks without such lanes, that of the connection among those of the junction's ``incLanes``.
    """
    # The intLanes of an internal junction are those of others that its vehicles wait for.
    junctions = [junction for junction in net.iter("junction") if junction.get("type") != "internal"]
    inside = {
        lane: (junction.attrib["id"], k)
        for junction in junctions
        for k, lane in enumerate(junction.get("intLanes", "").split())
    }
    onward: dict[str, str] = {}
    leaving: dict[str, list[ET.Element]] = defaultdict(list)
    for connection in net.iter("connection"):
        lane = f"{connection.attrib['from']}_{connection.attrib['fromLane']}"
        onward[lane] = connection.get("via", "")
        leaving[lane].append(connection)
    found = []
    for junction in junctions:
        ordered = [c for lane in junction.get("incLanes", "").split() for c in leaving[lane]]
        for k, connection in enumerate(ordered):
            lane = connection.get("via", "")
            if not lane:
                found.append((connection, (junction.attrib["id"], k)))
    for connection in net.iter("connection"):
        lane = connection.get("via", "")
        while lane and lane not in inside:
            lane = onward.get(lane, "")
        if lane:
            found.append((connection, inside[lane]))
    return found


def read_record(folder: Path) -> dict[str, Record]:
    """Read what every intersection showed."""
    table = pq.read_table(folder / "commands.parquet", columns=["time", "intersection", "lamps"])
    record: dict[str, Record] = defaultdict(list)
    for row in table.to_pylist():
        record[row["intersection"]].append((row["time"], row["lamps"]))
    return {name: sorted(states) for name, states in record.items()}


def check_conflicts(name: str, record: Record, signal: Signal, limits: dict[str, list[list[float]]]) -> list[Breach]:
    """Foes green together, and foes for which no intergreen was promised."""
    found = []
    promised = {(int(a), int(b)) for a, b, _ in limits["intergreen"]}
    for a, b in sorted(signal.foes):
        apart = not signal.together(a, b, "gg") and signal.column(a) != signal.column(b)
        if apart and not {(a, b), (b, a)} <= promised:
            found.append(Breach("foes without intergreen", name, record[0][0], f"lamps {a} and {b}"))
        for time, state in record:
            shown = state[a] + state[b]
            if shown[0] in GREEN and shown[1] in GREEN and not signal.together(a, b, shown):
                found.append(Breach("conflicting greens", name, time, f"lamps {a} and {b} show {shown}"))
    return found


def runs_of(record: Record, lamp: int, end: float) -> list[tuple[str, float, float]]:
    """List what a lamp showed, one after the other: (``g``, ``y`` or ``r``, begin, end)."""
    runs: list[tuple[str, float, float]] = []
    for (time, state), (until, _) in pairwise([*record, (end, "")]):
        kind = "g" if state[lamp] in GREEN else "y" if state[lamp] == "y" else "r"
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, runs[-1][1], until)
        else:
            runs.append((kind, time, until))
    return runs


def own_steps(record: Record, signal: Signal, lamps: list[int]) -> set[float]:
    """List the times at which a signal went from one state to the one that follows it in its own program."""
    return {time for (_, old), (time, new) in pairwise(record) if signal.follows(old, new, lamps)}


def check_lamp(
    name: str,
    lamp: int,
    runs: list[tuple[str, float, float]],
    limits: dict[str, dict[str, float]],
    programmed: set[float],
) -> list[Breach]:
    """Yellow, green and red of one lamp. How long the first run had lasted before the record is not known.

    At the times ``programmed``, yellow may turn green and green red.
    """
    found = []
    key = str(lamp)
    yellow, green = limits["yellow"].get(key, 0.0), limits["min_green"].get(key, 0.0)
    for k, (kind, begin, end) in enumerate(runs):
        following = runs[k + 1][0] if k + 1 < len(runs) else ""
        known = k > 0 and following
        if kind == "g" and following == "r" and yellow > 0 and end not in programmed:
            found.append(Breach("green to red without yellow", name, end, f"lamp {lamp}"))
        if kind == "y" and following == "g" and end not in programmed:
            found.append(Breach("yellow to green", name, end, f"lamp {lamp}"))
        if kind == "g" and known and end - begin < green - SLACK:
            found.append(Breach("short green", name, begin, f"lamp {lamp}: {end - begin:.1f} of {green} s"))
        if kind == "y" and known and end - begin < yellow - SLACK:
            found.append(Breach("short yellow", name, begin, f"lamp {lamp}: {end - begin:.1f} of {yellow} s"))
        bound = limits["red_bound"].get(key)
        if kind == "r" and bound is not None and end - begin > bound + SLACK:
            found.append(Breach("long red", name, begin, f"lamp {lamp}: {end - begin:.1f} of {bound} s"))
    return found


def check_intergreens(
    name: str, runs: dict[int, list[tuple[str, float, float]]], limits: dict[str, list[list[float]]]
) -> list[Breach]:
    """Time from every end of green to the next begin of a conflicting green."""
    found = []
    for first, second, least in limits["intergreen"]:
        a, b = int(first), int(second)
        ends = [end for kind, _, end in runs[a][:-1] if kind == "g"]
        begins = [begin for kind, begin, _ in runs[b][1:] if kind == "g"]
        again = [begin for kind, begin, _ in runs[a] if kind == "g"]
        for begin in begins:
            last = max((end for end in ends if end <= begin + SLACK), default=None)
            if last is None or any(last + SLACK < start <= begin + SLACK for start in again):
                continue
            if begin - last < least - SLACK:
                found.append(Breach("short intergreen", name, begin, f"{a} to {b}: {begin - last:.1f} of {least} s"))
    return found


def audit(folder: Path) -> list[Breach]:
    """All breaches of one run."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    timings = json.loads((folder / "timings.json").read_text(encoding="utf-8"))
    signals = read_signals(*input_files(Path(manifest["scenario"]["config"])))
    records = read_record(folder)
    end = max(time for record in records.values() for time, _ in record)
    found = [Breach("not recorded", name, 0.0, "no row in commands.parquet") for name in timings if name not in records]
    for name, record in records.items():
        if not signals[name].states:
            found.append(Breach("not in the network", name, record[0][0], "no program of that name"))
            continue
        limits = timings[name]
        lamps = [int(lamp) for lamp in limits["yellow"]]
        runs = {lamp: runs_of(record, lamp, end) for lamp in lamps}
        found += check_conflicts(name, record, signals[name], limits)
        found += check_intergreens(name, runs, limits)
        programmed = own_steps(record, signals[name], lamps) if limits["as_programmed"] else set()
        for lamp in lamps:
            found += check_lamp(name, lamp, runs[lamp], limits, programmed)
    return found


def main(folders: list[str]) -> int:
    """Audit runs, print what was found, return the exit code."""
    runs = sorted(path.parent for folder in folders for path in Path(folder).rglob("commands.parquet"))
    if not runs:
        print(f"no commands.parquet in {', '.join(folders) or 'no folder'}; give folders of runs", file=sys.stderr)
        return 2
    worst = 0
    for folder in runs:
        try:
            found = audit(folder)
        except (OSError, KeyError, ValueError, ET.ParseError) as error:
            print(f"{folder}: cannot be audited: {type(error).__name__}: {error}", file=sys.stderr)
            return 2
        counts = Counter(breach.kind for breach in found)
        summary = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
        print(f"{folder}: {summary or 'lawful'}")
        for breach in found[:SHOWN_EXAMPLES]:
            print(f"  {breach.kind} at {breach.intersection}, {breach.time:.1f} s: {breach.detail}")
        worst = max(worst, int(bool(found)))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
