"""Posts what a camera saw, in the order in which it saw it; keeps a minute or two while the service is away."""

from __future__ import annotations

import queue
import re
import threading
import uuid
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from citybrain.errors import PlantError
from citybrain_api.client import Client, ProblemError, ServiceError

if TYPE_CHECKING:
    import pyarrow as pa

KEPT = 120
"""Batches that wait while the service does not answer; beyond that the oldest are lost, and it is told."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 15.0
_REFUSES_US = (400, 401, 403, 404, 413, 415)


class Gateway:
    """A thread that posts batches one after the other; use it as a context manager.

    Parameters
    ----------
    client : of the service; closed by its owner.
    sensor : the camera; names the batches.
    write : turns rows into a body, given batch id, sender and the time up to which all was sent [tenths].
    tell : takes lines for people.
    """

    def __init__(
        self,
        client: Client,
        sensor: str,
        write: Callable[[pa.RecordBatch, str, str, int], bytes],
        tell: Callable[[str], None],
    ) -> None:
        self._client, self._write, self._tell = client, write, tell
        self._sender = re.sub(r"[^A-Za-z0-9._:/@+-]", "_", sensor)[:80]
        self._run, self._count, self._lost = uuid.uuid4().hex[:12], 0, 0
        self._waiting: queue.Queue[bytes | None] = queue.Queue()
        self._stop = threading.Event()
        self._told: set[str] = set()
        self._thread = threading.Thread(target=self._post_all, name="gateway", daemon=True)
        self._refused: str | None = None

    def __enter__(self) -> Self:
        """Begin to post."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Post what waits, unless the service is away.

        Raises
        ------
        PlantError
            If the service takes nothing from us.
        """
        self._waiting.put(None)
        self._stop.set()
        self._thread.join()
        if kind is None:
            self._check()
            if self._waiting.qsize() or self._lost:
                self._tell(f"the service was away at the end: {self._waiting.qsize() + self._lost} batches are lost")

    def post(self, rows: pa.RecordBatch, complete_until: int) -> None:
        """Put a batch in line.

        Raises
        ------
        PlantError
            If the service takes nothing from us.
        """
        self._check()
        self._count += 1
        body = self._write(rows, f"{self._sender}/{self._run}/{self._count}", self._sender, complete_until)
        while self._waiting.qsize() >= KEPT:
            self._waiting.get()
            self._lost += 1
            if self._lost % KEPT == 1:
                self._tell(f"the service is away for too long: {self._lost} batches are lost so far")
        self._waiting.put(body)

    def _check(self) -> None:
        if self._refused is not None:
            raise PlantError(f"the service takes nothing from this camera: {self._refused}")

    def _post_all(self) -> None:
        while (body := self._waiting.get()) is not None and self._refused is None:
            pause = FIRST_PAUSE_S
            while not self._posted(body):
                if self._refused is not None or self._stop.is_set():
                    return
                self._stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def _posted(self, body: bytes) -> bool:
        """Post one body; False if it should be tried again. The same batch twice is taken in once."""
        try:
            verdicts = self._client.observe(body)
        except ProblemError as error:
            if error.status in _REFUSES_US:
                self._refused = str(error)
            self._once(str(error))
            return False
        except ServiceError as error:
            self._once(str(error))
            return False
        for refusal in verdicts.document.get("refused", []):
            self._once(f"{refusal.get('code')}: rows refused: {refusal.get('sentence')}")
        return True

    def _once(self, line: str) -> None:
        """Tell something once in a run, not with every batch."""
        word = line.split(":", maxsplit=1)[0]
        if word not in self._told:
            self._told.add(word)
            self._tell(line)
