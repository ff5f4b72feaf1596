"""Where queues stand: storage behind stop lines, who is pressed, and who is served first then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from citybrain.control.planner import SIGHT, Parameters, Planner
from citybrain.control.storage import find_storage
from citybrain.network import Network
from citybrain_sim.sumo_net import read_network
from tests.sites import empty_state, lamps_showing, small_site
from tests.sumo_nets import public_net

SITE = small_site()
TIME = 36_000
WEST, EAST = 0, 1


def roads_behind(network: Network, lane: str) -> set[str]:
    storage = find_storage(network)
    a = int(network.lane_approach[network.lane_id.index(lane)])
    return {network.edge_id[network.lane_edge[x]] for x in storage.lane[storage.ptr[a] : storage.ptr[a + 1]]}


def test_the_street_between_two_signals_is_storage_and_roads_from_the_edge_are_not() -> None:
    network = SITE.network
    storage = find_storage(network)
    for a, lane in enumerate(network.approach_lane.tolist()):
        road = network.edge_id[network.lane_edge[lane]]
        inside = road in {"link>", "link<"}
        assert roads_behind(network, network.lane_id[lane]) == ({road} if inside else set())
        assert storage.vehicles[a] == pytest.approx(2 * 280.0 / 7.5 if inside else 0.0)
        assert storage.at_line[a] == pytest.approx(280.0 / 7.5 if inside else 0.0)


def test_storage_goes_back_over_roads_that_only_go_on() -> None:
    net = public_net("bologna_acosta")
    network, _ = read_network(net.net_file, net.additional_files)
    assert roads_behind(network, "11_0") >= {"11", "68", "79"}
    assert roads_behind(network, "85_1") == set()


@pytest.mark.parametrize("name", ["cologne8", "ingolstadt7", "grid4x4"])
def test_storage_holds_every_road_once_and_no_other_stop_line(name: str) -> None:
    net = public_net(name)
    network, _ = read_network(net.net_file, net.additional_files)
    storage = find_storage(network)
    approach_roads = set(network.lane_edge[network.approach_lane].tolist())
    for a, lane in enumerate(network.approach_lane.tolist()):
        behind = storage.lane[storage.ptr[a] : storage.ptr[a + 1]].tolist()
        assert len(set(behind)) == len(behind)
        others = set(network.lane_edge[behind].tolist()) - {int(network.lane_edge[lane])}
        assert not others & approach_roads
        assert (storage.vehicles[a] > 0) == (storage.at_line[a] > 0) == bool(behind)


def first_served(settle: float, inside: float = SIGHT.inside) -> int:
    """Stage that "east" begins after a long green of its empty south arm, with 24 vehicles inside and 24 at the edge.

    They stand on the link from the other intersection and at the north arm. ``settle`` of 1 s means that it has been
    so for long.
    """
    queue = np.zeros(SITE.network.n_lanes, np.float32)
    for lane in ("link>_0", "e-n>_0"):
        queue[SITE.network.lane_id.index(lane)] = 24.0
    planner = Planner(SITE, Parameters(sight=SIGHT._replace(settle=settle, inside=inside)))
    rows = [int(SITE.signals.stages(WEST)[0]), int(SITE.signals.stages(EAST)[-1])]
    state = replace(empty_state(SITE, TIME), queue=queue)
    return int(planner.decide(state, lamps_showing(SITE, TIME, rows, TIME - 600)).plan_row[EAST, 0])


def test_once_the_inside_is_full_its_queue_is_served_before_an_equal_one_at_the_edge() -> None:
    main, _, north, _ = SITE.signals.stages(EAST).tolist()
    assert first_served(settle=1.0) == main
    assert first_served(settle=1.0, inside=0.0) == north


def test_a_queue_of_a_moment_presses_nobody() -> None:
    assert first_served(settle=SIGHT.settle) == int(SITE.signals.stages(EAST)[2])
