"""A small site made by hand, and random traffic on it; shared by tests.

Two crossroads, "west" and "east", 280 m apart on a main road. Right-hand traffic. Roads of the main road have two
lanes (0: straight and right, 1: left), side roads have one lane for all turns::

             w-n                  e-n
              |                    |
    w-w ----west----- 280 m -----east---- e-e
              |                    |
             w-s                  e-s        (a crossing for pedestrians over the arm to e-n)

Stages of "west": main road (left turns permissive), left turns of the main road, side roads.
Stages of "east": main road with the crossing's walk (right turns over it give way), left turns, north arm, south arm.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from citybrain.control.interface import Site
from citybrain.decisions import LampState
from citybrain.network import Network, Turn, csr, derived_tables
from citybrain.signals import Aspect, Conflict, GroupKind, Signals
from citybrain.state import HORIZON, TrafficState
from citybrain.timings import Timings

if TYPE_CHECKING:
    from collections.abc import Sequence

ARMS = "nesw"
TURNS = {1: Turn.LEFT, 2: Turn.STRAIGHT, 3: Turn.RIGHT}
LETTERS = {Turn.LEFT: "L", Turn.STRAIGHT: "S", Turn.RIGHT: "R"}
ASPECTS = {"r": Aspect.RED, "y": Aspect.YELLOW, "g": Aspect.PERMISSIVE, "G": Aspect.PROTECTED}
PROGRAMS: dict[str, tuple[int, list[tuple[str, int]]]] = {
    # Offset, then stages with their greens [tenths]; yellow and all-red follow. "ew:SR=G" gives those arms' turns.
    "west": (0, [("ew:SR=G ew:L=g", 300), ("ew:L=G", 80), ("ns:SR=G ns:L=g", 250)]),
    "east": (170, [("ew:S=G ew:R=g x=G", 250), ("ew:L=G", 80), ("n:SLR=G", 150), ("s:SLR=G", 150)]),
}
YELLOW, ALL_RED = 30, 10
WAYS = 12
"""Movements of a crossroads; what follows in its state strings is for pedestrians."""


@dataclass(frozen=True)
class _Way:
    """A movement before it is numbered."""

    crossroads: str
    arm: int
    turn: Turn
    source: str
    target: str

    @property
    def out(self) -> int:
        """Arm that it leaves by."""
        return (self.arm + {Turn.LEFT: 1, Turn.STRAIGHT: 2, Turn.RIGHT: 3}[self.turn]) % 4

    def meets(self, other: _Way) -> bool:
        """Whether the paths cross or merge: chords of a circle, entering right of the arm and leaving left of it."""
        if self.crossroads != other.crossroads or self.arm == other.arm:
            return False
        a, b = sorted((90 * self.arm - 10, 90 * self.out + 10))
        crosses = (a < 90 * other.arm - 10 < b) != (a < 90 * other.out + 10 < b)
        return crosses or self.target == other.target

    def yields(self, other: _Way) -> bool:
        """Whether it gives way to a foe: left turns to oncoming traffic, side road to main road."""
        if (self.arm - other.arm) % 2:
            return self.arm % 2 == 0
        return self.turn == Turn.LEFT and other.turn != Turn.LEFT


def small_site() -> Site:
    """Make the site; 4 approaches each, 3 and 4 stages, offsets 0 and 17 s."""
    network, ways = _network()
    signals = _signals(network, ways)
    return Site(network, signals, small_timings(signals))


def small_timings(signals: Signals) -> Timings:
    """5 s minimum green (walk 7 s), 3 s yellow, 1 s all-red (8 s after a walk), 2 min maximum red."""
    walker = signals.group_kind == GroupKind.PEDESTRIAN
    blocks = []
    for i in range(signals.n_intersections):
        clear = np.where(walker[signals.group_ptr[i] : signals.group_ptr[i + 1]], 80, YELLOW + ALL_RED)
        blocks.append(np.where(signals.conflicts(i) != Conflict.NONE, clear[:, None], 0).ravel())
    return Timings(
        profile="small",
        min_green=np.where(walker, 70, 50).astype(np.int32),
        yellow=np.where(walker, 0, YELLOW).astype(np.int32),
        max_yellow=np.where(walker, 0, 60).astype(np.int32),
        max_red=np.full(signals.n_groups, 1200, dtype=np.int32),
        intergreen=np.concatenate(blocks).astype(np.int32),
        as_programmed=False,
    )


def empty_state(site: Site, time: int) -> TrafficState:
    """No traffic at a time [tenths], well observed, equal turning shares; ``dataclasses.replace`` what differs."""
    network = site.network
    n_l, n_a = network.n_lanes, network.n_approach_lanes
    leaving = np.diff(network.lane_move_ptr)[network.move_from]
    return TrafficState(
        time=time,
        vehicles=np.zeros(n_l, dtype=np.float32),
        queue=np.zeros(n_l, dtype=np.float32),
        back_of_queue=np.zeros(n_l, dtype=np.float32),
        room=(network.lane_length / 7.5).astype(np.float32),
        flow=np.zeros(n_l, dtype=np.float32),
        occupancy=np.zeros(n_l, dtype=np.float32),
        arrivals=np.zeros((n_a, HORIZON), dtype=np.float32),
        spill=np.zeros(n_a, dtype=np.float32),
        head_wait=np.zeros(n_a, dtype=np.float32),
        blocked=np.zeros(n_a, dtype=np.bool_),
        discharge=np.full(n_a, 2.0, dtype=np.float32),
        turn_share=(1.0 / leaving).astype(np.float32),
        confidence=np.ones(n_l, dtype=np.float32),
        age=np.zeros(n_l, dtype=np.float32),
    )


def random_state(site: Site, rng: np.random.Generator, time: int) -> TrafficState:
    """Any traffic at a time [tenths]: consistent in shape and range, not from one tick to the next."""
    network = site.network
    n_l, n_a = network.n_lanes, network.n_approach_lanes
    space = network.lane_length / 7.5
    queue = rng.random(n_l) * space * (rng.random(n_l) < 0.5)
    vehicles = queue + rng.random(n_l) * (space - queue)
    share = rng.random(network.n_movements) + 0.01
    total = np.bincount(network.move_from, weights=share, minlength=n_l)
    at_line = queue[network.approach_lane]
    return TrafficState(
        time=time,
        vehicles=vehicles.astype(np.float32),
        queue=queue.astype(np.float32),
        back_of_queue=(queue * 7.5).astype(np.float32),
        room=(space - vehicles).astype(np.float32),
        flow=(rng.random(n_l) * 0.5).astype(np.float32),
        occupancy=(vehicles / space).astype(np.float32),
        arrivals=(rng.random((n_a, HORIZON)) * (rng.random((n_a, HORIZON)) < 0.1)).astype(np.float32),
        spill=(rng.random(n_a) * 3 * (rng.random(n_a) < 0.1)).astype(np.float32),
        head_wait=np.where(at_line > 0, rng.random(n_a) * 90, 0).astype(np.float32),
        blocked=(at_line > 0) & (rng.random(n_a) < 0.1),
        discharge=(1.5 + rng.random(n_a)).astype(np.float32),
        turn_share=(share / total[network.move_from]).astype(np.float32),
        confidence=rng.random(n_l).astype(np.float32),
        age=(rng.random(n_l) * 20).astype(np.float32),
    )


def lamps_showing(site: Site, time: int, row: Sequence[int], since: int) -> LampState:
    """Rows [I] that have been fully shown since a time [tenths]."""
    aspect = np.concatenate([site.signals.aspects(r) for r in row])
    return LampState(
        time=time,
        row=np.array(row, dtype=np.int32),
        changing=np.zeros(len(row), dtype=np.bool_),
        since=np.full(len(row), since, dtype=np.int64),
        aspect=aspect,
        aspect_since=np.full(len(aspect), since, dtype=np.int64),
    )


def row_text(signals: Signals, row: int) -> str:
    """State string of a row as a simulator would show it; unused lamps are red."""
    i = int(np.searchsorted(signals.row_ptr, row, side="right")) - 1
    first, aspects = int(signals.group_ptr[i]), signals.aspects(row)
    lamps = range(int(signals.lamp_ptr[i]), int(signals.lamp_ptr[i + 1]))
    groups = [int(signals.lamp_group[k]) for k in lamps]
    return "".join(
        "rygG"[aspects[g - first]] if g >= 0 and aspects[g - first] else chr(signals.lamp_red[k])
        for k, g in zip(lamps, groups, strict=True)
    )


def _roads() -> dict[str, tuple[float, tuple[float, float], tuple[float, float]]]:
    """Roads: name -> (length, begin, end) [m]; "w-n>" comes in from the arm's end, "w-n<" goes out to it."""
    roads = {}
    for crossroads, x in (("west", 0.0), ("east", 300.0)):
        for arm, (dx, dy) in zip(ARMS, ((0, 1), (1, 0), (0, -1), (-1, 0)), strict=True):
            if (crossroads, arm) in {("west", "e"), ("east", "w")}:
                continue
            near, far = (x + 10.0 * dx, 10.0 * dy), (x + 210.0 * dx, 210.0 * dy)
            roads[f"{crossroads[0]}-{arm}>"] = (200.0, far, near)
            roads[f"{crossroads[0]}-{arm}<"] = (200.0, near, far)
    roads["link>"] = (280.0, (10.0, 0.0), (290.0, 0.0))
    roads["link<"] = (280.0, (290.0, 0.0), (10.0, 0.0))
    return roads


def _road(crossroads: str, arm: str, *, inwards: bool) -> str:
    if (crossroads, arm) == ("west", "e"):
        return "link<" if inwards else "link>"
    if (crossroads, arm) == ("east", "w"):
        return "link>" if inwards else "link<"
    return f"{crossroads[0]}-{arm}{'>' if inwards else '<'}"


def _network() -> tuple[Network, list[_Way]]:
    roads = _roads()
    main = {name for name in roads if name[2] in "ewn" and not name.startswith(("w-n", "e-n"))}
    lanes = [f"{name}_{k}" for name in roads for k in range(2 if name in main else 1)]
    edge = np.array([list(roads).index(lane[:-2]) for lane in lanes], dtype=np.int32)
    ways = []
    for crossroads, arm, turn in product(PROGRAMS, range(4), TURNS.values()):
        source = _road(crossroads, ARMS[arm], inwards=True)
        way = _Way(crossroads, arm, turn, "", "")
        target = _road(crossroads, ARMS[way.out], inwards=False)
        from_lane = f"{source}_{int(turn == Turn.LEFT and source in main)}"
        ways.append(_Way(crossroads, arm, turn, from_lane, f"{target}_{int(turn == Turn.LEFT and target in main)}"))
    ways.sort(key=lambda way: (lanes.index(way.source), lanes.index(way.target)))
    move_from = np.array([lanes.index(way.source) for way in ways], dtype=np.int32)
    move_to = np.array([lanes.index(way.target) for way in ways], dtype=np.int32)
    move_intersection = np.array([list(PROGRAMS).index(way.crossroads) for way in ways], dtype=np.int32)
    lamp = [sum(other.crossroads == way.crossroads for other in ways[:m]) for m, way in enumerate(ways)]
    foe_ptr, foe = csr([[n for n, other in enumerate(ways) if way.meets(other)] for way in ways])
    yield_ptr, gives = csr(
        [[n for n, other in enumerate(ways) if way.meets(other) and way.yields(other)] for way in ways]
    )
    network = Network(
        lane_id=tuple(lanes),
        edge_id=tuple(roads),
        intersection_id=tuple(PROGRAMS),
        lane_edge=edge,
        lane_length=np.array([roads[lane[:-2]][0] for lane in lanes]),
        lane_speed=np.full(len(lanes), 13.9),
        lane_general=np.ones(len(lanes), dtype=np.bool_),
        move_from=move_from,
        move_to=move_to,
        move_intersection=move_intersection,
        move_lamp=np.array(lamp, dtype=np.int32),
        move_turn=np.array([way.turn for way in ways], dtype=np.int32),
        move_length=np.array([{Turn.LEFT: 24.0, Turn.STRAIGHT: 20.0, Turn.RIGHT: 12.0}[way.turn] for way in ways]),
        move_foe_ptr=foe_ptr,
        move_foe=foe,
        move_yield_ptr=yield_ptr,
        move_yield=gives,
        lane_shape_ptr=np.arange(0, 2 * len(lanes) + 1, 2, dtype=np.int32),
        lane_shape=np.array([point for lane in lanes for point in roads[lane[:-2]][1:]]),
        **derived_tables(len(lanes), move_from, move_to, move_intersection, len(PROGRAMS)),
    )
    return network, ways


def _state(stage: str, ways: Sequence[_Way]) -> str:
    """State string of a stage such as ``"ew:SR=G ew:L=g"`` for the ways of one crossroads; a crossing comes last."""
    shown = {}
    for term in stage.split():
        who, char = term.split("=")
        arms, _, turns = who.partition(":")
        shown.update(dict.fromkeys(product(arms, turns or [""]), char))
    text = "".join(shown.get((ARMS[way.arm], LETTERS[way.turn]), "r") for way in ways)
    return text + shown.get(("x", ""), "r") * (ways[0].crossroads == "east")


def _steps(stages: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Put yellow and all-red between stages; who goes on stays green; a walk ends in red and has 8 s to clear."""

    def ending(lamp: int, old: str, new: str) -> str:
        if old == "r" or new != "r":
            return old
        return "y" if lamp < WAYS else "r"

    steps = []
    for (old, green), (new, _) in zip(stages, [*stages[1:], stages[0]], strict=True):
        yellow = "".join(map(ending, range(len(old)), old, new))
        walk_ends = len(old) > WAYS and old[-1] == "G"
        steps += [(old, green), (yellow, YELLOW), (yellow.replace("y", "r"), 50 if walk_ends else ALL_RED)]
    return steps


class _Local(NamedTuple):
    """Tables of one crossroads, numbers local."""

    lamp_group: list[int]
    kind: list[GroupKind]
    moves: list[list[int]]
    rows: list[list[int]]
    is_stage: list[bool]
    step_row: list[int]
    duration: list[int]
    conflict: list[Conflict]


def _crossroads(
    network: Network, ways: Sequence[_Way], mine: Sequence[int], stages: Sequence[tuple[str, int]]
) -> _Local:
    steps = _steps(stages)
    states = list(dict.fromkeys(state for state, _ in steps))
    columns = list(zip(*(state for state, _ in steps), strict=True))
    kinds = [GroupKind.VEHICLE] * len(mine) + [GroupKind.PEDESTRIAN] * (len(columns) - len(mine))
    lamps = list(zip(kinds, columns, strict=True))
    groups = list(dict.fromkeys(lamps))
    lamp_group = [groups.index(lamp) for lamp in lamps]
    moves = [[mine[k] for k in range(len(mine)) if lamp_group[k] == g] for g in range(len(groups))]
    rows = [[int(ASPECTS[state[lamp_group.index(g)]]) for g in range(len(groups))] for state in states]
    return _Local(
        lamp_group=lamp_group,
        kind=[kind for kind, _ in groups],
        moves=moves,
        rows=rows,
        is_stage=[state in {state for state, _ in steps[::3]} for state in states],
        step_row=[states.index(state) for state, _ in steps],
        duration=[duration for _, duration in steps],
        conflict=_conflicts(network, ways, moves, rows),
    )


def _conflicts(
    network: Network, ways: Sequence[_Way], moves: Sequence[Sequence[int]], rows: Sequence[Sequence[int]]
) -> list[Conflict]:
    """Matrix of one crossroads, flat. The crossing (a group without movements) lies over the northern arm."""

    def meet(one: Sequence[int], other: Sequence[int]) -> bool:
        if not one or not other:
            return any(ways[m].arm == 0 or ways[m].out == 0 for m in [*one, *other])
        foes = [set(network.move_foe[network.move_foe_ptr[m] : network.move_foe_ptr[m + 1]].tolist()) for m in one]
        return any(foe & set(other) for foe in foes)

    flat = []
    for g, h in product(range(len(moves)), repeat=2):
        together = any(min(row[g], row[h]) >= Aspect.PERMISSIVE for row in rows)
        relation = Conflict.YIELDS if together else Conflict.HARD
        flat.append(relation if g != h and meet(moves[g], moves[h]) else Conflict.NONE)
    return flat


def _signals(network: Network, ways: Sequence[_Way]) -> Signals:
    parts = []
    for i, (_, stages) in enumerate(PROGRAMS.values()):
        mine = [m for m in range(len(ways)) if network.move_intersection[m] == i]
        texts = [(_state(text, [ways[m] for m in mine]), green) for text, green in stages]
        parts.append(_crossroads(network, ways, mine, texts))
    ptr = {
        name: np.cumsum([0, *counts]).astype(np.int32)
        for name, counts in {
            "lamp": [len(part.lamp_group) for part in parts],
            "group": [len(part.kind) for part in parts],
            "conflict": [len(part.conflict) for part in parts],
            "row": [len(part.rows) for part in parts],
            "step": [len(part.step_row) for part in parts],
        }.items()
    }
    group_move_ptr, group_move = csr([moves for part in parts for moves in part.moves])
    row_aspect_ptr, row_aspect = csr([row for part in parts for row in part.rows])
    kind = np.array([kind for part in parts for kind in part.kind], dtype=np.uint8)
    duration = np.array([tenths for part in parts for tenths in part.duration], dtype=np.int32)
    return Signals(
        lamp_ptr=ptr["lamp"],
        lamp_group=np.concatenate([part.lamp_group + ptr["group"][i] for i, part in enumerate(parts)]).astype(np.int32),
        lamp_red=np.full(ptr["lamp"][-1], ord("r"), dtype=np.uint8),
        group_ptr=ptr["group"],
        group_kind=kind,
        group_move_ptr=group_move_ptr,
        group_move=group_move,
        group_crossing=np.where(kind == GroupKind.PEDESTRIAN, 7.0, 0.0),
        conflict_ptr=ptr["conflict"],
        conflict=np.array([relation for part in parts for relation in part.conflict], dtype=np.uint8),
        row_ptr=ptr["row"],
        row_aspect_ptr=row_aspect_ptr,
        row_aspect=row_aspect.astype(np.uint8),
        row_is_stage=np.array([stage for part in parts for stage in part.is_stage], dtype=np.bool_),
        step_ptr=ptr["step"],
        step_row=np.concatenate([part.step_row + ptr["row"][i] for i, part in enumerate(parts)]).astype(np.int32),
        step_duration=duration,
        step_min=duration,
        step_max=duration,
        program_id=("day",) * len(parts),
        program_offset=np.array([offset for offset, _ in PROGRAMS.values()], dtype=np.int32),
    )
