"""Runs on the workers of a dask.distributed cluster (extra ``cluster``): same runs, same folders, more machines.

A worker runs each simulation in a process of its own, in a temporary folder, and sends the folder back whole: nothing
needs to be shared but the code and the scenarios' files.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from citybrain.errors import InputError
from citybrain_sim.bench.job import question
from citybrain_sim.code_version import code_version
from citybrain_sim.runs import finished
from citybrain_sim.site import input_hashes
from citybrain_sim.warm_up import compile_once
from citybrain_sim.workers import RunEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from distributed import Client

    from citybrain_sim.runs import RunSpec

PATIENCE = "30s"
"""How long a scheduler may take to answer."""
LAST_WORDS = 500


class Brought(NamedTuple):
    """What a worker sends back: the run's folder as an archive, or why there is none."""

    archive: bytes
    failure: str | None
    refused: bool


def run_on_cluster(address: str, specs: Sequence[RunSpec], on_event: Callable[[RunEvent], None]) -> None:
    """Run simulations on a cluster, as many at a time as its workers have threads; one that fails stops no other.

    Parameters
    ----------
    address : of the scheduler, such as ``tcp://10.0.0.1:8786``.
    on_event : is told of each run that ends, in this process.

    Raises
    ------
    InputError
        If dask.distributed is not installed, the scheduler does not answer, has no workers, or one has other code.
    """
    with _connect(address) as client:
        from distributed import as_completed  # noqa: PLC0415 - an extra

        _check_workers(client, address)
        code = code_version()
        _compile_on_hosts(client)
        asked = {client.submit(_work, spec, code, pure=False): spec for spec in specs}
        try:
            for future in as_completed(list(asked), loop=client.loop):  # type: ignore[no-untyped-call]  # typed in part
                spec = asked[future]
                on_event(_event(spec, future.exception(), None if future.exception() else future.result()))
                future.release()
        finally:
            client.cancel(list(asked))


def _connect(address: str) -> Client:
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError(
            "--cluster needs dask.distributed; install the project with its extra 'cluster': pip install "
            "'citybrain-engine[cluster]'"
        ) from None
    try:
        return Client(address, timeout=PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]  # likewise
    except (OSError, ValueError, TimeoutError) as flaw:
        raise InputError(
            f"--cluster {address}: no scheduler answers there ({flaw}); start one with `dask scheduler` and give its "
            "address"
        ) from None


def _check_workers(client: Client, address: str) -> None:
    codes = client.run(code_version)
    if not codes:
        raise InputError(f"--cluster {address}: has no workers; start some with `dask worker {address}`")
    others = [worker for worker, code in codes.items() if code != code_version()]
    if others:
        raise InputError(
            f"--cluster {address}: {', '.join(others)} would run other code than this machine; install the same "
            "version of the project, with the same Python, on all"
        )


def _compile_on_hosts(client: Client) -> None:
    """Have one worker of every machine compile, so that the others find it done."""
    workers = client.run(code_version)
    one_each = {address.rpartition(":")[0]: address for address in workers}
    done = [client.submit(compile_once, workers=[worker], pure=False) for worker in one_each.values()]
    client.gather(done)  # type: ignore[no-untyped-call]  # typed in part


def _work(spec: RunSpec, code: str) -> Brought:
    """Run one simulation on a worker."""
    with tempfile.TemporaryDirectory(prefix="citybrain-") as place:
        done = subprocess.run(
            [sys.executable, "-m", "citybrain_sim.bench.job"],
            input=question(spec, Path(place), code),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            words = done.stderr.strip()[-LAST_WORDS:]
            return Brought(b"", f"the process of the simulation died with exit code {done.returncode}: {words}", False)
        answer = json.loads(done.stdout)
        if answer:
            return Brought(b"", answer["failure"], answer["refused"])
        (folder,) = (file.parent for file in Path(place).rglob("result.json"))
        return Brought(_pack(folder), None, False)


def _event(spec: RunSpec, error: BaseException | None, brought: Brought | None) -> RunEvent:
    """Bring a run's folder home and turn what came of it into news."""
    if brought is None:
        return RunEvent(spec, failure=f"{spec.folder}: the cluster could not run it: {error}")
    if brought.failure is not None:
        return RunEvent(spec, failure=brought.failure, refused=brought.refused)
    _unpack(brought.archive, spec.folder)
    result = finished(spec, input_hashes(spec.scenario))
    if result is None:
        return RunEvent(
            spec,
            failure=f"{spec.scenario}: the worker has other files of this scenario than this machine; copy them there",
            refused=True,
        )
    return RunEvent(spec, result=result)


def _pack(folder: Path) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=1) as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, arcname=file.name)
    return target.getvalue()


def _unpack(content: bytes, folder: Path) -> None:
    """Put a run's folder in its place, whole or not at all."""
    draft = folder.with_name(folder.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(draft, filter="data")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
