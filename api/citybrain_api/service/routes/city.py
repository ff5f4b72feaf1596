"""The city's figures."""

from __future__ import annotations

from fastapi import APIRouter

from citybrain_api.service import city_documents as doc
from citybrain_api.service.access import PersonKey, ServiceNeeded
from citybrain_api.service.problems import declared, unavailable

router = APIRouter(tags=["people"])


@router.get("/v1/city", summary="The city's figures", responses=declared(401, 403, 429, 503))
def city(shared: ServiceNeeded, _key: PersonKey) -> doc.CityState:
    """Tell vehicles in network, congestion of city, districts and links, and a short forecast, of the last full minute.

    503 until the first minute has ended, after a restart too; then the figures go on where they were.
    """
    figures = shared.snapshot().city
    if figures is None:
        raise unavailable("no minute has ended since the engine began", after_s=60)
    return shared.city.document(figures)
