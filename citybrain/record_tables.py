"""Every table that a run records, with types and units, in one place: the recorder, the replay and the page follow it.

``python -m citybrain.record_tables docs/records.md`` rewrites the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa

from citybrain.measure_tables import EVENT_TABLES, TRIP_TABLES
from citybrain.tables import NAME, Column, Table

__all__ = ["ENGINE_TABLES", "TABLES", "Column", "Table", "page"]

_TIME = Column("time", pa.float64(), "s", "time of the tick")
_ARRIVED = Column("arrived", pa.float64(), "s", "tick at which the row reached the engine")
_SENSOR = Column("sensor", NAME, "", "sensor (`sensors.json`)")
_INTERSECTION = Column("intersection", NAME, "", "intersection")

ENGINE_TABLES: dict[str, Table] = {
    "observations_loops": Table(
        "an event of a loop, in order of arrival",
        (
            _ARRIVED,
            _SENSOR,
            Column("time", pa.float64(), "s", "time of the event by the sensor's clock"),
            Column("on", pa.bool_(), "", "true: covered, false: left"),
        ),
    ),
    "observations_frames": Table(
        "a frame of a camera that is alive, also one without objects",
        (_ARRIVED, _SENSOR, Column("time", pa.float64(), "s", "time of the frame")),
    ),
    "observations_objects": Table(
        "a vehicle that a camera reports",
        (
            _ARRIVED,
            _SENSOR,
            Column("time", pa.float64(), "s", "time of the frame"),
            Column("lane", NAME, "", "lane as the camera judges it"),
            Column("distance", pa.float32(), "m", "from the vehicle's front to that lane's end; below 0 beyond it"),
            Column("speed", pa.float32(), "m/s", "speed"),
            Column("confidence", pa.float32(), "0 to 1", "confidence of the camera"),
        ),
    ),
    "observations_counts": Table(
        "an interval that a detector or camera counted",
        (
            _ARRIVED,
            _SENSOR,
            Column("lane", NAME, "", "lane that a camera counted; null for detectors"),
            Column("begin", pa.float64(), "s", "begin of the interval"),
            Column("end", pa.float64(), "s", "its end"),
            Column("vehicles", pa.float32(), "veh", "vehicles that passed"),
            Column("occupancy", pa.float32(), "0 to 1", "share of the interval under a vehicle; NaN: not told"),
            Column("queue", pa.float32(), "veh", "vehicles queued at the interval's end; NaN: not told"),
        ),
    ),
    "observations_turns": Table(
        "a turning movement count of a camera: vehicles of a lane that went to a road in an interval",
        (
            _ARRIVED,
            _SENSOR,
            Column("lane", NAME, "", "lane whose stop line they crossed"),
            Column("to", NAME, "", "road that they went to"),
            Column("begin", pa.float64(), "s", "begin of the interval"),
            Column("end", pa.float64(), "s", "its end"),
            Column("vehicles", pa.float32(), "veh", "how many"),
        ),
    ),
    "states": Table(
        "a tick and stop-line lane: what the engine believes",
        (
            _TIME,
            Column("lane", NAME, "", "lane with a stop line"),
            Column("vehicles", pa.float32(), "veh", "vehicles on the lane"),
            Column("queue", pa.float32(), "veh", "vehicles stopped or creeping (< 1.4 m/s) in the queue"),
            Column("back_of_queue", pa.float32(), "m", "from the stop line to the last queued vehicle"),
            Column("arrivals_10s", pa.float32(), "veh", "would reach the stop line unhindered in the next 10 s"),
            Column("flow", pa.float32(), "veh/s", "vehicles leaving the lane, over about a minute"),
            Column("occupancy", pa.float32(), "0 to 1", "share of the lane's storage that is taken"),
            Column("head_wait", pa.float32(), "s", "how long the first queued vehicle has stood"),
            Column("blocked", pa.bool_(), "", "green, queued and not discharging"),
            Column("confidence", pa.float32(), "0 to 1", "confidence of the estimate"),
            Column("age", pa.float32(), "s", "since the last evidence about the lane"),
        ),
    ),
    "wishes": Table(
        "a tick and intersection: what the controller would like",
        (
            _TIME,
            _INTERSECTION,
            Column("row", pa.int32(), "", "row wanted now (`network.json`)"),
            Column("start", pa.float64(), "s", "since when it is wanted"),
            Column("next_rows", pa.list_(pa.int32()), "", "rows foretold after it, in order"),
            Column("next_starts", pa.list_(pa.float64()), "s", "their starts"),
            Column("cost", pa.float32(), "veh s", "what the controller thinks its plan costs; NaN: it does not say"),
        ),
    ),
    "decisions": Table(
        "a change of what an intersection is wished, by a controller that gives reasons: what, and why",
        (
            _TIME,
            _INTERSECTION,
            Column("row", pa.int32(), "", "row wanted from now on (`network.json`)"),
            Column("waiting", pa.float32(), "veh", "vehicles that it serves and that wait"),
            Column("coming", pa.float32(), "veh", "vehicles that it serves and that come within 10 s"),
            Column("head_wait", pa.float32(), "s", "how long the first of them has stood"),
            Column("cost", pa.float32(), "veh s", "what the controller thinks its plan costs"),
            Column("other_row", pa.int32(), "", "what the best plan without this change begins with; -1: none"),
            Column("other_cost", pa.float32(), "veh s", "what that plan would cost; NaN: none"),
            Column("text", pa.string(), "", "all of it in one line"),
        ),
    ),
    "commands": Table(
        "the first tick, and every change of an intersection's lamps: what is shown from then on",
        (
            _TIME,
            _INTERSECTION,
            Column("lamps", pa.string(), "", "one character per lamp: G g y r s"),
            Column("row", pa.int32(), "", "row shown or, in an interstage, changed to (`network.json`)"),
            Column("changing", pa.bool_(), "", "an interstage is under way"),
        ),
    ),
    "bent": Table(
        "a wish that the guard refused or bent",
        (
            _TIME,
            _INTERSECTION,
            Column("group", pa.int32(), "", "signal group (`network.json`); -1: the whole intersection"),
            Column("rule", NAME, "", "rule of the guard that applied"),
        ),
    ),
    "measures": Table(
        "a tick: what the engine believes of the whole network",
        (
            _TIME,
            Column("vehicles", pa.float32(), "veh", "vehicles in the network"),
            Column("queued", pa.float32(), "veh", "of these, stopped or creeping in queues"),
        ),
    ),
    "turn_shares": Table(
        "a minute and signalised movement",
        (
            _TIME,
            Column("from_lane", NAME, "", "lane that the movement leaves"),
            Column("to_lane", NAME, "", "lane that it enters"),
            Column("share", pa.float32(), "0 to 1", "share of the lane's departures that take it, as inferred"),
            Column("counted", pa.float32(), "0 to 1", "the same as cameras counted it; where none did, as inferred"),
        ),
    ),
    "city": Table(
        "a minute: figures of the whole city ([city.md](city.md))",
        (
            _TIME,
            Column("vehicles", pa.float64(), "veh", "vehicles in network, mean over the minute"),
            Column("low", pa.float64(), "veh", "lower end of their 95 % interval"),
            Column("high", pa.float64(), "veh", "its upper end"),
            Column("counted", pa.float64(), "0 to 1", "share of the network's edge that loops count"),
            Column("queue", pa.float64(), "veh", "vehicles stopped or creeping now"),
            Column("delay_index", pa.float64(), "", "congestion delay index of the last five minutes"),
            Column("travel_time_index", pa.float64(), "", "travel time index of the last five minutes"),
            Column("level", pa.string(), "", "what the delay index is called"),
            Column("severe_minutes", pa.int32(), "min", "severe congestion today"),
        ),
    ),
    "city_districts": Table(
        "a minute and district",
        (
            _TIME,
            Column("district", pa.string(), "", "district"),
            Column("vehicles", pa.float64(), "veh", "sum over its lanes, mean over the minute"),
            Column("delay_index", pa.float64(), "", "congestion delay index"),
            Column("travel_time_index", pa.float64(), "", "travel time index"),
            Column("level", pa.string(), "", "what the delay index is called"),
            Column("severe_minutes", pa.int32(), "min", "severe congestion today"),
        ),
    ),
    "city_links": Table(
        "a minute and link between two intersections",
        (
            _TIME,
            Column("origin", pa.string(), "", "intersection that the link leaves"),
            Column("target", pa.string(), "", "intersection that it leads to"),
            Column("road", pa.string(), "", "its last road"),
            Column("travel_time", pa.float64(), "s", "of those who left its roads in the last five minutes"),
            Column("little", pa.float64(), "s", "the same by Little's law, as a check; NaN: nobody left"),
            Column("speed", pa.float64(), "m/s", "length over travel time"),
            Column("vehicles", pa.float64(), "veh", "on the link now"),
            Column("queue", pa.float64(), "veh", "of these, stopped or creeping"),
            Column("storage", pa.float64(), "veh", "that it can still take in"),
            Column("spillback", pa.bool_(), "", "a queue reaches back to its begin"),
            Column("delay_index", pa.float64(), "", "congestion delay index"),
            Column("level", pa.string(), "", "what the delay index is called"),
            Column("severe_minutes", pa.int32(), "min", "severe congestion today"),
            Column("confidence", pa.float64(), "0 to 1", "mean over its lanes"),
            Column("age", pa.float64(), "s", "since the last evidence about any of its lanes"),
        ),
    ),
    "city_forecasts": Table(
        "a minute, series and horizon",
        (
            _TIME,
            Column("place", pa.string(), "", "`city`, a district, or the last road of a link"),
            Column("measure", pa.string(), "", "what is foretold"),
            Column("minutes", pa.int32(), "min", "how far ahead"),
            Column("value", pa.float64(), "", "forecast"),
            Column("low", pa.float64(), "", "lower end of its 95 % interval"),
            Column("high", pa.float64(), "", "upper end"),
        ),
    ),
    "truth": Table(
        "a minute of the simulation, as the simulator counts; the engine never sees it",
        (
            _TIME,
            Column("running", pa.int32(), "veh", "vehicles on the street"),
            Column("waiting", pa.int32(), "veh", "vehicles due that wait to be inserted"),
            Column("arrived", pa.int32(), "veh", "vehicles that reached their destination"),
            Column("delay", pa.float64(), "s/veh", "mean control delay so far; NaN: not known"),
        ),
    ),
}
"""What the engine writes, tick by tick."""
TABLES: dict[str, Table] = {**ENGINE_TABLES, **EVENT_TABLES, **TRIP_TABLES}
"""File name without ``.parquet`` -> its table."""

_HEAD = """# Records of a run

Every run has a folder of its own. Its tables are Parquet (zstd); the same run writes the same bytes every time, so
they hold no wall-clock times. Names of lanes, sensors and intersections are the network's own.
This page is made from `citybrain/record_tables.py` by `python -m citybrain.record_tables docs/records.md`.

| file | what it holds |
|---|---|
| `manifest.json` | version, what was asked for, versions and hashes of everything that the result depends on |
| `network.json` | lanes, intersections, signal groups and rows: what the numbers in the tables mean |
| `sensors.json` | the sensors, in the engine's order |
| `timings.json` | minimum greens, yellows, intergreens and longest reds that the guard enforced |
| `tripinfo.xml`, `vehroutes.xml` | SUMO's own record of every vehicle, for recomputing the measures |
| `faults.json` | which sensors were really sick, of what, from when to when; only where faults were asked for |
| `sensor_health.json` | what was found of every sensor at the end, and every change before: [health.md](health.md) |
| `result.json` | the measures; written last, so a folder that has it holds a finished run |
| `failed.json` | instead of it, where the run failed: the message. The tables hold what was recorded until then |

Runs of SUMO's own controllers have no engine: of the tables they have those from `events.parquet` on, without
detectors. What the measures mean: [measures.md](measures.md).
"""


def page() -> str:
    """Text of the page that documents the tables."""
    parts = [_HEAD]
    for name, table in TABLES.items():
        parts.append(f"\n## `{name}.parquet`\n\nA row is {table.rows}.\n\n")
        parts.append("| column | type | unit | meaning |\n|---|---|---|---|\n")
        parts.extend(f"| `{c.name}` | {_type_name(c.type)} | {c.unit} | {c.meaning} |\n" for c in table.columns)
    return "".join(parts)


def _type_name(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {kind.value_type}"
    return "string" if pa.types.is_dictionary(kind) else str(kind)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
