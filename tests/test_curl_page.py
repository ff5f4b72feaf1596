"""Every example of docs/curl.md, run as it stands there by a shell, against the real service."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from citybrain_api.serve_commands import PORT
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "curl.md"
PATIENCE_S = 90.0
MARK = "=== example ==="
SAYS = (
    (),
    (),
    ("ready",),
    ('"accepted":3', "unknown_sensor"),
    ("batch-known: false", "batch-known: true", '"accepted":1'),
    ("citybrain/controller-data/1",),
    ("valid_from",),
    ("plan-lease-until", "plan-seq"),  # 304, or 200 where a new plan came within the two seconds
    ("lawful",),
    (),
    ('"A1"', '"vehicles"'),
    ("made_at", "differences"),
    ("road works",),
    ("event: tick",),
    ("previous", "the ledger holds"),
    ("send a key", "403", "JSON"),
    ("# TYPE",),
)
"""What every example's answer says."""
missing = [name for name in ("curl", "jq") if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def examples() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def script_of(blocks: list[str], port: int) -> str:
    """All examples as one script; the one that serves goes to the background and is ended in order at the end."""
    parts = ["set -eu", "trap 'kill $SERVING 2>/dev/null || true' EXIT", "SERVING="]
    for block in blocks:
        shown = block.replace(f":{PORT}", f":{port}")
        if block.startswith("citybrain serve"):
            shown = f"{block.strip()} --port {port} >serve.log 2>&1 &\nSERVING=$!"
        parts += [f"echo '{MARK}'", shown, "echo"]
    return "\n".join([*parts, "kill $SERVING", "wait $SERVING", "SERVING="])


def test_every_example_runs(tmp_path: Path) -> None:
    blocks = examples()
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["sh", "-c", script_of(blocks, free_port())],
        cwd=tmp_path,
        env=os.environ | {"PATH": programs},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    log = tmp_path / "serve.log"
    served = log.read_text(encoding="utf-8") if log.exists() else ""
    assert ran.returncode == 0, "\n".join((ran.stdout[-3000:], ran.stderr[-3000:], served[-3000:]))
    told = ran.stdout.split(MARK)[1:]
    assert len(told) == len(blocks) == len(SAYS)
    for block, output, words in zip(blocks, told, SAYS, strict=True):
        for word in words:
            assert word.lower() in output.lower(), f"{block}\ngave\n{output}\nwithout {word!r}"
