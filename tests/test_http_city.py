"""The city's figures over real HTTP, and in the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citybrain.city.districts import given_districts
from citybrain_api.service.city_documents import CityView
from tests.http_world import serving
from tests.test_city import chain, chain_observer, watch

if TYPE_CHECKING:
    from pathlib import Path


def test_figures_come_with_the_first_full_minute(tmp_path: Path) -> None:
    with serving(tmp_path) as world:
        world.tick(2)
        early = world.get("reader", "/v1/city")
        assert (early.status_code, early.headers["Retry-After"]) == (404, "60")
        assert early.json()["code"] == "no_figures"
        world.tick(60)
        answer = world.get("reader", "/v1/city")
        assert answer.status_code == 200
        found = answer.json()
        assert found["vehicles_low"] <= found["vehicles"] <= found["vehicles_high"]
        assert found["delay_index"] >= 1.0
        assert found["level"] in {"smooth", "slow", "congested", "severe"}
        assert [ahead["minutes"] for ahead in found["vehicles_forecast"]] == [5, 15, 30]
        assert [(place["name"], place["intersections"]) for place in found["districts"]] == [("district 1", ["c"])]
        assert found["links"] == []
        assert found["time"] % 600 == 0
        assert world.get("controller", "/v1/city").status_code == 403
        metrics = world.get("reader", "/metrics").text
        assert f"citybrain_vehicles {found['vehicles']:.3f}"[:22] in metrics
        assert "citybrain_delay_index" in metrics


def test_links_and_districts_are_told_by_name() -> None:
    figures = watch(chain_observer(), 0, 420, [2.0, 15.0, 1.0], [0.1, 0.1, 0.1])
    network = chain()
    told = CityView(network, given_districts(network, {"west": ["p"], "east": ["q"]})).document(figures)
    assert [(link.origin, link.target, link.road) for link in told.links] == [("p", "q", "b"), ("q", "p", "a")]
    assert told.links[0].level == "severe"
    assert told.links[0].little_s is not None
    assert [place.name for place in told.districts] == ["west", "east"]
    assert len(told.links[0].forecast) == len(told.travel_time_forecast) == 3
