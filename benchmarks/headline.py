"""Runs the headline comparisons and writes their tables into docs/results.md and README.md.

    python benchmarks/headline.py [--out runs/headline] [--seeds 5] [--jobs 2] [--fresh] [--sumo PATH]

Finished runs are reused, so an interrupted benchmark goes on where it was. The two protocols never share a table.
With --sumo, another SUMO program (1.9.1 made the published figures) runs the fixed plans too, for a table of its own.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import citybrain
from citybrain.errors import CityBrainError
from citybrain_sim.comparison import SummaryRow, compare, plan_runs, summarise
from citybrain_sim.scenarios import list_scenarios

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citybrain_sim.runs import RunSpec
    from citybrain_sim.workers import RunEvent

ROOT = Path(__file__).resolve().parent.parent
BASELINES = ("fixed", "webster", "actuated", "max-pressure", "max-wave", "sumo-actuated", "sumo-delay-based")
MODERN = ("district", "cologne1", "cologne8", "ingolstadt1", "grid4x4", "hangzhou1")
REAL_PLANS = ("bologna_acosta",)
"""A saturated district with the plans that its city runs; slow to simulate, so with few controllers and seeds."""
SLOW_SEEDS = 3
CLASSIC = ("cologne1", "cologne3", "cologne8", "ingolstadt1")
BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"


def main() -> None:
    """Run what is asked for and rewrite the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "headline")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--fresh", action="store_true", help="run again what is finished")
    parser.add_argument("--sumo", type=Path, default=None, help="another SUMO for the fixed plans, in a table more")
    options = parser.parse_args()
    missing = {row.name: row.reason for row in list_scenarios() if not row.available}
    seeds = range(1, options.seeds + 1)

    def run(
        scenarios: Sequence[str],
        controllers: Sequence[str],
        protocol: str = "modern",
        sensors: str = "default",
        seeds: Sequence[int] = seeds,
        sumo: Path | None = None,
    ) -> list[SummaryRow]:
        here = [name for name in scenarios if name not in missing]
        out = options.out / "other-sumo" if sumo else options.out
        specs = plan_runs(here, controllers, seeds, out=out, protocol=protocol, sensors=sensors, sumo_binary=sumo)
        comparison = compare(specs, options.jobs, teller(specs), fresh=options.fresh)
        for spec, why in comparison.failures:
            print(f"failed: {spec.scenario} {spec.controller} seed {spec.seed}: {why}")
        return summarise(comparison.runs)

    modern = run(MODERN, (*BASELINES, "planner", "oracle"))
    classic = run(CLASSIC, ("fixed", "planner"), protocol="classic")
    ideal = run(CLASSIC, ("max-pressure", "max-wave"), protocol="classic", sensors="ideal")
    modern += run(REAL_PLANS, ("fixed", "sumo-actuated", "planner"), seeds=seeds[:SLOW_SEEDS])
    other = run(CLASSIC, ("fixed",), protocol="classic", sumo=options.sumo) if options.sumo else []
    left_out = [f"{name} is left out: {why}." for name, why in missing.items() if name in (*MODERN, *REAL_PLANS)]
    write(modern, classic + ideal, other, options.seeds, left_out)


def teller(specs: Sequence[RunSpec]) -> Callable[[RunEvent], None]:
    """Make a listener that prints one line per finished run."""
    done = 0

    def tell(event: RunEvent) -> None:
        nonlocal done
        if event.result is not None:
            done += 1
            run = event.result
            print(
                f"{done}/{len(specs)} {run.scenario} {run.controller} {run.protocol} seed {run.seed}: "
                f"{run.delay_s:.1f} s",
                flush=True,
            )

    return tell


def write(
    modern: list[SummaryRow], classic: list[SummaryRow], other: list[SummaryRow], seeds: int, left_out: list[str]
) -> None:
    """Write docs/results.md whole, and the table between README's markers."""
    table = modern_table(modern)
    slow = f"{', '.join(REAL_PLANS)}: {min(seeds, SLOW_SEEDS)}"
    legend = (
        f"Median control delay [s/veh] over {seeds} seeds ({slow}), in brackets its 95 % interval; `x n`: n gridlocked "
        "seeds. Protocol `modern` (SUMO 1.28 as it comes), sensors `default`, every map's own timing profile, one set "
        "of parameters on all maps. `oracle` is the planner with perfect sight: a yardstick, not a result."
    )
    command = "Written by `python benchmarks/headline.py`."
    beside = (
        "SUMO 1.28 with the departure defaults of 2021. Published: means of the RESCO benchmark (medians in brackets, "
        "where lock-ups inflate the mean), from `benchmarks/published.toml`; its controllers decide every 10 s, its "
        "max pressure counts vehicles once they have stood within 200 m, its max wave all within 50 m. Ours as named: "
        "our planner decides every two seconds through sensors `default`, our max pressure and max wave every 5 s "
        "through sensors `ideal`."
    )
    time = (
        "Engine time beside SUMO's own time per run, medians [s]; the engine's includes estimator, controller, guard "
        "and records."
    )
    page = [
        "# Results",
        f"{command} Version {citybrain.__version__}. What the figures mean: [evidence.md](evidence.md).",
        "## Protocol `modern`",
        legend,
        table,
        *left_out,
        "## Paired differences to the fixed plan, `modern`",
        "Median over pairs of runs [s/veh] with its 95 % interval; negative is better.",
        difference_table(modern),
        "## Protocol `classic`, beside published figures",
        beside,
        classic_table(classic),
        *(["The fixed plans in the SUMO that was given by `--sumo`:", classic_table(other)] if other else []),
        "## Time",
        time,
        time_table(modern),
    ]
    (ROOT / "docs" / "results.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    short = f"{legend}\n{command} More: [docs/results.md](docs/results.md)."
    readme.write_text(f"{before}{BEGIN}\n{short}\n\n{table}\n{END}{after}", encoding="utf-8")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a Markdown table, first column left, the others right."""
    rule = "|".join(["", " --- ", *(" ---: " for _ in head[1:]), ""])
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def by_cell(rows: list[SummaryRow]) -> tuple[list[str], list[str], dict[tuple[str, str], SummaryRow]]:
    """Scenarios, controllers and rows by both, in order of appearance."""
    cells = {(row.controller, row.scenario): row for row in rows}
    return (
        list(dict.fromkeys(row.scenario for row in rows)),
        list(dict.fromkeys(row.controller for row in rows)),
        cells,
    )


def modern_table(rows: list[SummaryRow]) -> str:
    """Put controllers down, scenarios across: median delay, interval, gridlocked seeds; the best result is bold."""
    scenarios, controllers, cells = by_cell(rows)
    best = {
        s: min((cells[c, s].delay_s, c) for c in controllers if (c, s) in cells and c != "oracle")[1] for s in scenarios
    }
    body = []
    for c in controllers:
        line = [f"`{c}`" + (" (yardstick)" if c == "oracle" else "")]
        for s in scenarios:
            row = cells.get((c, s))
            if row is None:
                line.append("-")
                continue
            text = f"**{row.delay_s:.1f}**" if best[s] == c else f"{row.delay_s:.1f}"
            text += f" [{row.delay_low_s:.1f}, {row.delay_high_s:.1f}]"
            line.append(text + (f" x {row.gridlocked}" if row.gridlocked else ""))
        body.append(line)
    return markdown(["controller", *scenarios], body)


def difference_table(rows: list[SummaryRow]) -> str:
    """Put controllers down, scenarios across: paired difference to the fixed plan."""
    scenarios, controllers, cells = by_cell(rows)
    body = [
        [f"`{c}`"]
        + [
            f"{row.difference_s:+.1f} [{row.difference_low_s:+.1f}, {row.difference_high_s:+.1f}]"
            if (row := cells.get((c, s))) and row.paired_on
            else "-"
            for s in scenarios
        ]
        for c in controllers
        if c != "fixed"
    ]
    return markdown(["controller", *scenarios], body)


def classic_table(rows: list[SummaryRow]) -> str:
    """Ours and published side by side."""
    published = tomllib.loads((ROOT / "benchmarks" / "published.toml").read_text(encoding="utf-8"))
    scenarios, controllers, cells = by_cell(rows)
    body = []
    for s in scenarios:
        known = published[s]
        for c in controllers:
            row = cells[c, s]
            theirs = known["best"] if c == "planner" else known[c]
            what = "best of all" if c == "planner" else c
            median = known.get(f"{c}-median")
            shown = f"{theirs:.1f}" + ("" if median is None else f" ({median:.1f})")
            ratio = row.delay_s / (theirs if median is None else median)
            lock = f" x {row.gridlocked}" if row.gridlocked else ""
            interval = f"[{row.delay_low_s:.1f}, {row.delay_high_s:.1f}]"
            body.append([s, f"`{c}`", row.sensors, f"{row.delay_s:.1f} {interval}{lock}", what, shown, f"{ratio:.2f}"])
    return markdown(["map", "ours", "sensors", "delay", "published", "delay", "ratio"], body)


def time_table(rows: list[SummaryRow]) -> str:
    """How long engine and SUMO took, and their ratio."""
    body = [
        [
            row.scenario,
            f"`{row.controller}`",
            f"{row.engine_time_s:.2f}",
            f"{row.sumo_time_s:.2f}",
            f"{row.engine_time_s / row.sumo_time_s:.2f}",
        ]
        for row in rows
        if row.controller in {"fixed", "max-pressure", "planner"}
    ]
    return markdown(["map", "controller", "engine", "SUMO", "ratio"], body)


if __name__ == "__main__":
    try:
        main()
    except CityBrainError as error:
        raise SystemExit(str(error)) from None
