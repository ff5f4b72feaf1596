"""Logs of high-resolution events: read, measured as the atspm package measures them, and fed to the estimator."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from citybrain.cabinet.event_files import EventFile
from citybrain.errors import InputError
from citybrain.eventlog.log import EventLog, Function, read_detectors, read_log
from citybrain.eventlog.measures import (
    RED_MS,
    actuations,
    channels_of,
    cycles_of,
    occupancies,
    on_green,
)
from citybrain.eventlog.phases import (
    arrival_type,
    arrivals,
    coordination_spans,
    green_spans,
    overlap,
    since_red,
    terminations,
    walks,
)
from citybrain.eventlog.report import with_queues
from citybrain.eventlog.street import street_of
from citybrain.eventlog.tables import event_tables
from citybrain.events import Code, Event
from citybrain.measure_tables import EVENT_TABLES
from citybrain_api.cli import app

BIN_MS = 15 * 60 * 1000
ATSPM = """
import json, sys, warnings
warnings.simplefilter("ignore")
from atspm import SignalDataProcessor, sample_data
def measured(raw, config, wanted):
    with SignalDataProcessor(raw_data=raw, detector_config=config, bin_size=15, output_dir="x", output_format="csv",
                             remove_incomplete=False, verbose=0, aggregations=wanted) as run:
        run.load()
        run.aggregate()
        out = {}
        for table in (step["name"] for step in wanted):
            kinds = run.conn.query(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall()
            columns = [f"epoch_ms({name}) AS {name}" if kind == "TIMESTAMP" else name for name, kind in kinds]
            found = run.conn.query(f"SELECT {', '.join(columns)} FROM {table}")
            out[table] = [dict(zip(found.columns, row)) for row in found.fetchall()]
        return out
data = {"name": "has_data", "params": {"no_data_min": 5, "min_data_points": 3}}
timeline = {"name": "timeline", "params": {"cushion_time": 60, "min_duration": 0}}
real = measured(sample_data.data, sample_data.config, [
    data,
    {"name": "actuations", "params": {}},
    {"name": "arrival_on_green", "params": {"latency_offset_seconds": 0}},
    {"name": "split_failures", "params": {"red_time": 5, "red_occupancy_threshold": 0.8,
     "green_occupancy_threshold": 0.8, "by_approach": True, "by_cycle": True}},
    {"name": "platoon_ratio", "params": {}},
    {"name": "terminations", "params": {}},
    {"name": "yellow_red", "params": {"latency_offset_seconds": 0}},
    {"name": "ped", "params": {}},
    timeline,
    {"name": "ped_delay", "params": {}},
])
real["ours"] = measured(sys.argv[1], sample_data.config, [data, timeline])
print(json.dumps(real))
"""


def hand_made() -> list[Event]:
    """Write what a controller logs that falls into step, and whose button is pressed in every way there is."""
    begin = 1_700_000_000_000
    states = [(0, 2), (30, 5), (90, 3), (130, 4), (150, 1), (150, 5), (400, 0)]
    rows = [Event(begin + 1000 * t, Code.COORDINATION, state) for t, state in states]
    walks = [(20, 90), (60, 21), (62, 90), (67, 22), (70, 90), (75, 90), (120, 21), (127, 22), (140, 90), (180, 21)]
    rows += [Event(begin + 1000 * t, code, 4) for t, code in [*walks, (187, 22), (200, 90)]]
    return sorted(
        [*rows, *(Event(begin + 1000 * t, code, 2) for t, code in [(5, 1), (25, 7), (25, 8), (28, 9), (28, 10)])]
    )


def log_of(*events: tuple[int, int, int]) -> EventLog:
    """Log of controller ``c`` with events (ms, code, parameter)."""
    rows = np.array(sorted(events), np.int64).reshape(-1, 3)
    device = np.zeros(len(rows), np.int32)
    code, parameter = rows[:, 1].astype(np.int32), rows[:, 2].astype(np.int32)
    return EventLog(("c",), device, rows[:, 0], code, parameter, Counter())


def green_of(phase: int, begin: int, end: int, yellow: int = 4000) -> list[tuple[int, int, int]]:
    return [(begin, 1, phase), (end, 8, phase), (end + yellow, 10, phase)]


@pytest.fixture(scope="module")
def sample() -> Path:
    package = importlib.util.find_spec("atspm")
    if package is None or package.origin is None:
        pytest.skip("the atspm package, whose real log is read here, is not installed")
    return Path(package.origin).parent / "data"


@pytest.fixture(scope="module")
def theirs(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the atspm package itself says of its sample, and of a log as our cabinets write it."""
    del sample
    place = tmp_path_factory.mktemp("atspm")
    with EventFile(place / "ours.parquet", "1136") as file:
        file.write(hand_made())
    done = subprocess.run(
        [sys.executable, "-c", ATSPM, place / "ours.parquet"], capture_output=True, text=True, check=True, cwd=place
    )
    return dict(json.loads(done.stdout))


def test_a_real_log_gives_the_volumes_that_atspm_gives(sample: Path, theirs: dict[str, Any]) -> None:
    log = read_log(sample / "sample_raw_data.parquet")
    assert len(log.code) == 37152
    assert not log.rejected
    for row in theirs["actuations"]:
        at = actuations(log, "1136", np.array([row["Detector"]]))
        assert (at // BIN_MS == row["TimeStamp"] // BIN_MS).sum() == row["Total"]


def test_a_real_log_gives_the_arrivals_on_green_that_atspm_gives(sample: Path, theirs: dict[str, Any]) -> None:
    log, detectors = read_log(sample / "sample_raw_data.parquet"), read_detectors(sample / "sample_config.parquet")
    assert len(theirs["arrival_on_green"]) == 32
    for row in theirs["arrival_on_green"]:
        phase = row["Phase"]
        at = actuations(log, "1136", channels_of(detectors, "1136", phase, Function.ADVANCE))
        green = on_green(log, cycles_of(log, "1136", phase), at)
        here = at // BIN_MS == row["TimeStamp"] // BIN_MS
        assert here.sum() == row["Total_Actuations"]
        assert green[here].mean() == pytest.approx(row["Percent_AOG"], rel=1e-6)


def test_a_real_log_gives_the_split_failures_that_atspm_gives_cycle_by_cycle(
    sample: Path, theirs: dict[str, Any]
) -> None:
    log, detectors = read_log(sample / "sample_raw_data.parquet"), read_detectors(sample / "sample_config.parquet")
    for phase in (2, 5, 6, 8):
        wanted = sorted((r for r in theirs["split_failures"] if r["Phase"] == phase), key=lambda r: r["TimeStamp"])
        cycles = cycles_of(log, "1136", phase)
        found = occupancies(log, cycles, channels_of(detectors, "1136", phase, Function.PRESENCE))
        assert found.barrier.tolist() == [r["TimeStamp"] for r in wanted]
        assert found.green_s == pytest.approx([r["Green_Time"] for r in wanted], rel=1e-6)
        assert found.green == pytest.approx([r["Green_Occupancy"] for r in wanted], abs=1e-6)
        assert found.red == pytest.approx([r["Red_Occupancy"] for r in wanted], abs=1e-6)
        assert found.split_failure.tolist() == [r["Split_Failure"] == 1 for r in wanted]


def test_a_real_log_gives_the_platoon_ratios_that_atspm_gives(sample: Path, theirs: dict[str, Any]) -> None:
    log, detectors = read_log(sample / "sample_raw_data.parquet"), read_detectors(sample / "sample_config.parquet")
    _, last = log.span("1136")
    assert len(theirs["platoon_ratio"]) == 32
    for row in theirs["platoon_ratio"]:
        cycles = cycles_of(log, "1136", row["Phase"])
        came = arrivals(log, cycles, channels_of(detectors, "1136", row["Phase"], Function.ADVANCE))
        edges = np.array([row["TimeStamp"], row["TimeStamp"] + BIN_MS])
        here = (came.time >= edges[0]) & (came.time < edges[1])
        assert (came.shown[here] == Code.GREEN_BEGIN).sum() == row["Green_Actuations"]
        green_s = overlap(*green_spans(log, cycles), edges)[0] / 1000.0
        unseen = max(edges[1] - last, 0) / 1000.0  # atspm lets the last green go on to the end of its quarter
        assert row["Green_Seconds"] - unseen <= green_s + 1e-3
        assert green_s <= row["Green_Seconds"] + 1e-3
        ratio = (came.shown[here] == Code.GREEN_BEGIN).mean() / (green_s / 900.0)
        assert ratio == pytest.approx(row["Platoon_Ratio"], rel=1e-5 + unseen / green_s)
        assert arrival_type(row["Platoon_Ratio"]) == row["Arrival_Type"]


def test_a_real_log_gives_the_terminations_that_atspm_gives(sample: Path, theirs: dict[str, Any]) -> None:
    log = read_log(sample / "sample_raw_data.parquet")
    names = {"GapOut": Code.GAP_OUT, "MaxOut": Code.MAX_OUT, "ForceOff": Code.FORCE_OFF}
    for phase in (2, 5, 6, 8):
        cycles = cycles_of(log, "1136", phase)
        ended = terminations(log, cycles)
        for name, code in names.items():
            logged = log.of("1136", code)[2] == phase
            rows = [r for r in theirs["terminations"] if (r["Phase"], r["PerformanceMeasure"]) == (phase, name)]
            assert sum(r["Total"] for r in rows) == logged.sum()
            # one per green: what came before the first green that is logged belongs to none
            assert (ended == code).sum() == (log.of("1136", code)[0][logged] >= cycles.green[0]).sum()


def test_a_real_log_gives_the_actuations_after_the_stop_line_that_atspm_gives(
    sample: Path, theirs: dict[str, Any]
) -> None:
    log, detectors = read_log(sample / "sample_raw_data.parquet"), read_detectors(sample / "sample_config.parquet")
    channels = channels_of(detectors, "1136", 6, Function.YELLOW_RED)
    seconds, shown = since_red(log, cycles_of(log, "1136", 6), channels)
    found = Counter(zip((np.round(seconds * 2) / 2).tolist(), shown.tolist(), strict=True))
    expected: Counter[tuple[float, int]] = Counter()
    for row in theirs["yellow_red"]:
        expected[row["Red_Offset"], row["Signal_State"]] += round(row["Count"])
    assert len(expected) > 100
    for key in expected.keys() | found.keys():  # single precision rounds quarters of a second the other way
        around = [(key[0] + step, key[1]) for step in (-0.5, 0.0, 0.5)]
        assert (
            abs(sum(expected[k] for k in around) - sum(found[k] for k in around))
            <= expected[around[0]] + expected[around[2]]
        )
    assert found.total() == expected.total()


def greens_of(rows: list[dict[str, Any]], phase: int) -> list[tuple[int, float]]:
    mine = [r for r in rows if r["EventClass"] == "Green" and r["EventValue"] == phase and r["IsValid"]]
    return sorted((r["StartTime"], r["Duration"]) for r in mine)


def test_a_real_log_gives_the_greens_that_atspm_gives(sample: Path, theirs: dict[str, Any]) -> None:
    log = read_log(sample / "sample_raw_data.parquet")
    for phase in (2, 5, 6, 8):
        begin, end = green_spans(log, cycles_of(log, "1136", phase))
        ours = {int(b): (e - b) / 1000.0 for b, e in zip(begin, end, strict=True)}
        expected = greens_of(theirs["timeline"], phase)
        assert len(expected) >= 79
        assert [ours[at] for at, _ in expected] == pytest.approx([length for _, length in expected], abs=1e-3)


def test_a_real_log_gives_the_waits_of_pedestrians_that_atspm_gives(sample: Path, theirs: dict[str, Any]) -> None:
    log = read_log(sample / "sample_raw_data.parquet")
    found = walks(log, "1136", 6)
    assert len(found.begin) == sum(row["PedServices"] for row in theirs["ped"]) == 3
    assert len(found.wait) == sum(row["Samples"] for row in theirs["ped_delay"])
    waited = sum(row["AvgPedDelay"] * row["Samples"] for row in theirs["ped_delay"])
    assert found.wait.sum() / 1000.0 == pytest.approx(waited, abs=1e-3)


def test_a_cabinets_log_gives_what_atspm_reads_in_it(tmp_path: Path, theirs: dict[str, Any]) -> None:
    with EventFile(tmp_path / "ours.parquet", "1136") as file:
        file.write(hand_made())
    log = read_log(tmp_path / "ours.parquet")
    rows = theirs["ours"]["timeline"]
    named = {"Transition Longway": 2, "Transition Shortway": 3, "Transition Dwell": 4}
    transitions = sorted(
        (r["StartTime"], named[r["EventClass"]], r["Duration"]) for r in rows if r["EventClass"] in named
    )
    begin, end, state = coordination_spans(log, "1136")
    ours = [(int(b), int(s), (e - b) / 1000.0) for b, e, s in zip(begin, end, state, strict=True) if s >= 2]
    assert ours == transitions
    assert [length for *_, length in ours] == [90.0, 40.0, 20.0]
    delays = sorted(r["Duration"] for r in rows if r["EventClass"] == "Ped Delay")
    assert sorted((walks(log, "1136", 4).wait / 1000.0).tolist()) == delays == [40.0, 40.0, 50.0]


def test_the_estimator_goes_through_the_real_log(sample: Path) -> None:
    log, detectors = read_log(sample / "sample_raw_data.parquet"), read_detectors(sample / "sample_config.parquet")
    table = with_queues(log, detectors, event_tables(log, detectors)["cycles"])
    assert table.num_rows == 81 + 91 + 98 + 81
    phase_2 = table.filter(pa.compute.equal(table["phase"], 2))
    assert pa.compute.mean(phase_2["queue_left"]).as_py() < 0.5, "green of phase 2 clears its queue"
    assert pa.compute.max(phase_2["queue_at_green"]).as_py() > 2.0


def test_what_happens_with_a_change_of_the_lamps_sees_the_change() -> None:
    log = log_of(*green_of(2, 10_000, 20_000), (10_000, 82, 7), (20_000, 82, 7), (9_000, 82, 7))
    at = actuations(log, "c", np.array([7]))
    assert on_green(log, cycles_of(log, "c", 2), at).tolist() == [False, True, False]


def test_gaps_in_a_detectors_events_are_closed() -> None:
    occupied = [(0, 82, 7), (14_000, 82, 7), (15_000, 82, 7), (16_000, 81, 7), (18_000, 81, 7)]
    log = log_of(*occupied, *green_of(2, 10_000, 20_000), *green_of(2, 40_000, 50_000))
    found = occupancies(log, cycles_of(log, "c", 2), np.array([7]))
    # on 0 to 7 (half-way to the next begin), 14 to 15, 15 to 16, and 17 (half-way between two ends) to 18
    assert found.green.tolist() == pytest.approx([0.3])
    assert found.red.tolist() == [0.0]


def test_cycles_that_are_not_complete_are_not_judged() -> None:
    early = (5_000, Code.DETECTOR_OFF, 7)
    no_yellow = [(10_000, 1, 2), (24_000, 10, 2)]
    too_soon = green_of(2, 40_000, 50_000)
    next_green = green_of(2, 57_000, 60_000)
    log = log_of(early, *no_yellow, *too_soon, *next_green, (60_000 + 4_000 + RED_MS - 1, 82, 7))
    assert len(occupancies(log, cycles_of(log, "c", 2), np.array([7])).cycle) == 0
    assert len(occupancies(log, cycles_of(log, "c", 2), np.array([8])).cycle) == 0


EVENTS = st.lists(
    st.tuples(st.integers(0, 120).map(lambda t: 500 * t), st.sampled_from([1, 8, 10, 81, 82]), st.just(2)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_green_is_what_a_walk_through_the_log_says(events: list[tuple[int, int, int]]) -> None:
    log = log_of(*events)
    at = actuations(log, "c", np.array([2]))
    shown, expected = False, []
    for _, code, _ in sorted(events):
        if code in {1, 8, 10}:
            shown = code == 1
        elif code == Code.DETECTOR_ON:
            expected.append(shown)
    # codes of one moment are in order in the walk: a yellow that comes with a green ends it there
    assert on_green(log, cycles_of(log, "c", 2), at).tolist() == expected


def test_a_cabinets_own_file_is_read(tmp_path: Path) -> None:
    for name in ("a.csv", "a.parquet"):
        with EventFile(tmp_path / name, "elm") as file:
            file.write([Event(1_700_000_000_500, 1, 2), Event(1_700_000_010_000, 8, 2)])
        log = read_log(tmp_path / name)
        assert log.devices == ("elm",)
        assert log.time_ms.tolist() == [1_700_000_000_500, 1_700_000_010_000]
        assert log.code.tolist() == [1, 8]


def test_impossible_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(
        "TimeStamp,DeviceId,EventId,Parameter\n2024-04-15 12:00:00.1,7,1,2\nyesterday,7,1,2\n"
        "2024-04-15 12:00:01,7,-4,2\n2024-04-15 12:00:01,7,81,99999\n2024-04-15 12:00:02,,81,3\n"
        "2024-04-15 12:00:03,7,x,3\n"
    )
    log = read_log(path)
    assert log.code.tolist() == [1]
    assert log.rejected == {
        "no time": 1,
        "code not in 0 to 1023": 2,
        "parameter not in 0 to 65535": 1,
        "no device": 1,
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("TimeStamp,EventId\n2024-04-15 12:00:00,1\n", "lacks DeviceId, Parameter"),
        ("TimeStamp,DeviceId,EventId,Parameter\n2024-04-15 12:00:00,7,-1,2\n", "no usable row among 1"),
        ("", "cannot be read"),
    ],
)
def test_a_log_that_is_none_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=told):
        read_log(path)


def test_a_configuration_names_functions_that_exist(tmp_path: Path) -> None:
    path = tmp_path / "detectors.csv"
    path.write_text("DeviceId,Phase,Parameter,Function\n7,2,4,advance\n7,2,5,radar\n")
    with pytest.raises(InputError, match="row 2: function 'radar' is none of Advance, Presence"):
        read_detectors(path)
    path.write_text("DeviceId,Phase,Parameter,Function\n7,2,four,Advance\n")
    with pytest.raises(InputError, match="row 1: phase and parameter must be numbers"):
        read_detectors(path)


def test_detectors_of_a_lane_find_each_other_and_their_distance(tmp_path: Path) -> None:
    config = tmp_path / "detectors.csv"
    config.write_text(
        "DeviceId,Phase,Parameter,Function\nc,2,1,Advance\nc,2,2,Advance\nc,2,11,Presence\nc,2,12,Presence\n"
    )
    events = [(0, 1, 2), (1_000_000, 8, 2)]
    for number, t in enumerate(range(20_000, 980_000, 20_000)):
        # detector 1 lies upstream of 12: 5 s at 15.6 m/s; every third vehicle also takes the other lane, 4 s
        events += [(t, 82, 1), (t + 300, 81, 1), (t + 5_000, 82, 12), (t + 5_300, 81, 12)]
        if number % 3 == 0:
            events += [(t, 82, 2), (t + 300, 81, 2), (t + 4_000, 82, 11), (t + 4_300, 81, 11)]
    street = street_of(log_of(*events), read_detectors(config), "c")
    lanes = {
        int(channel): (int(lane), float(distance))
        for channel, lane, distance in zip(street.channel, street.sensors.lane, street.sensors.distance, strict=True)
    }
    assert lanes[1][0] == lanes[12][0] != lanes[2][0] == lanes[11][0]
    assert lanes[1][1] == pytest.approx(78.0)
    assert lanes[2][1] == pytest.approx(62.4)
    with pytest.raises(InputError, match="controller 'd' is not both in the log"):
        street_of(log_of(*events), read_detectors(config), "d")


def test_the_command_says_what_a_log_says(tmp_path: Path, sample: Path) -> None:
    arguments = [
        "events",
        str(sample / "sample_raw_data.parquet"),
        "--detectors",
        str(sample / "sample_config.parquet"),
    ]
    done = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "cycles.parquet"), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    rows = {row["phase"]: row for row in told["phases"]}
    assert {phase: row["split_failures"] for phase, row in rows.items()} == {2: 0, 5: 0, 6: 4, 8: 1}
    assert pa.parquet.read_table(tmp_path / "cycles.parquet").num_rows == sum(row["cycles"] for row in rows.values())
    shown = CliRunner().invoke(app, [*arguments, "--tables", str(tmp_path / "all")])
    assert shown.exit_code == 0, shown.output
    assert "56 %" in shown.stdout
    assert {path.stem for path in (tmp_path / "all").iterdir()} == set(EVENT_TABLES) - {"events", "detectors"}
    refused = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "cycles.txt")])
    assert refused.exit_code == 2
    assert "must end in .parquet or .csv" in refused.stderr
