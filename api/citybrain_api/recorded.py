"""A recorded run as the page plays it: tables read once, pictures and panels made of them for any of its ticks.

The record holds states of stop-line lanes alone: other lanes stay empty in the pictures. Index letters: t ticks,
a stop-line lanes, g groups, i intersections, k links, e roads.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain.links import find_links
from citybrain.units import TENTHS_PER_SECOND, to_tenths
from citybrain_api.service.page_frames import Frame, Picture, index_places, share
from citybrain_api.service.page_street import ASPECTS, street_document
from citybrain_sim.manifest import table_hash
from citybrain_sim.runs import RunSpec
from citybrain_sim.site import open_street

if TYPE_CHECKING:
    from pathlib import Path

    from citybrain.control.interface import Site

LANE_COLUMNS = ("vehicles", "queue", "back_of_queue", "flow", "occupancy", "confidence", "age")
SAMPLE_EVERY = 10
"""Ticks between two points of the curve of queued vehicles."""
BENT_SHOWN = 12


class Recording:
    """A finished or broken-off run of the engine.

    Parameters
    ----------
    folder : of the run.

    Raises
    ------
    InputError
        If the folder holds no record of the engine, or its scenario's network has changed since.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        manifest = _manifest(folder)
        self.spec = RunSpec.from_document(manifest["spec"], folder)
        if not self.spec.runs_in_engine:
            raise InputError(f"{folder}: {self.spec.controller} ran without our engine; there is nothing to look at")
        self.site: Site = open_street(self.spec).site
        network, signals = self.site.network, self.site.signals
        if table_hash(network, signals) != manifest["tables"]:
            raise InputError(f"{folder}: the scenario's network has changed since; look at it with the recorded files")
        measures = self._table("measures")
        self.times = np.rint(measures["time"].to_numpy() * TENTHS_PER_SECOND).astype(np.int64)
        if not len(self.times):
            raise InputError(f"{folder} holds no tick: the run broke off before the first")
        self._vehicles, self._queued = (measures[name].to_numpy() for name in ("vehicles", "queued"))
        shape = len(self.times), len(network.approach_lane)
        states = self._table("states", LANE_COLUMNS)
        self._lanes = {name: states[name].to_numpy().reshape(shape) for name in LANE_COLUMNS}
        self._aspects = self._read_aspects()
        self._wishes = self._table("wishes")
        self._bent = self._table("bent")
        self._minutes = self._read_minutes()
        self._index_times, self._index = self._read_indices()

    @property
    def intersections(self) -> tuple[str, ...]:
        """Ids in the network's order."""
        return self.site.network.intersection_id

    def street(self) -> dict[str, Any]:
        """Tell all of the street that does not change."""
        return street_document(self.site)

    def about(self) -> dict[str, Any]:
        """Tell what was run, when, and the curves of the whole run."""
        samples = [
            [int(self.times[t]), round(float(self._vehicles[t]), 1), round(float(self._queued[t]), 1)]
            for t in range(0, len(self.times), SAMPLE_EVERY)
        ]
        step = min((int(b - a) for a, b in pairwise(self.times.tolist())), default=TENTHS_PER_SECOND)
        return {
            "scenario": self.spec.scenario,
            "controller": self.spec.controller,
            "times": [int(self.times[0]), int(self.times[-1]), step],
            "past": {"samples": samples, "minutes": self._minutes},
        }

    def frames(self, first: int, count: int) -> list[str]:
        """Give some ticks as frames, the first of them whole."""
        found, before = [], None
        for t in range(first, min(first + count, len(self.times))):
            picture = self._picture(t)
            found.append(Frame(t, picture, before).change)
            before = picture
        return found

    def intersection(self, i: int, time: int) -> dict[str, Any]:
        """Tell what was believed and wished at an intersection at the tick of a time, and what was bent before."""
        t = max(0, int(np.searchsorted(self.times, time, side="right")) - 1)
        network = self.site.network
        a, b = network.approach_ptr[i : i + 2].tolist()
        at = {name: values[t, a:b].tolist() for name, values in self._lanes.items()}
        lanes = [
            {
                "lane": network.lane_id[network.approach_lane[a + n]],
                "vehicles": round(at["vehicles"][n], 3),
                "queue": round(at["queue"][n], 3),
                "back_of_queue_m": round(at["back_of_queue"][n], 1),
                "flow": round(at["flow"][n], 4),
                "confidence": round(at["confidence"][n], 3),
                "age_s": at["age"][n] if np.isfinite(at["age"][n]) else None,
            }
            for n in range(b - a)
        ]
        return {"lanes": lanes, "plan": None, "wish": self._wish(i, t), "bent": self._bent_before(i, t)}

    def _picture(self, t: int) -> Picture:
        network = self.site.network
        stop, n = network.approach_lane, network.n_lanes

        def spread(values: NDArray[Any]) -> NDArray[np.float64]:
            out = np.zeros(n)
            out[stop] = values
            return out

        lanes, time = self._lanes, int(self.times[t])
        minute = int(np.searchsorted(self._index_times, time, side="right")) - 1
        return Picture(
            time,
            {
                "q": share(spread(lanes["back_of_queue"][t]) / network.lane_length),
                "v": share(spread(lanes["occupancy"][t])),
                "c": share(spread(lanes["confidence"][t])),
                "g": self._aspects[t],
                "m": np.zeros(network.n_intersections, dtype=np.uint8),
                "x": np.zeros(len(network.edge_id), np.uint8) if minute < 0 else self._index[minute],
            },
            {
                "vehicles": round(float(self._vehicles[t]), 1),
                "queue": round(float(self._queued[t]), 1),
                "confidence": None,
                "alive": None,
                "plans": None,
                "minute": self._minutes[minute] if 0 <= minute < len(self._minutes) else None,
                "overrides": [],
                "ready": [],
            },
        )

    def _wish(self, i: int, t: int) -> dict[str, Any] | None:
        """Give what the controller wished for, as a plan that the page can draw."""
        (row,) = self._wishes.slice(t * self.site.network.n_intersections + i, 1).to_pylist()
        stages = self.site.signals.stages(i).tolist()
        wished = zip([row["row"], *row["next_rows"]], [row["start"], *row["next_starts"]], strict=True)
        schedule = [{"stage": stages.index(r), "begin": to_tenths(start)} for r, start in wished if r in stages]
        time = int(self.times[t])
        author = {"kind": "algorithm", "name": self.spec.controller, "version": ""}
        body = {"schedule": {"stages": schedule}}
        return {"seq": time, "made_at": time, "lease_until": time, "body": body, "author": author, "why": []}

    def _bent_before(self, i: int, t: int) -> list[str]:
        """Tell the last wishes that the guard bent, newest first."""
        mine = pc.and_(
            pc.equal(pc.cast(self._bent["intersection"], pa.string()), self.site.network.intersection_id[i]),
            pc.less_equal(self._bent["time"], self.times[t] / TENTHS_PER_SECOND),
        )
        rows = self._bent.filter(mine)
        last = rows.slice(max(0, len(rows) - BENT_SHOWN)).to_pylist()
        return [f"{_clock(row['time'])} {row['rule'].replace('_', ' ')}" for row in reversed(last)]

    def _read_aspects(self) -> NDArray[np.uint8]:
        """[T, G] what every group showed, from the changes that were recorded."""
        network, signals = self.site.network, self.site.signals
        numbers = {name: i for i, name in enumerate(network.intersection_id)}
        aspect = {**{letter: k for k, letter in enumerate(ASPECTS)}, "s": 0}
        shown: list[list[tuple[int, str]]] = [[] for _ in numbers]
        for row in self._table("commands").to_pylist():
            t = int(np.searchsorted(self.times, to_tenths(row["time"])))
            shown[numbers[row["intersection"]]].append((t, row["lamps"]))
        out = np.zeros((len(self.times), signals.n_groups), dtype=np.uint8)
        for i, changes in enumerate(shown):
            groups = signals.lamp_group[signals.lamp_ptr[i] : signals.lamp_ptr[i + 1]]
            used = groups >= 0
            for (t, lamps), (end, _) in pairwise([*changes, (len(self.times), "")]):
                out[t:end, groups[used]] = np.array([aspect[letter] for letter in lamps], dtype=np.uint8)[used]
        return out

    def _read_minutes(self) -> list[dict[str, Any]]:
        """Figures of every minute, named as in the live page's frames."""
        names = {"vehicles": 1, "low": 1, "high": 1, "delay_index": 3, "travel_time_index": 3}
        return [
            {
                "t": to_tenths(row["time"]),
                **{
                    name.replace("delay_index", "index").replace("travel_time", "time"): round(row[name], digits)
                    for name, digits in names.items()
                },
                "level": row["level"],
            }
            for row in self._table("city").to_pylist()
        ]

    def _read_indices(self) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """Read the ends of the minutes [tenths], and the delay index of every road in them [minutes, E]: its link's."""
        links = find_links(self.site.network)
        times = np.array([minute["t"] for minute in self._minutes], dtype=np.int64)
        out = np.zeros((len(times), len(self.site.network.edge_id)), dtype=np.uint8)
        if len(links.origin):
            index = self._table("city_links", ("delay_index",))["delay_index"].to_numpy()
            index = index.reshape(len(times), len(links.origin))
            out[:, links.road] = index_places(np.repeat(index, np.diff(links.road_ptr), axis=1))
        return times, out

    def _table(self, name: str, columns: tuple[str, ...] | None = None) -> pa.Table:
        path = self._folder / f"{name}.parquet"
        try:
            return pq.read_table(path, columns=None if columns is None else list(columns))
        except (OSError, pa.ArrowInvalid) as error:
            raise InputError(f"{path} cannot be read ({error}); name the folder of a run that was recorded") from error


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; name the folder of a run that was recorded") from error
    except ValueError as error:
        raise InputError(f"{path} cannot be read ({error}); name the folder of a run that was recorded") from error
    return document


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
