"""Moves what is old out of the store into Parquet files, now and every hour, beside a service that runs."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from citybrain.errors import StoreError

if TYPE_CHECKING:
    from citybrain.clock import Clock
    from citybrain.storage.store import Store

DAYS = 3
"""Days that stay in the store: a weekend, for posts that are repeated on Monday."""
_DAY = 24 * 36_000
EVERY_S = 3600.0
_LOG = logging.getLogger(__name__)


class Archivist:
    """Moves what is older than some days into a folder; a context manager.

    What cannot be moved stays where it is, and is tried again an hour later.

    Parameters
    ----------
    days : what is younger stays in the store; of ledger, plans and acknowledgements the day (UTC) before those too.
    """

    def __init__(self, store: Store, clock: Clock, folder: Path, days: int = DAYS) -> None:
        self._store, self._clock, self._folder, self._kept = store, clock, folder, days * _DAY
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="citybrain-archive", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the piece that is being moved, and end."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                moved = self._store.archive(self._clock.now() - self._kept, self._folder)
                if moved:
                    _LOG.info("%s ticks and entries of the ledger moved to %s", moved, self._folder)
            except StoreError as error:
                _LOG.error("what is old stays in the store: %s", error)
            if self._over.wait(EVERY_S):
                return
