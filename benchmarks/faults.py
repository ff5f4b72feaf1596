"""What sick sensors do: are they found, and what do they cost? Every fault at every level on a few maps.

    python -m benchmarks.faults [SCENARIO ...] [--faults late,dead] [--levels 1,3,5] [--seeds 3] [--sensors default]
                                [--jobs 2] [--out runs/faults] [--fresh]

The planner runs through sick sensors from five minutes after the beginning until ten minutes before the end, and once
through well ones; beside it the fixed plan, which needs none. Finished runs are reused. What the examination of sensors
said meanwhile is held against what was really sick. Writes its sections of docs/results-sensing.md.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults_found import cells, found_in
from benchmarks.page import ROOT, SENSING, command_line, teller, write_section
from citybrain.errors import CityBrainError, InputError
from citybrain_sim.bench.layout import markdown
from citybrain_sim.comparison import compare
from citybrain_sim.fault_profiles import LEVELS, fault_levels, make_fault
from citybrain_sim.runs import RunResult, RunSpec
from citybrain_sim.scenarios import find_scenario
from citybrain_sim.sensor_profiles import sensor_profile_names

SCENARIOS = ("cologne1", "cologne3", "ingolstadt1")
WELL_FIRST_S, WELL_LAST_S = 300.0, 600.0
"""Sensors are well for so long at the beginning and at the end of a run [s]."""
WELL = ("none", 0)
Key = tuple[str, int]
"""Fault and level."""


def main() -> None:
    """Run what is asked for and write the sections."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=list(SCENARIOS))
    parser.add_argument("--faults", default=",".join(fault_levels()))
    parser.add_argument("--levels", default=",".join(map(str, LEVELS)))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sensors", default="default", choices=sensor_profile_names())
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "faults")
    parser.add_argument("--fresh", action="store_true", help="run again what is finished")
    options = parser.parse_args()
    keys = [(name, int(level)) for name in options.faults.split(",") for level in options.levels.split(",")]
    seeds = range(1, options.seeds + 1)
    runs: dict[tuple[str, Key], list[RunSpec]] = {}
    for scenario in options.scenarios:
        for key in [WELL, *keys]:
            runs[scenario, key] = [sick_run(scenario, key, seed, options.sensors, options.out) for seed in seeds]
    fixed = {s: [RunSpec(s, "fixed", seed, out=options.out) for seed in seeds] for s in options.scenarios}
    specs = [spec for group in (*fixed.values(), *runs.values()) for spec in group]
    comparison = compare(specs, options.jobs, teller(specs), fresh=options.fresh)
    for spec, why in comparison.failures:
        print(f"failed: {spec.folder}: {why}")
    results = {Path(run.folder): run for run in comparison.runs}
    what = f"{options.seeds} seed{'s' * (options.seeds > 1)}, sensors `{options.sensors}`"
    write_section(
        f"The planner through sick sensors, `{options.sensors}`",
        command_line("benchmarks.faults"),
        delays(options.scenarios, keys, runs, fixed, results, what),
        page=SENSING,
    )
    folders = {
        key: [spec.folder for s in options.scenarios for spec in runs[s, key] if spec.folder in results]
        for key in [WELL, *keys]
    }
    write_section(
        f"Sick sensors found, `{options.sensors}`",
        command_line("benchmarks.faults"),
        findings(folders, f"{', '.join(options.scenarios)}; {what}"),
        page=SENSING,
    )


def sick_run(scenario: str, key: Key, seed: int, sensors: str, out: Path) -> RunSpec:
    """Ask for the planner through sensors that are sick for most of the run."""
    name, level = key
    found = find_scenario(scenario)
    if found.end_s is None:
        raise InputError(f"{scenario} has no end; choose a scenario with one")
    end = found.end_s - found.begin_s - WELL_LAST_S
    faults = () if key == WELL else (make_fault(name, level, from_s=WELL_FIRST_S, to_s=end),)
    return RunSpec(scenario, "planner", seed, sensors=sensors, out=out, faults=faults)


def delays(
    scenarios: Sequence[str],
    keys: Sequence[Key],
    runs: dict[tuple[str, Key], list[RunSpec]],
    fixed: dict[str, list[RunSpec]],
    results: dict[Path, RunResult],
    what: str,
) -> str:
    """Lay out the planner's delay by fault and level, one table per map."""
    levels = sorted({level for _, level in keys})

    def median(specs: Sequence[RunSpec]) -> float:
        known = [results[spec.folder].delay_s for spec in specs if spec.folder in results]
        return statistics.median(known) if known else float("nan")

    legend = (
        f"Median control delay of the planner [s/veh] by level, {what}. Sensors are sick from {WELL_FIRST_S:.0f} s "
        f"after the beginning to {WELL_LAST_S:.0f} s before the end. Bold: above the fixed plan's."
    )
    parts = [legend]
    worse = 0
    for scenario in scenarios:
        clock, well = median(fixed[scenario]), median(runs[scenario, WELL])
        body = []
        for name in dict.fromkeys(name for name, _ in keys):
            line = [f"`{name}`"]
            for level in levels:
                delay = median(runs[scenario, (name, level)]) if (name, level) in keys else float("nan")
                worse += delay > clock
                line.append(f"**{delay:.1f}**" if delay > clock else f"{delay:.1f}")
            body.append(line)
        parts.append(f"{scenario}: fixed plan {clock:.1f}, planner through well sensors {well:.1f}.")
        parts.append(markdown(["fault", *(f"level {level}" for level in levels)], body))
    parts.append(f"Above the fixed plan's: {worse} of {len(scenarios) * len(keys)} cells.")
    return "\n\n".join(parts)


def findings(folders: dict[Key, list[Path]], what: str) -> str:
    """Lay out how many sick sensors were found, how soon, and how many well ones were called sick."""
    body = [
        ["`none`" if key == WELL else f"`{key[0]}` {key[1]}", *cells([found_in(folder) for folder in group], key[0])]
        for key, group in folders.items()
    ]
    legend = (
        f"{what}. Found: called sick, of whatever, while it was. Named: of the right fault. Delay: from its beginning "
        "until it was called sick [s]. Taken back: called well again after its end, of those found. False alarms: well "
        "sensors called sick, per day of a well sensor; counted from the beginning, without a time to learn. `lost` "
        "has no test of its own."
    )
    head = ["fault", "sick", "found", "named", "delay, median", "90 %", "taken back", "after", "false alarms"]
    return legend + "\n\n" + markdown(head, body)


if __name__ == "__main__":
    try:
        main()
    except CityBrainError as error:
        raise SystemExit(str(error)) from None
