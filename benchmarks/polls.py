"""How fast are polls? ``python -m benchmarks.polls ratio`` and ``python -m benchmarks.polls fleet``.

``ratio``: polls answered with 304 by the service and by a bare Starlette route that does nothing but return 304, on a
closed loop of connections, under the same web server, in turn, in one run. On a shared machine only ratios mean
something, and the one per second of the servers' own processor time more than the one per second.

``fleet``: one keep-alive connection per controller, each polling once a second, while a field gateway posts loop
events, frames and objects of every intersection every second and the engine ticks. Server, controllers and gateway are
a process each.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import statistics
import tempfile
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import numpy as np
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.fleet import make_city
from benchmarks.page import write_section
from benchmarks.poll_clients import Tally, connect
from citybrain.clock import WallClock, stopwatch
from citybrain.intake.posted import Header
from citybrain.intake.write import post_of, write_arrow
from citybrain.live.board import Published
from citybrain.live.service import Live, LiveSettings
from citybrain.observations import ObservationBatch
from citybrain.storage.store import open_store
from citybrain_api.service.app import LiveApp, make_app
from citybrain_api.service.bodies import ARROW
from citybrain_api.service.keys import new_key
from citybrain_api.service.logs import make_logger
from citybrain_api.service.server import bind, make_server, url_of
from citybrain_api.service.settings import Rate as Allowed
from citybrain_api.service.settings import Scope, ServiceSettings, default_rates

FILES = 65536
PLAN_ID = "sha256:" + 64 * "0"
LOOK_EVERY_S = 60.0
FIRST_PLANS_S = 300
GATEWAY_STARTS_S = 15
ANY_RATE = Allowed(1e9, 1e9)


def path_of(intersection: str) -> str:
    """Address of an intersection's plan."""
    return f"/v1/intersections/{intersection}/plan"


def more_files() -> None:
    """Allow as many open connections as the system lets us have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, most), most))


def open_app(
    n: int, folder: str, *, log_polls: bool, controller: str = "fixed"
) -> tuple[LiveApp, Live, list[str], str]:
    """Open a live room of a made-up city and its application; one controller's key per intersection, one gateway's."""
    site, sensors = make_city(n)
    store, clock = open_store(folder), WallClock()
    made = [new_key(Scope.CONTROLLER, name, [name], clock.now()) for name in site.network.intersection_id]
    gateway, row = new_key(Scope.FIELD, "gateway", None, clock.now())
    with store.transaction():
        for _, key in made:
            store.add_key(key)
        store.add_key(row)
    live = Live.open(site, sensors, controller, store, clock, LiveSettings(apart=True))
    settings = ServiceSettings(log_polls=log_polls, rates={**default_rates(), Scope.CONTROLLER: ANY_RATE})
    log = make_logger("info", os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    return make_app(live, settings, log), live, [key for key, _ in made], gateway


def serve_ours(pipe: Connection, n: int, *, ticking: bool, log_polls: bool = False, controller: str = "fixed") -> None:
    """Serve the service until it is told to end.

    Sends (url, controllers' keys, gateway's key), and at the end times of ticks [tenths] and the number of plans.
    """
    more_files()
    with tempfile.TemporaryDirectory() as folder:
        app, live, keys, gateway = open_app(n, folder, log_polls=log_polls, controller=controller)
        if ticking:
            live.start()
        else:
            plan = Published("x0", b"{}", PLAN_ID, 1)
            live.board.publish([plan._replace(intersection=name) for name in live.intersections])
        try:
            listener = bind("127.0.0.1", 0)
            pipe.send((url_of(listener), keys, gateway))
            make_server(app, app.state.service.settings).run(sockets=[listener])
            pipe.send(([row[0] for row in live.store.rows("SELECT time FROM ticks")], live.store.n_plans()))
        finally:
            live.stop()


def serve_bare(pipe: Connection) -> None:
    """Serve the yardstick: a Starlette route that returns 304."""

    async def unchanged(_request: Request) -> Response:
        return Response(status_code=304, headers={"ETag": PLAN_ID})

    listener = bind("127.0.0.1", 0)
    pipe.send((url_of(listener), [""], ""))
    app = Starlette(routes=[Route(path_of("{intersection}"), unchanged)])
    config = uvicorn.Config(
        app, http="httptools", loop="uvloop", access_log=False, log_config=None, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listener])


def child(target: Any, *arguments: Any, **options: Any) -> tuple[Any, Connection, Any]:
    """Start a server process; returns it, the pipe to it, and what it sent."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=target, args=(theirs, *arguments), kwargs=options)
    process.start()
    while not ours.poll(1.0):
        if not process.is_alive():
            raise SystemExit("a server process did not start")
    return process, ours, ours.recv()


class Served(NamedTuple):
    """A server process, and a key for it."""

    process: int
    url: str
    key: str


class Rate(NamedTuple):
    """Answers of a server: per second [1/s], and per second of its own processor time [1/s]."""

    per_second: float
    per_cpu_second: float


async def rate(server: Served, tag: str, connections: int, seconds: float) -> Rate:
    """Ask in a closed loop on some connections."""
    url, key = server.url, server.key
    tally = Tally()
    where = urlsplit(url)
    assert where.hostname
    assert where.port
    pollers = await connect(where.hostname, where.port, [(path_of("x0"), key)] * connections, tally, 0.0)
    for poller in pollers:
        poller._request = poller._head + f'If-None-Match: "{tag}"\r\n\r\n'.encode()  # noqa: SLF001 - known here
        poller.begin()
    await asyncio.sleep(0.2)
    tally.statuses.clear()
    began, cpu_began = stopwatch(), cpu_s(server.process)
    await asyncio.sleep(seconds)
    taken, cpu = stopwatch() - began, cpu_s(server.process) - cpu_began
    count = tally.statuses[304]
    other = tally.statuses.total() - count
    for poller in pollers:
        poller.running = False
    await asyncio.sleep(0.1)
    if other or tally.lost:
        raise SystemExit(f"{other} answers were not 304, {tally.lost} connections were lost")
    return Rate(count / taken, count / cpu)


def ratio(rounds: int, seconds: float, connections: int, *, log_polls: bool) -> None:
    """Measure both in turn and print the ratios."""
    ours, _, (our_url, keys, _) = child(serve_ours, 1, ticking=False, log_polls=log_polls)
    bare, _, (bare_url, _, _) = child(serve_bare)
    servers = [Served(ours.pid, our_url, keys[0]), Served(bare.pid, bare_url, "")]
    print("answers per second (per second of the server's own processor time)")
    try:
        found: list[tuple[Rate, Rate]] = []
        for number in range(rounds):
            turn = 1 - 2 * (number % 2)
            pair = [uvloop.run(rate(server, PLAN_ID, connections, seconds)) for server in servers[::turn]]
            mine, theirs = pair[::turn]
            found.append((mine, theirs))
            print(
                f"service {mine.per_second:7.0f} ({mine.per_cpu_second:7.0f})   bare route {theirs.per_second:7.0f} "
                f"({theirs.per_cpu_second:7.0f})"
            )
        told = [f"Ratio of 304 answers to those of a bare Starlette route, {rounds} rounds in turn:", ""]
        for name in Rate._fields:
            ratios = [getattr(mine, name) / getattr(theirs, name) for mine, theirs in found]
            middle = f"median {statistics.median(ratios):.2f}, least {min(ratios):.2f}, greatest {max(ratios):.2f}"
            told.append(f"- {name.replace('_', ' ')}: {middle}")
        report("Polls", "python -m benchmarks.polls ratio", told)
    finally:
        for process in (ours, bare):
            process.terminate()
            process.join()


def cpu_s(process: int) -> float:
    """Processor time that a process has used [s]."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def gateway(url: str, key: str, n: int, stop: Any, pipe: Connection) -> None:
    """Post one batch a second: a loop event, a frame and two objects of every intersection."""
    site, sensors = make_city(n)
    clock = WallClock()
    x = np.arange(n, dtype=np.int32)
    seconds, accepted, failed = [], 0, []
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
        number = 0
        while not stop.wait(max(0.0, 1.0 - (clock.now() % 10) / 10)):
            number += 1
            now = clock.now() / 10
            observed = ObservationBatch(
                time=clock.now(),
                loop_sensor=2 * x,
                loop_time=np.full(n, now - 0.5),
                loop_on=np.full(n, number % 2 == 0),
                frame_sensor=2 * x + 1,
                frame_time=np.full(n, now - 0.2),
                object_sensor=np.repeat(2 * x + 1, 2),
                object_time=np.full(2 * n, now - 0.2),
                object_lane=np.repeat(4 * x + 2, 2),
                object_distance=np.tile(np.array([5.0, 12.0], np.float32), n),
                object_speed=np.zeros(2 * n, np.float32),
                object_confidence=np.full(2 * n, 0.9, np.float32),
            )
            body = write_arrow(post_of(Header(f"b{number}", "gateway", None), observed, sensors, site.network))
            began = stopwatch()
            try:
                answer = client.post("/v1/observations", content=body, headers={"Content-Type": ARROW})
                answer.raise_for_status()
                accepted += answer.json()["accepted"]
            except httpx.HTTPError as error:
                failed.append(f"{type(error).__name__}: {error}")
            seconds.append(stopwatch() - began)
    pipe.send((seconds, accepted, failed))


class Look(NamedTuple):
    """The server and its engine's process at a time [tenths]: their memory [MiB], and the processor time used [s]."""

    time: int
    memory_mib: float
    cpu_s: float


async def fleet_polls(
    url: str, keys: list[str], seconds: float, start_gateway: Callable[[], None], look: Callable[[], None]
) -> tuple[Tally, float]:
    """Poll once a second per controller; counted from when every controller has a plan and observations come in.

    Gives the answers, and the time from the first poll to the last first plan [s].
    """
    tally = Tally()
    where = urlsplit(url)
    assert where.hostname
    assert where.port
    polls = [(path_of(f"x{i}"), key) for i, key in enumerate(keys)]
    pollers = await connect(where.hostname, where.port, polls, tally, 1.0)
    began = stopwatch()
    for i, poller in enumerate(pollers):
        poller.begin(i / len(pollers))
    while not all(poller.has_plan for poller in pollers):
        if stopwatch() - began > FIRST_PLANS_S:
            raise SystemExit(f"not every controller had a plan after {FIRST_PLANS_S} s: {dict(tally.statuses)}")
        await asyncio.sleep(0.5)
    first_plans_s = stopwatch() - began
    start_gateway()
    await asyncio.sleep(GATEWAY_STARTS_S)
    tally.seconds.clear()
    tally.statuses.clear()
    tally.late = 0
    end = stopwatch() + seconds
    while (left := end - stopwatch()) > 0:
        look()
        await asyncio.sleep(min(left, LOOK_EVERY_S))
    look()
    for poller in pollers:
        poller.running = False
    return tally, first_plans_s


def fleet(n: int, seconds: float, controller: str) -> None:
    """Measure and print latencies, errors and what the gateway saw."""
    more_files()
    server, pipe, (url, keys, field_key) = child(serve_ours, n, ticking=True, controller=controller)
    context = multiprocessing.get_context("spawn")
    stop, (ours, theirs) = context.Event(), context.Pipe()
    poster = context.Process(target=gateway, args=(url, field_key, n, stop, theirs))
    looks: list[Look] = []

    def look() -> None:
        both = [server.pid, *engine_of(server.pid)]
        looks.append(Look(WallClock().now(), sum(map(rss_mib, both)), sum(map(cpu_s, both))))

    try:
        tally, first_plans_s = uvloop.run(fleet_polls(url, keys, seconds, poster.start, look))
        stop.set()
        posts = ours.recv()
        poster.join()
        server.terminate()
        ticks, plans = pipe.recv()
    finally:
        server.terminate()
        server.join()
    ticked = sum(looks[0].time < time <= looks[-1].time for time in ticks)
    memory = ", ".join(f"{one.memory_mib:.0f}" for one in looks)
    cores = (looks[-1].cpu_s - looks[0].cpu_s) / seconds
    told = [
        f"{n} keep-alive connections, one poll a second each, {seconds:g} s, controller `{controller}`. Meanwhile a",
        "gateway posts a loop event, a frame and two objects of every intersection every second, and the engine",
        f"ticks. Server, controllers and gateway share {os.cpu_count()} cores with whatever else runs: load over five",
        f"minutes {os.getloadavg()[1]:.1f}.",
        "",
        *fleet_lines(tally, seconds, posts),
        f"- every controller had a plan {first_plans_s:.0f} s after the first poll",
        f"- {ticked} ticks in these {seconds:g} s, {plans} plans since the start; server and engine: {cores:.2f} cores",
        f"- memory of server and engine every {LOOK_EVERY_S:g} s [MiB]: {memory}",
    ]
    command = f"python -m benchmarks.polls fleet --controllers {n} --seconds {seconds:g} --controller {controller}"
    report(f"Fleet of {n}, {seconds:g} s", command, told)


def fleet_lines(tally: Tally, seconds: float, posts: tuple[list[float], int, list[str]]) -> list[str]:
    """Say what controllers and gateway saw."""
    post_s, accepted, failed = posts
    millis = np.array(tally.seconds) * 1000
    p50, p99, p999 = np.percentile(millis, [50, 99, 99.9])
    return [
        (
            f"- {len(millis) / seconds:.0f} answers/s; latency [ms]: p50 {p50:.1f}, p99 {p99:.1f}, p99.9 {p999:.1f}, "
            f"max {millis.max():.1f}"
        ),
        (
            f"- answers by status {dict(tally.statuses)}, connections lost {tally.lost}, polls not sent for want of an "
            f"answer {tally.late}"
        ),
        (
            f"- gateway: {len(post_s)} batches, {accepted} rows accepted, {len(failed)} failed; answer [s]: median "
            f"{statistics.median(post_s):.2f}, max {max(post_s):.2f}"
        ),
    ]


def report(title: str, command: str, told: list[str]) -> None:
    """Print what was found, and write its section of the page of results."""
    print("\n".join(told))
    write_section(title, command, "\n".join(told))


def engine_of(process: int) -> list[int]:
    """List the processes that a process has started, the engine's among them."""
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()]


def rss_mib(process: int) -> float:
    """Memory of a process [MiB]."""
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    one = what.add_parser("ratio")
    one.add_argument("--rounds", type=int, default=6)
    one.add_argument("--seconds", type=float, default=3.0)
    one.add_argument("--connections", type=int, default=64)
    one.add_argument("--log-polls", action="store_true", help="with a line in the log per poll")
    two = what.add_parser("fleet")
    two.add_argument("--controllers", type=int, default=10_000)
    two.add_argument("--seconds", type=float, default=60.0)
    two.add_argument("--controller", default="fixed")
    chosen = parser.parse_args()
    if chosen.what == "ratio":
        ratio(chosen.rounds, chosen.seconds, chosen.connections, log_polls=chosen.log_polls)
    else:
        fleet(chosen.controllers, chosen.seconds, chosen.controller)


if __name__ == "__main__":
    main()
