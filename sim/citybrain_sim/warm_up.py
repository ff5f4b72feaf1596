"""The first run on a machine: kernels are compiled once, by one process, before the clock of any run starts.

Otherwise every process of a comparison compiles all of them by itself, and its times are the compiler's.
``python -m citybrain_sim.warm_up FOLDER`` is that process: a run of a minute, whose records go into the folder.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from citybrain_kernels import planner_tick
from citybrain_sim.experiment import run_one
from citybrain_sim.runs import RunSpec
from citybrain_sim.scenarios import find_scenario
from citybrain_sim.sumo_config import read_config

if TYPE_CHECKING:
    from citybrain_sim.sumo_config import SumoConfig

STREET = "district"
"""Ships with the project, and has loops, cameras, pedestrians and neighbours."""
CONTROLLER = "planner"
"""Calls every kernel of a run; the others call some of them."""
LASTS_S = 60
COMPILING = "compiling, once on this machine, for about two minutes; later starts are quick"
"""What to tell people who wait."""


def compile_once() -> None:
    """Compile what runs need, in a process of its own; nothing where it has been done before.

    A failure is no error here: whoever runs next meets it, and says it better.
    """
    if not cold():
        return
    with tempfile.TemporaryDirectory(prefix="citybrain-") as folder:
        subprocess.run([sys.executable, "-m", __name__, folder], capture_output=True, check=False)


def cold() -> bool:
    """Whether kernels would have to be compiled: nobody has done it here with these sources, Numba and Python."""
    mark = _mark()
    return mark is not None and not mark.exists()


def _mark() -> Path | None:
    """File that says so, beside what was compiled; None where nothing is compiled."""
    stats = getattr(planner_tick.settle, "stats", None)
    if stats is None:
        return None
    return Path(stats.cache_path) / f"warm-numba{version('numba')}-py{sys.version_info[0]}.{sys.version_info[1]}"


def main(folder: Path) -> None:
    """Run a minute of a street that ships with the project, and leave the mark."""
    short = folder / "short.sumocfg"
    short.write_text(_minute(read_config(find_scenario(STREET).config)), encoding="utf-8")
    run_one(RunSpec(str(short), CONTROLLER, out=folder / "runs"))
    mark = _mark()
    if mark is not None:
        mark.touch()


def _minute(config: SumoConfig) -> str:
    """Write the configuration anew, with an early end."""
    routes, more = (",".join(map(str, files)) for files in (config.route_files, config.additional_files))
    return (
        f'<configuration><input><net-file value="{config.net_file}"/><route-files value="{routes}"/>'
        f'<additional-files value="{more}"/></input><time><begin value="{config.begin_s:g}"/>'
        f'<end value="{config.begin_s + LASTS_S:g}"/></time></configuration>'
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
