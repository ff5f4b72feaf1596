"""How delay from events agrees with SUMO's own, and what emissions cost. Writes docs/results-measures.md.

    python -m benchmarks.measures FOLDER --emissions SCENARIO

Every finished run below the folder is a row. Emissions: SUMO alone, with and without, in turns; processor seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sumo

from citybrain_sim.runs import RunResult
from citybrain_sim.scenarios import find_scenario
from citybrain_sim.sumo_config import read_config
from citybrain_sim.sumo_files import NOWHERE, output_options

PAGE = Path(__file__).resolve().parent.parent / "docs" / "results-measures.md"
TURNS = 5
HEAD = """# Measures: events beside the simulator

Written by `{command}`. What the columns mean: [measures.md](measures.md).

## Delay

| run | delay [s/veh] | shared out | at a signal [s] | events [s] | wait [s] | ratio |
|---|---:|---:|---:|---:|---:|---:|
"""
NOTE = """
Delay: SUMO's `timeLoss + departDelay` per vehicle; shared out: how much of it the tables of movements hold; at a
signal: the same per passage of a signal, what was lost before insertion left out. Events: mean control delay and mean
wait of the arrivals that the detectors saw; ratio: that control delay over SUMO's at a signal.

Events cannot see braking, starting, the junction itself, roads between signals, and queues that reach beyond the
advance detectors; a lane that two phases serve counts for both.
"""


def delay_row(folder: Path, result: dict[str, Any]) -> str:
    """One run as a row of the page."""
    run = RunResult.from_document(result["run"])
    trips, arrivals = (pq.read_table(folder / f"{name}.parquet") for name in ("trips", "arrivals"))
    places = pq.read_table(folder / "intersections.parquet").to_pylist()
    shared = sum(place["vehicles"] * place["mean_delay"] for place in places if place["vehicles"])
    passages = sum(place["vehicles"] for place in places)
    lost = trips["travel_time"].to_numpy() - trips["free_time"].to_numpy()
    outside = run.delay_s * trips.num_rows - float(np.nansum(lost))
    queued, waited = (pc.mean(arrivals[name]).as_py() for name in ("delay", "wait"))
    street = (shared - outside) / passages
    events = ["-", "-", "-"] if queued is None else [f"{queued:.1f}", f"{waited:.1f}", f"{queued / street:.2f}"]
    cells = [
        f"{run.scenario} `{run.controller}` seed {run.seed}",
        f"{run.delay_s:.1f}",
        f"{shared / (run.delay_s * trips.num_rows):.1%}",
        f"{street:.1f}",
        *events,
    ]
    return f"| {' | '.join(cells)} |\n"


def sumo_seconds(scenario: str, *, emissions: bool) -> float:
    """Processor seconds of SUMO alone, running a scenario's own programs."""
    config = read_config(find_scenario(scenario).config)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with TemporaryDirectory() as place:
        options = {
            "time-to-teleport": "-1",
            "no-step-log": "true",
            "no-warnings": "true",
            "xml-validation": "never",
            "device.emissions.probability": "1" if emissions else "0",
            **dict.fromkeys(output_options(config.path), NOWHERE),
            "tripinfo-output": str(Path(place) / "tripinfo.xml"),
        }
        line = [str(Path(sumo.SUMO_HOME) / "bin" / "sumo"), "-c", str(config.path)]
        line += [word for name, value in options.items() for word in (f"--{name}", value)]
        subprocess.run(line, check=True, capture_output=True, env={**os.environ, "SUMO_HOME": str(sumo.SUMO_HOME)})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def emissions_part(scenario: str) -> str:
    """Section of the page on what emissions cost."""
    turns = [[sumo_seconds(scenario, emissions=on) for on in (False, True)] for _ in range(TURNS)]
    without, with_them = (median(turn[k] for turn in turns) for k in (0, 1))
    return (
        f"\n## Emissions\n\nSUMO alone on {scenario}, median of {TURNS} in turns: {with_them / without:.2f} times the "
        "processor time with emissions of the time without. It is SUMO's time alone: engine and sensors come on top of "
        "both.\n"
    )


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--emissions", default="cologne8", metavar="SCENARIO")
    asked = parser.parse_args()
    rows = [
        delay_row(path.parent, json.loads(path.read_text(encoding="utf-8")))
        for path in sorted(asked.folder.rglob("result.json"))
    ]
    if not rows:
        parser.error(f"no finished run below {asked.folder}")
    command = f"python -m benchmarks.measures FOLDER --emissions {asked.emissions}"
    PAGE.write_text(
        HEAD.format(command=command) + "".join(rows) + NOTE + emissions_part(asked.emissions), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
