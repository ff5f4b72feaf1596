"""Walls that import-linter cannot express, and what the wheel carries."""

from __future__ import annotations

import ast
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "citybrain",
    "kernels/citybrain_kernels",
    "sim/citybrain_sim",
    "camera/citybrain_camera",
    "api/citybrain_api",
    "scenarios/citybrain_scenarios",
)
SUMO = {"libsumo", "traci", "sumolib", "sumo"}
CLOCKS = {"time", "datetime"}
GENERATORS = {"default_rng", "SeedSequence", "RandomState"}


def modules() -> list[str]:
    """Every module of the packages, relative to the checkout."""
    return sorted(str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level names of all modules that are imported anywhere, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "import_module":
            yield from (str(arg.value).split(".")[0] for arg in node.args if isinstance(arg, ast.Constant))


def numpy_random_calls(tree: ast.AST) -> Iterator[str]:
    """Calls such as ``np.random.default_rng()``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.startswith(("np.random.", "numpy.random.")) or called in GENERATORS:
                yield called


def breaches(source: str, path: str) -> list[str]:
    """What a module at ``path`` does that belongs into one room only."""
    tree = ast.parse(source, path)
    names = set(imported(tree))
    found = []
    if names & SUMO and not (path.startswith("sim/citybrain_sim/") and Path(path).name.startswith("sumo_")):
        found.append(f"{path} imports {sorted(names & SUMO)}: only citybrain_sim/sumo_*.py may")
    if names & CLOCKS and path != "citybrain/clock.py":
        found.append(f"{path} imports {sorted(names & CLOCKS)}: only citybrain/clock.py reads the clock")
    if path != "citybrain/randomness.py":
        if names & {"random", "secrets"}:
            found.append(f"{path} imports random: generators come from citybrain/randomness.py")
        found += [
            f"{path} calls {call}: generators come from citybrain/randomness.py" for call in numpy_random_calls(tree)
        ]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if not path.startswith("api/") and any(isinstance(c.func, ast.Name) and c.func.id == "print" for c in calls):
        found.append(f"{path} prints: only the command line speaks to people")
    return found


@pytest.mark.parametrize("path", modules())
def test_module_keeps_to_its_room(path: str) -> None:
    assert breaches((ROOT / path).read_text(encoding="utf-8"), path) == []


@pytest.mark.parametrize(
    "source",
    [
        "import traci",
        "def f():\n    from sumolib import net",
        "import importlib\nimportlib.import_module('libsumo')",
        "import time",
        "from datetime import datetime",
        "import random",
        "import numpy as np\nx = np.random.default_rng(1)",
        "from numpy.random import default_rng\nx = default_rng()",
        "print('hello')",
    ],
)
def test_a_breach_is_seen(source: str) -> None:
    assert len(breaches(source, "sim/citybrain_sim/demand.py")) == 1


@pytest.mark.parametrize("path", modules())
def test_module_says_what_it_is_for(path: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8")))


def test_wheel_carries_code_types_and_data(tmp_path: Path) -> None:
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for package in PACKAGES:
        name = Path(package).name
        tracked = subprocess.run(
            ["git", "ls-files", package], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split()
        assert f"{name}/py.typed" in inside
        assert {str(Path(name) / Path(path).relative_to(package)) for path in tracked} <= inside
    assert {"citybrain_sim/sensor_profiles.toml", "citybrain/timing_profiles.toml"} <= inside
    assert any(path.startswith("citybrain_scenarios/") and path.endswith(".sumocfg") for path in inside)
