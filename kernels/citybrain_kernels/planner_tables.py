"""Tables that the planner's kernels share: what an intersection is, what is expected of it, and scratch.

Index letters: i intersections, l queues of an intersection (lanes, then pedestrian groups), N queues of all,
S stages of all, V pairs (stage, queue), a stop-line lanes, m movements, g signal groups, h seconds from now.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
BYTES = NDArray[np.uint8]
BOOLS = NDArray[np.bool_]

# Columns of Nodes.queues
LEFT, WAIT, AGE, OPEN, SENT = 0, 1, 2, 3, 4
# Columns of Nodes.place and Nodes.value
STAGE, SINCE, PARENT = 0, 1, 2
COST, SCORE = 0, 1
# Columns of Outlook.queue and Outlook.serve
QUEUED, WAITED, RATE, ROOM, RELIEF, GREEN_AGE, WORTH = 0, 1, 2, 3, 4, 5, 6
PROTECTED, PERMISSIVE = 0, 1

NOT_RED = 2**30
"""Stands for the last second of a group that is not red."""
MOST_REDS = 63
"""Groups of an intersection whose longest red is planned with: one bit each."""
BENT_COST = 1000.0
"""Cost of a course that the guard will bend [veh s]: any other one is better."""
PRESSING_COST = 30.0
"""Score of a red that must end within the horizon and is not served yet [veh s].

Several of them take longer to serve than the last moment leaves; this keeps courses in the beam that begin early.
"""


class Layout(NamedTuple):
    """What does not change during a run.

    queue_ptr [I + 1]; stage_ptr [I + 1]; row_ptr [I + 1] rows of each intersection (global row numbers);
    stage_row [S] global row of a stage; change_ptr [I + 1] and change: seconds from any row of the intersection
    (row-major [rows, P]) to the beginning of a stage's greens; keep, likewise: seconds that the stage is then kept,
    for the minimum greens of what began and the clearance of what ended;
    serve_ptr [I + 1] start of the pairs (stage-major [P, L]); foe_ptr [V + 1], foe_queue: queues (local numbers) to
    which a permissive service gives way.
    slow [S] seconds that the guard sets aside for a change to a stage and its minimum greens, whatever was shown;
    red_ptr [I + 1], red_group [D] groups with a longest red that some stage serves; red_limit [D] tenths of red after
    which the guard would change to such a stage by itself; red_stage [D] the stage that it would take (local);
    red_serve_ptr [I + 1], red_serve: whether a stage serves such a group (stage-major [P, D of the intersection]).
    """

    queue_ptr: I32
    stage_ptr: I32
    row_ptr: I32
    stage_row: I32
    change_ptr: I32
    change: I32
    keep: I32
    serve_ptr: I32
    foe_ptr: I32
    foe_queue: I32
    slow: I32
    red_ptr: I32
    red_group: I32
    red_limit: I32
    red_stage: I32
    red_serve_ptr: I32
    red_serve: BOOLS


class Wiring(NamedTuple):
    """How lanes, movements and signal groups hang together with queues and stages; does not change during a run.

    lane_queue [A] queue of a stop-line lane; approach_lane [A] the lane; leave_ptr [A + 1], leave_move: movements
    that leave it; move_to [M] lane on which a movement arrives; walk_queue, walk_group [W] pedestrian queues and
    their groups; green_queue, green_group: pairs of a queue and a group that lets it go; serve_pair, serve_move,
    serve_right: a pair (stage, queue) [V], a movement that goes in it, and whether with right of way; walk_pair:
    pairs of pedestrian queues that go; ending_ptr [S + 1], ending_group: groups of the intersection that are not
    green in a stage; begin_ptr [S + 1], begin_group: those that are; group_ptr [I + 1]; pair_ptr [I + 1] and
    intergreen: matrices of the intersections' groups, as in ``citybrain.timings.Timings``; min_green, yellow [G]
    tenths; row_is_stage [R]; storage [A] vehicles that stand on a stop-line lane when it is full, 0 where its
    roads lead in from the edge of the network.
    """

    lane_queue: I32
    approach_lane: I32
    leave_ptr: I32
    leave_move: I32
    move_to: I32
    walk_queue: I32
    walk_group: I32
    green_queue: I32
    green_group: I32
    serve_pair: I32
    serve_move: I32
    serve_right: BOOLS
    walk_pair: I32
    ending_ptr: I32
    ending_group: I32
    begin_ptr: I32
    begin_group: I32
    group_ptr: I32
    pair_ptr: I32
    intergreen: I32
    min_green: I32
    yellow: I32
    row_is_stage: BOOLS
    storage: F32


class Belief(NamedTuple):
    """What the estimator believes, as far as the planner asks; arrays as in ``citybrain.state.TrafficState``."""

    queue: F32
    spill: F32
    head_wait: F32
    discharge: F32
    blocked: BOOLS
    room: F32
    flow: F32
    turn_share: F32
    arrivals: F32


class Shown(NamedTuple):
    """What the signals show; arrays as in ``citybrain.decisions.LampState``."""

    row: I32
    changing: BOOLS
    aspect: BYTES
    aspect_since: I64


class Sight(NamedTuple):
    """Parameters of the outlook; the same on every map.

    blocked_rate: share of saturation that a blocked lane is credited with; minor_share: movements with a smaller
    share of their lane do not hold it when the road beyond is full; standing: queue from which on the road beyond
    counts as standing [veh]; walk_arrivals: pedestrians expected where nobody counts them [1/s]; walk_rate:
    pedestrians who step off together [1/s]; walk_patience: longest wait credited to pedestrians [s]; known: seconds
    for which the foretold arrivals are taken as they are; filled: share of a stop-line lane that queues have
    taken of late when its intersection begins to be pressed; settle: seconds that "of late" is; inside: what a waiting
    vehicle weighs beyond 1 at a pressed intersection where its queue fills all the room.
    """

    blocked_rate: float
    minor_share: float
    standing: float
    walk_arrivals: float
    walk_rate: float
    walk_patience: float
    known: int
    filled: float
    settle: float
    inside: float


class Outlook(NamedTuple):
    """What is expected at one tick.

    queue [N, 7]: vehicles queued, seconds that the first one has waited, saturation flow [veh/s] (small where
    blocked), vehicles that the roads beyond can take now, rate at which that room comes back [veh/s], seconds that
    the queue has been green (0 at red), what a waiting vehicle weighs. arrivals [N, H]: vehicles in second h.
    serve [V, 2]: share of the queue's vehicles that may go in the stage with right of way, and giving way.
    red_last [D] last second at which the guard would still wait for a change that serves the group; ``NOT_RED``
    where it is not red.
    """

    queue: F32
    arrivals: F32
    serve: F32
    red_last: I32


class Weights(NamedTuple):
    """Parameters of the model and of the cost; the same on every map.

    patience: a queue's weight grows from here on with its first vehicle's wait [s];
    start_loss: start-up loss [s]; yellow_use: seconds of yellow that still discharge [s];
    tail: factor on the cost of what is left at the horizon; tail_red: extra wait of what is left at red [s];
    gap: seconds of clear foe traffic that a permissive vehicle needs; sneak: permissive rate against a standing foe
    queue, share of saturation; step: seconds between decisions inside the search.
    """

    patience: float
    start_loss: float
    yellow_use: int
    tail: float
    tail_red: float
    gap: int
    sneak: float
    step: int


class Pace(NamedTuple):
    """When an intersection searches anew; the same on every map.

    oldest: seconds after which it does so in any case; heed: seconds ahead of which arrivals are compared with what was
    expected; news: vehicles more or fewer than expected of one queue that are reason enough; rate: change of a queue's
    saturation flow that is reason enough, share of what it was.
    """

    oldest: int
    heed: int
    news: float
    rate: float


class Nodes(NamedTuple):
    """Scratch for one intersection per thread w: B nodes for each of the seconds 0 to H, and a spare row for the child.

    filled [W, H + 2] nodes in use; place [W, H + 2, B, 3]: stage (local, -1 for a row that is no stage), second its
    greens began (negative: before now), parent (second * B + b, -1 at the root); value [W, H + 2, B, 2]: cost so far
    and score (cost plus tail) [veh s]; queues [W, H + 2, B, Lmax, 5]: vehicles left, wait of the first [s], seconds of
    green, chance that no vehicle whose movement is red bars the lane yet, vehicles sent off since now; served
    [W, H + 2, B] bit d: red group d of the intersection was not red at some time from now on. sums [W, Lmax, 3, H + 2]:
    arrivals before second h, the sum of those before second h, and (first cell) the most in any second. chance
    [W, Pmax * Lmax, H]: chance of a gap for each pair of the intersection. row, start [W, K]: a plan that is not kept.
    """

    filled: I32
    place: I32
    value: F32
    queues: F32
    served: I64
    sums: F64
    chance: F64
    row: I32
    start: I32


def make_nodes(horizon: int, beam: int, queues: int, stages: int, length: int, threads: int = 1) -> Nodes:
    """Allocate scratch for intersections with up to ``queues`` queues and ``stages`` stages, plans of ``length``."""
    return Nodes(
        filled=np.zeros((threads, horizon + 2), np.int32),
        place=np.zeros((threads, horizon + 2, beam, 3), np.int32),
        value=np.zeros((threads, horizon + 2, beam, 2), np.float32),
        queues=np.zeros((threads, horizon + 2, beam, queues, 5), np.float32),
        served=np.zeros((threads, horizon + 2, beam), np.int64),
        sums=np.zeros((threads, queues, 3, horizon + 2), np.float64),
        chance=np.zeros((threads, queues * stages, horizon), np.float64),
        row=np.zeros((threads, length), np.int32),
        start=np.zeros((threads, length), np.int32),
    )


def make_outlook(queues: int, horizon: int, pairs: int, reds: int) -> Outlook:
    """Allocate an outlook for N queues, H seconds, V pairs and D groups with a longest red."""
    return Outlook(
        queue=np.zeros((queues, 7), np.float32),
        arrivals=np.zeros((queues, horizon), np.float32),
        serve=np.zeros((pairs, 2), np.float32),
        red_last=np.full(reds, NOT_RED, np.int32),
    )
