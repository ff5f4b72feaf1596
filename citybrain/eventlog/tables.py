"""Tables of what events say of the signals: the same for a run, a virtual controller and a real controller's log.

Columns: ``citybrain.measure_tables.EVENT_TABLES``. May import the log and its measures.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.delays import level_of_service
from citybrain.errors import InputError
from citybrain.eventlog.log import Function, read_detectors, read_log
from citybrain.eventlog.measures import (
    actuations,
    channels_of,
    cycles_of,
    in_cycle,
    occupancies,
    occupied,
)
from citybrain.eventlog.phases import (
    UNUSED_MS,
    Arrivals,
    arrival_type,
    arrivals,
    coordination_spans,
    green_spans,
    last_gaps,
    queue_delays,
    red_spans,
    terminations,
    walks,
)
from citybrain.events import Code, Coordination
from citybrain.measure_tables import EVENT_TABLES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from citybrain.eventlog.log import Detector, EventLog
    from citybrain.eventlog.measures import Cycles

MS = 1000.0
TERMINATIONS = {Code.GAP_OUT: "gap_out", Code.MAX_OUT: "max_out", Code.FORCE_OFF: "force_off"}
SHOWN = {Code.GREEN_BEGIN: "green", Code.YELLOW_BEGIN: "yellow", Code.RED_CLEARANCE_BEGIN: "red"}

Roads = dict[tuple[str, int], list[str]]
"""(device, phase) -> the movements ``from>to`` that it serves; an empty list for pedestrians."""


def read_run(folder: Path) -> tuple[EventLog, tuple[Detector, ...], Roads]:
    """Read the events of a run's folder, its detectors, and what its phases serve.

    Raises
    ------
    InputError
        If the folder is none of a run, or of one that recorded no events.
    """
    path = folder / "events.parquet"
    if not path.is_file():
        raise InputError(f"{folder} has no events.parquet: give the folder of a run, or the file of a log")
    detectors = read_detectors(folder / "detectors.parquet", may_be_empty=True)
    return read_log(path), detectors, read_roads(folder / "network.json")


def read_roads(path: Path) -> Roads:
    """Read what every phase of a run serves from its ``network.json``.

    Raises
    ------
    InputError
        If the file is missing or none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        road = {lane["id"]: lane["road"] for lane in document["lanes"]}
        return {
            (place["id"], k): list(dict.fromkeys(f"{road[a]}>{road[b]}" for a, b in group["movements"]))
            for place in document["intersections"]
            for k, group in enumerate(place["groups"], start=1)
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}); give the folder of a run") from None


def read_intersections(folder: Path) -> list[dict[str, Any]]:
    """Read what the simulator says of a run's intersections; nothing of a run that has not finished."""
    path = folder / "intersections.parquet"
    return pq.read_table(path).to_pylist() if path.is_file() else []


def event_tables(
    log: EventLog, detectors: tuple[Detector, ...], roads: Mapping[tuple[str, int], list[str]] | None = None
) -> dict[str, pa.Table]:
    """Measure all controllers of a log.

    Parameters
    ----------
    detectors : of the controllers; without those of a phase, the columns that need them are null.
    roads : what phases serve, so that phases that were never green are listed, too.

    Returns
    -------
    dict
        ``phases, cycles, arrivals, crossings, coordination`` with the columns of ``EVENT_TABLES``.
    """
    rows: dict[str, list[dict[str, Any]]] = {"phases": [], "crossings": [], "coordination": []}
    cycles, came = [], []
    for device in log.devices:
        vehicles, pedestrians = _phases(log, device, roads or {})
        for phase in vehicles:
            one = _Phase(log, detectors, device, phase)
            cycles.append(one.cycle_table())
            came.append(one.arrival_table())
            rows["phases"].append(one.summary((roads or {}).get((device, phase))))
        rows["crossings"] += [_crossing(log, device, phase) for phase in pedestrians]
        rows["coordination"] += _coordination(log, device)
    tables = {name: pa.Table.from_pylist(found, EVENT_TABLES[name].schema) for name, found in rows.items()}
    for name, parts in (("cycles", cycles), ("arrivals", came)):
        tables[name] = pa.concat_tables([EVENT_TABLES[name].schema.empty_table(), *parts])
    return tables


def _phases(log: EventLog, device: str, roads: Mapping[tuple[str, int], list[str]]) -> tuple[list[int], list[int]]:
    """Phases of vehicles and of pedestrians of one controller."""
    _, code, parameter = log.of(device, Code.GREEN_BEGIN, Code.WALK_BEGIN)
    vehicles = {int(p) for p in parameter[code == Code.GREEN_BEGIN]}
    pedestrians = {int(p) for p in parameter[code == Code.WALK_BEGIN]}
    known = {phase: served for (owner, phase), served in roads.items() if owner == device}
    vehicles |= {phase for phase, served in known.items() if served}
    pedestrians |= {phase for phase, served in known.items() if not served and phase not in vehicles}
    return sorted(vehicles), sorted(pedestrians)


class _Phase:
    """One phase of vehicles, with everything that its tables need."""

    def __init__(self, log: EventLog, detectors: tuple[Detector, ...], device: str, phase: int) -> None:
        self._log = log
        self.cycles: Cycles = cycles_of(log, device, phase)
        self._device, self._phase = device, phase
        mine = [d for d in detectors if (d.device, d.phase) == (device, phase)]
        self._advance = channels_of(detectors, device, phase, Function.ADVANCE)
        counting = channels_of(detectors, device, phase, Function.COUNT)
        self._presence = channels_of(detectors, device, phase, Function.PRESENCE)
        self._stop = counting if len(counting) else self._presence
        extend = max((round(d.extend_s * MS) for d in mine if d.function == Function.PRESENCE), default=0)
        self.judged = occupancies(log, self.cycles, self._presence, extend)
        self.ends = terminations(log, self.cycles)
        every = np.unique(np.concatenate((self._advance, self._stop)))
        self.gaps = last_gaps(self.cycles, *occupied(log, device, every)) if len(every) else None
        self.came, self.delay = self._arrivals(mine)

    def _arrivals(self, mine: list[Detector]) -> tuple[Arrivals, NDArray[np.float64]]:
        """Arrivals over all advance detectors, each with its own way to the stop line, and their delays [s].

        Every advance detector has a lane of its own.
        """
        ways = {d.channel: round(d.offset_s * MS) for d in mine if d.function == Function.ADVANCE}
        parts = [
            arrivals(self._log, self.cycles, np.array([channel], np.int64), way) for channel, way in ways.items()
        ] or [arrivals(self._log, self.cycles, np.zeros(0, np.int64))]
        delay = np.concatenate([queue_delays(self._log, self.cycles, part.time) for part in parts])
        time, since, shown, wait = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("time", "in_cycle", "shown", "wait")
        )
        order = np.argsort(time, kind="stable")
        return Arrivals(time[order], since[order], shown[order], wait[order]), delay[order]

    def cycle_table(self) -> pa.Table:
        cycles, n = self.cycles, len(self.cycles)
        cycle = in_cycle(cycles, self.came.time)
        green = self.came.shown == Code.GREEN_BEGIN
        unseen = np.full(n, not len(self._advance))
        waited = np.zeros(n)
        known = (cycle >= 0) & (self.came.wait >= 0)
        np.add.at(waited, cycle[known], self.came.wait[known] / MS)
        leaving = in_cycle(cycles, actuations(self._log, self._device, self._stop))
        gap = np.full(n, np.nan) if self.gaps is None else np.where(self.gaps >= 0, self.gaps / MS, np.nan)
        columns = {
            "device": pa.array([self._device] * n, pa.string()),
            "phase": pa.array(np.full(n, self._phase)),
            "green": pa.array(cycles.green),
            "yellow": pa.array(cycles.yellow, mask=cycles.yellow < 0),
            "red": pa.array(cycles.red, mask=cycles.red < 0),
            "end": pa.array(cycles.end),
            "termination": pa.array([TERMINATIONS.get(Code(c)) if c else None for c in self.ends], pa.string()),
            "gap": pa.array(gap, mask=np.isnan(gap)),
            "arrivals": pa.array(_counts(cycle, n), mask=unseen),
            "arrivals_on_green": pa.array(_counts(cycle[green], n), mask=unseen),
            "departures": pa.array(_counts(leaving, n), mask=np.full(n, not len(self._stop))),
            "wait": pa.array(waited, mask=unseen),
            "green_occupancy": self._judged(self.judged.green),
            "red_occupancy": self._judged(self.judged.red),
            "split_failure": self._judged(self.judged.split_failure),
        }
        return _table("cycles", columns)

    def arrival_table(self) -> pa.Table:
        came, n = self.came, len(self.came.time)
        columns = {
            "device": pa.array([self._device] * n, pa.string()),
            "phase": pa.array(np.full(n, self._phase)),
            "time": pa.array(came.time),
            "in_cycle": pa.array(came.in_cycle / MS, mask=came.in_cycle < 0),
            "shown": pa.array([SHOWN.get(Code(c)) if c else None for c in came.shown], pa.string()),
            "wait": pa.array(came.wait / MS, mask=came.wait < 0),
            "delay": pa.array(self.delay, mask=np.isnan(self.delay)),
        }
        return _table("arrivals", columns)

    def summary(self, roads: list[str] | None) -> dict[str, Any]:
        log, came = self._log, self.came
        first, last = log.span(self._device)
        begin, end = green_spans(log, self.cycles)
        ratio = float((end - begin).sum()) / (last - first) if last > first else None
        told = came.shown > 0
        share = float(np.mean(came.shown[told] == Code.GREEN_BEGIN)) if told.any() else None
        platoon = share / ratio if share is not None and ratio else None
        waits = came.wait[came.wait >= 0] / MS
        reds = np.subtract(*red_spans(log, self.cycles)[::-1]) / MS
        ends = np.bincount(self.ends, minlength=max(TERMINATIONS) + 1)
        seen = len(self._advance) > 0
        delay = float(np.nanmean(self.delay)) if np.isfinite(self.delay).any() else None
        return {
            "device": self._device,
            "phase": self._phase,
            "roads": roads,
            "cycles": len(self.cycles),
            "green_ratio": ratio,
            "arrivals": len(came.time) if seen else None,
            "arrivals_on_green": share,
            "platoon_ratio": platoon,
            "arrival_type": None if platoon is None else arrival_type(platoon),
            "approach_delay": float(waits.mean()) if len(waits) else None,
            "p95_wait": float(np.percentile(waits, 95.0)) if len(waits) else None,
            "control_delay": delay,
            "level": None if delay is None else level_of_service(delay),
            "judged": len(self.judged.cycle) if len(self._presence) else None,
            "split_failures": int(self.judged.split_failure.sum()) if len(self._presence) else None,
            "gap_outs": int(ends[Code.GAP_OUT]),
            "max_outs": int(ends[Code.MAX_OUT]),
            "force_offs": int(ends[Code.FORCE_OFF]),
            "unused_ends": None if self.gaps is None else int((self.gaps >= UNUSED_MS).sum()),
            "mean_red": float(reds.mean()) if len(reds) else None,
            "longest_red": float(reds.max(initial=0.0)),
        }

    def _judged(self, values: NDArray[Any]) -> pa.Array:
        """Values per judged cycle as a column over all cycles; null for the others."""
        out = np.zeros(len(self.cycles), values.dtype)
        out[self.judged.cycle] = values
        complete = np.zeros(len(self.cycles), np.bool_)
        complete[self.judged.cycle] = True
        return pa.array(out, mask=~complete)


def _crossing(log: EventLog, device: str, phase: int) -> dict[str, Any]:
    found = walks(log, device, phase)
    wait = found.wait / MS
    some = len(wait) > 0
    return {
        "device": device,
        "phase": phase,
        "walks": len(found.begin),
        "calls": len(wait),
        "mean_wait": float(wait.mean()) if some else None,
        "p95_wait": float(np.percentile(wait, 95.0)) if some else None,
        "longest_wait": float(wait.max()) if some else None,
        "chance_wait": found.chance_wait_s,
        "longest_red": float((found.red_end - found.red_begin).max(initial=0)) / MS,
    }


def _coordination(log: EventLog, device: str) -> list[dict[str, Any]]:
    spans = zip(*(column.tolist() for column in coordination_spans(log, device)), strict=True)
    return [
        {"device": device, "state": Coordination(state).name.lower(), "begin": begin, "end": end}
        for begin, end, state in spans
    ]


def _counts(cycle: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.bincount(cycle[cycle >= 0], minlength=n)
    return found


def _table(name: str, columns: dict[str, pa.Array]) -> pa.Table:
    schema = EVENT_TABLES[name].schema
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)
