"""Runs that lie in folders: found, read back, and the street that they were made on. Nothing is simulated here."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citybrain.errors import InputError
from citybrain_sim.manifest import table_hash
from citybrain_sim.runs import RESULT, RunResult, RunSpec
from citybrain_sim.site import input_hashes, open_street

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from citybrain_sim.site import Street

FAILURE, MANIFEST = "failed.json", "manifest.json"


@dataclass(frozen=True)
class RunFolder:
    """A finished run that lies in a folder.

    Attributes
    ----------
    path : its folder. version : of citybrain, that made it; code : of its source, empty where not recorded.
    spec, result : what was asked for and what came of it.
    inputs : hashes of the scenario's files, by name.
    begin_s, end_s : what was simulated [s].
    manifest : versions and options, as they were written.
    """

    path: Path
    version: str
    code: str
    spec: RunSpec
    result: RunResult
    inputs: dict[str, str]
    begin_s: float
    end_s: float
    manifest: dict[str, Any]


@dataclass(frozen=True)
class LeftOut:
    """A folder of a run that cannot be used, and why."""

    path: Path
    reason: str


def find_runs(places: Iterable[Path]) -> tuple[list[RunFolder], list[LeftOut]]:
    """Find every run in folders of runs, or in folders that hold many; each once, in the order of their paths.

    Returns
    -------
    runs : the finished ones. left_out : those that failed, were stopped, or cannot be read.

    Raises
    ------
    InputError
        If a place does not exist or holds no run.
    """
    runs: dict[Path, RunFolder] = {}
    left_out: dict[Path, LeftOut] = {}
    for place in places:
        folders = list(_folders(place))
        if not folders:
            raise InputError(
                f"{place} holds no run: no {RESULT} or {MANIFEST} in it or below; name the folder that `citybrain run` "
                "or `citybrain compare` wrote (--out, `runs` if not said)"
            )
        for folder in folders:
            found = _read(folder)
            if isinstance(found, RunFolder):
                runs[folder.resolve()] = found
            else:
                left_out[folder.resolve()] = found
    return [runs[path] for path in sorted(runs)], [left_out[path] for path in sorted(left_out)]


def _folders(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        raise InputError(f"{place} is not a folder; name the folder of a run, or one that holds many")
    for name in (RESULT, FAILURE, MANIFEST):
        if (place / name).is_file():
            yield place
            return
    yield from sorted({file.parent for name in (RESULT, FAILURE, MANIFEST) for file in place.rglob(name)})


def _read(folder: Path) -> RunFolder | LeftOut:
    if not (folder / RESULT).is_file():
        return LeftOut(folder, _why_unfinished(folder))
    try:
        document = json.loads((folder / RESULT).read_text(encoding="utf-8"))
        return RunFolder(
            path=folder,
            version=document["version"],
            code=document.get("code", ""),
            spec=RunSpec.from_document(document["spec"], folder),
            result=replace(RunResult.from_document(document["run"]), folder=str(folder)),
            inputs=document["inputs"],
            begin_s=float(document["begin_s"]),
            end_s=float(document["end_s"]),
            manifest=json.loads((folder / MANIFEST).read_text(encoding="utf-8")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return LeftOut(folder, f"written by another version of citybrain, or damaged ({error}); run it again")


def _why_unfinished(folder: Path) -> str:
    try:
        message = json.loads((folder / FAILURE).read_text(encoding="utf-8"))["message"]
    except (OSError, ValueError, KeyError, TypeError):
        return "not finished: it was stopped, or is still under way"
    return f"failed: {message}"


def reopen_street(run: RunFolder) -> Street:
    """Read the street of a run again, from where its manifest says that it lay.

    Raises
    ------
    InputError
        If its files are not there any more, or are not those that the run was made with.
    """
    name = run.spec.scenario
    path = run.manifest.get("scenario", {}).get("config", name)
    scenario = name if not Path(name).suffix and not Path(name).exists() else str(path)
    changed = sorted(file for file, known in input_hashes(scenario).items() if run.inputs.get(file) != known)
    if changed:
        raise InputError(f"{', '.join(changed)} of scenario {name} changed since the run; run it again")
    street = open_street(replace(run.spec, scenario=scenario))
    if run.manifest.get("tables") != table_hash(street.site.network, street.site.signals):
        raise InputError(f"scenario {name} is read in another order than when {run.path} was recorded; run it again")
    return street
