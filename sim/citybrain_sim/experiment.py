"""One run: a scenario under a controller, from the first tick to its measures.

A run's folder holds its records; ``result.json`` is written last, so that a folder that has it is a finished run.
"""

from __future__ import annotations

import shutil
import traceback
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from citybrain.clock import stopwatch
from citybrain.documents import write_json
from citybrain.errors import PlantError
from citybrain.measures import Tally, is_gridlocked, measure_trips
from citybrain.randomness import generator
from citybrain.records import Recorder
from citybrain.run_events import RunEvents
from citybrain.units import TENTHS_PER_SECOND, to_tenths
from citybrain_sim.code_version import code_version
from citybrain_sim.demand import demand_files
from citybrain_sim.fault_profiles import label
from citybrain_sim.faults import FaultBench
from citybrain_sim.incidents import place_block
from citybrain_sim.manifest import write_manifest
from citybrain_sim.run_tables import write_event_measures, write_trip_measures
from citybrain_sim.runs import ORACLE, ORACLE_NOTE, RunResult, RunSpec, write_result
from citybrain_sim.site import (
    Street,
    check_specs,
    input_hashes,
    make_engine,
    make_estimator,
    open_street,
    sensor_profile,
)
from citybrain_sim.sumo_baselines import write_programs
from citybrain_sim.sumo_plant import SumoOptions, SumoPlant
from citybrain_sim.trips import read_trips

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from citybrain.engine import Engine
    from citybrain.health.estimator import WatchfulEstimator
    from citybrain.measures import TripMeasures
    from citybrain_sim.incidents import RoadBlock
    from citybrain_sim.plant import PlantProgress

LOOK_EVERY = 60 * TENTHS_PER_SECOND
"""Tenths of a second between two looks at how far the simulation has come."""
LONGEST_RUN_S = 24 * 3600.0
"""A scenario without an end ends with its last vehicle, or after this time [s] where gridlock keeps it from ending."""
SENSOR_HEALTH = "sensor_health.json"
"""File of a run: what was found of every sensor at the end, and when that changed."""
SUMO_PROGRAMS: dict[str, Literal["actuated", "delay_based"]] = {
    "sumo-actuated": "actuated",
    "sumo-delay-based": "delay_based",
}


def run_one(
    spec: RunSpec, on_progress: Callable[[PlantProgress], None] | None = None, code: str | None = None
) -> RunResult:
    """Run one simulation in this process, record it and measure it.

    libsumo holds one simulation per process: call it once per process (``comparison`` does).

    Parameters
    ----------
    spec : what to run. Whatever is in its folder is replaced.
    on_progress : is told once per simulated minute how far the run has come.
    code : version of the code, where the caller knows it already.

    Raises
    ------
    InputError
        If the request, the scenario, its network or a profile is wrong.
    PlantError
        If SUMO fails in mid-run, or its books do not balance. What was recorded until then is readable.
    """
    began = stopwatch()
    code = code or code_version()  # before anything runs: somebody may edit the code meanwhile
    check_specs([spec])
    street = open_street(spec)
    inputs = input_hashes(spec.scenario)
    shutil.rmtree(spec.folder, ignore_errors=True)
    spec.folder.mkdir(parents=True)
    try:
        run = _Run(spec, street, inputs)
        run.drive(on_progress)
        result = run.measure(began)
    except Exception as error:
        write_json(spec.folder / "failed.json", {"message": str(error), "traceback": traceback.format_exc()})
        raise
    write_result(spec, result, inputs, (street.scenario.begin_s, run.end_s), code)
    return result


class _Run:
    """A run under way: the plant, what drives it, and what is noted on the way."""

    def __init__(self, spec: RunSpec, street: Street, inputs: dict[str, str]) -> None:
        self._spec = spec
        self._street = street
        profile = sensor_profile(spec)
        site, begin_s = street.site, street.scenario.begin_s
        self._plant = SumoPlant(
            _sumo_options(spec, street), site.network, site.signals, profile, generator(spec.seed, "sensors")
        )
        self._engine: Engine | None = None
        self._estimator: WatchfulEstimator | None = None
        self._recorder: Recorder | None = None
        self._events: RunEvents | None = None
        self._tally = Tally(site.signals, to_tenths(begin_s))
        self._engine_time_s = 0.0
        self._balance: PlantProgress | None = None
        self._gridlocked = False
        self._waiting: dict[str, tuple[str, ...]] = {}
        self.end_s = begin_s
        try:
            self._faults = FaultBench(spec.faults, site.network, self._plant.sensors, begin_s, spec.seed)
            write_manifest(spec, street, self._plant, profile, inputs)
            self._events = RunEvents(spec.folder, site.network, site.signals, site.timings, self._plant.sensors)
            if spec.runs_in_engine:
                self._recorder = Recorder(spec.folder, site.network, site.signals, self._plant.sensors)
                self._estimator = make_estimator(street, self._plant.sensors)
                observers = (self._recorder, self._events)
                self._engine = make_engine(spec, street, self._plant.sensors, observers, self._estimator)
        except BaseException:
            self._close()
            raise

    def drive(self, on_progress: Callable[[PlantProgress], None] | None) -> None:
        """Tick from begin to end; however it ends, the records are complete up to there and SUMO's files closed."""
        try:
            while (batch := self._plant.observe()) is not None:
                self.end_s = batch.time / TENTHS_PER_SECOND
                if self._engine is not None:
                    seen = self._faults.apply(batch)
                    began = stopwatch()
                    command = self._engine.tick(seen)
                    if self.end_s > self._street.scenario.begin_s:  # the first tick also loads or compiles the kernels
                        self._engine_time_s += stopwatch() - began
                    self._tally.count(command)
                    self._plant.apply(command)
                elif self._events is not None:
                    self._events.shown(batch.time, self._plant.aspects())
                for recorder in (self._recorder, self._events):
                    if recorder is not None:
                        recorder.drain()
                if (batch.time - to_tenths(self._street.scenario.begin_s)) % LOOK_EVERY == 0:
                    self._look(on_progress)
            self._balance = self._plant.progress()
            self._gridlocked = is_gridlocked(self._plant.standing())
            self._waiting = self._plant.waiting()
            if self._estimator is not None:
                sensors = self._estimator.opinion().documents()
                health = {"sensors": sensors, "changes": self._estimator.changes()}
                write_json(self._spec.folder / SENSOR_HEALTH, health)
            if self._spec.incident is not None:
                write_json(self._spec.folder / "incident.json", self._plant.incident())
            if self._spec.faults:
                write_json(self._spec.folder / "faults.json", {"faults": self._faults.truth()})
        finally:
            self._close()

    def measure(self, began: float) -> RunResult:
        """Read what SUMO says of every trip; ``began`` is when the run did, by the stopwatch.

        Raises
        ------
        PlantError
            If SUMO's trips and its counts of vehicles contradict each other.
        """
        spec, folder = self._spec, self._spec.folder
        begin_s = self._street.scenario.begin_s
        trips = read_trips(folder / "tripinfo.xml", begin_s, self.end_s)
        measures = measure_trips(trips, self.end_s - begin_s)
        self._check_balance(measures)
        street = self._street
        write_trip_measures(folder, street.config.net_file, street.site.network, trips, self.end_s, self._waiting)
        write_event_measures(folder)
        return RunResult(
            scenario=spec.scenario_label,
            controller=spec.controller,
            seed=spec.seed,
            instance=spec.instance,
            protocol=spec.protocol,
            sensors=spec.sight,
            profile=self._street.site.timings.profile,
            demand=spec.demand,
            note=ORACLE_NOTE if spec.controller == ORACLE else "",
            **asdict(measures),
            gridlocked=self._gridlocked,
            bent=self._tally.bent,
            longest_red_s=self._tally.longest_red_s if spec.runs_in_engine else float("nan"),
            engine_time_s=self._engine_time_s,
            sumo_time_s=self._plant.seconds_in_sumo,
            sensor_time_s=self._plant.seconds_in_sensors,
            wall_time_s=stopwatch() - began,
            folder=str(folder),
            faults=label(spec.faults),
            incident="" if spec.incident is None else str(spec.incident),
            sumo=self._plant.sumo_version,
        )

    def _look(self, on_progress: Callable[[PlantProgress], None] | None) -> None:
        now = self._plant.progress()
        if self._recorder is not None:
            self._recorder.truth(now.time_s, now.running, now.waiting, now.arrived, now.delay_s)
        if on_progress is not None:
            on_progress(now)

    def _close(self) -> None:
        with ExitStack() as closing:
            closing.callback(self._plant.close)
            for recorder in (self._recorder, self._events):
                if recorder is not None:
                    closing.callback(recorder.close)

    def _check_balance(self, measures: TripMeasures) -> None:
        """Compare the trips with SUMO's own counts, which leave out vehicles that became due in the last step."""
        counted = self._balance
        if (
            counted is None
            or (counted.arrived, counted.running) != (measures.arrived, measures.running)
            or counted.waiting > measures.not_inserted
        ):
            raise PlantError(
                f"{self._spec.folder}: SUMO's trips say {measures.arrived} arrived, {measures.running} running, "
                f"{measures.not_inserted} never inserted; its counts say {counted}. Vehicles were lost: look for "
                "teleporting, vaporizers or max-depart-delay in the scenario's configuration and take them out"
            )


def _sumo_options(spec: RunSpec, street: Street) -> SumoOptions:
    """How SUMO is to run: the demand instance that was asked for, and its own programs where they drive."""
    scenario, site = street.scenario, street.site
    extra: tuple[Path, ...] = ()
    if spec.controller in SUMO_PROGRAMS:
        path = spec.folder / "programs.add.xml"
        kind = SUMO_PROGRAMS[spec.controller]
        extra = (write_programs(kind, site.signals, site.network, path, site.timings),)
    return SumoOptions(
        config=street.config,
        folder=spec.folder,
        begin_s=scenario.begin_s,
        end_s=scenario.end_s,
        seed=spec.seed,
        protocol=spec.protocol,
        cap_s=scenario.begin_s + LONGEST_RUN_S,
        gui=spec.gui,
        sumo_binary=spec.sumo_binary,
        route_files=demand_files(street.config, spec.demand, spec.instance, spec.folder),
        extra_files=extra,
        block=_block(spec, street),
    )


def _block(spec: RunSpec, street: Street) -> RoadBlock | None:
    """Where the incident of a run is; drawn from its seed and instance, whatever the controller."""
    if spec.incident is None:
        return None
    rng = generator(spec.seed, f"incident {spec.instance}")
    return place_block(spec.incident, street.site.network, street.config.route_files, rng, street.scenario.begin_s)
