"""What sensing costs: the planner through several sensor profiles beside the planner with perfect sight.

    python -m benchmarks.sensing_cost [SCENARIO ...] [--sensors default,loops] [--seeds 10] [--jobs 2]
                                      [--out runs/headline]

Finished runs are reused, those of the headline benchmark too. Writes its section of docs/results-sensing.md.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.headline import markdown, teller
from benchmarks.page import ROOT, SENSING, command_line, write_section
from citybrain.errors import CityBrainError
from citybrain_sim.comparison import SummaryRow, compare, plan_runs, summarise
from citybrain_sim.runs import ORACLE
from citybrain_sim.scenarios import list_scenarios

SCENARIOS = ("district", "cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "grid4x4", "hangzhou1")
PROFILES = ("default", "loops", "camera", "counts", "mixed")
WANTED = {"default": 1.10, "loops": 1.25}
"""Delay beside the one with perfect sight that is wanted at most, median over maps."""


def main() -> None:
    """Run what is asked for and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS))
    parser.add_argument("--sensors", default=",".join(PROFILES))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "headline")
    options = parser.parse_args()
    missing = {row.name: row.reason for row in list_scenarios() if not row.available}
    here = [name for name in options.scenarios if name not in missing]
    profiles = options.sensors.split(",")
    seeds = range(1, options.seeds + 1)
    specs = plan_runs(here, (ORACLE, "fixed"), seeds, out=options.out)
    for profile in profiles:
        specs += plan_runs(here, ("planner",), seeds, out=options.out, sensors=profile)
    comparison = compare(specs, options.jobs, teller(specs))
    for spec, why in comparison.failures:
        print(f"failed: {spec.folder}: {why}")
    body = table(here, profiles, summarise(comparison.runs))
    left_out = [f"{name} is left out: {missing[name]}." for name in options.scenarios if name in missing]
    legend = (
        f"Median control delay of the planner [s/veh] over {options.seeds} seeds, and its ratio to the planner with "
        "perfect sight (`oracle`, a yardstick); protocol `modern`. `x n`: n gridlocked seeds. Wanted in the median "
        f"over maps: {', '.join(f'`{name}` at most {ratio:.2f}' for name, ratio in WANTED.items())}."
    )
    write_section(
        "What sensing costs",
        command_line("benchmarks.sensing_cost"),
        "\n\n".join([legend, body, *left_out]),
        page=SENSING,
    )


def table(scenarios: Sequence[str], profiles: Sequence[str], rows: Sequence[SummaryRow]) -> str:
    """Put maps down and sensor profiles across, the median ratio of each below."""
    oracle = {row.scenario: row for row in rows if row.controller == ORACLE}
    fixed = {row.scenario: row for row in rows if row.controller == "fixed"}
    planner = {(row.scenario, row.sensors): row for row in rows if row.controller == "planner"}
    ratios: dict[str, list[float]] = {profile: [] for profile in profiles}
    body = []
    for name in scenarios:
        line = [name, *(shown(side.get(name)) for side in (fixed, oracle))]
        for profile in profiles:
            row, yardstick = planner.get((name, profile)), oracle.get(name)
            if row is None or yardstick is None:
                line.append("-")
                continue
            ratios[profile].append(row.delay_s / yardstick.delay_s)
            line.append(f"{shown(row)} ({ratios[profile][-1]:.2f})")
        body.append(line)
    medians = [f"{statistics.median(ratios[profile]):.2f}" if ratios[profile] else "-" for profile in profiles]
    body.append(["median ratio", "", "", *medians])
    return markdown(["map", "`fixed`", "`oracle`", *(f"`{profile}`" for profile in profiles)], body)


def shown(row: SummaryRow | None) -> str:
    """Write a delay and how many seeds were gridlocked."""
    if row is None:
        return "-"
    return f"{row.delay_s:.1f}" + (f" x {row.gridlocked}" if row.gridlocked else "")


if __name__ == "__main__":
    try:
        main()
    except CityBrainError as error:
        raise SystemExit(str(error)) from None
