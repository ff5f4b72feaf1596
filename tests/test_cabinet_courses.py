"""The cabinet on one plain intersection: coordination, lease, time of day, hands, clock, events, acknowledgements."""

from __future__ import annotations

import json
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it brings no types
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest

from citybrain.cabinet import Cabinet, Mode
from citybrain.cabinet.event_files import EventFile
from citybrain.cabinet.tables import read_tables
from citybrain.errors import ContractError, InputError
from citybrain.events import Code, Coordination, Event, UnitControl
from citybrain.live.schedules import OwnPattern, carry_on, lay_out
from citybrain.plans.checker import Checker
from tests.cabinets import controller_data, make_plan, schedule, with_identity
from tests.random_signals import from_states
from tests.test_guard import limits

STATES = [("Grr", 300), ("yrr", 30), ("rrr", 20), ("rGr", 200), ("ryr", 30), ("rrr", 20), ("rrG", 100), ("rrr", 100)]
SIGNALS = from_states(STATES, [[0, 1, 1], [1, 0, 1], [1, 1, 0]], pedestrians=(2,))
"""Two streets and a crossing of both, which has no yellow; stages 0, 1, 2 serve one of them each."""
CYCLE, OFFSET = 800, 130
FORM = Path(__file__).resolve().parent.parent / "citybrain" / "plans" / "schemas" / "ack.schema.json"


def plain(**changes: Any) -> dict[str, Any]:
    """Minimum greens 5 s, yellow 3 s, intergreen 5 s; greens of 25, 20 and 20 s, interstages of 5 s."""
    data = controller_data(SIGNALS, limits(SIGNALS, yellow=np.array([30, 30, 0]), max_red=2000))
    data["patterns"] = [
        {
            "pattern": 1,
            "cycle": CYCLE,
            "offset": OFFSET,
            "offset_reference": "begin_of_first_stage",
            "stages": [{"stage": 0, "split": 300}, {"stage": 1, "split": 250}, {"stage": 2, "split": 250}],
        }
    ]
    return {**data, **changes}


def begins_of(cabinet: Cabinet, group: int, until: int) -> list[int]:
    """When a group turns green [tenths] from now on."""
    cabinet.events()
    cabinet.advance(until)
    codes = {Code.GREEN_BEGIN, Code.WALK_BEGIN}
    return [row.time_ms // 100 for row in cabinet.events() if row.code in codes and row.parameter == group + 1]


def test_pattern_runs_in_step_from_the_begin() -> None:
    cabinet = Cabinet(plain(), 10_000)
    # A stage begins when the one before is left; its green begins an interstage of 5 s later.
    assert begins_of(cabinet, 0, 20_000) == [t for t in range(10_000, 20_001) if (t - OFFSET - 50) % CYCLE == 0]
    ack = cabinet.ack(20_000)
    assert (ack["verdict"], ack["mode"], ack["pattern"], ack["offset_error"]) == ("in_step", "time_of_day", 1, 0)


def test_start_in_the_middle_of_a_change() -> None:
    begin = 8000 + OFFSET
    assert [Cabinet(plain(), begin + age).lamps for age in (-1, 0, 29, 30, 49, 50)] == [
        "rrG",
        "rrr",
        "rrr",
        "rrr",
        "rrr",
        "Grr",
    ]
    assert [Cabinet(plain(), begin + 300 + age).lamps for age in (-1, 0, 29, 30, 49, 50)] == [
        "Grr",
        "yrr",
        "yrr",
        "rrr",
        "rrr",
        "rGr",
    ]


def on_a_schedule(time: int, lease: int = 400) -> Cabinet:
    """A cabinet that shows stage 1 by a schedule from ``time`` on."""
    cabinet = Cabinet(plain(), time - 1000)
    cabinet.seize(Mode.MANUAL, 1, time - 1000)
    cabinet.advance(time)
    plan = make_plan(cabinet.data, 1, schedule((1, time)), time, time + lease)
    assert cabinet.offer(plan, time)["verdict"] == "accepted"
    cabinet.release(time)
    assert cabinet.mode == Mode.ADAPTIVE
    return cabinet


@pytest.mark.parametrize("begin", range(10_000, 10_800, 70))
def test_back_in_step_after_the_lease(begin: int) -> None:
    cabinet = on_a_schedule(begin)
    assert cabinet.ack(begin + 399)["mode"] == "adaptive"
    assert cabinet.aspects == "rGr"
    assert cabinet.ack(begin + 400)["mode"] == "time_of_day"
    greens = begins_of(cabinet, 0, begin + 400 + 6 * CYCLE)
    assert all((t - OFFSET - 50) % CYCLE == 0 for t in greens[4:])
    assert all(0.75 * CYCLE <= b - a <= 1.25 * CYCLE for a, b in pairwise(greens))
    assert cabinet.ack(cabinet.time)["verdict"] == "in_step"


@pytest.mark.parametrize(
    ("way", "shorter", "longer", "cycles"), [("add_only", 0, 1, 5), ("dwell", 0, 1, 2), ("at_once", 1, 0, 3)]
)
def test_transitions_go_their_way(way: str, shorter: bool, longer: bool, cycles: int) -> None:
    for offset in range(0, 600, 50):
        cabinet = on_a_schedule(20_000)
        body = {"pattern": {**cabinet.data["patterns"][0], "pattern": 9, "offset": offset}}
        plan = make_plan(cabinet.data, 2, body, 20_100, 40_000)
        plan["transition"] = {"mode": way, "max_cycles": 0, "cost": 0}
        assert cabinet.offer(with_identity(plan), 20_080)["verdict"] == "accepted"
        greens = begins_of(cabinet, 0, 28_000)
        gaps = [b - a for a, b in pairwise(greens)]
        assert all((t - offset - 50) % CYCLE == 0 for t in greens[cycles:])
        assert shorter or min(gaps) >= CYCLE
        assert longer or max(gaps) <= CYCLE
        assert cabinet.ack(28_000)["pattern"] == 9


def test_a_pattern_that_cannot_be_shortened_is_lengthened() -> None:
    cabinet = on_a_schedule(20_000)
    tight = [{"stage": stage, "split": 100} for stage in range(3)]
    body = {"pattern": {**cabinet.data["patterns"][0], "pattern": 9, "cycle": 300, "offset": 77, "stages": tight}}
    plan = make_plan(cabinet.data, 2, body, 20_100, 40_000)
    plan["transition"] = {"mode": "at_once", "max_cycles": 0, "cost": 0}
    assert cabinet.offer(with_identity(plan), 20_080)["sentence"] is None
    assert cabinet.ack(20_100 + 10 * 300)["verdict"] == "in_step"


def test_a_renewed_lease_holds_the_plan() -> None:
    cabinet = on_a_schedule(10_000)
    name = cabinet.plan_id
    assert name is not None
    assert cabinet.renew(name, 10_900, 10_300)
    assert not cabinet.renew("another", 90_000, 10_300)
    assert cabinet.lease_until == 10_900
    assert cabinet.ack(10_899)["mode"] == "adaptive"
    assert cabinet.ack(10_900)["mode"] == "time_of_day"
    assert cabinet.plan_id is None
    assert not cabinet.renew(name, 20_000, 10_901)


def test_no_red_outlasts_its_bound_under_a_plan_that_is_renewed_for_ever() -> None:
    cabinet = on_a_schedule(10_000)
    name = cabinet.plan_id
    assert name is not None
    cabinet.renew(name, 10**6, 10_000)
    since = cabinet.ack(10_000)["shown"]["aspect_since"]
    latest = min(since[g] + cabinet.data["groups"][g]["red_bound"] for g in (0, 2))
    assert cabinet.ack(latest)["mode"] == "adaptive"
    ack = cabinet.ack(latest + 1)
    assert (ack["mode"], ack["code"]) == ("time_of_day", "maximum_red")


def test_plans_are_refused_with_a_code_and_change_nothing() -> None:
    cabinet = on_a_schedule(10_000)
    late = make_plan(cabinet.data, 1, schedule((1, 10_000)), 10_040, 10_400)
    early = make_plan(cabinet.data, 2, schedule((1, 10_000), (2, 10_100), (0, 10_200)), 10_040, 10_400)
    early["made_at"] += 5
    other = make_plan({**cabinet.data, "profile": "other"}, 2, schedule((1, 10_000)), 10_040, 10_400)
    far = make_plan(cabinet.data, 2, schedule((1, 10**9)), 10**9, 10**9 + 10)
    assert cabinet.offer(late, 10_010)["code"] == "seq"
    assert cabinet.offer(far, 10_010)["code"] == "range"
    assert cabinet.ack(10_010)["mode"] == "adaptive"
    assert cabinet.offer(with_identity(early), 10_010)["code"] == "lead"
    assert cabinet.ack(10_010)["mode"] == "time_of_day"
    ack = cabinet.offer(other, 10_010)
    assert (ack["verdict"], ack["code"], ack["plan_id"], ack["seq"]) == ("refused", "config_hash", other["plan_id"], 2)


def test_an_answer_that_came_late_is_refused_and_the_plan_goes_on() -> None:
    cabinet = on_a_schedule(10_000)
    passed = make_plan(cabinet.data, 2, schedule((1, 9_000), (2, 9_900)), 9_500, 10_020)
    ack = cabinet.offer(passed, 10_030)
    assert (ack["code"], cabinet.mode) == ("lease", Mode.ADAPTIVE)


def test_a_plan_waits_until_it_is_valid_and_a_later_one_replaces_it() -> None:
    cabinet = on_a_schedule(10_000)
    first = make_plan(cabinet.data, 2, schedule((1, 10_000), (2, 10_100)), 10_060, 10_500)
    second = make_plan(cabinet.data, 3, schedule((1, 10_000), (0, 10_200)), 10_050, 10_500)
    assert cabinet.offer(first, 10_030)["verdict"] == "accepted"
    assert cabinet.offer(second, 10_030)["verdict"] == "accepted"
    assert cabinet.ack(10_040)["seq"] == 1
    cabinet.advance(10_260)
    assert (cabinet.ack(10_260)["seq"], cabinet.aspects) == (3, "Grr")


def test_an_entry_that_comes_too_early_is_begun_as_soon_as_it_is_lawful_and_reported() -> None:
    cabinet = on_a_schedule(10_000)
    plan = make_plan(cabinet.data, 2, schedule((1, 10_000), (2, 10_100), (0, 10_250)), 10_050, 10_500)
    assert cabinet.offer(plan, 10_020)["verdict"] == "accepted"
    cabinet.seize(Mode.PRE_EMPTED, 0, 10_030)
    cabinet.advance(10_070)
    assert cabinet.ack(10_070)["mode"] == "pre_empted"
    cabinet.release(10_110)
    ack = cabinet.ack(10_200)
    # Stage 0 was shown at 10080 and keeps its minimum green of 5 s.
    assert (ack["shown"]["stage"], ack["shown"]["since"], ack["code"]) == (2, 10_180, "late")


@pytest.mark.parametrize(
    "changes", [{}, {"seq": -5}, {"seq": 2**60}, {"plan_id": "x" * 900}, {"plan_id": 7, "seq": "1"}]
)
def test_acknowledgements_have_their_form(changes: dict[str, Any]) -> None:
    cabinet = on_a_schedule(10_000)
    plan = make_plan(cabinet.data, 2, schedule((1, 10_000), (2, 10_100)), 10_040, 10_500)
    form = jsonschema.Draft202012Validator(json.loads(FORM.read_text(encoding="utf-8")))
    for ack in (cabinet.offer({**plan, **changes}, 10_010), cabinet.ack(10_120), cabinet.ack(12_000)):
        form.validate(ack)


def test_a_plan_in_rings_runs_as_its_stages() -> None:
    own = plain()["patterns"][0]
    data = plain(
        rings={
            "phases": [{"phase": k + 1, "groups": [k]} for k in range(3)],
            "rings": [[1, 2, 3]],
            "barriers": [[1, 2, 3]],
        }
    )
    cabinet = Cabinet(data, 10_000)
    rings = [[{"phase": entry["stage"] + 1, "split": entry["split"]} for entry in own["stages"]]]
    body = {"rings": {**{k: v for k, v in own.items() if k != "stages"}, "pattern": 9, "offset": 330, "rings": rings}}
    assert cabinet.offer(make_plan(data, 1, body, 10_040, 30_000), 10_010)["sentence"] is None
    assert begins_of(cabinet, 0, 20_000)[-1] % CYCLE == 380
    assert cabinet.ack(20_000)["pattern"] == 9


def test_time_of_day_changes_the_pattern_and_knows_summer_time() -> None:
    data = plain(
        time_zone="Europe/Rome", time_of_day=[{"from": "00:00", "pattern": 1}, {"from": "07:00", "pattern": 2}]
    )
    data["patterns"] = [*data["patterns"], {**data["patterns"][0], "pattern": 2, "offset": 0}]
    winter, summer = 20_090 * 864_000 + 6 * 36_000, 20_270 * 864_000 + 5 * 36_000
    for seven in (winter, summer):
        cabinet = Cabinet(data, seven - 100)
        assert cabinet.ack(seven - 1)["pattern"] == 1
        assert cabinet.ack(seven)["pattern"] == 2
        assert cabinet.ack(seven + 10 * CYCLE)["offset_error"] == 0


def test_a_clock_that_is_set_ends_no_green_and_lengthens_no_lease() -> None:
    cabinet = on_a_schedule(10_000)
    cabinet.set_clock(9_000)
    assert (cabinet.lease_until, cabinet.aspects) == (9_400, "rGr")
    cabinet.set_clock(50_000)
    assert cabinet.mode == Mode.TIME_OF_DAY
    assert cabinet.ack(50_000 + 5 * CYCLE)["offset_error"] == 0
    with pytest.raises(ContractError, match="set_clock"):
        cabinet.advance(40_000)


def test_a_new_cabinet_takes_up_lamps_that_stand() -> None:
    cabinet = Cabinet(plain(), 10_000)
    for time in range(10_000, 11_000, 37):
        cabinet.advance(time)
        heir = Cabinet(cabinet.data, time, cabinet.ack(time)["shown"])
        assert heir.ack(time)["shown"] == cabinet.ack(time)["shown"]
        cabinet.advance(time + 20)
        heir.advance(time + 20)
        assert heir.lamps == cabinet.lamps
    with pytest.raises(InputError, match="not on the way"):
        Cabinet(cabinet.data, 0, {**cabinet.ack(11_000)["shown"], "aspects": "GGG"})


@pytest.mark.parametrize("damage", [{"stages": []}, {"patterns": []}, {"lead": 1.5}, {"format": "x"}])
def test_damaged_data_are_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="refused"):
        Cabinet(plain(**damage), 0)


def test_a_stage_with_conflicting_greens_cannot_be_asked_for() -> None:
    data = plain()
    data["stages"] = [*data["stages"], {"stage": 3, "aspects": "GGr"}]
    with pytest.raises(InputError, match="stage 3"):
        Cabinet(data, 0).seize(Mode.MANUAL, 3, 0)


def test_events_of_one_cycle() -> None:
    cabinet = Cabinet(plain(), 10_000)
    begin = 12 * CYCLE + OFFSET + CYCLE
    cabinet.advance(begin - 1)
    cabinet.events()
    cabinet.advance(begin + CYCLE - 1)
    rows = [(row.time_ms // 100 - begin, row.code, row.parameter) for row in cabinet.events()]
    assert rows == [
        (0, Code.PEDESTRIAN_CLEARANCE_BEGIN, 3),
        (0, Code.COORDINATION, Coordination.LOCAL_ZERO),
        (50, Code.DONT_WALK_BEGIN, 3),
        (50, Code.GREEN_BEGIN, 1),
        (300, Code.GREEN_END, 1),
        (300, Code.YELLOW_BEGIN, 1),
        (330, Code.YELLOW_END, 1),
        (330, Code.RED_CLEARANCE_BEGIN, 1),
        (350, Code.RED_CLEARANCE_END, 1),
        (350, Code.GREEN_BEGIN, 2),
        (550, Code.GREEN_END, 2),
        (550, Code.YELLOW_BEGIN, 2),
        (580, Code.YELLOW_END, 2),
        (580, Code.RED_CLEARANCE_BEGIN, 2),
        (600, Code.RED_CLEARANCE_END, 2),
        (600, Code.WALK_BEGIN, 3),
    ]


def test_modes_are_logged() -> None:
    cabinet = on_a_schedule(10_000)
    cabinet.advance(10_400)
    told = [(row.code, row.parameter) for row in cabinet.events() if row.code in {Code.UNIT_CONTROL, Code.PATTERN}]
    assert told == [
        (Code.UNIT_CONTROL, UnitControl.TIME_BASE),
        (Code.PATTERN, 1),
        (Code.UNIT_CONTROL, UnitControl.MANUAL),
        (Code.UNIT_CONTROL, UnitControl.SYSTEM),
        (Code.PATTERN, 254),
        (Code.UNIT_CONTROL, UnitControl.BACKUP),
        (Code.PATTERN, 1),
    ]


@pytest.mark.parametrize("name", ["events.csv", "events.parquet"])
def test_events_are_written_in_the_columns_of_atspm(tmp_path: Path, name: str) -> None:
    with EventFile(tmp_path / name, "A") as file:
        file.write([Event(1500, Code.GREEN_BEGIN, 2)])
        file.write([])
        file.write([Event(1600, Code.GREEN_END, 2)])
    read = pyarrow.csv.read_csv if name.endswith("csv") else pyarrow.parquet.read_table
    table = read(tmp_path / name)
    assert table.column_names == ["TimeStamp", "DeviceId", "EventId", "Parameter"]
    assert table["EventId"].to_pylist() == [1, 7]
    assert [t.microsecond for t in table["TimeStamp"].to_pylist()] == [500_000, 600_000]


@pytest.mark.parametrize("name", ["events.txt", "missing/events.csv"])
def test_events_file_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="events file"):
        EventFile(tmp_path / name, "A")


@pytest.mark.parametrize("lease", [70, 150, 240, 400])
@pytest.mark.parametrize("begin", range(10_000, 10_800, 90))
def test_what_a_cabinet_shows_on_its_way_back_into_step_can_be_foreseen_from_its_reports(
    begin: int, lease: int
) -> None:
    cabinet = on_a_schedule(begin, lease)
    tables = read_tables(cabinet.data, Checker(cabinet.data))
    for look in range(begin + lease, begin + lease + 3 * CYCLE, 110):
        report, twin = cabinet.ack(look), deepcopy(cabinet)
        own = OwnPattern(tables.patterns[report["pattern"]], report["offset_error"])
        for later in (look + 10, look + 100, look + 300):
            assert carry_on(tables, report["shown"], look, own, later) == twin.ack(later)["shown"]


def test_what_is_laid_out_ends_before_a_group_that_it_does_not_serve_is_red_for_too_long() -> None:
    data, now = plain(), 20_000
    tables = read_tables(data, Checker(data))
    bound = tables.red_bound[2]
    assert bound is not None
    for left in range(200, 900, 50):
        reds = [now - 300, now - 300, now - bound + left]
        shown = {"stage": 0, "changing": False, "since": now - 300, "aspects": "Grr", "aspect_since": reds}
        shown["green_end"] = [None, None, None]
        laid = lay_out(tables, shown, now, [(1 - k % 2, now + 120 * (k + 1)) for k in range(6)])
        entries = [(0, now - 350), *laid.entries]
        plan = make_plan(data, 1, schedule(*entries), now, min(now + 300, laid.latest))
        assert Checker(data).check(plan, shown, now - 10) == []
        assert laid.latest == now + left
