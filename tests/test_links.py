"""Links between intersections: by hand on the small site, by what must hold on public networks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from citybrain.links import find_links
from citybrain_sim.sumo_net import read_network
from tests.sites import small_site
from tests.sumo_nets import public_net


def test_the_two_crossroads_are_linked_both_ways() -> None:
    network = small_site().network
    links = find_links(network)
    assert list(zip(links.origin.tolist(), links.target.tolist(), strict=True)) == [(0, 1), (1, 0)]
    assert links.length == pytest.approx([280.0, 280.0])
    speed = network.lane_speed[0]
    assert links.seconds == pytest.approx(links.length / speed)
    assert np.diff(links.road_ptr).tolist() == [1, 1]


@pytest.mark.parametrize(("name", "least"), [("cologne1", 0), ("cologne8", 8), ("grid4x4", 48), ("hangzhou1", 48)])
def test_links_of_public_networks_are_ways_without_a_signal_between(name: str, least: int) -> None:
    net = public_net(name)
    network, _ = read_network(net.net_file, net.additional_files)
    links = find_links(network)
    assert len(links.origin) >= least
    if name in {"grid4x4", "hangzhou1"}:
        assert len(links.origin) == 48  # 24 streets between neighbours of a 4 x 4 grid, both ways
    approach = {int(network.lane_edge[lane]) for lane in network.approach_lane}
    follows = {
        (int(network.lane_edge[a]), int(network.lane_edge[b]))
        for a, b in zip(network.move_from, network.move_to, strict=True)
    }
    for k in range(len(links.origin)):
        roads = links.road[links.road_ptr[k] : links.road_ptr[k + 1]].tolist()
        assert links.origin[k] != links.target[k]
        assert roads[-1] in approach
        assert not approach & set(roads[:-1])
        assert all(pair in follows for pair in itertools.pairwise(roads))
