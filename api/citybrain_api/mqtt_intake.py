"""Observations by MQTT: the same bodies as over HTTP, taken from a broker; the answers are published.

A message is acknowledged to the broker only when its rows are durable, and the session outlives the connection: what
was published with QoS 1 while this side was away, or could not write, comes again. Senders are held apart by topic,
so that the broker's access list says who may speak for whom.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from structlog.typing import FilteringBoundLogger

from citybrain.errors import CityBrainError, InputError
from citybrain.intake.judge import Limits, Posted, read_arrow, read_json
from citybrain.live.service import Receipt

POSTS = "citybrain/v1/observations/"
"""A sender publishes under this and its own name."""
ANSWERS = "citybrain/v1/verdicts/"
"""Its answers come under this and its own name."""
REFUSAL_FORMAT = "citybrain/refusal/1"
PASSWORD = "CITYBRAIN_MQTT_PASSWORD"  # noqa: S105 - the variable's name
SESSION_S = 7 * 24 * 3600
"""So long the broker keeps messages for this side when it is away [s]."""
AT_ONCE = 64
"""Messages that the broker may have under way to this side."""
LONGEST_PAUSE_S = 30.0

Post = Callable[[Posted], "Future[Receipt]"]


@dataclass(frozen=True)
class Broker:
    """Where the broker is.

    Attributes
    ----------
    tls : whether to speak TLS, with a broker whose certificate is good.
    ca : file of the authority that signed it, where that is none that this machine knows.
    client_id : name of this side's session with the broker; no two services may share one.
    pause_s : first pause before connecting again [s]; doubled each time, up to half a minute.
    """

    host: str
    port: int
    tls: bool = False
    ca: Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    client_id: str = "citybrain-intake"
    pause_s: float = 1.0


def read_broker(url: str, ca: Path | None = None) -> Broker:
    """Read ``mqtt://[user@]host[:port]`` or ``mqtts://...``; the password comes from the environment.

    Parameters
    ----------
    ca : as in :class:`Broker`.

    Raises
    ------
    InputError
        If it is no such address, or ``ca`` comes without TLS.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in {"mqtt", "mqtts"} or not host or parts.path.strip("/") or parts.password is not None:
        raise InputError(
            f"a broker is given as mqtt://[user@]host[:port], or mqtts:// for TLS, found {parts.scheme or url!r}; "
            f"its password comes from the environment variable {PASSWORD}"
        )
    tls = parts.scheme == "mqtts"
    if ca is not None and not tls:
        raise InputError(
            "the file of an authority (--mqtt-ca) is of use with TLS alone: name the broker as mqtts://..."
        )
    return Broker(
        host, port or (8883 if tls else 1883), tls=tls, ca=ca, user=parts.username, password=os.environ.get(PASSWORD)
    )


def _trust(broker: Broker) -> ssl.SSLContext | None:
    """Say whose certificates are good.

    Raises
    ------
    InputError
        If the authority's file cannot be read or holds no certificate.
    """
    if not broker.tls:
        return None
    try:
        return ssl.create_default_context(cafile=broker.ca)
    except OSError as error:  # of files, and of what is in them
        raise InputError(
            f"{broker.ca} holds no certificate of an authority ({error.strerror or error}); give a PEM file"
        ) from None


class MqttIntake:
    """Listens in a thread of its own from entering to leaving the context.

    Parameters
    ----------
    post : what makes a batch durable, such as ``Live.post``.

    Raises
    ------
    InputError
        If the broker's authority cannot be read.
    """

    def __init__(self, broker: Broker, post: Post, log: FilteringBoundLogger, limits: Limits | None = None) -> None:
        self._broker, self._tls = broker, _trust(broker)
        self._post = post
        self._log = log
        self._limits = limits or Limits()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._work: asyncio.Task[None] | None = None
        self._begun = threading.Event()
        self.listening = threading.Event()
        """Set while connected and subscribed."""

    def __enter__(self) -> Self:
        """Begin to listen; returns before the connection stands, and stays if the broker is away."""
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Stop listening; messages under way that are not durable stay with the broker."""
        if self._work is not None:
            self._loop.call_soon_threadsafe(self._work.cancel)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._main())

    async def _main(self) -> None:
        self._work = asyncio.create_task(self._listen_for_ever())
        self._begun.set()
        await asyncio.wait([self._work])

    async def _listen_for_ever(self) -> None:
        """Listen, and connect again whenever that ends."""
        pause = self._broker.pause_s
        while True:
            try:
                await self._listen()
            except* (aiomqtt.MqttError, CityBrainError) as errors:
                pause = self._broker.pause_s if self.listening.is_set() else min(2 * pause, LONGEST_PAUSE_S)
                self._log.warning("mqtt lost", said=str(errors.exceptions[0]), again_in_s=pause)
            finally:
                self.listening.clear()
            await asyncio.sleep(pause)

    async def _listen(self) -> None:
        """Take messages until the connection or the store fails, which ends it with an exception."""
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(self._client())
            await client.subscribe(POSTS + "#", qos=1)
            self._log.info("mqtt listens", host=self._broker.host, port=self._broker.port, topic=POSTS + "#")
            self.listening.set()
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            async for message in client.messages:
                tasks.create_task(self._take(client, message))

    def _client(self) -> aiomqtt.Client:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
        properties.SessionExpiryInterval = SESSION_S
        properties.ReceiveMaximum = AT_ONCE
        broker = self._broker
        client = aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.user,
            password=broker.password,
            identifier=broker.client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=properties,
            tls_context=self._tls,
        )
        client._client.manual_ack_set(on=True)  # noqa: SLF001 - aiomqtt has no word for acknowledging by hand
        return client

    async def _take(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        """Make one message durable, answer it, acknowledge it."""
        sender = message.topic.value.removeprefix(POSTS)
        body = message.payload if isinstance(message.payload, bytes) else b""
        try:
            answer = await self._keep(body, sender)
        except InputError as error:
            self._log.info("mqtt refused", sender=sender, said=str(error))
            answer = json.dumps({"format": REFUSAL_FORMAT, "sentence": str(error)}).encode()
        await client.publish(ANSWERS + sender, answer, qos=1)
        client._client.ack(message.mid, message.qos)  # noqa: SLF001 - see _client

    async def _keep(self, body: bytes, sender: str) -> bytes:
        """Return the verdicts of a body once its rows are durable."""
        read = read_json if body[:1] == b"{" else read_arrow
        posted = await asyncio.to_thread(read, body, self._limits)
        if posted.sender != sender:
            raise InputError(
                f"the batch says that {posted.sender!r} sent it, but it came under {POSTS}{sender}: "
                "publish under the sender's own name"
            )
        # Shielded: what the store has begun to write is finished, whatever becomes of this connection.
        receipt = await asyncio.shield(asyncio.wrap_future(self._post(posted)))
        return receipt.verdict_bytes
