"""Ticks from the store, carried out again: after a restart, and to explain what was done. Exact.

May import the store and the engine.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from citybrain.errors import CityBrainError, InputError
from citybrain.intake.judged import Judged, merge
from citybrain.live.inputs import TickInputs, read_inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from citybrain.live.engine import LiveEngine, Outcome
    from citybrain.storage.rows import Checkpoint, StoredTick
    from citybrain.storage.store import Store

_LOG = logging.getLogger(__name__)


class Replayed(NamedTuple):
    """A tick that was carried out again; without outcome where it failed when it was made.

    ``engine`` is the one that has carried it out, and that goes on.
    """

    tick: StoredTick
    inputs: TickInputs
    outcome: Outcome | None
    engine: LiveEngine


def replay(
    store: Store,
    ticks: Iterable[StoredTick],
    engine: LiveEngine,
    make_engine: Callable[[], LiveEngine],
    fingerprint: str,
) -> Iterator[Replayed]:
    """Carry out ticks again, one after the other.

    Parameters
    ----------
    engine : as it was before the first of them.
    make_engine : makes an engine that remembers nothing.
    fingerprint : of the :class:`~citybrain.intake.judge.Judge` of the street.

    Raises
    ------
    InputError, StoreError
        If something of the record is missing, damaged or of another street.
    """
    for tick in ticks:
        batches = [Judged.from_bytes(batch.judged, fingerprint) for batch in store.batches(tick.taken)]
        inputs = read_inputs(tick.inputs, merge(batches, tick.time))
        if inputs.failed:
            engine = make_engine()
            yield Replayed(tick, inputs, None, engine)
        else:
            yield Replayed(tick, inputs, engine.step(inputs), engine)


def restore(store: Store, make_engine: Callable[[], LiveEngine], fingerprint: str, version: str) -> LiveEngine:
    """Bring an engine to where the last one was.

    An engine that cannot be brought there begins anew, which costs it what it had learnt, and is told of in the log.
    """
    engine = make_engine()
    try:
        checkpoint = store.checkpoint()
        if checkpoint is not None:
            load(engine, checkpoint, version)
        for done in replay(
            store, store.ticks_after(checkpoint.tick if checkpoint else 0), engine, make_engine, fingerprint
        ):
            engine = done.engine
    except CityBrainError as error:
        _LOG.warning("the engine begins anew: %s", error)
        engine = make_engine()
    return engine


def load(engine: LiveEngine, checkpoint: Checkpoint, version: str) -> None:
    """Put a checkpoint into an engine.

    Raises
    ------
    InputError
        If it was written by another version, or for another street, controller or settings.
    """
    if checkpoint.version != version:
        raise InputError(
            f"the checkpoint of {checkpoint.time} was written by {checkpoint.version}, this is {version}; "
            "what happened under another version cannot be carried out again"
        )
    engine.load(checkpoint.data)
