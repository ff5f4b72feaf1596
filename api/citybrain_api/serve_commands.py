"""``citybrain serve``: the live service of one street, from its scenario to its sockets."""

from __future__ import annotations

import socket
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from citybrain.errors import InputError
from citybrain.live.archivist import DAYS
from citybrain_api import options as opt
from citybrain_api.failures import clear_errors, tell
from citybrain_api.key_commands import DATA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from structlog.typing import FilteringBoundLogger

    from citybrain.control.interface import Site
    from citybrain.live.service import Live
    from citybrain.observations import SensorTable
    from citybrain.storage.store import Store

PORT = 8470
ORACLE = "oracle"
LEVELS = ("debug", "info", "warning", "error")


def serve(
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="Registered name, or path of a .sumocfg.")
    ] = None,
    data: Annotated[
        str,
        typer.Option(
            "--data", "-d", metavar="FOLDER|URL", help="Where everything is kept: a folder, or postgresql://..."
        ),
    ] = DATA,
    twin: Annotated[
        str | None,
        typer.Option(metavar="SCENARIO", help="Simulate the street too: its sensors post and its cabinets poll here."),
    ] = None,
    seed: opt.Seed = 1,
    speed: Annotated[
        float, typer.Option(min=0.0, help="Twin: simulated seconds per second; 1 is real time, 0 as fast as it goes.")
    ] = 0.0,
    controller: opt.Controller = "planner",
    sensors: opt.Sensors = "default",
    profile: opt.Timings = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. Others than loopback belong behind a proxy that speaks TLS.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = PORT,
    keep_days: Annotated[
        int, typer.Option(min=1, max=36500, help="Days that stay in the database; older ones go to Parquet files.")
    ] = DAYS,
    mqtt: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Take observations from this broker too: mqtt://host or mqtts://user@host."),
    ] = None,
    mqtt_ca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="With mqtts://: PEM file of the authority that signed the broker's certificate."
        ),
    ] = None,
    log_level: Annotated[
        str, typer.Option(metavar="LEVEL", help=f"{', '.join(LEVELS)}; debug tells unchanged polls too.")
    ] = "info",
) -> None:
    """Serve plans to controllers, take observations, and let people look and override, until SIGTERM or Ctrl-C.

    Logs go to stdout, one JSON object a line. A restart goes on where the service was.

    With --twin the street is SUMO's, in a process of its own that talks to the service over HTTP as a street would,
    one virtual controller per intersection; data, log and SUMO's output go to a folder of their own.
    """
    with clear_errors(Path()):
        _check(controller, log_level)
        if twin is not None and scenario is not None:
            raise InputError("name one street, not two: citybrain serve SCENARIO, or citybrain serve --twin SCENARIO")
        if twin is not None:
            from citybrain_api.street import StreetOrder  # noqa: PLC0415 - heavy
            from citybrain_api.twin import outcome_line, run_twin, twin_folder  # noqa: PLC0415 - heavy

            opt.check_seed(seed, "--seed")
            order = StreetOrder(twin, seed=seed, sensors=sensors, profile=profile, speed=speed)
            folder = twin_folder(twin)
            try:
                tell(outcome_line(run_twin(order, controller, host, port, log_level, folder)))
            finally:
                if folder.exists():
                    tell(f"records: {folder}; look back with: citybrain ledger verify --data {folder / 'data'}")
            return
        if scenario is None:
            raise InputError("name the street: citybrain serve SCENARIO, or citybrain serve --twin SCENARIO")
        from citybrain.storage.store import open_store  # noqa: PLC0415 - heavy
        from citybrain_api.served_street import about_service, read_street  # noqa: PLC0415 - heavy
        from citybrain_api.service.server import bind  # noqa: PLC0415 - heavy

        with bind(host, port) as listener:
            site, table = read_street(scenario, controller, sensors, profile)  # a wrong one leaves no data behind
            about = about_service(scenario, controller, sensors, profile)
            with open_store(data) as store, store.alone():
                tell_of_missing_keys(store, data)
                run(site, table, about, store, listener, log_level, (mqtt, mqtt_ca), (_archive(data), keep_days))
        tell("stopped in order; all that was acknowledged is kept, and the next start goes on from here")


def tell_of_missing_keys(store: Store, data: str) -> None:
    """Say how to make a key where there is none."""
    keys = store.keys()
    if all(row.revoked_at is not None for row in keys):
        tell("no keys yet, so nobody can ask for anything; this makes one, good within two seconds:")
        tell(f"citybrain keys add --scope operator --name 'your name' --data {data}")


def run(
    site: Site,
    sensors: SensorTable,
    about: Mapping[str, str | None],
    store: Store,
    listener: socket.socket,
    log_level: str,
    mqtt: tuple[str | None, Path | None],
    archive: tuple[Path, int],
) -> None:
    """Open the live room and serve it on a socket until SIGINT or SIGTERM, then stop it in order.

    Parameters
    ----------
    about : as :func:`about_service` gives it.
    mqtt : address of a broker whose observations are taken in too, and the file of its authority.
    archive : folder for what is older than so many days.

    Raises
    ------
    InputError
        If the store belongs to another street, or there is no such broker.
    StoreError
        If it cannot be read or written.
    """
    from citybrain.clock import WallClock  # noqa: PLC0415 - heavy
    from citybrain.live.archivist import Archivist  # noqa: PLC0415 - heavy
    from citybrain.live.service import Live, LiveSettings  # noqa: PLC0415 - heavy
    from citybrain_api.service.app import make_app  # noqa: PLC0415 - heavy
    from citybrain_api.service.logs import make_logger  # noqa: PLC0415 - heavy
    from citybrain_api.service.server import make_server, url_of  # noqa: PLC0415 - heavy
    from citybrain_api.service.settings import ServiceSettings  # noqa: PLC0415 - heavy

    settings = ServiceSettings(log_polls=log_level == "debug")
    log = make_logger(log_level, sys.stdout)
    controller = str(about["controller"])
    live = Live.open(site, sensors, controller, store, WallClock(), LiveSettings(apart=True))
    try:
        app = make_app(live, settings, log)
        server = make_server(app, settings)
        live.start(about)
        tell(f"{len(live.intersections)} intersections at {url_of(listener)} under {controller}; Ctrl-C stops")
        with _mqtt_intake(*mqtt, live, log), Archivist(store, live.clock, *archive):
            server.run(sockets=[listener])
    finally:
        live.stop()


def _archive(data: str) -> Path:
    """Name the folder for what is old: in the data folder, or beside the process where a database keeps the data."""
    return Path("citybrain-archive") if "://" in data else Path(data) / "archive"


def _mqtt_intake(
    url: str | None, ca: Path | None, live: Live, log: FilteringBoundLogger
) -> AbstractContextManager[object]:
    """Take observations from a broker for as long as the context lasts; from none without an address."""
    if url is None:
        if ca is not None:
            raise InputError("--mqtt-ca is of use with --mqtt mqtts://... alone")
        return nullcontext()
    try:
        from citybrain_api.mqtt_intake import MqttIntake, read_broker  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise InputError(f"--mqtt needs the extra mqtt ({error}); pip install 'citybrain-engine[mqtt]'") from None
    return MqttIntake(read_broker(url, ca), live.post, log)


def _check(controller: str, log_level: str) -> None:
    """Refuse what cannot be right before anything is opened."""
    from citybrain.control.registry import CONTROLLERS  # noqa: PLC0415 - keeps --help quick

    names = [entry.name for entry in CONTROLLERS if entry.name != ORACLE]
    if controller not in names:
        raise InputError(f"--controller {controller!r} cannot serve a street; choose one of {', '.join(names)}")
    if log_level not in LEVELS:
        raise InputError(f"--log-level {log_level!r} is unknown; choose one of {', '.join(LEVELS)}")
