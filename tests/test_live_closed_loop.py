"""The whole loop without HTTP: SUMO's sensors, the live engine, and cabinets that carry out its schedules."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from citybrain.cabinet import Cabinet
from citybrain.control.interface import Site
from citybrain.decisions import Command, LampState
from citybrain.engine import Observer
from citybrain.health.estimator import WatchfulEstimator
from citybrain.live.book import make_book
from citybrain.live.engine import LiveEngine
from citybrain.live.inputs import TickInputs
from citybrain.observations import ObservationBatch, SensorTable
from citybrain.plans.plan import with_seq
from citybrain_sim import experiment
from citybrain_sim.runs import RunSpec
from citybrain_sim.site import Street, make_engine
from tests.sumo_nets import build_cross

pytestmark = pytest.mark.sumo

LEASE = 300
FLOWS = (("WC", "CE", 700), ("NC", "CS", 500), ("EC", "CW", 700), ("SC", "CN", 500), ("WC", "CN", 150))
ROUTES = "".join(
    f'<flow id="{n}" from="{a}" to="{b}" begin="0" end="400" vehsPerHour="{rate}"/>'
    for n, (a, b, rate) in enumerate(FLOWS)
)
ROUTES = f"<routes>{ROUTES}</routes>"


class Loop:
    """Stands where the engine stands in a run; shows what the cabinets show."""

    def __init__(self, site: Site, controller: str, sensors: SensorTable) -> None:
        self._signals = site.signals
        self._book = make_book(site, 20)
        self._engine = LiveEngine(site, sensors, self._book, controller)
        self._cabinets: dict[str, Cabinet] = {}
        self._acks: list[dict[str, object]] = []
        self._seq = 0
        self.refused: list[str] = []
        self.errors = 0
        self.away = 0

    def tick(self, batch: ObservationBatch) -> Command:
        """One second: everybody polls, plans go out, lamps come back."""
        now = batch.time
        if not self._cabinets:
            self._cabinets = {data["intersection"]: Cabinet(data, now) for data in self._book.data}
        alive = np.ones(len(self._cabinets), dtype=np.bool_)
        outcome = self._engine.step(TickInputs(now, batch, tuple(self._acks), (), alive))
        self._acks = []
        self.errors += len(outcome.entries)
        for plan in outcome.plans:
            self._seq += 1
            ack = self._cabinets[plan.intersection].offer(with_seq(plan.document, self._seq), now)
            self._acks.append(ack)
            self.refused += [ack["sentence"]] if ack["verdict"] == "refused" else []
        for cabinet in self._cabinets.values():
            cabinet.advance(now)
            if cabinet.plan_id is not None:
                cabinet.renew(cabinet.plan_id, now + LEASE, now)
            self._acks.append(cabinet.ack(now))
            self.away += str(cabinet.mode) != "adaptive"
        return self._command(now, outcome.snapshot.lamps)

    def _command(self, now: int, lamps: LampState) -> Command:
        cabinets = self._cabinets.values()
        letters = "".join(cabinet.lamps for cabinet in cabinets).encode()
        aspect = np.array(["rygG".index(a) for cabinet in cabinets for a in cabinet.aspects], dtype=np.uint8)
        none = np.zeros(0, dtype=np.int32)
        return Command(
            time=now,
            lamps=LampState(now, lamps.row, lamps.changing, lamps.since, aspect, lamps.aspect_since),
            lamp_char=np.frombuffer(letters, dtype=np.uint8).copy(),
            changed=np.ones(len(cabinets), dtype=np.bool_),
            bent_intersection=none,
            bent_group=none,
            bent_rule=none.astype(np.uint8),
        )


SEEDS = (1, 2, 3)
"""One run alone differs by some percent for nothing."""


class Found(NamedTuple):
    """What came of a run."""

    delay_s: float
    refused: list[str]
    errors: int
    away: int


def run(scenario: str, folder: str, seed: int, *, live: bool) -> Found:
    """One run, in the process that calls it."""
    loops: list[Loop] = []

    def make(
        spec: RunSpec,
        street: Street,
        sensors: SensorTable,
        observers: tuple[Observer, ...],
        estimator: WatchfulEstimator,
    ) -> object:
        if not live:
            return make_engine(spec, street, sensors, observers, estimator)
        loops.append(Loop(street.site, spec.controller, sensors))
        return loops[0]

    vars(experiment)["make_engine"] = make
    result = experiment.run_one(RunSpec(scenario, "planner", seed=seed, out=Path(folder)))
    if not loops:
        return Found(result.delay_s, [], 0, 0)
    return Found(result.delay_s, loops[0].refused, loops[0].errors, loops[0].away)


def test_plans_over_the_wire_cost_little_against_lamps_at_hand(tmp_path: Path) -> None:
    build_cross(tmp_path)
    (tmp_path / "x.rou.xml").write_text(ROUTES)
    files = '<net-file value="x.net.xml"/><route-files value="x.rou.xml"/>'
    scenario = str(tmp_path / "x.sumocfg")
    Path(scenario).write_text(f"<configuration><input>{files}</input></configuration>")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        at_hand, over_wire = (
            [pool.apply(run, (scenario, str(tmp_path / str(live)), seed), {"live": live}) for seed in SEEDS]
            for live in (False, True)
        )
    assert [found.refused for found in over_wire] == [[], [], []]
    assert [found.errors for found in over_wire] == [0, 0, 0]
    assert max(found.away for found in over_wire) <= 3
    assert sum(found.delay_s for found in over_wire) <= 1.05 * sum(found.delay_s for found in at_hand)
