"""How fast does the page draw a large city? ``python -m benchmarks.page_frames``.

Opens the page over a made city of 10,200 links in Chromium, and moves the map without a pause, first all of it in sight
and then from near. Tells how far apart two drawn frames are (the page draws 30 a second at most), and how long one
takes from its begin until its pixels are there, when the map was moved and when a new tick came. A small city beside
it, in the same run, tells what of that is the browser and the machine. Also tells how many bytes a tick takes.
"""

from __future__ import annotations

import json
import shutil
import statistics
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from benchmarks.page_city import TICKS, GridCity
from citybrain_api.look import Looking, make_look

if TYPE_CHECKING:
    from playwright.sync_api import Page

SIDES = (8, 51)
FRAMES = 90
TICKS_DRAWN = 40
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
    """Measure and print."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for side in SIDES:
            city = GridCity(side)
            with Looking(make_look(city)) as looking:
                page = browser.new_page(viewport={"width": 1440, "height": 900})
                page.goto(looking.url)
                page.wait_for_selector("#map[data-frames]")
                page.get_by_role("slider").fill("20")
                page.wait_for_timeout(2000)
                print(f"{city.links} links")
                print(f"  a tick: {_bytes(city):.0f} bytes, whole {len(city.frames(1, 1)[0])} bytes")
                _measure(page, "all in sight")
                for _ in range(8 if side > 10 else 2):
                    page.locator("#map").press("+")
                _measure(page, "nearer, lane by lane")
                page.close()
        browser.close()


def _measure(page: Page, what: str) -> None:
    moved: list[float] = page.evaluate(MOVE, FRAMES)
    frame: list[float] = page.evaluate(DRAW, [FRAMES // 3, False])
    tick: list[float] = page.evaluate(DRAW, [TICKS_DRAWN, True])
    print(f"  {what}, moved without a pause: between drawn frames {_middle(moved)}")
    print(f"  {what}, a frame down to its pixels: moved {_middle(frame)}; new tick {_middle(tick)}")


def _middle(values: list[float]) -> str:
    cuts = statistics.quantiles(values, n=20)
    return f"median {statistics.median(values):.1f} ms, 95 % below {cuts[-1]:.1f} ms"


def _bytes(city: GridCity) -> float:
    frames: list[dict[str, Any]] = [json.loads(frame) for frame in city.frames(0, TICKS)]
    return statistics.mean(len(json.dumps(frame, separators=(",", ":"))) for frame in frames[1:])


if __name__ == "__main__":
    main()
