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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain.control.planner import belief_of
from citybrain.control.planner_tables import lay_out
from citybrain.control.registry import make_controller
from citybrain.guard import LampGuard
from citybrain.randomness import generator
from citybrain.units import to_tenths
from citybrain_kernels.planner_tables import Belief, Layout, Shown, Wiring
from citybrain_sim.runs import RunSpec
from citybrain_sim.site import make_estimator, open_street
from citybrain_sim.sumo_plant import SumoOptions, SumoPlant
from citybrain_sim.sensor_profiles import load_sensor_profile

if TYPE_CHECKING:
    from collections.abc import Sequence

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
}
"""What the numbers in a table count; tables that are not named hold no numbers of anything, or local ones."""


class Moment(NamedTuple):
    """What the planner is asked at one tick."""

    time: int
    belief: Belief
    shown: Shown
    since: NDArray[np.int64]


class Recording(NamedTuple):
    """A map's tables and some moments of a run."""

    name: str
    layout: Layout
    wiring: Wiring
    moments: list[Moment]


class City(NamedTuple):
    """Many intersections at one moment."""

    layout: Layout
    wiring: Wiring
    moment: Moment


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
                at = (batch.time - to_tenths(begin)) // 10
                if at >= LEARNING_S and at % EVERY_S == 0:
                    shown = Shown(lamps.row, lamps.changing, lamps.aspect, lamps.aspect_since)
                    moments.append(Moment(state.time, belief_of(state), shown, lamps.since))
                plant.apply(guard.enforce(controller.decide(state, lamps)))
    return Recording(name, *lay_out(site), moments)


def tile(recordings: Sequence[Recording], intersections: int) -> City:
    """Lay moments of maps side by side, in turn, until there are so many intersections or a few more."""
    pieces: list[tuple[Layout, Wiring, Moment]] = []
    count = turn = 0
    while count < intersections:
        found = recordings[turn % len(recordings)]
        moment = found.moments[turn // len(recordings) % len(found.moments)]
        pieces.append((found.layout, found.wiring, moment))
        count += len(found.layout.stage_ptr) - 1
        turn += 1
    sizes = [_sizes(*piece) for piece in pieces]
    before = {name: np.cumsum([0, *(size[name] for size in sizes)]) for name in sizes[0]}
    time = pieces[0][2].time

    def joined(parts: list[NamedTuple]) -> list[NDArray[np.generic]]:
        names = type(parts[0])._fields
        return [_join(name, [getattr(part, name) for part in parts], before) for name in names]

    shown = [_at(moment, time) for _, _, moment in pieces]
    return City(
        Layout(*joined([layout for layout, _, _ in pieces])),  # type: ignore[arg-type]  # each keeps its own type
        Wiring(*joined([wiring for _, wiring, _ in pieces])),  # type: ignore[arg-type]
        Moment(
            time,
            Belief(*joined([moment.belief for _, _, moment in pieces])),  # type: ignore[arg-type]
            Shown(*joined([moment.shown for moment in shown])),  # type: ignore[arg-type]
            np.concatenate([moment.since for moment in shown]),
        ),
    )


def _at(moment: Moment, time: int) -> Moment:
    """Move a moment to another time."""
    shift = time - moment.time
    shown = moment.shown._replace(aspect_since=moment.shown.aspect_since + shift)
    return Moment(time, moment.belief, shown, moment.since + shift)


def _sizes(layout: Layout, wiring: Wiring, moment: Moment) -> dict[str, int]:
    """How many of everything a piece has."""
    return {
        "rows": int(layout.row_ptr[-1]),
        "queues": int(layout.queue_ptr[-1]),
        "pairs": int(layout.serve_ptr[-1]),
        "lanes": len(moment.belief.queue),
        "moves": len(moment.belief.turn_share),
        "groups": int(wiring.group_ptr[-1]),
    }


def _join(name: str, parts: list[NDArray[np.generic]], before: dict[str, NDArray[np.int64]]) -> NDArray[np.generic]:
    """Put tables after each other, with their numbers counted on."""
    kind = INDEX.get(name, PLAIN)
    if kind == PTR:
        steps = [np.diff(part.astype(np.int64)) for part in parts]
        return np.concatenate([[0], np.cumsum(np.concatenate(steps))]).astype(parts[0].dtype)
    if kind == PLAIN:
        return np.concatenate(parts)
    # -1 stands for nobody and stays.
    moved = [np.where(part >= 0, part + n, part) for part, n in zip(parts, before[kind], strict=False)]  # type: ignore[operator]
    return np.concatenate(moved).astype(parts[0].dtype)
