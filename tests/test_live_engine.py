"""The live engine: lawful plans that cabinets follow, exact replay, and the cabinet has the last word."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.fleet import make_city
from citybrain.cabinet import Mode
from citybrain.control.registry import CONTROLLERS
from citybrain.errors import ContractError, InputError
from citybrain.intake.judge import merge
from citybrain.live import publisher
from citybrain.live.book import make_book
from citybrain.live.engine import LiveEngine
from citybrain.live.inputs import TickInputs, read_inputs
from citybrain.plans.checker import Checker, canonical, check
from tests.live_street import CYCLE, LEASE, TICK, Loop, override, street
from tests.small_world import small_sensors

YEARS_56 = 17_671_500_000 // CYCLE * CYCLE
"""Tenths from 1970 to 2026, give or take a cycle."""


def told(loop: Loop) -> list[bytes]:
    """Everything that the engine of a loop put out, as bytes."""
    return [
        canonical(
            {
                "plans": [plan.document for plan in outcome.plans],
                "reasons": [dict(plan.reasons) for plan in outcome.plans],
                "withdrawn": outcome.withdrawn,
                "entries": [dict(entry.document) for entry in outcome.entries],
                "queue": outcome.snapshot.state.queue.tobytes().hex(),
                "aspect": outcome.snapshot.lamps.aspect.tobytes().hex(),
            }
        )
        for outcome in loop.outcomes
    ]


def relative(loop: Loop, begin: int) -> list[tuple[int, int]]:
    """Stages of all plans and their begins, from the begin of the run on."""
    return [
        (entry["stage"], entry["begin"] - begin)
        for document in loop.documents
        for entry in document["body"]["schedule"]["stages"]
    ]


@pytest.mark.parametrize("controller", [entry.name for entry in CONTROLLERS])
def test_a_cabinet_takes_every_plan_and_shows_what_the_engine_believes(controller: str) -> None:
    loop = Loop(controller)
    for _ in range(200):
        loop.tick()
        if loop.time > 50:
            assert loop.believed() == loop.lamps[-2]
    assert {ack["verdict"] for ack in loop.acks if ack["mode"] == "adaptive"} <= {"accepted", "running"}
    assert loop.mode() == "adaptive"
    assert len(set(loop.lamps)) >= 4
    assert [entry for outcome in loop.outcomes for entry in outcome.entries] == []


def test_plans_come_only_where_they_differ_from_the_one_in_force() -> None:
    loop = Loop("fixed")
    loop.run(300)
    changes = sum(a != b for a, b in zip(loop.lamps, loop.lamps[1:], strict=False))
    assert 0 < len(loop.documents) < changes


def test_every_plan_is_lawful_and_begins_after_its_lead() -> None:
    loop = Loop()
    loop.run(300)
    for before, plan in zip([None, *loop.documents], loop.documents, strict=False):
        assert check(loop.book.data[0], plan, before=before) == []
        assert plan["valid_from"] == plan["made_at"] + 20
        assert plan["why"][0]["text"]


def test_the_same_inputs_from_a_checkpoint_on_give_the_same_bytes() -> None:
    loop = Loop()
    loop.overrides = (override("stage", 0, 2500, 2900),)
    loop.run(150)
    saved = loop.engine.save()
    loop.cabinet.seize(Mode.PRE_EMPTED, 1, loop.time)
    loop.run(20)
    loop.cabinet.release(loop.time)
    loop.run(150)
    again = Loop()
    again.engine.load(saved)
    for inputs in loop.inputs[150:]:
        again.outcomes.append(again.engine.step(read_inputs(inputs.to_bytes(), inputs.batch)))
    assert told(again) == told(loop)[150:]


def test_a_run_in_2026_does_what_a_run_in_1970_does() -> None:
    early, late = Loop(begin=0), Loop(begin=YEARS_56)
    early.run(200)
    late.run(200)
    assert late.lamps == early.lamps
    assert relative(late, YEARS_56) == relative(early, 0)
    states = zip(early.outcomes, late.outcomes, strict=True)
    assert all(np.array_equal(a.snapshot.state.queue, b.snapshot.state.queue) for a, b in states)


def test_the_engine_follows_a_cabinet_that_goes_its_own_way() -> None:
    loop = Loop()
    loop.run(60)
    stage = 1 - loop.cabinet.ack(loop.time)["shown"]["stage"]
    loop.cabinet.seize(Mode.PRE_EMPTED, stage, loop.time)
    loop.run(30)
    assert loop.outcomes[-1].snapshot.mode == ("pre_empted",)
    assert loop.believed() == loop.lamps[-2]
    assert not any(outcome.plans for outcome in loop.outcomes[62:])
    loop.cabinet.release(loop.time)
    loop.run(60)
    assert loop.mode() == "adaptive"
    assert any(outcome.plans for outcome in loop.outcomes[90:])
    assert loop.believed() == loop.lamps[-2]


def test_a_controller_that_no_longer_polls_runs_its_pattern_and_comes_back() -> None:
    loop = Loop()
    loop.run(60)
    loop.polls = False
    loop.run(LEASE // TICK + 120)
    assert loop.outcomes[60].withdrawn == ["c"]
    assert loop.mode() == "time_of_day"
    assert not any(outcome.plans for outcome in loop.outcomes[60:])
    assert [a == b for a, b in zip(loop.lamps[-60:-1], believed(loop)[-59:], strict=True)].count(False) == 0
    loop.polls = True
    loop.run(10)
    assert loop.mode() == "adaptive"


def believed(loop: Loop) -> list[str]:
    """What the engine believed at every tick."""
    return ["".join("rygG"[a] for a in outcome.snapshot.lamps.aspect) for outcome in loop.outcomes]


def test_a_person_holds_a_stage_and_the_longest_red_still_ends_it() -> None:
    loop = Loop()
    loop.overrides = (override("stage", 1, 300, 6000),)
    loop.run(600)
    assert {document["author"]["name"] for document in loop.documents if document["made_at"] >= 300} == {"Ada"}
    held = loop.lamps[60:590]
    assert held.count("rG") > 400
    assert "Gr" in held


def test_an_override_of_the_pattern_shows_the_pattern() -> None:
    loop = Loop()
    loop.overrides = (override("pattern", 1, 300, 9000),)
    loop.run(300)
    other = Loop("fixed")
    other.run(300)
    assert loop.lamps[150:] == other.lamps[150:]
    assert loop.mode() == "adaptive"


def test_fallback_leaves_a_cabinet_to_its_own_pattern() -> None:
    loop = Loop()
    loop.run(30)
    loop.overrides = (override("fallback", None, 300, 1200),)
    loop.run(60)
    assert loop.outcomes[30].withdrawn == ["c"]
    assert loop.mode() == "time_of_day"
    loop.run(60)
    assert loop.mode() == "adaptive"


def test_what_the_checker_refuses_is_not_published() -> None:
    book = make_book(street(), 20)
    groups = [{**group, "min_green": 5000} for group in book.data[0]["groups"]]
    strict = Checker({**book.data[0], "groups": groups, "patterns": []})
    strict.config_hash = book.config_hash[0]
    loop = Loop(book=replace(book, checker=(strict,)))
    loop.run(100)
    errors = [entry for outcome in loop.outcomes for entry in outcome.entries]
    assert errors
    assert all(entry.kind == "error" and entry.document["refusals"] for entry in errors)
    assert all(strict.check(document) == [] for document in loop.documents)
    assert loop.mode() == "time_of_day"


def test_after_a_long_pause_the_engine_asks_anew() -> None:
    loop = Loop()
    loop.run(60)
    loop.time += 6000
    loop.cabinet.advance(loop.time)
    loop.run(60)
    assert loop.mode() == "adaptive"
    assert loop.believed() == loop.lamps[-2]


def test_a_pause_outlasts_plans_and_the_second_poll_after_it_brings_one_that_is_accepted() -> None:
    loop = Loop()
    loop.run(60)
    loop.polls = False
    loop.time += 6000
    loop.cabinet.advance(loop.time)
    loop.tick()
    assert loop.outcomes[-1].withdrawn == ["c"]
    loop.polls = True
    told = len(loop.acks)
    loop.run(2)
    verdicts = [ack["verdict"] for ack in loop.acks[told:]]
    assert "accepted" in verdicts
    assert "refused" not in verdicts


def test_damaged_reports_of_lamps_are_not_believed() -> None:
    loop = Loop()
    loop.run(60)
    report = loop.cabinet.ack(loop.time)
    both = {**report, "shown": {**report["shown"], "aspects": "GG"}}
    inputs = replace(loop.inputs[-1], time=loop.time, acks=(both,))
    assert loop.engine.step(inputs).plans == []


def test_time_that_does_not_grow_is_refused() -> None:
    loop = Loop()
    loop.run(3)
    with pytest.raises(ContractError, match="after that of time"):
        loop.engine.step(loop.inputs[0])


def test_a_lead_of_no_whole_seconds_is_refused() -> None:
    site = street()
    with pytest.raises(InputError, match="whole number of seconds"):
        LiveEngine(site, small_sensors(), make_book(site, 15), "planner", lead=15)


@pytest.mark.parametrize("gap", range(310, 800, 70))
def test_after_a_long_gap_no_plan_speaks_of_the_stage_before_it(gap: int) -> None:
    loop = Loop("fixed")
    loop.run(25)
    loop.time += gap
    loop.cabinet.advance(loop.time)
    loop.tick()
    assert loop.outcomes[-1].entries == []
    assert all(plan.document["body"]["schedule"]["stages"][0]["begin"] > 250 for plan in loop.outcomes[-1].plans)


def test_a_change_that_a_cabinet_began_later_than_believed_is_believed() -> None:
    loop = Loop("fixed")
    loop.run(60)
    while loop.believed() != "rG" or loop.lamps[-6] != "rG":
        loop.tick()
    now = loop.time
    late = {
        "stage": 1,
        "changing": True,
        "since": now - 10,
        "aspects": "yr",
        "aspect_since": [now - 10, now - 400],
        "green_end": [now - 10, now - 400],
    }
    report = {**loop.cabinet.ack(now), "shown": late}
    loop.engine.step(replace(loop.inputs[-1], time=now, acks=(report,)))
    lamps = loop.engine.step(replace(loop.inputs[-1], time=now + 10, acks=())).snapshot.lamps
    assert "".join("rygG"[aspect] for aspect in lamps.aspect) == "yr"


@pytest.mark.parametrize("away", range(3, 90, 10))
def test_a_cabinet_that_comes_back_refuses_nothing(away: int, caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop()
    loop.run(60)
    loop.polls = False
    loop.run(LEASE // TICK + away)
    assert loop.mode() == "time_of_day"
    loop.polls = True
    told = len(loop.acks)
    loop.run(8)
    assert "refused" not in {ack["verdict"] for ack in loop.acks[told:]}
    assert loop.mode() == "adaptive"
    assert caplog.messages == []


def test_a_cabinet_out_of_step_is_believed_while_its_plan_waits(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop("fixed")
    loop.run(60)
    loop.polls = False
    loop.run(LEASE // TICK + 20)
    loop.polls = True
    loop.tick()
    (plan,) = loop.outcomes[-1].plans
    now, other = loop.time, 1 - plan.document["body"]["schedule"]["stages"][0]["stage"]
    times = {"since": now - 200, "aspect_since": [now - 200, now - 200], "green_end": [None, None]}
    shown = {"stage": other, "changing": False, "aspects": ("Gr", "rG")[other], **times}
    report = {**loop.cabinet.ack(now), "mode": "time_of_day", "shown": shown}
    assert report["at"] <= plan.document["valid_from"]
    outcome = loop.engine.step(replace(loop.inputs[-1], time=now, acks=(report,)))
    loop.engine.step(replace(loop.inputs[-1], time=now + 10, acks=()))
    assert caplog.messages == []
    assert outcome.entries == []


def test_a_city_that_comes_at_once_gets_its_first_plans_over_several_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "FIRST_PLANS", 2)
    site, sensors = make_city(5)
    engine = LiveEngine(site, sensors, make_book(site, 20), "actuated")
    planned = []
    for tick in range(1, 5):
        inputs = TickInputs(TICK * tick, merge([], TICK * tick), (), (), np.ones(5, dtype=np.bool_))
        planned.append(sorted(plan.intersection for plan in engine.step(inputs).plans))
    assert planned == [["x0", "x1"], ["x2", "x3"], ["x4"], []]


def test_a_late_tick_makes_the_first_plans_of_the_seconds_that_were_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "FIRST_PLANS", 2)
    site, sensors = make_city(9)
    engine = LiveEngine(site, sensors, make_book(site, 20), "actuated")
    planned = []
    for tick in (1, 4, 5):
        inputs = TickInputs(TICK * tick, merge([], TICK * tick), (), (), np.ones(9, dtype=np.bool_))
        planned.append(len(engine.step(inputs).plans))
    assert planned == [2, 6, 1]


def test_who_never_had_a_plan_comes_before_who_lost_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "FIRST_PLANS", 2)
    site, sensors = make_city(5)
    engine = LiveEngine(site, sensors, make_book(site, 20), "actuated")
    planned = []
    for tick, alive in enumerate(([1, 1, 1, 1, 1], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]), 1):
        inputs = TickInputs(TICK * tick, merge([], TICK * tick), (), (), np.array(alive, dtype=np.bool_))
        planned.append(sorted(plan.intersection for plan in engine.step(inputs).plans))
    assert planned == [["x0", "x1"], ["x2", "x3"], ["x0", "x4"], ["x1"]]


def test_plans_that_run_out_together_are_renewed_over_several_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    site, sensors = make_city(9)

    def published(ticks: int) -> list[list[str]]:
        engine = LiveEngine(site, sensors, make_book(site, 20), "fixed")
        alive = np.ones(9, dtype=np.bool_)
        inputs = [TickInputs(TICK * tick, merge([], TICK * tick), (), (), alive) for tick in range(1, ticks)]
        return [[plan.intersection for plan in engine.step(each).plans] for each in inputs]

    together = published(200)
    assert {len(plans) for plans in together} == {0, 9}
    first = next(tick for tick, plans in enumerate(together[1:], 1) if plans)
    monkeypatch.setattr(publisher, "RENEWALS", 2)
    spread = published(200)
    assert {len(plans) for plans in spread[1:]} == {0, 1, 2}
    # Just in time: the last ones are renewed when all were, had there been no bound.
    assert [len(plans) for plans in spread[first - 4 : first + 1]] == [1, 2, 2, 2, 2]
    assert [x for plans in spread[1 : first + 1] for x in plans] == [f"x{i}" for i in range(9)]


@pytest.mark.parametrize("controller", ["planner", "fixed", "max-wave"])
@pytest.mark.parametrize("gap", [20, 90, 170, 280])
def test_ticks_that_were_missed_are_made_up_for(controller: str, gap: int) -> None:
    for ticks in (45, 60, 75):
        loop = Loop(controller)
        loop.run(ticks)
        loop.time += gap
        loop.cabinet.advance(loop.time)
        told = len(loop.acks)
        loop.run(5)
        assert "refused" not in {ack["verdict"] for ack in loop.acks[told:]}
        assert loop.believed() == loop.lamps[-2]


def test_a_refused_plan_is_replaced_at_once_and_a_second_one_after_a_while() -> None:
    loop = Loop()
    loop.run(60)
    report = {**loop.cabinet.ack(loop.time), "verdict": "refused", "code": "interstage", "sentence": "not so"}
    counts = []
    for tick in range(5):
        time = loop.time + 10 * tick
        acks = ({**report, "at": time},) if tick < 2 else ()
        counts.append(len(loop.engine.step(replace(loop.inputs[-1], time=time, acks=acks)).plans))
    assert counts[:4] == [1, 0, 0, 1]
