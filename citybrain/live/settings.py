"""How the live service runs, and on what a replay of it depends.

May import the book of cabinets and the intake.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import citybrain

if TYPE_CHECKING:
    from citybrain.intake.judge import Judge
    from citybrain.live.book import Book


@dataclass(frozen=True)
class LiveSettings:
    """How the service runs; all times in tenths of a second.

    Attributes
    ----------
    lead : least time from the publication of a plan to its beginning; whole seconds.
    lease : for so long a controller follows its plan without a word from the engine.
    poll_after : a controller should ask again after so long.
    checkpoint_every : time between two checkpoints.
    senders : where time is the street's, a tick comes when so many senders have sent everything up to it.
    time_zone : of the controllers' time-of-day tables.
    apart : the engine works in a process of its own, beside the one that answers.
    """

    lead: int = 20
    lease: int = 300
    poll_after: int = 10
    checkpoint_every: int = 6000
    senders: int = 1
    time_zone: str = "UTC"
    apart: bool = False


@dataclass(frozen=True)
class Receipt:
    """What became of posted observations; durable when it is handed out.

    Attributes
    ----------
    batch_id : as posted.
    known : the batch had come before; nothing was changed, the verdicts are those given then.
    verdict_bytes : verdicts row by row, as ``intake`` writes them.
    """

    batch_id: str
    known: bool
    verdict_bytes: bytes


def checkpoint_version(book: Book, judge: Judge, controller_name: str, settings: LiveSettings) -> str:
    """Everything on which it depends whether a tick can be carried out again, as one text."""
    how = f"{controller_name} lead {settings.lead} lease {settings.lease} poll {settings.poll_after}"
    return f"{citybrain.__version__} {book.fingerprint} {judge.fingerprint} {how}"
