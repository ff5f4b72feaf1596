"""Where queues stand: storage behind stop lines, who is pressed, and who is served first then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from citybrain.control.planner import SIGHT, Parameters, Planner
from citybrain.control.storage import inside_storage
from citybrain_sim.sumo_net import read_network
from tests.sites import empty_state, lamps_showing, small_site
from tests.sumo_nets import public_net

SITE = small_site()
TIME = 36_000
WEST, EAST = 0, 1


def test_the_street_between_two_signals_is_storage_and_roads_from_the_edge_are_not() -> None:
    network = SITE.network
    for lane, storage in zip(network.approach_lane.tolist(), inside_storage(network).tolist(), strict=True):
        inside = network.edge_id[network.lane_edge[lane]] in {"link>", "link<"}
        assert storage == pytest.approx(280.0 / 7.5 if inside else 0.0)


def test_roads_that_only_go_on_are_followed_back() -> None:
    net = public_net("bologna_acosta")
    network, _ = read_network(net.net_file, net.additional_files)
    storage = inside_storage(network)[network.lane_approach]
    lane = network.lane_id.index("11_0")
    assert storage[lane] == pytest.approx(network.lane_length[lane] / 7.5)
    assert storage[network.lane_id.index("85_1")] == 0.0


@pytest.mark.parametrize("name", ["cologne8", "ingolstadt7", "grid4x4"])
def test_what_another_signal_lets_go_stands_inside(name: str) -> None:
    net = public_net(name)
    network, _ = read_network(net.net_file, net.additional_files)
    storage = inside_storage(network)
    feeders = {int(network.lane_edge[x]) for x in network.move_from[network.move_intersection >= 0].tolist()}
    for a, lane in enumerate(network.approach_lane.tolist()):
        road = int(network.lane_edge[lane])
        into = network.lane_edge[network.move_from[network.lane_edge[network.move_to] == road]].tolist()
        assert not feeders & set(into) or storage[a] > 0
        assert into or storage[a] == 0


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
