"""How fast does the page draw a large city? ``python -m benchmarks.page_frames``.

Opens the page over a made city of 10,200 links in Chromium, and moves the map without a pause, first all of it in sight
and then from near. Tells how far apart two drawn frames are (the page draws 30 a second at most), and how long one
takes from its begin until its pixels are there, when the map was moved and when a new tick came. A small city beside
it, in the same run, tells what of that is the browser and the machine. Also tells how many bytes a tick takes. Writes
a section of ``docs/results-service.md``.
Writes its section of ``docs/results-service.md``.
"""

from __future__ import annotations

import os
import shutil
import statistics
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from benchmarks.page import command_line, write_section
from benchmarks.page_city import TICKS, GridCity
from citybrain_api.look import Looking, make_look

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIDES = (8, 51)
FRAMES = 90
TICKS_DRAWN = 40
HEAD = ("links", "view", "between two drawn frames, moved without a pause", "a frame, moved", "a frame, new tick")
MOVE = """
async (frames) => {
  const map = document.getElementById("map");
  const drawn = [];
  let seen = map.dataset.frames;
  const end = performance.now() + 30000;
  while (drawn.length <= frames && performance.now() < end) {
    const key = drawn.length % 20 < 10 ? "ArrowRight" : "ArrowLeft";
    map.dispatchEvent(new KeyboardEvent("keydown", { key }));
    await new Promise(requestAnimationFrame);
    if (map.dataset.frames !== seen) {
      seen = map.dataset.frames;
      drawn.push(performance.now());
    }
  }
  return drawn.slice(1).map((t, k) => t - drawn[k]);
}
"""
DRAW = """
async ([frames, ticks]) => {
  const map = document.getElementById("map");
  const slider = document.querySelector(".player input");
  const context = map.getContext("2d");
  const found = [];
  for (let k = 0; k < frames; k++) {
    const before = map.dataset.frames;
    if (ticks) {
      slider.valueAsNumber = slider.valueAsNumber + 1;
      slider.dispatchEvent(new Event("input"));
    } else {
      map.dispatchEvent(new KeyboardEvent("keydown", { key: k % 2 ? "ArrowLeft" : "ArrowRight" }));
    }
    let begun = 0;
    while (map.dataset.frames === before) {
      begun = await new Promise(requestAnimationFrame);
      await new Promise((go) => {  // until the page's own part of this frame is over
        const channel = new MessageChannel();
        channel.port1.onmessage = go;
        channel.port2.postMessage(0);
      });
    }
    context.getImageData(0, 0, 1, 1);
    found.push(performance.now() - begun);
  }
  return found;
}
"""


def main() -> None:
    """Measure, print, and write the section of the results' page."""
    rows, sizes = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for side in SIDES:
            city = GridCity(side)
            sizes.append(
                f"{city.links} links: {_bytes(city):.0f} bytes a tick, {len(city.frames(1, 1)[0])} for a whole frame"
            )
            with Looking(make_look(city)) as looking:
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(looking.url)
                page.wait_for_selector("#map[data-frames]")
                page.get_by_role("slider").fill("20")
                page.wait_for_timeout(2000)
                rows.append(_measure(page, city.links, "all in sight"))
                for _ in range(8 if side > 10 else 2):
                    page.locator("#map").press("+")
                rows.append(_measure(page, city.links, "near, lane by lane"))
                page.close()
        told = f"Chromium {browser.version} without a graphics card, 1440 x 900 pixels, {os.cpu_count()} cores"
        browser.close()
    table = "\n".join(["| " + " | ".join(HEAD) + " |", "| ---: | --- | ---: | ---: | ---: |", *rows])
    body = f"{table}\n\nMedian, in brackets the 95th percentile [ms]. {told}. {'; '.join(sizes)}."
    print(body)
    write_section("Frames of the page", command_line("benchmarks.page_frames"), body)


def _measure(page: Page, links: int, what: str) -> str:
    """Measure one view; gives the row of the table."""
    moved: list[float] = page.evaluate(MOVE, FRAMES)
    frame: list[float] = page.evaluate(DRAW, [FRAMES // 3, False])
    tick: list[float] = page.evaluate(DRAW, [TICKS_DRAWN, True])
    return f"| {links} | {what} | {' | '.join(_middle(values) for values in (moved, frame, tick))} |"


def _middle(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} [{statistics.quantiles(values, n=20)[-1]:.1f}]"


def _bytes(city: GridCity) -> float:
    """Mean length of the frames of a tick, but for the first."""
    return statistics.mean(len(frame) for frame in city.frames(0, TICKS)[1:])


if __name__ == "__main__":
    main()
