"""Networks and signals read from SUMO files: public nets, a built cross, odd programs, bad input, SUMO's own view."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citybrain.errors import NetworkError
from citybrain.network import Network, Turn
from citybrain.signals import Aspect, Conflict, GroupKind, Signals
from citybrain_sim.sumo_net import read_network
from tests.sumo_nets import DATA, RESCO, build_cross, public_net, sumo_binary

SHOWN = {Aspect.YELLOW: "y", Aspect.PERMISSIVE: "g", Aspect.PROTECTED: "G"}
GREEN_NS = "GGGgrrrrGGGgrrrrrrrrr"
GREEN_EW = "rrrrgGGgrrrrGGgggGgrr"
LEFT_NS = "rrrGrrrrrrrGrrrrrrrrr"
"""States of the cross without pedestrians: straight on from north and south, from east and west, left turns."""


@pytest.fixture(scope="session")
def cross(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_cross(tmp_path_factory.mktemp("cross"))


def program(folder: Path, *steps: tuple[str, float], name: str = "mine", attributes: str = 'type="static"') -> Path:
    """Additional file with one program of the cross; steps are (state, seconds)."""
    phases = "".join(f'<phase state="{state}" duration="{seconds}"/>' for state, seconds in steps)
    file = folder / f"{name}.add.xml"
    file.write_text(f'<additional><tlLogic id="C" programID="{name}" {attributes}>{phases}</tlLogic></additional>')
    return file


def yellow(state: str) -> str:
    return state.replace("G", "y").replace("g", "y")


def two_stages(first: str = GREEN_NS, second: str = GREEN_EW) -> list[tuple[str, float]]:
    return [(first, 30), (yellow(first), 3), (second, 30), (yellow(second), 3)]


def complaint(net_file: Path, *additional: Path) -> str:
    with pytest.raises(NetworkError) as caught:
        read_network(net_file, additional)
    return str(caught.value)


def printed(net: Network, signals: Signals, intersection: int) -> list[str]:
    """The program's states, step by step, as the rows and groups tell them; ``-`` for unused lamps."""
    lamps = range(signals.lamp_ptr[intersection], signals.lamp_ptr[intersection + 1])
    first = signals.group_ptr[intersection]
    states = []
    for s in range(signals.step_ptr[intersection], signals.step_ptr[intersection + 1]):
        aspects = signals.aspects(int(signals.step_row[s]))
        chars = [
            "-"
            if signals.lamp_group[k] < 0
            else SHOWN.get(Aspect(aspects[signals.lamp_group[k] - first]), chr(signals.lamp_red[k]))
            for k in lamps
        ]
        states.append("".join(chars))
    return states


def check_consistency(net: Network, signals: Signals) -> None:
    """What holds for every network that is read."""
    assert signals.n_intersections == net.n_intersections == len(signals.program_id)
    served: list[int] = []
    for i in range(net.n_intersections):
        k0, k1 = signals.lamp_ptr[i : i + 2]
        g0, g1 = signals.group_ptr[i : i + 2]
        used = signals.lamp_group[k0:k1]
        assert set(used[used >= 0]) == set(range(g0, g1))
        for g in range(g0, g1):
            moves = signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]]
            assert (net.move_intersection[moves] == i).all()
            assert (signals.lamp_group[k0 + net.move_lamp[moves]] == g).all()
            assert signals.group_kind[g] == GroupKind.VEHICLE or not len(moves)
            served += moves.tolist()
        conflicts = signals.conflicts(i)
        assert (conflicts == conflicts.T).all()
        assert (np.diag(conflicts) == Conflict.NONE).all()
        steps = signals.step_row[signals.step_ptr[i] : signals.step_ptr[i + 1]]
        assert set(steps) == set(range(signals.row_ptr[i], signals.row_ptr[i + 1]))
        assert len(signals.stages(i)) >= 2
        for row in signals.stages(i):
            aspects = signals.aspects(int(row))
            green = aspects >= Aspect.PERMISSIVE
            assert green.any()
            assert not (aspects == Aspect.YELLOW).any()
            assert not (conflicts[np.ix_(green, green)] == Conflict.HARD).any()
    assert sorted(served) == np.flatnonzero(net.move_intersection >= 0).tolist()
    assert set(net.approach_lane) == set(net.move_from[net.move_intersection >= 0])
    foes = {(m, int(f)) for m in range(net.n_movements) for f in row_of(net.move_foe_ptr, net.move_foe, m)}
    yields = {(m, int(f)) for m in range(net.n_movements) for f in row_of(net.move_yield_ptr, net.move_yield, m)}
    assert foes == {(f, m) for m, f in foes}
    assert yields <= foes
    assert (net.move_length >= 0).all()
    assert (net.lane_length > 0).all()
    assert (np.diff(net.lane_edge) >= 0).all()


def row_of(
    ptr: np.ndarray[tuple[int], np.dtype[np.int32]], flat: np.ndarray[tuple[int], np.dtype[np.int32]], x: int
) -> list[int]:
    return [int(value) for value in flat[ptr[x] : ptr[x + 1]]]


# --- public networks


@pytest.mark.data
@pytest.mark.parametrize("name", [*RESCO, *DATA])
def test_public_networks_read_whole(name: str) -> None:
    public = public_net(name)
    net, signals = read_network(public.net_file, public.additional_files)
    assert net.n_intersections == public.signals
    check_consistency(net, signals)
    programs = {}
    for file in (public.net_file, *public.additional_files):
        programs.update({element.get("id"): element for element in ET.parse(file).getroot().iter("tlLogic")})
    for i, signal in enumerate(net.intersection_id):
        steps = programs[signal].findall("phase")
        assert signals.program_id[i] == programs[signal].get("programID")
        assert signals.step_duration[signals.step_ptr[i] : signals.step_ptr[i + 1]].tolist() == [
            round(float(step.attrib["duration"]) * 10) for step in steps
        ]
        used = signals.lamp_group[signals.lamp_ptr[i] : signals.lamp_ptr[i + 1]] >= 0
        states = ["".join(c if u else "-" for c, u in zip(step.attrib["state"], used, strict=True)) for step in steps]
        told = printed(net, signals, i)
        if name == "arterial4x4":  # some of its yellow states show 'r' where all stages show 's'
            steps_in_stage = signals.row_is_stage[signals.step_row[signals.step_ptr[i] : signals.step_ptr[i + 1]]]
            told = [t if stage else t.replace("s", "r") for t, stage in zip(told, steps_in_stage, strict=True)]
            states = [t if stage else t.replace("s", "r") for t, stage in zip(states, steps_in_stage, strict=True)]
        assert told == states


SUMO_VIEW = """
import sys
from pathlib import Path
import libsumo
import numpy as np
from citybrain_sim.sumo_net import read_network
net_file, additional = Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]]
options = ["-a", ",".join(map(str, additional))] if additional else []
libsumo.start(["sumo", "-n", str(net_file), *options, "--no-step-log", "--no-warnings"])
net, signals = read_network(net_file, additional)
name = net.lane_id
for i, signal in enumerate(net.intersection_id):
    assert libsumo.trafficlight.getProgram(signal) == signals.program_id[i], signal
    logics = {logic.programID: logic for logic in libsumo.trafficlight.getAllProgramLogics(signal)}
    phases = logics[signals.program_id[i]].phases
    steps = slice(signals.step_ptr[i], signals.step_ptr[i + 1])
    assert [round(phase.duration * 10) for phase in phases] == signals.step_duration[steps].tolist(), signal
    assert len(phases[0].state) == signals.lamp_ptr[i + 1] - signals.lamp_ptr[i], signal
    links = libsumo.trafficlight.getControlledLinks(signal)
    theirs = {(k, a, b) for k, ways in enumerate(links) for a, b, _ in ways if {a, b} <= set(name)}
    mine = {
        (int(net.move_lamp[m]), name[net.move_from[m]], name[net.move_to[m]])
        for m in range(net.n_movements) if net.move_intersection[m] == i
    }
    assert mine == theirs, signal
for m in range(net.n_movements):
    first = net.move_yield[net.move_yield_ptr[m]:net.move_yield_ptr[m + 1]]
    theirs = libsumo.lane.getFoes(name[net.move_from[m]], name[net.move_to[m]])
    assert {name[net.move_from[n]] for n in first} == set(theirs) & set(name), (m, first, theirs)
    length = sum(libsumo.lane.getLength(link[4]) for link in libsumo.lane.getLinks(name[net.move_from[m]])
                 if link[0] == name[net.move_to[m]])
    assert net.move_length[m] >= length - 0.01, m
for t in range(150):
    libsumo.simulationStep()
    for i, signal in enumerate(net.intersection_id):
        steps = slice(signals.step_ptr[i], signals.step_ptr[i + 1])
        ends = np.cumsum(signals.step_duration[steps])
        step = np.searchsorted(ends, (10 * t - signals.program_offset[i]) % ends[-1], side="right")
        aspects = signals.aspects(signals.step_row[steps][step])
        state = libsumo.trafficlight.getRedYellowGreenState(signal)
        for k in range(signals.lamp_ptr[i], signals.lamp_ptr[i + 1]):
            if signals.lamp_group[k] >= 0:
                shown = "rygG"[aspects[signals.lamp_group[k] - signals.group_ptr[i]]]
                assert shown == state[k - signals.lamp_ptr[i]].replace("s", "r"), (signal, t)
print(net.n_intersections, "agree")
"""


def ask_sumo(net_file: Path, *additional: Path) -> str:
    """Compare with what SUMO says, in a process of its own."""
    command = [sys.executable, "-c", SUMO_VIEW, str(net_file), *map(str, additional)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.data
@pytest.mark.sumo
@pytest.mark.parametrize("name", ["cologne8", "bologna_acosta"])
def test_sumo_sees_the_same_network(name: str) -> None:
    sumo_binary("sumo")
    public = public_net(name)
    assert f"{public.signals} agree" in ask_sumo(public.net_file, *public.additional_files)


@pytest.mark.sumo
def test_sumo_activates_the_last_program_too(cross: Path, tmp_path: Path) -> None:
    last = program(tmp_path, *two_stages(GREEN_EW, LEFT_NS), name="last", attributes='type="static" offset="3"')
    first = program(tmp_path, *two_stages(), name="first")
    again = tmp_path / "again.xml"
    again.write_text(
        '<additional><tlLogic id="C" programID="first"/><tlLogic id="C" programID="last" offset="-17"/></additional>'
    )
    net, signals = read_network(cross, [first, last, again])
    assert signals.program_id == ("last",)
    assert signals.program_offset.tolist() == [-170]
    assert "1 agree" in ask_sumo(cross, first, last, again)
    check_consistency(net, signals)


# --- the cross


def test_only_lanes_of_vehicles_are_lanes(cross: Path) -> None:
    net, _ = read_network(cross)
    assert [lane for lane in net.lane_id if lane.endswith("_0")] == []
    assert "CS_1" not in net.lane_id
    general = dict(zip(net.lane_id, net.lane_general.tolist(), strict=True))
    assert general["WC_2"]
    assert not general["WC_1"]


def test_movements_know_turn_and_way(cross: Path) -> None:
    net, _ = read_network(cross)
    turns = {
        (net.lane_id[a][0], net.lane_id[b][1]): Turn(int(turn))
        for a, b, turn in zip(net.move_from, net.move_to, net.move_turn, strict=True)
    }
    assert turns["N", "S"] == turns["W", "E"] == Turn.STRAIGHT
    assert turns["N", "E"] == turns["S", "W"] == Turn.LEFT
    assert turns["N", "W"] == turns["W", "S"] == Turn.RIGHT
    inside = {lane.attrib["id"]: float(lane.attrib["length"]) for lane in ET.parse(cross).getroot().iter("lane")}
    by_hand = {"NC_2 CE_2": inside[":C_3_0"] + inside[":C_19_0"], "NC_1 CW_1": inside[":C_0_0"]}
    for m in range(net.n_movements):
        way = f"{net.lane_id[net.move_from[m]]} {net.lane_id[net.move_to[m]]}"
        if way in by_hand:
            assert net.move_length[m] == pytest.approx(by_hand.pop(way))
    assert not by_hand


def test_crossings_conflict_with_what_drives_over_them(cross: Path) -> None:
    net, signals = read_network(cross)
    pedestrians = np.flatnonzero(signals.group_kind == GroupKind.PEDESTRIAN)
    assert signals.group_crossing[pedestrians] == pytest.approx([12.8, 12.8])
    group = {
        (net.lane_id[net.move_from[m]][0], net.lane_id[net.move_to[m]][1]): int(signals.lamp_group[net.move_lamp[m]])
        for m in range(net.n_movements)
    }
    north, east = pedestrians
    conflicts = signals.conflicts(0)
    assert conflicts[north, group["N", "S"]] == conflicts[north, group["S", "N"]] == Conflict.HARD
    assert conflicts[north, group["W", "E"]] == Conflict.NONE
    assert conflicts[north, group["E", "N"]] == Conflict.YIELDS
    assert conflicts[east, group["S", "E"]] == Conflict.YIELDS
    assert conflicts[east, group["W", "E"]] == Conflict.HARD
    assert conflicts[north, east] == Conflict.NONE


def test_lamps_of_bicycles_belong_to_groups_without_movements(cross: Path, tmp_path: Path) -> None:
    alone = "GrGgrrrrGGGgrrrrrrrrr"  # lamp 1 leads to the bicycle lane
    net, signals = read_network(cross, [program(tmp_path, *two_stages(alone))])
    group = signals.lamp_group[1]
    assert group >= 0
    assert row_of(signals.group_move_ptr, signals.group_move, group) == []
    check_consistency(net, signals)


def test_both_lamps_of_a_crossing_form_one_group(tmp_path: Path) -> None:
    net, signals = read_network(build_cross(tmp_path, crossing='linkIndex="21" linkIndex2="22"'))
    check_consistency(net, signals)
    north, north_too = signals.lamp_group[21:23]
    assert north == north_too
    assert signals.group_crossing[north] == pytest.approx(12.8)
    assert Conflict.HARD in signals.conflicts(0)[north]


def test_network_without_inner_lanes(tmp_path: Path) -> None:
    net, signals = read_network(build_cross(tmp_path, "--no-internal-links"))
    check_consistency(net, signals)
    assert Conflict.HARD in signals.conflicts(0)
    assert (net.move_length > 0).all()


def test_one_signal_of_two_junctions_conflicts_inside_each(tmp_path: Path) -> None:
    places = {"A": (0, 0), "B": (30, 0), "W": (-200, 0), "E": (230, 0), "S": (0, -200), "T": (30, -200)}
    joined = 'type="traffic_light" tl="J"'
    nodes = "".join(f'<node id="{n}" x="{x}" y="{y}" {joined * (n in "AB")}/>' for n, (x, y) in places.items())
    (tmp_path / "n.xml").write_text(f"<nodes>{nodes}</nodes>")
    ways = [("W", "A"), ("A", "B"), ("B", "E"), ("S", "A"), ("T", "B")]
    edges = "".join(f'<edge id="{a}{b}" from="{a}" to="{b}"/>' for a, b in ways)
    (tmp_path / "e.xml").write_text(f"<edges>{edges}</edges>")
    command = [sumo_binary("netconvert"), "-n", "n.xml", "-e", "e.xml", "-o", "j.net.xml"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    net, signals = read_network(tmp_path / "j.net.xml")
    assert net.intersection_id == ("J",)
    check_consistency(net, signals)
    foes = [
        {net.edge_id[net.lane_edge[net.move_from[m]]], net.edge_id[net.lane_edge[net.move_from[int(n)]]]}
        for m in range(net.n_movements)
        for n in row_of(net.move_foe_ptr, net.move_foe, m)
    ]
    assert {"WA", "SA"} in foes
    assert {"AB", "TB"} in foes
    assert {"SA", "TB"} not in foes


def test_gzipped_network_and_includes(cross: Path, tmp_path: Path) -> None:
    zipped = tmp_path / "x.net.xml.gz"
    zipped.write_bytes(gzip.compress(cross.read_bytes()))
    program(tmp_path, *two_stages(), name="inner")
    outer = tmp_path / "outer.xml"
    outer.write_text('<additional><include href="inner.add.xml"/></additional>')
    net, signals = read_network(zipped, [outer])
    assert signals.program_id == ("inner",)
    assert net.lane_id == read_network(cross)[0].lane_id


def test_repeated_states_add_up_to_one_stage(cross: Path, tmp_path: Path) -> None:
    north = [(GREEN_NS, 2.0), (yellow(GREEN_NS), 3.0)]
    steps = [(GREEN_NS, 4.0), *north[1:], (GREEN_EW, 3.0), (GREEN_EW, 2.0), (yellow(GREEN_EW), 3.0), north[0]]
    file = program(tmp_path, *steps, attributes='type="actuated" offset="-12.5"')
    file.write_text(file.read_text().replace('duration="4.0"', 'duration="4.0" minDur="3" maxDur="00:01:00"'))
    _, signals = read_network(cross, [file])
    assert signals.step_row.tolist() == [0, 1, 2, 2, 3, 0]
    assert signals.row_is_stage.tolist() == [True, False, True, False]
    assert signals.step_min.tolist() == [30, 30, 30, 20, 30, 20]
    assert signals.step_max.tolist() == [600, 30, 30, 20, 30, 20]
    assert signals.program_offset.tolist() == [-125]


def test_short_states_are_no_stages(cross: Path, tmp_path: Path) -> None:
    brief = [(LEFT_NS, 4.9), (yellow(LEFT_NS), 3.0)]
    _, signals = read_network(cross, [program(tmp_path, *two_stages(), *brief)])
    assert signals.row_is_stage.tolist() == [True, False, True, False, False, False]


def test_red_characters(cross: Path, tmp_path: Path) -> None:
    second = "s" + "u" + GREEN_EW[2:]
    net, signals = read_network(cross, [program(tmp_path, *two_stages(second=second))])
    assert printed(net, signals, 0)[2] == "sr" + GREEN_EW[2:]
    left = "r" * 3 + LEFT_NS[3:]
    net, signals = read_network(cross, [program(tmp_path, *two_stages(second=second), *two_stages(left)[:2])])
    assert printed(net, signals, 0)[2] == "rr" + GREEN_EW[2:]


def test_signals_that_are_off_are_left_out(cross: Path, tmp_path: Path) -> None:
    off = program(tmp_path, ("o" * 21, 10), ("O" * 21, 10))
    assert "no signals that control vehicles" in complaint(cross, off)


def test_opposite_left_turns_may_share_a_green(cross: Path, tmp_path: Path) -> None:
    net, signals = read_network(cross, [program(tmp_path, *two_stages(LEFT_NS, GREEN_EW))])
    check_consistency(net, signals)


# --- bad input


STATES_FAULTS: dict[str, tuple[list[tuple[str, float]], str]] = {
    "one stage": ([(GREEN_NS, 30), (yellow(GREEN_NS), 3)], "1 stage(s)"),
    "always green": ([(GREEN_NS, 30)], "1 stage(s)"),
    "always red": ([("r" * 21, 30)], "0 stage(s)"),
    "no phases": ([], "no phases"),
    "no yellow": ([(GREEN_NS, 30), (GREEN_EW, 30)], "no yellow"),
    "short states": ([(state[:15], time) for state, time in two_stages()], "lengthen the states"),
    "uneven states": ([*two_stages(), ("r" * 22, 3)], "another length"),
    "unknown character": ([*two_stages(), ("x" * 21, 3)], "unknown characters ['x']"),
    "no time": ([(state, 0) for state, _ in two_stages()], "last 0 s"),
    "conflicting greens": (two_stages("GGGGrrrrGGGgrrrrrrrrr"), "conflicting greens: lamp 3 (NC_2 to CE_2) and lamp 9"),
    "green on a crossing": (two_stages("GGGgrrrrGGGgrrrrrrrGr"), "conflicting greens"),
}


@pytest.mark.parametrize("case", STATES_FAULTS)
def test_programs_that_cannot_be_controlled(case: str, cross: Path, tmp_path: Path) -> None:
    steps, said = STATES_FAULTS[case]
    file = program(tmp_path, *steps)
    message = complaint(cross, file)
    assert said in message
    assert f"{file}, line 1: tlLogic 'C', program 'mine'" in message


def test_all_red_instead_of_yellow_is_readable(cross: Path, tmp_path: Path) -> None:
    check_consistency(
        *read_network(cross, [program(tmp_path, (GREEN_NS, 9), ("r" * 21, 5), (GREEN_EW, 9), ("r" * 21, 5))])
    )


def edited(cross: Path, folder: Path, old: str, new: str) -> Path:
    text = cross.read_text()
    assert old in text
    file = folder / "edited.net.xml"
    file.write_text(text.replace(old, new))
    return file


NET_FAULTS = {
    "missing lane": ('to="CN" fromLane="1" toLane="1"', 'to="CN" fromLane="1" toLane="9"', "do not exist: CN_9"),
    "no program": ('<tlLogic id="C"', '<tlLogic id="D"', "tlLogic 'C' has no program"),
    "no right of way": ('<request index="3" ', '<request index="99" ', "no <request>"),
    "no number": ('length="', 'length="x', "malformed attribute"),
    "no attribute": ("fromLane=", "from_lane=", "no attribute 'fromLane'"),
    "malformed": ("</net>", "<net>", "malformed XML"),
    "no network": ("net ", "map ", "malformed XML"),
}


@pytest.mark.parametrize("case", NET_FAULTS)
def test_networks_that_cannot_be_read(case: str, cross: Path, tmp_path: Path) -> None:
    old, new, said = NET_FAULTS[case]
    file = edited(cross, tmp_path, old, new)
    message = complaint(file)
    assert said in message
    assert str(file) in message


def test_a_program_that_is_there_already(cross: Path, tmp_path: Path) -> None:
    again = program(tmp_path, *two_stages(), name="0")
    message = complaint(cross, again)
    assert f"{again}, line 1: tlLogic 'C' has a program '0' already ({cross}, line " in message


def test_every_fault_is_told_at_once(cross: Path, tmp_path: Path) -> None:
    file = edited(cross, tmp_path, 'toLane="1" via', 'toLane="9" via')
    message = complaint(file, program(tmp_path, *two_stages(), ("x" * 21, 3)))
    assert "do not exist" in message
    assert "unknown characters" in message


def test_line_of_malformed_xml(tmp_path: Path) -> None:
    broken = tmp_path / "broken.net.xml"
    broken.write_text("<net>\n  <edge id='a'>\n</net>\n")
    assert f"{broken}, line 3" in complaint(broken)


def test_files_that_are_something_else(cross: Path, tmp_path: Path) -> None:
    assert "no such file" in complaint(tmp_path / "nowhere.net.xml")
    routes = tmp_path / "routes.xml"
    routes.write_text("<routes/>")
    assert "root is <routes>" in complaint(routes)
    stump = tmp_path / "stump.net.xml.gz"
    stump.write_bytes(gzip.compress(cross.read_bytes())[:500])
    assert "cannot be read" in complaint(stump)
    circle = tmp_path / "circle.xml"
    circle.write_text('<additional><include href="circle.xml"/></additional>')
    assert "remove the circle" in complaint(cross, circle)


STATE = st.lists(st.sampled_from("rrrgGys"), min_size=21, max_size=21).map("".join)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(STATE, st.integers(1, 40)), min_size=1, max_size=5))
def test_any_program_is_read_faithfully_or_refused(cross: Path, tmp_path: Path, steps: list[tuple[str, int]]) -> None:
    softened = [(state.replace("G", "g"), seconds) for state, seconds in steps]
    calm = [step for pair in zip(softened, [("r" * 21, 1)] * len(steps), strict=True) for step in pair]
    try:
        net, signals = read_network(cross, [program(tmp_path, *calm)])
    except NetworkError as refused:
        assert "stage(s)" in str(refused)  # noqa: PT017 - the refusal is one of two lawful outcomes
        return
    check_consistency(net, signals)
    for shown, (state, _) in zip(printed(net, signals, 0), calm, strict=True):
        assert shown.replace("s", "r") == state.replace("s", "r")
