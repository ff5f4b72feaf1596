"""The estimator against what traffic theory says of the simplest streets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from citybrain.estimation import LaneEstimator
from citybrain.signals import Aspect
from citybrain_kernels import lanes
from tests.small_world import small_network, small_signals
from tests.test_estimation import ADVANCE, PULSE_ADVANCE, PULSE_STOP, STOP, Street, chain_estimator, sensors

FREE_SPEED = 10.0


def full_lane(length: float) -> LaneEstimator:
    """A lane of vehicles that stand bumper to bumper, and nothing that observes it."""
    network = replace(small_network(), lane_length=np.full(4, length))
    estimator = LaneEstimator(network, small_signals(), sensors())
    layout, belief = estimator._street.layout, estimator._memory.belief
    cells = slice(layout.cell_ptr[0], layout.cell_ptr[1] - 1)
    belief.content[cells] = belief.standing[cells] = layout.storage[0]
    belief.pace[cells] = 0.0
    belief.demand[:] = -1.0
    belief.open[:], belief.green_from[0], belief.green_to[0] = (1.0, 0.0), 0.0, -1.0
    return estimator


def test_queue_without_sensors_discharges_at_capacity() -> None:
    estimator = full_lane(600.0)
    layout, belief = estimator._street.layout, estimator._memory.belief
    out = 0.0
    for now in range(1, 81):
        lanes.move_lanes(float(now), float(now), 1, layout, belief)
        out += belief.outflow[0] if now > 20 else 0.0
    assert out == pytest.approx(60 / belief.headway[0], rel=0.05)


def test_delay_of_a_deterministic_queue_is_the_area_between_arrivals_and_departures() -> None:
    # D/D/1 behind a red of r seconds: r^2 L M / (2 (M - L)) with arrivals L and departures M [veh/s].
    red, every, headway = 32, 4, 2
    street = Street(sensors(STOP, ADVANCE), aspect=Aspect.PROTECTED)
    layout, belief = street.estimator._street.layout, street.estimator._memory.belief
    inside = slice(layout.cell_ptr[0], layout.cell_ptr[0] + layout.gate[0])
    travel = layout.gate[0] * layout.cell_length[0] / FREE_SPEED
    street.ticks(20)
    street.show(Aspect.RED)
    area, waiting = 0.0, 0.0
    clear = None
    for second in range(150):
        if second == red:
            street.show(Aspect.PROTECTED)
        crosses = second % every == 0
        arrived = second >= travel and (second - travel) % every < 1
        waiting += arrived
        departs = second >= red and (second - red) % headway == 0 and waiting > 0
        waiting -= departs
        street.tick((PULSE_ADVANCE if crosses else []) + (PULSE_STOP if departs else []))
        area += float(belief.content[inside].sum()) - travel / every
        if second > red and waiting == 0 and clear is None:
            clear = second
            break
    l, m = 1 / every, 1 / headway
    assert area == pytest.approx((red - travel) ** 2 * l * m / (2 * (m - l)), rel=0.25)


def test_vehicles_are_neither_made_nor_lost_on_streets_without_sensors() -> None:
    estimator = chain_estimator(np.random.default_rng(7))
    layout, belief = estimator._street.layout, estimator._memory.belief
    layout.gate[:], layout.edge[:], layout.sensed[:] = 0, -1, False
    belief.demand[:] = -1.0
    before = belief.content.sum()
    left = 0.0
    for now in range(1, 61):
        lanes.move_lanes(float(now), float(now), 1, layout, belief)
        left += belief.outflow[2] + belief.outflow[4]  # c and e lead out of the network
        assert belief.content.sum() + left == pytest.approx(before, abs=0.02)
    assert left > 0.5 * before
