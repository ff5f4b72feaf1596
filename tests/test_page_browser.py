"""The page in a real Chromium, over a twin that runs: what people see, what they can do, what survives a restart."""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.page_city import GridCity
from citybrain.clock import StreetClock
from citybrain.live.service import Live
from citybrain.storage.store import open_store
from citybrain.units import to_tenths
from citybrain_api.client import Client
from citybrain_api.look import Looking, make_look
from citybrain_api.served_street import read_street
from citybrain_api.service.app import make_app
from citybrain_api.service.logs import make_logger
from citybrain_api.service.server import Served
from citybrain_api.service.settings import Rate, Scope, ServiceSettings
from citybrain_api.street import StreetOrder
from citybrain_api.twin import make_key, run_street, with_keys
from citybrain_sim.scenarios import find_scenario
from tests.http_world import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.sumo,
    pytest.mark.skipif(
        CHROMIUM is None,
        reason="no Chromium here (Debian: apt-get install chromium); the page is not tried in a browser",
    ),
]
SPEED = 8.0
PATIENCE_MS = 60_000
NETWORK_FAILURES = ("ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_CONNECTION_RESET", "ERR_EMPTY_RESPONSE")
LAMP_PIXELS = """
(name) => {
  const map = document.getElementById("map");
  const copy = document.createElement("canvas");
  Object.assign(copy, { width: map.width, height: map.height });
  const probe = copy.getContext("2d", { willReadFrequently: true });
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name);
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  probe.drawImage(map, 0, 0);
  const { data } = probe.getImageData(0, 0, map.width, map.height);
  const found = [];
  for (let k = 0; k < data.length; k += 4) {
    if (Math.abs(data[k] - r) + Math.abs(data[k + 1] - g) + Math.abs(data[k + 2] - b) < 12) found.push(k);
  }
  return found.join();
}
"""
COUNT_PATHS = """
window.pathsMade = 0;
window.Path2D = new Proxy(Path2D, { construct(kind, words) { window.pathsMade++; return new kind(...words); } });
"""


class StreetOverError(Exception):
    """The test has seen enough of the street."""


class Twin:
    """A running twin whose web server can be stopped and started again while the street goes on."""

    def __init__(self, folder: Path) -> None:
        site, sensors = read_street("district", "planner", "default", None)
        clock = StreetClock(to_tenths(find_scenario("district").begin_s))
        self.store = open_store(folder / "data")
        self.live = Live.open(site, sensors, "planner", self.store, clock)
        order = with_keys(
            StreetOrder("district", speed=SPEED, folder=str(folder / "street")),
            self.store,
            self.live.intersections,
            clock.now(),
        )
        self.keys: dict[str, str] = {
            scope: make_key(self.store, scope, "a test", None, clock.now()) for scope in (Scope.OPERATOR, Scope.READER)
        }
        self.live.start()
        self._served: Served | None = None
        self.port = 0
        self.serve()
        self.port = int(self.url.rpartition(":")[2])
        self._over = threading.Event()
        self._order = StreetOrder(**{**vars(order), "url": self.url})
        self._street = threading.Thread(target=self._run, daemon=True)
        self._street.start()

    def serve(self) -> None:
        """Serve, at the same address as before."""
        settings = ServiceSettings(rates=dict.fromkeys(Scope, Rate(1e9, 1e9)), drain_s=2)
        self._served = Served(make_app(self.live, settings, make_logger("error", sys.stderr)), port=self.port)
        self._served.__enter__()
        self.url = self._served.url

    def stop_serving(self) -> None:
        """Stop the web server."""
        if self._served is not None:
            self._served.__exit__(None, None, None)
            self._served = None

    def page(self, who: str = "operator") -> str:
        """Give the address that the twin prints."""
        return f"{self.url}/#key={self.keys[who]}"

    def _run(self) -> None:
        with contextlib.suppress(StreetOverError):
            run_street(self._order, self._see)

    def _see(self, _told: dict[str, Any]) -> None:
        if self._over.is_set():
            raise StreetOverError

    def close(self) -> None:
        """End street, server and engine."""
        self._over.set()
        self._street.join(60)
        self.stop_serving()
        self.live.stop()


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    twin = Twin(tmp_path_factory.mktemp("twin"))
    try:
        yield twin
    finally:
        twin.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Watched:
    """A page, and what it complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def open(self, address: str) -> Page:
        """Open an address and wait for the map."""
        self.page.goto(address)
        self.page.wait_for_selector("#map[data-frames]")
        return self.page

    def lamps(self, colour: str) -> str:
        """Where the map shows a colour of the lamps."""
        return str(self.page.evaluate(LAMP_PIXELS, colour))


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield Watched(context.new_page())
    context.close()


def test_the_map_is_drawn_and_its_lamps_change(twin: Twin, watched: Watched) -> None:
    page = watched.open(twin.page())
    page.get_by_text("live", exact=True).wait_for()
    assert "#key" not in page.url
    page.locator("#map").press("+")
    until(lambda: watched.lamps("--green") and watched.lamps("--red"))
    before = watched.lamps("--green")
    until(lambda: watched.lamps("--green") != before)
    until(lambda: page.locator(".facts dd").first.inner_text() != "0")
    assert watched.complaints == []


def test_an_intersection_tells_plan_reasons_estimates_and_sensors(twin: Twin, watched: Watched) -> None:
    page = watched.open(twin.page("reader"))
    name = twin.live.intersections[0]
    page.get_by_role("button", name=f"{name}, ").click()
    page.get_by_role("heading", name=name, exact=True).wait_for()
    page.get_by_text("stage schedule by planner").wait_for()
    page.get_by_text("vehicles wait and").first.wait_for()
    page.get_by_text("are well").wait_for()
    page.get_by_text("that takes an operator's key").wait_for()
    network = twin.live.site.network
    lanes = network.approach_ptr[1] - network.approach_ptr[0]
    assert page.locator(".scroll tbody tr").count() == lanes
    page.get_by_role("button", name="What was rejected?").click()
    page.get_by_text("In force at").wait_for()
    assert watched.complaints == []


def test_an_override_reaches_lamp_and_ledger_and_ends(twin: Twin, watched: Watched) -> None:
    page = watched.open(twin.page())
    name = twin.live.intersections[1]
    page.get_by_role("button", name=f"{name}, ").click()
    page.get_by_label("Who", exact=True).fill("Ada")
    page.get_by_label("Why, for the ledger").fill("a parade")
    shown = twin.live.snapshot()
    assert shown is not None
    stages = twin.live.site.signals.stages(1).tolist()
    wanted = next(k for k in range(len(stages)) if stages[k] != shown.lamps.row[1])
    page.locator("select[name=kind]").select_option(f"stage {wanted}")
    page.get_by_role("button", name="Override").click()
    page.locator(".badge", has_text="stage until").wait_for()
    page.locator(".badge", has_text=f"stage {wanted}").wait_for()
    with Client(twin.url, twin.keys["operator"]) as client:
        until(lambda: client.intersection(name)["ack"]["shown"]["stage"] == wanted)
    page.get_by_role("button", name="End it").click()
    page.locator(".badge", has_text="stage until").wait_for(state="detached")
    told = [entry.document for entry in twin.store.entries(1, 1000) if entry.kind == "override"]
    assert [document.get("why") for document in told] == ["a parade", None]
    assert "Ada" in told[1]["ended_by"]
    assert watched.complaints == []


def test_a_corridor_is_picked_with_two_intersections(twin: Twin, watched: Watched) -> None:
    page = watched.open(twin.page("reader"))
    page.get_by_role("button", name="Corridor").click()
    for name in ("A1", "A3"):
        page.get_by_role("button", name=f"{name}, ").click()
    page.get_by_text("A1 to A3:").wait_for()
    assert watched.complaints == []


def test_keys_alone_are_enough(twin: Twin, watched: Watched) -> None:
    page = watched.open(twin.page("reader"))
    drawn = int(page.locator("#map").get_attribute("data-frames") or 0)
    page.locator("#map").focus()
    for key in ("+", "ArrowLeft", "ArrowUp", "-", "0"):
        page.keyboard.press(key)
    until(lambda: int(page.locator("#map").get_attribute("data-frames") or 0) > drawn)
    page.get_by_label("Find an intersection by name").focus()
    page.keyboard.type(twin.live.intersections[0])
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=twin.live.intersections[0], exact=True).wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="Intersections").wait_for()
    assert watched.complaints == []


def test_a_phone_needs_no_sideways_scrolling(twin: Twin, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    watched = Watched(context.new_page())
    page = watched.open(twin.page())
    page.get_by_role("button", name=f"{twin.live.intersections[0]}, ").click()
    page.get_by_text("Estimates").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="Switch between light and dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    assert watched.complaints == []
    context.close()


def test_a_wrong_key_is_asked_for_again(twin: Twin, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{twin.url}/")
    page.get_by_label("Key").fill("cb_wrong")
    page.get_by_role("button", name="Open").click()
    page.get_by_text("the key is unknown or revoked").wait_for()
    page.get_by_label("Key").fill(twin.keys["reader"])
    page.get_by_role("button", name="Open").click()
    page.wait_for_selector("#map[data-frames]")
    context.close()


def test_the_stream_comes_back_after_a_restart(twin: Twin, watched: Watched) -> None:
    page = watched.open(twin.page())
    page.get_by_text("live", exact=True).wait_for()
    twin.stop_serving()
    page.get_by_text("reconnecting").wait_for()
    stopped = page.locator("header output.clock").inner_text()
    twin.serve()
    page.get_by_text("live", exact=True).wait_for()
    until(lambda: page.locator("header output.clock").inner_text() > stopped)
    assert [told for told in watched.complaints if not any(word in told for word in NETWORK_FAILURES)] == []


class BusyAt(GridCity):
    """A small grid whose record says that most vehicles were there at one tick."""

    def __init__(self, tick: int) -> None:
        super().__init__(3)
        self._tick = tick

    def about(self) -> dict[str, Any]:
        """As of any grid, with a past."""
        begin, _, step = super().about()["times"]
        times = [begin + k * step for k in (0, self._tick, self._tick + 10)]
        samples = [[t, vehicles, 0] for t, vehicles in zip(times, (1, 30, 12), strict=True)]
        return super().about() | {"past": {"samples": samples, "minutes": []}}


def test_ten_thousand_links_are_drawn_from_paths_that_are_kept(watched: Watched) -> None:
    city = GridCity(51)
    assert city.links > 10_000
    watched.page.add_init_script(COUNT_PATHS)
    with Looking(make_look(city)) as looking:
        page = watched.open(looking.url)
        page.get_by_role("slider").fill("30")
        until(lambda: page.evaluate("window.pathsMade") > 0)
        page.locator("header output.clock", has_text="00:00:30").wait_for()
        page.locator("#map").focus()
        drawn, made = (page.evaluate(js) for js in ("Number(map.dataset.frames)", "window.pathsMade"))
        while page.evaluate("Number(map.dataset.frames)") < drawn + 20:
            page.keyboard.press("ArrowRight")
        assert page.evaluate("window.pathsMade") <= made + 6, "one set of paths per tick, none per frame"
    assert watched.complaints == []


def test_a_record_opens_where_most_is_going_on_with_every_list_filled(watched: Watched) -> None:
    with Looking(make_look(BusyAt(20))) as looking:
        page = watched.open(looking.url)
        page.locator("header output.clock", has_text="00:00:20").wait_for()
        assert page.get_by_role("slider").input_value() == "20"
        page.get_by_text("in all, the longest queue first").wait_for()
        assert page.locator("section.panel .rows button").count() > 1
    assert watched.complaints == []
