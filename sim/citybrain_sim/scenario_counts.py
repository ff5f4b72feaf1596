"""What a scenario's files hold, counted by streaming: signals and vehicles. Builds nothing, starts nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from citybrain.errors import NetworkError, ScenarioError
from citybrain_sim.demand_file import AT_BEGIN, EXPONENTIAL, UNTIMED, amount, gap
from citybrain_sim.sumo_xml import parse_time, stream

if TYPE_CHECKING:
    from citybrain_sim.sumo_config import SumoConfig

NOT_FOR_ROADS = frozenset({"rail_signal", "rail_crossing"})


def count_signals(config: SumoConfig) -> int:
    """Count the intersections whose signal program is on, as network and additional files define it.

    Raises
    ------
    NetworkError
        If one of the files is malformed.
    """
    last_type: dict[str, str] = {}

    def program(element: str, attributes: dict[str, str], _where: str) -> None:
        if element == "tlLogic":
            off = attributes.get("programID") == "off"
            last_type[attributes["id"]] = "off" if off else attributes.get("type", "static")

    for file in (config.net_file, *config.additional_files):
        stream(file, program, NetworkError)
    return sum(kind != "off" and kind not in NOT_FOR_ROADS for kind in last_type.values())


def count_vehicles(config: SumoConfig, begin_s: float, end_s: float | None) -> int:
    """Count the vehicles due to depart from ``begin_s`` until before ``end_s``; flows by their expected number.

    Raises
    ------
    ScenarioError
        If one of the files is malformed.
    """
    until = math.inf if end_s is None else end_s
    total = 0.0

    def vehicle(element: str, attributes: dict[str, str], _where: str) -> None:
        nonlocal total
        if element in {"vehicle", "trip"}:
            depart = attributes["depart"]
            total += depart == AT_BEGIN or depart in UNTIMED or begin_s <= parse_time(depart) < until
        elif element == "flow":
            total += _flow_size(attributes, begin_s, until)

    for file in (*config.route_files, *config.additional_files):
        stream(file, vehicle, ScenarioError)
    return round(total)


def _flow_size(flow: dict[str, str], begin_s: float, until: float) -> float:
    """Vehicles that a flow is expected to send within the window.

    A flow without an end sends for a day, as SUMO lets it; one with a number alone sends it within its interval.
    """
    first = begin_s if flow.get("begin", AT_BEGIN) == AT_BEGIN else parse_time(flow["begin"])
    rate = _flow_rate(flow)
    last = parse_time(flow["end"]) if "end" in flow else first + 86400.0
    number = amount(flow["number"]) if "number" in flow else math.inf
    if rate is None and math.isinf(number):
        raise ValueError("a flow needs a number, a rate or a period")
    if rate is None:
        rate = number / (last - first) if last > first else 0.0
    last = min(last, first + number / rate) if rate > 0 else last
    return max(min(last, until) - max(first, begin_s), 0.0) * rate


def _flow_rate(flow: dict[str, str]) -> float | None:
    """Vehicles per second; None where the flow says only how many."""
    for hourly in ("vehsPerHour", "perHour"):
        if hourly in flow:
            return amount(flow[hourly]) / 3600.0
    if "probability" in flow:
        return amount(flow["probability"])
    if "period" in flow:
        random_rate = EXPONENTIAL.fullmatch(flow["period"])
        return amount(random_rate[1]) if random_rate else 1.0 / gap(flow["period"])
    return None
