"""How well the estimator sees, against SUMO's truth, per map and sensor layout; writes docs/results-sensing.md.

``python -m benchmarks.estimation [MAPS] [--sensors default,loops,camera]``. Every map is simulated once, with its own
fixed plan (long queues, and the same street for every layout) and sensors of all kinds; every layout gets its part of
the same rows. Finished maps and layouts are kept in runs/estimation and not run again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import pickle
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.estimation_measures import HORIZONS, LEARNING, WARM_UP, Told, compare
from benchmarks.estimation_page import LAYOUTS, write_page
from benchmarks.estimation_truth import Truth, Witness
from citybrain.clock import stopwatch
from citybrain.control.registry import make_controller
from citybrain.estimation import LaneEstimator
from citybrain.guard import LampGuard
from citybrain.network import csr
from citybrain.observations import ObservationBatch, SensorTable
from citybrain.randomness import generator
from citybrain.units import JAM_SPACING, to_tenths
from citybrain_sim.runs import RunSpec
from citybrain_sim.scenarios import list_scenarios
from citybrain_sim.sensors import load_sensor_profile, place
from citybrain_sim.site import open_street
from citybrain_sim.sumo_plant import SumoOptions, SumoPlant

if TYPE_CHECKING:
    from citybrain.decisions import LampState
    from citybrain.network import Network
    from citybrain.signals import Signals

ROOT = Path(__file__).resolve().parent.parent
MAPS = (
    "cologne1",
    "cologne3",
    "cologne8",
    "ingolstadt1",
    "ingolstadt7",
    "ingolstadt21",
    "grid4x4",
    "arterial4x4",
    "hangzhou1",
    "bologna_acosta",
)


@dataclass(frozen=True)
class Run:
    """One simulated run: what sensors said, what lamps showed, and what was true."""

    network: Network
    signals: Signals
    sensors: SensorTable
    begin: float
    batches: list[ObservationBatch]
    lamps: list[LampState]
    truth: Truth


def simulate(scenario: str, controller_name: str, seconds: float, seed: int) -> Run:
    """Run a scenario and take down everything."""
    street = open_street(RunSpec(scenario=scenario, controller=controller_name, seed=seed))
    site, network = street.site, street.site.network
    begin = street.scenario.begin_s
    controller = make_controller(controller_name, site)
    guard = LampGuard(site.signals, site.timings, to_tenths(begin))
    batches, lamps = [], []
    witness = Witness(network)
    with tempfile.TemporaryDirectory() as folder:
        options = SumoOptions(
            config=replace(street.config, end_s=begin + seconds),
            folder=Path(folder),
            begin_s=begin,
            end_s=begin + seconds,
            seed=seed,
        )
        profile = replace(
            load_sensor_profile("default"), name="all", exit_loops=True, count_loops=True, camera_counts=True
        )
        with SumoPlant(options, network, site.signals, profile, generator(seed, "sensors")) as plant:
            estimator = LaneEstimator(network, site.signals, plant.sensors)
            while (batch := plant.observe()) is not None:
                batches.append(batch)
                lamps.append(guard.lamps)
                witness.look(batch.time / 10)
                state = estimator.update(batch, guard.lamps)
                plant.apply(guard.enforce(controller.decide(state, guard.lamps)))
            return Run(network, site.signals, plant.sensors, begin, batches, lamps, witness.testify())


def part_of(network: Network, sensors: SensorTable, layout: str) -> tuple[SensorTable, NDArray[np.int32]]:
    """Sensors that a layout has, and the new number [X] of every sensor, -1 for those left out."""
    built = frozenset(place(network, load_sensor_profile(layout)).sensor_id)
    kept = np.flatnonzero([name in built for name in sensors.sensor_id])
    number = np.full(len(sensors.sensor_id), -1, dtype=np.int32)
    number[kept] = np.arange(len(kept))
    rows = [slice(sensors.cover_ptr[x], sensors.cover_ptr[x + 1]) for x in kept.tolist()]
    ptr, lane = csr([sensors.cover_lane[row].tolist() for row in rows])
    table = SensorTable(
        sensor_id=tuple(sensors.sensor_id[x] for x in kept.tolist()),
        kind=sensors.kind[kept],
        lane=sensors.lane[kept],
        distance=sensors.distance[kept],
        cover_ptr=ptr,
        cover_lane=lane,
        cover_offset=np.concatenate([sensors.cover_offset[row] for row in rows]) if rows else np.zeros(0),
    )
    return table, number


def sight_of(network: Network, sensors: SensorTable) -> NDArray[np.float64]:
    """[L] distance from the lane's end to the furthest place that a sensor speaks of [m]; 0 where none does."""
    sight = np.zeros(network.n_lanes)
    on_lane = sensors.lane >= 0
    np.maximum.at(sight, sensors.lane[on_lane], sensors.distance[on_lane])
    camera = np.repeat(np.arange(len(sensors.sensor_id)), np.diff(sensors.cover_ptr))
    np.maximum.at(sight, sensors.cover_lane, sensors.distance[camera] - sensors.cover_offset)
    return np.minimum(sight, network.lane_length)


def rows_of(batch: ObservationBatch, number: NDArray[np.int32]) -> ObservationBatch:
    """Rows of the sensors that are left, renumbered."""
    columns = {}
    for kind in ("loop", "frame", "object", "count", "turn"):
        sensor = number[getattr(batch, f"{kind}_sensor")]
        columns[f"{kind}_sensor"] = sensor[sensor >= 0]
        for name in vars(batch):
            if name.startswith(f"{kind}_") and name != f"{kind}_sensor":
                columns[name] = getattr(batch, name)[sensor >= 0]
    return ObservationBatch(time=batch.time, **columns)


def estimate(run: Run, layout: str) -> Told:
    """Let the estimator go over a run through some of its sensors."""
    sensors, number = part_of(run.network, run.sensors, layout)
    estimator = LaneEstimator(run.network, run.signals, sensors)
    lanes = run.network.approach_lane
    told: list[tuple[NDArray[np.generic], ...]] = []
    share = np.zeros(run.network.n_movements, dtype=np.float32)
    took = []
    for batch, lamps in zip(run.batches, run.lamps, strict=True):
        rows = rows_of(batch, number)
        start = stopwatch()
        state = estimator.update(rows, lamps)
        took.append(stopwatch() - start)
        arrivals = np.stack([state.arrivals[:, :h].sum(axis=1) for h in HORIZONS], axis=1)
        told.append(
            (
                state.vehicles[lanes],
                state.queue[lanes],
                state.back_vehicles[lanes],
                state.blocked,
                arrivals,
                state.vehicles.sum(),
            )
        )
        if batch.time / 10 <= run.begin + LEARNING:
            share = state.counted_share
    vehicles, queue, back, blocked, arrivals, inside = (np.array(column) for column in zip(*told, strict=True))
    return Told(
        vehicles=vehicles.astype(np.float64),
        queue=queue.astype(np.float64),
        back=back.astype(np.float64),
        blocked=blocked.astype(np.bool_),
        arrivals=arrivals.astype(np.float64),
        network=inside.astype(np.float64),
        turn_share=share.astype(np.float64),
        headway=state.discharge.astype(np.float64),
        sight=sight_of(run.network, sensors)[lanes] / JAM_SPACING,
        tick_ms=1000.0 * float(np.median(took)),
    )


def measure(run: Run, layout: str) -> dict[str, object]:
    """All figures of a run seen through a layout."""
    aspect = np.array([lamps.aspect for lamps in run.lamps])
    return compare(run.network, run.signals, run.truth, estimate(run, layout), aspect, run.begin)


def read_run(file: Path) -> Run:
    """Read a run that was kept by this program."""
    run: Run = pickle.loads(file.read_bytes())  # noqa: S301 - written by this program, in the caller's own folder
    return run


def work(job: tuple[str, tuple[str, ...], str, float, int, Path | None]) -> list[dict[str, object]]:
    """Simulate one map, or read what was kept of it, and measure layouts."""
    scenario, layouts, controller, seconds, seed, keep = job
    kept = keep / f"{scenario}-{controller}-{seconds:.0f}-{seed}.pickle" if keep else None
    there = kept is not None and kept.exists()
    run = read_run(kept) if kept and there else simulate(scenario, controller, seconds, seed)
    if kept and not there:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(pickle.dumps(run))
    asked = {"scenario": scenario, "controller": controller, "seconds": seconds, "seed": seed}
    return [{**asked, "sensors": layout, **measure(run, layout)} for layout in layouts]


def main() -> None:
    """Measure what is not measured yet, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("maps", nargs="*", default=[])
    parser.add_argument("--sensors", default=",".join(LAYOUTS))
    parser.add_argument("--controller", default="fixed")
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="measure again what is finished")
    parser.add_argument("--keep", type=Path, help="folder for simulated runs, to go over them again")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "estimation")
    parser.add_argument("--no-page", action="store_true", help="print figures, leave the page as it is")
    given = parser.parse_args()
    missing = {row.name for row in list_scenarios() if not row.available}
    maps = [name for name in given.maps or MAPS if name not in missing]
    given.out.mkdir(parents=True, exist_ok=True)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name in maps:
            files = {
                layout: given.out / f"{name}-{layout}-{given.controller}-{given.seconds:.0f}-{given.seed}.json"
                for layout in given.sensors.split(",")
            }
            open_ones = tuple(layout for layout, file in files.items() if given.fresh or not file.exists())
            job = (name, open_ones, given.controller, given.seconds, given.seed, given.keep)
            for result in pool.apply(work, (job,)) if open_ones else []:
                files[str(result["sensors"])].write_text(json.dumps(result, indent=1), encoding="utf-8")
                print(json.dumps(result), flush=True)
    if not given.no_page:
        write_page(given.out, WARM_UP)


if __name__ == "__main__":
    main()
