"""How far results move when a parameter of the planner is halved or doubled, an idea taken out, or a search put off.

    python -m benchmarks.sensitivity [SCENARIO ...] [--table sensitivity|ablation|pace] [--seeds 3] [--only NAME,NAME]
                                     [--jobs 1] [--sensors default] [--out runs/sensitivity]

Every variant runs every map and seed; finished runs are kept and not run again (remove the folder after a change of the
engine). Writes its section of docs/results-planner.md.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.page import PLANNER, ROOT, command_line, write_section
from benchmarks.planner_variants import REFERENCE, Variant, every, halved_and_doubled, without
from citybrain.control.cautious import Cautious
from citybrain.control.clearing import Clearing
from citybrain.control.interface import Controller
from citybrain.control.planner import Planner
from citybrain.documents import write_json
from citybrain.engine import Engine
from citybrain.errors import CityBrainError
from citybrain.measures import Tally, is_gridlocked, measure_trips
from citybrain.randomness import generator
from citybrain.units import TENTHS_PER_SECOND, to_tenths
from citybrain_sim.bench.layout import markdown
from citybrain_sim.runs import RunSpec
from citybrain_sim.sensor_profiles import load_sensor_profile
from citybrain_sim.site import make_estimator, make_guard, open_street
from citybrain_sim.sumo_plant import SumoOptions, SumoPlant
from citybrain_sim.trips import read_trips

TABLES = {
    "sensitivity": ("What every parameter does", "parameter", halved_and_doubled),
    "ablation": ("What every idea is worth", "off", without),
    "pace": ("How often a search is needed", "instead of a search when there is news", every),
}
"""Per table the title of its section, the head of its first column, and its variants."""
SCENARIOS = ("district", "cologne1", "cologne8", "ingolstadt7", "grid4x4", "hangzhou1")


class Job(NamedTuple):
    """One run of one variant."""

    variant: Variant
    scenario: str
    seed: int
    sensors: str
    out: Path

    @property
    def file(self) -> Path:
        """Where its result is kept."""
        return self.out / self.scenario / f"{self.sensors}-{self.variant.file}-s{self.seed}.json"


def run(job: Job) -> None:
    """Run a variant to the scenario's end and keep what came of it; in a process of its own."""
    street = open_street(RunSpec(scenario=job.scenario, controller="planner", seed=job.seed, sensors=job.sensors))
    site, begin, end = street.site, street.scenario.begin_s, street.scenario.begin_s
    planner = Planner(site, job.variant.parameters)
    guard, tally = make_guard(site, begin), Tally(site.signals, to_tenths(begin))
    with tempfile.TemporaryDirectory() as folder:
        options = SumoOptions(
            config=street.config, folder=Path(folder), begin_s=begin, end_s=street.scenario.end_s, seed=job.seed
        )
        profile = load_sensor_profile(job.sensors)
        with SumoPlant(options, site.network, site.signals, profile, generator(job.seed, "sensors")) as plant:
            controller: Controller = Cautious(site, planner) if job.variant.cautious else planner
            controller = Clearing(site, controller) if job.variant.clearing else controller
            engine = Engine(make_estimator(street, plant.sensors), controller, guard)
            while (batch := plant.observe()) is not None:
                end = batch.time / TENTHS_PER_SECOND
                command = engine.tick(batch)
                tally.count(command)
                plant.apply(command)
            stuck = is_gridlocked(plant.standing())
        measures = measure_trips(read_trips(Path(folder) / "tripinfo.xml", begin, end), end - begin)
    job.file.parent.mkdir(parents=True, exist_ok=True)
    told = {"delay_s": measures.delay_s, "gridlocked": stuck, "bent": tally.bent, "longest_red_s": tally.longest_red_s}
    write_json(job.file, {**told, "searches": planner.searches})


def run_all(jobs: Sequence[Job], processes: int) -> dict[Job, dict[str, Any]]:
    """Run what is not there yet, and read everything."""
    missing = [job for job in jobs if not job.file.exists()]
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
        for n, _ in enumerate(pool.imap_unordered(run, missing, 1), start=1):
            print(f"{n} of {len(missing)} runs", flush=True)
    return {job: json.loads(job.file.read_text(encoding="utf-8")) for job in jobs}


def cell(results: dict[Job, dict[str, Any]], variant: Variant, usual: Sequence[Job]) -> str:
    """Median change of delay against the planner as it is, run by run; and how many runs gridlocked."""
    changes, stuck = [], 0
    for job in usual:
        found = results[job._replace(variant=variant)]
        changes.append(100 * (found["delay_s"] / results[job]["delay_s"] - 1))
        stuck += found["gridlocked"]
    return f"{statistics.median(changes):+.1f} %" + (f" x {stuck}" if stuck else "")


def table(
    first: str,
    results: dict[Job, dict[str, Any]],
    variants: Sequence[Variant],
    scenarios: Sequence[str],
    usual: Sequence[Job],
) -> str:
    """One line per variant, one column per map, and the median over all runs."""
    plain = variants[0].value is None
    head = [first, *([] if plain else ["value"]), *scenarios, "all"]
    delay = [statistics.median(results[job]["delay_s"] for job in usual if job.scenario == name) for name in scenarios]
    lines = [["none: delay [s/veh]", *([] if plain else [""]), *(f"{one:.1f}" for one in delay), ""]]
    for variant in variants:
        value = [] if variant.value is None else [f"{variant.value:g} ({variant.form})"]
        groups = [[job for job in usual if job.scenario == name] for name in scenarios]
        name = variant.name if plain else f"`{variant.name}`"
        lines.append([name, *value, *(cell(results, variant, group) for group in (*groups, list(usual)))])
    return markdown(head, lines)


def main() -> None:
    """Run what is asked for and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--table", choices=TABLES, default="sensitivity", help="move parameters, take ideas out, or wait"
    )
    parser.add_argument("--only", default="", help="names of parameters, or of ideas")
    parser.add_argument("--sensors", default="default")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "sensitivity")
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else []
    title, first, made = TABLES[given.table]
    variants = [one for one in made() if not wanted or one.name in wanted]
    if not variants:
        raise SystemExit(f"nothing is named {given.only!r}; see benchmarks/planner_variants.py for the names")
    seeds = range(1, given.seeds + 1)
    usual = [Job(REFERENCE, name, seed, given.sensors, given.out) for name in given.scenarios for seed in seeds]
    results = run_all([*usual, *(job._replace(variant=one) for one in variants for job in usual)], given.jobs)
    legend = (
        f"Delay against the planner as it is, same map and seed: the median over {given.seeds} seed(s), sensors "
        f"`{given.sensors}`, protocol `modern`. `x n`: n runs gridlocked. Seeds alone move the delay of a map by some "
        "percent: small differences mean nothing."
    )
    body = "\n\n".join([legend, table(first, results, variants, given.scenarios, usual)])
    write_section(title, command_line("benchmarks.sensitivity"), body, PLANNER)
    print(body)


if __name__ == "__main__":
    try:
        main()
    except CityBrainError as error:
        raise SystemExit(str(error)) from None
