"""The twin: SUMO as the street of the real service, over real HTTP; and looking back at what was decided."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from citybrain.clock import StreetClock, moment_text
from citybrain.errors import InputError, PlantError
from citybrain.live.service import Live
from citybrain.storage.store import open_store
from citybrain_api.cli import app
from citybrain_api.client import Client
from citybrain_api.served_street import read_street
from citybrain_api.service.app import make_app
from citybrain_api.service.keys import keep_key, new_key
from citybrain_api.service.server import Served
from citybrain_api.street import StreetOrder
from citybrain_api.twin import run_street, run_twin, twin_service
from citybrain_sim.scenarios import find_scenario
from tests.http_world import until

pytestmark = pytest.mark.sumo
LENGTH_S = 120.0


class Lived:
    """A twin that has come to its end."""

    def __init__(self, folder: Path) -> None:
        begin = find_scenario("district").begin_s
        self.order = StreetOrder("district", until_s=begin + LENGTH_S)
        self.told: list[dict[str, Any]] = []
        with twin_service(self.order, "planner", "127.0.0.1", 0, "warning", folder) as filled:
            self.outcome = run_street(filled, self.told.append)
        self.data = folder / "data"
        self.intersection = next(iter(filled.controller_keys))
        self.late = round((begin + 100.0) * 10)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    return Lived(tmp_path_factory.mktemp("twin"))


def citybrain(*words: object) -> Result:
    return CliRunner().invoke(app, list(map(str, words)))


def test_every_cabinet_becomes_adaptive_and_nothing_is_lost(lived: Lived) -> None:
    last = lived.told[-1]
    assert list(last["modes"]) == ["adaptive"]
    assert (last["lost_posts"], lived.outcome["lost_posts"]) == (0, 0)
    assert lived.outcome["time_s"] == lived.order.until_s
    assert lived.outcome["loaded"] > 0


def test_cabinets_accept_the_second_answer_at_the_latest(lived: Lived) -> None:
    counts = lived.told[-1]["polls_to_plan"]
    assert len(counts) == sum(lived.told[-1]["modes"].values())
    assert max(counts) <= 2


def test_the_ledger_holds(lived: Lived) -> None:
    found = citybrain("ledger", "verify", "--data", lived.data, "--json")
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["plans"] > 0


def test_a_minute_is_carried_out_again_to_the_bit(lived: Lived) -> None:
    found = citybrain("ledger", "replay", lived.late - 600, "--data", lived.data, "--json")
    assert found.exit_code == 0, found.stderr
    document = json.loads(found.stdout)
    assert document["ticks"] == 60
    assert document["plans"] > 0
    assert document["differences"] == []


def test_a_decision_is_explained_with_what_was_rejected(lived: Lived) -> None:
    found = citybrain("ledger", "explain", lived.intersection, lived.late, "--data", lived.data, "--json")
    assert found.exit_code == 0, found.stderr
    document = json.loads(found.stdout)
    assert document["plan"]["intersection"] == lived.intersection
    assert document["inputs"].startswith("sha256:")
    assert document["why"]
    assert document["acknowledgements"]
    assert document["cost"] is not None
    assert document["pattern"] is not None
    words = citybrain("ledger", "explain", lived.intersection, moment_text(lived.late), "--data", lived.data)
    assert words.exit_code == 0, words.stderr
    assert f"plan {document['plan']['seq']} by planner" in words.stdout


def test_the_service_explains_as_the_command_does(lived: Lived) -> None:
    words = citybrain("ledger", "explain", lived.intersection, lived.late, "--data", lived.data, "--json")
    site, sensors = read_street("district", "planner", "default", None)
    live = Live.open(site, sensors, "planner", open_store(lived.data), StreetClock(lived.late))
    key, row = new_key("reader", "reader", None, 0)
    keep_key(live.store, row)
    try:
        with Served(make_app(live)) as served, Client(served.url, key) as client:
            assert client.explain(lived.intersection, lived.late) == json.loads(words.stdout)
    finally:
        live.stop()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ledger", "explain", "nowhere", "yesterday"), "'yesterday' is no time"),
        (("ledger", "replay", "0"), "no service had begun"),
        (("ledger", "explain", "nowhere", "288000"), "nowhere"),
    ],
)
def test_looking_for_what_is_not_there_says_so(lived: Lived, words: tuple[str, ...], said: str) -> None:
    found = citybrain(*words, "--data", lived.data)
    assert found.exit_code == 2, found.stdout
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_a_street_that_cannot_be_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(PlantError, match="ended before its time"):
        run_street(StreetOrder("no such scenario", folder=str(tmp_path)), lambda _told: None)


def test_serve_wants_one_street() -> None:
    both, none = citybrain("serve", "district", "--twin", "district"), citybrain("serve")
    assert (both.exit_code, none.exit_code) == (2, 2)
    assert "one street" in both.stderr
    assert "name the street" in none.stderr


def test_run_twin_refuses_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        run_twin(StreetOrder("nowhere"), "planner", "127.0.0.1", 0, "warning", tmp_path)


def test_ctrl_c_ends_it_and_says_where_the_records_are(tmp_path: Path) -> None:
    # A shell may have told us to ignore Ctrl-C; the command under test must not inherit that.
    start = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    command = [sys.executable, "-c", f"{start}; from citybrain_api.cli import main; main()"]
    command += ["serve", "--twin", "district", "--controller", "fixed", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True) as twin:
        until(lambda: any(tmp_path.rglob("street/sumo.log")))
        os.killpg(twin.pid, signal.SIGINT)  # as a terminal does: the street's process is told, too
        _, said = twin.communicate(timeout=60)  # ends when all processes that write here have ended
    assert twin.returncode == 130
    assert "Traceback" not in said
    assert said.splitlines()[-2].startswith("citybrain: records: citybrain-data/twin-district-")
    assert said.splitlines()[-1] == "citybrain: stopped"
