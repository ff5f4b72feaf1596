"""How fast posted observations are taken in on one core: read, judge, pack for the store, merge into a tick.

``python -m benchmarks.intake``. The yardstick is a plain copy of the same bytes in the same run: how many times longer
than that does each step take? Absolute rates belong to the machine they were taken on. Writes its section of
docs/results-sensing.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from time import process_time
from typing import Any

import numpy as np

from benchmarks.page import SENSING, write_section
from citybrain.clock import stopwatch
from citybrain.intake.judge import Judge, Judged, Limits, merge, read_arrow, read_json
from citybrain.intake.names import names_array
from citybrain.intake.posted import Header, Posted, RowKind
from citybrain.intake.write import write_arrow, write_json
from citybrain.network import Network, csr, derived_tables
from citybrain.observations import SensorKind, SensorTable
from citybrain.randomness import generator

NOW = 17_000_000_000
SIGHT = 3
"""Lanes that a camera sees."""
ABOUT = """\
{sensors:,} sensors, {rows:,} rows in one body, each row of a random sensor; one core. Least CPU time of several; `wall`
is what read, judge and pack take on a clock that others on the machine slow down, `times a copy` compares them with a
plain copy of the body, rows per second are accepted rows.
"""


def make_street(n_sensors: int) -> tuple[SensorTable, Network]:
    """Make the sensors of a large city: of ten three are cameras over three lanes, one counts, six are loops."""
    kind = np.array([SensorKind.STOP_LOOP, SensorKind.STOP_LOOP, SensorKind.CAMERA] * 3 + [SensorKind.COUNT_LOOP])
    kind = np.resize(kind, n_sensors).astype(np.uint8)
    camera = kind == SensorKind.CAMERA
    n_lanes = n_sensors
    cover_ptr, cover_lane = csr([[x - k for k in range(SIGHT)] if camera[x] else [] for x in range(n_sensors)])
    sensors = SensorTable(
        sensor_id=tuple(f"district-{x // 500}/sensor-{x}" for x in range(n_sensors)),
        kind=kind,
        lane=np.where(camera, -1, np.arange(n_sensors)).astype(np.int32),
        distance=np.full(n_sensors, 2.0),
        cover_ptr=cover_ptr,
        cover_lane=cover_lane,
        cover_offset=np.zeros(len(cover_lane)),
    )
    return sensors, make_network(n_lanes)


def make_network(n_lanes: int) -> Network:
    """Lanes of 100 m without a junction: intake looks at their names and lengths only."""
    none = np.zeros(0, dtype=np.int32)
    ptr = np.zeros(1, dtype=np.int32)
    return Network(
        lane_id=tuple(f"road-{l // 3}_{l % 3}" for l in range(n_lanes)),
        edge_id=tuple(f"road-{e}" for e in range(n_lanes // 3 + 1)),
        intersection_id=(),
        lane_edge=np.arange(n_lanes, dtype=np.int32) // 3,
        lane_length=np.full(n_lanes, 100.0),
        lane_speed=np.full(n_lanes, 13.9),
        lane_general=np.ones(n_lanes, dtype=np.bool_),
        move_from=none,
        move_to=none,
        move_intersection=none,
        move_lamp=none,
        move_turn=none,
        move_length=np.zeros(0),
        move_foe_ptr=ptr,
        move_foe=none,
        move_yield_ptr=ptr,
        move_yield=none,
        lane_shape_ptr=np.zeros(n_lanes + 1, dtype=np.int32),
        lane_shape=np.zeros((0, 2)),
        **derived_tables(n_lanes, none, none, none, 0),
    )


def make_post(sensors: SensorTable, network: Network, rows: int, rng: np.random.Generator) -> Posted:
    """Rows of random sensors within the last second: loops 50 %, frames 10 %, objects 39 %, counts 1 %."""
    kind = rng.choice(np.array(list(RowKind), dtype=np.uint8), size=rows, p=[0.5, 0.1, 0.39, 0.01, 0.0])
    loops, cameras, counters = (
        np.flatnonzero(sensors.kind == one).astype(np.int32)
        for one in (SensorKind.STOP_LOOP, SensorKind.CAMERA, SensorKind.COUNT_LOOP)
    )
    sensor = np.where(kind == RowKind.LOOP, rng.choice(loops, rows), rng.choice(cameras, rows))
    sensor = np.where(kind == RowKind.COUNT, rng.choice(counters, rows), sensor)
    time_ms = NOW * 100 - rng.integers(0, 1000, rows)
    lane = np.where(kind == RowKind.OBJECT, sensor - rng.integers(0, SIGHT, rows), -1).astype(np.int32)
    return Posted(
        header=Header("benchmark", "generator", None),
        kind=kind,
        sensor=sensor,
        sensor_names=names_array(sensors.sensor_id),
        time_ms=time_ms,
        on=rng.random(rows) < 0.5,
        lane=lane,
        lane_names=names_array(network.lane_id),
        to=np.full(rows, -1, dtype=np.int32),
        to_names=names_array(()),
        distance=(rng.random(rows) * 80).astype(np.float32),
        speed=(rng.random(rows) * 15).astype(np.float32),
        confidence=rng.random(rows).astype(np.float32),
        begin_ms=time_ms - 60_000,
        vehicles=rng.integers(0, 30, rows).astype(np.float32),
        occupancy=rng.random(rows).astype(np.float32),
        queue=np.full(rows, np.nan, dtype=np.float32),
        fault=np.zeros(rows, dtype=np.uint8),
        field=np.zeros(rows, dtype=np.uint8),
    )


@dataclass(frozen=True)
class Spent:
    """Least times of an action [ms]: what it takes when nothing else disturbs it."""

    cpu_ms: float
    wall_ms: float


def spent(action: Callable[[], Any], times: int) -> Spent:
    """Measure an action. Where others share the machine, CPU time is what it takes, wall time what one waits."""
    took = []
    for _ in range(times):
        begin, begin_cpu = stopwatch(), process_time()
        action()
        took.append((process_time() - begin_cpu, stopwatch() - begin))
    cpu, wall = (1000 * min(times) for times in zip(*took, strict=True))
    return Spent(cpu, wall)


def measure(n_sensors: int, rows: int, times: int, form: str) -> dict[str, object]:
    """Take one body in, step by step."""
    sensors, network = make_street(n_sensors)
    posted = make_post(sensors, network, rows, generator(1, "intake"))
    limits = Limits(json_bytes=2**30, arrow_bytes=2**30, decoded_bytes=2**30, rows=rows)
    body, read = written(posted, form)
    judge = Judge(sensors, network)
    as_read = read(body, limits)
    judged = judge(as_read, NOW)
    packed = judged.to_bytes()
    accepted = int((judged.verdict == 0).sum())
    steps = {
        "copy": spent(lambda: bytearray(body), times),
        "read": spent(lambda: read(body, limits), times),
        "judge": spent(lambda: judge(as_read, NOW), times),
        "pack": spent(judged.to_bytes, times),
        "unpack": spent(lambda: Judged.from_bytes(packed, judge.fingerprint), times),
        "merge": spent(lambda: merge([judged], NOW), times),
        "read, judge, pack": spent(lambda: judge(read(body, limits), NOW).to_bytes(), times),
    }
    return {
        "form": form,
        "sensors": n_sensors,
        "rows": rows,
        "accepted": accepted,
        "body_bytes_per_row": round(len(body) / rows, 1),
        "stored_bytes_per_row": round(len(packed) / rows, 1),
        **{f"{name} [ms]": round(took.cpu_ms, 2) for name, took in steps.items()},
        "wall [ms]": round(steps["read, judge, pack"].wall_ms, 2),
        "times a copy": round(steps["read, judge, pack"].cpu_ms / steps["copy"].cpu_ms, 1),
        "accepted rows per second": round(1000 * accepted / steps["read, judge, pack"].cpu_ms),
    }


def written(posted: Posted, form: str) -> tuple[bytes, Callable[[bytes, Limits], Posted]]:
    """Write a body in one of the forms; and what reads it."""
    if form == "json":
        return write_json(posted), read_json
    if form == "arrow plain text":
        return write_arrow(posted, plain_text=True), read_arrow
    return write_arrow(posted, "zstd" if form == "arrow zstd" else None), read_arrow


def main() -> None:
    """Print one line per form and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sensors", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=5)
    given = parser.parse_args()
    told = []
    for form in ("arrow", "arrow zstd", "arrow plain text", "json"):
        told.append(measure(given.sensors, given.rows, given.times, form))
        print(json.dumps(told[-1]), flush=True)
    lines = [
        ABOUT.format(sensors=given.sensors, rows=given.rows).strip(),
        "",
        "| | " + " | ".join(str(one["form"]) for one in told) + " |",
        "| --- |" + " ---: |" * len(told),
        *(f"| {name} | " + " | ".join(f"{one[name]:,}" for one in told) + " |" for name in told[0] if name != "form"),
    ]
    write_section("Posts taken in: speed", "python -m benchmarks.intake", "\n".join(lines), SENSING)


if __name__ == "__main__":
    main()
