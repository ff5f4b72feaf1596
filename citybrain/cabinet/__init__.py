"""The cabinet: a signal controller that carries out plans under its own timings, and falls back by itself.

Plain Python, no HTTP, no clock of its own. May import plans, clock, errors and units.
"""

from citybrain.cabinet.cabinet import Cabinet
from citybrain.cabinet.journal import Mode
from citybrain.events import Event

__all__ = ["Cabinet", "Event", "Mode"]
