"""How the estimator lives with sensors that it is told not to believe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.decisions import LampState
from citybrain.errors import ContractError
from citybrain.estimation import LaneEstimator
from citybrain.live.memory import recall, remember
from citybrain.observations import ObservationBatch, SensorKind, SensorTable
from citybrain.signals import Aspect
from citybrain.state import TrafficState
from tests.reference import estimation as slow
from tests.small_world import random_batch, small_network, small_sensors, small_signals
from tests.test_estimation import LOOP, batch, sensors

assert slow  # kernel tests also run without the compiler; conftest finds them by this room
STOP, ADVANCE, CAMERA = SensorKind.STOP_LOOP, SensorKind.ADVANCE_LOOP, SensorKind.CAMERA
NEITHER: list[LOOP] = []
PULSE_ADVANCE: list[LOOP] = [(1, -0.8, True), (1, -0.4, False)]
JAM = [(1.0 + 7.5 * n, 0.0) for n in range(5)]


def lamps(time: int, aspect: Aspect) -> LampState:
    return LampState(
        10 * time,
        np.zeros(1, np.int32),
        np.zeros(1, np.bool_),
        np.zeros(1, np.int64),
        np.array([aspect, Aspect.RED], np.uint8),
        np.array([-100, -1000], np.int64),
    )


class Lane:
    """The west approach with some sensors, a second at a time."""

    def __init__(self, table: SensorTable, aspect: Aspect = Aspect.RED) -> None:
        self.estimator = LaneEstimator(small_network(), small_signals(), table)
        self.camera = int(np.argmax(table.kind == CAMERA))
        self.time, self.aspect = 0, aspect

    def tick(
        self,
        events: list[LOOP] = NEITHER,
        frame: list[tuple[float, float]] | None = None,
        trust: list[float] | None = None,
    ) -> TrafficState:
        moved = [(x, self.time + t, on) for x, t, on in events]
        believed = None if trust is None else np.array(trust)
        state = self.estimator.update(
            batch(self.time, moved, frame, self.camera), lamps(self.time, self.aspect), believed
        )
        self.time += 1
        return state


def same(one: TrafficState, other: TrafficState) -> bool:
    return all(np.array_equal(value, vars(other)[name]) for name, value in vars(one).items())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_full_trust_changes_nothing(seed: int) -> None:
    one, other = (LaneEstimator(small_network(), small_signals(), small_sensors()) for _ in range(2))
    rng = np.random.default_rng(seed)
    for time in range(0, 200, 10):
        given_batch = random_batch(time, rng)
        light = lamps(time // 10, Aspect.PROTECTED)
        assert same(one.update(given_batch, light), other.update(given_batch, light, np.ones(2)))


def test_two_equals_one_where_the_other_is_not_believed() -> None:
    """A distrusted stop loop says nothing, not even "nobody came"."""
    with_both, alone = Lane(sensors(STOP, CAMERA), Aspect.PROTECTED), Lane(sensors(CAMERA), Aspect.PROTECTED)
    for second in range(60):
        frame = JAM[: max(0, 5 - second // 6)]
        junk: list[LOOP] = [(0, -0.7, True), (0, -0.2, False)] if second % 3 else []
        assert same(with_both.tick(junk, frame, trust=[0.0, 1.0]), alone.tick(frame=frame))


def test_silent_advance_loop_does_not_keep_vehicles_out() -> None:
    street = Lane(sensors(STOP, ADVANCE, CAMERA))
    street.camera = 2
    far = [(80.0, 9.0), (70.0, 9.0)]
    for _ in range(3):
        believed = street.tick(frame=far, trust=[1.0, 1.0, 1.0])
    other = Lane(sensors(STOP, ADVANCE, CAMERA))
    other.camera = 2
    for _ in range(3):
        dismissed = other.tick(frame=far, trust=[1.0, 0.0, 1.0])
    for _ in range(4):
        believed, dismissed = street.tick(), other.tick()
    assert dismissed.vehicles[0] > believed.vehicles[0] + 0.5


def test_stuck_advance_loop_no_longer_builds_a_queue() -> None:
    street = Lane(sensors(STOP, ADVANCE))
    street.tick([(1, -0.5, True)])
    for _ in range(6):
        state = street.tick()
    assert state.queue[0] > 5
    other = Lane(sensors(STOP, ADVANCE))
    other.tick([(1, -0.5, True)], trust=[1.0, 0.0])
    for _ in range(6):
        state = other.tick()
    assert state.queue[0] < 1


def test_confidence_falls_with_trust_and_comes_back() -> None:
    street = Lane(sensors(STOP, CAMERA))
    confidence = {}
    for trust in (1.0, 0.5, 0.0):
        confidence[trust] = float(street.tick(frame=[], trust=[trust, 1.0]).confidence[0])
    assert confidence[1.0] > confidence[0.5] > confidence[0.0] > 0.1
    assert float(street.tick(frame=[], trust=[0.0, 0.0]).confidence[0]) == pytest.approx(0.1)
    assert float(street.tick(frame=[], trust=[1.0, 1.0]).confidence[0]) == pytest.approx(confidence[1.0])


def test_evidence_of_a_dismissed_camera_does_not_count() -> None:
    street = Lane(sensors(STOP, CAMERA))
    for _ in range(30):
        state = street.tick(frame=JAM, trust=[1.0, 0.0])
    assert state.age[0] > 25
    assert state.queue[0] < 1
    for _ in range(4):
        state = street.tick(frame=JAM, trust=[1.0, 1.0])
    assert state.queue[0] == pytest.approx(5, abs=1)


def test_half_believed_camera_pulls_half_as_much() -> None:
    queue = []
    for trust in (1.0, 0.5):
        street = Lane(sensors(CAMERA))
        queue.append(float(street.tick(frame=JAM, trust=[trust]).vehicles[0]))
    assert queue[0] > queue[1] + 0.5


def test_loop_that_is_taken_back_is_known_to_be_covered() -> None:
    street = Lane(sensors(STOP, CAMERA))
    street.tick([(0, -0.5, True)], frame=[], trust=[0.0, 1.0])
    for _ in range(5):
        state = street.tick(frame=[])
    assert state.queue[0] < 0.5
    street.tick(frame=[], trust=[1.0, 1.0])
    assert street.tick(frame=[]).queue[0] >= 0.99


def test_second_loop_of_a_lane_stands_in_for_the_first() -> None:
    street = Lane(sensors(ADVANCE, ADVANCE))
    street.tick(trust=[0.0, 1.0])
    for _ in range(6):
        street.tick(PULSE_ADVANCE)
        for _ in range(3):
            state = street.tick()
    assert state.vehicles[0] > 4


def test_checkpoint_keeps_who_is_believed() -> None:
    table = sensors(STOP, ADVANCE, CAMERA)
    one, other = Lane(table), Lane(table)
    one.camera = other.camera = 2
    for _ in range(20):
        one.tick(PULSE_ADVANCE, frame=JAM, trust=[1.0, 0.0, 0.5])
    recall(other.estimator, remember(one.estimator))
    other.time = one.time
    for _ in range(5):
        assert same(one.tick(PULSE_ADVANCE, frame=JAM), other.tick(PULSE_ADVANCE, frame=JAM))


@pytest.mark.parametrize("trust", [[1.0], [1.0, 2.0], [np.nan, 1.0]])
def test_trust_out_of_range_is_refused(trust: list[float]) -> None:
    with pytest.raises(ContractError, match="trust must be 2 numbers"):
        Lane(sensors(STOP, CAMERA)).tick(trust=trust)


def test_rows_of_a_batch_are_not_touched() -> None:
    rng = np.random.default_rng(1)
    given_batch: ObservationBatch = random_batch(10, rng)
    before = {name: value.copy() for name, value in vars(given_batch).items() if name != "time"}
    LaneEstimator(small_network(), small_signals(), small_sensors()).update(
        given_batch, lamps(1, Aspect.RED), np.zeros(2)
    )
    assert all(np.array_equal(value, vars(given_batch)[name]) for name, value in before.items())


def test_lane_that_a_camera_has_lost_is_left_alone() -> None:
    light = lamps(0, Aspect.RED)
    estimator = LaneEstimator(small_network(), small_signals(), sensors(STOP, CAMERA))
    for second in range(4):
        before = estimator.update(batch(second, [], JAM, 1), light)
    for second in range(4, 8):
        lost = estimator.update(batch(second, [], [], 1), light, sight=np.zeros(1))
    assert lost.queue[0] == pytest.approx(float(before.queue[0]), abs=0.5)
    assert lost.confidence[0] < before.confidence[0]
    with pytest.raises(ContractError, match="sight must be 1 numbers"):
        estimator.update(batch(8, [], [], 1), light, sight=np.ones(2))
