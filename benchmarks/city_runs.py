"""Runs of the benchmark of city figures: each map is simulated once, and gone over with every sensor layout."""

from __future__ import annotations

import pickle
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.city_floor import Unseen
from benchmarks.estimation import part_of
from citybrain.control.registry import make_controller
from citybrain.estimation import LaneEstimator
from citybrain.guard import LampGuard
from citybrain.randomness import generator
from citybrain.units import to_tenths
from citybrain_sim.runs import RunSpec
from citybrain_sim.sensors import load_sensor_profile
from citybrain_sim.site import open_street
from citybrain_sim.sumo_plant import SumoOptions, SumoPlant

if TYPE_CHECKING:
    from citybrain.decisions import LampState
    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.signals import Signals

Singles = NDArray[np.float32]
LAYOUTS = ("default", "loops", "camera")
"""The first one has all sensors of the others, so that its rows hold theirs."""
SECONDS = 3600.0


@dataclass
class Truth:
    """What SUMO has, second by second. Index letters: t seconds, e roads."""

    network: Network
    running: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    spent: list[Singles] = field(default_factory=list)
    free: list[Singles] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Give every lane its number."""
        self._lane = {name: l for l, name in enumerate(self.network.lane_id)}

    def look(self) -> None:
        """Note the second that has passed: vehicles, and by road vehicle seconds and their free travel time."""
        import libsumo  # noqa: PLC0415 - only in the process that runs the simulation

        names = libsumo.vehicle.getIDList()
        spent, free = np.zeros((2, len(self.network.edge_id)), dtype=np.float32)
        for name in names:
            lane = self._lane.get(libsumo.vehicle.getLaneID(name), -1)
            if lane >= 0:
                road = self.network.lane_edge[lane]
                spent[road] += 1.0
                free[road] += libsumo.vehicle.getSpeed(name) / self.network.lane_speed[lane]
        self.running.append(len(names))
        self.waiting.append(len(libsumo.simulation.getPendingVehicles()))
        self.spent.append(spent)
        self.free.append(free)


@dataclass(frozen=True)
class Record:
    """One simulated hour: what sensors of the first layout said, what lamps showed, and what was true.

    Attributes
    ----------
    unseen : by layout, who was out of its sensors' sight.
    """

    network: Network
    signals: Signals
    sensors: SensorTable
    batches: list[ObservationBatch]
    lamps: list[LampState]
    truth: Truth
    unseen: dict[str, Unseen]


def simulate(scenario: str, seed: int) -> Record:
    """Run a scenario under its own fixed plan and take down everything."""
    street = open_street(RunSpec(scenario=scenario, controller="fixed", seed=seed))
    site, begin = street.site, street.scenario.begin_s
    network, signals = site.network, site.signals
    controller, guard = make_controller("fixed", site), LampGuard(signals, site.timings, to_tenths(begin))
    truth = Truth(network)
    batches, lamps = [], []
    with tempfile.TemporaryDirectory() as folder:
        options = SumoOptions(street.config, Path(folder), begin, begin + SECONDS, seed)
        sight = load_sensor_profile(LAYOUTS[0])
        with SumoPlant(options, network, signals, sight, generator(seed, "sensors")) as plant:
            estimator = LaneEstimator(network, signals, plant.sensors)
            unseen = {name: Unseen(network, part_of(network, plant.sensors, name)[0]) for name in LAYOUTS}
            while (batch := plant.observe()) is not None:
                batches.append(batch)
                lamps.append(guard.lamps)
                truth.look()
                for layout in unseen.values():
                    layout.look()
                state = estimator.update(batch, guard.lamps)
                plant.apply(guard.enforce(controller.decide(state, guard.lamps)))
            return Record(network, signals, plant.sensors, batches, lamps, truth, unseen)


def keep_record(scenario: str, seed: int, file: Path) -> None:
    """Simulate an hour and keep it. libsumo holds one simulation per process: call it in a fresh one."""
    part = file.with_suffix(".part")
    part.write_bytes(pickle.dumps(simulate(scenario, seed)))
    part.replace(file)


def read_record(file: Path) -> Record:
    """Read an hour that was kept by this program."""
    record: Record = pickle.loads(file.read_bytes())  # noqa: S301 - written by this program, in the caller's own folder
    return record
