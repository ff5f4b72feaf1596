"""What a traffic state tells: totals per lane, waits at stop lines, and arrivals over the next minute."""

# l = lanes, c = cells, a = stop-line lanes, m = movements, h = seconds ahead, u = upstream places of stop lines

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from citybrain_kernels.accelerate import kernel
from citybrain_kernels.lanes import HEAD_SIGHT, PERMISSIVE, PROTECTED, Belief, Bytes, Layout

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Singles = NDArray[np.float32]

FLOW_MEMORY = 60.0
HEAD_STANDS = 0.35
"""Standing vehicles at the stop line [veh] from which on a first vehicle is believed to wait."""
BLOCKED_AFTER = 6.0
"""A lane is blocked when its head stands in protected green for this long [s]; starting up takes two or three."""
LEAST_HELD = 0.5
EVIDENCE_MEMORY = 30.0
"""Time in which confidence decays to a third [s]."""
SILENT = 0.02
"""Share of its confidence that a lane keeps whose loops are well, but count nobody against all expectation."""
LEAST_WEIGHT = 1e-3
FULL = 0.7
"""A lane whose entrance cell stands this full takes in no more."""


class Upstream(NamedTuple):
    """From where vehicles come to each stop line: a CSR over stop-line lanes of places, nearest first.

    Attributes
    ----------
    ptr : [A + 1] places of each stop-line lane; the first of each is the lane itself.
    lane : [U]. offset : [U] seconds from the lane's end to the stop line.
    parent : [U] place (within all U) that the lane leads to, -1 for the stop-line lane itself.
    move : [U] movement from the lane towards the parent's road. direct : [U] it leads to the parent's lane.
    """

    ptr: Ints
    lane: Ints
    offset: Ints
    parent: Ints
    move: Ints
    direct: Bools


@kernel
def sum_lanes(
    now: float,
    layout: Layout,
    belief: Belief,
    evidence: Floats,
    sureness: Floats,
    smooth_flow: Floats,
    out_vehicles: Singles,
    out_queue: Singles,
    out_back: Singles,
    out_room: Singles,
    out_flow: Singles,
    out_occupancy: Singles,
    out_confidence: Singles,
    out_age: Singles,
    out_reach: Singles,
) -> None:
    """Sum up the cells of every lane.

    Parameters
    ----------
    now : [s]. evidence : [L] time of the last evidence [s]. sureness : [L] confidence under fresh evidence.
    smooth_flow : [L] memory of the outflow [veh/s], updated.
    out_* : [L] vehicles, queue [veh], back of queue [m], room [veh], flow [veh/s], occupancy, confidence, age [s],
        vehicles up to the back of queue.
    """
    content, standing = belief.content, belief.standing
    for l in range(len(layout.cell_length)):
        first = layout.cell_ptr[l]
        last = layout.cell_ptr[l + 1] - 1
        vehicles = 0.0
        queue = 0.0
        back = 0.0
        reach = 0.0
        for c in range(first, last):
            vehicles += content[c]
            queue += standing[c]
            if standing[c] > 0.3:
                reach = vehicles
                back = (c - first) * layout.cell_length[l] + layout.cell_length[l] * min(
                    1.0, standing[c] / layout.storage[l]
                )
        capacity = layout.storage[l] * (last - first)
        smooth_flow[l] += (belief.outflow[l] - smooth_flow[l]) / FLOW_MEMORY
        age = max(0.0, now - evidence[l])
        out_vehicles[l] = vehicles
        out_queue[l] = queue
        out_back[l] = back
        out_room[l] = 0.0 if standing[last - 1] > FULL * layout.storage[l] else max(0.0, capacity - vehicles)
        out_flow[l] = max(0.0, smooth_flow[l])
        out_occupancy[l] = min(1.0, vehicles / capacity)
        # A loop that is silent while nobody can be expected tells as much as one that speaks; nothing but its health
        # tells one that never counts again from a road on which nobody drives any more.
        known = np.exp(-min(age / EVIDENCE_MEMORY, belief.missed[l]))
        if layout.stop_loop[l] or layout.gate[l] > 0:
            known = max(known, SILENT)
        out_confidence[l] = 0.1 + (sureness[l] - 0.1) * known
        out_age[l] = age
        out_reach[l] = reach


@kernel
def watch_heads(
    now: float,
    layout: Layout,
    aspect: Bytes,
    stop_lane: Ints,
    belief: Belief,
    queue: Singles,
    head_wait: Floats,
    out_wait: Singles,
    out_blocked: Bools,
    out_discharge: Singles,
) -> None:
    """Follow the first vehicle of every stop line: how long it stands, and whether green does not move it.

    Parameters
    ----------
    now : [s]. aspect : [G]. stop_lane : [A] lanes.
    queue : [L]. head_wait : [A] memory [s], updated.
    out_wait : [A] [s]. out_blocked : [A]. out_discharge : [A] [s/veh].
    """
    for a in range(len(stop_lane)):
        l = stop_lane[a]
        c = layout.cell_ptr[l]
        stands = belief.standing[c] > HEAD_STANDS
        left = now - belief.last_departure[l] < 1.0
        head_wait[a] = head_wait[a] + 1.0 if stands and not left else 0.0
        protected = False
        gives_way = False
        for m in range(layout.move_ptr[l], layout.move_ptr[l + 1]):
            g = layout.move_group[m]
            if g >= 0:
                protected = protected or aspect[g] == PROTECTED
                gives_way = gives_way or aspect[g] == PERMISSIVE
        since = max(belief.green_from[l], belief.last_departure[l])
        seen = now - belief.head_seen[l] <= HEAD_SIGHT or (layout.stop_loop[l] and belief.head_free[l] < 0.0)
        held = protected and not gives_way and seen and now - since >= BLOCKED_AFTER
        out_wait[a] = head_wait[a]
        out_blocked[a] = held and queue[l] >= LEAST_HELD
        out_discharge[a] = belief.headway[l]


@kernel
def foretell(
    layout: Layout,
    belief: Belief,
    upstream: Upstream,
    weight: Floats,
    full: Bools,
    beyond: Floats,
    out: Singles,
    out_spill: Singles,
) -> None:
    """Foretell when vehicles would reach each stop line, from cells of the lane and of lanes upstream.

    Moving vehicles arrive after the free travel time. Standing ones upstream arrive at the saturation rate if their
    movement may go; behind a red they do not count, and behind a full lane they wait to spill in.

    Parameters
    ----------
    weight, full : [U] scratch: share of the place's vehicles that come here; all lanes from here on are full.
    beyond : [H] scratch: by how much the flow from outside the network grows in that second [veh/s].
    out : [A, H] [veh]. out_spill : [A] [veh].
    """
    content, standing, part, mixing = belief.content, belief.standing, belief.part, layout.mixing
    cell_ptr, storage, offset, lane = layout.cell_ptr, layout.storage, upstream.offset, upstream.lane
    headway, demand, entry = belief.headway, belief.demand, layout.entry
    horizon = out.shape[1]
    out[:] = 0.0
    for a in range(len(upstream.ptr) - 1):
        spill = 0.0
        beyond[:] = 0.0
        for u in range(upstream.ptr[a], upstream.ptr[a + 1]):
            l, parent = lane[u], upstream.parent[u]
            share = 1.0
            behind_full = parent < 0
            signal = False
            if parent >= 0:
                m, k = upstream.move[u], lane[parent]
                to_lane = mixing[k] * part[k] + (1.0 - mixing[k] if upstream.direct[u] else 0.0)
                share = weight[parent] * belief.share[m] * belief.open[m] * to_lane
                behind_full = full[parent]
                signal = layout.move_group[m] >= 0
            weight[u] = share
            first, last = cell_ptr[l], cell_ptr[l + 1]
            full[u] = behind_full and standing[last - 2] > FULL * storage[l]
            if share < LEAST_WEIGHT:
                continue
            queued = 0.0
            for c in range(first, last):
                queued += standing[c]
                h = offset[u] + c - first
                if h < horizon:
                    out[a, h] += share * max(0.0, content[c] - standing[c])
            if parent >= 0 and behind_full and not signal:
                spill += share * queued
            elif parent >= 0:
                h = offset[u]
                while queued > LEAST_WEIGHT and h < horizon:
                    out[a, h] += share * min(queued, 1.0 / headway[l])
                    queued -= 1.0 / headway[l]
                    h += 1
            h = offset[u] + last - first
            if entry[l] and demand[l] > 0.0 and h < horizon:
                beyond[h] += share * demand[l]
        out_spill[a] = spill
        flow = 0.0
        for h in range(horizon):
            flow += beyond[h]
            out[a, h] += flow
