"""How well the camera sees: a rendered view from a mast over SUMO's traffic, whose truth is known.

``python -m benchmarks.camera`` writes docs/results-camera.md. Every scene is calibrated from twelve points that were
found with a pixel of error; the first minutes, in which the empty street is learnt, do not count.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.camera_truth import LOOP_M, Moment, Scene, drive, make_scene, moments
from benchmarks.camera_view import LIGHTS, Street
from benchmarks.page import ROOT
from citybrain.randomness import generator
from citybrain_camera.background_detector import BackgroundDetector
from citybrain_camera.watch import Report, Watch

PAGE = ROOT / "docs" / "results-camera.md"
SCENES = (("district", "W-A1.pocket", 27300.0), ("cologne1", "23429231#1", 25500.0))
EVERY, WARM_EVERY = 2, 25
"""Frames are rendered at five a second: every second step of SUMO; fewer while the empty street is learnt."""
GATE_M = 4.0
BANDS = ((0.0, 20.0), (20.0, 40.0), (40.0, 60.0))


@dataclass
class Score:
    """Sums over the frames of one scene."""

    true: Counter[int] = field(default_factory=Counter)
    found: Counter[int] = field(default_factory=Counter)
    told: Counter[int] = field(default_factory=Counter)
    right: Counter[int] = field(default_factory=Counter)
    lane_right: int = 0
    distance_off: list[float] = field(default_factory=list)
    speed_off: list[float] = field(default_factory=list)
    confidence_right: list[float] = field(default_factory=list)
    confidence_wrong: list[float] = field(default_factory=list)
    crossed: Counter[int] = field(default_factory=Counter)
    counted: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    frames: int = 0

    def add(self, moment: Moment, report: Report, lanes: list[str]) -> None:
        """Match what was told with what was there: same approach, nearest in distance, at most ``GATE_M`` apart."""
        lane = np.array([lanes.index(vehicle.lane) for vehicle in report.vehicles], dtype=np.int64)
        distance = np.array([vehicle.distance for vehicle in report.vehicles])
        off = np.abs(moment.distance[:, None] - distance[None, :])
        other = moment.lane[:, None] != lane[None, :]
        cost = off + 2.0 * other + 1000.0 * (off > GATE_M)
        pairs = [pair for pair in zip(*linear_sum_assignment(cost), strict=True) if cost[pair] < 900.0]
        for place in moment.distance:
            self.true[_band(place)] += 1
        for place in distance:
            self.told[_band(place)] += 1
        for t, v in pairs:
            self.found[_band(moment.distance[t])] += 1
            self.right[_band(distance[v])] += 1
            self.lane_right += int(not other[t, v])
            self.distance_off.append(float(distance[v] - moment.distance[t]))
            self.speed_off.append(float(report.vehicles[v].speed - moment.speed[t]))
        matched = {v for _, v in pairs}
        for v, vehicle in enumerate(report.vehicles):
            (self.confidence_right if v in matched else self.confidence_wrong).append(vehicle.confidence)


def _band(distance: float) -> int:
    return next((n for n, (_, far) in enumerate(BANDS) if distance < far), len(BANDS) - 1)


def run(scene: Scene, drives: Path, begin_s: float, light: str, seed: int) -> Score:
    """Render and watch one scene; it counts from ``begin_s`` on."""
    street = Street(scene.view, scene.roads, scene.areas, LIGHTS[light], generator(seed, f"picture {light}"))
    watch = Watch(scene.calibration, BackgroundDetector(scene.calibration))
    lanes = list(scene.lane_length)
    score = Score()
    before: dict[str, float] = {}
    for number, moment in enumerate(moments(scene, drives)):
        minute = int((moment.time - begin_s) // 60)
        now = dict(zip(moment.name, moment.distance.tolist(), strict=True))
        if minute >= 0:
            score.crossed[minute] += sum(at < LOOP_M <= before.get(name, 0.0) for name, at in now.items())
        before = now
        if number % (EVERY if minute >= 0 else WARM_EVERY):
            continue
        image = street.frame(moment.vehicles)
        start = process_time()
        report = watch.see(image, moment.time)
        took = process_time() - start
        if report is not None and minute >= 0:
            score.add(moment, report, lanes)
            score.counted[minute] += sum(event.on for event in report.loops)
            score.seconds += took
            score.frames += 1
    return score


def row(name: str, light: str, score: Score) -> str:
    """Figures of one scene as a line of the table."""
    recall = [score.found[n] / max(1, score.true[n]) for n in range(len(BANDS))]
    precision = sum(score.right.values()) / max(1, sum(score.told.values()))
    all_recall = sum(score.found.values()) / max(1, sum(score.true.values()))
    minutes = sorted(set(score.crossed) | set(score.counted))
    count_off = np.mean([abs(score.counted[m] - score.crossed[m]) for m in minutes])
    crossed, counted = sum(score.crossed.values()), sum(score.counted.values())
    figures = [
        name,
        light,
        f"{sum(score.true.values()) / max(1, score.frames):.1f}",
        f"{100 * all_recall:.1f} ({', '.join(f'{100 * part:.0f}' for part in recall)})",
        f"{100 * precision:.1f}",
        f"{100 * score.lane_right / max(1, len(score.distance_off)):.1f}",
        f"{np.mean(np.abs(score.distance_off)):.2f} ({np.mean(score.distance_off):+.2f})",
        f"{np.mean(np.abs(score.speed_off)):.2f}",
        f"{np.mean(score.confidence_right or [0]):.2f}, {np.mean(score.confidence_wrong or [0]):.2f}",
        f"{count_off:.1f} ({counted} of {crossed})",
        f"{score.frames / score.seconds:.0f}",
    ]
    return "| " + " | ".join(figures) + " |"


INTRODUCTION = """# Results of the camera

Written by `python -m benchmarks.camera`: the detector without weights on rendered views from a 9 m mast over SUMO's
traffic, two minutes each at five pictures a second after four minutes of learning, one seed. [camera.md](camera.md)
says what a rendered view is worth. A vehicle counts as found if it is told within 4 m along the approach.
"""
HEAD = """| approach | light | vehicles in sight | recall [%] (0-20, 20-40, 40-60 m) | precision [%] | lane right \
[%] | distance: mean absolute error (bias) [m] | speed: mean absolute error [m/s] | confidence of right, of wrong | \
count off per minute (counted of crossed) | frames per second and core |
| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
"""


def main() -> None:
    """Measure all scenes in all lights, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--warm", type=float, default=250.0)
    parser.add_argument("--lights", default="day,dusk")
    parser.add_argument("--scenes", default="0,1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-page", action="store_true")
    given = parser.parse_args()
    cv2.setNumThreads(1)
    lines = []
    for number in map(int, given.scenes.split(",")):
        scenario, edge, begin_s = SCENES[number]
        scene = make_scene(scenario, edge, generator(given.seed, "calibration"))
        print(scene.calibration.summary(), flush=True)
        with tempfile.TemporaryDirectory() as folder:
            seconds = given.warm + 60.0 * given.minutes
            drives = drive(scene, begin_s, seconds, given.seed, Path(folder))
            for light in given.lights.split(","):
                score = run(scene, drives, begin_s + given.warm, light, given.seed)
                lines.append(row(f"{scenario} `{edge}`", light, score))
                print(lines[-1], flush=True)
    if not given.no_page:
        write_page(lines)


def write_page(lines: list[str]) -> None:
    """Write the page of results, one line per scene and light."""
    PAGE.write_text(INTRODUCTION + "\n" + HEAD + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
