"""Every error that the project raises on purpose, as one tree.

::

    CityBrainError
    ├── InputError        something the user gave is wrong: file, option, id
    │   ├── NetworkError      a network or signal program that cannot be controlled
    │   ├── ScenarioError     a scenario that is unknown, incomplete or contradictory
    │   └── ProfileError      a sensor or timing profile that is unknown or out of range
    ├── PlantError        the street or its simulation failed in mid-run
    ├── StoreError        the store cannot be read or written: disk full, server gone
    └── ContractError     one room of the house handed another something it must not
"""

from __future__ import annotations


class CityBrainError(Exception):
    """Base of all. The message says what was found, where, and what to do."""


class InputError(CityBrainError):
    """Something the user gave is wrong; nothing was changed."""


class NetworkError(InputError):
    """A network or signal program that cannot be read or controlled."""


class ScenarioError(InputError):
    """A scenario that is unknown, incomplete or contradictory."""


class ProfileError(InputError):
    """A sensor or timing profile that is unknown or out of range."""


class PlantError(CityBrainError):
    """The plant failed in mid-run; what was recorded so far stays readable."""


class StoreError(CityBrainError):
    """What had to be kept could not be written or read back: disk full, server gone, file damaged."""


class ContractError(CityBrainError):
    """An array of the wrong length or a value out of range between two rooms: a bug, not bad input."""
