"""All tables of a report, from the records of its runs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.errors import InputError, PlantError
from citybrain_api.report import approaches as ways
from citybrain_api.report import moments, outcomes, phases, places
from citybrain_api.report.schema import TABLES, table
from citybrain_sim.comparison import BASELINE
from citybrain_sim.passages import Passages, read_passages, road_delays
from citybrain_sim.run_folders import reopen_street
from citybrain_sim.trips import read_trips

if TYPE_CHECKING:
    from pathlib import Path

    from citybrain.control.interface import Site
    from citybrain.measures import Trips
    from citybrain.network import FloatArray, IntArray
    from citybrain_api.report.approaches import Approach
    from citybrain_api.report.schema import Tables
    from citybrain_api.report.study import Study
    from citybrain_sim.run_folders import RunFolder


@dataclass(frozen=True)
class Evidence:
    """What a report is drawn from.

    Attributes
    ----------
    tables : as in ``schema.TABLES``, every one of them, some empty.
    site : the street; None where its files are not there any more.
    approaches : ways to stop lines. corridors : chains of intersections that most vehicles follow.
    sensors : label of a variant -> number of sensors in the run shown.
    missing : what could not be shown and why, in sentences.
    """

    study: Study
    tables: Tables
    site: Site | None
    approaches: list[Approach]
    corridors: list[list[int]]
    sensors: dict[str, int]
    missing: list[str]


@dataclass
class _Traces:
    """What was read of SUMO's files: of every run the trips and losses, of the runs shown the passages."""

    trips: dict[Path, Trips] = field(default_factory=dict)
    losses: dict[Path, tuple[IntArray, FloatArray]] = field(default_factory=dict)
    passages: dict[Path, Passages] = field(default_factory=dict)


def collect(study: Study) -> Evidence:
    """Read the records of all runs.

    Raises
    ------
    InputError
        If SUMO's own files of a run are missing or cut off.
    """
    missing: list[str] = []
    site = _site(study, missing)
    traces = _read_traces(study, site)
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    found = [] if site is None else ways.find_approaches(site.network)
    sensors: dict[str, int] = {}
    for variant, run in study.shown:
        faulty, sensors[variant.label] = moments.sensor_rows(variant.label, run)
        rows["sensors"] += faulty
        if site is not None:
            _show(variant.label, run, site, rows)
            trips = ways.trips_on_approaches(variant.label, traces.passages[run.path], site.network, found)
            rows["trips_on_approaches"] += trips
    tables = {name: table(name, rows[name]) for name in TABLES}
    tables["runs"] = outcomes.runs_table(study)
    tables["comparison"] = outcomes.comparison_table(study)
    tables["percentiles"] = outcomes.percentiles_table(study, traces.trips)
    tables["minutes"] = outcomes.minutes_table(study, traces.trips)
    tables["movements"] = places.movements_table(study, None if site is None else site.network)
    tables["intersections"] = places.intersections_table(tables["movements"])
    chains: list[list[int]] = []
    if site is not None:
        tables["roads"] = places.roads_table(study, site.network, traces.losses)
        tables["approaches"] = ways.approaches_table(site.network, found)
        chains = ways.corridors(traces.passages[study.subject.typical.path], found, site.network)
    _note_missing(study, tables, missing)
    return Evidence(study, tables, site, found, chains, sensors, missing)


def _site(study: Study, missing: list[str]) -> Site | None:
    try:
        return reopen_street(study.first).site
    except InputError as error:
        missing.append(f"No maps, signals or trajectories: the street cannot be read again. {error}")
        return None


def _read_traces(study: Study, site: Site | None) -> _Traces:
    traces = _Traces()
    shown = {run.path for _, run in study.shown}
    for variant in study.variants:
        for run in variant.runs:
            try:
                trips = read_trips(run.path / "tripinfo.xml", run.begin_s, run.end_s)
                traces.trips[run.path] = trips
                if site is not None:
                    passages = read_passages(run.path / "vehroutes.xml", site.network, trips)
                    traces.losses[run.path] = road_delays(passages, site.network, run.end_s)
                    if run.path in shown:
                        traces.passages[run.path] = passages
            except PlantError as error:
                raise InputError(f"{error}; or leave this run out of the report") from error
    return traces


def _show(label: str, run: RunFolder, site: Site, rows: dict[str, list[dict[str, Any]]]) -> None:
    shown = moments.signal_rows(label, run, site)
    rows["signals"] += shown or phases.event_signal_rows(label, run, site)
    rows["phases"] += phases.phase_rows(label, run, site)
    rows["crossings"] += phases.crossing_rows(label, run, site)
    rows["stages"] += moments.stage_rows(label, run, site)
    if run.spec.controller != BASELINE:
        rows["choices"] += moments.choice_rows(label, run, site)


def _note_missing(study: Study, tables: Tables, missing: list[str]) -> None:
    """Say which controllers left no records that others have."""
    engineless = [v.label for v in study.variants if not v.runs[0].spec.runs_in_engine]
    if engineless:
        missing.append(
            f"{', '.join(engineless)}: SUMO's own controllers leave no record of queues, choices and sensors, "
            "so these figures do without them, or show what their events tell."
        )
    for name, what in (("signals", "signals"), ("movements", "movements")):
        with_rows = set(np.unique(tables[name]["controller"].to_numpy(zero_copy_only=False)).tolist())
        lost = [v.label for v in study.variants if v.label not in with_rows and v.label not in engineless]
        if lost and (name != "signals" or tables["approaches"].num_rows):
            missing.append(f"{', '.join(lost)}: no table of {what} in the run's folder; run it again.")
