"""What readers of the service see of the engine: its last state, per lane, link and intersection.

May import the tables of the street and the engine's words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from citybrain.city.figures import CityFigures
    from citybrain.decisions import LampState
    from citybrain.health.opinion import Opinion
    from citybrain.state import TrafficState


@dataclass(frozen=True)
class Snapshot:
    """One tick as readers see it; nothing in it is ever written again.

    Attributes
    ----------
    time : of the observations [tenths].
    state : estimates.
    lamps : what the lamps are believed to show at ``time``.
    alive : [I] tuple; the controller has polled within its lease.
    mode : [I] what each controller says it does: ``adaptive``, ``time_of_day``, ... ; ``unknown`` before its first
        acknowledgement.
    ack : last acknowledgement document by intersection id.
    city : figures of the last full minute; None before the first since the engine was made.
    sensors : whether they are well; its times count from the engine's first tick. origin : of that tick [tenths].
    """

    time: int
    state: TrafficState
    lamps: LampState
    alive: tuple[bool, ...]
    mode: tuple[str, ...]
    ack: dict[str, dict[str, Any]]
    city: CityFigures | None
    sensors: Opinion
    origin: int
