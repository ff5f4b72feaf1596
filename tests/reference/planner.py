"""The planner's search, written to be read: plain Python numbers, every history tried."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from citybrain_kernels.planner_tables import BENT_COST, PRESSING_COST, Weights


@dataclass(frozen=True)
class Queue:
    """One queue at the stop line."""

    left: float
    wait: float
    age: float
    open_share: float = 1.0
    sent: float = 0.0


@dataclass(frozen=True)
class Lane:
    """What is expected of one queue: saturation flow, room beyond, arrivals per second, weight of a vehicle."""

    rate: float
    room: float
    relief: float
    arrivals: tuple[float, ...]
    worth: float = 1.0


@dataclass(frozen=True)
class Junction:
    """One intersection. ``serve[stage][lane]`` = (protected, permissive, lanes to give way to)."""

    lanes: tuple[Lane, ...]
    serve: tuple[tuple[tuple[float, float, tuple[int, ...]], ...], ...]
    change: tuple[tuple[int, ...], ...]
    keep: tuple[tuple[int, ...], ...]
    weights: Weights
    horizon: int
    slow: tuple[int, ...] = ()
    reds: tuple[Red, ...] = ()


@dataclass(frozen=True)
class Red:
    """A group that is red: until when the guard waits, its own choice of stage, and the stages that serve the group."""

    last: int
    choice: int
    served_by: tuple[int, ...]


@dataclass(frozen=True)
class History:
    """A node of the search and how it came about: (second, stage) of every change."""

    second: int
    stage: int
    switched: bool
    cost: float
    queues: tuple[Queue, ...]
    changes: tuple[tuple[int, int], ...] = ()
    red: tuple[Red, ...] = ()


def gap_chance(j: Junction, foes: tuple[int, ...], h: int, begin: int, before: tuple[Queue, ...]) -> float:
    """Share of saturation that giving way leaves: standing foes first, then Poisson gaps."""
    w = j.weights
    pressing = 0.0
    for foe in foes:
        standing = before[foe].left
        if standing > 0.5 and h < begin + w.start_loss + standing / max(j.lanes[foe].rate, 0.02):
            return w.sneak
        pressing += sum(j.lanes[foe].arrivals[h : h + w.gap])
    return max(w.sneak, math.exp(-pressing))


def second_of(j: Junction, k: int, q: Queue, h: int, shown: int | None, begin: int, before: tuple[Queue, ...]) -> Queue:
    """One second of one queue; ``shown`` is the stage whose green it has, None at red."""
    lane, w = j.lanes[k], j.weights
    arriving = lane.arrivals[h]
    if shown is None:
        return replace(q, left=q.left + arriving, age=0.0, open_share=1.0)
    protected, permissive, foes = j.serve[shown][k]
    green = protected + permissive
    if q.left + arriving <= 0.0:
        return replace(q, age=q.age + 1.0)
    factor = q.open_share
    if permissive > 0.0:
        factor *= (protected + permissive * gap_chance(j, foes, h, begin, before)) / green
    if q.left <= 0.01:
        out = min(arriving, 1.0) * green * factor
    elif q.age < w.start_loss:
        out = 0.0
    else:
        out = min(q.left + arriving, lane.rate * factor)
    out = min(out, max(0.0, lane.room + lane.relief * h - q.sent))
    return Queue(
        left=max(0.0, q.left + arriving - out),
        wait=0.0 if out > 0.0 else q.wait,
        age=q.age + 1.0,
        open_share=q.open_share * green**out if out > 0.0 and green < 0.99 else q.open_share,
        sent=q.sent + out,
    )


def go(j: Junction, node: History, target: int, begin: int, end: int) -> History:
    """Show an interstage until ``begin`` and then ``target`` until ``end``."""
    queues, cost = [], node.cost
    for k, queue in enumerate(node.queues):
        went, goes = sum(j.serve[node.stage][k][:2]) > 0, sum(j.serve[target][k][:2]) > 0
        q = queue
        for h in range(node.second, end):
            if h >= begin:
                shown = target if goes else None
                foes_from = begin
            else:
                still = (went and goes) or (went and h < node.second + j.weights.yellow_use)
                shown = node.stage if still else None
                foes_from = node.second
            q = second_of(j, k, q, h, shown, foes_from, node.queues)
            if q.left > 0.01:
                q = replace(q, wait=q.wait + 1.0)
                cost += j.lanes[k].worth * q.left * (1.0 + max(0.0, q.wait - j.weights.patience) / j.weights.patience)
            else:
                q = replace(q, wait=0.0)
        queues.append(q)
    changed = target != node.stage
    return History(
        end,
        target,
        node.switched or changed,
        cost,
        tuple(queues),
        node.changes + (((node.second, target),) if changed else ()),
        tuple(red for red in node.red if target not in red.served_by),
    )


def would_bend(node: History, target: int, until: int) -> bool:
    """Whether a red would last longer than the guard lets it, were nothing else begun before ``until``."""
    return any(red.last < until for red in node.red if target not in red.served_by)


def forced(j: Junction, node: History, hold: tuple[int, ...]) -> list[History]:
    """What the guard makes of it where it bends everything else."""
    if not node.red:
        return []
    target = min(node.red, key=lambda red: red.last).choice
    if not node.switched and node.second < hold[target]:
        child = go(j, node, node.stage, node.second, min(node.second + j.weights.step, j.horizon))
    else:
        child = change_to(j, node, target)
    return [replace(child, cost=child.cost + BENT_COST)]


def change_to(j: Junction, node: History, target: int) -> History:
    """Change to another stage and keep it."""
    change, least = j.change[node.stage][target], j.keep[node.stage][target]
    end = node.second + math.ceil((change + least) / j.weights.step) * j.weights.step
    return go(j, node, target, min(node.second + change, j.horizon), min(end, j.horizon))


def children(j: Junction, node: History, hold: tuple[int, ...]) -> list[History]:
    """Every lawful next decision: hold for a step, or change and keep the new stage."""
    after = min(node.second + j.weights.step, j.horizon)
    out = [] if would_bend(node, node.stage, after - 1) else [go(j, node, node.stage, node.second, after)]
    for target in range(len(j.serve)):
        if target == node.stage or (not node.switched and node.second < hold[target]):
            continue
        change, least = j.change[node.stage][target], j.keep[node.stage][target]
        served = [k for k in range(len(j.lanes)) if sum(j.serve[target][k][:2]) > 0]
        until = node.second + change + least
        wanted = any(node.queues[k].left > 0.01 or sum(j.lanes[k].arrivals[node.second : until]) > 0.05 for k in served)
        pressing = any(target in red.served_by for red in node.red)
        child = change_to(j, node, target)
        if (wanted or pressing) and not would_bend(
            node, target, max(child.second - 1, node.second + (j.slow[target] if j.slow else 0))
        ):
            out.append(child)
    return out or forced(j, node, hold)


def score(j: Junction, node: History) -> float:
    """Cost so far and what serving the rest will cost."""
    w, total = j.weights, 0.0
    for k, q in enumerate(node.queues):
        if q.left > 0.01:
            each = 0.5 * q.left / max(j.lanes[k].rate, 0.05)
            if sum(j.serve[node.stage][k][:2]) <= 0.0:
                each += w.tail_red
            total += j.lanes[k].worth * q.left * each * (1.0 + max(0.0, q.wait - w.patience) / w.patience)
    return node.cost + w.tail * total + PRESSING_COST * len(node.red)


def all_plans(j: Junction, stage: int, queues: tuple[Queue, ...], hold: tuple[int, ...]) -> list[tuple[float, History]]:
    """Score of every history up to the horizon."""
    finished = []
    pressing = tuple(red for red in j.reds if red.last < j.horizon)
    open_nodes = [History(0, stage, False, 0.0, queues, red=pressing)]
    while open_nodes:
        node = open_nodes.pop()
        if node.second >= j.horizon:
            finished.append((score(j, node), node))
        else:
            open_nodes.extend(children(j, node, hold))
    return finished
