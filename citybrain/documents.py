"""What a run depends on, as plain types for JSON: network, sensors. The record's numbers refer to these documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from citybrain.links import find_links
from citybrain.observations import SensorTable
from citybrain.signals import GroupKind

if TYPE_CHECKING:
    from pathlib import Path

    from citybrain.network import Network
    from citybrain.signals import Signals

_ASPECT_CHAR = "rygG"
_SENSOR_COLUMNS: dict[str, Any] = {
    "kind": np.uint8,
    "lane": np.int32,
    "distance": np.float64,
    "cover_ptr": np.int32,
    "cover_lane": np.int32,
    "cover_offset": np.float64,
}


def write_json(path: Path, document: Any) -> None:
    """Write a document in one go: readers see the whole file or none."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    part.replace(path)


def network_document(network: Network, signals: Signals) -> dict[str, Any]:
    """Describe lanes, intersections, groups and rows as plain types: the numbers in the tables refer to it."""
    lanes = [
        {"id": name, "road": network.edge_id[network.lane_edge[k]], "length_m": length, "speed_mps": speed}
        for k, (name, length, speed) in enumerate(
            zip(network.lane_id, network.lane_length.tolist(), network.lane_speed.tolist(), strict=True)
        )
    ]
    return {
        "lanes": lanes,
        "intersections": [_intersection(network, signals, i) for i in range(signals.n_intersections)],
        "links": _links(network),
    }


def _links(network: Network) -> list[dict[str, Any]]:
    links = find_links(network)
    return [
        {
            "from": network.intersection_id[links.origin[k]],
            "to": network.intersection_id[links.target[k]],
            "roads": [network.edge_id[road] for road in links.road[links.road_ptr[k] : links.road_ptr[k + 1]]],
            "length_m": float(links.length[k]),
            "seconds": float(links.seconds[k]),
        }
        for k in range(len(links.origin))
    ]


def _intersection(network: Network, signals: Signals, i: int) -> dict[str, Any]:
    groups = []
    for g in range(signals.group_ptr[i], signals.group_ptr[i + 1]):
        moves = signals.group_move[signals.group_move_ptr[g] : signals.group_move_ptr[g + 1]]
        groups.append(
            {
                "group": g,
                "kind": GroupKind(int(signals.group_kind[g])).name.lower(),
                "lamps": np.flatnonzero(
                    signals.lamp_group[signals.lamp_ptr[i] : signals.lamp_ptr[i + 1]] == g
                ).tolist(),
                "movements": [
                    [network.lane_id[network.move_from[m]], network.lane_id[network.move_to[m]]] for m in moves
                ],
            }
        )
    lanes = network.approach_lane[network.approach_ptr[i] : network.approach_ptr[i + 1]]
    return {
        "id": network.intersection_id[i],
        "program": signals.program_id[i],
        "stop_line_lanes": [network.lane_id[lane] for lane in lanes],
        "groups": groups,
        "rows": [
            {
                "row": row,
                "stage": bool(signals.row_is_stage[row]),
                "aspects": "".join(_ASPECT_CHAR[aspect] for aspect in signals.aspects(row)),
            }
            for row in range(signals.row_ptr[i], signals.row_ptr[i + 1])
        ],
    }


def sensors_document(sensors: SensorTable) -> dict[str, Any]:
    """Sensors as plain types; :func:`read_sensors` is the way back."""
    return {
        "sensor_id": list(sensors.sensor_id),
        **{name: getattr(sensors, name).tolist() for name in _SENSOR_COLUMNS},
    }


def read_sensors(document: dict[str, Any]) -> SensorTable:
    """Sensors from what :func:`sensors_document` gave."""
    columns = {name: np.array(document[name], dtype=kind) for name, kind in _SENSOR_COLUMNS.items()}
    return SensorTable(sensor_id=tuple(document["sensor_id"]), **columns)
