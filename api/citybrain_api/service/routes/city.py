"""The city's figures."""

from __future__ import annotations

from fastapi import APIRouter

from citybrain_api.service import city_documents as doc
from citybrain_api.service.access import PersonKey, ServiceNeeded
from citybrain_api.service.problems import ProblemError, declared

router = APIRouter(tags=["people"])


@router.get("/v1/city", summary="The city's figures", responses=declared(401, 403, 404, 429, 503))
def city(shared: ServiceNeeded, _key: PersonKey) -> doc.CityState:
    """Tell vehicles in network, congestion of city, districts and links, and a short forecast, of the last full minute.

    404 with the code `no_figures` until the first minute has ended, after a restart too; then the figures go on where
    they were.
    """
    figures = shared.snapshot().city
    if figures is None:
        detail = "no minute has ended since the engine began"
        raise ProblemError(404, detail, code="no_figures", headers={"Retry-After": "60"})
    return shared.city.document(figures)
