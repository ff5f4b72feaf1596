"""Looks on at every tick and has the city's figures ready once a minute. An observer of the engine.

All that it remembers are arrays and numbers, so that a checkpoint of the live engine holds it and a restart goes on
with the same figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from citybrain.city.boundary import CROSSING_SPEED, find_boundary
from citybrain.city.doubt import Doubt, Unseen
from citybrain.city.edge import Edge
from citybrain.city.figures import CityFigures, DistrictFigures, Forecast, LinkFigures
from citybrain.city.forecast import Forecaster
from citybrain.city.index import LARGEST, SEVERE, delay_index, level, travel_time_index
from citybrain.city.roads import BIN_S, Roads
from citybrain.city.vehicles import Count, VehiclesInNetwork
from citybrain.errors import ContractError
from citybrain.links import find_links
from citybrain.units import TENTHS_PER_SECOND

if TYPE_CHECKING:
    from citybrain.city.districts import Districts
    from citybrain.city.forecast import History
    from citybrain.decisions import Command, Wish
    from citybrain.network import FloatArray, Network
    from citybrain.observations import ObservationBatch, SensorTable
    from citybrain.state import TrafficState

CITY_SERIES = 3
"""Series of the whole city that are foretold: vehicles, delay index, travel time index."""
MINUTE = 60 * TENTHS_PER_SECOND
DAY = 24 * 60 * MINUTE
LANE_GAP_S = 1.0
"""The estimator's lanes end so long before the next one begins [s]."""
LONGEST_STEP_S = 60.0
"""After a longer gap between two ticks, vehicles and travel times begin anew [s]."""


class CityObserver:
    """Figures of one street. Index letters: l lanes, e roads, k links, d districts, x sensors.

    Parameters
    ----------
    network, sensors : the street. districts : a partition of its roads.
    history : of earlier days, of the series that :attr:`history_size` counts; it is kept up. None: none is kept.

    Raises
    ------
    ContractError
        If the history has another number of series.
    """

    def __init__(
        self, network: Network, sensors: SensorTable, districts: Districts, history: History | None = None
    ) -> None:
        n_d = len(districts.name)
        if history is not None and history.mean.shape[1] != CITY_SERIES + n_d:
            raise ContractError(f"a history of {history.mean.shape[1]} series for a city of {CITY_SERIES + n_d}")
        links = find_links(network)
        n_k = len(links.origin)
        self._network, self._districts, self._links = network, districts, links
        boundary = find_boundary(network, sensors)
        self._edge = Edge(network, sensors, boundary)
        self._doubt = Doubt(network, sensors, boundary)
        self._roads = Roads(network)
        self._vehicles = VehiclesInNetwork()
        self._history = history
        self._forecaster = Forecaster(CITY_SERIES + n_d + n_k, history)
        self._road_sum = np.zeros(len(network.edge_id))
        self._crossing = self._seconds = 0.0
        self._unseen = np.zeros(len(Unseen._fields))
        self._severe = np.zeros(1 + n_d + n_k, dtype=np.int32)
        self._crossing_s = _crossing_times(network)
        self._crossing_s.flags.writeable = False
        self._time = -1

    @classmethod
    def history_size(cls, districts: Districts) -> int:
        """Count the series that have a history."""
        return CITY_SERIES + len(districts.name)

    def tick(self, batch: ObservationBatch, state: TrafficState, wish: Wish, command: Command) -> None:  # noqa: ARG002 - an observer is shown all of a tick
        """See one finished tick."""
        self.see(batch, state)

    def see(self, batch: ObservationBatch, state: TrafficState) -> CityFigures | None:
        """See what was observed and believed; returns figures at the end of every minute."""
        if self._time < 0:
            self._time = batch.time
        seconds = (batch.time - self._time) / TENTHS_PER_SECOND
        if seconds > LONGEST_STEP_S:
            self._roads.forget()
            self._vehicles.forget()
            seconds = 0.0
        before, self._time = self._time, batch.time
        self._edge.watch(seconds, batch, state)
        self._roads.watch(seconds, state)
        self._doubt.watch(seconds, batch, state)
        self._road_sum += seconds * self._roads.per_road(state.vehicles.astype(np.float64))
        self._crossing += seconds * float(state.flow @ self._crossing_s)
        self._unseen += seconds * np.array(self._doubt.unseen(state))
        self._seconds += seconds
        if batch.time // (BIN_S * TENTHS_PER_SECOND) != before // (BIN_S * TENTHS_PER_SECOND):
            self._roads.close_bin()
        if batch.time // MINUTE == before // MINUTE or self._seconds <= 0.0:
            return None
        if batch.time // DAY != before // DAY:
            self._severe[:] = 0
        return self._minute(state)

    def _minute(self, state: TrafficState) -> CityFigures:
        """Close a minute."""
        seconds = self._seconds
        crossed = self._edge.minute(seconds, self._time, state)
        believed = (float(self._road_sum.sum()) + self._crossing) / seconds
        self._vehicles.minute(
            Count(
                crossed=crossed,
                believed=max(0.0, believed),
                unseen=Unseen(*(self._unseen / seconds).tolist()),
                hidden=self._doubt.hidden(state),
                blind=self._edge.blind,
            )
        )
        road_vehicles = self._road_sum / seconds
        self._road_sum[:] = self._unseen[:] = 0.0
        self._crossing = self._seconds = 0.0
        return self._figures(state, road_vehicles)

    def _figures(self, state: TrafficState, road_vehicles: FloatArray) -> CityFigures:
        roads, of_road, n_d = self._roads, self._districts.of_road, len(self._districts.name)
        spent, travelled = roads.window()
        free = travelled * roads.free_s
        time = roads.travel_time()
        metres = travelled * roads.length

        def by_district(values: FloatArray) -> FloatArray:
            return np.bincount(of_road, weights=values, minlength=n_d).astype(np.float64)

        city = float(delay_index(np.array([spent.sum()]), np.array([free.sum()]))[0])
        city_time = float(travel_time_index(time, roads.free_s, metres, np.zeros_like(of_road), 1)[0])
        district = delay_index(by_district(spent), by_district(free))
        district_time = travel_time_index(time, roads.free_s, metres, of_road, n_d)
        link = delay_index(self._by_link(spent), self._by_link(free))
        indices = np.concatenate([[city], district, link])
        self._severe += (indices >= SEVERE).astype(np.int32)
        series = np.concatenate([[self._vehicles.estimate, city, city_time], district, link])
        minute = self._time // MINUTE
        self._forecaster.minute(minute, series)
        if self._history is not None:
            self._history.minute(minute, series[: CITY_SERIES + n_d])
        low, high = self._vehicles.interval
        return CityFigures(
            time=self._time,
            vehicles=self._vehicles.estimate,
            low=low,
            high=high,
            counted=1.0 - self._edge.blind,
            queue=float(state.queue.sum(dtype=np.float64)),
            delay_index=city,
            travel_time_index=city_time,
            level=int(level(indices[:1])[0]),
            severe_minutes=int(self._severe[0]),
            forecast=self._forecast(0, CITY_SERIES),
            districts=DistrictFigures(
                vehicles=by_district(road_vehicles),
                delay_index=district,
                travel_time_index=district_time,
                level=level(district),
                severe_minutes=self._severe[1 : 1 + n_d].copy(),
                forecast=self._forecast(CITY_SERIES, CITY_SERIES + n_d),
            ),
            links=self._link_figures(state, link, time, spent),
            roads=delay_index(spent, free),
        )

    def _link_figures(self, state: TrafficState, index: FloatArray, time: FloatArray, spent: FloatArray) -> LinkFigures:
        roads, links, n_d = self._roads, self._links, len(self._districts.name)
        left, length = roads.left(), self._network.lane_length
        with np.errstate(divide="ignore", invalid="ignore"):
            little = np.where(left > 0.0, np.maximum(spent / left, roads.free_s), np.nan)
        travel_time = self._by_link(time)
        first = links.road[links.road_ptr[:-1]]
        full = roads.per_road(((state.room < 1.0) & self._network.lane_general).astype(np.float64)) > 0.0
        road_length = roads.per_road(length)
        return LinkFigures(
            travel_time=travel_time,
            little=self._by_link(little),
            speed=links.length / travel_time,
            vehicles=self._by_link(roads.per_road(state.vehicles.astype(np.float64))),
            queue=self._by_link(roads.per_road(state.queue.astype(np.float64))),
            storage=self._by_link(roads.per_road(state.room.astype(np.float64))),
            spillback=full[first],
            delay_index=index,
            level=level(index),
            severe_minutes=self._severe[1 + n_d :].copy(),
            confidence=self._by_link(roads.per_road(state.confidence * length)) / self._by_link(road_length),
            age=self._least_by_link(state.age.astype(np.float64)),
            forecast=self._forecast(CITY_SERIES + n_d, None),
        )

    def _by_link(self, roads: FloatArray) -> FloatArray:
        """Sum values [E] of roads over each link [K]."""
        links = self._links
        total: FloatArray = (
            np.add.reduceat(roads[links.road], links.road_ptr[:-1]) if len(links.origin) else np.zeros(0)
        )
        return total

    def _least_by_link(self, lanes: FloatArray) -> FloatArray:
        """Least of values [L] of lanes over each link [K]."""
        links = self._links
        if not len(links.origin):
            return np.zeros(0)
        road = np.full(len(self._network.edge_id), np.inf)
        np.minimum.at(road, self._network.lane_edge, lanes)
        least: FloatArray = np.minimum.reduceat(road[links.road], links.road_ptr[:-1])
        return least

    def _forecast(self, begin: int, end: int | None) -> Forecast:
        """Forecasts of some series; vehicles are 0 or more, indices 1 to ``LARGEST``."""
        value, half = self._forecaster.ahead[:, begin:end].copy(), self._forecaster.half_width[:, begin:end]
        least = np.ones(value.shape[1])
        most = np.full(value.shape[1], LARGEST)
        if begin == 0:
            least[0], most[0] = 0.0, np.inf
        return Forecast(*(np.clip(limit, least, most) for limit in (value, value - half, value + half)))


def _crossing_times(network: Network) -> FloatArray:
    """[L] seconds inside the junction at a lane's end that the estimator's lanes do not hold.

    They hold the way at the speed limit, less a second. Behind a signal vehicles start or turn.
    """
    extra = network.move_length * (1.0 / CROSSING_SPEED - 1.0 / network.lane_speed[network.move_to])
    each = LANE_GAP_S + np.where(network.move_intersection >= 0, np.maximum(extra, 0.0), 0.0)
    ways = np.diff(network.lane_move_ptr)
    total = np.bincount(network.move_from, weights=each, minlength=network.n_lanes)
    mean: FloatArray = total / np.maximum(ways, 1)
    return mean
