"""The plant ``sumo``: a street simulated by SUMO, seen only through placed and degraded sensors.

Imports no simulator itself; :mod:`citybrain_sim.sumo_library` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.clock import stopwatch
from citybrain.errors import ContractError, ScenarioError
from citybrain.observations import SensorKind
from citybrain.units import TENTHS_PER_SECOND, to_tenths
from citybrain_sim.mailbox import EPSILON
from citybrain_sim.plant import PlantProgress
from citybrain_sim.sensor_model import SensorModel
from citybrain_sim.sensors import place
from citybrain_sim.sumo_files import NOWHERE, output_options, read_detectors, silenced, write_loops
from citybrain_sim.sumo_incident import BreakDown
from citybrain_sim.sumo_library import gui_binary, known_options, start
from citybrain_sim.sumo_programs import ASPECTS
from citybrain_sim.sumo_sensing import CameraReader, LoopReader, TurnReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from citybrain.decisions import Command
    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.signals import Signals
    from citybrain_sim.incidents import RoadBlock
    from citybrain_sim.sensors import SensorProfile
    from citybrain_sim.sumo_config import SumoConfig

TICK = 1
"""Seconds of a tick."""
_NOT_LOOKED_AT = np.empty(0)
PROTOCOLS: dict[str, tuple[tuple[str, str], ...]] = {
    "modern": (),
    "classic": (("default.departspeed", "0"), ("default.departlane", "first")),
}
"""Departure defaults: SUMO's own of today, or those of before 1.20, which published results used."""


@dataclass(frozen=True)
class SumoOptions:
    """How to run SUMO.

    Attributes
    ----------
    config : the scenario.
    folder : run folder, made if needed; nothing is written outside of it. SUMO leaves ``tripinfo.xml``,
        ``vehroutes.xml`` and ``sumo.log`` there.
    begin_s, end_s : window [s]; without an end the run ends with the last vehicle, or at ``cap_s``.
    seed : of SUMO's driving noise.
    protocol : a key of ``PROTOCOLS``.
    cap_s : simulated time [s] at which a run without an end is ended all the same.
    time_to_teleport : SUMO takes away vehicles that have stood for longer [s]; -1: never.
    gui : show SUMO's window.
    sumo_binary : another SUMO than the installed one.
    route_files : instead of the scenario's own.
    extra_files : additional files after the scenario's own.
    block : a vehicle that breaks down; None for none.
    """

    config: SumoConfig
    folder: Path
    begin_s: float
    end_s: float | None
    seed: int
    protocol: str = "modern"
    cap_s: float | None = None
    time_to_teleport: float = -1.0
    gui: bool = False
    sumo_binary: Path | None = None
    route_files: tuple[Path, ...] | None = None
    extra_files: tuple[Path, ...] = ()
    block: RoadBlock | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        ScenarioError
            If one is out of range.
        """
        if self.protocol not in PROTOCOLS:
            raise ScenarioError(f"protocol {self.protocol!r} is unknown; choose one of: {', '.join(PROTOCOLS)}")
        if self.begin_s < 0 or (self.end_s is not None and self.end_s <= self.begin_s):
            raise ScenarioError(f"the window from {self.begin_s} to {self.end_s} s is empty or begins before 0 s")
        if not 0 <= self.seed < 2**31:
            raise ScenarioError(f"seed {self.seed} is out of range; SUMO takes 0 to {2**31 - 1}")
        if self.config.step_length_s > TICK:
            raise ScenarioError(
                f"{self.config.path}: the step length is {self.config.step_length_s:g} s, longer than the tick of "
                f"{TICK} s; give a step-length of at most {TICK} s"
            )


class SumoPlant:
    """A street simulated by SUMO. Implements :class:`citybrain_sim.plant.Plant`; one per process.

    Without calls of :meth:`apply` the scenario's own programs run.

    Parameters
    ----------
    network, signals : what the scenario's files say.
    profile : which sensors there are.
    rng : of the sensors' errors.

    Raises
    ------
    ScenarioError
        If SUMO refuses the scenario or the options.
    ProfileError
        If the profile asks for detectors that the scenario does not bring.
    PlantError
        If SUMO cannot be loaded.
    """

    def __init__(
        self,
        options: SumoOptions,
        network: Network,
        signals: Signals,
        profile: SensorProfile,
        rng: np.random.Generator,
    ) -> None:
        self._options = options
        self._network = network
        self._signals = signals
        config = options.config
        detectors = read_detectors(config.additional_files, network) if profile.scenario_loops else ()
        self._sensors = place(network, profile, detectors)
        self._model = SensorModel(network, self._sensors, profile, rng)
        folder = options.folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        loops = folder / "loops.add.xml"
        write_loops(self._sensors, network, loops)
        binary = options.sumo_binary or (gui_binary() if options.gui else None)
        known = None if options.sumo_binary is None else known_options(options.sumo_binary)
        self._session = start(_command_line(options, folder, loops, known), folder / "sumo.log", binary)
        self._loops = LoopReader(self._session.api, self._sensors)
        self._cameras = CameraReader(self._session.api, self._sensors, network)
        self._queues = CameraReader(self._session.api, self._sensors, network, SensorKind.CAMERA_COUNT)
        self._turns = TurnReader(self._session.api, self._sensors, network)
        self._breakdown = None if options.block is None else BreakDown(options.block)
        self._time = to_tenths(options.begin_s)
        self._begun = self._commanded = self._closed = False
        self._arrived = 0
        self._seconds_in_sumo = self._seconds_in_sensors = 0.0

    @property
    def sensors(self) -> SensorTable:
        """The sensors placed."""
        return self._sensors

    @property
    def sumo_version(self) -> str:
        """What SUMO says of itself, such as ``SUMO 1.28.0``; not what its path promises."""
        return self._session.version

    @property
    def seconds_in_sumo(self) -> float:
        """Wall time spent inside SUMO's simulation steps so far [s]."""
        return self._seconds_in_sumo

    @property
    def seconds_in_sensors(self) -> float:
        """Wall time spent reading and degrading sensors so far [s]."""
        return self._seconds_in_sensors

    def observe(self) -> ObservationBatch | None:
        """See :meth:`citybrain_sim.plant.Plant.observe`."""
        if self._closed:
            raise ContractError("the plant is closed")
        if not self._begun:
            self._begun = True
            return self._model.deliver(self._time)
        with self._session.talking():
            if self._over():
                return None
            self._time += TICK * TENTHS_PER_SECOND
            self._pass_tick(self._time / TENTHS_PER_SECOND)
        began = stopwatch()
        batch = self._model.deliver(self._time)
        self._seconds_in_sensors += stopwatch() - began
        return batch

    def apply(self, command: Command) -> None:
        """See :meth:`citybrain_sim.plant.Plant.apply`."""
        lamp_ptr = self._signals.lamp_ptr
        self.show(
            {
                name: command.lamp_char[lamp_ptr[i] : lamp_ptr[i + 1]].tobytes().decode("ascii")
                for i, name in enumerate(self._network.intersection_id)
                if command.changed[i] or not self._commanded
            }
        )
        self._commanded = True

    def show(self, lamps: Mapping[str, str]) -> None:
        """Show these state strings, one character per lamp, at these intersections; the others show what they did.

        Raises
        ------
        PlantError
            If SUMO fails.
        """
        with self._session.talking():
            show = self._session.api.trafficlight.setRedYellowGreenState
            for name, state in lamps.items():
                show(name, state)

    def aspects(self) -> NDArray[np.uint8]:
        """Ask SUMO for the ``Aspect`` that every signal group shows now [G]; for controllers of SUMO's own."""
        signals = self._signals
        out = np.zeros(signals.n_groups, np.uint8)
        with self._session.talking():
            for i, name in enumerate(self._network.intersection_id):
                state = self._session.api.trafficlight.getRedYellowGreenState(name)
                groups = signals.lamp_group[int(signals.lamp_ptr[i]) : int(signals.lamp_ptr[i + 1])].tolist()
                for lamp, group in zip(state, groups, strict=True):
                    if group >= 0:
                        out[group] = ASPECTS[lamp]
        return out

    def progress(self) -> PlantProgress:
        """How far the run has come. Costs a question to SUMO per vehicle: call it every few seconds, not every tick."""
        with self._session.talking():
            api = self._session.api
            running = api.vehicle.getIDList()
            waiting = api.simulation.getPendingVehicles()
            finished = [
                api.simulation.getParameter("", f"device.tripinfo.{name}") for name in ("timeLoss", "departDelay")
            ]
            delay = math.nan
            if all(finished):
                delay = self._arrived * sum(map(float, finished))
                delay += sum(api.vehicle.getTimeLoss(name) + api.vehicle.getDepartDelay(name) for name in running)
                delay += sum(api.vehicle.getDepartDelay(name) for name in waiting)
            vehicles = self._arrived + len(running) + len(waiting)
        return PlantProgress(
            time_s=self._time / TENTHS_PER_SECOND,
            running=len(running),
            waiting=len(waiting),
            arrived=self._arrived,
            delay_s=delay / vehicles if vehicles else math.nan,
        )

    def standing(self) -> NDArray[np.float64]:
        """How long every vehicle on the street has stood without a break [s]; the truth, for measures alone."""
        with self._session.talking():
            vehicle = self._session.api.vehicle
            return np.array([vehicle.getWaitingTime(name) for name in vehicle.getIDList()], dtype=np.float64)

    def incident(self) -> dict[str, Any] | None:
        """Tell what became of the vehicle that was to break down; None where none was to."""
        return None if self._breakdown is None else self._breakdown.document()

    def waiting(self) -> dict[str, tuple[str, ...]]:
        """Ask SUMO who is due and waits to be inserted, and for the roads that they mean to take."""
        with self._session.talking():
            api = self._session.api
            return {name: tuple(api.vehicle.getRoute(name)) for name in api.simulation.getPendingVehicles()}

    def close(self) -> None:
        """See :meth:`citybrain_sim.plant.Plant.close`."""
        self._closed = True
        self._session.close()

    def __enter__(self) -> Self:
        """Give the plant itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the plant."""
        self.close()

    def _over(self) -> bool:
        now = self._time / TENTHS_PER_SECOND
        if self._options.end_s is not None:
            return now >= self._options.end_s - EPSILON
        if self._options.cap_s is not None and now >= self._options.cap_s - EPSILON:
            return True
        return bool(self._session.api.simulation.getMinExpectedNumber() <= 0)

    def _pass_tick(self, until: float) -> None:
        """Step SUMO to ``until`` [s]; loops are read after every step, cameras take one frame at the end."""
        simulation = self._session.api.simulation
        now = float(simulation.getTime())
        while now < until - EPSILON:
            began = stopwatch()
            self._session.api.simulationStep()
            stepped = stopwatch()
            now = float(simulation.getTime())
            self._arrived += simulation.getArrivedNumber()
            self._model.feel(*self._loops.read(now))
            self._model.turns.cross(self._turns.read())
            self._seconds_in_sumo += stepped - began
            self._seconds_in_sensors += stopwatch() - stepped
        if self._breakdown is not None:
            self._breakdown.pass_tick(self._session.api, now)
        began = stopwatch()
        self._model.cameras.look(now, TICK, self._cameras.read(), self._cameras.read_inside())
        self._model.counts.close(now, self._queues.queues() if self._model.counts.due(now) else _NOT_LOOKED_AT)
        self._model.turns.close(now)
        self._seconds_in_sensors += stopwatch() - began


def _command_line(options: SumoOptions, folder: Path, loops: Path, known: frozenset[str] | None) -> list[str]:
    """SUMO's options; those that an older SUMO does not know are left out."""
    config = options.config
    files = (*config.additional_files, *options.extra_files)
    additional = [silenced(file, folder, f"additional_{n}") for n, file in enumerate(files)]
    routes = config.route_files if options.route_files is None else options.route_files
    given = [
        ("net-file", str(silenced(config.net_file, folder, "network"))),
        ("additional-files", _listed((*additional, loops))),
        ("begin", f"{options.begin_s:.3f}"),
        ("end", "-1" if options.end_s is None else f"{options.end_s:.3f}"),
        ("seed", str(options.seed)),
        ("random", "false"),
        ("time-to-teleport", f"{options.time_to_teleport:.3f}"),
        ("max-depart-delay", "-1"),
        ("tripinfo-output", str(folder / "tripinfo.xml")),
        ("tripinfo-output.write-undeparted", "true"),  # with it go the unfinished; older SUMO balks at both together
        ("vehroute-output", str(folder / "vehroutes.xml")),
        ("vehroute-output.exit-times", "true"),
        ("vehroute-output.internal", "true"),
        ("vehroute-output.write-unfinished", "true"),
        # Classes and units of emissions differ between versions: only the installed SUMO computes them.
        *([("device.emissions.probability", "1")] if known is None else []),
        ("save-state.prefix", str(folder / "state")),
        ("output-prefix", ""),
        ("human-readable-time", "false"),
        ("xml-validation", "never"),
        ("no-step-log", "true"),
        ("duration-log.disable", "true"),
        *PROTOCOLS[options.protocol],
        *((name, NOWHERE) for name in output_options(config.path)),
    ]
    if routes:
        given.append(("route-files", _listed(routes)))
    # without a window, a scenario may name window settings that it does not bring
    given += [("start", "true"), ("quit-on-end", "true")] if options.gui else [("gui-settings-file", "")]
    line = ["--configuration-file", str(config.path)]
    for name, value in given:
        if known is None or name in known:
            line += [f"--{name}", value]
    return line


def _listed(files: Sequence[Path]) -> str:
    """Files as one option of SUMO's.

    Raises
    ------
    ScenarioError
        If a path has a comma or semicolon, at which SUMO would cut it.
    """
    for file in files:
        if "," in str(file) or ";" in str(file):
            raise ScenarioError(f"{file}: SUMO cuts lists of files at commas and semicolons; rename the file or folder")
    return ",".join(str(file.absolute()) for file in files)
