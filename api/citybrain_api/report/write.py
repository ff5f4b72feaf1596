"""From folders of runs to a report on disk."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

import citybrain
from citybrain.documents import write_json
from citybrain.errors import InputError
from citybrain_api.report.documents import document
from citybrain_api.report.evidence import collect
from citybrain_api.report.markup import clock_time, number
from citybrain_api.report.naming import Names
from citybrain_api.report.page import render
from citybrain_api.report.study import gather
from citybrain_api.report.words import verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from citybrain_api.report.evidence import Evidence
    from citybrain_api.report.study import Study


def write_report(places: Sequence[Path], out: Path, *, data: bool = False) -> list[Path]:
    """Write the report of the runs in some folders; the page appears whole or not at all.

    Parameters
    ----------
    places : folders of runs, or folders that hold many.
    out : the page. data : also write the tables beside it, as ``NAME.json`` and as Parquet in the folder ``NAME-data``.

    Returns
    -------
    list
        What was written, the page first.

    Raises
    ------
    InputError
        If the runs cannot stand in one report, or the report cannot be written there.
    """
    if out.is_dir() or not out.parent.is_dir():
        raise InputError(f"--out {out}: name a file in a folder that exists, such as report.html")
    if data and out.suffix == ".json":
        raise InputError(f"--out {out}: the data are written as JSON beside the page; name the page .html")
    evidence = collect(gather(places))
    settings = _settings(evidence.study)
    text = render(evidence, settings, _command(evidence.study))
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(text, encoding="utf-8")
        written = [out, *(_write_data(evidence, settings, out) if data else [])]
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(
            f"--out {out} cannot be written ({error.strerror}); name a place that you may write"
        ) from error
    return written


def _write_data(evidence: Evidence, settings: dict[str, str], out: Path) -> list[Path]:
    study = evidence.study
    names = None if evidence.site is None else Names(evidence.site)
    about = {
        "version": citybrain.__version__,
        "scenario": study.first.result.scenario,
        "subject": study.subject.label,
        "baseline": None if study.baseline is None else study.baseline.label,
        "sentences": verdict(evidence, names).sentences,
        "warnings": [*study.warnings, *evidence.missing],
        "settings": settings,
    }
    text, folder = out.with_suffix(".json"), out.with_name(f"{out.stem}-data")
    write_json(text, document(about, evidence.tables))
    folder.mkdir(exist_ok=True)
    for name, table in evidence.tables.items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    return [text, folder]


def _settings(study: Study) -> dict[str, str]:
    """Say what the runs have in common."""
    run, result = study.first, study.first.result
    manifest = run.manifest
    packages = ", ".join(f"{name} {version}" for name, version in manifest.get("packages", {}).items())
    files = "; ".join(f"{name} {digest[:12]}" for name, digest in run.inputs.items())
    return {
        "Scenario": f"{result.scenario}, {clock_time(run.begin_s)} to {clock_time(run.end_s)}",
        "Files (SHA-256, first digits)": files,
        "Demand": f"{number(result.loaded, 0)} vehicles, factor {result.demand:g}",
        "Sensors": ", ".join(dict.fromkeys(v.runs[0].spec.sight for v in study.variants)),
        "Timing profile": result.profile,
        "Incident": result.incident or "none",
        "Protocol": f"{result.protocol}: {manifest.get('departures', '')}",
        "Teleporting": str(manifest.get("teleporting", "")),
        "Seeds": ", ".join(str(seed) for seed in dict.fromkeys(r.spec.seed for v in study.variants for r in v.runs)),
        "Simulator": str(manifest.get("sumo", "")),
        "City Brain Engine": f"{run.version}, code {run.code[:12]}" if run.code else run.version,
        "Python": f"{manifest.get('python', '')}; {packages}",
    }


def _command(study: Study) -> str:
    """Commands that make the runs and this report again."""
    spec = study.first.spec
    runs = [run.spec for variant in study.variants for run in variant.runs]
    controllers = ",".join(dict.fromkeys(s.controller for s in runs))
    seeds = ",".join(str(seed) for seed in sorted({s.seed for s in runs}))
    listed = seeds if "," in seeds else f"{seeds},"  # a number alone would be taken for how many
    words = ["citybrain", "compare", spec.scenario, "--controllers", controllers, "--seeds", listed]
    instances = max(s.instance for s in runs) + 1
    options = {
        "--instances": str(instances) if instances > 1 else None,
        "--sensors": next((s.sensors for s in runs if s.sensors not in ("default", "none", "ideal")), None),
        "--profile": spec.profile,
        "--demand": f"{spec.demand:g}" if spec.demand != 1.0 else None,
        "--protocol": spec.protocol if spec.protocol != "modern" else None,
    }
    for option, value in options.items():
        words += [option, value] if value is not None else []
    return f"{shlex.join([*words, '--out', 'runs'])}\ncitybrain report runs/{study.first.result.scenario}"
