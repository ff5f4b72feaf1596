"""Tables of what a run was worth: its events, what they say of the signals, and what SUMO says of every traveller.

Those of events are the same for a run, a virtual controller and a real controller's log. May import tables.
"""

from __future__ import annotations

import pyarrow as pa

from citybrain.tables import NAME, Column, Table

MOMENT = pa.timestamp("ms")
"""Of the log's own clock. A run's clock is SUMO's: seconds since 1970-01-01T00:00:00 are its seconds."""

_DEVICE = Column("device", pa.string(), "", "intersection, as its controller is named in the log")
_PHASE = Column(
    "phase", pa.int16(), "", "phase of the log; of a run the place of the group in its intersection, from 1"
)
_DELAYS = (
    Column("vehicles", pa.int32(), "veh", "vehicles that came, also those still waiting and those never inserted"),
    Column("mean_delay", pa.float64(), "s/veh", "control delay; NaN: nobody came"),
    Column("p50_delay", pa.float64(), "s/veh", "its median"),
    Column("p85_delay", pa.float64(), "s/veh", "its 85th percentile"),
    Column("p95_delay", pa.float64(), "s/veh", "its 95th percentile"),
    Column("longest_delay", pa.float64(), "s", "the longest of all"),
    Column(
        "level", pa.string(), "", "level of service A to F of the mean delay (HCM 6, exhibit 19-8); empty: nobody came"
    ),
)

EVENT_TABLES: dict[str, Table] = {
    "events": Table(
        "a high-resolution event (Indiana codes), in order of arrival; read by `citybrain events` and by `atspm`",
        (
            Column("TimeStamp", MOMENT, "", "when it happened"),
            Column("DeviceId", NAME, "", "intersection"),
            Column("EventId", pa.int16(), "", "code (`citybrain/events.py`)"),
            Column("Parameter", pa.int16(), "", "phase, or detector channel, as the code has it"),
        ),
    ),
    "detectors": Table(
        "a detector and a phase that it serves",
        (
            Column("DeviceId", NAME, "", "intersection"),
            Column("Phase", pa.int16(), "", "phase"),
            Column("Parameter", pa.int16(), "", "channel; from 1 in every intersection"),
            Column("Function", pa.string(), "", "`Advance`, `Presence` (both also count), as `atspm` names them"),
            Column("Offset", pa.float64(), "s", "from the detector to the stop line at the speed limit"),
            Column("Extend", pa.float64(), "s", "for so long it counts as occupied after it was left"),
            Column("Sensor", NAME, "", "sensor (`sensors.json`)"),
        ),
    ),
    "phases": Table(
        "a phase of vehicles: the whole log",
        (
            _DEVICE,
            _PHASE,
            Column("roads", pa.list_(pa.string()), "", "movements that it serves, `from>to`; null where unknown"),
            Column("cycles", pa.int32(), "", "greens that began"),
            Column("green_ratio", pa.float64(), "0 to 1", "share of the time that was green"),
            Column("arrivals", pa.int32(), "veh", "actuations of advance detectors; null without one"),
            Column("arrivals_on_green", pa.float64(), "0 to 1", "share of them that reached the stop line at green"),
            Column("platoon_ratio", pa.float64(), "", "that share over the green ratio; 1: as if by chance"),
            Column("arrival_type", pa.int8(), "", "1 (worst progression) to 6 (best), of the platoon ratio"),
            Column(
                "approach_delay", pa.float64(), "s/veh", "mean wait from arrival at red to the next green, all arrivals"
            ),
            Column("p95_wait", pa.float64(), "s", "95th percentile of that wait over the arrivals"),
            Column("control_delay", pa.float64(), "s/veh", "mean of the delays of `arrivals`"),
            Column("level", pa.string(), "", "its level of service A to F (HCM 6, exhibit 19-8)"),
            Column("judged", pa.int32(), "", "cycles whose detectors tell of a split failure; null without detectors"),
            Column("split_failures", pa.int32(), "", "of these, greens that did not serve all who waited"),
            Column("gap_outs", pa.int32(), "", "greens that ended because nobody came any more"),
            Column("max_outs", pa.int32(), "", "greens that ended at their longest while others waited"),
            Column("force_offs", pa.int32(), "", "greens that a coordinator or the engine ended"),
            Column(
                "unused_ends", pa.int32(), "", "greens without an actuation in their last 3 s; null without detectors"
            ),
            Column("mean_red", pa.float64(), "s", "mean red, from the end of yellow to the next green"),
            Column("longest_red", pa.float64(), "s", "longest red, those at begin and end of the log as far as seen"),
        ),
    ),
    "cycles": Table(
        "a cycle of a phase of vehicles: from one begin of green to the next",
        (
            _DEVICE,
            _PHASE,
            Column("green", MOMENT, "", "begin of green"),
            Column("yellow", MOMENT, "", "begin of yellow; null where the log does not tell, or twice"),
            Column("red", MOMENT, "", "begin of red clearance; null likewise"),
            Column("end", MOMENT, "", "next begin of green; of the last cycle the end of the log"),
            Column(
                "termination", pa.string(), "", "`gap_out`, `max_out`, `force_off`; null where the log does not tell"
            ),
            Column("gap", pa.float64(), "s", "from the last actuation to the end of green; null without detectors"),
            Column("arrivals", pa.int32(), "veh", "actuations of advance detectors"),
            Column("arrivals_on_green", pa.int32(), "veh", "of these, at the stop line while it was green"),
            Column("departures", pa.int32(), "veh", "actuations at the stop line"),
            Column("wait", pa.float64(), "veh s", "sum of the waits of those who arrived at red in the cycle"),
            Column(
                "green_occupancy", pa.float32(), "0 to 1", "share of green with a detector at the stop line covered"
            ),
            Column("red_occupancy", pa.float32(), "0 to 1", "the same of the first 5 s of red"),
            Column("split_failure", pa.bool_(), "", "both are 80 % or more; null where the cycle is not complete"),
        ),
    ),
    "arrivals": Table(
        "an arrival at the stop line: a point of the coordination diagram",
        (
            _DEVICE,
            _PHASE,
            Column("time", MOMENT, "", "actuation of the advance detector, plus the way from there"),
            Column("in_cycle", pa.float64(), "s", "since the last begin of red; null before the first"),
            Column("shown", pa.string(), "", "`green`, `yellow` or `red` at that moment"),
            Column(
                "wait",
                pa.float64(),
                "s",
                "from an arrival at red to the next green; 0 otherwise; null at the log's end",
            ),
            Column("delay", pa.float64(), "s", "wait in a queue that takes up no room; null where no green followed"),
        ),
    ),
    "crossings": Table(
        "a phase of pedestrians: the whole log",
        (
            _DEVICE,
            _PHASE,
            Column("walks", pa.int32(), "", "greens that began"),
            Column("calls", pa.int32(), "", "first presses of the button after a walk; 0 without buttons"),
            Column("mean_wait", pa.float64(), "s", "from such a press to the walk; null without one"),
            Column("p95_wait", pa.float64(), "s", "its 95th percentile"),
            Column("longest_wait", pa.float64(), "s", "the longest of all"),
            Column(
                "chance_wait",
                pa.float64(),
                "s",
                "mean wait of somebody who comes at any time: sum of squared reds over twice the time",
            ),
            Column("longest_red", pa.float64(), "s", "longest time without walk"),
        ),
    ),
    "coordination": Table(
        "a span of one state of coordination of a controller",
        (
            _DEVICE,
            Column("state", pa.string(), "", "`free`, `in_step`, or a transition: `add`, `subtract`, `dwell`"),
            Column("begin", MOMENT, "", "when it began"),
            Column("end", MOMENT, "", "when the next began, or the log ended"),
        ),
    ),
}
"""What events say. Functions: ``citybrain.eventlog.tables``."""

TRIP_TABLES: dict[str, Table] = {
    "trips": Table(
        "a vehicle that was due to depart, from SUMO's tripinfo",
        (
            Column("vehicle", pa.string(), "", "its name"),
            Column("type", NAME, "", "its vehicle type"),
            Column("end", pa.string(), "", "`arrived`, `running` or `not_inserted`"),
            Column("depart", pa.float64(), "s", "when it was inserted; NaN: never"),
            Column("delay", pa.float64(), "s", "control delay: lost on the road and before insertion"),
            Column("travel_time", pa.float64(), "s", "on the road, until arrival or the end; NaN: never inserted"),
            Column("free_time", pa.float64(), "s", "what the same way takes unhindered; NaN likewise"),
            Column("distance", pa.float64(), "m", "driven"),
            Column("stops", pa.int32(), "", "how often it came to stand"),
            Column("standing", pa.float64(), "s", "how long it stood"),
            Column("co2", pa.float64(), "g", "carbon dioxide, HBEFA class of its type; NaN where not computed"),
            Column("co", pa.float64(), "g", "carbon monoxide"),
            Column("hc", pa.float64(), "g", "hydrocarbons"),
            Column("nox", pa.float64(), "g", "nitrogen oxides"),
            Column("pmx", pa.float64(), "g", "particles"),
            Column("fuel", pa.float64(), "g", "fuel"),
        ),
    ),
    "walkers": Table(
        "a person who finished a walk, from SUMO's tripinfo",
        (
            Column("person", pa.string(), "", "name"),
            Column("delay", pa.float64(), "s", "time lost on foot"),
            Column("walking_time", pa.float64(), "s", "time on foot"),
        ),
    ),
    "movements": Table(
        "a signalised movement between two roads, over the whole run",
        (
            Column("intersection", pa.string(), "", "intersection"),
            Column("from_road", pa.string(), "", "road that the movement leaves"),
            Column("to_road", pa.string(), "", "road that it enters"),
            *_DELAYS,
        ),
    ),
    "approaches": Table(
        "a road that leads to signals, over the whole run",
        (Column("intersection", pa.string(), "", "intersection"), Column("road", pa.string(), "", "road"), *_DELAYS),
    ),
    "intersections": Table(
        "an intersection, over the whole run", (Column("intersection", pa.string(), "", "intersection"), *_DELAYS)
    ),
}
"""What the simulator says of every traveller. Functions: ``citybrain_sim.trips``, ``citybrain_sim.run_tables``."""
