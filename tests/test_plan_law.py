"""Guard and checker agree: small towns here, ten million plans in ``benchmarks/law.py``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import law
from citybrain.plans import checker
from citybrain.plans.controller_data import intersection_rules
from citybrain.randomness import generator
from citybrain.signals import Signals
from citybrain.timings import Timings

SEEDS = st.integers(0, 2**32 - 1)


@given(SEEDS, st.booleans())
@settings(max_examples=15, deadline=None)
def test_what_the_guard_carries_out_is_lawful_whatever_is_wished(seed: int, patient: bool) -> None:
    town = law.Town(generator(seed, "wishes"), 8, patient=patient)
    for _ in range(3):
        assert law.judge_wishes(town).disagreements == []


@given(SEEDS, st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_schedule_is_lawful_exactly_if_the_guard_carries_it_out(seed: int, patient: bool) -> None:
    town = law.Town(generator(seed, "schedules"), 8, patient=patient)
    for _ in range(6):
        assert law.judge_schedules(town).disagreements == []


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_what_the_guard_makes_of_a_schedule_from_lamps_without_a_stage_is_lawful(seed: int) -> None:
    town = law.Town(generator(seed, "fresh"), 20, patient=False, warm=False)
    assert any(report["stage"] is None for report in town.reports())
    assert law.judge_schedules(town).disagreements == []


@given(SEEDS)
@settings(max_examples=10, deadline=None)
def test_a_pattern_is_lawful_exactly_if_the_guard_carries_it_out(seed: int) -> None:
    town = law.Town(generator(seed, "patterns"), 8, patient=True)
    for _ in range(2):
        assert law.judge_patterns(town).disagreements == []


def test_random_plans_are_lawful_and_unlawful_in_many_ways() -> None:
    tally = law.judge_batch(1, 0, town_size=60, rounds=6)
    tally.add(law.judge_batch(1, 1, town_size=120, rounds=10))
    assert tally.disagreements == []
    assert tally.lawful["wishes"] == tally.plans["wishes"]
    for kind in ("schedules", "patterns"):
        assert 0.2 < tally.lawful[kind] / tally.plans[kind] < 0.9
    assert {"minimum_green", "walk", "interstage", "conflict", "unknown_stage", "split", "maximum_red"} <= set(
        tally.refusals
    )


@pytest.mark.parametrize("field", ["min_green", "yellow", "intergreen", "red_bound"])
def test_a_checker_with_other_timings_is_found_out(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself must be able to fail."""

    def falsified(name: str, signals: Signals, timings: Timings, i: int) -> dict[str, Any]:
        data = intersection_rules(name, signals, timings, i)
        for group in data["groups"]:
            if field in group:
                group[field] = 0 if field == "red_bound" else group[field] + 10
        if field == "intergreen":
            data[field] = [[t + 10 for t in line] for line in data[field]]
        return data

    monkeypatch.setattr("benchmarks.law.intersection_rules", falsified)
    tally = law.judge_batch(2, 1 if field == "red_bound" else 0, town_size=60, rounds=6)
    assert tally.disagreements


def test_a_disagreement_carries_what_is_needed_to_repeat_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checker.Checker, "_change", lambda *_: 0)
    found = law.judge_batch(3, 0, town_size=20, rounds=1).disagreements
    assert found
    monkeypatch.undo()
    document = found[0]
    assert checker.Checker(document["data"]).faults == []
    assert document["plan"]["intersection"] == document["data"]["intersection"]
    assert document["reproduce"] == "benchmarks.law.judge_batch(3, 0, 20, 1)"


def test_the_command_prints_what_it_judged(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sections: list[tuple[str, str, str]] = []
    monkeypatch.setattr(law, "batches", lambda *_: [law.judge_batch(1, 0, town_size=10, rounds=1)])
    monkeypatch.setattr(law, "write_section", lambda *section: sections.append(section))
    assert law.main(["--count", "20"]) == 0
    printed = capsys.readouterr().out
    assert "| plans judged (wishes) | 10 |\n| ... lawful (wishes) | 10 |" in printed
    assert "| disagreements of guard, checker and the judge of this benchmark | 0 |" in printed
    assert sections == [("Law", "python -m benchmarks.law --count 20 --seed 1", printed.strip())]
