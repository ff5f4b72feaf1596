"""Observations by MQTT, with a real broker: durable before acknowledged, nothing lost, wrong messages told."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest

from citybrain.errors import InputError, StoreError
from citybrain.live.service import Receipt
from citybrain_api.mqtt_intake import ANSWERS, PASSWORD, POSTS, Broker, MqttIntake, read_broker
from citybrain_api.service.logs import make_logger
from tests.intake_posts import LOOP, NOW, as_arrow, as_json, small_judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from citybrain.intake.judge import Posted

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
PATIENCE_S = 20.0
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="the program openssl is not installed")
needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="the program mosquitto is not installed")


def until(holds: Callable[[], object]) -> None:
    """Wait until it holds, with patience that ends."""
    ends = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < ends, "waited in vain"
        pause.wait(0.01)


class Mosquitto:
    """A broker on a free port of loopback that keeps its sessions in a folder."""

    def __init__(self, folder: Path, more: str = "") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
            f"persistence_location {folder}/\nautosave_interval 1\nautosave_on_changes true\n"
            f"user root\n{more}"  # started by root, it would become somebody who may not look into the folder
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert PROGRAM
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([PROGRAM, "-c", str(self._config)], stdout=quiet, stderr=quiet)
        until(self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    running = Mosquitto(folder)
    running.start()
    yield running
    running.stop()


class Keeper:
    """Stands in for the live room: judges, keeps in memory, and fails when told to."""

    def __init__(self) -> None:
        self.judge = small_judge()
        self.failures = 0
        self.held: list[tuple[Future[Receipt], Receipt]] | None = None
        self.kept: dict[str, bytes] = {}

    def post(self, posted: Posted) -> Future[Receipt]:
        future: Future[Receipt] = Future()
        if self.failures:
            self.failures -= 1
            future.set_exception(StoreError("the disk is full"))
            return future
        known = posted.batch_id in self.kept
        receipt = Receipt(posted.batch_id, known, self.judge(posted, NOW).verdicts)
        self.kept[posted.batch_id] = receipt.verdict_bytes
        if self.held is None:
            future.set_result(receipt)
        else:
            self.held.append((future, receipt))
        return future


def intake(broker: Mosquitto, keeper: Keeper) -> MqttIntake:
    return MqttIntake(Broker("127.0.0.1", broker.port, pause_s=0.05), keeper.post, make_logger(stream=io.StringIO()))


def talk(
    broker: Mosquitto, messages: list[tuple[str, bytes]], answers: int, trust: ssl.SSLContext | None = None
) -> list[tuple[str, dict[str, Any]]]:
    """Publish messages as field devices do, and wait for answers: (sender, document)."""

    async def run() -> list[tuple[str, dict[str, Any]]]:
        async with aiomqtt.Client("127.0.0.1", broker.port, tls_context=trust) as client, asyncio.timeout(PATIENCE_S):
            await client.subscribe(ANSWERS + "#", qos=1)
            for sender, body in messages:
                await client.publish(POSTS + sender, body, qos=1)
            came: list[tuple[str, dict[str, Any]]] = []
            while len(came) < answers:
                message = await anext(client.messages)
                assert isinstance(message.payload, bytes)
                came.append((message.topic.value.removeprefix(ANSWERS), json.loads(message.payload)))
            return came

    return asyncio.run(run())


@needs_mosquitto
def test_json_and_arrow_messages_are_kept_and_answered(broker: Mosquitto) -> None:
    keeper = Keeper()
    with intake(broker, keeper) as listener:
        until(listener.listening.is_set)
        rows = [LOOP, LOOP | {"sensor": "nobody"}]
        messages = [
            ("gate/1", as_json(rows, sender="gate/1")),
            ("gate-2", as_arrow(rows, batch_id="b2", sender="gate-2")),
        ]
        answers = dict(talk(broker, messages, 2))
    assert [answers[sender]["batch_id"] for sender, _ in messages] == ["b1", "b2"]
    for answer in answers.values():
        assert (answer["accepted"], answer["refused"][0]["code"]) == (1, "unknown_sensor")
    assert sorted(keeper.kept) == ["b1", "b2"]


@needs_mosquitto
def test_wrong_messages_are_told_and_disturb_nobody(broker: Mosquitto) -> None:
    keeper = Keeper()
    with intake(broker, keeper) as listener:
        until(listener.listening.is_set)
        messages = [
            ("a", b""),
            ("a", b"{"),
            ("a", as_arrow([LOOP])[:-20]),
            ("a", as_json([LOOP], sender="b")),
            ("a", as_json([LOOP], sender="a")),
        ]
        documents = [document for _, document in talk(broker, messages, 5)]
    told = sorted(document["sentence"] for document in documents if document["format"] == "citybrain/refusal/1")
    assert len(told) == 4
    assert any("publish under the sender's own name" in sentence for sentence in told)
    assert list(keeper.kept) == ["b1"]


@needs_mosquitto
def test_a_message_is_not_acknowledged_before_it_is_durable(broker: Mosquitto) -> None:
    keeper = Keeper()
    keeper.held = []
    with intake(broker, keeper) as listener:
        until(listener.listening.is_set)
        talk(broker, [("a", as_json([LOOP], sender="a"))], 0)
        until(lambda: keeper.held)
    # Nothing was durable when this side went away: the broker still has the message.
    first, second = keeper, Keeper()
    assert list(first.kept) == ["b1"]
    with intake(broker, second):
        until(lambda: second.kept)
    assert list(second.kept) == ["b1"]


@needs_mosquitto
def test_what_the_store_could_not_keep_comes_again(broker: Mosquitto) -> None:
    keeper = Keeper()
    keeper.failures = 2
    with intake(broker, keeper) as listener:
        until(listener.listening.is_set)
        ((_, answer),) = talk(broker, [("a", as_json([LOOP], sender="a"))], 1)
    assert (keeper.failures, answer["accepted"]) == (0, 1)


@needs_mosquitto
def test_messages_wait_while_this_side_is_away_and_a_lost_broker_is_found_again(broker: Mosquitto) -> None:
    keeper = Keeper()
    with intake(broker, keeper) as listener:
        until(listener.listening.is_set)
    talk(broker, [("a", as_json([LOOP], sender="a", batch_id=f"away-{k}")) for k in range(3)], 0)
    with intake(broker, keeper) as listener:
        until(lambda: len(keeper.kept) == 3)
        broker.stop()
        until(lambda: not listener.listening.is_set())
        broker.start()
        until(listener.listening.is_set)
        talk(broker, [("a", as_json([LOOP], sender="a", batch_id="back"))], 1)
    assert sorted(keeper.kept) == ["away-0", "away-1", "away-2", "back"]


class Authority:
    """An authority of our own, and a certificate that it signed for the broker at 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca, self.key, self.certificate = (folder / name for name in ("ca.pem", "broker.key", "broker.pem"))
        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
        self._run(
            "req", "-x509", *new_key, "ca.key", "-out", "ca.pem", "-subj", "/CN=authority of a test", "-days", "2"
        )
        self._run("req", *new_key, "broker.key", "-out", "broker.csr", "-subj", "/CN=broker of a test")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
        self._run("x509", "-req", "-in", "broker.csr", "-out", "broker.pem", *signed)

    def _run(self, *words: str) -> None:
        assert OPENSSL
        subprocess.run([OPENSSL, *words], check=True, capture_output=True, cwd=self.folder)


@needs_mosquitto
@needs_openssl
@pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")  # paho, after a handshake that failed
def test_by_tls_with_the_brokers_own_authority_and_with_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    signed = Authority(folder)
    running = Mosquitto(folder, f"certfile {signed.certificate}\nkeyfile {signed.key}\n")
    keeper, log = Keeper(), io.StringIO()
    logger = make_logger(stream=log)
    good, strange = Broker("127.0.0.1", running.port, tls=True, ca=signed.ca, pause_s=0.05), tmp_path / "strange"
    strange.mkdir()
    try:
        running.start()
        for other in (replace(good, ca=None), replace(good, ca=Authority(strange).ca)):
            with MqttIntake(other, keeper.post, logger) as listener:
                until(lambda: "certificate verify failed" in log.getvalue())
                assert not listener.listening.is_set()
            log.truncate(0)
        trust = ssl.create_default_context(cafile=signed.ca)
        with MqttIntake(good, keeper.post, logger) as listener:
            until(listener.listening.is_set)
            ((_, answer),) = talk(running, [("a", as_json([LOOP], sender="a"))], 1, trust)
    finally:
        running.stop()
    assert answer["accepted"] == 1
    assert list(keeper.kept) == ["b1"]


def test_a_file_of_an_authority_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    with pytest.raises(InputError, match="mqtts://"):
        read_broker("mqtt://a", tmp_path / "empty")
    for name in ("empty", "missing"):
        broker = read_broker("mqtts://a", tmp_path / name)
        with pytest.raises(InputError, match=f"{name} holds no certificate of an authority"):
            MqttIntake(broker, Keeper().post, make_logger(stream=io.StringIO()))


def test_the_broker_is_read_from_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    word = "horse"
    monkeypatch.setenv(PASSWORD, word)
    assert read_broker("mqtt://broker.example") == Broker("broker.example", 1883, password=word)
    assert read_broker("mqtts://me@10.0.0.1:99") == Broker("10.0.0.1", 99, tls=True, user="me", password=word)
    assert word not in repr(read_broker("mqtts://me@10.0.0.1:99"))


@pytest.mark.parametrize("url", ["broker", "http://broker", "mqtt://", "mqtt://a:99999", "mqtt://u:pw@a", "mqtt://a/b"])
def test_a_wrong_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=PASSWORD) as refused:
        read_broker(url)
    assert "pw" not in str(refused.value)
