"""Progress of simulations on the terminal: simulated time, speed against real time, delay so far.

A line per run under way on a terminal, a line per finished run elsewhere.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from citybrain.clock import Stopwatch, stopwatch
from citybrain_sim.scenarios import find_scenario
from citybrain_sim.warm_up import COMPILING, cold

if TYPE_CHECKING:
    from types import TracebackType

    from citybrain_sim.plant import PlantProgress
    from citybrain_sim.runs import RunSpec
    from citybrain_sim.workers import RunEvent

STARTING = "starting"
Window = tuple[float, float | None]
"""Begin and end of a scenario [s]; the end is None where it lasts until the last vehicle has gone."""


class ProgressLines:
    """Shows how runs come along; a context manager, and the ``on_event`` of a comparison.

    Draws on stderr and only where that is a terminal, so that output can be piped.

    Parameters
    ----------
    total : number of runs.
    window : tells the window of a scenario.
    """

    def __init__(
        self,
        total: int,
        window: Callable[[str], Window],
        console: Console | None = None,
        clock: Stopwatch = stopwatch,
    ) -> None:
        console = console or Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[news]}"))
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._window = window
        self._clock = clock
        self._finished = 0
        self._total = total
        self._all = self._bars.add_task("all runs", total=total, news=STARTING)
        self._lines: dict[RunSpec, tuple[TaskID, float, float]] = {}

    @property
    def drawn(self) -> bool:
        """Whether anybody sees them."""
        return not self._bars.disable

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing and clear the lines."""
        self._bars.stop()

    def __call__(self, event: RunEvent) -> None:
        """Take in news of a run."""
        if event.progress is not None:
            self._move(event.spec, event.progress)
            return
        if event.spec in self._lines:
            self._bars.remove_task(self._lines.pop(event.spec)[0])
        self._finished += 1
        self._count()

    def _count(self) -> None:
        self._bars.update(self._all, completed=self._finished, news=f"{self._finished} of {self._total} finished")

    def _move(self, spec: RunSpec, progress: PlantProgress) -> None:
        begin, end = self._window(spec.scenario)
        done = progress.time_s - begin
        if spec not in self._lines:
            instance = f" instance {spec.instance}" if spec.instance else ""
            name = f"{spec.scenario_label} {spec.controller} seed {spec.seed}{instance}"
            line = self._bars.add_task(name, total=None if end is None else end - begin, news="")
            self._lines[spec] = (line, done, self._clock())
            self._count()
        line, first, started = self._lines[spec]
        wall = self._clock() - started
        speed = (done - first) / wall if wall > 0 else math.nan
        self._bars.update(line, completed=done, news=news(done, speed, progress.delay_s))


def news(simulated_s: float, speed: float, delay_s: float) -> str:
    """Say simulated time [s], speed [simulated s / real s] and mean delay so far [s]; NaN is left out."""
    minutes, seconds = divmod(int(simulated_s), 60)
    parts = [f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"]
    if not math.isnan(speed):
        parts.append(f"{speed:.0f} x real time")
    if not math.isnan(delay_s):
        parts.append(f"delay {delay_s:.1f} s")
    return "  ".join(parts)


@contextmanager
def told(specs: Sequence[RunSpec], failed: list[RunEvent]) -> Iterator[Callable[[RunEvent], None]]:
    """Tell on stderr how runs come along, and note which failed: bars on a terminal, else a line per finished run.

    A single run is over when the command is, and has no line.
    """

    @functools.cache
    def window(scenario: str) -> Window:
        found = find_scenario(scenario)
        return found.begin_s, found.end_s

    if cold() and any(spec.runs_in_engine for spec in specs):
        typer.echo(COMPILING, err=True)
    done = 0
    with ProgressLines(len(specs), window) as bars:

        def see(event: RunEvent) -> None:
            nonlocal done
            bars(event)
            if event.failure is not None:
                failed.append(event)
            if event.progress is None:
                done += 1
                if not bars.drawn and len(specs) > 1:
                    came = "failed" if event.result is None else f"delay {event.result.delay_s:.1f} s"
                    place = event.spec.folder.relative_to(event.spec.out)
                    typer.echo(f"{done} of {len(specs)}: {place}: {came}", err=True)

        yield see
