"""The street as the page draws it: geometry, movements, signal groups, stages and links as plain lists.

Numbers refer to the network's own order, the same in the frames (``page_frames``). Lengths are in decimetres.
"""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import Request, Response

from citybrain.links import find_links

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from citybrain.control.interface import Site
    from citybrain.network import Network
    from citybrain.signals import Signals

ASPECTS = "rygG"
DECIMETRES = 10


class PackedStreet:
    """The street's document as bytes, made when it is first asked for.

    Parameters
    ----------
    make : gives the document.
    """

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make
        self._bytes: bytes | None = None

    def answer(self, request: Request) -> Response:
        """Give it, packed where the client can unpack it."""
        if self._bytes is None:
            self._bytes = gzip.compress(json.dumps(self._make(), separators=(",", ":")).encode(), 6)
        headers = {"Vary": "Accept-Encoding", "Cache-Control": "no-store"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self._bytes, headers={**headers, "Content-Encoding": "gzip"}, media_type="application/json")
        return Response(gzip.decompress(self._bytes), headers=headers, media_type="application/json")


def street_document(site: Site) -> dict[str, Any]:
    """Tell all of a street that does not change.

    Returns
    -------
    dict
        ``lanes``: ``id``, ``road``, ``length`` [dm], ``speed`` [dm/s], ``points`` (how many each has), ``shape`` (flat
        x, y of all points [dm], each after the lane's first as a difference to the one before).
        ``roads``: ids. ``intersections``: ``id``, ``place`` ([x, y] in dm; null where the network has no shapes),
        ``lanes`` (stop-line lanes). ``movements``: ``from``, ``to``, ``turn``, ``group`` (-1: no signal).
        ``groups``: ``intersection``, ``kind``. ``stages``: per intersection the aspects of every stage, one of
        ``rygG`` per group. ``links``: ``origin``, ``target``, ``roads``, ``length`` [dm], ``seconds``.
    """
    network, signals = site.network, site.signals
    return {
        "lanes": _lanes(network),
        "roads": list(network.edge_id),
        "intersections": {
            "id": list(network.intersection_id),
            "place": [_place(network, i) for i in range(network.n_intersections)],
            "lanes": [
                network.approach_lane[network.approach_ptr[i] : network.approach_ptr[i + 1]].tolist()
                for i in range(network.n_intersections)
            ],
        },
        "movements": {
            "from": network.move_from.tolist(),
            "to": network.move_to.tolist(),
            "turn": network.move_turn.tolist(),
            "group": _group_of(network, signals).tolist(),
        },
        "groups": {
            "intersection": np.repeat(np.arange(signals.n_intersections), np.diff(signals.group_ptr)).tolist(),
            "kind": signals.group_kind.tolist(),
        },
        "stages": [
            ["".join(ASPECTS[aspect] for aspect in signals.aspects(row)) for row in signals.stages(i)]
            for i in range(signals.n_intersections)
        ],
        "links": _links(network),
    }


def _lanes(network: Network) -> dict[str, Any]:
    points = np.diff(network.lane_shape_ptr)
    return {
        "id": list(network.lane_id),
        "road": network.lane_edge.tolist(),
        "length": _decimetres(network.lane_length).tolist(),
        "speed": _decimetres(network.lane_speed).tolist(),
        "points": points.tolist(),
        "shape": _differences(network).ravel().tolist(),
    }


def _differences(network: Network) -> NDArray[np.int64]:
    """Points [P, 2] in decimetres: the first of every lane as it is, the others as differences."""
    shape = _decimetres(network.lane_shape)
    steps = np.diff(shape, axis=0, prepend=np.zeros((1, 2), np.int64))
    first = network.lane_shape_ptr[:-1][np.diff(network.lane_shape_ptr) > 0]
    steps[first] = shape[first]
    return steps


def _place(network: Network, i: int) -> list[int] | None:
    """Middle of the ends of an intersection's stop-line lanes."""
    lanes = network.approach_lane[network.approach_ptr[i] : network.approach_ptr[i + 1]]
    ends = network.lane_shape_ptr[lanes + 1]
    ends = ends[ends > network.lane_shape_ptr[lanes]] - 1
    if not len(ends):
        return None
    x, y = _decimetres(network.lane_shape[ends].mean(axis=0)).tolist()
    return [x, y]


def _group_of(network: Network, signals: Signals) -> NDArray[np.int32]:
    """[M] signal group of every movement; -1 without."""
    group = np.full(network.n_movements, -1, dtype=np.int32)
    group[signals.group_move] = np.repeat(np.arange(signals.n_groups, dtype=np.int32), np.diff(signals.group_move_ptr))
    return group


def _links(network: Network) -> dict[str, Any]:
    links = find_links(network)
    return {
        "origin": links.origin.tolist(),
        "target": links.target.tolist(),
        "roads": [links.road[links.road_ptr[k] : links.road_ptr[k + 1]].tolist() for k in range(len(links.origin))],
        "length": _decimetres(links.length).tolist(),
        "seconds": np.round(links.seconds, 1).tolist(),
    }


def _decimetres(metres: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(metres * DECIMETRES).astype(np.int64)
