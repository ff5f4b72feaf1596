"""What the estimator learns of lanes and movements, against slow twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain import cells
from citybrain.network import Turn
from citybrain.signals import Aspect
from citybrain_kernels import lanes, movements
from tests.reference import movements as slow
from tests.small_world import small_network, small_signals
from tests.test_estimation import ADVANCE, STOP, Street, queue_up, sensors

FEW = settings(max_examples=40, deadline=None)
FLOW = st.floats(0.01, 0.5)


@FEW
@given(st.lists(st.tuples(st.floats(0, 2), FLOW, FLOW), min_size=2, max_size=2))
def test_lane_changes_match_their_twin_and_keep_vehicles(rows: list[tuple[float, float, float]]) -> None:
    layout = cells.make_layout(small_network(), small_signals())
    belief = cells.make_belief(small_network(), layout)
    layout.road_first[:], layout.road_last[:] = [0, 0, 2, 3], [2, 2, 3, 4]
    layout.gate[:2], layout.stop_loop[:2] = 3, True
    belief.crossings[:2], belief.use[:2], belief.leave[:2] = np.array(rows).T
    crossed, use, leave = (list(column) for column in zip(*rows, strict=True))
    lanes.change_lanes(layout, belief)
    assert np.allclose(belief.crossings[:2], slow.Road(crossed, use, leave).change_lanes())
    assert belief.crossings[:2].sum() == pytest.approx(sum(crossed))
    assert (belief.crossings >= 0).all()


@FEW
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=90))
def test_effective_discharge_matches_its_twin(left: list[float]) -> None:
    network = small_network()
    layout = cells.make_layout(network, small_signals())
    belief, discharge = cells.make_belief(network, layout), cells.make_discharge(network)
    first = float(discharge.rate[0])
    belief.standing[layout.cell_ptr[0]] = 3.0
    belief.open[0] = 1.0
    for now, vehicles in enumerate(left):
        belief.flux[0] = vehicles
        movements.learn_discharge(float(now), layout, belief, discharge)
    assert discharge.rate[0] == pytest.approx(slow.effective(first, left))
    assert discharge.rate[1] == first, "the other road's light is red"


@FEW
@given(st.floats(0, 1e4), st.floats(0, 1e9))
def test_confidence_matches_its_twin(seen: float, age: float) -> None:
    assert movements.confidence(seen, age) == pytest.approx(slow.confidence(seen, age))


def test_a_lane_that_does_not_move_in_green_loses_its_effective_discharge() -> None:
    street = Street(sensors(STOP))
    street.tick([(0, 0.5, True)])
    usual = street.state.effective_discharge[0]
    street.show(Aspect.PROTECTED)
    held = street.ticks(40)
    assert held.effective_discharge[0] < 0.2 * usual
    assert held.effective_age[0] < 2
    assert held.effective_confidence[0] > street.state.effective_confidence[1]


def test_single_movements_are_sure_and_what_was_never_measured_is_not() -> None:
    state = Street(sensors(STOP)).ticks(3)
    assert (state.turn_confidence == 1.0).all()
    assert (state.discharge_confidence == movements.LEAST_CONFIDENCE).all()
    assert (state.discharge_age > 1e6).all()
    assert state.start_loss == pytest.approx([cells.USUAL_START_LOSS] * 2)


def test_turning_where_nothing_is_known_goes_by_direction() -> None:
    network = small_network()
    network.move_from[:], network.move_turn[:] = 0, [Turn.STRAIGHT, Turn.UTURN]
    assert cells.make_belief(network, cells.make_layout(network, small_signals())).share[0] > 0.95


def test_queue_counts_as_far_as_its_last_standing_vehicle() -> None:
    street = Street(sensors(STOP, ADVANCE))
    queue_up(street, 5)
    assert street.state.back_vehicles[0] == pytest.approx(5, abs=0.7)
