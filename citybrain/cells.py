"""Cuts lanes into cells, finds what lies upstream of stop lines, and sets sensors into them: the estimator's tables.

May import network, signals, observations and the kernels' table types.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from citybrain.counters import trust_counters
from citybrain.network import Turn, csr
from citybrain.observations import SensorKind
from citybrain.state import HORIZON
from citybrain.units import JAM_SPACING
from citybrain_kernels.assimilation import MEMORY, Cameras, Loops
from citybrain_kernels.estimation import Upstream
from citybrain_kernels.lanes import Belief, Layout
from citybrain_kernels.movements import Discharge

if TYPE_CHECKING:
    from citybrain.network import Network
    from citybrain.observations import SensorTable
    from citybrain.signals import Signals
    from citybrain_kernels.counts import Counters

FloatArray = NDArray[np.float64]

HEADWAY_SPEED = (8.33, 11.1, 13.9, 16.7, 19.4)
HEADWAY = (2.51, 2.13, 1.95, 1.83, 1.76)
"""Saturation headways [s] at speed limits [m/s] of one lane in SUMO 1.28 with its default driver."""
USUAL_START_LOSS = 1.0
"""Start-up loss before any was measured [s]: half of the Highway Capacity Manual's, since the first front stands at the
line and only has to cross it."""
USUAL_FEELS = 0.9
"""Share of standing vehicles that a stop loop feels, before any was seen: that is what it is there for, but two in a
row that it did not feel make it one not to rely on."""
FIRST_DEMAND = 0.03
"""Flow of an entry lane before anything is known [veh/s]."""
USUAL_TURN = {Turn.STRAIGHT: 0.6, Turn.LEFT: 0.2, Turn.RIGHT: 0.2, Turn.UTURN: 0.01}
"""How drivers turn where nothing is known: round figures, three of five straight on and hardly anybody back."""
MIXING_LENGTH = 100.0
"""On roads shorter than this fewer drivers change lanes [m]."""
MOST_PLACES = 48
"""Upstream places that are followed per stop-line lane."""
LEAST_SHARE = 0.02
"""Upstream places from which less than this share comes are left out."""
LONG_AGO = -1e9


def make_layout(network: Network, signals: Signals) -> Layout:
    """Build the cell table of a street without sensors. One cell behind the real ones: the junction upstream."""
    length, speed = network.lane_length, np.maximum(network.lane_speed, JAM_SPACING)
    through = np.zeros(network.n_lanes)
    feeds = np.diff(network.lane_feed_ptr)
    np.add.at(through, network.move_to, network.move_length)
    through = through / np.maximum(feeds, 1)
    cells = np.maximum(1, np.round((length + through) / speed).astype(np.int32) - 1)
    cell_length = length / cells
    road_first = np.searchsorted(network.lane_edge, network.lane_edge, side="left").astype(np.int32)
    road_last = np.searchsorted(network.lane_edge, network.lane_edge, side="right").astype(np.int32)
    leads_on = _leads_on(network)
    fed = [network.lane_feed[a:b] for a, b in pairwise(network.lane_feed_ptr.tolist())]
    feed_ptr, feed = csr([moves[leads_on[moves]].tolist() for moves in fed])
    group = np.full(network.n_movements, -1, dtype=np.int32)
    group[signals.group_move] = np.repeat(np.arange(signals.n_groups), np.diff(signals.group_move_ptr))
    cell_ptr = np.concatenate(([0], np.cumsum(cells + 1))).astype(np.int32)
    headway = np.interp(network.lane_speed, HEADWAY_SPEED, HEADWAY)
    capacity_content = 1.0 / headway
    storage = np.maximum(cell_length / JAM_SPACING, 1.0)
    wave = np.clip(capacity_content / np.maximum(storage - capacity_content, 0.1), 0.1, 1.0)
    return Layout(
        cell_ptr=cell_ptr,
        cell_length=cell_length,
        storage=storage,
        wave=wave,
        road_first=road_first,
        road_last=road_last,
        mixing=np.zeros(network.n_lanes),
        move_ptr=network.lane_move_ptr,
        move_to=network.move_to,
        move_group=group,
        feed_ptr=feed_ptr,
        feed=feed,
        yield_ptr=network.move_yield_ptr,
        yield_to=network.move_yield,
        move_from=network.move_from,
        stop_loop=np.zeros(network.n_lanes, dtype=np.bool_),
        gate=np.zeros(network.n_lanes, dtype=np.int32),
        edge=np.full(network.n_lanes, -1, dtype=np.int32),
        leads_on=leads_on,
        entry=np.diff(feed_ptr) == 0,
        sensed=np.zeros(network.n_lanes, dtype=np.bool_),
    )


def _leads_on(network: Network) -> NDArray[np.bool_]:
    """Movements [M] but for turning round at dead ends: roads that nothing else leads away from, without a signal.

    Networks made from maps have such turns wherever a street was cut off; there vehicles come and go.
    """
    turns_round = (network.move_turn == Turn.UTURN) & (network.move_intersection < 0)
    road = network.lane_edge[network.move_from]
    other_ways = np.bincount(road, weights=~turns_round, minlength=len(network.edge_id))
    staying: NDArray[np.bool_] = ~(turns_round & (other_ways[road] == 0))
    return staying


def _mixing(network: Network, sensed: NDArray[np.bool_], road_first: NDArray[np.int32]) -> FloatArray:
    """Share of a road's inflow that lane changes spread: none where a general lane of the road has no sensor."""
    able = network.lane_general.astype(np.int64)
    lanes = np.bincount(road_first, weights=able, minlength=network.n_lanes)[road_first]
    with_sensor = np.bincount(road_first, weights=able * sensed, minlength=network.n_lanes)[road_first]
    spread = network.lane_general & (lanes > 1) & (with_sensor == lanes)
    return np.where(spread, 0.8 * np.minimum(1.0, network.lane_length / MIXING_LENGTH), 0.0)


def trust_sensors(
    network: Network,
    sensors: SensorTable,
    trust: FloatArray,
    sight: FloatArray,
    layout: Layout,
    loops: Loops,
    cameras: Cameras,
    counters: Counters,
) -> FloatArray:
    """Set the sensors that are trusted into the lanes, as if there were no others; tables are written in place.

    Parameters
    ----------
    trust : [X] 0 (the sensor counts as absent) to 1.
    sight : [rows of ``cover_lane``] the same for each lane of a camera; both are multiplied.

    Returns
    -------
    sureness : [L] confidence under fresh evidence: what each kind of sensor leaves unknown, multiplied.
    """
    n_l = network.n_lanes
    stop_trust, gate_trust, sight_trust = np.zeros(n_l), np.zeros(n_l), np.zeros(n_l)
    cells = np.diff(layout.cell_ptr) - 1
    loops.lane[:], layout.gate[:], layout.edge[:] = -1, 0, -1

    stop = _first_of_lane(sensors, SensorKind.STOP_LOOP, trust, sensors.distance)
    loops.lane[stop] = sensors.lane[stop]
    stop_trust[sensors.lane[stop]] = trust[stop]
    layout.stop_loop[:] = stop_trust > 0

    for kind in (SensorKind.ADVANCE_LOOP, SensorKind.EXIT_LOOP):
        loop = _first_of_lane(sensors, kind, trust, -sensors.distance)
        loop = loop[gate_trust[sensors.lane[loop]] == 0]
        lane = sensors.lane[loop]
        loops.lane[loop] = lane
        gate_trust[lane] = trust[loop]
        layout.gate[lane] = np.clip(np.round(sensors.distance[loop] / layout.cell_length[lane]), 1, cells[lane])

    believed = np.where(sensors.kind == SensorKind.CAMERA, trust, 0.0)
    cameras.trust[:] = rows = np.repeat(believed, np.diff(sensors.cover_ptr)) * sight
    np.maximum.at(sight_trust, sensors.cover_lane, rows)
    layout.edge[:] = layout.gate - 1
    np.maximum.at(layout.edge, sensors.cover_lane[rows > 0], cameras.cover_cells[rows > 0] - 1)
    layout.sensed[:] = layout.stop_loop | (layout.gate > 0) | ((sight_trust > 0) & (network.lane_approach >= 0))
    count_sureness = trust_counters(sensors, trust, layout.sensed, counters)
    layout.sensed[counters.home[counters.lane >= 0]] = True
    layout.mixing[:] = _mixing(network, layout.sensed, layout.road_first)
    doubt = (1.0 - 0.5 * stop_trust) * (1.0 - 0.5 * gate_trust) * (1.0 - sight_trust + 0.2 * sight_trust)
    doubt *= 1.0 - count_sureness
    return np.maximum(1.0 - doubt, 0.1)


def forget_loops(layout: Layout, belief: Belief) -> None:
    """Let go of what loops said of their presence where there are none any more."""
    belief.head_free[~layout.stop_loop] = -1.0
    belief.covered[layout.gate == 0] = -1.0
    belief.gate_free[layout.gate == 0] = -1.0
    belief.missed[~layout.stop_loop & (layout.gate == 0)] = np.inf
    belief.over[(layout.edge < 0) & ~layout.sensed] = 0.0


def _first_of_lane(sensors: SensorTable, kind: SensorKind, trust: FloatArray, rank: FloatArray) -> NDArray[np.intp]:
    """Per lane the trusted loop of a kind that comes first by ``rank``; the first of the table among equals."""
    loops = np.flatnonzero((sensors.kind == kind) & (trust > 0))
    loops = loops[np.argsort(rank[loops], kind="stable")]
    return loops[np.unique(sensors.lane[loops], return_index=True)[1]]


def make_belief(network: Network, layout: Layout) -> Belief:
    """Nothing on the street, shares equal over the movements of a lane, headways by speed limit."""
    n_l, n_m, n_c = network.n_lanes, network.n_movements, int(layout.cell_ptr[-1])
    share = _usual_shares(network)
    return Belief(
        content=np.zeros(n_c),
        pace=np.ones(n_c),
        standing=np.zeros(n_c),
        credit=np.ones(n_l),
        headway=np.interp(network.lane_speed, HEADWAY_SPEED, HEADWAY),
        headway_seen=np.zeros(n_l),
        headway_time=np.full(n_l, LONG_AGO),
        start_loss=np.full(n_l, USUAL_START_LOSS),
        waiting=np.zeros(n_l),
        share=share.copy(),
        turn_seen=np.zeros(n_m),
        turn_time=np.full(n_l, LONG_AGO),
        usual_share=share,
        open=np.zeros(n_m),
        green_from=np.full(n_l, LONG_AGO),
        green_to=np.full(n_l, LONG_AGO + 1),
        flux=np.zeros(n_m),
        outflow=np.zeros(n_l),
        inflow=np.zeros(n_l),
        debt=np.zeros(n_l),
        departures=np.zeros(n_l),
        crossings=np.zeros(n_l),
        covered=np.full(n_l, -1.0),
        gate_free=np.full(n_l, -1.0),
        head_free=np.full(n_l, -1.0),
        feels=np.full(n_l, USUAL_FEELS),
        head_stood=np.zeros(n_l),
        green_age=np.full(n_l, -1.0),
        head_seen=np.full(n_l, LONG_AGO),
        last_departure=np.full(n_l, LONG_AGO),
        spoken=np.zeros(n_l),
        missed=np.full(n_l, np.inf),
        demand=np.where(layout.entry | layout.sensed, FIRST_DEMAND, -1.0),
        use=np.full(n_l, FIRST_DEMAND),
        leave=np.full(n_l, FIRST_DEMAND),
        over=np.zeros(n_l),
        beyond_gap=np.zeros(n_l),
        passed=np.zeros(n_l),
        unsure=np.zeros(n_l),
        part=np.zeros(n_l),
        stream=np.full(n_m, FIRST_DEMAND / 4),
        asked=np.zeros(n_l),
        sent=np.zeros(n_l),
    )


def _usual_shares(network: Network) -> FloatArray:
    """Share out [M] by direction alone; a road that several movements of a lane lead to counts once."""
    weight = np.array([USUAL_TURN[Turn(turn)] for turn in network.move_turn.tolist()])
    road = network.lane_edge[network.move_to].astype(np.int64)
    pair = network.move_from * (int(road.max(initial=0)) + 1) + road
    _, which, count = np.unique(pair, return_inverse=True, return_counts=True)
    weight = weight / count[which]
    total = np.bincount(network.move_from, weights=weight, minlength=network.n_lanes)
    return np.asarray(weight / total[network.move_from], dtype=np.float64)


def make_discharge(network: Network) -> Discharge:
    """Movements of which nothing has been measured: their part of the lane's saturation rate."""
    rate = _usual_shares(network) / np.interp(network.lane_speed, HEADWAY_SPEED, HEADWAY)[network.move_from]
    return Discharge(rate, np.zeros(len(rate)), np.full(len(rate), LONG_AGO))


def make_loops(sensors: SensorTable) -> Loops:
    """Loops that have reported nothing yet; ``lane`` is filled by :func:`trust_sensors`."""
    n = len(sensors.sensor_id)
    return Loops(
        lane=np.full(n, -1, dtype=np.int32),
        at_stop=sensors.kind == SensorKind.STOP_LOOP,
        reach=np.maximum(0.9 * sensors.distance / JAM_SPACING, 1.0),
        is_on=np.zeros(n, dtype=np.bool_),
        on_time=np.full(n, LONG_AGO),
        off_time=np.full(n, LONG_AGO),
        counted=np.zeros(n, dtype=np.bool_),
        last_time=np.full(n, LONG_AGO),
        delay=np.zeros(n),
        past_time=np.full((n, MEMORY), LONG_AGO),
        past_on=np.zeros((n, MEMORY), dtype=np.bool_),
        past_next=np.zeros(n, dtype=np.int32),
        position=np.full(n, -1, dtype=np.int32),
    )


def sight_cells(sensors: SensorTable, cells: NDArray[np.int32], cell_length: FloatArray) -> NDArray[np.int32]:
    """Cells of every covered lane, from its end, that are within the camera's sight."""
    rows = np.repeat(np.arange(len(sensors.sensor_id)), np.diff(sensors.cover_ptr))
    lane = sensors.cover_lane
    sight = np.maximum(sensors.distance[rows] - sensors.cover_offset, 0.0)
    return np.minimum(np.floor(sight / cell_length[lane] + 0.1), cells[lane]).astype(np.int32)


def make_cameras(network: Network, sensors: SensorTable, layout: Layout) -> Cameras:
    """Cameras that have sent nothing yet."""
    real = np.diff(layout.cell_ptr) - 1
    return Cameras(
        cover_ptr=sensors.cover_ptr,
        cover_lane=sensors.cover_lane,
        cover_cells=sight_cells(sensors, real, layout.cell_length),
        trust=np.ones(len(sensors.cover_lane)),
        latest=np.full(len(sensors.sensor_id), LONG_AGO),
        sight_of=np.full(network.n_lanes, -1, dtype=np.int32),
        inside=np.zeros(network.n_lanes),
        inside_time=np.full(network.n_lanes, -np.inf),
        seen=np.zeros(int(layout.cell_ptr[-1])),
        seen_standing=np.zeros(int(layout.cell_ptr[-1])),
    )


def make_upstream(network: Network, layout: Layout) -> Upstream:
    """Walk upstream from every stop line, through unsignalised movements and at most one signalised one."""
    lanes: list[list[int]] = []
    columns: list[tuple[int, int, int, int, bool]] = []
    for stop in network.approach_lane.tolist():
        base = len(columns)
        columns += _walk(network, layout, stop, base)
        lanes.append([row[0] for row in columns[base:]])
    ptr, lane = csr(lanes)
    return Upstream(
        ptr=ptr,
        lane=lane,
        offset=np.array([row[1] for row in columns], dtype=np.int32),
        parent=np.array([row[2] for row in columns], dtype=np.int32),
        move=np.array([row[3] for row in columns], dtype=np.int32),
        direct=np.array([row[4] for row in columns], dtype=np.bool_),
    )


def _walk(network: Network, layout: Layout, stop: int, base: int) -> list[tuple[int, int, int, int, bool]]:
    """Places upstream of one stop line as (lane, offset, parent, movement, direct), breadth first."""
    places = [(stop, 0, -1, -1, True)]
    share = [1.0]
    behind_signal = [False]
    at = 0
    while at < len(places):
        lane, offset = places[at][:2]
        further = offset + int(layout.cell_ptr[lane + 1] - layout.cell_ptr[lane])
        mixed = layout.mixing[lane] > 0
        source = range(int(layout.road_first[lane]), int(layout.road_last[lane])) if mixed else (lane,)
        feeds = [m for l in source for m in layout.feed[layout.feed_ptr[l] : layout.feed_ptr[l + 1]].tolist()]
        for m in feeds:
            origin = int(network.move_from[m])
            moves = int(layout.move_ptr[origin + 1] - layout.move_ptr[origin])
            part = share[at] / moves / len(source)
            if behind_signal[at] or further >= HORIZON or part < LEAST_SHARE or len(places) >= MOST_PLACES:
                continue
            places.append((origin, further, base + at, m, int(network.move_to[m]) == lane))
            share.append(part)
            behind_signal.append(int(layout.move_group[m]) >= 0)
        at += 1
    return places
