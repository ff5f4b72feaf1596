"""Clocks, the board, the wishes for stages alone, and the memory of the engine's parts."""

from __future__ import annotations

import pickle
import threading
from dataclasses import replace

import numpy as np
import pytest

from citybrain.clock import StreetClock, WallClock
from citybrain.control.stages import stage_tables
from citybrain.decisions import Wish
from citybrain.errors import InputError
from citybrain.intake.judge import merge
from citybrain.live.ahead import LookAhead
from citybrain.live.board import Board, Published
from citybrain.live.differences import differences
from citybrain.live.engine import LiveEngine
from citybrain.live.inputs import read_inputs
from citybrain.live.memory import unpack
from citybrain.live.served import NEAR_S, served_lanes
from citybrain.live.wishes import stages_alone
from citybrain.randomness import generator
from citybrain.signals import Aspect
from tests.live_street import Loop, street

PLAN = Published("a", b"{}", "sha256:1", 1)


def test_the_streets_clock_only_goes_forward_and_wakes_those_who_wait() -> None:
    clock = StreetClock(5)
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(clock.wait_until(20, 20.0)))
    waiting.start()
    clock.advance(30)
    waiting.join()
    clock.advance(10)
    assert (woken, clock.now()) == ([True], 30)
    assert not clock.wait_until(31, 0.0)


def test_the_wall_clock_tells_tenths_since_1970_and_waits() -> None:
    clock = WallClock()
    now = clock.now()
    assert 17_000_000_000 < now < 50_000_000_000
    assert clock.wait_until(now + 1, 20.0)
    assert not clock.wait_until(now + 10_000, 0.0)


def test_the_board_tells_who_subscribed_what_changed() -> None:
    board = Board(["a", "b"])
    told: list[list[str]] = []
    end = board.subscribe(told.append)
    assert board.get("a") is None
    board.publish([PLAN])
    board.publish([], withdrawn=["b"])
    board.publish([], withdrawn=["a"])
    end()
    end()
    board.publish([PLAN])
    assert told == [["a"], ["a"]]
    assert board.get("a") == PLAN
    with pytest.raises(InputError, match="no intersection 'c'"):
        board.get("c")


def test_rows_between_stages_belong_to_the_stage_after_them() -> None:
    row_stage = np.array([0, -1, 1, -1], dtype=np.int32)
    rows = np.array([[1, 2, 3, 0, -1, -1], [0, 1, 3, 2, 3, 0], [3, 1, -1, -1, -1, -1]], dtype=np.int32)
    starts = np.tile(np.arange(0, 60, 10, dtype=np.int64), (3, 1))
    starts[rows < 0] = -1
    wish = Wish(0, rows, starts, np.zeros(3, dtype=np.float32), occupied=np.ones(4, dtype=np.bool_))
    wish = stages_alone(wish, row_stage)
    assert wish.occupied is None
    assert wish.plan_row.tolist() == [[2, 0, -1, -1, -1, -1], [0, 2, 0, -1, -1, -1], [-1] * 6]
    assert wish.plan_start.tolist() == [[0, 20, -1, -1, -1, -1], [0, 10, 40, -1, -1, -1], [-1] * 6]


def test_differences_are_told_by_their_place() -> None:
    a, b = {"x": [1, {"y": 2}], "z": 1}, {"x": [1, {"y": 3}, 4], "z": True}
    assert differences(a, b) == [
        {"path": "x[1].y", "a": 2, "b": 3},
        {"path": "x[2]", "a": None, "b": 4},
        {"path": "z", "a": 1, "b": True},
    ]
    assert differences(a, a) == []


class Intruder:
    """What no checkpoint holds."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Would run a program if it were read."""
        return pytest.fail, ("a checkpoint ran code",)


@pytest.mark.parametrize("data", [b"", b"nonsense", pickle.dumps([1]), pickle.dumps({"x": Intruder()})])
def test_a_damaged_checkpoint_is_refused(data: bytes) -> None:
    loop = Loop()
    loop.run(1)
    with pytest.raises(InputError, match="checkpoint"):
        loop.engine.load(data)


def test_a_checkpoint_of_another_engine_is_refused() -> None:
    loop, other = Loop("planner"), Loop("fixed")
    loop.run(2)
    with pytest.raises(InputError, match="of another size or kind"):
        other.engine.load(loop.engine.save())
    memory = unpack(loop.engine.save())
    assert memory["_time"] == loop.engine.time
    assert isinstance(loop.engine, LiveEngine)


def test_damaged_inputs_of_a_tick_are_refused() -> None:
    with pytest.raises(InputError, match="inputs of a tick"):
        read_inputs(b"nonsense", merge([], 0))


def test_reasons_count_every_lane_that_a_stage_serves_once() -> None:
    site = street()
    loop = Loop()
    loop.run(20)
    state = loop.outcomes[-1].snapshot.state
    served = served_lanes(site).count(state)
    tables = stage_tables(site)
    for row in range(site.signals.n_rows):
        streams = tables.serve_stream[tables.serve_row == row]
        stops = sorted({int(tables.stream_approach[stream]) for stream in streams})
        lanes = [int(site.network.approach_lane[stop]) for stop in stops]
        waiting = sum(float(state.queue[lane]) for lane in lanes) + sum(float(state.spill[stop]) for stop in stops)
        coming = sum(float(x) for stop in stops for x in state.arrivals[stop, :NEAR_S])
        sure = sum(float(state.confidence[lane]) for lane in lanes) / max(len(lanes), 1)
        found = (served.waiting[row], served.coming[row], served.confidence[row])
        assert found == pytest.approx((waiting, coming, sure), abs=1e-4)
    assert served.waiting.max() > 0


def test_queues_ahead_are_less_what_protected_green_lets_go_by_turning_shares() -> None:
    loop = Loop()
    loop.run(30)
    site, snapshot = loop.site, loop.outcomes[-1].snapshot
    network, signals, state = site.network, site.signals, snapshot.state
    rng = generator(1, "queues")
    state.queue[:] = rng.uniform(0.0, 3.0, network.n_lanes)
    for _ in range(20):
        aspect = rng.integers(0, 4, signals.n_groups).astype(np.uint8)
        found = LookAhead(site, 20).ahead(state, replace(snapshot.lamps, aspect=aspect))
        expected = state.queue.tolist()
        for a, lane in enumerate(network.approach_lane.tolist()):
            for g in range(signals.n_groups):
                for m in signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]].tolist():
                    if aspect[g] == Aspect.PROTECTED and network.move_from[m] == lane:
                        expected[lane] -= 2.0 * float(state.turn_share[m] / state.discharge[a])
        assert found.queue == pytest.approx([max(0.0, left) for left in expected], abs=1e-5)
        assert found.arrivals is state.arrivals
