"""Examples in the OpenAPI document: one crossing of two roads, all documents consistent with each other."""

from __future__ import annotations

from typing import Any

from citybrain.intake.posted import FORMAT
from citybrain.plans.checker import canonical
from citybrain.plans.plan import Reason, make_plan, schedule_body, with_seq

NOW = 17_977_968_000


def _group(number: int) -> dict[str, Any]:
    return {
        "group": number,
        "kind": "vehicle",
        "lamps": [number],
        "min_green": 100,
        "yellow": 30,
        "max_yellow": 30,
        "max_red": 1800,
        "red_bound": 1980,
    }


CONTROLLER_DATA: dict[str, Any] = {
    "format": "citybrain/controller-data/1",
    "intersection": "elm",
    "profile": "own",
    "time_zone": "UTC",
    "groups": [_group(0), _group(1)],
    "lamp_red": "rr",
    "conflict": [[0, 1], [1, 0]],
    "intergreen": [[0, 30], [30, 0]],
    "stages": [{"stage": 0, "aspects": "Gr"}, {"stage": 1, "aspects": "rG"}],
    "patterns": [
        {
            "pattern": 1,
            "cycle": 660,
            "offset": 630,
            "offset_reference": "begin_of_first_stage",
            "stages": [{"stage": 0, "split": 330}, {"stage": 1, "split": 330}],
        }
    ],
    "time_of_day": [{"from": "00:00", "pattern": 1}],
    "rings": None,
    "lead": 20,
    "limits": {"cycle_min": 300, "cycle_max": 2400, "change_cap": 300},
}
PLAN = with_seq(
    make_plan(
        CONTROLLER_DATA,
        schedule_body([(0, NOW - 80), (1, NOW + 220)]),
        made_at=NOW,
        valid_from=NOW + 20,
        lease_until=NOW + 300,
        why=[Reason(1, "4 vehicles wait on n_0, none come on w_0", None)],
    ),
    7,
)
ACK: dict[str, Any] = {
    "format": "citybrain/ack/1",
    "intersection": "elm",
    "plan_id": PLAN["plan_id"],
    "seq": 7,
    "at": NOW + 3,
    "verdict": "accepted",
    "code": None,
    "sentence": None,
    "mode": "adaptive",
    "pattern": None,
    "offset_error": None,
    "shown": {
        "stage": 0,
        "changing": False,
        "since": NOW - 50,
        "aspects": "Gr",
        "aspect_since": [NOW - 50, NOW - 80],
        "green_end": [None, NOW - 110],
    },
}
OBSERVATIONS: dict[str, Any] = {
    "format": FORMAT,
    "batch_id": "gateway-3:2026-12-21:000017",
    "sender": "gateway-3",
    "complete_until": NOW,
    "rows": [
        {"kind": "loop", "sensor": "loop_w", "time_ms": NOW * 100 - 420, "on": True},
        {"kind": "frame", "sensor": "camera_n", "time_ms": NOW * 100 - 100},
        {
            "kind": "object",
            "sensor": "camera_n",
            "time_ms": NOW * 100 - 100,
            "lane": "n_0",
            "distance": 12.5,
            "speed": 0.4,
            "confidence": 0.93,
        },
        {
            "kind": "count",
            "sensor": "counter_e",
            "time_ms": NOW * 100 - 900,
            "begin_ms": NOW * 100 - 60_900,
            "vehicles": 14,
            "occupancy": 0.21,
        },
    ],
}
VERDICTS: dict[str, Any] = {
    "format": "citybrain/verdicts/1",
    "batch_id": OBSERVATIONS["batch_id"],
    "rows": 4,
    "accepted": 3,
    "refused": [{"code": "unknown_sensor", "sentence": "row 0: no sensor 'loop_w' here; there are 40", "rows": [0]}],
}
PLAN_EVENT = f"event: plan\nid: 7\ndata: {canonical(PLAN).decode()}\n\n"
TICK_EVENT = (
    f'event: tick\nid: {NOW}\ndata: {{"network":{{"time":{NOW},"vehicles":4.0,"queue":4.0,"confidence":0.9,'
    '"intersections":1,"alive":1,"modes":{"adaptive":1},"plans_in_force":1},"intersections":[{"id":"elm","alive":true,'
    f'"mode":"adaptive","stage":0,"changing":false,"since":{NOW - 50}}}],'
    '"lanes":{"vehicles":[0.0,4.0],"queue":[0.0,4.0],"confidence":[0.9,0.9]}}\n\n'
)
FRAME_EVENTS = (
    'event: hello\ndata: {"scope":"reader","name":"control room","version":"0.1.0"}\n\n'
    f'event: past\ndata: {{"samples":[[{NOW},4.0,2.0]],"minutes":[]}}\n\n'
    f'event: frame\ndata: {{"t":{NOW},"vehicles":4.0,"queue":2.0,"confidence":0.9,"alive":1,"plans":1,"minute":null,'
    '"overrides":[],"ready":[],"whole":{"q":"0i","v":"0t","c":"TT","g":"30","m":"1","x":"00"},"change":{}}\n\n'
)
