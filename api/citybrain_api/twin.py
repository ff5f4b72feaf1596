"""``citybrain serve --twin``: the service in this process, and a simulated street that talks to it over real HTTP."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citybrain.clock import StreetClock, utc_now
from citybrain.errors import PlantError
from citybrain.live.service import Live
from citybrain.storage.store import open_store
from citybrain.units import to_tenths
from citybrain_api.failures import tell
from citybrain_api.served_street import about_service, read_street
from citybrain_api.service.app import make_app
from citybrain_api.service.keys import keep_key, new_key
from citybrain_api.service.logs import make_logger
from citybrain_api.service.server import Served
from citybrain_api.service.settings import Rate, Scope, ServiceSettings
from citybrain_api.street import StreetOrder
from citybrain_sim.scenarios import find_scenario
from citybrain_sim.warm_up import COMPILING, cold, compile_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from citybrain.storage.store import Store

TWINS = Path("citybrain-data")
TELL_EVERY = 60
"""Simulated seconds between two lines of progress for people."""
_UNHURRIED = Rate(1e9, 1e9)


def run_twin(order: StreetOrder, controller: str, host: str, port: int, log_level: str, folder: Path) -> dict[str, Any]:
    """Serve a scenario's street, let the street live from begin to end, and return what came of it.

    Raises
    ------
    InputError
        If scenario, profile, address or folder are wrong.
    PlantError
        If the street or the web server fails.
    """
    with twin_service(order, controller, host, port, log_level, folder) as filled:
        return run_street(filled, show_progress)


@contextlib.contextmanager
def twin_service(
    order: StreetOrder, controller: str, host: str, port: int, log_level: str, folder: Path
) -> Iterator[StreetOrder]:
    """Serve a street that is simulated; gives the order with address, keys and folder filled in.

    Parameters
    ----------
    folder : takes the service's data (``data``), its log (``service.log``) and SUMO's output (``street``).
    """
    site, sensors = read_street(order.scenario, controller, order.sensors, order.profile)
    if cold():
        tell(COMPILING)
        compile_once()
    clock = StreetClock(to_tenths(find_scenario(order.scenario).begin_s))
    folder.mkdir(parents=True, exist_ok=True)
    # In accelerated time a well-behaved client asks more often than any street's would.
    settings = replace(ServiceSettings(), rates=dict.fromkeys(Scope, _UNHURRIED))
    with (folder / "service.log").open("w") as log, open_store(folder / "data") as store, store.alone():
        live = Live.open(site, sensors, controller, store, clock)
        try:
            order = with_keys(order, store, live.intersections, clock.now())
            watcher = make_key(store, Scope.OPERATOR, "whoever watches the twin", None, clock.now())
            app = make_app(live, settings, make_logger(log_level, log))
            live.start(about_service(order.scenario, controller, order.sensors, order.profile))
            with Served(app, host, port) as served:
                tell(f"{len(live.intersections)} intersections at {served.url} under {controller}; Ctrl-C stops")
                tell(f"open the page: {served.url}/#key={watcher}")
                tell(f"look with: curl -H 'Authorization: Bearer {watcher}' {served.url}/v1/state")
                yield replace(order, url=served.url, folder=str(folder / "street"))
        finally:
            live.stop()


def twin_folder(scenario: str) -> Path:
    """Name a folder for a twin that begins now: the street's time must not go back in one."""
    return TWINS / f"twin-{Path(scenario).stem}-{utc_now():%Y%m%dT%H%M%S}"


def make_key(store: Store, scope: Scope, name: str, bound: tuple[str, ...] | None, now: int) -> str:
    """Make and keep a key."""
    key, row = new_key(scope, name, bound, now)
    keep_key(store, row)
    return key


def with_keys(order: StreetOrder, store: Store, intersections: tuple[str, ...], now: int) -> StreetOrder:
    """Give the street a key for the gateway of its sensors, and one for every cabinet."""
    return replace(
        order,
        field_key=make_key(store, Scope.FIELD, "street twin", None, now),
        controller_keys={
            name: make_key(store, Scope.CONTROLLER, f"cabinet {name}", (name,), now) for name in intersections
        },
    )


def run_street(order: StreetOrder, see: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run the street in a process of its own; returns what it says at its end.

    Parameters
    ----------
    see : is shown every line of progress.

    Raises
    ------
    PlantError
        If the street fails.
    """
    outcome: dict[str, Any] | None = None
    with subprocess.Popen(
        [sys.executable, "-m", "citybrain_api.street"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            for line in _hand_over(process, json.dumps(asdict(order))):
                document = json.loads(line)
                if document["kind"] == "end":
                    outcome = document
                else:
                    see(document)
        except BaseException:
            process.terminate()
            raise
    if outcome is None:
        raise PlantError(f"the street ended before its time with status {process.returncode}; it said why above")
    return outcome


def _hand_over(process: subprocess.Popen[str], text: str) -> Iterator[str]:
    """Hand a process its input, and give the lines that it writes."""
    if process.stdin is not None and process.stdout is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(text)
            process.stdin.close()
        yield from process.stdout


def show_progress(told: dict[str, Any]) -> None:
    """Tell people how far the street has come."""
    seconds = round(told["time_s"])
    if seconds % TELL_EVERY:
        return
    clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    modes = ", ".join(f"{count} {mode.replace('_', ' ')}" for mode, count in sorted(told["modes"].items()))
    lost = f", {told['lost_posts']} posts lost" if told["lost_posts"] else ""
    tell(f"{clock}  {told['running']} vehicles, delay {told['delay_s']:.1f} s/veh; cabinets: {modes}{lost}")


def outcome_line(told: dict[str, Any]) -> str:
    """Put what came of the street into one line for people."""
    locked = "; gridlocked" if told["gridlocked"] else ""
    return (
        f"street over: delay {told['delay_s']:.1f} s/veh, {told['arrived']} of {told['loaded']} vehicles arrived"
        f"{locked}; {told['lost_posts']} posts lost"
    )
