"""Batches of observations written as bodies: for the street twin, the client and whoever plays a gateway."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from citybrain.intake.names import MISSING, names_array
from citybrain.intake.posted import FORMAT, NEEDED, OPTIONAL, UNTOLD, Header, Posted, RowKind

if TYPE_CHECKING:
    from citybrain.network import Network
    from citybrain.observations import ObservationBatch, SensorTable

_COMMON = ("kind", "sensor", "time_ms")


def post_of(header: Header, observed: ObservationBatch, sensors: SensorTable, network: Network) -> Posted:
    """Make the post by which the engine gets these observations; times are rounded to milliseconds."""
    counts = [len(getattr(observed, f"{kind.name.lower()}_sensor")) for kind in RowKind]
    size, begin = sum(counts), np.cumsum([0, *counts])

    def spread(values: NDArray[Any], kind: RowKind, fill: float) -> NDArray[Any]:
        """Put the values of one kind of row where its rows are."""
        column = np.full(size, fill, dtype=values.dtype)
        column[begin[kind] : begin[kind + 1]] = values
        return column

    times = (observed.loop_time, observed.frame_time, observed.object_time, observed.count_end, observed.turn_end)
    lane = spread(observed.object_lane, RowKind.OBJECT, MISSING)
    lane[begin[RowKind.COUNT] :] = np.concatenate((observed.count_lane, observed.turn_lane))
    begin_ms = spread(_milliseconds(observed.count_begin), RowKind.COUNT, 0)
    begin_ms[begin[RowKind.TURN] :] = _milliseconds(observed.turn_begin)
    vehicles = spread(observed.count_vehicles, RowKind.COUNT, 0.0)
    vehicles[begin[RowKind.TURN] :] = observed.turn_vehicles
    return Posted(
        header=header,
        kind=np.repeat(np.array(list(RowKind), dtype=np.uint8), counts),
        sensor=np.concatenate([getattr(observed, f"{kind.name.lower()}_sensor") for kind in RowKind]),
        sensor_names=names_array(sensors.sensor_id),
        time_ms=_milliseconds(np.concatenate(times)),
        on=spread(observed.loop_on, RowKind.LOOP, fill=False),
        lane=lane,
        lane_names=names_array(network.lane_id),
        to=spread(observed.turn_to, RowKind.TURN, MISSING),
        to_names=names_array(network.edge_id),
        distance=spread(observed.object_distance, RowKind.OBJECT, 0.0),
        speed=spread(observed.object_speed, RowKind.OBJECT, 0.0),
        confidence=spread(observed.object_confidence, RowKind.OBJECT, 0.0),
        begin_ms=begin_ms,
        vehicles=vehicles,
        occupancy=spread(observed.count_occupancy, RowKind.COUNT, np.nan),
        queue=spread(observed.count_queue, RowKind.COUNT, np.nan),
        fault=np.zeros(size, dtype=np.uint8),
        field=np.zeros(size, dtype=np.uint8),
    )


def _milliseconds(times: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.rint(times * 1000.0).astype(np.int64)


def write_json(posted: Posted) -> bytes:
    """Write rows that are right in form as a JSON body; ``read_json`` gives the same rows back."""
    columns = {name: values.tolist() for name, values in _columns(posted).items()}
    rows = []
    for n, kind in enumerate(posted.kind.tolist()):
        row = {name: columns[name][n] for name in (*_COMMON, *NEEDED[RowKind(kind)])}
        told = {name: columns[name][n] for name in OPTIONAL.get(RowKind(kind), ())}
        rows.append(row | {name: value for name, value in told.items() if _is_told(value)})
    header = {"format": FORMAT, "batch_id": posted.batch_id, "sender": posted.sender}
    if posted.complete_until is not None:
        return json.dumps(header | {"complete_until": posted.complete_until, "rows": rows}).encode()
    return json.dumps(header | {"rows": rows}).encode()


def _is_told(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def write_arrow(posted: Posted, compression: str | None = None, *, plain_text: bool = False) -> bytes:
    """Write rows that are right in form as an Arrow body; ``read_arrow`` gives the same rows back.

    Parameters
    ----------
    compression : of the buffers: None, "lz4" or "zstd".
    plain_text : write ids in full in every row, as some writers do, in place of a dictionary.
    """
    arrays = {}
    for name, values in _columns(posted, texts=False).items():
        kinds = [kind for kind in RowKind if name in (*NEEDED[kind], *OPTIONAL.get(kind, ()))]
        unused = ~np.isin(posted.kind, list(RowKind) if name in _COMMON else kinds)
        if name in {"lane", "to"}:
            unused |= values == MISSING
        elif name in UNTOLD:
            unused |= np.isnan(values)
        if name in _COMMON or not unused.all():
            arrays[name] = pa.array(values, mask=unused if unused.any() else None)
    for name, names in _names(posted).items():
        if name in arrays:
            text = pa.DictionaryArray.from_arrays(arrays[name].cast(pa.int32()), names)
            arrays[name] = text.cast(pa.string()).dictionary_encode()
            if plain_text:
                arrays[name] = text.cast(pa.string())
    header = {"format": FORMAT, "batch_id": posted.batch_id, "sender": posted.sender}
    if posted.complete_until is not None:
        header["complete_until"] = str(posted.complete_until)
    record = pa.record_batch(arrays).replace_schema_metadata(header)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, record.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(record)
    body: bytes = sink.getvalue().to_pybytes()
    return body


def _names(posted: Posted) -> dict[str, pa.StringArray]:
    """Say what the numbers of text columns stand for."""
    kinds = names_array(kind.name.lower() for kind in RowKind)
    return {"kind": kinds, "sensor": posted.sensor_names, "lane": posted.lane_names, "to": posted.to_names}


def _columns(posted: Posted, *, texts: bool = True) -> dict[str, NDArray[Any]]:
    """Columns by field; with texts in place of their numbers, or without."""
    columns: dict[str, NDArray[Any]] = {
        "kind": posted.kind,
        "sensor": posted.sensor,
        "time_ms": posted.time_ms,
        "on": posted.on,
        "lane": posted.lane,
        "to": posted.to,
        "distance": posted.distance,
        "speed": posted.speed,
        "confidence": posted.confidence,
        "begin_ms": posted.begin_ms,
        "vehicles": posted.vehicles,
        "occupancy": posted.occupancy,
        "queue": posted.queue,
    }
    if texts:
        for name, names in _names(posted).items():
            columns[name] = np.array([*names.to_pylist(), None], dtype=object)[columns[name]]
    return columns
