"""The city's figures against SUMO's truth: vehicles in network, their interval, congestion indices, forecasts.

``python -m benchmarks.city`` simulates every map once under the scenario's own fixed plan, goes over that hour with
every sensor layout, and writes docs/results-sensing.md. Hours and figures are kept in ``--out``; the hours are not
simulated again, the figures only with ``--fresh``. Vehicles that wait outside the network to be inserted are in no
network; they are shown apart.

Forecasts with history: the first seed is yesterday, the second one today.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.city_floor import least_error
from benchmarks.city_runs import LAYOUTS, Truth, keep_record, read_record
from benchmarks.estimation import part_of, rows_of
from benchmarks.page import SENSING, write_section
from citybrain.city.districts import usual_districts
from citybrain.city.forecast import HORIZONS, History
from citybrain.city.observer import CityObserver
from citybrain.city.roads import BIN_S, WINDOW
from citybrain.documents import write_json
from citybrain.estimation import LaneEstimator
from citybrain.links import find_links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citybrain.city.figures import CityFigures

Floats = NDArray[np.float64]
CHOSE = ("district", "cologne1", "cologne3", "ingolstadt7", "hangzhou1", "arterial4x4")
"""Maps that the constants of ``citybrain/city`` were chosen on; what the others had to do with it: docs/city.md."""
MAPS = (
    *CHOSE,
    *("grid4x4", "cologne8", "ingolstadt1", "ingolstadt21", "bologna_acosta"),
)
WARM_UP = 5
"""Minutes that are left out of errors: streets begin empty."""
LEAST_VEHICLE_S = 300.0
"""Links on which less was spent in five minutes [veh s] are left out of the errors of links."""


class Job(NamedTuple):
    """One run; a seed that is not the first one looks back on those before."""

    scenario: str
    sensors: str
    seed: int
    history: str | None

    def file(self, out: Path) -> Path:
        """Where its result is kept."""
        return out / f"{self.scenario}-{self.sensors}-{self.seed}.json"

    def hour(self, out: Path) -> Path:
        """Where the simulated hour is kept."""
        return out / f"{self.scenario}-{self.seed}.pickle"


def run(job: Job, out: Path) -> None:
    """Go over an hour with one layout, and keep what was told beside what was true."""
    record = read_record(job.hour(out))
    network, truth = record.network, record.truth
    sensors, number = part_of(network, record.sensors, job.sensors)
    districts, links = usual_districts(network), find_links(network)
    history = History(CityObserver.history_size(districts))
    if job.history is not None:
        history.mean[:] = np.load(job.history)["mean"]
    estimator = LaneEstimator(network, record.signals, sensors)
    observer = CityObserver(network, sensors, districts, history)
    minutes, ends = [], []
    for second, (batch, lamps) in enumerate(zip(record.batches, record.lamps, strict=True)):
        rows = rows_of(batch, number)
        figures = observer.see(rows, estimator.update(rows, lamps))
        if figures is not None:
            ends.append(second)
            minutes.append(compare(figures, truth, second, links.road, links.road_ptr))
    for minute, row in zip(minutes, record.unseen[job.sensors].minutes(ends), strict=True):
        minute.update(row)
    if job.history is None:
        np.savez(job.file(out).with_suffix(".npz"), mean=history.mean)
    write_json(job.file(out), {"job": job._asdict(), "minutes": minutes})


def compare(
    figures: CityFigures, truth: Truth, second: int, road: NDArray[np.int32], ptr: NDArray[np.int32]
) -> dict[str, Any]:
    """Figures of a minute that ends with a second beside the truth."""
    running, waiting = (float(np.mean(x[second - 59 : second + 1])) for x in (truth.running, truth.waiting))
    window = slice(max(0, second + 1 - WINDOW * BIN_S), second + 1)
    spent, free = (np.array(x[window], dtype=np.float64).sum(axis=0) for x in (truth.spent, truth.free))
    link_spent, link_free = (np.add.reduceat(x[road], ptr[:-1]) if len(ptr) > 1 else np.zeros(0) for x in (spent, free))
    busy = link_spent >= LEAST_VEHICLE_S
    true_index = np.clip(link_spent[busy] / np.maximum(link_free[busy], 1.0), 1.0, 20.0)
    return {
        "vehicles": [running, figures.vehicles, figures.low, figures.high],
        "waiting": waiting,
        "index": [max(1.0, spent.sum() / max(free.sum(), 1.0)), figures.delay_index, figures.travel_time_index],
        "forecast": [
            side[:, :2].tolist() for side in (figures.forecast.value, figures.forecast.low, figures.forecast.high)
        ],
        "link_index": [true_index.tolist(), figures.links.delay_index[busy].tolist()],
        "counted": figures.counted,
    }


def jobs(scenarios: list[str], layouts: list[str], out: Path) -> Iterator[Job]:
    """All runs: every layout once, and a second day for the first layout."""
    for layout in layouts:
        for scenario in scenarios:
            yield Job(scenario, layout, 1, None)
    for scenario in scenarios:
        yesterday = Job(scenario, layouts[0], 1, None).file(out).with_suffix(".npz")
        yield Job(scenario, layouts[0], 2, str(yesterday))


def line(minutes: list[dict[str, Any]]) -> list[str]:
    """Cells of the table of vehicles and indices."""
    late = minutes[WARM_UP:]
    true, told, low, high = np.array([m["vehicles"] for m in late]).T
    index = np.array([m["index"] for m in late])
    links = [np.concatenate([m["link_index"][k] for m in late]) for k in (0, 1)]
    mean = float(true.mean())
    error = told - true
    return [
        f"{mean:.0f}",
        f"{np.mean([m['waiting'] for m in late]):.0f}",
        f"{late[0]['counted']:.2f}",
        f"{100 * np.abs(error).mean() / mean:.1f}",
        f"{100 * error.mean() / mean:+.1f}",
        f"{100 * np.mean((low <= true) & (true <= high)):.0f}",
        f"{100 * np.mean(high - low) / 2 / mean:.0f}",
        f"{np.mean([m['unseen'] for m in late]):.1f}",
        f"{100 * least_error(*(np.array([m[k] for m in late]) for k in ('unknown', 'counts'))) / mean:.1f}",
        f"{index[:, 0].mean():.2f}",
        f"{(index[:, 1] - index[:, 0]).mean():+.2f}",
        f"{np.abs(links[1] - links[0]).mean():.2f}" if len(links[0]) else "-",
    ]


def forecast_errors(minutes: list[dict[str, Any]]) -> Floats:
    """[horizons, (vehicles, index), (forecast, persistence, coverage)] root mean square errors against the truth."""
    true = np.array([[m["vehicles"][0], m["index"][0]] for m in minutes])
    now = np.array([[m["vehicles"][1], m["index"][1]] for m in minutes])
    told = np.array([m["forecast"] for m in minutes])
    found = np.zeros((len(HORIZONS), 2, 3))
    for k, ahead in enumerate(HORIZONS):
        rows = slice(WARM_UP, len(minutes) - ahead)
        came = true[WARM_UP + ahead :]
        found[k, :, 0] = np.sqrt(np.mean((told[rows, 0, k] - came) ** 2, axis=0))
        found[k, :, 1] = np.sqrt(np.mean((now[rows] - came) ** 2, axis=0))
        found[k, :, 2] = np.mean((told[rows, 1, k] <= came) & (came <= told[rows, 2, k]), axis=0)
    return found


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    ruler = ["---", "---", *["---:"] * (len(head) - 2)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ruler, *rows))


def write_page(results: dict[Job, list[dict[str, Any]]], command: str) -> None:
    """Write the two sections of the page."""
    head = ["map", "sensors", "vehicles", "waiting outside", "edge counted", "error [%]", "bias [%]", "covered [%]"]
    head += ["half width [%]", "unseen", "least error [%]", "index", "index bias", "link index error"]
    firsts = {job: minutes for job, minutes in results.items() if job.history is None}
    rows = [[_name(job), job.sensors, *line(minutes)] for job, minutes in firsts.items()]
    about = (
        "Minute by minute over an hour under the scenario's own fixed plan, the first five minutes left out. Vehicles: "
        "mean of SUMO's running vehicles; error: mean absolute error of the estimate of every minute, in percent of "
        "that mean. Covered: share of minutes in which the truth lay within the 95 % interval.\n\n"
        "Unseen: mean of the vehicles that no loop has felt yet and no camera of objects has seen, or that none will "
        "again. Least error: what sensors at these places leave open even if they never err: about "
        "the best that can be had, no strict bound. Whoever has been reported by the minute's end is taken as known, "
        "his turns included. "
        "How many others there were in that minute is foretold linearly, from first and last reports of vehicles in "
        "the last two minutes (in parts of 20 s), with the weights that fit this very hour best by least squares; what "
        "is left is the mean absolute error, in percent of the same mean.\n\n"
        "Index: congestion delay "
        "index, truth from SUMO's own positions and speeds. Link index error: mean absolute error over minutes and "
        f"links with traffic. Constants were chosen on the maps marked *.\n\n{_summary(firsts)}\n\n{table(head, rows)}"
    )
    write_section("City figures", command, about, SENSING)
    head = ["map", "history", *(f"{what} {h} min" for what in ("vehicles", "index") for h in HORIZONS), "covered [%]"]
    rows = []
    for job, minutes in results.items():
        if job.sensors == LAYOUTS[0]:
            found = forecast_errors(minutes)
            ratio = [f"{found[k, s, 0] / found[k, s, 1]:.2f}" for s in (0, 1) for k in range(len(HORIZONS))]
            rows.append(
                [_name(job), "-" if job.history is None else "a day", *ratio, f"{100 * found[..., 2].mean():.0f}"]
            )
    about = (
        "Root mean square error of the forecast over that of persistence (what is estimated now stays), both against "
        "SUMO's truth at that time; below 1 is better than persistence. `a day` of history is the same hour with "
        f"another seed.\n\n{table(head, rows)}"
    )
    write_section("City forecasts", command, about, SENSING)


def _name(job: Job) -> str:
    return f"{job.scenario}{'*' if job.scenario in CHOSE else ''}"


def _summary(firsts: dict[Job, list[dict[str, Any]]]) -> str:
    """One line per layout over the maps that constants were not chosen on."""
    found = []
    for layout in LAYOUTS:
        rows = [line(minutes) for job, minutes in firsts.items() if job.sensors == layout and job.scenario not in CHOSE]
        if rows:
            error, covered = (np.array([float(row[k]) for row in rows]) for k in (3, 5))
            found.append(
                f"`{layout}`: median error {np.median(error):.1f} %, covered {covered.mean():.0f} % on average "
                f"over {len(rows)} maps without a mark (docs/city.md says what they had to do with it)."
            )
    return "\n".join(found)


def main() -> None:
    """Run what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", nargs="*", default=list(MAPS))
    parser.add_argument("--sensors", default=",".join(LAYOUTS))
    parser.add_argument("--fresh", action="store_true", help="go over kept hours again")
    parser.add_argument("--page-only", action="store_true", help="run nothing, write the page of what is there")
    parser.add_argument("--out", type=Path, default=Path("runs/city"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    wanted = list(jobs(given.scenario, given.sensors.split(","), given.out))
    for job in wanted if not given.page_only else ():
        if not job.hour(given.out).exists():
            print(job.scenario, job.seed, flush=True)
            # libsumo holds one simulation per process.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(keep_record, (job.scenario, job.seed, job.hour(given.out)))
        if given.fresh or not job.file(given.out).exists():
            print(job, flush=True)
            run(job, given.out)
    results = {
        job: json.loads(job.file(given.out).read_text())["minutes"] for job in wanted if job.file(given.out).exists()
    }
    write_page(results, "python -m benchmarks.city")


if __name__ == "__main__":
    main()
