"""Plans and controller data as documents: laid out, numbered, turned into rings and back, and told by their schemas."""

from __future__ import annotations

import copy
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are no dependency of ours
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.errors import NetworkError
from citybrain.guard import LampGuard, red_bounds
from citybrain.plans import checker
from citybrain.plans.checker import Checker, check
from citybrain.plans.controller_data import config_hash, controller_data
from citybrain.plans.own_pattern import own_pattern
from citybrain.plans.plan import (
    Entry,
    Reason,
    make_plan,
    pattern_begins,
    plan_id,
    schedule,
    schedule_body,
    with_seq,
)
from citybrain.plans.plan import pattern as pattern_of
from citybrain.plans.ring_barrier import find_rings, to_rings, to_stages
from citybrain.profiles import make_timings
from citybrain_sim.sumo_net import read_network
from tests.plan_world import NOW, Document, body_plan, controller, pattern, schedule_plan, shown
from tests.random_signals import from_states
from tests.sites import small_site
from tests.sumo_nets import DATA, RESCO, public_net

SITE = small_site()
ROOT = Path(__file__).resolve().parent.parent


def schema(name: str) -> Document:
    text = files("citybrain.plans").joinpath("schemas", f"{name}.schema.json").read_text(encoding="utf-8")
    found: Document = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def fits(name: str, document: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(schema(name)).is_valid(document))


def same_lamps(data: Document, one: Document, other: Document) -> bool:
    """Whether two patterns want the same lamps at all times: at every begin of either, and just before it."""
    moments = {0}
    clocks = []
    for document in (one, other):
        begins = pattern_begins(data, document)
        clocks.append((document, begins))
        moments |= {document["offset"] + begin - before for begin in begins for before in (0, 1)}

    def lamps(document: Document, begins: list[int], time: int) -> str:
        position = (time - document["offset"]) % document["cycle"]
        k = max(k for k, begin in enumerate(begins) if begin <= position)
        aspects: str = data["stages"][document["stages"][k]["stage"]]["aspects"]
        return aspects

    return all(len({lamps(*clock, time) for clock in clocks}) == 1 for time in moments)


@pytest.mark.parametrize("name", [*RESCO, *DATA])
def test_every_public_program_has_lawful_controller_data(name: str) -> None:
    net = public_net(name)
    network, signals = read_network(net.net_file, net.additional_files)
    timings = make_timings("us-mutcd", network, signals)
    for i in range(network.n_intersections):
        data = controller_data(network, signals, timings, i)
        assert Checker(data).check_patterns() == []
        own = data["patterns"][0]
        steps = slice(int(signals.step_ptr[i]), int(signals.step_ptr[i + 1]))
        assert own["cycle"] == signals.step_duration[steps].sum()
        rings = to_rings(data, own)
        assert rings is not None
        back = to_stages(data, rings)
        assert back is not None
        assert same_lamps(data, own, back)
        assert check(data, body_plan({"rings": rings}, data=data)) == []


def test_pattern_1_leaves_stages_when_the_program_does() -> None:
    network, signals = SITE.network, SITE.signals
    for i in range(network.n_intersections):
        data = controller_data(network, signals, SITE.timings, i)
        own = data["patterns"][0]
        begins = pattern_begins(data, own)
        stages = signals.stages(i)
        for k, entry in enumerate(own["stages"]):
            left = own["offset"] + begins[(k + 1) % len(begins)]
            row_before = LampGuard.initial_row(signals, left - 1)[i]
            assert row_before == stages[entry["stage"]]
            assert LampGuard.initial_row(signals, left)[i] != row_before


def test_controller_data_say_what_the_guard_holds() -> None:
    network, signals, timings = SITE.network, SITE.signals, SITE.timings
    data = controller_data(network, signals, timings, 1, time_zone="Europe/Rome")
    g0 = int(signals.group_ptr[1])
    assert data["intersection"] == network.intersection_id[1]
    assert data["time_zone"] == "Europe/Rome"
    bounds = red_bounds(signals, timings)
    for k, group in enumerate(data["groups"]):
        assert group["min_green"] == timings.min_green[g0 + k]
        assert group["red_bound"] == bounds[g0 + k] + 10
        lamps = signals.lamp_group[signals.lamp_ptr[1] : signals.lamp_ptr[2]]
        assert group["lamps"] == np.flatnonzero(lamps == g0 + k).tolist()
    assert {group["kind"] for group in data["groups"]} == {"vehicle", "pedestrian"}
    assert len(data["lamp_red"]) == signals.lamp_ptr[2] - signals.lamp_ptr[1]
    letters = ["".join("rygG"[a] for a in signals.aspects(int(row))) for row in signals.stages(1)]
    assert [stage["aspects"] for stage in data["stages"]] == letters
    assert json.loads(json.dumps(data)) == data
    assert config_hash(data) == Checker(data).config_hash


def test_a_program_that_is_unlawful_in_stages_gives_the_nearest_pattern() -> None:
    # 20 s for the second stage would do, but it has 6 s, of which the interstage takes 5 s.
    states = [("Gr", 400), ("yr", 30), ("rr", 20), ("rG", 60), ("ry", 30), ("rr", 20)]
    signals = from_states(states, [[0, 1], [1, 0]])
    rules = controller()
    data = {
        **rules,
        "groups": [{**rules["groups"][0], "group": g, "lamps": [g], "min_green": 150} for g in range(2)],
        "lamp_red": "rr",
        "conflict": [[0, 1], [1, 0]],
        "intergreen": [[0, 50], [50, 0]],
        "stages": [{"stage": 0, "aspects": "Gr"}, {"stage": 1, "aspects": "rG"}],
        "rings": None,
    }
    found = own_pattern(signals, 0, data)
    assert (found["cycle"], [entry["split"] for entry in found["stages"]]) == (560, [360, 200])
    # Longer minimum greens than the cycle holds lengthen it; reds that are too long shorten it.
    slow = copy.deepcopy(data)
    for group in slow["groups"]:
        group["min_green"] = 300
    assert own_pattern(signals, 0, slow)["cycle"] == 700
    impatient = copy.deepcopy(data)
    impatient["groups"][1]["red_bound"] = 250
    assert own_pattern(signals, 0, impatient)["cycle"] < 560
    impatient["groups"][1]["red_bound"] = 150
    with pytest.raises(NetworkError, match="some red is always too long; choose other timings"):
        own_pattern(signals, 0, impatient)
    data["stages"] = [{"stage": k, "aspects": "GG"} for k in range(2)]
    with pytest.raises(NetworkError, match="has no stage without conflicting greens"):
        own_pattern(signals, 0, data)


def test_a_plan_is_known_by_its_content() -> None:
    plan = schedule_plan((0, 0), (1, 100), why=[Reason(1, "four vehicles wait", "maximum_red")])
    assert plan["plan_id"] == plan_id(plan)
    assert json.loads(json.dumps(plan)) == plan
    numbered = with_seq(plan, 12)
    assert (numbered["seq"], plan["seq"]) == (12, 0)
    assert numbered["plan_id"] != plan["plan_id"]
    assert check(controller(), numbered) == []
    assert schedule(plan) == [Entry(0, NOW), Entry(1, NOW + 100)]
    assert pattern_of(controller(), plan) is None
    shuffled = dict(reversed(plan.items()))
    assert plan_id(shuffled) == plan["plan_id"]


def test_a_plan_falls_back_to_the_first_pattern_of_the_day() -> None:
    data = controller(time_of_day=[{"from": "00:00", "pattern": 1}])
    body = schedule_body([(0, 0)])

    def plan(**options: Any) -> Document:
        return make_plan(data, body, made_at=0, valid_from=20, lease_until=300, **options)

    assert plan()["fallback"] == {"pattern": 1}
    assert plan(fallback=4)["fallback"] == {"pattern": 4}
    assert plan(config_hash=config_hash(data)) == plan()


def test_begins_of_a_pattern_follow_from_splits_and_interstages() -> None:
    data = controller()
    # Interstages: 0 to 1 9 s (walk), 1 to 2 5 s, 2 to 0 5 s. Greens at 50, 350, 600.
    assert pattern_begins(data, pattern()) == [0, 260, 550]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_rings_and_stages_say_the_same(draw: st.DataObject) -> None:
    data, own = ring_controller()
    splits = [draw.draw(st.integers(100, 400)) for _ in own["stages"]]
    changed = pattern(tuple(splits), tuple(e["stage"] for e in own["stages"]), offset=draw.draw(st.integers(0, 399)))
    rings = to_rings(data, changed)
    assert rings is not None
    assert len(rings["rings"]) == 2
    assert check(data, body_plan({"rings": rings}, data=data)) == []
    back = to_stages(data, rings)
    assert back is not None
    assert same_lamps(data, changed, back)
    assert to_rings(data, back) == rings
    plan = body_plan({"rings": rings}, data=data)
    assert pattern_of(data, plan) == back


def ring_controller() -> tuple[Document, Document]:
    """Two rings of four phases; group 8 is an overlap of the first two phases of ring 1."""
    stages = ["GrrrGrrrG", "rGrrGrrrG", "rGrrrGrrG", "rrGrrrGrr", "rrrGrrGrr", "rrrGrrrGr"]
    base = controller()
    data = controller(
        groups=[{**base["groups"][0], "group": g, "lamps": [g], "red_bound": 10**5} for g in range(9)],
        lamp_red="r" * 9,
        conflict=[[0] * 9 for _ in range(9)],
        intergreen=[[0] * 9 for _ in range(9)],
        stages=[{"stage": k, "aspects": aspects} for k, aspects in enumerate(stages)],
        limits={"cycle_min": 0, "cycle_max": 10**5, "change_cap": 0},
        rings=None,
    )
    # It begins in the middle of a barrier, so that the ring form begins elsewhere.
    own = pattern((150,) * 6, (1, 2, 3, 4, 5, 0))
    data["patterns"] = [own]
    data["rings"] = find_rings(data, own)
    return data, own


def test_rings_are_found_with_barriers_and_overlaps() -> None:
    data, _ = ring_controller()
    found = data["rings"]
    assert [len(ring) for ring in found["rings"]] == [4, 4]
    assert [len(barrier) for barrier in found["barriers"]] == [4, 4]
    groups = {phase["phase"]: phase["groups"] for phase in found["phases"]}
    overlap = [p for p, members in groups.items() if 8 in members]
    assert len(overlap) == 2
    assert any(set(overlap) <= set(ring) for ring in found["rings"])
    assert Checker(data).check_patterns() == []


def test_phases_may_change_places_within_a_barrier() -> None:
    data, _ = ring_controller()
    # Ring 2 lags: its second phase comes first.
    for k, aspects in enumerate(["GrrrrGrrG", "rGrrrGrrG", "rGrrGrrrG"]):
        data["stages"][k]["aspects"] = aspects
    lagging = pattern((150,) * 6, (0, 1, 2, 3, 4, 5))
    rings = to_rings(data, lagging)
    assert rings is not None
    phases = [entry["phase"] for entry in rings["rings"][1]]
    assert phases != data["rings"]["rings"][1]
    assert sorted(phases) == data["rings"]["rings"][1]
    assert check(data, body_plan({"rings": rings}, data=data)) == []


def test_what_rings_cannot_say_they_do_not_say() -> None:
    data = controller()
    # Stage 0 twice in a cycle: its phase would be on twice.
    twice = pattern((150, 150, 150, 150), (0, 1, 0, 2))
    assert to_rings(data, twice) is None
    assert to_rings(controller(rings=None), pattern()) is None
    assert to_stages(controller(rings=None), {"rings": []}) is None
    # Two stages with the same greens: which one is meant would be lost.
    data["stages"].append({"stage": 4, "aspects": "grrrG"})
    assert find_rings(data, pattern((300, 250, 150), (4, 1, 2))) is None


def test_the_schemas_know_the_documents() -> None:
    for name in ("plan", "controller-data", "ack"):
        assert schema(name)["$schema"].endswith("2020-12/schema")
    plans = [schedule_plan((0, 0), (1, 100), why=[Reason(0, "x")]), body_plan({"pattern": pattern()})]
    for i in range(SITE.network.n_intersections):
        data = controller_data(SITE.network, SITE.signals, SITE.timings, i)
        assert fits("controller-data", data)
        rings = to_rings(data, data["patterns"][0])
        plans.append(body_plan({"rings": rings}, data=data))
    assert all(fits("plan", plan) for plan in plans)
    ack = {
        "format": "citybrain/ack/1",
        "intersection": "crossing",
        "plan_id": None,
        "seq": None,
        "at": NOW,
        "verdict": "running",
        "code": None,
        "sentence": None,
        "mode": "time_of_day",
        "pattern": 1,
        "offset_error": -3,
        "shown": shown(0, "GrrrG"),
    }
    assert fits("ack", ack)
    assert not fits("ack", {**ack, "verdict": "perhaps"})
    assert not fits("ack", {**ack, "shown": {}})


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_schema_refuses_no_document_that_the_checker_takes(draw: st.DataObject) -> None:
    """And, of single values replaced, it refuses those of the wrong type just as the checker does."""
    name, document = draw.draw(
        st.sampled_from([("plan", schedule_plan((0, 0), (1, 100))), ("controller-data", controller())])
    )
    document = copy.deepcopy(document)
    place: Any = document
    while True:
        key = draw.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], (dict, list)) or not place[key] or draw.draw(st.booleans()):
            break
        place = place[key]
    place[key] = draw.draw(st.sampled_from([None, True, 0.5, "x", -1, 10**30, [], {}, [{}], "x" * 600]))
    if name == "plan":
        formal = {"format", "missing", "unknown_field", "type", "integer", "range", "size"}
        refused = any(refusal.code in formal for refusal in check(controller(), document))
        # A hash is only compared by the checker.
        judged = "plan_id" not in document or key not in {"plan_id", "config_hash"}
    else:
        refused = any(refusal.code == "data" for refusal in Checker(document).faults)
        judged = not any(
            f"data: {word}" in f"{r.code}: {r.sentence}"
            for r in Checker(document).faults
            for word in ("size: there must be", "range: lamps", "range: the number", "range: phases", "range: every")
        )
        judged = judged and key not in {"from", "pattern"} and not isinstance(place, list)
    if judged:
        assert fits(name, document) is not refused


def test_the_page_lists_every_code() -> None:
    page = (ROOT / "docs" / "plans.md").read_text(encoding="utf-8")
    for code, meaning in checker.CODES.items():
        assert f"| `{code}` | {meaning} |" in page
