"""What the benchmark of faults makes of what was said of sensors and of what was so."""

from __future__ import annotations

import math

import pytest

from benchmarks.faults_found import RIGHT, Spell, cells, judge, spells
from citybrain.health.findings import FAULTS
from citybrain_sim.fault_profiles import fault_levels

CHANGES = [
    {"time_s": 90.0, "sensor": "well", "status": "sick", "fault": "drift"},
    {"time_s": 150.0, "sensor": "a", "status": "suspect", "fault": "silent"},
    {"time_s": 160.0, "sensor": "a", "status": "sick", "fault": "silent"},
    {"time_s": 170.0, "sensor": "well", "status": "well", "fault": None},
    {"time_s": 340.0, "sensor": "a", "status": "well", "fault": None},
    {"time_s": 200.0, "sensor": "b", "status": "sick", "fault": "late"},
]
TRUTH = [{"sensor": name, "from_s": 100.0, "to_s": 300.0} for name in "abc"]


def test_a_spell_lasts_from_sick_to_anything_else() -> None:
    assert spells(CHANGES) == {
        "well": [Spell(90.0, 170.0, "drift")],
        "a": [Spell(160.0, 340.0, "silent")],
        "b": [Spell(200.0, math.inf, "late")],
    }


def test_delays_names_returns_and_false_alarms() -> None:
    found = judge(spells(CHANGES), ["well", "good", "a", "b", "c"], TRUTH, 43200.0)
    assert found.delays == [60.0, 100.0, None]
    assert found.names == ["silent", "late"]
    assert found.back == [40.0, None]
    assert (found.false_alarms, found.well_s) == (1, 86400.0)
    assert cells([found], "dead") == ["3", "67 %", "50 %", "80", "96", "50 %", "40", "1.00 (1 in 1.0)"]


def test_a_sensor_called_sick_before_it_was_is_found_at_once_and_one_called_so_afterwards_is_not() -> None:
    truth = [{"sensor": "a", "from_s": 200.0, "to_s": None}, {"sensor": "b", "from_s": 100.0, "to_s": 150.0}]
    found = judge(spells(CHANGES), ["a", "b"], truth, 400.0)
    assert found.delays == [0.0, None]
    assert found.back == []


def test_nothing_sick_nothing_to_find() -> None:
    assert cells([judge({}, ["a"], [], 8640.0)], "none") == ["-", "-", "-", "-", "-", "-", "-", "0.00 (0 in 0.1)"]


@pytest.mark.parametrize("name", list(RIGHT))
def test_every_fault_has_its_names_among_those_of_the_examination(name: str) -> None:
    assert set(RIGHT) == set(fault_levels())
    assert set(RIGHT[name]) <= set(FAULTS)
