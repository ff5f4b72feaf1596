"""One thread writes for all: jobs that wait together share one transaction and one flush to disk.

May import the store alone.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from citybrain.errors import StoreError
from citybrain.storage.store import Store

T = TypeVar("T")
Task = tuple[Callable[[Store], Any], "Future[Any]"]

MOST_WAITING = 4096
MOST_TOGETHER = 512
PROBE_S = 1.0
"""How often a writer whose last write failed tries whether there is room again."""


class Writer:
    """Runs jobs in the order they come. A context manager; ``stop`` finishes what waits.

    A job is a function of the store that writes. Its future is done when what it wrote is on disk. A job that raises is
    undone alone and its future raises; where the store itself fails, every job of that transaction gets the
    ``StoreError`` and none of them counts as kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._tasks: queue.Queue[Task | None] = queue.Queue(MOST_WAITING)
        self._healthy = True
        self._stopped = False
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="citybrain-writer", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Finish what waits."""
        self.stop()

    @property
    def healthy(self) -> bool:
        """False from a failed write until one succeeds again; tried every second without anybody asking."""
        return self._healthy

    def submit(self, job: Callable[[Store], T]) -> Future[T]:
        """Queue a job; its future gives what it returns once that is on disk.

        Raises
        ------
        StoreError
            If the writer is stopped, or so far behind that waiting is of no use.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._stopped:
                raise StoreError("the store takes nothing any more: the service is stopping")
            try:
                self._tasks.put_nowait((job, future))
            except queue.Full:
                raise StoreError(f"{MOST_WAITING} writes wait already: the disk is too slow, try again later") from None
        return future

    def stop(self) -> None:
        """Finish what waits and end the thread."""
        with self._gate:
            first, self._stopped = not self._stopped, True
        if first:
            self._tasks.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                task = self._tasks.get(timeout=None if self._healthy else PROBE_S)
            except queue.Empty:
                self._together([])
                continue
            tasks = []
            while task is not None:
                tasks.append(task)
                if len(tasks) == MOST_TOGETHER:
                    break
                try:
                    task = self._tasks.get_nowait()
                except queue.Empty:
                    break
            self._together([(job, future) for job, future in tasks if future.set_running_or_notify_cancel()])
            if task is None:
                return

    def _together(self, tasks: list[Task]) -> None:
        """Run jobs in one transaction and settle their futures after it; no jobs: only try whether writing works."""
        settle: list[Callable[[], None]] = []
        try:
            if not tasks:
                self._store.probe()
            else:
                with self._store.transaction():
                    settle = [self._alone(job, future) for job, future in tasks]
        except Exception as error:  # noqa: BLE001 - whatever it is, the waiting must hear of it and the thread live on
            self._healthy = False
            for _, future in tasks:
                future.set_exception(error)
            return
        self._healthy = True
        for step in settle:
            step()

    def _alone(self, job: Callable[[Store], Any], future: Future[Any]) -> Callable[[], None]:
        try:
            with self._store.transaction():
                value = job(self._store)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - the job's own fault, told to whoever submitted it
            fault = error
            return lambda: future.set_exception(fault)
        return lambda: future.set_result(value)
