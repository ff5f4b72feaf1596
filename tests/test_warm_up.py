"""Kernels are compiled before runs begin: what a run calls is there, whatever its controller and sensors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.small_street import write_street

RUN = """
import json, pkgutil, sys
from importlib import import_module
from pathlib import Path
import citybrain_kernels
from citybrain_sim.experiment import run_one
from citybrain_sim.runs import RunSpec
from citybrain_sim.warm_up import cold, compile_once

compile_once()
controller, sensors, config, out = sys.argv[1:]
run_one(RunSpec(config, controller, seed=1, sensors=sensors, out=Path(out)))
rooms = [import_module(f"citybrain_kernels.{room.name}") for room in pkgutil.iter_modules(citybrain_kernels.__path__)]
stats = [member.stats for room in rooms for member in vars(room).values() if hasattr(member, "stats")]
loaded, compiled = (sum(sum(getattr(s, name).values()) for s in stats) for name in ("cache_hits", "cache_misses"))
print(json.dumps({"cold": cold(), "loaded": loaded, "compiled": compiled}))
"""


@pytest.mark.sumo
@pytest.mark.parametrize(("controller", "sensors"), [("planner", "mixed"), ("max-pressure", "loops")])
def test_a_run_after_the_warm_up_compiles_nothing(controller: str, sensors: str, tmp_path: Path) -> None:
    config = write_street(tmp_path)
    command = [sys.executable, "-c", RUN, controller, sensors, str(config), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["cold"], found["compiled"]) == (False, 0)
    assert found["loaded"] > 0
