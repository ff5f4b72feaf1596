"""SUMO networks for tests: the public ones where they are installed, and a small cross that netconvert builds."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT

RESCO = {
    "arterial4x4": 16,
    "cologne1": 1,
    "cologne3": 3,
    "cologne8": 8,
    "grid4x4": 16,
    "ingolstadt1": 1,
    "ingolstadt21": 21,
    "ingolstadt7": 7,
}
"""Signals of the maps of the sumo-rl package."""
DATA = {"hangzhou1": 16, "jinan1": 12, "bologna_acosta": 7, "bologna_pasubio": 8}
"""Signals of the networks in the data folder."""


@dataclass(frozen=True)
class PublicNet:
    """A public network with the additional files of its configuration, and its number of signals."""

    config: Path
    net_file: Path
    additional_files: tuple[Path, ...]
    signals: int


def package_folder(name: str) -> Path | None:
    """Folder of an installed package that must not be imported."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def public_net(name: str) -> PublicNet:
    """Find a public network; skips the test where it is not there."""
    if name in RESCO:
        package = package_folder("sumo_rl")
        if package is None:
            pytest.skip("the package sumo-rl, which carries the network, is not installed")
        folder = package / "nets" / "RESCO" / name
    else:
        folder = Path(os.environ.get("CITYBRAIN_DATA", str(ROOT.parent / "shared" / "data"))) / name
        if not folder.is_dir():
            pytest.skip(f"{folder} is missing; set CITYBRAIN_DATA to the data sets")
    return PublicNet(
        config=next(iter(sorted(folder.glob("*.sumocfg")))),
        net_file=next(iter(sorted(folder.glob("*.net.xml")))),
        additional_files=tuple(sorted(folder.glob("*.add.xml"))),
        signals={**RESCO, **DATA}[name],
    )


def sumo_binary(name: str) -> str:
    """Path of one of SUMO's programs; skips the test where SUMO is not installed."""
    package = package_folder("sumo")
    if package is None or not (package / "bin" / name).exists():
        pytest.skip("the package eclipse-sumo is not installed")
    return str(package / "bin" / name)


def build_cross(folder: Path, *options: str, crossing: str = "") -> Path:
    """Build a signalised cross of four two-lane roads with sidewalks; crossings on two arms, a bus lane from the west.

    ``crossing`` adds attributes to the northern crossing.

    Lanes: 0 is the sidewalk, 1 the kerb lane (buses only on ``WC``; bicycles only on ``CS``), 2 the inner lane.
    """
    arms = {"N": (0, 200), "E": (200, 0), "S": (0, -200), "W": (-200, 0)}
    nodes = "".join(f'<node id="{arm}" x="{x}" y="{y}"/>' for arm, (x, y) in arms.items())
    (folder / "x.nod.xml").write_text(f'<nodes><node id="C" x="0" y="0" type="traffic_light"/>{nodes}</nodes>')
    lanes = {"WC": '<lane index="0" allow="bus"/>', "CS": '<lane index="0" allow="bicycle"/>'}
    edges = "".join(
        f'<edge id="{a}{b}" from="{a}" to="{b}" numLanes="2" speed="13.89" sidewalkWidth="2">'
        f"{lanes.get(a + b, '')}</edge>"
        for arm in arms
        for a, b in ((arm, "C"), ("C", arm))
    )
    (folder / "x.edg.xml").write_text(f"<edges>{edges}</edges>")
    crossings = f'<crossing node="C" edges="NC CN" {crossing}/><crossing node="C" edges="EC CE"/>'
    (folder / "x.con.xml").write_text(f"<connections>{crossings}</connections>")
    command = [sumo_binary("netconvert"), "-n", "x.nod.xml", "-e", "x.edg.xml", "-x", "x.con.xml"]
    subprocess.run(
        [*command, "--no-turnarounds", "-o", "x.net.xml", *options], cwd=folder, check=True, capture_output=True
    )
    return folder / "x.net.xml"
