"""Configurations as SUMO understands them, and what is said about those that it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from citybrain.errors import ScenarioError
from citybrain_sim.sumo_config import read_config
from citybrain_sim.sumo_xml import parse_time
from tests.sumo_nets import DATA, RESCO, public_net

NET = '<net-file value="x.net.xml"/>'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("x.net.xml", "y.net.xml", "a.xml", "b.xml", "with blank.xml"):
        (tmp_path / name).write_text("<any/>")
    return tmp_path


def config(folder: Path, *elements: str) -> Path:
    file = folder / "run.sumocfg"
    file.write_text("<configuration>\n<input>\n" + "\n".join(elements) + "\n</input>\n</configuration>\n")
    return file


def complaint(file: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        read_config(file)
    return str(caught.value)


def test_defaults(folder: Path) -> None:
    read = read_config(config(folder, NET))
    assert read.net_file == folder / "x.net.xml"
    assert read.route_files == read.additional_files == ()
    assert (read.begin_s, read.end_s, read.step_length_s) == (0, None, 1)


def test_short_names_and_synonyms(folder: Path) -> None:
    elements = ['<n v="x.net.xml"/>', '<routes value="a.xml"/>', '<additional value="b.xml"/>']
    read = read_config(config(folder, *elements, '<b value="25200"/>', '<e value="0:08:00:00"/>'))
    assert read.route_files == (folder / "a.xml",)
    assert read.additional_files == (folder / "b.xml",)
    assert (read.begin_s, read.end_s) == (25200, 28800)


@pytest.mark.parametrize("value", ["a.xml,b.xml", "a.xml, b.xml,", "a.xml b.xml", " a.xml\n b.xml "])
def test_several_files(folder: Path, value: str) -> None:
    read = read_config(config(folder, NET, f'<route-files value="{value}"/>'))
    assert read.route_files == (folder / "a.xml", folder / "b.xml")


def test_names_with_blanks(folder: Path) -> None:
    read = read_config(config(folder, NET, '<a value="with blank.xml,a.xml"/>'))
    assert read.additional_files == (folder / "with blank.xml", folder / "a.xml")


def test_environment_and_absolute_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETS", str(folder))
    assert read_config(config(folder, '<net-file value="${NETS}/x.net.xml"/>')).net_file == folder / "x.net.xml"


def test_paths_are_relative_to_the_configuration(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config(folder, NET)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert read_config(Path("../run.sumocfg")).net_file.is_absolute()


def test_other_options_do_not_matter(folder: Path) -> None:
    output = '<tripinfo-output value="t.xml"/><gui-settings-file value="none.xml"/>'
    read = read_config(config(folder, NET, output, '<step-length value="0.5"/>', '<end value="-1"/>'))
    assert (read.end_s, read.step_length_s) == (None, 0.5)


FAULTS = {
    "no network": ((), "no network"),
    "empty network": (('<n value=""/>',), "found nothing"),
    "two networks": (('<n value="x.net.xml,y.net.xml"/>',), "found x.net.xml, y.net.xml"),
    "twice": ((NET, '<n value="y.net.xml"/>'), "line 4: <n> sets net-file again, which <net-file> has set already"),
    "missing routes": ((NET, '<route-files value="a.xml,none.xml"/>'), "line 4: <route-files> names"),
    "missing additional": ((NET, '<a value="a.xml none.xml"/>'), "none.xml, which does not exist"),
    "end before begin": ((NET, '<begin value="9"/>', '<end value="5"/>'), "line 5: the simulation ends at 5 s"),
    "end at begin": ((NET, '<begin value="9"/>', '<end value="9"/>'), "begins at 9 s"),
    "negative begin": ((NET, '<begin value="-9"/>'), "begin at 0 s or later"),
    "no time": ((NET, '<end value="soon"/>'), "line 4: <end>: 'soon' is no time"),
    "not finite": ((NET, '<end value="inf"/>'), "'inf' is no time"),
    "no step": ((NET, '<step-length value="0"/>'), "must be positive"),
    "malformed": ((NET, "<end"), "malformed XML"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_faults(case: str, folder: Path) -> None:
    elements, said = FAULTS[case]
    file = config(folder, *elements)
    message = complaint(file)
    assert said in message
    assert str(file) in message


def test_malformed_configuration_names_line_and_column(folder: Path) -> None:
    file = folder / "run.sumocfg"
    file.write_text('<configuration>\n  <input value="a" value="b"/>\n</configuration>')
    assert f"{file}, line 2, column" in complaint(file)


def test_no_configuration(tmp_path: Path) -> None:
    assert "no such file" in complaint(tmp_path / "none.sumocfg")
    assert str(tmp_path) in complaint(tmp_path)


@pytest.mark.data
@pytest.mark.parametrize("name", [*RESCO, *DATA])
def test_public_configurations(name: str) -> None:
    public = public_net(name)
    read = read_config(public.config)
    assert read.net_file == public.net_file
    assert read.route_files
    assert set(public.additional_files) <= set(read.additional_files)


@pytest.mark.parametrize(
    ("text", "seconds"), [("3", 3), (" -2.5 ", -2.5), ("1:00:00", 3600), ("-1:00:00:30.5", -86430.5), ("1e3", 1000)]
)
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "1:2", "x", "nan", "1:2:3:4:5", "1 2"])
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_time(text)
