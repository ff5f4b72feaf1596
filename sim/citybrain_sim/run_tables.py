"""What a finished run was worth, as tables in its folder: its events measured, and SUMO's word on every traveller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from citybrain.delays import delay_figures
from citybrain.eventlog.tables import event_tables, read_run
from citybrain.measure_tables import TRIP_TABLES
from citybrain.measures import POLLUTANTS, TripEnd
from citybrain.record_tables import TABLES
from citybrain_sim.sumo_net_file import read_net_file
from citybrain_sim.trips import Ways, read_movement_delays

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from citybrain.measures import Trips
    from citybrain.network import Network

MEASURED = ("phases", "cycles", "arrivals", "crossings", "coordination")


def write_event_measures(folder: Path) -> None:
    """Measure a run's events; tables without rows where it has none."""
    if pq.read_metadata(folder / "events.parquet").num_rows:
        tables = event_tables(*read_run(folder))
    else:
        tables = {name: TABLES[name].schema.empty_table() for name in MEASURED}
    for name in MEASURED:
        _write(folder, name, tables[name])


def write_trip_measures(
    folder: Path,
    net_file: Path,
    network: Network,
    trips: Trips,
    end_s: float,
    waiting: Mapping[str, Sequence[str]],
) -> None:
    """Write what became of every traveller, and the control delay of movements, approaches and intersections.

    Parameters
    ----------
    net_file : the network that was simulated, as SUMO has it.
    network : the same as the engine has it.
    trips : of the run.
    end_s : end of the window [s].
    waiting : vehicles that never came in, and the roads that they meant to take.
    """
    _write(folder, "trips", _trip_table(trips))
    walkers = {"person": list(trips.walker), "delay": trips.walk_delay, "walking_time": trips.walk_time}
    _write(folder, "walkers", pa.table(walkers, schema=TRIP_TABLES["walkers"].schema))
    owner = _signalised(network)
    ways = _ways(net_file, frozenset(owner))
    delays = read_movement_delays(folder / "vehroutes.xml", ways, trips, end_s, waiting)
    rows: dict[str, list[dict[str, Any]]] = {"movements": [], "approaches": [], "intersections": []}
    by_road: dict[tuple[str, str], list[float]] = {}
    by_place: dict[str, list[float]] = {name: [] for name in network.intersection_id}
    for (origin, target), place in owner.items():
        lost = delays[origin, target]
        rows["movements"].append({"intersection": place, "from_road": origin, "to_road": target, **delay_figures(lost)})
        by_road.setdefault((place, origin), []).extend(lost)
        by_place[place].extend(lost)
    rows["approaches"] = [
        {"intersection": place, "road": road, **delay_figures(lost)} for (place, road), lost in by_road.items()
    ]
    rows["intersections"] = [{"intersection": place, **delay_figures(lost)} for place, lost in by_place.items()]
    for name, found in rows.items():
        _write(folder, name, pa.Table.from_pylist(found, schema=TRIP_TABLES[name].schema))


def _signalised(network: Network) -> dict[tuple[str, str], str]:
    """Pairs of roads with a signal between them, and its intersection, in the network's order."""
    return {
        (network.edge_id[a], network.edge_id[b]): network.intersection_id[i]
        for a, b, i in zip(
            network.lane_edge[network.move_from].tolist(),
            network.lane_edge[network.move_to].tolist(),
            network.move_intersection.tolist(),
            strict=True,
        )
        if i >= 0
    }


def _ways(net_file: Path, signalised: frozenset[tuple[str, str]]) -> Ways:
    """Lengths and times of all roads and parts of junctions, by the longest and the fastest of their lanes."""
    edges = [edge for edge in read_net_file(net_file).edges.values() if edge.lanes]
    metres = {edge.name: max(lane.length for lane in edge.lanes) for edge in edges}
    seconds = {edge.name: metres[edge.name] / max(lane.speed for lane in edge.lanes) for edge in edges}
    return Ways(seconds, metres, signalised)


def _trip_table(trips: Trips) -> pa.Table:
    kinds = pa.array(trips.kind, pa.string()).dictionary_encode()
    columns = {
        "vehicle": pa.array(trips.vehicle, pa.string()),
        "type": kinds.cast(TRIP_TABLES["trips"].schema.field("type").type),
        "end": pa.array([TripEnd(k).name.lower() for k in trips.end.tolist()], pa.string()),
        **{name: getattr(trips, name) for name in ("depart", "delay", "travel_time", "free_time", "distance")},
        "stops": trips.stops,
        "standing": trips.standing,
        **{name: np.ascontiguousarray(trips.emissions[:, k]) for k, name in enumerate(POLLUTANTS)},
    }
    return pa.table(columns, schema=TRIP_TABLES["trips"].schema)


def _write(folder: Path, name: str, table: pa.Table) -> None:
    pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
