"""Suites are data: those that ship can be planned, own ones are read or refused with all that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from citybrain.errors import InputError
from citybrain_sim.bench.suite_files import OWN, SHIPPED, find_suite, shipped_suites
from citybrain_sim.bench.suites import Part, Suite, narrow, plan
from citybrain_sim.site import check_specs

NAMES = {
    *("resco-classic", "resco-modern", "hangzhou-jinan", "bologna", "headline"),
    *("law", "demand", "incident", "sensing"),
}


def write(folder: Path, text: str) -> str:
    file = folder / "mine.toml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def small(**changes: object) -> Suite:
    return Suite("s", "", ("delay",), (Part(("district",), ("fixed", "planner"), **changes),))  # type: ignore[arg-type]  # fields of Part


def test_suites_that_ship_have_their_names_and_say_what_they_are() -> None:
    suites = shipped_suites()
    assert {suite.name for suite in suites} == NAMES
    assert all(suite.about.endswith(".") and suite.tables for suite in suites)
    assert (SHIPPED / f"{OWN}.toml").is_file()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_run_of_a_suite_that_ships_is_one_that_can_be_asked_for(name: str, tmp_path: Path) -> None:
    suite = find_suite(name)
    try:
        planned = plan(suite, tmp_path, None)
    except InputError as reason:
        assert "nothing that can be run here" in str(reason)  # noqa: PT017 - data sets may be missing here
        return
    check_specs(planned.specs)
    assert len({spec.folder for spec in planned.specs}) == len(planned.specs)
    assert {spec.controller for spec in planned.specs} >= {"fixed", "planner"}


def test_parts_take_what_stands_above_them_and_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    suite = find_suite(
        write(
            tmp_path,
            'about = "x"\ntables = ["delay modern", "by demand"]\nseeds = [3, 9]\n'
            'scenarios = ["a/b.sumocfg", "district"]\n'
            '[[part]]\ncontrollers = ["fixed"]\n[[part]]\ncontrollers = ["planner"]\nseeds = 2\ndemands = [0.5, 1]\n',
        )
    )
    assert suite.name == "mine"
    assert suite.parts[0].scenarios == (str(tmp_path / "a" / "b.sumocfg"), "district")
    assert [part.seeds for part in suite.parts] == [(3, 9), (1, 2)]
    assert suite.parts[1].demands == (0.5, 1)


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    text = (
        'about = 1\ntables = ["delay", "nonsense"]\nseeds = 0\ninstances = "many"\ncolour = "red"\nprotocol = 3\n'
        '[[part]]\nscenarios = "district"\ndemands = ["1"]\nother_sumo = 1\n'
    )
    with pytest.raises(InputError) as error:
        find_suite(write(tmp_path, text))
    message = str(error.value)
    for part in (
        "about",
        "nonsense",
        "seeds",
        "instances",
        "colour",
        "protocol",
        "1.scenarios",
        "1.demands",
        "1.other",
    ):
        assert part in message
    assert all("mine.toml" in line for line in message.splitlines())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seeds = ", "cannot be read as a suite"),
        ("part = 3", "write [[part]] tables"),
        ('scenarios = ["district"]', "controllers: missing"),
        ('controllers = ["fixed"]', "scenarios: missing"),
        ("part = []", "write [[part]] tables"),
    ],
)
def test_a_file_that_is_no_suite_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match="mine") as error:
        find_suite(write(tmp_path, text))
    assert words in str(error.value)


def test_an_unknown_suite_names_those_that_are_near(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean headline"):
        find_suite("headlin")
    with pytest.raises(InputError, match="known are bologna"):
        find_suite("x")
    with pytest.raises(InputError, match="holds no"):
        find_suite(str(tmp_path))


def test_a_folder_of_maps_is_a_suite(tmp_path: Path) -> None:
    for name in ("a.sumocfg", "deep/b.sumocfg", "deep/er/c.sumocfg"):
        file = tmp_path / "maps" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("<configuration/>")
    suite = find_suite(str(tmp_path / "maps"))
    assert suite.name == "maps"
    assert [Path(name).name for name in suite.parts[0].scenarios] == ["a.sumocfg", "b.sumocfg"]
    assert find_suite(str(tmp_path / "maps" / "a.sumocfg")).name == "a"
    assert {"fixed", "actuated", "max-pressure", "webster", "planner"} <= set(suite.parts[0].controllers)


def test_a_plan_is_every_combination_once(tmp_path: Path) -> None:
    planned = plan(
        small(seeds=(1, 2), instances=2, demands=(1.0, 1.2), faults=("", "late:2"), incidents=("", "auto")), tmp_path
    )
    assert len(planned.specs) == 2 * 2 * 2 * 2 * 2 * 2
    assert {spec.out for spec in planned.specs} == {tmp_path}
    assert {spec.instance for spec in planned.specs} == {0, 1}
    twice = Suite("s", "", (), small().parts * 2)
    assert len(plan(twice, tmp_path).specs) == len(plan(small(), tmp_path).specs)


def test_another_sumo_is_for_the_parts_that_ask_for_it(tmp_path: Path) -> None:
    suite = Suite("s", "", (), (*small().parts, *small(other_sumo=True).parts))
    assert len(plan(suite, tmp_path).specs) == 10
    planned = plan(suite, tmp_path, Path("/opt/sumo"))
    assert len(planned.specs) == 20
    assert sum(spec.sumo_binary is not None for spec in planned.specs) == 10


def test_what_is_not_here_is_left_out_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYBRAIN_DATA", str(tmp_path))
    suite = Suite("s", "", (), (Part(("district", "hangzhou1"), ("fixed",)),))
    planned = plan(suite, tmp_path)
    assert {spec.scenario for spec in planned.specs} == {"district"}
    assert "CITYBRAIN_DATA" in planned.left_out["hangzhou1"]
    with pytest.raises(InputError, match="nothing that can be run here"):
        plan(narrow(suite, scenarios=["hangzhou1"]), tmp_path)


def test_a_suite_is_narrowed() -> None:
    suite = Suite("s", "", (), (Part(("a", "b"), ("fixed",)), Part(("b",), ("planner",), seeds=(7,))))
    less = narrow(suite, scenarios=["b"], controllers=["planner"], seeds=[1], instances=3)
    assert less.parts == (Part(("b",), ("planner",), seeds=(1,), instances=3),)
    assert narrow(suite) == suite
    with pytest.raises(InputError, match="--scenarios: c not in suite s; it has a, b"):
        narrow(suite, scenarios=["c"])
