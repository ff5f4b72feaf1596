"""Metrics for Prometheus; a registry per service, so that two services in one process do not mix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from citybrain.city.figures import CityFigures

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """What the service counts and shows. Polls answered with 304 on the short way are in ``unchanged_polls`` alone."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("citybrain_requests", "Requests.", ["method", "route", "status"], registry=registry)
        self.seconds = Histogram(
            "citybrain_request_seconds", "Duration of requests [s].", ["route"], buckets=SECONDS, registry=registry
        )
        self.unchanged_polls = Counter(
            "citybrain_unchanged_polls", "Polls answered with 304 on the short way.", registry=registry
        )
        self.batches = Counter(
            "citybrain_batches", "Batches of observations; known: had come before.", ["known"], registry=registry
        )
        self.acks = Counter("citybrain_acks", "Acknowledgements.", ["verdict"], registry=registry)
        self.engine_time = Gauge("citybrain_engine_time_tenths", "Time of the last tick [0.1 s].", registry=registry)
        self.clock = Gauge("citybrain_clock_tenths", "The service's clock [0.1 s].", registry=registry)
        self.ready = Gauge("citybrain_ready", "1 where the service is ready.", registry=registry)
        self.alive = Gauge(
            "citybrain_controllers_alive", "Controllers that polled within their lease.", registry=registry
        )
        self.plans = Gauge("citybrain_plans_in_force", "Intersections with a plan in force.", registry=registry)
        self.vehicles = Gauge("citybrain_vehicles", "Vehicles in network, last full minute.", registry=registry)
        self.vehicles_low = Gauge("citybrain_vehicles_low", "Lower end of their 95 % interval.", registry=registry)
        self.vehicles_high = Gauge("citybrain_vehicles_high", "Upper end of their 95 % interval.", registry=registry)
        self.delay_index = Gauge("citybrain_delay_index", "Congestion delay index of the city.", registry=registry)
        self.travel_time_index = Gauge("citybrain_travel_time_index", "Travel time index.", registry=registry)
        self.streams = Gauge("citybrain_streams", "Open event streams.", registry=registry)
        self.bodies = Gauge("citybrain_bodies_bytes", "Bodies held in memory [bytes].", registry=registry)

    def tell_city(self, figures: CityFigures) -> None:
        """Set the gauges of the city."""
        self.vehicles.set(figures.vehicles)
        self.vehicles_low.set(figures.low)
        self.vehicles_high.set(figures.high)
        self.delay_index.set(figures.delay_index)
        self.travel_time_index.set(figures.travel_time_index)

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self.registry)
