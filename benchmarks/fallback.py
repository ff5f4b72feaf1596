"""What the street does while the service cannot be reached: the line is cut for ten minutes in the twin.

    python -m benchmarks.fallback [SCENARIO] [--seed 1] [--after 1500] [--minutes 10] [--out runs/fallback]

Three twins of one demand and seed: the line whole, the line cut once, and never a line (every cabinet runs its own
pattern throughout). Writes docs/pictures/fallback.svg and a section of docs/results-service.md. Needs matplotlib
(extra ``plots``).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.page import ROOT, write_section
from benchmarks.twin import CONTROLLER, fresh
from citybrain_api.street import StreetOrder
from citybrain_api.twin import run_street, twin_service
from citybrain_sim.scenarios import find_scenario

PICTURE = ROOT / "docs" / "pictures" / "fallback.svg"
SMOOTH = 12
"""Lines of progress, 10 s apart, over which the plot averages."""
Told = list[dict[str, Any]]


class Line:
    """A line between street and service that can be cut: forwards bytes, or hangs up on everybody."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._cut = False
        self.url = ""
        up = threading.Event()
        threading.Thread(target=self._run, args=(up,), daemon=True).start()
        up.wait()

    def cut(self, *, now: bool) -> None:
        """Cut the line, or mend it; all of it has happened when this returns."""
        asyncio.run_coroutine_threadsafe(self._set(cut=now), self._loop).result()

    def _run(self, up: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        up.set()
        self._loop.run_forever()

    async def _set(self, *, cut: bool) -> None:
        self._cut = cut
        for writer in tuple(self._open) if cut else ():
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._open |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
        self._open.discard(writer)


def main() -> None:
    """Run the three, draw, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", nargs="?", default="district")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--after", type=float, default=1500.0, help="cut so long after the begin [s]")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the line is cut")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "fallback")
    chosen = parser.parse_args()
    begin = find_scenario(chosen.scenario).begin_s
    cut = (begin + chosen.after, begin + chosen.after + 60.0 * chosen.minutes)

    def live(name: str, broken: Callable[[float], bool]) -> Told:
        print(f"-- {name}", flush=True)
        return record(StreetOrder(chosen.scenario, seed=chosen.seed), fresh(chosen.out, name), broken)

    whole = live("whole", lambda _time: False)
    once = live("cut", lambda time: cut[0] <= time < cut[1])
    never = live("never", lambda time: time > begin)
    draw({"line whole": whole, "line cut": once, "never a line": never}, begin, cut)
    command = f"python -m benchmarks.fallback {chosen.scenario} --seed {chosen.seed}"
    write_section("Fallback", command, describe(whole, once, never, cut))


def record(order: StreetOrder, folder: Path, broken: Callable[[float], bool]) -> Told:
    """Let a twin live, its line cut while ``broken`` says so; returns all that the street told."""
    told: Told = []
    with twin_service(order, CONTROLLER, "127.0.0.1", 0, "warning", folder) as filled:
        line = Line(filled.url)
        state = False

        def see(progress: dict[str, Any]) -> None:
            nonlocal state
            told.append(progress)
            if broken(progress["time_s"]) != state:
                state = not state
                line.cut(now=state)

        told.append(run_street(replace(filled, url=line.url), see))
    return told


def lost_per_second(told: Told) -> tuple[list[float], list[float]]:
    """Give times [s], and the vehicle-seconds lost per second around them."""
    rows = [row for row in told if row["kind"] == "progress" and math.isfinite(row["delay_s"])]
    total = [row["delay_s"] * (row["running"] + row["waiting"] + row["arrived"]) for row in rows]
    times = [row["time_s"] for row in rows]
    spans = range(SMOOTH, len(rows))
    return (
        [(times[k] + times[k - SMOOTH]) / 2 for k in spans],
        [(total[k] - total[k - SMOOTH]) / (times[k] - times[k - SMOOTH]) for k in spans],
    )


def draw(runs: dict[str, Told], begin: float, cut: tuple[float, float]) -> None:
    """Draw delay over time."""
    mpl.rcParams["svg.hashsalt"] = "fallback"
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for (name, told), colour in zip(runs.items(), ("#1b7837", "#b2182b", "#777777"), strict=True):
        times, lost = lost_per_second(told)
        axes.plot([(time - begin) / 60 for time in times], lost, label=name, color=colour, linewidth=1.6)
    axes.axvspan((cut[0] - begin) / 60, (cut[1] - begin) / 60, color="#b2182b", alpha=0.1, label="line cut")
    axes.set(xlabel="minutes", ylabel="delay [vehicle-seconds per second]", xlim=(0, None), ylim=(0, None))
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, metadata={"Date": None})


def describe(whole: Told, once: Told, never: Told, cut: tuple[float, float]) -> str:
    """Say what was seen, as Markdown."""
    within = [row for row in once if row["kind"] == "progress" and cut[0] < row["time_s"] <= cut[1]]
    n = sum(within[-1]["modes"].values())
    fallen = next((row["time_s"] - cut[0] for row in within if "adaptive" not in row["modes"]), None)
    stepped = max(row["in_step"] for row in within)
    after = [row for row in once if row["kind"] == "progress" and row["time_s"] > cut[1]]
    back = next((row["time_s"] - cut[1] for row in after if row["modes"].get("adaptive", 0) == n), None)
    before = len([row for row in once if row["kind"] == "progress" and row["time_s"] <= cut[0]][-1]["polls_to_plan"])
    returns = once[-2]["polls_to_plan"][before:]
    lines = [
        f"The line is cut for {(cut[1] - cut[0]) / 60:g} minutes, controller `{CONTROLLER}`, {n} intersections.",
        "",
        "| | line whole | line cut | never a line |",
        "| --- | ---: | ---: | ---: |",
        "| delay of the whole run [s/veh] | "
        + " | ".join(f"{told[-1]['delay_s']:.1f}" for told in (whole, once, never))
        + " |",
        "",
        f"- All cabinets ran their own pattern {fallen:.0f} s after the cut (the lease and the time it took to see it)."
        if fallen is not None
        else "- Not all cabinets fell back.",
        f"- {stepped} of {n} were then in step with their pattern (offset error 0).",
        f"- All were adaptive again {back:.0f} s after the line was mended; the street looks every 10 s."
        if back is not None
        else "- Not all came back.",
        f"- Answered polls until an adaptive plan was accepted, per cabinet: {', '.join(map(str, sorted(returns)))}.",
        "  It begins two seconds after its publication, the lead of every plan.",
        "",
        "![Delay over time](pictures/fallback.svg)",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
