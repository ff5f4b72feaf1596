"""How well the estimator sees: its queues and vehicles on stop-line lanes against SUMO's truth, every second.

``python benchmarks/estimation_accuracy.py SCENARIO --sensors default,loops`` with the scenario's own fixed plan. One
process per line, because libsumo holds one simulation per process. SCENARIO is a registered name or a ``.sumocfg``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.clock import stopwatch
from citybrain.control.registry import make_controller
from citybrain.estimation import LaneEstimator
from citybrain.guard import LampGuard
from citybrain.randomness import generator
from citybrain.units import QUEUE_SPEED, to_tenths
from citybrain_sim.runs import RunSpec
from citybrain_sim.sensors import load_sensor_profile
from citybrain_sim.site import open_street
from citybrain_sim.sumo_plant import SumoOptions, SumoPlant

if TYPE_CHECKING:
    from citybrain.network import Network

Floats = NDArray[np.float64]
LONG_QUEUE = 3
BLIND = 0.3


def lane_truth(row: dict[str, int], n_lanes: int) -> tuple[Floats, Floats]:
    """Vehicles and queued vehicles [L] that SUMO has on every lane now."""
    import libsumo  # noqa: PLC0415 - only in the process that runs the simulation

    vehicles, queue = np.zeros(n_lanes), np.zeros(n_lanes)
    for name in libsumo.vehicle.getIDList():
        lane = row.get(libsumo.vehicle.getLaneID(name), -1)
        if lane >= 0:
            vehicles[lane] += 1
            queue[lane] += libsumo.vehicle.getSpeed(name) < QUEUE_SPEED
    return vehicles, queue


def measure(job: tuple[str, str, str, float, int]) -> dict[str, object]:
    """Run one scenario with one sensor profile and compare."""
    scenario, sensors, controller_name, seconds, seed = job
    street = open_street(RunSpec(scenario=scenario, controller=controller_name, seed=seed))
    site, network = street.site, street.site.network
    begin = street.config.begin_s
    controller = make_controller(controller_name, site)
    guard = LampGuard(site.signals, site.timings, to_tenths(begin))
    told: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    true: list[tuple[Floats, Floats]] = []
    took = 0.0
    row = {name: l for l, name in enumerate(network.lane_id)}
    with tempfile.TemporaryDirectory() as folder:
        options = SumoOptions(
            config=replace(street.config, end_s=begin + seconds),
            folder=Path(folder),
            begin_s=begin,
            end_s=begin + seconds,
            seed=seed,
        )
        profile = load_sensor_profile(sensors)
        with SumoPlant(options, network, site.signals, profile, generator(seed, "sensors")) as plant:
            estimator = LaneEstimator(network, site.signals, plant.sensors)
            while (batch := plant.observe()) is not None:
                lamps = guard.lamps
                start = stopwatch()
                state = estimator.update(batch, lamps)
                took += stopwatch() - start if told else 0.0
                told.append((state.vehicles, state.queue))
                true.append(lane_truth(row, network.n_lanes))
                plant.apply(guard.enforce(controller.decide(state, lamps)))
    return {"scenario": Path(scenario).stem, "sensors": sensors, **compare(network, told, true, took)}


def compare(
    network: Network,
    told: list[tuple[NDArray[np.float32], NDArray[np.float32]]],
    true: list[tuple[Floats, Floats]],
    took: float,
) -> dict[str, object]:
    """Mean errors over stop-line lanes and seconds [veh], shares, and the estimator's time per tick [ms]."""
    lanes = network.approach_lane
    vehicles, queue = (np.array([tick[k] for tick in told])[:, lanes] for k in (0, 1))
    true_vehicles, true_queue = (np.array([tick[k] for tick in true])[:, lanes] for k in (0, 1))
    error = queue - true_queue
    lasting = (true_queue[:-2] > 0) & (true_queue[1:-1] > 0) & (true_queue[2:] > 0)
    some, long, none = true_queue > 0, true_queue > LONG_QUEUE, true_queue == 0
    return {
        "lane_seconds": int(some.sum()),
        "true_queue": float(true_queue[some].mean()),
        "queue_mae": float(np.abs(error[some]).mean()),
        "long_mae": float(np.abs(error[long]).mean()) if long.any() else 0.0,
        "bias": float(error[some].mean()),
        "blind": float((queue[some] < BLIND).mean()),
        "blind_after_2s": float((queue[2:][lasting] < BLIND).mean()),
        "ghost": float(error[none].mean()),
        "vehicles_mae": float(np.abs(vehicles - true_vehicles)[true_vehicles > 0].mean()),
        "vehicles_bias": float((vehicles - true_vehicles)[true_vehicles > 0].mean()),
        "tick_ms": 1000.0 * took / max(len(told) - 1, 1),
    }


def main() -> None:
    """Print one line per scenario and sensor profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="+")
    parser.add_argument("--sensors", default="default,loops,camera,ideal")
    parser.add_argument("--controller", default="fixed")
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    jobs = [
        (scenario, sensors, given.controller, given.seconds, given.seed)
        for scenario in given.scenario
        for sensors in given.sensors.split(",")
    ]
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for result in pool.imap(measure, jobs):
            if given.json:
                print(json.dumps(result), flush=True)
            else:
                print(" ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in result.items()))


if __name__ == "__main__":
    main()
