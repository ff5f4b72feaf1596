"""Figures of the city: conservation, intervals, indices, districts, forecasts, and a restart that changes nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citybrain.city.boundary import CROSSING_SPEED, find_boundary, leaving_share
from citybrain.city.districts import Districts, _means, given_districts, make_districts
from citybrain.city.doubt import CLEAR_S, MOST_GROWTH, SLOWER, Doubt, Hidden, Unseen
from citybrain.city.edge import Crossings, Edge
from citybrain.city.figures import CityFigures
from citybrain.city.forecast import HORIZONS, Forecaster, History
from citybrain.city.index import LARGEST, Level, delay_index, level, travel_time_index
from citybrain.city.observer import CityObserver
from citybrain.city.vehicles import (
    COMMON_SHARE,
    COUNT_DOUBT,
    ERROR_MEMORY,
    FILLED,
    FILLED_SPREAD,
    RATE_MEMORY,
    Count,
    VehiclesInNetwork,
)
from citybrain.errors import ContractError, InputError
from citybrain.live.memory import pack, recall, remember, unpack
from citybrain.network import Network, Turn, csr, derived_tables
from citybrain.observations import ObservationBatch, SensorKind, SensorTable
from citybrain.randomness import generator
from citybrain.state import HORIZON, TrafficState
from citybrain.units import JAM_SPACING
from tests.live_street import Loop
from tests.small_world import small_network, small_sensors

FEW = settings(max_examples=30, deadline=None)
STOP, ADVANCE, EXIT = SensorKind.STOP_LOOP, SensorKind.ADVANCE_LOOP, SensorKind.EXIT_LOOP


def loops(*places: tuple[SensorKind, int, float]) -> SensorTable:
    """Loops as (kind, lane, distance)."""
    return SensorTable(
        sensor_id=tuple(f"{kind.name}{lane}" for kind, lane, _ in places),
        kind=np.array([kind for kind, _, _ in places], np.uint8),
        lane=np.array([lane for _, lane, _ in places], np.int32),
        distance=np.array([distance for _, _, distance in places], np.float64),
        cover_ptr=np.zeros(len(places) + 1, np.int32),
        cover_lane=np.zeros(0, np.int32),
        cover_offset=np.zeros(0),
    )


ALL = loops((ADVANCE, 0, 60.0), (STOP, 0, 2.0), (ADVANCE, 2, 60.0), (STOP, 2, 2.0))


def chain() -> Network:
    """One-lane roads a -> b -> c through the intersections p and q, with a place to turn back at the end of c."""
    move_from, move_to = np.array([0, 1, 2], np.int32), np.array([1, 2, 0], np.int32)
    owner = np.array([0, 1, -1], np.int32)
    none_ptr, none = csr([[], [], []])
    return Network(
        lane_id=("a_0", "b_0", "c_0"),
        edge_id=("a", "b", "c"),
        intersection_id=("p", "q"),
        lane_edge=np.arange(3, dtype=np.int32),
        lane_length=np.array([200.0, 300.0, 100.0]),
        lane_speed=np.full(3, 10.0),
        lane_general=np.ones(3, np.bool_),
        move_from=move_from,
        move_to=move_to,
        move_intersection=owner,
        move_lamp=np.array([0, 0, -1], np.int32),
        move_turn=np.array([Turn.STRAIGHT, Turn.STRAIGHT, Turn.UTURN], np.int32),
        move_length=np.full(3, 10.0),
        move_foe_ptr=none_ptr,
        move_foe=none,
        move_yield_ptr=none_ptr,
        move_yield=none,
        lane_shape_ptr=np.arange(0, 7, 2, dtype=np.int32),
        lane_shape=np.array([[0, 0], [200, 0], [210, 0], [510, 0], [520, 0], [620, 0]], np.float64),
        **derived_tables(3, move_from, move_to, owner, 2),
    )


def test_loops_at_the_edge_count_in_and_out() -> None:
    found = find_boundary(small_network(), ALL)
    assert found.enters.tolist() == [False, True, False, True]
    assert found.arrives.tolist() == [True, False, True, False]
    assert found.inner.tolist() == [0.0, np.inf, 0.0, np.inf]
    assert leaving_share(found, np.ones(2, np.float32)).tolist() == [0.0, 1.0, 0.0, 1.0]
    assert found.blind == 0.0
    assert found.enter_s.tolist() == pytest.approx([4.0, 0.0, 4.0, 0.0])
    over = 10.0 / CROSSING_SPEED
    assert found.leave_s.tolist() == pytest.approx([0.0, 10.2 + over, 0.0, 10.2 + over])


def test_exit_loops_count_out_for_the_lanes_before_them() -> None:
    found = find_boundary(small_network(), loops((STOP, 0, 2.0), (EXIT, 1, 90.0)))
    assert leaving_share(found, np.ones(2, np.float32)).tolist() == [0.0, 1.0]
    assert found.blind == pytest.approx(0.5)


def test_without_loops_the_edge_is_blind() -> None:
    found = find_boundary(small_network(), loops())
    assert found.blind == 1.0
    assert not found.counts.any()


def test_turning_back_at_the_end_of_the_network_is_no_way_in() -> None:
    found = find_boundary(chain(), loops((ADVANCE, 0, 60.0), (STOP, 1, 2.0)))
    assert found.enters.tolist() == [True, False]
    assert found.inner.tolist() == [60.0 - JAM_SPACING, np.inf, np.inf]
    assert leaving_share(found, np.ones(3, np.float32)).tolist() == [0.0, 1.0]
    assert found.blind == 0.0


def test_an_entry_from_which_a_way_leads_past_all_loops_is_not_counted() -> None:
    found = find_boundary(small_network(), loops((ADVANCE, 0, 60.0), (STOP, 0, 2.0)))
    assert found.enters.tolist() == [False, True]
    assert found.blind == pytest.approx(0.5)


def small_state(time: int, **lanes: list[float]) -> TrafficState:
    return replace(
        state(time, lanes.pop("vehicles", [0.0] * 4), [0.0] * 4, **lanes),
        counted_share=np.ones(2, np.float32),
        turn_confidence=np.ones(2, np.float32),
    )


def drive(edge: Edge, begin: int, end: int, passings: list[tuple[int, float]], **lanes: list[float]) -> Crossings:
    """A minute of the small street, in which vehicles pass loops at some times."""
    for second in range(begin + 1, end + 1):
        events = [(x, t + 0.3 * (not on), on) for x, t in passings for on in (True, False)]
        now = [event for event in events if second - 1 <= event[1] < second]
        edge.watch(1.0, batch(10 * second, *now), small_state(10 * second, **lanes))
    return edge.minute(float(end - begin), 10 * end, small_state(10 * end))


def small_edge() -> Edge:
    return Edge(small_network(), ALL, find_boundary(small_network(), ALL))


def test_who_is_felt_has_been_on_the_way_and_who_has_left_a_loop_will_be() -> None:
    edge = small_edge()
    drive(edge, 0, 60, [])
    found = drive(edge, 60, 120, [(0, 90.0), (1, 96.0)])
    # The stop loop counts in, and out: nobody is between.
    assert (found.entered, found.left, found.soon) == (1.0, 1.0, 0.0)
    # It came 4 s before it reached the loop and was gone 10.2 s and the crossing after it had left the other one.
    waiting = found.beyond - (4.0 + 10.2 + 10.0 / CROSSING_SPEED) / 60.0
    assert 0.0 <= waiting < 0.02
    assert drive(edge, 120, 180, []).beyond < 0.02


def test_who_begins_his_way_beyond_the_first_loop_is_counted_in() -> None:
    found = drive(small_edge(), 0, 60, [(1, 20.0)])
    assert found.entered == 1.0


def test_lanes_before_loops_hold_what_is_believed_of_them() -> None:
    lanes = {"vehicles": [7.0, 9.0, 3.0, 9.0], "queue": [5.0, 0.0, 0.0, 0.0], "back_of_queue": [37.5, 0.0, 0.0, 0.0]}
    found = drive(small_edge(), 0, 60, [], **lanes)
    assert found.outer == pytest.approx(10.0)
    # Who is on the way to a first loop is known from when others reached it: nobody did.
    length = float(small_network().lane_length[0])
    assert found.beyond == pytest.approx(5.0 + (2.0 + 3.0) * 60.0 / length)
    # A queue that stands beyond the only loop of its lane has been counted; half of those who move have not.
    some = loops((ADVANCE, 0, 57.5))
    edge = Edge(small_network(), some, find_boundary(small_network(), some))
    assert drive(edge, 0, 60, [], **lanes).outer == pytest.approx(2.0 * (1.0 - 50.0 / length))


def watch_queue(doubt: Doubt, seconds: int, back: float, covered: bool) -> None:
    lanes = {"vehicles": [8.0, 0.0, 0.0, 0.0], "queue": [8.0, 0.0, 0.0, 0.0], "back_of_queue": [back, 0.0, 0.0, 0.0]}
    for second in range(seconds):
        now = replace(small_state(10 * second, **lanes), flow=np.full(4, 0.1, np.float32))
        doubt.watch(1.0, batch(10 * second, (0, float(second), covered)), now)


def test_a_queue_beyond_sight_grows_until_its_end_has_been_seen() -> None:
    network = small_network()
    doubt = Doubt(network, ALL, find_boundary(network, ALL))
    now = replace(small_state(0, vehicles=[8.0, 0.0, 0.0, 0.0]), flow=np.full(4, 0.1, np.float32))
    watch_queue(doubt, 30, 40.0, covered=True)
    assert doubt.hidden(now) == (0.0, 0.0)
    watch_queue(doubt, 30, 55.0, covered=True)
    assert doubt.hidden(now).edge == pytest.approx(MOST_GROWTH * 0.1 * 30)
    # Green: the queue moves and none is seen to stand, but one vehicle follows the other.
    watch_queue(doubt, 30, 0.0, covered=True)
    assert doubt.hidden(now).edge == pytest.approx(MOST_GROWTH * 0.1 * 60)
    watch_queue(doubt, 3600, 55.0, covered=True)
    assert doubt.hidden(now).edge == pytest.approx(network.lane_length[0] / JAM_SPACING - 8.0)
    for second in range(int(CLEAR_S) + 1):
        doubt.watch(1.0, batch(0, *[(0, 0.0, False)] * (second == 0)), now)
    assert doubt.hidden(now) == (0.0, 0.0)


def test_who_is_out_of_sight_is_doubted_and_slower_than_believed() -> None:
    network = small_network()
    doubt = Doubt(network, ALL, find_boundary(network, ALL))
    lanes = {"confidence": [1.0, 0.5, 1.0, 0.0], "queue": [4.0, 0.0, 0.0, 0.0]}
    found = doubt.unseen(small_state(0, vehicles=[10.0, 4.0, 0.0, 2.0], **lanes))
    beyond = 6.0 * (1.0 - 60.0 / float(network.lane_length[0]))
    assert found.edge == pytest.approx(beyond)
    assert found.slow_edge == pytest.approx(SLOWER * beyond)
    # No sensor watches the lanes that lead away: nobody knows how fast they are there.
    assert (found.inside, found.slow_inside) == (6.0, 0.0)


def minute(entered: float, left: float, believed: float, **other: float) -> Count:
    """A minute through which vehicles come and go evenly."""
    edge = dict.fromkeys(Crossings._fields[3:], 0.0) | {"astray": other.pop("astray", 0.0)}
    crossed = Crossings(entered, left, 0.5 * (entered - left), **edge)
    hidden = Hidden(other.pop("hidden_edge", 0.0), other.pop("hidden", 0.0))
    unseen = Unseen(other.pop("unseen_edge", 0.0), other.pop("unseen", 0.0), 0.0, 0.0)
    return Count(crossed, believed, unseen, hidden, other.pop("blind", 0.0))


@FEW
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=40))
def test_perfect_sensors_conserve_vehicles_exactly(flows: list[tuple[int, int]]) -> None:
    filtered = VehiclesInNetwork()
    there = 1000.0
    before = 0.0
    for entered, left in flows:
        net = float(entered - left)
        # The mean of a minute lies half a minute back: half of what the last one brought, half of this one.
        there += 0.5 * (before + net)
        before = net
        filtered.minute(minute(entered, left, there))
        assert filtered.estimate == pytest.approx(there, abs=0.01)
        assert filtered.spread < 1.5


def run_of_minutes(unseen: float, minutes: int = 40, **other: float) -> VehiclesInNetwork:
    filtered = VehiclesInNetwork()
    for _ in range(minutes):
        filtered.minute(minute(40.0, 40.0, 200.0, unseen=unseen, **other))
    return filtered


def test_counts_resist_lanes_that_jump() -> None:
    filtered = run_of_minutes(150.0)
    filtered.minute(minute(40.0, 40.0, 250.0, unseen=150.0))
    assert filtered.estimate < 215.0
    blind = run_of_minutes(20.0, blind=1.0)
    for _ in range(5):
        blind.minute(minute(0.0, 0.0, 250.0, unseen=20.0, blind=1.0))
    assert blind.estimate == pytest.approx(250.0, abs=15.0)


def fill(seen: float, missed: float, room: float) -> tuple[VehiclesInNetwork, float]:
    """Half an hour in which a counted network fills; of those who queue, lanes and loops tell only some."""
    filtered, there = VehiclesInNetwork(), 0.0
    for k in range(30):
        there = 10.0 + 12.0 * k
        hidden = (1.0 - seen) * max(0.0, there - 50.0)
        filtered.minute(minute(36.0 * (1.0 - missed), 24.0, there - hidden, unseen=0.1 * there, hidden=room * hidden))
    return filtered, there


@pytest.mark.parametrize("room", [1.0, 1.43, 2.0])
def test_counts_keep_queues_that_lanes_lose(room: float) -> None:
    filtered, there = fill(0.6, 0.0, room)
    assert filtered.estimate == pytest.approx(there, rel=0.02)
    assert filtered.interval[0] < there < filtered.interval[1]


def test_an_empty_street_takes_drift_away() -> None:
    filtered, there = fill(0.6, 0.1, 1.43)
    assert filtered.estimate < 0.95 * there
    assert filtered.interval[0] < there
    # It empties, and counts miss nobody now: the error stays until the street is seen to be empty.
    for _ in range(8):
        there -= 40.0
        hidden = 0.4 * max(0.0, there - 50.0)
        filtered.minute(minute(0.0, 40.0, there - hidden, unseen=0.1 * there, hidden=1.43 * hidden))
    for _ in range(3):
        filtered.minute(minute(0.0, 0.0, 0.0))
    assert filtered.estimate < 2.0
    for _ in range(5):
        filtered.minute(minute(20.0, 0.0, 50.0, unseen=50.0, hidden=100.0))
    assert filtered.estimate == pytest.approx(90.0, rel=0.05)


def test_the_interval_grows_with_blindness_with_doubt_and_with_hidden_queues() -> None:
    seeing = run_of_minutes(20.0).spread
    assert seeing < run_of_minutes(20.0, blind=1.0).spread < 20.0
    assert seeing < run_of_minutes(60.0).spread
    assert seeing < run_of_minutes(20.0, astray=2.0).spread
    at_edge = run_of_minutes(20.0, hidden_edge=100.0)
    assert at_edge.estimate == pytest.approx(200.0 + 100.0 * FILLED, abs=0.01)
    assert at_edge.spread > 100.0 * FILLED_SPREAD


def test_the_interval_covers_the_truth_where_counts_drift_and_lanes_err() -> None:
    rng, unseen = generator(3, "drift"), 30.0
    covered, errors, of_lanes = [], [], []
    for _ in range(200):
        filtered, there, before, u = VehiclesInNetwork(), 100.0, 0.0, rng.normal()
        drift = rng.normal(0.0, 0.5)
        edge = rng.normal(0.0, np.hypot(np.sqrt(10.0), COMMON_SHARE * 10.0))
        for k in range(30):
            entered, left = rng.poisson(20.0, 2)
            # They come evenly: half of them count for this minute's mean, the others for the next one's.
            there += 0.5 * (before + entered - left) + drift if k else 0.0
            before = float(entered - left)
            drift = RATE_MEMORY * drift + np.sqrt(1.0 - RATE_MEMORY**2) * rng.normal(0.0, 0.5)
            u = ERROR_MEMORY * u + np.sqrt(1.0 - ERROR_MEMORY**2) * rng.normal()
            told = [float(n + rng.normal(0.0, np.sqrt(COUNT_DOUBT * n))) for n in (entered, left)]
            lanes = there + COMMON_SHARE * unseen * u + rng.normal(0.0, np.sqrt(1.0 + unseen))
            filtered.minute(minute(told[0], told[1], lanes, unseen=unseen, unseen_edge=10.0, astray=0.5))
            low, high = filtered.interval
            covered.append(low <= there + edge <= high)
            errors.append(filtered.estimate - there)
            of_lanes.append(lanes - there)
    assert 0.93 <= np.mean(covered) <= 0.97
    assert abs(np.mean(errors)) < 1.0
    assert np.std(errors) < 0.75 * np.std(of_lanes)


def test_indices() -> None:
    spent, free = np.array([0.0, 0.0, 300.0, 50.0, 900.0]), np.array([0.0, 9.0, 150.0, 100.0, 0.0])
    assert delay_index(spent, free).tolist() == [1.0, 1.0, 2.0, 1.0, LARGEST]
    assert level(np.array([1.0, 1.49, 1.5, 2.0, 3.99, 4.0])).tolist() == [
        Level.SMOOTH,
        Level.SMOOTH,
        Level.SLOW,
        Level.CONGESTED,
        Level.CONGESTED,
        Level.SEVERE,
    ]
    time, free_time = np.array([20.0, 10.0, 30.0]), np.full(3, 10.0)
    group = np.array([0, 0, 1], np.int32)
    found = travel_time_index(time, free_time, np.array([3.0, 1.0, 0.0]), group, 3)
    assert found.tolist() == [1.75, 1.0, 1.0]


def test_districts_part_all_roads_and_come_out_the_same() -> None:
    network = chain()
    first, again = (make_districts(network, generator(5, "districts")) for _ in range(2))
    assert first.name == again.name == ("district 1",)
    named = given_districts(network, {"west": ["p"], "east": ["q"]})
    assert named.of_road.tolist() == [0, 1, 0]


def test_intersections_that_lie_together_are_one_district() -> None:
    places = np.array([[0.0, 0.0], [900.0, 0.0], [10.0, 5.0], [905.0, 9.0], [4.0, 8.0]])
    for seed in range(5):
        owner = _means(places, 2, generator(seed, "districts"))
        assert owner.tolist() == [owner[0], owner[1], owner[0], owner[1], owner[0]]
        assert owner[0] != owner[1]


def test_wrong_districts_are_refused_with_all_faults() -> None:
    with pytest.raises(InputError, match=r"'x'.*'p' is in two.*has the intersections q") as caught:
        given_districts(chain(), {"west": ["p", "x"], "east": ["p"]})
    assert "put each into one" in str(caught.value)


def test_a_constant_stays_and_a_ramp_goes_on() -> None:
    calm, ramp = Forecaster(1), Forecaster(1)
    for k in range(60):
        calm.minute(k, np.array([7.0]))
        ramp.minute(k, np.array([float(k)]))
    assert calm.ahead[:, 0].tolist() == pytest.approx([7.0] * 3)
    assert calm.half_width[:, 0].tolist() == pytest.approx([0.0] * 3)
    assert 59.0 < ramp.ahead[0, 0] < 64.0
    assert (ramp.ahead[:, 0] + ramp.half_width[:, 0] >= 59.0 + np.array(HORIZONS)).all()


def test_a_trend_that_does_not_last_is_not_followed() -> None:
    rng = generator(2, "noise")
    forecaster, errors, still = Forecaster(1), [], []
    values = 50.0 + rng.normal(0.0, 5.0, 200)
    for k, value in enumerate(values[:-15]):
        forecaster.minute(k, np.array([value]))
        errors.append(forecaster.ahead[1, 0] - values[k + 15])
        still.append(value - values[k + 15])
    assert np.std(errors[30:]) < 0.95 * np.std(still[30:])


def test_yesterday_foretells_todays_peak() -> None:
    def day(k: int) -> float:
        return 100.0 + 80.0 * float(np.exp(-(((k - 90) / 20.0) ** 2)))

    history = History(1)
    for k in range(181):
        history.minute(k, np.array([day(k)]))
    errors = {}
    for name, known in (("history", history), ("none", None)):
        forecaster = Forecaster(1, known)
        seen = []
        for k in range(60, 90):
            forecaster.minute(k, np.array([1.1 * day(k)]))
            seen.append(abs(forecaster.ahead[1, 0] - 1.1 * day(k + 15)))
        errors[name] = float(np.mean(seen[5:]))
    assert errors["history"] < 0.5 * errors["none"]


def state(time: int, vehicles: list[float], flow: list[float], **other: list[float]) -> TrafficState:
    n = len(vehicles)
    lanes = {"queue": [0.0] * n, "back_of_queue": [0.0] * n, "room": [20.0] * n, "confidence": [0.9] * n} | other
    return TrafficState(
        time,
        vehicles=np.array(vehicles, np.float32),
        flow=np.array(flow, np.float32),
        occupancy=np.zeros(n, np.float32),
        age=np.full(n, 2.0, np.float32),
        arrivals=np.zeros((2, HORIZON), np.float32),
        spill=np.zeros(2, np.float32),
        head_wait=np.zeros(2, np.float32),
        blocked=np.zeros(2, np.bool_),
        discharge=np.full(2, 2.0, np.float32),
        turn_share=np.ones(3, np.float32),
        counted_share=np.ones(3, np.float32),
        turn_confidence=np.ones(3, np.float32),
        **{name: np.array(values, np.float32) for name, values in lanes.items()},
    )


def batch(time: int, *events: tuple[int, float, bool]) -> ObservationBatch:
    def ints() -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
        return np.zeros(0, np.int32)

    def singles() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return np.zeros(0, np.float32)

    return ObservationBatch(
        time,
        np.array([x for x, _, _ in events], np.int32),
        np.array([t for _, t, _ in events], np.float64),
        np.array([on for _, _, on in events], np.bool_),
        *(ints(), np.zeros(0), ints(), np.zeros(0), ints(), singles(), singles(), singles()),
    )


CHAIN_LOOPS = loops((ADVANCE, 0, 60.0), (STOP, 1, 2.0))


def watch(observer: CityObserver, begin: int, end: int, vehicles: list[float], flow: list[float]) -> CityFigures:
    """Tick from one second to the next with a vehicle every 10 s over both loops; the figures of the last minute."""
    found = None
    for second in range(begin, end + 1):
        events = [(x, float(second), on) for x in (0, 1) for on in (True,) if second % 10 == 0]
        events += [(x, second + 0.3, False) for x, _, _ in events]
        found = observer.see(batch(10 * second, *events), state(10 * second, vehicles, flow)) or found
    assert found is not None
    return found


def chain_observer(history: History | None = None) -> CityObserver:
    network = chain()
    return CityObserver(network, CHAIN_LOOPS, given_districts(network, {"west": ["p"], "east": ["q"]}), history)


def test_an_empty_street_has_index_one_and_free_travel_times() -> None:
    figures = watch(chain_observer(), 0, 600, [0.0] * 3, [0.0] * 3)
    assert figures.delay_index == figures.travel_time_index == 1.0
    assert figures.links.delay_index.tolist() == [1.0, 1.0]
    assert figures.links.travel_time.tolist() == [30.0, 30.0]
    assert (figures.level, figures.severe_minutes) == (Level.SMOOTH, 0)
    assert np.isnan(figures.links.little[0])


def test_a_steady_queue_shows_in_every_figure() -> None:
    figures = watch(chain_observer(), 0, 900, [2.0, 15.0, 1.0], [0.1, 0.1, 0.1])
    links = figures.links
    assert links.travel_time[0] == pytest.approx(150.0, rel=0.02)
    assert links.little[0] == pytest.approx(150.0, rel=0.02)
    assert links.speed[0] == pytest.approx(2.0, rel=0.02)
    assert links.delay_index[0] == pytest.approx(5.0, rel=0.02)
    assert links.level[0] == Level.SEVERE
    assert links.severe_minutes[0] >= 10
    assert (links.storage[0], links.spillback[0], links.confidence[0]) == (20.0, False, pytest.approx(0.9))
    assert links.age[0] == 2.0
    assert figures.districts.vehicles.tolist() == pytest.approx([3.0, 15.0])
    # The city's 18 vehicles spend what 0.1 veh/s on 60 s of road would spend three times over.
    assert figures.delay_index == pytest.approx(3.0, rel=0.02)
    assert figures.low < 18.5 < figures.high
    assert figures.counted == 1.0
    assert figures.forecast.value[0, 0] == pytest.approx(figures.vehicles, rel=0.1)
    assert links.forecast.value.shape == (3, 2)


def test_a_queue_back_to_the_begin_is_told() -> None:
    observer = chain_observer()
    found = None
    for second in range(61):
        full = state(10 * second, [0.0, 40.0, 0.0], [0.0] * 3, room=[20.0, 0.0, 20.0])
        found = observer.see(batch(10 * second), full) or found
    assert found is not None
    assert found.links.spillback.tolist() == [True, False]


def test_the_same_figures_after_a_restart() -> None:
    one, other = (chain_observer(History(5)) for _ in range(2))
    watch(one, 0, 330, [2.0, 9.0, 1.0], [0.1] * 3)
    recall(other, unpack(pack(remember(one))))
    later = [watch(observer, 331, 500, [3.0, 12.0, 1.0], [0.1] * 3) for observer in (one, other)]
    assert repr(later[0]) == repr(later[1])


def test_a_long_silence_begins_anew() -> None:
    observer = chain_observer()
    watch(observer, 0, 300, [2.0, 15.0, 1.0], [0.1] * 3)
    figures = watch(observer, 4000, 4130, [0.0] * 3, [0.0] * 3)
    assert figures.delay_index == 1.0
    assert figures.vehicles < 6.0


def test_a_history_of_another_city_is_refused() -> None:
    with pytest.raises(ContractError, match="history of 4 series for a city of 5"):
        chain_observer(History(4))


def test_the_live_engine_shows_figures_and_goes_on_with_them_after_a_restart() -> None:
    loop = Loop()
    loop.run(100)
    kept = loop.engine.save()
    loop.run(80)
    assert loop.outcomes[-1].snapshot.city is not None
    again = Loop()
    again.engine.load(kept)
    for inputs in loop.inputs[100:]:
        outcome = again.engine.step(inputs)
    assert repr(outcome.snapshot.city) == repr(loop.outcomes[-1].snapshot.city)


def test_no_street_is_too_small() -> None:
    network = small_network()
    districts = Districts(("all",), np.zeros(4, np.int32), np.zeros(1, np.int32))
    observer = CityObserver(network, small_sensors(), districts)
    found = None
    for second in range(121):
        now = replace(small_state(10 * second, vehicles=[1.0] * 4), flow=np.full(4, 0.1, np.float32))
        found = observer.see(batch(10 * second), now) or found
    assert found is not None
    assert len(found.links.travel_time) == 0
