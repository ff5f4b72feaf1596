"""``citybrain serve`` and ``citybrain keys`` as a person meets them: start, end, errors, a full disk."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

from citybrain.storage.store import open_store
from citybrain_api.cli import app
from citybrain_api.serve_commands import tell_of_missing_keys
from tests.http_world import until

DISTRICT_INTERSECTION = "A1"
PLAN = f"/v1/intersections/{DISTRICT_INTERSECTION}/plan"
KERNELS_S = 240
"""The first tick on a machine may have to compile kernels."""
COMMAND = [sys.executable, "-m", "citybrain_api.cli"]


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command, in this process and in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Outcome:
        capfd.readouterr()
        try:
            code = app(list(arguments), standalone_mode=False)
        except typer.Exit as end:
            code = end.exit_code
        out, err = capfd.readouterr()
        return Outcome(code or 0, out, err)

    return call


def make_key(here: Command, scope: str, *more: str) -> str:
    done = here("keys", "add", "--scope", scope, "--name", f"the {scope}", "--data", "data", *more)
    assert done.code == 0, done.err
    return done.out.strip()


@contextlib.contextmanager
def served(cwd: Path, most_bytes: int | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The service in a process of its own, ready; ended with SIGTERM."""

    def limit() -> None:
        if most_bytes is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))

    arguments = ["serve", "district", "--controller", "fixed", "--data", "data", "--port", "0"]
    # The log goes through a pipe, so that a bound on files does not meet it.
    reader, writer = os.pipe()
    errors = cwd / "stderr.txt"
    with (
        errors.open("w", encoding="utf-8") as told,
        os.fdopen(reader, encoding="utf-8") as log,
        ThreadPoolExecutor(1) as pool,
    ):
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=cwd,
            stdout=writer,
            stderr=told,
            text=True,
            preexec_fn=limit,  # noqa: PLW1509
        )
        os.close(writer)
        lines = pool.submit(lambda: [json.loads(line) for line in log])
        try:
            url = until(lambda: re.search(r"http://\S+", errors.read_text(encoding="utf-8")), 60)[0]
            until(lambda: ready(url).status_code == 200, KERNELS_S)
            yield url, process
        finally:
            process.terminate()
            code = process.wait(KERNELS_S)
        assert code == 0, errors.read_text(encoding="utf-8")
        assert all(line["event"] for line in lines.result())


def ready(url: str) -> httpx.Response:
    return httpx.get(f"{url}/readyz", trust_env=False)


def get(
    url: str, key: str, path: str, headers: dict[str, str] | None = None, params: dict[str, Any] | None = None
) -> httpx.Response:
    whole = {"Authorization": f"Bearer {key}", **(headers or {})}
    return httpx.get(url + path, headers=whole, params=params, trust_env=False, timeout=60)


def poll(url: str, key: str) -> httpx.Response | None:
    answer = get(url, key, PLAN)
    return answer if answer.status_code == 200 else None


def test_a_service_is_started_asked_and_ended_in_order(here: Command, tmp_path: Path) -> None:
    key = make_key(here, "controller", "--intersection", DISTRICT_INTERSECTION)
    calm = make_key(here, "controller", "--intersection", DISTRICT_INTERSECTION)  # has asked for nothing yet
    with served(tmp_path) as (url, process), ThreadPoolExecutor(1) as pool:
        plan = until(functools.partial(poll, url, key))

        def follow() -> httpx.Response:
            """Long polls until one is ended otherwise than by a plan."""
            answer: httpx.Response = plan
            while answer.status_code == 200:
                tag = {"If-None-Match": answer.headers["ETag"]}
                answer = get(url, calm, PLAN, params={"wait": 20}, headers=tag)
            return answer

        waiting = pool.submit(follow)
        assert poll(url, calm) is not None
        process.terminate()
        assert waiting.result().status_code == 503
    assert "stopped in order" in (tmp_path / "stderr.txt").read_text(encoding="utf-8")
    with open_store(tmp_path / "data") as store:
        kinds = [entry.kind for entry in store.whole_ledger()]
        assert (kinds[0], kinds[2], kinds[-1]) == ("key", "start", "stop")
        last, saved = store.last_tick(), store.checkpoint()
        assert last is not None
        assert saved is not None
        assert saved.time == last.time


def test_a_full_disk_is_told_and_nothing_that_was_promised_is_lost(here: Command, tmp_path: Path) -> None:
    field = make_key(here, "field")
    reader = make_key(here, "reader")
    database = tmp_path / "data" / "citybrain.db"
    kept = []
    with served(tmp_path, most_bytes=database.stat().st_size + 2**19) as (url, _):
        number = 0
        while True:
            number += 1
            rows = [{"kind": "loop", "sensor": f"{number}-{k}", "time_ms": k, "on": True} for k in range(20_000)]
            batch: dict[str, Any] = {
                "format": "citybrain/observations/1",
                "batch_id": f"b{number}",
                "sender": "gate",
                "rows": rows,
            }
            answer = httpx.post(
                f"{url}/v1/observations", json=batch, headers={"Authorization": f"Bearer {field}"}, trust_env=False
            )
            if answer.status_code != 200:
                break
            kept.append(batch["batch_id"])
            assert number < 2000
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert answer.json()["code"] == "store"
        refused = until(lambda: found if (found := ready(url)).status_code == 503 else None)
        assert refused.json()["reasons"]
        assert get(url, reader, "/v1/time").status_code == 200
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    with served(tmp_path) as (url, _), open_store(tmp_path / "data") as store:
        assert all(store.batch_verdict(name, "gate") for name in kept)
        assert ready(url).json() == {"ready": True, "reasons": []}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "no scenario is called 'nowhere'"),
        (["district", "--controller", "oracle"], "cannot serve a street"),
        (["district", "--log-level", "loud"], "debug, info, warning, error"),
        (["district", "--sensors", "eyes"], "eyes"),
        (["district", "--data", "/proc/nothing"], "cannot be the data folder"),
        (["district", "--host", "no.such.host.invalid"], "no such address"),
    ],
)
def test_what_cannot_be_served_is_told_in_one_line(arguments: list[str], told: str, here: Command) -> None:
    done = here("serve", *arguments, "--port", "0")
    assert done.code == 2
    assert told in done.err
    assert "Traceback" not in done.err


def test_keys_are_made_listed_and_revoked(here: Command) -> None:
    key = make_key(here, "operator")
    assert re.fullmatch(r"cb_[0-9a-f]{16}_[0-9a-f]{64}", key)
    listed = here("keys", "list", "--data", "data", "--json")
    (row,) = json.loads(listed.out)["keys"]
    assert (row["key_id"], row["scope"], row["revoked_at"]) == (key[3:19], "operator", None)
    assert key[20:] not in listed.out
    assert key[3:19] in here("keys", "list", "--data", "data").out
    assert here("keys", "revoke", key[3:19], "--data", "data").code == 0
    again = here("keys", "revoke", key[3:19], "--data", "data")
    assert (again.code, "no valid key" in again.err) == (2, True)
    unbound = here("keys", "add", "--scope", "controller", "--name", "x", "--data", "data")
    assert (unbound.code, "--intersection" in unbound.err) == (2, True)


def test_a_service_without_keys_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_store(tmp_path / "data") as store:
        tell_of_missing_keys(store, "data")
    assert "citybrain keys add --scope operator --name 'your name' --data data" in capsys.readouterr().err
