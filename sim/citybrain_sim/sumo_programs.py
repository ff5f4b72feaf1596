"""Signal groups, rows, stages and conflicts from SUMO's signal programs and junction right-of-way rules.

State characters: https://sumo.dlr.de/docs/Simulation/Traffic_Lights.html#signal_state_definitions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from citybrain.network import Turn, csr
from citybrain.signals import Aspect, Conflict, GroupKind, Signals
from citybrain.units import to_tenths

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citybrain_sim.sumo_net_file import Program

SHORTEST_STAGE = 50
"""A row that the program never shows for this long without a break [tenths] belongs to an interstage."""
ASPECTS = {
    "G": Aspect.PROTECTED,
    "O": Aspect.PROTECTED,
    "g": Aspect.PERMISSIVE,
    "o": Aspect.PERMISSIVE,
    "y": Aspect.YELLOW,
    "Y": Aspect.YELLOW,
    "r": Aspect.RED,
    "s": Aspect.RED,
    "u": Aspect.RED,
}
OFF = frozenset("oO")
OPPOSITE = math.cos(math.radians(135))
"""Two approaches are opposite where the cosine of the angle between their directions is below this."""
LONGEST_TENTHS = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Link:
    """What a lamp controls: a way over a junction.

    Attributes
    ----------
    lamp : position in the state string.
    kind : who takes the way.
    movement : position in the network's movement table, -1 for crossings and ways that are no movement for us.
    crossing : length of a pedestrian crossing [m], 0 for vehicles.
    target : road that the way leads to.
    turn, heading : its direction, and that of the lane where it begins [rad].
    name : for messages.
    place : (junction, position in its right-of-way table).
    """

    lamp: int
    kind: GroupKind
    movement: int
    crossing: float
    target: str
    turn: Turn
    heading: float
    name: str
    place: tuple[str, int]


@dataclass(frozen=True)
class Plan:
    """Tables of one intersection's program; index letters as in ``citybrain.signals``, numbers local."""

    lamp_group: list[int]
    lamp_red: list[int]
    kind: list[GroupKind]
    moves: list[list[int]]
    crossing: list[float]
    rows: list[tuple[Aspect, ...]]
    is_stage: list[bool]
    step_row: list[int]
    conflict: list[list[Conflict]]


def is_off(program: Program) -> bool:
    """Whether a program never shows anything but off, so that the junction is not signalised."""
    shown = {char for step in program.steps for char in step.state}
    return program.name == "off" or (bool(shown) and shown <= OFF)


def read_plan(
    program: Program, links: Sequence[Link], foes: Callable[[Link, Link], bool], faults: list[str]
) -> Plan | None:
    """Derive one intersection's tables from its program.

    Parameters
    ----------
    links : everything that its lamps control, at least one.
    foes : whether two ways cross or merge.
    faults : every fault found is added, with its place and remedy.

    Returns
    -------
    Plan or None
        None where the program is too broken to derive tables.
    """
    before = len(faults)
    _check_states(program, links, faults)
    if len(faults) > before:
        return None
    lamp_group, members = _groups(program, links)
    heads = [lamps[0] for lamps in members]
    step_state = [tuple(ASPECTS[step.state[k]] for k in heads) for step in program.steps]
    rows = list(dict.fromkeys(step_state))
    step_row = [rows.index(state) for state in step_state]
    showing = _longest_showing([to_tenths(step.duration) for step in program.steps], step_row, len(rows))
    is_stage = [
        max(row) >= Aspect.PERMISSIVE and Aspect.YELLOW not in row and time >= SHORTEST_STAGE
        for row, time in zip(rows, showing, strict=True)
    ]
    of_group: list[list[Link]] = [[] for _ in members]
    for link in links:
        of_group[lamp_group[link.lamp]].append(link)
    plan = Plan(
        lamp_group=lamp_group,
        lamp_red=_reds(program, is_stage, step_row),
        kind=[max(link.kind for link in group) for group in of_group],
        moves=[sorted({link.movement for link in group if link.movement >= 0}) for group in of_group],
        crossing=[max(link.crossing for link in group) for group in of_group],
        rows=rows,
        is_stage=is_stage,
        step_row=step_row,
        conflict=_conflicts(program, links, lamp_group, len(members), foes, faults),
    )
    if sum(plan.is_stage) < 2:
        faults.append(
            f"{_where(program)} has {sum(plan.is_stage)} stage(s) (states with green and without yellow, shown for "
            f"{SHORTEST_STAGE // 10} s or more); give it at least two, or switch it off (states of 'o' only)"
        )
    _check_yellow(program, plan, of_group, faults)
    return plan


def assemble(programs: Sequence[Program], plans: Sequence[Plan]) -> Signals:
    """Put the tables of all intersections, in order, into one struct of arrays."""
    groups = [len(plan.kind) for plan in plans]
    row_aspects = [list(row) for plan in plans for row in plan.rows]
    steps = [step for program in programs for step in program.steps]
    first_row = _ptr([len(plan.rows) for plan in plans])
    first_group = _ptr(groups)
    group_move_ptr, group_move = csr([moves for plan in plans for moves in plan.moves])
    row_aspect_ptr, row_aspect = csr(row_aspects)
    lamp_group = [
        group if group < 0 else group + int(first)
        for plan, first in zip(plans, first_group, strict=False)
        for group in plan.lamp_group
    ]
    step_row = [row + int(first) for plan, first in zip(plans, first_row, strict=False) for row in plan.step_row]
    return Signals(
        lamp_ptr=_ptr([len(plan.lamp_group) for plan in plans]),
        lamp_group=np.array(lamp_group, dtype=np.int32),
        lamp_red=np.array([red for plan in plans for red in plan.lamp_red], dtype=np.uint8),
        group_ptr=first_group,
        group_kind=np.array([kind for plan in plans for kind in plan.kind], dtype=np.uint8),
        group_move_ptr=group_move_ptr,
        group_move=group_move,
        group_crossing=np.array([length for plan in plans for length in plan.crossing], dtype=np.float64),
        conflict_ptr=_ptr([n * n for n in groups]),
        conflict=np.array([c for plan in plans for row in plan.conflict for c in row], dtype=np.uint8),
        row_ptr=first_row,
        row_aspect_ptr=row_aspect_ptr,
        row_aspect=row_aspect.astype(np.uint8),
        row_is_stage=np.array([stage for plan in plans for stage in plan.is_stage], dtype=np.bool_),
        step_ptr=_ptr([len(program.steps) for program in programs]),
        step_row=np.array(step_row, dtype=np.int32),
        step_duration=_tenths([step.duration for step in steps]),
        step_min=_tenths([step.shortest for step in steps]),
        step_max=_tenths([step.longest for step in steps]),
        program_id=tuple(program.name for program in programs),
        program_offset=_tenths([program.offset for program in programs]),
    )


def _where(program: Program) -> str:
    return f"{program.where}: tlLogic {program.signal!r}, program {program.name!r}"


def _ptr(counts: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


def _tenths(seconds: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.array([min(to_tenths(value), LONGEST_TENTHS) for value in seconds], dtype=np.int32)


def _check_states(program: Program, links: Sequence[Link], faults: list[str]) -> None:
    where = _where(program)
    if not program.steps:
        faults.append(f"{where} has no phases; add them, or remove the program")
        return
    size = len(program.steps[0].state)
    highest = max(links, key=lambda link: link.lamp)
    for s, step in enumerate(program.steps):
        if len(step.state) != size:
            faults.append(f"{where}, step {s}: state {step.state!r} has another length than step 0; make them equal")
        unknown = sorted(set(step.state) - set(ASPECTS))
        if unknown:
            faults.append(f"{where}, step {s}: state {step.state!r} has unknown characters {unknown}; correct it")
        if step.duration < 0:
            faults.append(f"{where}, step {s}: lasts {step.duration} s; correct the duration")
    if size <= highest.lamp:
        faults.append(
            f"{where}: state strings have {size} characters, but the way {highest.name} has linkIndex {highest.lamp}; "
            "lengthen the states or correct the linkIndex"
        )
    if sum(step.duration for step in program.steps) <= 0:
        faults.append(f"{where}: all steps together last 0 s; correct the durations")


def _groups(program: Program, links: Sequence[Link]) -> tuple[list[int], list[list[int]]]:
    """Group of every lamp (-1 unused) and lamps of every group, groups in the order of their first lamp."""
    kind: dict[int, GroupKind] = {}
    for link in links:
        # A lamp that vehicles and pedestrians share needs a yellow, so it counts as a vehicle lamp.
        kind[link.lamp] = min(link.kind, kind.get(link.lamp, link.kind))
    number: dict[tuple[GroupKind, str], int] = {}
    lamp_group = [-1] * len(program.steps[0].state)
    members: list[list[int]] = []
    for k in sorted(kind):
        key = (kind[k], "".join(step.state[k] for step in program.steps))
        if key not in number:
            number[key] = len(members)
            members.append([])
        lamp_group[k] = number[key]
        members[number[key]].append(k)
    return lamp_group, members


def _reds(program: Program, is_stage: Sequence[bool], step_row: Sequence[int]) -> list[int]:
    """Character of every lamp for red.

    ``s`` where all stages that hold the lamp show it (all steps, where no stage holds it), ``r`` elsewhere: a lamp
    has one character only, and a turn that some stage forbids stays forbidden.
    """
    stages = [step.state for step, row in zip(program.steps, step_row, strict=True) if is_stage[row]]
    every = [step.state for step in program.steps]
    reds = []
    for k in range(len(every[0])):
        held = [{state[k] for state in states if ASPECTS[state[k]] == Aspect.RED} for states in (stages, every)]
        reds.append(ord("s") if (held[0] or held[1]) == {"s"} else ord("r"))
    return reds


def _longest_showing(durations: Sequence[int], step_row: Sequence[int], n_rows: int) -> list[int]:
    """Longest time [tenths] that each row is shown without a break, around the end of the cycle too."""
    longest = [0] * n_rows
    n = len(step_row)
    if n_rows == 1:
        return [sum(durations)]
    start = next(s for s in range(n) if step_row[s] != step_row[s - 1])
    run = 0
    for s in (step % n for step in range(start, start + n)):
        run = durations[s] + (run if step_row[s] == step_row[s - 1] else 0)
        longest[step_row[s]] = max(longest[step_row[s]], run)
    return longest


def _conflicts(
    program: Program,
    links: Sequence[Link],
    lamp_group: Sequence[int],
    n_groups: int,
    foes: Callable[[Link, Link], bool],
    faults: list[str],
) -> list[list[Conflict]]:
    matrix = [[Conflict.NONE] * n_groups for _ in range(n_groups)]
    for a, b in combinations(links, 2):
        if not foes(a, b):
            continue
        relation = Conflict.HARD
        for s, step in enumerate(program.steps):
            pair = (step.state[a.lamp], step.state[b.lamp])
            if min(ASPECTS[c] for c in pair) < Aspect.PERMISSIVE:
                continue
            relation = Conflict.YIELDS
            if pair == ("G", "G") and not _may_share_green(a, b):
                faults.append(
                    f"{_where(program)}, step {s}: conflicting greens: lamp {a.lamp} ({a.name}) and lamp {b.lamp} "
                    f"({b.name}) cross and both show 'G'; let one of them give way ('g') or wait ('r')"
                )
                break
        g, h = lamp_group[a.lamp], lamp_group[b.lamp]
        if g != h and matrix[g][h] != Conflict.HARD:
            matrix[g][h] = matrix[h][g] = relation
    return matrix


def _may_share_green(a: Link, b: Link) -> bool:
    """Whether foes may both have right of way: they merge, or turn left (or right) out of opposite directions.

    Opposite left turns pass in front of each other; where a network's paths touch, it is the drawing's doing.
    """
    opposite = math.cos(a.heading - b.heading) < OPPOSITE and a.turn == b.turn and a.turn in {Turn.LEFT, Turn.RIGHT}
    return a.target == b.target or opposite


def _check_yellow(program: Program, plan: Plan, of_group: Sequence[Sequence[Link]], faults: list[str]) -> None:
    n_steps = len(program.steps)
    for before, after in pairwise([*range(n_steps), 0]):
        old, new = plan.rows[plan.step_row[before]], plan.rows[plan.step_row[after]]
        for g, kind in enumerate(plan.kind):
            lamp = of_group[g][0].lamp
            ends = old[g] >= Aspect.PERMISSIVE and new[g] == Aspect.RED
            if kind != GroupKind.VEHICLE or not ends or program.steps[after].state[lamp] == "s":
                continue
            for h in range(len(plan.kind)):
                begins = old[h] < Aspect.PERMISSIVE <= new[h]
                if begins and plan.conflict[g][h] == Conflict.HARD:
                    faults.append(
                        f"{_where(program)}, step {after}: no yellow: lamp {lamp} ({of_group[g][0].name}) goes from "
                        f"green to red while the conflicting lamp {of_group[h][0].lamp} ({of_group[h][0].name}) goes "
                        "green; put a step with yellow ('y') between them"
                    )
                    return
