"""Districts: every road belongs to one. Given by the user, or made by a seeded partition of the intersections.

May import network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from citybrain.errors import InputError
from citybrain.randomness import generator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citybrain.network import FloatArray, IntArray, Network

INTERSECTIONS_EACH = 8
"""Intersections of a district where nobody says otherwise."""
MOST_ROUNDS = 50


@dataclass(frozen=True)
class Districts:
    """A partition of the roads. Index letters: d districts, e roads, i intersections.

    Attributes
    ----------
    name : names.
    of_road : [E] district. of_intersection : [I] district.
    """

    name: tuple[str, ...]
    of_road: IntArray
    of_intersection: IntArray


def given_districts(network: Network, intersections: Mapping[str, Sequence[str]]) -> Districts:
    """Take the districts that somebody named, as lists of intersections.

    Raises
    ------
    InputError
        If an intersection is unknown, missing or in two districts; all faults at once.
    """
    number = {name: i for i, name in enumerate(network.intersection_id)}
    owner = np.full(network.n_intersections, -1, dtype=np.int32)
    faults = []
    for d, (name, members) in enumerate(intersections.items()):
        for member in members:
            if member not in number:
                faults.append(f"district {name!r} names the intersection {member!r}, which the network does not have")
            elif owner[number[member]] >= 0:
                faults.append(f"intersection {member!r} is in two districts; leave it in one")
            else:
                owner[number[member]] = d
    missing = [name for name, i in number.items() if owner[i] < 0]
    if missing:
        faults.append(f"no district has the intersections {', '.join(missing)}; put each into one")
    if faults:
        raise InputError("; ".join(faults))
    return Districts(tuple(intersections), _roads(network, owner), owner)


def usual_districts(network: Network) -> Districts:
    """Part a network where nobody names districts; always the same."""
    return make_districts(network, generator(0, "districts"))


def make_districts(network: Network, rng: np.random.Generator) -> Districts:
    """Part the intersections into groups that lie together; the same generator gives the same districts.

    Source: k-means as in Lloyd (1982), begun as in Arthur and Vassilvitskii (2007), k-means++.
    """
    n_i = network.n_intersections
    count = max(1, round(n_i / INTERSECTIONS_EACH))
    owner = _means(_places(network), count, rng) if n_i else np.zeros(0, dtype=np.int32)
    used, position = np.unique(owner, return_inverse=True)
    owner = position.astype(np.int32)
    names = tuple(f"district {d + 1}" for d in range(max(1, len(used))))
    return Districts(names, _roads(network, owner), owner)


def _places(network: Network) -> FloatArray:
    """[I, 2] middle of every intersection's stop lines [m]."""
    places = np.zeros((network.n_intersections, 2))
    for i in range(network.n_intersections):
        lanes = network.approach_lane[network.approach_ptr[i] : network.approach_ptr[i + 1]]
        ends = network.lane_shape_ptr[lanes + 1] - 1
        drawn = ends >= network.lane_shape_ptr[lanes]
        if drawn.any():
            places[i] = network.lane_shape[ends[drawn]].mean(axis=0)
    return places


def _means(place: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """[I] group of every place."""
    centre = [int(rng.integers(len(place)))]
    near = _square(place, place[centre[0]])
    while len(centre) < count and near.sum() > 0.0:
        centre.append(int(rng.choice(len(place), p=near / near.sum())))
        near = np.minimum(near, _square(place, place[centre[-1]]))
    middle = place[centre]
    owner = _closest(place, middle)
    for _ in range(MOST_ROUNDS):
        size = np.bincount(owner, minlength=len(middle))
        total = [np.bincount(owner, weights=place[:, axis], minlength=len(middle)) for axis in (0, 1)]
        middle = np.where(size[:, None] > 0, np.stack(total, axis=1) / np.maximum(size, 1)[:, None], middle)
        closest = _closest(place, middle)
        if np.array_equal(closest, owner):
            break
        owner = closest
    return owner


def _closest(place: FloatArray, centre: FloatArray) -> IntArray:
    """[I] number of the centre that is closest."""
    group: IntArray = cKDTree(centre).query(place)[1].astype(np.int32)
    return group


def _square(place: FloatArray, other: FloatArray) -> FloatArray:
    """[I] square of the distance to one place [m2]."""
    square: FloatArray = ((place - other) ** 2).sum(axis=1)
    return square


def _roads(network: Network, owner: IntArray) -> IntArray:
    """[E] district of every road: of the intersection that it leads to next, or else of the one that it comes from."""
    road = np.full(len(network.edge_id), -1, dtype=np.int32)
    for i in range(network.n_intersections):
        lanes = network.approach_lane[network.approach_ptr[i] : network.approach_ptr[i + 1]]
        road[network.lane_edge[lanes]] = owner[i]
    source, target = network.lane_edge[network.move_from], network.lane_edge[network.move_to]
    _hand_on(road, target, source)
    _hand_on(road, source, target)
    return np.maximum(road, 0)


def _hand_on(road: IntArray, known: NDArray[np.int32], other: NDArray[np.int32]) -> None:
    """Give the district of ``known`` roads to the ``other`` ones beside them that have none, step by step."""
    while True:
        new = (road[known] >= 0) & (road[other] < 0)
        if not new.any():
            return
        # Of several, the one with the highest number: any rule will do that does not depend on the order of movements.
        step = np.full(len(road), -1, dtype=np.int32)
        np.maximum.at(step, other[new], road[known[new]])
        road[:] = np.where(road < 0, step, road)
