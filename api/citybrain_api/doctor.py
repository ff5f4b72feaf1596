"""What this machine has and lacks for running City Brain Engine, and what to do about it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from citybrain_api.libraries import debian_packages, missing_libraries, program, sumo_binaries
from citybrain_kernels.cache import cache_home
from citybrain_sim.scenarios import list_scenarios

CORE = ("numpy", "numba", "scipy", "networkx", "pyarrow", "typer", "rich")
SUMO = ("eclipse-sumo", "libsumo", "traci", "sumolib")
SUMO_RELEASE = "1.28."
START_LIMIT_S = 60
INSTALL = "run: sh scripts/setup run (or: pip install 'citybrain-engine[sim]')"

Status = Literal["ok", "missing", "optional"]


@dataclass(frozen=True)
class Check:
    """One line of the doctor.

    Attributes
    ----------
    name : what was looked for.
    status : ``ok``; ``missing`` (needed); ``optional`` (not there, and only some things need it).
    found : what was found.
    remedy : what to do; empty when all is well.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""


def examine() -> list[Check]:
    """Look at everything, cheap things first."""
    return [
        Check("Python", "ok", ".".join(map(str, sys.version_info[:3]))),
        *(_package(name) for name in CORE),
        *(_sumo_package(name) for name in SUMO),
        _system_libraries(),
        _sumo_starts(),
        _scenarios(),
        _cache(),
        Check("processor cores", "ok", str(os.cpu_count() or 1)),
    ]


def healthy(checks: list[Check]) -> bool:
    """Whether nothing is missing that is needed."""
    return all(check.status != "missing" for check in checks)


def to_document(checks: list[Check]) -> dict[str, Any]:
    """Turn the checks into the document that ``--json`` prints."""
    return {"ok": healthy(checks), "checks": [asdict(check) for check in checks]}


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", version(name))
    except PackageNotFoundError:
        return Check(name, "missing", "not installed", INSTALL)


def _sumo_package(name: str) -> Check:
    check = _package(name)
    if check.status == "ok" and not check.found.startswith(SUMO_RELEASE):
        return Check(name, "missing", f"{check.found}, needed is {SUMO_RELEASE}x", INSTALL)
    return check


def _system_libraries() -> Check:
    missing = missing_libraries(sumo_binaries())
    if not missing:
        return Check("system libraries", "ok", "all that SUMO needs")
    remedy = f"run: sudo apt-get install {' '.join(debian_packages(missing))}"
    return Check("system libraries", "missing", ", ".join(missing), remedy)


def _sumo_starts() -> Check:
    path = program("sumo")
    if path is None:
        return Check("SUMO starts", "missing", "no program sumo in the package eclipse-sumo", INSTALL)
    try:
        answer = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=START_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("SUMO starts", "missing", str(error), f"try it by hand: {path} --version")
    if answer.returncode:
        said = (answer.stderr or answer.stdout).strip().splitlines()[:1] or [f"exit code {answer.returncode}"]
        return Check("SUMO starts", "missing", said[0], "see 'system libraries' above; then run citybrain doctor again")
    return Check("SUMO starts", "ok", answer.stdout.splitlines()[0].strip())


def _scenarios() -> Check:
    listings = list_scenarios()
    absent = [listing.name for listing in listings if not listing.available]
    found = f"{len(listings) - len(absent)} of {len(listings)} can be run here"
    if not absent:
        return Check("scenarios", "ok", found)
    remedy = "only if you want those, see why: citybrain scenarios"
    return Check("scenarios", "optional", f"{found}; not {', '.join(absent)}", remedy)


def _cache() -> Check:
    folder = cache_home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return Check("compiled kernels are kept", "ok", str(folder))
    except OSError as error:
        remedy = "starts may compile anew, for two minutes each; set NUMBA_CACHE_DIR to a folder that you may write"
        return Check("compiled kernels are kept", "optional", str(error), remedy)
