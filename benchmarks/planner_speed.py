"""How fast the planner decides: a city in one round, one search against its size, and an hour beside SUMO.

    python -m benchmarks.planner_speed [--maps district,cologne8,...] [--intersections 10000] [--threads 2] [--times 5]
    python -m benchmarks.planner_speed --hour [--maps ...]

The first records short runs of a few maps (kept in runs/planner-states) and tiles what the planner was asked there into
a city. The second runs whole scenarios and compares the engine's time with SUMO's own in the same run. Both write their
sections of docs/results-planner.md. Run it on an idle machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from benchmarks.intake import Spent, spent
from benchmarks.page import PLANNER, ROOT, command_line, teller, write_section
from benchmarks.planner_states import City, Recording, record, tile
from citybrain.control.planner import LONG_AGO, Parameters, Team, make_desk
from citybrain.errors import CityBrainError
from citybrain_sim.bench.layout import markdown
from citybrain_sim.comparison import compare, plan_runs

MAPS = ("district", "cologne8", "ingolstadt21", "grid4x4", "bologna_acosta")
RECORDED_S = 900
HORIZONS = (20, 40, 60, 80)
PICTURE = ROOT / "docs" / "pictures" / "planner-speed.svg"


class Round(NamedTuple):
    """One decision round of a city in which everybody who may decide searches anew."""

    searches: int
    took: Spent
    rows: NDArray[np.int32]
    cost: NDArray[np.float32]


class Size(NamedTuple):
    """Searches of intersections of one size."""

    stages: int
    queues: int
    horizon: int
    us: float


def play(city: City, parameters: Parameters, threads: int, times: int) -> Round:
    """Time whole rounds: look, search, bring plans up to now."""
    desk = make_desk(city.layout, city.wiring, parameters, threads)
    team = Team(desk, threads)
    time: Any = np.int64(city.time)

    def once() -> None:
        desk.memory.planned_at[:] = LONG_AGO
        team.plan(time, 1.0, city.belief, city.shown, city.since)

    once()  # the first loads or compiles
    took = spent(once, times)
    memory = desk.memory
    return Round(int(memory.due.sum()), took, memory.plan_row.copy(), memory.cost.copy())


def quiet(city: City, parameters: Parameters, times: int) -> Spent:
    """Time rounds a second later in which nothing is new: nobody searches but those whose plan changes."""
    desk = make_desk(city.layout, city.wiring, parameters, 1)
    team = Team(desk, 1)
    time: Any = np.int64(city.time)
    team.plan(time, 1.0, city.belief, city.shown, city.since)
    return spent(lambda: team.plan(time, 1.0, city.belief, city.shown, city.since), times)


def by_size(recordings: Sequence[Recording], times: int) -> list[Size]:
    """Time of one search by number of stages, queues and seconds ahead: every kind of intersection by itself."""
    told = []
    for horizon in HORIZONS:
        parameters = Parameters(horizon=horizon)
        for recording in recordings:
            city = tile([recording], 200)
            stages, queues = np.diff(city.layout.stage_ptr), np.diff(city.layout.queue_ptr)
            for kind in sorted(set(zip(stages.tolist(), queues.tolist(), strict=True))):
                us = _one_kind(city, parameters, (stages == kind[0]) & (queues == kind[1]), times)
                if us is not None:
                    told.append(Size(*kind, horizon, us))
    return told


def _one_kind(city: City, parameters: Parameters, chosen: NDArray[np.bool_], times: int) -> float | None:
    """Time of one search [us] among the chosen intersections [I]; None where none of them may decide."""
    shown = city.shown._replace(changing=city.shown.changing | ~chosen)
    some = play(city._replace(shown=shown), parameters, 1, times)
    none = play(city._replace(shown=shown._replace(changing=np.ones_like(chosen))), parameters, 1, times)
    return None if some.searches == 0 else 1000 * max(0.0, some.took.cpu_ms - none.took.cpu_ms) / some.searches


def draw(sizes: Sequence[Size], picture: Path) -> None:
    """Plot the time of one search against stages, queues and horizon."""
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "planner"
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True, layout="constrained")
    usual = [size for size in sizes if size.horizon == Parameters().horizon]
    axes[0].scatter([size.stages for size in usual], [size.us for size in usual], s=14)
    axes[1].scatter([size.queues for size in usual], [size.us for size in usual], s=14)
    axes[2].boxplot([[size.us for size in sizes if size.horizon == h] for h in HORIZONS], tick_labels=list(HORIZONS))
    for axis, label in zip(axes, ("stages", "queues (lanes and crossings)", "horizon [s]"), strict=True):
        axis.set_xlabel(label)
        axis.grid(visible=True, alpha=0.3)
    axes[0].set_ylabel("one search [us of CPU]")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, metadata={"Date": None})
    plt.close(figure)


def city_section(recordings: Sequence[Recording], intersections: int, threads: int, times: int) -> str:
    """Measure a city and say what came of it."""
    city = tile(recordings, intersections)
    n_i = len(city.layout.stage_ptr) - 1
    usual = Parameters()
    alone, together = (play(city, usual, k, times) for k in (1, threads))
    same = bool((alone.rows == together.rows).all()) and alone.cost.tobytes() == together.cost.tobytes()
    still = quiet(city, usual, times)
    each = 1000 * alone.took.cpu_ms / alone.searches
    lines = [
        [name, searches, f"{took.cpu_ms:.0f}", f"{took.wall_ms:.0f}"]
        for name, searches, took in (
            ("round, 1 thread", str(alone.searches), alone.took),
            (f"round, {threads} threads", str(together.searches), together.took),
            ("round without news", "0 or few", still),
        )
    ]
    legend = (
        f"{n_i:,} intersections, states recorded from {', '.join(found.name for found in recordings)}, mixed. In a "
        "round everybody who may decide then searches anew, whatever is new; the others wait for a minimum green or "
        "are in an interstage. The least of several rounds [ms]."
    )
    closing = (
        f"{each:.0f} us per search, all else of the round included; if all {n_i:,} searched at once: "
        f"{each * n_i / 1000:.0f} ms of CPU. Plans and costs of 1 and {threads} threads are "
        f"{'identical' if same else '**different**'}."
    )
    return "\n\n".join([legend, markdown(["", "searches", "CPU", "wall"], lines), closing])


def size_section(sizes: Sequence[Size]) -> str:
    """Say how the time of a search grows."""
    lines = []
    for horizon in HORIZONS:
        times = [size.us for size in sizes if size.horizon == horizon]
        lines.append([f"{horizon} s", f"{np.median(times):.0f}", f"{max(times):.0f}"])
    stages, queues = [size.stages for size in sizes], [size.queues for size in sizes]
    about = (
        f"Intersections of {min(stages)} to {max(stages)} stages and {min(queues)} to {max(queues)} queues, each kind "
        "by itself. CPU per search [us]:"
    )
    picture = f"![One search against stages, queues and horizon](pictures/{PICTURE.name})"
    return "\n\n".join([picture, about, markdown(["horizon", "median kind", "slowest kind"], lines)])


def hour_section(maps: Sequence[str], out: Path) -> str:
    """Run whole scenarios and compare the engine's time with SUMO's."""
    specs = plan_runs(list(maps), ("planner",), range(1, 2), out=out)
    comparison = compare(specs, 1, teller(specs), fresh=True)
    lines = [
        [
            run.scenario,
            f"{run.delay_s:.1f}",
            f"{run.engine_time_s:.2f}",
            f"{run.sumo_time_s:.2f}",
            f"{run.engine_time_s / run.sumo_time_s:.2f}",
        ]
        for run in comparison.runs
    ]
    legend = (
        "Whole scenarios, seed 1, sensors `default`: wall time of the engine (estimation with the examination of "
        "sensors, search, guard) and of SUMO's own steps in the same run. Wanted: a quarter."
    )
    return legend + "\n\n" + markdown(["map", "delay [s/veh]", "engine [s]", "SUMO [s]", "ratio"], lines)


def main() -> None:
    """Measure what is asked for and write the sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", default=",".join(MAPS))
    parser.add_argument("--intersections", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--hour", action="store_true", help="whole scenarios beside SUMO instead")
    parser.add_argument("--out", type=Path, default=ROOT / "runs")
    given = parser.parse_args()
    maps = given.maps.split(",")

    def tell(title: str, body: Callable[[], str]) -> None:
        text = body()
        print(text)
        write_section(title, command_line("benchmarks.planner_speed"), text, PLANNER)

    if given.hour:
        tell("Engine beside SUMO", lambda: hour_section(maps, given.out / "planner-hour"))
        return
    recordings = [record(name, RECORDED_S, given.out / "planner-states") for name in maps]
    tell("A city in one round", lambda: city_section(recordings, given.intersections, given.threads, given.times))
    sizes = by_size(recordings, given.times)
    draw(sizes, PICTURE)
    tell("One search against its size", lambda: size_section(sizes))


if __name__ == "__main__":
    try:
        main()
    except CityBrainError as error:
        raise SystemExit(str(error)) from None
