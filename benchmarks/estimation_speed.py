"""How fast observations become a state, end to end from Arrow batches on one core, and whether memory stays flat.

    citybrain run cologne8 --controller fixed --out runs/like
    python -m benchmarks.estimation_speed --like runs/like
    python -m benchmarks.estimation_speed --day

The first takes rows of a large city in: Arrow body, reader, judge, merge into a tick, estimator, with the examination
of sensors before it and without; beside plain copies of the same bytes in the same run. ``--like`` tells from a
recorded run how many rows such a city sends. ``--day`` runs 86,400 ticks of a small city through the same chain and
tells the memory of the process, hour by hour. Both write their section of docs/results-sensing.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.intake import NOW, Spent, make_post, make_street, spent
from benchmarks.page import ROOT, SENSING, write_section
from citybrain.decisions import LampState
from citybrain.estimation import LaneEstimator
from citybrain.health.estimator import WatchfulEstimator
from citybrain.intake.judge import Judge, Limits, merge, read_arrow
from citybrain.intake.write import write_arrow
from citybrain.observations import ObservationBatch
from citybrain.randomness import generator
from citybrain.signals import Signals
from citybrain.units import TENTHS_PER_SECOND

DAY, HOUR = 86_400, 3_600
LIMITS = Limits(json_bytes=2**30, arrow_bytes=2**30, decoded_bytes=2**30, rows=2**24)


def no_signals() -> Signals:
    """Signals of a street without any: lanes are what costs."""
    ptr, none, byte = np.zeros(1, np.int32), np.zeros(0, np.int32), np.zeros(0, np.uint8)
    return Signals(
        lamp_ptr=ptr,
        lamp_group=none,
        lamp_red=byte,
        group_ptr=ptr,
        group_kind=byte,
        group_move_ptr=ptr,
        group_move=none,
        group_crossing=np.zeros(0),
        conflict_ptr=ptr,
        conflict=byte,
        row_ptr=ptr,
        row_aspect_ptr=ptr,
        row_aspect=byte,
        row_is_stage=np.zeros(0, np.bool_),
        step_ptr=ptr,
        step_row=none,
        step_duration=none,
        step_min=none,
        step_max=none,
        program_id=(),
        program_offset=none,
    )


def no_lamps(time: int) -> LampState:
    """Lamps of such a street."""
    none = np.zeros(0, np.int64)
    return LampState(time, np.zeros(0, np.int32), np.zeros(0, np.bool_), none, np.zeros(0, np.uint8), none)


def moved_to(batch: ObservationBatch, time: int) -> ObservationBatch:
    """Make the same rows happen at another tick."""
    shift = (time - batch.time) / TENTHS_PER_SECOND
    names = [name for name in vars(batch) if name.endswith(("_time", "_begin", "_end"))]
    moved: dict[str, Any] = {name: getattr(batch, name) + shift for name in names}
    return replace(batch, time=time, **moved)


def copying(*arrays: np.ndarray[Any, Any]) -> Callable[[], None]:
    """Make a plain copy of so many bytes, into memory that is there already: the yardstick."""
    source = np.ones(sum(array.nbytes for array in arrays), np.uint8)
    target = np.zeros_like(source)
    return lambda: np.copyto(target, source)


class City:
    """Sensors on so many lanes, both estimators, and what takes rows in."""

    def __init__(self, n_lanes: int) -> None:
        self.sensors, self.network = make_street(n_lanes)
        self.rng = generator(1, "estimation-speed")
        self.judge = Judge(self.sensors, self.network)
        self.lanes = LaneEstimator(self.network, no_signals(), self.sensors)
        self.watchful = WatchfulEstimator(self.network, no_signals(), self.sensors)
        self.time = NOW

    def body(self, rows: int) -> bytes:
        """Write a post of so many rows."""
        return write_arrow(make_post(self.sensors, self.network, rows, self.rng))

    def batch(self, body: bytes) -> ObservationBatch:
        """Take a body in: read, judge, merge."""
        return merge([self.judge(read_arrow(body, LIMITS), NOW)], NOW)

    def tick(self, estimator: LaneEstimator | WatchfulEstimator, batch: ObservationBatch) -> None:
        """Estimate one second further, from the rows of that second."""
        self.time += TENTHS_PER_SECOND
        estimator.update(moved_to(batch, self.time), no_lamps(self.time))

    def belief(self) -> list[np.ndarray[Any, Any]]:
        """Give the arrays that a tick passes over."""
        lanes = self.lanes
        return [*lanes._street.layout, *lanes._memory.belief]  # noqa: SLF001 - their bytes are the yardstick


@dataclass(frozen=True)
class Times:
    """Least time of each step, for posts of some number of rows."""

    rows: int
    steps: dict[str, Spent]


def measure(city: City, rows: int, times: int) -> Times:
    """Take the same number of rows in at every tick."""
    body = city.body(rows)
    posted = read_arrow(body, LIMITS)
    judged = city.judge(posted, NOW)
    batch = merge([judged], NOW)
    columns = [values for values in vars(batch).values() if isinstance(values, np.ndarray)]
    actions: dict[str, Callable[[], object]] = {
        "copy of the body": copying(np.frombuffer(body, np.uint8)),
        "copy of belief and rows": copying(*city.belief(), *columns),
        "read": lambda: read_arrow(body, LIMITS),
        "judge": lambda: city.judge(posted, NOW),
        "merge": lambda: merge([judged], NOW),
        "estimator": lambda: city.tick(city.lanes, batch),
        "health and estimator": lambda: city.tick(city.watchful, batch),
        "end to end": lambda: city.tick(city.lanes, city.batch(body)),
        "end to end with health": lambda: city.tick(city.watchful, city.batch(body)),
    }
    return Times(rows, {name: spent(action, times) for name, action in actions.items()})


def rows_per_lane(run: Path) -> tuple[float, str]:
    """Rows that the sensors of the first run in a folder sent per second and lane of the network, and where it was."""
    run = next(run.rglob("manifest.json")).parent
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    network = json.loads((run / "network.json").read_text(encoding="utf-8"))
    rows = sum(pq.read_metadata(path).num_rows for path in run.glob("observations_*.parquet"))
    seconds = manifest["end_s"] - manifest["begin_s"]
    where = f"{manifest['scenario']['name']} with sensors `{manifest['sensors']['profile']}`"
    return rows / seconds / len(network["lanes"]), where


ABOUT = """\
{lanes:,} lanes and as many sensors, every row of a random sensor, one body per tick, one core. CPU time, the least of
several; in brackets wall time, which others on the machine lengthen. Read, judge, merge, then the estimator alone, or
behind the examination of sensors' health. Rows are random, so that health finds many sensors sick: worse than a street.
"""
RATIOS = (
    ("read, judge and merge", ("read", "judge", "merge"), "copy of the body"),
    ("estimator", ("estimator",), "copy of belief and rows"),
)


def table(told: list[Times]) -> list[str]:
    """One line per step, one column per number of rows."""
    lines = [
        "| step | " + " | ".join(f"{one.rows:,} rows [ms]" for one in told) + " |",
        "| --- |" + " ---: |" * len(told),
    ]
    for name in told[0].steps:
        cells = (f"{one.steps[name].cpu_ms:.1f} ({one.steps[name].wall_ms:.1f})" for one in told)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def rates(told: list[Times], name: str) -> str:
    """Say what a tick costs, what a row costs, and how many rows that makes; the first posts are empty."""
    nothing, most = told[0].steps[name].cpu_ms, told[-1].steps[name].cpu_ms
    row_us = 1000 * (most - nothing) / told[-1].rows
    each = ", ".join(
        f"{1000 * one.rows / one.steps[name].cpu_ms:,.0f} with {one.rows:,} rows a tick" for one in told[1:]
    )
    return (
        f"{name.capitalize()}: {nothing:.1f} ms per tick, {row_us:.2f} us per row. Rows per second, with both: {each}."
    )


def page(n_lanes: int, told: list[Times], like: tuple[float, str] | None) -> str:
    """Write the section."""
    parts = [ABOUT.format(lanes=n_lanes).strip(), "\n".join(table(told))]
    parts += [rates(told, name) for name in ("end to end", "end to end with health")]
    for name, steps, yardstick in RATIOS:
        ratio = sum(told[-1].steps[step].cpu_ms for step in steps) / told[-1].steps[yardstick].cpu_ms
        parts.append(f"Times a plain copy of the same bytes, {told[-1].rows:,} rows: {name} {ratio:.1f}.")
    if like is not None:
        rate, where = like
        plain, watched = (told[1].steps[name].cpu_ms for name in ("end to end", "end to end with health"))
        parts.append(
            f"How many rows come: {where} sent {rate:.3f} rows per second and lane of the network; "
            f"{n_lanes:,} such lanes send {rate * n_lanes:,.0f} a second, which take "
            f"{plain:.0f} ms, with health {watched:.0f} ms."
        )
    return "\n\n".join(parts)


def resident_mb() -> float:
    """Memory that the process holds now [MB]."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(fields["VmRSS"].split()[0]) / 1000


def day(n_lanes: int, rows: int, ticks: int) -> list[float]:
    """Memory [MB] at the end of each hour; every tick takes a body in, and every hour brings other bodies."""
    city, held = City(n_lanes), []
    for k in range(ticks):
        if k % HOUR == 0:
            bodies = [city.body(rows) for _ in range(20)]
        city.tick(city.watchful, city.batch(bodies[k % len(bodies)]))
        if (k + 1) % HOUR == 0:
            held.append(resident_mb())
            print(f"hour {len(held)}: {held[-1]:.1f} MB", flush=True)
    return held


def main() -> None:
    """Measure, print and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--like", type=Path, help="folder of a recorded run: as many rows per lane as there, too")
    parser.add_argument("--day", action="store_true", help="a day of a small city instead")
    parser.add_argument("--ticks", type=int, default=DAY)
    given = parser.parse_args()
    if given.day:
        held = day(200, 100, given.ticks)
        body = (
            f"200 lanes, 100 rows a tick, {given.ticks:,} ticks of a second, each from an Arrow body through health "
            "and estimator. Memory of the process [MB] at the end of each hour: "
            f"{', '.join(f'{one:.1f}' for one in held)}."
        )
        write_section("Memory over a day", "python -m benchmarks.estimation_speed --day", body, SENSING)
        return
    like = rows_per_lane(given.like) if given.like else None
    sizes = [0, *([round(like[0] * given.lanes)] if like else []), given.rows]
    city = City(given.lanes)
    body = page(given.lanes, [measure(city, rows, given.times) for rows in sizes], like)
    print(body)
    command = "python -m benchmarks.estimation_speed"
    if given.like:
        command += f" --like {given.like.resolve().relative_to(ROOT)}"
    write_section("From rows to a state: speed", command, body, SENSING)


if __name__ == "__main__":
    main()
