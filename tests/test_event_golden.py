"""Measures of a quarter of an hour of the district's run, kept as files: any change of a measure is a diff to review.

``python -m tests.test_event_golden RUN`` rewrites them from the folder of a run (``citybrain run district --controller
fixed --seed 1``): events and detectors of one intersection, and the tables that follow from them.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from citybrain.eventlog.log import read_detectors, read_log
from citybrain.eventlog.tables import event_tables, read_roads

FOLDER = Path(__file__).resolve().parent / "golden" / "district"
INTERSECTION = "A3"
MINUTES = 15


def measured() -> dict[str, list[dict[str, Any]]]:
    """Tables of the stored events, as JSON has them."""
    log = read_log(FOLDER / "events.parquet")
    detectors = read_detectors(FOLDER / "detectors.parquet")
    roads = {
        (INTERSECTION, int(phase)): served
        for phase, served in json.loads((FOLDER / "roads.json").read_text(encoding="utf-8")).items()
    }
    return {name: _plain(table) for name, table in event_tables(log, detectors, roads).items()}


def _plain(table: pa.Table) -> list[dict[str, Any]]:
    """Rows with moments as text and numbers short enough to read."""
    return [{name: _readable(value) for name, value in row.items()} for row in table.to_pylist()]


def _readable(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    return value.isoformat() if isinstance(value, datetime) else value


@pytest.mark.parametrize("name", ["phases", "cycles", "arrivals", "crossings", "coordination"])
def test_measures_of_the_district_are_what_they_were(name: str) -> None:
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = measured()[name]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for column, value in ours.items():
            same = pytest.approx(theirs[column], abs=1e-5) if isinstance(value, float) else theirs[column]
            assert value == same, column


def rewrite(run: Path) -> None:
    """Cut the stored events out of a run, and write what they say."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    events = pq.read_table(run / "events.parquet")
    begin = pc.min(events["TimeStamp"]).value
    until = pa.scalar(begin + MINUTES * 60_000, pa.timestamp("ms"))
    mine = pc.and_(pc.equal(events["DeviceId"].cast(pa.string()), INTERSECTION), pc.less(events["TimeStamp"], until))
    pq.write_table(events.filter(mine), FOLDER / "events.parquet", compression="zstd")
    detectors = pq.read_table(run / "detectors.parquet")
    detectors = detectors.filter(pc.equal(detectors["DeviceId"].cast(pa.string()), INTERSECTION))
    pq.write_table(detectors, FOLDER / "detectors.parquet", compression="zstd")
    roads = {
        phase: served for (owner, phase), served in read_roads(run / "network.json").items() if owner == INTERSECTION
    }
    (FOLDER / "roads.json").write_text(json.dumps(roads, indent=1) + "\n", encoding="utf-8")
    for name, rows in measured().items():
        lines = ",\n".join(json.dumps(row) for row in rows)
        (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


if __name__ == "__main__":
    rewrite(Path(sys.argv[1]))
