"""The tables of a report, with types and units, in one place: what is drawn and what is written follows them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from citybrain.record_tables import Column, Table


def _text(name: str, meaning: str) -> Column:
    return Column(name, pa.string(), "", meaning)


def _real(name: str, unit: str, meaning: str) -> Column:
    return Column(name, pa.float64(), unit, meaning)


def _count(name: str, unit: str, meaning: str) -> Column:
    return Column(name, pa.int32(), unit, meaning)


_CONTROLLER = _text("controller", "controller, and what else tells it from the others")
_LOW = "lower end of its 95 % interval; NaN: not known"
_HIGH = "its upper end"

TABLES: dict[str, Table] = {
    "runs": Table(
        "a finished run",
        (
            _CONTROLLER,
            _count("seed", "", "of drivers and sensors"),
            _count("instance", "", "demand instance"),
            _real("delay", "s/veh", "mean control delay over everybody who was due to depart"),
            _real("median_delay", "s/veh", "its median over vehicles"),
            _real("p95_delay", "s", "its 95th percentile over vehicles"),
            _real("longest_delay", "s", "the longest of all; NaN: not recorded"),
            _real("travel_time_index", "", "time on the road over that of the same ways unhindered; NaN: not recorded"),
            _real("co2", "kg", "carbon dioxide of all vehicles, finished or not; NaN: not computed"),
            _real("fuel", "kg", "fuel of all vehicles; NaN: not computed"),
            _real("travel_time", "s/veh", "mean time on the road"),
            _real("stops", "1/veh", "mean number of stops"),
            _real("queue", "veh", "vehicles that stand, mean over time"),
            _real("pedestrian_delay", "s", "mean time that a person on foot lost; NaN: nobody walked"),
            _real("longest_red", "s", "longest red of any signal group; NaN: not known"),
            _count("arrived", "veh", "reached their destination"),
            _count("running", "veh", "still on the road at the end"),
            _count("not_inserted", "veh", "never found room to start"),
            Column("gridlocked", pa.bool_(), "", "traffic locked"),
            Column("shown", pa.bool_(), "", "the run that figures of a single run show"),
            _text("folder", "where its records are"),
        ),
    ),
    "comparison": Table(
        "a measure and controller, over all its runs",
        (
            _text("measure", "column of `runs`"),
            _text("unit", "unit of the measure"),
            _CONTROLLER,
            _count("runs", "", "number of runs"),
            _count("gridlocked", "", "of these, gridlocked"),
            _real("median", "as `unit`", "median over runs"),
            _real("low", "as `unit`", _LOW),
            _real("high", "as `unit`", _HIGH),
            _text("paired_on", "`seeds` or `instances`; empty without the fixed plan"),
            _count("pairs", "", "pairs of runs"),
            _count("better_pairs", "", "of these, below the fixed plan"),
            _real("difference", "as `unit`", "median of the paired differences to the fixed plan"),
            _real("difference_low", "as `unit`", _LOW),
            _real("difference_high", "as `unit`", _HIGH),
            _real("relative", "share", "the difference over the fixed plan's median"),
        ),
    ),
    "movements": Table(
        "a controller and signalised movement between two roads",
        (
            _CONTROLLER,
            _text("intersection", "intersection that controls it"),
            _text("from_road", "road that it leaves"),
            _text("to_road", "road that it enters"),
            _real("vehicles", "veh", "vehicles per run, median over runs"),
            _real("mean_delay", "s/veh", "time lost on the approach, median over runs"),
            _real("p85_delay", "s", "its 85th percentile, median over runs; NaN: not recorded"),
            _real("p95_delay", "s", "its 95th percentile, median over runs"),
            _real("longest_delay", "s", "the longest of all runs"),
            _text("level", "level of service A to F by control delay (HCM 6, exhibit 19-8)"),
            _real("difference", "s/veh", "median of the paired differences of the mean to the fixed plan"),
            _real("difference_low", "s/veh", _LOW),
            _real("difference_high", "s/veh", _HIGH),
            _text(
                "verdict",
                "`better`, `worse`, `unclear` (the interval holds 0, or fewer than five pairs); empty: not compared",
            ),
        ),
    ),
    "intersections": Table(
        "a controller and intersection",
        (
            _CONTROLLER,
            _text("intersection", "intersection"),
            _real("vehicles", "veh", "over its movements, median over runs"),
            _real("mean_delay", "s/veh", "mean over its movements, weighted by vehicles"),
            _text("level", "level of service A to F of that"),
        ),
    ),
    "roads": Table(
        "a controller and road that somebody used",
        (
            _CONTROLLER,
            _text("road", "road"),
            _real("vehicles", "veh", "vehicles that drove along it, mean over runs"),
            _real("delay", "s/veh", "time lost on it, mean over runs"),
            _real("lost", "veh h", "by all together, mean over runs"),
            _real("difference", "veh h", "of that to the fixed plan; NaN: not compared"),
        ),
    ),
    "minutes": Table(
        "a controller, minute and measure",
        (
            _CONTROLLER,
            _text(
                "measure",
                "`present` on the road, `outside` due but without room to start, `queued` as believed (mean)",
            ),
            _real("time", "s", "end of the minute, by the scenario's clock"),
            _real("median", "veh", "median over runs"),
            _real("low", "veh", "least of the runs"),
            _real("high", "veh", "most of the runs"),
        ),
    ),
    "percentiles": Table(
        "a controller and percentile",
        (
            _CONTROLLER,
            _real("percentile", "%", "share of vehicles, all runs together"),
            _real("delay", "s", "that lose no more than this"),
        ),
    ),
    "sensors": Table(
        "a controller and sensor that was suspect or sick in the run shown",
        (
            _CONTROLLER,
            _text("sensor", "sensor"),
            _text("kind", "what it is"),
            _text("status", "`suspect` or `sick`"),
            _text("fault", "what it has"),
            _real("since", "s", "since when"),
            _text("reason", "why that is believed"),
        ),
    ),
    "stages": Table(
        "a controller, intersection and stage of the run shown",
        (
            _CONTROLLER,
            _text("intersection", "intersection"),
            _count("row", "", "number of the stage (`network.json`)"),
            _count("times", "", "how often it was shown"),
            _real("share", "share", "of the time"),
            _real("mean_green", "s", "mean duration"),
            _real("longest_green", "s", "longest duration"),
        ),
    ),
    "choices": Table(
        "a change of stage under a controller that chooses, in the run shown",
        (
            _CONTROLLER,
            _text("intersection", "intersection"),
            _real("time", "s", "when it began"),
            _count("from_row", "", "stage before"),
            _count("to_row", "", "stage chosen"),
            _real("queue_to", "veh", "believed to queue where only the new stage gives green"),
            _real("arriving_to", "veh", "to arrive there within 10 s"),
            _real("queue_from", "veh", "believed to queue where only the old stage gave green"),
            _real("longest_wait", "s", "how long the first in those queues of the new stage had stood"),
            _real("cost", "veh s", "what the controller thought its plan costs; NaN: it does not say"),
            _text("guard", "rule by which the guard bent a wish in the 10 s before; empty: none"),
        ),
    ),
    "phases": Table(
        "a signal group for vehicles, in the run shown, from its events (docs/measures.md)",
        (
            _CONTROLLER,
            _text("intersection", "intersection"),
            _count("group", "", "signal group (`network.json`)"),
            _count("cycles", "", "greens that began"),
            _real("green_ratio", "0 to 1", "share of the time that was green"),
            _count("arrivals", "veh", "actuations of advance detectors; 0 without one"),
            _real("arrivals_on_green", "0 to 1", "share of them that reached the stop line at green"),
            _real("platoon_ratio", "", "that share over the green ratio"),
            _real("approach_delay", "s", "mean wait from arrival at red to the next green"),
            _count("judged", "", "cycles whose detectors tell of a split failure"),
            _count("split_failures", "", "of these, greens that did not serve all who waited"),
            _count("gap_outs", "", "greens that ended because nobody came any more"),
            _count("max_outs", "", "greens that ended at their longest while others waited"),
            _count("force_offs", "", "greens that the plan or the engine ended"),
            _real("mean_red", "s", "mean red"),
            _real("longest_red", "s", "longest red"),
        ),
    ),
    "crossings": Table(
        "a signal group for people on foot, in the run shown, from its events",
        (
            _CONTROLLER,
            _text("intersection", "intersection"),
            _count("group", "", "signal group (`network.json`)"),
            _count("walks", "", "greens that began"),
            _real("chance_wait", "s", "mean wait of somebody who comes at any time"),
            _real("longest_red", "s", "longest time without green"),
        ),
    ),
    "signals": Table(
        "an interval in which a signal group of the run shown was green or yellow",
        (
            _CONTROLLER,
            _text("intersection", "intersection"),
            _count("group", "", "signal group (`network.json`)"),
            _text("aspect", "`G` protected green, `g` green that gives way, `y` yellow"),
            _real("begin", "s", "since"),
            _real("end", "s", "until"),
        ),
    ),
    "approaches": Table(
        "a way to a stop line",
        (
            _count("approach", "", "its number"),
            _text("origin", "intersection that it comes from; empty: the edge of the network"),
            _text("intersection", "intersection that it leads to"),
            _text("road", "its last road, with the stop line"),
            _real("length", "m", "of all its roads"),
            _real("seconds", "s", "time over them at the speed limit"),
        ),
    ),
    "trips_on_approaches": Table(
        "a vehicle on an approach, in the run shown",
        (
            _CONTROLLER,
            _count("approach", "", "number of the approach"),
            _count("vehicle", "", "number of the vehicle within the run"),
            _real("start", "m", "where on the approach it came in"),
            _real("entry", "s", "when"),
            _real("leave", "s", "when it passed the stop line; NaN: it had not by the end"),
            _text("to_road", "road that it took; empty: it ended there"),
        ),
    ),
}
"""Name -> table."""

Tables = dict[str, pa.Table]


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows as the table of that name."""
    return pa.Table.from_pylist(rows, schema=TABLES[name].schema)
