"""What is needed to run the service: unit, image and compose file hold together, and say what the program takes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from citybrain.intake import judge as intake
from citybrain.intake import possible, posted
from citybrain_api.libraries import DEBIAN_PACKAGE
from citybrain_api.serve_commands import PORT
from tests.conftest import ROOT
from tests.intake_posts import small_judge

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY = ROOT / "deploy"
DOCS = ROOT / "docs"
MOST_EXPOSED = 16
"""Tenths, as systemd counts exposure: 100 is a service without any limits."""


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_is_sound(tmp_path: Path) -> None:
    unit = tmp_path / "citybrain.service"
    unit.write_text(text(DEPLOY / "citybrain.service").replace("/opt/citybrain/.venv/bin/citybrain", "/bin/true"))
    ran = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_the_unit_exposes_little() -> None:
    asked = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}"]
    ran = subprocess.run([*asked, str(DEPLOY / "citybrain.service")], capture_output=True, text=True, check=False)
    if "--offline" in ran.stderr:
        pytest.skip("this systemd-analyze judges only units that are installed")
    assert ran.returncode == 0, ran.stdout


def test_the_compose_file_is_one() -> None:
    if (
        not shutil.which("docker")
        or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose is not installed")
    asked = ["docker", "compose", "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_every_variable_of_unit_and_compose_file_is_set_and_told() -> None:
    used = set(re.findall(r"\$\{(CITYBRAIN_\w+)", text(DEPLOY / "citybrain.service")))
    assert used == set(re.findall(r"^(CITYBRAIN_\w+)=", text(DEPLOY / "citybrain.env"), re.MULTILINE))
    composed = set(re.findall(r"\$\{(CITYBRAIN_\w+)", text(DEPLOY / "compose.yaml")))
    assert composed == set(re.findall(r"^\| `(CITYBRAIN_\w+)`", text(DOCS / "deploy.md"), re.MULTILINE))


def test_options_are_those_of_the_program() -> None:
    asked = [sys.executable, "-m", "citybrain_api.cli", "serve", "--help"]
    ran = subprocess.run(asked, capture_output=True, text=True, check=True)
    for name in ("citybrain.service", "compose.yaml", "Dockerfile"):
        command = text(DEPLOY / name).partition("serve")[2]
        options = set(
            re.findall(r"--(?:data|controller|sensors|keep-days|host|port|log-level|mqtt|profile)\b", command)
        )
        assert options
        assert all(option in ran.stdout for option in options), name


def test_the_image_has_what_sumo_needs_and_what_the_build_reads() -> None:
    dockerfile = text(DEPLOY / "Dockerfile")
    from_base = {"libstdc++6", "libgcc-s1", "zlib1g"}  # every Python image of Debian has these
    assert set(DEBIAN_PACKAGE.values()) - from_base <= set(re.findall(r"lib[a-z0-9-]+", dockerfile))
    let_in = {line[1:] for line in text(DEPLOY / "Dockerfile.dockerignore").splitlines() if line.startswith("!")}
    roots = {"api", "citybrain", "kernels", "scenarios", "sim"}
    assert let_in == roots | {"requirements", "pyproject.toml", "README.md", "LICENSE"}
    assert all((ROOT / name).exists() for name in let_in)


def test_one_port_everywhere() -> None:
    for name in ("Dockerfile", "compose.yaml", "Caddyfile"):
        ports = set(re.findall(r"(?:EXPOSE |127\.0\.0\.1:|citybrain:|- \")(\d{4,5})\b", text(DEPLOY / name)))
        assert ports == {str(PORT)}


def test_the_page_on_intake_tells_every_field_code_and_limit() -> None:
    page = text(DOCS / "intake.md")
    cells = set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE))
    codes = {verdict.name.lower() for verdict in posted.Verdict} - {"accepted"}
    assert cells == codes | set(posted.FIELDS) | {"format", "batch_id", "sender", "complete_until"}
    limits = posted.Limits()
    for figure in (
        f"| JSON body | {limits.json_bytes // 2**20} MiB |",
        f"| Arrow body | {limits.arrow_bytes // 2**20} MiB |",
        f"decompressed | {limits.decoded_bytes // 2**20} MiB |",
        f"in an Arrow body | {limits.messages} |",
        f"| rows | {limits.rows:,} |",
        f"more than {intake.AHEAD_S:.0f} s ahead",
        f"more than {intake.OLDEST_S:.0f} s behind",
        f"{intake.BEYOND_LANE:.0f} m beyond its begin",
        f"0 and {possible.FASTEST:.0f} m/s",
        posted.FORMAT,
    ):
        assert figure in page


def test_the_examples_on_intake_are_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = text(DOCS / "intake.md")
    as_json, answer = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(program, "intake.md", "exec"), {})  # noqa: S102 - the page's own example
    now = 17_956_080_000
    judge = small_judge()
    read = [
        intake.read_json(as_json.encode(), posted.Limits()),
        intake.read_arrow((tmp_path / "batch.arrows").read_bytes(), posted.Limits()),
    ]
    for batch in read:
        told = json.loads(judge(batch, now).verdicts)
        assert told["accepted"] == told["rows"] == len(batch.kind) > 0
    assert set(json.loads(answer)) == set(told)
    assert set(json.loads(answer)["refused"][0]) == {"code", "sentence", "rows"}
