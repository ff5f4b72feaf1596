"""The audit of lamp records: silent on what the guard showed, loud on every doctored record."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import audit_lamps
from citybrain.decisions import Wish
from citybrain.guard import LampGuard
from citybrain.network import Network
from citybrain.profiles import TIMING_PROFILES, make_timings, timings_document
from citybrain.signals import Conflict, Signals
from citybrain_sim.sumo_net import read_network
from tests.random_signals import random_wishes
from tests.sumo_nets import DATA, RESCO, public_net

NET = """<net>
  <junction id="X" type="traffic_light" incLanes="a_0 b_0" intLanes=":X_2_0 :X_1_0">
    <request index="0" response="00" foes="10"/>
    <request index="1" response="00" foes="01"/>
  </junction>
  <connection from="a" to="c" fromLane="0" toLane="0" via=":X_0_0" tl="X" linkIndex="0" dir="l"/>
  <connection from="b" to="d" fromLane="0" toLane="0" via=":X_1_0" tl="X" linkIndex="1" dir="s"/>
  <connection from=":X_0" to="c" fromLane="0" toLane="0" via=":X_2_0" dir="l"/>
  <connection from=":X_1" to="d" fromLane="0" toLane="0" dir="s"/>
  <connection from=":X_2" to="c" fromLane="0" toLane="0" dir="l"/>
  <tlLogic id="X" type="static" programID="0" offset="0">
    <phase duration="20" state="Gr"/> <phase duration="3" state="yr"/> <phase duration="2" state="rr"/>
    <phase duration="20" state="rG"/> <phase duration="3" state="ry"/> <phase duration="2" state="rr"/>
  </tlLogic>
</net>
"""
LIMITS = {
    "X": {
        "yellow": {"0": 3.0, "1": 3.0},
        "min_green": {"0": 5.0, "1": 5.0},
        "max_red": {"0": 60.0, "1": 60.0},
        "red_bound": {"0": 70.0, "1": 70.0},
        "intergreen": [[0, 1, 5.0], [1, 0, 5.0]],
        "as_programmed": False,
    }
}
LAWFUL = [(0, "Gr"), (9, "yr"), (12, "rr"), (14, "rG"), (19, "ry"), (22, "rr"), (24, "Gr")]


def folder_with(
    folder: Path, record: list[tuple[float, str, str]], limits: object, net: Path, added: tuple[Path, ...] = ()
) -> Path:
    """Write what an audit reads; the record is (time, intersection, lamps)."""
    extra = f'<additional-files value="{",".join(map(str, added))}"/>' if added else ""
    (folder / "x.sumocfg").write_text(f'<configuration><input><net-file value="{net}"/>{extra}</input></configuration>')
    (folder / "manifest.json").write_text(json.dumps({"scenario": {"config": str(folder / "x.sumocfg")}}))
    (folder / "timings.json").write_text(json.dumps(limits))
    times, names, lamps = zip(*record, strict=True)
    columns = {"time": pa.array(times, pa.float64()), "intersection": list(names), "lamps": list(lamps)}
    pq.write_table(pa.table(columns), folder / "commands.parquet")
    return folder


def kinds(folder: Path, record: Sequence[tuple[float, str]], net: str = NET, limits: object = LIMITS) -> set[str]:
    (folder / "x.net.xml").write_text(net)
    rows = [(float(time), "X", state) for time, state in record]
    return {breach.kind for breach in audit_lamps.audit(folder_with(folder, rows, limits, folder / "x.net.xml"))}


def test_a_lawful_record_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "runs" / "X"
    run.mkdir(parents=True)
    assert kinds(run, LAWFUL) == set()
    assert audit_lamps.main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{run}: lawful\n"


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ([(0, "GG"), (20, "GG")], "conflicting greens"),
        ([(0, "Gr"), (9, "rr"), (14, "rG")], "green to red without yellow"),
        ([(0, "Gr"), (9, "yr"), (12, "Gr"), (30, "Gr")], "yellow to green"),
        ([(0, "Gr"), (9, "yr"), (11, "rr"), (14, "rG")], "short yellow"),
        ([(0, "Gr"), (9, "yr"), (12, "rr"), (14, "rG"), (18, "ry"), (21, "rr")], "short green"),
        ([(0, "Gr"), (9, "yr"), (12, "rr"), (13, "rG")], "short intergreen"),
        ([(0, "Gr"), (71, "Gr")], "long red"),
    ],
)
def test_a_doctored_record_is_found_out(
    tmp_path: Path, record: Sequence[tuple[float, str]], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kinds(tmp_path, record) == {kind}
    assert audit_lamps.main([str(tmp_path)]) == 1
    assert f" {kind}" in capsys.readouterr().out


def test_what_the_program_itself_shows_is_its_engineers_doing(tmp_path: Path) -> None:
    permissive = NET.replace('state="Gr"', 'state="Gg"').replace('state="yr"', 'state="yg"')
    assert kinds(tmp_path, [(0, "Gg"), (9, "yg"), (12, "rg"), (14, "rG")], permissive) == set()
    assert kinds(tmp_path, [(0, "GG"), (9, "yG"), (12, "rG"), (14, "rG")], permissive) == {"conflicting greens"}


@pytest.mark.parametrize(
    ("program", "record", "kind"),
    [
        (("yr", "Gr"), [(0, "Gr"), (9, "yr"), (12, "Gr"), (30, "Gr")], "yellow to green"),
        (("rr", "rr"), [(0, "Gr"), (9, "rr"), (14, "rG"), (30, "rG")], "green to red without yellow"),
    ],
)
def test_a_program_shown_as_it_is_passes_where_the_profile_lets_it(
    tmp_path: Path, program: tuple[str, str], record: Sequence[tuple[float, str]], kind: str
) -> None:
    states = ('state="yr"', 'state="rr"')
    net = NET
    for old, new in zip(states, program, strict=True):
        net = net.replace(old, f'state="{new}"', 1)
    let = {"X": {**LIMITS["X"], "as_programmed": True}}
    assert kinds(tmp_path, record, net, let) == set()
    assert kinds(tmp_path, record, net) == {kind}
    assert kinds(tmp_path, record, limits=let) == {kind}
    early = [(0.0, "Gr"), (9.0, "yr"), (11.0, "Gr"), (30.0, "Gr")]
    assert kinds(tmp_path, early, net, let) >= {"short yellow"}


def test_promises_are_checked_too(tmp_path: Path) -> None:
    silent = {"X": {**LIMITS["X"], "intergreen": [[0, 1, 5.0]]}, "Y": LIMITS["X"]}
    assert kinds(tmp_path, LAWFUL, limits=silent) == {"foes without intergreen", "not recorded"}
    assert kinds(tmp_path, LAWFUL, NET.replace('tlLogic id="X"', 'tlLogic id="Z"')) == {"not in the network"}


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], [str(tmp_path)]):
        assert audit_lamps.main(arguments) == 2
        assert "no commands.parquet" in capsys.readouterr().err
    kinds(tmp_path, LAWFUL)
    (tmp_path / "timings.json").unlink()
    assert audit_lamps.main([str(tmp_path)]) == 2
    assert "cannot be audited" in capsys.readouterr().err


def shown(network: Network, signals: Signals, guard: LampGuard, wishes: np.ndarray) -> list[tuple[float, str, str]]:
    record = []
    for t, row in enumerate(wishes):
        command = guard.enforce(Wish.now(t * 10, row))
        for i in np.flatnonzero(command.changed):
            lamps = command.lamp_char[signals.lamp_ptr[i] : signals.lamp_ptr[i + 1]]
            record.append((float(t), network.intersection_id[i], bytes(lamps).decode()))
    return record


@pytest.mark.parametrize("name", ["cologne8", "ingolstadt7", "bologna_pasubio"])
@pytest.mark.parametrize("profile", TIMING_PROFILES)
def test_the_guard_passes_the_audit_on_public_nets_whatever_is_wished(name: str, profile: str, tmp_path: Path) -> None:
    net = public_net(name)
    network, signals = read_network(net.net_file, net.additional_files)
    timings = make_timings(profile, network, signals)
    wishes = random_wishes(np.random.default_rng(7), signals, 400)
    wishes[200:, :] = wishes[200, :]
    record = shown(network, signals, LampGuard(signals, timings, 0), wishes)
    limits = timings_document(network, signals, timings)
    folder = folder_with(tmp_path, record, limits, net.net_file, net.additional_files)
    assert audit_lamps.audit(folder) == []


@pytest.mark.parametrize("name", [*RESCO, *DATA])
def test_foes_are_those_of_the_conflict_matrix(name: str) -> None:
    net = public_net(name)
    network, signals = read_network(net.net_file, net.additional_files)
    plain = audit_lamps.read_signals(net.net_file, list(net.additional_files))
    for i, intersection in enumerate(network.intersection_id):
        first = int(signals.group_ptr[i])
        group = signals.lamp_group[signals.lamp_ptr[i] : signals.lamp_ptr[i + 1]] - first
        pairs = {tuple(sorted((int(group[a]), int(group[b])))) for a, b in plain[intersection].foes}
        conflict = signals.conflicts(i)
        expected = {(int(a), int(b)) for a, b in np.argwhere(conflict != Conflict.NONE) if a < b}
        assert {pair for pair in pairs if pair[0] != pair[1]} == expected
