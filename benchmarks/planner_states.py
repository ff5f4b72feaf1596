"""States of real maps, recorded once and tiled into a city, so that the planner can be timed without a simulator.

A recording is what the planner was asked while it ran a map: one belief and one set of lamps a minute. Intersections of
one city never see each other here; what a neighbour does is in the arrivals that were recorded.
"""

from __future__ import annotations

import multiprocessing
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain.control.planner import belief_of
from citybrain.control.planner_tables import lay_out
from citybrain.control.registry import make_controller
from citybrain.guard import LampGuard
from citybrain.randomness import generator
from citybrain.units import TENTHS_PER_SECOND, to_tenths
from citybrain_kernels.planner_tables import Belief, Layout, Shown, Wiring
from citybrain_sim.runs import RunSpec
from citybrain_sim.sensor_profiles import load_sensor_profile
from citybrain_sim.site import make_estimator, open_street
from citybrain_sim.sumo_plant import SumoOptions, SumoPlant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citybrain.control.interface import Site
    from citybrain.decisions import LampState
    from citybrain.state import TrafficState

LEARNING_S = 300
"""A street fills before it is worth recording."""
EVERY_S = 61
"""Not a multiple of common cycles."""
PLAIN, PTR = "", "ptr"
INDEX = {
    "queue_ptr": PTR,
    "stage_ptr": PTR,
    "row_ptr": PTR,
    "stage_row": "rows",
    "change_ptr": PTR,
    "serve_ptr": PTR,
    "foe_ptr": PTR,
    "lane_queue": "queues",
    "approach_lane": "lanes",
    "leave_ptr": PTR,
    "leave_move": "moves",
    "move_to": "lanes",
    "walk_queue": "queues",
    "walk_group": "groups",
    "green_queue": "queues",
    "green_group": "groups",
    "serve_pair": "pairs",
    "serve_move": "moves",
    "walk_pair": "pairs",
    "ending_ptr": PTR,
    "ending_group": "groups",
    "begin_ptr": PTR,
    "begin_group": "groups",
    "group_ptr": PTR,
    "pair_ptr": PTR,
    "row": "rows",
    "red_ptr": PTR,
    "red_group": "groups",
    "red_serve_ptr": PTR,
}
"""What the numbers in a table count; tables that are not named hold no numbers of anything, or local ones."""


class Moment(NamedTuple):
    """What the planner is asked at one tick."""

    state: TrafficState
    lamps: LampState


class Recording(NamedTuple):
    """A map and some moments of a run."""

    name: str
    site: Site
    moments: list[Moment]


class City(NamedTuple):
    """Many intersections at one moment."""

    layout: Layout
    wiring: Wiring
    time: int
    belief: Belief
    shown: Shown
    since: NDArray[np.int64]


def record(name: str, seconds: int, folder: Path) -> Recording:
    """Record a map, or read what an earlier call recorded; in a process of its own, as SUMO wants."""
    file = folder / f"{name}-{seconds}.pickle"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            recorded = pool.apply(_simulate, (name, seconds))
        file.write_bytes(pickle.dumps(recorded))
    # Our own file, written by the line above.
    found: Recording = pickle.loads(file.read_bytes())  # noqa: S301
    return found


def _simulate(name: str, seconds: int) -> Recording:
    """Run the planner on a map and keep a moment every minute."""
    street = open_street(RunSpec(scenario=name, controller="planner", seed=1))
    site, begin = street.site, street.scenario.begin_s
    controller = make_controller("planner", site)
    guard = LampGuard(site.signals, site.timings, to_tenths(begin))
    moments = []
    with tempfile.TemporaryDirectory() as folder:
        config = replace(street.config, end_s=begin + seconds)
        options = SumoOptions(config=config, folder=Path(folder), begin_s=begin, end_s=begin + seconds, seed=1)
        profile = load_sensor_profile("default")
        with SumoPlant(options, site.network, site.signals, profile, generator(1, "sensors")) as plant:
            estimator = make_estimator(street, plant.sensors)
            while (batch := plant.observe()) is not None:
                lamps = guard.lamps
                state = estimator.update(batch, lamps)
                at = (batch.time - to_tenths(begin)) // TENTHS_PER_SECOND
                if at >= LEARNING_S and at % EVERY_S == 0:
                    moments.append(Moment(state, lamps))
                plant.apply(guard.enforce(controller.decide(state, lamps)))
    return Recording(name, site, moments)


class _Piece(NamedTuple):
    """One map at one moment, in the planner's tables."""

    layout: Layout
    wiring: Wiring
    belief: Belief
    shown: Shown
    since: NDArray[np.int64]


def tile(recordings: Sequence[Recording], intersections: int, time: int = 360_000) -> City:
    """Lay moments of maps side by side, in turn, until there are so many intersections or a few more.

    ``time`` : when all of them are said to be [tenths].
    """
    tables = [lay_out(found.site) for found in recordings]
    pieces: list[_Piece] = []
    count = turn = 0
    while count < intersections:
        k, again = turn % len(recordings), turn // len(recordings)
        moments = recordings[k].moments
        pieces.append(_piece(tables[k], moments[again % len(moments)], time))
        count += len(tables[k][0].stage_ptr) - 1
        turn += 1
    sizes = [_sizes(piece) for piece in pieces]
    before = {name: np.cumsum([0, *(size[name] for size in sizes)]) for name in sizes[0]}

    def joined(parts: list[Any]) -> list[Any]:
        return [_join(name, [getattr(part, name) for part in parts], before) for name in parts[0]._fields]

    return City(
        Layout(*joined([piece.layout for piece in pieces])),
        Wiring(*joined([piece.wiring for piece in pieces])),
        time,
        Belief(*joined([piece.belief for piece in pieces])),
        Shown(*joined([piece.shown for piece in pieces])),
        np.concatenate([piece.since for piece in pieces]),
    )


def _piece(tables: tuple[Layout, Wiring], moment: Moment, time: int) -> _Piece:
    """Move a moment to another time."""
    lamps, shift = moment.lamps, time - moment.state.time
    shown = Shown(lamps.row, lamps.changing, lamps.aspect, lamps.aspect_since + shift)
    return _Piece(*tables, belief_of(moment.state), shown, lamps.since + shift)


def _sizes(piece: _Piece) -> dict[str, int]:
    """How many of everything a piece has."""
    layout, wiring, belief = piece.layout, piece.wiring, piece.belief
    return {
        "rows": int(layout.row_ptr[-1]),
        "queues": int(layout.queue_ptr[-1]),
        "pairs": int(layout.serve_ptr[-1]),
        "lanes": len(belief.queue),
        "moves": len(belief.turn_share),
        "groups": int(wiring.group_ptr[-1]),
    }


def _join(name: str, parts: list[NDArray[Any]], before: dict[str, NDArray[np.int64]]) -> NDArray[Any]:
    """Put tables after each other, with their numbers counted on."""
    kind = INDEX.get(name, PLAIN)
    if kind == PTR:
        steps = [np.diff(part.astype(np.int64)) for part in parts]
        return np.concatenate([[0], np.cumsum(np.concatenate(steps))]).astype(parts[0].dtype)
    if kind == PLAIN:
        return np.concatenate(parts)
    # -1 stands for nobody and stays.
    moved = [np.where(part >= 0, part + n, part) for part, n in zip(parts, before[kind], strict=False)]
    return np.concatenate(moved).astype(parts[0].dtype)
