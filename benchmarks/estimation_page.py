"""Writes what ``benchmarks.estimation`` measured into docs/results-sensing.md, beside the goals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.page import SENSING, write_section

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMMAND = "python -m benchmarks.estimation"
TITLE = "How well the estimator sees"
LAYOUTS = ("default", "loops", "camera", "exits", "counts", "camera-counts", "mixed")
GOAL_MAE = 1.0
GOAL_MAPE = {"default": 0.10, "loops": 0.15}
GOAL_TURNS, GOAL_HEADWAY, GOAL_NETWORK = 0.05, 0.05, 0.02
_HEAD = """Estimates against SUMO's truth, on stop-line lanes, from {warm} s after the begin on, under each map's own
fixed plan (`fixed`: long queues, and the same street for every layout), {runs}. The layouts are
those of [sensors.md](sensors.md); all get the same rows, as far as they have the sensors.

- **Back of queue** [veh]: vehicles from the stop line to the last one slower than 1.4 m/s, those that move again
  included. MAE: every 5 s, over lanes where a queue is or is believed. MAPE: of the greatest back of queue per cycle
  (red to red) where that is more than 3 vehicles; `5 s`: of the series, where more than 3 stand. `Within sight`: the
  true queue ends before the furthest place that a sensor of the lane speaks of (the advance loop, the camera's 80 m);
  what stands beyond can only be guessed from flows.
- **Queue**, **vehicles** [veh]: MAE of the same series of vehicles slower than 1.4 m/s, and of all on the lane.
- **Turning**: errors of the shares of roads taken from lanes that lead to several, after 15 minutes; lanes with at
  least 20 departures. `chance`: the mean error of who knows the long-run shares, since 15 minutes are a sample.
- **Headway**: relative error of the saturation headway at the end; truth: mean headway of SUMO's queued vehicles from
  the fifth on under right of way; lanes with at least 20 of them. A dash: no lane had.
- **Arrivals** [veh]: MAE of the vehicles that reach the stop line within 10, 20, 30 s, over lanes where somebody comes
  or is believed to.
- **Blocked**: median seconds from the moment that a lane's head stands in green (right of way) until it is known;
  episodes over 10 s never known; seconds so told while it was not so.
- **Network**: mean error of all vehicles on the network's lanes, as the lanes' estimates add up (not the figure by
  conservation with its interval, which has a page section of its own), and bias.
- **Tick** [ms]: median time of the estimator per second of the street, all lanes.
"""


def write_page(folder: Path, warm_up: int) -> None:
    """Write the section from all results in a folder."""
    results = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]
    if not results:
        return
    lengths = sorted({(row["controller"], int(row["seconds"]), int(row["seed"])) for row in results})
    runs = "; ".join(f"`{controller}`, {seconds} s, seed {seed}" for controller, seconds, seed in lengths)
    order = {name: number for number, name in enumerate(LAYOUTS)}
    results.sort(key=lambda row: (order[row["sensors"]], row["scenario"]))
    parts = [_HEAD.format(warm=warm_up, runs=runs), "### Goals", *goals(results)]
    for layout in sorted({row["sensors"] for row in results}, key=order.__getitem__):
        parts += [f"### Layout `{layout}`", table([row for row in results if row["sensors"] == layout])]
    write_section(TITLE, COMMAND, "\n\n".join(parts), SENSING)


def goals(results: Sequence[dict[str, Any]]) -> list[str]:
    """Say of each goal on how many maps it is met, and the median and worst map."""
    lines = ["| goal | layout | median of maps | worst map | met on |", "| --- | --- | ---: | --- | ---: |"]
    for layout in LAYOUTS:
        rows = [row for row in results if row["sensors"] == layout]
        asked = [
            ("back of queue, MAE, veh", "back", "mae", GOAL_MAE),
            ("back of queue, MAE, veh, within sight", "back", "mae_seen", GOAL_MAE),
            ("back of queue, MAPE per cycle", "peak", "mape", GOAL_MAPE.get(layout)),
            ("back of queue, MAPE per cycle, within sight", "peak", "mape_seen", GOAL_MAPE.get(layout)),
            ("turning shares, greatest error", "turns", "max", GOAL_TURNS),
            ("turning shares, mean error", "turns", "mean", GOAL_TURNS),
            ("turning shares, mean error where chance is below 0.05", "turns", "many", GOAL_TURNS),
            ("saturation headway, mean error", "headway", "mean", GOAL_HEADWAY),
            ("vehicles in network, sum of lanes", "network", "error", GOAL_NETWORK),
        ]
        lines += [goal_row(name, goal, layout, rows, part, key) for name, part, key, goal in asked if rows]
    return ["\n".join(lines)]


def goal_row(name: str, goal: float | None, layout: str, rows: Sequence[dict[str, Any]], part: str, key: str) -> str:
    """One goal and layout as a row of a table."""
    found = {row["scenario"]: row[part][key] for row in rows if row[part][key] is not None}
    if not found:
        return f"| {name} | `{layout}` | - | - | - |"
    worst = max(found, key=lambda scenario: float(found[scenario]))
    met = "-" if goal is None else f"{sum(value <= goal for value in found.values())} of {len(found)}"
    wanted = "" if goal is None else f" (at most {goal:g})"
    median = float(np.median(list(found.values())))
    return f"| {name}{wanted} | `{layout}` | {median:.3f} | {worst}: {found[worst]:.3f} | {met} |"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """One line per map."""
    head = (
        "| map | back MAE | MAPE per cycle | 5 s | cycles | queue MAE | vehicles MAE | turning mean, max, chance | "
        "headway | arrivals 10, 20, 30 s | blocked: s, missed, false | network error, bias | tick |"
    )
    lines = [head, "| --- |" + " ---: |" * 12]
    for row in rows:
        arrivals, blocked = row["arrivals"], row["blocked"]
        cells = (
            row["scenario"],
            figure(row["back"]["mae"], 2),
            percent(row["peak"]["mape"]),
            percent(row["back"]["mape"]),
            str(row["peak"]["long"]),
            figure(row["queue"]["mae"], 2),
            figure(row["vehicles"]["mae"], 2),
            f"{figure(row['turns']['mean'], 2)}, {figure(row['turns']['max'], 2)}, {figure(row['turns']['chance'], 2)}",
            percent(row["headway"]["mean"]),
            ", ".join(figure(arrivals[f"{h} s"], 2) for h in (10, 20, 30)),
            f"{figure(blocked['seconds'], 0)}, {percent(blocked['missed'])}, {percent(blocked['false'])}",
            f"{percent(row['network']['error'])}, {percent(row['network']['bias'])}",
            figure(row["tick_ms"], 2),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def figure(value: float | None, digits: int) -> str:
    """Write a number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """Write a share as a percentage, or a dash."""
    return "-" if value is None else f"{100.0 * value:.1f} %"
