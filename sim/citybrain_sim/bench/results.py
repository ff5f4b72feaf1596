"""One table of results: a row per run, movements included; every table of a report comes from this file alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from citybrain.errors import InputError
from citybrain.measures import percentile
from citybrain_sim.runs import RunResult

if TYPE_CHECKING:
    from collections.abc import Sequence

Floats = NDArray[np.float64]

TABLE = "results.parquet"
_KINDS = {
    "str": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "bool": pa.bool_(),
    "dict[str, int]": pa.string(),
}
_LISTS = {
    "movement_from": pa.list_(pa.string()),
    "movement_to": pa.list_(pa.string()),
    "movement_vehicles": pa.list_(pa.int32()),
    "movement_delay_s": pa.list_(pa.float32()),
    "movement_p95_delay_s": pa.list_(pa.float32()),
    "movement_longest_delay_s": pa.list_(pa.float32()),
}
_FROM_RECORD = ("from_road", "to_road", "vehicles", "mean_delay", "p95_delay", "longest_delay")
SCHEMA = pa.schema(
    [("version", pa.string()), ("code", pa.string())]
    + [(field.name, _KINDS[str(field.type)]) for field in fields(RunResult)]
    + list(_LISTS.items())
)
_LATER = frozenset(field.name for field in fields(RunResult) if field.default is not MISSING)
"""Measures that older tables may not have."""


@dataclass(frozen=True)
class Movements:
    """Signalised movements of a run; index m. See ``movements.parquet`` of the run.

    Attributes
    ----------
    origin, target : [M] roads.
    vehicles : [M] that took it or waited for it.
    delay_s, p95_delay_s, longest_delay_s : [M] mean, 95th percentile and longest time lost on the approach [s]; NaN
        where nobody came.
    """

    origin: tuple[str, ...]
    target: tuple[str, ...]
    vehicles: NDArray[np.int32]
    delay_s: Floats
    p95_delay_s: Floats
    longest_delay_s: Floats

    @property
    def worst_delay_s(self) -> float:
        """95th percentile of the movements' mean delays [s]; NaN where nobody came."""
        return percentile(self.delay_s[~np.isnan(self.delay_s)], 95.0)

    @property
    def longest_wait_s(self) -> float:
        """Longest that anybody lost before one signal [s]; NaN where nobody came."""
        known = self.longest_delay_s[~np.isnan(self.longest_delay_s)]
        return float(known.max()) if len(known) else math.nan


@dataclass(frozen=True)
class BenchRun:
    """A row: the run's result, the code that made it, and its movements."""

    result: RunResult
    version: str
    code: str
    movements: Movements


def write_table(runs: Iterable[RunResult], path: Path) -> None:
    """Write one row per run, read from the runs' folders; the table appears whole or not at all.

    Parameters
    ----------
    path : the table; folders of runs are written relative to it.
    """
    rows = [_row(run, path.parent) for run in runs]
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".part")
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), draft, compression="zstd")
    draft.replace(path)


def read_table(place: Path) -> list[BenchRun]:
    """Read a table, or the one in a folder.

    Raises
    ------
    InputError
        If there is none, or it is not one of ours.
    """
    path = place / TABLE if place.is_dir() else place
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as flaw:
        raise InputError(
            f"{path}: cannot be read as a table of results ({flaw}); name a folder that has {TABLE}"
        ) from None
    missing = [name for name in SCHEMA.names if name not in {*table.column_names, *_LATER}]
    if missing:
        raise InputError(
            f"{path}: has no column {', '.join(missing[:3])}, so another version wrote it; run the benchmark again"
        )
    known = [name for name in SCHEMA.names if name in table.column_names]
    return [_run(row) for row in table.select(known).to_pylist()]


def _row(run: RunResult, home: Path) -> dict[str, Any]:
    folder = Path(run.folder)
    made = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    movements = pq.read_table(folder / "movements.parquet")
    inside = folder.absolute().is_relative_to(home.absolute())
    return {
        "version": made["version"],
        "code": made.get("code", ""),
        **run.document(),
        "bent": json.dumps(run.bent, sort_keys=True),
        "folder": str(folder.absolute().relative_to(home.absolute()) if inside else folder),
        **{mine: movements[theirs].to_pylist() for mine, theirs in zip(_LISTS, _FROM_RECORD, strict=True)},
    }


def _run(row: dict[str, Any]) -> BenchRun:
    lists = [row.pop(name) for name in _LISTS]
    version, code = row.pop("version"), row.pop("code")
    result = RunResult.from_document({**row, "bent": json.loads(row["bent"])})
    movements = Movements(
        tuple(lists[0]),
        tuple(lists[1]),
        np.array(lists[2], np.int32),
        *(np.array(values, float) for values in lists[3:]),
    )
    return BenchRun(result, version, code, movements)


def without_times(runs: Sequence[BenchRun]) -> list[dict[str, Any]]:
    """Turn rows into plain types without what is different each time: seconds of computing, and folders."""
    return [
        {
            **replace(run.result, folder="").document(),
            **dict.fromkeys(("engine_time_s", "sumo_time_s", "sensor_time_s", "wall_time_s")),
            "movements": [
                None if isinstance(value, float) and math.isnan(value) else value
                for column in asdict(run.movements).values()
                for value in (column.tolist() if isinstance(column, np.ndarray) else column)
            ],
        }
        for run in runs
    ]
