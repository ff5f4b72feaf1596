"""How fast the estimator is, end to end from Arrow batches, and whether it keeps what it has seen.

``python -m benchmarks.estimation_speed`` takes rows of a large city in on one core: Arrow body, reader, judge,
merge into a tick, estimator; beside a plain copy of the same bytes in the same run. ``--day`` runs 86,400 ticks of a
small city instead and tells the memory of the process, hour by hour.
"""

from __future__ import annotations

import argparse
import json
import resource
from dataclasses import replace

import numpy as np

from benchmarks.intake import NOW, make_post, make_street, seconds
from citybrain.decisions import LampState
from citybrain.estimation import LaneEstimator
from citybrain.intake.judge import Judge, Limits, merge, read_arrow
from citybrain.intake.write import write_arrow
from citybrain.observations import ObservationBatch
from citybrain.randomness import generator
from citybrain.signals import Signals
from citybrain.units import TENTHS_PER_SECOND

DAY = 86_400


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
    return replace(
        batch,
        time=time,
        loop_time=batch.loop_time + shift,
        frame_time=batch.frame_time + shift,
        object_time=batch.object_time + shift,
    )


def measure(n_lanes: int, rows: int, times: int) -> dict[str, object]:
    """Take the same number of rows in at every tick; least times [ms] of each step."""
    sensors, network = make_street(n_lanes)
    rng = generator(1, "estimation-speed")
    body = write_arrow(make_post(sensors, network, rows, rng))
    limits = Limits(json_bytes=2**30, arrow_bytes=2**30, decoded_bytes=2**30, rows=rows)
    judge = Judge(sensors, network)
    estimator = LaneEstimator(network, no_signals(), sensors)
    judged = judge(read_arrow(body, limits), NOW)
    batch = merge([judged], NOW)
    time = NOW

    def tick(observed: ObservationBatch) -> None:
        nonlocal time
        time += 10
        estimator.update(moved_to(observed, time), no_lamps(time))

    def whole() -> None:
        tick(merge([judge(read_arrow(body, limits), NOW)], NOW))

    tick(batch)
    held = sum(
        array.nbytes
        for part in (estimator._street.layout, estimator._memory.belief)  # noqa: SLF001 - the bytes that a tick passes over
        for array in part
    )
    memory = np.zeros(held, np.uint8)
    took = {
        "copy of the bytes of the belief": seconds(memory.copy, times),
        "estimator": seconds(lambda: tick(batch), times),
        "read, judge, merge": seconds(lambda: merge([judge(read_arrow(body, limits), NOW)], NOW), times),
        "end to end": seconds(whole, times),
    }
    return {
        "lanes": network.n_lanes,
        "rows": rows,
        "belief [MB]": round(held / 1e6, 1),
        **{f"{name} [ms]": round(1000 * spent, 2) for name, spent in took.items()},
        "estimator, times a copy": round(took["estimator"] / took["copy of the bytes of the belief"], 1),
        "rows per second": round(rows / took["end to end"]),
    }


def day(n_lanes: int, rows: int, ticks: int) -> dict[str, object]:
    """Greatest memory of the process [MB] after every 24th part of a run of so many ticks."""
    sensors, network = make_street(n_lanes)
    rng = generator(1, "estimation-day")
    estimator = LaneEstimator(network, no_signals(), sensors)
    judged = Judge(sensors, network)(make_post(sensors, network, rows, rng), NOW)
    batch = merge([judged], NOW)
    peaks = []
    for k in range(ticks):
        time = NOW + 10 * k
        estimator.update(moved_to(batch, time), no_lamps(time))
        if (k + 1) % max(ticks // 24, 1) == 0:
            peaks.append(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1))
    return {"lanes": network.n_lanes, "ticks": ticks, "rows per tick": rows, "greatest memory [MB] by hour": peaks}


def main() -> None:
    """Print one line of figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lanes", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--day", action="store_true", help="a day of a small city instead")
    parser.add_argument("--ticks", type=int, default=DAY)
    given = parser.parse_args()
    print(json.dumps(day(200, 100, given.ticks) if given.day else measure(given.lanes, given.rows, given.times)))


if __name__ == "__main__":
    main()
