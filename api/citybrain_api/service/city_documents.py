"""Documents about the city's figures, and how they are made of the engine's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, Field

from citybrain.city.columns import LEVELS, MEASURES
from citybrain.city.forecast import HORIZONS
from citybrain.links import find_links
from citybrain_api.service.documents import Tenths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from citybrain.city.districts import Districts
    from citybrain.city.figures import CityFigures, Forecast
    from citybrain.network import Network


class Foretold(BaseModel):
    """A forecast with its 95 % interval."""

    minutes: int = Field(description="Minutes ahead.", examples=[15])
    value: float
    low: float
    high: float


class Congestion(BaseModel):
    """How congested a place is, over the last five minutes."""

    delay_index: float = Field(description="Congestion delay index: time spent over time at the speed limit.")
    level: str = Field(description="smooth, slow, congested or severe.", examples=["slow"])
    severe_minutes: int = Field(
        description="Minutes of severe congestion since midnight UTC, or since the engine began."
    )
    forecast: list[Foretold] = Field(description="Of the delay index.")


class DistrictState(Congestion):
    """One district."""

    name: str
    intersections: list[str]
    vehicles: float = Field(description="Sum over its lanes, mean over the minute [veh].")
    travel_time_index: float


class LinkTravel(Congestion):
    """One link between two intersections."""

    origin: str
    target: str
    road: str = Field(description="Its last road.")
    travel_time_s: float = Field(description="Of those who left its roads in the last five minutes.")
    little_s: float | None = Field(description="The same by Little's law, as a check; null: nobody left.")
    speed: float = Field(description="[m/s]")
    vehicles: float
    queue: float
    storage: float = Field(description="Vehicles that it can still take in.")
    spillback: bool = Field(description="A queue reaches back to its begin.")
    confidence: float
    age_s: float = Field(description="Since the last evidence about any of its lanes.")


class CityState(Congestion):
    """The whole city in the last full minute."""

    time: Tenths
    vehicles: float = Field(description="Vehicles in network, mean over the minute [veh].")
    vehicles_low: float = Field(description="Lower end of their 95 % interval.")
    vehicles_high: float
    counted: float = Field(description="Share of the network's edge that loops count.")
    queue: float
    travel_time_index: float
    vehicles_forecast: list[Foretold]
    travel_time_forecast: list[Foretold] = Field(description="Of the travel time index.")
    districts: list[DistrictState]
    links: list[LinkTravel]


class CityView:
    """Makes documents of the figures of one street.

    Parameters
    ----------
    network, districts : as the engine's.
    """

    def __init__(self, network: Network, districts: Districts) -> None:
        self._network, self._districts, self._links = network, districts, find_links(network)

    def document(self, figures: CityFigures) -> CityState:
        """Tell all figures of one minute."""
        vehicles, index, time_index = (_foretold(figures.forecast, s) for s in range(len(MEASURES)))
        return CityState(
            time=figures.time,
            vehicles=_number(figures.vehicles),
            vehicles_low=_number(figures.low),
            vehicles_high=_number(figures.high),
            counted=_number(figures.counted),
            queue=_number(figures.queue),
            delay_index=_number(figures.delay_index),
            level=LEVELS[figures.level],
            severe_minutes=figures.severe_minutes,
            forecast=index,
            travel_time_index=_number(figures.travel_time_index),
            vehicles_forecast=vehicles,
            travel_time_forecast=time_index,
            districts=[self._district(figures, d) for d in range(len(self._districts.name))],
            links=[self._link(figures, k) for k in range(len(self._links.origin))],
        )

    def _district(self, figures: CityFigures, d: int) -> DistrictState:
        found = figures.districts
        mine = np.flatnonzero(self._districts.of_intersection == d).tolist()
        return DistrictState(
            name=self._districts.name[d],
            intersections=[self._network.intersection_id[i] for i in mine],
            vehicles=_number(found.vehicles[d]),
            travel_time_index=_number(found.travel_time_index[d]),
            delay_index=_number(found.delay_index[d]),
            level=LEVELS[found.level[d]],
            severe_minutes=int(found.severe_minutes[d]),
            forecast=_foretold(found.forecast, d),
        )

    def _link(self, figures: CityFigures, k: int) -> LinkTravel:
        found, links, network = figures.links, self._links, self._network
        return LinkTravel(
            origin=network.intersection_id[links.origin[k]],
            target=network.intersection_id[links.target[k]],
            road=network.edge_id[links.road[links.road_ptr[k + 1] - 1]],
            travel_time_s=_number(found.travel_time[k]),
            little_s=None if np.isnan(found.little[k]) else _number(found.little[k]),
            speed=_number(found.speed[k]),
            vehicles=_number(found.vehicles[k]),
            queue=_number(found.queue[k]),
            storage=_number(found.storage[k]),
            spillback=bool(found.spillback[k]),
            confidence=_number(found.confidence[k]),
            age_s=_number(found.age[k]),
            delay_index=_number(found.delay_index[k]),
            level=LEVELS[found.level[k]],
            severe_minutes=int(found.severe_minutes[k]),
            forecast=_foretold(found.forecast, k),
        )


def _foretold(forecast: Forecast, series: int) -> list[Foretold]:
    limits: Sequence[NDArray[Any]] = (forecast.value, forecast.low, forecast.high)
    rows = zip(HORIZONS, *(values[:, series].tolist() for values in limits), strict=True)
    return [Foretold(minutes=h, value=_number(v), low=_number(a), high=_number(b)) for h, v, a, b in rows]


def _number(value: float) -> float:
    return round(float(value), 3)
