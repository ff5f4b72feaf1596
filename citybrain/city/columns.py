"""Figures as columns of the tables that a run records. May import the network's tables and ``record_tables``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from citybrain.city.forecast import HORIZONS
from citybrain.city.index import Level
from citybrain.links import find_links
from citybrain.record_tables import TABLES
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from citybrain.city.districts import Districts
    from citybrain.city.figures import CityFigures, Forecast
    from citybrain.network import Network

CITY = "city"
LEVELS = tuple(level.name.lower() for level in Level)
MEASURES = ("vehicles", "delay_index", "travel_time_index")
"""What is foretold of the whole city, in the order of the series."""


class CityColumns:
    """Turns figures of one street into Arrow tables.

    Parameters
    ----------
    network, districts : as the observer's.
    """

    def __init__(self, network: Network, districts: Districts) -> None:
        links = find_links(network)
        names, roads = network.intersection_id, network.edge_id
        self._districts = districts.name
        self._origin = [names[i] for i in links.origin.tolist()]
        self._target = [names[i] for i in links.target.tolist()]
        self._road = [roads[e] for e in links.road[links.road_ptr[1:] - 1].tolist()]

    def tables(self, figures: CityFigures) -> Iterator[tuple[str, pa.Table]]:
        """Give every table's name and its rows of one minute."""
        time = figures.time / TENTHS_PER_SECOND
        city = (time, figures.vehicles, figures.low, figures.high, figures.counted, figures.queue, figures.delay_index)
        rest = (figures.travel_time_index, LEVELS[figures.level], figures.severe_minutes)
        yield "city", _table("city", [[value] for value in (*city, *rest)])
        yield "city_districts", _table("city_districts", self._district_columns(time, figures))
        yield "city_links", _table("city_links", self._link_columns(time, figures))
        yield "city_forecasts", _table("city_forecasts", self._forecast_columns(time, figures))

    def _district_columns(self, time: float, figures: CityFigures) -> list[Any]:
        found = figures.districts
        return [
            np.full(len(self._districts), time),
            self._districts,
            found.vehicles,
            found.delay_index,
            found.travel_time_index,
            [LEVELS[k] for k in found.level.tolist()],
            found.severe_minutes,
        ]

    def _link_columns(self, time: float, figures: CityFigures) -> list[Any]:
        found = figures.links
        return [
            np.full(len(self._road), time),
            self._origin,
            self._target,
            self._road,
            found.travel_time,
            found.little,
            found.speed,
            found.vehicles,
            found.queue,
            found.storage,
            found.spillback,
            found.delay_index,
            [LEVELS[k] for k in found.level.tolist()],
            found.severe_minutes,
            found.confidence,
            found.age,
        ]

    def _forecast_columns(self, time: float, figures: CityFigures) -> list[Any]:
        parts = [
            _foretold(figures.forecast, [CITY] * len(MEASURES), MEASURES),
            _foretold(figures.districts.forecast, self._districts, ["delay_index"] * len(self._districts)),
            _foretold(figures.links.forecast, self._road, ["delay_index"] * len(self._road)),
        ]
        columns = [[value for part in parts for value in part[k]] for k in range(6)]
        return [np.full(len(columns[0]), time), *columns]


def _foretold(forecast: Forecast, place: Sequence[str], measure: Sequence[str]) -> list[list[Any]]:
    """Columns place, measure, minutes, value, low, high of some series."""
    n = len(place)
    minutes = np.repeat(HORIZONS, n).tolist()
    limits = [values.ravel().tolist() for values in (forecast.value, forecast.low, forecast.high)]
    return [list(place) * len(HORIZONS), list(measure) * len(HORIZONS), minutes, *limits]


def _table(name: str, columns: Sequence[Any]) -> pa.Table:
    schema = TABLES[name].schema
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
