"""The street of the twin: SUMO whose sensors post and whose cabinets poll, all of it over HTTP.

A process of its own, ``python -m citybrain_api.street``: the order comes as JSON on stdin (it holds keys, which belong
neither on a command line nor into a file), progress goes as JSON lines to stdout. The street knows nothing of the
engine: it reads the scenario, places and degrades the sensors, and shows what its cabinets show. When the service does
not answer, observations are lost and cabinets fall back, and the traffic goes on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citybrain.clock import stopwatch
from citybrain.intake.posted import Header
from citybrain.intake.write import post_of, write_arrow
from citybrain.measures import is_gridlocked, measure_trips
from citybrain.randomness import generator
from citybrain.units import TENTHS_PER_SECOND, to_tenths
from citybrain_api.client import AsyncClient, ServiceError
from citybrain_api.controller_loop import Controller, ControllerSettings, GivenTime
from citybrain_sim.demand import demand_files
from citybrain_sim.runs import RunSpec
from citybrain_sim.sensors import load_sensor_profile
from citybrain_sim.site import open_street
from citybrain_sim.sumo_plant import SumoOptions, SumoPlant
from citybrain_sim.trips import read_trips

if TYPE_CHECKING:
    from collections.abc import Callable

    from citybrain.observations import ObservationBatch

LOOK_EVERY = 10
"""Simulated seconds between two lines of progress."""
SENDER = "street"
ENGINE_S = 10.0
"""The street waits no longer for the engine's tick [s]: a slow engine's plans come late, as they would outdoors."""


@dataclass(frozen=True)
class StreetOrder:
    """What to simulate, and whom to talk to.

    Attributes
    ----------
    scenario : registered name or path.
    url : of the service.
    field_key, controller_keys : keys of the sensors' gateway, and of every intersection's cabinet by id.
    folder : takes SUMO's output.
    seed, sensors, profile : as for a run.
    speed : simulated seconds per second; 0: as fast as it goes.
    until_s : end before the scenario's own [s]; None: its own.
    """

    scenario: str
    url: str = ""
    field_key: str = ""
    controller_keys: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    seed: int = 1
    sensors: str = "default"
    profile: str | None = None
    speed: float = 0.0
    until_s: float | None = None


class Cabinets:
    """The virtual controllers of all intersections, polling in the street's time."""

    def __init__(self, order: StreetOrder, clients: dict[str, AsyncClient], begin: int) -> None:
        self._time = GivenTime(begin)
        rng = generator(order.seed, "polls")
        self._controllers = {
            name: Controller(ControllerSettings(name), client, rng, _silent, self._time)
            for name, client in clients.items()
        }
        self._next = dict.fromkeys(clients, begin)
        self._answered = dict.fromkeys(clients, 0)
        self._shown: dict[str, str] = {}
        self.polls_to_plan: list[int] = []
        """For every return of contact, how many polls were answered until an adaptive plan was accepted."""

    async def open(self) -> None:
        """Fetch all controller data."""
        stop = asyncio.Event()
        await asyncio.gather(*(controller.prepare(stop) for controller in self._controllers.values()))

    async def converse(self, now: int) -> None:
        """Bring all lamps up to now, then poll where it is time to."""
        self._time.set(now)
        for controller in self._controllers.values():
            controller.look_after()
        due = [name for name, at in self._next.items() if at <= now]
        pauses = await asyncio.gather(*(self._controllers[name].converse() for name in due))
        for name, pause in zip(due, pauses, strict=True):
            self._next[name] = now + max(1, round(pause)) * TENTHS_PER_SECOND
            self._count(name)

    def _count(self, name: str) -> None:
        """Count polls up to the one that brings a plan that the cabinet accepts."""
        controller = self._controllers[name]
        if not controller.in_contact:
            self._answered[name] = 0
        elif self._answered[name] >= 0:
            self._answered[name] += 1
            if controller.cabinet.plan_id is not None:
                self.polls_to_plan.append(self._answered[name])
                self._answered[name] = -1

    def changed(self) -> dict[str, str]:
        """Lamps that differ from those given last, by intersection."""
        lamps = {name: controller.cabinet.lamps for name, controller in self._controllers.items()}
        news = {name: state for name, state in lamps.items() if self._shown.get(name) != state}
        self._shown = lamps
        return news

    def in_step(self) -> int:
        """How many cabinets run their own pattern without an error of offset."""
        acks = (controller.cabinet.ack(self._time.now()) for controller in self._controllers.values())
        return sum(ack["offset_error"] == 0 for ack in acks)

    def modes(self) -> dict[str, int]:
        """How many cabinets are in which mode."""
        counts: dict[str, int] = {}
        for controller in self._controllers.values():
            mode = str(controller.cabinet.mode)
            counts[mode] = counts.get(mode, 0) + 1
        return counts


class Street:
    """A simulated street under the service's control; :meth:`run` it once per process."""

    def __init__(self, order: StreetOrder, tell: Callable[[dict[str, Any]], None]) -> None:
        self._order = order
        self._tell = tell
        self._opened = open_street(RunSpec(order.scenario, "planner", sensors=order.sensors, profile=order.profile))
        scenario = self._opened.scenario
        self._begin_s = scenario.begin_s
        self._end_s = scenario.end_s if order.until_s is None else order.until_s
        self._origin = stopwatch()
        self._lost = 0

    async def run(self) -> None:
        """Let the street live from begin to end, and tell what came of it.

        Raises
        ------
        PlantError
            If SUMO fails.
        """
        order, site = self._order, self._opened.site
        config = self._opened.config
        folder = Path(order.folder)
        options = SumoOptions(
            config=config,
            folder=folder,
            begin_s=self._begin_s,
            end_s=self._end_s,
            seed=order.seed,
            route_files=demand_files(config, 1.0, 0, folder),
        )
        profile = load_sensor_profile(order.sensors)
        clients = {name: AsyncClient(order.url, key) for name, key in order.controller_keys.items()}
        gateway = AsyncClient(order.url, order.field_key)
        cabinets = Cabinets(order, clients, to_tenths(self._begin_s))
        try:
            with SumoPlant(options, site.network, site.signals, profile, generator(order.seed, "sensors")) as plant:
                await cabinets.open()
                end_s = await self._live(plant, gateway, cabinets)
                gridlocked = is_gridlocked(plant.standing())
        finally:
            for client in (gateway, *clients.values()):
                await client.close()
        trips = read_trips(folder / "tripinfo.xml", self._begin_s, end_s)
        measures = asdict(measure_trips(trips, end_s - self._begin_s))
        self._tell({"kind": "end", "time_s": end_s, "gridlocked": gridlocked, "lost_posts": self._lost, **measures})

    async def _live(self, plant: SumoPlant, gateway: AsyncClient, cabinets: Cabinets) -> float:
        """Tick until the street closes; returns when that was [s]."""
        self._origin = stopwatch()
        time_s = self._begin_s
        while (batch := plant.observe()) is not None:
            time_s = batch.time / TENTHS_PER_SECOND
            await self._keep_pace(time_s)
            await self._post(gateway, batch, plant)
            await cabinets.converse(batch.time)
            plant.show(cabinets.changed())
            if round(time_s - self._begin_s) % LOOK_EVERY == 0:
                self._tell(self._progress(plant, cabinets))
        return time_s

    def _progress(self, plant: SumoPlant, cabinets: Cabinets) -> dict[str, Any]:
        """Say how far the street has come; the simulator's own delay is for people, nobody controls by it."""
        return {
            "kind": "progress",
            "modes": cabinets.modes(),
            "in_step": cabinets.in_step(),
            "polls_to_plan": cabinets.polls_to_plan,
            "lost_posts": self._lost,
            **asdict(plant.progress()),
        }

    async def _keep_pace(self, time_s: float) -> None:
        """Wait until the street may be so far."""
        if self._order.speed > 0.0:
            ahead = (time_s - self._begin_s) / self._order.speed - (stopwatch() - self._origin)
            await asyncio.sleep(max(0.0, ahead))

    async def _post(self, gateway: AsyncClient, batch: ObservationBatch, plant: SumoPlant) -> None:
        """Post what the sensors saw, and wait for the engine's tick; what does not go through is lost."""
        header = Header(f"{SENDER}-{self._order.seed}-{batch.time}", SENDER, batch.time)
        body = write_arrow(post_of(header, batch, plant.sensors, self._opened.site.network))
        try:
            await gateway.observe(body)
            await gateway.time(batch.time, ENGINE_S)
        except ServiceError:
            self._lost += 1


def _silent(_line: str) -> None:
    """Leave what a single cabinet reports to its acknowledgements."""


def _print(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the order, and run the street.

    Ctrl-C reaches all processes of a terminal; who ordered the street ends it, and when he is gone it ends.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    order = StreetOrder(**json.load(sys.stdin))
    try:
        asyncio.run(Street(order, _print).run())
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
