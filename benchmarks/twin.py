"""The street twin over HTTP beside the same run inside one process.

    python -m benchmarks.twin [SCENARIO ...] [--seeds 5] [--out runs/twin]

Same demand, seeds, sensors and controller; what differs is that observations are posted, plans are published ahead of
their begin, polled and carried out by one virtual controller per intersection. Two runs of one SUMO seed part after
the first different second, so medians over seeds are compared. Writes its section of docs/results-service.md.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from benchmarks.page import ROOT, write_section
from citybrain_api.street import StreetOrder
from citybrain_api.twin import run_twin
from citybrain_sim.comparison import compare, plan_runs

CONTROLLER = "planner"


def main() -> None:
    """Run both and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=["district", "cologne1", "cologne8"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "twin")
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    lines = [
        "| scenario | in one process [s/veh] | twin over HTTP [s/veh] | ratio of medians | posts lost | gridlocked |"
    ]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for scenario in options.scenarios:
        specs = plan_runs([scenario], [CONTROLLER], seeds, out=options.out / "inside")
        inside = [run.delay_s for run in compare(specs, 2, lambda _event: None).runs]
        outside = []
        lost = locked = 0
        for seed in seeds:
            folder = fresh(options.out / "outside", f"{scenario.replace('/', '_')}-{seed}")
            told = run_twin(StreetOrder(scenario, seed=seed), CONTROLLER, "127.0.0.1", 0, "warning", folder)
            print(f"{scenario} seed {seed}: twin {told['delay_s']:.2f}, in one process {inside[seed - 1]:.2f} s/veh")
            outside.append(told["delay_s"])
            lost, locked = lost + told["lost_posts"], locked + told["gridlocked"]
        a, b = statistics.median(inside), statistics.median(outside)
        lines.append(f"| {scenario} | {span(inside)} | {span(outside)} | {b / a:.3f} | {lost} | {locked} |")
    body = f"Controller `{CONTROLLER}`, sensors `default`, {options.seeds} seeds: median (least to greatest).\n\n"
    write_section("Street twin", f"python -m benchmarks.twin --seeds {options.seeds}", body + "\n".join(lines))


def span(values: list[float]) -> str:
    """Median, least and greatest."""
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def fresh(out: Path, name: str) -> Path:
    """Folder that is not there yet: a street's time must not go back in one."""
    number = 1
    while (folder := out / f"{name}-{number}").exists():
        number += 1
    return folder


if __name__ == "__main__":
    main()
