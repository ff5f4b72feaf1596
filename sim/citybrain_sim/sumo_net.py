"""SUMO networks of any origin as ``Network`` and ``Signals``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citybrain.errors import NetworkError
from citybrain_sim.sumo_net_file import active_programs, read_net_file
from citybrain_sim.sumo_programs import assemble, is_off, read_plan
from citybrain_sim.sumo_roads import Roads

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from citybrain.network import Network
    from citybrain.signals import Signals
    from citybrain_sim.sumo_net_file import Program
    from citybrain_sim.sumo_programs import Link

RAIL_SIGNALS = frozenset({"rail_signal", "rail_crossing"})
FAULTS_TOLD = 20


def read_network(net_file: Path, additional_files: Sequence[Path] = ()) -> tuple[Network, Signals]:
    """Read a SUMO network and the programs that SUMO would show on it.

    Parameters
    ----------
    net_file : ``.net.xml``, gzipped or not.
    additional_files : files in the order in which SUMO loads them; elements other than programs are passed over.

    Returns
    -------
    Network, Signals
        Rail signals, signals whose program is off and signals that control no movement of vehicles are left out;
        SUMO goes on showing their own program.

    Raises
    ------
    NetworkError
        With file, line or id, and remedy: files that cannot be read; otherwise everything that is wrong with the
        network and its programs, in one message.
    """
    source = read_net_file(net_file)
    programs = active_programs(source.programs, additional_files)
    faults: list[str] = []
    roads = Roads(source, faults)
    links = roads.links()
    controlled = _controlled(roads, programs, links, faults)
    plans = [read_plan(program, links[program.signal], roads.foes, faults) for program in controlled]
    _check_links(roads, controlled, links, faults)
    if not controlled and not faults:
        faults.append(
            f"{net_file}: no signals that control vehicles; give a network with <tlLogic> elements "
            "(netconvert can add them with --tls.guess)"
        )
    if faults:
        hidden = len(faults) - FAULTS_TOLD
        raise NetworkError("\n".join([*faults[:FAULTS_TOLD], *([f"... and {hidden} more"] if hidden > 0 else [])]))
    whole = [plan for plan in plans if plan is not None]
    return roads.network(controlled, links), assemble(controlled, whole)


def _controlled(
    roads: Roads, programs: dict[str, Program], links: dict[str, list[Link]], faults: list[str]
) -> list[Program]:
    """Programs of the intersections that the engine controls, in the order in which SUMO loads them."""
    for signal, ways in links.items():
        junction = roads.source.junctions.get(signal)
        if signal not in programs and not (junction and junction.type in RAIL_SIGNALS):
            faults.append(
                f"{roads.source.path}: tlLogic {signal!r} has no program, but controls the way {ways[0].name}; "
                "add a <tlLogic> with this id to the network or to an additional file"
            )
    return [
        program
        for program in programs.values()
        if program.type not in RAIL_SIGNALS
        and not is_off(program)
        and any(link.movement >= 0 for link in links.get(program.signal, []))
    ]


def _check_links(roads: Roads, programs: Sequence[Program], links: dict[str, list[Link]], faults: list[str]) -> None:
    path = roads.source.path
    owner: dict[int, str] = {}
    for signal, link in ((program.signal, link) for program in programs for link in links[program.signal]):
        junction = roads.source.junctions.get(link.place[0])
        if junction is None or link.place[1] not in junction.foes:
            faults.append(
                f"{path}: tlLogic {signal!r}: the way {link.name} has no <request> in its junction, so that its "
                "conflicts are unknown; write the network anew with netconvert"
            )
        if link.movement >= 0:
            lane = roads.movements[link.movement].source
            if owner.setdefault(lane, signal) != signal:
                faults.append(
                    f"{path}: lane {roads.lanes[lane].name} is controlled by tlLogic {owner[lane]!r} and by tlLogic "
                    f"{signal!r}; let one of them control all of the lane's connections"
                )
