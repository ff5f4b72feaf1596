"""The page's server side: files as built, geometry, frames and their changes, the stream, and recorded runs."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from citybrain_api.cli import app
from citybrain_api.look import Looking, make_look
from citybrain_api.recorded import Recording
from citybrain_api.service.page_frames import Frame, Picture, changes, index_places, letters, share
from citybrain_api.service.page_street import street_document
from citybrain_sim.comparison import compare, plan_runs
from citybrain_sim.sumo_net import read_network
from tests.conftest import ROOT
from tests.http_world import World, serving
from tests.reference.page_frames import read_change, read_whole
from tests.small_street import BEGIN_S, END_S, write_street
from tests.sumo_nets import build_cross

WEB = ROOT / "web"
BUILT = ROOT / "api" / "citybrain_api" / "page"
PLACES = st.lists(st.integers(0, 63), min_size=1, max_size=300)


class TestBuiltFiles:
    """What lies in the wheel is what the sources say."""

    def test_they_belong_to_the_sources(self) -> None:
        kept = json.loads((BUILT / "sources.json").read_text(encoding="utf-8"))
        apart = {"node_modules", ".gitignore"}
        sources = [p for p in WEB.rglob("*") if p.is_file() and not apart & set(p.relative_to(WEB).parts)]
        found = {str(p.relative_to(WEB)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sources}
        assert found == kept, "build the page again: cd web && npm ci && npm run build"

    def test_licences_of_what_is_shipped_are_with_it(self) -> None:
        text = (BUILT / "licenses.txt").read_text(encoding="utf-8")
        shipped = json.loads((WEB / "package.json").read_text(encoding="utf-8"))["dependencies"]
        assert all(name.lower() in text.lower() for name in shipped)
        assert "MIT License" in text

    def test_nothing_is_inline_and_nothing_comes_from_outside(self) -> None:
        page = (BUILT / "index.html").read_text(encoding="utf-8")
        assert "<style" not in page
        assert "style=" not in page
        assert page.count("<script") == page.count('src="/page/')
        assert "//" not in page.replace("<!doctype", "")


@given(PLACES, st.data())
def test_changes_bring_the_old_to_the_new(before: list[int], data: st.DataObject) -> None:
    after = data.draw(st.lists(st.integers(0, 63), min_size=len(before), max_size=len(before)))
    old, new = np.array(before, np.uint8), np.array(after, np.uint8)
    assert read_change(changes(old, new), before) == after
    assert read_whole(letters(new)) == after


@pytest.mark.parametrize("gap", [0, 31, 32, 1023, 1024, 40_000])
def test_gaps_of_any_length_are_kept(gap: int) -> None:
    before = np.zeros(gap + 1, np.uint8)
    after = before.copy()
    after[gap] = 7
    assert read_change(changes(before, after), before.tolist()) == after.tolist()
    assert len(changes(before, after)) <= 2 + gap.bit_length() // 5


def test_shares_and_indices_become_numbers() -> None:
    assert share(np.array([-1.0, 0.0, 0.5, 1.0, 2.0, math.nan])).tolist() == [0, 0, 32, 63, 63, 0]
    numbers = index_places(np.array([0.0, 1.0, 20.0, 99.0]))
    assert numbers.tolist() == [1, 1, 63, 63]
    assert (np.diff(index_places(np.linspace(1, 20, 50)).astype(int)) >= 0).all()


def test_a_frame_tells_all_or_what_changed_whichever_is_shorter() -> None:
    old = Picture(10, {"q": np.zeros(100, np.uint8), "g": np.zeros(3, np.uint8)}, {"vehicles": 1.0})
    now = Picture(20, {"q": old.places["q"].copy(), "g": np.array([1, 2, 3], np.uint8)}, {"vehicles": 2.0})
    now.places["q"][40] = 9
    frame = Frame(2, now, old)
    told = json.loads(frame.change)
    assert (told["t"], told["vehicles"]) == (20, 2.0)
    assert (set(told["change"]), set(told["whole"])) == ({"q"}, {"g"})
    assert read_change(told["change"]["q"], [0] * 100) == now.places["q"].tolist()
    assert set(json.loads(frame.whole)["whole"]) == {"q", "g"}
    still = json.loads(Frame(3, now, now).change)
    assert (still["change"], still["whole"]) == ({}, {})


@pytest.fixture(scope="module")
def cross(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from citybrain.control.interface import Site
    from citybrain.profiles import make_timings

    network, signals = read_network(build_cross(tmp_path_factory.mktemp("cross")), ())
    return street_document(Site(network, signals, make_timings("own", network, signals))) | {"network": network}


def test_geometry_comes_back_to_the_decimetre(cross: dict[str, Any]) -> None:
    network, lanes = cross["network"], cross["lanes"]
    steps = np.array(lanes["shape"]).reshape(-1, 2)
    begin = 0
    for lane, points in enumerate(lanes["points"]):
        found = np.cumsum(steps[begin : begin + points], axis=0) / 10
        a, b = network.lane_shape_ptr[lane : lane + 2]
        assert np.allclose(found, network.lane_shape[a:b], atol=0.051)
        begin += points
    assert begin == len(steps)


def test_every_movement_with_a_signal_has_its_group(cross: dict[str, Any]) -> None:
    network, moves = cross["network"], cross["movements"]
    signalised = [g >= 0 for g in moves["group"]]
    assert signalised == (network.move_intersection >= 0).tolist()
    groups = len(cross["groups"]["kind"])
    assert {len(stage) for stage in cross["stages"][0]} == {groups}
    x, y = cross["intersections"]["place"][0]
    assert abs(x) + abs(y) < 10_000


class Stream:
    """Events of the page's stream, one after the other."""

    def __init__(self, world: World, who: str) -> None:
        self.client = world.client(who)
        self.context = self.client.stream("GET", "/v1/page/stream")
        self.lines = self.context.__enter__().iter_lines()

    def next(self) -> tuple[str, dict[str, Any]]:
        name = ""
        for line in self.lines:
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                return name, json.loads(line[6:])
        raise AssertionError("the stream ended")

    def rest(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Everything up to the stream's end."""
        with contextlib.suppress(AssertionError, httpx.HTTPError):
            while True:
                yield self.next()

    def close(self) -> None:
        self.context.__exit__(None, None, None)
        self.client.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with serving(tmp_path_factory.mktemp("world")) as world:
        yield world


def test_the_page_lets_nothing_else_in(world: World) -> None:
    for path in ("/", "/page/page.js", "/page/page.css", "/page/about.json", "/page/icon.svg"):
        answer = world.get(None, path)
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        again = world.get(None, path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert world.get(None, "/page/nothing.js").status_code == 404
    assert world.get(None, "/page/..%2Fcore.py").status_code == 404


def test_what_the_page_shows_takes_a_key(world: World) -> None:
    for path in ("/v1/page/street", "/v1/page/stream"):
        assert world.get(None, path).status_code == 401
        assert world.get("field", path).status_code == 403


def test_geometry_is_packed_where_the_client_can_unpack_it(world: World) -> None:
    packed = world.get("reader", "/v1/page/street")
    plain = world.get("reader", "/v1/page/street", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
    assert plain.json()["intersections"]["id"] == ["c"]


def test_every_tick_is_told_to_all_who_watch(world: World) -> None:
    world.tick()
    streams = [Stream(world, "reader"), Stream(world, "operator")]
    try:
        scopes = [stream.next()[1]["scope"] for stream in streams]
        assert scopes == ["reader", "operator"]
        assert [stream.next()[0] for stream in streams] == ["past", "past"]
        whole = [stream.next()[1] for stream in streams]
        assert whole[0] == whole[1]
        assert {name: len(text) for name, text in whole[0]["whole"].items()} == {
            "q": 4, "v": 4, "c": 4, "g": 2, "m": 1, "x": 4,
        }  # fmt: skip
        world.tick()
        later = [stream.next()[1] for stream in streams]
        assert later[0] == later[1]
        assert later[0]["t"] == world.live.engine_time > whole[0]["t"]
    finally:
        for stream in streams:
            stream.close()


def test_overrides_are_in_the_frames(world: World) -> None:
    world.tick()
    wanted = {"intersection": "c", "kind": "freeze", "value": None, "who": "Ada", "why": "a test"}
    with world.client("operator") as client:
        until = world.clock.now() + 6000
        made = client.post("/v1/overrides", json={**wanted, "until": until})
        assert made.status_code == 201, made.text
        world.tick()
        stream = Stream(world, "reader")
        try:
            stream.next()
            stream.next()
            assert stream.next()[1]["overrides"] == [[0, "freeze", until]]
        finally:
            stream.close()
        number = made.json()["number"]
        assert client.delete(f"/v1/overrides/{number}", params={"who": "Ada"}).status_code == 204


def test_the_past_grows_by_samples_and_minutes(world: World) -> None:
    world.tick(70)
    stream = Stream(world, "reader")
    try:
        stream.next()
        name, past = stream.next()
    finally:
        stream.close()
    assert name == "past"
    times = [sample[0] for sample in past["samples"]]
    assert min(b - a for a, b in pairwise(times)) >= 100
    assert {"t", "vehicles", "low", "high", "index", "time_index", "level"} == set(past["minutes"][-1])


def test_streams_end_when_the_service_does(tmp_path: Path) -> None:
    with serving(tmp_path) as world:
        world.tick()
        stream = Stream(world, "reader")
        assert stream.next()[0] == "hello"
    assert "past" in [name for name, _ in stream.rest()]
    stream.close()


class Looked:
    """A recorded run of the small street, and the page's answers about it."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        config = write_street(folder / "street")
        comparison = compare(plan_runs([str(config)], ["max-pressure"], [1], out=folder / "runs"))
        self.folder = Path(comparison.runs[0].folder)
        looking = stack.enter_context(Looking(make_look(Recording(self.folder))))
        self.client = stack.enter_context(httpx.Client(base_url=looking.url, trust_env=False))

    def get(self, path: str) -> Any:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    with contextlib.ExitStack() as stack:
        yield Looked(tmp_path_factory.mktemp("looked"), stack)


@pytest.mark.sumo
def test_a_record_is_told_from_begin_to_end(looked: Looked) -> None:
    about = looked.get("/v1/page/record")
    begin, end, step = about["times"]
    assert (begin, step) == (BEGIN_S * 10, 10)
    assert end <= END_S * 10
    assert len(about["past"]["minutes"]) >= 3
    assert looked.get("/page/about.json")["kind"] == "record"


@pytest.mark.sumo
def test_frames_of_a_record_follow_from_each_other(looked: Looked) -> None:
    apart = {}
    together = looked.get("/v1/page/record/frames?first=0&count=120")
    places: dict[str, list[int]] = {}
    for frame in together:
        places |= {name: read_whole(text) for name, text in frame["whole"].items()}
        places |= {name: read_change(text, places[name]) for name, text in frame["change"].items()}
    (alone,) = looked.get("/v1/page/record/frames?first=119&count=1")
    apart = {name: read_whole(text) for name, text in alone["whole"].items()}
    assert apart == places
    assert any(places["q"])
    assert set(places["g"]) & {2, 3}


@pytest.mark.sumo
def test_lamps_of_a_record_are_those_that_were_shown(looked: Looked) -> None:
    import pyarrow.parquet as pq

    commands = pq.read_table(looked.folder / "commands.parquet").to_pylist()
    network = json.loads((looked.folder / "network.json").read_text(encoding="utf-8"))
    groups = network["intersections"][0]["groups"]
    for command in commands[:: max(1, len(commands) // 10)]:
        (frame,) = looked.get(f"/v1/page/record/frames?first={round(command['time']) - BEGIN_S}&count=1")
        found = read_whole(frame["whole"]["g"])
        shown = ["rygG".index(command["lamps"][group["lamps"][0]].replace("s", "r")) for group in groups]
        assert found == shown


@pytest.mark.sumo
def test_an_intersection_of_a_record_has_lanes_a_wish_and_what_was_bent(looked: Looked) -> None:
    name = looked.get("/v1/page/street")["intersections"]["id"][0]
    told = looked.get(f"/v1/intersections/{name}?time={BEGIN_S * 10 + 600}")
    assert told["lanes"]
    assert told["wish"]["body"]["schedule"]["stages"]
    assert isinstance(told["bent"], list)
    assert looked.client.get("/v1/intersections/nowhere?time=0").status_code == 404
    assert looked.client.get("/v1/page/record/frames?first=-1").status_code == 422


def test_looking_at_what_is_no_record_says_so(tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["look", str(tmp_path)])
    assert found.exit_code == 2
    assert "name the folder of a run that was recorded" in found.stderr
