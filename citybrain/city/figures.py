"""What the city is told once a minute: one frozen snapshot. Definitions and sources: docs/city.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from numpy.typing import NDArray

if TYPE_CHECKING:
    import numpy as np

    from citybrain.network import FloatArray


@dataclass(frozen=True)
class Forecast:
    """Forecasts of some series, ``forecast.HORIZONS`` minutes ahead.

    Attributes
    ----------
    value, low, high : [H, S] forecast and its 95 % interval.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class LinkFigures:
    """What is believed of every link, over the last five minutes where nothing else is said. Index k.

    Attributes
    ----------
    travel_time : [K] mean time over the link of those who left its roads [s].
    little : [K] the same from Little's law, vehicles over flow, as a check [s]; NaN where nobody left.
    speed : [K] length over travel time [m/s].
    vehicles, queue : [K] now [veh].
    storage : [K] vehicles that the link can still take in now [veh].
    spillback : [K] the queue on a lane reaches back to the link's begin now.
    delay_index : [K] congestion delay index.
    level : [K] ``index.Level``.
    severe_minutes : [K] minutes of severe congestion today.
    confidence : [K] mean over its lanes by length, 0 to 1.
    age : [K] seconds since the last evidence about any of its lanes.
    forecast : of the delay index.
    """

    travel_time: FloatArray
    little: FloatArray
    speed: FloatArray
    vehicles: FloatArray
    queue: FloatArray
    storage: FloatArray
    spillback: NDArray[np.bool_]
    delay_index: FloatArray
    level: NDArray[np.int8]
    severe_minutes: NDArray[np.int32]
    confidence: FloatArray
    age: FloatArray
    forecast: Forecast


@dataclass(frozen=True)
class DistrictFigures:
    """What is believed of every district. Index d.

    Attributes
    ----------
    vehicles : [D] sum over its lanes, mean over the last minute [veh].
    delay_index, travel_time_index : [D].
    level : [D] ``index.Level`` of the delay index.
    severe_minutes : [D] minutes of severe congestion today.
    forecast : of the delay index.
    """

    vehicles: FloatArray
    delay_index: FloatArray
    travel_time_index: FloatArray
    level: NDArray[np.int8]
    severe_minutes: NDArray[np.int32]
    forecast: Forecast


@dataclass(frozen=True)
class CityFigures:
    """The city in one minute.

    Attributes
    ----------
    time : end of the minute [tenths].
    vehicles, low, high : vehicles in network, mean over the minute, and the 95 % interval [veh].
    counted : share of the network's edge that loops count, 0 to 1.
    queue : vehicles stopped or creeping now [veh].
    delay_index, travel_time_index : over the last five minutes.
    level : ``index.Level`` of the delay index.
    severe_minutes : minutes of severe congestion today, of the whole city.
    forecast : [H, 3] of vehicles, delay index, travel time index.
    districts, links : the same by district and link.
    roads : [E] congestion delay index of every road.
    """

    time: int
    vehicles: float
    low: float
    high: float
    counted: float
    queue: float
    delay_index: float
    travel_time_index: float
    level: int
    severe_minutes: int
    forecast: Forecast
    districts: DistrictFigures
    links: LinkFigures
    roads: FloatArray
