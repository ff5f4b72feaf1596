"""The live service without its faces, on a real store: durable, exact after a restart, and it never gives up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from citybrain.cabinet import Cabinet
from citybrain.clock import StreetClock, WallClock
from citybrain.control.planner import Planner
from citybrain.errors import InputError, StoreError
from citybrain.intake.judge import Limits, merge, read_json
from citybrain.live.explain import Street, explain, replay_minute
from citybrain.live.inputs import TickInputs
from citybrain.live.service import Live, LiveSettings
from citybrain.plans.plan import with_seq
from citybrain.storage.ledger import verify
from citybrain.storage.sealing import DAY
from citybrain.storage.store import NewPlan, Store, TickRecord, open_store
from tests.intake_posts import as_json
from tests.live_street import CYCLE, Loop, street
from tests.small_world import small_sensors

BEGIN = 270_000
SOON_S = 20.0
NOBODY = np.zeros(1, dtype=np.bool_)
SETTINGS = LiveSettings(checkpoint_every=300)


def open_live(folder: Path, settings: LiveSettings = SETTINGS) -> Live:
    """The service of the small street."""
    return Live.open(street(), small_sensors(), "planner", open_store(folder), StreetClock(), settings)


@contextmanager
def running(folder: Path) -> Iterator[Live]:
    """A service that ticks."""
    live = open_live(folder)
    live.start()
    try:
        yield live
    finally:
        live.stop()


class Field:
    """Sensors and the cabinet of the small street: a second at a time."""

    def __init__(self, time: int = BEGIN, cabinet: Cabinet | None = None) -> None:
        self.time = time
        self.cabinet = cabinet
        self.lamps: list[str] = []
        self.seqs: list[int] = []

    def post(self, live: Live) -> None:
        """Send what a second brought, and wait until it is kept."""
        ms = self.time * 100
        rows: list[dict[str, Any]] = [{"kind": "frame", "sensor": "camera_n", "time_ms": ms}]
        if self.time // 10 % 3 == 0:
            rows += [
                {"kind": "loop", "sensor": "loop_w", "time_ms": ms - 800, "on": True},
                {"kind": "loop", "sensor": "loop_w", "time_ms": ms - 300, "on": False},
            ]
        body = as_json(rows, batch_id=f"b{self.time}", sender="field", complete_until=self.time)
        assert not live.post(read_json(body, Limits())).result(SOON_S).known

    def second(self, live: Live) -> None:
        """Post, wait for the tick, poll, and let the cabinet go on."""
        self.post(live)
        assert live.wait_engine(self.time, SOON_S)
        if self.cabinet is None:
            self.cabinet = Cabinet(live.controller_data("c"), self.time)
        lease, plan = live.renew("c"), live.board.get("c")
        if plan is not None:
            if plan.plan_id != self.cabinet.plan_id:
                stored = live.plan("c", plan.seq)
                live.ack("c", self.cabinet.offer(stored, self.time))
                self.seqs.append(plan.seq)
            self.cabinet.renew(plan.plan_id, lease, self.time)
        self.time += 10
        self.cabinet.advance(self.time)
        self.lamps.append(self.cabinet.aspects)
        live.ack("c", self.cabinet.ack(self.time)).result(SOON_S)

    def run(self, live: Live, seconds: int) -> None:
        """Go on for so many seconds."""
        for _ in range(seconds):
            self.second(live)


def test_a_controller_follows_plans_from_the_board_and_everything_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as live:
        field = Field()
        field.run(live, 60)
        assert live.ready() == []
        assert field.cabinet is not None
        assert str(field.cabinet.mode) == "adaptive"
        assert len(set(field.lamps)) >= 4
        assert field.seqs == sorted(set(field.seqs))
        snapshot = live.snapshot()
        assert snapshot is not None
        assert (snapshot.time, snapshot.mode, snapshot.alive) == (field.time - 10, ("adaptive",), (True,))
        assert live.engine_time == field.time - 10
        history = live.history("c")
        assert [document["seq"] for document in history] == sorted(
            (document["seq"] for document in history), reverse=True
        )
        places = [place["path"] for place in live.difference("c", 1, 2)]
        assert {"plan_id", "seq", "made_at"} <= set(places)
        kinds = {entry.kind for entry in live.store.whole_ledger()}
        assert {"start", "plan", "ack"} <= kinds
    with open_store(tmp_path) as store:
        assert verify(store.whole_ledger()) is None


def test_after_a_restart_it_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    with running(tmp_path / "one") as live:
        whole = Field()
        whole.run(live, 70)
    with running(tmp_path / "two") as live:
        parted = Field()
        parted.run(live, 43)
    with running(tmp_path / "two") as live:
        assert live.board.get("c") is not None
        parted.run(live, 27)
    assert parted.lamps == whole.lamps
    assert parted.seqs == whole.seqs


def test_a_plan_is_not_offered_again_once_the_service_was_away_for_long(tmp_path: Path) -> None:
    with running(tmp_path) as live:
        Field().run(live, 40)
        assert live.board.get("c") is not None
    later = Live.open(street(), small_sensors(), "planner", open_store(tmp_path), WallClock(), SETTINGS)
    assert later.board.get("c") is None
    later.stop()


def test_nothing_that_was_acknowledged_is_lost_without_a_last_word(tmp_path: Path) -> None:
    field = Field()
    live = open_live(tmp_path)
    live.start()
    field.run(live, 40)
    number = live.override("c", "stage", 1, "Ada", "a march", field.time + 3000).result(SOON_S)
    live._ticker.stop()  # as if killed: nothing more is written in order
    field.post(live)
    assert field.cabinet is not None
    live.ack("c", field.cabinet.ack(field.time)).result(SOON_S)
    with running(tmp_path) as again:
        assert again.wait_engine(field.time, SOON_S)
        assert [override["number"] for override in again.overrides()] == [number]
        assert again.store.untaken_batches() == []
        field.time += 10
        field.cabinet.advance(field.time)
        field.run(again, 30)
        assert field.lamps[-1] == "rG"
        assert field.seqs == sorted(set(field.seqs))
    live.stop()


def test_a_batch_that_comes_twice_is_taken_once(tmp_path: Path) -> None:
    live = open_live(tmp_path)
    body = as_json([], batch_id="b", sender="field", complete_until=BEGIN)
    first = live.post(read_json(body, Limits())).result(SOON_S)
    second = live.post(read_json(body, Limits())).result(SOON_S)
    assert (first.known, second.known) == (False, True)
    assert first.verdict_bytes == second.verdict_bytes
    live.stop()


def test_a_tick_that_fails_is_told_and_the_next_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path) as live:
        field = Field()
        field.run(live, 20)
        lease = live.renew("c")

        def fail(*_: object) -> None:
            raise ZeroDivisionError("a planted fault")

        with monkeypatch.context() as planted:
            planted.setattr(Planner, "decide", fail)
            field.post(live)
            pause = threading.Event()
            for _ in range(1000):
                if live.ready():
                    break
                pause.wait(0.02)
            assert live.ready() == ["the last tick failed: ZeroDivisionError: a planted fault"]
            assert live.renew("c") == lease
        field.time += 10
        field.run(live, 40)
        assert live.ready() == []
        assert field.cabinet is not None
        assert str(field.cabinet.mode) == "adaptive"
    with running(tmp_path) as live:
        field.run(live, 5)
        assert live.ready() == []


def test_a_disk_that_takes_nothing_stops_the_leases_and_not_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as live:
        field = Field()
        field.run(live, 20)
        lease = live.renew("c")
        original = Store.commit_tick
        refused = threading.Event()

        def full(*_: object) -> None:
            refused.set()
            raise StoreError("no room on the disk")

        with monkeypatch.context() as planted:
            planted.setattr(Store, "commit_tick", full)
            field.post(live)
            assert refused.wait(SOON_S)
            assert live.renew("c") == lease
        assert Store.commit_tick is original
        assert live.wait_engine(field.time, SOON_S)
        field.time += 10
        field.run(live, 10)
        assert live.ready() == []


def test_people_freeze_and_let_go(tmp_path: Path) -> None:
    with running(tmp_path) as live:
        field = Field()
        field.run(live, 20)
        frozen = live.override("c", "freeze", None, "Ada", "a look at the loop", field.time + 3000).result(SOON_S)
        shown = live.overrides()[0]["value"]
        field.run(live, 12)
        assert set(field.lamps[-4:]) == {["Gr", "rG"][shown]}
        assert live.history("c")[0]["author"] == {"kind": "person", "name": "Ada", "version": ""}
        live.end_override(frozen, "Ada").result(SOON_S)
        assert live.overrides() == []
        field.run(live, 5)
        assert live.history("c")[0]["author"]["kind"] == "algorithm"


def test_what_was_carried_out_earlier_is_repeated(tmp_path: Path) -> None:
    loop = Loop("fixed")
    loop.run(250)
    with open_store(tmp_path) as store:
        for plan in loop.documents:
            tick = TickRecord(plan["made_at"], (), TickInputs(plan["made_at"], merge([], 0), (), (), NOBODY).to_bytes())
            store.commit_tick(tick, [NewPlan("c", plan, {})], [], with_seq)
    live = open_live(tmp_path)
    live.rollback("c", len(loop.documents), "Bo", "worse since then", 10**9).result(SOON_S)
    pattern = live.overrides()[0]["value"]
    own = live.controller_data("c")["patterns"][0]
    assert (pattern["cycle"], sorted(entry["split"] for entry in pattern["stages"])) == (CYCLE, [330, 330])
    assert own["cycle"] == CYCLE
    with pytest.raises(InputError, match="no whole cycle"):
        live.rollback("c", 1, "Bo", "worse since then", 10**9)
    live.stop()


@pytest.mark.parametrize(
    ("kind", "value", "who", "until", "message"),
    [
        ("stage", 2, "Ada", BEGIN + 900, "number of a stage"),
        ("stage", True, "Ada", BEGIN + 900, "number of a stage"),
        ("pattern", 7, "Ada", BEGIN + 900, "has the patterns"),
        ("pattern", {"pattern": 1}, "Ada", BEGIN + 900, "refused"),
        ("dance", None, "Ada", BEGIN + 900, "kind of an override"),
        ("fallback", 1, "Ada", BEGIN + 900, "takes no value"),
        ("freeze", None, "Ada", BEGIN + 900, "no stage now"),
        ("fallback", None, " ", BEGIN + 900, '"who"'),
        ("fallback", None, "Ada", -5, "an end after"),
        ("fallback", None, "Ada", 1.5, "an end after"),
    ],
)
def test_wishes_that_cannot_be_carried_out_are_refused(
    tmp_path: Path, kind: str, value: object, who: str, until: Any, message: str
) -> None:
    live = open_live(tmp_path)
    with pytest.raises(InputError, match=message):
        live.override("c", kind, value, who, "a test", until)
    live.stop()


def test_words_about_what_is_not_there_are_refused(tmp_path: Path) -> None:
    live = open_live(tmp_path)
    report = Cabinet(live.controller_data("c"), BEGIN).ack(BEGIN)
    wrongs: list[Any] = [None, [], {}, *({**report, **wrong} for wrong in ({"mode": "asleep"}, {"at": 0.5}))]
    for wrong in [*wrongs, {**report, "intersection": "d"}]:
        with pytest.raises(InputError):
            live.ack("c", wrong)
    for call in (live.renew, live.controller_data, live.board.get, live.history):
        with pytest.raises(InputError, match="no intersection"):
            call("d")
    with pytest.raises(InputError, match="no plan"):
        live.plan("c", 1)
    with pytest.raises(InputError, match="no override 3"):
        live.end_override(3, "Ada")
    live.stop()


def test_a_street_cannot_leap_into_the_far_future(tmp_path: Path) -> None:
    with running(tmp_path) as live:
        field = Field()
        field.run(live, 3)
        body = as_json([], batch_id="x", sender="field", complete_until=field.time + 40_000)
        with pytest.raises(InputError, match="complete_until"):
            live.post(read_json(body, Limits()))


def test_any_minute_comes_out_again_exactly_and_can_be_explained(tmp_path: Path) -> None:
    with running(tmp_path) as live:
        field = Field()
        field.run(live, 100)
        asked = live.history("c")[1]
    what = Street(street(), small_sensors(), "planner", SETTINGS)
    with open_store(tmp_path) as store:
        minute = replay_minute(store, what, BEGIN + 350)
        assert (minute.ticks, minute.differences) == (60, [])
        assert minute.plans > 0
        about = explain(store, "c", asked["valid_from"], what)
        assert about.plan == asked
        assert about.inputs is not None
        assert about.acknowledgements[0]["verdict"] == "accepted"
        assert about.cost is not None
        assert about.rejected is not None
        assert about.pattern is not None
        assert about.rejected.cost_tenths <= about.pattern.cost_tenths
        assert about.outcome is not None
        briefly = explain(store, "c", asked["valid_from"])
        assert (briefly.why, briefly.rejected) == (about.why, None)
        assert explain(store, "c", BEGIN - 5000).plan is None
        assert store.archive(BEGIN + 10 * DAY, tmp_path / "old") > 0
        assert explain(store, "c", asked["valid_from"], what) == about
        assert replay_minute(store, what, BEGIN + 350) == minute


def test_on_a_wall_clock_it_ticks_by_itself(tmp_path: Path) -> None:
    live = Live.open(street(), small_sensors(), "fixed", open_store(tmp_path), WallClock())
    live.start()
    began = live.engine_time
    live.renew("c")
    assert live.wait_engine(began + 11, SOON_S)
    assert live.board.get("c") is not None
    assert live.ready() == []
    live.stop()
    assert live.ready() == ["the engine is not running"]


def test_leases_are_kept_per_controller(tmp_path: Path) -> None:
    live = open_live(tmp_path)
    assert live.renew("c") == live.engine_time + SETTINGS.lease
    assert np.array_equal(live._tray.alive(0), [True])
    live.stop()
