"""The independent checker: every code of refusal, the exact limits, reports of cabinets, and hostile JSON."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.plans import checker
from citybrain.plans.checker import CODES, LARGEST, Checker, check
from citybrain.plans.plan import Reason, with_seq
from tests.plan_world import NOW, Document, body_plan, controller, edited, pattern, schedule_plan, shown

DATA = controller()
GOOD = schedule_plan((0, -100), (1, 100), (2, 240), seq=7, why=[Reason(0, "a queue on the main road", "minimum_green")])
DEEP: Any = "bottom"
for _ in range(20):
    DEEP = [DEEP]
BOTTOMLESS: Any = "bottom"
for _ in range(100_000):
    BOTTOMLESS = [BOTTOMLESS]
HOSTILE: list[Any] = [
    None, True, False, 0, -1, 10**30, -(10**5000), 0.5, float("nan"), float("inf"), "", "\ud800", "x" * 10**6, [], [[]],
    {}, {"": None}, [None] * 100_000, BOTTOMLESS, {"stages": BOTTOMLESS}, list(range(70)), {"schedule": {}, "rings": 1},
]  # fmt: skip


def codes(found: list[checker.Refusal]) -> set[str]:
    assert all(refusal.code in CODES and refusal.sentence and refusal.where for refusal in found), found
    return {refusal.code for refusal in found}


def pattern_plan(plan_pattern: Document, **changes: Any) -> Document:
    return body_plan({"pattern": plan_pattern}, **changes)


def ring_plan(rings: list[list[tuple[int, int]]], cycle: int = 700) -> Document:
    body = {name: value for name, value in pattern().items() if name != "stages"}
    lists = [[{"phase": phase, "split": split} for phase, split in ring] for ring in rings]
    return body_plan({"rings": {**body, "cycle": cycle, "rings": lists}})


def without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}


REFUSED: list[tuple[str, str, Document]] = [
    ("format", "format", edited(GOOD, "format", "citybrain/plan/2")),
    ("format", "time_base.unit", edited(GOOD, "time_base.unit", "1 s")),
    ("missing", "lease_until", without(GOOD, "lease_until")),
    ("unknown_field", "document", {**GOOD, "greetings": 1}),
    ("type", "seq", edited(GOOD, "seq", "7")),
    ("type", "body", edited(GOOD, "body", {})),
    ("type", "author.name", edited(GOOD, "author.name", "\ud800")),
    ("type", "why", edited(GOOD, "why", ["because"])),
    ("integer", "valid_from", edited(GOOD, "valid_from", float(NOW))),
    ("integer", "body.schedule.stages[1].begin", edited(GOOD, "body.schedule.stages.1.begin", True)),
    ("integer", "why[0]", edited(GOOD, "why.0.constraint", 0.5)),
    ("range", "made_at", edited(GOOD, "made_at", 10**30)),
    ("range", "poll_after", edited(GOOD, "poll_after", 0)),
    ("range", "transition.mode", edited(GOOD, "transition.mode", "jump")),
    ("size", "body.schedule.stages", edited(GOOD, "body.schedule.stages", [])),
    ("size", "body.schedule.stages", schedule_plan(*((k % 2, 200 * k) for k in range(65)))),
    ("size", "why[0]", edited(GOOD, "why.0.constraint", DEEP)),
    ("size", "author.name", edited(GOOD, "author.name", "x" * 501)),
    ("hash", "plan_id", {**GOOD, "seq": GOOD["seq"] + 1}),
    ("intersection", "intersection", edited(GOOD, "intersection", "elsewhere")),
    ("config_hash", "config_hash", edited(GOOD, "config_hash", "sha256:0")),
    ("lead", "valid_from", edited(GOOD, "made_at", NOW - 19)),
    ("lease", "lease_until", schedule_plan((0, 0), lease_until=NOW)),
    ("fallback", "fallback.pattern", edited(GOOD, "fallback.pattern", 9)),
    ("unknown_stage", "body.schedule.stages[1].stage", schedule_plan((0, 0), (4, 100))),
    ("order", "body.schedule.stages[2].begin", schedule_plan((0, 0), (1, 100), (0, 100))),
    ("order", "body.schedule.stages[0].begin", schedule_plan((0, 1))),
    ("conflict", "body.schedule.stages[1].stage", schedule_plan((0, 0), (3, 100))),
    ("minimum_green", "body.schedule.stages[2]", schedule_plan((0, 0), (1, 100), (2, 239))),
    ("walk", "body.schedule.stages[2]", schedule_plan((1, 0), (0, 100), (1, 219))),
    ("interstage", "body.schedule.stages[2]", schedule_plan((1, 0), (0, 100), (1, 150))),
    ("maximum_red", "body.schedule.stages[1]", schedule_plan((1, 0), (0, 851))),
    ("maximum_red", "lease_until", schedule_plan((0, 0), lease_until=NOW + 931)),
    ("cycle", "body.pattern", pattern_plan(pattern(cycle=701))),
    ("cycle", "body.pattern.cycle", pattern_plan(pattern((600, 400, 210)))),
    ("split", "body.pattern.stages[1].split", pattern_plan(pattern((300, 99, 150)))),
    ("offset", "body.pattern.offset", pattern_plan(pattern(offset=700))),
    ("offset", "body.pattern.offset_reference", pattern_plan(pattern(offset_reference="end_of_yellow"))),
    ("order", "body.pattern.stages[1]", pattern_plan(pattern((300, 250, 150), (0, 0, 1)))),
    ("maximum_red", "body.pattern", pattern_plan(pattern((350, 350), (0, 1)))),
    ("maximum_red", "body.pattern.stages[1]", pattern_plan(pattern((600, 110, 490)))),
    ("unknown_stage", "body.pattern.stages[0].stage", pattern_plan(pattern(stages=(9, 1, 2)))),
    ("conflict", "body.pattern.stages[0].stage", pattern_plan(pattern(stages=(3, 1, 2)))),
    ("cycle", "body.rings.rings[0]", ring_plan([[(1, 300), (2, 250), (3, 149)]])),
    ("rings", "body.rings.rings", ring_plan([[(1, 300), (3, 150), (2, 250)]])),
    ("rings", "body.rings.rings", ring_plan([[(1, 300), (2, 400)]])),
    ("rings", "body.rings.rings", ring_plan([[(1, 300), (2, 250), (3, 150)]] * 2)),
    ("split", "body.rings.stages[1].split", ring_plan([[(1, 451), (2, 99), (3, 150)]])),
]  # fmt: skip


def test_a_good_plan_is_lawful() -> None:
    assert check(DATA, GOOD) == []
    assert check(DATA, pattern_plan(pattern())) == []
    assert check(DATA, ring_plan([[(2, 250), (1, 300), (3, 150)]])) == []
    assert Checker(DATA).check_patterns() == []


@pytest.mark.parametrize(("code", "where", "plan"), REFUSED, ids=[f"{c} {w}" for c, w, _ in REFUSED])
def test_what_is_unlawful_is_refused_with_its_code_and_place(code: str, where: str, plan: Document) -> None:
    found = check(DATA, plan)
    assert (code, where) in {(refusal.code, refusal.where) for refusal in found}
    assert len(codes(found)) <= 3
    assert all(len(refusal.sentence) < 300 for refusal in found)


def test_every_code_is_triggered_by_some_test() -> None:
    elsewhere = {"data", "shown", "seq", "barrier", "change_cap"}
    assert {code for code, _, _ in REFUSED} | elsewhere == set(CODES)


def test_two_rings_meet_at_every_barrier() -> None:
    stages = ["GrrrGrrr", "rGrrGrrr", "rGrrrGrr", "rrGrrrGr", "rrrGrrrG"]
    groups = [{**DATA["groups"][0], "group": g, "lamps": [g]} for g in range(8)]
    zero = [[0] * 8 for _ in range(8)]
    data = controller(
        groups=groups,
        lamp_red="r" * 8,
        conflict=zero,
        intergreen=zero,
        stages=[{"stage": k, "aspects": aspects} for k, aspects in enumerate(stages)],
        patterns=[pattern((150, 150, 150, 150, 150), (0, 1, 2, 3, 4))],
        rings={
            "phases": [{"phase": g + 1, "groups": [g]} for g in range(8)],
            "rings": [[1, 2, 3, 4], [5, 6, 7, 8]],
            "barriers": [[1, 2, 5, 6], [3, 4, 7, 8]],
        },
    )
    clock = {name: value for name, value in pattern().items() if name not in {"stages", "cycle"}}

    def plan(first: list[int], second: list[int], order: tuple[int, ...] = (1, 2, 3, 4)) -> Document:
        rings = [
            [{"phase": p, "split": s} for p, s in zip(order, first, strict=True)],
            [{"phase": p, "split": s} for p, s in zip((5, 6, 7, 8), second, strict=True)],
        ]
        return body_plan({"rings": {**clock, "cycle": sum(first), "rings": rings}}, data=data)

    assert check(data, plan([150, 300, 150, 150], [300, 150, 150, 150])) == []
    assert codes(check(data, plan([150, 300, 150, 150], [290, 150, 160, 150]))) == {"barrier"}
    assert codes(check(data, plan([300, 150, 150, 150], [150, 300, 150, 150]))) == {"unknown_stage"}
    assert codes(check(data, plan([150, 300, 150, 150], [300, 150, 150, 150], (1, 3, 2, 4)))) == {"rings"}
    no_rings = controller(rings=None)
    body = ring_plan([[(1, 300), (2, 250), (3, 150)]])["body"]
    assert codes(check(no_rings, body_plan(body, data=no_rings))) == {"rings"}


def test_changes_from_the_plan_before_are_capped_and_numbers_only_grow() -> None:
    before = pattern_plan(pattern(), seq=5)
    assert codes(check(DATA, pattern_plan(pattern(), seq=5), before=before)) == {"seq"}
    assert check(DATA, pattern_plan(pattern((350, 250, 200)), seq=6), before=before) == []
    longer = pattern_plan(pattern((350, 250, 201)), seq=6)
    assert [refusal.where for refusal in check(DATA, longer, before=before)] == ["body.pattern.cycle"]
    shifted = pattern_plan(pattern((199, 351, 150)), seq=6)
    found = check(DATA, shifted, before=before)
    assert codes(found) == {"change_cap"}
    assert [refusal.where for refusal in found] == ["body.pattern.stages[0]", "body.pattern.stages[1]"]
    rings = ring_plan([[(1, 199), (2, 351), (3, 150)]])
    ring_before = ring_plan([[(1, 300), (2, 250), (3, 150)]])
    assert codes(check(DATA, with_seq(rings, 6), before=ring_before)) == {"change_cap"}
    assert check(DATA, with_seq(rings, 6), before=ring_plan([[(9, 300)]])) == []
    assert check(DATA, shifted, before=schedule_plan((0, 0), seq=5)) == []
    for hostile in HOSTILE:
        assert check(DATA, shifted, before=hostile) == []


@pytest.mark.parametrize(
    ("entries", "lawful"),
    [
        # Stage 1 after stage 0: the walk's intergreen of 9 s, then 5 s of green.
        ([(0, 0), (1, 100), (2, 240)], True),
        ([(0, 0), (1, 100), (2, 239)], False),
        # Stage 2 after stage 1: 5 s; then the walk of 7 s.
        ([(1, 0), (0, 100), (1, 220)], True),
        # The walk ended two stages ago and still reaches: its 9 s end after the interstage of 5 s.
        ([(0, 0), (1, 1), (2, 141)], True),
        # The same stage again is no change.
        ([(0, 0), (0, 1), (1, 2), (1, 3), (2, 142)], True),
        ([(1, 0), (0, 850)], True),
    ],
)
def test_limits_are_exact_to_the_tenth(entries: list[tuple[int, int]], lawful: bool) -> None:
    assert (check(DATA, schedule_plan(*entries, lease_until=NOW + 900)) == []) is lawful


def test_a_walk_that_ended_long_before_still_holds_back_its_conflicts() -> None:
    """Group 4 ends with the first change, stage 2 conflicts with it only through its own longer intergreen."""
    data = controller()
    data["intergreen"][4][2] = 300
    data["groups"][1]["min_green"] = 10
    short = schedule_plan((0, 0), (1, 100), (2, 200), (1, 449), data=data)
    assert codes(check(data, short)) == {"minimum_green"}
    assert check(data, schedule_plan((0, 0), (1, 100), (2, 200), (1, 450), data=data)) == []


def test_reds_are_counted_to_the_end_of_the_lease() -> None:
    assert check(DATA, schedule_plan((0, 0), lease_until=NOW + 930)) == []
    assert codes(check(DATA, schedule_plan((0, 0), lease_until=NOW + 931))) == {"maximum_red"}
    red = shown(0, "GrrrG", aspect_since=[NOW - 200, NOW - 620, NOW - 200, NOW - 200, NOW - 200])
    plan = schedule_plan((0, -200), lease_until=NOW + 280)
    assert check(DATA, plan, red, NOW - 20) == []
    assert codes(check(DATA, schedule_plan((0, -200), lease_until=NOW + 281), red, NOW - 20)) == {"maximum_red"}


def test_a_group_that_no_stage_serves_may_be_red_for_ever() -> None:
    data = controller()
    for group in data["groups"][1:4]:
        group["red_bound"] = None
    assert check(data, schedule_plan((0, 0), lease_until=NOW + 10**6, data=data)) == []


def test_the_lease_may_have_been_renewed() -> None:
    now = NOW + 400
    assert codes(check(DATA, GOOD, now=now)) == {"lease"}
    assert check(DATA, GOOD, now=now, lease_until=now + 1) == []
    assert check(DATA, GOOD, now=NOW + 299) == []


def test_what_the_cabinet_shows_counts() -> None:
    plan = schedule_plan((0, -200), (1, 10))
    old = shown(0, "GrrrG")
    assert check(DATA, plan, old, NOW) == []
    young = shown(0, "GrrrG", since=-40)
    assert codes(check(DATA, plan, young, NOW)) == {"walk"}
    kept = shown(0, "GrrrG", since=-40, aspect_since=[NOW - 60] * 5)
    assert check(DATA, plan, kept, NOW) == []
    # Alone, what happened before counts in the plan's favour.
    assert check(DATA, plan) == []


def test_another_stage_than_the_schedule_says_is_left_when_the_plan_begins() -> None:
    plan = schedule_plan((1, -200), (2, 140))
    assert check(DATA, plan, shown(0, "GrrrG", since=-70), NOW) == []
    assert codes(check(DATA, plan, shown(0, "GrrrG", since=-69), NOW)) == {"walk"}
    # Entries that are past for the cabinet are not judged again.
    plan = schedule_plan((0, -400), (1, -300), (2, 10))
    assert check(DATA, plan, shown(1, "rGrrr", since=-100), NOW) == []
    assert codes(check(DATA, plan, shown(0, "GrrrG", since=-100), NOW)) == {"interstage", "minimum_green"}


def test_a_change_under_way_is_finished_first() -> None:
    changing = shown(
        1,
        "yrrrr",
        changing=True,
        since=-10,
        aspect_since=[NOW - 10, NOW - 400, NOW - 400, NOW - 400, NOW - 10],
        green_end=[NOW - 10, NOW - 400, None, None, NOW - 10],
    )
    assert codes(check(DATA, schedule_plan((1, -10), (2, 80)), changing, NOW)) == {"interstage", "minimum_green"}
    assert codes(check(DATA, schedule_plan((1, -10), (2, 129)), changing, NOW)) == {"minimum_green"}
    assert check(DATA, schedule_plan((1, -10), (2, 130)), changing, NOW) == []
    # A change cannot have ended before it was reported.
    reported = schedule_plan((1, -300), (2, 50))
    late = {**changing, "since": NOW - 300, "aspect_since": [NOW - 300] * 4 + [NOW + 20], "green_end": [None] * 5}
    assert codes(check(DATA, reported, late, NOW + 20)) == {"minimum_green"}


def test_after_a_start_without_a_stage_everything_is_a_change() -> None:
    dark = shown(None, "yrrrr", since=-10, green_end=[NOW - 10, None, None, None, None])
    # Group 0 turns red after 3 s and only then green, and group 4 walks from that moment on.
    assert codes(check(DATA, schedule_plan((0, 0), (1, 90)), dark, NOW - 1)) == {"walk"}
    assert check(DATA, schedule_plan((0, 0), (1, 91)), dark, NOW - 1) == []


def test_a_yellow_that_is_still_shown_is_no_red_however_old_it_is() -> None:
    report = shown(None, "rrrry", since=-10, aspect_since=[NOW - 10] * 4 + [NOW - 5000])
    assert check(DATA, schedule_plan((0, 0)), report, NOW - 5) == []
    report = shown(None, "rrrry", since=-10, aspect_since=[NOW - 5000] * 4 + [NOW - 10])
    assert codes(check(DATA, schedule_plan((0, 0)), report, NOW - 5)) == {"maximum_red"}


DAMAGED: list[Any] = [
    *HOSTILE[1:],
    shown(9, "GrrrG"),
    shown(0, "Grrr"),
    shown(0, "GrrrR"),
    shown(0, "rGrrr"),
    shown(1, "GrrrG", changing=True),
    {**shown(0, "GrrrG"), "since": 1.5},
    shown(0, "GrrrG", aspect_since=[None] * 5),
    shown(0, "GrrrG", green_end=["", None, None, None, None]),
]


@pytest.mark.parametrize("report", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_report_is_refused(report: Any) -> None:
    assert codes(check(DATA, GOOD, report, NOW)) == {"shown"}


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_json_makes_the_checker_raise(value: Any) -> None:
    for place in list(GOOD):
        codes(check(DATA, edited(GOOD, place, value)))
        found = check(DATA, {**GOOD, place: value})
        assert found or (place, value) == ("why", [])
        codes(found)
    for path in ("body.schedule", "body.schedule.stages", "body.schedule.stages.0", "body.schedule.stages.0.begin"):
        codes(check(DATA, edited(GOOD, path, value)))
    codes(check(DATA, edited(GOOD, "why", [{"text": value}])))
    for place in DATA:
        found = check({**DATA, place: value}, GOOD)
        assert found or value == DATA[place]
        codes(found)
        codes(Checker({**DATA, place: value}).check_patterns())
    for document in (check(value, GOOD), check(DATA, value), check(value, value, value)):
        assert document
        codes(document)
    assert value is None or type(value) is int or codes(check(DATA, GOOD, now=value)) <= {"integer", "type"}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["G", "r", 1, 2, 50]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_document_with_any_one_value_replaced_never_makes_it_raise(data: st.DataObject) -> None:
    document = json.loads(json.dumps({"plan": GOOD, "data": DATA, "shown": shown(0, "GrrrG")}))
    place, keys = document, []
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or (data.draw(st.integers(0, 3)) == 0):
            break
        place = inner
    place[key] = data.draw(JSON)
    plan = document["plan"]
    if isinstance(plan, dict) and isinstance(plan.get("seq"), int):
        try:
            plan = with_seq(plan, plan["seq"])
        except (ValueError, TypeError):
            plan = document["plan"]
    codes(check(document["data"], plan, document["shown"], NOW))
    codes(Checker(document["data"]).check_patterns())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("groups.0.kind", "tram"),
        ("groups.1.group", 0),
        ("groups.0.lamps", [99]),
        ("groups.0.lamps", [1]),
        ("stages.0.aspects", "GrrG"),
        ("stages.0.aspects", "GyrrG"),
        ("stages.1.stage", 0),
        ("conflict.0", [0, 1]),
        ("intergreen.0.1", -1),
        ("patterns.0.stages", []),
        ("time_of_day.0.from", "00:01"),
        ("time_of_day.0.from", "24:00"),
        ("time_of_day.0.pattern", 2),
        ("time_of_day", [{"from": "00:00", "pattern": 1}, {"from": "00:00", "pattern": 1}]),
        ("rings.phases.0.groups", [9]),
        ("rings.rings", [[1, 2]]),
        ("limits.cycle_max", True),
    ],
)
def test_damaged_controller_data_refuse_every_plan(path: str, value: Any) -> None:
    data = controller()
    *outer, last = [int(word) if word.isdigit() else word for word in path.split(".")]
    place: Any = data
    for word in outer:
        place = place[word]
    place[last] = value
    found = check(data, GOOD)
    assert codes(found) == {"data"}
    assert all(refusal.where.startswith("data.") for refusal in found)


def test_it_stands_alone() -> None:
    tree = ast.parse(Path(checker.__file__).read_text(encoding="utf-8"))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names)


def test_it_runs_as_a_copy_without_the_project(tmp_path: Path) -> None:
    copy = tmp_path / "checker.py"
    copy.write_text(Path(checker.__file__).read_text(encoding="utf-8"), encoding="utf-8")

    def run(*documents: str) -> tuple[int, str]:
        paths = []
        for k, text in enumerate(documents):
            paths.append(str(tmp_path / f"{k}.json"))
            (tmp_path / f"{k}.json").write_text(text, encoding="utf-8")
        done = subprocess.run([sys.executable, "-I", str(copy), *paths], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout

    data = json.dumps(DATA)
    assert run(data) == (0, "")
    assert run(data, json.dumps(GOOD)) == (0, "")
    code, printed = run(data, json.dumps(edited(GOOD, "intersection", "elsewhere")))
    assert code == 1
    assert printed.startswith("intersection intersection: ")
    assert run(data, '{"seq": NaN}')[0] == 1
    assert run(data, "[" * 100_000)[0] == 2
    assert run(data, "{")[0] == 2
    assert run()[0] == 2


def test_numbers_up_to_the_largest_are_exact() -> None:
    far = LARGEST - 1000
    plan = body_plan(
        {"schedule": {"stages": [{"stage": 0, "begin": far}, {"stage": 1, "begin": far + 100}]}},
        made_at=far - 20,
        valid_from=far,
        lease_until=far + 300,
    )
    assert check(DATA, plan) == []
